/*
 * upkeep.c - what has to be done from time to time, by worker 0 of each instance.
 *
 * Two instances at once do no harm: a second one finds nothing left to do.
 */
#include "exchange.h"

#define EXPIRE_MS 2000
#define PRUNE_MS  10000

static void on_upkeep(sx_plugin *p, const sx_db_error *err, const sx_rows *const rows[], size_t n,
                      void *arg)
{
    const char *what = arg;

    if (err != NULL || n == 0) /* the host has told of the database; the next time comes soon */
        return;
    if (sx_int_at(rows[0], 0, 0) > 0)
        sx_log(p, SX_INFO, "%s: %lld", what, (long long)sx_int_at(rows[0], 0, 0));
}

/* What cannot begin now is tried the next time. */
static void run(sx_plugin *p, const char *what, const sx_stmt *stmt)
{
    int err = sx_plugin_batch(p, on_upkeep, (void *)(uintptr_t)what, stmt, 1);

    if (err < 0)
        sx_log(p, SX_DEBUG, "%s: not now", what);
}

static void expire(sx_plugin *p, void *arg)
{
    const sx_stmt stmt = { "SELECT expire()", SX_NONE, 0, 0 };

    (void)arg;
    run(p, "orders of expired instruments were ended", &stmt);
}

static void prune(sx_plugin *p, void *arg)
{
    const sx_param hours = sx_int(sx_config_int(p, "feed_hours"));
    const sx_stmt stmt = { "SELECT prune($1::int)", { &hours, 1 }, 0, 0 };

    (void)arg;
    run(p, "old events were deleted", &stmt);
}

int upkeep_start(sx_plugin *p)
{
    const sx_timer_spec often = {
        .after_ms = EXPIRE_MS, .every_ms = EXPIRE_MS, .scope = SX_ONE_WORKER, .fn = expire
    };
    const sx_timer_spec seldom = {
        .after_ms = PRUNE_MS, .every_ms = PRUNE_MS, .scope = SX_ONE_WORKER, .fn = prune
    };
    int err = sx_timer_start(p, &often, NULL);

    return err < 0 ? err : sx_timer_start(p, &seldom, NULL);
}
