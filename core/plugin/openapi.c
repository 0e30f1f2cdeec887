/*
 * plugin/openapi.c - the OpenAPI 3.1 document of all routes, and GET /openapi.json.
 *
 * Made once, out of the manifests; no function of a plugin is called.  A plugin that declares
 * the path /openapi.json itself owns it.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "http/conditions.h"
#include "plugin/openapi.h"

#define OPENAPI_PATH  "/openapi.json"
#define MAX_ID_BYTES  256
#define MAX_SUFFIX    16
#define MAX_DOC_BYTES (64u << 20)

struct document {
    json_t *root;
    json_t *paths;     /* borrowed from the root */
    json_t *tags;      /* borrowed from the root */
    json_t *templates; /* a path without names to the path of the document */
    json_t *ids;       /* those in use */
    json_t *tag_names;
    bool failed;
};

/* --- Paths ---------------------------------------------------------------------------------- */

/* "/a/{id}/{rest...}" becomes "/a/{}/{...}": what tells two paths apart in the router. */
static void add_shape(struct sx_buf *to, const char *pattern)
{
    for (const char *at = pattern; *at != '\0'; at++) {
        sx_buf_add(to, at, 1);
        if (*at != '{')
            continue;
        while (at[1] != '}' && at[1] != '\0')
            at++;
        if (*at == '.')
            sx_buf_add_text(to, "...");
    }
}

/* The same with names: the dots are no part of OpenAPI's. */
static void add_template(struct sx_buf *to, const char *pattern, const char *instead_of_dots)
{
    for (const char *at = pattern; *at != '\0';) {
        if (strncmp(at, "...}", 4) == 0) {
            sx_buf_add_text(to, instead_of_dots);
            at += 3;
        } else {
            sx_buf_add(to, at++, 1);
        }
    }
}

/* A rest parameter named as a plain one elsewhere would make the same text of two paths. */
static const char *choose_template(struct document *d, const char *pattern, struct sx_buf *b)
{
    const char *text;

    add_template(b, pattern, "");
    text = sx_buf_text(b);
    if (text == NULL || json_object_get(d->paths, text) == NULL)
        return text;
    sx_buf_reset(b, SIZE_MAX);
    add_template(b, pattern, "_rest");
    return sx_buf_text(b);
}

/* The path of the document for this pattern; that of the route that came first when only the
 * names of their parameters differ.  Borrowed from the document. */
static const char *path_of(struct document *d, const char *pattern)
{
    struct sx_buf shape, b;
    const char *key, *text = NULL;

    sx_buf_init(&shape, MAX_DOC_BYTES);
    sx_buf_init(&b, MAX_DOC_BYTES);
    add_shape(&shape, pattern);
    key = sx_buf_text(&shape);
    if (key != NULL && json_object_get(d->templates, key) == NULL &&
        (text = choose_template(d, pattern, &b)) != NULL) {
        sx_openapi_put(d->templates, key, sx_openapi_text(text), &d->failed);
        sx_openapi_put(d->paths, text, json_object(), &d->failed);
    }
    text = key == NULL ? NULL : json_string_value(json_object_get(d->templates, key));
    sx_buf_finish(&shape);
    sx_buf_finish(&b);
    return text;
}

/* --- Names of operations --------------------------------------------------------------------- */

static bool is_word(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

/* "/probe/token/{t}" as _probe_token_t. */
static size_t add_words(char *to, size_t size, size_t n, const char *text)
{
    for (; *text != '\0' && n + 1 < size; text++) {
        if (is_word(*text))
            to[n++] = *text;
        else if (to[n - 1] != '_' && to[n - 1] != '.' && is_word(text[1]))
            to[n++] = '_';
    }
    to[n] = '\0';
    return n;
}

/* Begins with the plugin's name, so that two plugins can use the same. */
static void make_id(struct document *d, const struct sx_entry *e, const char *method, char *to,
                    size_t size)
{
    const char *given = e->route->operation_id;
    size_t room = size - MAX_SUFFIX;
    size_t n = (size_t)snprintf(to, room, "%s.", e->plugin->note.name);

    if (given != NULL && *given != '\0') {
        n = add_words(to, room, n, given);
    } else {
        n = add_words(to, room, n, method);
        n = add_words(to, room, n, e->route->path);
    }
    for (unsigned i = 2; json_object_get(d->ids, to) != NULL; i++)
        (void)snprintf(to + n, MAX_SUFFIX, "_%u", i);
    sx_openapi_put(d->ids, to, json_true(), &d->failed);
}

/* --- Routes ---------------------------------------------------------------------------------- */

static void add_tag(struct document *d, const struct sx_entry *e)
{
    const char *name = sx_operation_tag(e);
    json_t *tag;

    if (json_object_get(d->tag_names, name) != NULL || !sx_is_utf8(name, strlen(name)))
        return;
    sx_openapi_put(d->tag_names, name, json_true(), &d->failed);
    tag = json_pack("{s:s}", "name", name);
    if (strcmp(name, e->plugin->note.name) == 0)
        sx_openapi_put_text(tag, "description", e->plugin->manifest.summary, &d->failed);
    if (json_array_append_new(d->tags, tag) != 0)
        d->failed = true;
}

/* The methods that OpenAPI has names for; others are extensions. */
static void method_key(const char *method, char *to, size_t size)
{
    static const char *const known[] = { "get",     "put",  "post",  "delete",
                                         "options", "head", "patch", "trace" };

    (void)snprintf(to, size, "x-%s", method);
    for (char *at = to; *at != '\0'; at++)
        *at = (char)tolower((unsigned char)*at);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(to + 2, known[i]) == 0)
            memmove(to, to + 2, strlen(to + 2) + 1);
}

/* The same path and method on another host: OpenAPI has one place for both. */
static void add_beside(struct document *d, json_t *first, json_t *taken)
{
    if (json_object_get(first, "x-other-hosts") == NULL)
        sx_openapi_put(first, "x-other-hosts", json_array(), &d->failed);
    if (json_array_append_new(json_object_get(first, "x-other-hosts"), taken) != 0)
        d->failed = true;
}

static void add_operation(struct document *d, const struct sx_entry *e, const char *path,
                          json_t *item, const char *method)
{
    char id[MAX_ID_BYTES];
    json_t *op;

    make_id(d, e, method, id, sizeof id);
    op = sx_operation_json(e, path, id, &d->failed);
    if (json_object_get(item, method) != NULL)
        add_beside(d, json_object_get(item, method), op);
    else
        sx_openapi_put(item, method, op, &d->failed);
    add_tag(d, e);
}

/* No operation of OpenAPI: what is said is in its messages.  Told beside them, by path. */
static void add_websocket(struct document *d, const struct sx_entry *e)
{
    struct sx_buf b;
    const char *path;
    json_t *item;

    if (json_object_get(d->root, "x-websockets") == NULL)
        sx_openapi_put(d->root, "x-websockets", json_object(), &d->failed);
    sx_buf_init(&b, MAX_DOC_BYTES);
    add_template(&b, e->path, "");
    path = sx_buf_text(&b);
    item = json_object_get(d->root, "x-websockets");
    if (path != NULL && json_object_get(item, path) == NULL)
        sx_openapi_put(item, path, json_object(), &d->failed);
    item = path == NULL ? NULL : json_object_get(item, path);
    if (item == NULL)
        d->failed = true;
    else
        add_operation(d, e, path, item, "websocket");
    sx_buf_finish(&b);
}

static void add_entry(struct document *d, const struct sx_entry *e)
{
    char method[64];
    const char *path;

    if (strcmp(e->method, SX_ROUTE_WEBSOCKET) == 0) {
        add_websocket(d, e);
        return;
    }
    path = path_of(d, e->path);
    if (path == NULL) {
        d->failed = true;
        return;
    }
    method_key(e->method, method, sizeof method);
    add_operation(d, e, path, json_object_get(d->paths, path), method);
}

/* --- The document ---------------------------------------------------------------------------- */

static json_t *problem_schema(void)
{
    return json_pack("{s:s, s:s, s:[s, s, s], s:{s:{s:s, s:s}, s:{s:s}, s:{s:s}, s:{s:s, s:s},"
                     " s:{s:s}, s:{s:s}}}",
                     "type", "object", "description", "An error, as RFC 9457 has it", "required",
                     "type", "title", "status", "properties", "type", "type", "string", "format",
                     "uri-reference", "title", "type", "string", "status", "type", "integer",
                     "code", "type", "string", "description", "Stable, for programs", "detail",
                     "type", "string", "request_id", "type", "string");
}

static json_t *components(void)
{
    return json_pack("{s:{s:o}, s:{s:{s:s, s:{s:{s:{s:s}}}}}}", "schemas", "Problem",
                     problem_schema(), "responses", "Problem", "description", "An error", "content",
                     "application/problem+json", "schema", "$ref", SX_OPENAPI_PROBLEM_SCHEMA);
}

static void begin(struct document *d, const struct sx_plugins *ps)
{
    *d = (struct document){ .root = json_object(),
                            .paths = json_object(),
                            .tags = json_array(),
                            .templates = json_object(),
                            .ids = json_object(),
                            .tag_names = json_object() };
    sx_openapi_put(d->root, "openapi", json_string("3.1.0"), &d->failed);
    sx_openapi_put(d->root, "info",
                   json_pack("{s:s, s:s, s:o}", "title", "sim-exchange", "version", SX_VERSION,
                             "description",
                             json_sprintf("The routes of all plugins that the environment \"%s\" "
                                          "serves.",
                                          ps->set.config->env)),
                   &d->failed);
    sx_openapi_put(d->root, "servers", json_pack("[{s:s}]", "url", "/"), &d->failed);
    sx_openapi_put(d->root, "tags", d->tags, &d->failed);
    sx_openapi_put(d->root, "paths", d->paths, &d->failed);
    sx_openapi_put(d->root, "components", components(), &d->failed);
}

/* malloc; NULL without memory. */
static char *make_text(const struct sx_plugins *ps)
{
    char *text = NULL;
    struct document d;

    begin(&d, ps);
    for (size_t i = 0; i < ps->n_plugins && !d.failed; i++)
        for (uint32_t n = 0; n < ps->plugins[i].n_routes; n++)
            add_entry(&d, &ps->plugins[i].entries[n]);
    if (!d.failed)
        text = json_dumps(d.root, JSON_INDENT(1));
    json_decref(d.root);
    json_decref(d.templates);
    json_decref(d.ids);
    json_decref(d.tag_names);
    return text;
}

void sx_plugins_print_openapi(const struct sx_plugins *ps, FILE *out)
{
    char *text = make_text(ps);

    (void)fprintf(text == NULL ? stderr : out, "%s\n",
                  text == NULL ? "no memory for the document" : text);
    free(text);
}

/* --- Serving it ------------------------------------------------------------------------------ */

bool sx_openapi_is_asked(const struct sx_http_req *http, const struct sx_entry *owner)
{
    if (!sx_slice_is(http->path, OPENAPI_PATH))
        return false;
    return owner == NULL || strcmp(owner->path, OPENAPI_PATH) != 0;
}

static bool has_text(struct sx_plugins *ps)
{
    char hex[SX_SHA256_HEX + 1];

    if (ps->openapi != NULL)
        return true;
    ps->openapi = make_text(ps);
    if (ps->openapi == NULL)
        return false;
    sx_sha256_hex(ps->openapi, strlen(ps->openapi), hex);
    (void)snprintf(ps->openapi_tag, sizeof ps->openapi_tag, "W/\"%.32s\"", hex);
    return true;
}

/* The tag is weak: the same text may go out packed. */
static int answer_text(struct sx_plugins *ps, struct sx_http_req *http)
{
    struct sx_file_conditions cond = { .if_match = sx_http_header_list(http, "if-match", 8),
                                       .if_none_match = sx_http_header_list(http, "if-none-match",
                                                                            13),
                                       .is_head = http->is_head };
    struct sx_validators have = { .etag = sx_slice_of(ps->openapi_tag + 2) };
    int status = sx_conditions_check(&cond, &have);

    if (status == 412)
        return sx_http_problem(http, 412, "precondition_failed", "the document is another one");
    (void)sx_http_set_header(http, sx_slice_of("ETag"), sx_slice_of(ps->openapi_tag), false);
    (void)sx_http_set_header(http, sx_slice_of("Cache-Control"), sx_slice_of("no-cache"), false);
    if (status == 304)
        return sx_http_reply(http, 304, NULL, NULL, 0);
    http->resp.may_pack = true;
    return sx_http_reply(http, 200, "application/json", ps->openapi, strlen(ps->openapi));
}

void sx_openapi_answer(struct sx_plugins *ps, struct sx_http_req *http)
{
    if (!sx_slice_is(http->method, "GET") && !http->is_head) {
        (void)sx_http_set_header(http, sx_slice_of("Allow"), sx_slice_of("GET, HEAD, OPTIONS"),
                                 false);
        if (sx_slice_is(http->method, "OPTIONS"))
            (void)sx_http_reply(http, 204, NULL, NULL, 0);
        else
            (void)sx_http_problem(http, 405, "method_not_allowed", "this path takes GET");
    } else if (!has_text(ps)) {
        (void)sx_http_problem(http, 503, "out_of_memory", "no memory for the document");
    } else if (answer_text(ps, http) < 0) {
        (void)sx_http_problem(http, 503, "out_of_memory", "no memory for the document");
    }
}
