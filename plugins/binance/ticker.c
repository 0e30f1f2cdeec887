/*
 * ticker.c - one line about each market.
 */
#include "binance.h"

#include <stdio.h>

#define DAY_MS INT64_C(86400000)

/* What the rows of a ticker belong to. */
struct ticker {
    bool is_one;
    bool is_mini;
    char ids[INSTRUMENT_MAX * 7]; /* "{1,2}" */
    void (*write)(sx_json_writer *w, const struct ticker *t, const struct instrument *it,
                  const sx_rows *rows, uint32_t row);
};

static int on_tickers(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct ticker *t = arg;
    sx_json_writer w = sx_json_begin(r);

    if (!t->is_one)
        sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        const struct instrument *it = instrument_by_id(&binance_of(r)->instruments,
                                                       sx_int_at(rows, i, 0));

        if (it == NULL)
            continue;
        sx_json_object(&w);
        answer_json_symbol(&w, it);
        t->write(&w, t, it, rows, i);
        sx_json_end(&w);
    }
    if (!t->is_one)
        sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int read_tickers(sx_req *r, const char *sql, const struct ticker *kind)
{
    static const struct word types[] = { { "FULL", "F" }, { "MINI", "M" }, { NULL, NULL } };
    struct input in = input_begin(r);
    struct ticker *t = sx_req_new(r, struct ticker);
    struct selection s;
    const char *type;
    size_t used = 0;

    if (t == NULL)
        return SX_ENOMEM;
    *t = *kind;
    input_selection(&in, &s);
    type = input_word(&in, "type", types, INVALID_PARAMETER,
                      "Data sent for parameter 'type' is not valid.");
    if (in.code != 0)
        return input_answer(&in);
    t->is_one = s.is_one;
    t->is_mini = type != NULL && *type == 'M';
    for (size_t i = 0; i < s.n; i++)
        used += (size_t)snprintf(t->ids + used, sizeof t->ids - used, "%c%d", i == 0 ? '{' : ',',
                                 (int)s.v[i]->id);
    (void)snprintf(t->ids + used, sizeof t->ids - used, "%s", s.n == 0 ? "{}" : "}");
    return sx_read(r, on_tickers, t, sql, SX_PARAMS(sx_text(t->ids)));
}

static void write_level(sx_json_writer *w, const struct instrument *it, const char *const names[2],
                        int64_t price, int64_t lots)
{
    answer_decimal(sx_json_key(w, names[0]), price, it->tick_scale);
    answer_decimal(sx_json_key(w, names[1]), lots, it->lot_scale);
}

static const char *const bid_names[] = { "bidPrice", "bidQty" };
static const char *const ask_names[] = { "askPrice", "askQty" };

/* The best level of a side of instrument i: its key, and the sum of its lots. */
#define BEST(side, name)                                                                \
    " LEFT JOIN LATERAL (SELECT x.key, sum(x.lots)::bigint AS lots FROM book_orders x " \
    "WHERE x.instrument = i.id AND x.side = " side " GROUP BY x.key ORDER BY x.key "    \
    "LIMIT 1) " name " ON true"
#define CHOSEN " WHERE i.id = ANY ($1::smallint[]) ORDER BY i.symbol"

/* --- ticker/24hr ------------------------------------------------------------------------ */

static const char day_sql[] =
    "SELECT i.id, coalesce(s.open, s.last), coalesce(s.high, s.last), coalesce(s.low, s.last), "
    "s.last, s.last_lots, s.trade_id, s.lots, s.notional, s.n_trades, -b.key, b.lots, a.key, "
    "a.lots, coalesce(p.close, s.open), round(coalesce(s.notional / nullif(s.lots, 0) "
    "* 10::numeric ^ i.lot_scale / 10::numeric ^ i.quote_scale, 0), 8)::text, "
    "coalesce(round((s.last - s.open) * 100.0 / s.open, 3), 0.000)::text "
    "FROM instruments i JOIN stats s ON s.instrument = i.id" BEST("1", "b")
        BEST("-1",
             "a") " LEFT JOIN LATERAL (SELECT x.close FROM minutes x WHERE x.instrument = i.id AND "
                  "x.minute <= floor(extract(epoch FROM clock_timestamp()) / 60)::bigint - 1440 "
                  "ORDER BY x.minute DESC LIMIT 1) p ON true" CHOSEN;

static void write_day(sx_json_writer *w, const struct ticker *t, const struct instrument *it,
                      const sx_rows *rows, uint32_t row)
{
    const int64_t open = sx_int_at(rows, row, 1), last = sx_int_at(rows, row, 4);
    const int64_t id = sx_int_at(rows, row, 6), n = sx_int_at(rows, row, 9);
    const int64_t now_ms = answer_now(w->out.r);

    if (!t->is_mini) {
        answer_decimal(sx_json_key(w, "priceChange"), last - open, it->tick_scale);
        sx_json_text(sx_json_key(w, "priceChangePercent"), sx_text_at(rows, row, 16));
        sx_json_text(sx_json_key(w, "weightedAvgPrice"), sx_text_at(rows, row, 15));
        answer_decimal(sx_json_key(w, "prevClosePrice"), sx_int_at(rows, row, 14), it->tick_scale);
        answer_decimal(sx_json_key(w, "lastQty"), sx_int_at(rows, row, 5), it->lot_scale);
        write_level(w, it, bid_names, sx_int_at(rows, row, 10), sx_int_at(rows, row, 11));
        write_level(w, it, ask_names, sx_int_at(rows, row, 12), sx_int_at(rows, row, 13));
    }
    answer_decimal(sx_json_key(w, "openPrice"), open, it->tick_scale);
    answer_decimal(sx_json_key(w, "highPrice"), sx_int_at(rows, row, 2), it->tick_scale);
    answer_decimal(sx_json_key(w, "lowPrice"), sx_int_at(rows, row, 3), it->tick_scale);
    answer_decimal(sx_json_key(w, "lastPrice"), last, it->tick_scale);
    answer_digits(sx_json_key(w, "volume"), sx_text_at(rows, row, 7), it->lot_scale);
    answer_digits(sx_json_key(w, "quoteVolume"), sx_text_at(rows, row, 8), it->quote_scale);
    sx_json_int(sx_json_key(w, "openTime"), now_ms - DAY_MS);
    sx_json_int(sx_json_key(w, "closeTime"), now_ms);
    sx_json_int(sx_json_key(w, "firstId"), n > 0 ? id - n + 1 : -1);
    sx_json_int(sx_json_key(w, "lastId"), n > 0 ? id : -1);
    sx_json_int(sx_json_key(w, "count"), n);
}

static int day_now(sx_req *r, void *arg)
{
    (void)arg;
    return read_tickers(r, day_sql, &(const struct ticker){ .write = write_day });
}

int show_day(sx_req *r)
{
    return for_all(r, day_now);
}

/* --- ticker/price, ticker/bookTicker ------------------------------------------------------ */

static void write_price(sx_json_writer *w, const struct ticker *t, const struct instrument *it,
                        const sx_rows *rows, uint32_t row)
{
    (void)t;
    answer_decimal(sx_json_key(w, "price"), sx_int_at(rows, row, 1), it->tick_scale);
}

static int price_now(sx_req *r, void *arg)
{
    (void)arg;
    return read_tickers(r,
                        "SELECT i.id, m.last_price FROM instruments i JOIN markets m ON "
                        "m.instrument = i.id" CHOSEN,
                        &(const struct ticker){ .write = write_price });
}

int show_price(sx_req *r)
{
    return for_all(r, price_now);
}

static void write_best(sx_json_writer *w, const struct ticker *t, const struct instrument *it,
                       const sx_rows *rows, uint32_t row)
{
    (void)t;
    write_level(w, it, bid_names, sx_int_at(rows, row, 1), sx_int_at(rows, row, 2));
    write_level(w, it, ask_names, sx_int_at(rows, row, 3), sx_int_at(rows, row, 4));
}

static int best_now(sx_req *r, void *arg)
{
    (void)arg;
    return read_tickers(r,
                        "SELECT i.id, -b.key, b.lots, a.key, a.lots FROM instruments i" BEST(
                            "1", "b") BEST("-1", "a") CHOSEN,
                        &(const struct ticker){ .write = write_best });
}

int show_best(sx_req *r)
{
    return for_all(r, best_now);
}

/* --- avgPrice ------------------------------------------------------------------------------ */

static int on_average(sx_req *r, const sx_rows *rows, void *arg)
{
    const char *price = sx_text_at(rows, 0, 0);
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    sx_json_object(&w);
    sx_json_int(sx_json_key(&w, "mins"), 5);
    sx_json_text(sx_json_key(&w, "price"), price == NULL ? "0.00000000" : price);
    sx_json_int(sx_json_key(&w, "closeTime"), sx_int_at(rows, 0, 1));
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int average_now(sx_req *r, void *arg)
{
    struct input in = input_begin(r);
    const struct instrument *it = input_symbol(&in);

    (void)arg;
    if (in.code != 0)
        return input_answer(&in);
    return sx_read(
        r, on_average, NULL,
        "SELECT round(coalesce(c.notional / c.lots * 10::numeric ^ i.lot_scale / 10::numeric ^ "
        "i.quote_scale, m.last_price / 10::numeric ^ i.tick_scale), 8)::text, "
        "floor(extract(epoch FROM m.last_at) * 1000)::bigint FROM instruments i "
        "JOIN markets m ON m.instrument = i.id LEFT JOIN LATERAL (SELECT sum(x.notional) AS "
        "notional, sum(x.lots) AS lots FROM minutes x WHERE x.instrument = i.id AND x.minute > "
        "floor(extract(epoch FROM clock_timestamp()) / 60)::bigint - 5) c ON true "
        "WHERE i.id = $1::smallint",
        SX_PARAMS(sx_int(it->id)));
}

int show_average(sx_req *r)
{
    return for_all(r, average_now);
}
