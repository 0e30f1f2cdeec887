/*
 * sign/key.h - ed25519 keys out of PEM files, and texts of signatures.
 */
#ifndef SX_SIGN_KEY_H
#define SX_SIGN_KEY_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/evp.h>

#define SX_SIGNATURE_BYTES 64
#define SX_KEY_ID          16 /* hexadecimal digits */

struct sx_key {
    EVP_PKEY *pkey; /* owned */
    char id[SX_KEY_ID + 1];
};

/* Of a PEM file.  SX_ERR_INVALID with a sentence in why.  destroy in any case. */
int sx_key_read_public(const char *path, struct sx_key *ret_key, char *why, size_t size);
/* The same; also refused when others can read the file. */
int sx_key_read_private(const char *path, struct sx_key *ret_key, char *why, size_t size);
void sx_key_finish(struct sx_key *key);

struct sx_signature {
    char id[SX_KEY_ID + 1]; /* "": it does not say whose it is */
    unsigned char bytes[SX_SIGNATURE_BYTES];
};

/* In any of the forms of sign.h; SX_ERR_INVALID when it is none. */
int sx_signature_parse(const char *data, size_t len, struct sx_signature *ret_signature);
/* The line of sign.h; the caller frees; NULL without memory. */
char *sx_signature_format(const struct sx_signature *signature);

bool sx_signature_fits(const struct sx_signature *signature, const struct sx_key *key,
                       const void *data, size_t len);
int sx_signature_make(const struct sx_key *key, const void *data, size_t len,
                      struct sx_signature *ret_signature);

#endif /* SX_SIGN_KEY_H */
