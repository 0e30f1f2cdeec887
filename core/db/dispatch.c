/*
 * db/dispatch.c - which job goes down which connection.
 *
 * Once per iteration of the loop, owner by owner: so that a connection is switched seldom and
 * everything is flushed once.  What finds no connection waits in the queue, in its order.
 */
#include "db/db_private.h"

/* Handicaps, in jobs that are ahead elsewhere. */
enum { OTHER_OWNER = 8, READ_AMONG_WRITES = 1000, WRONG_LANE = 4000 };

static bool has_room(const struct sx_db_conn *conn, uint64_t now_ms)
{
    return sx_db_conn_is_shared(conn) && conn->state == CONN_READY && !conn->is_broken &&
           !conn->must_replace && !conn->is_reserved && conn->n_jobs < MAX_IN_FLIGHT &&
           (conn->n_jobs == 0 || now_ms < conn->head_ms + SLOW_HEAD_MS) &&
           conn->last_ns >= conn->pool->lost_ns;
}

/* When one connection has died, the others may have too, unnoticed: each has to answer
 * something before it gets more, or a write would be lost that could have waited. */
static void probe_doubtful(struct sx_db_pool *pool)
{
    for (uint32_t i = 0; i < pool->n_conns; i++) {
        struct sx_db_conn *conn = &pool->conns[i];

        if (conn->state == CONN_READY && conn->n_steps == 0 && conn->last_ns < pool->lost_ns)
            sx_db_send_probe(conn);
    }
}

static bool may_take(const struct sx_db_conn *conn, const struct sx_db_job *job, uint64_t now_ms)
{
    return has_room(conn, now_ms) && (!conn->is_switching || conn->owner == job->owner) &&
           (job->is_read || conn->kind != KIND_READER) && (conn->n_slow == 0 || job->is_slow);
}

/* The last writer of several is where slow texts go; NULL: there is none to spare. */
static const struct sx_db_conn *slow_lane(const struct sx_db_pool *pool)
{
    const struct sx_db_conn *last = NULL;
    uint32_t n = 0;

    for (uint32_t i = 0; i < pool->n_conns; i++) {
        if (pool->conns[i].kind != KIND_WRITER)
            continue;
        last = &pool->conns[i];
        n++;
    }
    return n >= 2 ? last : NULL;
}

static uint32_t handicap(const struct sx_db_conn *conn, const struct sx_db_job *job,
                         const struct sx_db_conn *lane)
{
    uint32_t n = conn->n_jobs;

    if (conn->owner != job->owner && !conn->pool->set.is_pooled)
        n += OTHER_OWNER;
    if (job->is_read && conn->kind != KIND_READER)
        n += READ_AMONG_WRITES;
    if (lane != NULL && job->is_slow != (conn == lane))
        n += WRONG_LANE;
    return n;
}

static struct sx_db_conn *choose(struct sx_db_pool *pool, const struct sx_db_job *job)
{
    const struct sx_db_conn *lane = slow_lane(pool);
    uint64_t now_ms = uv_now(pool->set.loop);
    struct sx_db_conn *best = NULL;
    uint32_t least = UINT32_MAX;

    for (uint32_t i = 0; i < pool->n_conns; i++) {
        struct sx_db_conn *conn = &pool->conns[i];
        uint32_t n;

        if (!may_take(conn, job, now_ms))
            continue;
        n = handicap(conn, job, lane);
        if (n < least) {
            least = n;
            best = conn;
        }
    }
    return best;
}

static void send_batch(struct sx_db_conn *conn)
{
    struct sx_db_batch *b = &conn->pool->batches[conn - conn->pool->conns];

    if (b->n > 0)
        sx_db_send_jobs(conn, &b->jobs);
    b->n = 0;
}

/* False: the connection has to take the owner's role first, for the first time. */
static bool stand_for(struct sx_db_conn *conn, const struct sx_db_owner *owner)
{
    if (conn->owner == owner || conn->pool->set.is_pooled)
        return true;
    sx_db_send_switch(conn, owner);
    return !conn->is_switching;
}

static void try_job(struct sx_db_pool *pool, struct sx_db_job *job)
{
    struct sx_db_conn *conn = choose(pool, job);
    struct sx_db_batch *b;

    if (conn == NULL || conn->is_switching)
        return; /* it waits, perhaps until its owner's role is there */
    b = &pool->batches[conn - pool->conns];
    if (conn->owner != job->owner || job->is_alone || b->n == MAX_SHARED_READS)
        send_batch(conn);
    if (!stand_for(conn, job->owner))
        return;
    sx_db_job_unqueue(pool, job);
    sx_list_push(&b->jobs, &job->link);
    conn->n_jobs++;
    conn->n_slow += job->is_slow;
    b->n++;
    if (job->is_alone)
        send_batch(conn);
}

static void try_owner(struct sx_db_pool *pool, struct sx_list *from,
                      const struct sx_db_owner *owner)
{
    struct sx_list *at = from, *next;

    for (; at != &pool->queue; at = next) {
        struct sx_db_job *job = SX_MEMBER_OF(at, struct sx_db_job, link);

        next = at->next;
        if (job->round == pool->round || job->owner != owner)
            continue;
        job->round = pool->round;
        try_job(pool, job);
    }
}

static bool is_any_ready(const struct sx_db_pool *pool)
{
    uint64_t now_ms = uv_now(pool->set.loop);

    for (uint32_t i = 0; i < pool->n_conns; i++)
        if (has_room(&pool->conns[i], now_ms))
            return true;
    return false;
}

static struct sx_db_job *first_untried(struct sx_db_pool *pool)
{
    for (struct sx_list *at = pool->queue.next; at != &pool->queue; at = at->next) {
        struct sx_db_job *job = SX_MEMBER_OF(at, struct sx_db_job, link);

        if (job->round != pool->round)
            return job;
    }
    return NULL;
}

void sx_db_dispatch(struct sx_db_pool *pool)
{
    struct sx_db_job *job;

    if (sx_list_is_empty(&pool->queue))
        return;
    probe_doubtful(pool);
    pool->round = pool->round == UINT32_MAX ? 1 : pool->round + 1;
    while (is_any_ready(pool) && (job = first_untried(pool)) != NULL)
        try_owner(pool, &job->link, job->owner);
    for (uint32_t i = 0; i < pool->n_conns; i++)
        send_batch(&pool->conns[i]);
    for (uint32_t i = 0; i < pool->n_conns; i++)
        if (pool->conns[i].needs_flush || pool->conns[i].is_broken)
            sx_db_conn_flush(&pool->conns[i]);
}
