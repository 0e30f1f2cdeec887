/*
 * info.c - what the exchange is and trades.
 */
#include "binance.h"

#include <stdio.h>

static int reply_nothing(sx_req *r)
{
    sx_json_writer w = sx_json_begin(r);

    sx_json_object(&w);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

int ping(sx_req *r)
{
    return reply_nothing(r);
}

int show_time(sx_req *r)
{
    sx_json_writer w = sx_json_begin(r);

    sx_json_object(&w);
    sx_json_int(sx_json_key(&w, "serverTime"), answer_now(r));
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

int refuse_stream(sx_req *r)
{
    return answer_fail(r, 400, UNSUPPORTED_OPERATION,
                       "This operation is not supported: this server has no user data streams.");
}

/* --- exchangeInfo ------------------------------------------------------------------ */

static void begin_filter(sx_json_writer *w, const char *type)
{
    sx_json_object(w);
    sx_json_text(sx_json_key(w, "filterType"), type);
}

static void write_lot_filter(sx_json_writer *w, const char *type, const struct instrument *it)
{
    begin_filter(w, type);
    answer_decimal(sx_json_key(w, "minQty"), 1, it->lot_scale);
    answer_decimal(sx_json_key(w, "maxQty"), it->max_lots, it->lot_scale);
    answer_decimal(sx_json_key(w, "stepSize"), 1, it->lot_scale);
    sx_json_end(w);
}

static void write_filters(sx_json_writer *w, const struct instrument *it)
{
    sx_json_array(sx_json_key(w, "filters"));
    begin_filter(w, "PRICE_FILTER");
    answer_decimal(sx_json_key(w, "minPrice"), 1, it->tick_scale);
    answer_decimal(sx_json_key(w, "maxPrice"), it->max_ticks, it->tick_scale);
    answer_decimal(sx_json_key(w, "tickSize"), 1, it->tick_scale);
    sx_json_end(w);
    write_lot_filter(w, "LOT_SIZE", it);
    write_lot_filter(w, "MARKET_LOT_SIZE", it);
    begin_filter(w, "NOTIONAL");
    answer_decimal(sx_json_key(w, "minNotional"), it->min_funds, it->quote_scale);
    sx_json_bool(sx_json_key(w, "applyMinToMarket"), false);
    answer_decimal(sx_json_key(w, "maxNotional"), it->max_ticks * it->max_lots * it->ticklot_atoms,
                   it->quote_scale);
    sx_json_bool(sx_json_key(w, "applyMaxToMarket"), false);
    sx_json_int(sx_json_key(w, "avgPriceMins"), 5);
    sx_json_end(w);
    sx_json_end(w);
}

static const char *status_of(const struct instrument *it)
{
    return strcmp(it->status, "offline") == 0       ? "BREAK"
           : strcmp(it->status, "cancel_only") == 0 ? "HALT"
                                                    : "TRADING";
}

static void write_texts(sx_json_writer *w, const char *key, const char *const *texts)
{
    sx_json_array(sx_json_key(w, key));
    for (; *texts != NULL; texts++)
        sx_json_text(w, *texts);
    sx_json_end(w);
}

static void write_flags(sx_json_writer *w, const struct instrument *it)
{
    static const char *const off[] = {
        "icebergAllowed",
        "ocoAllowed",
        "otoAllowed",
        "opoAllowed",
        "amendAllowed",
        "allowTrailingStop",
        "cancelReplaceAllowed",
        "pegInstructionsAllowed",
        "isMarginTradingAllowed",
    };

    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        sx_json_bool(sx_json_key(w, off[i]), false);
    sx_json_bool(sx_json_key(w, "quoteOrderQtyMarketAllowed"),
                 strcmp(it->status, "post_only") != 0);
    sx_json_bool(sx_json_key(w, "isSpotTradingAllowed"), true);
}

static void write_symbol(sx_json_writer *w, const struct instrument *it, bool shows_sets)
{
    static const char *const all[] = { "LIMIT", "LIMIT_MAKER", "MARKET", NULL };
    static const char *const maker[] = { "LIMIT_MAKER", NULL };
    static const char *const spot[] = { "SPOT", NULL };
    static const char *const modes[] = { "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT",
                                         NULL };

    sx_json_object(w);
    answer_json_symbol(w, it);
    sx_json_text(sx_json_key(w, "status"), status_of(it));
    sx_json_text(sx_json_key(w, "baseAsset"), it->base);
    sx_json_int(sx_json_key(w, "baseAssetPrecision"), it->base_scale);
    sx_json_text(sx_json_key(w, "quoteAsset"), it->quote);
    sx_json_int(sx_json_key(w, "quotePrecision"), it->quote_scale);
    sx_json_int(sx_json_key(w, "quoteAssetPrecision"), it->quote_scale);
    sx_json_int(sx_json_key(w, "baseCommissionPrecision"), it->base_scale);
    sx_json_int(sx_json_key(w, "quoteCommissionPrecision"), it->quote_scale);
    write_texts(w, "orderTypes", strcmp(it->status, "post_only") == 0 ? maker : all);
    write_flags(w, it);
    write_filters(w, it);
    write_texts(w, "permissions", spot);
    sx_json_array(sx_json_key(w, "permissionSets"));
    if (shows_sets) {
        sx_json_array(w);
        sx_json_text(w, "SPOT");
        sx_json_end(w);
    }
    sx_json_end(w);
    sx_json_text(sx_json_key(w, "defaultSelfTradePreventionMode"), "EXPIRE_MAKER");
    write_texts(w, "allowedSelfTradePreventionModes", modes);
    sx_json_end(w);
}

/* "SPOT", or a JSON array of names: whether it is among them. */
static bool permits_spot(const char *permissions)
{
    return permissions == NULL || strcmp(permissions, "SPOT") == 0 ||
           strstr(permissions, "\"SPOT\"") != NULL;
}

static int info_now(sx_req *r, void *arg)
{
    struct input in = input_begin(r);
    const bool has_spot = permits_spot(input_text(&in, "permissions"));
    const bool shows_sets = input_bool(&in, "showPermissionSets", true);
    const char *status = input_text(&in, "symbolStatus");
    struct selection s;
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    input_selection(&in, &s);
    if (in.code != 0)
        return input_answer(&in);
    sx_json_object(&w);
    sx_json_text(sx_json_key(&w, "timezone"), "UTC");
    sx_json_int(sx_json_key(&w, "serverTime"), answer_now(r));
    sx_json_array(sx_json_key(&w, "rateLimits"));
    sx_json_end(&w);
    sx_json_array(sx_json_key(&w, "exchangeFilters"));
    sx_json_end(&w);
    sx_json_array(sx_json_key(&w, "symbols"));
    for (size_t i = 0; has_spot && i < s.n; i++)
        if (status == NULL || strcmp(status, status_of(s.v[i])) == 0)
            write_symbol(&w, s.v[i], shows_sets);
    sx_json_end(&w);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

int show_info(sx_req *r)
{
    return for_all(r, info_now);
}
