/*
 * http/head_end.c - finding the end of a head, line by line.
 *
 * Only lines that end in CRLF get to llhttp, and none that it would take for the rest of the
 * one before.  What was looked at is not looked at again when more comes.
 */
#include <string.h>

#include "base/block.h"
#include "http/field.h"
#include "http/http_private.h"

static int over_limit(const struct sx_http_server *s, const char *data, size_t len, bool has_line)
{
    const struct sx_http_limits *limits = &s->set.limits;

    if (!has_line && len > limits->request_line_bytes)
        return -414;
    if (!sx_field_is_tchar(data[0]))
        return -400;
    return len > (size_t)limits->request_line_bytes + limits->header_bytes ? -431 : 0;
}

__attribute__((noinline)) static uint32_t short_line_feeds(const char *data, size_t len)
{
    char block[SX_BLOCK_BYTES] = { 0 };

    memcpy(block, data, len);
    return sx_block_find(block, '\n');
}

/* The line feeds of the block at `at`, bit 0 for data[at].  The last block is looked at together
 * with bytes before it, so that it is a whole one. */
static inline uint32_t line_feeds(const char *data, size_t len, size_t at)
{
    if (len - at >= SX_BLOCK_BYTES)
        return sx_block_find(data + at, '\n');
    if (len >= SX_BLOCK_BYTES)
        return sx_block_find(data + len - SX_BLOCK_BYTES, '\n') >> (SX_BLOCK_BYTES - (len - at));
    return short_line_feeds(data, len) >> at;
}

/* A line that ends with the line feed at `feed`: 0 when another follows, else what
 * sx_http_head_find returns. */
static inline ptrdiff_t end_line(const struct sx_http_server *s, const char *data, size_t feed,
                                 struct sx_http_scan *scan)
{
    size_t line = scan->at;

    if (feed == line || data[feed - 1] != '\r')
        return -400;
    if (feed - 1 == line)
        return line == 0 ? -400 : (ptrdiff_t)feed + 1;
    if (line == 0) {
        scan->first_line = feed - 1;
        if (feed - 1 > s->set.limits.request_line_bytes)
            return -414;
    } else if (data[line] == ' ' || data[line] == '\t' || data[line] == ':') {
        return -400; /* folded, or nameless: llhttp would take the first (RFC 9112 5.2) */
    }
    scan->at = feed + 1;
    return 0;
}

ptrdiff_t sx_http_head_find(const struct sx_http_server *s, const char *data, size_t len,
                            struct sx_http_scan *scan)
{
    for (size_t at = scan->at; at < len; at += SX_BLOCK_BYTES) {
        uint32_t feeds = line_feeds(data, len, at);

        for (; feeds != 0; feeds &= feeds - 1) {
            ptrdiff_t found = end_line(s, data, at + (unsigned)__builtin_ctz(feeds), scan);

            if (found != 0)
                return found;
        }
    }
    return over_limit(s, data, len, scan->at != 0);
}
