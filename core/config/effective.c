/*
 * config/effective.c - a loaded configuration written out: for a worker, and for a person.
 *
 * What goes to a worker holds everything, secrets too, and travels through a pipe or a sealed
 * memory file; what a person sees is masked.
 */
#include "config/config_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define PATH_WIDTH  36
#define VALUE_WIDTH 30

char *sx_config_dump(const struct sx_config *cfg)
{
    json_t *whole = json_pack("{s:O, s:O, s:O}", "values", cfg->root, "origins", cfg->priv->origins,
                              "notes", cfg->priv->notes);
    char *text = whole != NULL ? json_dumps(whole, JSON_COMPACT) : NULL;

    json_decref(whole);
    return text;
}

int sx_config_restore(const char *text, size_t len, struct sx_config **ret_config)
{
    json_t *whole = json_loadb(text, len, 0, NULL);
    json_t *values = json_object_get(whole, "values");
    json_t *origins = json_object_get(whole, "origins");
    json_t *notes = json_object_get(whole, "notes");
    int rc = SX_ERR_INVALID;

    if (json_is_object(values) && json_is_object(origins) && json_is_object(notes))
        rc = config_settings_create(json_incref(values), json_incref(origins), json_incref(notes),
                                    ret_config);
    json_decref(whole);
    return rc;
}

/* ------------------------------------------------------------------ masked */

static json_t *masked(json_t *value, bool is_secret);

static json_t *masked_text(const char *text)
{
    struct sx_buf b;
    const char *shown;
    json_t *value;

    sx_buf_init(&b, CONFIG_MAX_TEXT_BYTES);
    config_mask(&b, text);
    shown = sx_buf_text(&b);
    value = json_string(shown != NULL ? shown : "***");
    sx_buf_finish(&b);
    return value;
}

static json_t *masked_list(json_t *list, bool is_secret)
{
    json_t *copy = json_array();

    for (size_t i = 0; i < json_array_size(list); i++)
        (void)json_array_append_new(copy, masked(json_array_get(list, i), is_secret));
    return copy;
}

static json_t *masked_object(json_t *object, bool is_secret)
{
    json_t *copy = json_object();
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)(void) json_object_set_new(
        copy, name, masked(value, is_secret || config_is_secret_name(name, strlen(name))));
    return copy;
}

/* A copy; a secret that is empty stays empty, so that a missing one is seen. */
static json_t *masked(json_t *value, bool is_secret)
{
    if (json_is_array(value))
        return masked_list(value, is_secret);
    if (json_is_object(value))
        return masked_object(value, is_secret);
    if (is_secret && (!json_is_string(value) || json_string_length(value) > 0))
        return json_string("***");
    return json_is_string(value) ? masked_text(json_string_value(value)) : json_deep_copy(value);
}

/* ------------------------------------------------------------------ printed */

struct printer {
    const struct sx_config *cfg;
    FILE *out;
    struct sx_buf path;
};

static void print_line(const struct printer *p, const char *path, const json_t *shown)
{
    char *text = json_dumps(shown, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));

    (void)fprintf(p->out, "%-*s = %-*s # %s\n", PATH_WIDTH, path, VALUE_WIDTH,
                  text != NULL ? text : "?", sx_config_origin(p->cfg, path));
    free(text);
}

/* A reference that nobody was asked for is no secret itself. */
static json_t *shown_leaf(const struct printer *p, const char *path, json_t *value, bool is_secret)
{
    enum sx_config_secrecy secrecy = sx_config_secrecy(p->cfg, path);
    const char *text = json_string_value(value);
    char item[256];
    json_t *list;

    if (json_is_array(value)) {
        list = json_array();
        for (size_t i = 0; i < json_array_size(value); i++) {
            (void)snprintf(item, sizeof item, "%s[%zu]", path, i);
            (void)json_array_append_new(list,
                                        shown_leaf(p, item, json_array_get(value, i), is_secret));
        }
        return list;
    }
    if (secrecy == SX_CONFIG_UNRESOLVED && text != NULL && sx_reference_is(text))
        return json_string(text);
    return masked(value, is_secret || secrecy == SX_CONFIG_SECRET);
}

/* An object key by key, anything else on one line. */
static void print_value(struct printer *p, json_t *value, bool is_secret)
{
    size_t len = p->path.len;
    const char *path = sx_buf_text(&p->path);
    const char *name;
    json_t *child;
    json_t *shown;

    if (path == NULL)
        return;
    if (json_object_size(value) == 0) {
        shown = shown_leaf(p, path, value, is_secret);
        print_line(p, path, shown);
        json_decref(shown);
        return;
    }
    json_object_foreach(value, name, child)
    {
        config_path_push(&p->path, name);
        print_value(p, child, is_secret || config_is_secret_name(name, strlen(name)));
        config_path_cut(&p->path, len);
    }
}

static void print_path(struct printer *p, const char *path, bool is_secret)
{
    config_path_cut(&p->path, 0);
    sx_buf_add_text(&p->path, path);
    print_value(p, config_tree_get(p->cfg->root, path), is_secret);
}

static void print_plugin(struct printer *p, const struct sx_config_plugin *plugin)
{
    char path[160];

    for (const struct config_key *key = config_plugin_keys; key->path != NULL; key++) {
        (void)snprintf(path, sizeof path, "plugins.%s.%s", plugin->name, key->path);
        print_path(p, path, key->is_secret);
    }
}

void sx_config_print(const struct sx_config *cfg, FILE *out)
{
    struct printer p = { .cfg = cfg, .out = out };

    sx_buf_init(&p.path, CONFIG_MAX_PATH_BYTES);
    print_path(&p, "env", false);
    for (const struct config_key *key = config_keys; key->path != NULL; key++)
        print_path(&p, key->path, key->is_secret);
    for (size_t i = 0; i < cfg->n_plugins; i++)
        print_plugin(&p, &cfg->plugins[i]);
    sx_buf_finish(&p.path);
}

static const json_t *entry_of(const struct sx_config *cfg, const char *name)
{
    return json_object_get(json_object_get(cfg->root, "plugins"), name);
}

bool sx_config_has_same_plugin(const struct sx_config *a, const struct sx_config *b,
                               const char *name)
{
    const json_t *entry = entry_of(a, name);

    return entry != NULL && json_equal(entry, entry_of(b, name));
}
