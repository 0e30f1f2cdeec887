/*
 * plugin/mount.c - the routes of all plugins under their mount points, in one router.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/plugin_private.h"

static int make_path(struct sx_entry *e, const char *prefix)
{
    size_t n = strlen(prefix) + strlen(e->route->path) + 1;

    e->path = malloc(n);
    if (e->path == NULL)
        return SX_ERR_NOMEM;
    (void)snprintf(e->path, n, "%s%s", prefix, e->route->path);
    return 0;
}

/* A '.' may stand in a name: only "...}" and '}' end it. */
static bool is_path_param(const struct sx_entry *e, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = strchr(e->route->path, '{'); at != NULL; at = strchr(at + 1, '{'))
        if (strncmp(at + 1, name, len) == 0 &&
            (at[1 + len] == '}' || strncmp(at + 1 + len, "...}", 4) == 0))
            return true;
    return false;
}

static void take_fields(struct sx_entry *e, struct sx_report *rep)
{
    const struct sx_plugin *p = e->plugin;

    e->has_checks = e->route->body_schema != NULL;
    for (const sx_field *f = e->route->params; f != NULL && f->name != NULL; f++) {
        e->has_checks = true;
        if (f->in == SX_IN_FORM)
            e->has_form = true;
        if (f->in == SX_IN_PATH && !is_path_param(e, f->name))
            sx_report_add(
                rep,
                "%s: plugin \"%s\": route %s %s declares the path parameter \"%s\", which its path "
                "does not have",
                p->path, p->note.name, e->method, e->route->path, f->name);
        if (f->in != SX_IN_PATH && f->required)
            e->n_required++;
    }
    for (const char *at = strchr(e->path, '{'); at != NULL; at = strchr(at + 1, '{'))
        e->n_required++;
    if (e->route->body_schema != NULL)
        e->n_required++;
}

static int add_route(struct sx_plugins *ps, struct sx_entry *e, struct sx_report *rep)
{
    const struct sx_plugin *p = e->plugin;
    const char *why = "is malformed";
    void *other = NULL;
    int err = sx_router_add(ps->router, p->cfg->host, e->method, e->path, e, &other, &why);

    if (err == SX_ERR_BUSY && other != NULL) {
        const struct sx_entry *o = other;

        sx_report_add(rep,
                      "%s: plugin \"%s\": route %s %s is the same as %s %s of plugin \"%s\" (%s)\n"
                      "Give one of them another mount point: plugins.%s.mount.prefix.",
                      p->path, p->note.name, e->method, e->path, o->method, o->path,
                      o->plugin->note.name, o->plugin->path, p->note.name);
    } else if (err < 0) {
        sx_report_add(rep, "%s: plugin \"%s\": route %s %s: %s", p->path, p->note.name, e->method,
                      e->path, why);
    }
    return err;
}

static int mount_plugin(struct sx_plugins *ps, struct sx_plugin *p, struct sx_report *rep)
{
    p->entries = calloc((size_t)p->n_routes + 1, sizeof *p->entries);
    if (p->entries == NULL)
        return SX_ERR_NOMEM;
    for (uint32_t i = 0; i < p->n_routes; i++) {
        struct sx_entry *e = &p->entries[i];
        const sx_route *route = &p->routes[i];

        *e = (struct sx_entry){ .plugin = p, .route = route, .method = route->method };
        /* The operator's limits win over the author's. */
        e->max_body = p->cfg->max_body_bytes != 0 ? p->cfg->max_body_bytes : route->max_body;
        e->timeout_ms = p->cfg->timeout_ms != 0 ? p->cfg->timeout_ms : route->timeout_ms;
        if (make_path(e, p->cfg->prefix) < 0)
            return SX_ERR_NOMEM;
        take_fields(e, rep);
        (void)add_route(ps, e, rep);
    }
    return 0;
}

static int by_order(const void *a, const void *b)
{
    const struct sx_chain *x = a, *y = b;

    if (x->hook->order != y->hook->order)
        return x->hook->order < y->hook->order ? -1 : 1;
    return x->plugin->index < y->plugin->index ? -1 : x->plugin->index > y->plugin->index;
}

static int collect_hooks(struct sx_plugins *ps, struct sx_report *rep)
{
    uint32_t n = 0;

    for (size_t i = 0; i < ps->n_plugins; i++)
        for (const sx_hook *h = ps->plugins[i].hooks;
             h != NULL && (h->before != NULL || h->after != NULL); h++)
            n++;
    ps->hooks = calloc((size_t)n + 1, sizeof *ps->hooks);
    if (ps->hooks == NULL)
        return SX_ERR_NOMEM;
    for (size_t i = 0; i < ps->n_plugins; i++) {
        struct sx_plugin *p = &ps->plugins[i];

        for (const sx_hook *h = p->hooks; h != NULL && (h->before != NULL || h->after != NULL);
             h++) {
            if (h->all_routes && (p->manifest.needs & SX_CAP_ALL_ROUTES) == 0)
                sx_report_add(
                    rep,
                    "%s: plugin \"%s\": a hook on all routes needs SX_CAP_ALL_ROUTES in its manifest",
                    p->path, p->note.name);
            ps->times_requests |= h->after != NULL;
            ps->hooks[ps->n_hooks++] = (struct sx_chain){ p, h };
        }
    }
    qsort(ps->hooks, ps->n_hooks, sizeof *ps->hooks, by_order);
    return 0;
}

int sx_mount_all(struct sx_plugins *ps, struct sx_report *rep)
{
    int err = sx_router_create(&ps->router);

    for (size_t i = 0; i < ps->n_plugins && err == 0; i++)
        err = mount_plugin(ps, &ps->plugins[i], rep);
    if (err == 0)
        err = collect_hooks(ps, rep);
    return err == 0 ? sx_router_freeze(ps->router) : err;
}
