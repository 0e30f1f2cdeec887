/*
 * plugin/plugin_private.h - what the files of this folder share: the objects behind the
 * handles of <sx/plugin.h>.
 */
#ifndef SX_PLUGIN_PLUGIN_PRIVATE_H
#define SX_PLUGIN_PLUGIN_PRIVATE_H

#include <pthread.h>

#include <sx/plugin.h>

#include "base/check.h"
#include "base/error.h"
#include "http/form.h"
#include "plugin/plugins.h"
#include "route/route.h"
#include "work/work.h"

/* The codes pass through unchanged. */
_Static_assert((int)SX_ENOMEM == (int)SX_ERR_NOMEM && (int)SX_EINVAL == (int)SX_ERR_INVALID &&
                   (int)SX_ENOENT == (int)SX_ERR_MISSING && (int)SX_EBUSY == (int)SX_ERR_BUSY &&
                   (int)SX_ETIMEOUT == (int)SX_ERR_TIMEOUT &&
                   (int)SX_ECLOSED == (int)SX_ERR_CLOSED && (int)SX_EDB == (int)SX_ERR_DB &&
                   (int)SX_EDENIED == (int)SX_ERR_DENIED && (int)SX_ETHREAD == (int)SX_ERR_THREAD &&
                   (int)SX_ENOSYS == (int)SX_ERR_NOSYS,
               "core and contract must name the same codes");

/* A route of a plugin, mounted. */
struct sx_entry {
    struct sx_plugin *plugin;
    const sx_route *route;
    const char *method; /* of the route */
    char *path;         /* owned: mount prefix and pattern */
    uint32_t board;     /* index on the board */
    uint32_t n_required;
    uint32_t max_body, timeout_ms; /* 0: the server's */
    bool has_form;                 /* declares form fields: multipart is parsed as it arrives */
    bool has_checks;               /* declares parameters or a body schema */
};

struct sx_plugin {
    struct sx_plugins *set;
    const struct sx_config_plugin *cfg;
    uint32_t index;
    uint32_t board; /* index on the board */
    struct sx_plugin_note note;
    char *path; /* owned: what the configuration says; for people */
    char *file; /* owned: what is mapped, a private copy where there is one */
    void *handle;
    sx_manifest manifest;    /* today's layout, zeros behind what the file has */
    sx_route *routes;        /* copies in today's layout, owned; ended by a zeroed one */
    sx_field **fields;       /* owned, one array per route */
    sx_response **responses; /* the same */
    sx_option *options;
    sx_hook *hooks;
    sx_metric *metrics;
    sx_migration *migrations;
    struct sx_entry *entries; /* owned, n_routes */
    uint32_t n_routes;
    uint64_t grants;         /* enum sx_capability */
    json_t *config;          /* owned: options with their fallbacks */
    uint32_t *metric_boards; /* owned, n_metrics */
    uint32_t n_metrics;
    void *state;
    struct sx_db_owner owner;
    char *search_path; /* owned */
    char *role;        /* owned, or NULL */
    struct sx_list timers;
    struct sx_list listeners;
    uint32_t n_timers_made;
    uint32_t n_streams; /* open */
    bool keeps_streams; /* it is not drained before they have ended, or have to */
    bool had_turn;      /* in the order of starts */
    bool is_started, is_drained;
    bool is_left_out;    /* its file was not mapped: it is quarantined in this process for good */
    bool is_quarantined; /* its routes answer 503, its timers rest; what it has begun goes on */
    uint64_t quarantine_until_ns; /* of CLOCK_MONOTONIC; for clients */
    bool is_broken;               /* it has faulted: nothing of it is called any more; atomic */
    uint64_t warned_ms;           /* when it was last told that it keeps the loop; 0: never */
    uint32_t n_unwarned;          /* how often it was not told since then */
    char *said; /* while check or start runs: room for its last error; else NULL */
};

#define SX_MAX_SAID 512

/* The result of a call that faulted, or was not made because an earlier one had. */
#define SX_FAULTED (-1000)

/* A hook of a plugin in the chain of the whole server. */
struct sx_chain {
    struct sx_plugin *plugin;
    const sx_hook *hook;
};

struct sx_guard;
struct sx_pool_call;

struct sx_plugins {
    struct sx_plugins_settings set;
    struct sx_plugins_runtime rt;
    const struct sx_host *host;
    struct sx_plugin *plugins; /* owned; in the order of their names */
    size_t n_plugins;
    struct sx_router *router;
    struct sx_chain *hooks; /* owned; in their order */
    uint32_t n_hooks;
    bool times_requests; /* somebody asked for durations */
    bool logs_all, logs_errors;
    bool is_draining;
    bool is_closed; /* nothing new begins: operations, work, timers */
    pthread_t loop_thread;
    struct sx_board_thread *loop_board;
    struct sx_req *running;          /* for whom the loop calls a plugin; NULL: for nobody */
    struct sx_guard *guard;          /* innermost, of the call that the loop is in; NULL: in none */
    uint32_t warn_ms;                /* a call that keeps the loop for longer is told; 0: none is */
    uint64_t left_ms;                /* when the last call on the loop ended, by the coarse clock */
    struct sx_pool_call *pool_calls; /* owned; by the number of the thread, from 1 */
    uint32_t n_pool_calls;
    bool has_broken; /* a fault was contained: this process ends; atomic */
    struct {
        const struct sx_plugin *plugin;   /* NULL: there was none */
        const struct sx_req *req;         /* or NULL */
    } first_fault;                        /* that was contained; the handler's until has_broken */
    struct sx_db_migrate_plugin *migrate; /* owned, made on demand */
    struct sx_list channels;
    struct sx_cors cors;        /* what the HTTP floor borrows */
    struct sx_proxies *proxies; /* owned, or NULL */
    uint32_t n_pending;         /* tasks, batches, posts; atomic */
    uint32_t n_untold;          /* outages that were not logged; atomic */
    pthread_mutex_t lease_lock; /* guards sx_req.lease against the deadline */
    char *openapi;              /* owned: the document, made at its first use */
    char openapi_tag[40];
};

enum sx_op_kind { OP_NONE, OP_ROWS, OP_BATCH, OP_OFFLOAD, OP_BLOCKING, OP_AFTER };

/* One request as a plugin sees it.  Begins with the HTTP floor's; what is behind, up to params, is
 * zeroed when it is recycled. */
struct sx_req {
    struct sx_http_req http;

    struct sx_plugins *set;
    const struct sx_entry *entry;
    struct sx_plugin *plugin; /* whose code is being called for it */
    uint32_t next_hook;       /* of the chain */
    enum sx_op_kind op;       /* what is pending */
    int32_t failed;           /* a negative result that waits for the operation's end */
    bool has_second_reply, is_done, in_hook;
    bool has_faulted;       /* it was this one at which the plugin broke */
    bool has_bad_handshake; /* sx_ws_open has refused it for what the client sent */
    const char *allow;
    uint32_t n_params;

    struct sx_pairs query, form, cookies;
    bool has_query, has_form, has_cookies, has_json, has_body_copy;
    bool has_no_room; /* for its JSON: the server holds as much as it may */
    json_t *json;     /* owned */
    void **locals;
    const char *texts[6]; /* by enum sx_req_text, copied on demand */

    /* The operation. */
    union {
        sx_rows_fn *rows;
        sx_batch_fn *batch;
        sx_done_fn *done;
        sx_after_fn *after;
    } fn;
    void *arg;
    sx_db_error_fn *on_db_error;
    void *on_db_error_arg;
    sx_work_fn *work_fn;
    int32_t work_result;
    uint64_t deadline_ns;   /* of CLOCK_MONOTONIC, for the lease */
    struct sx_later *later; /* of OP_AFTER; owned */
    struct sx_db *lease;    /* while a pool thread runs it; guarded by lease_lock */
    uint64_t since_ms;      /* of the loop's clock */
    uint64_t db_ns;
    int32_t db_status;   /* of the last failed statement, as an HTTP status; 0 none */
    const char *db_code; /* a word for the client; static */

    /* Filled in whole where it is used. */
    struct sx_path_value {
        const char *name;
        uint32_t offset, len;      /* in http.path, which may move (I9) */
        const char *text;          /* decoded on demand */
    } params[SX_ROUTE_MAX_PARAMS]; /* n_params */
    struct sx_db_op db_op;         /* of OP_ROWS and OP_BATCH */
    struct sx_work_item work;      /* of OP_OFFLOAD and OP_BLOCKING */
};

/* A stream or a WebSocket of a plugin: what outlives its request.  Begins what is behind the handle
 * of either. */
struct sx_channel {
    struct sx_list link;         /* of the set */
    struct sx_http_stream *http; /* NULL: closed below */
    struct sx_plugin *plugin;
    void *arg;
    uint32_t n_calls; /* of the plugin on it, on the stack now */
    bool is_late;     /* opened by a plugin that had been drained already */
    bool is_posted;   /* later is under way */
    struct sx_work_item later;
    void (*call_closed)(struct sx_channel *ch);
    void (*drain)(struct sx_channel *ch); /* the plugin was drained: what is left of it ends */
};

/* What a statement returned, with what reads it. */
struct sx_rows {
    const struct sx_db_module *db;
    struct sx_db_rows *rows;
    struct sx_arena *arena; /* for what is decoded; lives as long as the rows */
};

/* A connection on a pool thread. */
struct sx_db {
    struct sx_plugins *set;
    struct sx_plugin *plugin;
    struct sx_req *req; /* or NULL: a task */
    struct sx_db_lease *lease;
    struct sx_arena arena;   /* of the statement being sent */
    struct sx_arena decoded; /* what was read from the rows of the last one */
    struct sx_rows rows;     /* of the last statement */
    sx_db_error error;
    bool has_error;
    bool may_retry; /* a lost race is no fault yet: there is another attempt */
};

/* Any thread asks. */
static inline bool sx_plugin_is_broken(const struct sx_plugin *p)
{
    return __atomic_load_n(&p->is_broken, __ATOMIC_RELAXED);
}

static inline bool sx_is_loop(const struct sx_plugins *ps)
{
    return pthread_equal(pthread_self(), ps->loop_thread) != 0;
}

/* host.c */
const struct sx_host *sx_host_table(void);
/* One error line that names plugin, route and request.  [any thread that owns r] */
void sx_report_fault(struct sx_plugin *p, const struct sx_req *r, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with another severity. */
void sx_log_about(struct sx_plugin *p, const struct sx_req *r, enum sx_log_severity severity,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* The same of what many requests meet at once: one line a second for all, the rest is counted. */
void sx_report_outage(struct sx_plugin *p, const struct sx_req *r, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* host_reply.c: says what was wrong with an answer that was refused; err again. */
int sx_tell_refusal(struct sx_req *r, int err, int status, const char *type);

/* manifest.c, options.c, mount.c */
int sx_manifest_take(struct sx_plugin *p, const sx_manifest *m, struct sx_report *rep);
void sx_manifest_release(struct sx_plugin *p);
int sx_options_take(struct sx_plugin *p, const struct sx_config *cfg, struct sx_report *rep);
int sx_mount_all(struct sx_plugins *ps, struct sx_report *rep);
const char *sx_grant_name(uint64_t bit);

/* set.c, life.c */
struct sx_plugin *sx_plugins_find(struct sx_plugins *ps, const char *name); /* or NULL */
void sx_plugin_tell_run(struct sx_plugin *p, bool is_begin);
int sx_plugin_start(struct sx_plugin *p, struct sx_report *rep);

/* quarantine.c: answers 503 for a quarantined plugin */
void sx_quarantine_answer(const struct sx_plugin *p, struct sx_http_req *http);
/* The same for a path that no route has, where it may be one of a plugin that was left out. */
bool sx_quarantine_answer_path(const struct sx_plugins *ps, struct sx_slice host,
                               struct sx_http_req *http);
/* In the place of what its file would have said. */
int sx_quarantine_leave_out(struct sx_plugin *p);

/* access.c */
void sx_access_log(struct sx_req *r);

/* dispatch.c, settle.c */
void sx_dispatch_head(struct sx_http_req *http);
void sx_dispatch_handle(struct sx_http_req *http);
void sx_dispatch_gone(struct sx_http_req *http);
void sx_dispatch_expired(struct sx_http_req *http, struct sx_http_req *stand_in);
void sx_dispatch_ended(struct sx_http_req *http);
/* What a handler or callback returned: answers, waits or goes on. */
void sx_settle(struct sx_req *r, int result);
/* The chain and then the route's own handler. */
void sx_advance(struct sx_req *r);
int sx_fail_with(struct sx_req *r, int result); /* prepares the answer to a negative result */

/* openapi.c: the core's own GET /openapi.json, unless a plugin owns that path */
bool sx_openapi_is_asked(const struct sx_http_req *http, const struct sx_entry *owner);
void sx_openapi_answer(struct sx_plugins *ps, struct sx_http_req *http);

/* params.c */
int sx_params_check(struct sx_req *r); /* 0, or it has answered 400 */
int sx_query_load(struct sx_req *r);
int sx_form_load(struct sx_req *r);

/* host_*.c: the entries of the table, by noun */
const char *sx_host_req_text(const sx_req *r, int32_t which);
const char *sx_host_req_param(const sx_req *r, int32_t in, const char *name, uint32_t index);
sx_span sx_host_req_body(const sx_req *r);
json_t *sx_host_req_json(sx_req *r);
int sx_host_req_upload(const sx_req *r, const char *name, uint32_t index, sx_upload *ret,
                       size_t size);
int32_t sx_host_req_gone(const sx_req *r);
void *sx_host_req_alloc(sx_req *r, size_t size);
void **sx_host_req_local(sx_req *r);

int sx_host_reply_header(sx_req *r, const char *name, const char *value, int32_t mode);
int sx_host_reply_cookie(sx_req *r, const sx_cookie_spec *spec, size_t size);
char *sx_host_body_reserve(sx_req *r, size_t n);
void sx_host_body_commit(sx_req *r, size_t n);
int sx_host_reply_body(sx_req *r, int32_t status, const char *type);
int sx_host_reply(sx_req *r, int32_t status, const char *type, const void *data, size_t len);
int sx_host_reply_json(sx_req *r, int32_t status, json_t *taken);
int sx_host_reply_problem(sx_req *r, int32_t status, const char *code, const char *fmt, va_list ap);
int sx_host_reply_file(sx_req *r, const char *root, const char *path);
const char *sx_host_route_url(sx_req *r, const char *operation_id,
                              const char *const *names_and_values);

/* host_stream.c, for both kinds.  May the request become one? */
int sx_channel_may_open(const struct sx_req *r);
void sx_channel_opened(struct sx_channel *ch, struct sx_plugin *p, void *arg);
void sx_channel_closed(struct sx_channel *ch); /* below: call_closed follows, then it is freed */

int sx_host_stream_open(sx_req *r, int32_t status, const char *type, const sx_stream_ops *ops,
                        size_t ops_size, void *arg, sx_stream **ret);
int sx_host_stream_write(sx_stream *s, const void *data, size_t len);
int sx_host_stream_event(sx_stream *s, const char *event, const char *id, const char *data);
void sx_host_stream_end(sx_stream *s);
void sx_channels_end(struct sx_plugins *ps); /* but those that are kept */
int sx_host_ws_open(sx_req *r, const char *protocol, const sx_ws_ops *ops, size_t ops_size,
                    void *arg, sx_ws **ret);
int sx_host_ws_send(sx_ws *ws, int32_t kind, const void *data, size_t len);
void sx_host_ws_close(sx_ws *ws, int32_t code, const char *reason);

int sx_host_query(sx_req *r, const sx_stmt *stmt, sx_rows_fn *fn, void *arg);
int sx_host_batch(sx_req *r, const sx_stmt *stmts, size_t n, sx_batch_fn *fn, void *arg);
int sx_host_on_db_error(sx_req *r, sx_db_error_fn *fn, void *arg);
int sx_host_plugin_batch(sx_plugin *p, const sx_stmt *stmts, size_t n, sx_plugin_rows_fn *fn,
                         void *arg);
int sx_host_listen(sx_plugin *p, const char *channel, sx_notify_fn *fn, void *arg);
/* Copies statements into an arena, JSON written out. */
int sx_stmts_copy(struct sx_arena *a, const sx_stmt *stmts, size_t n, struct sx_db_stmt **ret);
void sx_listeners_free(struct sx_plugin *p);
void sx_db_error_fill(sx_db_error *to, const struct sx_db_failure *f);
int sx_db_failure_status(const struct sx_db_failure *f, const char **ret_code);
/* What it would be answered with; and the line in the log, for what the plugin did not expect. */
void sx_note_failure(struct sx_req *r, const struct sx_db_failure *f);
void sx_tell_failure(const struct sx_req *r, const struct sx_db_failure *f);

const sx_rows *sx_host_db_exec(sx_db *db, const sx_stmt *stmt);
int sx_host_db_control(sx_db *db, int32_t verb);
const sx_db_error *sx_host_db_error(const sx_db *db);
void *sx_host_db_conn(sx_db *db);
int sx_lease_open(struct sx_db *db, struct sx_plugin *p, struct sx_req *r, uint64_t deadline_ns);
/* Gives everything back; the text says what was left open, or NULL. */
const char *sx_lease_close(struct sx_db *db);

uint32_t sx_host_rows_count(const sx_rows *rows);
int32_t sx_host_rows_column(const sx_rows *rows, const char *name);
const char *sx_host_rows_text(const sx_rows *rows, uint32_t row, uint32_t col);
int64_t sx_host_rows_int(const sx_rows *rows, uint32_t row, uint32_t col);
double sx_host_rows_number(const sx_rows *rows, uint32_t row, uint32_t col);
sx_span sx_host_rows_bytes(const sx_rows *rows, uint32_t row, uint32_t col);
uint64_t sx_host_rows_affected(const sx_rows *rows);
json_t *sx_host_rows_json(const sx_rows *rows);
int sx_host_rows_write(sx_req *r, const sx_rows *rows);
const void *sx_host_rows_pg(const sx_rows *rows);

int sx_host_offload(sx_req *r, sx_work_fn *work, sx_done_fn *done, void *arg);
int sx_host_task(sx_plugin *p, sx_work_fn *work, sx_task_done_fn *done, void *arg);
int sx_host_post(sx_plugin *p, sx_post_fn *fn, void *arg);
int sx_host_after(sx_req *r, uint64_t ms, sx_after_fn *fn, void *arg);
void sx_after_cancel(struct sx_req *r);
void sx_blocking_start(struct sx_req *r);

int sx_host_timer_start(sx_plugin *p, const sx_timer_spec *spec, size_t size, sx_timer **ret);
void sx_host_timer_stop(sx_timer *t);
void sx_timers_stop(struct sx_plugin *p);
/* Those that run in one place only: the next generation has its own. */
void sx_timers_stop_single(struct sx_plugin *p);

#endif /* SX_PLUGIN_PLUGIN_PRIVATE_H */
