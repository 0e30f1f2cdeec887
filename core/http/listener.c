/*
 * http/listener.c - accepting, a few connections a wake-up, from sockets that outlive us (I3).
 *
 * The listening socket is shared with other workers, so a wake-up may find nothing.  When
 * descriptors run out the reserve one is given up to answer and close one client at a time,
 * and accepting pauses: the loop must never spin on EMFILE.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <fcntl.h>

#include "base/check.h"
#include "base/error.h"
#include "http/http_private.h"

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

static void pause_accepting(struct sx_http_listener *l)
{
    l->is_paused = true;
    (void)uv_poll_stop(&l->poll);
}

/* Out of descriptors: one client is told, and we wait until a connection of ours closes. */
static void shed(struct sx_http_listener *l)
{
    struct sx_http_server *s = l->server;
    int fd;

    if (s->reserve_fd >= 0) {
        (void)close(s->reserve_fd);
        fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            refuse(s, fd);
        s->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    if (!sx_list_is_empty(&s->conns))
        pause_accepting(l);
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
        if (s->stats.connections_open >= s->set.limits.connections ||
            sx_http_conn_accept(s, fd, (struct sockaddr *)&peer, len) < 0)
            refuse(s, fd);
    }
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    accept_some(poll->data, ACCEPTS_PER_WAKEUP);
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
