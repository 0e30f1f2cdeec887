/*
 * worker/build.c - putting a worker together, floor by floor, out of its configuration.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/courtesy.h"
#include "base/error.h"
#include "base/file.h"
#include "worker/worker.h"
#include "worker/worker_private.h"

static void check_url(const struct sx_db_module *db, const struct sx_config *cfg, const char *key,
                      const char *url, struct sx_report *rep)
{
    char why[256];

    if (url != NULL && *url != '\0' && !db->is_url(url, why, sizeof why))
        sx_report_add(rep, "%s: %s: expected a connection string of PostgreSQL: %s",
                      sx_config_origin(cfg, key), key, why);
}

int sx_worker_open_db(const struct sx_config *cfg, struct sx_report *rep,
                      const struct sx_db_module **ret_db)
{
    char *path = sx_file_beside_program("sx_db.so");
    size_t before = rep->n_faults;
    int err = path == NULL ? SX_ERR_NOMEM : sx_db_open(path, rep, ret_db);

    free(path);
    if (err < 0)
        return err;
    check_url(*ret_db, cfg, "database.url", cfg->database.url, rep);
    check_url(*ret_db, cfg, "database.direct_url", cfg->database.direct_url, rep);
    return rep->n_faults == before ? 0 : SX_ERR_INVALID;
}

static int build_http(struct sx_worker *w, struct sx_report *rep)
{
    struct sx_http_settings set;
    int err = sx_plugins_http_settings(w->plugins, &w->loop, rep, &set);

    return err < 0 ? err : sx_http_server_create(&set, &w->http);
}

void sx_worker_make_way(const struct sx_worker *w)
{
    if (w->spec.generation > 1)
        sx_courtesy_pause();
}

/* So that the supervisor can name a file that does not come back from its constructors. */
static void on_run(void *arg, const char *path, const struct sx_plugin_note *note)
{
    struct sx_worker *w = arg;
    struct sx_board_thread *loop = sx_board_thread_at(w->slot, 0);

    (void)path;
    if (note != NULL) {
        sx_board_enter(loop, sx_board_add_plugin(w->board, note->name, note->version, note->build),
                       SX_BOARD_NONE, SX_BOARD_MAPPING, sx_clock_mono_ns());
        return;
    }
    sx_board_leave(loop);
    sx_worker_make_way(w);
}

static bool leaves_out(void *arg, const char *name)
{
    const struct sx_worker *w = arg;

    for (size_t i = 0; i < w->n_quarantines; i++)
        if (w->quarantines[i].is_left_out && strcmp(w->quarantines[i].name, name) == 0)
            return true;
    return false;
}

static int load_plugins(struct sx_worker *w, struct sx_report *rep)
{
    struct sx_plugins_settings set = { .config = w->config,
                                       .root_dir = w->config->root_dir,
                                       .log = w->log,
                                       .n_copies = w->copies.n,
                                       .on_run = on_run,
                                       .leaves_out = leaves_out,
                                       .run_arg = w };
    int err;

    w->copy_list = calloc(w->copies.n + 1, sizeof *w->copy_list);
    if (w->copy_list == NULL)
        return SX_ERR_NOMEM;
    for (size_t i = 0; i < w->copies.n; i++)
        w->copy_list[i] = (struct sx_plugin_copy){ w->copies.v[i].name, w->copies.v[i].path,
                                                   w->copies.v[i].sha256 };
    set.copies = w->copy_list;
    err = sx_plugins_load(&set, rep, &w->plugins);
    for (size_t i = 0; err == 0 && i < w->n_quarantines; i++)
        sx_plugins_quarantine(w->plugins, w->quarantines[i].name, w->quarantines[i].seconds);
    sx_worker_fault_map(w);
    return err;
}

/* --- The database ---------------------------------------------------------------------------- */

bool sx_worker_log_db(void *arg, int severity, const char *text)
{
    struct sx_worker *w = arg;

    if (!sx_board_may_tell(w->board, sx_clock_mono_ns()))
        return false;
    sx_log_line(w->log, (enum sx_log_severity)severity, NULL, "%s", text);
    return true;
}

static void on_db_ready(void *arg, bool is_ready, const char *why)
{
    struct sx_worker *w = arg;

    (void)why;
    w->is_db_ready = is_ready;
    sx_worker_budget(w);
}

static int build_db(struct sx_worker *w, struct sx_report *rep)
{
    struct sx_db_settings set;
    int err;

    if (*w->config->database.url == '\0' || !sx_plugins_need_db(w->plugins))
        return 0;
    err = sx_worker_open_db(w->config, rep, &w->db);
    if (err < 0)
        return err;
    sx_worker_fault_map(w);
    w->has_db = true;
    sx_plugins_db_settings(w->plugins, &w->loop, &set);
    set.on_log = sx_worker_log_db;
    set.on_ready = on_db_ready;
    set.arg = w;
    return w->db->create(&set, &w->pool);
}

/* --- All of it ------------------------------------------------------------------------------- */

/* The supervisor fills our seat at once and tells us to drain. */
static void on_broken(void *arg, const char *plugin)
{
    struct sx_worker *w = arg;
    char text[128];

    if (w->phase == WORKER_LOADING)
        return; /* the report says that its start has failed */
    (void)snprintf(text, sizeof text,
                   sx_worker_fault_was_stall(w) ? "a call into the plugin \"%s\" did not come back"
                                                : "a fault of the plugin \"%s\" was contained",
                   plugin);
    (void)sx_control_send(w->spec.control_fd, SX_CONTROL_LEAVING, text);
}

static int start_plugins(struct sx_worker *w, struct sx_report *rep)
{
    struct sx_plugins_runtime rt = { .loop = &w->loop,
                                     .work = w->work,
                                     .db = w->db,
                                     .pool = w->pool,
                                     .board = w->board,
                                     .slot = w->slot,
                                     .index = w->spec.index,
                                     .count = w->spec.count,
                                     .roles = w->config->database.roles,
                                     .builtin = sx_worker_builtin,
                                     .on_broken = on_broken,
                                     .arg = w };

    return sx_plugins_start(w->plugins, &rt, rep);
}

int sx_worker_build(struct sx_worker *w, struct sx_report *rep)
{
    struct sx_work_settings work = { &w->loop, w->config->server.pool_threads,
                                     w->config->server.pool_queue, sx_plugins_lose_work };
    int err;

    sx_worker_files(w);
    err = load_plugins(w, rep);
    if (err == 0)
        err = sx_work_create(&work, &w->work);
    if (err == 0)
        err = build_db(w, rep); /* it connects meanwhile */
    sx_worker_make_way(w);
    if (err == 0)
        err = build_http(w, rep);
    sx_worker_make_way(w);
    if (err == 0)
        err = sx_worker_verify_migrations(w, rep);
    if (err == 0)
        sx_worker_budget_check(w, rep);
    if (err == 0 && w->is_check)
        err = sx_plugins_check(w->plugins, rep);
    if (err == 0)
        err = start_plugins(w, rep);
    return err < 0 || rep->n_faults > 0 ? SX_ERR_INVALID : 0;
}
