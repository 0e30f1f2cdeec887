/*
 * dealer.c - see dealer.h.
 */
#include "dealer.h"

#include <math.h>

#include "chance.h"

#define HALF_SPREAD 0.006 /* of the price; the maker's fee is in it */
#define WIDENING    0.006 /* more of it, at the limit of his inventory */
#define SKEW        0.03  /* how far the middle moves, at that limit */
#define STEP        0.003 /* from one level to the next */
#define TOLERANCE   0.004 /* an order that is further from its quote is stale */
#define BELIEF      0.5   /* in the last trade */
#define SURPRISE    0.10  /* how far from the value he believes a trade at most */
#define LEVEL_UNITS 12.0  /* of the base, at the first level */
#define WORN        0.4   /* an order with less than that left of its size is stale */

double dealer_opinion(double value, int64_t last)
{
    const double low = value * (1 - SURPRISE), high = value * (1 + SURPRISE);
    const double seen = last <= 0 ? value : fmin(fmax((double)last, low), high);

    return value + BELIEF * (seen - value);
}

/* More at each level, and not the same everywhere. */
static int64_t size_at(const struct terms *t, int32_t side, int level)
{
    struct chance c = chance_begin(t->seed, t->symbol, (uint64_t)level * 2 + (side > 0),
                                   CHANCE_QUOTE);
    const double units = LEVEL_UNITS * (1 + 0.5 * level) * (0.7 + 0.6 * chance_unit(&c));
    const int64_t lots = (int64_t)units * t->lots_per_unit;

    return lots < 1 ? 1 : lots > t->max_lots ? t->max_lots : lots;
}

size_t dealer_quotes(const struct terms *t, double opinion, int64_t inventory,
                     struct quote ret[2 * DEALER_LEVELS])
{
    const double wanted = (double)DEALER_UNITS * (double)t->lots_per_unit;
    const double excess = fmin(fmax(((double)inventory - wanted) / wanted, -1), 1);
    const double middle = opinion * (1 - SKEW * excess);
    const double half = opinion * (HALF_SPREAD + WIDENING * fabs(excess));
    int64_t owned = inventory;
    size_t n = 0;

    for (int level = 0; level < DEALER_LEVELS; level++) {
        for (int32_t side = 1; side >= -1; side -= 2) {
            const double price = middle - side * (half + level * STEP * opinion);
            const struct quote q = { side, (int64_t)(price + 0.5), size_at(t, side, level) };

            if (q.price < 1 || q.price > t->max_ticks || (side > 0 && excess >= 1))
                continue;
            if (side < 0 && owned < q.lots)
                continue;
            if (side < 0)
                owned -= q.lots;
            ret[n++] = q;
        }
    }
    return n;
}

/* The place of the quote that this order stands for, or n. */
static size_t find_quote(const struct standing *o, const struct quote *quotes, size_t n,
                         double tolerance)
{
    size_t best = n;
    double least = tolerance;

    for (size_t i = 0; i < n; i++) {
        const double distance = fabs((double)(quotes[i].price - o->price));

        if (quotes[i].side == o->side && distance <= least &&
            (double)o->lots >= WORN * (double)quotes[i].lots) {
            best = i;
            least = distance;
        }
    }
    return best;
}

size_t dealer_compare(struct standing *orders, size_t n_orders, struct quote *quotes,
                      size_t n_quotes, double opinion)
{
    for (size_t i = 0; i < n_orders; i++) {
        const size_t at = find_quote(&orders[i], quotes, n_quotes, opinion * TOLERANCE);

        orders[i].stays = at < n_quotes;
        if (orders[i].stays)
            quotes[at] = quotes[--n_quotes];
    }
    return n_quotes;
}
