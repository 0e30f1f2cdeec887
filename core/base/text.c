/* base/text.c - strict parsing and small formatting; nothing here depends on the locale. */
#include "base/text.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define MAX_NUMBER_LEN 512u
#define EACH_BYTE(x)   (0x0101010101010101u * (x))

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

const char sx_digit_pairs[] = "00010203040506070809101112131415161718192021222324"
                              "25262728293031323334353637383940414243444546474849"
                              "50515253545556575859606162636465666768697071727374"
                              "75767778798081828384858687888990919293949596979899";

static size_t count_digits(uint64_t value)
{
    size_t n = 1;

    for (; value >= 1000; value /= 1000)
        n += 3;
    return n + (value >= 10) + (value >= 100);
}

size_t sx_format_uint(char *to, uint64_t value)
{
    size_t n;

    if (value < 10) {
        to[0] = (char)('0' + value);
        return 1;
    }
    if (value < 100) {
        memcpy(to, sx_digit_pairs + value * 2, 2);
        return 2;
    }
    n = count_digits(value);
    sx_format_digits(to, value, n);
    return n;
}

static unsigned char fold_case(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* Do two words differ in nothing but the case of letters? */
static bool are_same_words(uint64_t a, uint64_t b)
{
    uint64_t diff = a ^ b;
    uint64_t lower = (a | EACH_BYTE(0x20)) & EACH_BYTE(0x7f);
    uint64_t from_a = lower + EACH_BYTE(0x80 - 'a');  /* the high bit: 'a' or above */
    uint64_t above_z = lower + EACH_BYTE(0x7f - 'z'); /* the high bit: above 'z' */
    uint64_t letters = from_a & ~above_z & ~a & EACH_BYTE(0x80);

    return (diff & ~EACH_BYTE(0x20)) == 0 && (diff << 2 & ~letters) == 0;
}

static uint64_t load_eight(const char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return word;
}

/* Four to seven bytes; what is read twice does no harm. */
static uint64_t load_short(const char *at, size_t n)
{
    uint32_t first, last;

    memcpy(&first, at, sizeof(first));
    memcpy(&last, at + n - sizeof(last), sizeof(last));
    return (uint64_t)last << 32 | first;
}

/* By words, the last two of which may overlap. */
bool sx_text_equals_nocase(const char *a, const char *b, size_t n)
{
    if (n >= 8) {
        for (size_t i = 0; n - i > 8; i += 8) {
            if (!are_same_words(load_eight(a + i), load_eight(b + i)))
                return false;
        }
        return are_same_words(load_eight(a + n - 8), load_eight(b + n - 8));
    }
    if (n >= 4)
        return are_same_words(load_short(a, n), load_short(b, n));
    for (size_t i = 0; i < n; i++) {
        if (fold_case(a[i]) != fold_case(b[i]))
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

#define HIGH_BITS EACH_BYTE(0x80u)

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

size_t sx_utf8_cut(const char *data, size_t len, size_t max)
{
    size_t cut = max;

    if (len <= max)
        return len;
    while (cut > 0 && max - cut < 3 && ((unsigned char)data[cut] & 0xC0) == 0x80)
        cut--;
    return cut;
}

/* Sixteen bytes at once; the compiler makes vector instructions of it. */
typedef unsigned char byte_vector __attribute__((vector_size(16)));
typedef uint64_t half_vector __attribute__((vector_size(16)));

static byte_vector load_vector(const char *data)
{
    byte_vector v;

    memcpy(&v, data, sizeof(v));
    return v;
}

static bool is_plain_vector(byte_vector v)
{
    half_vector special = (half_vector)((v < 0x20) | (v >= 0x80) | (v == '"') | (v == '\\'));

    return (special[0] | special[1]) == 0;
}

static bool is_plain_byte(char c)
{
    unsigned char u = (unsigned char)c;

    return u >= 0x20 && u < 0x80 && u != '"' && u != '\\';
}

size_t sx_json_plain_length(const char *data, size_t len)
{
    size_t at = 0;

    while (at < len) {
        unsigned char c = (unsigned char)data[at];
        size_t n;

        if (len - at >= 16 && is_plain_vector(load_vector(data + at))) {
            at += 16;
            continue;
        }
        n = is_plain_byte(data[at]) ? 1 : c < 0x80 ? 0 : sx_utf8_length(data + at, len - at);
        if (n == 0)
            break;
        at += n;
    }
    return at;
}

/* The last step overlaps the one before it. */
static bool copy_plain_vectors(char *to, const char *data, size_t len)
{
    byte_vector v;

    for (size_t at = 0; len - at > sizeof(v); at += sizeof(v)) {
        v = load_vector(data + at);
        if (!is_plain_vector(v))
            return false;
        memcpy(to + at, &v, sizeof(v));
    }
    v = load_vector(data + len - sizeof(v));
    memcpy(to + len - sizeof(v), &v, sizeof(v));
    return is_plain_vector(v);
}

static bool copy_plain_halves(char *to, const char *data, size_t len)
{
    half_vector v;
    uint64_t first, last;

    memcpy(&first, data, sizeof(first));
    memcpy(&last, data + len - sizeof(last), sizeof(last));
    memcpy(to, &first, sizeof(first));
    memcpy(to + len - sizeof(last), &last, sizeof(last));
    v = (half_vector){ first, last };
    return is_plain_vector((byte_vector)v);
}

bool sx_json_copy_plain(char *to, const char *data, size_t len)
{
    if (len >= 16)
        return copy_plain_vectors(to, data, len);
    if (len >= 8)
        return copy_plain_halves(to, data, len);
    for (size_t i = 0; i < len; i++) {
        if (!is_plain_byte(data[i]))
            return false;
        to[i] = data[i];
    }
    return true;
}
