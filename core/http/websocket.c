/*
 * http/websocket.c - WebSockets (RFC 6455): a stream in both directions.
 *
 * wslay finds the frames and takes their masks off; what may follow on what, and when it ends, is
 * decided here.  Its event interface is not used: it makes room for as much as a frame announces,
 * and a close frame that comes in pieces is not checked as one that comes whole.
 * A message is gathered as it comes, under the limit and in the server's budget of bodies.
 */
#include <stdlib.h>
#include <string.h>

#include <wslay/wslay.h>

#include "base/check.h"
#include "base/error.h"
#include "base/text.h"
#include "http/field.h"
#include "http/handshake.h"
#include "http/http_private.h"

#define MAX_CONTROL_BYTES 125u /* RFC 6455, section 5.5 */

enum close_code {
    CLOSE_GOING_AWAY = 1001,
    CLOSE_PROTOCOL = 1002,
    CLOSE_NO_CODE = 1005,
    CLOSE_ABNORMAL = 1006,
    CLOSE_NOT_UTF8 = 1007,
    CLOSE_TOO_BIG = 1009,
    CLOSE_INTERNAL = 1011,
};

struct sx_http_ws {
    struct sx_http_stream *stream;
    void (*on_message)(struct sx_http_stream *s, bool is_text, struct sx_slice data, void *arg);
    wslay_frame_context_ptr frames; /* owned */
    struct sx_slice input;          /* of the read that is being taken */

    uint8_t opcode;      /* of the frame that is coming */
    bool is_in_frame;    /* part of it has come */
    bool is_final;       /* the last frame of its message */
    uint64_t frame_left; /* bytes of it that have not come */
    bool is_in_message;  /* a message has begun */
    bool is_text;        /* that message */
    struct sx_buf message;
    uint8_t control[MAX_CONTROL_BYTES];
    uint32_t n_control;

    bool has_closed;           /* a close frame was sent: nothing but the client's is waited for */
    bool is_over;              /* no frame is looked at any more */
    int code;                  /* what closed is told */
    struct sx_timeout timeout; /* the next ping, or the end of the closing handshake */
    uint64_t seen_ms;          /* when something last came */
    bool has_pinged;           /* and nothing came since */
    char accept[SX_HANDSHAKE_ACCEPT_LEN + 1];
    const char *protocol; /* in the request's arena; NULL: none */
};

/* --- Frames out ------------------------------------------------------------------- */

static ssize_t on_send(const uint8_t *data, size_t len, int flags, void *arg)
{
    (void)flags;
    (void)sx_http_stream_put(arg, data, len);
    return (ssize_t)len;
}

/* The stream has its own memory for it, so a frame is never taken in part. */
static int send_frame(struct sx_http_stream *s, enum wslay_opcode opcode, const void *data,
                      size_t len)
{
    struct wslay_frame_iocb frame = {
        .fin = 1, .opcode = (uint8_t)opcode, .payload_length = len, .data = data, .data_length = len
    };

    if (wslay_frame_send(s->ws->frames, &frame) != (ssize_t)len)
        return SX_ERR_INVALID;
    return (s->is_started ? s->req->conn->out.failed : s->early.failed) ? SX_ERR_NOMEM : 0;
}

static void send_close(struct sx_http_stream *s, int code, struct sx_slice reason)
{
    char payload[MAX_CONTROL_BYTES];

    payload[0] = (char)(code >> 8);
    payload[1] = (char)(code & 0xff);
    if (reason.len > 0)
        memcpy(payload + 2, reason.data, reason.len);
    s->ws->has_closed = true;
    s->has_ended = true; /* nothing more is taken */
    (void)send_frame(s, WSLAY_CONNECTION_CLOSE, payload, code == 0 ? 0 : 2 + reason.len);
}

int sx_http_ws_send(struct sx_http_stream *s, bool is_text, const void *data, size_t len)
{
    int err = sx_http_stream_admit(s);

    return err < 0 ? err
                   : send_frame(s, is_text ? WSLAY_TEXT_FRAME : WSLAY_BINARY_FRAME, data, len);
}

/* --- The end ---------------------------------------------------------------------- */

/* Those that may stand in a frame (RFC 6455, section 7.4, and IANA's registry). */
static bool is_close_code(int code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != CLOSE_NO_CODE &&
            code != CLOSE_ABNORMAL) ||
           (code >= 3000 && code <= 4999);
}

static void finish(struct sx_http_stream *s, int code)
{
    s->ws->is_over = true;
    s->ws->code = code;
    s->req->is_keep_alive = false;
    sx_http_stream_finish(s);
}

void sx_http_ws_fail(struct sx_http_stream *s, int code)
{
    if (s->is_dead || s->ws->is_over)
        return;
    if (!s->ws->has_closed)
        send_close(s, code, (struct sx_slice){ NULL, 0 });
    s->req->conn->must_linger = true; /* it may be sending, and shall hear why */
    finish(s, code);
}

int sx_http_ws_close(struct sx_http_stream *s, int code, struct sx_slice reason)
{
    if (s->req == NULL || s->has_ended)
        return SX_ERR_CLOSED;
    if ((code != 0 && !is_close_code(code)) || reason.len > MAX_CONTROL_BYTES - 2 ||
        !sx_is_utf8(reason.data, reason.len))
        return SX_ERR_INVALID;
    send_close(s, code, reason);
    sx_http_timeout(s->server, &s->ws->timeout, uv_now(s->server->loop) + SX_HTTP_WS_CLOSE_MS);
    return 0;
}

int sx_http_ws_code(const struct sx_http_stream *s)
{
    return s->ws->code;
}

/* Without a close frame, or behind it. */
void sx_http_ws_eof(struct sx_http_stream *s)
{
    if (!s->ws->is_over)
        finish(s, CLOSE_ABNORMAL);
}

/* --- What comes ------------------------------------------------------------------- */

static void take_close(struct sx_http_stream *s)
{
    struct sx_http_ws *ws = s->ws;
    int code = ws->n_control < 2 ? 0 : ws->control[0] << 8 | ws->control[1];

    if (ws->n_control == 1 || (ws->n_control >= 2 && !is_close_code(code))) {
        sx_http_ws_fail(s, CLOSE_PROTOCOL);
        return;
    }
    if (ws->n_control > 2 && !sx_is_utf8((const char *)ws->control + 2, ws->n_control - 2)) {
        sx_http_ws_fail(s, CLOSE_NOT_UTF8);
        return;
    }
    if (!ws->has_closed)
        send_close(s, code, (struct sx_slice){ NULL, 0 });
    finish(s, code == 0 ? CLOSE_NO_CODE : code);
}

static void take_control(struct sx_http_stream *s)
{
    struct sx_http_ws *ws = s->ws;

    if (ws->opcode == WSLAY_CONNECTION_CLOSE)
        take_close(s);
    else if (ws->opcode == WSLAY_PING && !ws->has_closed)
        (void)send_frame(s, WSLAY_PONG, ws->control, ws->n_control);
}

static void deliver(struct sx_http_stream *s, const void *data, size_t len)
{
    struct sx_http_ws *ws = s->ws;

    ws->is_in_message = false;
    if (ws->has_closed)
        ; /* nobody waits for it */
    else if (sx_buf_failed(&ws->message))
        sx_http_ws_fail(s, CLOSE_INTERNAL);
    else if (ws->is_text && !sx_is_utf8(data, len))
        sx_http_ws_fail(s, CLOSE_NOT_UTF8);
    else
        ws->on_message(s, ws->is_text, sx_slice_make(data, len), s->arg);
    sx_buf_reset(&ws->message, 0);
}

/* 0, or the code that refuses the frame. */
static int begin_frame(struct sx_http_stream *s, const struct wslay_frame_iocb *f)
{
    struct sx_http_ws *ws = s->ws;
    bool is_begin = f->opcode == WSLAY_TEXT_FRAME || f->opcode == WSLAY_BINARY_FRAME;

    if (!f->mask || f->rsv != 0 || f->opcode > WSLAY_PONG)
        return CLOSE_PROTOCOL;
    ws->is_in_frame = true;
    ws->opcode = f->opcode;
    ws->frame_left = f->payload_length;
    if (wslay_is_ctrl_frame(f->opcode)) { /* short and whole: wslay has looked */
        ws->n_control = 0;
        return 0;
    }
    if ((!is_begin && f->opcode != WSLAY_CONTINUATION_FRAME) || is_begin == ws->is_in_message)
        return CLOSE_PROTOCOL;
    if (f->payload_length > s->server->set.limits.ws_message_bytes - ws->message.len)
        return CLOSE_TOO_BIG;
    ws->is_final = f->fin;
    if (is_begin)
        ws->is_text = f->opcode == WSLAY_TEXT_FRAME;
    ws->is_in_message = true;
    return 0;
}

static void take_content(struct sx_http_stream *s, const struct wslay_frame_iocb *f)
{
    struct sx_http_ws *ws = s->ws;

    if (wslay_is_ctrl_frame(ws->opcode)) {
        memcpy(ws->control + ws->n_control, f->data, f->data_length);
        ws->n_control += (uint32_t)f->data_length;
        if (ws->frame_left == 0)
            take_control(s);
        return;
    }
    if (ws->is_final && ws->message.len == 0 && f->data_length == f->payload_length) {
        deliver(s, f->data, f->data_length); /* where it lies */
        return;
    }
    if (!ws->has_closed)
        sx_buf_add(&ws->message, f->data, f->data_length);
    if (ws->is_final && ws->frame_left == 0)
        deliver(s, ws->message.data, ws->message.len);
}

static void take_piece(struct sx_http_stream *s, const struct wslay_frame_iocb *f)
{
    struct sx_http_ws *ws = s->ws;
    int code = ws->is_in_frame ? 0 : begin_frame(s, f);

    if (code != 0) {
        sx_http_ws_fail(s, code);
        return;
    }
    ws->frame_left -= f->data_length;
    ws->is_in_frame = ws->frame_left > 0;
    take_content(s, f);
}

static ssize_t on_recv(uint8_t *to, size_t len, int flags, void *arg)
{
    struct sx_http_ws *ws = ((struct sx_http_stream *)arg)->ws;
    size_t n = ws->input.len < len ? ws->input.len : len;

    (void)flags;
    if (n > 0)
        memcpy(to, ws->input.data, n);
    ws->input = sx_slice_after(ws->input, n);
    return (ssize_t)n;
}

void sx_http_ws_take(struct sx_http_stream *s, const char *data, size_t len)
{
    struct sx_http_ws *ws = s->ws;
    struct sx_http_conn *c = s->req->conn;

    s->n_uses++;
    ws->input = sx_slice_make(data, len);
    ws->seen_ms = uv_now(s->server->loop);
    ws->has_pinged = false;
    while (!s->is_dead && !ws->is_over) {
        struct wslay_frame_iocb f = { 0 };
        ssize_t n = wslay_frame_recv(ws->frames, &f);

        if (n >= 0)
            take_piece(s, &f);
        else if (n == WSLAY_ERR_WANT_READ)
            break;
        else
            sx_http_ws_fail(s, CLOSE_PROTOCOL);
    }
    if (ws->input.len > 0)
        c->must_linger = true; /* behind its close frame: nobody reads that */
    if (c->phase != PHASE_CLOSED)
        sx_http_hold_input(c);
    sx_http_stream_unuse(s);
}

size_t sx_http_ws_memory(const struct sx_http_stream *s)
{
    return s->ws->message.cap;
}

/* --- Time ------------------------------------------------------------------------- */

/* Lazily: what came moves the time, and is looked at when it is over. */
static void on_time(struct sx_timeout *t)
{
    struct sx_http_ws *ws = SX_MEMBER_OF(t, struct sx_http_ws, timeout);
    struct sx_http_stream *s = ws->stream;
    uint64_t now_ms = uv_now(s->server->loop), ping_ms = s->server->set.limits.ws_ping_ms;

    if (!ws->has_closed && s->req->conn->is_writing) {
        ws->has_pinged = false;
        ws->seen_ms = now_ms; /* it reads slowly, so we do: write_ms and the rate judge that */
    }
    if (ws->has_closed || (ws->has_pinged && now_ms >= ws->seen_ms + ping_ms)) {
        sx_http_conn_abort(s->req->conn);
        return;
    }
    if (now_ms < ws->seen_ms + ping_ms) {
        sx_http_timeout(s->server, t, ws->seen_ms + ping_ms);
        return;
    }
    ws->has_pinged = true;
    (void)send_frame(s, WSLAY_PING, NULL, 0);
    sx_http_timeout(s->server, t, now_ms + ping_ms);
}

/* --- The beginning ---------------------------------------------------------------- */

int sx_http_ws_check(struct sx_http_req *r)
{
    const struct sx_handshake_fault *fault = sx_handshake_fault(r);

    return fault == NULL ? 0 : fault->status;
}

int sx_http_ws_refuse(struct sx_http_req *r)
{
    const struct sx_handshake_fault *fault = sx_handshake_fault(r);

    sx_check(fault != NULL);
    if (fault->status == 426) {
        sx_http_add_line(r, "Upgrade", "websocket");
        sx_http_add_line(r, "Connection", "Upgrade");
        sx_http_add_line(r, "Sec-WebSocket-Version", "13");
    }
    return sx_http_problem(r, fault->status, fault->code, "%s", fault->why);
}

static int create(struct sx_http_stream *s, const struct sx_http_ws_ops *ops)
{
    static const struct wslay_frame_callbacks callbacks = { on_send, on_recv, NULL };
    struct sx_http_ws *ws = calloc(1, sizeof *ws);

    s->ws = ws;
    if (ws == NULL || wslay_frame_context_init(&ws->frames, &callbacks, s) != 0)
        return SX_ERR_NOMEM;
    ws->stream = s;
    ws->on_message = ops->message;
    ws->code = CLOSE_ABNORMAL;
    sx_buf_init(&ws->message, s->server->set.limits.ws_message_bytes);
    sx_timeout_init(&ws->timeout, on_time);
    return 0;
}

int sx_http_ws_open(struct sx_http_req *r, const char *protocol, const struct sx_http_ws_ops *ops,
                    void *arg, struct sx_http_stream **ret_stream)
{
    struct sx_slice chosen = sx_slice_of(protocol);
    struct sx_http_stream *s;
    int err;

    if (sx_http_ws_check(r) != 0 || (protocol != NULL && !sx_field_is_token(chosen)))
        return SX_ERR_INVALID;
    err = sx_http_stream_create(r, &ops->stream, arg, &s);
    if (err < 0)
        return err;
    if (create(s, ops) < 0) {
        sx_http_stream_unuse(s);
        return SX_ERR_NOMEM;
    }
    sx_buf_init(&s->early, SIZE_MAX / 2); /* the mark limits it to what is sent at once */
    sx_handshake_accept(r, s->ws->accept);
    if (protocol != NULL && sx_handshake_offers(r, chosen))
        s->ws->protocol = sx_arena_text(&r->arena, chosen.data, chosen.len);
    r->resp.status = 101;
    r->resp.kind = SX_HTTP_BODY_STREAM;
    r->resp.stream = s;
    *ret_stream = s;
    return 0;
}

/* What a plugin or hook has set, without what is negotiated here. */
static void add_lines(struct sx_buf *to, const struct sx_buf *lines)
{
    static const char own[] = "sec-websocket-";
    struct sx_slice rest = { lines->data, lines->len };

    while (rest.len > 0) {
        struct sx_slice line = sx_slice_cut(&rest, '\n');

        if (line.len >= sizeof own && sx_text_equals_nocase(line.data, own, sizeof own - 1))
            continue;
        sx_buf_add(to, line.data, line.len);
        sx_buf_add(to, "\n", 1);
    }
}

void sx_http_ws_start(struct sx_http_stream *s)
{
    struct sx_http_req *r = s->req;
    struct sx_http_conn *c = r->conn;
    struct sx_http_ws *ws = s->ws;
    struct sx_buf *out = sx_http_stream_output(c);

    sx_buf_add_text(out, "HTTP/1.1 101 Switching Protocols\r\n");
    sx_buf_add(out, s->server->fixed, s->server->fixed_len);
    sx_buf_printf(out, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n",
                  ws->accept);
    if (ws->protocol != NULL)
        sx_buf_printf(out, "Sec-WebSocket-Protocol: %s\r\n", ws->protocol);
    add_lines(out, &r->resp.headers);
    sx_buf_add_text(out, "\r\n");
    if (sx_buf_failed(&s->early))
        out->failed = true; /* part of a frame is missing */
    (void)sx_http_stream_put(s, s->early.data, s->early.len);
    sx_buf_reset(&s->early, 0);
    c->websocket = s;
    ws->seen_ms = uv_now(s->server->loop);
    if (!ws->has_closed && s->server->set.limits.ws_ping_ms > 0)
        sx_http_timeout(s->server, &ws->timeout, ws->seen_ms + s->server->set.limits.ws_ping_ms);
}

void sx_http_ws_free(struct sx_http_stream *s)
{
    struct sx_http_ws *ws = s->ws;

    if (ws == NULL)
        return;
    sx_wheel_cancel(&s->server->wheel, &ws->timeout);
    wslay_frame_context_free(ws->frames);
    sx_buf_finish(&ws->message);
    free(ws);
}
