/*
 * testing/page.c - the links of an HTML page: every href and src of its tags.
 *
 * Not a whole parser (WHATWG HTML, section 13): comments and what stands in scripts and styles
 * are passed over, attributes may be quoted in any way.
 */
#include "testing/testing_private.h"

static bool is_space(char ch)
{
    return ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r' || ch == '\f';
}

static const char *skip_space(const char *at, const char *end)
{
    while (at < end && is_space(*at))
        at++;
    return at;
}

/* Behind the text, any case, or the end. */
static const char *skip_to(const char *at, const char *end, const char *text)
{
    size_t n = strlen(text);

    for (; at + n <= end; at++)
        if (sx_text_equals_nocase(at, text, n))
            return at + n;
    return end;
}

/* --- Entities --------------------------------------------------------------------------- */

static struct sx_slice decode(struct sx_arena *a, struct sx_slice s)
{
    static const struct {
        const char *entity;
        char ch;
    } entities[] = {
        { "&amp;", '&' },  { "&lt;", '<' },   { "&gt;", '>' },
        { "&quot;", '"' }, { "&#39;", '\'' }, { "&#x27;", '\'' },
    };
    char *to = sx_arena_text(a, s.data, s.len);
    size_t len = 0;

    for (size_t i = 0; to != NULL && i < s.len; len++) {
        size_t n = 1;

        to[len] = s.data[i];
        for (size_t k = 0; k < sizeof entities / sizeof *entities; k++) {
            size_t width = strlen(entities[k].entity);

            if (s.len - i >= width && memcmp(s.data + i, entities[k].entity, width) == 0) {
                to[len] = entities[k].ch;
                n = width;
            }
        }
        i += n;
    }
    return to == NULL ? sx_slice_make("", 0) : sx_slice_make(to, len);
}

/* --- Tags ---------------------------------------------------------------------------------- */

struct attribute {
    struct sx_slice name, value;
};

/* Returns where it ends; a name of no length at the end of the tag. */
static const char *take_attribute(const char *at, const char *end, struct attribute *ret)
{
    const char *begin = at = skip_space(at, end);

    while (at < end && !is_space(*at) && strchr("=>/", *at) == NULL)
        at++;
    *ret = (struct attribute){ sx_slice_make(begin, (size_t)(at - begin)), sx_slice_make("", 0) };
    begin = skip_space(at, end);
    if (begin == end || *begin != '=')
        return at;
    at = skip_space(begin + 1, end);
    if (at < end && (*at == '"' || *at == '\'')) {
        const char *close = memchr(at + 1, *at, (size_t)(end - at - 1));

        close = close == NULL ? end : close;
        ret->value = sx_slice_make(at + 1, (size_t)(close - at - 1));
        return close < end ? close + 1 : end;
    }
    begin = at;
    while (at < end && !is_space(*at) && *at != '>')
        at++;
    ret->value = sx_slice_make(begin, (size_t)(at - begin));
    return at;
}

/* at: behind '<'.  Returns behind '>'. */
static const char *take_tag(struct sx_arena *a, const char *at, const char *end,
                            void (*found)(void *arg, struct sx_slice link), void *arg)
{
    while (at < end && *at != '>' && !is_space(*at))
        at++;
    while (at < end && *at != '>') {
        struct attribute attr;

        at = take_attribute(at, end, &attr);
        if (sx_slice_is_nocase(attr.name, "href") || sx_slice_is_nocase(attr.name, "src"))
            found(arg, decode(a, attr.value));
        if (attr.name.len == 0 && at < end && *at != '>')
            at++;
    }
    return at < end ? at + 1 : end;
}

static bool is_tag(const char *at, const char *end, const char *name)
{
    size_t n = strlen(name);

    return (size_t)(end - at) > n && sx_text_equals_nocase(at, name, n) &&
           (is_space(at[n]) || at[n] == '>' || at[n] == '/');
}

void sxt_page_links(struct sx_arena *a, const char *html, size_t len,
                    void (*found)(void *arg, struct sx_slice link), void *arg)
{
    const char *at = html, *end = html + len;

    while ((at = memchr(at, '<', (size_t)(end - at))) != NULL) {
        const char *tag = ++at;

        if (end - at >= 3 && memcmp(at, "!--", 3) == 0) {
            at = skip_to(at, end, "-->");
            continue;
        }
        at = take_tag(a, at, end, found, arg);
        if (is_tag(tag, end, "script"))
            at = skip_to(at, end, "</script");
        else if (is_tag(tag, end, "style"))
            at = skip_to(at, end, "</style");
    }
}
