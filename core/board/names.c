/*
 * board/names.c - the tables of plugins, routes and metrics, and names read back from them.
 *
 * All workers of a generation write the same names at the same time, so adding happens under a
 * lock on the file, which the kernel gives back when its holder dies.  Entries are never
 * removed: a route and a metric belong to the first plugin of that name, so that reloads with
 * new versions neither fill the tables nor begin their counts anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "board/board_private.h"

void board_copy_text(char *to, const char *from, size_t size)
{
    memcpy(to, from, size - 1);
    to[size - 1] = '\0';
}

/* As board_copy_text, with the rest of the field cleared; text may be NULL. */
static void set_text(char *to, const char *text, size_t size)
{
    size_t len = text == NULL ? 0 : strnlen(text, size - 1);

    memset(to, 0, size);
    if (len > 0)
        memcpy(to, text, len);
}

/* Is this what set_text would write? */
static bool is_text(const char *field, const char *text, size_t size)
{
    char wanted[256];

    set_text(wanted, text, size);
    return memcmp(field, wanted, size) == 0;
}

#define SET_TEXT(field, text) set_text((field), (text), sizeof(field))
#define IS_TEXT(field, text)  is_text((field), (text), sizeof(field))

/* A lock of the process, not of the descriptor, which all workers have inherited. */
static bool lock_names(const struct sx_board *b, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 1 };
    int rc;

    do {
        rc = fcntl(b->fd, F_SETLKW, &lock);
    } while (rc != 0 && errno == EINTR);
    return rc == 0;
}

static uint32_t add_locked(struct sx_board *b, uint32_t (*add)(struct board_head *, const void *),
                           const void *entry)
{
    uint32_t index;

    if (!lock_names(b, F_WRLCK))
        return SX_BOARD_NONE;
    index = add(b->head, entry);
    (void)lock_names(b, F_UNLCK);
    return index;
}

/* --- plugins -------------------------------------------------------------------------- */

static uint32_t find_plugin(const struct board_head *h, const struct board_plugin *p,
                            size_t n_bytes)
{
    uint32_t n = board_count(&h->n_plugins, SX_BOARD_MAX_PLUGINS);

    for (uint32_t i = 0; i < n; i++) {
        if (memcmp(&h->plugins[i], p, n_bytes) == 0)
            return i;
    }
    return SX_BOARD_NONE;
}

/* Each version has an entry; when the table is full, a new one takes over that of an older. */
static uint32_t add_plugin(struct board_head *h, const void *entry)
{
    const struct board_plugin *p = entry;
    uint32_t n = board_count(&h->n_plugins, SX_BOARD_MAX_PLUGINS);
    uint32_t at = find_plugin(h, p, sizeof(*p));

    if (at != SX_BOARD_NONE)
        return at;
    if (n == SX_BOARD_MAX_PLUGINS) {
        at = find_plugin(h, p, sizeof(p->name));
        if (at != SX_BOARD_NONE)
            h->plugins[at] = *p;
        return at;
    }
    h->plugins[n] = *p;
    __atomic_store_n(&h->n_plugins, n + 1, __ATOMIC_RELEASE);
    return n;
}

uint32_t sx_board_add_plugin(struct sx_board *b, const char *name, const char *version,
                             const char *build)
{
    struct board_plugin p;

    SET_TEXT(p.name, name);
    SET_TEXT(p.version, version);
    SET_TEXT(p.build, build);
    return add_locked(b, add_plugin, &p);
}

static uint32_t first_of_name(const struct board_head *h, uint32_t plugin)
{
    struct board_plugin p;

    if (plugin >= board_count(&h->n_plugins, SX_BOARD_MAX_PLUGINS))
        return SX_BOARD_NONE;
    p = h->plugins[plugin];
    return find_plugin(h, &p, sizeof(p.name));
}

static struct board_plugin_count *count_of(struct sx_board *b, const char *plugin)
{
    struct board_plugin p;
    uint32_t at;

    SET_TEXT(p.name, plugin);
    at = find_plugin(b->head, &p, sizeof(p.name));
    return at == SX_BOARD_NONE ? NULL : &b->head->faults[at];
}

void sx_board_count_fault(struct sx_board *b, const char *plugin)
{
    struct board_plugin_count *count = count_of(b, plugin);

    if (count != NULL)
        board_add(&count->faults, 1);
}

void sx_board_set_quarantined(struct sx_board *b, const char *plugin, bool is_quarantined)
{
    struct board_plugin_count *count = count_of(b, plugin);

    if (count != NULL)
        __atomic_store_n(&count->is_quarantined, is_quarantined, __ATOMIC_RELAXED);
}

/* --- routes --------------------------------------------------------------------------- */

struct route_wish {
    uint32_t plugin;
    const char *method, *pattern;
};

static uint32_t add_route(struct board_head *h, const void *entry)
{
    const struct route_wish *wish = entry;
    uint32_t plugin = first_of_name(h, wish->plugin);
    uint32_t n = board_count(&h->n_routes, SX_BOARD_MAX_ROUTES);

    if (plugin == SX_BOARD_NONE)
        return SX_BOARD_NONE;
    for (uint32_t i = 0; i < n; i++) {
        const struct board_route *r = &h->routes[i];

        if (r->plugin == plugin && IS_TEXT(r->method, wish->method) &&
            IS_TEXT(r->pattern, wish->pattern))
            return i;
    }
    if (n == SX_BOARD_MAX_ROUTES)
        return SX_BOARD_NONE;
    h->routes[n].plugin = plugin;
    SET_TEXT(h->routes[n].method, wish->method);
    SET_TEXT(h->routes[n].pattern, wish->pattern);
    __atomic_store_n(&h->n_routes, n + 1, __ATOMIC_RELEASE);
    return n;
}

uint32_t sx_board_add_route(struct sx_board *b, uint32_t plugin, const char *method,
                            const char *pattern)
{
    const struct route_wish wish = { plugin, method, pattern };

    return add_locked(b, add_route, &wish);
}

/* --- metrics -------------------------------------------------------------------------- */

static uint32_t find_metric(const struct board_head *h, const struct board_metric *m)
{
    uint32_t n = board_count(&h->n_metrics, SX_BOARD_MAX_METRICS);

    for (uint32_t i = 0; i < n; i++) {
        if (h->metrics[i].plugin == m->plugin &&
            memcmp(h->metrics[i].name, m->name, sizeof(m->name)) == 0)
            return i;
    }
    return SX_BOARD_NONE;
}

/* A newer version may describe a metric otherwise: the entry follows it. */
static uint32_t add_metric(struct board_head *h, const void *entry)
{
    struct board_metric m = *(const struct board_metric *)entry;
    uint32_t n = board_count(&h->n_metrics, SX_BOARD_MAX_METRICS);
    uint32_t at;

    m.plugin = first_of_name(h, m.plugin);
    if (m.plugin == SX_BOARD_NONE)
        return SX_BOARD_NONE;
    at = find_metric(h, &m);
    if (at != SX_BOARD_NONE) {
        h->metrics[at] = m;
        return at;
    }
    if (n == SX_BOARD_MAX_METRICS)
        return SX_BOARD_NONE;
    h->metrics[n] = m;
    __atomic_store_n(&h->n_metrics, n + 1, __ATOMIC_RELEASE);
    return n;
}

uint32_t sx_board_add_metric(struct sx_board *b, uint32_t plugin, const char *name, uint32_t kind,
                             const double *bounds, uint32_t n_bounds, const char *doc)
{
    struct board_metric m;

    if (kind < BOARD_COUNTER || kind > BOARD_HISTOGRAM || n_bounds > SX_BOARD_MAX_BUCKETS)
        return SX_BOARD_NONE;
    memset(&m, 0, sizeof(m));
    m.plugin = plugin;
    m.kind = kind;
    if (kind == BOARD_HISTOGRAM && n_bounds > 0) {
        m.n_bounds = n_bounds;
        memcpy(m.bounds, bounds, n_bounds * sizeof(m.bounds[0]));
    }
    SET_TEXT(m.name, name);
    SET_TEXT(m.doc, doc);
    return add_locked(b, add_metric, &m);
}

/* --- reading -------------------------------------------------------------------------- */

#define COPY_TEXT(to, from)                                                    \
    do {                                                                       \
        _Static_assert(sizeof(to) == sizeof(from), "fields of the same size"); \
        board_copy_text((to), (from), sizeof(to));                             \
    } while (0)

void sx_board_describe(const struct sx_board *b, uint32_t plugin, uint32_t route,
                       struct sx_board_name *ret)
{
    const struct board_head *h = b->head;

    memset(ret, 0, sizeof(*ret));
    if (plugin < board_count(&h->n_plugins, SX_BOARD_MAX_PLUGINS)) {
        COPY_TEXT(ret->plugin, h->plugins[plugin].name);
        COPY_TEXT(ret->version, h->plugins[plugin].version);
        COPY_TEXT(ret->build, h->plugins[plugin].build);
    }
    if (route < board_count(&h->n_routes, SX_BOARD_MAX_ROUTES)) {
        COPY_TEXT(ret->method, h->routes[route].method);
        COPY_TEXT(ret->route, h->routes[route].pattern);
    }
}
