/*
 * http/file.h - a static file below a root, with conditions and a range (RFC 9110, sections
 * 13 and 14).
 *
 * Nothing outside the root is ever opened: no "..", no symbolic links, no hidden names (but
 * ".well-known" at the top), regular files only.  Everything else is a 404.
 */
#ifndef SX_HTTP_FILE_H
#define SX_HTTP_FILE_H

#include <stdint.h>

#include "base/slice.h"
#include "http/conditions.h"

struct sx_file_answer {
    int status; /* 200, 206, 304, 404, 412 or 416                          */
    int fd;     /* owned by the caller; -1 unless there are bytes to send  */
    uint64_t offset;
    uint64_t length;        /* of the content of 200 and 206, also for HEAD */
    uint64_t total;         /* of the file                                  */
    char etag[56];          /* with its quotes; "" with 404                 */
    char last_modified[30]; /* "" with 404                                  */
    char content_range[72]; /* of 206 and 416, else ""                      */
    const char *type;       /* a literal                                    */
};

/* path: relative to the root, percent-decoded, with or without a '/' in front; "" and a path
 * that ends in '/' mean index.html there.  Returns 0 with any status, or SX_ERR_IO with errno
 * when the machine is at its end (descriptors, memory, a failing disk). */
int sx_file_open(const char *root, struct sx_slice path, const struct sx_file_conditions *cond,
                 struct sx_file_answer *ret_answer);
/* The same below an open directory. */
int sx_file_open_at(int root_fd, struct sx_slice path, const struct sx_file_conditions *cond,
                    struct sx_file_answer *ret_answer);

/* The descriptor of a relative path without "." and "..", opened component by component where
 * the kernel has no openat2; -1 with errno.  Here for its test. */
int sx_file_walk(int root_fd, const char *path);

#endif /* SX_HTTP_FILE_H */
