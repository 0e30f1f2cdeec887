/*
 * chance.h - random numbers that are a function of what they are for.
 *
 * No generator runs on: each decision begins its own from seed, symbol, step and purpose, so that
 * any instance draws the same, after a restart too.  Not for secrets.  [any]
 */
#ifndef BOTS_CHANCE_H
#define BOTS_CHANCE_H

#include <stdint.h>

enum chance_purpose { CHANCE_GAP, CHANCE_ARRIVAL, CHANCE_QUOTE, CHANCE_VALUE };

struct chance {
    uint64_t state;
};

struct chance chance_begin(uint64_t seed, const char *symbol, uint64_t step, uint32_t purpose);

/* Uniform: 64 bits, and a number in [0, 1). */
uint64_t chance_bits(struct chance *c);
double chance_unit(struct chance *c);

/* Mean 0, deviation 1, never beyond 6: the sum of twelve uniform numbers. */
double chance_normal(struct chance *c);

/* The logarithm of what an artist is worth at a step, against its first price: smooth noise on a
 * ladder of periods, the longer the higher, which looks like a random walk but is a function of the
 * step and stays within bounds. */
double chance_value(uint64_t seed, const char *symbol, uint64_t step);

#endif /* BOTS_CHANCE_H */
