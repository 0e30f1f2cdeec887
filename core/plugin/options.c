/*
 * plugin/options.c - a plugin's section of the configuration against what its manifest
 * declares: unknown keys, wrong types, missing ones, fallbacks, grants.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "plugin/plugin_private.h"

static const struct {
    uint64_t bit;
    const char *name;
} grant_names[] = {
    { SX_CAP_DB, "db" },
    { SX_CAP_BLOCKING, "blocking" },
    { SX_CAP_STREAM, "stream" },
    { SX_CAP_ALL_ROUTES, "all_routes" },
};

#define N_GRANTS (sizeof grant_names / sizeof grant_names[0])

const char *sx_grant_name(uint64_t bit)
{
    for (size_t i = 0; i < N_GRANTS; i++)
        if (grant_names[i].bit == bit)
            return grant_names[i].name;
    return "unknown";
}

static bool has_type(const json_t *v, int32_t type)
{
    switch (type) {
    case SX_BOOL: return json_is_boolean(v);
    case SX_INT: return json_is_integer(v);
    case SX_NUMBER: return json_is_number(v);
    case SX_TEXT:
    case SX_SECRET: return json_is_string(v);
    default: return true;
    }
}

static const char *type_name(int32_t type)
{
    static const char *const names[] = { "null", "true or false", "an integer", "a number",
                                         "text", "bytes",         "JSON",       "text (a secret)" };

    return type >= 0 && type <= SX_SECRET ? names[type] : "another type";
}

static const sx_option *find_option(const struct sx_plugin *p, const char *key)
{
    for (const sx_option *o = p->options; o != NULL && o->name != NULL; o++)
        if (strcmp(o->name, key) == 0)
            return o;
    return NULL;
}

static const char *origin(const struct sx_config *cfg, const struct sx_plugin *p, const char *key,
                          char *path, size_t size)
{
    (void)snprintf(path, size, "plugins.%s.options%s%s", p->note.name, key == NULL ? "" : ".",
                   key == NULL ? "" : key);
    return sx_config_origin(cfg, path);
}

static void tell_unknown(struct sx_plugin *p, const struct sx_config *cfg, const char *key,
                         struct sx_report *rep)
{
    struct sx_buf known;
    char path[256];
    const char *where = origin(cfg, p, key, path, sizeof path);

    sx_buf_init(&known, 4096);
    for (const sx_option *o = p->options; o != NULL && o->name != NULL; o++)
        sx_buf_printf(&known, "%s%s", known.len > 0 ? ", " : "", o->name);
    sx_report_add(rep, "%s: %s: plugin \"%s\" (%s) has no option \"%s\"\n%s%s", where, path,
                  p->note.name, p->path, key, known.len > 0 ? "It has: " : "It has no options.",
                  known.len > 0 ? sx_buf_text(&known) : "");
    sx_buf_finish(&known);
}

/* A text out of a variable counts as what it spells, as if it stood there without quotes; NULL
 * when that is not of the type. */
static json_t *spelled(const char *text, int32_t type)
{
    size_t len = strlen(text);
    int64_t i;
    double f;

    if (type == SX_BOOL && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
        return json_boolean(*text == 't');
    if ((type == SX_INT || type == SX_NUMBER) && sx_parse_int(text, len, &i) == 0)
        return json_integer(i);
    if (type == SX_NUMBER && sx_parse_number(text, len, &f) == 0)
        return json_real(f);
    return NULL;
}

/* A secret is not told, whatever it is. */
static void tell_type(struct sx_plugin *p, const struct sx_config *cfg, const sx_option *o,
                      const json_t *value, struct sx_report *rep)
{
    char path[256];
    const char *where = origin(cfg, p, o->name, path, sizeof path);
    const bool is_hidden = o->type == SX_SECRET || sx_config_has_secret(cfg, path);
    const char *from = o->type == SX_SECRET ? NULL : sx_config_expanded_from(cfg, path);
    char *text = is_hidden ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);

    sx_report_add(rep, "%s: %s: expected %s, found %.80s%s%.80s%s", where, path, type_name(o->type),
                  text == NULL ? "another type" : text, from == NULL ? "" : " from \"",
                  from == NULL ? "" : from, from == NULL ? "" : "\"");
    free(text);
}

static int take_option(struct sx_plugin *p, const struct sx_config *cfg, const sx_option *o,
                       const json_t *value, struct sx_report *rep)
{
    json_t *meant = NULL;
    char path[256];

    if (has_type(value, o->type))
        return 0;
    (void)origin(cfg, p, o->name, path, sizeof path);
    if (sx_config_secrecy(cfg, path) == SX_CONFIG_UNRESOLVED)
        return 0; /* nobody knows what it is */
    if (json_is_string(value) && sx_config_expanded_from(cfg, path) != NULL)
        meant = spelled(json_string_value(value), o->type);
    if (meant != NULL)
        return json_object_set_new(p->config, o->name, meant) == 0 ? 0 : SX_ERR_NOMEM;
    tell_type(p, cfg, o, value, rep);
    return SX_ERR_INVALID;
}

static void take_given(struct sx_plugin *p, const struct sx_config *cfg, struct sx_report *rep)
{
    const char *key;
    json_t *value;

    json_object_foreach(p->cfg->options, key, value)
    {
        const sx_option *o = find_option(p, key);

        if (o == NULL)
            tell_unknown(p, cfg, key, rep);
        else if (take_option(p, cfg, o, value, rep) == SX_ERR_NOMEM)
            sx_report_add(rep, "%s: plugin \"%s\": no memory for its options", p->path,
                          p->note.name);
    }
}

static int add_fallback(struct sx_plugin *p, const struct sx_config *cfg, const sx_option *o,
                        struct sx_report *rep)
{
    json_t *value;
    char path[256];

    if (json_object_get(p->config, o->name) != NULL)
        return 0;
    if (o->required) {
        const char *where = origin(cfg, p, NULL, path, sizeof path);

        sx_report_add(rep, "%s: %s: plugin \"%s\" needs the option \"%s\": %s", where, path,
                      p->note.name, o->name, o->doc == NULL ? type_name(o->type) : o->doc);
        return SX_ERR_INVALID;
    }
    if (o->fallback == NULL)
        return 0;
    value = json_loads(o->fallback, JSON_DECODE_ANY, NULL);
    if (value == NULL || !has_type(value, o->type)) {
        json_decref(value);
        sx_report_add(rep, "%s: plugin \"%s\": option \"%s\": its fallback %s is not %s", p->path,
                      p->note.name, o->name, o->type == SX_SECRET ? "of a secret" : o->fallback,
                      type_name(o->type));
        return SX_ERR_INVALID;
    }
    return json_object_set_new(p->config, o->name, value) == 0 ? 0 : SX_ERR_NOMEM;
}

static void take_grants(struct sx_plugin *p, const struct sx_config *cfg, struct sx_report *rep)
{
    uint64_t known = 0, missing;

    for (size_t i = 0; i < N_GRANTS; i++) {
        known |= grant_names[i].bit;
        for (size_t g = 0; g < p->cfg->grants.n; g++)
            if (strcmp(p->cfg->grants.v[g], grant_names[i].name) == 0)
                p->grants |= grant_names[i].bit;
    }
    if ((p->manifest.needs & ~known) != 0) {
        sx_report_add(rep, "%s: plugin \"%s\" needs capabilities 0x%llx, this host knows 0x%llx",
                      p->path, p->note.name, (unsigned long long)p->manifest.needs,
                      (unsigned long long)known);
        return;
    }
    missing = p->manifest.needs & ~p->grants;
    p->grants &= p->manifest.needs; /* what it does not ask for it does not get */
    for (size_t i = 0; i < N_GRANTS; i++) {
        char path[128];

        if ((missing & grant_names[i].bit) == 0)
            continue;
        (void)snprintf(path, sizeof path, "plugins.%s.grants", p->note.name);
        sx_report_add(
            rep, "%s: %s: plugin \"%s\" (%s) needs \"%s\", which is not granted\nAdd \"%s\" to %s.",
            sx_config_origin(cfg, path), path, p->note.name, p->path, grant_names[i].name,
            grant_names[i].name, path);
    }
}

int sx_options_take(struct sx_plugin *p, const struct sx_config *cfg, struct sx_report *rep)
{
    size_t before = rep->n_faults;

    p->config = p->cfg->options == NULL ? json_object() : json_deep_copy(p->cfg->options);
    if (p->config == NULL)
        return SX_ERR_NOMEM;
    take_given(p, cfg, rep);
    for (const sx_option *o = p->options; o != NULL && o->name != NULL; o++)
        (void)add_fallback(p, cfg, o, rep);
    take_grants(p, cfg, rep);
    return rep->n_faults == before ? 0 : SX_ERR_INVALID;
}
