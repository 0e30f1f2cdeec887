/*
 * arrival.h - what a trader who arrives at a market does there.
 *
 * After Parlour (Price dynamics in limit order markets, 1998): who arrives has a value of his own
 * for the asset and some patience, looks at both queues, and takes what promises most: a market
 * order now, a limit order that is filled with a probability which falls with the queue ahead and
 * rises with the one across, or nothing.  All of it is a function of its arguments.  [any]
 */
#ifndef BOTS_ARRIVAL_H
#define BOTS_ARRIVAL_H

#include <stddef.h>
#include <stdint.h>

#define SEEN_LEVELS 10
#define N_TRADERS   6 /* accounts that arrivals share, for each instrument */

struct level {
    int64_t price; /* ticks */
    int64_t lots;
};

/* The market as a decision sees it; the best level comes first. */
struct seen {
    struct level bids[SEEN_LEVELS], asks[SEEN_LEVELS];
    size_t n_bids, n_asks;
    int64_t last; /* ticks; 0: nothing was traded yet */
};

/* What of an instrument matters to a decision. */
struct terms {
    uint64_t seed;
    const char *symbol;
    int64_t lots_per_unit; /* a unit is one of the base */
    int64_t max_ticks, max_lots;
    double maker, taker; /* fees, as fractions */
};

enum arrival_kind { ARRIVAL_PASSES, ARRIVAL_MARKET, ARRIVAL_LIMIT };

struct arrival {
    int kind;      /* enum arrival_kind */
    int32_t side;  /* 1 buys, -1 sells */
    int64_t price; /* ticks; of a limit order */
    int64_t lots;
    uint32_t trader; /* below N_TRADERS */
};

/* How long after this step the next one is, in microseconds: exponential, so that arrivals are a
 * Poisson process. */
int64_t arrival_gap_us(const struct terms *t, uint64_t step, double per_minute);

/* value: in ticks, what the asset is worth on the average of all who arrive now. */
struct arrival arrival_decide(const struct terms *t, const struct seen *seen, double value,
                              uint64_t step);

#endif /* BOTS_ARRIVAL_H */
