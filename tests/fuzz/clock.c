#include "clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* libuv asks for the time through libc, so there is nothing else to hang it on. */
static uint64_t now;

void fuzz_clock_set_ms(uint64_t now_ms)
{
    now = now_ms;
}

void fuzz_clock_pass_ms(uint64_t ms)
{
    now += ms;
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t id, struct timespec *ts)
{
    if (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE)
        return (int)syscall(SYS_clock_gettime, id, ts);
    ts->tv_sec = (time_t)(now / 1000);
    ts->tv_nsec = (long)(now % 1000 * 1000000);
    return 0;
}
