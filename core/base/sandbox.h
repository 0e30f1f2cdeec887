/*
 * base/sandbox.h - what the kernel has for a sandbox.
 */
#ifndef SX_BASE_SANDBOX_H
#define SX_BASE_SANDBOX_H

#include <stdbool.h>

#include <linux/audit.h>

/* The name by which a filter knows that a number is of this architecture; 0: there is no filter. */
#if defined(__x86_64__)
#define SX_SANDBOX_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define SX_SANDBOX_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#define SX_SANDBOX_ARCHITECTURE 0
#endif

/* The version of Landlock's interface; 0: the kernel has none, with errno. */
int sx_sandbox_landlock(void);
/* Are filters of system calls there, with the actions that ours take? */
bool sx_sandbox_has_seccomp(void);

#endif /* SX_BASE_SANDBOX_H */
