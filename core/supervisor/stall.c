/*
 * supervisor/stall.c - the stall line: a loop that does not come back from a plugin.
 *
 * A loop inside one call serves nobody else.  After a second that is told, with the plugin's
 * name; after watchdog.kill_ms the worker is asked where it is, which is logged as its crash line,
 * and replaced: it leaves by itself when the call could be ended as a fault is, and is killed
 * otherwise.  A plugin can scribble on the board, so the time is taken by our own clock, from when
 * the call was first seen.
 */
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "supervisor/supervisor_private.h"

#define NS_PER_MS     UINT64_C(1000000)
#define MAX_TICK_MS   500u
#define MIN_TICK_MS   10u
#define TELL_AFTER_MS 1000u
#define ANSWER_MS     1000u /* from the first question to the end */

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
    return s->since_ns == frame->since_ns && s->request == frame->request &&
           s->plugin == frame->plugin;
}

/* Its handler (worker/fault.c) says where the loop is, and perhaps ends the call: not while it is
 * inside a library, so it is asked more than once. */
static void ask(struct sx_child *child, uint64_t now_ns)
{
    if (child->stall.asked_ns == 0)
        child->stall.asked_ns = now_ns;
    (void)syscall(SYS_tgkill, child->pid, child->pid, SX_CONTROL_STALL_SIGNAL); /* its loop */
}

static void judge(struct sx_supervisor *sup, struct sx_child *child, uint64_t now_ns)
{
    const struct sx_config_watchdog *cfg = &child->gen->config->watchdog;
    uint64_t stalled_ms = (now_ns - child->stall.seen_ns) / NS_PER_MS;

    if (stalled_ms >= TELL_AFTER_MS && !child->stall.is_told) {
        child->stall.is_told = true;
        sx_obituary_log_stall(sup, child);
    }
    if (cfg->kill_ms == 0 || stalled_ms < cfg->kill_ms)
        return;
    if (child->stall.asked_ns == 0 || now_ns - child->stall.asked_ns < ANSWER_MS * NS_PER_MS)
        ask(child, now_ns);
    else
        sx_child_kill(child, "has a loop that does not come back from a plugin");
}

/* It came back; where it was is of no interest any more.  What it answered lies in the channel
 * before its call can end.  Of a call that was ended as by a fault the worker is going to tell. */
static void forget(struct sx_supervisor *sup, struct sx_child *child)
{
    const struct sx_board_thread *fault = sx_board_fault_of(
        sx_board_worker_at(sup->board, child->slot));

    if (child->stall.asked_ns != 0) {
        sx_supervisor_hear(sup, child);
        if (fault->thread == 0) {
            free(child->crash);
            child->crash = NULL;
        }
    }
    child->stall = (struct sx_stall){ .seen_ns = 0 };
}

/* Also one that goes on with streams for a while. */
static bool is_watched(const struct sx_child *child)
{
    return child->slot != SX_BOARD_NONE &&
           (child->state == SX_CHILD_SERVING ||
            (child->state == SX_CHILD_DRAINING && child->stream_ms > 0));
}

void sx_stall_settle(struct sx_supervisor *sup, struct sx_child *child)
{
    struct sx_board_frame frame;

    if (child->stall.seen_ns != 0 &&
        (!read_call(sup, child, &frame) || !is_same_call(&child->stall, &frame)))
        forget(sup, child);
}

static void check_child(struct sx_supervisor *sup, struct sx_child *child, uint64_t now_ns)
{
    struct sx_board_frame frame;

    sx_stall_settle(sup, child); /* also of one that nobody watches any more */
    if (!is_watched(child) || !read_call(sup, child, &frame))
        return;
    if (child->stall.seen_ns == 0) {
        child->stall = (struct sx_stall){ .seen_ns = now_ns,
                                          .since_ns = frame.since_ns,
                                          .request = frame.request,
                                          .plugin = frame.plugin };
    } else if (is_same_call(&child->stall, &frame)) {
        judge(sup, child, now_ns);
    }
}

/* Often enough to kill in time. */
static uint32_t find_tick_ms(const struct sx_supervisor *sup)
{
    uint32_t kill_ms = sup->current->config->watchdog.kill_ms;

    if (kill_ms == 0 || kill_ms / 4 >= MAX_TICK_MS)
        return MAX_TICK_MS;
    return kill_ms / 4 < MIN_TICK_MS ? MIN_TICK_MS : kill_ms / 4;
}

static bool is_asked(const struct sx_child *child)
{
    return is_watched(child) && child->stall.asked_ns != 0;
}

void sx_stall_check(struct sx_supervisor *sup, uint64_t now_ns)
{
    if (now_ns < sup->stall_due_ns)
        return;
    sup->stall_due_ns = now_ns + find_tick_ms(sup) * NS_PER_MS;
    for (struct sx_list *at = sup->children.next; at != &sup->children; at = at->next) {
        struct sx_child *child = SX_MEMBER_OF(at, struct sx_child, link);

        check_child(sup, child, now_ns);
        if (is_asked(child))
            sup->stall_due_ns = now_ns + MIN_TICK_MS * NS_PER_MS;
    }
}
