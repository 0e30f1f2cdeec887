/*
 * config/rule.c - what is known only when all layers are there: values that nobody wrote, paths
 * made absolute, and keys that contradict each other.
 *
 * A key with a fault is null in the root and is left alone: one mistake, one fault.
 */
#include "config/config_private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

static const struct config_where by_default = { .rank = CONFIG_RANK_BASE, .source = "default" };

/* ------------------------------------------------------------------ defaults */

static void set_default(struct config_loader *l, const struct config_key *key, const char *path)
{
    json_t *preset = json_loads(key->preset, JSON_DECODE_ANY, NULL);

    if (preset == NULL)
        l->is_out_of_memory = true;
    else
        config_value_set(l, &by_default, path, key, preset);
    json_decref(preset);
}

static void default_keys(struct config_loader *l, const struct config_key *table,
                         const char *before)
{
    char path[160];

    for (; table->path != NULL; table++) {
        (void)snprintf(path, sizeof path, "%s%s", before, table->path);
        if (config_tree_get(l->root, path) == NULL)
            set_default(l, table, path);
    }
}

/* ------------------------------------------------------------------ paths */

static void set_default_text(struct config_loader *l, const char *path, const char *text)
{
    json_t *value = sx_is_utf8(text, strlen(text)) ? json_string(text) : json_null();

    if (json_is_null(value))
        config_fault_add(l, &by_default, path, "expected a path in UTF-8, found other bytes");
    config_origin_set(l, &by_default, path);
    if (config_tree_set(l->root, path, value) != 0)
        l->is_out_of_memory = true;
}

static void default_state_dir(struct config_loader *l, const char *path)
{
    static const struct config_where where = { .rank = CONFIG_RANK_ENVIRONMENT,
                                               .source = "environment TMPDIR" };
    const char *tmp = config_variable_full(l, "TMPDIR");
    char text[PATH_MAX];

    if (tmp != NULL && (*tmp != '/' || !sx_is_utf8(tmp, strlen(tmp)))) {
        config_fault_add(l, &where, path, "expected an absolute path in UTF-8, found another text");
        tmp = NULL;
    }
    (void)snprintf(text, sizeof text, "%s/sim-exchange-%lu", tmp != NULL ? tmp : "/tmp",
                   (unsigned long)config_user(l));
    set_default_text(l, path, text);
}

static void default_plugin_dir(struct config_loader *l, const char *path)
{
    char text[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", text, sizeof text - sizeof "/plugins");
    char *slash;

    text[n > 0 ? n : 0] = '\0';
    slash = strrchr(text, '/');
    memcpy(slash != NULL ? slash : text, "/plugins", sizeof "/plugins");
    set_default_text(l, path, text);
}

static void default_control(struct config_loader *l, const char *path)
{
    const char *dir = json_string_value(config_tree_get(l->root, "server.state_dir"));
    json_int_t port = json_integer_value(config_tree_get(l->root, "server.port"));
    char text[PATH_MAX];

    (void)snprintf(text, sizeof text, "%s/control-%lld.sock", dir != NULL ? dir : "",
                   (long long)port);
    set_default_text(l, path, text);
}

static void default_plugin_path(struct config_loader *l, const char *path, const char *name)
{
    const char *dir = json_string_value(config_tree_get(l->root, "server.plugin_dir"));
    char text[PATH_MAX];

    (void)snprintf(text, sizeof text, "%s/%s.so", dir != NULL ? dir : "", name);
    set_default_text(l, path, text);
}

/* Relative to the folder above that of the configuration; NULL when that is not there. */
static json_t *absolute(struct config_loader *l, const char *text)
{
    json_t *done = NULL;
    struct sx_buf b;
    const char *whole;

    if (l->root_dir == NULL)
        return NULL;
    sx_buf_init(&b, CONFIG_MAX_TEXT_BYTES);
    sx_buf_printf(&b, "%s/%s", l->root_dir, text);
    whole = sx_buf_text(&b);
    if (whole != NULL)
        done = json_string(whole);
    if (done == NULL)
        l->is_out_of_memory = true;
    sx_buf_finish(&b);
    return done;
}

static void complete_list(struct config_loader *l, json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        json_t *whole = text != NULL && *text != '/' ? absolute(l, text) : NULL;

        if (whole != NULL && json_array_set_new(list, i, whole) != 0)
            l->is_out_of_memory = true;
    }
}

/* name: of the plugin whose path it is, or NULL. */
static void complete_path(struct config_loader *l, const char *path, const char *name)
{
    const char *text = json_string_value(config_tree_get(l->root, path));
    json_t *whole;

    if (text == NULL)
        return;
    if (*text != '\0' && *text != '/') {
        whole = absolute(l, text);
        if (whole != NULL && config_tree_set(l->root, path, whole) != 0)
            l->is_out_of_memory = true;
    } else if (*text == '\0' && name != NULL) {
        default_plugin_path(l, path, name);
    } else if (*text == '\0' && strcmp(path, "server.state_dir") == 0) {
        default_state_dir(l, path);
    } else if (*text == '\0' && strcmp(path, "server.control") == 0) {
        default_control(l, path);
    } else if (*text == '\0') {
        default_plugin_dir(l, path);
    }
}

static void complete_paths(struct config_loader *l, const struct config_key *table,
                           const char *before, const char *name)
{
    char path[160];

    for (; table->path != NULL; table++) {
        (void)snprintf(path, sizeof path, "%s%s", before, table->path);
        if (table->is_folder_relative && table->type == CONFIG_LIST)
            complete_list(l, config_tree_get(l->root, path));
        else if (table->is_folder_relative)
            complete_path(l, path, name);
    }
}

void config_defaults(struct config_loader *l)
{
    json_t *plugins;
    const char *name;
    json_t *entry;
    char before[CONFIG_MAX_NAME + sizeof "plugins.."];

    default_keys(l, config_keys, "");
    complete_paths(l, config_keys, "", NULL);
    if (config_tree_get(l->root, "plugins") == NULL &&
        config_tree_set(l->root, "plugins", json_object()) != 0)
        l->is_out_of_memory = true;
    plugins = config_tree_get(l->root, "plugins");
    json_object_foreach(plugins, name, entry)
    {
        (void)snprintf(before, sizeof before, "plugins.%s.", name);
        default_keys(l, config_plugin_keys, before);
        complete_paths(l, config_plugin_keys, before, name);
    }
}

/* ------------------------------------------------------------------ rules */

static void check_credentials(struct config_loader *l)
{
    static const char path[] = "http.cors.credentials";
    const json_t *origins = config_tree_get(l->root, "http.cors.origins");
    struct config_where where;

    if (!json_is_true(config_tree_get(l->root, path)) || !config_where_of(l, path, &where))
        return;
    for (size_t i = 0; i < json_array_size(origins); i++) {
        if (strcmp(json_string_value(json_array_get(origins, i)), "*") == 0)
            config_fault_add(l, &where, path,
                             "expected false beside the origin \"*\", found true\n"
                             "List the origins that may send cookies.");
    }
}

/* The first listener is server.address with server.port; the others are items of the list. */
static void endpoint_of(const struct config_loader *l, size_t i,
                        char ret_text[CONFIG_ENDPOINT_BYTES])
{
    const json_t *list = config_tree_get(l->root, "server.listen");
    const char *address = json_string_value(config_tree_get(l->root, "server.address"));
    json_int_t port = json_integer_value(config_tree_get(l->root, "server.port"));

    ret_text[0] = '\0';
    if (i > 0)
        config_endpoint(json_string_value(json_array_get(list, i - 1)), 0, ret_text);
    else if (address != NULL && port > 0)
        config_endpoint(address, (uint32_t)port, ret_text);
}

static void compare_listeners(struct config_loader *l, size_t i, size_t first)
{
    char a[CONFIG_ENDPOINT_BYTES];
    char b[CONFIG_ENDPOINT_BYTES];
    char path[64];
    char earlier[64] = "server.address";
    struct config_where where;

    endpoint_of(l, i, a);
    endpoint_of(l, first, b);
    (void)snprintf(path, sizeof path, "server.listen[%zu]", i - 1);
    if (first > 0)
        (void)snprintf(earlier, sizeof earlier, "server.listen[%zu]", first - 1);
    if (a[0] != '\0' && strcmp(a, b) == 0 && config_where_of(l, path, &where))
        config_fault_add(l, &where, path, "expected another address, found %s as in %s", a,
                         earlier);
}

static void check_listeners(struct config_loader *l)
{
    size_t n = json_array_size(config_tree_get(l->root, "server.listen"));

    for (size_t i = 1; i <= n; i++) {
        for (size_t first = 0; first < i; first++)
            compare_listeners(l, i, first);
    }
}

static void tell_long_socket(struct config_loader *l, const struct config_where *where,
                             const char *path, const char *folder)
{
    if (config_origin_secrecy(l->origins, path) != SX_CONFIG_PLAIN)
        config_fault_add(l, where, path,
                         "expected a socket path of at most 107 bytes, found more\n"
                         "Mount the folder of the sockets at a shorter path.");
    else
        config_fault_add(l, where, path,
                         "expected a socket path of at most 107 bytes, found %zu: "
                         "%s/.s.PGSQL.5432\nMount the folder of the sockets at a shorter path.",
                         strlen(folder) + strlen("/.s.PGSQL.5432"), folder);
}

static void check_socket(struct config_loader *l, const char *path)
{
    const char *text = json_string_value(config_tree_get(l->root, path));
    char *folder = text != NULL ? config_conninfo_socket(text) : NULL;
    struct config_where where;

    if (folder != NULL && !config_socket_fits(folder) && config_where_of(l, path, &where))
        tell_long_socket(l, &where, path, folder);
    free(folder);
}

static bool has_faulty_key(const json_t *entry)
{
    for (const struct config_key *key = config_plugin_keys; key->path != NULL; key++)
        if (json_is_null(config_tree_get(entry, key->path)))
            return true;
    return false;
}

void config_drop_faulty(struct config_loader *l)
{
    json_t *plugins = json_object_get(l->root, "plugins"), *entry;
    const char *name;
    void *next;

    for (const struct config_key *key = config_keys; key->path != NULL; key++)
        if (json_is_null(config_tree_get(l->root, key->path)))
            set_default(l, key, key->path);
    complete_paths(l, config_keys, "", NULL);
    json_object_foreach_safe(plugins, next, name, entry)
    {
        if (has_faulty_key(entry))
            (void)json_object_del(plugins, name);
    }
}

void config_rules(struct config_loader *l)
{
    check_credentials(l);
    check_listeners(l);
    check_socket(l, "database.url");
    check_socket(l, "database.direct_url");
}
