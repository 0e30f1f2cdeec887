/* base/log_put.c - numbers without printf, and text that cannot break out of its line. */
#include "base/log_put.h"

#include <math.h>
#include <stdio.h>

#include "base/text.h"

#define ELLIPSIS    "\xE2\x80\xA6"
#define REPLACEMENT "\xEF\xBF\xBD"

void log_put_int(struct log_line *to, int64_t value)
{
    if (value < 0)
        LOG_PUT(to, "-");
    log_put_uint(to, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* Up to six decimals by integers; zeros at the end are left out. */
static void put_fixed(struct log_line *to, double value)
{
    int64_t millionths = (int64_t)(fabs(value) * 1e6 + 0.5);

    if (value < 0)
        LOG_PUT(to, "-");
    log_put_uint(to, (uint64_t)millionths / 1000000);
    if (millionths % 1000000 == 0)
        return;
    LOG_PUT(to, ".");
    log_put_digits(to, (uint64_t)millionths % 1000000, 6);
    while (to->data[to->len - 1] == '0')
        to->len--;
}

void log_put_double(struct log_line *to, double value)
{
    char text[40];
    char *comma;

    if (!isfinite(value)) {
        LOG_PUT(to, "null");
    } else if (fabs(value) < 1e9) {
        put_fixed(to, value);
    } else {
        (void)snprintf(text, sizeof(text), "%.17g", value);
        comma = strchr(text, ','); /* a plugin may have called setlocale */
        if (comma != NULL)
            *comma = '.';
        log_put(to, text, strlen(text));
    }
}

static void put_hex_byte(struct log_line *to, unsigned char c)
{
    sx_format_hex(to->data + to->len, &c, 1);
    to->len += 2;
}

/* One byte that cannot stand in JSON as it is. */
static void put_json_byte(struct log_line *to, unsigned char c)
{
    if (c >= 0x80) {
        LOG_PUT(to, REPLACEMENT);
    } else if (c == '"' || c == '\\') {
        LOG_PUT(to, "\\");
        log_put(to, (const char *)&c, 1);
    } else if (c == '\n') {
        LOG_PUT(to, "\\n");
    } else if (c == '\t') {
        LOG_PUT(to, "\\t");
    } else {
        LOG_PUT(to, "\\u00");
        put_hex_byte(to, c);
    }
}

/* What is left of max in a text that began at start; an escape takes 6 bytes at most. */
static size_t room_left(const struct log_line *to, size_t start, size_t max)
{
    size_t used = to->len - start + 6;

    return used < max ? max - used : 0;
}

void log_put_escaped(struct log_line *to, const char *text, size_t len, size_t max)
{
    size_t start = to->len;

    for (size_t at = 0; at < len;) {
        size_t plain = sx_json_plain_length(text + at, len - at);
        size_t room = room_left(to, start, max);

        if (plain > room) {
            log_put(to, text + at, sx_utf8_cut(text + at, plain, room));
            LOG_PUT(to, ELLIPSIS);
            return;
        }
        log_put(to, text + at, plain);
        at += plain;
        if (at == len)
            return;
        if (room_left(to, start, max) == 0) {
            LOG_PUT(to, ELLIPSIS);
            return;
        }
        put_json_byte(to, (unsigned char)text[at++]);
    }
}

/* The length of a character that may be shown as it is, or 0.  U+0080 to U+009F are control
 * characters too: C2 80 to C2 9F. */
static size_t shown_length(const char *text, size_t len)
{
    unsigned char c = (unsigned char)text[0];
    size_t n;

    if (c < 0x80)
        return c >= 0x20 && c != 0x7F;
    n = sx_utf8_length(text, len);
    return n == 2 && c == 0xC2 && (unsigned char)text[1] < 0xA0 ? 0 : n;
}

static void put_shown(struct log_line *to, const char *text, size_t max, bool is_quoted)
{
    size_t start = to->len;
    size_t len = strlen(text);

    for (size_t at = 0; at < len;) {
        size_t n = shown_length(text + at, len - at);

        if (room_left(to, start, max) < 4) {
            LOG_PUT(to, ELLIPSIS);
            return;
        }
        if (text[at] == '\n') {
            LOG_PUT(to, "\\n");
        } else if (n == 0) {
            LOG_PUT(to, "\\x");
            put_hex_byte(to, (unsigned char)text[at]);
        } else {
            if (is_quoted && (text[at] == '"' || text[at] == '\\'))
                LOG_PUT(to, "\\");
            log_put(to, text + at, n);
        }
        at += n == 0 ? 1 : n;
    }
}

void log_put_plain(struct log_line *to, const char *text, size_t max)
{
    put_shown(to, text, max, false);
}

void log_put_value(struct log_line *to, const char *text, size_t max)
{
    if (text[0] != '\0' && strpbrk(text, " \"\\=") == NULL) {
        put_shown(to, text, max, false);
        return;
    }
    LOG_PUT(to, "\"");
    put_shown(to, text, max, true);
    LOG_PUT(to, "\"");
}
