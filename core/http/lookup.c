/*
 * http/lookup.c - reading a request: fields, the id, where it came from.
 */
#include <string.h>

#include "base/check.h"
#include "base/error.h"
#include "base/text.h"
#include "http/http_private.h"

struct sx_slice sx_http_header(const struct sx_http_req *r, const char *name, size_t len)
{
    for (uint32_t i = 0; i < r->n_headers; i++) {
        const struct sx_http_header *h = &r->headers[i];

        if (h->name.len == len && sx_text_equals_nocase(h->name.data, name, len))
            return h->value;
    }
    return (struct sx_slice){ NULL, 0 };
}

#define HEADER(r, name) sx_http_header((r), (name), sizeof(name) - 1)

const char *sx_http_request_id(struct sx_http_req *r)
{
    if (r->id.text[0] == '\0' && !sx_request_id_take(HEADER(r, "x-request-id"), &r->id))
        sx_request_ids_next(&r->server->ids, &r->id);
    return r->id.text;
}

const struct sx_trace *sx_http_trace(struct sx_http_req *r)
{
    if (r->trace_state == 0)
        r->trace_state = sx_trace_parse(HEADER(r, "traceparent"),
                                        HEADER(r, "x-cloud-trace-context"), &r->trace)
                             ? 1
                             : -1;
    return r->trace_state > 0 ? &r->trace : NULL;
}

/* The values of a name that is there several times, sum bytes with a comma each: one copy,
 * however many there are.  Without memory the first alone. */
static struct sx_slice join(struct sx_http_req *r, const char *name, size_t len,
                            struct sx_slice first, size_t sum)
{
    char *text = sx_arena_alloc(&r->arena, sum);
    char *to = text;

    if (text == NULL)
        return first;
    for (uint32_t i = 0; i < r->n_headers; i++) {
        const struct sx_http_header *h = &r->headers[i];

        if (h->name.len != len || !sx_text_equals_nocase(h->name.data, name, len))
            continue;
        memcpy(to, h->value.data, h->value.len);
        to += h->value.len;
        *to++ = ',';
    }
    return (struct sx_slice){ text, sum - 1 };
}

struct sx_slice sx_http_header_list(struct sx_http_req *r, const char *name, size_t len)
{
    struct sx_slice first = { NULL, 0 };
    size_t n = 0, sum = 0;

    for (uint32_t i = 0; i < r->n_headers; i++) {
        const struct sx_http_header *h = &r->headers[i];

        if (h->name.len != len || !sx_text_equals_nocase(h->name.data, name, len))
            continue;
        if (n++ == 0)
            first = h->value;
        sum += h->value.len + 1;
    }
    return n < 2 ? first : join(r, name, len, first, sum);
}

static void find_client(struct sx_http_req *r)
{
    struct sx_forwarded fwd = { { NULL, 0 }, { NULL, 0 }, { NULL, 0 } };
    struct sx_client client;

    if (r->server->set.proxies != NULL) {
        fwd.xff = sx_http_header_list(r, "x-forwarded-for", 15);
        fwd.proto = sx_http_header_list(r, "x-forwarded-proto", 17);
    }
    r->remote = r->scheme = "";
    if (r->conn == NULL)
        return;
    sx_client_find(r->server->set.proxies, (const struct sockaddr *)&r->conn->peer, &fwd, &client);
    r->scheme = client.scheme;
    r->remote = sx_arena_text(&r->arena, client.address, strlen(client.address));
    if (r->remote == NULL)
        r->remote = "";
}

const char *sx_http_remote(struct sx_http_req *r)
{
    if (r->remote == NULL)
        find_client(r);
    return r->remote;
}

const char *sx_http_scheme(struct sx_http_req *r)
{
    if (r->scheme == NULL)
        find_client(r);
    return r->scheme;
}

void sx_http_cors_request(const struct sx_http_req *r, struct sx_cors_request *ret)
{
    ret->origin = HEADER(r, "origin");
    ret->method = HEADER(r, "access-control-request-method");
    ret->headers = HEADER(r, "access-control-request-headers");
    ret->is_preflight = sx_slice_is(r->method, "OPTIONS") && ret->origin.data != NULL &&
                        ret->method.data != NULL;
}
