/*
 * work/work.h - pool threads of our own, for blocking handlers, and posts to the loop.
 *
 * Not libuv's four threads, which DNS and files use.  Items are the caller's memory; handing
 * one over moves its ownership until done was called on the loop.
 */
#ifndef SX_WORK_WORK_H
#define SX_WORK_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

#include "base/list.h"

struct sx_work_pool;

struct sx_work_item {
    struct sx_list link;                                     /* the pool's      */
    void (*run)(struct sx_work_item *item, uint32_t thread); /* on thread 1 … n */
    void (*done)(struct sx_work_item *item);                 /* on the loop     */
};

struct sx_work_settings {
    uv_loop_t *loop;
    uint32_t n_threads;
    uint32_t max_queued;
    /* The thread that ran item was lost (sx_work_lose): instead of done, on the loop.  NULL where
     * nobody loses threads. */
    void (*on_lost)(struct sx_work_item *item);
};

/* Threads start with the first item.  [loop] */
int sx_work_create(const struct sx_work_settings *set, struct sx_work_pool **ret_pool);

/* SX_ERR_BUSY when max_queued items wait.  Any thread may submit. */
int sx_work_submit(struct sx_work_pool *pool, struct sx_work_item *item);

/* Only done, soon, on the loop; run is not called.  Any thread; never fails. */
void sx_work_post(struct sx_work_pool *pool, struct sx_work_item *item);

/* The calling thread, which runs an item and is number thread, will never come back from it.
 * Another takes its place, and on_lost is called soon.  Async-signal-safe; the caller then sleeps
 * for ever, and the pool is not to be closed any more: the process ends without it. */
void sx_work_lose(struct sx_work_pool *pool, uint32_t thread);

/* Is there one whose item on_lost has not been called for?  Then the pool cannot be closed. */
bool sx_work_has_lost(const struct sx_work_pool *pool);

/* Items submitted or posted and not yet done. */
uint32_t sx_work_pending(const struct sx_work_pool *pool);

/* Runs nothing more and waits for running items; done is called for what has run, dropped for
 * what was left in the queue; then it closes its handles.  The pool is freed when the loop has
 * closed them.  [loop] */
void sx_work_close(struct sx_work_pool *pool, void (*dropped)(struct sx_work_item *item));

#endif /* SX_WORK_WORK_H */
