/*
 * sx/json.h - JSON written straight into the response.
 *
 *     sx_json_writer w = sx_json_begin(r);
 *
 *     sx_json_object(&w);
 *     sx_json_text(sx_json_key(&w, "message"), "Hello, World!");
 *     sx_json_int(sx_json_key(&w, "count"), 3);
 *     sx_json_end(&w);
 *     return sx_json_reply(&w, 200);
 *
 * Commas and escapes come by themselves.  Nothing is allocated and nothing is checked in
 * between: the first failure sticks, later calls do nothing, and sx_json_reply returns it,
 * upon which the host drops what was written and answers 500.  What the writer refuses
 * (SX_EINVAL) it also logs for the author: a value without a key, an end too many or too
 * few, NaN and the infinities, more than SX_JSON_MAX_DEPTH open at once.
 *
 * Syntax and escapes: RFC 8259.  A writer lives on the stack of one handler or callback;
 * its request is borrowed.  [any]
 */
#ifndef SX_JSON_H
#define SX_JSON_H

#include <stdio.h>

#include <sx/plugin.h>
#include <sx/write.h>

#define SX_JSON_MAX_DEPTH 64

/* Its members are for this file. */
typedef struct sx_json_writer {
    sx_writer out;
    uint64_t objects; /* a bit for each open level, the innermost lowest: 1 an object */
    uint32_t depth;   /* open levels */
    bool has_item;    /* something stands before the next item of this level */
    bool has_key;     /* a key waits for its value */
} sx_json_writer;

static inline sx_json_writer sx_json_begin(sx_req *r)
{
    return (sx_json_writer){ .out = sx_write_begin(r) };
}

/* --- What the functions below share --------------------------------------- */

static inline void sx_json_refuse(sx_json_writer *w, const char *why)
{
    if (w->out.err == SX_OK)
        sx_req_log(w->out.r, SX_ERROR, "json: %s", why);
    sx_write_fail(&w->out, SX_EINVAL);
}

static inline bool sx_json_in_object(const sx_json_writer *w)
{
    return w->depth > 0 && (w->objects & 1) != 0;
}

/* Whether a value may stand here; then what belongs before it is written. */
static inline bool sx_json_value_begins(sx_json_writer *w)
{
    if (sx_json_in_object(w) && !w->has_key)
        sx_json_refuse(w, "a value of an object without a key");
    else if (w->depth == 0 && w->has_item)
        sx_json_refuse(w, "a second value behind the first, outside of an array");
    else if (w->has_item && !w->has_key)
        sx_write_char(&w->out, ',');
    w->has_key = false;
    w->has_item = true;
    return w->out.err == SX_OK;
}

static inline void sx_json_open(sx_json_writer *w, bool is_object)
{
    if (!sx_json_value_begins(w))
        return;
    if (w->depth == SX_JSON_MAX_DEPTH) {
        sx_json_refuse(w, "too many objects and arrays open at once");
        return;
    }
    sx_write_char(&w->out, is_object ? '{' : '[');
    w->objects = w->objects << 1 | is_object;
    w->depth++;
    w->has_item = false;
}

/* Whether 8 bytes need neither an escape nor a check: no control character, no quote,
 * no backslash, no byte above 0x7f.  Subtracting borrows from a higher byte only when a
 * lower one is marked already. */
static inline bool sx_json_is_plain(const char *p)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t v, quotes, slashes;

    memcpy(&v, p, sizeof v);
    quotes = v ^ (ones * '"');
    slashes = v ^ (ones * '\\');
    return ((v | (v - ones * 0x20) | (quotes - ones) | (slashes - ones)) & (ones * 0x80)) == 0;
}

/* How many bytes at the beginning of a text are written as they are. */
static inline size_t sx_json_plain(const char *p, size_t len)
{
    size_t n = 0;

    while (n + 8 <= len && sx_json_is_plain(p + n))
        n += 8;
    while (n < len && (unsigned char)p[n] >= 0x20 && (unsigned char)p[n] < 0x80 && p[n] != '"' &&
           p[n] != '\\')
        n++;
    return n;
}

/* The sequence at p, whose first byte is above 0x7f: returns its length and whether it is
 * well-formed (Unicode, table 3-7); when not, the length of what one U+FFFD replaces. */
static inline size_t sx_json_sequence(const char *p, size_t len, bool *ret_is_valid)
{
    const unsigned char *b = (const unsigned char *)p;
    size_t want = b[0] >= 0xf0 ? 4 : b[0] >= 0xe0 ? 3 : 2, n = 1;
    unsigned low = b[0] == 0xe0 ? 0xa0 : b[0] == 0xf0 ? 0x90 : 0x80;
    unsigned high = b[0] == 0xed ? 0x9f : b[0] == 0xf4 ? 0x8f : 0xbf;

    if (b[0] < 0xc2 || b[0] > 0xf4)
        want = 0;
    while (n < want && n < len && b[n] >= low && b[n] <= high) {
        low = 0x80;
        high = 0xbf;
        n++;
    }
    *ret_is_valid = n == want;
    return n;
}

static inline void sx_json_escape(sx_json_writer *w, char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt", hex[] = "0123456789abcdef";
    const char *known = memchr(from, c, sizeof from - 1);
    char text[6] = { '\\', 'u', '0', '0', hex[((unsigned char)c >> 4) & 15], hex[c & 15] };

    if (known != NULL)
        text[1] = to[known - from];
    sx_write(&w->out, text, known != NULL ? 2 : 6);
}

/* One character that is not plain; returns the bytes it took. */
static inline size_t sx_json_special(sx_json_writer *w, const char *p, size_t len)
{
    bool is_valid = false;
    size_t n = 1;

    if ((unsigned char)*p < 0x80) {
        sx_json_escape(w, *p);
    } else {
        n = sx_json_sequence(p, len, &is_valid);
        sx_write(&w->out, is_valid ? p : "\xef\xbf\xbd", is_valid ? n : 3);
    }
    return n;
}

static inline void sx_json_quote(sx_json_writer *w, const char *p, size_t len)
{
    sx_write_char(&w->out, '"');
    for (size_t at = 0; at < len;) {
        size_t n = sx_json_plain(p + at, len - at);

        sx_write(&w->out, p + at, n);
        at += n;
        if (at < len)
            at += sx_json_special(w, p + at, len - at);
    }
    sx_write_char(&w->out, '"');
}

/* --- Structure ------------------------------------------------------------ */

static inline void sx_json_object(sx_json_writer *w)
{
    sx_json_open(w, true);
}
static inline void sx_json_array(sx_json_writer *w)
{
    sx_json_open(w, false);
}

/* Ends the innermost object or array. */
static inline void sx_json_end(sx_json_writer *w)
{
    if (w->depth == 0 || w->has_key) {
        sx_json_refuse(w, w->has_key ? "a key without a value" : "an end without a beginning");
        return;
    }
    sx_write_char(&w->out, sx_json_in_object(w) ? '}' : ']');
    w->objects >>= 1;
    w->depth--;
    w->has_item = true;
}

/* The key of the next value; returns w, so that the two fit on one line. */
static inline sx_json_writer *sx_json_key(sx_json_writer *w, const char *key)
{
    if (!sx_json_in_object(w) || w->has_key) {
        sx_json_refuse(w, w->has_key ? "a key behind a key" : "a key outside of an object");
        return w;
    }
    if (w->has_item)
        sx_write_char(&w->out, ',');
    sx_json_quote(w, key, strlen(key));
    sx_write_char(&w->out, ':');
    w->has_key = true;
    return w;
}

/* --- Values ---------------------------------------------------------------- */

/* JSON that exists already, such as a json or numeric column: written unchecked. */
static inline void sx_json_raw(sx_json_writer *w, const char *json)
{
    if (sx_json_value_begins(w))
        sx_write_text(&w->out, json);
}

static inline void sx_json_null(sx_json_writer *w)
{
    sx_json_raw(w, "null");
}
static inline void sx_json_bool(sx_json_writer *w, bool v)
{
    sx_json_raw(w, v ? "true" : "false");
}

static inline void sx_json_int(sx_json_writer *w, int64_t value)
{
    if (sx_json_value_begins(w))
        sx_write_int(&w->out, value);
}

/* UTF-8; what is not well-formed is written as U+FFFD. */
static inline void sx_json_span(sx_json_writer *w, sx_span text)
{
    if (sx_json_value_begins(w))
        sx_json_quote(w, text.data, text.len);
}

/* The same; NULL is written as null. */
static inline void sx_json_text(sx_json_writer *w, const char *text)
{
    if (text == NULL)
        sx_json_null(w);
    else
        sx_json_span(w, (sx_span){ text, strlen(text) });
}

/* All rows as an array of objects, typed by column, as sx_reply_rows sends them. */
static inline void sx_json_rows(sx_json_writer *w, const sx_rows *rows)
{
    int err;

    if (!sx_json_value_begins(w))
        return;
    sx_write_flush(&w->out);
    err = sx_host_->rows_write(w->out.r, rows);
    if (err < 0)
        sx_write_fail(&w->out, err);
}

/* --- Numbers with a fraction ------------------------------------------------
 *
 * The fewest digits that read back as the same double.  A whole number keeps ".0", so
 * that a reader with two kinds of numbers makes a double of it again.
 */

/* A decimal: 0.d1d2d3... times ten to the power of point. */
typedef struct sx_json_decimal {
    char digits[20];
    int n;
    int point;
} sx_json_decimal;

/* Most numbers that people write: m / 10^k with m below 2^53 and k up to 15.  Both are
 * exact doubles and a division rounds correctly, so if it gives v back, so does the text
 * (Clinger, How to read floating point numbers accurately, 1990).  v > 0. */
static inline bool sx_json_short(double v, sx_json_decimal *ret)
{
    static const double powers[] = { 1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };

    for (int k = 0; k < 16 && v * powers[k] < 9007199254740992.0; k++) {
        uint64_t m = (uint64_t)(v * powers[k] + 0.5);
        char digits[20];
        char *at;

        if (m == 0 || (double)m / powers[k] != v)
            continue;
        at = sx_write_digits(digits, m);
        ret->n = (int)(digits + 20 - at);
        ret->point = ret->n - k;
        memcpy(ret->digits, at, (size_t)ret->n);
        return true;
    }
    return false;
}

/* The others: as few of the digits of %e as read back; trailing zeros go later.  Only digits
 * and the exponent are taken from the text, because its point depends on the locale. */
static inline void sx_json_long(double v, sx_json_decimal *ret)
{
    const bool is_subnormal = v < 2.2250738585072014e-308; /* holds fewer digits */
    char text[40];
    const char *at = text;

    for (int precision = is_subnormal ? 0 : 14; precision <= 16; precision++) {
        (void)snprintf(text, sizeof text, "%.*e", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    for (ret->n = 0; *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9')
            ret->digits[ret->n++] = *at;
    }
    ret->point = (int)strtol(at + 1, NULL, 10) + 1;
}

static inline void sx_json_zeros(sx_writer *out, int n)
{
    while (n-- > 0)
        sx_write_char(out, '0');
}

/* Plain between 1e-5 and 1e17, otherwise with an exponent. */
static inline void sx_json_decimal_write(sx_writer *out, const sx_json_decimal *d)
{
    const bool is_plain = d->point > -5 && d->point <= 17;
    const int whole = is_plain ? d->point : 1;
    const int head = whole < 0 ? 0 : whole < d->n ? whole : d->n;

    sx_write(out, d->digits, (size_t)head);
    sx_json_zeros(out, whole <= 0 ? 1 : whole - head);
    sx_write_char(out, '.');
    sx_json_zeros(out, whole < 0 ? -whole : 0);
    sx_write(out, d->digits + head, (size_t)(d->n - head));
    sx_json_zeros(out, head == d->n ? 1 : 0);
    if (!is_plain) {
        sx_write_char(out, 'e');
        sx_write_int(out, d->point - 1);
    }
}

/* NaN and the infinities are refused: JSON has no word for them. */
static inline void sx_json_number(sx_json_writer *w, double value)
{
    const double v = value < 0 ? -value : value;
    sx_json_decimal d = { .digits = "0", .n = 1, .point = 1 };

    if (!(v <= 1.7976931348623157e308)) {
        sx_json_refuse(w, "a number that is not finite");
        return;
    }
    if (!sx_json_value_begins(w))
        return;
    if (v != 0 && !sx_json_short(v, &d))
        sx_json_long(v, &d);
    while (d.n > 1 && d.digits[d.n - 1] == '0')
        d.n--;
    if (__builtin_signbit(value))
        sx_write_char(&w->out, '-');
    sx_json_decimal_write(&w->out, &d);
}

/* --- The reply --------------------------------------------------------------- */

/* Sends what was written; its first failure, if there was one.  Return this. */
static inline SX_MUST_USE int sx_json_reply(sx_json_writer *w, int status)
{
    if (w->depth > 0 || !w->has_item)
        sx_json_refuse(w, w->depth > 0 ? "an object or array without an end" : "no value");
    return sx_write_reply(&w->out, status, "application/json");
}

#endif /* SX_JSON_H */
