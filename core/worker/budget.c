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

static const char *direct_url(const struct sx_config_database *d)
{
    return d->direct_url != NULL && *d->direct_url != '\0' ? d->direct_url : d->url;
}

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

/* A server that cannot be reached is told by the pool. */
static int ask(struct sx_worker *w)
{
    struct sx_report faults;
    int max;

    sx_report_init(&faults);
    max = w->db->max_connections(direct_url(&w->config->database), w->config->database.connect_ms,
                                 &faults);
    sx_report_finish(&faults);
    return max;
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

void sx_worker_budget_check(struct sx_worker *w, struct sx_report *rep)
{
    char text[256];

    if (strcmp(w->config->database.budget, "require") != 0 || (w->spec.index != 0 && !w->is_check))
        return;
    w->budget_max = ask(w);
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

static void ask_on_thread(struct sx_work_item *item, uint32_t thread)
{
    struct sx_worker *w = SX_MEMBER_OF(item, struct sx_worker, budget);

    (void)thread;
    w->budget_max = ask(w);
}

static void tell(struct sx_work_item *item)
{
    struct sx_worker *w = SX_MEMBER_OF(item, struct sx_worker, budget);
    char text[256];

    if (w->budget_max < 0)
        return;
    describe(w, text, sizeof text);
    sx_log_line(w->log, is_exceeded(w) ? SX_LOG_WARNING : SX_LOG_INFO, NULL, "database: %s", text);
}

void sx_worker_budget(struct sx_worker *w)
{
    if (w->budget.run != NULL || w->spec.index != 0 || !w->is_db_ready ||
        w->phase != WORKER_SERVING)
        return;
    w->budget.run = ask_on_thread;
    w->budget.done = tell;
    (void)sx_work_submit(w->work, &w->budget);
}
