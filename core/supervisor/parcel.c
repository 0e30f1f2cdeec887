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
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "board/packet.h"
#include "board/sealed.h"

#define MAX_TEXT_BYTES (16u << 20)

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

static int send_all(int fd, int text_fd, const struct sx_copies *copies)
{
    size_t n_all = 1 + (copies == NULL ? 0 : copies->n);
    int fds[SX_PACKET_MAX_FDS], rc = 0;

    for (size_t at = 0, n = 0; at < n_all && rc == 0; at++) {
        fds[n++] = at == 0 ? text_fd : copies->v[at - 1].fd;
        if (n < SX_PACKET_MAX_FDS && at + 1 < n_all)
            continue;
        rc = sx_packet_send(fd, "p", 1, fds, n);
        n = 0;
    }
    return rc == 0 ? 0
                   : SX_ERR_IO; /* nobody is there to read them, or reads: errno tells it, too */
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

static int take_descriptors(struct sx_packet *packet, struct arrival *a)
{
    int *fds = realloc(a->fds, (a->n + SX_PACKET_MAX_FDS) * sizeof *fds);

    if (fds == NULL) {
        sx_packet_close(packet);
        return SX_ERR_NOMEM;
    }
    memcpy(fds + a->n, packet->fds, packet->n_fds * sizeof *fds);
    a->fds = fds;
    a->n += packet->n_fds;
    return 0;
}

/* SX_ERR_MISSING: there is no other. */
static int receive_packet(int fd, struct arrival *a)
{
    struct sx_packet packet;
    char byte;
    int rc = sx_packet_receive(fd, &byte, sizeof byte, &packet);

    if (rc == SX_ERR_BUSY || rc == SX_ERR_CLOSED)
        return SX_ERR_MISSING;
    if (rc == 0)
        rc = take_descriptors(&packet, a);
    if (rc == 0 && packet.lacks_fds) {
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
