/*
 * level.c - see level.h.
 */
#include "level.h"

#include <stdlib.h>
#include <string.h>

/* Where key is, or belongs. */
static size_t find(const struct levels *side, int64_t key)
{
    size_t low = 0, high = side->n;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (side->v[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool make_room(struct levels *side)
{
    const size_t room = side->room == 0 ? 64 : 2 * side->room;
    struct level *v;

    if (side->n < side->room)
        return true;
    v = realloc(side->v, room * sizeof *v);
    if (v == NULL)
        return false;
    side->v = v;
    side->room = room;
    return true;
}

int64_t levels_add(struct levels *side, int64_t key, int64_t lots)
{
    const size_t at = find(side, key);
    struct level *it;

    if (at == side->n || side->v[at].key != key) {
        if (lots == 0)
            return 0;
        if (!make_room(side))
            return -1;
        memmove(side->v + at + 1, side->v + at, (side->n - at) * sizeof *side->v);
        side->v[at] = (struct level){ .key = key };
        side->n++;
    }
    it = &side->v[at];
    it->lots += lots;
    if (it->lots > 0)
        return it->lots;
    memmove(it, it + 1, (side->n - at - 1) * sizeof *side->v);
    side->n--;
    return 0;
}

bool levels_copy(struct levels *to, const struct levels *from)
{
    *to = (struct levels){ .v = malloc((from->n + 1) * sizeof *to->v), .n = from->n };
    if (to->v == NULL)
        return false;
    to->room = from->n + 1;
    if (from->n > 0)
        memcpy(to->v, from->v, from->n * sizeof *to->v);
    return true;
}

void levels_free(struct levels *side)
{
    free(side->v);
    *side = (struct levels){ 0 };
}
