/*
 * config/layer.c - a file checked key by key, and laid over what is there.
 *
 * Objects are merged, everything else is replaced.  A value of the base that the overlay or the
 * environment replaces is checked, but its variables are not asked for: production need not set
 * what only another environment uses.
 */
#include "config/config_private.h"

#include <stdlib.h>
#include <string.h>

struct layer {
    struct config_loader *l;
    const struct config_file *file;
    struct sx_buf path;
};

static void lay_members(struct layer *y, size_t rel, json_t *object, const json_t *over);

static struct config_where where_at(const struct layer *y, const char *path)
{
    return (struct config_where){
        .rank = y->file->rank,
        .line = (int)json_integer_value(json_object_get(y->file->lines, path)),
        .source = y->file->name,
    };
}

static bool expect_object(struct layer *y, const char *path, const json_t *value)
{
    struct config_where where = where_at(y, path);
    char found[CONFIG_FOUND_BYTES];

    if (json_is_object(value)) {
        config_origin_set(y->l, &where, path);
        return true;
    }
    config_found_text(value, found);
    config_fault_add(y->l, &where, path, "expected an object, found %s", found);
    return false;
}

static bool is_dynamic(const char *text)
{
    return config_has_variable(text) || sx_reference_is(text);
}

static bool mentions_variable(json_t *value)
{
    size_t i;
    const char *name;
    json_t *item;

    if (json_is_string(value))
        return is_dynamic(json_string_value(value));
    json_array_foreach(value, i, item)
    {
        if (mentions_variable(item))
            return true;
    }
    json_object_foreach(value, name, item)
    {
        if (mentions_variable(item))
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ options of a plugin */

static json_t *expanded(struct layer *y, json_t *value);

static json_t *expanded_text(struct layer *y, json_t *value)
{
    const char *path = sx_buf_text(&y->path);
    enum sx_config_secrecy secrecy;
    struct config_where where;
    char *text;
    json_t *done;

    if (!is_dynamic(json_string_value(value)) || path == NULL)
        return json_incref(value);
    where = where_at(y, path);
    text = config_expand(y->l, &where, path, json_string_value(value), &secrecy);
    if (text == NULL)
        return json_null();
    done = json_string(text);
    free(text);
    config_origin_set_expanded(y->l, &where, path, json_string_value(value), secrecy);
    return done;
}

static json_t *expanded_list(struct layer *y, json_t *list)
{
    json_t *done = json_array();
    size_t len = y->path.len;
    size_t i;
    json_t *item;

    json_array_foreach(list, i, item)
    {
        config_path_push_index(&y->path, i);
        if (json_array_append_new(done, expanded(y, item)) != 0)
            y->l->is_out_of_memory = true;
        config_path_cut(&y->path, len);
    }
    return done;
}

static json_t *expanded_object(struct layer *y, json_t *object)
{
    json_t *done = json_object();
    size_t len = y->path.len;
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        config_path_push(&y->path, name);
        if (json_object_set_new(done, name, expanded(y, value)) != 0)
            y->l->is_out_of_memory = true;
        config_path_cut(&y->path, len);
    }
    return done;
}

/* A copy with the variables replaced; each path in it gets its origin. */
static json_t *expanded(struct layer *y, json_t *value)
{
    const char *path = sx_buf_text(&y->path);

    if (path != NULL) {
        struct config_where where = where_at(y, path);

        config_origin_set(y->l, &where, path);
    }
    if (json_is_string(value))
        return expanded_text(y, value);
    if (json_is_array(value))
        return expanded_list(y, value);
    return json_is_object(value) ? expanded_object(y, value) : json_incref(value);
}

static void lay_options(struct layer *y, json_t *to, json_t *from, const json_t *over);

static void lay_option(struct layer *y, json_t *to, const char *name, json_t *value,
                       const json_t *over)
{
    json_t *child = json_object_get(to, name);

    if (json_is_object(value) && json_is_object(child)) {
        lay_options(y, child, value, over);
    } else if (json_is_object(value) && json_is_object(over)) {
        if (json_object_set_new(to, name, json_object()) != 0)
            y->l->is_out_of_memory = true;
        lay_options(y, json_object_get(to, name), value, over);
    } else if (over == NULL || (!json_is_object(value) && !mentions_variable(value))) {
        if (json_object_set_new(to, name, expanded(y, value)) != 0)
            y->l->is_out_of_memory = true;
    }
}

static void lay_options(struct layer *y, json_t *to, json_t *from, const json_t *over)
{
    const char *path = sx_buf_text(&y->path);
    size_t len = y->path.len;
    const char *name;
    json_t *value;

    if (path == NULL || to == NULL) {
        y->l->is_out_of_memory = true;
        return;
    }
    if (!expect_object(y, path, from))
        return;
    json_object_foreach(from, name, value)
    {
        config_path_push(&y->path, name);
        lay_option(y, to, name, value, json_object_get(over, name));
        config_path_cut(&y->path, len);
    }
}

/* ------------------------------------------------------------------ keys of the table */

static void lay_key(struct layer *y, const struct config_key *key, const char *path, json_t *value,
                    const json_t *over)
{
    struct config_where where = where_at(y, path);
    bool is_replaced = over != NULL || config_environment_wins(y->l, path);

    if (key->type == CONFIG_OBJECT) {
        if (config_tree_get(y->l->root, path) == NULL &&
            config_tree_set(y->l->root, path, json_object()) != 0)
            y->l->is_out_of_memory = true;
        lay_options(y, config_tree_get(y->l->root, path), value, over);
    } else if (!is_replaced || !mentions_variable(value)) {
        config_value_set(y->l, &where, path, key, value);
    }
}

/* "address, port, …" below a group. */
static void list_known(const struct config_key *table, const char *group, struct sx_buf *to)
{
    size_t len = strlen(group);
    const char *last = "";
    size_t last_len = 0;

    for (; table->path != NULL; table++) {
        const char *name = table->path + (len > 0 ? len + 1 : 0);
        size_t name_len;

        if (len > 0 && (strncmp(table->path, group, len) != 0 || table->path[len] != '.'))
            continue;
        name_len = strcspn(name, ".");
        if (name_len == last_len && strncmp(name, last, name_len) == 0)
            continue;
        sx_buf_printf(to, "%s%.*s", to->len > 0 ? ", " : "", (int)name_len, name);
        last = name;
        last_len = name_len;
    }
}

static void unknown_key(struct layer *y, const struct config_key *table, const char *path,
                        const char *group, const char *name)
{
    struct config_where where = where_at(y, path);
    bool is_top = table == config_keys && *group == '\0';
    struct sx_buf list;
    const char *known;
    char meant[64];

    if (config_key_suggest(table, group, name, meant, sizeof meant)) {
        config_fault_add(y->l, &where, path, "unknown key\nDid you mean \"%s\"?", meant);
        return;
    }
    if (is_top && config_choice_suggest((const char *const[]){ "plugins", NULL }, name)) {
        config_fault_add(y->l, &where, path, "unknown key\nDid you mean \"plugins\"?");
        return;
    }
    sx_buf_init(&list, CONFIG_MAX_TEXT_BYTES);
    list_known(table, group, &list);
    sx_buf_add_text(&list, is_top ? ", plugins" : "");
    known = sx_buf_text(&list);
    config_fault_add(y->l, &where, path, "unknown key\nKnown here: %s.",
                     known != NULL ? known : "");
    sx_buf_finish(&list);
}

/* ------------------------------------------------------------------ walking */

static void lay_plugin(struct layer *y, const char *name, json_t *entry, const json_t *over)
{
    const char *path = sx_buf_text(&y->path);
    struct config_where where;

    if (path == NULL)
        return;
    where = where_at(y, path);
    if (!config_is_plugin_name(name)) {
        config_fault_add(y->l, &where, path,
                         "expected the name of a plugin: at most %d lower-case letters, digits "
                         "and '_', a letter first",
                         CONFIG_MAX_NAME);
        return;
    }
    if (!expect_object(y, path, entry))
        return;
    if (config_tree_get(y->l->root, path) == NULL &&
        config_tree_set(y->l->root, path, json_object()) != 0)
        y->l->is_out_of_memory = true;
    lay_members(y, y->path.len + 1, entry, over);
}

static void lay_plugins(struct layer *y, json_t *plugins, const json_t *over)
{
    size_t len = y->path.len;
    const char *name;
    json_t *entry;

    if (!expect_object(y, "plugins", plugins))
        return;
    json_object_foreach(plugins, name, entry)
    {
        config_path_push(&y->path, name);
        lay_plugin(y, name, entry, json_object_get(over, name));
        config_path_cut(&y->path, len);
    }
}

/* group_len: of the path without name. */
static void lay_member(struct layer *y, size_t rel, size_t group_len, const char *name,
                       json_t *value, const json_t *over)
{
    const struct config_key *table = rel == 0 ? config_keys : config_plugin_keys;
    const char *path = sx_buf_text(&y->path);
    const struct config_key *key;
    char group[CONFIG_MAX_NAME + 1] = "";

    if (path == NULL)
        return;
    key = config_key_find(table, path + rel);
    if (key != NULL) {
        lay_key(y, key, path, value, over);
    } else if (config_key_is_group(table, path + rel)) {
        if (expect_object(y, path, value))
            lay_members(y, rel, value, over);
    } else if (strcmp(path, "plugins") == 0) {
        lay_plugins(y, value, over);
    } else if (group_len > 0 || strcmp(name, "$schema") != 0) {
        if (group_len > rel)
            (void)snprintf(group, sizeof group, "%.*s", (int)(group_len - rel), path + rel);
        unknown_key(y, table, path, group, name);
    }
}

/* rel: where the path as the table writes it begins. */
static void lay_members(struct layer *y, size_t rel, json_t *object, const json_t *over)
{
    size_t len = y->path.len;
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        config_path_push(&y->path, name);
        lay_member(y, rel, len, name, value, json_object_get(over, name));
        config_path_cut(&y->path, len);
    }
}

void config_layer(struct config_loader *l, const struct config_file *file)
{
    struct layer y = { .l = l, .file = file };

    if (file->tree == NULL)
        return;
    sx_buf_init(&y.path, CONFIG_MAX_PATH_BYTES);
    lay_members(&y, 0, file->tree, file == &l->base ? l->overlay.tree : NULL);
    if (sx_buf_failed(&y.path))
        l->is_out_of_memory = true;
    sx_buf_finish(&y.path);
}
