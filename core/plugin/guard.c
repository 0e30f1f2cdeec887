/* plugin/guard.c - what a contained fault leaves: a broken plugin, and a process that goes. */
#include "plugin/guard.h"

#include <string.h>

#include "base/clock.h"

/* --- On the loop ---------------------------------------------------------------------------- */

void sx_guard_break(struct sx_plugins *ps, struct sx_plugin *p)
{
    __atomic_store_n(&p->is_broken, true, __ATOMIC_RELAXED); /* pool threads ask, too */
    ps->has_broken = true;
    if (ps->rt.on_broken != NULL)
        ps->rt.on_broken(ps->rt.arg, p->note.name);
}

void sx_guard_broken(struct sx_plugins *ps, struct sx_plugin *p, struct sx_guard *g)
{
    if (ps->running != NULL)
        ps->running->has_faulted = true;
    sx_guard_leave(ps, g);
    sx_guard_break(ps, p);
}

bool sx_plugins_call_of(const struct sx_plugins *ps, const char **ret_name, uintptr_t *ret_frame)
{
    /* A second fault is not contained: the first one may have done more than it seemed. */
    if (ps->guard == NULL || ps->has_broken)
        return false;
    *ret_name = ps->guard->plugin->note.name;
    *ret_frame = (uintptr_t)ps->guard;
    return true;
}

void sx_plugins_leave_call(struct sx_plugins *ps)
{
    longjmp(ps->guard->back, 1);
}

bool sx_plugins_have_broken(const struct sx_plugins *ps)
{
    return ps->has_broken;
}

/* --- On a pool thread ----------------------------------------------------------------------- */

_Static_assert(sizeof((struct sx_request_id *)0)->text <=
                   sizeof((struct sx_board_thread *)0)->request_id,
               "the board has room for the id of a request");

/* The id was made before the thread got the request. */
static void enter_board(struct sx_plugins *ps, uint32_t thread, const struct sx_plugin *p,
                        const struct sx_req *r)
{
    struct sx_board_thread *board;

    if (ps->rt.slot == NULL)
        return;
    board = sx_board_thread_at(ps->rt.slot, thread);
    if (r == NULL)
        board->request_id[0] = '\0';
    else
        memcpy(board->request_id, r->http.id.text, sizeof r->http.id.text);
    sx_board_enter(board, p->board, r == NULL ? SX_BOARD_NONE : r->entry->board,
                   r == NULL ? 0 : r->http.serial, sx_clock_mono_ns());
}

void sx_pool_enter(struct sx_plugins *ps, uint32_t thread, const struct sx_plugin *p,
                   const struct sx_req *r)
{
    struct sx_pool_call *call = &ps->pool_calls[thread];

    enter_board(ps, thread, p, r);
    call->thread = pthread_self();
    call->frame = 0;
    __atomic_store_n(&call->plugin, p, __ATOMIC_RELEASE);
}

void sx_pool_leave(struct sx_plugins *ps, uint32_t thread)
{
    __atomic_store_n(&ps->pool_calls[thread].plugin, NULL, __ATOMIC_RELEASE);
    if (ps->rt.slot != NULL)
        sx_board_leave(sx_board_thread_at(ps->rt.slot, thread));
}

bool sx_plugins_pool_call_of(const struct sx_plugins *ps, uint32_t *ret_thread,
                             const char **ret_name, uintptr_t *ret_frame)
{
    if (ps->has_broken)
        return false;
    for (uint32_t i = 1; i < ps->n_pool_calls; i++) {
        const struct sx_pool_call *call = &ps->pool_calls[i];
        const struct sx_plugin *p = __atomic_load_n(&call->plugin, __ATOMIC_ACQUIRE);

        if (p == NULL || pthread_equal(call->thread, pthread_self()) == 0)
            continue;
        *ret_thread = i;
        *ret_name = p->note.name;
        *ret_frame = call->frame;
        return call->frame != 0;
    }
    return false;
}

void sx_plugins_lose_call(struct sx_plugins *ps, uint32_t thread)
{
    struct sx_plugin *p = (struct sx_plugin *)(uintptr_t)ps->pool_calls[thread].plugin;

    __atomic_store_n(&ps->pool_calls[thread].plugin, NULL, __ATOMIC_RELEASE);
    __atomic_store_n(&p->is_broken, true, __ATOMIC_RELAXED); /* before the loop comes to it */
}
