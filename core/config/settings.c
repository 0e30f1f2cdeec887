/*
 * config/settings.c - the structs, filled from the effective tree by the table of keys.
 *
 * Texts and options are borrowed from the tree, which the configuration owns; lists are in its
 * arena.
 */
#include "config/config_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define MAX_ARENA_BYTES (64u << 20)

static int fill_list(struct sx_arena *arena, const json_t *from, struct sx_config_text_list *to)
{
    size_t n = json_array_size(from);
    const char **v = NULL;

    if (!json_is_array(from))
        return SX_ERR_INVALID;
    if (n > 0)
        v = sx_arena_alloc(arena, n * sizeof *v);
    if (n > 0 && v == NULL)
        return SX_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        v[i] = json_string_value(json_array_get(from, i));
        if (v[i] == NULL)
            return SX_ERR_INVALID;
    }
    *to = (struct sx_config_text_list){ .v = v, .n = n };
    return 0;
}

static int fill_int(const json_t *from, uint32_t *to)
{
    json_int_t value = json_integer_value(from);

    if (!json_is_integer(from) || value < 0 || value > UINT32_MAX)
        return SX_ERR_INVALID;
    *to = (uint32_t)value;
    return 0;
}

/* to: the member of the struct. */
static int fill_member(struct sx_arena *arena, enum config_type type, json_t *from, void *to)
{
    switch (type) {
    case CONFIG_INT: return fill_int(from, to);
    case CONFIG_BOOL:
        *(bool *)to = json_is_true(from);
        return json_is_boolean(from) ? 0 : SX_ERR_INVALID;
    case CONFIG_TEXT:
        *(const char **)to = json_string_value(from);
        return json_is_string(from) ? 0 : SX_ERR_INVALID;
    case CONFIG_LIST: return fill_list(arena, from, to);
    case CONFIG_OBJECT: *(json_t **)to = from; return json_is_object(from) ? 0 : SX_ERR_INVALID;
    }
    return SX_ERR_INVALID;
}

static int fill_struct(struct sx_arena *arena, const struct config_key *table, const json_t *from,
                       void *to)
{
    for (; table->path != NULL; table++) {
        int rc = fill_member(arena, table->type, config_tree_get(from, table->path),
                             (char *)to + table->offset);

        if (rc != 0)
            return rc;
    }
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    const struct sx_config_plugin *x = a;
    const struct sx_config_plugin *y = b;

    return strcmp(x->name, y->name);
}

static int fill_plugins(struct sx_config *cfg)
{
    json_t *plugins = json_object_get(cfg->root, "plugins");
    size_t n = json_object_size(plugins);
    const char *name;
    json_t *entry;

    if (!json_is_object(plugins))
        return SX_ERR_INVALID;
    if (n == 0)
        return 0;
    cfg->plugins = sx_arena_zalloc(&cfg->priv->arena, n * sizeof *cfg->plugins);
    if (cfg->plugins == NULL)
        return SX_ERR_NOMEM;
    json_object_foreach(plugins, name, entry)
    {
        struct sx_config_plugin *plugin = &cfg->plugins[cfg->n_plugins++];
        int rc = fill_struct(&cfg->priv->arena, config_plugin_keys, entry, plugin);

        if (rc != 0)
            return rc;
        plugin->name = name; /* the key itself, which lives in the tree */
    }
    qsort(cfg->plugins, n, sizeof *cfg->plugins, compare_names);
    return 0;
}

/* Apart from the copies of plugins, which a worker may not write. */
static int fill_upload_dir(struct sx_config *cfg)
{
    const char *state = cfg->server.state_dir;

    cfg->server.upload_dir = *state == '\0'
                                 ? ""
                                 : sx_arena_printf(&cfg->priv->arena, "%s/uploads", state);
    return cfg->server.upload_dir == NULL ? SX_ERR_NOMEM : 0;
}

static int fill(struct sx_config *cfg)
{
    int rc;

    cfg->env = json_string_value(json_object_get(cfg->root, "env"));
    cfg->root_dir = json_string_value(json_object_get(cfg->root, "root_dir"));
    if (cfg->env == NULL || cfg->root_dir == NULL)
        return SX_ERR_INVALID;
    rc = fill_struct(&cfg->priv->arena, config_keys, cfg->root, cfg);
    if (rc == 0)
        rc = fill_upload_dir(cfg);
    return rc != 0 ? rc : fill_plugins(cfg);
}

int config_settings_create(json_t *root, json_t *origins, json_t *notes,
                           struct sx_config **ret_config)
{
    struct sx_config *cfg = calloc(1, sizeof *cfg);
    struct sx_config_private *priv = calloc(1, sizeof *priv);
    int rc;

    if (cfg == NULL || priv == NULL) {
        json_decref(root);
        json_decref(origins);
        json_decref(notes);
        free(cfg);
        free(priv);
        return SX_ERR_NOMEM;
    }
    sx_arena_init(&priv->arena, MAX_ARENA_BYTES);
    priv->origins = origins;
    priv->notes = notes;
    cfg->priv = priv;
    cfg->root = root;
    rc = fill(cfg);
    if (rc != 0)
        sx_config_destroy(cfg);
    else
        *ret_config = cfg;
    return rc;
}

void sx_config_destroy(struct sx_config *cfg)
{
    if (cfg == NULL)
        return;
    if (cfg->priv->owns_files)
        config_files_remove(cfg->priv->notes);
    sx_arena_finish(&cfg->priv->arena);
    json_decref(cfg->priv->origins);
    json_decref(cfg->priv->notes);
    json_decref(cfg->root);
    free(cfg->priv);
    free(cfg);
}

const char *sx_config_origin(const struct sx_config *cfg, const char *path)
{
    const char *origin = cfg->priv == NULL ? NULL : config_origin_text(cfg->priv->origins, path);

    return origin != NULL ? origin : "default";
}

const char *sx_config_expanded_from(const struct sx_config *cfg, const char *path)
{
    return json_string_value(json_array_get(json_object_get(cfg->priv->origins, path), 1));
}
