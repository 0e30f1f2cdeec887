#include "http/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "http/media.h"

#define NS_PER_S INT64_C(1000000000)
/* A pipe or a device must not hold up the open. */
#define OPEN_FLAGS      (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW)
#define DIRECTORY_FLAGS (O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW)

/* --- The path --------------------------------------------------------------- */

static bool is_segment(struct sx_slice s, bool is_first)
{
    if (s.len == 0 || s.len > NAME_MAX)
        return false;
    if (s.data[0] == '.')
        return is_first && sx_slice_is(s, ".well-known");
    return memchr(s.data, '\0', s.len) == NULL && memchr(s.data, '\\', s.len) == NULL;
}

/* The relative path to open, with index.html where a directory is meant; false when nothing
 * may be served under that name. */
static bool clean_path(struct sx_slice path, char to[PATH_MAX])
{
    struct sx_slice rest = path.len > 0 && path.data[0] == '/' ? sx_slice_after(path, 1) : path;
    bool is_directory = rest.len == 0 || rest.data[rest.len - 1] == '/';
    struct sx_slice walk = rest;

    if (rest.len + sizeof "index.html" > PATH_MAX)
        return false;
    if (is_directory && walk.len > 0)
        walk.len--;
    for (bool is_first = true; is_first || walk.data != NULL; is_first = false)
        if (!is_segment(sx_slice_cut(&walk, '/'), is_first) && rest.len > 0)
            return false;
    if (rest.len > 0)
        memcpy(to, rest.data, rest.len);
    memcpy(to + rest.len, is_directory ? "index.html" : "", is_directory ? 11 : 1);
    return true;
}

/* --- Opening ---------------------------------------------------------------- */

int sx_file_walk(int root_fd, const char *path)
{
    struct sx_slice rest = sx_slice_of(path);
    int dir = root_fd;

    for (;;) {
        struct sx_slice segment = sx_slice_cut(&rest, '/');
        bool is_last = rest.data == NULL;
        char name[NAME_MAX + 1];
        int fd, saved;

        if (segment.len == 0 || segment.len > NAME_MAX) {
            fd = -1;
            errno = ENOENT;
        } else {
            memcpy(name, segment.data, segment.len);
            name[segment.len] = '\0';
            fd = openat(dir, name, is_last ? OPEN_FLAGS : DIRECTORY_FLAGS);
        }
        saved = errno;
        if (dir != root_fd)
            (void)close(dir);
        errno = saved;
        if (fd < 0 || is_last)
            return fd;
        dir = fd;
    }
}

static int open_beneath(int root_fd, const char *path)
{
    struct open_how how = {
        .flags = OPEN_FLAGS,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    long fd;

    do
        fd = syscall(SYS_openat2, root_fd, path, &how, sizeof how);
    while (fd < 0 && (errno == EINTR || errno == EAGAIN));
    /* Some sandboxes answer EPERM for a call that they do not know. */
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return sx_file_walk(root_fd, path);
    return (int)fd;
}

/* Errors of the machine, not of the name. */
static bool is_trouble(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO;
}

/* 0 with a regular file, SX_ERR_MISSING or SX_ERR_IO. */
static int open_regular(int root_fd, const char *path, int *ret_fd, struct stat *ret_stat)
{
    int fd = open_beneath(root_fd, path);

    if (fd < 0)
        return is_trouble(errno) ? SX_ERR_IO : SX_ERR_MISSING;
    if (fstat(fd, ret_stat) < 0 || !S_ISREG(ret_stat->st_mode)) {
        (void)close(fd);
        return SX_ERR_MISSING;
    }
    *ret_fd = fd;
    return 0;
}

/* --- The answer ------------------------------------------------------------- */

static void set_missing(struct sx_file_answer *a)
{
    memset(a, 0, sizeof *a);
    a->status = 404;
    a->fd = -1;
    a->type = "application/octet-stream";
}

static void set_validators(struct sx_file_answer *a, const struct stat *st, int64_t now_s)
{
    int64_t modified_s = st->st_mtim.tv_sec;
    int64_t modified_ns = modified_s * NS_PER_S + st->st_mtim.tv_nsec;

    (void)snprintf(a->etag, sizeof a->etag, "\"%" PRIx64 "-%" PRIx64 "-%" PRIx64 "\"",
                   (uint64_t)st->st_size, (uint64_t)modified_ns, (uint64_t)st->st_ino);
    /* Never later than Date (section 8.8.2.1). */
    sx_format_http_date(a->last_modified, modified_s < now_s ? modified_s : now_s);
    a->last_modified[SX_HTTP_DATE_LEN] = '\0';
}

static void select_range(struct sx_file_answer *a, struct sx_slice range)
{
    a->status = sx_range_select(range, a->total, &a->offset, &a->length);
    if (a->status == 206)
        (void)snprintf(a->content_range, sizeof a->content_range,
                       "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, a->offset,
                       a->offset + a->length - 1, a->total);
    else if (a->status == 416)
        (void)snprintf(a->content_range, sizeof a->content_range, "bytes */%" PRIu64, a->total);
}

static void fill_answer(struct sx_file_answer *a, const struct stat *st,
                        const struct sx_file_conditions *cond)
{
    struct sx_validators v = {
        .modified_s = st->st_mtim.tv_sec,
        .now_s = sx_clock_wall_ns() / NS_PER_S,
    };

    set_validators(a, st, v.now_s);
    v.etag = sx_slice_of(a->etag);
    a->total = a->length = (uint64_t)st->st_size;
    a->status = sx_conditions_check(cond, &v);
    if (a->status == 200 && sx_conditions_use_range(cond, &v))
        select_range(a, cond->range);
    if (a->status != 200 && a->status != 206)
        a->length = 0;
}

int sx_file_open_at(int root_fd, struct sx_slice path, const struct sx_file_conditions *cond,
                    struct sx_file_answer *ret_answer)
{
    char clean[PATH_MAX];
    struct stat st;
    int fd, err;

    if (!clean_path(path, clean)) {
        set_missing(ret_answer);
        return 0;
    }
    err = open_regular(root_fd, clean, &fd, &st);
    if (err == SX_ERR_IO)
        return err;
    set_missing(ret_answer);
    if (err < 0)
        return 0;
    fill_answer(ret_answer, &st, cond);
    ret_answer->type = sx_media_type(sx_slice_of(clean));
    if (ret_answer->length > 0 && !cond->is_head)
        ret_answer->fd = fd;
    else
        (void)close(fd);
    return 0;
}

int sx_file_open(const char *root, struct sx_slice path, const struct sx_file_conditions *cond,
                 struct sx_file_answer *ret_answer)
{
    int root_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int err, saved;

    if (root_fd < 0) {
        if (is_trouble(errno))
            return SX_ERR_IO;
        set_missing(ret_answer);
        return 0;
    }
    err = sx_file_open_at(root_fd, path, cond, ret_answer);
    saved = errno;
    (void)close(root_fd);
    errno = saved;
    return err;
}
