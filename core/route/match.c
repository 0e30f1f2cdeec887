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
            slots[i].node->before.len == text.len &&
            route_is_same(slots[i].node->before.data, text.data, text.len))
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

        if (slots[i].hash == hash && full->len == len && route_is_same(full->data, path, len))
            return slots[i].node;
    }
    return NULL;
}

__attribute__((noinline)) static bool takes_name(const struct route_host *h, const char *host,
                                                 size_t len)
{
    if (h->is_wildcard)
        return len > h->name.len &&
               sx_text_equals_nocase(host + len - h->name.len, h->name.data, h->name.len);
    return len == h->name.len && sx_text_equals_nocase(host, h->name.data, len);
}

__attribute__((noinline)) static bool is_same_tail(const char *a, const char *b, size_t len)
{
    return memcmp(a, b, len) == 0;
}

/* The node is settled; now the method. */
static inline const struct route_method *settle(const struct route_node *n, const char *method,
                                                size_t len, struct sx_route_match *ret)
{
    uint64_t key = route_method_key(method, len);
    const struct route_method *m = n->methods;
    const struct route_method *end = m + n->n_methods;

    ret->allow = n->allow;
    ret->n_params = 0;
    for (; m < end; m++) {
        if (m->key == key && m->len == len && (len <= 8 || is_same_tail(m->name, method, len))) {
            ret->target = m->target;
            return m;
        }
    }
    ret->target = NULL;
    return NULL;
}

/* What the parameters are called in the pattern of this method. */
static void name_values(const struct walk *w, const struct route_method *m,
                        struct sx_route_match *ret)
{
    for (uint32_t i = 0; i < w->n_values; i++) {
        struct sx_slice value = w->values[i];

        ret->params[i] = (struct sx_route_param){ m->names[i], value.data, value.len };
    }
    ret->n_params = w->n_values;
}

/* Out of line, so that a literal path does not pay for the stack of values. */
__attribute__((noinline)) static enum sx_route_result match_tree(const struct route_host *h,
                                                                 const char *method,
                                                                 size_t method_len,
                                                                 const char *path, size_t path_len,
                                                                 struct sx_route_match *ret)
{
    struct walk w;
    const struct route_node *n;
    const struct route_method *m;

    w.host = h;
    w.end = path + path_len;
    w.n_values = 0;
    n = walk_tree(&w, h->root, path + 1);
    if (n == NULL)
        return SX_ROUTE_NO_PATH;
    m = settle(n, method, method_len, ret);
    if (m == NULL)
        return SX_ROUTE_NO_METHOD;
    name_values(&w, m, ret);
    return SX_ROUTE_FOUND;
}

enum sx_route_result sx_router_match(const struct sx_router *r, const char *host, size_t host_len,
                                     const char *method, size_t method_len, const char *path,
                                     size_t path_len, struct sx_route_match *ret)
{
    enum sx_route_result result = SX_ROUTE_NO_PATH;
    uint64_t hash;

    if (path_len == 0 || path[0] != '/')
        return SX_ROUTE_NO_PATH;
    hash = route_hash(path, path_len, route_seed(NULL));
    for (const struct route_host *h = r->hosts; result == SX_ROUTE_NO_PATH && h != NULL;
         h = h->next) {
        const struct route_node *n;

        if (h->name.len > 0 && !takes_name(h, host, host_len))
            continue;
        n = find_path(h, hash, path, path_len);
        if (n == NULL)
            result = match_tree(h, method, method_len, path, path_len, ret);
        else
            result = settle(n, method, method_len, ret) != NULL ? SX_ROUTE_FOUND
                                                                : SX_ROUTE_NO_METHOD;
    }
    return result;
}
