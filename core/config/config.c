/*
 * config/config.c - loading, from a folder and the environment to a checked configuration.
 *
 * All steps run whatever the earlier ones found, so that one run tells all faults; only then is
 * it decided whether there is a configuration.
 */
#include "config/config_private.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

#define DEFAULT_DIR "config"
#define DEFAULT_ENV "development"

static char *file_name(const char *dir, const char *name)
{
    size_t len = strlen(dir);
    char *path;

    while (len > 1 && dir[len - 1] == '/')
        len--;
    return asprintf(&path, "%.*s/%s.json", (int)len, dir, name) < 0 ? NULL : path;
}

static void pick_environment(struct config_loader *l, const char *env)
{
    struct config_where where = { .rank = CONFIG_RANK_ENVIRONMENT, .source = "command line" };

    if (env == NULL) {
        env = config_variable_full(l, "SX_ENV");
        where.source = "environment SX_ENV";
    }
    if (env == NULL) {
        env = DEFAULT_ENV;
        where.source = "default";
    }
    if (!sx_is_utf8(env, strlen(env))) {
        config_fault_add(l, &where, NULL, "expected the name of an environment, found no UTF-8");
        env = DEFAULT_ENV;
    }
    l->env = strdup(env);
    config_origin_set(l, &where, "env");
}

/* Nothing is known but the environment. */
static void begin_reading(struct config_loader *l, const struct sx_config_source *src)
{
    json_decref(l->root);
    json_decref(l->origins);
    json_decref(l->notes);
    free(l->env);
    l->root = json_object();
    l->origins = json_object();
    l->notes = json_pack("{s:{}, s:{}}", "files", "variables");
    if (l->root == NULL || l->origins == NULL || l->notes == NULL)
        l->is_out_of_memory = true;
    pick_environment(l, src->env);
}

/* A folder that is not there is told when its base.json is read. */
static void find_root_dir(struct config_loader *l)
{
    const struct config_where where = { .rank = CONFIG_RANK_ENVIRONMENT, .source = "command line" };
    char folder[PATH_MAX];

    if (realpath(l->dir, folder) == NULL)
        return;
    if (!sx_is_utf8(folder, strlen(folder))) {
        config_fault_add(
            l, &where, NULL,
            "expected a folder of the configuration whose path is UTF-8, found other bytes");
        return;
    }
    *strrchr(folder, '/') = '\0';
    l->root_dir = strdup(folder);
    if (l->root_dir == NULL)
        l->is_out_of_memory = true;
}

static void loader_init(struct config_loader *l, const struct sx_config_source *src)
{
    memset(l, 0, sizeof *l);
    l->dir = src->dir != NULL ? src->dir : DEFAULT_DIR;
    l->allows_unpinned = src->allows_unpinned;
    l->trusts_owners = src->trusts_owners;
    l->environ_ = src->environ_ != NULL ? src->environ_ : environ;
    l->base.rank = CONFIG_RANK_BASE;
    l->overlay.rank = CONFIG_RANK_OVERLAY;
    begin_reading(l, src);
    find_root_dir(l);
    l->base.name = file_name(l->dir, "base");
    l->overlay.name = l->env != NULL ? file_name(l->dir, l->env) : NULL;
    if (l->base.name == NULL || l->overlay.name == NULL)
        l->is_out_of_memory = true;
}

static void file_finish(struct config_file *file)
{
    json_decref(file->tree);
    json_decref(file->lines);
    free(file->name);
}

static void loader_finish(struct config_loader *l)
{
    config_faults_finish(l);
    config_secrets_finish(l);
    file_finish(&l->base);
    file_finish(&l->overlay);
    json_decref(l->root);
    json_decref(l->origins);
    json_decref(l->notes);
    free(l->env);
    free(l->root_dir);
}

/* Beside the values, not among them: it is where the files lie, not what they say. */
static int keep_root_dir(struct config_loader *l)
{
    const char *dir = l->root_dir == NULL ? "." : *l->root_dir == '\0' ? "/" : l->root_dir;

    return json_object_set_new(l->root, "root_dir", json_string(dir));
}

static void read_files(struct config_loader *l)
{
    if (l->faults.n > 0) /* of what says which files they are */
        return;
    (void)config_file_read(l, &l->base); /* a failure is a fault, and told as such */
    (void)config_overlay_read(l);
}

static void run_steps(struct config_loader *l)
{
    config_layer(l, &l->base);
    config_layer(l, &l->overlay);
    config_environment(l);
    config_defaults(l);
    config_rules(l);
    config_trust(l);
    if (json_object_set_new(l->root, "env", json_string(l->env)) != 0 || keep_root_dir(l) != 0)
        l->is_out_of_memory = true;
}

static int create(const struct config_loader *l, struct sx_config **ret_config)
{
    return config_settings_create(json_incref(l->root), json_incref(l->origins),
                                  json_incref(l->notes), ret_config);
}

/* What is written in the files and the environment: a reference is noted, and stands for itself. */
static int read_first(struct config_loader *l, const struct sx_config_source *src,
                      struct sx_report *rep)
{
    if (!l->is_out_of_memory)
        read_files(l);
    if (!l->is_out_of_memory)
        run_steps(l);
    if (!l->is_out_of_memory)
        config_secrets_settle(l, src->resolver != NULL ? src->resolver->only : NULL);
    return l->is_out_of_memory ? SX_ERR_NOMEM : config_faults_move(l, rep);
}

/* The same files with the values: nobody is asked before all else is right. */
static int read_again(struct config_loader *l, const struct sx_config_source *src,
                      struct sx_report *rep)
{
    int rc = config_secrets_resolve(l, src->resolver, rep);
    json_t *files;

    if (rc != 0)
        return rc;
    files = json_incref(json_object_get(l->notes, "files"));
    begin_reading(l, src);
    if (json_object_set_new(l->notes, "files", files) != 0)
        l->is_out_of_memory = true;
    if (!l->is_out_of_memory)
        run_steps(l);
    rc = l->is_out_of_memory ? SX_ERR_NOMEM : config_faults_move(l, rep);
    if (rc != 0)
        config_files_remove(l->notes);
    return rc;
}

int sx_config_load(const struct sx_config_source *src, struct sx_report *rep,
                   struct sx_config **ret_config)
{
    struct config_loader l;
    int rc;

    *ret_config = NULL;
    loader_init(&l, src);
    rc = read_first(&l, src, rep);
    if (rc == 0 && l.secrets.n > 0 && src->resolver != NULL)
        rc = read_again(&l, src, rep);
    if (rc == SX_ERR_INVALID && src->keeps_good && l.base.tree != NULL && l.overlay.tree != NULL) {
        config_drop_faulty(&l);
        (void)create(&l, ret_config);
    }
    if (rc == 0) {
        rc = create(&l, ret_config);
        if (rc == 0)
            sx_config_own_files(*ret_config, true);
        else
            config_files_remove(l.notes);
    }
    loader_finish(&l);
    return rc;
}
