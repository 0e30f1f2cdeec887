/*
 * A malloc that fails at the n-th call, for a test that includes the source file it proves:
 *
 *     #include "failing_malloc.h"
 *     #include "base/arena.c"
 *
 * The test then has its own copy of that file, and the library's stays unlinked.
 */
#ifndef SX_TEST_FAILING_MALLOC_H
#define SX_TEST_FAILING_MALLOC_H

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static long calls_until_failure = LONG_MAX;

static bool fails_now(void)
{
    return --calls_until_failure == 0;
}

static inline void *failing_malloc(size_t size)
{
    return fails_now() ? NULL : malloc(size);
}

static inline void *failing_realloc(void *old, size_t size)
{
    return fails_now() ? NULL : realloc(old, size);
}

__attribute__((format(printf, 2, 0))) static inline int failing_vasprintf(char **to,
                                                                          const char *fmt,
                                                                          va_list ap)
{
    return fails_now() ? -1 : vasprintf(to, fmt, ap);
}

/* The n-th call from now fails, and only that one; 0: none does. */
static inline void fail_call(long n)
{
    calls_until_failure = n == 0 ? LONG_MAX : n;
}

/* Did it come to that call? */
static inline bool has_failed(void)
{
    return calls_until_failure <= 0;
}

#define malloc    failing_malloc
#define realloc   failing_realloc
#define vasprintf failing_vasprintf

#endif /* SX_TEST_FAILING_MALLOC_H */
