/*
 * product.c - market data, for everybody.
 */
#include "exchange.h"

#include <stdio.h>

#define MAX_LEVELS 5000
#define LEVELS     50 /* of a book by level 2 when the client does not say how many */

/* A product in the path, when the instruments are known; NULL and the answer is given. */
static const struct instrument *asked_product(sx_req *r, int *ret_err)
{
    const struct instrument *it = instrument_by_symbol(&exchange_of(r)->instruments,
                                                       sx_path_text(r, "id"));

    if (it == NULL)
        *ret_err = answer_fail(r, 404, "NotFound");
    return it;
}

/* --- time, currencies, products ----------------------------------------------- */

int show_time(sx_req *r)
{
    const int64_t us = sx_this_worker(sx_req_plugin(r)).now_ns / 1000;
    sx_json_writer w = sx_json_begin(r);

    sx_json_object(&w);
    answer_json_time(&w, "iso", us);
    decimal_json_number(sx_json_key(&w, "epoch"), us / 1000, 3);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static void write_increment(sx_json_writer *w, const char *key, int64_t scale)
{
    decimal_json(sx_json_key(w, key), 1, (int)scale);
}

static void write_currency(sx_json_writer *w, const sx_rows *rows, uint32_t row)
{
    const char *kind = sx_text_at(rows, row, 2);

    sx_json_object(w);
    sx_json_text(sx_json_key(w, "id"), sx_text_at(rows, row, 0));
    sx_json_text(sx_json_key(w, "name"), sx_text_at(rows, row, 1));
    write_increment(w, "min_size", sx_int_at(rows, row, 3));
    sx_json_text(sx_json_key(w, "status"), "online");
    sx_json_text(sx_json_key(w, "message"), "");
    write_increment(w, "max_precision", sx_int_at(rows, row, 3));
    sx_json_object(sx_json_key(w, "details"));
    sx_json_text(sx_json_key(w, "type"), strcmp(kind, "fiat") == 0 ? "fiat" : "crypto");
    if (sx_text_at(rows, row, 4) != NULL) {
        sx_json_text(sx_json_key(w, "genre"), sx_text_at(rows, row, 4));
        sx_json_int(sx_json_key(w, "ranking"), sx_int_at(rows, row, 5));
        answer_json_time(w, "expires_at", sx_int_at(rows, row, 6));
    }
    sx_json_end(w);
    sx_json_end(w);
}

static int on_currencies(sx_req *r, const sx_rows *rows, void *arg)
{
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    if (sx_path_text(r, "id") != NULL) {
        if (sx_count(rows) == 0)
            return answer_fail(r, 404, "NotFound");
        write_currency(&w, rows, 0);
        return sx_json_reply(&w, 200);
    }
    sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++)
        write_currency(&w, rows, i);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int read_currencies(sx_req *r, void *arg)
{
    (void)arg;
    return sx_read(r, on_currencies, NULL,
                   "SELECT a.code, a.name, a.kind, a.scale, i.genre, i.ranking, "
                   "(extract(epoch FROM i.expires_at) * 1000000)::bigint FROM assets a "
                   "LEFT JOIN instruments i ON i.base = a.id AND i.genre IS NOT NULL "
                   "WHERE a.code = coalesce($1, a.code) ORDER BY a.id",
                   SX_PARAMS(sx_text(sx_path_text(r, "id"))));
}

int list_currencies(sx_req *r)
{
    return call_public(r, read_currencies);
}

static void write_product(sx_json_writer *w, const struct instrument *it)
{
    char name[2 * INSTRUMENT_CODE];
    const bool is_offline = strcmp(it->status, "offline") == 0;

    (void)snprintf(name, sizeof name, "%s/%s", it->base, it->quote);
    sx_json_object(w);
    sx_json_text(sx_json_key(w, "id"), it->symbol);
    sx_json_text(sx_json_key(w, "base_currency"), it->base);
    sx_json_text(sx_json_key(w, "quote_currency"), it->quote);
    write_increment(w, "quote_increment", it->tick_scale);
    write_increment(w, "base_increment", it->lot_scale);
    write_increment(w, "base_min_size", it->lot_scale);
    decimal_json(sx_json_key(w, "base_max_size"), it->max_lots, it->lot_scale);
    sx_json_text(sx_json_key(w, "display_name"), name);
    decimal_json(sx_json_key(w, "min_market_funds"), it->min_funds, it->quote_scale);
    sx_json_bool(sx_json_key(w, "margin_enabled"), false);
    sx_json_bool(sx_json_key(w, "post_only"), strcmp(it->status, "post_only") == 0);
    sx_json_bool(sx_json_key(w, "limit_only"), false);
    sx_json_bool(sx_json_key(w, "cancel_only"), strcmp(it->status, "cancel_only") == 0);
    sx_json_text(sx_json_key(w, "status"), is_offline ? "offline" : "online");
    sx_json_text(sx_json_key(w, "status_message"), "");
    sx_json_bool(sx_json_key(w, "trading_disabled"), is_offline);
    sx_json_bool(sx_json_key(w, "fx_stablecoin"), false);
    sx_json_bool(sx_json_key(w, "auction_mode"), false);
    if (it->genre[0] != '\0') {
        sx_json_text(sx_json_key(w, "artist"), it->base_name);
        sx_json_text(sx_json_key(w, "genre"), it->genre);
        sx_json_int(sx_json_key(w, "ranking"), it->ranking);
        answer_json_time(w, "expires_at", it->expires_us);
    }
    sx_json_end(w);
}

static int reply_products(sx_req *r, void *arg)
{
    const struct instruments *all = &exchange_of(r)->instruments;
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    sx_json_array(&w);
    for (size_t i = 0; i < all->n; i++)
        write_product(&w, all->v[i]);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

int list_products(sx_req *r)
{
    return call_public(r, reply_products);
}

static int reply_product(sx_req *r, void *arg)
{
    int err = SX_OK;
    const struct instrument *it = asked_product(r, &err);
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    if (it == NULL)
        return err;
    write_product(&w, it);
    return sx_json_reply(&w, 200);
}

int show_product(sx_req *r)
{
    return call_public(r, reply_product);
}

/* --- the book ----------------------------------------------------------------- */

/* One side of the book; the rows of a side stand together, best first. */
static void write_side(sx_json_writer *w, const struct instrument *it, const sx_rows *rows,
                       int32_t side, bool is_orders)
{
    char id[UUID_TEXT];

    sx_json_array(w);
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        if (sx_int_at(rows, i, 2) != side)
            continue;
        sx_json_array(w);
        decimal_json(w, sx_int_at(rows, i, 3), it->tick_scale);
        decimal_json(w, sx_int_at(rows, i, 4), it->lot_scale);
        if (is_orders) {
            answer_uuid(sx_int_at(rows, i, 5), UUID_ORDER, id);
            sx_json_text(w, id);
        } else {
            sx_json_int(w, sx_int_at(rows, i, 5));
        }
        sx_json_end(w);
    }
    sx_json_end(w);
}

static int on_book(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instrument *it = arg;
    const bool is_orders = sx_arg_int(r, "level", 1) == 3; /* read_book has checked it */
    sx_json_writer w = sx_json_begin(r);

    if (sx_count(rows) == 0)
        return answer_fail(r, 404, "NotFound");
    sx_json_object(&w);
    write_side(sx_json_key(&w, "bids"), it, rows, ORDER_BUY, is_orders);
    write_side(sx_json_key(&w, "asks"), it, rows, ORDER_SELL, is_orders);
    sx_json_int(sx_json_key(&w, "sequence"), sx_int_at(rows, 0, 0));
    sx_json_bool(sx_json_key(&w, "auction_mode"), false);
    sx_json_null(sx_json_key(&w, "auction"));
    answer_json_time(&w, "time", sx_int_at(rows, 0, 1));
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

/* Sequence and levels in one statement: both are of the same moment. */
static int read_book(sx_req *r, void *arg)
{
    int err = SX_OK;
    const struct instrument *it = asked_product(r, &err);
    int64_t level = 1, n_levels = LEVELS;

    (void)arg;
    if (it == NULL)
        return err;
    err = answer_arg_int(r, "level", 1, &level);
    if (err == SX_NEXT)
        err = answer_arg_int(r, "limit", LEVELS, &n_levels);
    if (err != SX_NEXT)
        return err;
    n_levels = level == 1 ? 1 : n_levels > MAX_LEVELS ? MAX_LEVELS : n_levels;
    if (level < 1 || level > 3)
        return answer_fail(r, 400, "invalid level: expected 1, 2 or 3");
    if (level == 3)
        return sx_read(
            r, on_book, (void *)(uintptr_t)it,
            "SELECT m.seq, (extract(epoch FROM m.at) * 1000000)::bigint, b.side, b.price, "
            "b.lots, b.order_id FROM markets m "
            "LEFT JOIN book_orders b ON b.instrument = m.instrument "
            "WHERE m.instrument = $1 ORDER BY b.side, b.key, b.seq",
            SX_PARAMS(sx_int(it->id)));
    return sx_read(r, on_book, (void *)(uintptr_t)it,
                   "SELECT m.seq, (extract(epoch FROM m.at) * 1000000)::bigint, b.side, b.price, "
                   "b.lots, b.n_orders FROM markets m LEFT JOIN LATERAL ("
                   "(SELECT * FROM book_levels x WHERE x.instrument = $1 AND x.side = 1 "
                   "ORDER BY x.key LIMIT $2) UNION ALL "
                   "(SELECT * FROM book_levels x WHERE x.instrument = $1 AND x.side = -1 "
                   "ORDER BY x.key LIMIT $2)) b ON true "
                   "WHERE m.instrument = $1 ORDER BY b.side, b.key",
                   SX_PARAMS(sx_int(it->id), sx_int(n_levels)));
}

int show_book(sx_req *r)
{
    return call_public(r, read_book);
}

/* --- ticker, stats ------------------------------------------------------------ */

#define STATS_SQL                                                                                 \
    "SELECT instrument, open, high, low, last, last_lots, "                                       \
    "(extract(epoch FROM last_at) * 1000000)::bigint, trade_id, least(lots, 9e18)::bigint, bid, " \
    "ask FROM stats WHERE instrument = $1"
enum stats_column {
    INSTRUMENT,
    OPEN,
    HIGH,
    LOW,
    LAST,
    LAST_LOTS,
    LAST_US,
    TRADE_ID,
    VOLUME,
    BID,
    ASK
};

/* A value, or null where the market has none yet. */
static void write_value(sx_json_writer *w, const char *key, const sx_rows *rows, uint32_t column,
                        int scale)
{
    if (sx_text_at(rows, 0, column) == NULL)
        sx_json_null(sx_json_key(w, key));
    else
        decimal_json(sx_json_key(w, key), sx_int_at(rows, 0, column), scale);
}

static int on_ticker(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instrument *it = arg;
    const int64_t now_us = sx_this_worker(sx_req_plugin(r)).now_ns / 1000;
    const int64_t last_us = sx_int_at(rows, 0, LAST_US);
    sx_json_writer w = sx_json_begin(r);

    sx_json_object(&w);
    sx_json_int(sx_json_key(&w, "trade_id"), sx_int_at(rows, 0, TRADE_ID));
    write_value(&w, "price", rows, LAST, it->tick_scale);
    write_value(&w, "size", rows, LAST_LOTS, it->lot_scale);
    answer_json_time(&w, "time", last_us > 0 ? last_us : now_us);
    write_value(&w, "bid", rows, BID, it->tick_scale);
    write_value(&w, "ask", rows, ASK, it->tick_scale);
    write_value(&w, "volume", rows, VOLUME, it->lot_scale);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int on_stats(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instrument *it = arg;
    sx_json_writer w = sx_json_begin(r);

    sx_json_object(&w);
    write_value(&w, "open", rows, OPEN, it->tick_scale);
    write_value(&w, "high", rows, HIGH, it->tick_scale);
    write_value(&w, "low", rows, LOW, it->tick_scale);
    write_value(&w, "last", rows, LAST, it->tick_scale);
    write_value(&w, "volume", rows, VOLUME, it->lot_scale);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int read_ticker(sx_req *r, void *arg)
{
    int err = SX_OK;
    const struct instrument *it = asked_product(r, &err);

    (void)arg;
    return it == NULL
               ? err
               : sx_read(r, on_ticker, (void *)(uintptr_t)it, STATS_SQL, SX_PARAMS(sx_int(it->id)));
}

int show_ticker(sx_req *r)
{
    return call_public(r, read_ticker);
}

static int read_stats(sx_req *r, void *arg)
{
    int err = SX_OK;
    const struct instrument *it = asked_product(r, &err);

    (void)arg;
    return it == NULL
               ? err
               : sx_read(r, on_stats, (void *)(uintptr_t)it, STATS_SQL, SX_PARAMS(sx_int(it->id)));
}

int show_stats(sx_req *r)
{
    return call_public(r, read_stats);
}
