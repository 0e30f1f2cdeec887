/*
 * base/courtesy.c - slices of the CPU, and pauses.
 *
 * Linux takes the slice of an ordinary task from 6.12 on (sched(7), sched_runtime); before, and
 * where it is refused, nothing changes.  Nor where somebody gave the process precedence over others
 * (a negative niceness): RESET_ON_FORK, which keeps short slices from whatever it starts, would
 * take that from them as well.
 *
 * But a task that runs is looked at only in each tick (4 ms with 250 Hz), and may have a second one
 * where it slept before: so it pauses too.  However short that is, who serves on that CPU answers
 * meanwhile all that has come.
 */
#include "base/courtesy.h"

#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SHORT_NS      100000u /* the least that the kernel takes */
#define PAUSE_NS      200000  /* some tens of answers */
#define RESET_ON_FORK 1u      /* SCHED_FLAG_RESET_ON_FORK */

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

    if (syscall(SYS_sched_getattr, 0, &a, sizeof a, 0) != 0 || a.policy != SCHED_OTHER ||
        a.nice < 0)
        return;
    a.flags |= RESET_ON_FORK;
    a.runtime = ns;
    (void)syscall(SYS_sched_setattr, 0, &a, 0);
}

void sx_courtesy_slice_short(void)
{
    set_runtime(SHORT_NS);
}

void sx_courtesy_slice_normal(void)
{
    set_runtime(0);
}

void sx_courtesy_pause(void)
{
    struct timespec pause = { .tv_nsec = PAUSE_NS };

    (void)nanosleep(&pause, NULL);
}
