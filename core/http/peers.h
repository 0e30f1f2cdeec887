/*
 * http/peers.h - how many connections each client has, by its address.
 *
 * An IPv6 client is its network of 64 bits, since it chooses the rest freely.  Owned by one loop;
 * it grows with the number of different clients that are connected, and not beyond.
 */
#ifndef SX_HTTP_PEERS_H
#define SX_HTTP_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct sx_peers;

int sx_peers_create(uint32_t max_each, struct sx_peers **ret_peers);
void sx_peers_destroy(struct sx_peers *p); /* takes NULL */

/* One more of this client: false when it has max_each already, or without memory.  What is
 * neither IPv4 nor IPv6 is not counted. */
bool sx_peers_enter(struct sx_peers *p, const struct sockaddr *peer);
/* One fewer; only after an enter that said true. */
void sx_peers_leave(struct sx_peers *p, const struct sockaddr *peer);

/* Different clients that are counted now. */
uint32_t sx_peers_count(const struct sx_peers *p);

#endif /* SX_HTTP_PEERS_H */
