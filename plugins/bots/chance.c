/*
 * chance.c - see chance.h.
 *
 * The generator is SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators,
 * 2014); names are hashed with FNV-1a.
 */
#include "chance.h"

#include <math.h>

#define FIRST_PERIOD 8      /* steps */
#define N_PERIODS    13     /* the longest is 32,768 steps: at 30 a minute, 18 hours */
#define VOLATILITY   0.0012 /* for each step */

uint64_t chance_bits(struct chance *c)
{
    uint64_t z = c->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

struct chance chance_begin(uint64_t seed, const char *symbol, uint64_t step, uint32_t purpose)
{
    struct chance c = { seed };
    uint64_t hash = UINT64_C(1469598103934665603);

    for (const char *at = symbol; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * UINT64_C(1099511628211);
    c.state = chance_bits(&c) ^ hash;
    c.state = chance_bits(&c) ^ purpose;
    c.state = chance_bits(&c) ^ step;
    return c;
}

double chance_unit(struct chance *c)
{
    return (double)(chance_bits(c) >> 11) / 9007199254740992.0;
}

double chance_normal(struct chance *c)
{
    double sum = -6;

    for (int i = 0; i < 12; i++)
        sum += chance_unit(c);
    return sum;
}

/* The height of one period's noise where it begins for the n-th time. */
static double knot(uint64_t seed, const char *symbol, uint32_t period, uint64_t n)
{
    struct chance c = chance_begin(seed, symbol, n, CHANCE_VALUE + period);

    return chance_normal(&c);
}

double chance_value(uint64_t seed, const char *symbol, uint64_t step)
{
    double sum = 0;

    for (uint32_t i = 0; i < N_PERIODS; i++) {
        const uint64_t period = (uint64_t)FIRST_PERIOD << i;
        const double x = (double)(step % period) / (double)period;
        const double blend = x * x * (3 - 2 * x);
        const double from = knot(seed, symbol, i, step / period);
        const double to = knot(seed, symbol, i, step / period + 1);

        /* Half of the variance comes back within the next period: hence the 0.5. */
        sum += 0.5 * VOLATILITY * sqrt((double)period) * (from + (to - from) * blend);
    }
    return sum;
}
