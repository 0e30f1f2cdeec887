/*
 * ws.c - frames of a WebSocket, cut where the input says, against a reading of all bytes at once.
 *
 * The first line is "SIZES CLOSES": the sizes of the pieces as letters, 'a' for one byte, and a
 * digit: behind so many messages the owner closes with 4000; none: it does not.  What is behind it
 * is what the client sends when the handshake is over.
 */
#include <uv.h>

#include "base/buf.h"
#include "base/error.h"
#include "fuzz.h"
#include "http/http.h"

#define MESSAGE_BYTES 700u

static const char handshake[] =
    "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/* What there is to compare. */
struct heard {
    struct sx_buf messages; /* each with its kind and length */
    struct sx_buf sent;     /* frames of the server */
    int n_messages, code;   /* code 0: still open */
};

static void begin(struct heard *h)
{
    *h = (struct heard){ 0 };
    sx_buf_init(&h->messages, 1u << 24);
    sx_buf_init(&h->sent, 1u << 24);
}

static void end(struct heard *h)
{
    sx_buf_finish(&h->messages);
    sx_buf_finish(&h->sent);
}

static void add_message(struct heard *h, bool is_text, const char *data, size_t len)
{
    sx_buf_printf(&h->messages, "%s %zu:", is_text ? "text" : "bytes", len);
    sx_buf_add(&h->messages, data, len);
    h->n_messages++;
}

static void add_sent(struct heard *h, int opcode, const void *data, size_t len)
{
    const char head[2] = { (char)(0x80 | opcode), (char)len };

    sx_buf_add(&h->sent, head, 2);
    sx_buf_add(&h->sent, data, len);
}

/* --- The server ----------------------------------------------------------------------- */

struct run {
    struct heard heard;
    uv_loop_t loop;
    struct sx_http_server *server;
    struct sx_http_conn *conn; /* NULL: closed */
    struct sx_http_stream *stream;
    int closes_behind; /* -1: never */
    int n_closed;
    bool has_head; /* the answer to the handshake has gone by */
};

static void on_message(struct sx_http_stream *s, bool is_text, struct sx_slice data, void *arg)
{
    struct run *r = arg;

    fuzz_check(r->n_closed == 0, "a message behind the end");
    add_message(&r->heard, is_text, data.data, data.len);
    if (r->heard.n_messages == r->closes_behind)
        fuzz_check(sx_http_ws_close(s, 4000, sx_slice_of("")) == 0, "cannot close");
}

static void on_closed(struct sx_http_stream *s, void *arg)
{
    struct run *r = arg;

    r->n_closed++;
    r->heard.code = sx_http_ws_code(s);
    r->stream = NULL;
}

static void on_handle(struct sx_http_req *req)
{
    static const struct sx_http_ws_ops ops = { { NULL, on_closed }, on_message };
    struct run *r = sx_http_server_arg(req->server);

    fuzz_check(sx_http_ws_open(req, NULL, &ops, r, &r->stream) == 0, "no WebSocket");
    sx_http_complete(req);
}

static void ignore(struct sx_http_req *req)
{
    (void)req;
}

static void ignore_expired(struct sx_http_req *req, struct sx_http_req *stand_in)
{
    (void)req;
    (void)stand_in;
}

static void sink(void *arg, const char *data, size_t len)
{
    struct run *r = arg;

    if (data == NULL) {
        r->conn = NULL;
        return;
    }
    if (!r->has_head) {
        fuzz_check(len > 12 && memcmp(data, "HTTP/1.1 101", 12) == 0, "refused");
        r->has_head = true;
        return;
    }
    sx_buf_add(&r->heard.sent, data, len);
}

static void open_run(struct run *r, int closes_behind)
{
    struct sx_http_settings set = {
        .loop = &r->loop,
        .limits = { .request_line_bytes = 256,
                    .header_bytes = 512,
                    .header_count = 12,
                    .body_bytes = 100,
                    .response_bytes = 60000,
                    .pipelined = 4,
                    .unread_bytes = 1u << 20,
                    .connections = 10,
                    .buffered_bytes = 1u << 20,
                    .header_ms = 60000,
                    .body_ms = 60000,
                    .idle_ms = 60000,
                    .write_ms = 60000,
                    .request_ms = 60000,
                    .ws_message_bytes = MESSAGE_BYTES },
        .ops = { ignore, on_handle, ignore, ignore_expired, ignore, r },
    };

    *r = (struct run){ .closes_behind = closes_behind };
    begin(&r->heard);
    fuzz_check(uv_loop_init(&r->loop) == 0 && sx_http_server_create(&set, &r->server) == 0 &&
                   sx_http_memory_open(r->server, sink, r, &r->conn) == 0,
               "no server");
    sx_http_memory_feed(r->conn, handshake, sizeof handshake - 1);
    fuzz_check(r->has_head && r->stream != NULL, "not open");
}

static void feed(struct run *r, struct sx_slice data, struct sx_slice sizes)
{
    for (size_t i = 0; data.len > 0 && r->conn != NULL; i++) {
        size_t n = sizes.len == 0 ? data.len : (size_t)(sizes.data[i % sizes.len] & 31) + 1;
        char *piece;

        n = n < data.len ? n : data.len;
        piece = fuzz_bytes(sx_slice_make(data.data, n));
        sx_http_memory_feed(r->conn, piece, n);
        free(piece);
        data = sx_slice_after(data, n);
    }
    (void)uv_run(&r->loop, UV_RUN_NOWAIT);
}

static void close_run(struct run *r)
{
    bool was_open = r->conn != NULL;

    fuzz_check(r->n_closed == (was_open ? 0 : 1), "closed %d times", r->n_closed);
    sx_http_server_close(r->server, NULL, NULL);
    (void)uv_run(&r->loop, UV_RUN_DEFAULT);
    fuzz_check(r->n_closed == 1, "closed %d times in the end", r->n_closed);
    fuzz_check(!was_open || r->heard.code == 1006, "%d for one that was cut", r->heard.code);
    if (was_open)
        r->heard.code = 0;
    fuzz_check(uv_loop_close(&r->loop) == 0, "something is left in the loop");
}

/* --- The naive reading ---------------------------------------------------------------- */

struct reading {
    struct heard *heard;
    struct sx_slice left;
    int closes_behind;
    bool has_closed, is_over, is_in_message, is_text;
    struct sx_buf message;
};

struct frame {
    bool fin, has_mask;
    int rsv, opcode;
    uint64_t len;
    size_t head; /* 0: not whole */
    bool is_malformed;
};

/* As the bytes have it, with what RFC 6455 section 5.2 and 5.5 say of lengths. */
static struct frame read_head(struct sx_slice s)
{
    const unsigned char *b = (const unsigned char *)s.data;
    struct frame f = { 0 };
    size_t n_length;

    if (s.len < 2)
        return f;
    f = (struct frame){ .fin = b[0] >> 7,
                        .has_mask = b[1] >> 7,
                        .rsv = b[0] >> 4 & 7,
                        .opcode = b[0] & 15,
                        .len = b[1] & 127 };
    f.is_malformed = f.opcode >= 8 && (!f.fin || f.len > 125);
    n_length = f.len == 126 ? 2 : f.len == 127 ? 8 : 0;
    if (f.is_malformed || s.len < 2 + n_length)
        return f;
    if (n_length > 0)
        f.len = 0;
    for (size_t i = 0; i < n_length; i++)
        f.len = f.len << 8 | b[2 + i];
    f.is_malformed = (n_length == 2 && f.len < 126) ||
                     (n_length == 8 && (f.len < 65536 || f.len >> 63 != 0));
    f.head = 2 + n_length + (f.has_mask ? 4 : 0);
    if (!f.is_malformed && s.len < f.head)
        f.head = 0;
    return f;
}

/* By the table of RFC 3629. */
static bool naive_utf8(const unsigned char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t c = s[i];
        size_t more = c < 0x80 ? 0 : c < 0xc0 ? 9 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf8 ? 3 : 9;
        static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };

        if (more == 9 || i + more >= n)
            return false;
        c &= more == 0 ? 0x7fu : 0x3fu >> more;
        for (size_t k = 1; k <= more; k++) {
            if ((s[i + k] & 0xc0) != 0x80)
                return false;
            c = c << 6 | (s[i + k] & 0x3fu);
        }
        if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
            return false;
        i += more + 1;
    }
    return true;
}

static void fail(struct reading *r, int code)
{
    const char payload[2] = { (char)(code >> 8), (char)code };

    if (!r->has_closed)
        add_sent(r->heard, 8, payload, 2);
    r->heard->code = code;
    r->is_over = true;
}

static void read_close(struct reading *r, const unsigned char *p, size_t len)
{
    int code = len < 2 ? 0 : p[0] << 8 | p[1];
    bool is_code = (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
                   (code >= 3000 && code < 5000);

    if (len == 1 || (len >= 2 && !is_code)) {
        fail(r, 1002);
    } else if (len > 2 && !naive_utf8(p + 2, len - 2)) {
        fail(r, 1007);
    } else {
        if (!r->has_closed)
            add_sent(r->heard, 8, p, len < 2 ? 0 : 2);
        r->heard->code = len == 0 ? 1005 : code;
        r->is_over = true;
    }
}

static void read_message_end(struct reading *r)
{
    static const char payload[2] = { (char)(4000 >> 8), (char)(4000 & 0xff) };

    r->is_in_message = false;
    if (r->has_closed)
        return;
    if (r->is_text && !naive_utf8((const unsigned char *)r->message.data, r->message.len)) {
        fail(r, 1007);
        return;
    }
    add_message(r->heard, r->is_text, r->message.data, r->message.len);
    if (r->heard->n_messages == r->closes_behind) {
        add_sent(r->heard, 8, payload, 2);
        r->has_closed = true;
    }
    sx_buf_reset(&r->message, SIZE_MAX);
}

/* 0, or the code that refuses it. */
static int judge(const struct reading *r, const struct frame *f)
{
    bool begins = f->opcode == 1 || f->opcode == 2;

    if (!f->has_mask || f->rsv != 0 || (f->opcode > 2 && f->opcode < 8) || f->opcode > 10)
        return 1002;
    if (f->opcode >= 8)
        return 0;
    if (begins == r->is_in_message)
        return 1002;
    /* What comes behind our own close is not kept, so nothing of it counts as kept. */
    return f->len > MESSAGE_BYTES - r->message.len ? 1009 : 0;
}

/* False when no more frames are to be read. */
static bool read_frame(struct reading *r)
{
    struct frame f = read_head(r->left);
    unsigned char payload[MESSAGE_BYTES];
    const char *mask = r->left.data + f.head - 4;
    size_t have, n;
    int code;

    if (f.is_malformed) {
        fail(r, 1002);
        return false;
    }
    if (f.head == 0 || (f.len > 0 && r->left.len == f.head))
        return false; /* the rest of it has not come */
    code = judge(r, &f);
    if (code != 0) {
        fail(r, code);
        return false;
    }
    have = r->left.len - f.head;
    n = f.len < have ? (size_t)f.len : have;
    for (size_t i = 0; i < n; i++)
        payload[i] = (unsigned char)(r->left.data[f.head + i] ^ mask[i % 4]);
    if (f.len > have)
        return false;
    r->left = sx_slice_after(r->left, f.head + n);
    if (f.opcode == 8) {
        read_close(r, payload, n);
    } else if (f.opcode == 9 && !r->has_closed) {
        add_sent(r->heard, 10, payload, n);
    } else if (f.opcode < 8) {
        if (f.opcode != 0)
            r->is_text = f.opcode == 1;
        r->is_in_message = true;
        if (!r->has_closed)
            sx_buf_add(&r->message, payload, n);
        if (f.fin)
            read_message_end(r);
    }
    return !r->is_over;
}

static void read_all(struct heard *h, struct sx_slice data, int closes_behind)
{
    struct reading r = { .heard = h, .left = data, .closes_behind = closes_behind };

    sx_buf_init(&r.message, 1u << 20);
    while (read_frame(&r))
        continue;
    sx_buf_finish(&r.message);
}

/* --- One input ------------------------------------------------------------------------ */

static void compare(const struct heard *a, const struct heard *b, const char *what)
{
    fuzz_check(a->code == b->code, "%s: code %d, not %d", what, a->code, b->code);
    fuzz_check(a->n_messages == b->n_messages && a->messages.len == b->messages.len &&
                   (a->messages.len == 0 ||
                    memcmp(a->messages.data, b->messages.data, a->messages.len) == 0),
               "%s: %d messages, not %d, or others", what, a->n_messages, b->n_messages);
    fuzz_check(a->sent.len == b->sent.len &&
                   (a->sent.len == 0 || memcmp(a->sent.data, b->sent.data, a->sent.len) == 0),
               "%s: other frames were sent", what);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sx_slice frames = fuzz_input(data, len), sizes = fuzz_line(&frames);
    struct sx_slice closes = sizes;
    struct run whole, pieces;
    struct heard naive;
    int closes_behind;

    if (frames.data == NULL)
        return -1;
    sizes = sx_slice_cut(&closes, ' ');
    closes_behind = closes.len > 0 && closes.data[0] >= '1' && closes.data[0] <= '9'
                        ? closes.data[0] - '0'
                        : -1;
    open_run(&whole, closes_behind);
    feed(&whole, frames, sx_slice_of(""));
    close_run(&whole);
    open_run(&pieces, closes_behind);
    feed(&pieces, frames, sizes);
    close_run(&pieces);
    begin(&naive);
    read_all(&naive, frames, closes_behind);
    compare(&whole.heard, &pieces.heard, "in pieces");
    compare(&whole.heard, &naive, "a naive reading");
    end(&whole.heard);
    end(&pieces.heard);
    end(&naive);
    return 0;
}
