/*
 * exchange.c - a practice exchange: the Coinbase Exchange dialect, and what is ours below /sim.
 */
#include "exchange.h"

#include "migrations.h"
#include "rate.h"

#include <stdio.h>

/* The administrator's token where none is configured: outside of production, the same on every
 * instance. */
static int make_admin(sx_plugin *p, struct exchange *x)
{
    const char *token = sx_config_text(p, "admin_token");
    const sx_span purpose = { "administrator", 13 };
    uint8_t bytes[CREDENTIAL_HMAC];

    if (token != NULL && *token != '\0') {
        if (strlen(token) >= sizeof x->admin) {
            sx_log(p, SX_ERROR, "admin_token: expected at most %zu bytes", sizeof x->admin - 1);
            return SX_EINVAL;
        }
        (void)snprintf(x->admin, sizeof x->admin, "%s", token);
        return SX_OK;
    }
    if (strcmp(sx_env(p), "production") == 0)
        return SX_OK;
    if (!credential_hmac(x->master, strlen(x->master), &purpose, 1, bytes))
        return SX_ENOMEM;
    for (size_t i = 0; i < 16; i++)
        (void)snprintf(x->admin + 2 * i, 3, "%02x", bytes[i]);
    if (sx_this_worker(p).index == 0)
        sx_log(p, SX_INFO,
               "no admin_token is set: /sim/accounts takes \"Authorization: Bearer %s\"", x->admin);
    return SX_OK;
}

static int check(sx_plugin *p)
{
    const int64_t rate = sx_config_int(p, "requests_per_second");

    if (rate < 0 || rate > 1000000) {
        sx_log(p, SX_ERROR, "requests_per_second: expected 0 to 1000000, found %lld",
               (long long)rate);
        return SX_EINVAL;
    }
    if (sx_config_int(p, "feed_hours") < 1) {
        sx_log(p, SX_ERROR, "feed_hours: expected 1 or more, found %lld",
               (long long)sx_config_int(p, "feed_hours"));
        return SX_EINVAL;
    }
    return credential_master(p) == NULL ? SX_EINVAL : SX_OK;
}

static int start(sx_plugin *p)
{
    struct exchange *x;
    int err = check(p);

    if (err < 0)
        return err;
    x = calloc(1, sizeof *x);
    if (x == NULL)
        return SX_ENOMEM;
    sx_set_state(p, x);
    x->plugin = p;
    x->master = sx_config_text(p, "signing_secret");
    x->feed = feed_new(p);
    if (sx_config_int(p, "requests_per_second") > 0)
        x->rates = rates_new(sx_config_int(p, "requests_per_second"));
    if (x->feed == NULL || (x->rates == NULL && sx_config_int(p, "requests_per_second") > 0))
        return SX_ENOMEM;
    err = make_admin(p, x);
    return err < 0 ? err : upkeep_start(p);
}

static void stop(sx_plugin *p)
{
    struct exchange *x = sx_state(p);

    if (x != NULL) {
        feed_free(x->feed);
        rates_free(x->rates);
        instruments_free(&x->instruments);
        text_free(&x->text);
    }
    free(x);
    sx_set_state(p, NULL);
}

/* Numbers are declared as text: this dialect has its own words for what is none.  Cursors are
 * what CB-BEFORE and CB-AFTER of the last answer said. */
static const sx_field list_params[] = {
    { .name = "limit", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "How many, at most 1000" },
    { .name = "after", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "Older than this cursor" },
    { .name = "before", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "Newer than this cursor" },
    { 0 },
};

static const sx_field listing_params[] = {
    { .name = "status", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "open, done, all; repeated" },
    { .name = "product_id", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "Such as BTC-USD" },
    { .name = "start_date", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "ISO 8601" },
    { .name = "end_date", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "ISO 8601" },
    { .name = "limit", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "How many, at most 1000" },
    { .name = "after", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "Older than this cursor" },
    { .name = "before", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "Newer than this cursor" },
    { 0 },
};

static const sx_field book_params[] = {
    { .name = "level", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "1, 2 or 3" },
    { .name = "limit", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "Prices of a side, by level 2" },
    { 0 },
};

static const sx_field stream_params[] = {
    { .name = "Last-Event-ID",
      .in = SX_IN_HEADER,
      .type = SX_TEXT,
      .doc = "Go on after this event" },
    { .name = "last_event_id", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "The same" },
    { 0 },
};

static const sx_field candle_params[] = {
    { .name = "granularity",
      .in = SX_IN_QUERY,
      .type = SX_TEXT,
      .doc = "Seconds: 60, 300, 900, 3600, 21600 or 86400" },
    { .name = "start", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "ISO 8601 or seconds" },
    { .name = "end", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "ISO 8601 or seconds" },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET",
      .path = "/time",
      .handler = show_time,
      .tag = "market data",
      .summary = "The server's time" },
    { .method = "GET",
      .path = "/currencies",
      .handler = list_currencies,
      .tag = "market data",
      .summary = "All assets" },
    { .method = "GET",
      .path = "/currencies/{id}",
      .handler = list_currencies,
      .tag = "market data",
      .summary = "One asset" },
    { .method = "GET",
      .path = "/products",
      .handler = list_products,
      .tag = "market data",
      .summary = "All instruments" },
    { .method = "GET",
      .path = "/products/spark-lines",
      .handler = list_spark_lines,
      .tag = "market data",
      .summary = "Prices of the last 24 hours" },
    { .method = "GET",
      .path = "/products/{id}",
      .handler = show_product,
      .tag = "market data",
      .summary = "One instrument" },
    { .method = "GET",
      .path = "/products/{id}/book",
      .handler = show_book,
      .params = book_params,
      .tag = "market data",
      .summary = "The order book by level 1 (best), 2 (prices) or 3 (orders)" },
    { .method = "GET",
      .path = "/products/{id}/ticker",
      .handler = show_ticker,
      .tag = "market data",
      .summary = "The last trade and the best prices" },
    { .method = "GET",
      .path = "/products/{id}/trades",
      .handler = list_trades,
      .params = list_params,
      .tag = "market data",
      .summary = "Trades, newest first" },
    { .method = "GET",
      .path = "/products/{id}/candles",
      .handler = list_candles,
      .params = candle_params,
      .tag = "market data",
      .summary = "Candles, newest first" },
    { .method = "GET",
      .path = "/products/{id}/stats",
      .handler = show_stats,
      .tag = "market data",
      .summary = "The last 24 hours" },
    { .method = "GET",
      .path = "/accounts",
      .handler = list_accounts,
      .tag = "account",
      .summary = "Balances" },
    { .method = "GET",
      .path = "/accounts/{id}",
      .handler = show_account,
      .tag = "account",
      .summary = "One balance" },
    { .method = "GET",
      .path = "/accounts/{id}/ledger",
      .handler = list_ledger,
      .params = list_params,
      .tag = "account",
      .summary = "What changed a balance, newest first" },
    { .method = "GET",
      .path = "/accounts/{id}/holds",
      .handler = list_holds,
      .tag = "account",
      .summary = "What a balance is held for" },
    { .method = "GET",
      .path = "/fees",
      .handler = show_fees,
      .tag = "account",
      .summary = "Fee rates and the volume of 30 days" },
    { .method = "POST",
      .path = "/orders",
      .handler = place_order,
      .tag = "orders",
      .summary = "Place an order" },
    { .method = "GET",
      .path = "/orders",
      .handler = list_orders,
      .params = listing_params,
      .tag = "orders",
      .summary = "Orders, newest first" },
    { .method = "DELETE",
      .path = "/orders",
      .handler = cancel_orders,
      .tag = "orders",
      .summary = "Cancel all orders, or those of one instrument" },
    { .method = "GET",
      .path = "/orders/{id}",
      .handler = show_order,
      .tag = "orders",
      .summary = "One order" },
    { .method = "DELETE",
      .path = "/orders/{id}",
      .handler = cancel_order,
      .tag = "orders",
      .summary = "Cancel an order" },
    { .method = "GET",
      .path = "/orders/client:{oid}",
      .handler = show_order,
      .tag = "orders",
      .summary = "One order, by the client's id" },
    { .method = "DELETE",
      .path = "/orders/client:{oid}",
      .handler = cancel_order,
      .tag = "orders",
      .summary = "Cancel an order, by the client's id" },
    { .method = "GET",
      .path = "/fills",
      .handler = list_fills,
      .tag = "orders",
      .summary = "Fills, newest first" },
    { .method = "GET",
      .path = "/sim/stream/{id}",
      .handler = open_stream,
      .params = stream_params,
      .tag = "market data",
      .summary = "The feed of one instrument as server-sent events" },
    { .method = "WEBSOCKET",
      .path = "/",
      .handler = open_socket,
      .tag = "market data",
      .summary = "Channels level2, matches, ticker, heartbeat, full and user" },
    { .method = "POST",
      .path = "/sim/accounts",
      .handler = open_account,
      .body_schema = "{\"type\":\"object\"}",
      .tag = "simulator",
      .summary = "Open an account (administrator)" },
    { .method = "POST",
      .path = "/sim/deposit",
      .handler = make_deposit,
      .body_schema = "{\"type\":\"object\"}",
      .tag = "simulator",
      .summary = "Pay into an account (administrator)" },
    { .method = "POST",
      .path = "/sim/reset",
      .handler = reset_account,
      .body_schema = "{\"type\":\"object\"}",
      .tag = "simulator",
      .summary = "Cancel all orders of an account and set its balances (administrator)" },
    { .method = "GET",
      .path = "/sim/audit",
      .handler = show_audit,
      .timeout_ms = 60000,
      .tag = "simulator",
      .summary = "Count violations of the books' rules (administrator)" },
    { 0 },
};

static const sx_option options[] = {
    { .name = "signing_secret",
      .type = SX_SECRET,
      .required = 1,
      .doc = "What all keys of accounts are made from: 32 bytes or more, the same everywhere" },
    { .name = "admin_token",
      .type = SX_SECRET,
      .fallback = "\"\"",
      .doc =
          "Opens accounts; made from signing_secret and printed when it is not set, but never in "
          "production" },
    { .name = "requests_per_second",
      .type = SX_INT,
      .fallback = "0",
      .doc = "Private calls of an account in each worker, then 429; 0: no limit" },
    { .name = "feed_hours",
      .type = SX_INT,
      .fallback = "24",
      .doc = "How long events are kept for streams that resume" },
    { 0 },
};

SX_PLUGIN("exchange", "1.0.0", .summary = "A practice exchange in the Coinbase dialect",
          .needs = SX_CAP_DB | SX_CAP_STREAM, .routes = routes, .options = options,
          .migrations = sx_migrations_, .check = check, .start = start, .stop = stop);
