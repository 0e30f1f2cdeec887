/*
 * techempower - the seven test types of the public TechEmpower Framework Benchmarks.
 *
 * The rules of the tests: https://github.com/TechEmpower/FrameworkBenchmarks/wiki
 * (Project Information Framework Tests Overview).
 */
#include "techempower.h"
#include "migrations.h"

int show_json(sx_req *r)
{
    sx_json_writer w = sx_json_begin(r);

    sx_json_object(&w);
    sx_json_text(sx_json_key(&w, "message"), "Hello, World!");
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

int show_plaintext(sx_req *r)
{
    static const char hello[] = "Hello, World!";

    return sx_reply(r, 200, "text/plain", hello, sizeof hello - 1);
}

static int check(sx_plugin *p)
{
    const int64_t refresh_ms = sx_config_int(p, "cache_refresh_ms");

    if (refresh_ms >= 10)
        return SX_OK;
    sx_log(p, SX_ERROR, "cache_refresh_ms: expected at least 10, found %lld",
           (long long)refresh_ms);
    return SX_EINVAL;
}

/* The workers of one instance must not ask for the same rows. */
static int start(sx_plugin *p)
{
    const sx_worker_info worker = sx_this_worker(p);
    struct state *s = calloc(1, sizeof *s);

    if (s == NULL)
        return SX_ENOMEM;
    s->seed = (uint64_t)worker.now_ns + worker.index;
    sx_set_state(p, s);
    return start_cache(p);
}

static void stop(sx_plugin *p)
{
    free(sx_state(p));
    sx_set_state(p, NULL);
}

/* Text, not SX_INT: the tests want 1 for what is no number, not a 400. */
static const sx_field queries_params[] = {
    { .name = "queries", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "Number of rows, 1 to 500" },
    { 0 },
};

static const sx_field count_params[] = {
    { .name = "count", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "Number of rows, 1 to 500" },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET", .path = "/json", .handler = show_json, .summary = "A small JSON object" },
    { .method = "GET", .path = "/plaintext", .handler = show_plaintext, .summary = "A short text" },
    { .method = "GET", .path = "/db", .handler = show_db, .summary = "One random row" },
    { .method = "GET",
      .path = "/queries",
      .handler = show_queries,
      .params = queries_params,
      .summary = "Random rows, one query each" },
    { .method = "GET",
      .path = "/updates",
      .handler = show_updates,
      .params = queries_params,
      .summary = "Random rows, read and then changed" },
    { .method = "GET",
      .path = "/cached-queries",
      .handler = show_cached,
      .params = count_params,
      .summary = "Random rows out of a cache in memory" },
    { .method = "GET",
      .path = "/fortunes",
      .handler = show_fortunes,
      .summary = "Fortunes as an HTML page" },
    { 0 },
};

static const sx_option options[] = {
    { .name = "cache_refresh_ms",
      .type = SX_INT,
      .fallback = "60000",
      .doc = "How often the cache of /cached-queries is read again" },
    { 0 },
};

SX_PLUGIN("techempower", "1.0.0", .summary = "The TechEmpower benchmark tests", .needs = SX_CAP_DB,
          .routes = routes, .options = options, .migrations = sx_migrations_, .check = check,
          .start = start, .stop = stop);
