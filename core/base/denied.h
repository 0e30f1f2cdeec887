/*
 * base/denied.h - the system calls that a worker in the sandbox has no use for.
 *
 * worker/seccomp.c makes a filter of it; supervisor/crash.c names what was asked for.
 */
#ifndef SX_BASE_DENIED_H
#define SX_BASE_DENIED_H

enum sx_denied_how {
    SX_DENIED_ALWAYS,
    SX_DENIED_ABSENT,  /* answered ENOSYS, so that a library takes its older way */
    SX_DENIED_SOME,    /* by its arguments */
    SX_DENIED_CHECKER, /* in a checker, which serves nothing */
};

struct sx_denied {
    int number; /* of this machine's architecture */
    enum sx_denied_how how;
    const char *name; /* NULL: the end */
};

extern const struct sx_denied sx_denied_calls[];

/* NULL for one that is not in the table. */
const char *sx_denied_name(long number);

#endif /* SX_BASE_DENIED_H */
