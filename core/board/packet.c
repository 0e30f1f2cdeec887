/* board/packet.c - sendmsg and recvmsg with descriptors. */
#include "board/packet.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"

/* Room for the descriptors, aligned as their header wants it. */
union attachment {
    struct cmsghdr head;
    char space[CMSG_SPACE(sizeof(int) * SX_PACKET_MAX_FDS)];
};

int sx_packet_send(int fd, const void *data, size_t len, const int *fds, size_t n_fds)
{
    struct iovec part = { .iov_base = (void *)(uintptr_t)data, .iov_len = len };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
    union attachment more;
    ssize_t n;

    sx_check(len > 0 && n_fds <= SX_PACKET_MAX_FDS);
    if (n_fds > 0) {
        m.msg_control = &more;
        m.msg_controllen = CMSG_SPACE(sizeof *fds * n_fds);
        memset(&more, 0, m.msg_controllen);
        more.head.cmsg_level = SOL_SOCKET;
        more.head.cmsg_type = SCM_RIGHTS;
        more.head.cmsg_len = CMSG_LEN(sizeof *fds * n_fds);
        memcpy(CMSG_DATA(&more.head), fds, sizeof *fds * n_fds);
    }
    do
        n = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return 0;
    if (errno == EAGAIN || errno == ENOBUFS)
        return SX_ERR_BUSY;
    return errno == EPIPE || errno == ECONNRESET ? SX_ERR_CLOSED : SX_ERR_IO;
}

static void take_descriptors(struct msghdr *m, struct sx_packet *packet)
{
    const struct cmsghdr *head = CMSG_FIRSTHDR(m);

    packet->n_fds = 0;
    packet->lacks_fds = (m->msg_flags & MSG_CTRUNC) != 0;
    if (head == NULL || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
        return;
    packet->n_fds = (head->cmsg_len - CMSG_LEN(0)) / sizeof *packet->fds;
    sx_check(packet->n_fds <= SX_PACKET_MAX_FDS);
    memcpy(packet->fds, CMSG_DATA(head), sizeof *packet->fds * packet->n_fds);
}

int sx_packet_receive(int fd, void *data, size_t size, struct sx_packet *ret_packet)
{
    struct iovec part = { .iov_base = data, .iov_len = size };
    union attachment more;
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &more };
    ssize_t n;

    /* Not the space: its padding may have room for one more. */
    m.msg_controllen = CMSG_LEN(sizeof(int) * SX_PACKET_MAX_FDS);
    do
        n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return SX_ERR_BUSY;
    if (n < 0) /* a peer that died with unread data resets it */
        return errno == ECONNRESET ? SX_ERR_CLOSED : SX_ERR_IO;
    ret_packet->len = (size_t)n;
    take_descriptors(&m, ret_packet);
    if (n > 0)
        return 0;
    sx_packet_close(ret_packet); /* of a packet without data: the end has none */
    return SX_ERR_CLOSED;
}

void sx_packet_close(struct sx_packet *packet)
{
    for (size_t i = 0; i < packet->n_fds; i++)
        if (packet->fds[i] >= 0)
            (void)close(packet->fds[i]);
    packet->n_fds = 0;
}
