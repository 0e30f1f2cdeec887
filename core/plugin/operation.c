/*
 * plugin/operation.c - one route as an operation of the OpenAPI document.
 *
 * Everything comes from the manifest: what the host enforces (types, required parameters) is
 * what the document says.
 */
#include <string.h>

#include "base/buf.h"
#include "http/status.h"
#include "plugin/openapi.h"

#define JSON_TYPE "application/json"

/* --- Writing ------------------------------------------------------------------------------ */

void sx_openapi_put(json_t *object, const char *key, json_t *taken, bool *ret_failed)
{
    if (json_object_set_new(object, key, taken) != 0)
        *ret_failed = true;
}

/* What a plugin wrote may be no UTF-8, which JSON cannot hold. */
static json_t *repaired(const char *text)
{
    json_t *value = NULL;
    struct sx_buf b;

    sx_buf_init(&b, 1u << 20);
    sx_buf_add_json_text(&b, text, strlen(text));
    if (!sx_buf_failed(&b))
        value = json_loadb(b.data, b.len, JSON_DECODE_ANY, NULL);
    sx_buf_finish(&b);
    return value;
}

json_t *sx_openapi_text(const char *text)
{
    return sx_is_utf8(text, strlen(text)) ? json_string(text) : repaired(text);
}

void sx_openapi_put_text(json_t *object, const char *key, const char *text, bool *ret_failed)
{
    if (text != NULL && *text != '\0')
        sx_openapi_put(object, key, sx_openapi_text(text), ret_failed);
}

static void append(json_t *list, json_t *taken, bool *ret_failed)
{
    if (json_array_append_new(list, taken) != 0)
        *ret_failed = true;
}

/* --- Schemas ------------------------------------------------------------------------------- */

static json_t *type_schema(int32_t type)
{
    switch (type) {
    case SX_BOOL: return json_pack("{s:s}", "type", "boolean");
    case SX_INT: return json_pack("{s:s, s:s}", "type", "integer", "format", "int64");
    case SX_NUMBER: return json_pack("{s:s, s:s}", "type", "number", "format", "double");
    default: return json_pack("{s:s}", "type", "string");
    }
}

/* A schema that refers to its own parts ("#/$defs/…") gets a name: without one it would be
 * looked up in the whole document (JSON Schema 2020-12, section 8.2.1). */
static json_t *given_schema(const char *text, const char *id, const char *what)
{
    json_t *schema = json_loads(text, JSON_DECODE_ANY, NULL);

    if (json_is_object(schema) && strstr(text, "\"#") != NULL &&
        json_object_get(schema, "$id") == NULL)
        (void)json_object_set_new(schema, "$id", json_sprintf("urn:sx:%s:%s", id, what));
    return schema;
}

static json_t *content_of(const char *type, json_t *taken_schema)
{
    return json_pack("{s:{s:o}}", type, "schema", taken_schema);
}

/* --- Parameters ------------------------------------------------------------------------------ */

/* The next "{name}" or "{name...}" of a pattern from *at on. */
static bool next_param(const char **at, struct sx_slice *ret_name, bool *ret_is_rest)
{
    const char *open = strchr(*at, '{');
    const char *close = open == NULL ? NULL : strchr(open, '}');
    size_t len;

    if (close == NULL)
        return false;
    len = (size_t)(close - open - 1);
    *ret_is_rest = len > 3 && memcmp(close - 3, "...", 3) == 0;
    *ret_name = sx_slice_make(open + 1, *ret_is_rest ? len - 3 : len);
    *at = close + 1;
    return true;
}

static const sx_field *find_field(const sx_route *route, int32_t in, struct sx_slice name)
{
    for (const sx_field *f = route->params; f != NULL && f->name != NULL; f++)
        if (f->in == in && sx_slice_is(name, f->name))
            return f;
    return NULL;
}

static json_t *param(struct sx_slice name, const char *in, bool is_required, const sx_field *f,
                     bool *ret_failed)
{
    json_t *p = json_pack("{s:s%, s:s, s:b, s:o}", "name", name.data, name.len, "in", in,
                          "required", is_required, "schema",
                          type_schema(f == NULL ? SX_TEXT : f->type));

    if (f != NULL)
        sx_openapi_put_text(p, "description", f->doc, ret_failed);
    return p;
}

/* Declared or not, each name of the path is a parameter.  Its name is that of the document's
 * path, where another route may have given it first. */
static void add_path_params(json_t *list, const struct sx_entry *e, const char *path,
                            bool *ret_failed)
{
    const char *own = e->path, *shown = path;
    struct sx_slice own_name, shown_name;
    bool is_rest, ignored;

    while (next_param(&own, &own_name, &is_rest) && next_param(&shown, &shown_name, &ignored)) {
        json_t *p = param(shown_name, "path", true, find_field(e->route, SX_IN_PATH, own_name),
                          ret_failed);

        if (is_rest)
            sx_openapi_put(p, "x-rest", json_true(), ret_failed);
        append(list, p, ret_failed);
    }
}

static void add_params(json_t *op, const struct sx_entry *e, const char *path, bool *ret_failed)
{
    static const char *const places[] = {
        [SX_IN_QUERY] = "query", [SX_IN_HEADER] = "header", [SX_IN_COOKIE] = "cookie"
    };
    json_t *list = json_array();

    add_path_params(list, e, path, ret_failed);
    for (const sx_field *f = e->route->params; f != NULL && f->name != NULL; f++)
        if (f->in == SX_IN_QUERY || f->in == SX_IN_HEADER || f->in == SX_IN_COOKIE)
            append(list,
                   param(sx_slice_of(f->name), places[f->in], f->required != 0, f, ret_failed),
                   ret_failed);
    if (json_array_size(list) > 0)
        sx_openapi_put(op, "parameters", list, ret_failed);
    else
        json_decref(list);
}

/* --- The body -------------------------------------------------------------------------------- */

static json_t *form_schema(const sx_route *route, bool *ret_is_required, bool *ret_failed)
{
    json_t *fields = json_object(), *required = json_array();
    json_t *schema = json_pack("{s:s, s:O}", "type", "object", "properties", fields);

    for (const sx_field *f = route->params; f != NULL && f->name != NULL; f++) {
        json_t *type;

        if (f->in != SX_IN_FORM)
            continue;
        type = type_schema(f->type);
        sx_openapi_put_text(type, "description", f->doc, ret_failed);
        sx_openapi_put(fields, f->name, type, ret_failed);
        if (f->required)
            append(required, sx_openapi_text(f->name), ret_failed);
    }
    *ret_is_required = json_array_size(required) > 0;
    if (*ret_is_required)
        sx_openapi_put(schema, "required", json_incref(required), ret_failed);
    json_decref(required);
    json_decref(fields);
    return schema;
}

static void add_body(json_t *op, const struct sx_entry *e, const char *id, bool *ret_failed)
{
    const char *text = e->route->body_schema;
    bool is_required = text != NULL, needs_field;
    json_t *content = json_object(), *schema;

    if (text != NULL)
        sx_openapi_put(content, JSON_TYPE,
                       json_pack("{s:o}", "schema", given_schema(text, id, "body")), ret_failed);
    if (e->has_form) {
        schema = form_schema(e->route, &needs_field, ret_failed);
        is_required = is_required || needs_field;
        sx_openapi_put(content, "application/x-www-form-urlencoded",
                       json_pack("{s:O}", "schema", schema), ret_failed);
        sx_openapi_put(content, "multipart/form-data", json_pack("{s:o}", "schema", schema),
                       ret_failed);
    }
    if (json_object_size(content) > 0)
        sx_openapi_put(op, "requestBody",
                       json_pack("{s:b, s:O}", "required", is_required, "content", content),
                       ret_failed);
    json_decref(content);
}

/* --- Responses ------------------------------------------------------------------------------- */

static json_t *response(const sx_response *given, const char *id, bool *ret_failed)
{
    json_t *r = json_object();
    char what[32];

    (void)snprintf(what, sizeof what, "%d", (int)given->status);
    sx_openapi_put(
        r, "description",
        sx_openapi_text(given->doc != NULL ? given->doc : sx_status_reason(given->status)),
        ret_failed);
    if (given->schema != NULL)
        sx_openapi_put(r, "content", content_of(JSON_TYPE, given_schema(given->schema, id, what)),
                       ret_failed);
    else if (given->status >= 400)
        sx_openapi_put(r, "content",
                       content_of("application/problem+json",
                                  json_pack("{s:s}", "$ref", SX_OPENAPI_PROBLEM_SCHEMA)),
                       ret_failed);
    return r;
}

static void add_responses(json_t *op, const sx_route *route, const char *id, bool *ret_failed)
{
    json_t *all = json_object();
    char status[16];

    for (const sx_response *r = route->responses; r != NULL && r->status != 0; r++) {
        (void)snprintf(status, sizeof status, "%d", (int)r->status);
        sx_openapi_put(all, status, response(r, id, ret_failed), ret_failed);
    }
    if (strcmp(route->method, SX_ROUTE_WEBSOCKET) == 0)
        sx_openapi_put(all, "101", json_pack("{s:s}", "description", "A WebSocket"), ret_failed);
    else if (json_object_size(all) == 0)
        sx_openapi_put(all, "2XX", json_pack("{s:s}", "description", "Success"), ret_failed);
    sx_openapi_put(all, "default", json_pack("{s:s}", "$ref", SX_OPENAPI_PROBLEM_RESPONSE),
                   ret_failed);
    sx_openapi_put(op, "responses", all, ret_failed);
}

/* --- All of it ------------------------------------------------------------------------------- */

/* A route of a mount point with a host is served there only. */
static void add_server(json_t *op, const char *host, bool *ret_failed)
{
    if (*host == '\0')
        return;
    if (strncmp(host, "*.", 2) == 0)
        sx_openapi_put(op, "servers",
                       json_pack("[{s:o, s:{s:{s:s}}}]", "url",
                                 json_sprintf("//{subdomain}%s/", host + 1), "variables",
                                 "subdomain", "default", "www"),
                       ret_failed);
    else
        sx_openapi_put(op, "servers", json_pack("[{s:o}]", "url", json_sprintf("//%s/", host)),
                       ret_failed);
}

json_t *sx_operation_json(const struct sx_entry *e, const char *path, const char *id,
                          bool *ret_failed)
{
    const sx_route *route = e->route;
    json_t *op = json_object();

    sx_openapi_put(op, "operationId", sx_openapi_text(id), ret_failed);
    sx_openapi_put(op, "tags", json_pack("[o]", sx_openapi_text(sx_operation_tag(e))), ret_failed);
    sx_openapi_put_text(op, "summary", route->summary, ret_failed);
    sx_openapi_put_text(op, "description", route->description, ret_failed);
    add_server(op, e->plugin->cfg->host, ret_failed);
    add_params(op, e, path, ret_failed);
    add_body(op, e, id, ret_failed);
    add_responses(op, route, id, ret_failed);
    sx_openapi_put(op, "x-plugin", sx_openapi_text(e->plugin->note.name), ret_failed);
    return op;
}

const char *sx_operation_tag(const struct sx_entry *e)
{
    return e->route->tag != NULL && *e->route->tag != '\0' ? e->route->tag : e->plugin->note.name;
}
