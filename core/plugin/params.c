/*
 * plugin/params.c - parameters: found, decoded on demand, checked against what the route
 * declares, so that a handler reads a declared one without a check.
 */
#include <string.h>

#include "base/text.h"
#include "http/cookie.h"
#include "http/multipart.h"
#include "plugin/plugin_private.h"

#define MAX_PAIRS 1000u

static const char *path_text(struct sx_req *r, const char *name)
{
    for (uint32_t i = 0; i < r->n_params; i++) {
        struct sx_path_value *p = &r->params[i];

        if (strcmp(p->name, name) != 0)
            continue;
        if (p->text == NULL) {
            char *to = sx_arena_alloc(&r->http.arena, (size_t)p->len + 1);
            ptrdiff_t n = to == NULL
                              ? -1
                              : sx_percent_decode(to, r->http.path.data + p->offset, p->len, false);

            if (n < 0)
                return NULL;
            to[n] = '\0';
            p->text = to;
        }
        return p->text;
    }
    return NULL;
}

int sx_query_load(struct sx_req *r)
{
    if (r->has_query)
        return 0;
    r->has_query = true;
    return sx_form_parse(&r->http.arena, r->http.query, MAX_PAIRS, &r->query);
}

static bool is_urlencoded(const struct sx_req *r)
{
    struct sx_slice type = sx_http_header(&r->http, "content-type", 12);
    struct sx_slice essence = sx_slice_trim(sx_slice_cut(&type, ';'));

    return sx_slice_is_nocase(essence, "application/x-www-form-urlencoded");
}

/* A form that no route declared lies in memory whole: parse it from there. */
static int load_multipart(struct sx_req *r, struct sx_slice type)
{
    const struct sx_config_http *cfg = &r->set->set.config->http;
    struct sx_multipart_limits limits = { .max_parts = MAX_PAIRS,
                                          .max_header_bytes = 8192,
                                          .spool_bytes = cfg->spool_bytes,
                                          .upload_bytes = cfg->upload_bytes,
                                          .spool_dir = r->set->set.config->server.upload_dir };
    int err = sx_multipart_create(&r->http.arena, type, &limits, &r->http.multipart);

    if (err == 0)
        err = sx_multipart_feed(r->http.multipart, r->http.body.data, r->http.body.len);
    return err == 0 ? sx_multipart_finish(r->http.multipart) : err;
}

int sx_form_load(struct sx_req *r)
{
    struct sx_slice type = sx_http_header(&r->http, "content-type", 12);

    if (r->has_form || r->http.multipart != NULL)
        return 0;
    r->has_form = true;
    if (is_urlencoded(r))
        return sx_form_parse(&r->http.arena, r->http.body, MAX_PAIRS, &r->form);
    if (sx_multipart_is(type))
        return load_multipart(r, type);
    return 0;
}

static const char *form_text(struct sx_req *r, struct sx_slice name, uint32_t index)
{
    const struct sx_part *part;
    const struct sx_pair *pair;

    (void)sx_form_load(r);
    if (r->http.multipart != NULL) {
        part = sx_multipart_find(r->http.multipart, name, false, index);
        return part == NULL || part->path != NULL ? NULL : part->data.data;
    }
    pair = sx_pairs_find(&r->form, name, index);
    return pair == NULL ? NULL : pair->value.data;
}

/* Fails once; whoever asks later finds no cookie. */
static int load_cookies(struct sx_req *r)
{
    if (r->has_cookies)
        return 0;
    r->has_cookies = true;
    return sx_cookies_parse(&r->http.arena, sx_http_header(&r->http, "cookie", 6), MAX_PAIRS,
                            &r->cookies);
}

static const char *cookie_text(struct sx_req *r, struct sx_slice name, uint32_t index)
{
    const struct sx_pair *pair;

    (void)load_cookies(r);
    pair = sx_pairs_find(&r->cookies, name, index);
    return pair == NULL ? NULL : pair->value.data;
}

static const char *query_text(struct sx_req *r, struct sx_slice name, uint32_t index)
{
    const struct sx_pair *pair;

    (void)sx_query_load(r);
    pair = sx_pairs_find(&r->query, name, index);
    return pair == NULL ? NULL : pair->value.data;
}

static const char *header_text(struct sx_req *r, struct sx_slice name, uint32_t index)
{
    for (uint32_t i = 0; i < r->http.n_headers; i++) {
        const struct sx_http_header *h = &r->http.headers[i];

        if (sx_slice_equals_nocase(h->name, name) && index-- == 0)
            return sx_arena_text(&r->http.arena, h->value.data, h->value.len);
    }
    return NULL;
}

/* What is decoded on the way is kept in the request, which the contract calls const. */
const char *sx_host_req_param(const sx_req *req, int32_t in, const char *name, uint32_t index)
{
    struct sx_req *r = (struct sx_req *)(uintptr_t)req;
    struct sx_slice key = sx_slice_of(name);

    if (name == NULL)
        return NULL;
    switch (in) {
    case SX_IN_PATH: return index == 0 ? path_text(r, name) : NULL;
    case SX_IN_QUERY: return query_text(r, key, index);
    case SX_IN_HEADER: return header_text(r, key, index);
    case SX_IN_COOKIE: return cookie_text(r, key, index);
    case SX_IN_FORM: return form_text(r, key, index);
    default: return NULL;
    }
}

/* --- What the route declares ---------------------------------------------------------- */

static bool suits(const char *text, int32_t type)
{
    int64_t i;
    double f;

    switch (type) {
    case SX_INT: return sx_parse_int(text, strlen(text), &i) == 0;
    case SX_NUMBER: return sx_parse_number(text, strlen(text), &f) == 0;
    case SX_BOOL:
        return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 || strcmp(text, "1") == 0 ||
               strcmp(text, "0") == 0;
    default: return sx_is_utf8(text, strlen(text));
    }
}

static int out_of_memory(struct sx_req *r)
{
    (void)sx_http_problem(&r->http, 503, "out_of_memory", "no memory for the parameters");
    return SX_ERR_NOMEM;
}

/* found: NULL when it is missing. */
static int refuse(struct sx_req *r, const sx_field *f, const char *found)
{
    static const char *const places[] = { "path", "query", "header", "cookie", "form" };
    const char *place = f->in >= 0 && f->in <= SX_IN_FORM ? places[f->in] : "parameter";
    const char *type = f->type == SX_INT      ? "an integer of 64 bits"
                       : f->type == SX_NUMBER ? "a number"
                       : f->type == SX_BOOL   ? "true or false"
                                              : "text in UTF-8";

    sx_http_unreply(&r->http);
    if (found == NULL)
        (void)sx_http_problem(&r->http, 400, "missing_parameter",
                              "the %s needs \"%s\": expected %s", place, f->name, type);
    else
        (void)sx_http_problem(&r->http, 400, "invalid_parameter",
                              "\"%s\" in the %s: expected %s, found \"%.100s\"", f->name, place,
                              type, found);
    return SX_ERR_INVALID;
}

static int check_value(struct sx_req *r, const sx_field *f, const char *text, size_t len)
{
    if (strlen(text) != len)
        return refuse(r, f, "a text with a NUL");
    /* An empty optional number is one that was not given, as HTML forms send it. */
    if (len == 0 && !f->required && f->type != SX_TEXT)
        return 0;
    return suits(text, f->type) ? 0 : refuse(r, f, text);
}

/* Every value of a name that comes several times is one that a handler may read. */
static int check_pairs(struct sx_req *r, const sx_field *f, const struct sx_pairs *pairs,
                       uint32_t *ret_n)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < pairs->n; i++) {
        const struct sx_pair *pair = &pairs->v[i];

        if (!sx_slice_is(pair->name, f->name))
            continue;
        n++;
        if (check_value(r, f, pair->value.data, pair->value.len) < 0)
            return SX_ERR_INVALID;
    }
    *ret_n = n;
    return 0;
}

static int check_headers(struct sx_req *r, const sx_field *f, uint32_t *ret_n)
{
    struct sx_slice name = sx_slice_of(f->name);
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->http.n_headers; i++) {
        const struct sx_http_header *h = &r->http.headers[i];
        const char *text;

        if (!sx_slice_equals_nocase(h->name, name))
            continue;
        n++;
        text = sx_arena_text(&r->http.arena, h->value.data, h->value.len);
        if (text == NULL || check_value(r, f, text, h->value.len) < 0)
            return text == NULL ? out_of_memory(r) : SX_ERR_INVALID;
    }
    *ret_n = n;
    return 0;
}

/* A file counts as given; a plain part that was too large for memory is no value. */
static int check_parts(struct sx_req *r, const sx_field *f, uint32_t *ret_n)
{
    struct sx_slice name = sx_slice_of(f->name);
    const struct sx_part *part = sx_multipart_parts(r->http.multipart);
    uint32_t n = 0;

    for (; part != NULL; part = part->next) {
        if (!sx_slice_equals(part->name, name))
            continue;
        n++;
        if (part->file_name.data != NULL)
            continue;
        if (part->path != NULL)
            return refuse(r, f, "more text than this server keeps in memory");
        if (check_value(r, f, part->data.data, part->data.len) < 0)
            return SX_ERR_INVALID;
    }
    *ret_n = n;
    return 0;
}

static int check_path(struct sx_req *r, const sx_field *f, uint32_t *ret_n)
{
    const char *text = path_text(r, f->name);

    if (text == NULL)
        return refuse(r, f, "a bad percent-escape");
    *ret_n = 1;
    return suits(text, f->type) ? 0 : refuse(r, f, text);
}

static int check_field(struct sx_req *r, const sx_field *f)
{
    uint32_t n = 0;
    int err = 0;

    switch (f->in) {
    case SX_IN_PATH: err = check_path(r, f, &n); break;
    case SX_IN_QUERY: err = check_pairs(r, f, &r->query, &n); break;
    case SX_IN_HEADER: err = check_headers(r, f, &n); break;
    case SX_IN_COOKIE: err = check_pairs(r, f, &r->cookies, &n); break;
    default:
        err = r->http.multipart != NULL ? check_parts(r, f, &n) : check_pairs(r, f, &r->form, &n);
    }
    if (err < 0)
        return err;
    return n == 0 && f->required ? refuse(r, f, NULL) : 0;
}

static int refuse_all(struct sx_req *r, int err, const char *code, const char *detail)
{
    if (err == SX_ERR_NOMEM)
        return out_of_memory(r);
    (void)sx_http_problem(&r->http, 400, code, "%s", detail);
    return SX_ERR_INVALID;
}

static bool declares_cookies(const struct sx_req *r)
{
    for (const sx_field *f = r->entry->route->params; f != NULL && f->name != NULL; f++)
        if (f->in == SX_IN_COOKIE)
            return true;
    return false;
}

/* What cannot be decoded would read as absent parameters. */
static int load_all(struct sx_req *r)
{
    int err = sx_query_load(r);

    if (err < 0)
        return refuse_all(r, err, "bad_query", "the query has a bad escape or too many parameters");
    if (r->entry->has_form && sx_http_refuse_packed(&r->http))
        return SX_ERR_INVALID;
    err = r->entry->has_form ? sx_form_load(r) : 0;
    if (err < 0)
        return refuse_all(r, err, "bad_form", "the form is malformed or has too many fields");
    err = declares_cookies(r) ? load_cookies(r) : 0;
    if (err < 0)
        return refuse_all(r, err, "bad_cookies", "the request has too many cookies");
    return 0;
}

static int refuse_json(struct sx_req *r)
{
    if (sx_http_refuse_packed(&r->http))
        return SX_ERR_INVALID;
    if (r->has_no_room) {
        (void)sx_http_set_header(&r->http, sx_slice_of("Retry-After"), sx_slice_of("1"), false);
        (void)sx_http_problem(&r->http, 503, "busy",
                              "the server holds as many bodies as it can, try again");
        return SX_ERR_INVALID;
    }
    return refuse_all(r, SX_ERR_INVALID, "invalid_json",
                      "the body is not JSON that this server takes");
}

int sx_params_check(struct sx_req *r)
{
    if (load_all(r) < 0)
        return SX_ERR_INVALID;
    for (const sx_field *f = r->entry->route->params; f != NULL && f->name != NULL; f++)
        if (check_field(r, f) < 0)
            return SX_ERR_INVALID;
    return r->entry->route->body_schema == NULL || sx_host_req_json(r) != NULL ? 0 : refuse_json(r);
}
