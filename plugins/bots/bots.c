/*
 * bots - simulated traders, so that there is a market: arrivals and a dealer for each artist.
 */
#include "bots.h"

#include "migrations.h"

#include <stdio.h>

#include <sx/json.h>

#define TURN_MS 500

/* --- Configuration ----------------------------------------------------------------------- */

static int refuse(sx_plugin *p, const char *what)
{
    sx_log(p, SX_ERROR, "%s", what);
    return SX_EINVAL;
}

/* One entry of the option: prices above zero. */
static int read_series(sx_plugin *p, struct series *s, const char *symbol, const json_t *prices)
{
    const size_t n = json_array_size(prices);
    const json_t *price;
    size_t i;

    if (n == 0 || n > SERIES_MAX || strlen(symbol) >= sizeof s->symbol)
        return refuse(p, "series: expected {\"SYMBOL\": [prices…]}, such as "
                         "{\"AURORA-USD\": [100, 101.5]}");
    (void)snprintf(s->symbol, sizeof s->symbol, "%s", symbol);
    s->prices = calloc(n, sizeof *s->prices);
    if (s->prices == NULL)
        return SX_ENOMEM;
    s->n = n;
    json_array_foreach(prices, i, price)
    {
        s->prices[i] = json_number_value(price);
        if (!(s->prices[i] > 0) || s->prices[i] > 1e9)
            return refuse(p, "series: expected prices between 0 and 1000000000");
    }
    return SX_OK;
}

static int read_all_series(sx_plugin *p, struct bots *b)
{
    json_t *all = json_object_get(sx_config(p), "series"), *prices;
    const char *symbol;
    int err = SX_OK;

    if (!json_is_object(all))
        return refuse(p, "series: expected an object");
    b->series = calloc(json_object_size(all) + 1, sizeof *b->series);
    if (b->series == NULL)
        return SX_ENOMEM;
    json_object_foreach(all, symbol, prices)
    {
        if (err == SX_OK)
            err = read_series(p, &b->series[b->n_series++], symbol, prices);
    }
    return err;
}

static int check_symbols(sx_plugin *p, const json_t *symbols)
{
    const json_t *symbol;
    size_t i;

    if (!json_is_array(symbols))
        return refuse(p, "instruments: expected a list of symbols");
    json_array_foreach(symbols, i, symbol)
    {
        if (!json_is_string(symbol))
            return refuse(p, "instruments: expected symbols, such as \"AURORA-USD\"");
    }
    return SX_OK;
}

static void free_bots(struct bots *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < b->n_series; i++)
        free(b->series[i].prices);
    free(b->series);
    instruments_free(&b->instruments);
    free(b);
}

static int read_options(sx_plugin *p, struct bots *b)
{
    const json_t *config = sx_config(p);
    const int64_t ttl_s = sx_config_int(p, "order_ttl_s");

    b->is_enabled = json_is_true(json_object_get(config, "enabled"));
    b->seed = (uint64_t)sx_config_int(p, "seed");
    b->symbols = json_object_get(config, "instruments");
    b->per_minute = json_number_value(json_object_get(config, "orders_per_minute"));
    b->series_steps = sx_config_int(p, "series_steps");
    b->order_ttl_us = ttl_s * 1000000;
    if (!(b->per_minute >= 0.1) || b->per_minute > 6000)
        return refuse(p, "orders_per_minute: expected a number between 0.1 and 6000");
    if (ttl_s < 1 || ttl_s > 86400)
        return refuse(p, "order_ttl_s: expected seconds between 1 and 86400");
    if (b->series_steps < 1)
        return refuse(p, "series_steps: expected 1 or more");
    return check_symbols(p, b->symbols);
}

static int make_bots(sx_plugin *p, struct bots **ret)
{
    struct bots *b = calloc(1, sizeof *b);
    int err = b == NULL ? SX_ENOMEM : read_options(p, b);

    if (err == SX_OK)
        err = read_all_series(p, b);
    if (err < 0) {
        free_bots(b);
        return err;
    }
    *ret = b;
    return SX_OK;
}

/* --- Status ---------------------------------------------------------------------------------- */

static int on_status(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct bots *b = sx_req_state(r);
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    sx_json_object(&w);
    sx_json_bool(sx_json_key(&w, "enabled"), b->is_enabled);
    sx_json_int(sx_json_key(&w, "seed"), (int64_t)b->seed);
    sx_json_number(sx_json_key(&w, "orders_per_minute"), b->per_minute);
    sx_json_rows(sx_json_key(&w, "instruments"), rows);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int show_status(sx_req *r)
{
    return sx_read(r, on_status, NULL,
                   "SELECT p.symbol AS product_id, p.step, p.acted_at, p.next_at, p.placed, "
                   "p.traded, p.canceled, p.refused, p.passed, p.deposits, m.trade_id AS "
                   "market_trades FROM progress p JOIN markets m USING (symbol) ORDER BY 1",
                   SX_NONE);
}

/* --- The plugin ---------------------------------------------------------------------------- */

static int check(sx_plugin *p)
{
    struct bots *b = NULL;
    const int err = make_bots(p, &b);

    free_bots(b);
    return err;
}

static int start(sx_plugin *p)
{
    sx_timer_spec turn = {
        .after_ms = TURN_MS, .every_ms = TURN_MS, .scope = SX_ONE_INSTANCE, .work = work_once
    };
    struct bots *b = NULL;
    int err = make_bots(p, &b);

    if (err < 0)
        return err;
    sx_set_state(p, b);
    if (!b->is_enabled)
        return SX_OK;
    turn.arg = b;
    err = sx_timer_start(p, &turn, NULL);
    if (err == SX_EINVAL)
        sx_log(p, SX_ERROR,
               "one instance at a time needs a lock that a transaction pooler cannot "
               "keep: set \"enabled\" to false, or database.pooler to \"none\"");
    return err;
}

/* An order that has been sent is waited for; the next one is not. */
static void drain(sx_plugin *p)
{
    struct bots *b = sx_state(p);

    __atomic_store_n(&b->is_stopping, true, __ATOMIC_RELAXED);
}

static void stop(sx_plugin *p)
{
    free_bots(sx_state(p));
    sx_set_state(p, NULL);
}

static const char *const uses[] = { "exchange", NULL };

static const sx_route routes[] = {
    { .method = "GET",
      .path = "/bots/status",
      .handler = show_status,
      .operation_id = "botsStatus",
      .tag = "simulator",
      .summary = "What the simulated traders did" },
    { 0 },
};

static const sx_option options[] = {
    { .name = "enabled",
      .type = SX_BOOL,
      .fallback = "true",
      .doc = "Whether they trade; their status is there anyway" },
    { .name = "seed",
      .type = SX_INT,
      .fallback = "1",
      .doc = "What all their chance is made from: the same decisions for the same markets" },
    { .name = "instruments",
      .type = SX_JSON,
      .fallback = "[]",
      .doc = "The symbols they trade; empty: all artists" },
    { .name = "orders_per_minute",
      .type = SX_NUMBER,
      .fallback = "30",
      .doc =
          "Traders who arrive at each instrument, on average; what the dealer does comes on top" },
    { .name = "order_ttl_s",
      .type = SX_INT,
      .fallback = "180",
      .doc = "After so many seconds a trader takes an order back" },
    { .name = "series",
      .type = SX_JSON,
      .fallback = "{}",
      .doc = "Prices to play back as the value of an instrument: {\"AURORA-USD\": [100, 101.5]}" },
    { .name = "series_steps",
      .type = SX_INT,
      .fallback = "1",
      .doc = "How many arrivals each price of a series lasts" },
    { 0 },
};

SX_PLUGIN("bots", "1.0.0", .summary = "Simulated traders", .needs = SX_CAP_DB | SX_CAP_BLOCKING,
          .uses = uses, .routes = routes, .options = options, .migrations = sx_migrations_,
          .check = check, .start = start, .drain = drain, .stop = stop);
