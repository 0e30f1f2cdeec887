/*
 * http/input.c - from bytes to requests, in order.
 *
 * Bytes are used up where they lie (the shared read buffer, or `in` when something was left
 * over); only what is not complete, or has to wait, is kept.  A request with a body or an
 * unsafe method begins when those before it are answered; safe ones may overlap
 * (RFC 9112 section 9.3.2).
 */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "http/http_private.h"
#include "http/multipart.h"

static const char no_room[] = "the server holds as many bodies as it can, try again";

/* The answer stands, but what comes behind it is no request. */
static void complete_last(struct sx_http_conn *c, struct sx_http_req *r)
{
    c->receiving = NULL;
    c->is_last = true;
    c->must_linger = true;
    r->is_keep_alive = false;
    sx_http_complete(r);
}

/* Nothing after this request is read (I8). */
static void refuse(struct sx_http_conn *c, struct sx_http_req *r, int status, const char *why)
{
    static const struct {
        int status;
        const char *code;
    } codes[] = { { 400, "bad_request" },
                  { 408, "timeout" },
                  { 413, "body_too_large" },
                  { 414, "target_too_long" },
                  { 417, "expectation_failed" },
                  { 431, "headers_too_large" },
                  { 500, "body_not_kept" },
                  { 501, "not_implemented" },
                  { 503, "busy" },
                  { 505, "version_not_supported" },
                  { 507, "no_room_for_upload" },
                  { 0, "bad_request" } };
    size_t i = 0;

    while (codes[i].status != 0 && codes[i].status != status)
        i++;
    if (status == 503 || status == 507)
        sx_http_add_line(r, "Retry-After", "1");
    (void)sx_http_problem(r, status, codes[i].code, "%s", why);
    complete_last(c, r);
}

/* May the next request begin while others are under way? */
static bool has_room(const struct sx_http_conn *c)
{
    if (sx_list_is_empty(&c->requests))
        return !sx_http_conn_is_full(c);
    return c->n_unsafe == 0 && c->n_requests < c->server->set.limits.pipelined &&
           !sx_http_conn_is_full(c);
}

/* --- The body ----------------------------------------------------------------- */

static void body_complete(struct sx_http_conn *c, struct sx_http_req *r)
{
    c->receiving = NULL;
    sx_http_hold_body(r);
    if (c->body.is_discarded) {
        sx_http_complete(r);
        return;
    }
    if (r->body.data == NULL)
        r->body = (struct sx_slice){ r->body_buf.data, r->body_buf.len };
    sx_http_req_dispatch(r);
}

static const char *body_fault(int status)
{
    return status == 413   ? "the body is larger than this route accepts"
           : status == 500 ? "the body could not be kept, for want of memory or disk"
           : status == 503 ? "the body could not be kept now: too many files are open"
           : status == 507 ? "the disk, or what uploads may have of it, is full: try again later"
                           : "the body is not framed as RFC 9112 says";
}

static size_t take_body(struct sx_http_conn *c, const char *data, size_t len)
{
    struct sx_http_req *r = c->receiving;
    ptrdiff_t n = sx_http_body_take(&c->body, r, data, len);

    if (n == -413 && c->body.is_discarded) { /* too much to be read for politeness */
        complete_last(c, r);
        return len;
    }
    if (n < 0) {
        sx_http_unreply(r);
        refuse(c, r, (int)-n, body_fault((int)-n));
        return len;
    }
    if (sx_http_body_is_done(&c->body))
        body_complete(c, r);
    return (size_t)n;
}

/* The whole body lies behind its head: no copy. */
static bool body_lies_here(const struct sx_http_req *r, size_t len)
{
    return r->content_length != UINT64_MAX && r->content_length <= len && !r->wants_multipart;
}

/* The rest of the body may come with another read: nothing stays in this one (I9). */
static void begin_receiving(struct sx_http_conn *c, struct sx_http_req *r)
{
    sx_http_wait(r);
    c->receiving = r;
}

/* Answered before its body was read: read what is short, so that the connection can stay. */
static void begin_discard(struct sx_http_conn *c, struct sx_http_req *r)
{
    if (r->expects_continue ||
        (r->content_length != UINT64_MAX && r->content_length > SX_HTTP_DRAIN_BYTES)) {
        complete_last(c, r);
        return;
    }
    r->max_body = SX_HTTP_DRAIN_BYTES;
    c->body.is_discarded = true;
    begin_receiving(c, r);
}

/* A form whose parts the route wants is parsed as it arrives: large parts go to files. */
static void begin_multipart(struct sx_http_req *r)
{
    const struct sx_http_limits *limits = &r->server->set.limits;
    struct sx_slice type = sx_http_header(r, "content-type", 12);
    struct sx_multipart_limits parts = { .max_parts = SX_HTTP_MAX_PARTS,
                                         .max_header_bytes = SX_HTTP_PART_HEADER_BYTES,
                                         .spool_bytes = limits->spool_bytes,
                                         .upload_bytes = limits->upload_bytes,
                                         .spool_dir = r->server->set.spool_dir,
                                         .room = &r->server->uploads };

    if (!r->wants_multipart || r->resp.status != 0)
        return;
    r->wants_multipart = sx_multipart_is(type);
    if (r->wants_multipart && sx_http_refuse_packed(r))
        return;
    if (r->wants_multipart && sx_multipart_create(&r->arena, type, &parts, &r->multipart) < 0)
        (void)sx_http_problem(r, 400, "bad_form", "the form's Content-Type has no usable boundary");
}

/* Those that are under way hold all that may be held. */
static void refuse_busy(struct sx_http_req *r)
{
    sx_http_add_line(r, "Retry-After", "1");
    (void)sx_http_problem(r, 503, "busy", "%s", no_room);
}

/* What follows the head; returns how much of the body was used. */
static size_t begin_body(struct sx_http_conn *c, struct sx_http_req *r, const char *data,
                         size_t len)
{
    size_t whole = (size_t)r->content_length; /* r may be gone when it was answered */

    begin_multipart(r);
    if (r->resp.status == 0 && r->content_length != UINT64_MAX && r->content_length > r->max_body)
        (void)sx_http_problem(
            r, 413, "body_too_large", "the body has %llu bytes, this route accepts %llu",
            (unsigned long long)r->content_length, (unsigned long long)r->max_body);
    if (r->resp.status == 0 && c->server->bodies.used > c->server->set.limits.buffered_bytes)
        refuse_busy(r);
    sx_http_body_begin(&c->body, r);
    if (r->resp.status != 0) {
        begin_discard(c, r);
        return 0;
    }
    if (body_lies_here(r, len)) {
        r->body = (struct sx_slice){ data, whole };
        sx_http_req_dispatch(r);
        return whole;
    }
    begin_receiving(c, r);
    if (r->expects_continue && len == 0)
        sx_buf_add_text(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
    return 0;
}

/* --- The head ------------------------------------------------------------------ */

static bool is_preflight(struct sx_http_req *r)
{
    struct sx_cors_request req;

    if (SX_LIKELY(r->server->set.cors == NULL))
        return false;
    sx_http_cors_request(r, &req);
    return req.is_preflight;
}

static void take_request(struct sx_http_conn *c, struct sx_http_req *r)
{
    c->n_requests++;
    c->phase = PHASE_BUSY; /* the time of the next head begins anew */
    c->is_final = !r->is_keep_alive;
    if (!r->is_safe) {
        c->n_unsafe++;
        c->is_upgrading = r->asks_websocket;
        c->is_final |= r->asks_websocket; /* until it was refused */
    }
    sx_list_push(&c->requests, &r->link);
    c->server->stats.requests++;
}

static void refuse_head(struct sx_http_conn *c, int status, const char *why)
{
    struct sx_http_req *r = sx_http_req_create(c);

    if (r == NULL) {
        sx_http_conn_abort(c);
        return;
    }
    take_request(c, r);
    refuse(c, r, status, why);
}

/* A head of len bytes: the number of bytes used with its body, or 0 when it has to wait. */
static size_t take_head(struct sx_http_conn *c, char *data, size_t len, size_t available)
{
    struct sx_http_req *r = sx_http_req_create(c);
    const char *why = NULL;
    int status;

    if (r == NULL) {
        sx_http_conn_abort(c);
        return available;
    }
    status = sx_http_head_parse(c->server, r, data, len, c->scan.first_line, &why);
    if (status == 0 && (r->has_body || !r->is_safe) && !sx_list_is_empty(&c->requests)) {
        sx_http_req_recycle(r);
        return 0;
    }
    take_request(c, r);
    if (status != 0) {
        refuse(c, r, status, why);
        return len;
    }
    if (is_preflight(r))
        (void)sx_http_reply(r, 204, NULL, NULL, 0);
    else
        c->server->set.ops.head(r);
    if (r->has_body)
        return len + begin_body(c, r, data + len, available - len);
    if (r->resp.status != 0)
        sx_http_complete(r);
    else
        sx_http_req_dispatch(r);
    return len;
}

static const char *head_fault(int status)
{
    return status == 414   ? "the request line is too long"
           : status == 431 ? "the header fields are too large"
           : status == 505 ? "this server speaks HTTP/1.1"
                           : "the request is not HTTP/1.1 as RFC 9112 says";
}

/* Empty lines before a request are skipped (RFC 9112 section 2.2). */
static size_t skip_empty_lines(const char *data, size_t len)
{
    size_t n = 0;

    while (n + 1 < len && data[n] == '\r' && data[n + 1] == '\n')
        n += 2;
    return n;
}

/* Behind the last request, or behind a handshake: what comes belongs to the WebSocket, waits until
 * it is one or was refused, or is thrown away.  False when requests go on. */
static bool take_final(struct sx_http_conn *c, const char *data, size_t len, size_t *at)
{
    if (c->websocket != NULL) {
        sx_http_ws_take(c->websocket, data + *at, len - *at);
        *at = len;
    } else if (!c->is_upgrading) {
        c->must_linger = true;
        *at = len;
    } else if (!sx_list_is_empty(&c->requests)) {
        c->is_stalled = true;
    } else {
        c->is_upgrading = c->is_final = false;
        return false;
    }
    return true;
}

/* Uses up what it can; the number of bytes used. */
static size_t process(struct sx_http_conn *c, char *data, size_t len)
{
    size_t at = 0;

    while (at < len && c->phase != PHASE_CLOSED && !c->is_last) {
        ptrdiff_t head;
        size_t used;

        if (c->receiving != NULL) {
            at += take_body(c, data + at, len - at);
            continue;
        }
        if (c->is_final && take_final(c, data, len, &at))
            break;
        if (data[at] == '\r' && c->scan.at == 0) {
            at += skip_empty_lines(data + at, len - at);
            if (at == len || (len - at == 1 && data[at] == '\r'))
                break;
        }
        head = sx_http_head_find(c->server, data + at, len - at, &c->scan);
        if (head == 0)
            break;
        if (!has_room(c)) {
            c->is_stalled = true;
            break;
        }
        c->scan.at = 0;
        if (head < 0) {
            refuse_head(c, (int)-head, head_fault((int)-head));
            break;
        }
        used = take_head(c, data + at, (size_t)head, len - at);
        if (used == 0) {
            c->is_stalled = true;
            break;
        }
        at += used;
    }
    return at;
}

/* What is left over stays in `in`; an empty `in` gives its memory back. */
static void keep_rest(struct sx_http_conn *c, const char *data, size_t len)
{
    if (len == 0)
        sx_buf_reset(&c->in, 0);
    else if (c->in.len > 0 && data >= c->in.data && data < c->in.data + c->in.len) {
        memmove(c->in.data, data, len);
        c->in.len = len;
    } else {
        sx_buf_add(&c->in, data, len);
        if (sx_buf_failed(&c->in))
            sx_http_conn_abort(c);
    }
}

static void run(struct sx_http_conn *c, char *data, size_t len)
{
    size_t used;

    if (c->out.data == NULL)
        sx_http_buf_borrow(c->server, &c->out);
    c->is_processing = true;
    c->is_stalled = false;
    used = process(c, data, len);
    c->is_processing = false;
    if (c->phase == PHASE_CLOSED)
        return;
    keep_rest(c, data + used, len - used);
}

void sx_http_input(struct sx_http_conn *c, char *data, size_t len)
{
    if (c->in.len == 0) {
        run(c, data, len);
        return;
    }
    sx_buf_add(&c->in, data, len);
    if (sx_buf_failed(&c->in)) {
        sx_http_conn_abort(c);
        return;
    }
    run(c, c->in.data, c->in.len);
}

void sx_http_input_resume(struct sx_http_conn *c)
{
    if (c->in.len > 0 && !c->is_last && c->receiving == NULL &&
        (c->websocket != NULL || has_room(c)))
        run(c, c->in.data, c->in.len);
}

/* Answered all the same: what came before it is on its way, and the client may still read. */
void sx_http_input_cut(struct sx_http_conn *c)
{
    struct sx_http_req *r = c->receiving;

    sx_http_unreply(r);
    refuse(c, r, 400, "the body ends before it is complete");
}

void sx_http_input_shed(struct sx_http_conn *c)
{
    struct sx_http_req *r = c->receiving;

    if (c->websocket != NULL) {
        sx_http_ws_fail(c->websocket, 1013); /* try again later */
        sx_http_conn_touch(c);
        return;
    }
    if (r == NULL && !c->is_last && !sx_list_is_empty(&c->requests)) {
        sx_http_conn_abort(c); /* it sends ahead of what it is answered */
        return;
    }
    c->must_linger = true;
    sx_buf_reset(&c->in, 0);
    c->scan.at = 0;
    if (r != NULL) {
        sx_http_unreply(r);
        refuse(c, r, 503, no_room);
    } else if (!c->is_last) {
        refuse_head(c, 503, no_room);
    }
    sx_http_conn_touch(c);
}

void sx_http_input_time_out(struct sx_http_conn *c)
{
    static const char why[] = "the request did not arrive in time";
    struct sx_http_req *r = c->receiving;

    if (r == NULL) {
        refuse_head(c, 408, why);
        return;
    }
    sx_http_unreply(r);
    refuse(c, r, 408, why);
}
