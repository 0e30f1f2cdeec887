/* base/file.c - whole files, read below a ceiling and written so that nobody sees half of one. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Its functions for one algorithm, which need nothing else of it, are deprecated since 3.0. */
#define OPENSSL_API_COMPAT 10100
#include <openssl/sha.h>

#include "base/error.h"
#include "base/text.h"

/* Not blocking, so that a FIFO in the place of a file cannot hold the process. */
static int open_regular(const char *path, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    int saved;

    if (fd < 0)
        return SX_ERR_IO;
    if (fstat(fd, &st) == 0) {
        if (S_ISREG(st.st_mode)) {
            *ret_size = (size_t)st.st_size;
            return fd;
        }
        errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    }
    saved = errno;
    (void)close(fd);
    errno = saved;
    return SX_ERR_IO;
}

/* The file may grow or shrink meanwhile, and in /proc it says that it has no bytes: room is
 * made until a read finds the end.  One byte more than max_bytes is room for the NUL. */
static int read_to_end(int fd, size_t room, size_t max_bytes, char **ret_data, size_t *ret_len)
{
    char *data = NULL;
    size_t len = 0, cap = 0;

    for (;;) {
        ssize_t n;

        if (cap - len < 2) {
            size_t next = cap == 0 ? room + 2 : cap * 2;
            char *more = realloc(data, next);

            if (more == NULL) {
                free(data);
                return SX_ERR_NOMEM;
            }
            data = more;
            cap = next;
        }
        n = read(fd, data + len, cap - len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || (len += (size_t)n) > max_bytes) {
            free(data);
            return n < 0 ? SX_ERR_IO : SX_ERR_BUSY;
        }
        if (n == 0)
            break;
    }
    data[len] = '\0';
    *ret_data = data;
    *ret_len = len;
    return 0;
}

int sx_file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_len)
{
    size_t size;
    int fd = open_regular(path, &size);
    int rc, saved;

    if (fd < 0)
        return fd;
    rc = size > max_bytes ? SX_ERR_BUSY : read_to_end(fd, size, max_bytes, ret_data, ret_len);
    saved = errno;
    (void)close(fd);
    errno = saved;
    return rc;
}

int sx_write_all(int fd, const void *data, size_t len)
{
    const char *at = data;

    while (len > 0) {
        ssize_t n = write(fd, at, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return SX_ERR_IO;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

/* Makes the rename itself durable. */
static int sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".")
                                 : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    int fd = folder == NULL ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = folder == NULL ? SX_ERR_NOMEM : SX_ERR_IO;

    free(folder);
    if (fd < 0)
        return rc;
    rc = fsync(fd) == 0 || errno == EINVAL ? 0 : SX_ERR_IO;
    (void)close(fd);
    return rc;
}

static int fill_file(int fd, const void *data, size_t len, unsigned mode)
{
    if (fchmod(fd, (mode_t)mode) != 0 || sx_write_all(fd, data, len) != 0 || fsync(fd) != 0)
        return SX_ERR_IO;
    return 0;
}

int sx_file_write(const char *path, const void *data, size_t len, unsigned mode)
{
    char *temporary;
    int fd, rc, saved;

    if (asprintf(&temporary, "%s.XXXXXX", path) < 0)
        return SX_ERR_NOMEM;
    fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0) {
        saved = errno;
        free(temporary);
        errno = saved;
        return SX_ERR_IO;
    }
    rc = fill_file(fd, data, len, mode);
    if (rc == 0 && rename(temporary, path) != 0)
        rc = SX_ERR_IO;
    saved = errno;
    if (rc != 0)
        (void)unlink(temporary);
    (void)close(fd);
    free(temporary);
    errno = saved;
    return rc != 0 ? rc : sync_folder(path);
}

static int make_one(const char *path, uid_t uid, gid_t gid)
{
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST ? 0 : SX_ERR_IO;
    if (uid == (uid_t)-1 && gid == (gid_t)-1) /* a service manager may deny what changes nothing */
        return 0;
    return lchown(path, uid, gid) == 0 ? 0 : SX_ERR_IO;
}

int sx_folder_make(const char *path, uid_t uid, gid_t gid)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof part) {
        errno = ENAMETOOLONG;
        return SX_ERR_IO;
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (make_one(part, uid, gid) != 0)
            return SX_ERR_IO;
    }
    return 0;
}

char *sx_file_beside_program(const char *name)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    char *slash, *path;

    if (n <= 0)
        return NULL;
    exe[n] = '\0';
    slash = strrchr(exe, '/');
    if (slash == NULL || asprintf(&path, "%.*s/%s", (int)(slash - exe), exe, name) < 0)
        return NULL;
    return path;
}

void sx_sha256_hex(const void *data, size_t len, char ret_hex[SX_SHA256_HEX + 1])
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256_CTX ctx;

    (void)SHA256_Init(&ctx);
    (void)SHA256_Update(&ctx, data, len);
    (void)SHA256_Final(digest, &ctx);
    sx_format_hex(ret_hex, digest, sizeof(digest));
    ret_hex[SX_SHA256_HEX] = '\0';
}

void sx_sha1(const void *data, size_t len, uint8_t ret_digest[SX_SHA1_BYTES])
{
    SHA_CTX ctx;

    (void)SHA1_Init(&ctx);
    (void)SHA1_Update(&ctx, data, len);
    (void)SHA1_Final(ret_digest, &ctx);
}
