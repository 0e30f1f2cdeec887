/*
 * config/trust.c - who could change what the server trusts, and whether every plugin is pinned.
 *
 * A file that others can write is a fault like any other: `check` tells it, a start and a reload
 * refuse it.  What cannot be looked at is told by whoever reads it.
 */
#include "config/config_private.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/owner.h"
#include "base/user.h"

#define PRODUCTION  "production"
#define DEVELOPMENT "development"

static const char *text_of(const struct config_loader *l, const char *path)
{
    const char *text = json_string_value(config_tree_get(l->root, path));

    return text != NULL ? text : "";
}

/* ------------------------------------------------------------------ who it will be */

uid_t config_user(const struct config_loader *l)
{
    struct sx_user user;
    char why[160];

    if (*text_of(l, "process.user") == '\0' || geteuid() != 0 ||
        sx_user_find(text_of(l, "process.user"), text_of(l, "process.group"), &user, why,
                     sizeof why) != 0)
        return geteuid();
    return user.uid;
}

static void check_user(struct config_loader *l)
{
    const char *name = text_of(l, "process.user");
    struct config_where where;
    struct sx_user user;
    char why[160], self[SX_USER_NAME + 16];

    if (*name == '\0' && *text_of(l, "process.group") != '\0' &&
        config_where_of(l, "process.group", &where))
        config_fault_add(l, &where, "process.group", "expected process.user beside it, found none");
    if (*name == '\0' || !config_where_of(l, "process.user", &where))
        return;
    if (sx_user_find(name, text_of(l, "process.group"), &user, why, sizeof why) != 0) {
        config_fault_add(l, &where, "process.user",
                         "%s\nName one of this machine, or a number "
                         "with process.group beside it.",
                         why);
    } else if (geteuid() != 0 && user.uid != geteuid()) {
        sx_user_describe(geteuid(), self, sizeof self);
        config_fault_add(l, &where, "process.user",
                         "expected to be started by root or by %s, found user %s\n"
                         "Only root can become somebody else.",
                         name, self);
    }
}

/* ------------------------------------------------------------------ files */

static int check_owner(const struct config_loader *l, const char *file, char why[SX_OWNER_WHY])
{
    const struct sx_owner_rules rules = {
        .self = config_user(l),
        .is_lax = l->trusts_owners || strcmp(l->env, DEVELOPMENT) == 0,
    };

    return sx_owner_check(&rules, file, why) == SX_ERR_INVALID ? SX_ERR_INVALID : 0;
}

static void check_file(struct config_loader *l, const struct config_where *where, const char *path,
                       const char *file)
{
    char why[SX_OWNER_WHY];

    if (check_owner(l, file, why) != 0)
        config_fault_add(l, where, path, "%s: %s", file, why);
}

static void check_config_file(struct config_loader *l, const struct config_file *file)
{
    struct config_where where = { .rank = file->rank, .source = file->name };
    char why[SX_OWNER_WHY];

    if (file->tree != NULL && check_owner(l, file->name, why) != 0)
        config_fault_add(l, &where, NULL, "%s", why);
}

static void check_keys(struct config_loader *l)
{
    const json_t *keys = config_tree_get(l->root, "trust.keys");
    struct config_where where;
    const json_t *key;
    char path[64];
    size_t i;

    json_array_foreach(keys, i, key)
    {
        (void)snprintf(path, sizeof path, "trust.keys[%zu]", i);
        if (json_is_string(key) && config_where_of(l, path, &where))
            check_file(l, &where, path, json_string_value(key));
    }
    if (json_is_true(config_tree_get(l->root, "trust.signatures")) && json_array_size(keys) == 0 &&
        config_where_of(l, "trust.signatures", &where))
        config_fault_add(l, &where, "trust.signatures",
                         "expected keys in trust.keys, found none\n"
                         "Without a key no signature counts.");
}

/* ------------------------------------------------------------------ plugins */

bool sx_config_requires_pins(const struct sx_config *cfg)
{
    return strcmp(cfg->trust.pins, "required") == 0 ||
           (strcmp(cfg->trust.pins, "auto") == 0 && strcmp(cfg->env, PRODUCTION) == 0);
}

static bool requires_pins(const struct config_loader *l)
{
    const struct sx_config cfg = { .env = l->env, .trust = { .pins = text_of(l, "trust.pins") } };

    return !l->allows_unpinned && sx_config_requires_pins(&cfg);
}

static bool where_of_plugin(const struct config_loader *l, const char *name, const char *key,
                            struct config_where *ret_where)
{
    char path[160];

    (void)snprintf(path, sizeof path, "plugins.%s.%s", name, key);
    if (config_where_of(l, path, ret_where))
        return true;
    (void)snprintf(path, sizeof path, "plugins.%s", name);
    return config_where_of(l, path, ret_where);
}

static void check_pin(struct config_loader *l, const char *name, const char *pin, const char *file)
{
    struct config_where where;
    char path[160];

    if (pin == NULL || *pin != '\0' || !requires_pins(l) ||
        !where_of_plugin(l, name, "sha256", &where))
        return;
    (void)snprintf(path, sizeof path, "plugins.%s.sha256", name);
    config_fault_add(l, &where, path,
                     "expected the SHA-256 of %s, found none\n"
                     "In %s every plugin is pinned: sim-exchange pin --env %s tells the digests; "
                     "trust.pins says whether it must.",
                     file, l->env, l->env);
}

static void check_plugins(struct config_loader *l)
{
    json_t *plugins = config_tree_get(l->root, "plugins"), *entry;
    struct config_where where;
    const char *name;
    char path[160];

    json_object_foreach(plugins, name, entry)
    {
        const char *file = json_string_value(json_object_get(entry, "path"));

        if (!json_is_true(json_object_get(entry, "enabled")) || file == NULL)
            continue;
        check_pin(l, name, json_string_value(json_object_get(entry, "sha256")), file);
        (void)snprintf(path, sizeof path, "plugins.%s", name);
        if (where_of_plugin(l, name, "path", &where))
            check_file(l, &where, path, file);
    }
}

void config_trust(struct config_loader *l)
{
    check_user(l);
    check_config_file(l, &l->base);
    check_config_file(l, &l->overlay);
    check_keys(l);
    check_plugins(l);
}
