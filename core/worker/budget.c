/*
 * worker/budget.c - do all connections that this configuration may open fit into the server?
 *
 * Asked once, on a pool thread, by the first worker of a generation; two generations are alive
 * during a reload.
 */
#include "base/check.h"
#include "worker/worker_private.h"

static const char *direct_url(const struct sx_config_database *d)
{
    return d->direct_url != NULL && *d->direct_url != '\0' ? d->direct_url : d->url;
}

static void ask(struct sx_work_item *item, uint32_t thread)
{
    struct sx_worker *w = SX_MEMBER_OF(item, struct sx_worker, budget);
    struct sx_report faults;

    (void)thread;
    sx_report_init(&faults);
    w->budget_max = w->db->max_connections(direct_url(&w->config->database),
                                           w->config->database.connect_ms, &faults);
    sx_report_finish(&faults); /* a server that cannot be reached is told by the pool */
}

static void tell(struct sx_work_item *item)
{
    struct sx_worker *w = SX_MEMBER_OF(item, struct sx_worker, budget);
    uint32_t need = w->spec.count * w->config->database.pool_size;

    if (w->budget_max < 0)
        return;
    if (2 * need > (uint32_t)w->budget_max)
        sx_log_line(
            w->log, SX_LOG_WARNING, NULL,
            "database: %u workers with %u connections each open %u, and %u during a reload; the server "
            "allows %d",
            w->spec.count, w->config->database.pool_size, need, 2 * need, w->budget_max);
    else
        sx_log_line(w->log, SX_LOG_INFO, NULL,
                    "database: up to %u connections, %u during a reload, of %d", need, 2 * need,
                    w->budget_max);
}

void sx_worker_budget(struct sx_worker *w)
{
    if (w->pool == NULL)
        return;
    w->budget.run = ask;
    w->budget.done = tell;
    (void)sx_work_submit(w->work, &w->budget);
}
