/*
 * testing/jar.c - the cookies that a client keeps (RFC 6265, section 5).
 *
 * There is one host, so Domain is not looked at; a cookie that is Secure is sent all the same,
 * because the connection is the memory of this process.
 */
#include "base/clock.h"
#include "base/text.h"
#include "testing/testing_private.h"

static struct sx_slice trim(struct sx_slice s)
{
    while (s.len > 0 && sx_slice_is_blank_char(s.data[0]))
        s = sx_slice_after(s, 1);
    while (s.len > 0 && sx_slice_is_blank_char(s.data[s.len - 1]))
        s.len--;
    return s;
}

/* Takes what stands before the mark off *rest; all of it where there is none. */
static struct sx_slice cut(struct sx_slice *rest, char mark)
{
    const char *found = rest->len == 0 ? NULL : memchr(rest->data, mark, rest->len);
    struct sx_slice head = *rest;

    if (found == NULL) {
        *rest = sx_slice_make("", 0);
        return head;
    }
    head.len = (size_t)(found - rest->data);
    *rest = sx_slice_after(*rest, head.len + 1);
    return head;
}

/* --- Receiving ------------------------------------------------------------------------- */

struct given {
    struct sx_slice name, value, path;
    bool is_over;
};

/* Section 5.1.4: the folder of the page that set it. */
static struct sx_slice default_path(struct sx_slice page)
{
    size_t n = page.len;

    while (n > 1 && page.data[n - 1] != '/')
        n--;
    return n <= 1 ? sx_slice_of("/") : sx_slice_make(page.data, n - 1);
}

static void take_attribute(struct given *g, struct sx_slice attribute)
{
    struct sx_slice name = trim(cut(&attribute, '='));
    struct sx_slice value = trim(attribute);
    int64_t number;

    if (sx_slice_is_nocase(name, "path") && value.len > 0 && value.data[0] == '/')
        g->path = value;
    else if (sx_slice_is_nocase(name, "max-age") &&
             sx_parse_int(value.data, value.len, &number) == 0)
        g->is_over = number <= 0;
    else if (sx_slice_is_nocase(name, "expires") &&
             sx_parse_http_date(value.data, value.len, &number) == 0)
        g->is_over = number <= sx_clock_wall_ns() / 1000000000;
}

static struct sxt_cookie *find(struct sxt_jar *jar, const struct given *g)
{
    for (size_t i = 0; i < jar->n; i++)
        if (sx_slice_is(g->name, jar->v[i].name) && sx_slice_is(g->path, jar->v[i].path))
            return &jar->v[i];
    return NULL;
}

static struct sxt_cookie *add(struct sxt_jar *jar, struct sx_arena *a)
{
    if (jar->n == jar->cap) {
        size_t cap = jar->cap == 0 ? 8 : 2 * jar->cap;
        struct sxt_cookie *v = sx_arena_alloc(a, cap * sizeof *v);

        if (v == NULL)
            return NULL;
        if (jar->n > 0)
            memcpy(v, jar->v, jar->n * sizeof *v);
        jar->v = v;
        jar->cap = cap;
    }
    return &jar->v[jar->n++];
}

void sxt_jar_take(struct sxt_jar *jar, struct sx_arena *a, struct sx_slice field,
                  struct sx_slice path)
{
    struct sx_slice rest = field, value = cut(&rest, ';');
    struct given g = { .path = default_path(path) };
    struct sxt_cookie *c;

    g.name = trim(cut(&value, '='));
    g.value = trim(value);
    while (rest.len > 0)
        take_attribute(&g, cut(&rest, ';'));
    c = find(jar, &g);
    if (g.is_over) {
        if (c != NULL)
            *c = jar->v[--jar->n];
        return;
    }
    if (c == NULL)
        c = add(jar, a);
    if (c == NULL || g.name.len == 0)
        return;
    c->name = sx_arena_text(a, g.name.data, g.name.len);
    c->value = sx_arena_text(a, g.value.data, g.value.len);
    c->path = sx_arena_text(a, g.path.data, g.path.len);
}

/* --- Sending --------------------------------------------------------------------------- */

/* "/a" is for "/a" and "/a/b", not for "/ab". */
static bool is_for(const struct sxt_cookie *c, struct sx_slice path)
{
    size_t n = strlen(c->path);

    if (path.len < n || memcmp(path.data, c->path, n) != 0)
        return false;
    return path.len == n || c->path[n - 1] == '/' || path.data[n] == '/';
}

void sxt_jar_write(const struct sxt_jar *jar, struct sx_slice path, struct sx_buf *to)
{
    for (size_t i = 0; i < jar->n; i++)
        if (is_for(&jar->v[i], path))
            sx_buf_printf(to, "%s%s=%s", to->len > 0 ? "; " : "", jar->v[i].name, jar->v[i].value);
}
