/*
 * base/wheel.h - many timeouts, each O(1) to set, move and cancel; granularity one tick.
 *
 * Owned by one loop.  A timeout never fires early, and at most two ticks late.
 */
#ifndef SX_BASE_WHEEL_H
#define SX_BASE_WHEEL_H

#include "base/list.h"
#include <stdbool.h>
#include <stdint.h>

#define SX_WHEEL_TICK_MS 64u
#define SX_WHEEL_SLOTS   512u

struct sx_timeout {
    struct sx_list link;
    uint64_t due_ms;
    void (*fn)(struct sx_timeout *t);
};

struct sx_wheel {
    uint64_t now_tick;
    uint32_t n_timeouts;
    struct sx_list slots[SX_WHEEL_SLOTS];
};

void sx_wheel_init(struct sx_wheel *w, uint64_t now_ms);

static inline void sx_timeout_init(struct sx_timeout *t, void (*fn)(struct sx_timeout *t))
{
    sx_list_init(&t->link);
    t->due_ms = 0;
    t->fn = fn;
}

static inline bool sx_timeout_is_set(const struct sx_timeout *t)
{
    return !sx_list_is_empty(&t->link);
}

/* Sets or moves it. */
void sx_wheel_set(struct sx_wheel *w, struct sx_timeout *t, uint64_t due_ms);
static inline void sx_wheel_cancel(struct sx_wheel *w, struct sx_timeout *t)
{
    if (!sx_timeout_is_set(t))
        return;
    sx_list_remove(&t->link);
    w->n_timeouts--;
}

/* Calls what is due; a callback may set, move or cancel any timeout. */
void sx_wheel_advance(struct sx_wheel *w, uint64_t now_ms);

#endif /* SX_BASE_WHEEL_H */
