/*
 * plugin/guard.h - the trampoline around each call into a plugin: announced on the board, and a
 * way out when the plugin faults.
 *
 * On the loop a fault comes back to the innermost guard; on a pool thread there is no way back: the
 * thread sleeps for ever in the handler, and the loop gives up what it ran.  Either only when no
 * frame of the core or of a library lies between (worker/fault.c looks), so nothing is held that
 * only they could release.  The plugin is broken from then on: nothing of it is called any more in
 * this process, which serves what it has and ends.
 */
#ifndef SX_PLUGIN_GUARD_H
#define SX_PLUGIN_GUARD_H

#include <setjmp.h>

#include "base/clock.h"
#include "plugin/plugin_private.h"

struct sx_guard {
    struct sx_guard *outer;
    struct sx_plugin *plugin;
    struct sx_req *outer_req; /* for whom the loop called before */
    uint64_t began_ms;        /* by the coarse clock, or when the loop woke up */
    jmp_buf back;
};

/* When the one before it ended or, if that is longer ago, when the loop woke up: no clock is read.
 * Within another call, and without a loop, nothing is known but the time. */
static inline uint64_t sx_guard_begin_ms(const struct sx_plugins *ps)
{
    uint64_t woke_ms;

    if (SX_UNLIKELY(ps->guard != NULL || ps->rt.loop == NULL)) /* which a check has not */
        return sx_clock_coarse_ms();
    woke_ms = uv_now(ps->rt.loop);
    return ps->left_ms > woke_ms ? ps->left_ms : woke_ms;
}

/* False when the plugin is broken: then it is not called, and nothing is to be left. */
static inline bool sx_guard_enter(struct sx_plugins *ps, struct sx_plugin *p, struct sx_req *r,
                                  struct sx_guard *g)
{
    if (SX_UNLIKELY(p->is_broken))
        return false;
    g->outer = ps->guard;
    g->outer_req = ps->running;
    g->plugin = p;
    g->began_ms = sx_guard_begin_ms(ps);
    ps->guard = g;
    ps->running = r;
    if (ps->loop_board != NULL)
        sx_board_enter(ps->loop_board, p->board,
                       r != NULL && r->entry != NULL ? r->entry->board : SX_BOARD_NONE,
                       r != NULL ? r->http.serial : 0, g->began_ms * 1000000);
    return true;
}

/* guard.c: the call has kept the loop for longer than watchdog.warn_ms. */
void sx_guard_warn(struct sx_plugins *ps, const struct sx_guard *g, uint64_t ms);

static inline void sx_guard_time(struct sx_plugins *ps, const struct sx_guard *g)
{
    uint64_t now_ms = sx_clock_coarse_ms();

    ps->left_ms = now_ms;
    if (SX_UNLIKELY(now_ms > g->began_ms + ps->warn_ms) && ps->warn_ms > 0)
        sx_guard_warn(ps, g, now_ms - g->began_ms);
}

static inline void sx_guard_leave(struct sx_plugins *ps, struct sx_guard *g)
{
    sx_guard_time(ps, g);
    ps->guard = g->outer;
    ps->running = g->outer_req;
    if (ps->loop_board != NULL)
        sx_board_leave(ps->loop_board);
}

/* guard.c: the call has come back by a fault. */
void sx_guard_broken(struct sx_plugins *ps, struct sx_plugin *p, struct sx_guard *g);
/* The same without a call on the loop: what it ran on a pool thread, for r or for nobody, was given
 * up.  [loop] */
void sx_guard_break(struct sx_plugins *ps, struct sx_plugin *p, const struct sx_req *r);

/* --- On a pool thread ----------------------------------------------------------------------- */

/* What a pool thread is inside of, for the handler of a fault on that thread. */
struct sx_pool_call {
    const struct sx_plugin *plugin; /* NULL: nothing; written last */
    const struct sx_req *req;       /* or NULL */
    pthread_t thread;
    uintptr_t frame; /* a place in the frame that makes the call */
};

/* Announces a call into p for r (or NULL) on the pool's thread number thread.  [pool] */
void sx_pool_enter(struct sx_plugins *ps, uint32_t thread, const struct sx_plugin *p,
                   const struct sx_req *r);
void sx_pool_leave(struct sx_plugins *ps, uint32_t thread);
/* The frame that makes the call, whose place is of any variable in it. */
static inline void sx_pool_mark(struct sx_plugins *ps, uint32_t thread, const void *place)
{
    ps->pool_calls[thread].frame = (uintptr_t)place;
}

/* call: a statement that calls into plugin p for request r (or NULL); otherwise: one for when it
 * could not, or faulted.  setjmp has to stand in the frame that makes the call, which no function
 * could do.  Nothing that call assigns is read in otherwise. */
#define SX_GUARDED(ps_, p_, r_, call, otherwise)           \
    do {                                                   \
        struct sx_guard guard_;                            \
                                                           \
        if (!sx_guard_enter((ps_), (p_), (r_), &guard_)) { \
            otherwise;                                     \
        } else if (SX_LIKELY(setjmp(guard_.back) == 0)) {  \
            call;                                          \
            sx_guard_leave((ps_), &guard_);                \
        } else {                                           \
            sx_guard_broken((ps_), (p_), &guard_);         \
            otherwise;                                     \
        }                                                  \
    } while (0)

#endif /* SX_PLUGIN_GUARD_H */
