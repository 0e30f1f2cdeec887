/*
 * http/listener.c - accepting, a few connections a wake-up, from sockets that outlive us (I3).
 *
 * The listening socket is shared with other workers, so a wake-up may find nothing.  The last
 * descriptors are not for connections: a client that would take one gets 503, so that files,
 * uploads and the database still have some.  When there are none all the same, the reserve one is
 * given up to answer and close one client, and accepting pauses until a connection closes or a
 * moment has passed: the loop must never spin on EMFILE.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "http/http_private.h"
#include "http/peers.h"

#define ACCEPTS_PER_WAKEUP 8
#define ACCEPTS_AT_THE_END 4096

static const char busy_answer[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
                                  "Retry-After: 1\r\nConnection: close\r\n\r\n";

static void refuse(struct sx_http_server *s, int fd)
{
    s->stats.refused++;
    (void)!send(fd, busy_answer, sizeof busy_answer - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)close(fd);
}

static int open_reserve(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_retry(struct sx_timeout *t)
{
    sx_http_listeners_resume(SX_MEMBER_OF(t, struct sx_http_server, retry));
}

static void pause_accepting(struct sx_http_listener *l)
{
    l->is_paused = true;
    (void)uv_poll_stop(&l->poll);
    sx_http_timeout(l->server, &l->server->retry, uv_now(l->server->loop) + SX_HTTP_RETRY_MS);
}

/* Out of descriptors: one client is told, the others wait in the queue. */
static void shed(struct sx_http_listener *l)
{
    struct sx_http_server *s = l->server;
    int fd;

    if (s->reserve_fd < 0)
        s->reserve_fd = open_reserve(); /* somebody else was quicker last time */
    if (s->reserve_fd >= 0) {
        (void)close(s->reserve_fd);
        fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            refuse(s, fd);
        s->reserve_fd = open_reserve();
    }
    if (!l->is_paused && !s->is_draining && !s->is_closing)
        pause_accepting(l);
}

/* --- Accepting -------------------------------------------------------------------- */

/* Behind a proxy all clients have one address, that of the proxy. */
static bool is_countable(const struct sx_http_server *s, const struct sockaddr *peer)
{
    return s->peers != NULL && peer->sa_family != AF_UNIX &&
           !sx_proxies_trust(s->set.proxies, peer);
}

static void take(struct sx_http_server *s, int fd, const struct sockaddr *peer, socklen_t len)
{
    bool is_counted = false;

    if (s->stats.connections_open >= s->set.limits.connections || fd > s->last_fd) {
        refuse(s, fd);
        return;
    }
    if (is_countable(s, peer)) {
        is_counted = sx_peers_enter(s->peers, peer);
        if (!is_counted) {
            refuse(s, fd);
            return;
        }
    }
    if (sx_http_conn_accept(s, fd, peer, len, is_counted) == 0)
        return;
    if (is_counted)
        sx_peers_leave(s->peers, peer);
    refuse(s, fd);
}

static void accept_some(struct sx_http_listener *l, int n)
{
    struct sx_http_server *s = l->server;
    struct sockaddr_storage peer;

    while (n-- > 0) {
        socklen_t len = sizeof peer;
        int fd = accept4(l->fd, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
            shed(l);
        if (fd < 0)
            return;
        take(s, fd, (struct sockaddr *)&peer, len);
    }
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    accept_some(poll->data, ACCEPTS_PER_WAKEUP);
}

/* The highest descriptor that a connection may have: the kernel gives the lowest that is free. */
static int find_last_fd(void)
{
    struct rlimit limit;
    rlim_t spare;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > INT_MAX)
        return INT_MAX;
    spare = limit.rlim_cur / 8 < SX_HTTP_SPARE_FDS ? limit.rlim_cur / 8 : SX_HTTP_SPARE_FDS;
    return (int)(limit.rlim_cur - spare) - 1;
}

void sx_http_listeners_init(struct sx_http_server *s)
{
    sx_list_init(&s->listeners);
    sx_timeout_init(&s->retry, on_retry);
    s->reserve_fd = open_reserve();
    s->last_fd = find_last_fd();
}

int sx_http_server_listen(struct sx_http_server *s, int fd)
{
    struct sx_http_listener *l = calloc(1, sizeof *l);

    if (l == NULL)
        return SX_ERR_NOMEM;
    if (uv_poll_init(s->loop, &l->poll, fd) != 0) {
        free(l);
        return SX_ERR_IO;
    }
    l->server = s;
    l->fd = fd;
    l->poll.data = l;
    sx_list_push(&s->listeners, &l->link);
    s->n_handles++;
    return uv_poll_start(&l->poll, UV_READABLE, on_acceptable) == 0 ? 0 : SX_ERR_IO;
}

static void on_listener_closed(uv_handle_t *h)
{
    struct sx_http_listener *l = h->data;
    struct sx_http_server *s = l->server;

    (void)close(l->fd);
    free(l);
    s->n_handles--;
    sx_http_server_released(s);
}

void sx_http_listeners_close(struct sx_http_server *s)
{
    struct sx_list *entry;

    while ((entry = sx_list_pop(&s->listeners)) != NULL) {
        struct sx_http_listener *l = SX_MEMBER_OF(entry, struct sx_http_listener, link);

        /* Perhaps nobody comes after us: who has already connected is ours to answer. */
        if (!s->is_closing)
            accept_some(l, ACCEPTS_AT_THE_END);
        uv_close((uv_handle_t *)&l->poll, on_listener_closed);
    }
}

void sx_http_listeners_resume(struct sx_http_server *s)
{
    for (struct sx_list *e = s->listeners.next; e != &s->listeners; e = e->next) {
        struct sx_http_listener *l = SX_MEMBER_OF(e, struct sx_http_listener, link);

        if (l->is_paused) {
            l->is_paused = false;
            (void)uv_poll_start(&l->poll, UV_READABLE, on_acceptable);
        }
    }
}
