/*
 * worker/slice.c - how long a process that loads may keep a CPU from one that serves.
 *
 * A new generation starts beside the old one, often on the same CPU.  With a short slice the
 * scheduler goes back to the worker that answers soon; the share of both stays the same.
 * Linux takes the slice of an ordinary task from 6.12 on (sched(7), sched_runtime); before, and
 * where it is refused, nothing changes.
 */
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/worker_private.h"

#define LOADING_NS 100000u /* the least that the kernel takes */

/* As in <linux/sched/types.h>, which cannot be included beside <sched.h>. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

static void set_runtime(uint64_t ns)
{
    struct attributes a = { .size = sizeof a };

    if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) != 0 || a.policy != SCHED_OTHER)
        return;
    a.runtime = ns;
    (void)syscall(SYS_sched_setattr, 0, &a, 0);
}

void sx_worker_slice_short(void)
{
    set_runtime(LOADING_NS);
}

void sx_worker_slice_normal(void)
{
    set_runtime(0);
}
