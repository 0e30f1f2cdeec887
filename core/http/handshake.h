/*
 * http/handshake.h - a request that wants to become a WebSocket (RFC 6455, sections 4.2 and 10.2).
 *
 * Nothing here changes the request or answers it.  The thread that owns the request.
 */
#ifndef SX_HTTP_HANDSHAKE_H
#define SX_HTTP_HANDSHAKE_H

#include "base/slice.h"

struct sx_http_req;

#define SX_HANDSHAKE_ACCEPT_LEN 28

/* Why a handshake is refused.  Static. */
struct sx_handshake_fault {
    int status;
    const char *code, *why;
};

/* NULL: the request is a handshake that may be accepted. */
const struct sx_handshake_fault *sx_handshake_fault(const struct sx_http_req *r);

/* The value of Sec-WebSocket-Accept for the request's key, and a NUL. */
void sx_handshake_accept(const struct sx_http_req *r, char ret_accept[SX_HANDSHAKE_ACCEPT_LEN + 1]);

/* Has the client offered this subprotocol?  They are compared byte by byte. */
bool sx_handshake_offers(struct sx_http_req *r, struct sx_slice protocol);

#endif /* SX_HTTP_HANDSHAKE_H */
