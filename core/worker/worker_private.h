/*
 * worker/worker_private.h - the one struct on which everything of a worker hangs.
 */
#ifndef SX_WORKER_WORKER_PRIVATE_H
#define SX_WORKER_WORKER_PRIVATE_H

#include <uv.h>

#include "base/altstack.h"
#include "base/log.h"
#include "board/board.h"
#include "board/control.h"
#include "config/config.h"
#include "db/db.h"
#include "http/http.h"
#include "plugin/plugins.h"
#include "work/work.h"

enum sx_worker_phase {
    WORKER_LOADING,
    WORKER_READY, /* waits for "serve"                       */
    WORKER_SERVING,
    WORKER_LEAVING,  /* not ready any more, still accepting     */
    WORKER_DRAINING, /* accepts no more, finishes               */
    WORKER_CLOSING,  /* handles are being closed                */
};

/* Of a plugin that is not loaded yet. */
struct sx_worker_quarantine {
    char name[64];
    uint32_t seconds;
    bool is_left_out; /* its file is not to be mapped */
};

/* What is known of the connections that the server allows. */
enum sx_worker_budget { SX_BUDGET_UNKNOWN, SX_BUDGET_ASKED, SX_BUDGET_KNOWN, SX_BUDGET_TOLD };

struct sx_worker {
    struct sx_control_spec spec;
    struct sx_control_plugins copies;
    struct sx_plugin_copy *copy_list;         /* owned */
    struct sx_worker_quarantine *quarantines; /* owned */
    size_t n_quarantines;
    struct sx_config *config;
    struct sx_log *log;
    struct sx_board *board;
    struct sx_board_worker *slot;
    enum sx_worker_phase phase;
    bool is_check;
    bool is_replaced; /* it has said that it leaves */

    uv_loop_t loop;
    uv_poll_t control;
    uv_timer_t timer;  /* of the drain */
    uv_prepare_t idle; /* looks whether the drain is over */
    struct sx_http_server *http;
    struct sx_work_pool *work;
    struct sx_plugins *plugins;
    const struct sx_db_module *db;
    struct sx_db_pool *pool;
    struct sx_worker_fault *fault; /* owned */
    enum sx_worker_budget budget;
    int budget_max; /* what the server allows, or a negative code */
    bool is_http_drained, is_db_ready, has_db;
    uint32_t grace_ms, idle_ms; /* of the drain */
    uint32_t stream_ms;         /* how long streams may go on in it; 0: they do not */
};

/* worker.c: what a process of the supervisor's begins with, and how it says that it cannot go on */
int sx_worker_read_inheritance(struct sx_worker *w, const char *spec_text, struct sx_report *rep);
void sx_worker_tell_faults(const struct sx_worker *w, const struct sx_report *rep);

/* health.c: /_sx/live, /_sx/ready, /_sx/started, /_sx/metrics */
bool sx_worker_builtin(struct sx_http_req *r, void *arg);

/* build.c: everything a worker is made of; faults in the report.  Between two steps it makes way
 * for the generation that serves, if it is not the first itself. */
int sx_worker_build(struct sx_worker *w, struct sx_report *rep);
void sx_worker_make_way(const struct sx_worker *w);
bool sx_worker_log_db(void *arg, int severity, const char *text);

/* schema.c: faults in the report; runs the loop until the pool has an answer, or none */
int sx_worker_verify_migrations(struct sx_worker *w, struct sx_report *rep);

/* budget.c: connections of all workers of all instances against the server's max_connections.
 * check runs the loop until it knows, and reports a fault where the configuration requires them to
 * fit; the other asks once it serves and the database is ready, and says it in the log. */
void sx_worker_budget_check(struct sx_worker *w, struct sx_report *rep);
void sx_worker_budget(struct sx_worker *w);
void sx_worker_files(struct sx_worker *w); /* before the loop listens */

/* fault.c: fatal signals say where they struck, from watch on; map after each loading */
int sx_worker_fault_watch(struct sx_worker *w);
void sx_worker_fault_map(struct sx_worker *w);
/* Was the call that was ended one that did not come back? */
bool sx_worker_fault_was_stall(const struct sx_worker *w);
void sx_worker_fault_unwatch(struct sx_worker *w); /* also of a half-built one */

/* sandbox.c: no core, and the sandbox that the configuration asks for, while the process has one
 * thread; when all is mapped no more code.  Faults in the report. */
int sx_worker_confine(struct sx_worker *w, struct sx_report *rep);
int sx_worker_seal(struct sx_worker *w, struct sx_report *rep);
/* seccomp.c, landlock.c: its parts.  SX_ERR_IO with errno, or faults in the report. */
int sx_worker_seccomp(bool is_check);
int sx_worker_seccomp_seal(void);
int sx_worker_landlock(struct sx_worker *w, struct sx_report *rep);

/* drain.c: the way out */
void sx_worker_drain(struct sx_worker *w, uint32_t delay_ms, uint32_t grace_ms);
/* "MS NAME NAME …": in the drain that follows, streams of these plugins go on for so long; in a
 * drain, "0": no longer. */
void sx_worker_keep_streams(struct sx_worker *w, const char *text);
void sx_worker_stop(struct sx_worker *w);

#endif /* SX_WORKER_WORKER_PRIVATE_H */
