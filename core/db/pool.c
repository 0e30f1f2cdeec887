/*
 * db/pool.c - the pool as its caller sees it: created, asked, watched, closed.
 *
 * It never has more connections than its size (and one for listening behind a pooler).
 * Callbacks of the caller run from sx_db_pool_finish_jobs() and sx_db_pool_close() only,
 * when no structure of the pool is half changed.
 */
#include "db/db_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

enum { MAX_ROUNDS = 8, LOG_EVERY_MS = 1000, PROBE_EVERY_NS = 1000000000 };

/* --- telling -------------------------------------------------------------------- */

/* At most a line a second, by this pool and by the others. */
static bool say(struct sx_db_pool *pool, int severity, const char *text)
{
    uint64_t now_ms = uv_now(pool->set.loop);

    if (pool->set.on_log == NULL)
        return true;
    if ((pool->logged_ms != 0 && now_ms < pool->logged_ms + LOG_EVERY_MS) ||
        !pool->set.on_log(pool->set.arg, severity, text))
        return false;
    pool->logged_ms = now_ms;
    return true;
}

/* False while the log does not take it: then it waits, and the clock goes on. */
static bool tell_bad_news(struct sx_db_pool *pool)
{
    char text[sizeof pool->bad_news + 40];

    if (pool->n_bad_news == 0)
        return true;
    (void)snprintf(text, sizeof text, pool->n_bad_news > 1 ? "%s (and %u more like it)" : "%s",
                   pool->bad_news, pool->n_bad_news - 1);
    if (!say(pool, SX_LOG_WARNING, text))
        return false;
    pool->n_bad_news = 0;
    return true;
}

void sx_db_pool_warn(struct sx_db_pool *pool, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(pool->bad_news, sizeof pool->bad_news, fmt, ap);
    va_end(ap);
    pool->n_bad_news++;
    if (!tell_bad_news(pool))
        sx_db_pool_wake(pool);
}

/* What the last warning leaves open. */
static void tell_good_news(struct sx_db_pool *pool)
{
    if (tell_bad_news(pool) && pool->has_good_news && say(pool, SX_LOG_INFO, "database: connected"))
        pool->has_good_news = false;
}

static bool does_everything(const struct sx_db_conn *conn)
{
    return conn->kind == KIND_WRITER || conn->kind == KIND_FLIPPING;
}

static bool can_serve(const struct sx_db_pool *pool)
{
    for (uint32_t i = 0; i < pool->n_conns; i++)
        if (pool->conns[i].is_up && does_everything(&pool->conns[i]))
            return true;
    return false;
}

void sx_db_pool_check_ready(struct sx_db_pool *pool, const char *why)
{
    bool is_ready = can_serve(pool);

    if (!is_ready && why != NULL)
        (void)snprintf(pool->why, sizeof pool->why, "%s", why);
    if (is_ready)
        pool->why[0] = '\0';
    if ((is_ready == pool->is_ready && pool->has_told) || pool->is_closing)
        return;
    pool->has_told = true;
    pool->is_ready = is_ready;
    sx_db_lend_set_away(pool, !is_ready);
    pool->has_good_news = is_ready;
    tell_good_news(pool);
    if (pool->set.on_ready != NULL)
        pool->set.on_ready(pool->set.arg, is_ready, pool->why);
}

uint32_t sx_db_pool_random(struct sx_db_pool *pool, uint32_t below)
{
    pool->random = pool->random * 6364136223846793005u + 1442695040888963407u;
    return below > 0 ? (uint32_t)(pool->random >> 33) % below : 0;
}

void sx_db_pool_stats(const struct sx_db_pool *pool, struct sx_db_stats *ret)
{
    struct sx_db_lend *lend = (struct sx_db_lend *)(uintptr_t)&pool->lend; /* its mutex only */

    memset(ret, 0, sizeof *ret);
    for (uint32_t i = 0; i < pool->n_conns; i++)
        ret->n_connections += pool->conns[i].is_up;
    uv_mutex_lock(&lend->mutex);
    ret->n_leased = lend->n_taken;
    uv_mutex_unlock(&lend->mutex);
    ret->n_queued = atomic_load(&pool->n_queued);
    ret->is_ready = pool->is_ready;
    memcpy(ret->why, pool->why, sizeof ret->why);
    ret->statements = pool->n_statements;
    ret->errors = pool->n_errors;
    ret->reconnects = pool->n_reconnects;
}

/* Nobody else would notice that an idle server has fallen silent. */
void sx_db_pool_probe(struct sx_db_pool *pool)
{
    uint64_t now_ns = uv_hrtime();

    for (uint32_t i = 0; i < pool->n_conns && !pool->is_closing; i++) {
        struct sx_db_conn *conn = &pool->conns[i];

        if (conn->state != CONN_READY || conn->n_steps > 0 ||
            now_ns - conn->last_ns < PROBE_EVERY_NS)
            continue;
        sx_db_send_probe(conn);
        sx_db_conn_flush(conn);
        sx_db_pool_wake(pool);
    }
}

/* --- ends of jobs --------------------------------------------------------------- */

static void tell(struct sx_db_job *job, struct sx_db_op *op)
{
    struct sx_db_failure failure = { .index = job->error_index };

    if (job->error == NULL && job->why == NULL) {
        op->done(op, job->rows, NULL);
        return;
    }
    if (job->error != NULL)
        sx_db_failure_read(&failure, job->error, job->error_index);
    else
        failure.message = job->why;
    failure.is_lost = job->is_lost;
    failure.is_busy = job->is_busy;
    failure.outcome_unknown = job->outcome_unknown;
    op->done(op, NULL, &failure);
}

void sx_db_pool_finish_jobs(struct sx_db_pool *pool)
{
    struct sx_list *entry;

    if (pool->is_finishing)
        return;
    pool->is_finishing = true;
    while ((entry = sx_list_pop(&pool->finished)) != NULL) {
        struct sx_db_job *job = SX_MEMBER_OF(entry, struct sx_db_job, link);
        struct sx_db_op *op = job->op;

        if (op != NULL) {
            op->state = SX_DB_OP_IDLE;
            op->job = NULL;
            tell(job, op);
        }
        sx_db_job_free(pool, job);
    }
    pool->is_finishing = false;
}

/* --- the clock ------------------------------------------------------------------ */

static void expire_queue(struct sx_db_pool *pool, uint64_t now_ms)
{
    struct sx_list *next;
    uint32_t n = 0;

    for (struct sx_list *at = pool->queue.next; at != &pool->queue; at = next) {
        struct sx_db_job *job = SX_MEMBER_OF(at, struct sx_db_job, link);

        next = at->next;
        if (job->deadline_ms == 0 || now_ms < job->deadline_ms)
            continue;
        sx_db_job_unqueue(pool, job);
        job->is_busy = true;
        job->is_lost = !pool->is_ready;
        job->why = pool->is_ready ? "no database connection was free in time"
                                  : "the database is away";
        pool->n_errors++;
        sx_db_job_finish(pool, job);
        n++;
    }
    if (n > 0 && pool->is_ready)
        sx_db_pool_warn(pool, "database: no connection was free in time for %u statements", n);
}

void sx_db_pool_moved(struct sx_db_pool *pool)
{
    uint64_t now_ms = uv_now(pool->set.loop);

    if (pool->is_closing || (pool->moved_ms != 0 && now_ms < pool->moved_ms + MOVED_EVERY_MS))
        return;
    pool->moved_ms = now_ms;
    for (uint32_t i = 0; i < pool->n_conns; i++)
        if (pool->conns[i].state == CONN_READY)
            pool->conns[i].must_replace = pool->conns[i].is_recalled = true;
    sx_db_lend_recall(pool);
    sx_db_pool_wake(pool);
}

static bool is_at_rest(const struct sx_db_pool *pool)
{
    for (uint32_t i = 0; i < pool->n_conns; i++) {
        const struct sx_db_conn *conn = &pool->conns[i];

        if (conn->state == CONN_READY ? conn->n_steps > 0 || conn->must_replace
                                      : conn->state < CONN_LENT && sx_db_conn_is_needed(conn))
            return false;
    }
    return sx_list_is_empty(&pool->queue) && !pool->has_good_news && pool->n_bad_news == 0;
}

static void on_tick(uv_timer_t *timer)
{
    struct sx_db_pool *pool = SX_MEMBER_OF(timer, struct sx_db_pool, tick);
    uint64_t now_ms = uv_now(pool->set.loop);

    for (uint32_t i = 0; i < pool->n_conns; i++)
        sx_db_conn_tick(&pool->conns[i], now_ms);
    expire_queue(pool, now_ms);
    tell_good_news(pool);
    if (is_at_rest(pool)) {
        pool->is_ticking = false;
        (void)uv_timer_stop(timer);
    }
    sx_db_pool_finish_jobs(pool);
}

void sx_db_pool_wake(struct sx_db_pool *pool)
{
    if (pool->is_ticking || pool->is_closing)
        return;
    pool->is_ticking = true;
    (void)uv_timer_start(&pool->tick, on_tick, TICK_MS, TICK_MS);
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct sx_db_pool *pool = SX_MEMBER_OF(prepare, struct sx_db_pool, prepare);
    int i = 0;

    do { /* what a callback submits now is sent before the loop sleeps */
        sx_db_dispatch(pool);
        if (sx_list_is_empty(&pool->finished))
            break;
        sx_db_pool_finish_jobs(pool);
    } while (++i < MAX_ROUNDS && !pool->is_closing);
    if (i == MAX_ROUNDS)
        (void)uv_async_send(&pool->lend.async);
    sx_db_lend_look(pool);
}

/* --- creating ------------------------------------------------------------------- */

static enum sx_db_conn_kind kind_of(const struct sx_db_settings *set, uint32_t i)
{
    if (i >= set->size)
        return KIND_LISTENER;
    if (!set->wants_leases)
        return set->size >= 2 && i == 0 ? KIND_READER : KIND_WRITER;
    if (set->size == 1)
        return KIND_FLIPPING;
    if (set->size == 2)
        return i == 0 ? KIND_WRITER : KIND_LEASABLE;
    return i == 0 ? KIND_READER : i == 1 ? KIND_WRITER : KIND_LEASABLE;
}

static void free_pool(struct sx_db_pool *pool)
{
    struct sx_list *entry;

    for (uint32_t i = 0; i < pool->n_conns; i++)
        sx_db_conn_finish(&pool->conns[i]);
    while ((entry = sx_list_pop(&pool->free_jobs)) != NULL)
        free(SX_MEMBER_OF(entry, struct sx_db_job, link));
    sx_db_texts_finish(&pool->texts);
    sx_db_params_finish(&pool->params);
    sx_db_channels_finish(pool);
    sx_db_address_finish(&pool->address);
    sx_db_address_finish(&pool->direct);
    free((void *)(uintptr_t)pool->set.application_name);
    free(pool->conns);
    free(pool->batches);
    free(pool);
}

static int make_conns(struct sx_db_pool *pool)
{
    uint32_t n = pool->set.size + pool->set.is_pooled;

    pool->conns = calloc(n, sizeof *pool->conns);
    pool->batches = calloc(n, sizeof *pool->batches);
    if (pool->conns == NULL || pool->batches == NULL)
        return SX_ERR_NOMEM;
    for (pool->n_conns = 0; pool->n_conns < n; pool->n_conns++) {
        sx_db_conn_init(&pool->conns[pool->n_conns], pool, kind_of(&pool->set, pool->n_conns));
        sx_list_init(&pool->batches[pool->n_conns].jobs);
    }
    return 0;
}

static int fill(struct sx_db_pool *pool, const struct sx_db_settings *set)
{
    const char *name = set->application_name != NULL ? set->application_name : "sim-exchange";
    int err;

    pool->set = *set;
    pool->set.url = pool->set.direct_url = NULL;
    pool->set.application_name = strdup(name);
    sx_list_init(&pool->queue);
    sx_list_init(&pool->finished);
    sx_list_init(&pool->free_jobs);
    sx_list_init(&pool->channels);
    sx_db_texts_init(&pool->texts);
    pool->random = uv_hrtime() ^ (uint64_t)(uintptr_t)pool;
    (void)snprintf(pool->why, sizeof pool->why, "not connected yet");
    if (pool->set.application_name == NULL)
        return SX_ERR_NOMEM;
    err = sx_db_address_init(&pool->address, set->url);
    if (err == 0)
        err = sx_db_address_init(&pool->direct,
                                 set->direct_url != NULL ? set->direct_url : set->url);
    return err < 0 ? err : make_conns(pool);
}

/* One that can do everything.  The others would keep the server from answering it, and come when
 * it is up (come_up in conn.c). */
static void start_first(struct sx_db_pool *pool)
{
    uint32_t first = 0;

    uv_update_time(pool->set.loop);
    while (!does_everything(&pool->conns[first]))
        first++;
    for (uint32_t i = 0; i < pool->set.size; i++)
        pool->conns[i].retry_ms = uv_now(pool->set.loop) + pool->set.connect_ms;
    sx_db_conn_start(&pool->conns[first]);
}

static int start(struct sx_db_pool *pool)
{
    uv_loop_t *loop = pool->set.loop;
    int err = sx_db_lend_init(pool);

    if (err < 0)
        return err;
    (void)uv_prepare_init(loop, &pool->prepare);
    (void)uv_timer_init(loop, &pool->tick);
    pool->n_handles += 2;
    (void)uv_prepare_start(&pool->prepare, on_prepare);
    start_first(pool);
    return 0;
}

int sx_db_pool_create(const struct sx_db_settings *set, struct sx_db_pool **ret_pool)
{
    struct sx_db_pool *pool;
    int err;

    if (set->size == 0 || set->url == NULL)
        return SX_ERR_INVALID;
    pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return SX_ERR_NOMEM;
    err = fill(pool, set);
    if (err == 0)
        err = start(pool);
    if (err < 0) {
        free_pool(pool);
        return err;
    }
    *ret_pool = pool;
    return 0;
}

/* --- asking --------------------------------------------------------------------- */

int sx_db_pool_submit(struct sx_db_pool *pool, struct sx_db_op *op)
{
    struct sx_db_job *job;
    int err;

    if (pool->is_closing)
        return SX_ERR_CLOSED;
    if (op->n_stmts == 0 || op->n_stmts > UINT16_MAX || op->owner == NULL)
        return SX_ERR_INVALID;
    if (sx_db_lend_count_waiting(pool) + atomic_load(&pool->n_queued) >= pool->set.max_queued) {
        sx_db_pool_warn(pool, "database: the queue of %u is full", pool->set.max_queued);
        return SX_ERR_BUSY;
    }
    err = sx_db_job_create(pool, op, &job);
    if (err < 0)
        return err;
    op->job = job;
    op->state = SX_DB_OP_QUEUED;
    op->queued_ns = uv_hrtime();
    op->sent_ns = 0;
    sx_list_push(&pool->queue, &job->link);
    job->is_queued = true;
    atomic_fetch_add(&pool->n_queued, 1);
    sx_db_pool_wake(pool);
    return 0;
}

bool sx_db_pool_forget(struct sx_db_pool *pool, struct sx_db_op *op)
{
    struct sx_db_job *job = op->job;

    if (op->state == SX_DB_OP_IDLE || job == NULL)
        return true;
    if (op->state == SX_DB_OP_SENT && !job->is_read)
        return false;
    op->job = NULL;
    job->op = NULL;
    if (job->is_queued) { /* else it is sent, or has failed and its done is due */
        sx_db_job_unqueue(pool, job);
        sx_db_job_free(pool, job);
    }
    op->state = SX_DB_OP_IDLE;
    return true;
}

/* --- closing -------------------------------------------------------------------- */

void sx_db_pool_release(struct sx_db_pool *pool)
{
    void (*on_closed)(void *arg) = pool->on_closed;
    void *arg = pool->closed_arg;

    if (--pool->n_handles > 0)
        return;
    sx_db_lend_finish(pool);
    free_pool(pool);
    if (on_closed != NULL)
        on_closed(arg);
}

static void on_prepare_closed(uv_handle_t *handle)
{
    sx_db_pool_release(SX_MEMBER_OF(handle, struct sx_db_pool, prepare));
}

static void on_tick_closed(uv_handle_t *handle)
{
    sx_db_pool_release(SX_MEMBER_OF(handle, struct sx_db_pool, tick));
}

static void fail_queue(struct sx_db_pool *pool)
{
    struct sx_list *entry;

    while ((entry = pool->queue.next) != &pool->queue) {
        struct sx_db_job *job = SX_MEMBER_OF(entry, struct sx_db_job, link);

        sx_db_job_unqueue(pool, job);
        job->why = "the server is stopping";
        job->is_lost = true;
        sx_db_job_finish(pool, job);
    }
}

void sx_db_pool_close(struct sx_db_pool *pool, void (*on_closed)(void *arg), void *arg)
{
    if (pool->is_closing)
        return;
    pool->is_closing = true;
    pool->is_ready = false;
    pool->on_closed = on_closed;
    pool->closed_arg = arg;
    uv_close((uv_handle_t *)&pool->prepare, on_prepare_closed);
    uv_close((uv_handle_t *)&pool->tick, on_tick_closed);
    sx_db_lend_stop(pool);
    sx_db_address_cancel(&pool->address);
    sx_db_address_cancel(&pool->direct);
    for (uint32_t i = 0; i < pool->n_conns; i++)
        if (pool->conns[i].state != CONN_LENT)
            sx_db_conn_close(&pool->conns[i]);
    fail_queue(pool);
    sx_db_pool_finish_jobs(pool);
}
