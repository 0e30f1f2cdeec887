/*
 * supervisor/listener.h - the listening sockets, one for each address, shared by all workers.
 *
 * Invariant I3: a socket stays open as long as one generation serves its address, so that no
 * connection in its queue is lost by a reload or by a worker's death.
 */
#ifndef SX_SUPERVISOR_LISTENER_H
#define SX_SUPERVISOR_LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/report.h"
#include "config/config.h"

#define SX_LISTENER_NAME 128

/* An address in the form of the configuration, understood. */
struct sx_address {
    struct sockaddr_storage addr;
    socklen_t len;
    char name[SX_LISTENER_NAME]; /* "127.0.0.1:5009", "[::]:80", "unix:/run/x.sock" */
};

/* "ADDRESS:PORT" or "unix:/path"; ADDRESS is IPv4, or IPv6 in brackets.  SX_ERR_INVALID. */
int sx_address_parse(const char *text, struct sx_address *ret_address);
/* server.address with server.port, in the form that sx_address_parse takes. */
void sx_address_join(const struct sx_config_server *server, char *to, size_t size);
/* What a socket is bound to.  SX_ERR_INVALID for what we do not speak. */
int sx_address_of_socket(int fd, struct sx_address *ret_address);
bool sx_address_equals(const struct sx_address *a, const struct sx_address *b);

struct sx_listener {
    struct sx_list link;
    struct sx_address address;
    int fd;           /* owned; close-on-exec, not blocking */
    unsigned n_refs;  /* generations that serve it */
    bool is_wild;     /* from a service manager: served whatever the configuration says */
    bool is_borrowed; /* the path of a unix socket is somebody else's to remove */
    dev_t dev;        /* of the path of a unix socket that we made */
    ino_t ino;
};

struct sx_listeners {
    struct sx_list all;
    bool has_dropped_root; /* a port below 1024 cannot be opened any more */
};

/* What one generation serves. */
struct sx_listener_set {
    struct sx_listener **v; /* owned; each holds a reference */
    size_t n;
};

void sx_listeners_init(struct sx_listeners *ls);
void sx_listeners_finish(struct sx_listeners *ls);

/* Takes fd; NULL without memory. */
struct sx_listener *sx_listener_create(struct sx_listeners *ls, const struct sx_address *address,
                                       int fd);

/* Takes over what LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES of the environment hand to this
 * process.  What is no listening stream socket is a fault. */
int sx_listeners_adopt(struct sx_listeners *ls, struct sx_report *rep);

/* One reference to each socket that the configuration asks for; those that are missing are
 * bound.  Every fault is in the report, and then nothing has changed: SX_ERR_INVALID for an
 * address that cannot be understood, SX_ERR_IO for one that cannot be bound. */
int sx_listeners_acquire(struct sx_listeners *ls, const struct sx_config_server *server,
                         struct sx_report *rep, struct sx_listener_set *ret_set);
/* Closes what nobody serves any more. */
void sx_listeners_release(struct sx_listener_set *set);

/* Nobody is started any more: with the workers' own copies the kernel's socket goes, and clients
 * are refused instead of waiting for somebody who accepts them. */
void sx_listeners_close(struct sx_listeners *ls);

/* The name under which LISTEN_FDNAMES tells a successor that a socket is an older supervisor's,
 * to be closed when the new configuration does not name its address. */
#define SX_LISTENER_HANDED "sim-exchange"

/* A successor has (not) taken the sockets over: unix paths are (not) ours to remove. */
void sx_listeners_lend(struct sx_listeners *ls, bool is_lent);

#endif /* SX_SUPERVISOR_LISTENER_H */
