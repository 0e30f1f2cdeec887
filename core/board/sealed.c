/* board/sealed.c - sealed memfds, written once and read by offset. */
#include "board/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* linux/memfd.h, since 6.3; older kernels know neither and make every memfd executable. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u
#endif
#ifndef MFD_EXEC
#define MFD_EXEC 0x0010u
#endif

static int open_memfd(const char *name, bool is_code)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create(name, flags | (is_code ? MFD_EXEC : MFD_NOEXEC_SEAL));

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, flags);
    return fd;
}

int sx_sealed_create(const char *name, const void *data, size_t len, bool is_code, int *ret_fd)
{
    int fd = open_memfd(name, is_code);
    int saved;

    if (fd < 0)
        return SX_ERR_IO;
    if (sx_write_all(fd, data, len) == 0 && fcntl(fd, F_ADD_SEALS, SEALS) == 0) {
        *ret_fd = fd;
        return 0;
    }
    saved = errno;
    (void)close(fd);
    errno = saved;
    return SX_ERR_IO;
}

static int read_all(int fd, char *to, size_t len)
{
    size_t at = 0;

    while (at < len) {
        ssize_t n = pread(fd, to + at, len - at, (off_t)at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return SX_ERR_IO;
        at += (size_t)n;
    }
    return 0;
}

int sx_sealed_read(int fd, size_t max_bytes, char **ret_data, size_t *ret_len)
{
    struct stat st;
    char *data;
    int seals = fcntl(fd, F_GET_SEALS);

    if (seals < 0 || (seals & SEALS) != SEALS)
        return SX_ERR_INVALID;
    if (fstat(fd, &st) != 0)
        return SX_ERR_IO;
    if ((size_t)st.st_size > max_bytes)
        return SX_ERR_BUSY;

    data = malloc((size_t)st.st_size + 1);
    if (data == NULL)
        return SX_ERR_NOMEM;
    if (read_all(fd, data, (size_t)st.st_size) != 0) {
        free(data);
        return SX_ERR_IO;
    }
    data[st.st_size] = '\0';
    *ret_data = data;
    *ret_len = (size_t)st.st_size;
    return 0;
}
