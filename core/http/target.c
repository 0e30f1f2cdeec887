#include "http/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>

#include "base/error.h"

/* Sets of bytes: one bit per ASCII byte. */
struct byte_set {
    uint64_t bits[2];
};

/* Unreserved, sub-delims and '%', whose escapes are looked at apart. */
static const struct byte_set host_set = { { 0x2bff7ff200000000, 0x47fffffe87fffffe } };
/* These and : @ / [ ] ^ ` { | } */
static const struct byte_set path_set = { { 0x2ffffff200000000, 0x7fffffffefffffff } };
/* These and ? \ */
static const struct byte_set query_set = { { 0xaffffff200000000, 0x7fffffffffffffff } };
static const struct byte_set hex_set = { { 0x03ff000000000000, 0x0000007e0000007e } };

static bool is_in(const struct byte_set *set, char c)
{
    unsigned char byte = (unsigned char)c;

    return byte < 0x80 && ((set->bits[byte >> 6] >> (byte & 63)) & 1) != 0;
}

static bool are_all_in(const struct byte_set *set, struct sx_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!is_in(set, s.data[i]))
            return false;
    return true;
}

/* Every '%' begins an escape. */
static bool has_good_escapes(struct sx_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] != '%')
            continue;
        if (s.len - i < 3 || !is_in(&hex_set, s.data[i + 1]) || !is_in(&hex_set, s.data[i + 2]))
            return false;
    }
    return true;
}

/* What follows the host: nothing, or ':' and a number. */
static bool is_port_part(struct sx_slice s)
{
    unsigned long port = 0;

    if (s.len == 0)
        return true;
    if (s.data[0] != ':')
        return false;
    for (size_t i = 1; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        port = port * 10 + (unsigned long)(s.data[i] - '0');
        if (port > 65535)
            return false;
    }
    return true;
}

/* An IPv6 address without a zone. */
static bool is_ipv6(struct sx_slice s)
{
    struct in6_addr addr;
    char text[INET6_ADDRSTRLEN];

    if (s.len == 0 || s.len >= sizeof text || memchr(s.data, '\0', s.len) != NULL)
        return false;
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    return inet_pton(AF_INET6, text, &addr) == 1;
}

/* "v" hex "." and at least one more (RFC 3986: a form for addresses to come). */
static bool is_ip_future(struct sx_slice s)
{
    struct sx_slice rest = s;
    struct sx_slice version = sx_slice_cut(&rest, '.');

    if (version.len < 2 || (version.data[0] | 0x20) != 'v' || rest.len == 0)
        return false;
    for (size_t i = 0; i < rest.len; i++)
        if (rest.data[i] == '%' || (rest.data[i] != ':' && !is_in(&host_set, rest.data[i])))
            return false;
    return are_all_in(&hex_set, sx_slice_after(version, 1));
}

bool sx_target_is_host(struct sx_slice value)
{
    struct sx_slice host = value, rest = value;
    const char *colon;

    if (value.len == 0)
        return true;
    if (value.data[0] == '[') {
        host = sx_slice_cut(&rest, ']');
        if (rest.data == NULL)
            return false;
        host = sx_slice_after(host, 1);
        return (is_ipv6(host) || is_ip_future(host)) && is_port_part(rest);
    }
    colon = memchr(value.data, ':', value.len);
    if (colon != NULL)
        host.len = (size_t)(colon - value.data);
    return host.len > 0 && are_all_in(&host_set, host) && has_good_escapes(host) &&
           is_port_part(sx_slice_after(value, host.len));
}

/* Path and query, beginning with '/', '?' or nothing. */
static int split_path(struct sx_slice s, struct sx_target *t)
{
    t->query = s;
    t->path = sx_slice_cut(&t->query, '?');
    if (!are_all_in(&path_set, t->path) || !has_good_escapes(t->path))
        return SX_ERR_INVALID;
    return are_all_in(&query_set, t->query) ? 0 : SX_ERR_INVALID;
}

static size_t authority_len(struct sx_slice s)
{
    size_t n = 0;

    while (n < s.len && s.data[n] != '/' && s.data[n] != '?' && s.data[n] != '#')
        n++;
    return n;
}

static int split_absolute(struct sx_slice s, struct sx_target *t)
{
    struct sx_slice rest = s;

    t->form = SX_TARGET_ABSOLUTE;
    t->scheme = sx_slice_cut(&rest, ':');
    if (!sx_slice_is_nocase(t->scheme, "http") && !sx_slice_is_nocase(t->scheme, "https"))
        return SX_ERR_INVALID;
    if (rest.len < 2 || memcmp(rest.data, "//", 2) != 0)
        return SX_ERR_INVALID;
    rest = sx_slice_after(rest, 2);
    t->authority = sx_slice_make(rest.data, authority_len(rest));
    if (t->authority.len == 0 || !sx_target_is_host(t->authority))
        return SX_ERR_INVALID;
    if (split_path(sx_slice_after(rest, t->authority.len), t) < 0)
        return SX_ERR_INVALID;
    t->has_empty_path = t->path.len == 0;
    if (t->has_empty_path)
        t->path = sx_slice_of("/");
    return 0;
}

int sx_target_split(struct sx_slice target, struct sx_target *ret_target)
{
    struct sx_target t = { .form = SX_TARGET_ORIGIN };
    int err;

    if (target.len == 0)
        return SX_ERR_INVALID;
    if (target.data[0] == '/') {
        err = split_path(target, &t);
    } else if (sx_slice_is(target, "*")) {
        t.form = SX_TARGET_ASTERISK;
        t.path = target;
        err = 0;
    } else {
        err = split_absolute(target, &t);
    }
    if (err == 0)
        *ret_target = t;
    return err;
}
