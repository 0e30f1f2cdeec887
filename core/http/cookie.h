/*
 * http/cookie.h - cookies read from requests and written for responses (RFC 6265).
 */
#ifndef SX_HTTP_COOKIE_H
#define SX_HTTP_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "http/form.h"

/* The pairs of a Cookie field, in the order of arrival, in the arena.  Lenient: a pair with an
 * empty or malformed name or with a control byte is skipped; one pair of double quotes around
 * a value is taken off.  SX_ERR_BUSY above max_pairs, SX_ERR_NOMEM. */
int sx_cookies_parse(struct sx_arena *a, struct sx_slice field, uint32_t max_pairs,
                     struct sx_pairs *ret_pairs);

enum sx_same_site { SX_SAME_SITE_LAX, SX_SAME_SITE_STRICT, SX_SAME_SITE_NONE };

/* What Set-Cookie shall say.  All borrowed. */
struct sx_cookie {
    struct sx_slice name;
    struct sx_slice value;
    struct sx_slice path;   /* absent: no Path attribute   */
    struct sx_slice domain; /* absent: no Domain attribute */
    int64_t max_age_s;      /* negative: a session cookie; 0 deletes */
    enum sx_same_site same_site;
    bool is_secure; /* SameSite=None is always secure */
    bool is_http_only;
};

/* The value of a Set-Cookie field, strictly as section 4.1.1 has it.  SX_ERR_INVALID, with
 * nothing written, for a name that is no token, a value with other bytes than cookie-octets
 * (no space, quote, comma, semicolon, backslash), a bad path or domain, and for the prefixes
 * __Secure- and __Host- without what they promise. */
int sx_cookie_write(struct sx_buf *to, const struct sx_cookie *cookie);

#endif /* SX_HTTP_COOKIE_H */
