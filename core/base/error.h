/*
 * base/error.h - the result codes of the core, and of its processes.
 *
 * A function that can fail returns 0 or one of these; the numbers are those of
 * <sx/plugin.h> (core/plugin asserts it), so that a code can pass through unchanged.
 */
#ifndef SX_BASE_ERROR_H
#define SX_BASE_ERROR_H

enum sx_err {
    SX_ERR_NOMEM = -1,
    SX_ERR_INVALID = -2,
    SX_ERR_MISSING = -3,
    SX_ERR_BUSY = -4,
    SX_ERR_TIMEOUT = -5,
    SX_ERR_CLOSED = -6,
    SX_ERR_DB = -7,
    SX_ERR_DENIED = -8,
    SX_ERR_THREAD = -9,
    SX_ERR_NOSYS = -10,
    SX_ERR_IO = -11, /* the core's own: errno tells more */
};

/* What the program says by its status: 2 is a fault of what somebody wrote, in the configuration, a
 * plugin or the command line, and trying again is no use. */
enum sx_exit { SX_EXIT_CLEAN = 0, SX_EXIT_FAILURE = 1, SX_EXIT_CONFIG = 2 };

#endif /* SX_BASE_ERROR_H */
