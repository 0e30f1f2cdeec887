/*
 * config/cloud_run.c - other defaults where K_SERVICE says that this is Cloud Run.
 *
 * What an overlay says is taken as meant; only defaults, and what base.json says, are bent.
 */
#include "config/config_private.h"

#define VARIABLE "K_SERVICE"

enum bend { AT_MOST, AT_LEAST, IF_EMPTY };

static const struct {
    const char *path;
    enum bend bend;
    int64_t number;
    const char *item;     /* of a list that is empty */
    const char *variable; /* whoever sets it means it */
} profile[] = {
    /* It kills ten seconds after TERM. */
    { "server.drain_ms", AT_MOST, 8000, NULL, NULL },
    /* Its front end keeps connections for 600 s and must not meet one that we close. */
    { "http.idle_ms", AT_LEAST, 620000, NULL, NULL },
    /* An instance may open 100 connections to Cloud SQL, and there are many instances. */
    { "database.pool_size", AT_MOST, 2, NULL, "DATABASE_POOL_SIZE" },
    /* Nobody but its front end can reach the port, from a link-local address; the client is the
     * last entry of X-Forwarded-For. */
    { "server.trusted_proxies", IF_EMPTY, 0, "169.254.0.0/16", NULL },
};

static bool is_as_wanted(const json_t *value, size_t i)
{
    if (value == NULL)
        return false; /* the default of config.h, which is the same as base.json's */
    if (profile[i].bend == IF_EMPTY)
        return !json_is_array(value) || json_array_size(value) > 0;
    if (!json_is_integer(value))
        return true; /* a fault, told as what it is */
    return profile[i].bend == AT_MOST ? json_integer_value(value) <= profile[i].number
                                      : json_integer_value(value) >= profile[i].number;
}

static void bend(struct config_loader *l, size_t i)
{
    const char *path = profile[i].path;
    struct config_where where;
    json_t *value;

    if (profile[i].variable != NULL && config_variable_full(l, profile[i].variable) != NULL)
        return;
    if (config_where_of(l, path, &where) && where.rank == CONFIG_RANK_OVERLAY)
        return;
    if (is_as_wanted(config_tree_get(l->root, path), i))
        return;
    where = (struct config_where){ .rank = CONFIG_RANK_ENVIRONMENT,
                                   .source = "environment " VARIABLE };
    value = profile[i].bend == IF_EMPTY ? json_pack("[s]", profile[i].item)
                                        : json_integer(profile[i].number);
    if (value == NULL)
        l->is_out_of_memory = true;
    else
        config_value_set(l, &where, path, config_key_of_path(path), value);
    json_decref(value);
}

void config_cloud_run(struct config_loader *l)
{
    if (config_variable_full(l, VARIABLE) == NULL)
        return;
    for (size_t i = 0; i < sizeof profile / sizeof profile[0]; i++)
        bend(l, i);
}
