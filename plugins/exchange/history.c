/*
 * history.c - trades and candles, for everybody.
 */
#include "exchange.h"

#include <stdio.h>

#define MAX_CANDLES 300

/* --- trades ------------------------------------------------------------------- */

static void write_trade(sx_json_writer *w, const struct instrument *it, const sx_rows *rows,
                        uint32_t row)
{
    sx_json_object(w);
    sx_json_int(sx_json_key(w, "trade_id"), sx_int_at(rows, row, 0));
    sx_json_text(sx_json_key(w, "side"), sx_int_at(rows, row, 1) == ORDER_BUY ? "sell" : "buy");
    decimal_json(sx_json_key(w, "size"), sx_int_at(rows, row, 2), it->lot_scale);
    decimal_json(sx_json_key(w, "price"), sx_int_at(rows, row, 3), it->tick_scale);
    answer_json_time(w, "time", sx_int_at(rows, row, 4));
    sx_json_end(w);
}

static int on_trades(sx_req *r, const sx_rows *rows, void *arg)
{
    const uint32_t n = sx_count(rows);
    sx_json_writer w;
    int err = n == 0 ? SX_OK
                     : answer_cursors(r, sx_text_at(rows, 0, 0), sx_text_at(rows, n - 1, 0));

    if (err < 0)
        return err;
    w = sx_json_begin(r);
    sx_json_array(&w);
    for (uint32_t i = 0; i < n; i++)
        write_trade(&w, arg, rows, i);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int read_trades(sx_req *r, void *arg)
{
    const struct instrument *it = instrument_by_symbol(&exchange_of(r)->instruments,
                                                       sx_path_text(r, "id"));

    struct page page;
    int err;

    (void)arg;
    if (it == NULL)
        return answer_fail(r, 404, "NotFound");
    err = answer_page(r, &page);
    if (err != SX_NEXT)
        return err;
    return sx_read(
        r, on_trades, (void *)(uintptr_t)it,
        "SELECT trade_id, taker_side, lots, price, "
        "(extract(epoch FROM at) * 1000000)::bigint FROM trades "
        "WHERE instrument = $1 AND trade_id < $2 AND trade_id > $3 "
        "ORDER BY trade_id DESC LIMIT $4",
        SX_PARAMS(sx_int(it->id), sx_int(page.after), sx_int(page.before), sx_int(page.limit)));
}

int list_trades(sx_req *r)
{
    return call_public(r, read_trades);
}

/* --- candles ------------------------------------------------------------------ */

static int on_candles(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instrument *it = arg;
    sx_json_writer w = sx_json_begin(r);

    sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        sx_json_array(&w);
        sx_json_int(&w, sx_int_at(rows, i, 0));
        for (uint32_t column = 1; column < 5; column++)
            decimal_json_number(&w, sx_int_at(rows, i, column), it->tick_scale);
        decimal_json_number(&w, sx_int_at(rows, i, 5), it->lot_scale);
        sx_json_end(&w);
    }
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static bool is_granularity(int64_t s)
{
    static const int64_t known[] = { 60, 300, 900, 3600, 21600, 86400 };

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == s)
            return true;
    return false;
}

/* The range in whole seconds; SX_NEXT, or the answer is given. */
static int asked_range(sx_req *r, int64_t granularity, int64_t *ret_start, int64_t *ret_end)
{
    const char *start = sx_arg_text(r, "start"), *end = sx_arg_text(r, "end");
    int64_t now_s = sx_this_worker(sx_req_plugin(r)).now_ns / INT64_C(1000000000), us = 0;

    *ret_end = now_s;
    if (end != NULL && *end != '\0') {
        if (!answer_read_time(end, &us))
            return answer_fail(r, 400, "invalid end: expected a time in ISO 8601");
        *ret_end = us / 1000000;
    }
    *ret_start = *ret_end - (MAX_CANDLES - 1) * granularity;
    if (start != NULL && *start != '\0') {
        if (!answer_read_time(start, &us))
            return answer_fail(r, 400, "invalid start: expected a time in ISO 8601");
        *ret_start = us / 1000000;
        if (end == NULL || *end == '\0')
            *ret_end = *ret_start + (MAX_CANDLES - 1) * granularity;
    }
    if (*ret_start > *ret_end)
        return answer_fail(r, 400, "start must be before end");
    if ((*ret_end - *ret_start) / granularity > MAX_CANDLES)
        return answer_fail(r, 400,
                           "granularity too small for the requested time range. Count of "
                           "aggregations requested exceeds %d",
                           MAX_CANDLES);
    return SX_NEXT;
}

static int read_candles(sx_req *r, void *arg)
{
    const struct instrument *it = instrument_by_symbol(&exchange_of(r)->instruments,
                                                       sx_path_text(r, "id"));
    int64_t granularity = 60, start = 0, end = 0;
    int err;

    (void)arg;
    if (it == NULL)
        return answer_fail(r, 404, "NotFound");
    err = answer_arg_int(r, "granularity", 60, &granularity);
    if (err != SX_NEXT)
        return err;
    if (!is_granularity(granularity))
        return answer_fail(r, 400, "Unsupported granularity");
    err = asked_range(r, granularity, &start, &end);
    if (err != SX_NEXT)
        return err;
    return sx_read(
        r, on_candles, (void *)(uintptr_t)it,
        "SELECT minute * 60 / $2 * $2 AS t, min(low), max(high), "
        "(array_agg(open ORDER BY minute))[1], (array_agg(close ORDER BY minute DESC))[1], "
        "least(sum(lots), 9e18)::bigint FROM minutes WHERE instrument = $1 "
        "AND minute >= $3 / $2 * $2 / 60 AND minute <= $4 / 60 "
        "GROUP BY t ORDER BY t DESC LIMIT 300",
        SX_PARAMS(sx_int(it->id), sx_int(granularity), sx_int(start), sx_int(end)));
}

int list_candles(sx_req *r)
{
    return call_public(r, read_candles);
}

/* --- spark lines: the closes of the last 24 hours, by the quarter of an hour -- */

static int on_spark_lines(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instruments *all = &exchange_of(r)->instruments;
    const struct instrument *open = NULL;
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    sx_json_object(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        const struct instrument *it = instrument_by_id(all, sx_int_at(rows, i, 0));

        if (it == NULL)
            continue;
        if (it != open) {
            if (open != NULL)
                sx_json_end(&w);
            sx_json_array(sx_json_key(&w, it->symbol));
            open = it;
        }
        sx_json_array(&w);
        sx_json_int(&w, sx_int_at(rows, i, 1));
        decimal_json(&w, sx_int_at(rows, i, 2), it->tick_scale);
        sx_json_end(&w);
    }
    if (open != NULL)
        sx_json_end(&w);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int read_spark_lines(sx_req *r, void *arg)
{
    (void)arg;
    return sx_read(
        r, on_spark_lines, NULL,
        "SELECT instrument, minute / 15 * 900 AS t, "
        "(array_agg(close ORDER BY minute DESC))[1] FROM minutes "
        "WHERE minute > floor(extract(epoch FROM clock_timestamp()) / 60)::bigint - 1440 "
        "GROUP BY instrument, t ORDER BY instrument, t DESC",
        SX_NONE);
}

int list_spark_lines(sx_req *r)
{
    return call_public(r, read_spark_lines);
}
