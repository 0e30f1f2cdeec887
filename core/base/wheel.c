/*
 * base/wheel.c - a hashed wheel: one slot per tick, a timeout further away than a round is met
 * early and stays for the next one.
 *
 * A timeout lies in the slot of the first tick that begins at or after its due time, but never
 * in one that the wheel has passed.
 */
#include "base/wheel.h"

static uint64_t tick_of(uint64_t due_ms)
{
    return due_ms / SX_WHEEL_TICK_MS + (due_ms % SX_WHEEL_TICK_MS != 0);
}

void sx_wheel_init(struct sx_wheel *w, uint64_t now_ms)
{
    w->now_tick = now_ms / SX_WHEEL_TICK_MS;
    w->n_timeouts = 0;
    for (unsigned i = 0; i < SX_WHEEL_SLOTS; i++)
        sx_list_init(&w->slots[i]);
}

void sx_wheel_set(struct sx_wheel *w, struct sx_timeout *t, uint64_t due_ms)
{
    uint64_t tick = tick_of(due_ms);

    sx_wheel_cancel(w, t);
    if (tick <= w->now_tick)
        tick = w->now_tick + 1;
    t->due_ms = due_ms;
    sx_list_push(&w->slots[tick % SX_WHEEL_SLOTS], &t->link);
    w->n_timeouts++;
}

static void run_tick(struct sx_wheel *w)
{
    struct sx_list *slot = &w->slots[w->now_tick % SX_WHEEL_SLOTS];
    struct sx_list met;
    struct sx_list *entry;

    sx_list_move(&met, slot); /* a callback may cancel what is in either */
    while ((entry = sx_list_pop(&met)) != NULL) {
        struct sx_timeout *t = (struct sx_timeout *)(void *)entry; /* link is its first member */

        if (tick_of(t->due_ms) > w->now_tick) {
            sx_list_push(slot, entry);
            continue;
        }
        w->n_timeouts--;
        t->fn(t);
    }
}

void sx_wheel_advance(struct sx_wheel *w, uint64_t now_ms)
{
    uint64_t target = now_ms / SX_WHEEL_TICK_MS;

    /* one round meets every slot: a long sleep need not be walked tick by tick */
    if (target > w->now_tick + SX_WHEEL_SLOTS)
        w->now_tick = target - SX_WHEEL_SLOTS;
    while (w->now_tick < target && w->n_timeouts > 0) {
        w->now_tick++;
        run_tick(w);
    }
    if (w->now_tick < target)
        w->now_tick = target;
}
