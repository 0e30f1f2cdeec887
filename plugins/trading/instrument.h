/*
 * trading/instrument.h - what is traded, as a worker remembers it.
 *
 * The table is read when it is older than a few seconds and a request asks for it.  An instrument
 * keeps its place for as long as the worker lives, so pointers to it may be kept.  [loop]
 */
#ifndef TRADING_INSTRUMENT_H
#define TRADING_INSTRUMENT_H

#include <stdint.h>

#include <sx/plugin.h>

#define INSTRUMENT_MAX    256
#define INSTRUMENT_SYMBOL 24
#define INSTRUMENT_CODE   12

struct instrument {
    int32_t id;
    char symbol[INSTRUMENT_SYMBOL]; /* "BTC-USD" */
    char base[INSTRUMENT_CODE];
    char quote[INSTRUMENT_CODE];
    char base_name[64];
    char genre[32];     /* "" unless an artist */
    char status[16];    /* online, post_only, cancel_only, offline */
    int32_t base_scale; /* an atom of the base is 10^-base_scale */
    int32_t quote_scale;
    int32_t tick_scale; /* prices are ticks, 10^-tick_scale of the quote */
    int32_t lot_scale;  /* sizes are lots, 10^-lot_scale of the base */
    int64_t lot_atoms;
    int64_t ticklot_atoms; /* atoms of the quote that one lot costs at one tick */
    int64_t max_ticks;
    int64_t max_lots;
    int64_t min_funds; /* atoms of the quote */
    int32_t maker_ppm;
    int32_t taker_ppm;
    int32_t ranking;    /* 0 unless an artist */
    int64_t expires_us; /* since 1970; 0: never */
};

struct instruments {
    int64_t read_ns; /* when; 0: never */
    size_t n;
    struct instrument *v[INSTRUMENT_MAX]; /* in the order of their symbols at the first reading */
};

/* Goes on with fn, at once or after a statement: start nothing before.  What fn returns counts as
 * what a handler returns. */
typedef int instruments_fn(sx_req *r, void *arg);
SX_MUST_USE int instruments_with(sx_req *r, struct instruments *all, instruments_fn *fn, void *arg);

/* What rows of INSTRUMENT_SQL say, for a plugin that reads them itself; SX_ENOMEM, or SX_OK. */
#define INSTRUMENT_SQL                                                                      \
    "SELECT id, symbol, base_code, quote_code, base_name, genre, effective_status, "        \
    "base_scale, quote_scale, tick_scale, lot_scale, lot_atoms, ticklot_atoms, max_ticks, " \
    "max_lots, min_funds, maker_ppm, taker_ppm, coalesce(ranking, 0), "                     \
    "coalesce(extract(epoch FROM expires_at) * 1000000, 0)::bigint "                        \
    "FROM instruments ORDER BY symbol"
SX_MUST_USE int instruments_read(struct instruments *all, const sx_rows *rows);

/* By its symbol, case as it is, or by its number; NULL when there is none. */
const struct instrument *instrument_by_symbol(const struct instruments *all, const char *symbol);
const struct instrument *instrument_by_id(const struct instruments *all, int64_t id);

void instruments_free(struct instruments *all);

#endif /* TRADING_INSTRUMENT_H */
