/*
 * level.h - one side of a book, by price: sorted, the best first.
 */
#ifndef EXCHANGE_LEVEL_H
#define EXCHANGE_LEVEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct level {
    int64_t key; /* the price of an ask, minus the price of a bid: ascending from the best */
    int64_t lots;
};

struct levels {
    struct level *v;
    size_t n;
    size_t room;
};

/* Adds lots (or takes them away) at key; the new total, or -1 without memory.  A level that comes
 * to 0 is gone. */
int64_t levels_add(struct levels *side, int64_t key, int64_t lots);

/* The same levels in memory of their own; false without memory. */
bool levels_copy(struct levels *to, const struct levels *from);

void levels_free(struct levels *side);

#endif /* EXCHANGE_LEVEL_H */
