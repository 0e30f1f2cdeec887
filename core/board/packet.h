/*
 * board/packet.h - bytes and descriptors that go together from one process to another: a packet of
 * a SOCK_SEQPACKET, and SCM_RIGHTS (unix(7)).
 *
 * Nothing here blocks.
 */
#ifndef SX_BOARD_PACKET_H
#define SX_BOARD_PACKET_H

#include <stdbool.h>
#include <stddef.h>

#define SX_PACKET_MAX_FDS 128 /* the kernel would take 253 */

/* data is not empty.  fds stay the caller's; there may be none.  Async-signal-safe, allocates
 * nothing.  errno tells more of SX_ERR_CLOSED, the other side is gone, SX_ERR_BUSY, it does not
 * read, and SX_ERR_IO. */
int sx_packet_send(int fd, const void *data, size_t len, const int *fds, size_t n_fds);

struct sx_packet {
    size_t len;                 /* of its data */
    int fds[SX_PACKET_MAX_FDS]; /* the receiver's, close-on-exec */
    size_t n_fds;
    bool lacks_fds; /* more were sent than this process had room for, or than it takes at once */
};

/* Into data, of which what is longer than size is lost.  SX_ERR_BUSY when there is none,
 * SX_ERR_CLOSED when the other side is gone, SX_ERR_IO with errno. */
int sx_packet_receive(int fd, void *data, size_t size, struct sx_packet *ret_packet);
/* Those that the receiver has not taken; -1 is one that it has. */
void sx_packet_close(struct sx_packet *packet);

#endif /* SX_BOARD_PACKET_H */
