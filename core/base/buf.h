/*
 * base/buf.h - a growable buffer of bytes with a ceiling and a sticky error.
 *
 * A sequence of writes is checked once, at its end: after a failure (ceiling or memory)
 * every later write does nothing and sx_buf_failed() stays true until a reset.
 */
#ifndef SX_BASE_BUF_H
#define SX_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sx_buf {
    char *data; /* owned; NULL while empty */
    size_t len;
    size_t cap;
    size_t max_bytes;
    bool failed;
};

static inline void sx_buf_init(struct sx_buf *b, size_t max_bytes)
{
    *b = (struct sx_buf){ .max_bytes = max_bytes > SIZE_MAX / 2 ? SIZE_MAX / 2 : max_bytes };
}

void sx_buf_finish(struct sx_buf *b);

/* Empties it; memory above keep_bytes is given back. */
static inline void sx_buf_reset(struct sx_buf *b, size_t keep_bytes)
{
    if (b->cap >= keep_bytes && b->data != NULL)
        sx_buf_finish(b);
    b->len = 0;
    b->failed = false;
}

/* Out of line part of sx_buf_reserve. */
char *sx_buf_grow(struct sx_buf *b, size_t n);

/* Room for n more bytes at the end, or NULL; sx_buf_commit says how many were written. */
static inline char *sx_buf_reserve(struct sx_buf *b, size_t n)
{
    return b->cap - b->len > n && !b->failed ? b->data + b->len : sx_buf_grow(b, n);
}

static inline void sx_buf_commit(struct sx_buf *b, size_t n)
{
    b->len += n;
}

static inline void sx_buf_add(struct sx_buf *b, const void *data, size_t n)
{
    char *to = sx_buf_reserve(b, n);

    if (to != NULL && n > 0) {
        memcpy(to, data, n);
        b->len += n;
    }
}

static inline void sx_buf_add_text(struct sx_buf *b, const char *text)
{
    sx_buf_add(b, text, strlen(text));
}

void sx_buf_add_uint(struct sx_buf *b, uint64_t value);
void sx_buf_printf(struct sx_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* data as a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void sx_buf_add_json_text(struct sx_buf *b, const char *data, size_t len);

/* NUL-terminates without counting it; NULL when failed. */
const char *sx_buf_text(struct sx_buf *b);

static inline bool sx_buf_failed(const struct sx_buf *b)
{
    return b->failed;
}

#endif /* SX_BASE_BUF_H */
