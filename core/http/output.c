/*
 * http/output.c - answers written in the order of their requests.
 *
 * The head is put together from ready pieces: a status line from a table, Server and Date as
 * one copy, then what varies.  All answers of one read go into one buffer and one write.
 */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/text.h"
#include "http/encoding.h"
#include "http/http_private.h"
#include "http/status.h"

#define HEAD_BYTES 512u

static char *put(char *to, const char *text, size_t len)
{
    memcpy(to, text, len);
    return to + len;
}

#define PUT(to, text) put((to), (text), sizeof(text) - 1)

static bool has_no_body(int status)
{
    return status == 204 || status == 304 || status < 200;
}

static char *put_status(char *to, int status)
{
    const char *reason;

    if (SX_LIKELY(status == 200))
        return PUT(to, "HTTP/1.1 200 OK\r\n");
    reason = sx_status_reason(status);
    to = PUT(to, "HTTP/1.1 ");
    to += sx_format_uint(to, (uint64_t)status);
    *to++ = ' ';
    to = put(to, reason, strlen(reason));
    return PUT(to, "\r\n");
}

static char *put_length(char *to, bool has_length, uint64_t length, bool is_chunked)
{
    if (has_length) {
        to = PUT(to, "Content-Length: ");
        to += sx_format_uint(to, length);
        to = PUT(to, "\r\n");
    } else if (is_chunked) {
        to = PUT(to, "Transfer-Encoding: chunked\r\n");
    }
    return to;
}

static char *put_connection(char *to, const struct sx_http_req *r)
{
    if (!r->is_keep_alive)
        return PUT(to, "Connection: close\r\n");
    return r->is_http10 ? PUT(to, "Connection: keep-alive\r\n") : to;
}

/* Said with the last answer only: a client forgets those that follow a "close". */
static bool is_last_answer(const struct sx_http_conn *c)
{
    return c->n_requests == 1 &&
           (c->server->is_draining || c->is_last || (c->saw_eof && c->in.len == 0));
}

void sx_http_output_head(struct sx_http_conn *c, struct sx_http_req *r, bool has_length,
                         uint64_t length, bool is_chunked)
{
    struct sx_http_server *s = c->server;
    const struct sx_http_response *resp = &r->resp;
    char *start, *to;

    if (is_last_answer(c)) {
        /* Whoever has not asked for the end may be sending already, and would get a reset. */
        c->must_linger |= r->is_keep_alive;
        r->is_keep_alive = false;
    }
    if (!r->is_keep_alive)
        c->is_final = true; /* it may be long on its way: none that comes meanwhile is taken */
    start = sx_buf_reserve(&c->out, HEAD_BYTES + resp->type.len + resp->headers.len);
    if (start == NULL)
        return;
    to = put_status(start, resp->status);
    to = put(to, s->fixed, s->fixed_len);
    if (resp->type.len > 0) {
        to = PUT(to, "Content-Type: ");
        to = put(to, resp->type.data, resp->type.len);
        to = PUT(to, "\r\n");
    }
    to = put_length(to, has_length, length, is_chunked);
    to = put_connection(to, r);
    if (resp->headers.len > 0)
        to = put(to, resp->headers.data, resp->headers.len);
    to = PUT(to, "\r\n");
    sx_buf_commit(&c->out, (size_t)(to - start));
}

/* --- What every answer gets ---------------------------------------------------------- */

static void add_request_id(struct sx_http_req *r)
{
    if (r->resp.status >= 400 || r->has_id)
        sx_http_add_line(r, "X-Request-Id", sx_http_request_id(r));
}

static void add_cors(struct sx_http_req *r)
{
    struct sx_cors_request req;

    if (r->server->set.cors == NULL)
        return;
    sx_http_cors_request(r, &req);
    (void)sx_cors_write(r->server->set.cors, &req, &r->resp.headers);
}

static void compress(struct sx_http_req *r)
{
    struct sx_http_server *s = r->server;
    struct sx_http_response *resp = &r->resp;
    struct sx_buf packed;

    if (s->gzip == NULL || resp->body.len < s->set.gzip_bytes || resp->kind != SX_HTTP_BODY_BYTES ||
        resp->status == 206 || !sx_encoding_is_compressible(resp->type) ||
        resp->body.len > SX_HTTP_GZIP_MAX_BYTES || sx_http_answer_has(r, "content-encoding") ||
        (sx_http_answer_has(r, "etag") && !resp->may_pack))
        return;
    sx_http_add_line(r, "Vary", "Accept-Encoding");
    if (!sx_encoding_accepts_gzip(sx_http_header_list(r, "accept-encoding", 15)))
        return;
    sx_buf_init(&packed, resp->body.len);
    if (sx_gzip_pack(s->gzip, resp->body.data, resp->body.len, &packed) == 0) {
        struct sx_buf plain = resp->body;

        packed.max_bytes = plain.max_bytes;
        resp->body = packed;
        packed = plain;
        sx_http_add_line(r, "Content-Encoding", "gzip");
    }
    sx_buf_finish(&packed);
}

static void complete_headers(struct sx_http_req *r)
{
    add_request_id(r);
    add_cors(r);
    compress(r);
    if (sx_buf_failed(&r->resp.headers)) {
        sx_http_unreply(r);
        (void)sx_http_problem(r, 500, "headers_too_large", "the answer has too many header fields");
    }
}

/* --- In their turn --------------------------------------------------------------------- */

void sx_http_output_end(struct sx_http_req *r)
{
    struct sx_http_conn *c = r->conn;

    if (!r->is_keep_alive)
        c->is_last = true;
    sx_list_remove(&r->link);
    c->n_requests--;
    if (!r->is_safe)
        c->n_unsafe--;
    r->state = SX_HTTP_ENDED;
    r->server->set.ops.ended(r);
    r->conn = NULL;
    sx_http_req_recycle(r);
}

static void send_bytes(struct sx_http_conn *c, struct sx_http_req *r)
{
    struct sx_http_response *resp = &r->resp;
    bool is_empty = has_no_body(resp->status);

    sx_http_output_head(c, r, !is_empty, resp->body.len, false);
    if (!is_empty && !r->is_head && resp->body.len > 0) {
        sx_buf_add(&c->out, resp->body.data, resp->body.len);
        r->bytes_out = resp->body.len;
    }
    sx_http_output_end(r);
}

static void send_answer(struct sx_http_conn *c, struct sx_http_req *r)
{
    if (c->out.data == NULL)
        sx_http_buf_borrow(c->server, &c->out);
    if (SX_UNLIKELY(r->waiting_bytes > 0))
        sx_http_hold_waiting(r, 0);
    switch (r->resp.kind) {
    case SX_HTTP_BODY_BYTES: send_bytes(c, r); break;
    case SX_HTTP_BODY_FILE:
        sx_http_wait(r);
        r->state = SX_HTTP_SENDING;
        sx_http_file_start(r);
        break;
    case SX_HTTP_BODY_STREAM:
        sx_http_wait(r);
        r->state = SX_HTTP_SENDING;
        sx_http_stream_start(r);
        break;
    }
}

/* An answer that is sent whole at once comes back here for the next one: that is left to the
 * loop which sent it, however long the line is. */
void sx_http_output_advance(struct sx_http_conn *c)
{
    if (c->is_advancing)
        return;
    c->is_advancing = true;
    while (!sx_list_is_empty(&c->requests) && c->phase != PHASE_CLOSED) {
        struct sx_http_req *r = SX_MEMBER_OF(c->requests.next, struct sx_http_req, link);

        if (r->state != SX_HTTP_ANSWERED)
            break;
        send_answer(c, r);
    }
    c->is_advancing = false;
    if (c->out.failed)
        sx_http_conn_abort(c);
}

void sx_http_complete(struct sx_http_req *r)
{
    struct sx_http_server *s = r->server;
    struct sx_http_conn *c = r->conn;

    sx_check(r->state == SX_HTTP_READING || r->state == SX_HTTP_RUNNING ||
             r->state == SX_HTTP_PENDING);
    sx_wheel_cancel(&s->wheel, &r->timeout);
    if (c == NULL) {
        r->state = SX_HTTP_ENDED;
        if (r->resp.stream != NULL)
            sx_http_stream_gone(r);
        s->set.ops.ended(r);
        sx_http_req_recycle(r);
        return;
    }
    r->state = SX_HTTP_ANSWERED;
    complete_headers(r);
    if (c->requests.next == &r->link) {
        sx_http_output_advance(c);
    } else { /* for its turn */
        sx_http_wait(r);
        if (r->resp.kind == SX_HTTP_BODY_BYTES)
            sx_http_hold_waiting(r, r->resp.body.cap);
    }
    sx_http_conn_touch(c);
}
