/*
 * http/target.h - request targets (RFC 9112, section 3.2) and authorities (RFC 3986, 3.2).
 */
#ifndef SX_HTTP_TARGET_H
#define SX_HTTP_TARGET_H

#include <stdbool.h>

#include "base/slice.h"

/* The value of Host: host[:port] with a registered name, an IPv4 address or an IPv6 literal in
 * brackets; no user, port at most 65535 and perhaps empty.  Empty as a whole is allowed. */
bool sx_target_is_host(struct sx_slice value);

enum sx_target_form { SX_TARGET_ORIGIN, SX_TARGET_ABSOLUTE, SX_TARGET_ASTERISK };

/* Borrowed from the target, but for the path "/" of an absolute form without one. */
struct sx_target {
    enum sx_target_form form;
    struct sx_slice scheme;    /* "http" or "https", any case; absent unless absolute */
    struct sx_slice authority; /* absent unless absolute                              */
    struct sx_slice path;      /* not decoded; "*" in the asterisk form               */
    struct sx_slice query;     /* without '?'; absent when there is no '?'            */
    bool has_empty_path;       /* absolute without a path: OPTIONS then means "*"     */
};

/* SX_ERR_INVALID for another form (CONNECT's), another scheme, an empty or malformed authority,
 * a '#', a byte that is not visible ASCII, a '"', '<' or '>', and in the path for a '\' or a '%'
 * without two hexadecimal digits.  Browsers do send [ ] { } | ^ and, in queries, a lone '%'. */
int sx_target_split(struct sx_slice target, struct sx_target *ret_target);

/* The same of what is left behind the authority: path and query, from '/', '?' or nothing on. */
int sx_target_split_path(struct sx_slice s, struct sx_slice *ret_path, struct sx_slice *ret_query);

#endif /* SX_HTTP_TARGET_H */
