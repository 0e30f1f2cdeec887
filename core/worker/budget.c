/*
 * worker/budget.c - do all connections that this configuration may open fit into the server?
 *
 * Two generations are alive during a reload, and two revisions of a service while one replaces the
 * other, so all of it counts twice.  Behind a pooler only what goes past it counts: a connection
 * for each worker that listens.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "worker/worker_private.h"

static uint32_t connections_per_worker(const struct sx_config_database *d)
{
    return strcmp(d->pooler, "none") == 0 ? d->pool_size : 1;
}

/* Of all instances, once. */
static uint64_t needed(const struct sx_worker *w)
{
    const struct sx_config_database *d = &w->config->database;

    return (uint64_t)d->instances * w->spec.count * connections_per_worker(d);
}

static void describe(const struct sx_worker *w, char *text, size_t size)
{
    const struct sx_config_database *d = &w->config->database;
    uint64_t need = needed(w);

    (void)snprintf(
        text, size,
        "database.instances %u, of %u workers with %u connections each, open %" PRIu64
        ", and %" PRIu64 " while a reload or a release replaces them; the server allows %d",
        d->instances, w->spec.count, connections_per_worker(d), need, 2 * need, w->budget_max);
}

static bool is_exceeded(const struct sx_worker *w)
{
    return w->budget_max >= 0 && 2 * needed(w) > (uint64_t)w->budget_max;
}

/* --- Before it serves ------------------------------------------------------------------------ */

static void on_limit(void *arg, int max)
{
    struct sx_worker *w = arg;

    w->budget_max = max;
    w->budget = SX_BUDGET_KNOWN;
}

/* A server that is away is no reason to refuse, and is told by the pool. */
void sx_worker_budget_check(struct sx_worker *w, struct sx_report *rep)
{
    char text[256];

    if (strcmp(w->config->database.budget, "require") != 0 || !w->is_db_ready ||
        (w->spec.index != 0 && !w->is_check))
        return;
    if (w->db->max_connections(w->pool, on_limit, w) == 0)
        w->budget = SX_BUDGET_ASKED;
    while (w->budget == SX_BUDGET_ASKED)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    if (!is_exceeded(w))
        return;
    describe(w, text, sizeof text);
    sx_report_add(rep,
                  "database.budget: the connections do not fit: %s\n"
                  "Lower database.pool_size, server.workers or database.instances, or put a pooler "
                  "before the server.",
                  text);
}

/* --- Once it serves -------------------------------------------------------------------------- */

static void tell(void *arg, int max)
{
    struct sx_worker *w = arg;
    char text[256];

    w->budget = SX_BUDGET_TOLD;
    w->budget_max = max;
    if (max < 0)
        return;
    describe(w, text, sizeof text);
    sx_log_line(w->log, is_exceeded(w) ? SX_LOG_WARNING : SX_LOG_INFO, NULL, "database: %s", text);
}

void sx_worker_budget(struct sx_worker *w)
{
    if (w->spec.index != 0 || !w->is_db_ready || w->phase != WORKER_SERVING)
        return;
    if (w->budget == SX_BUDGET_KNOWN)
        tell(w, w->budget_max);
    else if (w->budget == SX_BUDGET_UNKNOWN && w->db->max_connections(w->pool, tell, w) == 0)
        w->budget = SX_BUDGET_ASKED;
}
