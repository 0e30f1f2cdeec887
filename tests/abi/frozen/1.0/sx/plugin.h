/*
 * sx/plugin.h - the whole contract between sim-exchange and a plugin.
 *
 * A plugin is one shared object that exports one symbol, its manifest:
 *
 *     #include <sx/plugin.h>
 *
 *     static int hello(sx_req *r)
 *     {
 *         return sx_reply_text(r, 200, "hello\n");
 *     }
 *
 *     static const sx_route routes[] = {
 *         { .method = "GET", .path = "/hello", .handler = hello,
 *           .summary = "Say hello" },
 *         { 0 },
 *     };
 *
 *     SX_PLUGIN("hello", "1.0.0", .routes = routes);
 *
 * How to read this file: part 1 is the vocabulary, part 2 the manifest (what a
 * plugin gives the host), part 3 the host table (what the host gives a plugin),
 * part 4 the functions a plugin author calls.  Parts 2 and 3 are the ABI.
 *
 * Ownership.  Whatever the host hands out is borrowed and lives as long as the
 * handle it came from: a string or a json_t from a request as long as the request
 * (read it, do not change it), rows as long as the callback (or, from an sx_db,
 * until the next statement on it).
 * Whatever a plugin hands in is copied before the call returns.  The single
 * exception is a json_t passed to a reply: that reference is taken, also when
 * the reply fails.  So a handler has nothing to free.
 *
 * Results.  Functions that can fail return SX_OK (0) or a negative SX_E code.
 * Out parameters are named ret_... and are written only on success.
 *
 * Threads.  Every worker process runs one event loop.  A function is marked
 *   [loop]  call it on the loop thread,
 *   [pool]  call it on a pool thread; it takes an sx_db, which exists only there,
 *   [any]   call it on either, for the request or plugin you were called with.
 * A request belongs to one thread at a time; a blocking handler owns its request
 * until it returns, and its reply is held until then.  A [loop] call from a pool
 * thread fails with SX_ETHREAD.  Pool threads of one plugin run side by side: what
 * sx_state points to is read-only after start, or guarded by the plugin.
 *
 * One operation at a time.  A request has at most one operation pending; starting
 * a second one fails with SX_EBUSY.  Several statements at once are one batch.
 *
 * Evolution.  Within one ABI major, structs only grow at their end and entries
 * keep their meaning; the minor counts the additions.  Structs that cross the
 * boundary begin with their size or are frozen.  See include/sx/README.md.
 *
 * For C11 and later.  <sx/write.h> and <sx/json.h> write text, HTML and JSON
 * straight into the response, <sx/pg.h> reaches the PGconn and the PGresult behind
 * the handles, <sx/test.h> is the test client.
 */
#ifndef SX_PLUGIN_H
#define SX_PLUGIN_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define SX_ABI_MAGIC 0x53585031u /* "SXP1" */
#define SX_ABI_MAJOR 1
#define SX_ABI_MINOR 0

/* The oldest minor that the plugin runs on.  One that guards every newer entry
 * with SX_HAS, and sets no newer field, may define a smaller number before it
 * includes this header. */
#ifndef SX_NEEDS_MINOR
#define SX_NEEDS_MINOR SX_ABI_MINOR
#endif

#define SX_EXPORT __attribute__((visibility("default")))
#define SX_HIDDEN __attribute__((visibility("hidden")))
#define SX_MUST_USE __attribute__((warn_unused_result))
#define SX_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))

/* ---------------------------------------------------------------------------
 * 1. Vocabulary
 */

typedef struct sx_plugin sx_plugin; /* this plugin in this worker            */
typedef struct sx_req sx_req;       /* one request and its response          */
typedef struct sx_db sx_db;         /* a connection on a pool thread, leased
                                     * by its first statement                */
typedef struct sx_rows sx_rows;     /* what a statement returned             */
typedef struct sx_stream sx_stream; /* a response that is still being sent   */
typedef struct sx_ws sx_ws;         /* a WebSocket                           */
typedef struct sx_timer sx_timer;

/* Enumerations name values; the ABI carries them as int32_t or uint32_t. */

enum sx_error {
    SX_OK = 0,
    SX_NEXT = 1,        /* from a before-hook or its callback: let it pass    */
    SX_ENOMEM = -1,
    SX_EINVAL = -2,
    SX_ENOENT = -3,
    SX_EBUSY = -4,      /* full, or something is pending: 503 or try later    */
    SX_ETIMEOUT = -5,
    SX_ECLOSED = -6,    /* the client has left                                */
    SX_EDB = -7,        /* the database refused; the host knows the details   */
    SX_EDENIED = -8,    /* the configuration does not grant this capability   */
    SX_ETHREAD = -9,    /* a [loop] function was called on a pool thread      */
    SX_ENOSYS = -10,    /* the host is older than this entry                  */
};

enum sx_log_level { SX_DEBUG, SX_INFO, SX_WARN, SX_ERROR };

/* SX_SECRET is for options only: text that the host resolves from a secret
 * reference, keeps out of the environment and masks wherever it prints one. */
enum sx_type { SX_NULL, SX_BOOL, SX_INT, SX_NUMBER, SX_TEXT, SX_BYTES, SX_JSON, SX_SECRET };

enum sx_place { SX_IN_PATH, SX_IN_QUERY, SX_IN_HEADER, SX_IN_COOKIE, SX_IN_FORM };

/* What a plugin asks for in its manifest, and the configuration grants. */
enum sx_capability {
    SX_CAP_DB = 1 << 0,        /* queries, transactions, listen               */
    SX_CAP_BLOCKING = 1 << 1,  /* blocking handlers, offload, tasks           */
    SX_CAP_STREAM = 1 << 2,    /* streams, server-sent events, WebSockets     */
    SX_CAP_ALL_ROUTES = 1 << 3 /* hooks on the routes of other plugins        */
};

/* Frozen for this ABI major. */
typedef struct sx_span {
    const char *data; /* not NUL-terminated */
    size_t len;
} sx_span;

/* One SQL parameter.  Frozen for this ABI major. */
typedef struct sx_param {
    int32_t type; /* enum sx_type */
    int32_t reserved;
    size_t len;
    union {
        int64_t i;
        double f;
        const void *p;
    } v;
} sx_param;

typedef struct sx_params {
    const sx_param *v;
    size_t n;
} sx_params;

/* One statement: SELECT, INSERT, UPDATE, DELETE, MERGE, VALUES or WITH; from the
 * loop anything else is SX_EINVAL, because it could change the shared connection.
 * The host prepares it once per connection, keyed by role, search path and text,
 * so let sql be a literal and let the parameters vary.  Frozen. */
typedef struct sx_stmt {
    const char *sql;
    sx_params params;
    uint32_t flags; /* enum sx_stmt_flag */
    uint32_t reserved;
} sx_stmt;

/* A statement that changes nothing: it goes down a connection that refuses
 * writes, may share a sync with others of its plugin, and may be sent again by the
 * host when its connection dies. */
enum sx_stmt_flag { SX_READ_ONLY = 1 << 0 };

typedef struct sx_db_error {
    uint32_t size;
    uint32_t index;          /* of the statement in its batch                 */
    int32_t retryable;       /* serialization failure, deadlock               */
    int32_t outcome_unknown; /* the server was lost after it was sent: a write
                              * may have happened, so do not repeat it blindly */
    char sqlstate[8];        /* "" when the connection itself failed          */
    const char *message;     /* the server's primary message                  */
    const char *constraint;  /* the violated constraint, or NULL              */
} sx_db_error;

typedef int sx_handler(sx_req *r);
typedef int sx_blocking_handler(sx_req *r, sx_db *db);
typedef int sx_rows_fn(sx_req *r, const sx_rows *rows, void *arg);
typedef int sx_batch_fn(sx_req *r, const sx_rows *const rows[], size_t n, void *arg);
typedef int sx_db_error_fn(sx_req *r, const sx_db_error *err, void *arg);
typedef int sx_work_fn(sx_plugin *p, sx_db *db, void *arg);
typedef int sx_done_fn(sx_req *r, int result, void *arg);
typedef int sx_after_fn(sx_req *r, void *arg);
typedef void sx_task_done_fn(sx_plugin *p, int result, void *arg);
typedef void sx_post_fn(sx_plugin *p, void *arg);
/* Rows for the plugin itself; err is NULL on success, then rows has n entries. */
typedef void sx_plugin_rows_fn(sx_plugin *p, const sx_db_error *err, const sx_rows *const rows[],
                               size_t n, void *arg);
typedef void sx_timer_fn(sx_plugin *p, void *arg);
typedef void sx_notify_fn(sx_plugin *p, const char *channel, const char *payload, void *arg);

/* ---------------------------------------------------------------------------
 * 2. The manifest: what a plugin gives the host
 *
 * Static data.  An ELF note with name, version and ABI is read from the file before
 * anything is mapped; the tables are read by the checker, a process that may die,
 * and then by each worker, before it calls a function of the plugin.  The host
 * therefore can refuse a route that two plugins claim, name both, check the
 * configuration, and write the OpenAPI document without starting anything.
 * Every table ends with a zeroed entry.
 */

/* A parameter of a route.  The host checks it before the handler is called and
 * answers 400 itself, so a handler reads a declared parameter without a check. */
typedef struct sx_field {
    const char *name;
    int32_t in;       /* enum sx_place */
    int32_t type;     /* SX_BOOL, SX_INT, SX_NUMBER or SX_TEXT */
    uint32_t required; /* path parameters always are */
    const char *doc;
} sx_field;

typedef struct sx_response {
    int32_t status;
    const char *doc;
    const char *schema; /* JSON Schema text, or NULL */
} sx_response;

typedef struct sx_route {
    const char *method; /* "WEBSOCKET": the GETs of that path that ask for a WebSocket,
                         * beside the path's GET; the handler calls sx_ws_open      */
    const char *path; /* "/accounts/{id}", as in OpenAPI; a segment may have text
                       * around its parameter ("client:{oid}"), the last one may
                       * be "{path...}"; the more literal pattern wins */

    /* Exactly one of the two.  A handler runs on the loop and must not block.
     * A blocking handler runs on a pool thread with a leased connection. */
    sx_handler *handler;
    sx_blocking_handler *blocking;

    uint32_t timeout_ms; /* 0: the server's default */
    uint32_t max_body;   /* bytes; 0: the server's default */
    uint32_t retries;    /* of a blocking handler that lost a serialization race
                          * or a deadlock, while it has committed nothing: a
                          * statement outside a transaction counts as committed */
    uint32_t reserved;

    const char *operation_id;
    const char *summary;
    const char *description;
    const char *tag;
    const char *body_schema; /* JSON Schema text; also: the body must be JSON */
    const sx_field *params;
    const sx_response *responses;
} sx_route;

/* A key of the plugin's section in the configuration.  Unknown keys and values
 * of the wrong type stop the start with a message that names file and key. */
typedef struct sx_option {
    const char *name;
    int32_t type; /* enum sx_type */
    uint32_t required;
    const char *fallback; /* as JSON text, or NULL */
    const char *doc;
} sx_option;

typedef struct sx_outcome {
    uint32_t size;
    int32_t status;
    uint64_t duration_ns;
    uint64_t bytes_out;
    const char *plugin; /* owner of the route, "" when none matched */
    const char *route;  /* its pattern */
} sx_outcome;

typedef struct sx_hook {
    int32_t order;       /* lower runs earlier; ties by plugin order */
    uint32_t all_routes; /* needs SX_CAP_ALL_ROUTES */
    /* Returns SX_NEXT to pass the request on, or replies and returns SX_OK, or
     * starts an operation and returns SX_OK: then its callback returns SX_NEXT. */
    int (*before)(sx_req *r);
    void (*after)(sx_req *r, const sx_outcome *out);
} sx_hook;

enum sx_metric_kind { SX_COUNTER = 1, SX_GAUGE, SX_HISTOGRAM };

/* Counted across all workers under the name sx_<plugin>_<name>. */
typedef struct sx_metric {
    const char *name;
    int32_t kind;
    uint32_t nbounds;
    const double *bounds; /* upper bounds of a histogram, ascending */
    const char *doc;
} sx_metric;

/* One step of the plugin's own schema, in ascending order.  The build embeds the
 * plugin's migrations/NNNN_name.sql here, so code and schema cannot part. */
typedef struct sx_migration {
    uint32_t number;
    const char *name;
    const char *sql;
} sx_migration;

typedef struct sx_host sx_host;

typedef struct sx_manifest {
    /* Filled by SX_PLUGIN. */
    uint32_t manifest_size;
    uint32_t route_size;
    uint32_t field_size;
    uint32_t response_size;
    uint32_t option_size;
    uint32_t hook_size;
    uint32_t metric_size;
    uint32_t migration_size;
    uint32_t jansson_version;
    uint32_t reserved;
    const sx_host **host; /* the host stores its table here, first of all */

    /* Filled by the plugin, all of it optional. */
    const char *summary;
    const char *owner; /* the team to call */
    uint64_t needs;    /* enum sx_capability, or-ed */
    const sx_route *routes;
    const sx_option *options;
    const sx_hook *hooks;
    const sx_metric *metrics;
    const sx_migration *migrations;

    /* Plugins whose schema this one uses; ends with NULL.  The host migrates them
     * first, grants what they expose (functions, and views listed by them) and
     * puts their schemas behind this one's in the search path. */
    const char *const *uses;

    /* check runs alone, in a process that serves nothing.  start runs once in each
     * worker before it accepts; stop after its last request.  drain comes in
     * between: end streams, take no new work. */
    int (*check)(sx_plugin *p);
    int (*start)(sx_plugin *p);
    void (*drain)(sx_plugin *p);
    void (*stop)(sx_plugin *p);
} sx_manifest;

/* The ELF note; its layout is the same in every ABI major. */
typedef struct sx_note {
    uint32_t owner_size, desc_size, type;
    char owner[4]; /* "SX" */
    uint32_t magic;
    uint16_t abi_major, abi_minor;
    char name[64]; /* [a-z][a-z0-9_]*, also the configuration section */
    char version[32];
    char build[96]; /* SX_BUILD: commit, branch, compiler */
} sx_note;

#ifndef SX_BUILD
#define SX_BUILD "unknown"
#endif

/* clang's address sanitizer would pad the note, which readers then refuse. */
#ifdef __clang__
#define SX_NOTE __attribute__((section(".note.sx"), used, aligned(4), no_sanitize("address")))
#else
#define SX_NOTE __attribute__((section(".note.sx"), used, aligned(4)))
#endif

/* Write it once, at the end of one source file of the plugin. */
#define SX_PLUGIN(name_, version_, ...)                                        \
    static const sx_note sx_note_ SX_NOTE = {                                  \
        4, sizeof(sx_note) - offsetof(sx_note, magic), 1, "SX",                \
        SX_ABI_MAGIC, SX_ABI_MAJOR, SX_NEEDS_MINOR,                            \
        name_, version_, SX_BUILD };                                           \
    const sx_host *sx_host_;                                                   \
    extern SX_EXPORT const sx_manifest sx_plugin_manifest;                     \
    const sx_manifest sx_plugin_manifest = {                                   \
        .manifest_size = sizeof(sx_manifest),                                  \
        .route_size = sizeof(sx_route),                                        \
        .field_size = sizeof(sx_field),                                        \
        .response_size = sizeof(sx_response),                                  \
        .option_size = sizeof(sx_option),                                      \
        .hook_size = sizeof(sx_hook),                                          \
        .metric_size = sizeof(sx_metric),                                      \
        .migration_size = sizeof(sx_migration),                                \
        .jansson_version = JANSSON_VERSION_HEX,                                \
        .host = &sx_host_,                                                     \
        __VA_ARGS__                                                            \
    }

/* ---------------------------------------------------------------------------
 * 3. The host table: what the host gives a plugin
 *
 * Entries are added at the end and never change.  Plugins call the functions of
 * part 4 and leave this table alone; tests fill one with fakes.
 */

/* SX_TARGET is the request target as received, for signatures. */
enum sx_req_text { SX_METHOD, SX_PATH, SX_ROUTE, SX_REMOTE, SX_REQUEST_ID, SX_TARGET };
enum sx_header_mode { SX_REPLACE, SX_APPEND };
enum sx_ws_kind { SX_WS_TEXT, SX_WS_BINARY };
/* SX_ONE_INSTANCE: one instance at a time, by an advisory lock; for work, and without a
 * transaction pooler (SX_EINVAL otherwise). */
enum sx_scope { SX_EACH_WORKER, SX_ONE_WORKER, SX_ONE_INSTANCE };

/* An uploaded file: in memory, or spooled when it was large. */
typedef struct sx_upload {
    const char *file_name; /* as the client said; never a path to trust */
    const char *type;
    sx_span data;     /* empty when spooled */
    const char *path; /* of the spool file, removed with the request; or NULL */
    uint64_t size;
} sx_upload;

typedef struct sx_cookie_spec {
    const char *name;
    const char *value;
    const char *path;    /* NULL: the mount point */
    int64_t max_age_s;   /* negative: a session cookie; 0 deletes */
    int32_t same_site;   /* 0 Lax, 1 Strict, 2 None */
    uint32_t script;     /* readable by scripts; HttpOnly otherwise */
} sx_cookie_spec;
enum sx_db_verb { SX_BEGIN, SX_COMMIT, SX_ROLLBACK };

typedef struct sx_stream_ops {
    void (*drained)(sx_stream *s, void *arg); /* the client caught up */
    void (*closed)(sx_stream *s, void *arg);  /* last call; s dies after it */
} sx_stream_ops;

typedef struct sx_ws_ops {
    /* A whole message, text as valid UTF-8; data lives until it returns. */
    void (*message)(sx_ws *ws, int32_t kind, sx_span data, void *arg);
    void (*drained)(sx_ws *ws, void *arg); /* the client caught up */
    /* Last call; ws dies after it.  The client's code, 1005 when it gave none, 1006 when it
     * left without one, or ours when it broke the protocol. */
    void (*closed)(sx_ws *ws, int32_t code, void *arg);
} sx_ws_ops;

typedef struct sx_timer_spec {
    uint64_t after_ms;
    uint64_t every_ms; /* 0: once */
    int32_t scope;     /* enum sx_scope; one instance: by a lock in the database */
    uint32_t reserved;
    sx_timer_fn *fn;    /* on the loop; or ... */
    sx_work_fn *work;   /* ... on a pool thread with a connection */
    void *arg;
} sx_timer_spec;

typedef struct sx_worker_info {
    uint32_t index;
    uint32_t count;
    int64_t now_ns; /* wall clock; tests may set it */
} sx_worker_info;

/* A route that this server serves; texts are "" when not given. */
typedef struct sx_route_info {
    const char *plugin;
    const char *host;    /* that it is mounted on; "": any */
    const char *method;
    const char *path;    /* from the mount point on: "/probe/token/{t}" */
    const char *summary;
    uint32_t n_required; /* parameters without which it answers 400 */
    uint32_t reserved;
} sx_route_info;

struct sx_host {
    uint32_t size;
    uint16_t abi_major;
    uint16_t abi_minor;
    const char *version;

    /* the plugin */
    void **(*state)(sx_plugin *p);
    json_t *(*config)(sx_plugin *p);
    void (*worker)(sx_plugin *p, sx_worker_info *ret, size_t size);
    void (*log)(sx_plugin *p, const sx_req *r, int32_t level, const char *fmt, va_list ap);
    void (*metric)(sx_plugin *p, uint32_t index, double value);

    /* the request */
    sx_plugin *(*req_plugin)(const sx_req *r);
    const char *(*req_text)(const sx_req *r, int32_t which);
    const char *(*req_param)(const sx_req *r, int32_t in, const char *name, uint32_t index);
    sx_span (*req_body)(const sx_req *r);
    json_t *(*req_json)(sx_req *r);
    int (*req_upload)(const sx_req *r, const char *name, uint32_t index, sx_upload *ret,
                      size_t size);
    int32_t (*req_gone)(const sx_req *r);
    void *(*req_alloc)(sx_req *r, size_t size);
    void **(*req_local)(sx_req *r);

    /* the response */
    int (*reply_header)(sx_req *r, const char *name, const char *value, int32_t mode);
    int (*reply_cookie)(sx_req *r, const sx_cookie_spec *spec, size_t size);
    char *(*body_reserve)(sx_req *r, size_t n); /* room in the output; NULL above the limit */
    void (*body_commit)(sx_req *r, size_t n);
    int (*reply_body)(sx_req *r, int32_t status, const char *type); /* sends what was committed */
    int (*reply)(sx_req *r, int32_t status, const char *type, const void *data, size_t len);
    int (*reply_json)(sx_req *r, int32_t status, json_t *taken);
    int (*reply_problem)(sx_req *r, int32_t status, const char *code, const char *fmt, va_list ap);
    int (*reply_file)(sx_req *r, const char *root, const char *path);
    const char *(*route_url)(sx_req *r, const char *operation_id,
                             const char *const *names_and_values);
    int (*stream_open)(sx_req *r, int32_t status, const char *type,
                       const sx_stream_ops *ops, size_t ops_size, void *arg,
                       sx_stream **ret);
    int (*stream_write)(sx_stream *s, const void *data, size_t len);
    int (*stream_event)(sx_stream *s, const char *event, const char *id, const char *data);
    void (*stream_end)(sx_stream *s);
    int (*ws_open)(sx_req *r, const char *protocol, const sx_ws_ops *ops, size_t ops_size,
                   void *arg, sx_ws **ret);
    int (*ws_send)(sx_ws *ws, int32_t kind, const void *data, size_t len);
    void (*ws_close)(sx_ws *ws, int32_t code, const char *reason);

    /* the database, from the loop */
    int (*query)(sx_req *r, const sx_stmt *stmt, sx_rows_fn *fn, void *arg);
    int (*batch)(sx_req *r, const sx_stmt *stmts, size_t n, sx_batch_fn *fn, void *arg);
    int (*on_db_error)(sx_req *r, sx_db_error_fn *fn, void *arg);
    int (*plugin_batch)(sx_plugin *p, const sx_stmt *stmts, size_t n, sx_plugin_rows_fn *fn,
                        void *arg);
    int (*listen)(sx_plugin *p, const char *channel, sx_notify_fn *fn, void *arg);

    /* the database, from a pool thread */
    const sx_rows *(*db_exec)(sx_db *db, const sx_stmt *stmt);
    int (*db_control)(sx_db *db, int32_t verb);
    const sx_db_error *(*db_error)(const sx_db *db);
    void *(*db_conn)(sx_db *db); /* a PGconn; see <sx/pg.h> */

    /* rows */
    uint32_t (*rows_count)(const sx_rows *rows);
    int32_t (*rows_column)(const sx_rows *rows, const char *name);
    const char *(*rows_text)(const sx_rows *rows, uint32_t row, uint32_t col);
    int64_t (*rows_int)(const sx_rows *rows, uint32_t row, uint32_t col);
    double (*rows_number)(const sx_rows *rows, uint32_t row, uint32_t col);
    sx_span (*rows_bytes)(const sx_rows *rows, uint32_t row, uint32_t col);
    uint64_t (*rows_affected)(const sx_rows *rows);
    json_t *(*rows_json)(const sx_rows *rows);
    int (*rows_write)(sx_req *r, const sx_rows *rows); /* the same, into the body */
    const void *(*rows_pg)(const sx_rows *rows);       /* a PGresult, or NULL */

    /* work beside requests */
    int (*offload)(sx_req *r, sx_work_fn *work, sx_done_fn *done, void *arg);
    int (*task)(sx_plugin *p, sx_work_fn *work, sx_task_done_fn *done, void *arg);
    int (*post)(sx_plugin *p, sx_post_fn *fn, void *arg);
    int (*timer_start)(sx_plugin *p, const sx_timer_spec *spec, size_t size, sx_timer **ret);
    void (*timer_stop)(sx_timer *t);
    int (*after)(sx_req *r, uint64_t ms, sx_after_fn *fn, void *arg);

    /* the server */
    const char *(*env)(sx_plugin *p);
    int (*routes)(sx_plugin *p, uint32_t index, sx_route_info *ret, size_t size);

    /* ABI 1.0 ends here */
};

/* One pointer per plugin, hidden, so that plugins cannot see each other's. */
extern SX_HIDDEN const sx_host *sx_host_;

/* Whether the running host has an entry that a minor after 1.0 added. */
#define SX_HAS(entry)                                                          \
    (sx_host_->size >= offsetof(sx_host, entry) + sizeof(sx_host_->entry) &&   \
     sx_host_->entry != NULL)

/* ---------------------------------------------------------------------------
 * 4. The functions a plugin calls
 */

/* --- The plugin ---------------------------------------------------------- */

/* Set once in start, read everywhere after.  [any] */
static inline void sx_set_state(sx_plugin *p, void *state) { *sx_host_->state(p) = state; }
static inline void *sx_state(sx_plugin *p) { return *sx_host_->state(p); }

/* The plugin's section, checked against its options, with fallbacks filled in. */
static inline json_t *sx_config(sx_plugin *p) { return sx_host_->config(p); }

static inline int64_t sx_config_int(sx_plugin *p, const char *key)
{
    return json_integer_value(json_object_get(sx_config(p), key));
}

static inline const char *sx_config_text(sx_plugin *p, const char *key)
{
    return json_string_value(json_object_get(sx_config(p), key));
}

static inline sx_worker_info sx_this_worker(sx_plugin *p)
{
    sx_worker_info w = {0};

    sx_host_->worker(p, &w, sizeof w);
    return w;
}

/* The environment: "development", "testing", "production" or the operator's own.
 * Lives as long as the process; check may ask, too.  [any] */
static inline const char *sx_env(sx_plugin *p) { return sx_host_->env(p); }

/* Route number index of all plugins of this server, in the order of the plugins'
 * names and of their manifests; SX_ENOENT after the last.  The texts live as long
 * as the process.  From start on.  [any] */
static inline SX_MUST_USE int sx_route_at(sx_plugin *p, uint32_t index, sx_route_info *ret)
{
    return sx_host_->routes(p, index, ret, sizeof *ret);
}

/* One line: what happened, in lower case, values quoted.  [any] */
static inline SX_PRINTF(3, 4) void sx_log(sx_plugin *p, int level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    sx_host_->log(p, NULL, level, fmt, ap);
    va_end(ap);
}

/* The same, with the request's id and route added by the host.  [any] */
static inline SX_PRINTF(3, 4) void sx_req_log(sx_req *r, int level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    sx_host_->log(sx_host_->req_plugin(r), r, level, fmt, ap);
    va_end(ap);
}

/* index: the metric's place in the manifest; adds, sets or observes.  [any] */
static inline void sx_metric_record(sx_plugin *p, uint32_t index, double value)
{
    sx_host_->metric(p, index, value);
}

/* --- The request  [any] -------------------------------------------------- */

static inline sx_plugin *sx_req_plugin(const sx_req *r) { return sx_host_->req_plugin(r); }
static inline void *sx_req_state(const sx_req *r) { return sx_state(sx_req_plugin(r)); }

static inline const char *sx_req_method(const sx_req *r)
{
    return sx_host_->req_text(r, SX_METHOD);
}

static inline const char *sx_req_path(const sx_req *r) { return sx_host_->req_text(r, SX_PATH); }

/* The pattern that matched, with the mount point. */
static inline const char *sx_req_route(const sx_req *r) { return sx_host_->req_text(r, SX_ROUTE); }

static inline const char *sx_req_id(const sx_req *r)
{
    return sx_host_->req_text(r, SX_REQUEST_ID);
}

/* Path and query as received, undecoded, without the mount point: what is signed. */
static inline const char *sx_req_target(const sx_req *r)
{
    return sx_host_->req_text(r, SX_TARGET);
}

static inline const char *sx_req_remote(const sx_req *r)
{
    return sx_host_->req_text(r, SX_REMOTE);
}

/* Decoded text, or NULL when absent; arg: from the query string. */
static inline const char *sx_path_text(const sx_req *r, const char *name)
{
    return sx_host_->req_param(r, SX_IN_PATH, name, 0);
}

static inline const char *sx_arg_text(const sx_req *r, const char *name)
{
    return sx_host_->req_param(r, SX_IN_QUERY, name, 0);
}

static inline const char *sx_header(const sx_req *r, const char *name)
{
    return sx_host_->req_param(r, SX_IN_HEADER, name, 0);
}

static inline const char *sx_cookie(const sx_req *r, const char *name)
{
    return sx_host_->req_param(r, SX_IN_COOKIE, name, 0);
}

/* A field of a form; index counts repeated names, in queries and forms alike. */
static inline const char *sx_form_text(const sx_req *r, const char *name, uint32_t index)
{
    return sx_host_->req_param(r, SX_IN_FORM, name, index);
}

static inline const char *sx_arg_at(const sx_req *r, const char *name, uint32_t index)
{
    return sx_host_->req_param(r, SX_IN_QUERY, name, index);
}

static inline SX_MUST_USE int sx_form_file(const sx_req *r, const char *name, sx_upload *ret)
{
    return sx_host_->req_upload(r, name, 0, ret, sizeof *ret);
}

/* Numbers.  A parameter declared as SX_INT has passed the host's check, so only
 * an absent optional one takes the fallback. */
static inline int64_t sx_int_or(const char *text, int64_t fallback)
{
    char *end = NULL;
    int64_t value;

    if (text == NULL || *text == '\0')
        return fallback;
    errno = 0;
    value = strtoll(text, &end, 10);
    return *end == '\0' && errno == 0 ? value : fallback;
}

static inline int64_t sx_path_int(const sx_req *r, const char *name)
{
    return sx_int_or(sx_path_text(r, name), 0);
}

static inline int64_t sx_arg_int(const sx_req *r, const char *name, int64_t fallback)
{
    return sx_int_or(sx_arg_text(r, name), fallback);
}

static inline sx_span sx_body(const sx_req *r) { return sx_host_->req_body(r); }

/* Parsed once; NULL when the body is not JSON, which a route with a body_schema
 * never sees. */
static inline json_t *sx_body_json(sx_req *r) { return sx_host_->req_json(r); }

/* True when the client has left or the deadline passed: stop working. */
static inline bool sx_req_gone(const sx_req *r) { return sx_host_->req_gone(r) != 0; }

/* Zeroed memory that lives as long as the request; NULL above the limit. */
static inline void *sx_req_alloc(sx_req *r, size_t size) { return sx_host_->req_alloc(r, size); }
#define sx_req_new(r, type) ((type *)sx_req_alloc((r), sizeof(type)))

/* One pointer per request for this plugin, from a hook to a handler, say. */
static inline void **sx_req_local(sx_req *r) { return sx_host_->req_local(r); }

/* --- The response  [any] ------------------------------------------------- *
 *
 * A handler returns SX_OK after it replied, or after it started one operation
 * whose callback will.  When it returns a negative code instead, the host rolls
 * back and replies: SX_EDB by SQLSTATE (unique violation 409, lost server 503,
 * cancelled 504), SX_EBUSY 503, everything else 500.  Errors go out as
 * application/problem+json.  A handler that does neither is reported by name.
 * All of these return SX_OK once the reply is queued, so "return sx_reply..."
 * ends a handler.  A second reply is refused with SX_EINVAL, and so is a header
 * that would break the framing (CR, LF or NUL in a name or a value).
 */

static inline int sx_set_header(sx_req *r, const char *name, const char *value)
{
    return sx_host_->reply_header(r, name, value, SX_REPLACE);
}

static inline int sx_add_header(sx_req *r, const char *name, const char *value)
{
    return sx_host_->reply_header(r, name, value, SX_APPEND);
}

static inline int sx_set_cookie(sx_req *r, const sx_cookie_spec *spec)
{
    return sx_host_->reply_cookie(r, spec, sizeof *spec);
}

static inline int sx_reply(sx_req *r, int status, const char *type, const void *data, size_t len)
{
    return sx_host_->reply(r, status, type, data, len);
}

static inline int sx_reply_text(sx_req *r, int status, const char *text)
{
    return sx_reply(r, status, "text/plain; charset=utf-8", text, strlen(text));
}

static inline int sx_reply_empty(sx_req *r) { return sx_reply(r, 204, NULL, NULL, 0); }

static inline int sx_redirect(sx_req *r, int status, const char *location)
{
    int err = sx_set_header(r, "Location", location);

    return err < 0 ? err : sx_reply(r, status, NULL, NULL, 0);
}

/* Takes the reference; json NULL is SX_ENOMEM, so json_pack can be inline. */
static inline int sx_reply_json(sx_req *r, int status, json_t *taken)
{
    return sx_host_->reply_json(r, status, taken);
}

/* All rows as an array of objects, typed by column. */
static inline int sx_reply_rows(sx_req *r, int status, const sx_rows *rows)
{
    int err = sx_host_->rows_write(r, rows);

    return err < 0 ? err : sx_host_->reply_body(r, status, "application/json");
}

/* code: a stable word for programs; the message is for people. */
static inline SX_PRINTF(4, 5) int sx_fail(sx_req *r, int status, const char *code,
                                          const char *fmt, ...)
{
    va_list ap;
    int err;

    va_start(ap, fmt);
    err = sx_host_->reply_problem(r, status, code, fmt, ap);
    va_end(ap);
    return err;
}

/* A file below root, with its type, ETag, ranges and conditional requests; a path
 * that leaves root in any way is 404.  A relative root starts at the folder that
 * holds the configuration's folder.  [any] */
static inline int sx_reply_file(sx_req *r, const char *root, const char *path)
{
    return sx_host_->reply_file(r, root, path);
}

/* The path of a route of this plugin as the client must ask for it: the mount
 * point comes from the configuration, so never write one out.  names_and_values
 * ends with NULL.  Lives as long as the request; NULL when there is no such route. */
static inline const char *sx_route_url(sx_req *r, const char *operation_id,
                                       const char *const *names_and_values)
{
    return sx_host_->route_url(r, operation_id, names_and_values);
}

/* Streams.  [loop]  A stream outlives its request; ops->closed is the last call, and
 * no function of ops is called from inside a call on the stream.  Above the
 * high-water mark writing takes nothing and returns SX_EBUSY: wait for ops->drained. */
static inline SX_MUST_USE int sx_stream_open(sx_req *r, int status, const char *type,
                                             const sx_stream_ops *ops, void *arg,
                                             sx_stream **ret)
{
    return sx_host_->stream_open(r, status, type, ops, sizeof *ops, arg, ret);
}

static inline SX_MUST_USE int sx_sse_open(sx_req *r, const sx_stream_ops *ops, void *arg,
                                          sx_stream **ret)
{
    return sx_stream_open(r, 200, "text/event-stream", ops, arg, ret);
}

static inline SX_MUST_USE int sx_stream_write(sx_stream *s, const void *data, size_t len)
{
    return sx_host_->stream_write(s, data, len);
}

/* One server-sent event; event and id may be NULL. */
static inline SX_MUST_USE int sx_sse_send(sx_stream *s, const char *event, const char *id,
                                          const char *data)
{
    return sx_host_->stream_event(s, event, id, data);
}

static inline void sx_stream_end(sx_stream *s) { sx_host_->stream_end(s); }

/* WebSockets.  [loop]  sx_ws_open answers the request with 101; SX_EINVAL when that asks for no
 * WebSocket or may not have one: a handler that returns it answers 426, 400 or 403.  protocol
 * is chosen when the client offered it.  ops->closed is the last call, and no function of ops
 * is called from inside a call on the WebSocket.  Sending takes nothing and returns SX_EBUSY
 * above the high-water mark: wait for ops->drained.  Pings and pongs are the host's. */
static inline SX_MUST_USE int sx_ws_open(sx_req *r, const char *protocol, const sx_ws_ops *ops,
                                         void *arg, sx_ws **ret)
{
    return sx_host_->ws_open(r, protocol, ops, sizeof *ops, arg, ret);
}

static inline SX_MUST_USE int sx_ws_send(sx_ws *ws, int32_t kind, const void *data, size_t len)
{
    return sx_host_->ws_send(ws, kind, data, len);
}

static inline SX_MUST_USE int sx_ws_send_text(sx_ws *ws, const char *text)
{
    return sx_ws_send(ws, SX_WS_TEXT, text, strlen(text));
}

static inline SX_MUST_USE int sx_ws_send_bytes(sx_ws *ws, const void *data, size_t len)
{
    return sx_ws_send(ws, SX_WS_BINARY, data, len);
}

/* Begins the closing handshake; ops->closed comes when the client has answered, or leaves.
 * code 0: none; reason: UTF-8, 123 bytes at most, or NULL. */
static inline void sx_ws_close(sx_ws *ws, int code, const char *reason)
{
    sx_host_->ws_close(ws, code, reason);
}

/* --- SQL parameters ------------------------------------------------------ */

static inline sx_param sx_null(void) { return (sx_param){ .type = SX_NULL }; }
static inline sx_param sx_bool(bool v) { return (sx_param){ .type = SX_BOOL, .v.i = v }; }
static inline sx_param sx_int(int64_t v) { return (sx_param){ .type = SX_INT, .v.i = v }; }
static inline sx_param sx_number(double v) { return (sx_param){ .type = SX_NUMBER, .v.f = v }; }

static inline sx_param sx_bytes(const void *data, size_t len)
{
    return (sx_param){ .type = SX_BYTES, .len = len, .v.p = data };
}

/* NULL text and NULL json become SQL NULL. */
static inline sx_param sx_text(const char *s)
{
    return s == NULL ? sx_null() : (sx_param){ .type = SX_TEXT, .len = strlen(s), .v.p = s };
}

static inline sx_param sx_json(const json_t *v)
{
    return v == NULL ? sx_null() : (sx_param){ .type = SX_JSON, .v.p = v };
}

#define SX_NONE ((sx_params){ NULL, 0 })
#define SX_PARAMS(...)                                                         \
    ((sx_params){ (const sx_param[]){ __VA_ARGS__ },                           \
                  sizeof((const sx_param[]){ __VA_ARGS__ }) / sizeof(sx_param) })

/* --- The database from the loop  [loop] ---------------------------------- *
 *
 * The callbacks see success only.  On failure the host rolls back and replies as
 * for SX_EDB, or asks the function set with sx_on_db_error.
 */

/* One statement; the host sends it down a shared, pipelined connection. */
static inline SX_MUST_USE int sx_query(sx_req *r, sx_rows_fn *fn, void *arg, const char *sql,
                                       sx_params params)
{
    const sx_stmt stmt = { sql, params, 0, 0 };

    return sx_host_->query(r, &stmt, fn, arg);
}

/* The same for a statement that changes nothing: faster, and survives a lost server. */
static inline SX_MUST_USE int sx_read(sx_req *r, sx_rows_fn *fn, void *arg, const char *sql,
                                      sx_params params)
{
    const sx_stmt stmt = { sql, params, SX_READ_ONLY, 0 };

    return sx_host_->query(r, &stmt, fn, arg);
}

/* Several statements in one round trip; all of them or none take effect. */
static inline SX_MUST_USE int sx_batch(sx_req *r, sx_batch_fn *fn, void *arg,
                                       const sx_stmt *stmts, size_t n)
{
    return sx_host_->batch(r, stmts, n, fn, arg);
}

static inline int sx_on_db_error(sx_req *r, sx_db_error_fn *fn, void *arg)
{
    return sx_host_->on_db_error(r, fn, arg);
}

/* Statements for the plugin itself, with no request: from a timer, a notification
 * or a post.  All of them or none take effect. */
static inline SX_MUST_USE int sx_plugin_batch(sx_plugin *p, sx_plugin_rows_fn *fn, void *arg,
                                              const sx_stmt *stmts, size_t n)
{
    return sx_host_->plugin_batch(p, stmts, n, fn, arg);
}

/* LISTEN, once per worker; how a change reaches the streams of every worker. */
static inline SX_MUST_USE int sx_listen(sx_plugin *p, const char *channel, sx_notify_fn *fn,
                                        void *arg)
{
    return sx_host_->listen(p, channel, fn, arg);
}

/* --- The database from a pool thread  [pool] ------------------------------ *
 *
 * The first failure sticks: every later call on the same sx_db fails at once, so
 * checking the last one is enough.  Returning without a commit rolls back.
 */

static inline int sx_db_begin(sx_db *db) { return sx_host_->db_control(db, SX_BEGIN); }
static inline int sx_db_rollback(sx_db *db) { return sx_host_->db_control(db, SX_ROLLBACK); }

static inline SX_MUST_USE int sx_db_commit(sx_db *db)
{
    return sx_host_->db_control(db, SX_COMMIT);
}

/* Rows, owned by the host until the next statement, or NULL. */
static inline const sx_rows *sx_db_exec(sx_db *db, const char *sql, sx_params params)
{
    const sx_stmt stmt = { sql, params, 0, 0 };

    return sx_host_->db_exec(db, &stmt);
}

/* What failed, or NULL. */
static inline const sx_db_error *sx_db_last_error(const sx_db *db)
{
    return sx_host_->db_error(db);
}

/* --- Rows  [any] --------------------------------------------------------- *
 *
 * SQL NULL and a place that does not exist read as NULL, 0 and the empty span.
 */

static inline uint32_t sx_count(const sx_rows *rows) { return sx_host_->rows_count(rows); }
static inline uint64_t sx_affected(const sx_rows *rows) { return sx_host_->rows_affected(rows); }

/* The place of a column by its name, or SX_ENOENT. */
static inline int32_t sx_column(const sx_rows *rows, const char *name)
{
    return sx_host_->rows_column(rows, name);
}

static inline const char *sx_text_at(const sx_rows *rows, uint32_t row, uint32_t col)
{
    return sx_host_->rows_text(rows, row, col);
}

static inline int64_t sx_int_at(const sx_rows *rows, uint32_t row, uint32_t col)
{
    return sx_host_->rows_int(rows, row, col);
}

static inline double sx_number_at(const sx_rows *rows, uint32_t row, uint32_t col)
{
    return sx_host_->rows_number(rows, row, col);
}

static inline sx_span sx_bytes_at(const sx_rows *rows, uint32_t row, uint32_t col)
{
    return sx_host_->rows_bytes(rows, row, col);
}

/* An array of objects, typed by column; the caller's to change and to json_decref,
 * or to give to sx_reply_json.  NULL without memory. */
static inline json_t *sx_rows_json(const sx_rows *rows) { return sx_host_->rows_json(rows); }

/* --- Work beside requests ------------------------------------------------ */

/* From a handler on the loop: run work on a pool thread, then done on the loop. */
static inline SX_MUST_USE int sx_offload(sx_req *r, sx_work_fn *work, sx_done_fn *done, void *arg)
{
    return sx_host_->offload(r, work, done, arg);
}

/* Runs once on a pool thread of this worker, with no request, then done (or NULL)
 * on the loop; drain waits for it.  When the worker ends before work could run, done
 * alone is called, with SX_ECLOSED.  [any] */
static inline SX_MUST_USE int sx_task(sx_plugin *p, sx_work_fn *work, sx_task_done_fn *done,
                                      void *arg)
{
    return sx_host_->task(p, work, done, arg);
}

/* Runs fn on the loop soon.  The one call that any thread may make, also one that
 * the plugin started itself. */
static inline SX_MUST_USE int sx_post(sx_plugin *p, sx_post_fn *fn, void *arg)
{
    return sx_host_->post(p, fn, arg);
}

/* The host stops a plugin's timers after drain.  ret_timer may be NULL.  [loop] */
static inline SX_MUST_USE int sx_timer_start(sx_plugin *p, const sx_timer_spec *spec,
                                             sx_timer **ret_timer)
{
    return sx_host_->timer_start(p, spec, sizeof *spec, ret_timer);
}

/* For a timer that will still fire; one that ran once is gone when its fn is called.  [loop] */
static inline void sx_timer_stop(sx_timer *t) { sx_host_->timer_stop(t); }

/* Answer later: an operation of the request, whose fn runs on the loop after ms.  It is
 * forgotten when the client leaves or the deadline passes.  [loop] */
static inline SX_MUST_USE int sx_after(sx_req *r, uint64_t ms, sx_after_fn *fn, void *arg)
{
    return sx_host_->after(r, ms, fn, arg);
}

#endif /* SX_PLUGIN_H */
