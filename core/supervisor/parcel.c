/*
 * supervisor/parcel.c - copies of plugins on their way from one process to another.
 *
 * A parcel is a sealed text and the copies in its order, as descriptors of packets that have one
 * byte each.  Each record of the text ends with a NUL:
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
#include "board/sealed.h"

#define MAX_TEXT_BYTES (16u << 20)
#define MAX_FDS        128u /* of a packet; the kernel takes 253 */

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
    int rc = SX_ERR_NOMEM;

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

static int send_packet(int fd, const int *fds, size_t n)
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

static int send_all(int fd, int text_fd, const struct sx_copies *copies)
{
    size_t n_all = 1 + (copies == NULL ? 0 : copies->n);
    int fds[MAX_FDS], rc = 0;

    for (size_t at = 0, n = 0; at < n_all && rc == 0; at++) {
        fds[n++] = at == 0 ? text_fd : copies->v[at - 1].fd;
        if (n < MAX_FDS && at + 1 < n_all)
            continue;
        rc = send_packet(fd, fds, n);
        n = 0;
    }
    return rc;
}

int sx_parcel_send(int fd, const struct sx_copies *copies, const struct sx_report *notices,
                   const struct sx_report *faults)
{
    int text_fd, saved;
    int rc = seal_text(copies, notices, faults, &text_fd);

    if (rc != 0)
        return rc;
    rc = send_all(fd, text_fd, copies);
    saved = errno;
    (void)close(text_fd);
    errno = saved;
    return rc;
}

/* --- unpacking -------------------------------------------------------------------------------- */

/* What has come: the descriptor of the text, then those of copies. */
struct arrival {
    int *fds; /* owned; those that are not -1 too */
    size_t n;
};

static void finish_arrival(struct arrival *a)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->fds[i] >= 0)
            (void)close(a->fds[i]);
    free(a->fds);
}

static int take_descriptors(const struct cmsghdr *head, struct arrival *a)
{
    size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    int *fds = realloc(a->fds, (a->n + MAX_FDS) * sizeof *fds);
    int lost;

    if (fds != NULL) {
        memcpy(fds + a->n, CMSG_DATA(head), n * sizeof(int));
        a->fds = fds;
        a->n += n;
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(&lost, CMSG_DATA(head) + i * sizeof lost, sizeof lost);
        (void)close(lost);
    }
    return SX_ERR_NOMEM;
}

/* SX_ERR_MISSING: there is no other. */
static int receive_packet(int fd, struct arrival *a)
{
    char byte;
    struct iovec part = { .iov_base = &byte, .iov_len = 1 };
    union attachment more = { .space = { 0 } };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &more };
    const struct cmsghdr *head;
    ssize_t n;
    int rc = 0;

    m.msg_controllen = CMSG_LEN(sizeof(int) * MAX_FDS); /* its padding would have room for one */
    do
        n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n == 0 || (n < 0 && (errno == EAGAIN || errno == ECONNRESET)))
        return SX_ERR_MISSING;
    if (n < 0)
        return SX_ERR_IO;
    head = CMSG_FIRSTHDR(&m);
    if (head != NULL && head->cmsg_level == SOL_SOCKET && head->cmsg_type == SCM_RIGHTS)
        rc = take_descriptors(head, a);
    if (rc == 0 && (m.msg_flags & MSG_CTRUNC) != 0) {
        errno = EMFILE; /* there would have been room for as many as we send */
        rc = SX_ERR_IO;
    }
    return rc;
}

static int receive_all(int fd, struct arrival *a)
{
    int rc;

    do
        rc = receive_packet(fd, a);
    while (rc == 0);
    return rc == SX_ERR_MISSING && a->n > 0 ? 0 : rc;
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

/* Its copies take their descriptors. */
static int unpack(const char *text, size_t len, struct arrival *a, struct sx_report *notices,
                  struct sx_report *rep, struct sx_copies *copies)
{
    static const char notice[] = "notice ", fault[] = "fault ", copy[] = "copy ";
    int rc = 0;

    for (const char *at = text; at < text + len && rc == 0; at += strlen(at) + 1) {
        if (strncmp(at, notice, sizeof notice - 1) == 0) {
            sx_report_add(notices, "%s", at + sizeof notice - 1);
        } else if (strncmp(at, fault, sizeof fault - 1) == 0) {
            sx_report_add(rep, "%s", at + sizeof fault - 1);
        } else if (strncmp(at, copy, sizeof copy - 1) == 0 && copies->n + 1 < a->n) {
            struct sx_copy *next = &copies->v[copies->n++];

            *next = (struct sx_copy){ .fd = a->fds[copies->n] };
            a->fds[copies->n] = -1;
            rc = unpack_copy(at + sizeof copy - 1, next);
        } else {
            rc = SX_ERR_INVALID;
        }
    }
    return rc == 0 && copies->n + 1 != a->n ? SX_ERR_INVALID : rc;
}

static int open_arrival(struct arrival *a, struct sx_report *notices, struct sx_report *rep,
                        struct sx_copies *copies)
{
    char *text;
    size_t len;
    int rc;

    copies->v = calloc(a->n, sizeof *copies->v);
    if (copies->v == NULL)
        return SX_ERR_NOMEM;
    rc = sx_sealed_read(a->fds[0], MAX_TEXT_BYTES, &text, &len);
    if (rc != 0)
        return rc == SX_ERR_BUSY ? SX_ERR_INVALID : rc;
    rc = unpack(text, len, a, notices, rep, copies);
    free(text);
    return rc;
}

int sx_parcel_receive(int fd, struct sx_report *notices, struct sx_report *rep,
                      struct sx_copies *ret_copies)
{
    struct sx_copies copies = { .list_fd = -1 };
    struct arrival a = { .fds = NULL };
    size_t n_old = rep->n_faults;
    int rc = receive_all(fd, &a), saved;

    if (rc == 0)
        rc = open_arrival(&a, notices, rep, &copies);
    saved = errno;
    finish_arrival(&a);
    if (rc == SX_ERR_INVALID && rep->n_faults == n_old)
        sx_report_add(rep, "the copies of the plugins were handed over in a form that is not ours");
    if (rc == 0 && rep->n_faults > n_old)
        rc = SX_ERR_INVALID;
    if (rc == 0)
        *ret_copies = copies;
    else
        sx_copies_destroy(&copies);
    errno = saved;
    return rc;
}
