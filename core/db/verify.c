/*
 * db/verify.c - are the schemas what the plugins of this version expect?
 *
 * Asked on the pool's own connections, because a start waits for it, and for a server a
 * connection costs more than all that is asked.  Each history is a statement of its own: that one
 * is missing must not hide the others.
 */
#include "db/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

/* Whoever verifies wants to serve soon, with the database or without; a history that is locked must
 * not keep the only connection for longer. */
enum { VERIFY_MS = 4000, HISTORY_MS = 2000 };

struct question {
    struct sx_db_op op;
    struct sx_db_stmt stmt;
    struct sx_db_verify *verify;
    struct sx_db_rows *rows; /* a reference; NULL: there is no history */
    bool is_unreadable;      /* and a fault has said so */
    char sql[200];
};

struct sx_db_verify {
    struct sx_db_pool *pool;
    uv_timer_t timer;
    struct sx_report *faults;
    sx_db_verified_fn *done;
    void *arg;
    uint64_t until_ms;
    const struct sx_db_migrate_plugin *plugins;
    size_t *order; /* owned */
    size_t n, n_asked, n_answered;
    bool is_over;
    char why[SX_DB_WHY]; /* it could not be asked */
    struct question questions[];
};

/* It has made the histories, too. */
const struct sx_db_owner sx_db_login = { .name = "host", .search_path = "pg_catalog" };

/* --- the end -------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *handle)
{
    struct sx_db_verify *v = SX_MEMBER_OF(handle, struct sx_db_verify, timer);
    struct sx_db_pool *pool = v->pool;

    for (size_t i = 0; i < v->n; i++)
        sx_db_rows_drop(v->questions[i].rows);
    free(v->order);
    free(v);
    sx_db_pool_release(pool);
}

static void compare(struct sx_db_verify *v, size_t i)
{
    const struct sx_db_migrate_plugin *plugin = &v->plugins[i];
    const struct question *q = &v->questions[i];
    const PGresult *history = q->rows != NULL ? sx_db_rows_pg(q->rows) : NULL;

    if (q->is_unreadable)
        return;
    history_compare(history, plugin, true, v->faults);
    for (const struct sx_db_migration *s = plugin->steps; s != NULL && s->sql != NULL; s++)
        if (!history_has(history, s->number))
            sx_report_add(v->faults,
                          "plugin \"%s\": migration %u \"%s\" has not been applied\n"
                          "Run sim-exchange migrate.",
                          plugin->name, s->number, s->name);
}

static void end(struct sx_db_verify *v)
{
    if (v->is_over)
        return;
    v->is_over = true;
    for (size_t i = 0; i < v->n; i++) /* of those that have no answer yet */
        (void)sx_db_pool_forget(v->pool, &v->questions[i].op);
    for (size_t i = 0; i < v->n && v->why[0] == '\0'; i++)
        compare(v, v->order[i]);
    v->done(v->arg, v->why[0] != '\0' ? v->why : NULL);
    uv_close((uv_handle_t *)&v->timer, on_timer_closed);
}

/* --- asking --------------------------------------------------------------------- */

static bool is_missing(const struct sx_db_failure *failure)
{
    return strcmp(failure->sqlstate, "42P01") == 0 || strcmp(failure->sqlstate, "3F000") == 0;
}

/* The classes of what a server is in, not a schema: rolled back, out of something, not able,
 * stopped by somebody, broken (PostgreSQL, appendix A). */
static bool is_of_the_server(const char *sqlstate)
{
    static const char *const classes[] = { "40", "53", "55", "57", "58" };

    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++)
        if (strncmp(sqlstate, classes[i], 2) == 0)
            return true;
    return false;
}

/* A login that may not look is one that cannot say: another one migrates. */
static bool is_unknown(const struct sx_db_failure *failure)
{
    return failure->sqlstate[0] == '\0' || failure->is_lost || failure->is_busy ||
           is_of_the_server(failure->sqlstate) || strcmp(failure->sqlstate, "42501") == 0;
}

static void ask_further(struct sx_db_verify *v);

static void on_answer(struct sx_db_op *op, struct sx_db_rows *const *rows,
                      const struct sx_db_failure *failure)
{
    struct question *q = SX_MEMBER_OF(op, struct question, op);
    struct sx_db_verify *v = q->verify;

    v->n_answered++;
    if (failure == NULL) {
        q->rows = rows[0];
        sx_db_rows_keep(q->rows);
    } else if (is_unknown(failure)) {
        (void)snprintf(v->why, sizeof v->why, "%s",
                       failure->is_lost && v->pool->why[0] != '\0' ? v->pool->why
                                                                   : failure->message);
    } else if (!is_missing(failure)) {
        q->is_unreadable = true;
        sx_report_add(v->faults, "plugin \"%s\": its history of migrations cannot be read: %s",
                      v->plugins[q - v->questions].name, failure->message);
    }
    if (v->n_answered == v->n || v->why[0] != '\0')
        end(v);
    else
        ask_further(v);
}

static int ask(struct sx_db_verify *v, size_t i)
{
    struct question *q = &v->questions[i];
    int err;

    (void)snprintf(q->sql, sizeof q->sql, "SELECT number, name, checksum FROM \"%s\".sx_migrations",
                   v->plugins[i].name);
    q->verify = v;
    q->stmt = (struct sx_db_stmt){ .sql = q->sql, .flags = SX_DB_READ_ONLY };
    q->op = (struct sx_db_op){ .owner = &sx_db_login,
                               .stmts = &q->stmt,
                               .n_stmts = 1,
                               .timeout_ms = HISTORY_MS,
                               .done = on_answer };
    err = sx_db_pool_submit(v->pool, &q->op);
    if (err == 0)
        ((struct sx_db_job *)q->op.job)->is_unnamed = true; /* it is asked once */
    return err;
}

/* As many at once as the queue takes. */
static void ask_further(struct sx_db_verify *v)
{
    while (v->n_asked < v->n && v->n_asked - v->n_answered < v->pool->set.max_queued) {
        if (ask(v, v->order[v->n_asked]) < 0) {
            (void)snprintf(v->why, sizeof v->why, "the database cannot be asked");
            end(v);
            return;
        }
        v->n_asked++;
    }
}

/* --- without an answer ---------------------------------------------------------- */

/* Each attempt has failed, and none is under way that may still get through. */
static bool is_hopeless(const struct sx_db_pool *pool)
{
    uint64_t now_ms = uv_now(pool->set.loop);

    for (uint32_t i = 0; i < pool->n_conns; i++) {
        const struct sx_db_conn *conn = &pool->conns[i];

        if (sx_db_conn_is_needed(conn) && (conn->state != CONN_AWAY || conn->retry_ms <= now_ms))
            return false;
    }
    return pool->has_told;
}

static void on_tick(uv_timer_t *timer)
{
    struct sx_db_verify *v = SX_MEMBER_OF(timer, struct sx_db_verify, timer);

    if (uv_now(v->pool->set.loop) >= v->until_ms)
        (void)snprintf(v->why, sizeof v->why, "the database did not answer within %d ms",
                       (int)VERIFY_MS);
    else if (is_hopeless(v->pool))
        (void)snprintf(v->why, sizeof v->why, "%s", v->pool->why);
    if (v->why[0] != '\0')
        end(v);
}

static int prepare(struct sx_db_verify *v)
{
    int err = plan_check(v->plugins, v->n, v->faults);
    int err_order = plan_order(v->plugins, v->n, v->faults, &v->order);

    return err < 0 ? err : err_order;
}

int sx_db_verify(struct sx_db_pool *pool, const struct sx_db_migrate_plugin *plugins, size_t n,
                 struct sx_report *faults, sx_db_verified_fn *done, void *arg)
{
    struct sx_db_verify *v = calloc(1, sizeof *v + n * sizeof v->questions[0]);
    int err;

    if (v == NULL)
        return SX_ERR_NOMEM;
    v->pool = pool;
    v->plugins = plugins;
    v->n = n;
    v->faults = faults;
    v->done = done;
    v->arg = arg;
    err = prepare(v);
    if (err < 0) {
        free(v->order);
        free(v);
        return err;
    }
    uv_update_time(pool->set.loop);
    v->until_ms = uv_now(pool->set.loop) + VERIFY_MS;
    (void)uv_timer_init(pool->set.loop, &v->timer);
    (void)uv_timer_start(&v->timer, on_tick, TICK_MS, TICK_MS);
    pool->n_handles++;
    if (n == 0)
        end(v);
    else
        ask_further(v);
    return 0;
}
