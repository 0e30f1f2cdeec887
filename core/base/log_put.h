/*
 * base/log_put.h - the pieces of a line: literals, numbers and text that may be hostile; only
 * for the files of log.
 */
#ifndef SX_BASE_LOG_PUT_H
#define SX_BASE_LOG_PUT_H

#include <string.h>

#include "base/log_line.h"
#include "base/text.h"

/* The caller knows that it fits. */
static inline void log_put(struct log_line *to, const char *data, size_t len)
{
    memcpy(to->data + to->len, data, len);
    to->len += len;
}

#define LOG_PUT(to, literal) log_put((to), literal, sizeof(literal) - 1)

static inline void log_put_uint(struct log_line *to, uint64_t value)
{
    to->len += sx_format_uint(to->data + to->len, value);
}

/* Exactly n digits, with zeros in front. */
static inline void log_put_digits(struct log_line *to, uint64_t value, size_t n)
{
    sx_format_digits(to->data + to->len, value, n);
    to->len += n;
}

void log_put_int(struct log_line *to, int64_t value);
/* A JSON number; null for what is none. */
void log_put_double(struct log_line *to, double value);

/* Out of line part of log_put_json. */
void log_put_escaped(struct log_line *to, const char *text, size_t len, size_t max);

/* What stands between the quotes of a JSON string, cut at max bytes of output.  Most texts are
 * short and need no escape: one pass. */
static inline void log_put_json(struct log_line *to, const char *text, size_t max)
{
    size_t len = strlen(text);

    if (len + 6 <= max && sx_json_copy_plain(to->data + to->len, text, len))
        to->len += len;
    else
        log_put_escaped(to, text, len, max);
}
/* Text for a person, cut at max bytes: what could move a cursor or end the line is shown as
 * an escape. */
void log_put_plain(struct log_line *to, const char *text, size_t max);
/* The same, in quotes when it has spaces or quotes, or is empty. */
void log_put_value(struct log_line *to, const char *text, size_t max);

#endif /* SX_BASE_LOG_PUT_H */
