#include "http/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

/* A body of chunks of one byte would else be a system call for each of them. */
#define GATHER_BYTES 16384u

void sx_spool_init(struct sx_spool *s)
{
    /* A byte more for the NUL; the ceiling proper is the caller's memory_bytes. */
    sx_buf_init(&s->memory, (size_t)UINT32_MAX + 1);
    s->path = NULL;
    s->fd = -1;
    s->size = 0;
    s->room = NULL;
    s->taken = 0;
}

void sx_spool_finish(struct sx_spool *s)
{
    sx_buf_finish(&s->memory);
    if (s->fd >= 0)
        (void)close(s->fd);
    s->fd = -1;
    if (s->path != NULL)
        (void)unlink(s->path);
    s->path = NULL;
    if (s->room != NULL)
        s->room->used -= s->taken;
    s->taken = 0;
}

/* For a file of so many bytes, as a quota does it. */
static int take_room(struct sx_spool *s, uint64_t bytes)
{
    struct sx_spool_room *room = s->room;

    if (room == NULL)
        return 0;
    if (room->max > 0 && bytes - s->taken > room->max - room->used) {
        errno = EDQUOT;
        return SX_ERR_IO;
    }
    room->used += bytes - s->taken;
    s->taken = bytes;
    return 0;
}

static int flush(struct sx_spool *s)
{
    int err = sx_write_all(s->fd, s->memory.data, s->memory.len);

    s->memory.len = 0;
    return err;
}

/* Makes the file and moves what is in memory there. */
static int move_to_file(struct sx_spool *s, struct sx_arena *a, const char *dir)
{
    char *path = sx_arena_printf(a, "%s/upload-XXXXXX", dir);
    int err;

    if (path == NULL)
        return SX_ERR_NOMEM;
    s->fd = mkostemp(path, O_CLOEXEC);
    if (s->fd < 0 && errno == ENOENT && mkdir(dir, 0700) == 0) {
        memset(path + strlen(path) - 6, 'X', 6);
        s->fd = mkostemp(path, O_CLOEXEC);
    }
    if (s->fd < 0)
        return SX_ERR_IO;
    s->path = path;
    err = flush(s);
    sx_buf_reset(&s->memory, 0);
    return err;
}

int sx_spool_write(struct sx_spool *s, struct sx_arena *a, const char *dir, uint32_t memory_bytes,
                   const char *data, size_t len)
{
    bool moves = s->path == NULL && (s->size > memory_bytes || len > memory_bytes - s->size);
    int err = 0;

    if (moves || s->path != NULL)
        err = take_room(s, s->size + len);
    if (err == 0 && moves)
        err = move_to_file(s, a, dir);
    if (err < 0)
        return err;
    s->size += len;
    if (s->path != NULL && s->memory.len + len >= GATHER_BYTES) {
        err = flush(s);
        if (err < 0 || len >= GATHER_BYTES)
            return err < 0 ? err : sx_write_all(s->fd, data, len);
    }
    sx_buf_add(&s->memory, data, len);
    return sx_buf_failed(&s->memory) ? SX_ERR_NOMEM : 0;
}

int sx_spool_end(struct sx_spool *s)
{
    int fd = s->fd;
    int err;

    if (fd < 0)
        return 0;
    err = flush(s);
    sx_buf_reset(&s->memory, 0);
    s->fd = -1;
    return (close(fd) < 0 && errno != EINTR) || err < 0 ? SX_ERR_IO : 0;
}
