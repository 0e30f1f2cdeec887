/*
 * route/route.h - from host, method and path to what serves it.
 *
 * Patterns are OpenAPI's: "/accounts/{id}", text around a parameter in its segment
 * ("client:{oid}"), and "{path...}" as the last segment (one or more segments, may be empty
 * text).  Of several patterns that match, the more literal one wins, segment by segment from
 * the left: literal, then parameter with text around it (longer text first), then parameter,
 * then the rest.  Matching backtracks, bounded by the pattern depth.  Percent-escapes of the
 * request path are decoded per segment before comparing ("%2F" never separates).
 * Built once, then read only; any thread may match.  Knows nothing of HTTP or plugins.
 */
#ifndef SX_ROUTE_ROUTE_H
#define SX_ROUTE_ROUTE_H

#include <stddef.h>
#include <stdint.h>

#define SX_ROUTE_MAX_PARAMS  16
#define SX_ROUTE_MAX_METHODS 16

/* A method that no request has: its route takes the GETs that become WebSockets, beside the GET of
 * the same path. */
#define SX_ROUTE_WEBSOCKET "WEBSOCKET"

struct sx_router;

/* A parameter as it stands in the request path: not decoded, borrowed from it. */
struct sx_route_param {
    const char *name; /* owned by the router */
    const char *data;
    size_t len;
};

enum sx_route_result { SX_ROUTE_FOUND, SX_ROUTE_NO_PATH, SX_ROUTE_NO_METHOD };

struct sx_route_match {
    void *target;      /* as given to sx_router_add */
    const char *allow; /* "GET, HEAD, OPTIONS": of all methods at this path; owned by the
                         * router; also set with SX_ROUTE_NO_METHOD */
    uint32_t n_params;
    struct sx_route_param params[SX_ROUTE_MAX_PARAMS];
};

int sx_router_create(struct sx_router **ret_router);
void sx_router_destroy(struct sx_router *r);

/* host: "" any, else an exact name without port ("api.example.com"), or "*.example.com".
 * Same host, method and equivalent pattern (parameter names do not distinguish):
 * SX_ERR_BUSY and *ret_other is the target that owns it.  A malformed pattern is
 * SX_ERR_INVALID and *ret_why a static text that says what is wrong. */
int sx_router_add(struct sx_router *r, const char *host, const char *method, const char *pattern,
                  void *target, void **ret_other, const char **ret_why);

/* After the last add, before the first match: sorts, hashes, writes the Allow texts (GET
 * brings HEAD, every path has OPTIONS). */
int sx_router_freeze(struct sx_router *r);

/* method as received; HEAD finds GET where no HEAD is declared.  A literal path without
 * escapes is one hash look-up. */
enum sx_route_result sx_router_match(const struct sx_router *r, const char *host, size_t host_len,
                                     const char *method, size_t method_len, const char *path,
                                     size_t path_len, struct sx_route_match *ret);

#endif /* SX_ROUTE_ROUTE_H */
