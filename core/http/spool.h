/*
 * http/spool.h - bytes that stay in memory while they are few and move to a file of their own
 * when they grow.
 *
 * The file has mode 0600, in a folder that is made where it alone is missing, and is removed by
 * sx_spool_finish.  One thread at a time; writing blocks for as long as the file system does.
 */
#ifndef SX_HTTP_SPOOL_H
#define SX_HTTP_SPOOL_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"

/* What the files of all spools of a process may have together.  One thread. */
struct sx_spool_room {
    uint64_t used, max; /* bytes; max 0: no limit */
};

struct sx_spool {
    struct sx_buf memory; /* once there is a file: what is not yet in it */
    const char *path;     /* in the arena; NULL while in memory */
    int fd;               /* of the file while it is written, or -1 */
    uint64_t size;
    struct sx_spool_room *room; /* borrowed, or NULL; set before the first byte */
    uint64_t taken;             /* of the room */
};

/* Takes no memory yet. */
void sx_spool_init(struct sx_spool *s);
/* Closes and removes the file, and gives its room back. */
void sx_spool_finish(struct sx_spool *s);

/* Appends; moves all to a new file in dir when it would be more than memory_bytes.
 * SX_ERR_IO with errno, which is EDQUOT where the room is used up; SX_ERR_NOMEM. */
int sx_spool_write(struct sx_spool *s, struct sx_arena *a, const char *dir, uint32_t memory_bytes,
                   const char *data, size_t len);

/* Nothing more comes: closes the file.  SX_ERR_IO with errno. */
int sx_spool_end(struct sx_spool *s);

#endif /* SX_HTTP_SPOOL_H */
