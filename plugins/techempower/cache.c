/*
 * cache.c - the table world in memory, read from PostgreSQL and refreshed by a timer.
 *
 * One timer at a time: it reads, and the answer starts the next one.
 */
#include "techempower.h"

#define RETRY_MS 1000

static int read_after(sx_plugin *p, uint64_t ms);

static void take_cache(struct state *s, const sx_rows *rows)
{
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        int64_t id = sx_int_at(rows, i, 0);

        if (id >= 1 && id <= WORLD_ROWS)
            s->cached[id] = (int32_t)sx_int_at(rows, i, 1);
    }
    s->is_filled = sx_count(rows) > 0;
}

static void on_cache(sx_plugin *p, const sx_db_error *err, const sx_rows *const rows[], size_t n,
                     void *arg)
{
    (void)n;
    (void)arg;
    if (err == NULL)
        take_cache(sx_state(p), rows[0]);
    else
        sx_log(p, SX_WARN, "cannot read the cache: \"%s\"", err->message);
    if (read_after(p, err == NULL ? (uint64_t)sx_config_int(p, "cache_refresh_ms") : RETRY_MS) < 0)
        sx_log(p, SX_ERROR, "the cache is not refreshed any more: no timer");
}

static void read_cache(sx_plugin *p, void *arg)
{
    static const sx_stmt stmt = { .sql = "SELECT id, randomnumber FROM world",
                                  .flags = SX_READ_ONLY };

    (void)arg;
    if (sx_plugin_batch(p, on_cache, NULL, &stmt, 1) < 0 && read_after(p, RETRY_MS) < 0)
        sx_log(p, SX_ERROR, "the cache is not refreshed any more: no timer");
}

static int read_after(sx_plugin *p, uint64_t ms)
{
    const sx_timer_spec spec = { .after_ms = ms, .fn = read_cache };

    return sx_timer_start(p, &spec, NULL);
}

int start_cache(sx_plugin *p)
{
    return read_after(p, 0);
}

int show_cached(sx_req *r)
{
    struct state *s = sx_req_state(r);
    struct world worlds[MAX_QUERIES];
    const size_t n = (size_t)asked_count(r, "count");

    if (!s->is_filled)
        return sx_fail(r, 503, "cache_empty", "the cache is not filled yet");
    for (size_t i = 0; i < n; i++) {
        worlds[i].id = random_id(s);
        worlds[i].number = s->cached[worlds[i].id];
    }
    return reply_worlds(r, worlds, n);
}
