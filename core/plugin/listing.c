/*
 * plugin/listing.c - what there is, told to a person: plugins, routes, one file's manifest.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/plugin_private.h"

static const char *or_dash(const char *text)
{
    return text == NULL || *text == '\0' ? "-" : text;
}

void sx_plugins_print(const struct sx_plugins *ps, FILE *out)
{
    (void)fprintf(out, "%-16s %-10s %-7s %-12s %s\n", "PLUGIN", "VERSION", "ROUTES", "MOUNT",
                  "FILE");
    for (size_t i = 0; i < ps->n_plugins; i++) {
        const struct sx_plugin *p = &ps->plugins[i];

        (void)fprintf(out, "%-16s %-10s %-7u %s%-12s %s\n", p->note.name, p->note.version,
                      p->n_routes, p->cfg->host, *p->cfg->prefix == '\0' ? "/" : p->cfg->prefix,
                      p->path);
    }
}

void sx_plugins_print_routes(const struct sx_plugins *ps, FILE *out)
{
    for (size_t i = 0; i < ps->n_plugins; i++)
        for (uint32_t n = 0; n < ps->plugins[i].n_routes; n++) {
            const struct sx_entry *e = &ps->plugins[i].entries[n];

            (void)fprintf(out, "%-9s %s%-40s %-14s %-9s %s\n", e->method, e->plugin->cfg->host,
                          e->path, e->plugin->note.name,
                          e->route->blocking != NULL ? "blocking" : "loop",
                          or_dash(e->route->summary));
        }
}

static const char *type_name(int32_t type)
{
    static const char *const names[] = { "null", "boolean", "integer", "number",
                                         "text", "bytes",   "json",    "secret" };

    return type >= 0 && type <= SX_SECRET ? names[type] : "?";
}

static void describe_routes(const struct sx_plugin *p, FILE *out)
{
    static const char *const places[] = { "path", "query", "header", "cookie", "form" };

    for (const sx_route *r = p->routes; r != NULL && r->method != NULL; r++) {
        (void)fprintf(out, "route      %s %s%s  %s\n", r->method, r->path,
                      r->blocking != NULL ? " (blocking)" : "", or_dash(r->summary));
        for (const sx_field *f = r->params; f != NULL && f->name != NULL; f++)
            (void)fprintf(out, "             %s in %s: %s%s  %s\n", f->name,
                          f->in >= 0 && f->in <= SX_IN_FORM ? places[f->in] : "?",
                          type_name(f->type),
                          f->required || f->in == SX_IN_PATH ? ", required" : "", or_dash(f->doc));
    }
}

static void describe_rest(const struct sx_plugin *p, FILE *out)
{
    for (const sx_option *o = p->options; o != NULL && o->name != NULL; o++)
        (void)fprintf(out, "option     %s: %s%s, fallback %s  %s\n", o->name, type_name(o->type),
                      o->required ? ", required" : "", or_dash(o->fallback), or_dash(o->doc));
    for (const sx_metric *m = p->metrics; m != NULL && m->name != NULL; m++)
        (void)fprintf(out, "metric     sx_%s_%s: %s  %s\n", p->note.name, m->name,
                      m->kind == SX_COUNTER ? "counter"
                      : m->kind == SX_GAUGE ? "gauge"
                                            : "histogram",
                      or_dash(m->doc));
    for (const sx_migration *m = p->migrations; m != NULL && m->sql != NULL; m++)
        (void)fprintf(out, "migration  %04u %s\n", m->number, m->name);
    for (const char *const *u = p->manifest.uses; u != NULL && *u != NULL; u++)
        (void)fprintf(out, "uses       %s\n", *u);
}

int sx_plugin_describe(const char *path, struct sx_report *rep, FILE *out)
{
    struct sx_plugin p = { 0 };
    const sx_manifest *m;
    int err = sx_plugin_note_read(path, path, NULL, rep, &p.note);

    if (err < 0)
        return err;
    p.path = realpath(path, NULL);
    p.handle = p.path == NULL ? NULL : dlopen(p.path, RTLD_NOW | RTLD_LOCAL);
    m = p.handle == NULL ? NULL : dlsym(p.handle, "sx_plugin_manifest");
    if (m == NULL)
        sx_report_add(rep, "%s: plugin \"%s\" cannot be loaded: %s", path, p.note.name, dlerror());
    err = m == NULL ? SX_EINVAL : sx_manifest_take(&p, m, rep);
    if (err == 0) {
        (void)fprintf(
            out,
            "plugin     %s %s\nbuild      %s\nabi        %u.%u\nsummary    %s\nowner      %s\nneeds     ",
            p.note.name, p.note.version, p.note.build, p.note.abi_major, p.note.abi_minor,
            or_dash(p.manifest.summary), or_dash(p.manifest.owner));
        for (uint64_t bit = 1; bit != 0 && bit <= p.manifest.needs; bit <<= 1)
            if ((p.manifest.needs & bit) != 0)
                (void)fprintf(out, " %s", sx_grant_name(bit));
        (void)fprintf(out, "%s\n", p.manifest.needs == 0 ? " -" : "");
        describe_routes(&p, out);
        describe_rest(&p, out);
    }
    sx_manifest_release(&p);
    free(p.path);
    return err;
}
