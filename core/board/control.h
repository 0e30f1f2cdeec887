/*
 * board/control.h - what the supervisor and a worker say to each other.
 *
 * A worker is started as   PROGRAM worker SPEC   (a checker as   PROGRAM check-worker SPEC),
 * where SPEC names the descriptors that it inherits.  From then on both speak over the control
 * channel, a SOCK_SEQPACKET pair, one message a packet.  The channel's end of file means that
 * the other side is gone: a worker then stops by itself.
 *
 *     worker to supervisor                        supervisor to worker
 *     ready            loaded, will serve         serve            accept from now on
 *     failed REASON    could not start            drain DELAY GRACE
 *     draining         no new connections         stop             end within a second
 *     drained          nothing left to finish
 *     leaving REASON   replace me, I finish       reopen           take the output that comes
 *     crashed FAULT    my last words              quarantine NAME SECONDS [unmapped]
 *                                                 release NAME     of a plugin
 *                                                 streams MS NAME … of these plugins go on for
 *                                                                  so long in the drain that
 *                                                                  follows; 0: no longer
 *
 * FAULT is "SIGNAL ADDRESS PLACE PLACE …": a number, an address in hexadecimal, and the places of
 * the stack from the innermost on, each "plugin:NAME+OFFSET", "program+OFFSET", "FILE+OFFSET" of a
 * library, or "?+ADDRESS".  For SIGSYS the address is the number of the system call.
 *
 * What is quarantined when a worker starts lies in the channel before it does; a file that crashes
 * when it is mapped is not mapped then.
 *
 * A worker accepts nothing before "serve": a generation takes over as a whole or not at all.
 */
#ifndef SX_BOARD_CONTROL_H
#define SX_BOARD_CONTROL_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define SX_CONTROL_MAX_TEXT   16000 /* of a reason; the rest is cut off */
#define SX_CONTROL_MAX_LISTEN 64
#define SX_CONTROL_MAX_SPEC   1024

#define SX_CONTROL_UNMAPPED   "unmapped"

/* By this signal the supervisor asks a worker whose loop does not come back for its last words. */
#define SX_CONTROL_STALL_SIGNAL SIGXCPU

/* The descriptors that a worker inherits, and who it is. */
struct sx_control_spec {
    int config_fd;  /* sealed; the text of sx_config_dump */
    int plugins_fd; /* sealed; sx_control_read_plugins */
    int board_fd;
    int control_fd;
    uint32_t index;      /* 0 … count - 1 in its generation; for names in the log */
    uint32_t slot;       /* its place on the board */
    uint32_t generation; /* from 1 */
    uint32_t count;      /* workers of the generation when it started */
    int listen_fds[SX_CONTROL_MAX_LISTEN]; /* bound and listening, not blocking */
    size_t n_listen;                       /* 0 in a checker */
};

/* NUL-terminated; SX_ERR_BUSY when it does not fit. */
int sx_control_format_spec(const struct sx_control_spec *spec, char *to, size_t size);
/* SX_ERR_INVALID unless each key is there once with a good value. */
int sx_control_parse_spec(const char *text, struct sx_control_spec *ret_spec);
/* The process's first step with a parsed spec: every descriptor is open (or SX_ERR_INVALID),
 * and from now on closed by an exec. */
int sx_control_adopt_spec(const struct sx_control_spec *spec);

enum sx_control_kind {
    SX_CONTROL_READY,
    SX_CONTROL_FAILED,
    SX_CONTROL_DRAINING, /* no new connections come to it any more */
    SX_CONTROL_DRAINED,
    SX_CONTROL_LEAVING,
    SX_CONTROL_SERVE,
    SX_CONTROL_DRAIN,
    SX_CONTROL_STOP,
    SX_CONTROL_REOPEN,
    SX_CONTROL_CRASHED,
    SX_CONTROL_QUARANTINE,
    SX_CONTROL_RELEASE,
    SX_CONTROL_STREAMS,
};

struct sx_control_message {
    int kind; /* enum sx_control_kind */
    /* drain: keep accepting for delay_ms, not ready; then finish what is under way and exit;
     * after delay_ms + grace_ms the supervisor kills. */
    uint32_t delay_ms, grace_ms;
    int fd;                             /* reopen: the new output, the receiver's; else -1 */
    char text[SX_CONTROL_MAX_TEXT + 1]; /* failed, leaving: the reason */
};

/* A connected pair, close-on-exec, not blocking.  SX_ERR_IO with errno. */
int sx_control_open(int ret_fds[2]);

/* text may be NULL.  Async-signal-safe, allocates nothing, never blocks: a worker may call it
 * from a signal handler.  SX_ERR_CLOSED when the other side is gone, SX_ERR_BUSY when it
 * does not read. */
int sx_control_send(int fd, enum sx_control_kind kind, const char *text);
int sx_control_send_drain(int fd, uint32_t delay_ms, uint32_t grace_ms);
/* reopen, with our standard output: a worker may not be allowed to open it itself. */
int sx_control_send_output(int fd);

/* The next message; never blocks.  SX_ERR_BUSY: none now; SX_ERR_CLOSED: never again;
 * SX_ERR_INVALID: this one is no message, the next may be. */
int sx_control_receive(int fd, struct sx_control_message *ret_message);

/* Standard output, and standard error when it is the same file, continue in path, or in fd, which
 * is taken.  SX_ERR_IO with errno. */
int sx_control_reopen_output(const char *path);
int sx_control_adopt_output(int fd);

/* One enabled plugin: the private copy that is to be loaded. */
struct sx_control_plugin {
    const char *name;
    const char *path;   /* of the copy, or "/proc/self/fd/N" */
    const char *sha256; /* of its bytes, 64 hexadecimal digits */
};

struct sx_control_plugins {
    struct sx_control_plugin *v; /* owned, as is the text they point to */
    size_t n;
    char *data;
};

/* Appends one to a list that is then sealed. */
void sx_control_add_plugin(struct sx_buf *to, const char *name, const char *path,
                           const char *sha256);
/* In the order of their adding.  SX_ERR_INVALID when it is no such list, or what
 * sx_sealed_read says. */
int sx_control_read_plugins(int fd, struct sx_control_plugins *ret_plugins);
void sx_control_finish_plugins(struct sx_control_plugins *plugins);

#endif /* SX_BOARD_CONTROL_H */
