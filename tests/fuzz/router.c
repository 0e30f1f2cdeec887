/*
 * router.c - patterns and paths out of bytes, the router against a naive matcher.
 *
 * Lines: "+METHOD HOST PATTERN" adds a route, any other is "METHOD HOST PATH" and is matched
 * when all routes are there.  HOST "-" is none.  The naive side keeps the patterns as text,
 * tries each of them on each path, and knows nothing of trees and tables.
 */
#include "base/error.h"
#include "fuzz.h"
#include "route/route.h"

#define MAX_ROUTES   64
#define MAX_SEGMENTS 64

enum kind { LITERAL, AFFIX, PARAM, REST };

struct segment {
    enum kind kind;
    struct sx_slice before, after;
};

struct route {
    char *method, *host, *pattern;
    size_t n;
    struct segment segments[MAX_SEGMENTS];
};

struct model {
    struct route routes[MAX_ROUTES];
    size_t n;
};

/* --- Patterns ------------------------------------------------------------------------- */

static bool is_name(struct sx_slice s)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] == '\0' || (strchr(first, s.data[i]) == NULL &&
                                  (i == 0 || strchr("0123456789-.", s.data[i]) == NULL)))
            return false;
    return s.len > 0;
}

/* False for what is no segment of a pattern. */
static bool read_segment(struct sx_slice text, bool is_last, struct segment *ret,
                         struct sx_slice *ret_name)
{
    const char *open = text.len == 0 ? NULL : memchr(text.data, '{', text.len);
    const char *close = text.len == 0 ? NULL : memchr(text.data, '}', text.len);
    const char *end = text.data + text.len;
    struct sx_slice name;

    *ret_name = (struct sx_slice){ NULL, 0 };
    if (open == NULL) {
        *ret = (struct segment){ LITERAL, text, { NULL, 0 } };
        return close == NULL && text.len <= 255 && (text.len > 0 || is_last) &&
               !sx_slice_is(text, ".") && !sx_slice_is(text, "..");
    }
    if (close == NULL || close < open)
        return false;
    name = sx_slice_make(open + 1, (size_t)(close - open) - 1);
    ret->before = sx_slice_make(text.data, (size_t)(open - text.data));
    ret->after = sx_slice_make(close + 1, (size_t)(end - close) - 1);
    ret->kind = ret->before.len + ret->after.len > 0 ? AFFIX : PARAM;
    if (name.len > 3 && memcmp(name.data + name.len - 3, "...", 3) == 0) {
        name.len -= 3;
        if (ret->kind == AFFIX || !is_last)
            return false;
        ret->kind = REST;
    }
    *ret_name = name;
    return is_name(name) && ret->before.len <= 255 && ret->after.len <= 255 &&
           (ret->after.len == 0 || (memchr(ret->after.data, '{', ret->after.len) == NULL &&
                                    memchr(ret->after.data, '}', ret->after.len) == NULL));
}

static bool read_pattern(struct route *r)
{
    struct sx_slice rest = sx_slice_of(r->pattern), names[SX_ROUTE_MAX_PARAMS];
    size_t n_names = 0;

    r->n = 0;
    if (r->pattern[0] != '/')
        return false;
    for (size_t i = 0; i < rest.len; i++)
        if ((unsigned char)rest.data[i] <= ' ' || strchr("%?#\x7f", rest.data[i]) != NULL)
            return false;
    (void)sx_slice_cut(&rest, '/');
    while (rest.data != NULL) {
        struct sx_slice text = sx_slice_cut(&rest, '/'), name;

        if (r->n == MAX_SEGMENTS ||
            !read_segment(text, rest.data == NULL, &r->segments[r->n++], &name))
            return false;
        if (name.data == NULL)
            continue;
        for (size_t i = 0; i < n_names; i++)
            if (sx_slice_equals(names[i], name))
                return false;
        if (n_names == SX_ROUTE_MAX_PARAMS)
            return false;
        names[n_names++] = name;
    }
    return true;
}

static bool is_same_segment(const struct segment *a, const struct segment *b)
{
    return a->kind == b->kind && sx_slice_equals(a->before, b->before) &&
           sx_slice_equals(a->after, b->after);
}

static bool is_same_pattern(const struct route *a, const struct route *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++)
        if (!is_same_segment(&a->segments[i], &b->segments[i]))
            return false;
    return a->n == b->n;
}

static bool is_same_host(const struct route *a, const struct route *b)
{
    return strcasecmp(a->host, b->host) == 0;
}

static bool is_same_path(const struct route *a, const struct route *b)
{
    return is_same_host(a, b) && is_same_pattern(a, b);
}

/* --- Building ------------------------------------------------------------------------- */

static struct sx_slice word(struct sx_slice *line)
{
    struct sx_slice w = sx_slice_cut(line, ' ');

    return w.data == NULL ? sx_slice_of("") : w;
}

static char *host_text(struct sx_slice w)
{
    return sx_slice_is(w, "-") ? fuzz_text(sx_slice_of("")) : fuzz_text(w);
}

static void free_route(struct route *r)
{
    free(r->method);
    free(r->host);
    free(r->pattern);
}

/* What owns the same method, host and pattern; NULL: nobody. */
static struct route *find_owner(struct model *m, const struct route *r, size_t *ret_n_methods)
{
    struct route *owner = NULL;

    *ret_n_methods = 0;
    for (size_t i = 0; i < m->n; i++) {
        if (!is_same_path(&m->routes[i], r))
            continue;
        (*ret_n_methods)++;
        if (strcmp(m->routes[i].method, r->method) == 0)
            owner = &m->routes[i];
    }
    return owner;
}

static void add_route(struct model *m, struct sx_router *router, struct sx_slice line)
{
    struct route *r = &m->routes[m->n];
    struct route *owner;
    const char *why = NULL;
    void *other = NULL;
    size_t n_methods = 0;
    bool is_pattern;
    int rc;

    r->method = fuzz_text(word(&line));
    r->host = host_text(word(&line));
    r->pattern = fuzz_text(line.data == NULL ? sx_slice_of("") : line);
    rc = sx_router_add(router, r->host, r->method, r->pattern, r, &other, &why);
    is_pattern = read_pattern(r);
    owner = is_pattern ? find_owner(m, r, &n_methods) : NULL;
    fuzz_check((rc == SX_ERR_INVALID) == (why != NULL), "\"%s\" gives %d", r->pattern, rc);
    fuzz_check(is_pattern || rc == SX_ERR_INVALID, "\"%s\" is a pattern", r->pattern);
    if (rc == SX_ERR_BUSY)
        fuzz_check(owner != NULL && other == owner, "\"%s\" has another owner", r->pattern);
    else
        fuzz_check(rc != 0 || owner == NULL, "\"%s\" has two owners", r->pattern);
    fuzz_check(rc != 0 || n_methods < SX_ROUTE_MAX_METHODS, "\"%s\": too many", r->pattern);
    if (rc == SX_ERR_INVALID && is_pattern)
        fuzz_check(strstr(why, "method") != NULL || strstr(why, "host") != NULL ||
                       n_methods >= SX_ROUTE_MAX_METHODS,
                   "\"%s\" refused: %s", r->pattern, why);
    if (rc == 0)
        m->n++;
    else
        free_route(r);
}

/* --- Matching ------------------------------------------------------------------------- */

/* Decoded in place; its escapes are good.  A NUL is a byte that no pattern has. */
static size_t decode(char *text, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++, n++) {
        char hex[3] = { 0 };

        text[n] = text[i];
        if (text[i] != '%')
            continue;
        memcpy(hex, text + i + 1, 2);
        text[n] = (char)strtoul(hex, NULL, 16);
        i += 2;
    }
    return n;
}

static bool takes(const struct segment *s, struct sx_slice text)
{
    char *plain = fuzz_bytes(text);
    size_t len = decode(plain, text.len), around = s->before.len + s->after.len;
    bool does;

    if (s->kind == LITERAL)
        does = sx_slice_equals(s->before, sx_slice_make(plain, len));
    else
        does = len > around && memcmp(plain, s->before.data, s->before.len) == 0 &&
               memcmp(plain + len - s->after.len, s->after.data, s->after.len) == 0;
    free(plain);
    return does;
}

static bool matches(const struct route *r, struct sx_slice path)
{
    struct sx_slice rest = path;

    (void)sx_slice_cut(&rest, '/');
    for (size_t i = 0; i < r->n; i++) {
        if (rest.data == NULL)
            return false;
        if (r->segments[i].kind == REST)
            return true;
        if (!takes(&r->segments[i], sx_slice_cut(&rest, '/')))
            return false;
    }
    return rest.data == NULL;
}

/* Less than 0: a is the more literal one. */
static int compare(const struct route *a, const struct route *b)
{
    for (size_t i = 0; i < a->n && i < b->n; i++) {
        const struct segment *x = &a->segments[i], *y = &b->segments[i];
        size_t x_len = x->before.len + x->after.len, y_len = y->before.len + y->after.len;

        if (x->kind != y->kind)
            return (int)x->kind - (int)y->kind;
        if (x->kind == AFFIX && x_len != y_len)
            return x_len > y_len ? -1 : 1;
        if (x->kind == AFFIX && x->before.len != y->before.len)
            return x->before.len > y->before.len ? -1 : 1;
    }
    return 0;
}

static bool takes_host(const struct route *r, struct sx_slice host)
{
    size_t len = strlen(r->host);

    if (len == 0)
        return true;
    if (strncmp(r->host, "*.", 2) != 0)
        return host.len == len && strncasecmp(host.data, r->host, len) == 0;
    return host.len > len - 1 &&
           strncasecmp(host.data + host.len - (len - 1), r->host + 1, len - 1) == 0;
}

/* Exact names before longer suffixes, and those before any. */
static int compare_hosts(const struct route *a, const struct route *b)
{
    size_t x = strlen(a->host), y = strlen(b->host);
    int x_kind = x == 0 ? 2 : a->host[0] == '*', y_kind = y == 0 ? 2 : b->host[0] == '*';

    if (x_kind != y_kind)
        return x_kind - y_kind;
    return x_kind == 1 && x != y ? (x > y ? -1 : 1) : 0;
}

/* Any route of the best host and path, whatever its method. */
static const struct route *find_best(const struct model *m, struct sx_slice host,
                                     struct sx_slice path)
{
    const struct route *best = NULL;

    for (size_t i = 0; i < m->n; i++) {
        const struct route *r = &m->routes[i];
        int order;

        if (!takes_host(r, host) || !matches(r, path))
            continue;
        order = best == NULL ? -1 : compare_hosts(r, best);
        if (order < 0 || (order == 0 && compare(r, best) < 0))
            best = r;
    }
    return best;
}

static const struct route *with_method(const struct model *m, const struct route *best,
                                       const char *method)
{
    for (size_t i = 0; best != NULL && i < m->n; i++)
        if (is_same_path(&m->routes[i], best) && strcmp(m->routes[i].method, method) == 0)
            return &m->routes[i];
    return NULL;
}

/* What the parameters must be, by the naive reading of the path. */
static void check_params(const struct route *r, struct sx_slice path,
                         const struct sx_route_match *found)
{
    struct sx_slice rest = path;
    uint32_t n = 0;

    (void)sx_slice_cut(&rest, '/');
    for (size_t i = 0; i < r->n; i++) {
        const char *begin = rest.data;
        struct sx_slice text = sx_slice_cut(&rest, '/');
        const struct sx_route_param *p = &found->params[n];

        if (r->segments[i].kind == LITERAL)
            continue;
        fuzz_check(n++ < found->n_params, "%s: too few values", r->pattern);
        fuzz_check(p->data >= begin && p->data + p->len <= path.data + path.len,
                   "%s: a value lies elsewhere", r->pattern);
        if (r->segments[i].kind == REST)
            text.len = (size_t)(path.data + path.len - begin);
        if (r->segments[i].kind != AFFIX)
            fuzz_check(p->data == begin && p->len == text.len, "%s: a wrong value", r->pattern);
        else
            fuzz_check(p->len > 0 && p->len < text.len, "%s: a wrong value", r->pattern);
    }
    fuzz_check(n == found->n_params, "%s: too many values", r->pattern);
}

static bool in_list(const char *list, const char *method)
{
    struct sx_slice rest = sx_slice_of(list);

    while (rest.data != NULL)
        if (sx_slice_is(sx_slice_trim(sx_slice_cut(&rest, ',')), method))
            return true;
    return false;
}

/* The HTTP floor refuses a path with a bad escape before anybody could ask for its route. */
static bool has_good_escapes(struct sx_slice path)
{
    char *text = fuzz_text(path);
    bool is_good = true;

    for (size_t i = 0; i < path.len; i++)
        is_good &= text[i] != '%' || strspn(text + i + 1, "0123456789abcdefABCDEF") >= 2;
    free(text);
    return is_good;
}

static void match(const struct model *m, const struct sx_router *router, struct sx_slice line)
{
    char *method = fuzz_text(word(&line)), *host = host_text(word(&line));
    char *bytes = fuzz_bytes(line);
    struct sx_slice path = sx_slice_make(bytes, line.len);
    struct sx_route_match found = { 0 };
    enum sx_route_result result = sx_router_match(router, host, strlen(host), method,
                                                  strlen(method), path.data, path.len, &found);
    const struct route *best = path.len > 0 && path.data[0] == '/'
                                   ? find_best(m, sx_slice_of(host), path)
                                   : NULL;
    const struct route *wanted = with_method(m, best, method);

    if (wanted == NULL && strcmp(method, "HEAD") == 0)
        wanted = with_method(m, best, "GET");
    fuzz_check((result == SX_ROUTE_NO_PATH) == (best == NULL), "%.*s: %s", (int)path.len, path.data,
               best == NULL ? "found" : best->pattern);
    fuzz_check((result == SX_ROUTE_FOUND) == (wanted != NULL), "%s %.*s: %d", method, (int)path.len,
               path.data, result);
    if (wanted != NULL) {
        fuzz_check(found.target == wanted, "%.*s: %s, not %s", (int)path.len, path.data,
                   ((const struct route *)found.target)->pattern, wanted->pattern);
        check_params(wanted, path, &found);
    }
    if (best != NULL)
        fuzz_check(in_list(found.allow, "OPTIONS") &&
                       in_list(found.allow, strcmp(best->method, SX_ROUTE_WEBSOCKET) == 0
                                                ? "GET"
                                                : best->method),
                   "%s: Allow: %s", best->pattern, found.allow);
    free(method);
    free(host);
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sx_slice rest = fuzz_input(data, len);
    struct model *m = calloc(1, sizeof *m);
    struct sx_router *router;

    fuzz_check(m != NULL && sx_router_create(&router) == 0, "no memory");
    for (struct sx_slice at = rest; at.data != NULL && m->n < MAX_ROUTES;) {
        struct sx_slice line = fuzz_line(&at);

        if (line.len > 0 && line.data[0] == '+')
            add_route(m, router, sx_slice_after(line, 1));
    }
    fuzz_check(sx_router_freeze(router) == 0, "no memory");
    while (rest.data != NULL) {
        struct sx_slice line = fuzz_line(&rest);

        if (has_good_escapes(line) && (line.len == 0 || line.data[0] != '+'))
            match(m, router, line);
    }
    sx_router_destroy(router);
    for (size_t i = 0; i < m->n; i++)
        free_route(&m->routes[i]);
    free(m);
    return 0;
}
