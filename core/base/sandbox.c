/* base/sandbox.c - asking the kernel. */
#include "base/sandbox.h"

#include <errno.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

int sx_sandbox_landlock(void)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);

    return version > 0 ? (int)version : 0;
}

bool sx_sandbox_has_seccomp(void)
{
    uint32_t actions[] = { SECCOMP_RET_TRAP, SECCOMP_RET_KILL_PROCESS };
    const unsigned flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;

    if (SX_SANDBOX_ARCHITECTURE == 0)
        return false;
    for (unsigned i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &actions[i]) != 0)
            return false;
    /* Without a filter the call fails in any case; how tells whether it knows the flags. */
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL) != 0 && errno == EFAULT;
}
