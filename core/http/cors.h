/*
 * http/cors.h - which header lines let a page of another origin read an answer (WHATWG Fetch).
 *
 * Immutable settings, any thread.  An origin is compared byte by byte and only a configured
 * text is ever sent back, never the client's.
 */
#ifndef SX_HTTP_CORS_H
#define SX_HTTP_CORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

struct sx_cors_list {
    const char **v; /* borrowed */
    size_t n;
};

struct sx_cors {
    struct sx_cors_list origins; /* "https://app.example.com"; "*" alone: any, without
                                  * credentials; none: CORS is off                      */
    struct sx_cors_list methods; /* GET, HEAD and POST need not be named                */
    struct sx_cors_list headers; /* that a request may have; "*": any                   */
    struct sx_cors_list expose;  /* that a page may read                                */
    bool credentials;            /* never sent together with the origin "*"             */
    uint32_t max_age_s;          /* of a preflight's answer; 0: not said                */
};

/* What the request says; absent slices for fields that it does not have. */
struct sx_cors_request {
    struct sx_slice origin;
    struct sx_slice method;  /* Access-Control-Request-Method  */
    struct sx_slice headers; /* Access-Control-Request-Headers */
    bool is_preflight;       /* OPTIONS with Origin and the requested method */
};

/* Appends complete lines ("Name: value\r\n"), `Vary` among them, also for a request that is not
 * allowed.  True when it is allowed. */
bool sx_cors_write(const struct sx_cors *cors, const struct sx_cors_request *req,
                   struct sx_buf *lines);

/* May pages of that origin call? */
bool sx_cors_has_origin(const struct sx_cors *cors, struct sx_slice origin);

#endif /* SX_HTTP_CORS_H */
