/* testing/url.c - where a link leads (RFC 3986, section 5). */
#include "testing/testing_private.h"

static bool begins_with(struct sx_slice s, const char *text)
{
    size_t n = strlen(text);

    return s.len >= n && memcmp(s.data, text, n) == 0;
}

static struct sx_slice without_fragment(struct sx_slice s)
{
    const char *mark = s.len == 0 ? NULL : memchr(s.data, '#', s.len);

    return mark == NULL ? s : sx_slice_make(s.data, (size_t)(mark - s.data));
}

/* "mailto:", "https:" …: letters before a colon that stands before any slash. */
static bool has_scheme(struct sx_slice s)
{
    size_t n = 0;

    while (n < s.len && strchr(":/?#", s.data[n]) == NULL)
        n++;
    return n > 0 && n < s.len && s.data[n] == ':';
}

/* Takes "http://host" or "//host" off; false when it is another site. */
static bool take_site(struct sx_slice *link, const char *host)
{
    static const char *const schemes[] = { "http://", "https://", "//" };
    struct sx_slice rest = *link;
    size_t n;

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!begins_with(rest, schemes[i]))
            continue;
        rest = sx_slice_after(rest, strlen(schemes[i]));
        n = strlen(host);
        if (!begins_with(rest, host) || (rest.len > n && strchr("/?", rest.data[n]) == NULL))
            return false;
        rest = sx_slice_after(rest, n);
        *link = rest.len == 0 ? sx_slice_of("/") : rest;
        return true;
    }
    return !has_scheme(*link);
}

/* Takes the last segment and its slash off. */
static size_t parent(const char *path, size_t len)
{
    while (len > 0 && path[len - 1] != '/')
        len--;
    return len > 0 ? len - 1 : 0;
}

/* Section 5.2.4, in place; a query is left as it is. */
static void remove_dots(char *path)
{
    size_t path_len = strcspn(path, "?"), to = 0, at = 0;

    while (at < path_len) {
        size_t n = 1 + strcspn(path + at + 1, "/?"); /* of "/segment" */
        bool is_last = at + n >= path_len;

        if (n == 2 && path[at + 1] == '.') {
            n = 2;
        } else if (n == 3 && path[at + 1] == '.' && path[at + 2] == '.') {
            to = parent(path, to);
        } else {
            memmove(path + to, path + at, n);
            to += n;
            is_last = false;
        }
        if (is_last)
            path[to++] = '/';
        at += n;
    }
    if (to == 0)
        path[to++] = '/';
    memmove(path + to, path + path_len, strlen(path + path_len) + 1);
}

const char *sxt_url_resolve(struct sx_arena *a, const char *host, const char *base,
                            struct sx_slice link)
{
    struct sx_slice page = sxt_request_path(base);
    char *target;

    link = without_fragment(link);
    if (link.len == 0 || !take_site(&link, host))
        return NULL;
    if (link.data[0] == '?')
        return sx_arena_printf(a, "%.*s%.*s", (int)page.len, page.data, (int)link.len, link.data);
    if (link.data[0] != '/')
        target = sx_arena_printf(a, "%.*s/%.*s", (int)parent(page.data, page.len), page.data,
                                 (int)link.len, link.data);
    else
        target = sx_arena_text(a, link.data, link.len);
    if (target != NULL)
        remove_dots(target);
    return target;
}
