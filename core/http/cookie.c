#include "http/cookie.h"

#include "base/error.h"
#include "http/field.h"

/* cookie-octet of RFC 6265, section 4.1.1. */
static bool is_cookie_octet(char c)
{
    return c > 0x20 && c < 0x7f && c != '"' && c != ',' && c != ';' && c != '\\';
}

static bool is_readable_name(struct sx_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.data[i];

        if (c <= 0x20 || c == 0x7f || c == '"' || c == ',')
            return false;
    }
    return name.len > 0;
}

static struct sx_slice without_quotes(struct sx_slice s)
{
    if (s.len >= 2 && s.data[0] == '"' && s.data[s.len - 1] == '"')
        return sx_slice_make(s.data + 1, s.len - 2);
    return s;
}

static bool split_pair(struct sx_slice piece, struct sx_pair *ret_pair)
{
    struct sx_pair pair = { .value = piece };

    pair.name = sx_slice_trim(sx_slice_cut(&pair.value, '='));
    if (pair.value.data == NULL || !is_readable_name(pair.name))
        return false;
    pair.value = without_quotes(sx_slice_trim(pair.value));
    if (!sx_field_is_value(pair.value))
        return false;
    *ret_pair = pair;
    return true;
}

static uint32_t count_pairs(struct sx_slice field)
{
    struct sx_pair pair;
    uint32_t n = 0;

    while (field.len > 0)
        n += split_pair(sx_slice_cut(&field, ';'), &pair);
    return n;
}

static int copy(struct sx_arena *a, struct sx_slice *s)
{
    s->data = sx_arena_text(a, s->len == 0 ? "" : s->data, s->len);
    return s->data == NULL ? SX_ERR_NOMEM : 0;
}

int sx_cookies_parse(struct sx_arena *a, struct sx_slice field, uint32_t max_pairs,
                     struct sx_pairs *ret_pairs)
{
    uint32_t n = count_pairs(field);
    struct sx_pairs pairs = { .n = 0 };

    if (n > max_pairs)
        return SX_ERR_BUSY;
    pairs.v = sx_arena_alloc(a, (n + 1) * sizeof *pairs.v);
    if (pairs.v == NULL)
        return SX_ERR_NOMEM;
    while (field.len > 0) {
        struct sx_pair *pair = &pairs.v[pairs.n];

        if (!split_pair(sx_slice_cut(&field, ';'), pair))
            continue;
        if (copy(a, &pair->name) < 0 || copy(a, &pair->value) < 0)
            return SX_ERR_NOMEM;
        pairs.n++;
    }
    *ret_pairs = pairs;
    return 0;
}

static bool is_value(struct sx_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_cookie_octet(s.data[i]))
            return false;
    return true;
}

/* av-octets: what may stand in an attribute. */
static bool is_attribute(struct sx_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < 0x20 || s.data[i] == 0x7f || s.data[i] == ';')
            return false;
    return true;
}

static bool is_domain(struct sx_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i], lower = (char)(c | 0x20);

        if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'z') && c != '.' && c != '-')
            return false;
    }
    return s.len > 0;
}

static bool has_prefix(struct sx_slice s, const char *prefix)
{
    size_t len = strlen(prefix);

    return s.len >= len && sx_text_equals_nocase(s.data, prefix, len);
}

/* RFC 6265bis: what the name promises. */
static bool keeps_promise(const struct sx_cookie *c, bool is_secure)
{
    if (has_prefix(c->name, "__Secure-"))
        return is_secure;
    if (has_prefix(c->name, "__Host-"))
        return is_secure && sx_slice_is(c->path, "/") && c->domain.data == NULL;
    return true;
}

static bool is_writable(const struct sx_cookie *c, bool is_secure)
{
    if (!sx_field_is_token(c->name) || !is_value(c->value))
        return false;
    if (c->path.data != NULL &&
        (c->path.len == 0 || c->path.data[0] != '/' || !is_attribute(c->path)))
        return false;
    if (c->domain.data != NULL && !is_domain(c->domain))
        return false;
    return keeps_promise(c, is_secure);
}

static void add_attribute(struct sx_buf *to, const char *name, struct sx_slice value)
{
    if (value.data == NULL)
        return;
    sx_buf_add_text(to, name);
    sx_buf_add(to, value.data, value.len);
}

int sx_cookie_write(struct sx_buf *to, const struct sx_cookie *c)
{
    static const char *const same_site[] = {
        [SX_SAME_SITE_LAX] = "; SameSite=Lax",
        [SX_SAME_SITE_STRICT] = "; SameSite=Strict",
        [SX_SAME_SITE_NONE] = "; SameSite=None",
    };
    bool is_secure = c->is_secure || c->same_site == SX_SAME_SITE_NONE;

    if ((unsigned)c->same_site > SX_SAME_SITE_NONE || !is_writable(c, is_secure))
        return SX_ERR_INVALID;
    sx_buf_add(to, c->name.data, c->name.len);
    sx_buf_add_text(to, "=");
    if (c->value.len > 0)
        sx_buf_add(to, c->value.data, c->value.len);
    add_attribute(to, "; Path=", c->path);
    add_attribute(to, "; Domain=", c->domain);
    if (c->max_age_s >= 0) {
        sx_buf_add_text(to, "; Max-Age=");
        sx_buf_add_uint(to, (uint64_t)c->max_age_s);
    }
    sx_buf_add_text(to, same_site[c->same_site]);
    if (is_secure)
        sx_buf_add_text(to, "; Secure");
    if (c->is_http_only)
        sx_buf_add_text(to, "; HttpOnly");
    return 0;
}
