/*
 * http/proxy.h - who the client is when a trusted proxy stands between.
 *
 * X-Forwarded-* of a peer that is not trusted is ignored.  Immutable once made, any thread.
 */
#ifndef SX_HTTP_PROXY_H
#define SX_HTTP_PROXY_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/slice.h"

struct sx_proxies;

/* Each item is an address ("::1"), a block ("10.0.0.0/8") or "unix" for every peer on a unix
 * socket.  SX_ERR_INVALID with *ret_bad the index of the item that is neither; bits behind the
 * prefix must be zero.  IPv6-mapped IPv4 is the same as IPv4.  ret_bad may be NULL. */
int sx_proxies_create(const char *const *items, size_t n, size_t *ret_bad,
                      struct sx_proxies **ret_proxies);
void sx_proxies_destroy(struct sx_proxies *p); /* takes NULL */

/* peer NULL or AF_UNIX is a unix socket.  p NULL trusts nobody. */
bool sx_proxies_trust(const struct sx_proxies *p, const struct sockaddr *peer);

/* The fields of a request, several lines of one name joined by commas; absent slices for those
 * that it does not have. */
struct sx_forwarded {
    struct sx_slice xff;   /* X-Forwarded-For   */
    struct sx_slice proto; /* X-Forwarded-Proto */
    struct sx_slice host;  /* X-Forwarded-Host  */
};

struct sx_client {
    char address[INET6_ADDRSTRLEN]; /* "unix" for a peer on a unix socket          */
    const char *scheme;             /* "http" or "https"                           */
    struct sx_slice host;           /* borrowed from `fwd`; absent unless it tells */
};

/* X-Forwarded-For is walked from the right over trusted addresses; the first other one is the
 * client.  A malformed entry stops the walk.  Of the other two the rightmost entry counts. */
void sx_client_find(const struct sx_proxies *p, const struct sockaddr *peer,
                    const struct sx_forwarded *fwd, struct sx_client *ret_client);

#endif /* SX_HTTP_PROXY_H */
