/*
 * route/route.c - the router while it is built: a tree of segments for each host, then frozen
 * into tables.
 */
#include "route/route.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/error.h"
#include "base/text.h"
#include "route/route_private.h"

#define ROUTER_MAX_BYTES (64u * 1024 * 1024)
#define MAX_METHOD_LEN   32u
#define MAX_HOST_LEN     255u

int sx_router_create(struct sx_router **ret_router)
{
    struct sx_router *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return SX_ERR_NOMEM;
    sx_arena_init(&r->arena, ROUTER_MAX_BYTES);
    *ret_router = r;
    return 0;
}

void sx_router_destroy(struct sx_router *r)
{
    if (r == NULL)
        return;
    sx_arena_finish(&r->arena);
    free(r);
}

static int copy_slice(struct sx_router *r, struct sx_slice from, struct sx_slice *ret_copy)
{
    const char *data = sx_arena_text(&r->arena, from.data, from.len);

    if (data == NULL)
        return SX_ERR_NOMEM;
    *ret_copy = sx_slice_make(data, from.len);
    return 0;
}

/* --- hosts ---------------------------------------------------------------------------- */

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("-._:[]", c) != NULL;
}

static const char *check_host(struct sx_slice name, bool is_wildcard)
{
    if (is_wildcard && name.len < 2)
        return "a host '*.' needs a name behind it";
    if (name.len > MAX_HOST_LEN)
        return "a host has more than 255 bytes";
    for (size_t i = 0; i < name.len; i++) {
        if (!is_host_char(name.data[i]))
            return "a host is a name without port, or '*.' and a name";
    }
    return NULL;
}

/* Exact names first, then wildcards by length, then any: each before those it shadows. */
static bool comes_before(const struct route_host *a, const struct route_host *b)
{
    if (a->is_wildcard != b->is_wildcard || a->name.len == 0 || b->name.len == 0)
        return a->name.len > 0 && (b->name.len == 0 || !a->is_wildcard);
    return a->name.len > b->name.len;
}

static void insert_host(struct sx_router *r, struct route_host *h)
{
    struct route_host **at = &r->hosts;

    while (*at != NULL && !comes_before(h, *at))
        at = &(*at)->next;
    h->next = *at;
    *at = h;
}

static void fold_name(char *name)
{
    for (; *name != '\0'; name++) {
        if (*name >= 'A' && *name <= 'Z')
            *name = (char)(*name + ('a' - 'A'));
    }
}

static struct route_node *create_node(struct sx_router *r, const struct route_segment *s)
{
    struct route_node *n = sx_arena_zalloc(&r->arena, sizeof(*n));

    if (n == NULL)
        return NULL;
    n->kind = s->kind;
    if (copy_slice(r, s->before, &n->before) != 0 || copy_slice(r, s->after, &n->after) != 0)
        return NULL;
    return n;
}

static int create_host(struct sx_router *r, struct sx_slice name, bool is_wildcard,
                       struct route_host **ret_host)
{
    const struct route_segment root = { .kind = ROUTE_LITERAL };
    struct route_host *h = sx_arena_zalloc(&r->arena, sizeof(*h));
    char *copy = sx_arena_text(&r->arena, name.data, name.len);

    if (h == NULL || copy == NULL)
        return SX_ERR_NOMEM;
    h->root = create_node(r, &root);
    if (h->root == NULL)
        return SX_ERR_NOMEM;
    fold_name(copy);
    h->name = sx_slice_make(copy, name.len);
    h->is_wildcard = is_wildcard;
    insert_host(r, h);
    *ret_host = h;
    return 0;
}

static int find_or_create_host(struct sx_router *r, const char *host, struct route_host **ret_host,
                               const char **ret_why)
{
    bool is_wildcard = strncmp(host, "*.", 2) == 0;
    struct sx_slice name = sx_slice_of(host + is_wildcard);
    const char *why = check_host(name, is_wildcard);

    if (why != NULL) {
        *ret_why = why;
        return SX_ERR_INVALID;
    }
    for (struct route_host *h = r->hosts; h != NULL; h = h->next) {
        if (h->is_wildcard == is_wildcard && sx_slice_equals_nocase(h->name, name)) {
            *ret_host = h;
            return 0;
        }
    }
    return create_host(r, name, is_wildcard, ret_host);
}

/* --- nodes ---------------------------------------------------------------------------- */

static bool is_same(const struct route_node *n, const struct route_segment *s)
{
    return n->kind == s->kind && sx_slice_equals(n->before, s->before) &&
           sx_slice_equals(n->after, s->after);
}

/* Longer text around a parameter first; of the same length, the longer text before it. */
static bool precedes(const struct route_node *a, const struct route_node *b)
{
    size_t a_len = a->before.len + a->after.len;
    size_t b_len = b->before.len + b->after.len;

    if (a->kind != b->kind)
        return a->kind < b->kind;
    return a_len != b_len ? a_len > b_len : a->before.len > b->before.len;
}

static struct route_node *find_or_create_child(struct sx_router *r, struct route_host *h,
                                               struct route_node *parent,
                                               const struct route_segment *s)
{
    struct route_node **list = s->kind == ROUTE_LITERAL ? &parent->literals : &parent->others;
    struct route_node *n;

    for (n = *list; n != NULL; n = n->next) {
        if (is_same(n, s))
            return n;
    }
    n = create_node(r, s);
    if (n == NULL)
        return NULL;
    h->n_nodes++;
    while (*list != NULL && s->kind != ROUTE_LITERAL && !precedes(n, *list))
        list = &(*list)->next;
    n->next = *list;
    *list = n;
    return n;
}

static struct route_node *find_or_create_end(struct sx_router *r, struct route_host *h,
                                             const struct route_pattern *p)
{
    struct route_node *n = h->root;

    for (size_t i = 0; n != NULL && i < p->n_segments; i++)
        n = find_or_create_child(r, h, n, &p->segments[i]);
    return n;
}

/* --- methods -------------------------------------------------------------------------- */

static bool is_method(const char *method)
{
    size_t len = strlen(method);

    for (size_t i = 0; i < len; i++) {
        char c = method[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              strchr("!#$%&'*+-.^_`|~", c) != NULL))
            return false;
    }
    return len > 0 && len <= MAX_METHOD_LEN;
}

static struct route_method *find_method(struct route_node *n, const char *method)
{
    for (size_t i = 0; i < n->n_methods; i++) {
        if (strcmp(n->methods[i].name, method) == 0)
            return &n->methods[i];
    }
    return NULL;
}

static const char *const *copy_names(struct sx_router *r, const struct route_pattern *p)
{
    const char **names = sx_arena_alloc(&r->arena, (p->n_params + 1) * sizeof(*names));
    size_t n = 0;

    for (size_t i = 0; names != NULL && i < p->n_segments; i++) {
        struct sx_slice name = p->segments[i].name;

        if (p->segments[i].kind == ROUTE_LITERAL)
            continue;
        names[n] = sx_arena_text(&r->arena, name.data, name.len);
        if (names[n++] == NULL)
            return NULL;
    }
    return names;
}

/* The arena keeps the smaller array: a path has few methods. */
static int reserve_method(struct sx_router *r, struct route_node *n)
{
    size_t cap = n->cap_methods == 0 ? 2 : n->cap_methods * 2;
    struct route_method *more;

    if (n->n_methods < n->cap_methods)
        return 0;
    more = sx_arena_alloc(&r->arena, cap * sizeof(*more));
    if (more == NULL)
        return SX_ERR_NOMEM;
    if (n->n_methods > 0)
        memcpy(more, n->methods, n->n_methods * sizeof(*more));
    n->methods = more;
    n->cap_methods = cap;
    return 0;
}

static int add_method(struct sx_router *r, struct route_node *n, const char *method,
                      const struct route_pattern *p, void *target)
{
    struct route_method m = {
        .key = route_method_key(method, strlen(method)),
        .name = sx_arena_text(&r->arena, method, strlen(method)),
        .len = strlen(method),
        .target = target,
        .names = copy_names(r, p),
    };

    if (m.name == NULL || m.names == NULL || reserve_method(r, n) != 0)
        return SX_ERR_NOMEM;
    n->methods[n->n_methods++] = m;
    return 0;
}

static int refuse(const char *why, const char **ret_why)
{
    *ret_why = why;
    return SX_ERR_INVALID;
}

int sx_router_add(struct sx_router *r, const char *host, const char *method, const char *pattern,
                  void *target, void **ret_other, const char **ret_why)
{
    struct route_pattern p;
    struct route_host *h;
    struct route_node *n;
    int rc;

    if (r->is_frozen)
        return refuse("the router is frozen", ret_why);
    if (!is_method(method))
        return refuse("a method is a token of at most 32 letters", ret_why);
    rc = route_pattern_parse(pattern, &p, ret_why);
    if (rc != 0)
        return rc;
    rc = find_or_create_host(r, host, &h, ret_why);
    if (rc != 0)
        return rc;

    n = find_or_create_end(r, h, &p);
    if (n == NULL)
        return SX_ERR_NOMEM;
    if (find_method(n, method) != NULL) {
        *ret_other = find_method(n, method)->target;
        return SX_ERR_BUSY;
    }
    if (n->n_methods == SX_ROUTE_MAX_METHODS)
        return refuse("a path can have 16 methods", ret_why);
    if (p.n_params == 0 && copy_slice(r, sx_slice_of(pattern), &n->full) != 0)
        return SX_ERR_NOMEM;
    return add_method(r, n, method, &p, target);
}

/* --- freezing ------------------------------------------------------------------------- */

static int create_table(struct sx_router *r, size_t n_entries, struct route_table *ret_table)
{
    size_t size = 4;

    while (size < n_entries * 2)
        size *= 2;
    ret_table->mask = size - 1;
    ret_table->slots = sx_arena_zalloc(&r->arena, size * sizeof(*ret_table->slots));
    return ret_table->slots == NULL ? SX_ERR_NOMEM : 0;
}

static void fill_slot(struct route_table *t, struct sx_slice key, const struct route_node *parent,
                      const struct route_node *node)
{
    uint64_t hash = route_hash(key.data, key.len, route_seed(parent));
    size_t i = hash & t->mask;

    while (t->slots[i].node != NULL)
        i = (i + 1) & t->mask;
    t->slots[i] = (struct route_slot){ hash, parent, node };
}

static bool is_brought(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
           strcmp(method, "OPTIONS") == 0 || strcmp(method, SX_ROUTE_WEBSOCKET) == 0;
}

/* GET brings HEAD, a WebSocket is asked for by GET, and every path has OPTIONS. */
static const char *write_allow(struct sx_router *r, struct route_node *n)
{
    struct sx_buf text;
    const char *allow;

    sx_buf_init(&text, (SX_ROUTE_MAX_METHODS + 3) * (MAX_METHOD_LEN + 2));
    if (find_method(n, "GET") != NULL || find_method(n, SX_ROUTE_WEBSOCKET) != NULL)
        sx_buf_add_text(&text, "GET, HEAD, ");
    else if (find_method(n, "HEAD") != NULL)
        sx_buf_add_text(&text, "HEAD, ");
    for (size_t i = 0; i < n->n_methods; i++) {
        if (is_brought(n->methods[i].name))
            continue;
        sx_buf_add(&text, n->methods[i].name, n->methods[i].len);
        sx_buf_add_text(&text, ", ");
    }
    sx_buf_add_text(&text, "OPTIONS");
    allow = sx_buf_failed(&text) ? NULL : sx_arena_text(&r->arena, text.data, text.len);
    sx_buf_finish(&text);
    return allow;
}

/* HEAD finds GET: one more entry, so that a match need not look twice. */
static int bring_head(struct sx_router *r, struct route_node *n)
{
    const struct route_method *get = find_method(n, "GET");
    struct route_method head;

    if (get == NULL || find_method(n, "HEAD") != NULL)
        return 0;
    head = *get;
    head.name = "HEAD";
    head.len = 4;
    head.key = route_method_key("HEAD", 4);
    if (reserve_method(r, n) != 0)
        return SX_ERR_NOMEM;
    n->methods[n->n_methods++] = head;
    return 0;
}

/* Depth first: a node, its literal children, its other children. */
static int freeze_node(struct sx_router *r, struct route_host *h, struct route_node *n)
{
    int rc = 0;

    if (n->n_methods > 0) {
        n->allow = write_allow(r, n);
        if (n->allow == NULL || bring_head(r, n) != 0)
            return SX_ERR_NOMEM;
        if (n->full.data != NULL)
            fill_slot(&h->paths, n->full, NULL, n);
    }
    for (struct route_node *c = n->literals; rc == 0 && c != NULL; c = c->next) {
        fill_slot(&h->edges, c->before, n, c);
        rc = freeze_node(r, h, c);
    }
    for (struct route_node *c = n->others; rc == 0 && c != NULL; c = c->next)
        rc = freeze_node(r, h, c);
    return rc;
}

int sx_router_freeze(struct sx_router *r)
{
    int rc = 0;

    sx_check(!r->is_frozen);
    for (struct route_host *h = r->hosts; rc == 0 && h != NULL; h = h->next) {
        rc = create_table(r, h->n_nodes, &h->paths);
        if (rc == 0)
            rc = create_table(r, h->n_nodes, &h->edges);
        if (rc == 0)
            rc = freeze_node(r, h, h->root);
    }
    r->is_frozen = rc == 0;
    return rc;
}
