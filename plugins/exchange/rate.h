/*
 * rate.h - how often an account may ask one worker.
 *
 * A token bucket for each of a fixed number of slots; accounts share a slot by their numbers, which
 * are random, so memory has a bound and no account can crowd out all others.  [loop]
 */
#ifndef EXCHANGE_RATE_H
#define EXCHANGE_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct rates;

/* per_second calls in the long run, twice as many at once; NULL without memory. */
struct rates *rates_new(int64_t per_second);
void rates_free(struct rates *all);

/* Takes one call; false when there is none left. */
bool rate_take(struct rates *all, int64_t account, int64_t now_ns);

#endif /* EXCHANGE_RATE_H */
