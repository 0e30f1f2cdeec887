#include "http/target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>

#include "base/error.h"

/* What a byte may stand in. */
enum {
    IN_PATH = 1,  /* those of a host but '%', and / : @ [ ] ^ ` { | } */
    IN_QUERY = 2, /* those of a path and % ? \ */
    IN_HOST = 4,  /* unreserved, sub-delims and '%' */
    IS_HEX = 8,
    IS_PERCENT = 16
};

/* Of ASCII; nothing above it may stand anywhere. */
static const unsigned char classes[256] = {
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x07, 0x00, 0x00, 0x07, 0x16, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x03,
    0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x03, 0x07, 0x00, 0x07, 0x00, 0x02,
    0x03, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07,
    0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x03, 0x02, 0x03, 0x03, 0x07,
    0x03, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07,
    0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x07, 0x03, 0x03, 0x03, 0x07, 0x00,
};

static unsigned class_of(char c)
{
    return classes[(unsigned char)c];
}

static bool is_hex(char c)
{
    return (class_of(c) & IS_HEX) != 0;
}

/* Are all bytes of that class?  *ret_seen: every class that some byte is of. */
static bool are_all_in(unsigned class, struct sx_slice s, unsigned *ret_seen)
{
    unsigned all = class, seen = 0;

    for (size_t i = 0; i < s.len; i++) {
        all &= class_of(s.data[i]);
        seen |= class_of(s.data[i]);
    }
    *ret_seen = seen;
    return all != 0;
}

/* Every '%' begins an escape. */
static bool has_good_escapes(struct sx_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] != '%')
            continue;
        if (s.len - i < 3 || !is_hex(s.data[i + 1]) || !is_hex(s.data[i + 2]))
            return false;
    }
    return true;
}

static bool are_good(unsigned class, struct sx_slice s)
{
    unsigned seen;

    return are_all_in(class, s, &seen) && ((seen & IS_PERCENT) == 0 || has_good_escapes(s));
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
    unsigned seen;

    if (version.len < 2 || (version.data[0] | 0x20) != 'v' || rest.len == 0)
        return false;
    for (size_t i = 0; i < rest.len; i++)
        if (rest.data[i] == '%' || (rest.data[i] != ':' && (class_of(rest.data[i]) & IN_HOST) == 0))
            return false;
    return are_all_in(IS_HEX, sx_slice_after(version, 1), &seen);
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
    return host.len > 0 && are_good(IN_HOST, host) && is_port_part(sx_slice_after(value, host.len));
}

static bool begins_escape(struct sx_slice s)
{
    return s.len >= 3 && is_hex(s.data[1]) && is_hex(s.data[2]);
}

/* How many of the first bytes stand in a path for themselves. */
static size_t plain_len(struct sx_slice s)
{
    size_t n = 0;

    while (n < s.len && (class_of(s.data[n]) & IN_PATH) != 0)
        n++;
    return n;
}

int sx_target_split_path(struct sx_slice s, struct sx_slice *ret_path, struct sx_slice *ret_query)
{
    struct sx_slice query = { NULL, 0 };
    size_t n = plain_len(s);
    unsigned seen;

    while (n < s.len && s.data[n] == '%') {
        if (!begins_escape(sx_slice_after(s, n)))
            return SX_ERR_INVALID;
        n += 3 + plain_len(sx_slice_after(s, n + 3));
    }
    if (n < s.len) {
        query = sx_slice_after(s, n + 1);
        if (s.data[n] != '?' || !are_all_in(IN_QUERY, query, &seen))
            return SX_ERR_INVALID;
    }
    *ret_path = sx_slice_make(s.data, n);
    *ret_query = query;
    return 0;
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
    if (sx_target_split_path(sx_slice_after(rest, t->authority.len), &t->path, &t->query) < 0)
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
        err = sx_target_split_path(target, &t.path, &t.query);
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
