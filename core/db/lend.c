/*
 * db/lend.c - connections between the loop and pool threads.
 *
 * A CONN_LENT connection lies in the idle list, or a pool thread has it, or it is on its way
 * back in the returned list; which of these changes under the mutex.  The loop does not watch
 * it meanwhile; a death shows when it is taken.
 */
#include "db/db_private.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/error.h"

struct cancel {
    struct sx_list link;
    uv_work_t work;
    struct sx_db_pool *pool;
    PGcancel *cancel; /* owned */
};

static void on_async(uv_async_t *async);

int sx_db_lend_init(struct sx_db_pool *pool)
{
    struct sx_db_lend *lend = &pool->lend;

    if (uv_mutex_init(&lend->mutex) < 0)
        return SX_ERR_NOMEM;
    if (uv_cond_init(&lend->freed) < 0 ||
        uv_async_init(pool->set.loop, &lend->async, on_async) < 0) {
        uv_mutex_destroy(&lend->mutex);
        return SX_ERR_NOMEM;
    }
    pool->n_handles++;
    sx_list_init(&lend->idle);
    sx_list_init(&lend->returned);
    sx_list_init(&lend->cancels);
    return 0;
}

void sx_db_lend_finish(struct sx_db_pool *pool)
{
    uv_cond_destroy(&pool->lend.freed);
    uv_mutex_destroy(&pool->lend.mutex);
}

uint32_t sx_db_lend_count_waiting(struct sx_db_pool *pool)
{
    return atomic_load(&pool->lend.n_waiting);
}

/* --- the loop's side ------------------------------------------------------------ */

void sx_db_lend_offer(struct sx_db_conn *conn)
{
    struct sx_db_lend *lend = &conn->pool->lend;

    sx_db_conn_unwatch(conn);
    sx_db_cache_clear(&conn->cache, &conn->pool->texts);
    conn->is_reserved = false;
    if (conn->wake_fd < 0)
        conn->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (conn->wake_fd < 0 ||
        (PQpipelineStatus(conn->pg) != PQ_PIPELINE_OFF && PQexitPipelineMode(conn->pg) != 1)) {
        sx_db_conn_lose(conn, "the connection cannot be lent");
        return;
    }
    sx_db_conn_become(conn, CONN_LENT);
    conn->owner = NULL;
    conn->comes_back_broken = false;
    uv_mutex_lock(&lend->mutex);
    sx_list_push(&lend->idle, &conn->lend_link);
    uv_cond_signal(&lend->freed);
    uv_mutex_unlock(&lend->mutex);
}

void sx_db_lend_look(struct sx_db_pool *pool)
{
    struct sx_db_conn *conn = &pool->conns[0];

    if (atomic_load(&pool->lend.n_waiting) == 0 || conn->kind != KIND_FLIPPING ||
        conn->state != CONN_READY || pool->is_closing)
        return;
    conn->is_reserved = true;
    if (conn->n_steps == 0)
        sx_db_lend_offer(conn);
}

static void take_back(struct sx_db_conn *conn)
{
    if (conn->pool->is_closing)
        sx_db_conn_close(conn);
    else if (conn->comes_back_broken || PQsetnonblocking(conn->pg, 1) != 0)
        sx_db_conn_lose(conn, "a leased connection broke");
    else
        sx_db_conn_set_up(conn);
}

static void run_cancel(uv_work_t *work)
{
    struct cancel *c = SX_MEMBER_OF(work, struct cancel, work);
    char why[256];

    (void)PQcancel(c->cancel, why, sizeof why);
}

static void on_cancelled(uv_work_t *work, int status)
{
    struct cancel *c = SX_MEMBER_OF(work, struct cancel, work);
    struct sx_db_pool *pool = c->pool;

    (void)status;
    PQfreeCancel(c->cancel);
    free(c);
    sx_db_pool_release(pool);
}

static void move_all(struct sx_list *to, struct sx_list *from)
{
    struct sx_list *entry;

    while ((entry = sx_list_pop(from)) != NULL)
        sx_list_push(to, entry);
}

static void send_cancels(struct sx_db_pool *pool, struct sx_list *cancels)
{
    struct sx_list *entry;

    while ((entry = sx_list_pop(cancels)) != NULL) {
        struct cancel *c = SX_MEMBER_OF(entry, struct cancel, link);

        c->pool = pool;
        pool->n_handles++;
        if (uv_queue_work(pool->set.loop, &c->work, run_cancel, on_cancelled) < 0)
            on_cancelled(&c->work, 0);
    }
}

static void on_async_closed(uv_handle_t *handle)
{
    sx_db_pool_release(SX_MEMBER_OF(handle, struct sx_db_pool, lend.async));
}

static void on_async(uv_async_t *async)
{
    struct sx_db_pool *pool = SX_MEMBER_OF(async, struct sx_db_pool, lend.async);
    struct sx_list returned, cancels, *entry;
    bool is_over;

    sx_list_init(&returned);
    sx_list_init(&cancels);
    uv_mutex_lock(&pool->lend.mutex);
    move_all(&returned, &pool->lend.returned);
    move_all(&cancels, &pool->lend.cancels);
    is_over = pool->lend.is_closing && pool->lend.n_leases == 0;
    uv_mutex_unlock(&pool->lend.mutex);
    while ((entry = sx_list_pop(&returned)) != NULL)
        take_back(SX_MEMBER_OF(entry, struct sx_db_conn, lend_link));
    send_cancels(pool, &cancels);
    if (is_over && !uv_is_closing((uv_handle_t *)async))
        uv_close((uv_handle_t *)async, on_async_closed);
    sx_db_pool_finish_jobs(pool);
}

void sx_db_lend_stop(struct sx_db_pool *pool)
{
    struct sx_db_lend *lend = &pool->lend;

    uv_mutex_lock(&lend->mutex);
    lend->is_closing = true;
    move_all(&lend->returned, &lend->idle);
    uv_cond_broadcast(&lend->freed);
    (void)uv_async_send(&lend->async);
    uv_mutex_unlock(&lend->mutex);
}

/* --- the threads' side: with the mutex held ------------------------------------- */

static void return_to_loop(struct sx_db_lend *lend, struct sx_db_conn *conn, bool is_broken)
{
    conn->comes_back_broken = is_broken;
    sx_list_push(&lend->returned, &conn->lend_link);
    (void)uv_async_send(&lend->async);
}

/* Has it died while it lay here?  What an idle server says without being asked is its farewell;
 * only the connection that also listens may have heard something else. */
static bool is_alive(struct sx_db_conn *conn)
{
    struct pollfd fd = { .fd = PQsocket(conn->pg), .events = POLLIN };

    while (poll(&fd, 1, 0) > 0)
        if (conn->kind != KIND_FLIPPING || PQconsumeInput(conn->pg) != 1)
            return false;
    return PQstatus(conn->pg) == CONNECTION_OK;
}

static struct sx_db_conn *take_idle(struct sx_db_lend *lend)
{
    while (!sx_list_is_empty(&lend->idle)) {
        struct sx_list *entry = lend->idle.prev; /* the one used last: warm */
        struct sx_db_conn *conn = SX_MEMBER_OF(entry, struct sx_db_conn, lend_link);

        sx_list_remove(entry);
        if (is_alive(conn)) {
            lend->n_taken++;
            return conn;
        }
        return_to_loop(lend, conn, true);
    }
    return NULL;
}

static int wait_for_one(struct sx_db_lend *lend, uint64_t deadline_ns)
{
    uint64_t now_ns = uv_hrtime(), left_ns = UINT64_MAX / 4;
    int err;

    if (deadline_ns != 0) {
        if (now_ns >= deadline_ns)
            return SX_ERR_TIMEOUT;
        left_ns = deadline_ns - now_ns;
    }
    atomic_fetch_add(&lend->n_waiting, 1);
    (void)uv_async_send(&lend->async);
    err = deadline_ns != 0 ? uv_cond_timedwait(&lend->freed, &lend->mutex, left_ns)
                           : (uv_cond_wait(&lend->freed, &lend->mutex), 0);
    atomic_fetch_sub(&lend->n_waiting, 1);
    return err == UV_ETIMEDOUT ? SX_ERR_TIMEOUT : 0;
}

int sx_db_lend_take(struct sx_db_pool *pool, uint64_t deadline_ns, const atomic_bool *is_cancelled,
                    struct sx_db_conn **ret_conn)
{
    struct sx_db_lend *lend = &pool->lend;
    struct sx_db_conn *conn = NULL;
    int err = 0;

    uv_mutex_lock(&lend->mutex);
    if (sx_list_is_empty(&lend->idle) &&
        atomic_load(&lend->n_waiting) + atomic_load(&pool->n_queued) >= pool->set.max_queued)
        err = SX_ERR_BUSY;
    while (err == 0 && conn == NULL) {
        if (lend->is_closing)
            err = SX_ERR_CLOSED;
        else if (atomic_load(is_cancelled))
            err = SX_ERR_TIMEOUT;
        else if ((conn = take_idle(lend)) == NULL)
            err = wait_for_one(lend, deadline_ns);
    }
    uv_mutex_unlock(&lend->mutex);
    if (err == 0)
        *ret_conn = conn;
    return err;
}

void sx_db_lend_give(struct sx_db_conn *conn, bool is_broken)
{
    struct sx_db_lend *lend = &conn->pool->lend;

    uv_mutex_lock(&lend->mutex);
    lend->n_taken--;
    if (is_broken || conn->kind == KIND_FLIPPING || lend->is_closing) {
        return_to_loop(lend, conn, is_broken);
    } else {
        sx_list_push(&lend->idle, &conn->lend_link);
        uv_cond_signal(&lend->freed);
    }
    uv_mutex_unlock(&lend->mutex);
}

void sx_db_lend_cancel(struct sx_db_lend *lend, PGconn *pg)
{
    struct cancel *c = calloc(1, sizeof *c);

    if (c == NULL)
        return;
    c->cancel = PQgetCancel(pg);
    if (c->cancel == NULL) {
        free(c);
        return;
    }
    sx_list_push(&lend->cancels, &c->link);
    (void)uv_async_send(&lend->async);
}
