/* base/text.c - strict parsing and small formatting; nothing here depends on the locale. */
#include "base/text.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define MAX_NUMBER_LEN 512u

int sx_parse_uint(const char *data, size_t len, uint64_t *ret_value)
{
    uint64_t value = 0;

    if (len == 0)
        return SX_ERR_INVALID;
    for (size_t i = 0; i < len; i++) {
        unsigned digit = (unsigned)(unsigned char)data[i] - '0';

        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return SX_ERR_INVALID;
        value = value * 10 + digit;
    }
    *ret_value = value;
    return 0;
}

int sx_parse_int(const char *data, size_t len, int64_t *ret_value)
{
    bool is_negative = len > 0 && data[0] == '-';
    uint64_t limit = (uint64_t)INT64_MAX + (is_negative ? 1 : 0);
    uint64_t value;

    if (sx_parse_uint(data + is_negative, len - is_negative, &value) != 0 || value > limit)
        return SX_ERR_INVALID;
    *ret_value = is_negative ? (int64_t)(0 - value) : (int64_t)value;
    return 0;
}

static size_t digits_at(const char *data, size_t len, size_t at)
{
    size_t n = 0;

    while (at + n < len && data[at + n] >= '0' && data[at + n] <= '9')
        n++;
    return n;
}

/* [ minus ] int [ frac ] [ exp ] of RFC 8259, section 6, and nothing behind it. */
static bool is_json_number(const char *data, size_t len)
{
    size_t at = len > 0 && data[0] == '-';
    size_t n = digits_at(data, len, at);

    if (n == 0 || (n > 1 && data[at] == '0'))
        return false;
    at += n;
    if (at < len && data[at] == '.') {
        n = digits_at(data, len, at + 1);
        if (n == 0)
            return false;
        at += 1 + n;
    }
    if (at < len && (data[at] == 'e' || data[at] == 'E')) {
        at++;
        at += at < len && (data[at] == '+' || data[at] == '-');
        n = digits_at(data, len, at);
        if (n == 0)
            return false;
        at += n;
    }
    return at == len;
}

int sx_parse_number(const char *data, size_t len, double *ret_value)
{
    char copy[MAX_NUMBER_LEN + 1];
    char *point;
    double value;

    if (len > MAX_NUMBER_LEN || !is_json_number(data, len))
        return SX_ERR_INVALID;
    memcpy(copy, data, len);
    copy[len] = '\0';
    /* a plugin may have called setlocale, and strtod then wants its decimal point */
    point = strchr(copy, '.');
    if (point != NULL)
        *point = localeconv()->decimal_point[0];
    value = strtod(copy, NULL);
    if (!isfinite(value))
        return SX_ERR_INVALID;
    *ret_value = value;
    return 0;
}

static unsigned count_digits(uint64_t value)
{
    unsigned n = 1;

    while (value >= 10) {
        value /= 10;
        n++;
    }
    return n;
}

size_t sx_format_uint(char *to, uint64_t value)
{
    unsigned n = count_digits(value);

    for (unsigned i = n; i > 0; i--) {
        to[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    return n;
}

static unsigned char fold_case(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool sx_text_equals_nocase(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a[i] != b[i] && fold_case(a[i]) != fold_case(b[i]))
            return false;
    }
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)fold_case(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

ptrdiff_t sx_percent_decode(char *to, const char *from, size_t len, bool plus_is_space)
{
    char *start = to;

    for (size_t i = 0; i < len; i++) {
        char c = from[i];

        if (c == '%') {
            int high = i + 2 < len ? hex_value(from[i + 1]) : -1;
            int low = i + 2 < len ? hex_value(from[i + 2]) : -1;

            if (high < 0 || low < 0)
                return SX_ERR_INVALID;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        if (c == '\0')
            return SX_ERR_INVALID;
        *to++ = c;
    }
    return to - start;
}

void sx_format_hex(char *to, const void *data, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;

    for (size_t i = 0; i < n; i++) {
        *to++ = digits[bytes[i] >> 4];
        *to++ = digits[bytes[i] & 15];
    }
}

static bool is_tail(const char *data, size_t len, size_t i)
{
    return i < len && ((unsigned char)data[i] & 0xC0) == 0x80;
}

/* Table 3-7 of the Unicode standard: no overlong form, no surrogate, nothing above U+10FFFF. */
size_t sx_utf8_length(const char *data, size_t len)
{
    unsigned char first = (unsigned char)data[0];
    unsigned char second = len > 1 ? (unsigned char)data[1] : 0;

    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4 || !is_tail(data, len, 1))
        return 0;
    if (first < 0xE0)
        return 2;
    if (!is_tail(data, len, 2) || (first == 0xE0 && second < 0xA0) ||
        (first == 0xED && second > 0x9F))
        return 0;
    if (first < 0xF0)
        return 3;
    if (!is_tail(data, len, 3) || (first == 0xF0 && second < 0x90) ||
        (first == 0xF4 && second > 0x8F))
        return 0;
    return 4;
}

#define EACH_BYTE(x) (0x0101010101010101u * (x))
#define HIGH_BITS    EACH_BYTE(0x80u)

/* Eight bytes at once: is any of them not ASCII? */
static bool has_high_bit(const char *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof(word));
    return (word & HIGH_BITS) != 0;
}

bool sx_is_utf8(const char *data, size_t len)
{
    size_t at = 0;

    while (at < len) {
        size_t n;

        if (len - at >= 8 && !has_high_bit(data + at)) {
            at += 8;
            continue;
        }
        n = sx_utf8_length(data + at, len - at);
        if (n == 0)
            return false;
        at += n;
    }
    return true;
}

/* The top bit of a byte is set when the byte is below n (at most 0x80), or, by a borrow, above
 * such a byte: exact when the answer is none. */
static uint64_t bytes_below(uint64_t word, uint64_t n)
{
    return (word - EACH_BYTE(n)) & ~word & HIGH_BITS;
}

static bool is_plain_word(const char *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof(word));
    return ((word & HIGH_BITS) | bytes_below(word, 0x20) |
            bytes_below(word ^ EACH_BYTE((unsigned char)'"'), 1) |
            bytes_below(word ^ EACH_BYTE((unsigned char)'\\'), 1)) == 0;
}

size_t sx_json_plain_length(const char *data, size_t len)
{
    size_t at = 0;

    while (at < len) {
        unsigned char c = (unsigned char)data[at];
        size_t n;

        if (len - at >= 8 && is_plain_word(data + at)) {
            at += 8;
            continue;
        }
        if (c < 0x20 || c == '"' || c == '\\')
            break;
        n = sx_utf8_length(data + at, len - at);
        if (n == 0)
            break;
        at += n;
    }
    return at;
}
