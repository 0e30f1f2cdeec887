/*
 * config/environment.c - the few names of the environment that win over the files.
 *
 * PORT is what a container is told; DATABASE_URL what everybody calls it.  The others are those
 * of the deployment before this one, so that it can be replaced without touching its settings.
 * An empty name counts as not set.
 */
#include "config/config_private.h"

#include <string.h>

#include "base/text.h"

/* The old names; those with a default may be missing. */
enum old_name { OLD_FOLDER, OLD_INSTANCE, OLD_DATABASE, OLD_USER, OLD_PASSWORD, N_OLD };

static const char *const old_names[N_OLD] = {
    [OLD_FOLDER] = "SQL_PROXY_PATH",  [OLD_INSTANCE] = "INSTANCE_NAME1",
    [OLD_DATABASE] = "MFDB_NAME",     [OLD_USER] = "MFDB_USER",
    [OLD_PASSWORD] = "MFDB_PASSWORD",
};

static const char *first_old_name(const struct config_loader *l)
{
    for (size_t i = 0; i < N_OLD; i++) {
        if (config_variable_full(l, old_names[i]) != NULL)
            return old_names[i];
    }
    return NULL;
}

bool config_environment_wins(const struct config_loader *l, const char *path)
{
    if (strcmp(path, "server.port") == 0)
        return config_variable_full(l, "PORT") != NULL;
    if (strcmp(path, "app_secret") == 0)
        return config_variable_full(l, "APP_SECRET") != NULL;
    if (strcmp(path, "database.url") == 0)
        return config_variable_full(l, "DATABASE_URL") != NULL || first_old_name(l) != NULL;
    return false;
}

static struct config_where where_of(const char *source)
{
    return (struct config_where){ .rank = CONFIG_RANK_ENVIRONMENT, .source = source };
}

static void take(struct config_loader *l, const char *source, const char *path, json_t *value)
{
    struct config_where where = where_of(source);

    if (value == NULL)
        l->is_out_of_memory = true;
    else
        config_value_set(l, &where, path, config_key_of_path(path), value);
    json_decref(value);
}

static void take_text(struct config_loader *l, const char *source, const char *path,
                      const char *text)
{
    struct config_where where = where_of(source);

    if (sx_is_utf8(text, strlen(text)))
        take(l, source, path, json_string(text));
    else
        config_fault_add(l, &where, path, "expected UTF-8, found other bytes");
}

/* A number where it is one; anything else is told as what it is. */
static void take_port(struct config_loader *l)
{
    static const char source[] = "environment PORT";
    const char *text = config_variable_full(l, "PORT");
    int64_t port;

    if (text == NULL)
        return;
    if (sx_parse_int(text, strlen(text), &port) == 0)
        take(l, source, "server.port", json_integer(port));
    else
        take_text(l, source, "server.port", text);
}

static void take_variable(struct config_loader *l, const char *name, const char *source,
                          const char *path)
{
    const char *text = config_variable_full(l, name);

    if (text != NULL)
        take_text(l, source, path, text);
}

/* All but the password must be there; one fault for each that is not. */
static bool has_all_old_names(struct config_loader *l, const char *found)
{
    bool has_all = true;
    char source[64];

    for (size_t i = 0; i < N_OLD; i++) {
        struct config_where where = where_of(source);

        if (i == OLD_PASSWORD || config_variable_full(l, old_names[i]) != NULL)
            continue;
        (void)snprintf(source, sizeof source, "environment %s", old_names[i]);
        config_fault_add(l, &where, "database.url",
                         "expected it beside %s, found it not set\n"
                         "Set it, or DATABASE_URL instead of all of them.",
                         found);
        has_all = false;
    }
    return has_all;
}

static void build_conninfo(const struct config_loader *l, struct sx_buf *b)
{
    static const struct {
        const char *key;
        enum old_name name;
    } parts[] = {
        { "dbname", OLD_DATABASE },
        { "user", OLD_USER },
        { "password", OLD_PASSWORD },
    };
    struct sx_buf host;
    const char *folder;

    sx_buf_init(&host, CONFIG_MAX_TEXT_BYTES);
    sx_buf_printf(&host, "%s/%s", config_variable(l, old_names[OLD_FOLDER]),
                  config_variable(l, old_names[OLD_INSTANCE]));
    folder = sx_buf_text(&host);
    if (folder != NULL)
        config_conninfo_add(b, "host", folder);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const char *value = config_variable_full(l, old_names[parts[i].name]);

        if (value != NULL)
            config_conninfo_add(b, parts[i].key, value);
    }
    sx_buf_finish(&host);
}

static void take_old_names(struct config_loader *l)
{
    const char *found = first_old_name(l);
    const char *text;
    struct sx_buf b;

    if (found == NULL || config_variable_full(l, "DATABASE_URL") != NULL ||
        !has_all_old_names(l, found))
        return;
    sx_buf_init(&b, CONFIG_MAX_TEXT_BYTES);
    build_conninfo(l, &b);
    text = sx_buf_text(&b);
    if (text == NULL)
        l->is_out_of_memory = true;
    else
        take_text(l, "environment SQL_PROXY_PATH", "database.url", text);
    sx_buf_finish(&b);
}

void config_environment(struct config_loader *l)
{
    take_port(l);
    take_variable(l, "DATABASE_URL", "environment DATABASE_URL", "database.url");
    take_old_names(l);
    take_variable(l, "APP_SECRET", "environment APP_SECRET", "app_secret");
    config_cloud_run(l);
}
