/*
 * db/db_private.h - what the files of core/db share.
 *
 * Owners.  Everything here belongs to the loop's thread, with one exception that is marked:
 * struct sx_db_lend, behind its mutex, through which connections move between the loop and
 * pool threads.  While a connection is CONN_LENT its PGconn belongs to that side.
 */
#ifndef SX_DB_DB_PRIVATE_H
#define SX_DB_DB_PRIVATE_H

#include "db/db.h"

#include <stdatomic.h>

#include <libpq-fe.h>

#include "base/check.h"

/* $1, if that role exists and the login may take it, else the login itself: whether roles were
 * made is known to the server alone, which may be away when we start, or change later. */
#define SX_DB_OWN_ROLE \
    "CASE WHEN pg_has_role(session_user,to_regrole($1),'MEMBER') THEN $1 ELSE 'none' END"

enum {
    MAX_SHARED_READS = 16, /* statements per shared Sync                             */
    MAX_IN_FLIGHT = 64,    /* jobs sent and not answered, per connection             */
    MAX_CACHED = 256,      /* prepared statements per connection                     */
    MAX_TEXTS = 1024,      /* texts that are remembered though nobody uses them      */
    SLOW_HEAD_MS = 50,     /* nothing is queued behind a statement that ran so long  */
    SLOW_TEXT_US = 20000,  /* average above which a text counts as slow              */
    MEASURED_ALONE = 4,    /* times that a text from a slow group is sent alone      */
    TICK_MS = 20,
    STEADY_MS = 1000,       /* a connection that stood so long is no failed attempt    */
    MOVED_EVERY_MS = 10000, /* all connections are given up for a primary, at most    */
};

/* --- statement.c: texts of statements, checked once and remembered -------------- */

struct sx_db_text {
    struct sx_list lru;      /* in sx_db_texts.unused while n_refs is 0 */
    struct sx_db_text *next; /* of the same bucket                      */
    char *sql;               /* owned                                   */
    size_t len;
    uint64_t hash;
    uint32_t n_refs;
    uint32_t average_us; /* 0: not measured yet                     */
    uint32_t n_alone;    /* so many times with a Sync of its own, to be timed */
    bool leaves_trace;   /* names something that outlives its transaction */
};

struct sx_db_texts {
    struct sx_db_text *buckets[1024];
    struct sx_list unused; /* least recently used first */
    uint32_t n_unused;
};

void sx_db_texts_init(struct sx_db_texts *texts);
void sx_db_texts_finish(struct sx_db_texts *texts);
/* A reference, or SX_ERR_INVALID when the loop must not send it, or SX_ERR_NOMEM. */
int sx_db_texts_ref(struct sx_db_texts *texts, const char *sql, struct sx_db_text **ret_text);
void sx_db_texts_unref(struct sx_db_texts *texts, struct sx_db_text *text);
/* One command, and one of those that the loop may send? */
bool sx_db_is_loop_statement(const char *sql, bool *ret_leaves_trace);

/* --- param.c: parameters in the form libpq wants -------------------------------- */

struct sx_db_params {
    const char **values;
    int *lengths;
    int *formats;
    char *memory; /* owned, one block that grows */
    size_t cap;
};

/* A type that does not exist, a NUL inside a text, more than 65,535: SX_ERR_INVALID. */
int sx_db_params_check(const struct sx_db_stmt *stmt);
/* SX_ERR_NOMEM.  The arrays stay valid until the next call. */
int sx_db_params_fill(struct sx_db_params *params, const struct sx_db_stmt *stmt);
void sx_db_params_finish(struct sx_db_params *params);

/* --- rows.c, failure.c ---------------------------------------------------------- */

struct sx_db_rows {
    atomic_uint n_refs;
    PGresult *res; /* owned */
};

/* Takes res; NULL without memory, then res is cleared. */
struct sx_db_rows *sx_db_rows_create(PGresult *res);
uint32_t sx_db_rows_count(const struct sx_db_rows *rows);
uint32_t sx_db_rows_columns(const struct sx_db_rows *rows);
const char *sx_db_rows_name(const struct sx_db_rows *rows, uint32_t col);
int32_t sx_db_rows_column(const struct sx_db_rows *rows, const char *name);
uint32_t sx_db_rows_oid(const struct sx_db_rows *rows, uint32_t col);
const char *sx_db_rows_text(const struct sx_db_rows *rows, uint32_t row, uint32_t col,
                            size_t *ret_len);
uint64_t sx_db_rows_affected(const struct sx_db_rows *rows);
const void *sx_db_rows_pg(const struct sx_db_rows *rows);
void sx_db_rows_keep(struct sx_db_rows *rows);
void sx_db_rows_drop(struct sx_db_rows *rows); /* takes NULL */

/* Borrows its texts from res. */
void sx_db_failure_read(struct sx_db_failure *ret, const PGresult *res, uint32_t index);
/* Did the server end the session with this error? */
bool sx_db_is_fatal(const PGresult *res);
bool sx_db_has_sqlstate(const PGresult *res, const char *sqlstate);

/* --- A job: what the pool knows of one sx_db_op.  It outlives a forgotten op. --- */

struct sx_db_job {
    struct sx_list link; /* queue, connection, finished or free jobs   */
    struct sx_db_op *op; /* NULL: forgotten                            */
    const struct sx_db_owner *owner;
    uint32_t n_stmts;
    uint32_t n_done;
    uint32_t timeout_ms; /* of each statement, the session's included  */
    uint32_t n_resent;
    uint32_t round; /* of dispatching, in which it was tried last */
    uint64_t deadline_ms;
    uint64_t sent_ns;
    PGresult *error; /* owned                                      */
    const char *why; /* without an error of the server; literal    */
    uint32_t error_index;
    bool is_queued; /* counted in the pool's n_queued */
    bool is_read;   /* every statement is                         */
    bool is_alone;  /* has a Sync of its own                      */
    bool is_slow;
    bool is_unnamed; /* its prepared statement went stale          */
    bool leaves_trace;
    bool has_timeout; /* another one than the session's             */
    bool is_lost, is_busy, outcome_unknown;
    struct sx_db_text **texts; /* n_stmts each */
    struct sx_db_rows **rows;
    struct sx_db_text *one_text[1];
    struct sx_db_rows *one_row[1];
};

/* --- A connection --------------------------------------------------------------- */

enum sx_db_conn_kind {
    KIND_READER,   /* shared, refuses writes              */
    KIND_WRITER,   /* shared, for all                     */
    KIND_FLIPPING, /* the only one: shared or lent        */
    KIND_LEASABLE, /* lent                                */
    KIND_LISTENER, /* direct, behind a pooler             */
};

enum sx_db_conn_state {
    CONN_AWAY,      /* no PGconn; tries again at retry_ms   */
    CONN_RESOLVING, /* names of hosts are looked up         */
    CONN_CONNECTING,
    CONN_SETTING_UP, /* its settings are on their way        */
    CONN_READY,      /* shared, in pipeline mode             */
    CONN_LENT,       /* belongs to the side of sx_db_lend    */
    CONN_CLOSED,
};

/* What the head of the pipeline will answer, in order. */
enum sx_db_step_kind {
    STEP_PREFIX, /* a setting before a job's statements, or housekeeping */
    STEP_PREPARE,
    STEP_EXEC,
    STEP_SYNC,
};

enum sx_db_group_kind {
    GROUP_JOBS,
    GROUP_SETUP,
    GROUP_SWITCH,
    GROUP_RESET,
    GROUP_LISTEN,
    GROUP_HOUSE
};

struct sx_db_step {
    uint8_t kind;
    uint8_t group;   /* of a sync: enum sx_db_group_kind */
    uint16_t n_jobs; /* of a sync                        */
    uint32_t index;  /* of the statement in its job      */
    union {
        struct sx_db_job *job;
        const struct sx_db_owner *owner; /* of a switch's sync */
    } of;
    struct sx_db_cached *cached; /* of a prepare */
};

struct sx_db_cached {
    struct sx_list lru;
    struct sx_db_cached *next;
    struct sx_db_text *text; /* a reference */
    const struct sx_db_owner *owner;
    char name[16];
    bool is_prepared; /* the server has said so */
};

struct sx_db_cache {
    struct sx_db_cached *buckets[256];
    struct sx_list lru; /* least recently used first */
    uint32_t n;
    uint32_t n_names;
};

struct sx_db_host {
    char *name, *addr, *port; /* owned; addr "" where libpq needs none */
};

enum { SX_DB_MAX_HOSTS = 64, SX_DB_MAX_SHUNNED = 8 };

/* A host that has not answered in time: until then it is tried last. */
struct sx_db_shunned {
    char name[256], addr[64], port[16];
    uint64_t until_ms;
};

struct sx_db_lookup;

/* Where a URL leads: its hosts, with names resolved afresh for each attempt. */
struct sx_db_address {
    char *url;                    /* owned */
    struct sx_db_host *hosts;     /* as written; owned */
    struct sx_db_lookup *lookups; /* of each; owned */
    size_t n_hosts;
    bool needs_lookup;
    struct sx_db_shunned shunned[SX_DB_MAX_SHUNNED];
};

struct sx_db_watch; /* conn.c: a poll handle that outlives its connection's socket */

struct sx_db_conn {
    struct sx_db_pool *pool;
    enum sx_db_conn_kind kind;
    enum sx_db_conn_state state; /* changed by sx_db_conn_become() only */
    PGconn *pg;
    struct sx_db_watch *watch;
    uint32_t n_failures; /* in a row: no connection, or one that did not stand for long */
    uint64_t up_ms;      /* since when it stands */
    size_t n_hosts;      /* of this attempt */
    const void *host;    /* of those, the one that is being tried, as libpq's text */
    uint64_t host_ms;    /* since when */
    uint64_t retry_ms;
    uint64_t since_ms; /* in this state */

    struct sx_db_step *steps; /* ring */
    uint32_t cap_steps, first_step, n_steps;
    struct sx_list jobs; /* sent, in order */
    uint32_t n_jobs, n_slow;
    uint64_t head_ms;                    /* since when the first of them runs */
    uint64_t asked_ms;                   /* since when something is expected  */
    uint64_t last_ns;                    /* of the Sync before                */
    PGresult *prefix_error, *sync_error; /* of the group that is being read */
    bool has_result;                     /* of the step at the head           */
    bool is_broken;
    bool needs_flush;
    bool is_switching;               /* to an owner whose role was never taken here */
    bool is_up;                      /* has been ready, and was not lost since */
    bool was_up;                     /* once: the next time is a reconnect */
    bool is_reserved;                /* a pool thread waits for it: nothing more is sent */
    bool must_replace;               /* when the pipeline is empty         */
    bool is_recalled;                /* so that it ends for no fault of its own */
    const struct sx_db_owner *owner; /* as the server stands after all that was sent */
    const struct sx_db_owner **known_owners;
    uint32_t n_known, cap_known;
    struct sx_db_cache cache;

    /* Behind the mutex of sx_db_lend while CONN_LENT. */
    struct sx_list lend_link;
    int wake_fd;      /* an eventfd that ends the borrower's poll */
    uint32_t recalls; /* of the pool when it was offered          */
    bool comes_back_broken;
    char why_broken[SX_DB_WHY];
};

/* --- The side of the pool threads: all of it behind the mutex ------------------- */

struct sx_db_lend {
    uv_mutex_t mutex;
    uv_cond_t freed;
    struct sx_list idle;           /* connections to be taken, last returned last  */
    struct sx_list returned;       /* to the loop: flipping or broken ones         */
    struct sx_db_cancels *cancels; /* a reference */
    atomic_uint n_waiting;         /* read without the mutex too */
    uint64_t away_ns;              /* since when the pool is not ready; 0: it is */
    uint32_t n_taken, n_leases;
    uint32_t n_untaken; /* waited in vain, and not told yet */
    uint32_t recalls;   /* so often all connections were called back */
    bool has_moved;     /* a lease has met a server that is read-only now */
    bool is_closing;
    uv_async_t async; /* "look at returned, n_waiting, n_untaken, has_moved" */
};

struct sx_db_channel {
    struct sx_list link;
    char *name;
    sx_db_notify_fn *fn;
    void *arg;
};

/* A connection's jobs that are about to be sent under one Sync. */
struct sx_db_batch {
    struct sx_list jobs;
    uint32_t n;
};

struct sx_db_pool {
    struct sx_db_settings set; /* its texts are owned */
    struct sx_db_address address, direct;
    struct sx_db_conn *conns; /* size, and one for listening behind a pooler */
    uint32_t n_conns;
    struct sx_db_batch *batches; /* one per connection */
    struct sx_list queue;        /* jobs */
    atomic_uint n_queued;
    struct sx_list finished; /* jobs whose done is to be called */
    struct sx_list free_jobs;
    struct sx_db_texts texts;
    struct sx_db_params params;
    struct sx_list channels;
    struct sx_db_lend lend;
    uv_prepare_t prepare;
    uv_timer_t tick;
    uint32_t n_handles; /* of libuv, not closed yet, and requests */
    uint32_t round;     /* of dispatching */
    bool is_ticking, is_finishing, is_closing;
    bool is_ready, has_told;
    bool has_good_news; /* that it is connected, once the log takes another line */
    char bad_news[300]; /* the last of those that were not told yet */
    char why[SX_DB_WHY];
    uint64_t random;
    uint64_t logged_ms;
    uint64_t lost_ns; /* when a connection died last */
    uint64_t moved_ms;
    uint32_t n_bad_news;
    uint32_t n_unknown; /* writes lost with the connection that is being lost */
    uint64_t n_statements, n_errors, n_reconnects;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

/* --- address.c ------------------------------------------------------------------ */

int sx_db_address_init(struct sx_db_address *a, const char *url);
bool sx_db_address_is_url(const char *url, char *ret_why, size_t size);
void sx_db_address_finish(struct sx_db_address *a);
/* Looks up what has to be looked up; sx_db_conn_settle() is called for each answer. */
void sx_db_address_ask(struct sx_db_pool *pool, struct sx_db_address *a);
void sx_db_address_cancel(struct sx_db_address *a);
/* Is a name still being looked up, which was asked for since then? */
bool sx_db_address_waits(const struct sx_db_address *a, uint64_t since_ms);
/* Those that are known now, borrowed until the loop goes on; the shunned ones last. */
size_t sx_db_address_hosts(const struct sx_db_address *a, uint64_t now_ms,
                           struct sx_db_host to[SX_DB_MAX_HOSTS], size_t *ret_n_shunned);
void sx_db_address_shun(struct sx_db_address *a, const struct sx_db_host *h, uint64_t now_ms);
/* Why none is known. */
const char *sx_db_address_why(const struct sx_db_address *a);

/* --- conn.c: from away to ready and back ---------------------------------------- */

void sx_db_conn_init(struct sx_db_conn *conn, struct sx_db_pool *pool, enum sx_db_conn_kind kind);
void sx_db_conn_finish(struct sx_db_conn *conn);
void sx_db_conn_become(struct sx_db_conn *conn, enum sx_db_conn_state state);
void sx_db_conn_start(struct sx_db_conn *conn);
/* While it is CONN_RESOLVING: connects, if enough is known. */
void sx_db_conn_settle(struct sx_db_conn *conn, uint64_t now_ms);
/* The connection is gone, or must go: its jobs are requeued or failed; it comes again. */
void sx_db_conn_lose(struct sx_db_conn *conn, const char *why);
/* Into pipeline mode, with its settings. */
void sx_db_conn_set_up(struct sx_db_conn *conn);
void sx_db_conn_settled(struct sx_db_conn *conn);
void sx_db_conn_close(struct sx_db_conn *conn);
void sx_db_conn_flush(struct sx_db_conn *conn);
void sx_db_conn_unwatch(struct sx_db_conn *conn);
/* What libpq keeps on our side of it as we want it: notices ignored, nothing traced. */
void sx_db_conn_quiet(PGconn *pg);
/* The first line of a message of libpq, and that of each further host that it has tried. */
void sx_db_conn_message(char *to, size_t size, const char *message);
/* A listener is, once somebody listens. */
bool sx_db_conn_is_needed(const struct sx_db_conn *conn);
void sx_db_conn_tick(struct sx_db_conn *conn, uint64_t now_ms);
static inline bool sx_db_conn_is_shared(const struct sx_db_conn *conn)
{
    return conn->kind == KIND_READER || conn->kind == KIND_WRITER || conn->kind == KIND_FLIPPING;
}

/* --- cache.c -------------------------------------------------------------------- */

void sx_db_cache_init(struct sx_db_cache *cache);
void sx_db_cache_clear(struct sx_db_cache *cache, struct sx_db_texts *texts);
struct sx_db_cached *sx_db_cache_find(struct sx_db_cache *cache, const struct sx_db_text *text,
                                      const struct sx_db_owner *owner);
struct sx_db_cached *sx_db_cache_add(struct sx_db_cache *cache, struct sx_db_text *text,
                                     const struct sx_db_owner *owner);
void sx_db_cache_remove(struct sx_db_cache *cache, struct sx_db_texts *texts,
                        struct sx_db_cached *c);
/* The least recently used one that is prepared, or NULL while there is room. */
struct sx_db_cached *sx_db_cache_surplus(struct sx_db_cache *cache);

/* --- pipeline.c: groups of statements on their way ------------------------------ */

/* Jobs of one owner, at most MAX_SHARED_READS, taken from their list. */
void sx_db_send_jobs(struct sx_db_conn *conn, struct sx_list *jobs);
void sx_db_send_setup(struct sx_db_conn *conn);
void sx_db_send_switch(struct sx_db_conn *conn, const struct sx_db_owner *owner);
void sx_db_send_probe(struct sx_db_conn *conn); /* a Sync alone */
void sx_db_send_listen(struct sx_db_conn *conn);
void sx_db_send_forget(struct sx_db_conn *conn, struct sx_db_cached *cached);
bool sx_db_owner_is_known(const struct sx_db_conn *conn, const struct sx_db_owner *owner);

/* --- result.c: what comes back -------------------------------------------------- */

void sx_db_conn_read(struct sx_db_conn *conn);
/* After the connection's end: each job sent is requeued, resent or failed. */
void sx_db_conn_abandon_jobs(struct sx_db_conn *conn);

/* --- job.c ---------------------------------------------------------------------- */

int sx_db_job_create(struct sx_db_pool *pool, struct sx_db_op *op, struct sx_db_job **ret_job);
void sx_db_job_free(struct sx_db_pool *pool, struct sx_db_job *job);
/* Back to the head of the queue, as new. */
void sx_db_job_requeue(struct sx_db_pool *pool, struct sx_db_job *job);
/* Its done comes with sx_db_pool_finish_jobs(). */
void sx_db_job_finish(struct sx_db_pool *pool, struct sx_db_job *job);
void sx_db_job_unqueue(struct sx_db_pool *pool, struct sx_db_job *job);

/* --- dispatch.c: which job goes down which connection --------------------------- */

void sx_db_dispatch(struct sx_db_pool *pool);

/* --- pool.c --------------------------------------------------------------------- */

int sx_db_pool_create(const struct sx_db_settings *set, struct sx_db_pool **ret_pool);
void sx_db_pool_close(struct sx_db_pool *pool, void (*on_closed)(void *arg), void *arg);
void sx_db_pool_stats(const struct sx_db_pool *pool, struct sx_db_stats *ret);
void sx_db_pool_probe(struct sx_db_pool *pool);
int sx_db_pool_submit(struct sx_db_pool *pool, struct sx_db_op *op);
bool sx_db_pool_forget(struct sx_db_pool *pool, struct sx_db_op *op);
void sx_db_pool_finish_jobs(struct sx_db_pool *pool);
void sx_db_pool_wake(struct sx_db_pool *pool); /* starts the tick */
void sx_db_pool_check_ready(struct sx_db_pool *pool, const char *why);
/* Once a second at most: what is not said is counted. */
void sx_db_pool_warn(struct sx_db_pool *pool, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
uint32_t sx_db_pool_random(struct sx_db_pool *pool, uint32_t below);
/* The server has become read-only: the primary is elsewhere, and every connection is looked up
 * again, once its pipeline is empty. */
void sx_db_pool_moved(struct sx_db_pool *pool);
/* A handle or request of libuv is gone; frees the pool when it was the last. */
void sx_db_pool_release(struct sx_db_pool *pool);

/* --- listen.c ------------------------------------------------------------------- */

int sx_db_pool_listen(struct sx_db_pool *pool, const char *channel, sx_db_notify_fn *fn, void *arg);
struct sx_db_conn *sx_db_listening_conn(struct sx_db_pool *pool);
void sx_db_conn_notifies(struct sx_db_conn *conn);
void sx_db_tell_reconnected(struct sx_db_pool *pool);
void sx_db_channels_finish(struct sx_db_pool *pool);

/* --- lend.c: connections between the loop and pool threads ---------------------- */

int sx_db_lend_init(struct sx_db_pool *pool);
void sx_db_lend_finish(struct sx_db_pool *pool);
/* [loop] The connection is idle and may be taken. */
void sx_db_lend_offer(struct sx_db_conn *conn);
/* [loop] Once per iteration: gives the flipping connection away if a thread waits for it. */
void sx_db_lend_look(struct sx_db_pool *pool);
/* [loop] The pool is no longer ready, or is again. */
void sx_db_lend_set_away(struct sx_db_pool *pool, bool is_away);
/* [loop] No thread gets a connection any more. */
void sx_db_lend_stop(struct sx_db_pool *pool);
uint32_t sx_db_lend_count_waiting(struct sx_db_pool *pool);
/* [pool thread] deadline_ns 0: none.  SX_ERR_BUSY, SX_ERR_TIMEOUT, SX_ERR_CLOSED. */
int sx_db_lend_take(struct sx_db_pool *pool, uint64_t deadline_ns, const atomic_bool *is_cancelled,
                    struct sx_db_conn **ret_conn);
/* why: what is wrong with it, or NULL. */
void sx_db_lend_give(struct sx_db_conn *conn, const char *why);
/* [loop] Whatever is lent now is replaced, at once or when it comes back. */
void sx_db_lend_recall(struct sx_db_pool *pool);
/* [pool thread] A lease has met a server that is read-only now. */
void sx_db_lend_moved(struct sx_db_pool *pool);

/* --- cancel.c ------------------------------------------------------------------- */

struct sx_db_cancel;

struct sx_db_cancels *sx_db_cancels_create(void);        /* NULL: no memory */
void sx_db_cancels_unref(struct sx_db_cancels *cancels); /* takes NULL */
/* [any thread] Never blocks.  NULL where it cannot be asked for. */
struct sx_db_cancel *sx_db_cancel_start(struct sx_db_cancels *cancels, PGconn *pg);
/* Gives it up; false when it is still on its way and may meet a later statement.  Takes NULL. */
bool sx_db_cancel_end(struct sx_db_cancel *cancel);

/* --- lease.c -------------------------------------------------------------------- */

int sx_db_lease_create(struct sx_db_pool *pool, const struct sx_db_owner *owner,
                       uint64_t deadline_ns, struct sx_db_lease **ret_lease);
struct sx_db_rows *sx_db_lease_exec(struct sx_db_lease *l, const struct sx_db_stmt *stmt);
int sx_db_lease_control(struct sx_db_lease *l, int32_t verb);
const struct sx_db_failure *sx_db_lease_failure(const struct sx_db_lease *l);
void *sx_db_lease_conn(struct sx_db_lease *l);
void sx_db_lease_end(struct sx_db_lease *l, const char **ret_left_open);
void sx_db_lease_cancel(struct sx_db_lease *l);
void sx_db_lease_abandon(struct sx_db_lease *l);

/* --- migrate.c, plan.c, session.c: synchronous ---------------------------------- */

int sx_db_migrate(const char *url, struct sx_db_migrate_plugin *plugins, size_t n,
                  enum sx_db_migrate_mode mode, bool roles, struct sx_report *faults,
                  void (*say)(void *arg, const char *line), void *arg);
int sx_db_verify(struct sx_db_pool *pool, const struct sx_db_migrate_plugin *plugins, size_t n,
                 struct sx_report *faults, sx_db_verified_fn *done, void *arg);
int sx_db_max_connections(struct sx_db_pool *pool, sx_db_limit_fn *fn, void *arg);

/* Whoever asks for the host itself (verify.c): the login, whatever roles there are. */
extern const struct sx_db_owner sx_db_login;

#endif /* SX_DB_DB_PRIVATE_H */
