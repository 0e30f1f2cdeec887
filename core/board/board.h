/*
 * board/board.h - the shared segment on which workers write what they do.
 *
 * Created by the supervisor (a sealed-size memfd), mapped by every worker.  Indexes, never
 * pointers: a plugin can scribble on it, so whoever reads checks every value.  One writer per
 * slot; readers take relaxed atomics.  Writing before a call into a plugin costs a few stores.
 */
#ifndef SX_BOARD_BOARD_H
#define SX_BOARD_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SX_BOARD_MAX_PLUGINS 128
#define SX_BOARD_MAX_ROUTES  2048
#define SX_BOARD_MAX_METRICS 512
#define SX_BOARD_MAX_BUCKETS 24
#define SX_BOARD_STACK       4
#define SX_BOARD_NONE        UINT32_MAX
#define SX_BOARD_MAPPING     UINT64_MAX /* as a request: the plugin's file is being mapped */

struct sx_board;        /* the mapping */
struct sx_board_worker; /* one worker's part of it */

/* What one thread of a worker is running.  depth counts valid entries of the stack. */
struct sx_board_frame {
    uint32_t plugin; /* index into the board's plugins, or SX_BOARD_NONE */
    uint32_t route;
    uint64_t request; /* serial number of the request in its worker */
    uint64_t since_ns;
};

struct sx_board_thread {
    uint32_t depth;
    uint32_t thread; /* in the copy of a fault: 1 + which one it was, or SX_BOARD_NONE for one that
                      * is none of the core's; 0: there was none */
    struct sx_board_frame stack[SX_BOARD_STACK];
    char request_id[72]; /* of the innermost request, NUL-terminated */
};

/* Counters of one worker slot; they outlive the worker.  [written by its loop] */
struct sx_board_counters {
    uint64_t requests;
    uint64_t by_class[6]; /* 1xx … 5xx at 1 … 5 */
    uint64_t connections_opened, connections_open;
    uint64_t connections_refused, connections_evicted;
    uint64_t bytes_in, bytes_out;
    uint64_t db_statements, db_errors;
    uint64_t log_dropped;
    uint64_t latency_us_bucket[20]; /* i: up to 2^i microseconds; the last one: and above */
    uint64_t latency_us_sum;
};

enum sx_board_worker_state {
    SX_WORKER_FREE,
    SX_WORKER_STARTING,
    SX_WORKER_READY,
    SX_WORKER_DRAINING
};

/* n_workers slots of n_threads each (the loop is one of them). */
int sx_board_create(uint32_t n_workers, uint32_t n_threads, struct sx_board **ret_board);
/* Checks size and magic: SX_ERR_INVALID.  fd is borrowed and stays open. */
int sx_board_attach(int fd, struct sx_board **ret_board);
void sx_board_destroy(struct sx_board *board); /* unmaps; takes NULL */
int sx_board_fd(const struct sx_board *board); /* for the workers to inherit */

/* Names, written by a worker before it is ready (the same in all workers of a generation);
 * an index, or SX_BOARD_NONE when the table is full.  Idempotent. */
uint32_t sx_board_add_plugin(struct sx_board *b, const char *name, const char *version,
                             const char *build);
uint32_t sx_board_add_route(struct sx_board *b, uint32_t plugin, const char *method,
                            const char *pattern);
/* kind: 1 counter, 2 gauge, 3 histogram, as in <sx/plugin.h>. */
uint32_t sx_board_add_metric(struct sx_board *b, uint32_t plugin, const char *name, uint32_t kind,
                             const double *bounds, uint32_t n_bounds, const char *doc);

/* Of the plugin of that name, whatever its version; nothing where there is none.  [supervisor] */
void sx_board_count_fault(struct sx_board *b, const char *plugin);
void sx_board_set_quarantined(struct sx_board *b, const char *plugin, bool is_quarantined);

/* Copies out, checked and NUL-terminated; "" for a bad index. */
struct sx_board_name {
    char plugin[64], version[32], build[96], method[16], route[160];
};
void sx_board_describe(const struct sx_board *b, uint32_t plugin, uint32_t route,
                       struct sx_board_name *ret);

/* NULL above the number of slots. */
struct sx_board_worker *sx_board_worker_at(struct sx_board *b, uint32_t slot);
struct sx_board_counters *sx_board_counters_of(struct sx_board_worker *w);
/* thread is below the n_threads of the creation. */
struct sx_board_thread *sx_board_thread_at(struct sx_board_worker *w,
                                           uint32_t thread); /* 0: the loop */
/* A copy of a thread's entry at the moment of its last fault, written by its handler; its thread is
 * 0 where there was none, its depth 0 where it was in no plugin.  A thread that a plugin made has
 * no entry: then it names that plugin. */
struct sx_board_thread *sx_board_fault_of(struct sx_board_worker *w);
void sx_board_set_state(struct sx_board_worker *w, uint32_t pid, uint32_t generation, int state);
int sx_board_state(const struct sx_board_worker *w); /* enum sx_board_worker_state */
/* Does a worker of a later generation serve?  Then a drain is a reload, not the end. */
bool sx_board_has_successor(const struct sx_board *b, uint32_t generation);

/* May a line about an outage go to the log?  Once a second for all workers together, however many
 * of them meet it, and however often; a true is that second's line.  [any thread]  now_ns is
 * CLOCK_MONOTONIC. */
bool sx_board_may_tell(struct sx_board *b, uint64_t now_ns);

/* Add to a counter, set a gauge, observe in a histogram; any thread of the worker. */
void sx_board_record(struct sx_board *b, struct sx_board_worker *w, uint32_t metric, double value);
/* Per route: requests, errors and time.  [loop] */
void sx_board_route_done(struct sx_board_worker *w, uint32_t route, int status,
                         uint64_t duration_ns);

/* One answered request in the counters of its worker.  [loop] */
static inline void sx_board_count_request(struct sx_board_counters *c, int status,
                                          uint64_t duration_ns)
{
    uint64_t us = duration_ns / 1000;
    unsigned bucket = us <= 1 ? 0 : 64u - (unsigned)__builtin_clzll(us - 1);

    c->requests++;
    c->by_class[status >= 100 && status < 600 ? status / 100 : 0]++;
    c->latency_us_bucket[bucket < 20 ? bucket : 19]++;
    c->latency_us_sum += us;
}

/* Prometheus text format 0.0.4 of everything, summed over workers; caller frees. */
char *sx_board_metrics_text(const struct sx_board *b);

static inline void sx_board_enter(struct sx_board_thread *t, uint32_t plugin, uint32_t route,
                                  uint64_t request, uint64_t since_ns)
{
    uint32_t depth = t->depth;

    if (depth < SX_BOARD_STACK)
        t->stack[depth] = (struct sx_board_frame){ plugin, route, request, since_ns };
    __atomic_store_n(&t->depth, depth + 1, __ATOMIC_RELEASE);
}

static inline void sx_board_leave(struct sx_board_thread *t)
{
    __atomic_store_n(&t->depth, t->depth - 1, __ATOMIC_RELEASE);
}

#endif /* SX_BOARD_BOARD_H */
