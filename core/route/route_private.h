/*
 * route/route_private.h - the tree of segments, and the tables that are made of it.
 *
 * All memory is the arena of the router.  Between a node and its children lies one '/'.
 */
#ifndef SX_ROUTE_PRIVATE_H
#define SX_ROUTE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/slice.h"
#include "route/route.h"

#define ROUTE_MAX_SEGMENTS 64u
#define ROUTE_MAX_TEXT     255u /* bytes of the literal text of a segment */

/* In the order of their precedence. */
enum route_kind { ROUTE_LITERAL, ROUTE_AFFIX, ROUTE_PARAM, ROUTE_REST };

/* One segment of a pattern.  Slices are borrowed from the pattern. */
struct route_segment {
    enum route_kind kind;
    struct sx_slice before; /* the literal; or what stands before the parameter */
    struct sx_slice after;
    struct sx_slice name;
};

struct route_pattern {
    size_t n_segments, n_params;
    struct route_segment segments[ROUTE_MAX_SEGMENTS];
};

/* What serves one method at a node.  The names of the parameters are those of its pattern. */
struct route_method {
    uint64_t key; /* route_method_key of its name */
    const char *name;
    size_t len;
    void *target;
    const char *const *names;
};

struct route_node {
    enum route_kind kind;
    struct sx_slice before, after;
    struct route_node *next;     /* the next child of the same parent */
    struct route_node *literals; /* children: the literal ones, found by the table of edges */
    struct route_node *others;   /* children: the rest, in the order of their precedence */
    struct sx_slice full;        /* the whole path, where every segment is literal */
    const char *allow;           /* NULL where no pattern ends */
    struct route_method *methods;
    size_t n_methods, cap_methods;
};

/* An open table with linear probing, at most half full, its size a power of two. */
struct route_slot {
    uint64_t hash;
    const struct route_node *parent; /* NULL in a table of whole paths */
    const struct route_node *node;   /* NULL: free */
};

struct route_table {
    struct route_slot *slots;
    size_t mask;
};

struct route_host {
    struct sx_slice name; /* lower case; "" is any; of "*.example.com" it is ".example.com" */
    bool is_wildcard;
    struct route_node *root;
    struct route_table paths;
    struct route_table edges;
    size_t n_nodes;
    struct route_host *next;
};

struct sx_router {
    struct sx_arena arena;
    struct route_host *hosts; /* the more exact first */
    bool is_frozen;
};

/* SX_ERR_INVALID and *ret_why for what is no pattern. */
int route_pattern_parse(const char *text, struct route_pattern *ret_pattern, const char **ret_why);

static inline uint64_t route_load_word(const char *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof(word));
    return word;
}

/* One to seven bytes: two loads that may overlap, or the first, middle and last byte. */
static inline uint64_t route_load_short(const char *data, size_t len)
{
    uint32_t low, high;

    if (len < 4)
        return (uint64_t)(unsigned char)data[0] << 16 |
               (uint64_t)(unsigned char)data[len / 2] << 8 | (unsigned char)data[len - 1];
    memcpy(&low, data, sizeof(low));
    memcpy(&high, data + len - 4, sizeof(high)); // cppcheck-suppress pointerOutOfBoundsCond
    return (uint64_t)high << 32 | low;
}

/* Two methods of the same length with the same key are equal up to their eighth byte. */
static inline uint64_t route_method_key(const char *method, size_t len)
{
    if (len == 0)
        return 0;
    return len < 8 ? route_load_short(method, len) : route_load_word(method);
}

static inline uint64_t route_seed(const struct route_node *parent)
{
    return (uint64_t)(uintptr_t)parent;
}

#define ROUTE_MIX 0x9E3779B97F4A7C15u

__extension__ typedef unsigned __int128 route_wide;

/* Both halves of the product: every bit of the word reaches the low ones, which choose a slot. */
static inline uint64_t route_mix(uint64_t hash, uint64_t word)
{
    route_wide product = (route_wide)(hash ^ word) * ROUTE_MIX;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Eight bytes at a time.  The tables are built once from trusted text, so nobody can choose
 * what lies in them. */
static inline uint64_t route_hash(const char *data, size_t len, uint64_t seed)
{
    uint64_t hash = seed ^ len * ROUTE_MIX;

    if (len < 8)
        return len == 0 ? hash : route_mix(hash, route_load_short(data, len));
    for (size_t at = 0; len - at > 8; at += 8)
        hash = route_mix(hash, route_load_word(data + at));
    return route_mix(hash, route_load_word(data + len - 8));
}

/* In line: texts here are short, and a call costs more than the comparison. */
static inline bool route_is_same(const char *a, const char *b, size_t len)
{
    if (len < 8)
        return len == 0 || route_load_short(a, len) == route_load_short(b, len);
    for (size_t at = 0; len - at > 8; at += 8) {
        if (route_load_word(a + at) != route_load_word(b + at))
            return false;
    }
    return route_load_word(a + len - 8) == route_load_word(b + len - 8);
}

#endif /* SX_ROUTE_PRIVATE_H */
