/*
 * db/result.c - what comes back down a connection, and whom it concerns.
 *
 * A job ends when its Sync has come back, not before: an error that the server reports at
 * the commit (a deferred constraint) comes between the last result and the Sync.
 */
#include "db/db_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sx_db_step *head_of(struct sx_db_conn *conn)
{
    return &conn->steps[conn->first_step];
}

static void pop_step(struct sx_db_conn *conn)
{
    conn->first_step = (conn->first_step + 1) % conn->cap_steps;
    conn->n_steps--;
    conn->has_result = false;
}

/* --- results of one step -------------------------------------------------------- */

static void take_rows(struct sx_db_conn *conn, struct sx_db_job *job, uint32_t i, PGresult *res)
{
    job->rows[i] = sx_db_rows_create(res);
    if (job->rows[i] == NULL) {
        job->why = "out of memory";
        return;
    }
    job->n_done++;
    conn->pool->n_statements++;
}

static void take_error(struct sx_db_conn *conn, const struct sx_db_step *step, PGresult *res)
{
    struct sx_db_job *job = step->of.job;

    if (step->kind == STEP_SYNC || step->kind == STEP_PREFIX) {
        PGresult **to = step->kind == STEP_SYNC ? &conn->sync_error : &conn->prefix_error;

        PQclear(*to);
        *to = res;
        return;
    }
    PQclear(job->error);
    job->error = res;
    job->error_index = step->index;
}

/* A prepared entry is one when the server has said so, and gone otherwise. */
static void settle_prepare(struct sx_db_conn *conn, struct sx_db_step *step, bool is_ok)
{
    if (is_ok)
        step->cached->is_prepared = true;
    else
        sx_db_cache_remove(&conn->cache, &conn->pool->texts, step->cached);
    step->cached = NULL;
}

/* Takes res. */
static void take_result(struct sx_db_conn *conn, PGresult *res)
{
    struct sx_db_step *step = head_of(conn);
    ExecStatusType status = PQresultStatus(res);
    bool is_ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;

    conn->has_result = true;
    if (step->kind == STEP_PREPARE && step->cached != NULL)
        settle_prepare(conn, step, is_ok);
    /* Where an end is due: one was left out, and whose result this is cannot be known. */
    conn->is_broken |= is_ok && step->kind == STEP_SYNC;
    if (is_ok && step->kind == STEP_EXEC)
        take_rows(conn, step->of.job, step->index, res);
    else if (status == PGRES_FATAL_ERROR)
        take_error(conn, step, res);
    else
        PQclear(res);
}

/* --- the end of a group --------------------------------------------------------- */

static PGresult *move(PGresult **from)
{
    PGresult *res = *from;

    *from = NULL;
    return res;
}

static void fail(struct sx_db_conn *conn, struct sx_db_job *job)
{
    if (job->error == NULL)
        job->error = move(conn->prefix_error != NULL ? &conn->prefix_error : &conn->sync_error);
    if (job->error == NULL && job->why == NULL)
        job->why = "the server gave no result";
    if (!job->is_read && job->error != NULL && sx_db_has_sqlstate(job->error, "25006")) {
        conn->must_replace = true; /* nothing has happened, but could elsewhere */
        job->is_lost = true;
        sx_db_pool_moved(conn->pool);
    }
    conn->pool->n_errors++;
    sx_db_job_finish(conn->pool, job);
}

/* The prepared plan no longer fits, or the server has lost it: once more without a name. */
static bool is_stale(const struct sx_db_job *job)
{
    const char *where;

    if (job->error == NULL || job->is_unnamed)
        return false;
    where = PQresultErrorField(job->error, PG_DIAG_SOURCE_FUNCTION);
    return sx_db_has_sqlstate(job->error, "26000") ||
           (sx_db_has_sqlstate(job->error, "0A000") && where != NULL &&
            strcmp(where, "RevalidateCachedQuery") == 0);
}

static void forget_stale(struct sx_db_conn *conn, struct sx_db_job *job)
{
    struct sx_db_cached *c = sx_db_cache_find(&conn->cache, job->texts[job->error_index],
                                              job->owner);

    job->is_unnamed = job->is_alone = true;
    if (c == NULL || !c->is_prepared)
        return;
    if (sx_db_has_sqlstate(job->error, "26000"))
        sx_db_cache_remove(&conn->cache, &conn->pool->texts, c);
    else
        sx_db_send_forget(conn, c);
}

/* Done, or to be sent again: then it is put into that list. */
static void end_job(struct sx_db_conn *conn, struct sx_db_job *job, bool is_shared,
                    struct sx_list *again)
{
    bool is_whole = job->n_done == job->n_stmts && job->error == NULL;

    sx_list_remove(&job->link);
    conn->n_jobs--;
    conn->n_slow -= job->is_slow;
    if (is_stale(job)) {
        forget_stale(conn, job);
        sx_list_push(again, &job->link);
    } else if (is_whole && (conn->sync_error == NULL || is_shared)) {
        sx_db_job_finish(conn->pool, job);
    } else if (job->error == NULL && job->why == NULL && is_shared) {
        job->is_alone = true; /* a neighbour's error skipped it */
        sx_list_push(again, &job->link);
    } else {
        fail(conn, job);
    }
}

/* In their order, before all that waits. */
static void requeue_all(struct sx_db_pool *pool, struct sx_list *jobs)
{
    while (!sx_list_is_empty(jobs))
        sx_db_job_requeue(pool, SX_MEMBER_OF(jobs->prev, struct sx_db_job, link));
}

/* The results of a group come together, so only a statement alone can be timed; one that was
 * in slow company will be. */
static void measure(struct sx_db_text *text, bool is_alone, uint64_t us)
{
    us = us < UINT32_MAX / 8 ? us : UINT32_MAX / 8;
    if (is_alone)
        text->average_us = text->average_us == 0 ? (uint32_t)us
                                                 : (uint32_t)((text->average_us * 3u + us) / 4);
    else if (us > SLOW_TEXT_US)
        text->n_alone = MEASURED_ALONE;
}

static void measure_jobs(struct sx_db_conn *conn, uint32_t n, uint64_t now_ns)
{
    struct sx_db_job *job = SX_MEMBER_OF(conn->jobs.next, struct sx_db_job, link);
    uint64_t since_ns = job->sent_ns > conn->last_ns ? job->sent_ns : conn->last_ns;
    uint32_t left = n;

    if (job->n_stmts > 1)
        return;
    for (struct sx_list *at = conn->jobs.next; left > 0; at = at->next, left--) {
        job = SX_MEMBER_OF(at, struct sx_db_job, link);
        measure(job->texts[0], n == 1, now_ns > since_ns ? (now_ns - since_ns) / 1000 : 0);
    }
}

static void end_jobs(struct sx_db_conn *conn, uint32_t n, uint64_t now_ns)
{
    struct sx_list again;

    sx_list_init(&again);
    measure_jobs(conn, n, now_ns);
    for (uint32_t i = 0; i < n; i++)
        end_job(conn, SX_MEMBER_OF(conn->jobs.next, struct sx_db_job, link), n > 1, &again);
    requeue_all(conn->pool, &again);
    conn->head_ms = uv_now(conn->pool->set.loop);
}

static void know_owner(struct sx_db_conn *conn, const struct sx_db_owner *owner)
{
    if (sx_db_owner_is_known(conn, owner))
        return;
    if (conn->n_known == conn->cap_known) {
        uint32_t cap = conn->cap_known * 2 + 8;
        void *owners = realloc(conn->known_owners, cap * sizeof *conn->known_owners);

        if (owners == NULL)
            return;
        conn->known_owners = owners;
        conn->cap_known = cap;
    }
    conn->known_owners[conn->n_known++] = owner;
}

/* The role could not be taken: whoever waited first for it learns why. */
static void fail_first_of(struct sx_db_conn *conn, const struct sx_db_owner *owner)
{
    struct sx_db_pool *pool = conn->pool;

    for (struct sx_list *at = pool->queue.next; at != &pool->queue; at = at->next) {
        struct sx_db_job *job = SX_MEMBER_OF(at, struct sx_db_job, link);

        if (job->owner == owner) {
            sx_db_job_unqueue(pool, job);
            fail(conn, job);
            return;
        }
    }
}

static void end_switch(struct sx_db_conn *conn, const struct sx_db_owner *owner)
{
    bool is_ok = conn->prefix_error == NULL && conn->sync_error == NULL;

    if (is_ok) {
        know_owner(conn, owner);
        conn->is_switching = false;
    } else if (conn->is_switching) {
        conn->is_switching = false;
        conn->owner = NULL;
        fail_first_of(conn, owner);
    } else {
        conn->is_broken = true; /* statements behind it ran as somebody else */
    }
}

static void end_group(struct sx_db_conn *conn, struct sx_db_step step, uint64_t now_ns)
{
    bool is_ok = conn->prefix_error == NULL && conn->sync_error == NULL;
    PGTransactionStatusType status = PQtransactionStatus(conn->pg);

    switch (step.group) {
    case GROUP_JOBS: end_jobs(conn, step.n_jobs, now_ns); break;
    case GROUP_SWITCH: end_switch(conn, step.of.owner); break;
    case GROUP_SETUP:
    case GROUP_RESET:
        if (is_ok && step.group == GROUP_SETUP)
            sx_db_conn_settled(conn);
        conn->is_broken |= !is_ok;
        break;
    default: break;
    }
    conn->last_ns = now_ns;
    PQclear(move(&conn->prefix_error));
    PQclear(move(&conn->sync_error));
    conn->is_broken |= status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

/* --- reading -------------------------------------------------------------------- */

/* res is NULL at the end of a command's results. */
static void take(struct sx_db_conn *conn, PGresult *res, uint64_t now_ns)
{
    struct sx_db_step step = *head_of(conn);

    if (res == NULL) {
        if (conn->has_result && step.kind != STEP_SYNC)
            pop_step(conn);
    } else if (PQresultStatus(res) == PGRES_PIPELINE_SYNC) {
        PQclear(res);
        conn->is_broken |= step.kind != STEP_SYNC;
        if (conn->is_broken)
            return;
        pop_step(conn);
        end_group(conn, step, now_ns);
    } else {
        take_result(conn, res);
    }
}

/* False when the session has ended; then why is written. */
static bool drain(struct sx_db_conn *conn, uint64_t now_ns, char *why, size_t size)
{
    uint32_t n_nulls = 0;

    while (conn->n_steps > 0 && n_nulls < 3 && !conn->is_broken && !PQisBusy(conn->pg)) {
        PGresult *res = PQgetResult(conn->pg);

        n_nulls = res == NULL ? n_nulls + 1 : 0;
        if (res != NULL && PQresultStatus(res) == PGRES_FATAL_ERROR && sx_db_is_fatal(res)) {
            (void)snprintf(why, size, "%s", PQresultErrorMessage(res));
            PQclear(res);
            return false;
        }
        take(conn, res, now_ns);
    }
    return !conn->is_broken;
}

void sx_db_conn_read(struct sx_db_conn *conn)
{
    char why[160] = "the connection was not left clean";
    bool is_open = PQconsumeInput(conn->pg) == 1, is_good;

    is_good = drain(conn, uv_hrtime(), why, sizeof why);
    sx_db_conn_notifies(conn);
    if (conn->pg == NULL)
        return; /* a listener has closed the pool */
    if (!is_good)
        sx_db_conn_lose(conn, why);
    else if (!is_open || PQstatus(conn->pg) == CONNECTION_BAD)
        sx_db_conn_lose(conn, PQerrorMessage(conn->pg));
    else if (conn->must_replace && conn->n_steps == 0)
        sx_db_conn_lose(conn, "the server has become read-only");
    else if (conn->is_reserved && conn->n_steps == 0 && conn->state == CONN_READY)
        sx_db_lend_offer(conn);
    else if (conn->needs_flush)
        sx_db_conn_flush(conn);
}

#define MAX_RESENT 3u

/* --- the end of a connection ---------------------------------------------------- */

/* Each connection that stood when the first one died may be dying with it, so a read may meet as
 * many deaths; but not for ever, because it may be what kills them. */
static bool may_resend(const struct sx_db_pool *pool, const struct sx_db_job *job)
{
    uint32_t most = pool->n_conns < MAX_RESENT ? pool->n_conns : MAX_RESENT;

    return job->is_read && job->n_resent < most && !pool->is_closing;
}

static void abandon(struct sx_db_pool *pool, struct sx_db_job *job, struct sx_list *again)
{
    bool is_certain = job->error != NULL; /* the server has refused it */

    sx_list_remove(&job->link);
    if (!is_certain && may_resend(pool, job)) {
        job->n_resent++;
        sx_list_push(again, &job->link);
        return;
    }
    if (!is_certain) {
        job->why = "the connection to the database was lost";
        job->is_lost = true;
        job->outcome_unknown = !job->is_read;
        pool->n_unknown += job->outcome_unknown;
    }
    pool->n_errors++;
    sx_db_job_finish(pool, job);
}

void sx_db_conn_abandon_jobs(struct sx_db_conn *conn)
{
    struct sx_list again;

    sx_list_init(&again);
    while (!sx_list_is_empty(&conn->jobs))
        abandon(conn->pool, SX_MEMBER_OF(conn->jobs.next, struct sx_db_job, link), &again);
    conn->n_jobs = conn->n_slow = 0;
    requeue_all(conn->pool, &again);
}
