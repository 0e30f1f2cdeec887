/*
 * plugin/host_reply.c - the entries of the host table that answer.
 */
#include <string.h>

#include "http/cookie.h"
#include "plugin/plugin_private.h"

#define JSON_TYPE "application/json"

static int refuse_second(struct sx_req *r)
{
    if (!r->has_second_reply)
        sx_report_fault(r->plugin, r, "a second answer was given, the first one stands");
    r->has_second_reply = true;
    return SX_EINVAL;
}

static bool is_answered(const struct sx_req *r)
{
    return r->http.resp.status != 0 || r->is_done;
}

int sx_host_reply_header(sx_req *r, const char *name, const char *value, int32_t mode)
{
    int err = name == NULL || value == NULL
                  ? SX_EINVAL
                  : sx_http_set_header(&r->http, sx_slice_of(name), sx_slice_of(value),
                                       mode == SX_APPEND);

    if (err == SX_ERR_INVALID)
        sx_report_fault(r->plugin, r, "the header \"%.80s\" was refused: %s",
                        name == NULL ? "" : name,
                        name == NULL || value == NULL
                            ? "its name or value is NULL"
                            : sx_http_header_fault(sx_slice_of(name), sx_slice_of(value)));
    return err;
}

int sx_tell_refusal(struct sx_req *r, int err, int status, const char *type)
{
    if (err != SX_ERR_INVALID)
        return err;
    if (type != NULL && sx_http_header_fault(sx_slice_of("type"), sx_slice_of(type)) != NULL)
        sx_report_fault(r->plugin, r,
                        "the header \"Content-Type\" was refused: \"%.80s\" has a "
                        "control byte",
                        type);
    else
        sx_report_fault(r->plugin, r, "the status %d was refused: it cannot be that of this answer",
                        status);
    return err;
}

int sx_host_reply_cookie(sx_req *r, const sx_cookie_spec *given, size_t size)
{
    sx_cookie_spec spec = { 0 };
    struct sx_cookie cookie;
    struct sx_buf line;
    const char *prefix = r->entry == NULL ? "" : r->entry->plugin->cfg->prefix;
    int err;

    memcpy(&spec, given, size < sizeof spec ? size : sizeof spec);
    cookie = (struct sx_cookie){
        .name = sx_slice_of(spec.name),
        .value = sx_slice_of(spec.value == NULL ? "" : spec.value),
        .path = sx_slice_of(spec.path != NULL ? spec.path
                            : *prefix == '\0' ? "/"
                                              : prefix),
        .max_age_s = spec.max_age_s,
        .same_site = (enum sx_same_site)(spec.same_site == 1   ? SX_SAME_SITE_STRICT
                                         : spec.same_site == 2 ? SX_SAME_SITE_NONE
                                                               : SX_SAME_SITE_LAX),
        .is_secure = strcmp(sx_http_scheme(&r->http), "https") == 0,
        .is_http_only = spec.script == 0,
    };
    sx_buf_init(&line, 8192);
    err = sx_cookie_write(&line, &cookie);
    if (err == 0)
        err = sx_http_set_header(&r->http, sx_slice_of("Set-Cookie"),
                                 sx_slice_make(line.data, line.len), true);
    sx_buf_finish(&line);
    if (err == SX_ERR_INVALID)
        sx_report_fault(r->plugin, r,
                        "the cookie \"%.80s\" was refused: its name, value or path has a byte that "
                        "may not be there, or its name promises what it does not keep",
                        spec.name == NULL ? "" : spec.name);
    return err;
}

char *sx_host_body_reserve(sx_req *r, size_t n)
{
    return is_answered(r) ? NULL : sx_buf_reserve(&r->http.resp.body, n);
}

void sx_host_body_commit(sx_req *r, size_t n)
{
    struct sx_buf *b = &r->http.resp.body;

    if (!is_answered(r) && n <= b->cap - b->len)
        sx_buf_commit(b, n);
}

int sx_host_reply_body(sx_req *r, int32_t status, const char *type)
{
    if (is_answered(r))
        return refuse_second(r);
    return sx_tell_refusal(r, sx_http_reply_body(&r->http, status, type), status, type);
}

int sx_host_reply(sx_req *r, int32_t status, const char *type, const void *data, size_t len)
{
    if (is_answered(r))
        return refuse_second(r);
    return sx_tell_refusal(r, sx_http_reply(&r->http, status, type, data, len), status, type);
}

static int write_json(const char *data, size_t len, void *arg)
{
    struct sx_buf *b = arg;

    sx_buf_add(b, data, len);
    return sx_buf_failed(b) ? -1 : 0;
}

int sx_host_reply_json(sx_req *r, int32_t status, json_t *taken)
{
    struct sx_buf *body = &r->http.resp.body;
    int err;

    if (taken == NULL)
        return SX_ENOMEM;
    if (is_answered(r)) {
        json_decref(taken);
        return refuse_second(r);
    }
    sx_buf_reset(body, SIZE_MAX);
    err = json_dump_callback(taken, write_json, body, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(taken);
    if (err != 0)
        return SX_ENOMEM;
    return sx_tell_refusal(r, sx_http_reply_body(&r->http, status, JSON_TYPE), status, NULL);
}

int sx_host_reply_problem(sx_req *r, int32_t status, const char *code, const char *fmt, va_list ap)
{
    if (is_answered(r))
        return refuse_second(r);
    return sx_tell_refusal(r, sx_http_vproblem(&r->http, status, code, fmt, ap), status, NULL);
}

int sx_host_reply_file(sx_req *r, const char *root, const char *path)
{
    const char *base = r->set->set.root_dir;

    if (is_answered(r))
        return refuse_second(r);
    if (root == NULL || path == NULL)
        return SX_EINVAL;
    if (*root != '/' && base != NULL)
        root = sx_arena_printf(&r->http.arena, "%s/%s", base, root);
    return root == NULL ? SX_ENOMEM : sx_http_reply_file(&r->http, root, path);
}

/* --- Links ------------------------------------------------------------------------------ */

static const struct sx_entry *find_operation(const struct sx_req *r, const char *operation_id)
{
    for (uint32_t i = 0; i < r->plugin->n_routes; i++) {
        const struct sx_entry *e = &r->plugin->entries[i];

        if (e->route->operation_id != NULL && strcmp(e->route->operation_id, operation_id) == 0)
            return e;
    }
    return NULL;
}

static const char *value_of(const char *const *names_and_values, const char *name, size_t len)
{
    for (size_t i = 0; names_and_values != NULL && names_and_values[i] != NULL; i += 2)
        if (strlen(names_and_values[i]) == len && memcmp(names_and_values[i], name, len) == 0)
            return names_and_values[i + 1];
    return NULL;
}

/* Unreserved bytes stay, of the others only '/' in a rest parameter (RFC 3986 section 2.3). */
static void add_encoded(struct sx_buf *to, const char *value, bool keeps_slash)
{
    for (const unsigned char *at = (const unsigned char *)value; *at != '\0'; at++) {
        bool is_plain = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
                        (*at >= '0' && *at <= '9') || strchr("-._~", *at) != NULL ||
                        (keeps_slash && *at == '/');

        if (is_plain)
            sx_buf_add(to, at, 1);
        else
            sx_buf_printf(to, "%%%02X", *at);
    }
}

static int add_param(struct sx_buf *to, const char **at, const char *const *names_and_values)
{
    const char *name = *at + 1;
    const char *close = strchr(name, '}');
    size_t len = close == NULL ? 0 : (size_t)(close - name);
    bool is_rest = len > 3 && memcmp(name + len - 3, "...", 3) == 0;
    const char *value = value_of(names_and_values, name, is_rest ? len - 3 : len);

    if (close == NULL || value == NULL)
        return SX_ENOENT;
    add_encoded(to, value, is_rest);
    *at = close + 1;
    return 0;
}

const char *sx_host_route_url(sx_req *r, const char *operation_id,
                              const char *const *names_and_values)
{
    const struct sx_entry *e = operation_id == NULL ? NULL : find_operation(r, operation_id);
    const char *url = NULL;
    struct sx_buf b;
    int err = 0;

    if (e == NULL)
        return NULL;
    sx_buf_init(&b, 65536);
    for (const char *at = e->path; *at != '\0' && err == 0;) {
        if (*at == '{')
            err = add_param(&b, &at, names_and_values);
        else
            sx_buf_add(&b, at++, 1);
    }
    if (err == 0 && !sx_buf_failed(&b))
        url = sx_arena_text(&r->http.arena, b.data, b.len);
    sx_buf_finish(&b);
    return url;
}
