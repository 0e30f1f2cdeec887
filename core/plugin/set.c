/* plugin/set.c - the set of plugins: files examined, mapped, mounted; and all of it freed. */
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "plugin/guard.h"

#define MAX_PLUGIN_BYTES (256u << 20)

/* --- Loading ------------------------------------------------------------------------------ */

static const struct sx_plugin_copy *find_copy(const struct sx_plugins_settings *set,
                                              const char *name)
{
    for (size_t i = 0; i < set->n_copies; i++)
        if (strcmp(set->copies[i].name, name) == 0)
            return &set->copies[i];
    return NULL;
}

/* FILE:LINE of a key of the plugin, or of the plugin where nobody wrote the key. */
struct place {
    char key[128];
    const char *origin;
};

static struct place place_of(const struct sx_plugin *p, const char *key)
{
    const struct sx_config *cfg = p->set->set.config;
    struct place at;

    (void)snprintf(at.key, sizeof at.key, "plugins.%s.%s", p->cfg->name, key);
    at.origin = sx_config_origin(cfg, at.key);
    if (strcmp(at.origin, "default") == 0) {
        (void)snprintf(at.key, sizeof at.key, "plugins.%s", p->cfg->name);
        at.origin = sx_config_origin(cfg, at.key);
    }
    return at;
}

static void compare_sha256(const struct sx_plugin *p, const char *hex, const char *expected,
                           const char *where, struct sx_report *rep)
{
    struct place at;

    if (strcmp(hex, expected) == 0)
        return;
    at = place_of(p, "sha256");
    sx_report_add(rep, "%s: %s: plugin \"%s\" (%s) is %s, expected %s (%s)", at.origin, at.key,
                  p->cfg->name, p->path, hex, expected, where);
}

/* The bytes that are about to be mapped are those that were pinned, and copied. */
static void check_sha256(const struct sx_plugin *p, const struct sx_plugin_copy *copy,
                         struct sx_report *rep)
{
    const char *pin = p->cfg->sha256;
    bool is_pinned = pin != NULL && *pin != '\0';
    char hex[SX_SHA256_HEX + 1];
    char *data;
    size_t len;

    if (!is_pinned && copy == NULL)
        return;
    if (sx_file_read(p->file, MAX_PLUGIN_BYTES, &data, &len) < 0) {
        sx_report_add(rep, "%s: cannot be read: %s", p->path, strerror(errno));
        return;
    }
    sx_sha256_hex(data, len, hex);
    free(data);
    if (is_pinned)
        compare_sha256(p, hex, pin, "from the configuration", rep);
    if (copy != NULL)
        compare_sha256(p, hex, copy->sha256, "of the copy that was checked", rep);
}

/* What is wrong with the file is said where its path is written. */
static int read_note(struct sx_plugin *p, const struct place *at, struct sx_report *rep)
{
    struct sx_report faults;
    int err;

    sx_report_init(&faults);
    err = sx_plugin_note_read(p->file, p->path, p->cfg->name, &faults, &p->note);
    for (size_t i = 0; i < faults.n_faults; i++)
        sx_report_add(rep, "%s: %s: %s", at->origin, at->key, faults.faults[i]);
    sx_report_finish(&faults);
    return err;
}

/* Without a byte of the file being run. */
static int examine(struct sx_plugin *p, struct sx_report *rep)
{
    size_t before = rep->n_faults;
    const struct sx_plugin_copy *copy = find_copy(&p->set->set, p->cfg->name);
    struct place at = place_of(p, "path");

    p->path = strdup(p->cfg->path);
    p->file = strdup(copy != NULL ? copy->path : p->cfg->path);
    if (p->path == NULL || p->file == NULL)
        return SX_ENOMEM;
    if (access(p->file, R_OK) != 0) {
        sx_report_add(rep, "%s: %s: plugin \"%s\": %s cannot be read: %s", at.origin, at.key,
                      p->cfg->name, p->path, strerror(errno));
        return SX_EINVAL;
    }
    if (read_note(p, &at, rep) < 0)
        return SX_EINVAL;
    if (strcmp(p->note.name, p->cfg->name) != 0)
        sx_report_add(rep, "%s: %s: the file %s is plugin \"%s\", expected \"%s\"", at.origin,
                      at.key, p->path, p->note.name, p->cfg->name);
    check_sha256(p, copy, rep);
    return rep->n_faults == before ? 0 : SX_EINVAL;
}

void sx_plugin_tell_run(struct sx_plugin *p, bool is_begin)
{
    const struct sx_plugins_settings *set = &p->set->set;

    if (set->on_run != NULL)
        set->on_run(set->run_arg, p->path, is_begin ? &p->note : NULL);
}

static int map_file(struct sx_plugin *p, struct sx_report *rep)
{
    const sx_manifest *m;

    sx_plugin_tell_run(p, true);
    p->handle = dlopen(p->file, RTLD_NOW | RTLD_LOCAL);
    sx_plugin_tell_run(p, false);
    if (p->handle == NULL) {
        sx_report_add(rep, "%s: plugin \"%s\" cannot be loaded: %s", p->path, p->note.name,
                      dlerror());
        return SX_EINVAL;
    }
    m = dlsym(p->handle, "sx_plugin_manifest");
    if (m == NULL) {
        sx_report_add(rep, "%s: plugin \"%s\" does not export sx_plugin_manifest", p->path,
                      p->note.name);
        return SX_EINVAL;
    }
    return sx_manifest_take(p, m, rep);
}

static int prepare_owner(struct sx_plugin *p)
{
    struct sx_buf list;

    sx_buf_init(&list, 65536);
    sx_buf_printf(&list, "\"%s\"", p->note.name);
    for (const char *const *u = p->manifest.uses; u != NULL && *u != NULL; u++)
        sx_buf_printf(&list, ", \"%s\"", *u);
    p->search_path = sx_buf_failed(&list) ? NULL : strdup(sx_buf_text(&list));
    sx_buf_finish(&list);
    if (p->search_path == NULL)
        return SX_ENOMEM;
    p->owner = (struct sx_db_owner){ .name = p->note.name,
                                     .search_path = p->search_path,
                                     .index = p->index };
    return 0;
}

static int load_plugin(struct sx_plugin *p, struct sx_report *rep)
{
    int err = p->is_left_out ? sx_quarantine_leave_out(p) : map_file(p, rep);

    if (err == 0 && !p->is_left_out) {
        *p->manifest.host = p->set->host;
        (void)sx_options_take(p, p->set->set.config, rep);
        for (const sx_metric *m = p->metrics; m != NULL && m->name != NULL; m++)
            p->n_metrics++;
    }
    return err == 0 ? prepare_owner(p) : err;
}

static size_t count_enabled(const struct sx_config *cfg)
{
    size_t n = 0;

    for (size_t i = 0; i < cfg->n_plugins; i++)
        n += cfg->plugins[i].enabled;
    return n;
}

static int create_set(const struct sx_plugins_settings *set, struct sx_plugins **ret)
{
    struct sx_plugins *ps = calloc(1, sizeof *ps);
    size_t n = count_enabled(set->config);

    if (ps == NULL)
        return SX_ENOMEM;
    ps->plugins = calloc(n + 1, sizeof *ps->plugins);
    ps->n_pool_calls = set->config->server.pool_threads + 1;
    ps->pool_calls = calloc(ps->n_pool_calls, sizeof *ps->pool_calls);
    if (ps->plugins == NULL || ps->pool_calls == NULL) {
        free(ps->plugins);
        free(ps->pool_calls);
        free(ps);
        return SX_ENOMEM;
    }
    ps->set = *set;
    ps->host = sx_host_table();
    ps->loop_thread = pthread_self();
    (void)pthread_mutex_init(&ps->lease_lock, NULL);
    sx_list_init(&ps->channels);
    ps->logs_all = strcmp(set->config->log.access, "all") == 0;
    ps->logs_errors = strcmp(set->config->log.access, "errors") == 0;
    ps->times_requests = ps->logs_all;
    for (size_t i = 0; i < set->config->n_plugins; i++) {
        struct sx_plugin *p = &ps->plugins[ps->n_plugins];

        if (!set->config->plugins[i].enabled)
            continue;
        p->set = ps;
        p->cfg = &set->config->plugins[i];
        p->index = (uint32_t)ps->n_plugins++;
        p->board = SX_BOARD_NONE;
        p->is_left_out = set->leaves_out != NULL && set->leaves_out(set->run_arg, p->cfg->name);
        sx_list_init(&p->timers);
        sx_list_init(&p->listeners);
    }
    *ret = ps;
    return 0;
}

struct sx_plugin *sx_plugins_find(struct sx_plugins *ps, const char *name)
{
    for (size_t i = 0; i < ps->n_plugins; i++)
        if (strcmp(ps->plugins[i].cfg->name, name) == 0)
            return &ps->plugins[i];
    return NULL;
}

static void check_uses(struct sx_plugins *ps, struct sx_report *rep)
{
    for (size_t i = 0; i < ps->n_plugins; i++) {
        const struct sx_plugin *p = &ps->plugins[i];

        for (const char *const *u = p->manifest.uses; u != NULL && *u != NULL; u++)
            if (sx_plugins_find(ps, *u) == NULL)
                sx_report_add(rep, "%s: plugin \"%s\" uses plugin \"%s\", which is not enabled",
                              p->path, p->note.name, *u);
    }
}

int sx_plugins_load(const struct sx_plugins_settings *set, struct sx_report *rep,
                    struct sx_plugins **ret_plugins)
{
    size_t before = rep->n_faults;
    struct sx_plugins *ps;
    bool *is_good;
    int err = create_set(set, &ps);

    if (err < 0)
        return err;
    is_good = calloc(ps->n_plugins + 1, sizeof *is_good);
    for (size_t i = 0; i < ps->n_plugins && is_good != NULL; i++)
        is_good[i] = examine(&ps->plugins[i], rep) == 0;
    for (size_t i = 0; i < ps->n_plugins && is_good != NULL; i++)
        if (is_good[i])
            (void)load_plugin(&ps->plugins[i], rep);
    if (is_good != NULL && rep->n_faults == before)
        check_uses(ps, rep);
    if (is_good != NULL)
        err = sx_mount_all(ps, rep);
    if (is_good == NULL)
        err = SX_ENOMEM;
    free(is_good);
    if (err < 0 || rep->n_faults != before) {
        sx_plugins_destroy(ps);
        return err < 0 ? err : SX_EINVAL;
    }
    *ret_plugins = ps;
    return 0;
}

static void finish_plugin(struct sx_plugin *p)
{
    sx_listeners_free(p);
    for (uint32_t i = 0; p->entries != NULL && i < p->n_routes; i++)
        free(p->entries[i].path);
    free(p->entries);
    sx_manifest_release(p);
    json_decref(p->config);
    free(p->metric_boards);
    free(p->search_path);
    free(p->role);
    free(p->path);
    free(p->file);
}

void sx_plugins_destroy(struct sx_plugins *ps)
{
    if (ps == NULL)
        return;
    for (size_t i = 0; i < ps->n_plugins; i++)
        finish_plugin(&ps->plugins[i]);
    sx_router_destroy(ps->router);
    sx_proxies_destroy(ps->proxies);
    (void)pthread_mutex_destroy(&ps->lease_lock);
    free(ps->hooks);
    free(ps->pool_calls);
    free(ps->migrate);
    free(ps->openapi);
    free(ps->plugins);
    free(ps);
}

/* --- What the handler of a fault asks --------------------------------------------------------- */

const char *sx_plugins_name_at(const struct sx_plugins *ps, uintptr_t base)
{
    for (size_t i = 0; i < ps->n_plugins; i++) {
        const struct sx_plugin *p = &ps->plugins[i];
        struct link_map *map;

        if (p->handle != NULL && dlinfo(p->handle, RTLD_DI_LINKMAP, &map) == 0 &&
            map->l_addr == base)
            return p->note.name;
    }
    return NULL;
}

uint32_t sx_plugins_board_of(const struct sx_plugins *ps, const char *name)
{
    for (size_t i = 0; ps != NULL && i < ps->n_plugins; i++)
        if (strcmp(ps->plugins[i].note.name, name) == 0)
            return ps->plugins[i].board;
    return SX_BOARD_NONE;
}

void sx_plugins_name_request(struct sx_plugins *ps)
{
    const char *id = ps->running == NULL ? NULL : sx_http_request_id(&ps->running->http);
    size_t size = sizeof ps->loop_board->request_id;

    if (ps->loop_board == NULL)
        return;
    ps->loop_board->request_id[0] = '\0';
    if (id != NULL)
        memcpy(ps->loop_board->request_id, id, strnlen(id, size - 1) + 1);
}

/* --- What main asks -------------------------------------------------------------------------- */

bool sx_plugins_need_db(const struct sx_plugins *ps)
{
    for (size_t i = 0; i < ps->n_plugins; i++)
        if ((ps->plugins[i].manifest.needs & SX_CAP_DB) != 0)
            return true;
    return false;
}

bool sx_plugins_want_leases(const struct sx_plugins *ps)
{
    const uint64_t both = SX_CAP_DB | SX_CAP_BLOCKING;

    for (size_t i = 0; i < ps->n_plugins; i++)
        if ((ps->plugins[i].grants & both) == both)
            return true;
    return false;
}

_Static_assert(sizeof(sx_migration) == sizeof(struct sx_db_migration) &&
                   offsetof(sx_migration, sql) == offsetof(struct sx_db_migration, sql),
               "the database floor takes the contract's migrations as they are");

struct sx_db_migrate_plugin *sx_plugins_migrations(struct sx_plugins *ps, size_t *ret_n)
{
    size_t n = 0;

    free(ps->migrate);
    ps->migrate = calloc(ps->n_plugins + 1, sizeof *ps->migrate);
    for (size_t i = 0; i < ps->n_plugins && ps->migrate != NULL; i++) {
        const struct sx_plugin *p = &ps->plugins[i];

        if ((p->manifest.needs & SX_CAP_DB) == 0)
            continue;
        ps->migrate[n++] = (struct sx_db_migrate_plugin){
            .name = p->note.name,
            .steps = (const struct sx_db_migration *)(const void *)p->migrations,
            .uses = p->manifest.uses,
        };
    }
    *ret_n = n;
    return ps->migrate;
}
