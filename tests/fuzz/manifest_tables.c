/* manifest_tables.c - a manifest out of bytes: sizes of structs, tables, entries. */
#include "manifest.h"

static const char *const methods[] = { "GET", "POST", "HEAD", "G T", "", NULL, "WEBSOCKET" };
static const char *const paths[] = { "/a",       "/x/{id}", "/x/{id.b}/{c...}", "/x/{a}{b}", "b",
                                     "/y/{b-}z", "/",       "/{a}/{a}",         NULL };
static const char *const names[] = { "id", "b", "", "\xff", "id.", "c", "a", "b-", NULL };
static const char *const schemas[] = {
    NULL, "{}", "true", "[]", "{", "1", "{\"type\":\"object\"}"
};
static const char *const docs[] = { NULL, "words", "" };

#define PICK(m, list) ((list)[take(m) % (sizeof(list) / sizeof *(list))])

/* 0 when there are none left. */
static unsigned take(struct made *m)
{
    unsigned value = m->left.len == 0 ? 0 : (unsigned char)m->left.data[0];

    if (m->left.len > 0)
        m->left = sx_slice_after(m->left, 1);
    return value;
}

static int32_t small(struct made *m)
{
    return (int32_t)(int8_t)take(m);
}

static int handler(sx_req *r)
{
    (void)r;
    return 0;
}

static int blocking(sx_req *r, sx_db *db)
{
    (void)r;
    (void)db;
    return 0;
}

static int before(sx_req *r)
{
    (void)r;
    return 0;
}

/* --- Sizes ---------------------------------------------------------------------------- */

/* Mostly today's; else some words more or less, or absurd. */
static uint32_t pick_size(struct made *m, size_t own)
{
    unsigned byte = take(m);
    long words = (long)(byte & 15) - 8;
    long size = (long)own + 8 * words;

    if (byte < 128)
        return (uint32_t)own;
    if (byte == 255)
        return 0;
    if (byte == 254)
        return 65544;
    return size < 0 ? 4 : (uint32_t)size;
}

/* --- Tables --------------------------------------------------------------------------- */

/* Room for n entries and the zeroed one. */
static struct made_table *begin_table(struct made *m, uint32_t size, size_t own_size, unsigned n)
{
    struct made_table *t;

    if (m->n_tables == MAX_TABLES || n == 0 || !m->has_good_sizes)
        return NULL;
    t = &m->tables[m->n_tables++];
    *t = (struct made_table){ .bytes = calloc((size_t)n + 1, size),
                              .size = size,
                              .own_size = (uint32_t)own_size };
    fuzz_check(t->bytes != NULL, "no memory");
    return t;
}

static void put_entry(struct made *m, struct made_table *t, unsigned i, const void *entry)
{
    char *to = t->bytes + (size_t)i * t->size;
    unsigned tail = t->size > t->own_size ? take(m) : 0;

    memcpy(to, entry, t->size < t->own_size ? t->size : t->own_size);
    if (tail < 200)
        return;
    to[t->own_size + tail % (t->size - t->own_size)] = 1;
}

static const sx_field *make_fields(struct made *m)
{
    unsigned n = take(m) % 4;
    struct made_table *t = begin_table(m, m->manifest.field_size, sizeof(sx_field), n);

    for (unsigned i = 0; t != NULL && i < n; i++) {
        sx_field f = { .name = PICK(m, names),
                       .in = small(m),
                       .type = small(m),
                       .required = take(m) & 1,
                       .doc = PICK(m, docs) };

        put_entry(m, t, i, &f);
    }
    return t == NULL ? NULL : (const sx_field *)(void *)t->bytes;
}

static const sx_response *make_responses(struct made *m)
{
    unsigned n = take(m) % 3;
    struct made_table *t = begin_table(m, m->manifest.response_size, sizeof(sx_response), n);

    for (unsigned i = 0; t != NULL && i < n; i++) {
        sx_response r = { .status = (int32_t)take(m) * 3,
                          .doc = PICK(m, docs),
                          .schema = PICK(m, schemas) };

        put_entry(m, t, i, &r);
    }
    return t == NULL ? NULL : (const sx_response *)(void *)t->bytes;
}

static const struct made_table *make_routes(struct made *m)
{
    unsigned n = take(m) % 5;
    struct made_table *t = begin_table(m, m->manifest.route_size, sizeof(sx_route), n);

    for (unsigned i = 0; t != NULL && i < n; i++) {
        unsigned flags = take(m);
        sx_route r = { .method = PICK(m, methods),
                       .path = PICK(m, paths),
                       .handler = (flags & 1) == 0 ? handler : NULL,
                       .blocking = (flags & 2) != 0 ? blocking : NULL,
                       .timeout_ms = flags,
                       .body_schema = PICK(m, schemas),
                       .params = make_fields(m),
                       .responses = make_responses(m) };

        put_entry(m, t, i, &r);
    }
    return t;
}

static const struct made_table *make_options(struct made *m)
{
    unsigned n = take(m) % 3;
    struct made_table *t = begin_table(m, m->manifest.option_size, sizeof(sx_option), n);

    for (unsigned i = 0; t != NULL && i < n; i++) {
        sx_option o = { .name = PICK(m, names),
                        .type = small(m),
                        .required = take(m) & 1,
                        .fallback = PICK(m, schemas),
                        .doc = PICK(m, docs) };

        put_entry(m, t, i, &o);
    }
    return t;
}

static const struct made_table *make_hooks(struct made *m)
{
    unsigned n = take(m) % 3;
    struct made_table *t = begin_table(m, m->manifest.hook_size, sizeof(sx_hook), n);

    for (unsigned i = 0; t != NULL && i < n; i++) {
        unsigned flags = take(m);
        sx_hook h = { .order = small(m),
                      .all_routes = flags & 1,
                      .before = (flags & 2) != 0 ? before : NULL };

        put_entry(m, t, i, &h);
    }
    return t;
}

static const struct made_table *make_metrics(struct made *m)
{
    static const double bounds[] = { 1, 2 };
    unsigned n = take(m) % 3;
    struct made_table *t = begin_table(m, m->manifest.metric_size, sizeof(sx_metric), n);

    for (unsigned i = 0; t != NULL && i < n; i++) {
        sx_metric metric = {
            .name = PICK(m, names), .kind = small(m), .nbounds = take(m) % 3, .bounds = bounds
        };

        put_entry(m, t, i, &metric);
    }
    return t;
}

static const struct made_table *make_migrations(struct made *m)
{
    unsigned n = take(m) % 3;
    struct made_table *t = begin_table(m, m->manifest.migration_size, sizeof(sx_migration), n);

    for (unsigned i = 0; t != NULL && i < n; i++) {
        sx_migration step = { .number = take(m), .name = PICK(m, names), .sql = PICK(m, docs) };

        put_entry(m, t, i, &step);
    }
    return t;
}

static bool is_all_zero(const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] != 0)
            return false;
    return true;
}

uint32_t made_count(const struct made_table *t)
{
    uint32_t n = 0;

    while (t != NULL && !is_all_zero(t->bytes + (size_t)n * t->size, t->size))
        n++;
    return n;
}

const struct made_table *made_find(const struct made *m, const void *at)
{
    for (size_t i = 0; i < m->n_tables; i++)
        if (m->tables[i].bytes == at)
            return &m->tables[i];
    return NULL;
}

/* What a copy that is cut off at its own size would lose. */
static void find_tails(struct made *m)
{
    for (size_t i = 0; i < m->n_tables; i++) {
        struct made_table *t = &m->tables[i];
        uint32_t n = made_count(t);

        for (uint32_t k = 0; t->size > t->own_size && k < n; k++)
            t->has_tail |= !is_all_zero(t->bytes + (size_t)k * t->size + t->own_size,
                                        t->size - t->own_size);
    }
}

/* --- The manifest --------------------------------------------------------------------- */

static void make_sizes(struct made *m)
{
    sx_manifest *x = &m->manifest;

    x->manifest_size = pick_size(m, sizeof *x);
    x->route_size = pick_size(m, sizeof(sx_route));
    x->field_size = pick_size(m, sizeof(sx_field));
    x->response_size = pick_size(m, sizeof(sx_response));
    x->option_size = pick_size(m, sizeof(sx_option));
    x->hook_size = pick_size(m, sizeof(sx_hook));
    x->metric_size = pick_size(m, sizeof(sx_metric));
    x->migration_size = pick_size(m, sizeof(sx_migration));
    x->jansson_version = take(m) < 250 ? JANSSON_VERSION_HEX : 0x10000;
    /* Less than what every header had. */
    m->has_good_sizes = x->manifest_size >= 48 && x->route_size >= 32 && x->field_size >= 24 &&
                        x->response_size >= 4 && x->option_size >= 24 && x->hook_size >= 8 &&
                        x->metric_size >= 12 && x->migration_size >= 24 &&
                        x->manifest_size <= 65536 && x->route_size <= 65536 &&
                        x->field_size <= 65536 && x->response_size <= 65536 &&
                        x->option_size <= 65536 && x->hook_size <= 65536 &&
                        x->metric_size <= 65536 && x->migration_size <= 65536;
}

/* At least so much as tells its sizes. */
static void put_manifest(struct made *m)
{
    size_t least = offsetof(sx_manifest, host), own = sizeof m->manifest;
    size_t size = m->manifest.manifest_size > 65536 ? least : m->manifest.manifest_size;
    unsigned tail;

    size = size < least ? least : size;
    m->bytes = calloc(1, size);
    fuzz_check(m->bytes != NULL, "no memory");
    memcpy(m->bytes, &m->manifest, size < own ? size : own);
    if (size < own)
        memset((char *)&m->manifest + size, 0, own - size);
    tail = size > own ? take(m) : 0;
    m->has_tail = tail >= 200;
    if (m->has_tail)
        m->bytes[own + tail % (size - own)] = 1;
}

/* The table, unless this manifest is too short to have it. */
static const struct made_table *kept(const struct made *m, const void *at)
{
    return at == NULL ? NULL : made_find(m, at);
}

void made_init(struct made *m, struct sx_slice bytes)
{
    static const sx_host *const none[1] = { NULL };
    const struct made_table *t;
    unsigned bits;

    *m = (struct made){ .left = bytes };
    make_sizes(m);
    m->manifest.host = take(m) == 255 ? NULL : (const sx_host **)(uintptr_t)none;
    bits = take(m);
    m->manifest.needs = (bits % 2 == 0 ? SX_CAP_BLOCKING : 0) | (bits % 4 < 2 ? SX_CAP_STREAM : 0);
    m->manifest.needs |= take(m) % 2 == 0 ? SX_CAP_ALL_ROUTES : 0;
    t = make_routes(m);
    m->manifest.routes = t == NULL ? NULL : (const sx_route *)(void *)t->bytes;
    t = make_options(m);
    m->manifest.options = t == NULL ? NULL : (const sx_option *)(void *)t->bytes;
    t = make_hooks(m);
    m->manifest.hooks = t == NULL ? NULL : (const sx_hook *)(void *)t->bytes;
    t = make_metrics(m);
    m->manifest.metrics = t == NULL ? NULL : (const sx_metric *)(void *)t->bytes;
    t = make_migrations(m);
    m->manifest.migrations = t == NULL ? NULL : (const sx_migration *)(void *)t->bytes;
    put_manifest(m);
    find_tails(m);
    m->routes = kept(m, m->manifest.routes);
    m->options = kept(m, m->manifest.options);
    m->hooks = kept(m, m->manifest.hooks);
    m->metrics = kept(m, m->manifest.metrics);
    m->migrations = kept(m, m->manifest.migrations);
}

void made_finish(struct made *m)
{
    for (size_t i = 0; i < m->n_tables; i++)
        free(m->tables[i].bytes);
    free(m->bytes);
}
