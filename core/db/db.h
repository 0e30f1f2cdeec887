/*
 * db/db.h - PostgreSQL for one worker: shared pipelined connections, leases, listening,
 * migrations.
 *
 * Built as a shared object of its own (sx_db.so) that is mapped only where a database is
 * configured; its one exported symbol is the const table sx_db_module.  It knows libpq and
 * libuv and nothing of plugins: whoever owns a statement is an sx_db_owner.
 *
 * Invariants: I6 (one request's error never touches another's statements), I7 (a connection
 * goes back clean); see core/db/README.md.
 */
#ifndef SX_DB_DB_H
#define SX_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "base/list.h"
#include "base/report.h"

struct sx_db_pool;
struct sx_db_lease;
struct sx_db_rows; /* a result */

/* Same layout as sx_param, sx_params and sx_stmt of <sx/plugin.h>; core/plugin asserts it.
 * type: 0 null, 1 bool, 2 int, 3 number, 4 text, 5 bytes, 6 JSON (here always text with a
 * length: the caller has written the json_t out). */
enum sx_db_type {
    SX_DB_NULL,
    SX_DB_BOOL,
    SX_DB_INT,
    SX_DB_NUMBER,
    SX_DB_TEXT,
    SX_DB_BYTES,
    SX_DB_JSON
};

struct sx_db_param {
    int32_t type;
    int32_t reserved;
    size_t len;
    union {
        int64_t i;
        double f;
        const void *p;
    } v;
};

struct sx_db_stmt {
    const char *sql;
    const struct sx_db_param *params;
    size_t n_params;
    uint32_t flags; /* SX_DB_READ_ONLY */
    uint32_t reserved;
};

enum { SX_DB_READ_ONLY = 1 << 0 };

/* Whose statements they are: one per plugin, lives as long as the pool.  Borrowed. */
struct sx_db_owner {
    const char *name;        /* of the plugin, for messages                        */
    const char *role;        /* or NULL: the login role; one that does not exist, or that
                              * the login may not take, is the login role, too      */
    const char *search_path; /* "orders, exchange, pg_catalog"-like list, quoted   */
    uint32_t index;
};

struct sx_db_failure {
    uint32_t index;       /* of the statement in its batch                         */
    bool is_retryable;    /* 40001, 40P01, and its lease has committed nothing yet */
    bool outcome_unknown; /* lost after it was sent: a write may have happened     */
    bool is_lost;         /* no connection, or it failed: 503                      */
    bool is_busy;         /* the queue was full or its wait too long: 503          */
    char sqlstate[6];     /* "" when the connection itself failed                  */
    const char *message;  /* borrowed during the call                              */
    const char *constraint;
};

enum sx_db_op_state { SX_DB_OP_IDLE, SX_DB_OP_QUEUED, SX_DB_OP_SENT };

/* One operation from the loop: one statement, or a batch that is atomic.  Memory of the
 * caller; it and everything it points to (texts, params) stays valid until done or
 * dropped.  States: idle → queued → sent → idle. */
struct sx_db_op {
    struct sx_list link;
    const struct sx_db_owner *owner;
    const struct sx_db_stmt *stmts;
    uint32_t n_stmts;
    uint32_t timeout_ms;  /* 0: the session's statement_timeout                    */
    uint64_t deadline_ms; /* of uv_now: gives up waiting in the queue; 0: never    */
    /* Called exactly once, on the loop, after the Sync that ends the transaction came
     * back: rows has n_stmts entries and failure is NULL, or the other way round.  The rows
     * die when it returns unless sx_db_rows_keep() took them. */
    void (*done)(struct sx_db_op *op, struct sx_db_rows *const *rows,
                 const struct sx_db_failure *failure);

    /* The pool's own. */
    int32_t state;      /* enum sx_db_op_state                                       */
    uint64_t queued_ns; /* when it came                                              */
    uint64_t sent_ns;   /* when it was sent, 0 before: for db_ms                     */
    void *job;
};

struct sx_db_settings {
    uv_loop_t *loop;
    const char *url;        /* any libpq conninfo or URI                           */
    const char *direct_url; /* for listening behind a pooler; NULL: url            */
    bool is_pooled;         /* pooler "transaction": unnamed statements and local settings */
    uint32_t size;          /* connections, shared and leased                      */
    bool wants_leases;      /* some owner runs blocking handlers: keep one slot    */
    uint32_t max_queued;    /* operations and lease requests that may wait         */
    uint32_t statement_ms;
    uint32_t connect_ms;
    const char *application_name;
    /* Events, on the loop; any may be NULL.  on_log: false when the line was not taken, because
     * somebody else has said something in this second; it is said later, or counted. */
    bool (*on_log)(void *arg, int severity /* enum sx_log_severity */, const char *text);
    void (*on_ready)(void *arg, bool is_ready, const char *why);
    void *arg;
};

#define SX_DB_WHY 320 /* bytes of the reason why a connection was lost, most of it PostgreSQL's */

struct sx_db_stats {
    uint32_t n_connections, n_leased, n_queued;
    bool is_ready;
    char why[SX_DB_WHY]; /* not ready because … */
    uint64_t statements, errors, reconnects;
};

typedef void sx_db_notify_fn(void *arg, const char *channel, const char *payload);

/* One migration, as the manifest has it. */
struct sx_db_migration {
    uint32_t number;
    const char *name;
    const char *sql;
};

struct sx_db_migrate_plugin {
    const char *name;                    /* also the schema                                     */
    const struct sx_db_migration *steps; /* ends with sql NULL; NULL: none        */
    const char *const *uses;             /* ends with NULL, or NULL               */
    bool needs_role; /* out of applying: its role, "sx_NAME", exists and the login may take it */
};

enum sx_db_migrate_mode { SX_DB_MIGRATE_DRY_RUN, SX_DB_MIGRATE_APPLY };

/* why: the database could not be asked; NULL: it was, and the faults tell what was found. */
typedef void sx_db_verified_fn(void *arg, const char *why);
/* max_connections less the reserved ones, or a negative code. */
typedef void sx_db_limit_fn(void *arg, int max);

/* The table of functions.  Names say which thread may call. */
struct sx_db_module {
    uint32_t size; /* sizeof, checked by whoever maps it */

    /* [loop] create never waits for the server; close calls done of every op that is left,
     * then frees the pool when libuv has closed its handles and calls on_closed. */
    int (*create)(const struct sx_db_settings *set, struct sx_db_pool **ret_pool);
    void (*close)(struct sx_db_pool *pool, void (*on_closed)(void *arg), void *arg);
    void (*stats)(const struct sx_db_pool *pool, struct sx_db_stats *ret);

    /* [loop] Somebody wants to know whether it is ready: shared connections that have been idle
     * are asked for a sign of life, and one that gives none within connect_ms is lost. */
    void (*probe)(struct sx_db_pool *pool);

    /* [loop] SX_ERR_BUSY: the queue is full.  SX_ERR_INVALID: not SELECT, INSERT, UPDATE,
     * DELETE, MERGE, VALUES or WITH, or more than one command in the text. */
    int (*submit)(struct sx_db_pool *pool, struct sx_db_op *op);
    /* [loop] The client left: a queued op, or a sent read, is forgotten (done is not
     * called and true is returned); a sent write goes on and done will come: false. */
    bool (*forget)(struct sx_db_pool *pool, struct sx_db_op *op);

    /* [loop] LISTEN; it is made again after every reconnect.  The channel name is quoted by
     * the host.  fn is called once with payload NULL after a reconnect: something may have
     * been missed. */
    int (*listen)(struct sx_db_pool *pool, const char *channel, sx_db_notify_fn *fn, void *arg);

    /* [pool thread] A lease takes no connection before its first statement.  deadline_ns 0:
     * none.  The rows of lease_exec live until the next call or the end; COPY is for those who
     * take lease_conn.  SX_ERR_INVALID from control: begun already, nothing to commit.  The first
     * failure sticks until end.  end rolls back, resets and gives the connection back;
     * *ret_left_open tells that a transaction was left open (the text says how). */
    int (*lease_create)(struct sx_db_pool *pool, const struct sx_db_owner *owner,
                        uint64_t deadline_ns /* CLOCK_MONOTONIC */, struct sx_db_lease **ret);
    struct sx_db_rows *(*lease_exec)(struct sx_db_lease *l, const struct sx_db_stmt *stmt);
    int (*lease_control)(struct sx_db_lease *l, int32_t verb /* 0 begin 1 commit 2 rollback */);
    const struct sx_db_failure *(*lease_failure)(const struct sx_db_lease *l);
    void *(*lease_conn)(struct sx_db_lease *l); /* PGconn */
    void (*lease_end)(struct sx_db_lease *l, const char **ret_left_open);
    /* [any thread] The request's deadline passed: the running statement is cancelled, now and
     * later.  Never blocks.  The caller sees to it that the lease has not ended meanwhile. */
    void (*lease_cancel)(struct sx_db_lease *l);
    /* [loop] The thread that has it will never come back: its connection is closed, which ends
     * what it had begun, and replaced; the lease is not freed. */
    void (*lease_abandon)(struct sx_db_lease *l);

    /* Rows.  [any] Borrowed; a bad place or SQL NULL reads as NULL. */
    uint32_t (*rows_count)(const struct sx_db_rows *rows);
    uint32_t (*rows_columns)(const struct sx_db_rows *rows);
    const char *(*rows_name)(const struct sx_db_rows *rows, uint32_t col);
    int32_t (*rows_column)(const struct sx_db_rows *rows, const char *name); /* -1 */
    uint32_t (*rows_oid)(const struct sx_db_rows *rows, uint32_t col);
    const char *(*rows_text)(const struct sx_db_rows *rows, uint32_t row, uint32_t col,
                             size_t *ret_len);
    uint64_t (*rows_affected)(const struct sx_db_rows *rows);
    const void *(*rows_pg)(const struct sx_db_rows *rows);
    void (*rows_keep)(struct sx_db_rows *rows); /* takes a reference */
    void (*rows_drop)(struct sx_db_rows *rows); /* gives it back     */

    /* Migrations, synchronous, on a connection of its own (any thread, no loop).  Plugins are
     * ordered by uses first.  What was done, or would be, is said line by line. */
    int (*migrate)(const char *url, struct sx_db_migrate_plugin *plugins, size_t n,
                   enum sx_db_migrate_mode mode, bool roles, struct sx_report *faults,
                   void (*say)(void *arg, const char *line), void *arg);
    /* [loop] Have these migrations been applied?  done is called once, perhaps before this
     * returns; plugins and faults stay until then.  SX_ERR_INVALID, and no done: the faults tell
     * why these are no migrations. */
    int (*verify)(struct sx_db_pool *pool, const struct sx_db_migrate_plugin *plugins, size_t n,
                  struct sx_report *faults, sx_db_verified_fn *done, void *arg);
    /* Can libpq read it?  Otherwise false and why, without any of the text but the name of an
     * unknown option. */
    bool (*is_url)(const char *url, char *ret_why, size_t size);
    /* [loop] What does the server allow?  fn is called once, later. */
    int (*max_connections)(struct sx_db_pool *pool, sx_db_limit_fn *fn, void *arg);
};

/* Maps sx_db.so beside the executable (or at path); linked into the core, not the module. */
int sx_db_open(const char *path, struct sx_report *faults, const struct sx_db_module **ret_module);

#endif /* SX_DB_DB_H */
