/*
 * bots.h - what the files of the plugin share.
 *
 * The loop starts a timer and answers /bots/status; all that trades runs in its work, on one pool
 * thread at a time, of one instance at a time.
 */
#ifndef BOTS_BOTS_H
#define BOTS_BOTS_H

#include "arrival.h"
#include "trading/instrument.h"
#include "trading/order.h"

#define SERIES_MAX 100000

/* Prices that are played back as the value of an instrument, instead of noise. */
struct series {
    char symbol[INSTRUMENT_SYMBOL];
    size_t n;
    double *prices; /* in the quote; owned */
};

/* The accounts of one instrument. */
struct crew {
    bool is_known;
    struct credential dealer;
    struct credential traders[N_TRADERS];
    char ids[(N_TRADERS + 1) * 20 + 2]; /* all of them, as an array of PostgreSQL */
};

/* Read-only after start, but for what the work keeps. */
struct bots {
    uint64_t seed;
    double per_minute;
    int64_t order_ttl_us;
    int64_t series_steps;
    bool is_enabled;
    json_t *symbols; /* borrowed from the configuration; empty: all artists */
    size_t n_series;
    struct series *series; /* owned */
    bool is_stopping;      /* atomic: set by drain, read by the work */

    /* of the work, which never runs twice at once */
    struct instruments instruments;
    int64_t refreshed_ns;              /* 0: never */
    struct crew crews[INSTRUMENT_MAX]; /* in the order of instruments */
};

static inline bool is_stopping(const struct bots *b)
{
    return __atomic_load_n(&b->is_stopping, __ATOMIC_RELAXED);
}

/* --- work.c: the sx_work_fn of the timer.  [pool] -------------------------------------- */

int work_once(sx_plugin *p, sx_db *db, void *arg);

/* --- accounts.c  [pool] ------------------------------------------------------------------ */

/* Finds the accounts of an instrument by their names, opens those that are not there, and makes its
 * row in progress; a unit of the base costs about unit_ticks. */
int crew_find(struct crew *c, sx_db *db, const struct instrument *it, double unit_ticks);

/* Reads the balances, pays in to who is poor, and tells how many lots the dealer owns.  *n_deposits
 * grows by what was paid in. */
int crew_pay(const struct crew *c, sx_db *db, const struct instrument *it, double unit_ticks,
             int64_t *ret_inventory, int64_t *n_deposits);

/* How many lots one unit of the base is. */
int64_t lots_per_unit(const struct instrument *it);

#endif /* BOTS_BOTS_H */
