/*
 * rate.c - see rate.h.
 */
#include "rate.h"

#include <stdlib.h>

#define SLOTS     4096
#define SECOND_NS INT64_C(1000000000)

/* Instead of tokens, the time at which the bucket is full again (the virtual scheduling algorithm
 * of ITU-T I.371, annex A). */
struct rates {
    int64_t per_call_ns;
    int64_t burst_ns;
    int64_t full_ns[SLOTS];
};

struct rates *rates_new(int64_t per_second)
{
    struct rates *all = calloc(1, sizeof *all);

    if (all == NULL)
        return NULL;
    all->per_call_ns = SECOND_NS / per_second;
    all->burst_ns = 2 * SECOND_NS;
    return all;
}

void rates_free(struct rates *all)
{
    free(all);
}

bool rate_take(struct rates *all, int64_t account, int64_t now_ns)
{
    const uint64_t slot = (uint64_t)account * UINT64_C(0x9e3779b97f4a7c15) >> 52;
    int64_t full_ns = all->full_ns[slot];

    if (full_ns < now_ns || full_ns > now_ns + all->burst_ns)
        full_ns = now_ns;
    if (full_ns + all->per_call_ns > now_ns + all->burst_ns)
        return false;
    all->full_ns[slot] = full_ns + all->per_call_ns;
    return true;
}
