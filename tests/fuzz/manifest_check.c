/* manifest_check.c - taking a made manifest, and what must have come of it. */
#include "base/text.h"
#include "manifest.h"

void made_entry(const struct made_table *t, uint32_t i, void *ret)
{
    memset(ret, 0, t->own_size);
    memcpy(ret, t->bytes + (size_t)i * t->size, t->size < t->own_size ? t->size : t->own_size);
}

/* --- Must it be taken? ---------------------------------------------------------------- */

static bool is_schema(const char *text)
{
    return text == NULL || *text == '{' ? text == NULL || text[1] != '\0'
                                        : strcmp(text, "true") == 0;
}

static bool are_fields_good(const struct made_table *t)
{
    uint32_t n = made_count(t);

    for (uint32_t i = 0; i < n; i++) {
        sx_field f;

        made_entry(t, i, &f);
        if (f.name == NULL && f.doc == NULL)
            return true; /* what is behind it is never looked at */
        if (f.name == NULL || *f.name == '\0' || !sx_is_utf8(f.name, strlen(f.name)))
            return false;
        if (f.in < SX_IN_PATH || f.in > SX_IN_FORM)
            return false;
        if (f.type != SX_BOOL && f.type != SX_INT && f.type != SX_NUMBER && f.type != SX_TEXT)
            return false;
    }
    return true;
}

static bool are_responses_good(const struct made_table *t)
{
    uint32_t n = made_count(t);

    for (uint32_t i = 0; i < n; i++) {
        sx_response r;

        made_entry(t, i, &r);
        if (r.status == 0 && r.doc == NULL && r.schema == NULL)
            return true;
        if (r.status < 100 || r.status > 599 || !is_schema(r.schema))
            return false;
    }
    return true;
}

static bool is_route_good(const struct made *m, const sx_route *r)
{
    if (r->method == NULL || r->path == NULL || *r->path != '/')
        return false;
    if ((r->handler == NULL) == (r->blocking == NULL))
        return false;
    if (r->blocking != NULL && (m->manifest.needs & SX_CAP_BLOCKING) == 0)
        return false;
    if (strcmp(r->method, "WEBSOCKET") == 0 &&
        (r->blocking != NULL || r->body_schema != NULL || (m->manifest.needs & SX_CAP_STREAM) == 0))
        return false;
    return is_schema(r->body_schema) && are_fields_good(made_find(m, r->params)) &&
           are_responses_good(made_find(m, r->responses));
}

static bool has_tail(const struct made *m)
{
    const struct made_table *tables[] = { m->routes, m->options, m->hooks, m->metrics,
                                          m->migrations };
    uint32_t n = made_count(m->routes);

    for (size_t i = 0; i < 5; i++)
        if (tables[i] != NULL && tables[i]->has_tail)
            return true;
    for (uint32_t i = 0; i < n; i++) {
        const struct made_table *fields, *responses;
        sx_route r;

        made_entry(m->routes, i, &r);
        fields = made_find(m, r.params);
        responses = made_find(m, r.responses);
        if ((fields != NULL && fields->has_tail) || (responses != NULL && responses->has_tail))
            return true;
    }
    return m->has_tail;
}

bool made_is_good(const struct made *m)
{
    uint32_t n = m->has_good_sizes ? made_count(m->routes) : 0;

    if (!m->has_good_sizes || m->manifest.jansson_version != JANSSON_VERSION_HEX ||
        m->manifest.host == NULL || has_tail(m))
        return false;
    for (uint32_t i = 0; i < n; i++) {
        sx_route r;

        made_entry(m->routes, i, &r);
        if (!is_route_good(m, &r))
            return false;
    }
    return true;
}

/* --- Is the copy right? --------------------------------------------------------------- */

/* Entry by entry, with the zeroed one at the end; pointers of routes to their tables apart. */
static void compare_table(const struct made_table *t, const void *copy, bool has_tables)
{
    uint32_t n = made_count(t);

    fuzz_check((t == NULL) == (copy == NULL), "a table is there, and not there");
    for (uint32_t i = 0; t != NULL && i <= n; i++) {
        union {
            sx_route route;
            char bytes[256];
        } was, is;

        fuzz_check(t->own_size <= sizeof was, "an entry of %u bytes", t->own_size);
        made_entry(t, i, &was);
        memcpy(&is, (const char *)copy + (size_t)i * t->own_size, t->own_size);
        if (has_tables) {
            was.route.params = is.route.params = NULL;
            was.route.responses = is.route.responses = NULL;
        }
        fuzz_check(memcmp(&was, &is, t->own_size) == 0, "entry %u is another one", i);
    }
}

void made_compare(const struct made *m, const struct sx_plugin *p)
{
    fuzz_check(p->n_routes == made_count(m->routes), "%u routes", p->n_routes);
    compare_table(m->routes, p->routes, true);
    compare_table(m->options, p->options, false);
    compare_table(m->hooks, p->hooks, false);
    compare_table(m->metrics, p->metrics, false);
    compare_table(m->migrations, p->migrations, false);
    for (uint32_t i = 0; i < p->n_routes; i++) {
        sx_route r;

        made_entry(m->routes, i, &r);
        compare_table(made_find(m, r.params), p->routes[i].params, false);
        compare_table(made_find(m, r.responses), p->routes[i].responses, false);
    }
    fuzz_check(memcmp(&p->manifest, &m->manifest, sizeof m->manifest) == 0, "another manifest");
}

/* --- Mounting ------------------------------------------------------------------------- */

/* Is it the whole name of a parameter in the pattern? */
static bool has_param(const char *pattern, const char *name)
{
    for (const char *at = strchr(pattern, '{'); at != NULL; at = strchr(at + 1, '{')) {
        size_t len = strcspn(at + 1, "}");

        if (len > 3 && strncmp(at + 1 + len - 3, "...", 3) == 0)
            len -= 3;
        if (len == strlen(name) && strncmp(at + 1, name, len) == 0)
            return true;
    }
    return false;
}

/* Every declared path parameter is one of the path: else each of its requests is refused. */
bool made_may_mount(const struct sx_plugin *p)
{
    for (uint32_t i = 0; i < p->n_routes; i++)
        for (const sx_field *f = p->routes[i].params; f != NULL && f->name != NULL; f++)
            if (f->in == SX_IN_PATH && !has_param(p->routes[i].path, f->name))
                return false;
    return true;
}

static void mount(struct sx_plugin *p)
{
    static const struct sx_config_plugin cfg = { .name = "orders", .prefix = "", .host = "" };
    struct sx_plugins set = { .plugins = p, .n_plugins = 1 };
    struct sx_report rep;
    int err;

    p->cfg = &cfg;
    p->set = &set;
    sx_report_init(&rep);
    err = sx_mount_all(&set, &rep);
    fuzz_check(err == 0, "not mounted: %d", err);
    fuzz_check(rep.n_faults > 0 || made_may_mount(p), "a parameter of no path is taken");
    for (uint32_t i = 0; p->entries != NULL && i < p->n_routes; i++)
        free(p->entries[i].path);
    free(p->entries);
    free(set.hooks);
    sx_router_destroy(set.router);
    sx_report_finish(&rep);
}

void manifest_run(struct sx_slice bytes)
{
    struct sx_plugin p = { .note = { .name = "orders" }, .path = (char *)(uintptr_t) "lib.so" };
    struct made m;
    struct sx_report rep;
    bool is_good;
    int err;

    made_init(&m, bytes);
    is_good = made_is_good(&m);
    sx_report_init(&rep);
    err = sx_manifest_take(&p, (const sx_manifest *)(const void *)m.bytes, &rep);
    fuzz_check((err == 0) == (rep.n_faults == 0), "%d with %zu faults", err, rep.n_faults);
    fuzz_check((err == 0) == is_good, "%d, and it is %s: %s", err, is_good ? "good" : "not good",
               rep.n_faults == 0 ? "" : rep.faults[0]);
    if (err == 0) {
        made_compare(&m, &p);
        mount(&p);
    }
    sx_manifest_release(&p);
    sx_report_finish(&rep);
    made_finish(&m);
}
