/*
 * trading/credential.h - keys of accounts that no table holds.
 *
 * An API key names account and generation and carries a proof of its own; secret and passphrase
 * are computed from it with HMAC (RFC 2104) and the master secret of the configuration.  So a
 * request is checked without a statement, every instance can check every key, and a stolen
 * database opens nothing.  A key is taken back by the generation of its account.  [any]
 */
#ifndef TRADING_CREDENTIAL_H
#define TRADING_CREDENTIAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sx/plugin.h>

#define CREDENTIAL_MIN_MASTER 32 /* bytes */
#define CREDENTIAL_KEY        33 /* 32 hexadecimal digits and the NUL */
#define CREDENTIAL_SECRET     89 /* 64 bytes in base64 */
#define CREDENTIAL_PASSPHRASE 25
#define CREDENTIAL_HMAC       32 /* bytes of an HMAC-SHA256 */

struct credential {
    int64_t account; /* below 2^48 */
    int32_t generation;
};

/* The option signing_secret of a plugin; NULL, and the log says why, when it is too short. */
const char *credential_master(sx_plugin *p);

/* Whose key it is; false unless this master secret has made it. */
bool credential_read(const char *master, const char *key, struct credential *ret);

/* The same for the cookie of a page: of another purpose, so that a key, which many may see, opens
 * nothing where the cookie alone is the proof. */
bool credential_read_cookie(const char *master, const char *cookie, struct credential *ret);
SX_MUST_USE bool credential_cookie(const char *master, const struct credential *c,
                                   char text[CREDENTIAL_KEY]);

/* What belongs to it; false without memory. */
SX_MUST_USE bool credential_key(const char *master, const struct credential *c,
                                char text[CREDENTIAL_KEY]);
SX_MUST_USE bool credential_secret(const char *master, const struct credential *c,
                                   char text[CREDENTIAL_SECRET]);
SX_MUST_USE bool credential_passphrase(const char *master, const struct credential *c,
                                       char text[CREDENTIAL_PASSPHRASE]);

/* HMAC-SHA256 over the parts, one behind the other; false without memory. */
SX_MUST_USE bool credential_hmac(const void *key, size_t key_len, const sx_span *parts, size_t n,
                                 uint8_t ret[CREDENTIAL_HMAC]);

/* In a time that depends on the lengths only. */
bool credential_equal(const void *a, size_t a_len, const void *b, size_t b_len);

/* Strict base64 (RFC 4648, section 4); returns the bytes, or -1.  room: at least 3 for each 4. */
long credential_base64(const char *text, uint8_t *ret, size_t room);

#endif /* TRADING_CREDENTIAL_H */
