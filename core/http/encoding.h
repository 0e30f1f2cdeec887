/*
 * http/encoding.h - gzip: whether the client takes it, whether it pays, and doing it.
 */
#ifndef SX_HTTP_ENCODING_H
#define SX_HTTP_ENCODING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/slice.h"

/* RFC 9110, section 12.5.3.  False when the field is absent, when gzip (or "*") has q=0, and
 * when identity is preferred to it; a malformed weight counts as 0. */
bool sx_encoding_accepts_gzip(struct sx_slice accept_encoding);

/* Text, JSON, XML, SVG, scripts, WebAssembly; parameters are ignored.  Never an event stream. */
bool sx_encoding_is_compressible(struct sx_slice content_type);

/* A compressor that is kept: its memory (256 kB) is taken at the first use.  One thread. */
struct sx_gzip;

int sx_gzip_create(struct sx_gzip **ret_gzip);
void sx_gzip_destroy(struct sx_gzip *z); /* takes NULL */

/* Appends one gzip member.  SX_ERR_BUSY when `to` is full, SX_ERR_NOMEM; `to` then keeps the
 * length that it had. */
int sx_gzip_pack(struct sx_gzip *z, const void *data, size_t len, struct sx_buf *to);

#endif /* SX_HTTP_ENCODING_H */
