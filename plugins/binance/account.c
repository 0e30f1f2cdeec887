/*
 * account.c - what an account has, pays and has traded.
 */
#include "binance.h"

/* --- account ------------------------------------------------------------------------- */

/* The highest fees of all instruments: each may have its own. */
static void highest_fees(const struct instruments *all, int64_t *ret_maker, int64_t *ret_taker)
{
    int64_t maker = 0, taker = 0;

    for (size_t i = 0; i < all->n; i++) {
        maker = all->v[i]->maker_ppm > maker ? all->v[i]->maker_ppm : maker;
        taker = all->v[i]->taker_ppm > taker ? all->v[i]->taker_ppm : taker;
    }
    *ret_maker = maker;
    *ret_taker = taker;
}

#define PPM 6 /* the scale of a fee */

static void write_rates(sx_json_writer *w, const char *key, int64_t maker_ppm, int64_t taker_ppm)
{
    sx_json_object(sx_json_key(w, key));
    answer_decimal(sx_json_key(w, "maker"), maker_ppm, PPM);
    answer_decimal(sx_json_key(w, "taker"), taker_ppm, PPM);
    answer_decimal(sx_json_key(w, "buyer"), 0, PPM);
    answer_decimal(sx_json_key(w, "seller"), 0, PPM);
    sx_json_end(w);
}

static void write_balances(sx_json_writer *w, const sx_rows *rows, bool leaves_out_zeros)
{
    sx_json_array(sx_json_key(w, "balances"));
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        const int scale = (int)sx_int_at(rows, i, 1);
        const int64_t free = sx_int_at(rows, i, 2), locked = sx_int_at(rows, i, 3);

        if (sx_text_at(rows, i, 0) == NULL || (leaves_out_zeros && free == 0 && locked == 0))
            continue;
        sx_json_object(w);
        sx_json_text(sx_json_key(w, "asset"), sx_text_at(rows, i, 0));
        answer_decimal(sx_json_key(w, "free"), free, scale);
        answer_decimal(sx_json_key(w, "locked"), locked, scale);
        sx_json_end(w);
    }
    sx_json_end(w);
}

static int on_account(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct credential *who = arg;
    struct input in = input_begin(r);
    const bool leaves_out_zeros = input_bool(&in, "omitZeroBalances", false);
    int64_t maker, taker;
    sx_json_writer w = sx_json_begin(r);

    highest_fees(&binance_of(r)->instruments, &maker, &taker);
    sx_json_object(&w);
    sx_json_int(sx_json_key(&w, "makerCommission"), maker / 100);
    sx_json_int(sx_json_key(&w, "takerCommission"), taker / 100);
    sx_json_int(sx_json_key(&w, "buyerCommission"), 0);
    sx_json_int(sx_json_key(&w, "sellerCommission"), 0);
    write_rates(&w, "commissionRates", maker, taker);
    sx_json_bool(sx_json_key(&w, "canTrade"), true);
    sx_json_bool(sx_json_key(&w, "canWithdraw"), false);
    sx_json_bool(sx_json_key(&w, "canDeposit"), false);
    sx_json_bool(sx_json_key(&w, "brokered"), false);
    sx_json_bool(sx_json_key(&w, "requireSelfTradePrevention"), true);
    sx_json_bool(sx_json_key(&w, "preventSor"), true);
    sx_json_int(sx_json_key(&w, "updateTime"), answer_now(r));
    sx_json_text(sx_json_key(&w, "accountType"), "SPOT");
    write_balances(&w, rows, leaves_out_zeros);
    sx_json_array(sx_json_key(&w, "permissions"));
    sx_json_text(&w, "SPOT");
    sx_json_end(&w);
    sx_json_int(sx_json_key(&w, "uid"), who->account);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int account_now(sx_req *r, void *arg)
{
    const struct credential *who = arg;
    struct input in = input_begin(r);

    (void)input_bool(&in, "omitZeroBalances", false);
    if (in.code != 0)
        return input_answer(&in);
    return sx_read(r, on_account, arg,
                   "SELECT b.code, b.scale, b.free, b.hold "
                   "FROM session($1::bigint, $2::int) AS s LEFT JOIN LATERAL "
                   "(SELECT * FROM balances x WHERE x.account = s) b ON true ORDER BY b.asset",
                   SX_PARAMS(sx_int(who->account), sx_int(who->generation)));
}

int show_account(sx_req *r)
{
    return for_trader(r, account_now);
}

/* --- account/commission ---------------------------------------------------------------- */

static int on_session(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instrument *it = arg;
    sx_json_writer w = sx_json_begin(r);

    (void)rows;
    sx_json_object(&w);
    answer_json_symbol(&w, it);
    write_rates(&w, "standardCommission", it->maker_ppm, it->taker_ppm);
    write_rates(&w, "specialCommission", 0, 0);
    write_rates(&w, "taxCommission", 0, 0);
    sx_json_object(sx_json_key(&w, "discount"));
    sx_json_bool(sx_json_key(&w, "enabledForAccount"), false);
    sx_json_bool(sx_json_key(&w, "enabledForSymbol"), false);
    sx_json_null(sx_json_key(&w, "discountAsset"));
    answer_decimal(sx_json_key(&w, "discount"), 0, PPM);
    sx_json_end(&w);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int commission_now(sx_req *r, void *arg)
{
    const struct credential *who = arg;
    struct input in = input_begin(r);
    const struct instrument *it = input_symbol(&in);

    if (in.code != 0)
        return input_answer(&in);
    return sx_read(r, on_session, (void *)(uintptr_t)it, "SELECT session($1::bigint, $2::int)",
                   SX_PARAMS(sx_int(who->account), sx_int(who->generation)));
}

int show_commission(sx_req *r)
{
    return for_trader(r, commission_now);
}

/* --- myTrades ------------------------------------------------------------------------- */

static int on_fills(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instrument *it = arg;
    sx_json_writer w = sx_json_begin(r);

    sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        if (sx_int_at(rows, i, 0) == 0)
            continue;
        sx_json_object(&w);
        answer_json_symbol(&w, it);
        sx_json_int(sx_json_key(&w, "id"), sx_int_at(rows, i, 0));
        sx_json_int(sx_json_key(&w, "orderId"), sx_int_at(rows, i, 1));
        sx_json_int(sx_json_key(&w, "orderListId"), -1);
        answer_decimal(sx_json_key(&w, "price"), sx_int_at(rows, i, 2), it->tick_scale);
        answer_decimal(sx_json_key(&w, "qty"), sx_int_at(rows, i, 3), it->lot_scale);
        answer_decimal(sx_json_key(&w, "quoteQty"), sx_int_at(rows, i, 4), it->quote_scale);
        answer_decimal(sx_json_key(&w, "commission"), sx_int_at(rows, i, 5), it->quote_scale);
        sx_json_text(sx_json_key(&w, "commissionAsset"), it->quote);
        sx_json_int(sx_json_key(&w, "time"), sx_int_at(rows, i, 6));
        sx_json_bool(sx_json_key(&w, "isBuyer"), sx_int_at(rows, i, 7) == ORDER_BUY);
        sx_json_bool(sx_json_key(&w, "isMaker"), sx_int_at(rows, i, 8) != 0);
        sx_json_bool(sx_json_key(&w, "isBestMatch"), true);
        sx_json_end(&w);
    }
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

/* $4: an order, or 0.  Upwards from an id or a time, else the latest; ascending either way. */
#define FILLS(which, direction)                                                        \
    "SELECT f.trade_id, f.order_id, f.price, f.lots, f.notional, f.fee, "              \
    "floor(extract(epoch FROM f.at) * 1000)::bigint, f.side, f.is_maker "              \
    "FROM session($1::bigint, $2::int) AS s LEFT JOIN LATERAL (SELECT * FROM fills x " \
    "WHERE x.account = s AND x.instrument = $3::smallint AND " which                   \
    " AND x.trade_id >= $5::bigint AND x.at >= at_ms($6::bigint) AND x.at < "          \
    "at_ms($7::bigint + 1) ORDER BY x.at " direction ", x.trade_id " direction         \
    " LIMIT $8::int) f ON true ORDER BY f.trade_id"
#define OF_ORDER "x.order_id = $4::bigint"
#define OF_ALL   "$4::bigint = 0"

static int fills_now(sx_req *r, void *arg)
{
    const struct credential *who = arg;
    struct input in = input_begin(r);
    const struct instrument *it = input_symbol(&in);
    const int64_t since = input_time(&in, "startTime", -1);
    const int64_t until = input_time(&in, "endTime", LAST_TIME);
    const int64_t limit = input_limit(&in, 500, 1000);
    int64_t order = 0, from = 0;
    const bool is_order = input_has_int(&in, "orderId", &order);
    const bool goes_up = input_has_int(&in, "fromId", &from) || since >= 0;
    const char *sql = is_order  ? goes_up ? FILLS(OF_ORDER, "ASC") : FILLS(OF_ORDER, "DESC")
                       : goes_up ? FILLS(OF_ALL, "ASC")
                                : FILLS(OF_ALL, "DESC");

    if (in.code != 0)
        return input_answer(&in);
    return sx_read(r, on_fills, (void *)(uintptr_t)it, sql,
                   SX_PARAMS(sx_int(who->account), sx_int(who->generation), sx_int(it->id),
                             sx_int(order), sx_int(from), sx_int(since < 0 ? 0 : since),
                             sx_int(until), sx_int(limit)));
}

int list_fills(sx_req *r)
{
    return for_trader(r, fills_now);
}
