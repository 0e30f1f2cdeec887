/*
 * secret/envelope.h - the blob that berglas stores:
 *
 *     base64(wrapped key) ":" base64(nonce[12] ‖ ciphertext ‖ tag[16])
 *
 * The key is 32 bytes and wrapped by Cloud KMS; the rest is AES-256-GCM without additional data.
 */
#ifndef SX_SECRET_ENVELOPE_H
#define SX_SECRET_ENVELOPE_H

#include <stddef.h>
#include <stdint.h>

#define SX_ENVELOPE_KEY   32
#define SX_ENVELOPE_NONCE 12
#define SX_ENVELOPE_TAG   16

/* Base64 (RFC 4648, section 4), with its padding and nothing else; the caller frees.  Text with a
 * NUL behind, whatever the bytes are.  SX_ERR_INVALID, SX_ERR_NOMEM. */
int sx_base64_decode(const char *text, size_t len, char **ret_data, size_t *ret_len);
char *sx_base64_encode(const void *data, size_t len);

struct sx_envelope {
    char *wrapped; /* base64, as Cloud KMS takes it; owned */
    char *sealed;  /* nonce, ciphertext, tag; owned */
    size_t sealed_len;
};

/* SX_ERR_INVALID: it has not this form.  finish in any case. */
int sx_envelope_parse(const char *blob, size_t len, struct sx_envelope *ret_envelope);
void sx_envelope_finish(struct sx_envelope *envelope);
/* What was sealed; the caller frees.  SX_ERR_INVALID: another key, or changed bytes. */
int sx_envelope_open(const struct sx_envelope *envelope, const uint8_t key[SX_ENVELOPE_KEY],
                     char **ret_data, size_t *ret_len);

#endif /* SX_SECRET_ENVELOPE_H */
