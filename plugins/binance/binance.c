/*
 * binance.c - the Binance spot dialect over the exchange of the plugin `exchange`.
 */
#include "binance.h"

#include "migrations.h"

static int check(sx_plugin *p)
{
    return credential_master(p) == NULL ? SX_EINVAL : SX_OK;
}

static int start(sx_plugin *p)
{
    const char *master = credential_master(p);
    struct binance *b;

    if (master == NULL)
        return SX_EINVAL;
    b = calloc(1, sizeof *b);
    if (b == NULL)
        return SX_ENOMEM;
    b->master = master;
    sx_set_state(p, b);
    return SX_OK;
}

static void stop(sx_plugin *p)
{
    struct binance *b = sx_state(p);

    if (b != NULL)
        instruments_free(&b->instruments);
    free(b);
    sx_set_state(p, NULL);
}

/* Names are declared for those who read the description of the routes; what is wrong with a value
 * is said in this dialect. */
#define QUERY(name_, doc_)                                             \
    {                                                                  \
        .name = name_, .in = SX_IN_QUERY, .type = SX_TEXT, .doc = doc_ \
    }
#define SYMBOL QUERY("symbol", "Base and quote side by side: BTCUSD")
#define LIMIT  QUERY("limit", "How many")
#define SINCE  QUERY("startTime", "Milliseconds since 1970")
#define UNTIL  QUERY("endTime", "Milliseconds since 1970")
#define SIGNED                                                                            \
    QUERY("timestamp", "Milliseconds since 1970; the header X-MBX-APIKEY names the key"), \
        QUERY("recvWindow", "How old a request may be: 5000 ms if not given"),            \
        QUERY("signature", "Hexadecimal HMAC-SHA256 of the other parameters, as sent")

static const sx_field info_params[] = {
    SYMBOL,
    QUERY("symbols", "A JSON array of symbols"),
    QUERY("permissions", "SPOT, or a JSON array"),
    QUERY("showPermissionSets", "true or false"),
    QUERY("symbolStatus", "TRADING, HALT or BREAK"),
    { 0 },
};
static const sx_field symbol_params[] = { SYMBOL, { 0 } };
static const sx_field page_params[] = { SYMBOL, LIMIT, { 0 } };
static const sx_field old_params[] = { SYMBOL, LIMIT, QUERY("fromId", "The first trade"), { 0 } };
static const sx_field agg_params[] = { SYMBOL, LIMIT, QUERY("fromId", "The first trade"),
                                       SINCE,  UNTIL, { 0 } };
static const sx_field candle_params[] = {
    SYMBOL, QUERY("interval", "1m to 1M"),
    LIMIT,  SINCE,
    UNTIL,  QUERY("timeZone", "Hours ahead of UTC: 2, -11:30"),
    { 0 },
};
static const sx_field ticker_params[] = {
    SYMBOL, QUERY("symbols", "A JSON array of symbols"), QUERY("type", "FULL or MINI"), { 0 }
};
static const sx_field new_order_params[] = {
    SYMBOL,
    QUERY("side", "BUY or SELL"),
    QUERY("type", "LIMIT, MARKET or LIMIT_MAKER"),
    QUERY("timeInForce", "GTC, IOC or FOK; of a LIMIT"),
    QUERY("quantity", "Of the base"),
    QUERY("quoteOrderQty", "Of the quote, fees included; of a MARKET instead of quantity"),
    QUERY("price", "Of a LIMIT or LIMIT_MAKER"),
    QUERY("newClientOrderId", "Up to 36 characters, unique for ever in an account"),
    QUERY("newOrderRespType", "ACK, RESULT or FULL"),
    QUERY("selfTradePreventionMode", "EXPIRE_MAKER if not given"),
    SIGNED,
    { 0 },
};
static const sx_field order_params_[] = {
    SYMBOL,
    QUERY("orderId", "The number"),
    QUERY("origClientOrderId", "Or the client's name"),
    QUERY("newClientOrderId", "The client's name of a cancel"),
    SIGNED,
    { 0 },
};
static const sx_field list_params[] = {
    SYMBOL, QUERY("orderId", "From this one on"), LIMIT, SINCE, UNTIL, SIGNED, { 0 }
};
static const sx_field fill_params[] = {
    SYMBOL,
    QUERY("orderId", "Of this order"),
    QUERY("fromId", "From this trade on"),
    LIMIT,
    SINCE,
    UNTIL,
    SIGNED,
    { 0 },
};
static const sx_field own_params[] = { SYMBOL, SIGNED, { 0 } };

#define MAX_BODY 65536
#define ROUTE(method_, path_, handler_, params_, summary_)                                   \
    {                                                                                        \
        .method = method_, .path = "/api/v3/" path_, .handler = handler_, .params = params_, \
        .max_body = MAX_BODY, .tag = "binance", .summary = summary_                          \
    }

static const sx_route routes[] = {
    ROUTE("GET", "ping", ping, NULL, "Whether it is there"),
    ROUTE("GET", "time", show_time, NULL, "The server's clock"),
    ROUTE("GET", "exchangeInfo", show_info, info_params, "What is traded, and its filters"),
    ROUTE("GET", "depth", show_depth, page_params, "The levels of a book"),
    ROUTE("GET", "trades", list_trades, page_params, "The last trades"),
    ROUTE("GET", "historicalTrades", list_old_trades, old_params, "Trades from an id on"),
    ROUTE("GET", "aggTrades", list_agg_trades, agg_params, "Trades from an id or a time on"),
    ROUTE("GET", "klines", list_candles, candle_params, "Candles"),
    ROUTE("GET", "uiKlines", list_candles, candle_params, "Candles, for charts"),
    ROUTE("GET", "avgPrice", show_average, symbol_params, "The average of five minutes"),
    ROUTE("GET", "ticker/24hr", show_day, ticker_params, "What 24 hours have brought"),
    ROUTE("GET", "ticker/price", show_price, ticker_params, "The last price"),
    ROUTE("GET", "ticker/bookTicker", show_best, ticker_params, "The best bid and ask"),
    ROUTE("POST", "order", place_order, new_order_params, "Place an order (signed)"),
    ROUTE("POST", "order/test", test_order, new_order_params, "Check an order (signed)"),
    ROUTE("GET", "order", show_order, order_params_, "One order (signed)"),
    ROUTE("DELETE", "order", cancel_order, order_params_, "Cancel an order (signed)"),
    ROUTE("GET", "openOrders", list_open_orders, own_params, "Orders in the book (signed)"),
    ROUTE("DELETE", "openOrders", cancel_open_orders, own_params,
          "Cancel all orders of a symbol (signed)"),
    ROUTE("GET", "allOrders", list_orders, list_params, "Orders of a symbol (signed)"),
    ROUTE("GET", "myTrades", list_fills, fill_params, "One's own trades (signed)"),
    ROUTE("GET", "account", show_account, own_params, "Balances and fees (signed)"),
    ROUTE("GET", "account/commission", show_commission, own_params, "Fees of a symbol (signed)"),
    ROUTE("POST", "userDataStream", refuse_stream, NULL, "Not offered: says so"),
    ROUTE("PUT", "userDataStream", refuse_stream, NULL, "Not offered: says so"),
    ROUTE("DELETE", "userDataStream", refuse_stream, NULL, "Not offered: says so"),
    { 0 },
};

static const sx_option options[] = {
    { .name = "signing_secret",
      .type = SX_SECRET,
      .required = 1,
      .doc = "The same as that of the plugin exchange, whose keys this one takes" },
    { 0 },
};

static const char *const uses[] = { "exchange", NULL };

SX_PLUGIN("binance", "1.0.0", .summary = "The practice exchange in the Binance spot dialect",
          .needs = SX_CAP_DB, .routes = routes, .options = options, .uses = uses,
          .migrations = sx_migrations_, .check = check, .start = start, .stop = stop);
