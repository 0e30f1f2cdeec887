/*
 * http/head.c - the head of a request: checked, parsed by llhttp, interpreted.
 *
 * llhttp sees a head only when it is whole and its lines end in CRLF, in one piece, so that
 * every span is one slice.  What llhttp 8.1 does not check is checked here and in head_end.c:
 * bare line feeds, folded lines, Host, limits, Transfer-Encoding in every shape but "chunked", absolute and
 * asterisk targets, Expect.  The body is framed by body.c, not by llhttp.
 */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/text.h"
#include "http/field.h"
#include "http/http_private.h"
#include "http/target.h"

/* --- llhttp's callbacks ----------------------------------------------------------- */

static int on_url(llhttp_t *p, const char *at, size_t len)
{
    struct sx_http_req *r = p->data;

    r->target = (struct sx_slice){ at, len };
    return 0;
}

static int on_field(llhttp_t *p, const char *at, size_t len)
{
    struct sx_http_req *r = p->data;

    if (r->n_headers >= r->server->set.limits.header_count)
        return HPE_USER;
    r->headers[r->n_headers].name = (struct sx_slice){ at, len };
    r->headers[r->n_headers].value = (struct sx_slice){ at + len, 0 };
    r->n_headers++;
    return 0;
}

static int on_value(llhttp_t *p, const char *at, size_t len)
{
    struct sx_http_req *r = p->data;

    while (len > 0 && (at[len - 1] == ' ' || at[len - 1] == '\t'))
        len--;
    if (r->n_headers == 0)
        return HPE_USER;
    r->headers[r->n_headers - 1].value = (struct sx_slice){ at, len };
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    (void)p;
    return HPE_PAUSED;
}

void sx_http_head_init(struct sx_http_server *s)
{
    llhttp_settings_init(&s->parser_settings);
    s->parser_settings.on_url = on_url;
    s->parser_settings.on_header_field = on_field;
    s->parser_settings.on_header_value = on_value;
    s->parser_settings.on_headers_complete = on_headers_complete;
    llhttp_init(&s->fresh_parser, HTTP_REQUEST, &s->parser_settings);
}

#define MIN_LINE (sizeof "G / HTTP/1.1" - 1)

/* The status, with a word to people. */
static int say(const char **ret_why, int status, const char *why)
{
    *ret_why = why;
    return status;
}

/* --- The request line ---------------------------------------------------------------- */

/* "HTTP/1.1" at the end of the line; a later minor is read as 1.1 (RFC 9110 section 6.2), so
 * its digit is set back for llhttp, which knows no other. */
static int take_version(struct sx_http_req *r, char *line, size_t len, const char **ret_why)
{
    char *v = line + len - 8;

    if (SX_LIKELY(len >= MIN_LINE && memcmp(v, "HTTP/1.1", 8) == 0 && v[-1] == ' '))
        return 0;

    if (len < MIN_LINE || memcmp(v, "HTTP/", 5) != 0 || v[-1] != ' ' || v[6] != '.' || v[5] < '0' ||
        v[5] > '9' || v[7] < '0' || v[7] > '9')
        return say(ret_why, 400, "the request line is not METHOD TARGET HTTP/1.1");
    if (v[5] != '1')
        return say(ret_why, 505, "this server speaks HTTP/1.1");
    r->is_http10 = v[7] == '0';
    if (v[7] > '1')
        v[7] = '1';
    return 0;
}

static int take_method(struct sx_http_req *r, const char *line, size_t len, const char **ret_why)
{
    size_t n = len > 4 && memcmp(line, "GET ", 4) == 0 ? 3 : 0;

    while (n < len && sx_field_is_tchar(line[n]))
        n++;
    if (n == 0 || n == len || line[n] != ' ')
        return say(ret_why, 400, "the method is not a token");
    r->method = (struct sx_slice){ line, n };
    return 0;
}

/* --- The target: RFC 9112 section 3.2 -------------------------------------------------- */

/* Anything but a path with or without a query. */
__attribute__((noinline)) static int take_rare_target(struct sx_http_req *r)
{
    struct sx_target t;

    if (sx_target_split(r->target, &t) < 0)
        return SX_ERR_INVALID;
    if (t.form == SX_TARGET_ABSOLUTE)
        r->host = t.authority; /* it wins over Host: RFC 9112 section 3.2.2 */
    r->path = t.path;
    r->query = t.query;
    if (t.has_empty_path && sx_slice_is(r->method, "OPTIONS"))
        r->path = sx_slice_of("*");
    if (sx_slice_is(r->path, "*") && !sx_slice_is(r->method, "OPTIONS"))
        return SX_ERR_INVALID;
    return 0;
}

static int take_target(struct sx_http_req *r, const char **ret_why)
{
    bool is_path = r->target.len > 0 && r->target.data[0] == '/';
    int err;

    if (SX_UNLIKELY(sx_slice_is(r->method, "CONNECT")))
        return say(ret_why, 501, "this server is no proxy");
    err = is_path ? sx_target_split_path(r->target, &r->path, &r->query) : take_rare_target(r);
    if (err < 0)
        return say(ret_why, 400,
                   "the request target is neither a path nor an http URI, or has a byte that must "
                   "be percent-encoded");
    return 0;
}

/* --- The fields that frame and route --------------------------------------------------- */

struct framing {
    struct sx_slice host, length, coding;
    uint32_t n_hosts, n_lengths, n_codings;
    bool says_close, says_keep_alive, says_upgrade, asks_websocket;
    bool expects_continue, expects_other;
};

static void take_connection(struct framing *f, struct sx_slice value)
{
    /* Tokens only: a quote would be no reason to overlook a "close" behind it. */
    while (value.len > 0) {
        struct sx_slice token = sx_slice_trim(sx_slice_cut(&value, ','));

        if (sx_slice_is_nocase(token, "close"))
            f->says_close = true;
        else if (sx_slice_is_nocase(token, "keep-alive"))
            f->says_keep_alive = true;
        else if (sx_slice_is_nocase(token, "upgrade"))
            f->says_upgrade = true;
    }
}

/* A list (RFC 9110 section 10.1.1). */
static void take_expect(struct framing *f, struct sx_slice value)
{
    struct sx_slice item;

    while (sx_field_list_next(&value, &item)) {
        if (sx_slice_is_nocase(item, "100-continue"))
            f->expects_continue = true;
        else
            f->expects_other = true;
    }
}

static void collect(struct sx_http_req *r, struct framing *f)
{
    for (uint32_t i = 0; i < r->n_headers; i++) {
        const struct sx_http_header *h = &r->headers[i];

        switch (h->name.len) {
        case 4:
            if (sx_field_is_named(h->name, "host")) {
                f->host = h->value;
                f->n_hosts++;
            }
            break;
        case 6:
            if (sx_field_is_named(h->name, "expect"))
                take_expect(f, h->value);
            break;
        case 7:
            if (sx_field_is_named(h->name, "upgrade") && sx_field_list_has(h->value, "websocket"))
                f->asks_websocket = true;
            break;
        case 10:
            if (sx_field_is_named(h->name, "connection"))
                take_connection(f, h->value);
            break;
        case 12:
            if (sx_field_is_named(h->name, "x-request-id"))
                r->has_id = true;
            break;
        case 14:
            if (sx_field_is_named(h->name, "content-length")) {
                f->length = h->value;
                f->n_lengths++;
            }
            break;
        case 17:
            if (sx_field_is_named(h->name, "transfer-encoding")) {
                f->coding = h->value;
                f->n_codings++;
            }
            break;
        default: break;
        }
    }
}

static bool is_host(struct sx_http_server *s, struct sx_slice host)
{
    if (host.len > 0 && host.len == s->last_host_len &&
        memcmp(host.data, s->last_host, host.len) == 0)
        return true;
    if (!sx_target_is_host(host))
        return false;
    if (host.len <= sizeof s->last_host) {
        memcpy(s->last_host, host.data, host.len);
        s->last_host_len = host.len;
    }
    return true;
}

static int check_host(struct sx_http_req *r, const struct framing *f, const char **ret_why)
{
    if (f->n_hosts > 1 || (f->n_hosts == 0 && !r->is_http10))
        return say(ret_why, 400, "HTTP/1.1 needs exactly one Host");
    if (f->n_hosts == 1 && !is_host(r->server, f->host))
        return say(ret_why, 400, "Host is not a host with an optional port");
    if (r->host.data == NULL)
        r->host = f->host;
    return 0;
}

/* Codings that we do not have before a final chunked: understood, not implemented. */
static bool ends_chunked(struct sx_slice codings)
{
    struct sx_slice item;
    bool is_last_chunked = false;

    while (sx_field_list_next(&codings, &item)) {
        if (is_last_chunked || !sx_field_is_token(item))
            return false;
        is_last_chunked = sx_slice_is_nocase(item, "chunked");
    }
    return is_last_chunked;
}

/* RFC 9112 section 6.3, with the doubtful cases refused instead of repaired. */
static int check_framing(struct sx_http_req *r, const struct framing *f, const char **ret_why)
{
    r->content_length = 0;
    if (f->n_codings > 0) {
        *ret_why = "Transfer-Encoding must be chunked, once, in HTTP/1.1, without Content-Length";
        if (f->n_codings > 1 || f->n_lengths > 0 || r->is_http10)
            return 400;
        if (!sx_slice_is_nocase(f->coding, "chunked"))
            return ends_chunked(f->coding) ? 501 : 400;
        r->content_length = UINT64_MAX;
        r->has_body = true;
        return 0;
    }
    if (f->n_lengths > 1 ||
        (f->n_lengths == 1 && sx_field_parse_length(f->length, &r->content_length) < 0))
        return say(ret_why, 400, "Content-Length must be digits, once");
    r->has_body = r->content_length > 0;
    return 0;
}

static int check_expect(struct sx_http_req *r, const struct framing *f, const char **ret_why)
{
    if (r->is_http10)
        return 0;
    if (f->expects_other)
        return say(ret_why, 417, "the only expectation is 100-continue");
    r->expects_continue = f->expects_continue && r->has_body;
    return 0;
}

/* Not safe: it waits for its turn, and nothing behind it is looked at before its answer, which says
 * whether that is a request or a frame.  In HTTP/1.0, and without the option in Connection, the
 * field means nothing (RFC 9110 section 7.8). */
static void take_upgrade(struct sx_http_req *r, const struct framing *f)
{
    if (r->is_http10 || !f->says_upgrade || !sx_slice_is(r->method, "GET"))
        return;
    r->asks_websocket = true;
    r->is_safe = false;
}

static int interpret(struct sx_http_req *r, const char **ret_why)
{
    struct framing f = { 0 };
    int status;

    collect(r, &f);
    r->is_keep_alive = !f.says_close && (!r->is_http10 || f.says_keep_alive);
    if (SX_UNLIKELY(f.asks_websocket))
        take_upgrade(r, &f);
    status = take_target(r, ret_why);
    if (status == 0)
        status = check_host(r, &f, ret_why);
    if (status == 0)
        status = check_framing(r, &f, ret_why);
    if (status == 0)
        status = check_expect(r, &f, ret_why);
    return status;
}

/* What llhttp refuses, in HTTP's words. */
static int parser_status(const struct sx_http_req *r, enum llhttp_errno err, const char **ret_why)
{
    if (err == HPE_INVALID_METHOD)
        return say(ret_why, 501, "the method is not known");
    if (err == HPE_USER && r->n_headers >= r->server->set.limits.header_count)
        return say(ret_why, 431, "there are too many header fields");
    return say(ret_why, 400, "a header field or the request line has a byte that may not be there");
}

int sx_http_head_parse(struct sx_http_server *s, struct sx_http_req *r, char *head, size_t len,
                       size_t line, const char **ret_why)
{
    enum llhttp_errno err;
    int status = take_method(r, head, line, ret_why);

    r->head = head;
    r->head_len = len;
    if (status == 0)
        status = take_version(r, head, line, ret_why);
    if (status != 0)
        return status;
    if (len - line > s->set.limits.header_bytes + 4)
        return say(ret_why, 431, "the header fields are too large");
    s->parser = s->fresh_parser;
    s->parser.data = r;
    err = llhttp_execute(&s->parser, head, len);
    if (err != HPE_PAUSED)
        return parser_status(r, err, ret_why);
    r->method_known = (char)s->parser.method;
    r->is_head = s->parser.method == HTTP_HEAD;
    /* HTTP/1.0 has no pipelining, and its answer may end with the connection. */
    r->is_safe = !r->is_http10 &&
                 (s->parser.method == HTTP_GET || r->is_head || s->parser.method == HTTP_OPTIONS);
    return interpret(r, ret_why);
}
