/* plugin/guard.c - what a contained fault leaves: a broken plugin, and a process that goes. */
#include "plugin/guard.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WARN_EVERY_MS 1000u

/* --- On the loop ---------------------------------------------------------------------------- */

/* Several threads may fault before the loop hears of any.  The supervisor is told of the one that
 * the handler met first, whose last words it has; the others are told here. */
void sx_guard_break(struct sx_plugins *ps, struct sx_plugin *p, const struct sx_req *r)
{
    bool is_first = !ps->has_broken;

    __atomic_store_n(&p->is_broken, true, __ATOMIC_RELAXED);   /* pool threads ask, too */
    __atomic_store_n(&ps->has_broken, true, __ATOMIC_RELAXED); /* and their handler */
    if (is_first && ps->rt.on_broken != NULL)
        ps->rt.on_broken(ps->rt.arg, ps->first_fault.plugin->note.name);
    if (p != ps->first_fault.plugin || r != ps->first_fault.req)
        sx_report_fault(p, r, "faulted at the same moment as another call");
}

void sx_guard_broken(struct sx_plugins *ps, struct sx_plugin *p, struct sx_guard *g)
{
    const struct sx_req *r = ps->running;

    if (ps->running != NULL)
        ps->running->has_faulted = true;
    sx_guard_leave(ps, g);
    sx_guard_break(ps, p, r);
}

/* A line a second for each plugin; the next one tells how many there were. */
void sx_guard_warn(struct sx_plugins *ps, const struct sx_guard *g, uint64_t ms)
{
    struct sx_plugin *p = g->plugin;
    const struct sx_req *r = ps->running;
    char more[48] = "";

    if (p->warned_ms != 0 && ps->left_ms - p->warned_ms < WARN_EVERY_MS) {
        p->n_unwarned++;
        return;
    }
    if (p->n_unwarned > 0)
        (void)snprintf(more, sizeof more, "; %u more calls did before", p->n_unwarned);
    p->warned_ms = ps->left_ms;
    p->n_unwarned = 0;
    sx_log_about(p, r, SX_LOG_WARNING,
                 "kept the loop for %" PRIu64 " ms, and everybody else waiting%s", ms, more);
}

uint64_t sx_plugins_kept_since_ns(const struct sx_plugins *ps)
{
    return ps->loop_board == NULL || ps->loop_board->depth == 0 ? 0
                                                                : ps->loop_board->stack[0].since_ns;
}

bool sx_plugins_call_of(const struct sx_plugins *ps, const char **ret_name, uintptr_t *ret_frame)
{
    if (ps->guard == NULL)
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
    return __atomic_load_n(&ps->has_broken, __ATOMIC_RELAXED);
}

bool sx_plugins_has_broken_call(const struct sx_plugins *ps, uint32_t thread)
{
    const struct sx_plugin *p = thread > 0          ? ps->pool_calls[thread].plugin
                                : ps->guard != NULL ? ps->guard->plugin
                                                    : NULL;

    return p != NULL && sx_plugin_is_broken(p);
}

bool sx_plugins_note_fault(struct sx_plugins *ps, uint32_t thread)
{
    if (ps->first_fault.plugin != NULL)
        return false;
    ps->first_fault.plugin = thread == 0 ? ps->guard->plugin : ps->pool_calls[thread].plugin;
    ps->first_fault.req = thread == 0 ? ps->running : ps->pool_calls[thread].req;
    return true;
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
    call->req = r;
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

uint32_t sx_plugins_pool_thread(const struct sx_plugins *ps)
{
    for (uint32_t i = 1; i < ps->n_pool_calls; i++) {
        const struct sx_pool_call *call = &ps->pool_calls[i];

        if (__atomic_load_n(&call->plugin, __ATOMIC_ACQUIRE) != NULL &&
            pthread_equal(call->thread, pthread_self()) != 0)
            return i;
    }
    return 0;
}

bool sx_plugins_pool_call_of(const struct sx_plugins *ps, uint32_t thread, const char **ret_name,
                             uintptr_t *ret_frame)
{
    const struct sx_pool_call *call = &ps->pool_calls[thread];

    if (call->frame == 0)
        return false;
    *ret_name = call->plugin->note.name;
    *ret_frame = call->frame;
    return true;
}

void sx_plugins_lose_call(struct sx_plugins *ps, uint32_t thread)
{
    struct sx_plugin *p = (struct sx_plugin *)(uintptr_t)ps->pool_calls[thread].plugin;

    __atomic_store_n(&ps->pool_calls[thread].plugin, NULL, __ATOMIC_RELEASE);
    __atomic_store_n(&p->is_broken, true, __ATOMIC_RELAXED); /* before the loop comes to it */
}
