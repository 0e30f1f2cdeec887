/*
 * work/pool.c - a bounded queue, threads that empty it, and the way back to the loop.
 *
 * The queue and the list of finished items are guarded by one mutex each; an item belongs to
 * whoever took it out.  One uv_async_t wakes the loop, however many items have finished.
 */
#include "work/work.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/altstack.h"
#include "base/check.h"
#include "base/error.h"

struct thread {
    pthread_t id;
    struct sx_work_item *item; /* that it runs; the thread's */
    uint32_t is_lost;          /* atomic: the loop has to replace it */
};

struct sx_work_pool {
    uv_loop_t *loop;
    uv_async_t async;
    uint32_t n_threads, max_queued;
    uint32_t n_started, n_idle, n_queued; /* guarded by queue_lock */
    bool is_closing;                      /* guarded by queue_lock */
    pthread_mutex_t queue_lock;
    pthread_cond_t has_work;
    struct sx_list queue;
    pthread_mutex_t done_lock;
    struct sx_list finished;
    uint32_t n_pending;     /* atomic */
    uint32_t has_lost;      /* atomic: some thread is_lost */
    struct thread *threads; /* owned */
    void (*on_lost)(struct sx_work_item *item);
};

struct start {
    struct sx_work_pool *pool;
    uint32_t thread;
};

static void hand_back(struct sx_work_pool *pool, struct sx_work_item *item)
{
    bool was_empty;

    pthread_mutex_lock(&pool->done_lock);
    was_empty = sx_list_is_empty(&pool->finished);
    sx_list_push(&pool->finished, &item->link);
    pthread_mutex_unlock(&pool->done_lock);
    if (was_empty)
        (void)uv_async_send(&pool->async);
}

static struct sx_work_item *wait_for_item(struct sx_work_pool *pool)
{
    struct sx_list *entry = NULL;

    pthread_mutex_lock(&pool->queue_lock);
    while (!pool->is_closing && (entry = sx_list_pop(&pool->queue)) == NULL) {
        pool->n_idle++;
        pthread_cond_wait(&pool->has_work, &pool->queue_lock);
        pool->n_idle--;
    }
    if (entry != NULL)
        pool->n_queued--;
    pthread_mutex_unlock(&pool->queue_lock);
    return entry == NULL ? NULL : SX_MEMBER_OF(entry, struct sx_work_item, link);
}

static void *run_thread(void *arg)
{
    struct start start = *(struct start *)arg;
    struct sx_altstack stack;
    struct sx_work_item *item;

    free(arg);
    sx_altstack_open(&stack);
    while ((item = wait_for_item(start.pool)) != NULL) {
        start.pool->threads[start.thread - 1].item = item;
        item->run(item, start.thread);
        hand_back(start.pool, item);
    }
    sx_altstack_close(&stack);
    return NULL;
}

/* Signals are the loop's; a pool thread blocks all but those of a fault. */
static int start_thread(struct sx_work_pool *pool, uint32_t index)
{
    struct start *start = malloc(sizeof *start);
    sigset_t all, old;
    int err;

    if (start == NULL)
        return SX_ERR_NOMEM;
    *start = (struct start){ pool, index + 1 };
    (void)sigfillset(&all);
    (void)sigdelset(&all, SIGSEGV);
    (void)sigdelset(&all, SIGBUS);
    (void)sigdelset(&all, SIGFPE);
    (void)sigdelset(&all, SIGILL);
    (void)sigdelset(&all, SIGABRT);
    (void)sigdelset(&all, SIGSYS);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    err = pthread_create(&pool->threads[index].id, NULL, run_thread, start);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (err != 0)
        free(start);
    return err == 0 ? 0 : SX_ERR_NOMEM;
}

/* The number is the new thread's; whoever had it sleeps in its signal handler.  Without a new one
 * the others do the work, or, when there is none, the queue waits until the process ends. */
static void replace_lost(struct sx_work_pool *pool)
{
    if (__atomic_exchange_n(&pool->has_lost, 0, __ATOMIC_ACQUIRE) == 0)
        return;
    for (uint32_t i = 0; i < pool->n_threads; i++) {
        struct thread *t = &pool->threads[i];
        struct sx_work_item *item;

        if (__atomic_exchange_n(&t->is_lost, 0, __ATOMIC_ACQUIRE) == 0)
            continue;
        item = t->item;
        pthread_mutex_lock(&pool->queue_lock);
        (void)start_thread(pool, i);
        pthread_mutex_unlock(&pool->queue_lock);
        __atomic_sub_fetch(&pool->n_pending, 1, __ATOMIC_RELAXED);
        pool->on_lost(item);
    }
}

bool sx_work_has_lost(const struct sx_work_pool *pool)
{
    return __atomic_load_n(&pool->has_lost, __ATOMIC_ACQUIRE) != 0;
}

void sx_work_lose(struct sx_work_pool *pool, uint32_t thread)
{
    __atomic_store_n(&pool->threads[thread - 1].is_lost, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&pool->has_lost, 1, __ATOMIC_RELEASE);
    (void)uv_async_send(&pool->async); /* which a signal handler may do */
}

static void on_async(uv_async_t *async)
{
    struct sx_work_pool *pool = async->data;
    struct sx_list all, *entry;

    replace_lost(pool);
    sx_list_init(&all);
    pthread_mutex_lock(&pool->done_lock);
    while ((entry = sx_list_pop(&pool->finished)) != NULL)
        sx_list_push(&all, entry);
    pthread_mutex_unlock(&pool->done_lock);
    while ((entry = sx_list_pop(&all)) != NULL) {
        struct sx_work_item *item = SX_MEMBER_OF(entry, struct sx_work_item, link);

        __atomic_sub_fetch(&pool->n_pending, 1, __ATOMIC_RELAXED);
        item->done(item);
    }
}

int sx_work_create(const struct sx_work_settings *set, struct sx_work_pool **ret_pool)
{
    struct sx_work_pool *pool = calloc(1, sizeof *pool);

    if (pool == NULL)
        return SX_ERR_NOMEM;
    pool->loop = set->loop;
    pool->n_threads = set->n_threads;
    pool->max_queued = set->max_queued;
    pool->on_lost = set->on_lost;
    pool->threads = calloc(set->n_threads, sizeof *pool->threads);
    sx_list_init(&pool->queue);
    sx_list_init(&pool->finished);
    if (pool->threads == NULL || uv_async_init(set->loop, &pool->async, on_async) != 0) {
        free(pool->threads);
        free(pool);
        return SX_ERR_NOMEM;
    }
    pool->async.data = pool;
    (void)pthread_mutex_init(&pool->queue_lock, NULL);
    (void)pthread_mutex_init(&pool->done_lock, NULL);
    (void)pthread_cond_init(&pool->has_work, NULL);
    *ret_pool = pool;
    return 0;
}

/* With the lock held: is there a thread for one more item? */
static int ensure_thread(struct sx_work_pool *pool)
{
    int err;

    if (pool->n_idle > pool->n_queued || pool->n_started == pool->n_threads)
        return 0;
    err = start_thread(pool, pool->n_started);
    if (err == 0)
        pool->n_started++;
    return pool->n_started > 0 ? 0 : err;
}

int sx_work_submit(struct sx_work_pool *pool, struct sx_work_item *item)
{
    int err;

    pthread_mutex_lock(&pool->queue_lock);
    if (pool->is_closing)
        err = SX_ERR_CLOSED;
    else if (pool->n_queued >= pool->max_queued)
        err = SX_ERR_BUSY;
    else
        err = ensure_thread(pool);
    if (err == 0) {
        sx_list_push(&pool->queue, &item->link);
        pool->n_queued++;
        __atomic_add_fetch(&pool->n_pending, 1, __ATOMIC_RELAXED);
        pthread_cond_signal(&pool->has_work);
    }
    pthread_mutex_unlock(&pool->queue_lock);
    return err;
}

void sx_work_post(struct sx_work_pool *pool, struct sx_work_item *item)
{
    __atomic_add_fetch(&pool->n_pending, 1, __ATOMIC_RELAXED);
    hand_back(pool, item);
}

uint32_t sx_work_pending(const struct sx_work_pool *pool)
{
    return __atomic_load_n(&pool->n_pending, __ATOMIC_RELAXED);
}

static void on_async_closed(uv_handle_t *h)
{
    struct sx_work_pool *pool = h->data;

    (void)pthread_mutex_destroy(&pool->queue_lock);
    (void)pthread_mutex_destroy(&pool->done_lock);
    (void)pthread_cond_destroy(&pool->has_work);
    free(pool->threads);
    free(pool);
}

static void drop_all(struct sx_list *items, void (*dropped)(struct sx_work_item *item))
{
    struct sx_list *entry;

    while ((entry = sx_list_pop(items)) != NULL)
        dropped(SX_MEMBER_OF(entry, struct sx_work_item, link));
}

void sx_work_close(struct sx_work_pool *pool, void (*dropped)(struct sx_work_item *item))
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->queue_lock);
    pool->is_closing = true;
    pthread_cond_broadcast(&pool->has_work);
    pthread_mutex_unlock(&pool->queue_lock);
    for (uint32_t i = 0; i < pool->n_started; i++)
        (void)pthread_join(pool->threads[i].id, NULL);
    drop_all(&pool->queue, dropped);
    on_async(&pool->async); /* what has run is done, whatever became of its queue */
    uv_close((uv_handle_t *)&pool->async, on_async_closed);
}
