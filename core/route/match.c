/*
 * route/match.c - finding what serves a path, without an allocation.
 *
 * A literal path is found in one table.  Everything else walks the tree from the left, the
 * more literal child first, and comes back where the rest does not fit.  Each node is met at
 * most once, so a path cannot make this slow.
 */
#include <string.h>

#include "base/text.h"
#include "route/route.h"
#include "route/route_private.h"

#define MIX 0x9E3779B97F4A7C15u

static uint64_t load_word(const char *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof(word));
    return word;
}

/* One to seven bytes: two loads that may overlap, or the first, middle and last byte. */
static uint64_t load_short(const char *data, size_t len)
{
    uint32_t low, high;

    if (len < 4)
        return (uint64_t)(unsigned char)data[0] << 16 |
               (uint64_t)(unsigned char)data[len / 2] << 8 | (unsigned char)data[len - 1];
    memcpy(&low, data, sizeof(low));
    memcpy(&high, data + len - 4, sizeof(high));
    return (uint64_t)high << 32 | low;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * MIX;
    return hash ^ hash >> 32;
}

uint64_t route_hash(const char *data, size_t len, uint64_t seed)
{
    uint64_t hash = seed ^ len * MIX;
    size_t at = 0;

    if (len < 8)
        return len == 0 ? mix(hash, 0) : mix(hash, load_short(data, len));
    for (; len - at > 8; at += 8)
        hash = mix(hash, load_word(data + at));
    return mix(hash, load_word(data + len - 8));
}

/* --- the tree ------------------------------------------------------------------------- */

struct walk {
    const struct route_host *host;
    const char *end; /* of the path */
    struct sx_slice values[SX_ROUTE_MAX_PARAMS];
    uint32_t n_values;
};

/* One character of a path as a byte; *ret_len is what it takes there.  -1: a bad escape. */
static int first_byte(const char *data, size_t len, size_t *ret_len)
{
    char byte;

    *ret_len = 1;
    if (data[0] != '%')
        return (unsigned char)data[0];
    if (len < 3 || sx_percent_decode(&byte, data, 3, false) != 1)
        return -1;
    *ret_len = 3;
    return (unsigned char)byte;
}

/* A '%' only ever begins an escape, so one three before the end is one. */
static int last_byte(const char *data, size_t len, size_t *ret_len)
{
    if (len >= 3 && data[len - 3] == '%')
        return first_byte(data + len - 3, 3, ret_len);
    return first_byte(data + len - 1, 1, ret_len);
}

/* Takes text off the front of *s, or leaves it alone. */
static bool take_front(struct sx_slice *s, struct sx_slice text)
{
    struct sx_slice left = *s;

    for (size_t i = 0; i < text.len; i++) {
        size_t n;

        if (left.len == 0 || first_byte(left.data, left.len, &n) != (unsigned char)text.data[i])
            return false;
        left = sx_slice_after(left, n);
    }
    *s = left;
    return true;
}

static bool take_back(struct sx_slice *s, struct sx_slice text)
{
    struct sx_slice left = *s;

    for (size_t i = text.len; i > 0; i--) {
        size_t n;

        if (left.len == 0 || last_byte(left.data, left.len, &n) != (unsigned char)text.data[i - 1])
            return false;
        left.len -= n;
    }
    *s = left;
    return true;
}

static const struct route_node *find_edge(const struct route_host *h,
                                          const struct route_node *parent, struct sx_slice text)
{
    uint64_t hash = route_hash(text.data, text.len, route_seed(parent));
    const struct route_slot *slots = h->edges.slots;

    for (size_t i = hash & h->edges.mask; slots[i].node != NULL; i = (i + 1) & h->edges.mask) {
        if (slots[i].hash == hash && slots[i].parent == parent &&
            sx_slice_equals(slots[i].node->before, text))
            return slots[i].node;
    }
    return NULL;
}

/* The literal child for a segment as it was sent; a text longer than any literal has none. */
static const struct route_node *find_literal(const struct route_host *h,
                                             const struct route_node *parent,
                                             struct sx_slice segment)
{
    char decoded[ROUTE_MAX_TEXT * 3];
    ptrdiff_t len;

    if (parent->literals == NULL)
        return NULL;
    if (segment.len == 0 || memchr(segment.data, '%', segment.len) == NULL)
        return find_edge(h, parent, segment);
    if (segment.len > sizeof(decoded))
        return NULL;
    len = sx_percent_decode(decoded, segment.data, segment.len, false);
    return len < 0 ? NULL : find_edge(h, parent, sx_slice_make(decoded, (size_t)len));
}

/* Does a child with a parameter take this segment?  Its value is then on the stack. */
static bool take_value(struct walk *w, const struct route_node *n, struct sx_slice segment)
{
    if (n->kind == ROUTE_REST)
        segment.len = (size_t)(w->end - segment.data);
    else if (!take_front(&segment, n->before) || !take_back(&segment, n->after) || segment.len == 0)
        return false;
    w->values[w->n_values++] = segment;
    return true;
}

/* The best node below parent for the path from at, which stands behind a '/'. */
static const struct route_node *walk_tree(struct walk *w, const struct route_node *parent,
                                          const char *at)
{
    const char *slash = memchr(at, '/', (size_t)(w->end - at));
    struct sx_slice segment = { at, (size_t)((slash == NULL ? w->end : slash) - at) };
    const struct route_node *n = find_literal(w->host, parent, segment);
    const struct route_node *found;

    if (n != NULL) {
        found = slash == NULL ? n : walk_tree(w, n, slash + 1);
        if (found != NULL && found->allow != NULL)
            return found;
    }
    for (n = parent->others; n != NULL; n = n->next) {
        if (!take_value(w, n, segment))
            continue;
        found = slash == NULL || n->kind == ROUTE_REST ? n : walk_tree(w, n, slash + 1);
        if (found != NULL && found->allow != NULL)
            return found;
        w->n_values--;
    }
    return NULL;
}

/* --- the whole ------------------------------------------------------------------------ */

static const struct route_node *find_path(const struct route_host *h, uint64_t hash,
                                          const char *path, size_t len)
{
    const struct route_slot *slots = h->paths.slots;

    for (size_t i = hash & h->paths.mask; slots[i].node != NULL; i = (i + 1) & h->paths.mask) {
        const struct sx_slice *full = &slots[i].node->full;

        if (slots[i].hash == hash && full->len == len && memcmp(full->data, path, len) == 0)
            return slots[i].node;
    }
    return NULL;
}

static bool takes_host(const struct route_host *h, const char *host, size_t len)
{
    if (h->name.len == 0)
        return true;
    if (h->is_wildcard)
        return len > h->name.len &&
               sx_text_equals_nocase(host + len - h->name.len, h->name.data, h->name.len);
    return len == h->name.len && sx_text_equals_nocase(host, h->name.data, len);
}

static const struct route_method *find_method(const struct route_node *n, const char *method,
                                              size_t len)
{
    for (size_t i = 0; i < n->n_methods; i++) {
        if (n->methods[i].len == len && memcmp(n->methods[i].name, method, len) == 0)
            return &n->methods[i];
    }
    return NULL;
}

/* The node is settled; now the method, and what the parameters are called there. */
static enum sx_route_result settle(const struct walk *w, const struct route_node *n,
                                   const char *method, size_t method_len,
                                   struct sx_route_match *ret)
{
    const struct route_method *m = find_method(n, method, method_len);

    if (m == NULL && method_len == 4 && memcmp(method, "HEAD", 4) == 0)
        m = find_method(n, "GET", 3);
    ret->allow = n->allow;
    ret->n_params = 0;
    if (m == NULL) {
        ret->target = NULL;
        return SX_ROUTE_NO_METHOD;
    }
    ret->target = m->target;
    for (uint32_t i = 0; i < w->n_values; i++)
        ret->params[i] = (struct sx_route_param){ m->names[i], w->values[i].data,
                                                  w->values[i].len };
    ret->n_params = w->n_values;
    return SX_ROUTE_FOUND;
}

enum sx_route_result sx_router_match(const struct sx_router *r, const char *host, size_t host_len,
                                     const char *method, size_t method_len, const char *path,
                                     size_t path_len, struct sx_route_match *ret)
{
    uint64_t hash = route_hash(path, path_len, route_seed(NULL));
    struct walk w;

    w.end = path + path_len;
    w.n_values = 0;
    if (path_len == 0 || path[0] != '/')
        return SX_ROUTE_NO_PATH;
    for (const struct route_host *h = r->hosts; h != NULL; h = h->next) {
        const struct route_node *n;

        if (!takes_host(h, host, host_len))
            continue;
        n = find_path(h, hash, path, path_len);
        if (n == NULL) {
            w.host = h;
            n = walk_tree(&w, h->root, path + 1);
        }
        if (n != NULL)
            return settle(&w, n, method, method_len, ret);
    }
    return SX_ROUTE_NO_PATH;
}
