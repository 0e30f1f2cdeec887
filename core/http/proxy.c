#include "http/proxy.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/error.h"
#include "http/target.h"

/* Every address as IPv6; IPv4 is mapped (::ffff:a.b.c.d), so both compare alike. */
struct address {
    unsigned char bytes[16];
};

struct block {
    struct address first;
    unsigned prefix_bits; /* of 128 */
};

struct sx_proxies {
    bool has_unix;
    size_t n_blocks;
    struct block blocks[];
};

static const unsigned char v4_prefix[12] = { [10] = 0xff, [11] = 0xff };

static bool is_v4(const struct address *a)
{
    return memcmp(a->bytes, v4_prefix, sizeof v4_prefix) == 0;
}

static bool parse_address(struct sx_slice s, struct address *ret_address)
{
    char text[INET6_ADDRSTRLEN];
    struct address a;

    if (s.len == 0 || s.len >= sizeof text || memchr(s.data, '\0', s.len) != NULL)
        return false;
    memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    memcpy(a.bytes, v4_prefix, sizeof v4_prefix);
    if (inet_pton(AF_INET, text, a.bytes + sizeof v4_prefix) != 1 &&
        inet_pton(AF_INET6, text, a.bytes) != 1)
        return false;
    *ret_address = a;
    return true;
}

/* False for a unix socket. */
static bool address_of(const struct sockaddr *peer, struct address *ret_address)
{
    if (peer == NULL)
        return false;
    if (peer->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;

        memcpy(ret_address->bytes, v4_prefix, sizeof v4_prefix);
        memcpy(ret_address->bytes + sizeof v4_prefix, &in->sin_addr, 4);
        return true;
    }
    if (peer->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)(const void *)peer;

        memcpy(ret_address->bytes, &in->sin6_addr, 16);
        return true;
    }
    return false;
}

static void format_address(char to[INET6_ADDRSTRLEN], const struct address *a)
{
    if (is_v4(a))
        (void)inet_ntop(AF_INET, a->bytes + sizeof v4_prefix, to, INET6_ADDRSTRLEN);
    else
        (void)inet_ntop(AF_INET6, a->bytes, to, INET6_ADDRSTRLEN);
}

/* The bits of byte i that the first prefix_bits bits cover. */
static unsigned char mask_byte(unsigned prefix_bits, size_t i)
{
    unsigned before = (unsigned)i * 8;

    if (prefix_bits >= before + 8)
        return 0xff;
    if (prefix_bits <= before)
        return 0;
    return (unsigned char)(0xff00u >> (prefix_bits - before));
}

static bool block_has(const struct block *b, const struct address *a)
{
    for (size_t i = 0; i < sizeof a->bytes; i++)
        if (((a->bytes[i] ^ b->first.bytes[i]) & mask_byte(b->prefix_bits, i)) != 0)
            return false;
    return true;
}

/* Zero bits behind the prefix: "10.0.0.1/8" is most likely a mistake. */
static bool is_block_start(const struct block *b)
{
    for (size_t i = 0; i < sizeof b->first.bytes; i++)
        if ((b->first.bytes[i] & ~mask_byte(b->prefix_bits, i) & 0xff) != 0)
            return false;
    return true;
}

static bool parse_block(struct sx_slice s, struct block *ret_block)
{
    struct sx_slice length = s;
    struct sx_slice first = sx_slice_cut(&length, '/');
    bool is_v4_text = first.len > 0 && memchr(first.data, ':', first.len) == NULL;
    uint64_t bits = is_v4_text ? 32 : 128;
    struct block b;

    if (!parse_address(first, &b.first))
        return false;
    if (length.data != NULL) {
        uint64_t most = bits;

        if (sx_parse_uint(length.data, length.len, &bits) < 0 || bits > most)
            return false;
    }
    b.prefix_bits = (unsigned)bits + (is_v4_text ? 96 : 0);
    if (!is_block_start(&b))
        return false;
    *ret_block = b;
    return true;
}

int sx_proxies_create(const char *const *items, size_t n, size_t *ret_bad,
                      struct sx_proxies **ret_proxies)
{
    struct sx_proxies *p = calloc(1, sizeof *p + n * sizeof p->blocks[0]);

    if (p == NULL)
        return SX_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(items[i], "unix") == 0) {
            p->has_unix = true;
        } else if (parse_block(sx_slice_of(items[i]), &p->blocks[p->n_blocks])) {
            p->n_blocks++;
        } else {
            if (ret_bad != NULL)
                *ret_bad = i;
            sx_proxies_destroy(p);
            return SX_ERR_INVALID;
        }
    }
    *ret_proxies = p;
    return 0;
}

void sx_proxies_destroy(struct sx_proxies *p)
{
    free(p);
}

static bool trusts_address(const struct sx_proxies *p, const struct address *a)
{
    for (size_t i = 0; i < p->n_blocks; i++)
        if (block_has(&p->blocks[i], a))
            return true;
    return false;
}

bool sx_proxies_trust(const struct sx_proxies *p, const struct sockaddr *peer)
{
    struct address a;

    if (p == NULL)
        return false;
    return address_of(peer, &a) ? trusts_address(p, &a) : p->has_unix;
}

/* Takes the last element of a comma-separated list off it, trimmed; quoted strings are not
 * known in these fields.  False when the list is empty. */
static bool take_last(struct sx_slice *list, struct sx_slice *ret_item)
{
    const char *comma;
    size_t start;

    if (list->len == 0)
        return false;
    comma = memrchr(list->data, ',', list->len);
    start = comma == NULL ? 0 : (size_t)(comma - list->data) + 1;
    *ret_item = sx_slice_trim(sx_slice_after(*list, start));
    list->len = comma == NULL ? 0 : start - 1;
    return true;
}

static bool is_port(struct sx_slice s)
{
    uint64_t port;

    return s.len <= 5 && sx_parse_uint(s.data, s.len, &port) == 0 && port <= 65535;
}

/* "192.0.2.1", "192.0.2.1:99", "2001:db8::1", "[2001:db8::1]" or "[2001:db8::1]:99" */
static bool parse_hop(struct sx_slice s, struct address *ret_address)
{
    struct sx_slice rest = s, host;

    if (parse_address(s, ret_address))
        return true;
    if (s.len > 0 && s.data[0] == '[') {
        host = sx_slice_cut(&rest, ']');
        if (rest.data == NULL || memchr(host.data, ':', host.len) == NULL)
            return false;
        if (rest.len > 0 && (rest.data[0] != ':' || !is_port(sx_slice_after(rest, 1))))
            return false;
        return parse_address(sx_slice_after(host, 1), ret_address);
    }
    host = sx_slice_cut(&rest, ':');
    return rest.data != NULL && is_port(rest) && parse_address(host, ret_address);
}

static void walk_hops(const struct sx_proxies *p, struct sx_slice xff, char to[INET6_ADDRSTRLEN])
{
    struct sx_slice item;
    struct address a;

    while (take_last(&xff, &item) && parse_hop(item, &a)) {
        format_address(to, &a);
        if (!trusts_address(p, &a))
            return;
    }
}

static const char *find_scheme(struct sx_slice proto)
{
    struct sx_slice item;

    return take_last(&proto, &item) && sx_slice_is_nocase(item, "https") ? "https" : "http";
}

static struct sx_slice find_host(struct sx_slice hosts)
{
    struct sx_slice item;

    if (take_last(&hosts, &item) && item.len > 0 && sx_target_is_host(item))
        return item;
    return sx_slice_make(NULL, 0);
}

void sx_client_find(const struct sx_proxies *p, const struct sockaddr *peer,
                    const struct sx_forwarded *fwd, struct sx_client *ret_client)
{
    struct address a;

    ret_client->scheme = "http";
    ret_client->host = sx_slice_make(NULL, 0);
    if (address_of(peer, &a))
        format_address(ret_client->address, &a);
    else
        memcpy(ret_client->address, "unix", sizeof "unix");
    if (!sx_proxies_trust(p, peer))
        return;
    walk_hops(p, fwd->xff, ret_client->address);
    ret_client->scheme = find_scheme(fwd->proto);
    ret_client->host = find_host(fwd->host);
}
