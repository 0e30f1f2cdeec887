/*
 * base/check.h - sx_check, for what cannot be.
 *
 * On in release builds too.  Never for input, the network or a plugin's mistake: those are
 * answered.  A failed check ends the process; the supervisor replaces it.
 */
#ifndef SX_BASE_CHECK_H
#define SX_BASE_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define sx_check(cond)                                                                  \
    do {                                                                                \
        if (__builtin_expect(!(cond), 0)) {                                             \
            (void)fprintf(stderr, "%s:%d: cannot be: %s\n", __FILE__, __LINE__, #cond); \
            abort();                                                                    \
        }                                                                               \
    } while (0)

#define SX_LIKELY(x)                    __builtin_expect(!!(x), 1)
#define SX_UNLIKELY(x)                  __builtin_expect(!!(x), 0)
#define SX_MEMBER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif /* SX_BASE_CHECK_H */
