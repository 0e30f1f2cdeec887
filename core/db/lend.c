/*
 * db/lend.c - connections between the loop and pool threads.
 *
 * A CONN_LENT connection lies in the idle list, or a pool thread has it, or it is on its way
 * back in the returned list; which of these changes under the mutex.  The loop does not watch
 * it meanwhile; a death shows when it is taken.
 */
#include "db/db_private.h"

#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/error.h"

static const char moved[] = "the server has become read-only";

static void on_async(uv_async_t *async);

int sx_db_lend_init(struct sx_db_pool *pool)
{
    struct sx_db_lend *lend = &pool->lend;

    if (uv_mutex_init(&lend->mutex) < 0)
        return SX_ERR_NOMEM;
    lend->cancels = sx_db_cancels_create();
    if (lend->cancels == NULL || uv_cond_init(&lend->freed) < 0 ||
        uv_async_init(pool->set.loop, &lend->async, on_async) < 0) {
        sx_db_cancels_unref(lend->cancels);
        uv_mutex_destroy(&lend->mutex);
        return SX_ERR_NOMEM;
    }
    pool->n_handles++;
    sx_list_init(&lend->idle);
    sx_list_init(&lend->returned);
    lend->away_ns = uv_hrtime();
    return 0;
}

void sx_db_lend_finish(struct sx_db_pool *pool)
{
    sx_db_cancels_unref(pool->lend.cancels);
    uv_cond_destroy(&pool->lend.freed);
    uv_mutex_destroy(&pool->lend.mutex);
}

void sx_db_lend_set_away(struct sx_db_pool *pool, bool is_away)
{
    uv_mutex_lock(&pool->lend.mutex);
    pool->lend.away_ns = is_away ? uv_hrtime() : 0;
    uv_cond_broadcast(&pool->lend.freed);
    uv_mutex_unlock(&pool->lend.mutex);
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
    conn->recalls = lend->recalls;
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
    if (conn->pool->is_closing) {
        sx_db_conn_close(conn);
    } else if (conn->comes_back_broken) {
        /* Its owner may have left it blocking: then PQfinish() would wait to say goodbye. */
        (void)shutdown(PQsocket(conn->pg), SHUT_RDWR);
        conn->is_recalled = conn->recalls != conn->pool->lend.recalls;
        sx_db_conn_lose(conn, conn->why_broken);
    } else if (PQsetnonblocking(conn->pg, 1) != 0) {
        sx_db_conn_lose(conn, PQerrorMessage(conn->pg));
    } else {
        sx_db_conn_set_up(conn);
    }
}

static void move_all(struct sx_list *to, struct sx_list *from)
{
    struct sx_list *entry;

    while ((entry = sx_list_pop(from)) != NULL)
        sx_list_push(to, entry);
}

static void on_async_closed(uv_handle_t *handle)
{
    sx_db_pool_release(SX_MEMBER_OF(handle, struct sx_db_pool, lend.async));
}

static void on_async(uv_async_t *async)
{
    struct sx_db_pool *pool = SX_MEMBER_OF(async, struct sx_db_pool, lend.async);
    struct sx_db_lend *lend = &pool->lend;
    struct sx_list returned, *entry;
    bool is_over, has_moved;
    uint32_t n_untaken;

    sx_list_init(&returned);
    uv_mutex_lock(&lend->mutex);
    move_all(&returned, &lend->returned);
    is_over = lend->is_closing && lend->n_leases == 0;
    has_moved = lend->has_moved && !lend->is_closing;
    n_untaken = lend->n_untaken;
    lend->has_moved = false;
    lend->n_untaken = 0;
    uv_mutex_unlock(&lend->mutex);
    while ((entry = sx_list_pop(&returned)) != NULL)
        take_back(SX_MEMBER_OF(entry, struct sx_db_conn, lend_link));
    if (has_moved)
        sx_db_pool_moved(pool);
    if (n_untaken > 0 && pool->is_ready)
        sx_db_pool_warn(pool, "database: no connection was free in time for %u leases", n_untaken);
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

/* why NULL: it is whole. */
static void return_to_loop(struct sx_db_lend *lend, struct sx_db_conn *conn, const char *why)
{
    conn->comes_back_broken = why != NULL;
    if (why != NULL)
        (void)snprintf(conn->why_broken, sizeof conn->why_broken, "%s", why);
    sx_list_push(&lend->returned, &conn->lend_link);
    (void)uv_async_send(&lend->async);
}

void sx_db_lend_recall(struct sx_db_pool *pool)
{
    struct sx_db_lend *lend = &pool->lend;
    struct sx_list *entry;

    uv_mutex_lock(&lend->mutex);
    lend->recalls++;
    while ((entry = sx_list_pop(&lend->idle)) != NULL)
        return_to_loop(lend, SX_MEMBER_OF(entry, struct sx_db_conn, lend_link), moved);
    uv_mutex_unlock(&lend->mutex);
}

/* --- the threads' side: with the mutex held ------------------------------------- */

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
        return_to_loop(lend, conn, "the server has ended it");
    }
    return NULL;
}

/* Until one may be free.  SX_ERR_TIMEOUT at the deadline; SX_ERR_DB where the database has been
 * away for longer than it takes to make a connection: threads are too few to wait for it. */
static int wait_for_one(struct sx_db_pool *pool, uint64_t deadline_ns)
{
    struct sx_db_lend *lend = &pool->lend;
    uint64_t now_ns = uv_hrtime(), until_ns = deadline_ns, away_ns = lend->away_ns;

    if (deadline_ns != 0 && now_ns >= deadline_ns)
        return SX_ERR_TIMEOUT;
    if (away_ns != 0)
        away_ns += (uint64_t)pool->set.connect_ms * 1000000;
    if (away_ns != 0 && now_ns >= away_ns)
        return SX_ERR_DB;
    if (away_ns != 0 && (until_ns == 0 || away_ns < until_ns))
        until_ns = away_ns;
    atomic_fetch_add(&lend->n_waiting, 1);
    (void)uv_async_send(&lend->async);
    if (until_ns == 0)
        uv_cond_wait(&lend->freed, &lend->mutex);
    else
        (void)uv_cond_timedwait(&lend->freed, &lend->mutex, until_ns - now_ns);
    atomic_fetch_sub(&lend->n_waiting, 1);
    return 0;
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
            err = wait_for_one(pool, deadline_ns);
    }
    lend->n_untaken += err == SX_ERR_TIMEOUT || err == SX_ERR_BUSY;
    if (err == SX_ERR_TIMEOUT || err == SX_ERR_BUSY)
        (void)uv_async_send(&lend->async);
    uv_mutex_unlock(&lend->mutex);
    if (err == 0)
        *ret_conn = conn;
    return err;
}

void sx_db_lend_give(struct sx_db_conn *conn, const char *why)
{
    struct sx_db_lend *lend = &conn->pool->lend;

    uv_mutex_lock(&lend->mutex);
    lend->n_taken--;
    if (why == NULL && conn->recalls != lend->recalls)
        why = moved;
    if (why != NULL || conn->kind == KIND_FLIPPING || lend->is_closing) {
        return_to_loop(lend, conn, why);
    } else {
        sx_list_push(&lend->idle, &conn->lend_link);
        uv_cond_signal(&lend->freed);
    }
    uv_mutex_unlock(&lend->mutex);
}

void sx_db_lend_moved(struct sx_db_pool *pool)
{
    uv_mutex_lock(&pool->lend.mutex);
    pool->lend.has_moved = true;
    (void)uv_async_send(&pool->lend.async);
    uv_mutex_unlock(&pool->lend.mutex);
}
