/* support/db.c - a pool of core/db on a loop of the test's own. */
#include "db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "pg.h"

enum { PATIENCE_MS = 30000 };

/* --- the pool ------------------------------------------------------------------- */

static bool on_log(void *arg, int severity, const char *text)
{
    struct sx_test_db *db = arg;

    (void)severity;
    db->n_logs++;
    (void)snprintf(db->log, sizeof db->log, "%s", text);
    return true;
}

static void on_ready(void *arg, bool is_ready, const char *why)
{
    struct sx_test_db *db = arg;

    db->n_ready += is_ready;
    db->n_not_ready += !is_ready;
    (void)snprintf(db->why, sizeof db->why, "%s", why);
}

void sx_test_db_init(struct sx_test_db *db, const char *url)
{
    struct sx_report faults;

    memset(db, 0, sizeof *db);
    sx_report_init(&faults);
    if (sx_db_open(SX_BUILD_DIR "/sx_db.so", &faults, &db->m) < 0)
        fail_msg("%s", faults.n_faults > 0 ? faults.faults[0] : "sx_db.so");
    sx_report_finish(&faults);
    assert_int_equal(uv_loop_init(&db->loop), 0);
    db->owner = (struct sx_db_owner){ .name = "test", .search_path = "public" };
    db->set = (struct sx_db_settings){ .loop = &db->loop,
                                       .url = url,
                                       .size = 1,
                                       .max_queued = 2000,
                                       .statement_ms = 10000,
                                       .connect_ms = 5000,
                                       .application_name = "sx-test",
                                       .on_log = on_log,
                                       .on_ready = on_ready,
                                       .arg = db };
}

void sx_test_db_open(struct sx_test_db *db)
{
    assert_int_equal(db->m->create(&db->set, &db->pool), 0);
}

static void on_closed(void *arg)
{
    struct sx_test_db *db = arg;

    db->is_closed = true;
    db->pool = NULL;
}

void sx_test_db_finish(struct sx_test_db *db)
{
    if (db->pool != NULL) {
        db->m->close(db->pool, on_closed, db);
        sx_test_db_run(db, &db->is_closed);
    }
    assert_int_equal(uv_run(&db->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&db->loop), 0);
}

/* --- waiting -------------------------------------------------------------------- */

static void on_patience_lost(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

struct patience {
    uv_timer_t timer;
    bool is_over, is_closed;
};

static void on_patience_closed(uv_handle_t *handle)
{
    SX_MEMBER_OF(handle, struct patience, timer)->is_closed = true;
}

static void run_until(struct sx_test_db *db, bool (*is_it)(struct sx_test_db *db, const void *arg),
                      const void *arg)
{
    struct patience p = { .is_over = false };

    assert_int_equal(uv_timer_init(&db->loop, &p.timer), 0);
    p.timer.data = &p.is_over;
    assert_int_equal(uv_timer_start(&p.timer, on_patience_lost, PATIENCE_MS, 0), 0);
    while (!is_it(db, arg) && !p.is_over)
        (void)uv_run(&db->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&p.timer, on_patience_closed);
    while (!p.is_closed)
        (void)uv_run(&db->loop, UV_RUN_NOWAIT);
    if (p.is_over)
        fail_msg("nothing happened for %d ms; last log: %s", PATIENCE_MS, db->log);
}

static bool is_set(struct sx_test_db *db, const void *flag)
{
    (void)db;
    return *(const bool *)flag;
}

static bool is_as_ready(struct sx_test_db *db, const void *is_ready)
{
    struct sx_db_stats stats;

    db->m->stats(db->pool, &stats);
    return stats.is_ready == *(const bool *)is_ready;
}

static bool is_complete(struct sx_test_db *db, const void *arg)
{
    struct sx_db_stats stats;

    (void)arg;
    db->m->stats(db->pool, &stats);
    return stats.is_ready && stats.n_connections == db->set.size;
}

void sx_test_db_open_ready(struct sx_test_db *db)
{
    sx_test_db_open(db);
    run_until(db, is_complete, NULL);
}

void sx_test_db_run(struct sx_test_db *db, const bool *flag)
{
    run_until(db, is_set, flag);
}

void sx_test_db_run_ready(struct sx_test_db *db, bool is_ready)
{
    run_until(db, is_as_ready, &is_ready);
}

void sx_test_on_verified(void *arg, const char *why)
{
    struct sx_test_verified *v = arg;

    assert_false(v->is_over);
    v->is_over = true;
    (void)snprintf(v->why, sizeof v->why, "%s", why != NULL ? why : "");
}

/* --- operations ----------------------------------------------------------------- */

static void take_failure(struct sx_test_op *t, const struct sx_db_failure *failure)
{
    t->failure = *failure;
    (void)snprintf(t->message, sizeof t->message, "%s", failure->message);
    if (failure->constraint != NULL)
        (void)snprintf(t->constraint, sizeof t->constraint, "%s", failure->constraint);
    t->failure.message = t->failure.constraint = NULL;
}

static void take_rows(struct sx_test_op *t, struct sx_db_rows *const *rows)
{
    const struct sx_db_module *m = t->m;
    struct sx_db_rows *last = rows[t->op.n_stmts - 1];
    const char *value = m->rows_text(last, 0, 0, NULL);

    t->n_rows = m->rows_count(last);
    (void)snprintf(t->value, sizeof t->value, "%s", value != NULL ? value : "(null)");
    if (t->keeps_rows) {
        m->rows_keep(last);
        t->kept = last;
    }
}

static void on_done(struct sx_db_op *op, struct sx_db_rows *const *rows,
                    const struct sx_db_failure *failure)
{
    struct sx_test_op *t = SX_MEMBER_OF(op, struct sx_test_op, op);

    assert_false(t->is_done);
    t->is_done = true;
    t->is_ok = failure == NULL;
    if (failure != NULL)
        take_failure(t, failure);
    else
        take_rows(t, rows);
}

void sx_test_op_init(struct sx_test_op *t, const struct sx_db_owner *owner, const char *sql,
                     uint32_t flags)
{
    memset(t, 0, sizeof *t);
    t->stmt = (struct sx_db_stmt){ .sql = sql, .params = t->params, .flags = flags };
    t->op = (struct sx_db_op){ .owner = owner, .stmts = &t->stmt, .n_stmts = 1, .done = on_done };
}

void sx_test_op_text(struct sx_test_op *t, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(t->text, sizeof t->text, fmt, ap);
    va_end(ap);
    t->params[0] = (struct sx_db_param){ .type = SX_DB_TEXT,
                                         .len = strlen(t->text),
                                         .v.p = t->text };
    t->stmt.n_params = 1;
}

void sx_test_op_submit(struct sx_test_db *db, struct sx_test_op *t)
{
    t->m = db->m;
    assert_int_equal(db->m->submit(db->pool, &t->op), 0);
}

static void run_op(struct sx_test_db *db, struct sx_test_op *t, const char *sql, uint32_t flags)
{
    sx_test_op_init(t, &db->owner, sql, flags);
    sx_test_op_submit(db, t);
    sx_test_db_run(db, &t->is_done);
}

void sx_test_db_write(struct sx_test_db *db, struct sx_test_op *t, const char *sql)
{
    run_op(db, t, sql, 0);
}

void sx_test_db_read(struct sx_test_db *db, struct sx_test_op *t, const char *sql)
{
    run_op(db, t, sql, SX_DB_READ_ONLY);
}

const char *sx_test_db_value(struct sx_test_db *db, struct sx_test_op *t, const char *sql)
{
    sx_test_db_read(db, t, sql);
    if (!t->is_ok)
        fail_msg("%s: %s", sql, t->message);
    return t->value;
}

/* --- beside the pool ------------------------------------------------------------ */

void sx_test_sql_value(const char *url, const char *sql, char *to, size_t size)
{
    char psql[256];
    int ends[2], status;
    size_t len = 0;
    ssize_t n;
    pid_t pid;

    assert_int_equal(pipe(ends), 0);
    pid = fork();
    if (pid == 0) {
        (void)dup2(ends[1], 1);
        (void)close(ends[0]);
        (void)close(ends[1]);
        (void)snprintf(psql, sizeof psql, "%s/psql", sx_test_pg_bin());
        (void)execl(psql, "psql", "-qAtX", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql,
                    (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    while (len < size - 1 && (n = read(ends[0], to + len, size - 1 - len)) > 0)
        len += (size_t)n;
    (void)close(ends[0]);
    to[len > 0 && to[len - 1] == '\n' ? len - 1 : len] = '\0';
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        fail_msg("psql: %s", sql);
}

void sx_test_sql_await(const char *url, const char *sql)
{
    uint64_t began_ns = uv_hrtime();
    char found[16] = "";

    while (strcmp(found, "t") != 0) {
        sx_test_sql_value(url, sql, found, sizeof found);
        if (uv_hrtime() - began_ns > PATIENCE_MS * 1000000ull)
            fail_msg("never true: %s", sql);
    }
}

void sx_test_sql(const char *url, const char *sql)
{
    char ignored[256];

    sx_test_sql_value(url, sql, ignored, sizeof ignored);
}
