/*
 * plugin/manifest.c - the tables of a mapped file, taken into today's layout.
 *
 * A plugin built with an older header has shorter structs: each entry is copied with zeros
 * behind.  One built with a newer header of the same major has longer ones: they are taken
 * only when what this host does not know is empty.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "plugin/plugin_private.h"

#define MAX_ENTRIES 4096u

struct table {
    const char *what;
    const char *from;  /* of the plugin */
    uint32_t size;     /* of one entry there */
    uint32_t own_size; /* of one entry here */
};

static bool is_zero(const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (data[i] != 0)
            return false;
    return true;
}

/* Copies a table that ends with a zeroed entry.  NULL for an empty one; fails with a report. */
static int take_table(struct sx_plugin *p, const struct table *t, struct sx_report *rep,
                      void **ret_copy, uint32_t *ret_n)
{
    uint32_t n = 0, shared = t->size < t->own_size ? t->size : t->own_size;
    char *copy;

    *ret_copy = NULL;
    *ret_n = 0;
    if (t->from == NULL)
        return 0;
    while (n < MAX_ENTRIES && !is_zero(t->from + (size_t)n * t->size, t->size))
        n++;
    if (n == MAX_ENTRIES) {
        sx_report_add(rep, "%s: plugin \"%s\": %s has no zeroed entry at its end", p->path,
                      p->note.name, t->what);
        return SX_ERR_INVALID;
    }
    copy = calloc((size_t)n + 1, t->own_size);
    if (copy == NULL)
        return SX_ERR_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        const char *entry = t->from + (size_t)i * t->size;

        memcpy(copy + (size_t)i * t->own_size, entry, shared);
        if (t->size > shared && !is_zero(entry + shared, t->size - shared)) {
            sx_report_add(rep,
                          "%s: plugin \"%s\": %s entry %u uses fields that this host does not know",
                          p->path, p->note.name, t->what, i);
            free(copy);
            return SX_ERR_INVALID;
        }
    }
    *ret_copy = copy;
    *ret_n = n;
    return 0;
}

static int check_sizes(struct sx_plugin *p, const sx_manifest *m, struct sx_report *rep)
{
    const struct {
        const char *what;
        uint32_t found, least;
    } sizes[] = {
        { "sx_manifest", m->manifest_size, (uint32_t)offsetof(sx_manifest, host) + 8 },
        { "sx_route", m->route_size, (uint32_t)offsetof(sx_route, timeout_ms) },
        { "sx_field", m->field_size, (uint32_t)offsetof(sx_field, doc) },
        { "sx_response", m->response_size, 4 },
        { "sx_option", m->option_size, (uint32_t)offsetof(sx_option, doc) },
        { "sx_hook", m->hook_size, 8 },
        { "sx_metric", m->metric_size, 12 },
        { "sx_migration", m->migration_size, (uint32_t)offsetof(sx_migration, sql) + 8 },
    };
    int err = 0;

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        if (sizes[i].found < sizes[i].least || sizes[i].found > 65536) {
            sx_report_add(rep, "%s: plugin \"%s\": %s has %u bytes, expected at least %u", p->path,
                          p->note.name, sizes[i].what, sizes[i].found, sizes[i].least);
            err = SX_ERR_INVALID;
        }
    if (m->jansson_version >> 16 != JANSSON_VERSION_HEX >> 16) {
        sx_report_add(rep, "%s: plugin \"%s\" was built with jansson %u, this host has %d", p->path,
                      p->note.name, m->jansson_version >> 16, JANSSON_MAJOR_VERSION);
        err = SX_ERR_INVALID;
    }
    return err;
}

/* The tables that hang on a route. */
static int take_route(struct sx_plugin *p, const sx_manifest *m, uint32_t i, struct sx_report *rep)
{
    sx_route *r = &p->routes[i];
    struct table fields = { "route parameters", (const char *)r->params, m->field_size,
                            sizeof(sx_field) };
    struct table responses = { "responses", (const char *)r->responses, m->response_size,
                               sizeof(sx_response) };
    uint32_t n;
    int err = take_table(p, &fields, rep, (void **)&p->fields[i], &n);

    if (err == 0)
        err = take_table(p, &responses, rep, (void **)&p->responses[i], &n);
    r->params = p->fields[i];
    r->responses = p->responses[i];
    return err;
}

static int take_routes(struct sx_plugin *p, const sx_manifest *m, struct sx_report *rep)
{
    int err = 0;

    p->fields = calloc((size_t)p->n_routes + 1, sizeof *p->fields);
    p->responses = calloc((size_t)p->n_routes + 1, sizeof *p->responses);
    if (p->fields == NULL || p->responses == NULL)
        return SX_ERR_NOMEM;
    for (uint32_t i = 0; i < p->n_routes && err == 0; i++)
        err = take_route(p, m, i, rep);
    return err;
}

static int take_tables(struct sx_plugin *p, const sx_manifest *m, struct sx_report *rep)
{
    const struct {
        struct table t;
        void **to;
    } tables[] = {
        { { "routes", (const char *)p->manifest.routes, m->route_size, sizeof(sx_route) },
          (void **)&p->routes },
        { { "options", (const char *)p->manifest.options, m->option_size, sizeof(sx_option) },
          (void **)&p->options },
        { { "hooks", (const char *)p->manifest.hooks, m->hook_size, sizeof(sx_hook) },
          (void **)&p->hooks },
        { { "metrics", (const char *)p->manifest.metrics, m->metric_size, sizeof(sx_metric) },
          (void **)&p->metrics },
        { { "migrations", (const char *)p->manifest.migrations, m->migration_size,
            sizeof(sx_migration) },
          (void **)&p->migrations },
    };
    uint32_t n[5];
    int err = 0;

    for (size_t i = 0; i < 5 && err == 0; i++)
        err = take_table(p, &tables[i].t, rep, tables[i].to, &n[i]);
    p->n_routes = err == 0 ? n[0] : 0;
    return err == 0 ? take_routes(p, m, rep) : err;
}

/* --- What no route could work with ---------------------------------------------------------- */

static void fault(const struct sx_plugin *p, const sx_route *r, struct sx_report *rep,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

static void fault(const struct sx_plugin *p, const sx_route *r, struct sx_report *rep,
                  const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    sx_report_add(rep, "%s: plugin \"%s\": route %s %s %s", p->path, p->note.name, r->method,
                  r->path, text);
}

static void check_handler(const struct sx_plugin *p, const sx_route *r, struct sx_report *rep)
{
    if ((r->handler == NULL) == (r->blocking == NULL))
        fault(p, r, rep, "has %s, expected a handler or a blocking one",
              r->handler == NULL ? "neither" : "both");
    else if (r->blocking != NULL && (p->manifest.needs & SX_CAP_BLOCKING) == 0)
        fault(p, r, rep, "is blocking, but the manifest does not need SX_CAP_BLOCKING");
}

/* Its handshake is a GET without a body, and sx_ws_open is called on the loop. */
static void check_websocket(const struct sx_plugin *p, const sx_route *r, struct sx_report *rep)
{
    if (strcmp(r->method, SX_ROUTE_WEBSOCKET) != 0)
        return;
    if (r->blocking != NULL)
        fault(p, r, rep, "is blocking, expected a handler on the loop, which calls sx_ws_open");
    if ((p->manifest.needs & SX_CAP_STREAM) == 0)
        fault(p, r, rep, "is a WebSocket, but the manifest does not need SX_CAP_STREAM");
    if (r->body_schema != NULL)
        fault(p, r, rep, "has a body_schema, but the handshake of a WebSocket has no body");
}

static void check_fields(const struct sx_plugin *p, const sx_route *r, struct sx_report *rep)
{
    for (const sx_field *f = r->params; f != NULL && (f->name != NULL || f->doc != NULL); f++) {
        if (f->name == NULL || *f->name == '\0' || !sx_is_utf8(f->name, strlen(f->name))) {
            fault(p, r, rep, "declares a parameter without a name in UTF-8");
            return;
        }
        if (f->in < SX_IN_PATH || f->in > SX_IN_FORM)
            fault(p, r, rep, "declares the parameter \"%s\" in place %d, expected an SX_IN_",
                  f->name, (int)f->in);
        if (f->type != SX_BOOL && f->type != SX_INT && f->type != SX_NUMBER && f->type != SX_TEXT)
            fault(
                p, r, rep,
                "declares the parameter \"%s\" of type %d, expected SX_BOOL, SX_INT, SX_NUMBER or "
                "SX_TEXT",
                f->name, (int)f->type);
    }
}

/* A JSON Schema is an object, or true or false. */
static void check_schema(const struct sx_plugin *p, const sx_route *r, const char *what,
                         const char *text, struct sx_report *rep)
{
    json_t *schema = text == NULL ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);

    if (text != NULL && !json_is_object(schema) && !json_is_boolean(schema))
        fault(p, r, rep, "has a %s that is no JSON Schema: \"%.80s\"", what, text);
    json_decref(schema);
}

static void check_responses(const struct sx_plugin *p, const sx_route *r, struct sx_report *rep)
{
    for (const sx_response *s = r->responses;
         s != NULL && (s->status != 0 || s->doc != NULL || s->schema != NULL); s++) {
        if (s->status < 100 || s->status > 599)
            fault(p, r, rep, "declares a response of status %d, expected 100 to 599",
                  (int)s->status);
        check_schema(p, r, "response schema", s->schema, rep);
    }
}

static int check_routes(const struct sx_plugin *p, struct sx_report *rep)
{
    size_t before = rep->n_faults;

    for (uint32_t i = 0; i < p->n_routes; i++) {
        const sx_route *r = &p->routes[i];

        if (r->method == NULL || r->path == NULL || *r->path != '/') {
            sx_report_add(
                rep, "%s: plugin \"%s\": route %u needs a method and a path that begins with /",
                p->path, p->note.name, i);
            continue;
        }
        check_handler(p, r, rep);
        check_websocket(p, r, rep);
        check_fields(p, r, rep);
        check_responses(p, r, rep);
        check_schema(p, r, "body_schema", r->body_schema, rep);
    }
    return rep->n_faults == before ? 0 : SX_ERR_INVALID;
}

int sx_manifest_take(struct sx_plugin *p, const sx_manifest *m, struct sx_report *rep)
{
    uint32_t shared = m->manifest_size < sizeof *m ? m->manifest_size : (uint32_t)sizeof *m;
    int err;

    if (check_sizes(p, m, rep) < 0)
        return SX_ERR_INVALID;
    memcpy(&p->manifest, m, shared);
    if (m->manifest_size > shared &&
        !is_zero((const char *)m + shared, m->manifest_size - shared)) {
        sx_report_add(rep,
                      "%s: plugin \"%s\": its manifest has %u bytes and uses those beyond the %zu "
                      "that this host knows",
                      p->path, p->note.name, m->manifest_size, sizeof *m);
        return SX_ERR_INVALID;
    }
    if (p->manifest.host == NULL) {
        sx_report_add(rep, "%s: plugin \"%s\": its manifest has no place for the host table",
                      p->path, p->note.name);
        return SX_ERR_INVALID;
    }
    err = take_tables(p, m, rep);
    return err == 0 ? check_routes(p, rep) : err;
}

void sx_manifest_release(struct sx_plugin *p)
{
    for (uint32_t i = 0; p->fields != NULL && i < p->n_routes; i++)
        free(p->fields[i]);
    for (uint32_t i = 0; p->responses != NULL && i < p->n_routes; i++)
        free(p->responses[i]);
    free(p->fields);
    free(p->responses);
    free(p->routes);
    free(p->options);
    free(p->hooks);
    free(p->metrics);
    free(p->migrations);
}
