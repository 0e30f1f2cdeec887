/*
 * plugin/host_request.c - the entries of the host table that read a request.
 *
 * Texts are copies in the request's arena (I9), made when they are asked for.
 */
#include <string.h>

#include "http/multipart.h"
#include "plugin/plugin_private.h"

#define MAX_JSON_DEPTH 512 /* jansson's stack use per level is small, but a client chooses it */

static struct sx_req *own(const sx_req *r)
{
    return (struct sx_req *)(uintptr_t)r;
}

/* The target without the mount point: what a client of the plugin signs. */
static const char *unmounted_target(struct sx_req *r)
{
    struct sx_slice t = r->http.target;
    const char *prefix = r->entry == NULL ? "" : r->entry->plugin->cfg->prefix;
    size_t n = strlen(prefix);

    if (t.len > n && n > 0 && memcmp(t.data, prefix, n) == 0)
        t = sx_slice_after(t, n);
    return sx_arena_text(&r->http.arena, t.data, t.len);
}

static const char *make_text(struct sx_req *r, int32_t which)
{
    switch (which) {
    case SX_METHOD: return sx_arena_text(&r->http.arena, r->http.method.data, r->http.method.len);
    case SX_PATH: return sx_arena_text(&r->http.arena, r->http.path.data, r->http.path.len);
    case SX_ROUTE: return r->entry == NULL ? "" : r->entry->path;
    case SX_REMOTE: return sx_http_remote(&r->http);
    case SX_REQUEST_ID: return sx_http_request_id(&r->http);
    case SX_TARGET: return unmounted_target(r);
    default: return NULL;
    }
}

const char *sx_host_req_text(const sx_req *req, int32_t which)
{
    struct sx_req *r = own(req);

    if (which < 0 || which > SX_TARGET)
        return "";
    if (r->texts[which] == NULL)
        r->texts[which] = make_text(r, which);
    return r->texts[which] == NULL ? "" : r->texts[which];
}

sx_span sx_host_req_body(const sx_req *req)
{
    struct sx_req *r = own(req);
    struct sx_slice b = r->http.body;

    /* The plugin may keep the span while it waits, so it must not lie in the read buffer. */
    if (b.len > 0 && !r->http.is_suspended && b.data != r->http.body_buf.data &&
        !r->has_body_copy) {
        b.data = sx_arena_text(&r->http.arena, b.data, b.len);
        if (b.data == NULL)
            return (sx_span){ "", 0 };
        r->http.body = b;
        r->has_body_copy = true;
    }
    return (sx_span){ b.data == NULL ? "" : b.data, b.len };
}

/* What jansson allocates for each thing, as malloc rounds it: an empty object of two bytes takes a
 * hundred times as much. */
#define OBJECT_BYTES 272u
#define LIST_BYTES   128u
#define VALUE_BYTES  64u /* and its place in the list or object around it */
#define KEY_BYTES    96u

/* How much memory the parsed text will take; SX_ERR_INVALID when it is nested too deep, which is
 * checked first: jansson recurses, and its own ceiling is a compile-time 2048. */
static int measure(struct sx_slice s, uint64_t *ret_bytes)
{
    uint64_t bytes = VALUE_BYTES + s.len;
    unsigned depth = 0;
    bool in_text = false;

    for (size_t i = 0; i < s.len; i++) {
        char ch = s.data[i];

        if (in_text) {
            if (ch == '\\')
                i++;
            else if (ch == '"')
                in_text = false;
        } else if (ch == '"') {
            in_text = true;
        } else if (ch == '{' || ch == '[') {
            if (++depth > MAX_JSON_DEPTH)
                return SX_ERR_INVALID;
            bytes += ch == '{' ? OBJECT_BYTES : LIST_BYTES;
        } else if ((ch == '}' || ch == ']') && depth > 0) {
            depth--;
        } else if (ch == ',') {
            bytes += VALUE_BYTES;
        } else if (ch == ':') {
            bytes += KEY_BYTES;
        }
    }
    *ret_bytes = bytes;
    return 0;
}

/* Counted on the loop only, which owns the count; threads that ask are few. */
static bool finds_room(struct sx_req *r, uint64_t bytes)
{
    r->has_no_room = sx_is_loop(r->set) && !sx_http_hold(&r->http, bytes);
    return !r->has_no_room;
}

json_t *sx_host_req_json(sx_req *r)
{
    struct sx_slice body = r->http.body;
    uint64_t bytes;

    if (r->has_json)
        return r->json;
    r->has_json = true;
    /* jansson ends at a NUL byte, and the rest would be taken for good */
    if (body.len > 0 && memchr(body.data, '\0', body.len) == NULL && measure(body, &bytes) == 0 &&
        finds_room(r, bytes))
        r->json = json_loadb(body.data, body.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    return r->json;
}

int sx_host_req_upload(const sx_req *req, const char *name, uint32_t index, sx_upload *ret,
                       size_t size)
{
    struct sx_req *r = own(req);
    const struct sx_part *part;
    sx_upload up = { 0 };
    int err = sx_form_load(r);

    if (err < 0)
        return err;
    if (r->http.multipart == NULL || name == NULL)
        return SX_ENOENT;
    part = sx_multipart_find(r->http.multipart, sx_slice_of(name), true, index);
    if (part == NULL)
        return SX_ENOENT;
    up.file_name = part->file_name.data;
    up.type = part->type.data == NULL ? "application/octet-stream" : part->type.data;
    up.data = (sx_span){ part->path == NULL ? part->data.data : "",
                         part->path == NULL ? part->data.len : 0 };
    up.path = part->path;
    up.size = part->size;
    memcpy(ret, &up, size < sizeof up ? size : sizeof up);
    return SX_OK;
}

int32_t sx_host_req_gone(const sx_req *r)
{
    return sx_http_is_gone(&r->http);
}

void *sx_host_req_alloc(sx_req *r, size_t size)
{
    return sx_arena_zalloc(&r->http.arena, size);
}

void **sx_host_req_local(sx_req *r)
{
    if (r->locals == NULL)
        r->locals = sx_arena_zalloc(&r->http.arena, r->set->n_plugins * sizeof *r->locals);
    return r->locals == NULL ? NULL : &r->locals[r->plugin->index];
}
