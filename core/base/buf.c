/* base/buf.c - growing by doubling, below a ceiling; always one byte of room for a NUL. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

#define LEAST_BYTES 128u

void sx_buf_finish(struct sx_buf *b)
{
    free(b->data);
    sx_buf_init(b, b->max_bytes);
}

static char *set_failed(struct sx_buf *b)
{
    b->failed = true;
    return NULL;
}

/* The memory for need bytes and a NUL: a power of two, or all that the ceiling allows. */
static size_t next_size(const struct sx_buf *b, size_t need)
{
    size_t size = b->cap == 0 ? LEAST_BYTES : b->cap + 1;

    while (size <= need) {
        if (size > b->max_bytes / 2)
            return b->max_bytes + 1;
        size *= 2;
    }
    return size > b->max_bytes ? b->max_bytes + 1 : size;
}

char *sx_buf_grow(struct sx_buf *b, size_t n)
{
    size_t size;
    char *data;

    if (b->failed || n > b->max_bytes - b->len)
        return set_failed(b);
    if (b->data != NULL && b->cap - b->len >= n)
        return b->data + b->len;
    if (n == 0)
        return NULL;

    size = next_size(b, b->len + n);
    data = realloc(b->data, size);
    if (data == NULL)
        return set_failed(b);
    b->data = data;
    b->cap = size - 1;
    return data + b->len;
}

void sx_buf_add_uint(struct sx_buf *b, uint64_t value)
{
    char digits[20];

    sx_buf_add(b, digits, sx_format_uint(digits, value));
}

void sx_buf_printf(struct sx_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    char *to;
    int len;

    va_start(ap, fmt);
    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    /* vsnprintf's NUL goes where the one of sx_buf_text would */
    to = len < 0 ? set_failed(b) : sx_buf_reserve(b, (size_t)len);
    if (to != NULL) {
        (void)vsnprintf(to, (size_t)len + 1, fmt, again);
        b->len += (size_t)len;
    }
    va_end(again);
}

/* How one byte below 0x20, '"' or '\\' is written; returns the length. */
static size_t escape_byte(char to[6], unsigned char c)
{
    static const char names[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    static const char digits[] = "0123456789abcdef";

    to[0] = '\\';
    for (size_t i = 0; i + 1 < sizeof(names); i += 2) {
        if ((unsigned char)names[i] == c) {
            to[1] = names[i + 1];
            return 2;
        }
    }
    memcpy(to + 1, "u00", 3);
    to[4] = digits[c >> 4];
    to[5] = digits[c & 15];
    return 6;
}

/* Appends what cannot stand in JSON as it is; returns the bytes of data that it took. */
static size_t add_escaped(struct sx_buf *b, const char *data)
{
    unsigned char c = (unsigned char)data[0];
    char escaped[6];

    if (c >= 0x80)
        sx_buf_add(b, "\xEF\xBF\xBD", 3);
    else
        sx_buf_add(b, escaped, escape_byte(escaped, c));
    return 1;
}

void sx_buf_add_json_text(struct sx_buf *b, const char *data, size_t len)
{
    size_t at = 0;

    sx_buf_add(b, "\"", 1);
    while (at < len && !b->failed) {
        size_t plain = sx_json_plain_length(data + at, len - at);

        sx_buf_add(b, data + at, plain);
        at += plain;
        if (at < len)
            at += add_escaped(b, data + at);
    }
    sx_buf_add(b, "\"", 1);
}

const char *sx_buf_text(struct sx_buf *b)
{
    if (b->failed)
        return NULL;
    if (b->data == NULL)
        return "";
    b->data[b->len] = '\0';
    return b->data;
}
