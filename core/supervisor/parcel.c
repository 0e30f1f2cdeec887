/*
 * supervisor/parcel.c - copies of plugins on their way from one process to another.
 *
 * A packet is one byte and descriptors: of a sealed text, then of the copies in its order.  Each
 * record of the text ends with a NUL:
 *
 *     notice TEXT     fault TEXT     copy NAME SHA256 PATH     (no PATH: it is in memory)
 */
#include "supervisor/parcel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "board/board.h"
#include "board/sealed.h"

#define MAX_TEXT_BYTES (2u << 20)
#define MAX_FDS        (1u + SX_BOARD_MAX_PLUGINS) /* the kernel takes 253 */

/* Room for the descriptors, aligned as their header wants it. */
union attachment {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int) * MAX_FDS)];
};

/* --- packing ---------------------------------------------------------------------------------- */

static void add_record(struct sx_buf *to, const char *kind, const char *text)
{
    sx_buf_add_text(to, kind);
    sx_buf_add(to, text, strlen(text) + 1);
}

static void add_copy(struct sx_buf *to, const struct sx_copy *copy)
{
    sx_buf_printf(to, "copy %s %s %s", copy->name, copy->sha256, copy->is_memfd ? "" : copy->path);
    sx_buf_add(to, "", 1);
}

static int seal_text(const struct sx_copies *copies, const struct sx_report *notices,
                     const struct sx_report *faults, int *ret_fd)
{
    struct sx_buf text;
    int rc = SX_ERR_BUSY;

    sx_buf_init(&text, MAX_TEXT_BYTES);
    for (size_t i = 0; i < notices->n_faults; i++)
        add_record(&text, "notice ", notices->faults[i]);
    for (size_t i = 0; i < faults->n_faults; i++)
        add_record(&text, "fault ", faults->faults[i]);
    for (size_t i = 0; copies != NULL && i < copies->n; i++)
        add_copy(&text, &copies->v[i]);
    if (!sx_buf_failed(&text))
        rc = sx_sealed_create("parcel", text.data, text.len, false, ret_fd);
    sx_buf_finish(&text);
    return rc;
}

static int send_descriptors(int fd, const int *fds, size_t n)
{
    char byte = 'p';
    struct iovec part = { .iov_base = &byte, .iov_len = 1 };
    union attachment more = { .space = { 0 } };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &more };
    ssize_t sent;

    m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
    more.head.cmsg_level = SOL_SOCKET;
    more.head.cmsg_type = SCM_RIGHTS;
    more.head.cmsg_len = CMSG_LEN(sizeof(int) * n);
    memcpy(CMSG_DATA(&more.head), fds, sizeof(int) * n);
    do
        sent = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    return sent == 1 ? 0 : SX_ERR_IO;
}

int sx_parcel_send(int fd, const struct sx_copies *copies, const struct sx_report *notices,
                   const struct sx_report *faults)
{
    int fds[MAX_FDS], rc;
    size_t n = 1;

    if (copies != NULL && copies->n > MAX_FDS - 1)
        return SX_ERR_BUSY;
    for (size_t i = 0; copies != NULL && i < copies->n; i++)
        fds[n++] = copies->v[i].fd;
    rc = seal_text(copies, notices, faults, &fds[0]);
    if (rc != 0)
        return rc;
    rc = send_descriptors(fd, fds, n);
    (void)close(fds[0]);
    return rc;
}

/* --- unpacking -------------------------------------------------------------------------------- */

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        (void)close(fds[i]);
}

/* How many there are; what came is whole, or nothing is kept of it. */
static int receive_descriptors(int fd, int fds[MAX_FDS], size_t *ret_n)
{
    char byte;
    struct iovec part = { .iov_base = &byte, .iov_len = 1 };
    union attachment more = { .space = { 0 } };
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &more, .msg_controllen = sizeof more.space
    };
    const struct cmsghdr *head;
    ssize_t n;

    do
        n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n == 0 || (n < 0 && (errno == EAGAIN || errno == ECONNRESET)))
        return SX_ERR_MISSING;
    if (n < 0)
        return SX_ERR_IO;
    head = CMSG_FIRSTHDR(&m);
    if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
        return SX_ERR_MISSING;
    *ret_n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(head), *ret_n * sizeof(int));
    if ((m.msg_flags & MSG_CTRUNC) == 0)
        return 0;
    close_all(fds, *ret_n);
    errno = EMFILE; /* what else cuts them off: there is room for all */
    return SX_ERR_IO;
}

/* "NAME SHA256 PATH", as sx_parcel_send writes it. */
static int unpack_copy(const char *text, struct sx_copy *copy)
{
    const char *sha256 = strchr(text, ' ');
    const char *path = sha256 == NULL ? NULL : strchr(sha256 + 1, ' ');

    if (path == NULL || path - sha256 - 1 != SX_SHA256_HEX)
        return SX_ERR_INVALID;
    memcpy(copy->sha256, sha256 + 1, SX_SHA256_HEX);
    copy->name = strndup(text, (size_t)(sha256 - text));
    copy->is_memfd = path[1] == '\0';
    if (!copy->is_memfd)
        copy->path = strdup(path + 1);
    else if (sx_copy_find_path(copy) != 0)
        return SX_ERR_NOMEM;
    return copy->name == NULL || copy->path == NULL ? SX_ERR_NOMEM : 0;
}

/* Takes fds one after the other; those that copies do not have at the end are the caller's. */
static int unpack(const char *text, size_t len, const int *fds, size_t n, struct sx_report *notices,
                  struct sx_report *rep, struct sx_copies *copies)
{
    static const char notice[] = "notice ", fault[] = "fault ", copy[] = "copy ";
    int rc = 0;

    for (const char *at = text; at < text + len && rc == 0; at += strlen(at) + 1) {
        if (strncmp(at, notice, sizeof notice - 1) == 0) {
            sx_report_add(notices, "%s", at + sizeof notice - 1);
        } else if (strncmp(at, fault, sizeof fault - 1) == 0) {
            sx_report_add(rep, "%s", at + sizeof fault - 1);
        } else if (strncmp(at, copy, sizeof copy - 1) == 0 && copies->n < n) {
            struct sx_copy *next = &copies->v[copies->n];

            *next = (struct sx_copy){ .fd = fds[copies->n++] };
            rc = unpack_copy(at + sizeof copy - 1, next);
        } else {
            rc = SX_ERR_INVALID;
        }
    }
    return rc == 0 && copies->n != n ? SX_ERR_INVALID : rc;
}

int sx_parcel_receive(int fd, struct sx_report *notices, struct sx_report *rep,
                      struct sx_copies *ret_copies)
{
    struct sx_copies copies = { .list_fd = -1 };
    size_t n = 0, len = 0, n_old = rep->n_faults;
    int fds[MAX_FDS];
    char *text = NULL;
    int rc = receive_descriptors(fd, fds, &n);

    if (rc != 0)
        return rc;
    copies.v = calloc(n, sizeof *copies.v);
    rc = copies.v == NULL ? SX_ERR_NOMEM : sx_sealed_read(fds[0], MAX_TEXT_BYTES, &text, &len);
    if (rc == 0)
        rc = unpack(text, len, fds + 1, n - 1, notices, rep, &copies);
    free(text);
    (void)close(fds[0]);
    if (rc == 0 && rep->n_faults > n_old)
        rc = SX_ERR_INVALID;
    if (rc == 0) {
        *ret_copies = copies;
        return 0;
    }
    close_all(fds + 1 + copies.n, n - 1 - copies.n);
    sx_copies_destroy(&copies);
    if (rc == SX_ERR_INVALID && rep->n_faults == n_old)
        sx_report_add(rep, "the copies of the plugins were handed over in a form that is not ours");
    return rc;
}
