/* route/pattern.c - reading "/accounts/{id}", "/client:{oid}" and "/files/{path...}". */
#include <string.h>

#include "base/error.h"
#include "route/route_private.h"

static bool is_name_char(char c, bool is_first)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
        return true;
    return !is_first && ((c >= '0' && c <= '9') || c == '-' || c == '.');
}

static bool is_name(struct sx_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (!is_name_char(s.data[i], i == 0))
            return false;
    }
    return s.len > 0;
}

static const char *check_chars(const char *text)
{
    if (text[0] != '/')
        return "a pattern must begin with '/'";
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;

        if (c == '%')
            return "a pattern is written without percent escapes";
        if (c <= 0x20 || c == 0x7F || c == '?' || c == '#')
            return "spaces, control characters, '?' and '#' cannot stand in a pattern";
    }
    return NULL;
}

static const char *check_literal(const struct route_segment *s, bool is_last)
{
    if (sx_slice_is(s->before, ".") || sx_slice_is(s->before, ".."))
        return "'.' and '..' cannot be segments";
    if (s->before.len == 0 && !is_last)
        return "only the last segment can be empty";
    return NULL;
}

/* What stands between the braces. */
static const char *read_name(struct route_segment *s, struct sx_slice inside, bool is_last)
{
    bool is_rest = inside.len > 3 && memcmp(inside.data + inside.len - 3, "...", 3) == 0;

    if (is_rest)
        inside.len -= 3;
    s->name = inside;
    if (!is_name(inside))
        return "a parameter's name has letters, digits, '_', '-' and '.', and begins with a "
               "letter or '_'";
    if (is_rest && (!is_last || s->before.len + s->after.len > 0))
        return "'{name...}' must be the whole last segment";
    s->kind = is_rest ? ROUTE_REST : s->before.len + s->after.len > 0 ? ROUTE_AFFIX : ROUTE_PARAM;
    return NULL;
}

static const char *read_segment(struct route_segment *s, struct sx_slice text, bool is_last)
{
    struct sx_slice behind = text;
    struct sx_slice inside;

    *s = (struct route_segment){ .kind = ROUTE_LITERAL };
    s->before = sx_slice_cut(&behind, '{');
    if (memchr(s->before.data, '}', s->before.len) != NULL)
        return "a '}' without a '{' before it";
    if (s->before.len > ROUTE_MAX_TEXT)
        return "a segment has more than 255 bytes of text";
    if (behind.data == NULL)
        return check_literal(s, is_last);
    inside = sx_slice_cut(&behind, '}');
    if (behind.data == NULL)
        return "a '{' without a '}' behind it in its segment";
    s->after = behind;
    if (memchr(behind.data, '{', behind.len) != NULL)
        return "a segment can have one parameter";
    if (memchr(behind.data, '}', behind.len) != NULL)
        return "a '}' without a '{' before it";
    if (behind.len > ROUTE_MAX_TEXT)
        return "a segment has more than 255 bytes of text";
    return read_name(s, inside, is_last);
}

static bool has_param(const struct route_pattern *p, struct sx_slice name)
{
    for (size_t i = 0; i < p->n_segments; i++) {
        if (p->segments[i].kind != ROUTE_LITERAL && sx_slice_equals(p->segments[i].name, name))
            return true;
    }
    return false;
}

static const char *add_segment(struct route_pattern *p, struct sx_slice text, bool is_last)
{
    struct route_segment s;
    const char *why = read_segment(&s, text, is_last);

    if (why != NULL)
        return why;
    if (p->n_segments == ROUTE_MAX_SEGMENTS)
        return "a pattern can have 64 segments";
    if (s.kind != ROUTE_LITERAL) {
        if (has_param(p, s.name))
            return "two parameters have the same name";
        if (++p->n_params > SX_ROUTE_MAX_PARAMS)
            return "a pattern can have 16 parameters";
    }
    p->segments[p->n_segments++] = s;
    return NULL;
}

int route_pattern_parse(const char *text, struct route_pattern *ret_pattern, const char **ret_why)
{
    const char *why = check_chars(text);
    struct sx_slice rest = sx_slice_of(text);

    ret_pattern->n_segments = 0;
    ret_pattern->n_params = 0;
    if (why == NULL)
        (void)sx_slice_cut(&rest, '/');
    while (why == NULL && rest.data != NULL) {
        struct sx_slice segment = sx_slice_cut(&rest, '/');

        why = add_segment(ret_pattern, segment, rest.data == NULL);
    }
    if (why == NULL)
        return 0;
    *ret_why = why;
    return SX_ERR_INVALID;
}
