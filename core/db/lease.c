/*
 * db/lease.c - a connection for one blocking handler, from its first statement to its end.
 *
 * A lease belongs to the pool thread that made it.  Others may only cancel it: a flag, and a
 * wake-up of its poll through the mutex of sx_db_lend.  What the handler left behind is taken
 * away before the connection goes back (I7); where that fails the connection is replaced.
 */
#include "db/db_private.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

enum { GRACE_MS = 2000, RESET_MS = 5000, MAX_TRIES = 8 };

static const char settings_sql[] =
    "SELECT set_config('role'," SX_DB_OWN_ROLE
    ",$4),set_config('search_path',$2,$4),set_config('statement_timeout',$3,$4)";
/* Not DISCARD ALL: notifications of the connection that flips must go on being heard. */
#define RESET_SQL                                                                \
    "RESET SESSION AUTHORIZATION;RESET ROLE;RESET ALL;DEALLOCATE ALL;CLOSE ALL;" \
    "SELECT pg_advisory_unlock_all();DISCARD PLANS;DISCARD SEQUENCES;DISCARD TEMP"

struct sx_db_lease {
    struct sx_db_pool *pool;         /* borrowed */
    const struct sx_db_owner *owner; /* borrowed */
    struct sx_db_conn *conn;         /* NULL before the first statement; set under the mutex */
    uint64_t deadline_ns;
    atomic_bool is_cancelled;
    bool is_outside; /* the handler has the PGconn itself: under the mutex */
    bool is_broken;
    bool has_failed;
    bool has_committed;          /* something that another attempt would do again */
    struct sx_db_cancel *cancel; /* that was asked for, or NULL; under the mutex */
    struct sx_db_params params;
    struct sx_db_rows *rows; /* of the last statement */
    struct sx_db_failure failure;
    PGresult *error; /* owned; failure borrows from it */
    char why[200];
};

/* --- failing -------------------------------------------------------------------- */

/* The first one stays. */
static void fail(struct sx_db_lease *l, const char *why)
{
    if (l->has_failed)
        return;
    l->has_failed = true;
    (void)snprintf(l->why, sizeof l->why, "%.*s", (int)strcspn(why, "\n"), why);
    l->failure = (struct sx_db_failure){ .message = l->why };
}

static void fail_with(struct sx_db_lease *l, PGresult *error)
{
    if (l->has_failed) {
        PQclear(error);
        return;
    }
    l->has_failed = true;
    l->error = error;
    sx_db_failure_read(&l->failure, error, 0);
    l->failure.is_retryable = l->failure.is_retryable && !l->has_committed;
    if (sx_db_is_fatal(error)) {
        l->is_broken = true;
        l->failure.is_lost = true;
    }
    if (atomic_load(&l->is_cancelled) && sx_db_has_sqlstate(error, "57014"))
        l->failure.message = "the time of the request is over";
}

/* It was refused because the primary is elsewhere: nothing has happened, and every connection is
 * looked up again. */
static void fail_moved(struct sx_db_lease *l)
{
    l->is_broken = true;
    l->failure.is_lost = true;
    sx_db_lend_moved(l->pool);
}

/* A commit that is cancelled while it waits for a synchronous standby succeeds, with a warning,
 * though nobody knows whether the standby has it: that is no acknowledgement. */
static void fail_late(struct sx_db_lease *l, PGresult *res)
{
    PQclear(res);
    fail(l, "the time of the request is over");
    l->is_broken = true;
    l->failure.is_lost = true;
}

static void fail_lost(struct sx_db_lease *l, const char *why)
{
    l->is_broken = true;
    if (l->has_failed)
        return;
    fail(l, why);
    l->failure.is_lost = true;
}

static int code_of(const struct sx_db_lease *l)
{
    return l->has_failed ? SX_ERR_DB : 0;
}

/* --- a command and its result --------------------------------------------------- */

/* How long one command may take, and what was done about it. */
struct wait {
    uint64_t until_ns; /* 0: for ever */
    bool is_cancelled; /* the server was asked to stop it */
    bool ignores_cancel;
};

/* With the mutex held. */
static void ask_to_cancel(struct sx_db_lease *l)
{
    if (l->cancel == NULL)
        l->cancel = sx_db_cancel_start(l->pool->lend.cancels, l->conn->pg);
}

static void cancel_running(struct sx_db_lease *l, struct wait *w)
{
    atomic_store(&l->is_cancelled, true);
    w->is_cancelled = true;
    w->until_ns = uv_hrtime() + (uint64_t)GRACE_MS * 1000000;
    uv_mutex_lock(&l->pool->lend.mutex);
    ask_to_cancel(l);
    uv_mutex_unlock(&l->pool->lend.mutex);
}

static int timeout_of(const struct wait *w)
{
    uint64_t now_ns = uv_hrtime(), left_ms;

    if (w->until_ns == 0)
        return -1;
    left_ms = w->until_ns > now_ns ? (w->until_ns - now_ns) / 1000000 + 1 : 0;
    return left_ms < INT32_MAX ? (int)left_ms : INT32_MAX;
}

/* Waits until the socket has something; false: this connection has no future. */
static bool wait_io(struct sx_db_lease *l, struct wait *w)
{
    struct pollfd fds[2] = { { .fd = PQsocket(l->conn->pg), .events = POLLIN },
                             { .fd = w->is_cancelled || w->ignores_cancel ? -1 : l->conn->wake_fd,
                               .events = POLLIN } };
    int left = PQflush(l->conn->pg), n;

    if (left < 0)
        return false;
    if (left == 1)
        fds[0].events |= POLLOUT;
    n = poll(fds, 2, timeout_of(w));
    if (n == 0 && (w->is_cancelled || w->ignores_cancel))
        return false;
    if (n == 0 || (fds[1].revents & POLLIN) != 0)
        cancel_running(l, w);
    if ((fds[0].revents & (POLLIN | POLLERR | POLLHUP)) != 0)
        return PQconsumeInput(l->conn->pg) == 1 || !PQisBusy(l->conn->pg);
    return true;
}

/* The last result of what was sent, or NULL when the connection is lost.  COPY is for those
 * who hold the PGconn: here it ends the connection. */
static PGresult *await_result(struct sx_db_lease *l, struct wait *w)
{
    PGresult *last = NULL, *res;

    for (;;) {
        while (PQisBusy(l->conn->pg))
            if (!wait_io(l, w)) {
                PQclear(last);
                return NULL;
            }
        res = PQgetResult(l->conn->pg);
        if (res == NULL)
            return last;
        if (last == NULL || PQresultStatus(last) != PGRES_FATAL_ERROR) {
            PQclear(last);
            last = res;
        } else {
            PQclear(res);
        }
        if (PQresultStatus(last) >= PGRES_COPY_OUT && PQresultStatus(last) <= PGRES_COPY_IN) {
            l->is_broken = true;
            return last;
        }
    }
}

static bool is_good(const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

/* The result, good; or NULL after a failure was noted. */
static PGresult *finish_within(struct sx_db_lease *l, int is_sent, struct wait w)
{
    PGresult *res = is_sent == 1 ? await_result(l, &w) : NULL;

    if (res == NULL && PQstatus(l->conn->pg) == CONNECTION_OK)
        fail_lost(l, w.is_cancelled ? "the database did not stop a cancelled statement"
                                    : "the database fell silent");
    else if (res == NULL)
        fail_lost(l, PQerrorMessage(l->conn->pg));
    else if (is_good(res) && !w.is_cancelled)
        return res;
    else if (is_good(res))
        fail_late(l, res);
    else if (PQresultStatus(res) == PGRES_FATAL_ERROR)
        fail_with(l, res);
    else {
        fail(l, l->is_broken ? "COPY needs the connection itself" : "the statement is empty");
        PQclear(res);
    }
    return NULL;
}

static PGresult *finish_command(struct sx_db_lease *l, int is_sent)
{
    return finish_within(l, is_sent, (struct wait){ .until_ns = l->deadline_ns });
}

static bool run_plain(struct sx_db_lease *l, const char *sql)
{
    PGresult *res = finish_command(
        l, PQsendQueryParams(l->conn->pg, sql, 0, NULL, NULL, NULL, NULL, 0));

    PQclear(res);
    return res != NULL;
}

/* --- the connection ------------------------------------------------------------- */

/* Role, search path and timeout: of the session, or of the transaction behind a pooler. */
static bool send_settings(struct sx_db_lease *l, bool is_local, struct wait w)
{
    char timeout[16];
    const char *values[4] = { l->owner->role != NULL ? l->owner->role : "none",
                              l->owner->search_path != NULL ? l->owner->search_path : "pg_catalog",
                              timeout, is_local ? "t" : "f" };
    PGresult *res;

    (void)snprintf(timeout, sizeof timeout, "%u", l->pool->set.statement_ms);
    res = finish_within(
        l, PQsendQueryParams(l->conn->pg, settings_sql, 4, NULL, values, NULL, NULL, 0), w);
    PQclear(res);
    return res != NULL;
}

static void fail_to_take(struct sx_db_lease *l, int err)
{
    fail(l, err == SX_ERR_CLOSED ? "the server is stopping"
            : err == SX_ERR_DB   ? "the database is away"
                                 : "no database connection was free in time");
    l->failure.is_lost = err == SX_ERR_CLOSED || err == SX_ERR_DB;
    l->failure.is_busy = err != SX_ERR_CLOSED;
}

static bool take_conn(struct sx_db_lease *l)
{
    struct sx_db_conn *conn = NULL;
    uint64_t count;
    int err = sx_db_lend_take(l->pool, l->deadline_ns, &l->is_cancelled, &conn);

    if (err < 0) {
        fail_to_take(l, err);
        return false;
    }
    uv_mutex_lock(&l->pool->lend.mutex);
    l->conn = conn;
    (void)!read(conn->wake_fd, &count, sizeof count); /* of the lease before */
    uv_mutex_unlock(&l->pool->lend.mutex);
    return true;
}

/* Its settings, which also tell whether anybody is there: what has died unnoticed while it lay
 * here must not take a statement with it. */
static bool greet(struct sx_db_lease *l)
{
    uint64_t until_ns = uv_hrtime() + (uint64_t)l->pool->set.connect_ms * 1000000;

    if (l->deadline_ns != 0 && l->deadline_ns < until_ns)
        until_ns = l->deadline_ns;
    if (PQsetnonblocking(l->conn->pg, 1) != 0)
        fail_lost(l, PQerrorMessage(l->conn->pg));
    return !l->has_failed &&
           (l->pool->set.is_pooled ||
            send_settings(l, false, (struct wait){ .until_ns = until_ns, .ignores_cancel = true }));
}

/* As if nothing had been tried: it was not the handler's statement that failed. */
static void forget_dead(struct sx_db_lease *l)
{
    struct sx_db_conn *conn = l->conn;

    uv_mutex_lock(&l->pool->lend.mutex);
    l->conn = NULL;
    uv_mutex_unlock(&l->pool->lend.mutex);
    sx_db_lend_give(conn, l->failure.message);
    PQclear(l->error);
    l->error = NULL;
    l->has_failed = l->is_broken = false;
    l->failure = (struct sx_db_failure){ 0 };
}

static bool has_conn(struct sx_db_lease *l)
{
    uint64_t now_ns;

    if (l->conn != NULL || l->has_failed)
        return !l->has_failed;
    for (int i = 0; take_conn(l); i++) {
        if (greet(l))
            return true;
        now_ns = uv_hrtime();
        if (!l->is_broken || i == MAX_TRIES || (l->deadline_ns != 0 && now_ns >= l->deadline_ns))
            return false;
        forget_dead(l);
    }
    return false;
}

static bool is_in_transaction(const struct sx_db_lease *l)
{
    return PQtransactionStatus(l->conn->pg) != PQTRANS_IDLE;
}

/* --- the calls ------------------------------------------------------------------ */

int sx_db_lease_create(struct sx_db_pool *pool, const struct sx_db_owner *owner,
                       uint64_t deadline_ns, struct sx_db_lease **ret_lease)
{
    struct sx_db_lease *l = calloc(1, sizeof *l);

    if (l == NULL)
        return SX_ERR_NOMEM;
    l->pool = pool;
    l->owner = owner;
    l->deadline_ns = deadline_ns;
    atomic_init(&l->is_cancelled, false);
    uv_mutex_lock(&pool->lend.mutex);
    if (pool->lend.is_closing) {
        uv_mutex_unlock(&pool->lend.mutex);
        free(l);
        return SX_ERR_CLOSED;
    }
    pool->lend.n_leases++;
    uv_mutex_unlock(&pool->lend.mutex);
    *ret_lease = l;
    return 0;
}

static bool begin(struct sx_db_lease *l, bool is_read)
{
    return run_plain(l, is_read ? "BEGIN READ ONLY" : "BEGIN") &&
           (!l->pool->set.is_pooled ||
            send_settings(l, true, (struct wait){ .until_ns = l->deadline_ns }));
}

static void run_stmt(struct sx_db_lease *l, const struct sx_db_stmt *stmt)
{
    struct sx_db_params *p = &l->params;
    PGresult *res;

    if (sx_db_params_check(stmt) < 0 || sx_db_params_fill(p, stmt) < 0) {
        fail(l, "a parameter is of no type or holds a NUL byte");
        return;
    }
    res = finish_command(l, PQsendQueryParams(l->conn->pg, stmt->sql, (int)stmt->n_params, NULL,
                                              p->values, p->lengths, p->formats, 0));
    if (res == NULL)
        return;
    l->rows = sx_db_rows_create(res);
    if (l->rows == NULL)
        fail(l, "out of memory");
}

/* A statement that changes nothing, within a transaction that may: refused to write too. */
static void run_read_inside(struct sx_db_lease *l, const struct sx_db_stmt *stmt)
{
    if (run_plain(l, "SAVEPOINT sx_read") && run_plain(l, "SET LOCAL transaction_read_only = on"))
        run_stmt(l, stmt);
    if (!l->has_failed)
        (void)(run_plain(l, "ROLLBACK TO SAVEPOINT sx_read") &&
               run_plain(l, "RELEASE SAVEPOINT sx_read"));
}

static void run_alone(struct sx_db_lease *l, const struct sx_db_stmt *stmt, bool is_read)
{
    if (begin(l, is_read))
        run_stmt(l, stmt);
    if (!l->has_failed)
        (void)run_plain(l, "COMMIT");
}

struct sx_db_rows *sx_db_lease_exec(struct sx_db_lease *l, const struct sx_db_stmt *stmt)
{
    bool is_read = (stmt->flags & SX_DB_READ_ONLY) != 0, is_inside;

    sx_db_rows_drop(l->rows);
    l->rows = NULL;
    if (!has_conn(l))
        return NULL;
    (void)PQsetnonblocking(l->conn->pg, 1);
    is_inside = is_in_transaction(l);
    if (is_inside && is_read)
        run_read_inside(l, stmt);
    else if (!is_inside && (is_read || l->pool->set.is_pooled))
        run_alone(l, stmt, is_read);
    else
        run_stmt(l, stmt);
    if (l->has_failed) {
        if (!is_read && l->error != NULL && sx_db_has_sqlstate(l->error, "25006"))
            fail_moved(l);
        else
            l->failure.outcome_unknown = l->failure.is_lost && !is_inside && !is_read;
        sx_db_rows_drop(l->rows);
        l->rows = NULL;
    } else if (!is_inside && !is_read) {
        l->has_committed = true;
    }
    return l->rows;
}

int sx_db_lease_control(struct sx_db_lease *l, int32_t verb)
{
    static const char *const texts[] = { "BEGIN", "COMMIT", "ROLLBACK" };
    bool is_inside;

    if (verb < 0 || verb > 2)
        return SX_ERR_INVALID;
    if (!has_conn(l))
        return code_of(l);
    is_inside = is_in_transaction(l);
    if (verb == 2 && !is_inside)
        return 0;
    if ((verb == 0) == is_inside)
        return SX_ERR_INVALID; /* begun already, or nothing to commit */
    (void)PQsetnonblocking(l->conn->pg, 1);
    if (verb == 0)
        (void)begin(l, false);
    else if (!run_plain(l, texts[verb]))
        l->failure.outcome_unknown = l->failure.is_lost && verb == 1;
    else if (verb == 1)
        l->has_committed = true;
    return code_of(l);
}

const struct sx_db_failure *sx_db_lease_failure(const struct sx_db_lease *l)
{
    return l->has_failed ? &l->failure : NULL;
}

void *sx_db_lease_conn(struct sx_db_lease *l)
{
    if (!has_conn(l))
        return NULL;
    uv_mutex_lock(&l->pool->lend.mutex);
    l->is_outside = true;
    l->has_committed = true; /* for all we know */
    uv_mutex_unlock(&l->pool->lend.mutex);
    return PQsetnonblocking(l->conn->pg, 0) == 0 ? l->conn->pg : NULL;
}

void sx_db_lease_cancel(struct sx_db_lease *l)
{
    struct sx_db_lend *lend = &l->pool->lend;

    uv_mutex_lock(&lend->mutex);
    atomic_store(&l->is_cancelled, true);
    if (l->conn != NULL)
        (void)!write(l->conn->wake_fd, &(uint64_t){ 1 }, sizeof(uint64_t));
    if (l->conn != NULL && l->is_outside)
        ask_to_cancel(l);
    uv_cond_broadcast(&lend->freed);
    uv_mutex_unlock(&lend->mutex);
}

/* --- the end -------------------------------------------------------------------- */

/* Several commands in one text, as one transaction. */
static bool clean(struct sx_db_lease *l, const char *sql)
{
    struct wait w = { .until_ns = uv_hrtime() + (uint64_t)RESET_MS * 1000000,
                      .ignores_cancel = true };
    PGresult *res = PQsendQuery(l->conn->pg, sql) == 1 ? await_result(l, &w) : NULL;
    bool is_clean = res != NULL && is_good(res);

    PQclear(res);
    return is_clean;
}

/* What was left open, or NULL; and the connection as it was before. */
static const char *tidy(struct sx_db_lease *l, bool *ret_is_clean)
{
    PGconn *pg = l->conn->pg;
    PGTransactionStatusType status = PQtransactionStatus(pg);
    bool is_clean = !l->is_broken && PQpipelineStatus(pg) == PQ_PIPELINE_OFF &&
                    PQsetnonblocking(pg, 1) == 0;
    const char *left = NULL;

    if (l->is_outside)
        sx_db_conn_quiet(pg);
    if (l->has_failed)
        left = NULL; /* told already; what is open is a consequence */
    else if (status == PQTRANS_INTRANS)
        left = "a transaction was left open";
    else if (status == PQTRANS_INERROR)
        left = "a failed transaction was left open";
    else if (status == PQTRANS_ACTIVE)
        left = "a command was left running";
    if (status == PQTRANS_INTRANS || status == PQTRANS_INERROR)
        is_clean = is_clean && clean(l, "ROLLBACK");
    else
        is_clean = is_clean && status == PQTRANS_IDLE;
    if (is_clean && !l->pool->set.is_pooled)
        is_clean = clean(l, l->conn->kind == KIND_FLIPPING ? RESET_SQL : RESET_SQL ";UNLISTEN *");
    *ret_is_clean = is_clean && PQtransactionStatus(pg) == PQTRANS_IDLE;
    return left;
}

/* Why the connection cannot be used again. */
static const char *reason(const struct sx_db_lease *l)
{
    if (!l->failure.outcome_unknown)
        return l->has_failed ? l->failure.message : "a lease has not left it clean";
    return "lost in a lease; whether its last statement has happened is unknown";
}

static void give_back(struct sx_db_lease *l, const char **ret_left_open)
{
    struct sx_db_conn *conn = l->conn;
    struct sx_db_cancel *cancel;
    bool is_clean;

    *ret_left_open = tidy(l, &is_clean);
    uv_mutex_lock(&l->pool->lend.mutex);
    l->conn = NULL;
    cancel = l->cancel;
    l->cancel = NULL;
    uv_mutex_unlock(&l->pool->lend.mutex);
    /* One that is still on its way would meet the statement of somebody else. */
    if (!sx_db_cancel_end(cancel))
        is_clean = false;
    sx_db_lend_give(conn, is_clean ? NULL : reason(l));
}

static void count_end(struct sx_db_lend *lend)
{
    uv_mutex_lock(&lend->mutex);
    lend->n_leases--;
    if (lend->is_closing)
        (void)uv_async_send(&lend->async);
    uv_mutex_unlock(&lend->mutex);
}

void sx_db_lease_abandon(struct sx_db_lease *l)
{
    struct sx_db_lend *lend = &l->pool->lend;
    struct sx_db_conn *conn = l->conn;

    uv_mutex_lock(&lend->mutex);
    l->conn = NULL;
    uv_mutex_unlock(&lend->mutex);
    if (conn != NULL)
        sx_db_lend_give(conn, "a handler has crashed with it");
    count_end(lend);
}

void sx_db_lease_end(struct sx_db_lease *l, const char **ret_left_open)
{
    struct sx_db_lend *lend;
    const char *left = NULL;

    if (l == NULL)
        return;
    lend = &l->pool->lend;
    if (l->conn != NULL)
        give_back(l, &left);
    if (ret_left_open != NULL)
        *ret_left_open = left;
    sx_db_rows_drop(l->rows);
    sx_db_params_finish(&l->params);
    PQclear(l->error);
    free(l);
    count_end(lend);
}
