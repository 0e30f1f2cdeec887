/*
 * board/sealed.h - bytes in a sealed memfd: what the supervisor read once, handed to every
 * worker unchanged.
 *
 * A sealed file can neither be written nor resized, so a worker may trust that it loads what
 * was checked.  [any thread]
 */
#ifndef SX_BOARD_SEALED_H
#define SX_BOARD_SEALED_H

#include <stdbool.h>
#include <stddef.h>

/* A close-on-exec descriptor of a copy of data; the caller closes it.  is_code: may be mapped
 * executable.  SX_ERR_IO with errno. */
int sx_sealed_create(const char *name, const void *data, size_t len, bool is_code, int *ret_fd);

/* The bytes with a NUL behind; the caller frees.  The offset of fd is neither used nor moved:
 * it is shared by all processes that inherited fd.  SX_ERR_INVALID when fd is not sealed,
 * SX_ERR_BUSY above max_bytes, SX_ERR_IO with errno, SX_ERR_NOMEM. */
int sx_sealed_read(int fd, size_t max_bytes, char **ret_data, size_t *ret_len);

#endif /* SX_BOARD_SEALED_H */
