/* secret/envelope.c - what libcrypto does for secrets. */
#include "secret/envelope.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/error.h"

#define ALPHABET "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
#define MAX_TEXT (16u << 20)

/* EVP_DecodeBlock would take spaces at both ends, and counts the padding in. */
static int measure(const char *text, size_t len, size_t *ret_padding)
{
    size_t plain = len;

    while (plain > 0 && len - plain < 2 && text[plain - 1] == '=')
        plain--;
    if (len % 4 != 0 || len > MAX_TEXT)
        return SX_ERR_INVALID;
    for (size_t i = 0; i < plain; i++)
        if (text[i] == '\0' || strchr(ALPHABET, text[i]) == NULL)
            return SX_ERR_INVALID;
    *ret_padding = len - plain;
    return 0;
}

int sx_base64_decode(const char *text, size_t len, char **ret_data, size_t *ret_len)
{
    size_t padding;
    char *data;

    if (measure(text, len, &padding) != 0)
        return SX_ERR_INVALID;
    data = malloc(len / 4 * 3 + 1);
    if (data == NULL)
        return SX_ERR_NOMEM;
    if (len > 0 &&
        EVP_DecodeBlock((unsigned char *)data, (const unsigned char *)text, (int)len) < 0) {
        free(data);
        return SX_ERR_INVALID;
    }
    *ret_len = len / 4 * 3 - padding;
    data[*ret_len] = '\0';
    *ret_data = data;
    return 0;
}

char *sx_base64_encode(const void *data, size_t len)
{
    char *text = len > MAX_TEXT ? NULL : malloc((len + 2) / 3 * 4 + 1);

    if (text != NULL)
        (void)EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    return text;
}

void sx_envelope_finish(struct sx_envelope *envelope)
{
    free(envelope->wrapped);
    free(envelope->sealed);
    *envelope = (struct sx_envelope){ .wrapped = NULL };
}

int sx_envelope_parse(const char *blob, size_t len, struct sx_envelope *ret_envelope)
{
    const char *colon = memchr(blob, ':', len);
    size_t padding, n = colon != NULL ? (size_t)(colon - blob) : 0;
    int err;

    *ret_envelope = (struct sx_envelope){ .wrapped = NULL };
    if (n == 0 || measure(blob, n, &padding) != 0)
        return SX_ERR_INVALID;
    err = sx_base64_decode(colon + 1, len - n - 1, &ret_envelope->sealed,
                           &ret_envelope->sealed_len);
    if (err != 0)
        return err;
    if (ret_envelope->sealed_len < SX_ENVELOPE_NONCE + SX_ENVELOPE_TAG)
        return SX_ERR_INVALID;
    ret_envelope->wrapped = strndup(blob, n);
    return ret_envelope->wrapped == NULL ? SX_ERR_NOMEM : 0;
}

static int decrypt(EVP_CIPHER_CTX *ctx, const uint8_t *key, const struct sx_envelope *envelope,
                   unsigned char *to, size_t len)
{
    unsigned char *sealed = (unsigned char *)envelope->sealed;
    unsigned char *tag = sealed + SX_ENVELOPE_NONCE + len;
    int n = 0, rest = 0;

    if (EVP_DecryptInit_ex(ctx, EVP_aes_256_gcm(), NULL, key, sealed) != 1 ||
        EVP_DecryptUpdate(ctx, to, &n, sealed + SX_ENVELOPE_NONCE, (int)len) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, SX_ENVELOPE_TAG, tag) != 1 ||
        EVP_DecryptFinal_ex(ctx, to + n, &rest) != 1)
        return SX_ERR_INVALID;
    return (size_t)n + (size_t)rest == len ? 0 : SX_ERR_INVALID;
}

int sx_envelope_open(const struct sx_envelope *envelope, const uint8_t key[SX_ENVELOPE_KEY],
                     char **ret_data, size_t *ret_len)
{
    const size_t len = envelope->sealed_len - SX_ENVELOPE_NONCE - SX_ENVELOPE_TAG;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    char *data = malloc(len + SX_ENVELOPE_TAG + 1);
    int err = ctx == NULL || data == NULL ? SX_ERR_NOMEM
                                          : decrypt(ctx, key, envelope, (unsigned char *)data, len);

    EVP_CIPHER_CTX_free(ctx);
    if (err != 0) {
        if (data != NULL)
            explicit_bzero(data, len);
        free(data);
        return err;
    }
    data[len] = '\0';
    *ret_data = data;
    *ret_len = len;
    return 0;
}
