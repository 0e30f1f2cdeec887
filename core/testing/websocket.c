/*
 * testing/websocket.c - the client's end of a WebSocket: frames behind the answer 101.
 *
 * Strict as answer.c: a server sends its frames whole, unmasked and without reserved bits.
 */
#include "base/text.h"
#include "testing/testing_private.h"

enum { TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

#define MAX_SHOWN 2000

struct frame {
    int opcode;
    const char *data; /* in the answer's body */
    size_t len, size; /* of the payload, and with its head */
};

/* --- Opening ---------------------------------------------------------------------------------- */

static bool is_named(const sx_test_request *req, const char *name)
{
    for (const char *const *h = req->headers; h != NULL && h[0] != NULL; h += 2)
        if (sx_slice_is_nocase(sx_slice_of(h[0]), name))
            return true;
    return false;
}

/* Those of the test, and of the handshake what it does not name itself. */
static const char *const *add_headers(struct sx_arena *a, const sx_test_request *req)
{
    static const char *const ours[] = { "Upgrade",
                                        "websocket",
                                        "Connection",
                                        "Upgrade",
                                        "Sec-WebSocket-Version",
                                        "13",
                                        "Sec-WebSocket-Key",
                                        "dGhlIHNhbXBsZSBub25jZQ==" };
    const size_t n_ours = sizeof ours / sizeof *ours;
    size_t n = 0;
    const char **all;

    while (req->headers != NULL && req->headers[n] != NULL)
        n++;
    all = sx_arena_alloc(a, (n + n_ours + 1) * sizeof *all);
    if (all == NULL)
        return req->headers;
    if (n > 0)
        memcpy(all, req->headers, n * sizeof *all);
    for (size_t i = 0; i < n_ours; i += 2) {
        if (is_named(req, ours[i]))
            continue;
        all[n++] = ours[i];
        all[n++] = ours[i + 1];
    }
    all[n] = NULL;
    return all;
}

const sx_answer *sx_test_ws_open_at(sx_test *t, const sx_test_request *req, const char *file,
                                    int line)
{
    sx_test_request with = *req;

    with.headers = add_headers(&t->server->arena, req);
    return sx_expect_status_at(&sxt_exchange_open(t, &with, file, line)->face, 101, file, line);
}

/* --- Sending ---------------------------------------------------------------------------------- */

static void send_frame(struct sxt_answer *a, int opcode, const char *data, size_t len)
{
    static const char mask[4] = { 0x5a, 0x17, 0x2b, 0x71 };
    struct sx_buf b;
    char head[10];
    size_t n = len < 126 ? 0 : len < 65536 ? 2 : 8;

    if (a->conn == NULL)
        return; /* the server has left; what is expected next tells */
    head[0] = (char)(0x80 | opcode);
    head[1] = (char)(0x80 | (n == 0 ? (int)len : n == 2 ? 126 : 127));
    for (size_t i = 0; i < n; i++)
        head[2 + i] = (char)(len >> (8 * (n - 1 - i)));
    sx_buf_init(&b, SIZE_MAX / 2);
    sx_buf_add(&b, head, 2 + n);
    sx_buf_add(&b, mask, 4);
    for (size_t i = 0; i < len; i++) {
        char byte = (char)(data[i] ^ mask[i % 4]);

        sx_buf_add(&b, &byte, 1);
    }
    if (!sx_buf_failed(&b))
        sx_http_memory_feed(a->conn, b.data, b.len);
    sx_buf_finish(&b);
}

void sx_test_ws_send(const sx_answer *a, const char *text)
{
    send_frame(sxt_answer_of(a), TEXT, text, strlen(text));
}

void sx_test_ws_send_bytes(const sx_answer *a, const void *data, size_t len)
{
    send_frame(sxt_answer_of(a), BINARY, data, len);
}

static void send_close(struct sxt_answer *a, int code)
{
    const char payload[2] = { (char)(code >> 8), (char)code };

    a->has_closed = true;
    send_frame(a, CLOSE, payload, code == 0 ? 0 : 2);
}

void sx_test_ws_close(const sx_answer *a, int code)
{
    send_close(sxt_answer_of(a), code);
}

/* --- What comes ------------------------------------------------------------------------------- */

/* False when it has not come whole. */
static bool find_frame(const struct sxt_answer *a, struct frame *ret)
{
    const unsigned char *at = (const unsigned char *)a->face.body + a->event_at;
    size_t have = a->body.len - a->event_at, n, len;

    if (have < 2)
        return false;
    n = at[1] < 126 ? 0 : at[1] == 126 ? 2 : 8;
    if (have < 2 + n)
        return false;
    len = n == 0 ? at[1] : 0;
    for (size_t i = 0; i < n; i++)
        len = len << 8 | at[2 + i];
    *ret = (struct frame){ at[0], (const char *)at + 2 + n, len, 2 + n + len };
    return have - 2 - n >= len;
}

static bool has_frame(const void *arg)
{
    struct frame f;

    return find_frame(arg, &f) || sxt_answer_is_over(arg);
}

static bool has_left(const void *arg)
{
    return ((const struct sxt_answer *)arg)->conn == NULL;
}

/* The next one that is no ping; opcode -1 when the connection has ended instead. */
static struct frame next_frame(struct sxt_answer *a, const char *file, int line)
{
    struct frame f;

    do {
        sxt_exchange_wait(a, has_frame, file, line);
        if (!find_frame(a, &f))
            return (struct frame){ .opcode = -1 };
        if ((f.opcode & 0xf0) != 0x80)
            sxt_fail(file, line, "%s: a frame is a fragment or has reserved bits: 0x%x", a->request,
                     (unsigned)f.opcode);
        f.opcode &= 15;
        a->event_at += f.size;
        if (f.opcode == PING)
            send_frame(a, PONG, f.data, f.len);
    } while (f.opcode == PING);
    return f;
}

/* Puts it back: whoever asks next gets the close. */
static void unread(struct sxt_answer *a, const struct frame *f)
{
    a->event_at -= f->size;
}

const sx_test_message *sx_test_ws_next_at(const sx_answer *answer, const char *file, int line)
{
    struct sxt_answer *a = sxt_answer_of(answer);
    struct sx_arena *arena = &a->client->server->arena;
    struct frame f = next_frame(a, file, line);
    sx_test_message *m;

    if (f.opcode == -1)
        return NULL;
    if (f.opcode == CLOSE) {
        unread(a, &f);
        return NULL;
    }
    if (f.opcode != TEXT && f.opcode != BINARY)
        sxt_fail(file, line, "%s: a frame has the opcode %d", a->request, f.opcode);
    if (f.opcode == TEXT && !sx_is_utf8(f.data, f.len))
        sxt_fail(file, line, "%s: a message of text is no UTF-8", a->request);
    m = sx_arena_zalloc(arena, sizeof *m);
    if (m != NULL)
        *m = (sx_test_message){ f.opcode == TEXT, sx_arena_text(arena, f.data, f.len), f.len };
    return m;
}

/* --- Expectations ----------------------------------------------------------------------------- */

static const sx_test_message *expect_text(const sx_answer *a, const char *file, int line,
                                          const char *expected)
{
    const sx_test_message *m = sx_test_ws_next_at(a, file, line);

    if (m == NULL)
        sxt_fail(file, line, "%s: closed, expected this message:\n%.*s", sxt_answer_of(a)->request,
                 MAX_SHOWN, expected);
    if (!m->is_text)
        sxt_fail(file, line, "%s: a binary message of %zu bytes, expected this text:\n%.*s",
                 sxt_answer_of(a)->request, m->len, MAX_SHOWN, expected);
    return m;
}

void sx_expect_message_at(const sx_answer *a, const char *text, const char *file, int line)
{
    const sx_test_message *m = expect_text(a, file, line, text);

    if (m->len != strlen(text) || memcmp(m->data, text, m->len) != 0)
        sxt_fail(file, line, "%s\n  expected this message:\n%.*s\n  found:\n%.*s",
                 sxt_answer_of(a)->request, MAX_SHOWN, text, MAX_SHOWN, m->data);
}

void sx_expect_message_json_at(const sx_answer *a, const char *json, const char *file, int line)
{
    const sx_test_message *m = expect_text(a, file, line, json);

    sxt_expect_same_json(a, json, m->data, m->len, file, line);
}

void sx_expect_closed_at(const sx_answer *answer, int code, const char *file, int line)
{
    struct sxt_answer *a = sxt_answer_of(answer);
    struct frame f = next_frame(a, file, line);
    const unsigned char *data = (const unsigned char *)f.data;
    int found = f.opcode == -1 || f.len < 2 ? 0 : data[0] << 8 | data[1];

    if (f.opcode == -1)
        sxt_fail(file, line, "%s: the connection ended without a close frame, expected %d",
                 a->request, code);
    if (f.opcode != CLOSE)
        sxt_fail(file, line, "%s: expected to be closed with %d, found a message:\n%.*s",
                 a->request, code, (int)(f.len > MAX_SHOWN ? MAX_SHOWN : f.len), f.data);
    if (found != code)
        sxt_fail(file, line, "%s: expected to be closed with %d, found %d", a->request, code,
                 found);
    if (!a->has_closed)
        send_close(a, found);
    sxt_exchange_wait(a, has_left, file, line);
}
