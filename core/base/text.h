/*
 * base/text.h - strict parsing and small formatting of text; no locale, no allocation.
 */
#ifndef SX_BASE_TEXT_H
#define SX_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Decimal digits only, with one leading '-' for the signed form; no '+', no spaces, no
 * overflow, nothing behind it.  SX_ERR_INVALID otherwise. */
int sx_parse_int(const char *data, size_t len, int64_t *ret_value);
int sx_parse_uint(const char *data, size_t len, uint64_t *ret_value);
/* A JSON number (RFC 8259, section 6), finite. */
int sx_parse_number(const char *data, size_t len, double *ret_value);

/* Writes the decimal digits, returns their number (at most 20); no NUL. */
size_t sx_format_uint(char *to, uint64_t value);

/* "00" to "99", one after the other. */
extern const char sx_digit_pairs[201];

/* The last n decimal digits, with zeros in front; no NUL. */
static inline void sx_format_digits(char *to, uint64_t value, size_t n)
{
    for (; n >= 2; n -= 2) {
        memcpy(to + n - 2, sx_digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (n == 1)
        to[0] = (char)('0' + value % 10);
}

/* ASCII case folded comparison of n bytes. */
bool sx_text_equals_nocase(const char *a, const char *b, size_t n);

/* %XX decoding; plus_is_space for queries and forms.  to may equal from.  Returns the
 * length, or SX_ERR_INVALID at a bad escape or a NUL. */
ptrdiff_t sx_percent_decode(char *to, const char *from, size_t len, bool plus_is_space);

/* 2 * n lower-case hexadecimal digits; no NUL. */
void sx_format_hex(char *to, const void *data, size_t n);

bool sx_is_utf8(const char *data, size_t len);

/* Length of the well-formed UTF-8 sequence at the start (1 to 4), or 0; len is at least 1. */
size_t sx_utf8_length(const char *data, size_t len);

/* The longest start of at most max bytes that does not end within a character. */
size_t sx_utf8_cut(const char *data, size_t len, size_t max);

/* How many of the first bytes can stand in a JSON string as they are: well-formed UTF-8
 * without quotes, backslashes and control characters. */
size_t sx_json_plain_length(const char *data, size_t len);

/* Copies all of it when it is ASCII that can stand in a JSON string as it is; else false, and
 * any of the len bytes at to may have changed. */
bool sx_json_copy_plain(char *to, const char *data, size_t len);

#endif /* SX_BASE_TEXT_H */
