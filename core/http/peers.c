/*
 * http/peers.c - an open table, at most half full, of the clients that are connected.
 *
 * Who may choose many addresses must not be able to make them meet in one place: the hash is
 * keyed by random numbers of this process.
 */
#include "http/peers.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"

#define LEAST_SLOTS 64u

struct slot {
    uint64_t key[2];
    uint32_t n; /* 0: free */
};

struct sx_peers {
    uint32_t max_each;
    uint32_t n_used, n_slots; /* n_slots is a power of two */
    uint64_t seeds[2];
    struct slot *slots; /* owned */
};

/* Never both words zero for IPv4, and the networks of IPv6 stay apart from it. */
static bool key_of(const struct sockaddr *peer, uint64_t key[2])
{
    key[0] = key[1] = 0;
    if (peer->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;

        key[0] = in->sin_addr.s_addr;
        return true;
    }
    if (peer->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)peer;

        if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr)) {
            memcpy(&key[0], &in->sin6_addr.s6_addr[12], 4);
            return true;
        }
        memcpy(&key[0], in->sin6_addr.s6_addr, 8);
        key[1] = 1;
        return true;
    }
    return false;
}

/* A round of mixing (the finalizer of MurmurHash3), which loses nothing. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 33) * UINT64_C(0xff51afd7ed558ccd);
    x = (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static uint32_t place_of(const struct sx_peers *p, const uint64_t key[2])
{
    return (uint32_t)mix(mix(key[0] ^ p->seeds[0]) ^ key[1] ^ p->seeds[1]) & (p->n_slots - 1);
}

/* Its slot, or the free one where it would be. */
static struct slot *find(const struct sx_peers *p, const uint64_t key[2])
{
    uint32_t i = place_of(p, key);

    while (p->slots[i].n > 0 && (p->slots[i].key[0] != key[0] || p->slots[i].key[1] != key[1]))
        i = (i + 1) & (p->n_slots - 1);
    return &p->slots[i];
}

static int resize(struct sx_peers *p, uint32_t n_slots)
{
    struct slot *old = p->slots;
    uint32_t n_old = p->n_slots;
    struct slot *slots = calloc(n_slots, sizeof *slots);

    if (slots == NULL)
        return SX_ERR_NOMEM;
    p->slots = slots;
    p->n_slots = n_slots;
    for (uint32_t i = 0; i < n_old; i++)
        if (old[i].n > 0)
            *find(p, old[i].key) = old[i];
    free(old);
    return 0;
}

int sx_peers_create(uint32_t max_each, struct sx_peers **ret_peers)
{
    struct sx_peers *p = calloc(1, sizeof *p);

    if (p == NULL)
        return SX_ERR_NOMEM;
    p->max_each = max_each;
    if (getrandom(p->seeds, sizeof p->seeds, GRND_NONBLOCK) != (ssize_t)sizeof p->seeds) {
        p->seeds[0] = (uint64_t)sx_clock_wall_ns() * UINT64_C(0x9e3779b97f4a7c15);
        p->seeds[1] = (sx_clock_mono_ns() ^ (uint64_t)getpid() << 40) | 1;
    }
    if (resize(p, LEAST_SLOTS) < 0) {
        free(p);
        return SX_ERR_NOMEM;
    }
    *ret_peers = p;
    return 0;
}

void sx_peers_destroy(struct sx_peers *p)
{
    if (p == NULL)
        return;
    free(p->slots);
    free(p);
}

bool sx_peers_enter(struct sx_peers *p, const struct sockaddr *peer)
{
    uint64_t key[2];
    struct slot *s;

    if (!key_of(peer, key))
        return true;
    s = find(p, key);
    if (s->n >= p->max_each)
        return false;
    if (s->n == 0) {
        if (p->n_used >= p->n_slots / 2) {
            if (resize(p, p->n_slots * 2) < 0)
                return false;
            s = find(p, key);
        }
        p->n_used++;
        s->key[0] = key[0];
        s->key[1] = key[1];
    }
    s->n++;
    return true;
}

/* Those behind a freed slot move up, so that none is cut off from its place. */
static void close_gap(struct sx_peers *p, uint32_t gap)
{
    uint32_t mask = p->n_slots - 1;

    for (uint32_t i = (gap + 1) & mask; p->slots[i].n > 0; i = (i + 1) & mask) {
        uint32_t home = place_of(p, p->slots[i].key);

        if (((i - home) & mask) < ((i - gap) & mask))
            continue;
        p->slots[gap] = p->slots[i];
        p->slots[i].n = 0;
        gap = i;
    }
}

void sx_peers_leave(struct sx_peers *p, const struct sockaddr *peer)
{
    uint64_t key[2];
    struct slot *s;

    if (!key_of(peer, key))
        return;
    s = find(p, key);
    sx_check(s->n > 0);
    if (--s->n > 0)
        return;
    p->n_used--;
    close_gap(p, (uint32_t)(s - p->slots));
    if (p->n_slots > LEAST_SLOTS && p->n_used < p->n_slots / 8)
        (void)resize(p, p->n_slots / 2);
}

uint32_t sx_peers_count(const struct sx_peers *p)
{
    return p->n_used;
}
