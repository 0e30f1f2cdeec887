#include "http/conditions.h"

#include "base/clock.h"
#include "http/field.h"

static bool is_weak(struct sx_slice tag)
{
    return tag.len >= 2 && tag.data[0] == 'W' && tag.data[1] == '/';
}

/* Ours is strong, so a weak tag matches only in a weak comparison (section 8.8.3.2). */
static bool matches_tag(struct sx_slice tag, struct sx_slice ours, bool is_strong)
{
    if (is_weak(tag)) {
        if (is_strong)
            return false;
        tag = sx_slice_after(tag, 2);
    }
    return sx_slice_equals(tag, ours);
}

/* The next of a list of entity tags, which know no escapes: a backslash is a byte as any other
 * (section 8.8.3). */
static bool next_tag(struct sx_slice *rest, struct sx_slice *ret_tag)
{
    while (rest->len > 0) {
        bool is_quoted = false;
        size_t n = 0;

        for (; n < rest->len && (is_quoted || rest->data[n] != ','); n++)
            if (rest->data[n] == '"')
                is_quoted = !is_quoted;
        *ret_tag = sx_slice_trim(sx_slice_make(rest->data, n));
        *rest = sx_slice_after(*rest, n < rest->len ? n + 1 : n);
        if (ret_tag->len > 0)
            return true;
    }
    return false;
}

/* "*", which any representation matches, or a list. */
static bool matches_any(struct sx_slice list, struct sx_slice ours, bool is_strong)
{
    struct sx_slice tag;

    if (sx_slice_is(sx_slice_trim(list), "*"))
        return true;
    while (next_tag(&list, &tag))
        if (matches_tag(tag, ours, is_strong))
            return true;
    return false;
}

static bool parse_date(struct sx_slice s, int64_t *ret_s)
{
    return s.data != NULL && sx_parse_http_date(s.data, s.len, ret_s) == 0;
}

int sx_conditions_check(const struct sx_file_conditions *c, const struct sx_validators *v)
{
    int64_t date_s;

    if (c->if_match.data != NULL) {
        if (!matches_any(c->if_match, v->etag, true))
            return 412;
    } else if (parse_date(c->if_unmodified_since, &date_s) && v->modified_s > date_s) {
        return 412;
    }
    if (c->if_none_match.data != NULL)
        return matches_any(c->if_none_match, v->etag, false) ? 304 : 200;
    if (parse_date(c->if_modified_since, &date_s) && v->modified_s <= date_s)
        return 304;
    return 200;
}

bool sx_conditions_use_range(const struct sx_file_conditions *c, const struct sx_validators *v)
{
    int64_t date_s;

    if (c->range.data == NULL || c->is_head)
        return false;
    if (c->if_range.data == NULL)
        return true;
    if (c->if_range.len > 0 && (c->if_range.data[0] == '"' || is_weak(c->if_range)))
        return matches_tag(c->if_range, v->etag, true);
    /* A date is a strong validator only when the second that it names is over (8.8.2.2). */
    return parse_date(c->if_range, &date_s) && date_s == v->modified_s && date_s + 1 < v->now_s;
}

/* Takes digits off *s; what overflows is more than any file has.  False without a digit. */
static bool take_number(struct sx_slice *s, uint64_t *ret_number)
{
    uint64_t n = 0;
    size_t i = 0;

    for (; i < s->len && s->data[i] >= '0' && s->data[i] <= '9'; i++) {
        uint64_t digit = (uint64_t)(s->data[i] - '0');

        n = n > (UINT64_MAX - digit) / 10 ? UINT64_MAX : n * 10 + digit;
    }
    *s = sx_slice_after(*s, i);
    *ret_number = n;
    return i > 0;
}

static int select_suffix(uint64_t n, uint64_t total, uint64_t *ret_offset, uint64_t *ret_length)
{
    if (n == 0)
        return 416;
    if (total == 0)
        return 200; /* satisfiable, but there is no way to say 0 bytes in Content-Range */
    *ret_length = n < total ? n : total;
    *ret_offset = total - *ret_length;
    return 206;
}

/* "first-", "first-last" or "-suffix" */
static int select_one(struct sx_slice spec, uint64_t total, uint64_t *ret_offset,
                      uint64_t *ret_length)
{
    uint64_t first, last = UINT64_MAX;
    bool has_first = take_number(&spec, &first);
    bool has_last;

    if (spec.len == 0 || spec.data[0] != '-')
        return 200;
    spec = sx_slice_after(spec, 1);
    has_last = take_number(&spec, &last);
    if (spec.len > 0 || (!has_first && !has_last))
        return 200;
    if (!has_first)
        return select_suffix(last, total, ret_offset, ret_length);
    if (has_last && last < first)
        return 200;
    if (first >= total)
        return 416;
    if (!has_last || last >= total)
        last = total - 1;
    *ret_offset = first;
    *ret_length = last - first + 1;
    return 206;
}

int sx_range_select(struct sx_slice range, uint64_t total, uint64_t *ret_offset,
                    uint64_t *ret_length)
{
    struct sx_slice set = range, spec, other;
    struct sx_slice unit = sx_slice_cut(&set, '=');

    if (!sx_slice_is_nocase(unit, "bytes") || !sx_field_list_next(&set, &spec) ||
        sx_field_list_next(&set, &other))
        return 200;
    return select_one(spec, total, ret_offset, ret_length);
}
