/*
 * candle.c - klines, made of the minutes in which something was traded.
 */
#include "binance.h"

#define MINUTE_MS  60000
#define DAY        (24 * 60)
#define NO_TIME    (-1)
#define MAX_LIMIT  1000
#define MAX_AHEAD  (14 * 60) /* of a time zone */
#define MAX_BEHIND (-12 * 60)

struct interval {
    const char *name;
    int step;  /* minutes; 0: a month */
    int shift; /* 1970 began on a Thursday, a week begins on a Monday */
};

static const struct interval intervals[] = {
    { "1m", 1, 0 },       { "3m", 3, 0 },
    { "5m", 5, 0 },       { "15m", 15, 0 },
    { "30m", 30, 0 },     { "1h", 60, 0 },
    { "2h", 120, 0 },     { "4h", 240, 0 },
    { "6h", 360, 0 },     { "8h", 480, 0 },
    { "12h", 720, 0 },    { "1d", DAY, 0 },
    { "3d", 3 * DAY, 0 }, { "1w", 7 * DAY, 3 * DAY },
    { "1M", 0, 0 },       { NULL, 0, 0 },
};

static const struct interval *read_interval(struct input *in)
{
    const char *name = input_needed(in, "interval");
    const struct interval *found = intervals;

    while (name != NULL && found->name != NULL && strcmp(found->name, name) != 0)
        found++;
    if (name == NULL || found->name == NULL)
        input_refuse(in, BAD_INTERVAL, "Invalid interval.");
    return found;
}

/* "+2", "-11:30" or "5": minutes ahead of UTC. */
static int read_zone(struct input *in)
{
    const char *text = input_text(in, "timeZone"), *at = text;
    int minutes = 0, n = 0, rest = 0;

    if (text == NULL)
        return 0;
    at += *at == '+' || *at == '-' ? 1 : 0;
    for (; *at >= '0' && *at <= '9' && n < 3; at++, n++)
        minutes = minutes * 10 + (*at - '0') * 60;
    if (at[0] == ':' && at[1] >= '0' && at[1] <= '5' && at[2] >= '0' && at[2] <= '9') {
        rest = (at[1] - '0') * 10 + at[2] - '0';
        at += 3;
    }
    minutes = *text == '-' ? -(minutes + rest) : minutes + rest;
    if (*at != '\0' || n == 0 || n > 2 || minutes < MAX_BEHIND || minutes > MAX_AHEAD) {
        input_refuse(in, INVALID_PARAMETER, "Data sent for parameter 'timeZone' is not valid.");
        return 0;
    }
    return minutes;
}

static void write_candle(sx_json_writer *w, const struct instrument *it, const sx_rows *rows,
                         uint32_t row)
{
    sx_json_array(w);
    sx_json_int(w, sx_int_at(rows, row, 0) * MINUTE_MS);
    for (uint32_t col = 2; col < 6; col++)
        answer_decimal(w, sx_int_at(rows, row, col), it->tick_scale);
    answer_digits(w, sx_text_at(rows, row, 6), it->lot_scale);
    sx_json_int(w, sx_int_at(rows, row, 1) * MINUTE_MS - 1);
    answer_digits(w, sx_text_at(rows, row, 7), it->quote_scale);
    sx_json_int(w, sx_int_at(rows, row, 8));
    answer_decimal(w, 0, it->lot_scale); /* what takers bought is not kept */
    answer_decimal(w, 0, it->quote_scale);
    sx_json_text(w, "0");
    sx_json_end(w);
}

static int on_candles(sx_req *r, const sx_rows *rows, void *arg)
{
    sx_json_writer w = sx_json_begin(r);

    sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++)
        write_candle(&w, arg, rows, i);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int candles_now(sx_req *r, void *arg)
{
    struct input in = input_begin(r);
    const struct instrument *it = input_symbol(&in);
    const struct interval *step = read_interval(&in);
    const int64_t since = input_time(&in, "startTime", NO_TIME);
    const int64_t until = input_time(&in, "endTime", LAST_TIME);
    const int64_t limit = input_limit(&in, 500, MAX_LIMIT);
    const int zone = read_zone(&in);

    (void)arg;
    if (in.code != 0)
        return input_answer(&in);
    return sx_read(
        r, on_candles, (void *)(uintptr_t)it,
        "SELECT begins, ends, open, high, low, close, lots, notional, n_trades FROM "
        "candles($1::smallint, $2::int, $3::int, $4::bigint, $5::bigint, $6::int)",
        SX_PARAMS(sx_int(it->id), sx_int(step->step), sx_int(step->shift + zone),
                  since == NO_TIME ? sx_null() : sx_int((since + MINUTE_MS - 1) / MINUTE_MS),
                  sx_int(until / MINUTE_MS), sx_int(limit)));
}

int list_candles(sx_req *r)
{
    return for_all(r, candles_now);
}
