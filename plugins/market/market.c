/*
 * market - a page for people: the books, tapes and candles of all instruments as they change, and
 * an account to practise with.
 *
 * The page is a few files; what moves in it comes from the plugin `exchange`, whose addresses the
 * page asks for, because the operator mounts plugins where he likes.
 */
#include "market.h"

#include "migrations.h"

#include <stdio.h>

#define CACHE "no-cache" /* asked again each time, and answered 304 by its tag */

/* Nothing but our own files: no inline script or style, no other origin, no frame around. */
static const char policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/* --- Files ------------------------------------------------------------------------------ */

static int send_file(sx_req *r, const char *path)
{
    static const char *const headers[][2] = {
        { "Content-Security-Policy", policy },
        { "X-Content-Type-Options", "nosniff" },
        { "Referrer-Policy", "no-referrer" },
        { "Cross-Origin-Opener-Policy", "same-origin" },
        { "Cache-Control", CACHE },
    };
    int err = SX_OK;

    for (size_t i = 0; i < sizeof headers / sizeof *headers && err == SX_OK; i++)
        err = sx_set_header(r, headers[i][0], headers[i][1]);
    return err < 0 ? err : sx_reply_file(r, sx_config_text(sx_req_plugin(r), "root"), path);
}

static int show_page(sx_req *r)
{
    return send_file(r, "index.html");
}

static int show_file(sx_req *r)
{
    return send_file(r, sx_path_text(r, "path"));
}

/* --- Where things are --------------------------------------------------------------------- */

/* The beginning of the paths of the exchange, up to its "/products", or "/sim/stream/": NULL when it
 * does not serve that. */
static const char *path_of(sx_req *r, const char *end)
{
    sx_route_info route;

    for (uint32_t i = 0; sx_route_at(sx_req_plugin(r), i, &route) == SX_OK; i++) {
        const char *at = strcmp(route.plugin, "exchange") == 0 ? strstr(route.path, end) : NULL;

        if (at != NULL && strcmp(route.method, "GET") == 0) {
            const size_t len = (size_t)(at - route.path) + strlen(end);
            char *path = sx_req_alloc(r, len + 1);

            return path == NULL ? NULL : memcpy(path, route.path, len);
        }
    }
    return NULL;
}

static int show_settings(sx_req *r)
{
    sx_json_writer w = sx_json_begin(r);

    sx_json_object(&w);
    sx_json_text(sx_json_key(&w, "products"), path_of(r, "/products"));
    sx_json_text(sx_json_key(&w, "stream"), path_of(r, "/sim/stream/"));
    sx_json_text(sx_json_key(&w, "instruments"), sx_route_url(r, "marketInstruments", NULL));
    sx_json_text(sx_json_key(&w, "account"), sx_route_url(r, "marketAccount", NULL));
    sx_json_text(sx_json_key(&w, "orders"), sx_route_url(r, "marketOrders", NULL));
    sx_json_bool(sx_json_key(&w, "allows_accounts"), market_of(r)->allows_accounts);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

/* --- Instruments ------------------------------------------------------------------------------ */

static void write_price(sx_json_writer *w, const char *key, const struct instrument *it,
                        const sx_rows *rows, uint32_t row, uint32_t column)
{
    if (sx_text_at(rows, row, column) == NULL)
        sx_json_null(sx_json_key(w, key));
    else
        decimal_json(sx_json_key(w, key), sx_int_at(rows, row, column), it->tick_scale);
}

static void write_instrument(sx_json_writer *w, const struct instrument *it, const sx_rows *rows,
                             uint32_t row)
{
    sx_json_object(w);
    sx_json_text(sx_json_key(w, "id"), it->symbol);
    sx_json_text(sx_json_key(w, "base"), it->base);
    sx_json_text(sx_json_key(w, "quote"), it->quote);
    sx_json_text(sx_json_key(w, "name"), it->base_name);
    sx_json_text(sx_json_key(w, "status"), it->status);
    sx_json_int(sx_json_key(w, "price_scale"), it->tick_scale);
    sx_json_int(sx_json_key(w, "size_scale"), it->lot_scale);
    decimal_json_number(sx_json_key(w, "maker_percent"), it->maker_ppm, 4);
    decimal_json_number(sx_json_key(w, "taker_percent"), it->taker_ppm, 4);
    if (it->ranking > 0) {
        sx_json_text(sx_json_key(w, "genre"), it->genre);
        sx_json_int(sx_json_key(w, "ranking"), it->ranking);
        sx_json_int(sx_json_key(w, "expires"), it->expires_us / 1000);
    }
    write_price(w, "last", it, rows, row, 1);
    write_price(w, "open", it, rows, row, 2);
    write_price(w, "high", it, rows, row, 3);
    write_price(w, "low", it, rows, row, 4);
    decimal_json(sx_json_key(w, "volume"), sx_int_at(rows, row, 5), it->lot_scale);
    sx_json_int(sx_json_key(w, "trades"), sx_int_at(rows, row, 6));
    sx_json_end(w);
}

static int on_instruments(sx_req *r, const sx_rows *rows, void *arg)
{
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        const struct instrument *it = instrument_by_id(&market_of(r)->instruments,
                                                       sx_int_at(rows, i, 0));

        if (it != NULL)
            write_instrument(&w, it, rows, i);
    }
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int read_instruments(sx_req *r, void *arg)
{
    (void)arg;
    return sx_read(r, on_instruments, NULL,
                   "SELECT s.instrument, s.last, s.open, s.high, s.low, "
                   "least(s.lots, 9e18)::bigint, s.n_trades FROM stats s ORDER BY s.symbol",
                   SX_NONE);
}

static int list_instruments(sx_req *r)
{
    return instruments_with(r, &market_of(r)->instruments, read_instruments, NULL);
}

/* --- The plugin ---------------------------------------------------------------------------- */

static int refuse(sx_plugin *p, const char *what)
{
    sx_log(p, SX_ERROR, "%s", what);
    return SX_EINVAL;
}

/* Decimal text for each code; whether there is such an asset is seen when an account is opened. */
static int check_money(sx_plugin *p)
{
    json_t *all = json_object_get(sx_config(p), "practice_money"), *amount;
    const char *code;
    int64_t atoms;

    if (!json_is_object(all) || json_object_size(all) > 16)
        return refuse(p, "practice_money: expected an object, such as {\"USD\": \"100000\"}");
    json_object_foreach(all, code, amount)
    {
        if (strlen(code) >= INSTRUMENT_CODE || !json_is_string(amount) ||
            decimal_parse(json_string_value(amount), 8, &atoms) != DECIMAL_OK)
            return refuse(p, "practice_money: expected decimal text, such as {\"USD\": "
                             "\"100000\"}");
    }
    return SX_OK;
}

static int read_options(sx_plugin *p, struct market *m)
{
    const char *allows = sx_config_text(p, "practice_accounts");

    m->master = credential_master(p);
    m->money = json_object_get(sx_config(p), "practice_money");
    m->each_per_minute = sx_config_int(p, "accounts_per_client");
    m->all_per_minute = sx_config_int(p, "accounts_per_minute");
    m->allows_accounts = strcmp(allows, "on") == 0 ||
                         (strcmp(allows, "auto") == 0 && strcmp(sx_env(p), "production") != 0);
    if (m->master == NULL)
        return SX_EINVAL;
    if (strcmp(allows, "on") != 0 && strcmp(allows, "off") != 0 && strcmp(allows, "auto") != 0)
        return refuse(p, "practice_accounts: expected \"on\", \"off\" or \"auto\"");
    if (m->each_per_minute < 1 || m->each_per_minute > 1000000 || m->all_per_minute < 1 ||
        m->all_per_minute > 1000000)
        return refuse(p, "accounts_per_client, accounts_per_minute: expected 1 to 1000000");
    return check_money(p);
}

static int check(sx_plugin *p)
{
    struct market m = { 0 };

    return read_options(p, &m);
}

static int start(sx_plugin *p)
{
    struct market *m = calloc(1, sizeof *m);
    const int err = m == NULL ? SX_ENOMEM : read_options(p, m);

    if (err < 0)
        free(m);
    else
        sx_set_state(p, m);
    return err;
}

static void stop(sx_plugin *p)
{
    struct market *m = sx_state(p);

    if (m != NULL)
        instruments_free(&m->instruments);
    free(m);
    sx_set_state(p, NULL);
}

static const char *const uses[] = { "exchange", NULL };

static const sx_field file_params[] = {
    { .name = "path", .in = SX_IN_PATH, .type = SX_TEXT, .doc = "Of a file below root" },
    { 0 },
};

static const sx_field own_params[] = {
    { .name = "X-Market",
      .in = SX_IN_HEADER,
      .type = SX_TEXT,
      .required = 1,
      .doc = "Anything: a page of another origin cannot send it" },
    { 0 },
};

static const sx_field cancel_params[] = {
    { .name = "id", .in = SX_IN_PATH, .type = SX_INT, .doc = "Number of the order" },
    { .name = "X-Market",
      .in = SX_IN_HEADER,
      .type = SX_TEXT,
      .required = 1,
      .doc = "Anything: a page of another origin cannot send it" },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET",
      .path = "/market",
      .handler = show_page,
      .operation_id = "marketPage",
      .tag = "market",
      .summary = "The page: live books, tapes and candles, and an account to practise with" },
    { .method = "GET",
      .path = "/market/files/{path...}",
      .handler = show_file,
      .operation_id = "marketFile",
      .tag = "market",
      .params = file_params,
      .summary = "A file of the page" },
    { .method = "GET",
      .path = "/market/settings",
      .handler = show_settings,
      .operation_id = "marketSettings",
      .tag = "market",
      .summary = "Where the page finds what it shows" },
    { .method = "GET",
      .path = "/market/instruments",
      .handler = list_instruments,
      .operation_id = "marketInstruments",
      .tag = "market",
      .summary = "All instruments with their last 24 hours" },
    { .method = "POST",
      .path = "/market/account",
      .handler = open_account,
      .operation_id = "marketOpenAccount",
      .tag = "market",
      .body_schema = "{\"type\":\"object\"}",
      .max_body = 1024,
      .params = own_params,
      .summary = "Open an account with practice money; its key is set as a cookie" },
    { .method = "GET",
      .path = "/market/account",
      .handler = show_account,
      .operation_id = "marketAccount",
      .tag = "market",
      .summary = "Balances, open orders and fills of the cookie's account" },
    { .method = "POST",
      .path = "/market/orders",
      .handler = place_order,
      .operation_id = "marketOrders",
      .tag = "market",
      .body_schema = "{\"type\":\"object\"}",
      .max_body = 4096,
      .params = own_params,
      .summary = "Place an order for the cookie's account" },
    { .method = "DELETE",
      .path = "/market/orders/{id}",
      .handler = cancel_order,
      .operation_id = "marketCancelOrder",
      .tag = "market",
      .params = cancel_params,
      .summary = "Cancel an order of the cookie's account" },
    { 0 },
};

static const sx_option options[] = {
    { .name = "root",
      .type = SX_TEXT,
      .fallback = "\"plugins/market/static\"",
      .doc = "Folder of the page, from the folder that holds the configuration's folder" },
    { .name = "signing_secret",
      .type = SX_SECRET,
      .required = 1,
      .doc = "The one of the exchange, which the keys of accounts are made from" },
    { .name = "practice_accounts",
      .type = SX_TEXT,
      .fallback = "\"auto\"",
      .doc = "Whether anybody may open one: on, off, or auto: not in production" },
    { .name = "practice_money",
      .type = SX_JSON,
      .fallback = "{\"USD\": \"100000\", \"BTC\": \"1\", \"ETH\": \"20\"}",
      .doc = "What a practice account begins with" },
    { .name = "accounts_per_client",
      .type = SX_INT,
      .fallback = "10",
      .doc = "How many accounts one address may open in a minute" },
    { .name = "accounts_per_minute",
      .type = SX_INT,
      .fallback = "100",
      .doc = "How many accounts all together may open in a minute" },
    { 0 },
};

SX_PLUGIN("market", "1.0.0", .summary = "A page for people", .needs = SX_CAP_DB, .uses = uses,
          .routes = routes, .options = options, .migrations = sx_migrations_, .check = check,
          .start = start, .stop = stop);
