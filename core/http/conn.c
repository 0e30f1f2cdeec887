/*
 * http/conn.c - one connection: reading, writing and its end.
 *
 * Ownership: a connection is on its server's list until libuv has closed it.  What it has to
 * send stands in `out`, a buffer borrowed from the server; one write is under way at most,
 * and what is answered meanwhile waits in `out` for the next.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "http/http_private.h"
#include "http/peers.h"

struct out_write {
    uv_write_t req;
    struct sx_http_conn *conn;
    struct sx_buf buf; /* owned until it is written */
};

/* --- The end --------------------------------------------------------------- */

static void on_closed(uv_handle_t *h)
{
    struct sx_http_conn *c = h->data;
    struct sx_http_server *s = c->server;

    sx_list_remove(&c->link);
    s->stats.connections_open--;
    if (c->is_counted)
        sx_peers_leave(s->peers, (const struct sockaddr *)&c->peer);
    sx_buf_finish(&c->in);
    sx_http_buf_return(s, &c->out);
    free(c);
    sx_http_listeners_resume(s);
    sx_http_server_released(s);
}

static void close_handle(struct sx_http_conn *c)
{
    sx_check(c->phase != PHASE_CLOSED);
    c->phase = PHASE_CLOSED;
    sx_wheel_cancel(&c->server->wheel, &c->timeout);
    sx_list_remove(&c->dirty);
    sx_http_hold_nothing(c);
    if (c->is_memory)
        c->sink(c->sink_arg, NULL, 0);
    uv_close(&c->uv.handle, on_closed);
}

void sx_http_conn_abort(struct sx_http_conn *c)
{
    struct sx_list *entry;

    if (c->phase == PHASE_CLOSED)
        return;
    close_handle(c);
    c->receiving = NULL;
    while ((entry = sx_list_pop(&c->requests)) != NULL)
        sx_http_req_gone(SX_MEMBER_OF(entry, struct sx_http_req, link));
    c->n_requests = 0;
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct sx_http_conn *c = req->data;

    free(req);
    if (status < 0 && status != UV_ECANCELED)
        sx_http_conn_abort(c);
}

/* The last answer was written.  A client that is still sending would get a reset, and may
 * lose the answer with it: say that nothing more comes and read for a moment (RFC 9112
 * section 9.6). */
static void quit(struct sx_http_conn *c)
{
    uv_shutdown_t *req;

    if (c->is_memory || c->saw_eof || !(c->must_linger || c->in.len > 0)) {
        sx_http_conn_abort(c);
        return;
    }
    req = malloc(sizeof *req);
    if (req == NULL || uv_shutdown(req, &c->uv.stream, on_shutdown) != 0) {
        free(req);
        sx_http_conn_abort(c);
        return;
    }
    req->data = c;
    c->must_linger = true;
    sx_buf_reset(&c->in, 0);
    sx_http_phase_linger(c);
}

void sx_http_conn_quit_if_idle(struct sx_http_conn *c)
{
    int unread = 0;
    uv_os_fd_t fd;

    if (c->phase != PHASE_IDLE)
        return;
    /* A request that is already in the socket's buffer is answered, then we close. */
    if (!c->is_memory && uv_fileno(&c->uv.handle, &fd) == 0 && ioctl(fd, FIONREAD, &unread) == 0 &&
        unread > 0)
        return;
    sx_http_conn_abort(c);
}

/* --- Reading ----------------------------------------------------------------- */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
    struct sx_http_conn *c = h->data;

    (void)suggested;
    *buf = uv_buf_init(c->server->read_buffer, SX_HTTP_READ_BYTES);
}

/* The client will send no more.  It may still read: answer what it asked for. */
static void take_eof(struct sx_http_conn *c)
{
    c->saw_eof = true;
    c->is_reading = false;
    if (c->phase == PHASE_LINGER)
        sx_http_conn_abort(c);
    else if (c->websocket != NULL)
        sx_http_ws_eof(c->websocket);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct sx_http_conn *c = stream->data;
    struct sx_http_server *s = c->server;

    if (n == 0)
        return;
    if (n == UV_EOF) {
        take_eof(c);
        if (c->phase != PHASE_CLOSED)
            sx_http_conn_service(c);
        return;
    }
    if (n < 0) {
        sx_http_conn_abort(c);
        return;
    }
    s->stats.bytes_in += (uint64_t)n;
    c->n_in += (uint64_t)n;
    if (c->phase == PHASE_LINGER)
        return;
    sx_http_refresh_date(s);
    sx_http_input(c, buf->base, (size_t)n);
    sx_list_remove(&c->dirty);
    sx_http_conn_service(c);
    sx_http_keep_budget(s);
}

static void set_reading(struct sx_http_conn *c)
{
    bool wants = !c->saw_eof &&
                 (!c->is_last || c->must_linger || !sx_list_is_empty(&c->requests)) &&
                 c->in.len < SX_HTTP_READ_BYTES && !sx_http_conn_is_full(c);

    if (c->is_memory || wants == c->is_reading)
        return;
    c->is_reading = wants;
    if (wants)
        (void)uv_read_start(&c->uv.stream, on_alloc, on_read);
    else
        (void)uv_read_stop(&c->uv.stream);
}

/* --- Writing ----------------------------------------------------------------- */

static void on_written(uv_write_t *req, int status)
{
    struct out_write *w = SX_MEMBER_OF(req, struct out_write, req);
    struct sx_http_conn *c = w->conn;

    sx_http_buf_return(c->server, &w->buf);
    free(w);
    c->is_writing = false;
    if (c->phase == PHASE_CLOSED)
        return;
    if (status < 0) {
        sx_http_conn_abort(c);
        return;
    }
    sx_http_hold_output(c, true);
    sx_http_conn_service(c);
}

static void write_rest(struct sx_http_conn *c, size_t from)
{
    struct out_write *w = malloc(sizeof *w);
    uv_buf_t buf;

    if (w == NULL) {
        sx_http_conn_abort(c);
        return;
    }
    w->conn = c;
    w->buf = c->out;
    sx_buf_init(&c->out, SIZE_MAX / 2);
    buf = uv_buf_init(w->buf.data + from, (unsigned)(w->buf.len - from));
    c->is_writing = true;
    c->writing_cap = w->buf.cap;
    sx_http_hold_output(c, false);
    if (uv_write(&w->req, &c->uv.stream, &buf, 1, on_written) != 0) {
        c->is_writing = false;
        sx_http_buf_return(c->server, &w->buf);
        free(w);
        sx_http_conn_abort(c);
    }
}

static void conn_flush(struct sx_http_conn *c)
{
    ssize_t n;

    if (c->phase == PHASE_CLOSED) /* its descriptor may be another file's by now */
        return;
    if (sx_buf_failed(&c->out)) { /* a part of an answer is missing */
        sx_http_conn_abort(c);
        return;
    }
    if (c->out.len == 0)
        sx_http_buf_return(c->server, &c->out);
    if (c->is_writing)
        sx_http_hold_output(c, false);
    if (c->out.len == 0 || c->is_writing)
        return;
    c->server->stats.bytes_out += c->out.len;
    c->n_out += c->out.len;
    if (c->is_memory) {
        c->sink(c->sink_arg, c->out.data, c->out.len);
        sx_http_buf_return(c->server, &c->out);
        return;
    }
    /* As uv_try_write, which is a third of a short answer's way through libuv. */
    n = write(c->fd, c->out.data, c->out.len);
    if (n == (ssize_t)c->out.len)
        sx_http_buf_return(c->server, &c->out);
    else if (n >= 0 || errno == EAGAIN || errno == EINTR)
        write_rest(c, n < 0 ? 0 : (size_t)n);
    else
        sx_http_conn_abort(c);
}

/* The request at the head of the line may be a file or a stream that waits for room. */
static bool has_sender(const struct sx_http_conn *c)
{
    return !sx_list_is_empty(&c->requests) && !c->is_writing && c->out.len == 0 &&
           SX_MEMBER_OF(c->requests.next, struct sx_http_req, link)->state == SX_HTTP_SENDING;
}

static void feed_sender(struct sx_http_conn *c)
{
    struct sx_http_req *r = SX_MEMBER_OF(c->requests.next, struct sx_http_req, link);

    if (r->resp.kind == SX_HTTP_BODY_FILE)
        sx_http_file_drained(r);
    else
        sx_http_stream_drained(r);
    if (c->phase != PHASE_CLOSED)
        conn_flush(c);
}

static bool holds_input(const struct sx_http_conn *c)
{
    return c->phase != PHASE_CLOSED &&
           (c->in.data != NULL || c->receiving != NULL || c->held_in.bytes > 0);
}

static bool is_over(const struct sx_http_conn *c)
{
    if (!sx_list_is_empty(&c->requests) || c->out.len > 0 || c->is_writing)
        return false;
    return c->is_last || (c->saw_eof && !c->is_stalled);
}

void sx_http_conn_service(struct sx_http_conn *c)
{
    if (c->phase == PHASE_CLOSED || c->phase == PHASE_LINGER)
        return;
    if (c->is_stalled)
        sx_http_input_resume(c);
    if (c->saw_eof && c->receiving != NULL)
        sx_http_input_cut(c);
    conn_flush(c);
    if (c->phase != PHASE_CLOSED && has_sender(c))
        feed_sender(c);
    if (c->phase == PHASE_CLOSED)
        return;
    if (c->is_stalled && !c->is_last && sx_list_is_empty(&c->requests) && !sx_http_conn_is_full(c))
        sx_http_conn_touch(c); /* what it waited for was written just now */
    if (is_over(c))
        quit(c);
    else
        sx_http_phase_set(c);
    if (c->phase != PHASE_CLOSED)
        set_reading(c);
    if (SX_UNLIKELY(holds_input(c)))
        sx_http_hold_input(c);
    if (c->phase == PHASE_IDLE && sx_http_server_wants_no_idle(c->server))
        sx_http_conn_quit_if_idle(c);
}

/* --- The beginning ------------------------------------------------------------ */

static struct sx_http_conn *create_conn(struct sx_http_server *s)
{
    struct sx_http_conn *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    c->server = s;
    sx_list_init(&c->dirty);
    sx_list_init(&c->requests);
    sx_list_init(&c->held_in.link);
    sx_list_init(&c->held_out.link);
    sx_buf_init(&c->in, SIZE_MAX / 2);
    sx_buf_init(&c->out, SIZE_MAX / 2);
    sx_list_push(&s->conns, &c->link);
    s->stats.connections_open++;
    s->stats.connections_opened++;
    return c;
}

static int open_handle(struct sx_http_conn *c, int fd, const struct sockaddr *peer, socklen_t len)
{
    bool is_ip = peer->sa_family == AF_INET || peer->sa_family == AF_INET6;
    int err;

    if (is_ip && len <= sizeof c->peer)
        memcpy(&c->peer, peer, len);
    else
        c->peer.family = AF_UNIX;
    err = is_ip ? uv_tcp_init(c->server->loop, &c->uv.tcp)
                : uv_pipe_init(c->server->loop, &c->uv.pipe, 0);
    if (err != 0)
        return SX_ERR_IO;
    c->uv.handle.data = c;
    c->fd = fd;
    err = is_ip ? uv_tcp_open(&c->uv.tcp, fd) : uv_pipe_open(&c->uv.pipe, fd);
    return err == 0 ? 0 : SX_ERR_IO;
}

int sx_http_conn_accept(struct sx_http_server *s, int fd, const struct sockaddr *peer,
                        socklen_t len, bool is_counted)
{
    struct sx_http_conn *c = create_conn(s);

    if (c == NULL)
        return SX_ERR_NOMEM;
    if (open_handle(c, fd, peer, len) < 0) {
        if (c->uv.handle.data == c) {
            close_handle(c); /* the descriptor is still the caller's */
        } else {
            sx_list_remove(&c->link);
            s->stats.connections_open--;
            free(c);
        }
        return SX_ERR_IO;
    }
    c->is_counted = is_counted;
    sx_http_phase_init(c);
    set_reading(c);
    return 0;
}

int sx_http_memory_open(struct sx_http_server *s, sx_http_sink_fn *sink, void *arg,
                        struct sx_http_conn **ret_conn)
{
    struct sx_http_conn *c = create_conn(s);

    if (c == NULL)
        return SX_ERR_NOMEM;
    c->is_memory = true;
    c->sink = sink;
    c->sink_arg = arg;
    (void)uv_timer_init(s->loop, &c->uv.timer); /* only so that it closes as a socket does */
    c->uv.handle.data = c;
    c->peer.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
                                       .sin_addr = { htonl(INADDR_LOOPBACK) } };
    sx_http_phase_init(c);
    *ret_conn = c;
    return 0;
}

void sx_http_memory_feed(struct sx_http_conn *c, const char *data, size_t len)
{
    while (len > 0 && c->phase != PHASE_CLOSED && !c->is_last) {
        size_t n = len < SX_HTTP_READ_BYTES ? len : SX_HTTP_READ_BYTES;

        memcpy(c->server->read_buffer, data, n);
        c->n_in += n;
        sx_http_refresh_date(c->server);
        sx_http_input(c, c->server->read_buffer, n);
        sx_list_remove(&c->dirty);
        sx_http_conn_service(c);
        sx_http_keep_budget(c->server);
        data += n;
        len -= n;
    }
}

void sx_http_memory_close(struct sx_http_conn *c)
{
    sx_http_conn_abort(c);
}
