/*
 * frames.h - frames of a WebSocket as a client sends them, and those that came back.
 */
#ifndef SX_TEST_HTTP_FRAMES_H
#define SX_TEST_HTTP_FRAMES_H

#include "owner.h"

enum { CONT = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, FIN = 0x80 };

/* first: FIN, reserved bits and opcode; with a mask, and the length that it has or announces. */
static inline void add_frame_of(struct sx_buf *to, int first, const void *payload, size_t len,
                                uint64_t announced)
{
    static const char mask[4] = { 0x37, (char)0xfa, 0x21, 0x3d };
    unsigned char head[10] = { (unsigned char)first };
    size_t n_length = announced < 126 ? 0 : announced < 65536 ? 2 : 8;

    head[1] = (unsigned char)(0x80 | (n_length == 0 ? announced : n_length == 2 ? 126 : 127));
    for (size_t i = 0; i < n_length; i++)
        head[2 + i] = (unsigned char)(announced >> (8 * (n_length - 1 - i)));
    sx_buf_add(to, head, 2 + n_length);
    sx_buf_add(to, mask, 4);
    for (size_t i = 0; i < len; i++) {
        char byte = (char)(((const char *)payload)[i] ^ mask[i % 4]);

        sx_buf_add(to, &byte, 1);
    }
}

static inline void add_frame(struct sx_buf *to, int first, const char *text)
{
    add_frame_of(to, first, text, strlen(text), strlen(text));
}

static inline void feed_buf(struct fixture *f, struct sx_buf *b)
{
    sx_http_memory_feed(f->conn, b->data, b->len);
    sx_buf_finish(b);
    turn(f);
}

static inline void feed_frame(struct fixture *f, int first, const char *text)
{
    struct sx_buf b;

    sx_buf_init(&b, 1 << 20);
    add_frame(&b, first, text);
    feed_buf(f, &b);
}

static inline void feed_close(struct fixture *f, int code, const char *reason)
{
    char payload[125];
    struct sx_buf b;

    payload[0] = (char)(code >> 8);
    payload[1] = (char)code;
    memcpy(payload + 2, reason, strlen(reason));
    sx_buf_init(&b, 1 << 20);
    add_frame_of(&b, FIN | CLOSE, payload, 2 + strlen(reason), 2 + strlen(reason));
    feed_buf(f, &b);
}

/* A WebSocket on a new connection; what came until now is forgotten. */
static inline void open_websocket(struct fixture *f)
{
    if (!f->is_closed)
        sx_http_memory_close(f->conn);
    turn(f);
    open_conn(f);
    f->stream = NULL;
    sx_buf_reset(&f->heard, 0);
    f->ws_code = f->n_stream_closed = 0;
    feed(f, "GET /ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
    turn(f);
    assert_int_equal(count(f, "HTTP/1.1 101 "), 1);
    assert_non_null(f->stream);
    if (f->greeting == NULL)
        sx_buf_reset(&f->out, 0);
}

#define PATIENCE 2000 /* turns of 10 ms that only a fault reaches */

static inline void wait_until_closed(struct fixture *f)
{
    for (int i = 0; !f->is_closed && i < PATIENCE; i++)
        pass_ms(f, 10);
    assert_true(f->is_closed);
}

static inline void wait_for_bytes(struct fixture *f)
{
    for (int i = 0; f->out.len == 0 && i < PATIENCE; i++)
        pass_ms(f, 10);
    assert_true(f->out.len > 0);
}

/* What came is exactly this frame: short, whole, unmasked. */
static inline void assert_came(struct fixture *f, int opcode, const void *payload, size_t len)
{
    assert_int_equal(f->out.len, len + 2);
    assert_int_equal((unsigned char)f->out.data[0], FIN | opcode);
    assert_int_equal(f->out.data[1], (int)len);
    assert_memory_equal(f->out.data + 2, payload, len);
    sx_buf_reset(&f->out, 0);
}

static inline void assert_closed_with(struct fixture *f, int code)
{
    char payload[2] = { (char)(code >> 8), (char)code };

    assert_came(f, CLOSE, payload, 2);
}

#endif
