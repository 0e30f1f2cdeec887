/*
 * plugin/plugins.h - the plugins of one process: found, checked, loaded, mounted, called.
 *
 * The only folder that knows <sx/plugin.h>; this face does not, so that a worker or a
 * subcommand needs no contract.  Everything belongs to the thread of the loop, but where a
 * blocking handler has taken its request to a pool thread.
 */
#ifndef SX_PLUGIN_PLUGINS_H
#define SX_PLUGIN_PLUGINS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <uv.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/report.h"
#include "board/board.h"
#include "config/config.h"
#include "db/db.h"
#include "http/http.h"

struct sx_plugins;

/* What may be known of a file without running a byte of it: its ELF note. */
struct sx_plugin_note {
    char name[64], version[32], build[96];
    uint32_t magic;
    uint16_t abi_major, abi_minor;
};

/* A private copy of a plugin's file, made by the supervisor. */
struct sx_plugin_copy {
    const char *name, *path, *sha256;
};

struct sx_plugins_settings {
    const struct sx_config *config;      /* borrowed, outlives the set */
    const struct sx_plugin_copy *copies; /* NULL: the configured files themselves */
    size_t n_copies;
    const char *root_dir; /* where relative paths of options start; NULL: "." */
    struct sx_log *log;   /* NULL: nothing is logged */

    /* Or NULL.  The file is about to be mapped, or its check function called (then note is
     * given), and has come back (then it is NULL): who is told may name it if it does not. */
    void (*on_run)(void *arg, const char *path, const struct sx_plugin_note *note);
    /* Or NULL.  Is this plugin's file not to be mapped?  The plugin is to be quarantined then: what
     * lies under its mount point is answered 503, and so is everything else where it may have hooks
     * on all routes. */
    bool (*leaves_out)(void *arg, const char *name);
    void *run_arg;
};

/* Reads the note of a file; nothing is mapped.  One sentence in the report when there is
 * none, or one that this host cannot serve.  path: what the file is called there, which may be
 * a private copy; name: what the configuration calls the plugin, or NULL. */
int sx_plugin_note_read(const char *file, const char *path, const char *name, struct sx_report *rep,
                        struct sx_plugin_note *ret_note);

/* Checks all notes first, then maps what passed, reads the manifests, checks options and
 * grants and builds the routes: constructors of the files run here, so a file's first
 * loading is in a process that may die.  All faults are reported at once. */
int sx_plugins_load(const struct sx_plugins_settings *set, struct sx_report *rep,
                    struct sx_plugins **ret_plugins);
void sx_plugins_destroy(struct sx_plugins *ps); /* nothing is unmapped (I2); takes NULL */

/* Runs every plugin's check function, in this process; not of one whose options name secrets that
 * nobody was asked for. */
int sx_plugins_check(struct sx_plugins *ps, struct sx_report *rep);

/* --- Telling what there is ---------------------------------------------------- */

void sx_plugins_print(const struct sx_plugins *ps, FILE *out);
void sx_plugins_print_routes(const struct sx_plugins *ps, FILE *out);
/* The document that is served at /openapi.json. */
void sx_plugins_print_openapi(const struct sx_plugins *ps, FILE *out);
/* Everything a file's manifest says. */
int sx_plugin_describe(const char *path, struct sx_report *rep, FILE *out);

/* For migrate: one entry per plugin that owns a schema; borrowed from the set. */
struct sx_db_migrate_plugin *sx_plugins_migrations(struct sx_plugins *ps, size_t *ret_n);
bool sx_plugins_need_db(const struct sx_plugins *ps);
bool sx_plugins_want_leases(const struct sx_plugins *ps);

/* --- Serving ------------------------------------------------------------------- */

/* What a worker gives the set before it starts.  Borrowed; db may be NULL. */
struct sx_plugins_runtime {
    uv_loop_t *loop;
    struct sx_work_pool *work;
    const struct sx_db_module *db;
    struct sx_db_pool *pool;
    struct sx_board *board;
    struct sx_board_worker *slot;
    uint32_t index, count;        /* of the worker */
    bool roles;                   /* each plugin has a role of its own */
    int64_t (*now_ns)(void *arg); /* the wall clock; NULL: the real one */
    /* The core's own answers ("/_sx/ready"); false when the path is none of them. */
    bool (*builtin)(struct sx_http_req *r, void *arg);
    /* A fault of this plugin was contained, the first one where several struck at once: the process
     * serves what it has, and is to end.  Once; may be NULL. */
    void (*on_broken)(void *arg, const char *plugin);
    void *arg;
};

/* The plugin whose file is mapped at base (dl_iterate_phdr), or NULL. */
const char *sx_plugins_name_at(const struct sx_plugins *ps, uintptr_t base);
/* Its place on the board, or SX_BOARD_NONE before it has one.  Async-signal-safe. */
uint32_t sx_plugins_board_of(const struct sx_plugins *ps, const char *name);
/* The id of the request that the loop is calling a plugin for goes on the board.  For the handler
 * of a fault on the loop: async-signal-safe. */
void sx_plugins_name_request(struct sx_plugins *ps);

/* For the handler of a fault on the loop: whose code the innermost call is in, and its guard's
 * place on the stack.  False: none that could be left.  Async-signal-safe, as what follows. */
bool sx_plugins_call_of(const struct sx_plugins *ps, const char **ret_name, uintptr_t *ret_frame);
/* The call that the thread is in is about to be given up.  False: another one was before, and the
 * loop tells of this one.  One thread at a time. */
bool sx_plugins_note_fault(struct sx_plugins *ps, uint32_t thread);
/* Back to that guard: the call has failed. */
_Noreturn void sx_plugins_leave_call(struct sx_plugins *ps);
/* The number of the calling thread in the pool while it is inside a plugin; 0: it is not. */
uint32_t sx_plugins_pool_thread(const struct sx_plugins *ps);
/* The same as sx_plugins_call_of for that thread. */
bool sx_plugins_pool_call_of(const struct sx_plugins *ps, uint32_t thread, const char **ret_name,
                             uintptr_t *ret_frame);
/* It will not come back: the plugin is broken, and sx_work_lose tells the loop. */
void sx_plugins_lose_call(struct sx_plugins *ps, uint32_t thread);
/* Since when the loop has been inside a plugin, by CLOCK_MONOTONIC; 0: it is not.
 * Async-signal-safe. */
uint64_t sx_plugins_kept_since_ns(const struct sx_plugins *ps);
/* Is the thread, inside a plugin or not, in one that has broken meanwhile?  Async-signal-safe. */
bool sx_plugins_has_broken_call(const struct sx_plugins *ps, uint32_t thread);
/* Does the loop know of a fault that was contained?  Any thread asks. */
bool sx_plugins_have_broken(const struct sx_plugins *ps);

/* All that the configuration says about HTTP, those callbacks included, and about the
 * database.  Borrowed from the set and its configuration; SX_ERR_INVALID with a fault. */
int sx_plugins_http_settings(struct sx_plugins *ps, uv_loop_t *loop, struct sx_report *rep,
                             struct sx_http_settings *ret_settings);
void sx_plugins_db_settings(const struct sx_plugins *ps, uv_loop_t *loop,
                            struct sx_db_settings *ret_settings);

/* Calls every start function, in the order of uses. */
int sx_plugins_start(struct sx_plugins *ps, const struct sx_plugins_runtime *rt,
                     struct sx_report *rep);
/* The routes of that plugin answer 503 for about so long, until it is released.  Before
 * sx_plugins_start: it is not started before that.  No plugin of that name: nothing. */
void sx_plugins_quarantine(struct sx_plugins *ps, const char *name, uint32_t seconds);
/* Starts what has not been started: when that fails, the plugin stays as it is, the report says
 * why, and this process should be replaced. */
int sx_plugins_release(struct sx_plugins *ps, const char *name, struct sx_report *rep);
/* ,"quarantined":["NAME",…] for a JSON object; nothing where none is. */
void sx_plugins_add_quarantined(const struct sx_plugins *ps, struct sx_buf *to);
/* Before the drain: in it, this plugin goes on with the streams that it has. */
void sx_plugins_keep_streams(struct sx_plugins *ps, const char *name);
/* How many of those are left; they, and what fed them, are ended. */
uint32_t sx_plugins_kept_streams(const struct sx_plugins *ps);
void sx_plugins_end_streams(struct sx_plugins *ps);
void sx_plugins_drain(struct sx_plugins *ps);
/* Operations without a request (tasks, batches, posts) that are still under way. */
uint32_t sx_plugins_pending(const struct sx_plugins *ps);
/* From now on nothing new begins: timers are stopped, operations and work are SX_EBUSY. */
void sx_plugins_close(struct sx_plugins *ps);
/* After the last request, when no thread runs a plugin any more: closed, stop functions called. */
void sx_plugins_stop(struct sx_plugins *ps);

/* A work item that the closing pool hands back without having run it: its request is answered,
 * a task's done hears SX_ECLOSED. */
struct sx_work_item;
void sx_plugins_drop_work(struct sx_work_item *item);
/* One whose thread was lost to a fault: its request is answered, its connection to the database
 * closed.  [loop] */
void sx_plugins_lose_work(struct sx_work_item *item);

#endif /* SX_PLUGIN_PLUGINS_H */
