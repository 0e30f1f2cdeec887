/*
 * base/sandbox.h - what the kernel has for a sandbox.
 */
#ifndef SX_BASE_SANDBOX_H
#define SX_BASE_SANDBOX_H

#include <stdbool.h>

/* The version of Landlock's interface; 0: the kernel has none, with errno. */
int sx_sandbox_landlock(void);
/* Are filters of system calls there, with the actions that ours take? */
bool sx_sandbox_has_seccomp(void);

#endif /* SX_BASE_SANDBOX_H */
