/*
 * http/stream.c - an answer whose body is written over time, with back-pressure; also what a
 * WebSocket sends (websocket.c).
 *
 * Chunked for HTTP/1.1, until close for HTTP/1.0.  What a stream writes before its turn (a
 * pipelined request before it is not answered yet) waits in the stream, under the same mark.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "http/http_private.h"

static size_t high_water(const struct sx_http_stream *s)
{
    return s->server->set.limits.unread_bytes;
}

int sx_http_stream_create(struct sx_http_req *r, const struct sx_http_stream_ops *ops, void *arg,
                          struct sx_http_stream **ret_stream)
{
    struct sx_http_stream *s;

    if (r->conn == NULL)
        return SX_ERR_CLOSED;
    if (r->resp.status != 0)
        return SX_ERR_BUSY;
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return SX_ERR_NOMEM;
    s->req = r;
    s->server = r->server;
    s->ops = *ops;
    s->arg = arg;
    s->n_uses = 1; /* until it is dead */
    *ret_stream = s;
    return 0;
}

int sx_http_stream_open(struct sx_http_req *r, int status, const char *type,
                        const struct sx_http_stream_ops *ops, void *arg,
                        struct sx_http_stream **ret_stream)
{
    struct sx_http_stream *s;
    int err;

    if (status < 200 || status == 204 || status == 304)
        return SX_ERR_INVALID;
    err = sx_http_stream_create(r, ops, arg, &s);
    if (err < 0)
        return err;
    err = sx_http_reply(r, status, type, NULL, 0);
    if (err < 0) {
        free(s);
        return err;
    }
    s->is_chunked = !r->is_http10;
    sx_buf_init(&s->early, 2 * high_water(s) + 65536);
    r->resp.kind = SX_HTTP_BODY_STREAM;
    r->resp.stream = s;
    *ret_stream = s;
    return 0;
}

static void put_chunk(struct sx_http_stream *s, struct sx_buf *to, const char *data, size_t len)
{
    if (s->req->is_head || len == 0)
        return;
    if (s->is_chunked)
        sx_buf_printf(to, "%zx\r\n", len);
    sx_buf_add(to, data, len);
    if (s->is_chunked)
        sx_buf_add(to, "\r\n", 2);
    s->req->bytes_out += len;
}

struct sx_buf *sx_http_stream_output(struct sx_http_conn *c)
{
    if (c->out.data == NULL)
        sx_http_buf_borrow(c->server, &c->out);
    return &c->out;
}

int sx_http_stream_admit(struct sx_http_stream *s)
{
    if (s->req == NULL || s->has_ended)
        return SX_ERR_CLOSED;
    if (s->is_started ? sx_http_conn_is_full(s->req->conn) : s->early.len > high_water(s)) {
        s->wants_drained = true;
        return SX_ERR_BUSY;
    }
    return 0;
}

int sx_http_stream_put(struct sx_http_stream *s, const void *data, size_t len)
{
    struct sx_http_conn *c = s->req->conn;

    if (!s->is_started) {
        sx_buf_add(&s->early, data, len);
        sx_http_hold_waiting(s->req, s->early.cap);
        return sx_buf_failed(&s->early) ? SX_ERR_NOMEM : 0;
    }
    put_chunk(s, sx_http_stream_output(c), data, len);
    sx_http_conn_touch(c);
    return c->out.failed ? SX_ERR_NOMEM : 0;
}

int sx_http_stream_write(struct sx_http_stream *s, const void *data, size_t len)
{
    int err = sx_http_stream_admit(s);

    return err < 0 ? err : sx_http_stream_put(s, data, len);
}

void sx_http_stream_unuse(struct sx_http_stream *s)
{
    if (--s->n_uses > 0)
        return;
    sx_http_ws_free(s);
    sx_buf_finish(&s->early);
    free(s);
}

/* closed is the last call; whatever the plugin does in it, the stream is freed once. */
static void close_stream(struct sx_http_stream *s)
{
    if (s->is_dead)
        return;
    s->is_dead = true;
    s->req = NULL;
    if (s->ops.closed != NULL)
        s->ops.closed(s, s->arg);
    sx_http_stream_unuse(s);
}

void sx_http_stream_finish(struct sx_http_stream *s)
{
    struct sx_http_req *r = s->req;
    struct sx_http_conn *c = r->conn;

    if (s->is_chunked && !r->is_head)
        sx_buf_add_text(sx_http_stream_output(c), "0\r\n\r\n");
    r->resp.stream = NULL;
    if (c->websocket == s)
        c->websocket = NULL;
    sx_http_output_end(r);
    close_stream(s);
    sx_http_output_advance(c);
    if (c->phase != PHASE_CLOSED)
        sx_http_conn_touch(c);
}

void sx_http_stream_end(struct sx_http_stream *s)
{
    if (s->req == NULL || s->has_ended)
        return;
    s->has_ended = true;
    if (s->is_started)
        sx_http_stream_finish(s);
}

void sx_http_stream_start(struct sx_http_req *r)
{
    struct sx_http_stream *s = r->resp.stream;

    s->is_started = true;
    if (s->ws != NULL) {
        sx_http_ws_start(s);
        return;
    }
    if (r->is_http10)
        r->is_keep_alive = false;
    sx_http_output_head(r->conn, r, false, 0, s->is_chunked);
    put_chunk(s, sx_http_stream_output(r->conn), s->early.data, s->early.len);
    sx_buf_reset(&s->early, 0);
    if (s->has_ended || r->is_head) /* the answer to HEAD ends with its head */
        sx_http_stream_finish(s);
}

void sx_http_stream_drained(struct sx_http_req *r)
{
    struct sx_http_stream *s = r->resp.stream;

    if (!s->wants_drained)
        return;
    s->wants_drained = false;
    if (s->ops.drained != NULL)
        s->ops.drained(s, s->arg);
}

void sx_http_stream_gone(struct sx_http_req *r)
{
    struct sx_http_stream *s = r->resp.stream;

    r->resp.stream = NULL;
    close_stream(s);
}
