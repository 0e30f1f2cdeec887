/*
 * arrival.c - see arrival.h.
 */
#include "arrival.h"

#include <math.h>

#include "chance.h"

#define DISPERSION   0.02   /* deviation of private values */
#define GRID         0.002  /* between two prices that a limit order is considered at */
#define N_PRICES     8      /* of a limit order that are considered */
#define SIZE_UNITS   4.0    /* the median of sizes */
#define SIZE_SPREAD  0.8    /* of their logarithm */
#define QUEUE_UNITS  60.0   /* so long a queue ahead leaves 1/e of the chance to be filled */
#define OUTSIDE      0.01   /* half the spread one reckons with where a side is empty */
#define BOTHER       0.0005 /* of the value: a gain for which one does not stay */
#define WAITING_COST 0.7    /* of the chance to be filled, for each step of the grid away */

/* One trader's view: his own side is "near", the other "far". */
struct view {
    const struct terms *t;
    const struct level *near, *far;
    size_t n_near, n_far;
    int32_t side;
    double value;    /* his own, in ticks */
    double patience; /* what a gain later is worth against one now */
    int64_t lots;
};

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

int64_t arrival_gap_us(const struct terms *t, uint64_t step, double per_minute)
{
    struct chance c = chance_begin(t->seed, t->symbol, step, CHANCE_GAP);

    return (int64_t)(-log(1 - chance_unit(&c)) * 60e6 / per_minute);
}

/* The middle of the market; where a side is empty, the value. */
static double middle(const struct seen *seen, double value)
{
    return seen->n_bids == 0 || seen->n_asks == 0
               ? value
               : (double)(seen->bids[0].price + seen->asks[0].price) / 2;
}

static int64_t depth(const struct level *levels, size_t n)
{
    int64_t lots = 0;

    for (size_t i = 0; i < n; i++)
        lots += levels[i].lots;
    return lots;
}

/* What there is on the other side at prices that still leave a gain. */
static int64_t worth_taking(const struct view *v)
{
    int64_t lots = 0;

    for (size_t i = 0; i < v->n_far; i++) {
        const double cost = (double)v->far[i].price * (1 + v->side * v->t->taker);

        if (v->side * (v->value - cost) > 0)
            lots += v->far[i].lots;
    }
    return lots;
}

static double gain_of_market(const struct view *v)
{
    return v->n_far == 0
               ? 0
               : v->side * (v->value - (double)v->far[0].price * (1 + v->side * v->t->taker));
}

/* Whether a limit order at this price is filled before its owner loses interest. */
static double chance_to_be_filled(const struct view *v, double price, int steps_away)
{
    const double unit = (double)v->t->lots_per_unit * QUEUE_UNITS;
    double ahead = 0, across = (double)depth(v->far, v->n_far);
    const double own = (double)depth(v->near, v->n_near);

    for (size_t i = 0; i < v->n_near; i++)
        if (v->side * ((double)v->near[i].price - price) >= 0)
            ahead += (double)v->near[i].lots;
    across = across / (own + across + 1);
    return exp(-ahead / (unit * (0.5 + across))) * pow(WAITING_COST, steps_away);
}

/* The best of the limit orders, and what it promises. */
static double gain_of_limit(const struct view *v, double mid, double jitter, int64_t *ret_price)
{
    const double best = v->n_near > 0 ? (double)v->near[0].price : mid * (1 - v->side * OUTSIDE);
    double most = 0;

    for (int i = 0; i < N_PRICES; i++) {
        /* From one step inside the spread outwards. */
        double price = floor(best + v->side * mid * GRID * (jitter - i) + 0.5);
        double gain;

        if (v->n_far > 0 && v->side * (price - (double)v->far[0].price) >= 0)
            price = (double)(v->far[0].price - v->side);
        gain = v->side * (v->value - price * (1 + v->side * v->t->maker)) * v->patience *
               chance_to_be_filled(v, price, i);
        if (gain > most && price >= 1) {
            most = gain;
            *ret_price = (int64_t)price;
        }
    }
    return most;
}

/* Sizes are lognormal, and round numbers of a hundredth of a unit where lots are finer. */
static int64_t draw_lots(const struct terms *t, struct chance *c)
{
    const int64_t round = max64(1, t->lots_per_unit / 100);
    const double units = SIZE_UNITS * exp(SIZE_SPREAD * chance_normal(c));
    const int64_t lots = (int64_t)(units * (double)t->lots_per_unit);

    return min64(max64(lots / round * round, round), t->max_lots);
}

struct arrival arrival_decide(const struct terms *t, const struct seen *seen, double value,
                              uint64_t step)
{
    struct chance c = chance_begin(t->seed, t->symbol, step, CHANCE_ARRIVAL);
    struct arrival ret = { .trader = (uint32_t)(chance_bits(&c) % N_TRADERS) };
    const double mid = middle(seen, value);
    struct view v = { .t = t, .value = value * (1 + DISPERSION * chance_normal(&c)) };
    double jitter, now, later;

    v.patience = chance_unit(&c);
    v.lots = draw_lots(t, &c);
    jitter = chance_unit(&c);
    v.side = v.value > mid ? 1 : -1;
    v.near = v.side > 0 ? seen->bids : seen->asks;
    v.far = v.side > 0 ? seen->asks : seen->bids;
    v.n_near = v.side > 0 ? seen->n_bids : seen->n_asks;
    v.n_far = v.side > 0 ? seen->n_asks : seen->n_bids;

    now = gain_of_market(&v) - BOTHER * value;
    later = gain_of_limit(&v, mid, jitter, &ret.price) - BOTHER * value;
    ret.side = v.side;
    ret.kind = now > 0 && now >= later ? ARRIVAL_MARKET
               : later > 0             ? ARRIVAL_LIMIT
                                       : ARRIVAL_PASSES;
    ret.lots = ret.kind == ARRIVAL_MARKET ? min64(v.lots, worth_taking(&v)) : v.lots;
    if (ret.kind != ARRIVAL_LIMIT)
        ret.price = 0;
    if (ret.price > t->max_ticks)
        ret.kind = ARRIVAL_PASSES;
    return ret;
}
