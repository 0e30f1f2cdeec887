/*
 * tape.c - the book and the trades.
 */
#include "binance.h"

/* --- depth ----------------------------------------------------------------------------- */

static void write_side(sx_json_writer *w, const struct instrument *it, const sx_rows *rows,
                       int32_t side)
{
    sx_json_array(sx_json_key(w, side == ORDER_BUY ? "bids" : "asks"));
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        const int64_t key = sx_int_at(rows, i, 2);

        if (sx_int_at(rows, i, 1) != side)
            continue;
        sx_json_array(w);
        answer_decimal(w, key < 0 ? -key : key, it->tick_scale);
        answer_decimal(w, sx_int_at(rows, i, 3), it->lot_scale);
        sx_json_end(w);
    }
    sx_json_end(w);
}

static int on_depth(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instrument *it = arg;
    sx_json_writer w = sx_json_begin(r);

    sx_json_object(&w);
    sx_json_int(sx_json_key(&w, "lastUpdateId"), sx_int_at(rows, 0, 0));
    write_side(&w, it, rows, ORDER_BUY);
    write_side(&w, it, rows, ORDER_SELL);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

/* Orders are summed here, level by level: the scan ends with the last one that is wanted. */
#define LEVELS(side)                                                                         \
    "(SELECT " side " AS side, b.key, sum(b.lots)::bigint AS lots FROM book_orders b "       \
    "WHERE b.instrument = $1::smallint AND b.side = " side " GROUP BY b.key ORDER BY b.key " \
    "LIMIT $2::int)"

static int depth_now(sx_req *r, void *arg)
{
    struct input in = input_begin(r);
    const struct instrument *it = input_symbol(&in);
    const int64_t limit = input_limit(&in, 100, 5000);

    (void)arg;
    if (in.code != 0)
        return input_answer(&in);
    return sx_read(r, on_depth, (void *)(uintptr_t)it,
                   "SELECT m.seq, l.side, l.key, l.lots FROM markets m LEFT JOIN (" LEVELS(
                       "1") " UNION ALL " LEVELS("-1") ") l ON true "
                                                       "WHERE m.instrument = $1::smallint "
                                                       "ORDER BY l.side, l.key",
                   SX_PARAMS(sx_int(it->id), sx_int(limit)));
}

int show_depth(sx_req *r)
{
    return for_all(r, depth_now);
}

/* --- trades ---------------------------------------------------------------------------- */

/* The taker sold, so the buyer was the maker. */
static bool buyer_was_maker(const sx_rows *rows, uint32_t row)
{
    return sx_int_at(rows, row, 5) == ORDER_SELL;
}

static int on_trades(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instrument *it = arg;
    sx_json_writer w = sx_json_begin(r);

    sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        sx_json_object(&w);
        sx_json_int(sx_json_key(&w, "id"), sx_int_at(rows, i, 0));
        answer_decimal(sx_json_key(&w, "price"), sx_int_at(rows, i, 1), it->tick_scale);
        answer_decimal(sx_json_key(&w, "qty"), sx_int_at(rows, i, 2), it->lot_scale);
        answer_decimal(sx_json_key(&w, "quoteQty"), sx_int_at(rows, i, 3), it->quote_scale);
        sx_json_int(sx_json_key(&w, "time"), sx_int_at(rows, i, 4));
        sx_json_bool(sx_json_key(&w, "isBuyerMaker"), buyer_was_maker(rows, i));
        sx_json_bool(sx_json_key(&w, "isBestMatch"), true);
        sx_json_end(&w);
    }
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

/* Each trade is an aggregate of its own: ids stay those of the trades. */
static int on_agg_trades(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instrument *it = arg;
    sx_json_writer w = sx_json_begin(r);

    sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        const int64_t id = sx_int_at(rows, i, 0);

        sx_json_object(&w);
        sx_json_int(sx_json_key(&w, "a"), id);
        answer_decimal(sx_json_key(&w, "p"), sx_int_at(rows, i, 1), it->tick_scale);
        answer_decimal(sx_json_key(&w, "q"), sx_int_at(rows, i, 2), it->lot_scale);
        sx_json_int(sx_json_key(&w, "f"), id);
        sx_json_int(sx_json_key(&w, "l"), id);
        sx_json_int(sx_json_key(&w, "T"), sx_int_at(rows, i, 4));
        sx_json_bool(sx_json_key(&w, "m"), buyer_was_maker(rows, i));
        sx_json_bool(sx_json_key(&w, "M"), true);
        sx_json_end(&w);
    }
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

/* Those from $2 on, and not before $3 nor after $4 in milliseconds (NULL: any time): the first
 * ones, or the last. */
#define TRADES(direction)                                                                        \
    "SELECT t.trade_id, t.price, t.lots, t.notional, "                                           \
    "floor(extract(epoch FROM t.at) * 1000)::bigint, t.taker_side FROM (SELECT * FROM trades x " \
    "WHERE x.instrument = $1::smallint AND x.trade_id >= (SELECT greatest($2::bigint, "          \
    "trade_since($1::smallint, at_ms($3::bigint)))) AND x.trade_id < (SELECT "                   \
    "coalesce(trade_since($1::smallint, at_ms($4::bigint + 1)), 9223372036854775807)) "          \
    "ORDER BY x.trade_id " direction " LIMIT $5::int) t ORDER BY t.trade_id"

static int read_trades(const struct input *in, const struct instrument *it, sx_rows_fn *fn,
                       bool goes_up, const int64_t range[4])
{
    if (in->code != 0)
        return input_answer(in);
    return sx_read(in->r, fn, (void *)(uintptr_t)it, goes_up ? TRADES("ASC") : TRADES("DESC"),
                   SX_PARAMS(sx_int(it->id), sx_int(range[0]),
                             range[1] < 0 ? sx_null() : sx_int(range[1]),
                             range[2] < 0 ? sx_null() : sx_int(range[2]), sx_int(range[3])));
}

static int trades_now(sx_req *r, void *arg)
{
    struct input in = input_begin(r);
    const struct instrument *it = input_symbol(&in);
    const int64_t limit = input_limit(&in, 500, 1000);

    (void)arg;
    return read_trades(&in, it, on_trades, false, (const int64_t[]){ 0, -1, -1, limit });
}

int list_trades(sx_req *r)
{
    return for_all(r, trades_now);
}

static int old_trades_now(sx_req *r, void *arg)
{
    struct input in = input_begin(r);
    const struct instrument *it = input_symbol(&in);
    const int64_t limit = input_limit(&in, 500, 1000);
    int64_t from = 0;
    const bool goes_up = input_has_int(&in, "fromId", &from);

    (void)arg;
    return read_trades(&in, it, on_trades, goes_up, (const int64_t[]){ from, -1, -1, limit });
}

int list_old_trades(sx_req *r)
{
    return for_all(r, old_trades_now);
}

static int agg_trades_now(sx_req *r, void *arg)
{
    struct input in = input_begin(r);
    const struct instrument *it = input_symbol(&in);
    const int64_t since = input_time(&in, "startTime", -1), until = input_time(&in, "endTime", -1);
    const int64_t limit = input_limit(&in, 500, 1000);
    int64_t from = 0;
    const bool goes_up = input_has_int(&in, "fromId", &from) || since >= 0;

    (void)arg;
    return read_trades(&in, it, on_agg_trades, goes_up,
                       (const int64_t[]){ from, since, until, limit });
}

int list_agg_trades(sx_req *r)
{
    return for_all(r, agg_trades_now);
}
