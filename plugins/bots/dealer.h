/*
 * dealer.h - what a dealer quotes, and which of his orders have to go.
 *
 * After Ho and Stoll (Optimal dealer pricing under transactions and return uncertainty, 1981): he
 * has an opinion of the true price, moves both quotes against his inventory, and asks more for a
 * trade the further that is from what he wants to own.  All of it is a function of its arguments.
 * [any]
 */
#ifndef BOTS_DEALER_H
#define BOTS_DEALER_H

#include <stdbool.h>

#include "arrival.h"

#define DEALER_LEVELS 5
#define DEALER_UNITS  5000 /* of the base, what he wants to own */

struct quote {
    int32_t side;
    int64_t price;
    int64_t lots;
};

/* An order of his in the book. */
struct standing {
    int64_t id;
    int32_t side;
    int64_t price;
    int64_t lots; /* what is left of it */
    bool stays;   /* set by dealer_compare */
};

/* The true price in his opinion, in ticks: value, and the last trade as far as he believes it. */
double dealer_opinion(double value, int64_t last);

/* Writes at most 2 * DEALER_LEVELS quotes and returns how many.  inventory: lots that he owns. */
size_t dealer_quotes(const struct terms *t, double opinion, int64_t inventory,
                     struct quote ret[2 * DEALER_LEVELS]);

/* Marks the standing orders that are near enough to a quote, and takes those out of the list.
 * What does not stay is stale; what is left in the list is to be placed: returns how many. */
size_t dealer_compare(struct standing *orders, size_t n_orders, struct quote *quotes,
                      size_t n_quotes, double opinion);

#endif /* BOTS_DEALER_H */
