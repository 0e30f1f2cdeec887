/*
 * supervisor/stall.c - the stall line: a loop that does not come back from a plugin.
 *
 * A loop inside one call serves nobody else.  After a second that is told, with the plugin's
 * name; after twice http.request_ms the worker is killed and replaced.  A plugin can scribble on
 * the board, so the time is taken by our own clock, from when the call was first seen.
 */
#include "base/check.h"
#include "base/clock.h"
#include "supervisor/supervisor_private.h"

#define NS_PER_MS      UINT64_C(1000000)
#define TELL_AFTER_MS  1000u
#define MIN_ALLOWED_MS 2000u

/* What the loop is inside of, outermost; false: nothing. */
static bool read_call(const struct sx_supervisor *sup, const struct sx_child *child,
                      struct sx_board_frame *ret_frame)
{
    struct sx_board_worker *w = sx_board_worker_at(sup->board, child->slot);
    const struct sx_board_thread *loop = sx_board_thread_at(w, 0);

    if (__atomic_load_n(&loop->depth, __ATOMIC_ACQUIRE) == 0)
        return false;
    *ret_frame = loop->stack[0];
    return true;
}

static bool is_same_call(const struct sx_stall *s, const struct sx_board_frame *frame)
{
    return s->seen_ns != 0 && s->since_ns == frame->since_ns && s->request == frame->request;
}

static uint32_t find_allowed_ms(const struct sx_child *child)
{
    uint32_t request_ms = child->gen->config->http.request_ms;

    return request_ms < MIN_ALLOWED_MS / 2 ? MIN_ALLOWED_MS : 2 * request_ms;
}

static void judge(struct sx_supervisor *sup, struct sx_child *child, uint64_t stalled_ms)
{
    if (stalled_ms >= find_allowed_ms(child)) {
        sx_child_kill(child, "has a loop that does not come back from a plugin");
    } else if (stalled_ms >= TELL_AFTER_MS && !child->stall.is_told) {
        child->stall.is_told = true;
        sx_obituary_log_stall(sup, child);
    }
}

static void check_child(struct sx_supervisor *sup, struct sx_child *child, uint64_t now_ns)
{
    struct sx_board_frame frame;

    if (child->state != SX_CHILD_SERVING || child->slot == SX_BOARD_NONE)
        return;
    if (!read_call(sup, child, &frame))
        child->stall.seen_ns = 0;
    else if (!is_same_call(&child->stall, &frame))
        child->stall = (struct sx_stall){ now_ns, frame.since_ns, frame.request, false };
    else
        judge(sup, child, (now_ns - child->stall.seen_ns) / NS_PER_MS);
}

void sx_stall_check(struct sx_supervisor *sup, uint64_t now_ns)
{
    if (now_ns < sup->stall_due_ns)
        return;
    sup->stall_due_ns = now_ns + SX_STALL_TICK_MS * NS_PER_MS;
    for (struct sx_list *at = sup->children.next; at != &sup->children; at = at->next)
        check_child(sup, SX_MEMBER_OF(at, struct sx_child, link), now_ns);
}
