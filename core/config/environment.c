/*
 * config/environment.c - the few names of the environment that win over the files.
 *
 * PORT is what a container is told; DATABASE_URL what everybody calls it.  The others are those
 * of the deployment before this one, so that it can be replaced without touching its settings.
 * An empty name counts as not set.
 */
#include "config/config_private.h"

#include <stdlib.h>
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

    if (text == NULL)
        return;
    config_note_variable(l, path, name);
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

/* The value of an old name, out of its secret where it is a reference; malloc or NULL. */
static char *value_of(struct config_loader *l, enum old_name name, enum sx_config_secrecy *secrecy)
{
    static const char *const sources[N_OLD] = {
        [OLD_FOLDER] = "environment SQL_PROXY_PATH",  [OLD_INSTANCE] = "environment INSTANCE_NAME1",
        [OLD_DATABASE] = "environment MFDB_NAME",     [OLD_USER] = "environment MFDB_USER",
        [OLD_PASSWORD] = "environment MFDB_PASSWORD",
    };
    const char *text = config_variable_full(l, old_names[name]);
    struct config_where where = where_of(sources[name]);

    if (text == NULL)
        return NULL;
    if (!sx_is_utf8(text, strlen(text))) {
        config_fault_add(l, &where, "database.url", "expected UTF-8, found other bytes");
        return NULL;
    }
    return sx_reference_is(text)
               ? config_secret_value(l, &where, "database.url", NULL, text, secrecy)
               : strdup(text);
}

static void build_conninfo(struct config_loader *l, struct sx_buf *b,
                           enum sx_config_secrecy *secrecy)
{
    static const struct {
        const char *key;
        enum old_name name;
    } parts[] = {
        { "dbname", OLD_DATABASE },
        { "user", OLD_USER },
        { "password", OLD_PASSWORD },
    };
    char *folder = value_of(l, OLD_FOLDER, secrecy), *value = value_of(l, OLD_INSTANCE, secrecy);
    struct sx_buf host;

    sx_buf_init(&host, CONFIG_MAX_TEXT_BYTES);
    if (folder != NULL && value != NULL) {
        sx_buf_printf(&host, "%s/%s", folder, value);
        if (sx_buf_text(&host) != NULL)
            config_conninfo_add(b, "host", sx_buf_text(&host));
    }
    sx_buf_finish(&host);
    free(folder);
    free(value);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        value = value_of(l, parts[i].name, secrecy);
        if (value != NULL)
            config_conninfo_add(b, parts[i].key, value);
        free(value);
    }
}

static void take_old_names(struct config_loader *l)
{
    static const char source[] = "environment SQL_PROXY_PATH", path[] = "database.url";
    enum sx_config_secrecy secrecy = SX_CONFIG_PLAIN;
    const char *found = first_old_name(l);
    struct config_where where = where_of(source);
    const size_t n_faults = l->faults.n;
    const char *text;
    struct sx_buf b;

    if (found == NULL || config_variable_full(l, "DATABASE_URL") != NULL ||
        !has_all_old_names(l, found))
        return;
    sx_buf_init(&b, CONFIG_MAX_TEXT_BYTES);
    build_conninfo(l, &b, &secrecy);
    text = sx_buf_text(&b);
    if (text == NULL)
        l->is_out_of_memory = true;
    else if (l->faults.n == n_faults)
        take_text(l, source, path, text);
    if (secrecy != SX_CONFIG_PLAIN)
        config_origin_set_expanded(l, &where, path, "", secrecy);
    sx_buf_finish(&b);
}

void config_environment(struct config_loader *l)
{
    take_port(l);
    take_variable(l, "DATABASE_URL", "environment DATABASE_URL", "database.url");
    take_old_names(l);
    if (config_variable_full(l, old_names[OLD_PASSWORD]) != NULL) /* also beside DATABASE_URL */
        config_note_variable(l, "database.url", old_names[OLD_PASSWORD]);
    take_variable(l, "APP_SECRET", "environment APP_SECRET", "app_secret");
    config_cloud_run(l);
}
