/*
 * http/body.c - where a body ends (RFC 9112 sections 6 and 7), and what is in it.
 *
 * Chunked coding is decoded here and not by llhttp, which limits neither extensions nor
 * trailers.  Strict: every line ends in CRLF, sizes are hexadecimal digits only, extensions
 * follow the grammar, trailers are checked and dropped.
 */
#include <errno.h>

#include "base/check.h"
#include "base/error.h"
#include "http/field.h"
#include "http/http_private.h"
#include "http/multipart.h"

#define MAX_OVERHEAD_BYTES 8192u
#define MAX_SIZE_DIGITS    16u

enum ext_state {
    EXT_NONE,
    EXT_SEMI,
    EXT_NAME,
    EXT_AFTER_NAME,
    EXT_EQUALS,
    EXT_TOKEN,
    EXT_QUOTED,
    EXT_ESCAPE,
    EXT_END
};

void sx_http_body_begin(struct sx_http_body *b, const struct sx_http_req *r)
{
    *b = (struct sx_http_body){ 0 };
    b->is_chunked = r->content_length == UINT64_MAX;
    b->left = b->is_chunked ? 0 : r->content_length;
    b->state = b->is_chunked ? CHUNK_SIZE : CHUNK_DATA;
}

bool sx_http_body_is_done(const struct sx_http_body *b)
{
    return b->state == CHUNK_DONE;
}

static int form_status(int err)
{
    if (err == SX_ERR_BUSY)
        return -413;
    if (err == SX_ERR_INVALID)
        return -400;
    if (err != SX_ERR_IO)
        return -500;
    return errno == EMFILE || errno == ENFILE                     ? -503
           : errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? -507
                                                                  : -500;
}

/* Hands content up: to the form parser, into memory, or nowhere. */
static int take_content(struct sx_http_body *b, struct sx_http_req *r, const char *data, size_t n)
{
    int err = 0;

    b->n_bytes += n;
    if (b->n_bytes > r->max_body)
        return -413;
    if (b->is_discarded)
        return 0;
    if (r->multipart != NULL) {
        err = sx_multipart_feed(r->multipart, data, n);
        return err == 0 ? 0 : form_status(err);
    }
    sx_buf_add(&r->body_buf, data, n);
    return sx_buf_failed(&r->body_buf) ? -500 : 0;
}

static ptrdiff_t take_plain(struct sx_http_body *b, struct sx_http_req *r, const char *data,
                            size_t len)
{
    size_t n = b->left < len ? (size_t)b->left : len;
    int err = take_content(b, r, data, n);

    if (err < 0)
        return err;
    b->left -= n;
    if (b->left == 0)
        b->state = CHUNK_DONE;
    return (ptrdiff_t)n;
}

static int hex_digit(unsigned char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    ch |= 0x20;
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static int take_size(struct sx_http_body *b, unsigned char ch)
{
    int digit = hex_digit(ch);

    if (digit >= 0) {
        if (++b->n_digits > MAX_SIZE_DIGITS || b->left > (UINT64_MAX >> 5))
            return -400;
        b->left = b->left << 4 | (uint64_t)digit;
        return 0;
    }
    if (b->n_digits == 0)
        return -400;
    b->ext_state = EXT_NONE;
    b->state = ch == '\r' ? CHUNK_SIZE_LF : CHUNK_EXT;
    return ch == '\r' ? 0 : 1; /* 1: look at this byte again */
}

/* chunk-ext = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ) */
static int take_ext(struct sx_http_body *b, unsigned char ch)
{
    bool is_space = ch == ' ' || ch == '\t';
    bool ends_here = b->ext_state == EXT_NAME || b->ext_state == EXT_TOKEN ||
                     b->ext_state == EXT_END;

    if (b->ext_state == EXT_ESCAPE || b->ext_state == EXT_QUOTED) {
        if ((ch < 0x20 && ch != '\t') || ch == 0x7f)
            return -400;
        b->ext_state = b->ext_state == EXT_ESCAPE ? EXT_QUOTED
                       : ch == '\\'               ? EXT_ESCAPE
                       : ch == '"'                ? EXT_END
                                                  : EXT_QUOTED;
        return 0;
    }
    if (ch == '\r' && ends_here) {
        b->state = CHUNK_SIZE_LF;
        return 0;
    }
    if (is_space) {
        if (b->ext_state == EXT_NAME)
            b->ext_state = EXT_AFTER_NAME;
        else if (b->ext_state == EXT_TOKEN)
            b->ext_state = EXT_END;
        /* White space may only stand before what must follow, which the next byte shows. */
        return 0;
    }
    if (ch == ';' && (ends_here || b->ext_state == EXT_NONE || b->ext_state == EXT_AFTER_NAME)) {
        b->ext_state = EXT_SEMI;
        return 0;
    }
    if (ch == '=' && (b->ext_state == EXT_NAME || b->ext_state == EXT_AFTER_NAME)) {
        b->ext_state = EXT_EQUALS;
        return 0;
    }
    if (ch == '"' && b->ext_state == EXT_EQUALS) {
        b->ext_state = EXT_QUOTED;
        return 0;
    }
    if (!sx_field_is_tchar((char)ch))
        return -400;
    if (b->ext_state == EXT_SEMI || b->ext_state == EXT_NAME)
        b->ext_state = EXT_NAME;
    else if (b->ext_state == EXT_EQUALS || b->ext_state == EXT_TOKEN)
        b->ext_state = EXT_TOKEN;
    else
        return -400;
    return 0;
}

static void begin_data(struct sx_http_body *b)
{
    b->state = b->left == 0 ? CHUNK_TRAILER_START : CHUNK_DATA;
    b->n_digits = 0;
}

static int take_trailer(struct sx_http_body *b, unsigned char ch)
{
    switch (b->state) {
    case CHUNK_TRAILER_START:
        if (ch == '\r') {
            b->state = CHUNK_END_LF;
            return 0;
        }
        b->state = CHUNK_TRAILER_NAME;
        return sx_field_is_tchar((char)ch) ? 0 : -400;
    case CHUNK_TRAILER_NAME:
        if (ch == ':')
            b->state = CHUNK_TRAILER_VALUE;
        else if (!sx_field_is_tchar((char)ch))
            return -400;
        return 0;
    case CHUNK_TRAILER_VALUE:
        if (ch == '\r')
            b->state = CHUNK_TRAILER_LF;
        else if ((ch < 0x20 && ch != '\t') || ch == 0x7f)
            return -400;
        return 0;
    case CHUNK_TRAILER_LF: b->state = CHUNK_TRAILER_START; return ch == '\n' ? 0 : -400;
    default: /* CHUNK_END_LF */ b->state = CHUNK_DONE; return ch == '\n' ? 0 : -400;
    }
}

/* One byte of framing: 0 taken, 1 look at it again in the new state, or a negative status. */
static int take_frame(struct sx_http_body *b, unsigned char ch)
{
    switch (b->state) {
    case CHUNK_SIZE: return take_size(b, ch);
    case CHUNK_EXT: return take_ext(b, ch);
    case CHUNK_SIZE_LF: begin_data(b); return ch == '\n' ? 0 : -400;
    case CHUNK_DATA_CR: b->state = CHUNK_DATA_LF; return ch == '\r' ? 0 : -400;
    case CHUNK_DATA_LF: b->state = CHUNK_SIZE; return ch == '\n' ? 0 : -400;
    default: return take_trailer(b, ch);
    }
}

static ptrdiff_t take_chunk_data(struct sx_http_body *b, struct sx_http_req *r, const char *data,
                                 size_t len)
{
    ptrdiff_t n = take_plain(b, r, data, len);

    if (n >= 0 && b->state == CHUNK_DONE)
        b->state = CHUNK_DATA_CR;
    return n;
}

static ptrdiff_t take_chunked(struct sx_http_body *b, struct sx_http_req *r, const char *data,
                              size_t len)
{
    size_t at = 0;

    while (at < len && b->state != CHUNK_DONE) {
        int err;

        if (b->state == CHUNK_DATA) {
            ptrdiff_t n;

            if (b->left > r->max_body - b->n_bytes)
                return -413; /* before a byte of it is read */
            n = take_chunk_data(b, r, data + at, len - at);
            if (n < 0)
                return n;
            at += (size_t)n;
            continue;
        }
        err = take_frame(b, (unsigned char)data[at]);
        if (err < 0)
            return err;
        if ((b->state == CHUNK_EXT || b->state >= CHUNK_TRAILER_START) &&
            ++b->overhead_bytes > MAX_OVERHEAD_BYTES + 8 * (b->n_bytes / 16))
            return -400;
        at += err == 0;
    }
    return (ptrdiff_t)at;
}

ptrdiff_t sx_http_body_take(struct sx_http_body *b, struct sx_http_req *r, const char *data,
                            size_t len)
{
    return b->is_chunked ? take_chunked(b, r, data, len) : take_plain(b, r, data, len);
}
