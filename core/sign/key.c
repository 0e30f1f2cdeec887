/* sign/key.c - what libcrypto does for signatures. */
#include "sign/key.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/crypto.h>
#include <openssl/pem.h>

#include "base/error.h"
#include "base/file.h"

#define MAX_KEY_BYTES    65536
#define PUBLIC_BYTES     32
#define BASE64_BYTES     88 /* of 64 bytes */
#define ALGORITHM        "ed25519 "
#define ALGORITHM_LENGTH (sizeof ALGORITHM - 1)

/* --- keys ----------------------------------------------------------------------------------- */

static int set_id(struct sx_key *key)
{
    unsigned char raw[PUBLIC_BYTES];
    char hex[SX_SHA256_HEX + 1];
    size_t len = sizeof raw;

    if (EVP_PKEY_get_raw_public_key(key->pkey, raw, &len) != 1 || len != sizeof raw)
        return SX_ERR_INVALID;
    sx_sha256_hex(raw, len, hex);
    memcpy(key->id, hex, SX_KEY_ID);
    key->id[SX_KEY_ID] = '\0';
    return 0;
}

/* A passphrase is asked of nobody. */
static int no_passphrase(char *to, int size, int is_writing, void *arg)
{
    (void)to;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

static EVP_PKEY *parse_pem(const char *data, size_t len, bool is_private)
{
    BIO *bio = BIO_new_mem_buf(data, (int)len);
    EVP_PKEY *pkey = NULL;

    if (bio != NULL)
        pkey = is_private ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL)
                          : PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    BIO_free(bio);
    return pkey;
}

static int read_key(const char *path, bool is_private, struct sx_key *ret_key, char *why,
                    size_t size)
{
    const char *wanted = is_private ? "private" : "public";
    char *data;
    size_t len;
    int err = sx_file_read(path, MAX_KEY_BYTES, &data, &len);

    *ret_key = (struct sx_key){ .pkey = NULL };
    if (err != 0) {
        (void)snprintf(why, size, "cannot be read: %s",
                       err == SX_ERR_BUSY ? "it is larger than a key" : strerror(errno));
        return SX_ERR_INVALID;
    }
    ret_key->pkey = parse_pem(data, len, is_private);
    if (ret_key->pkey == NULL)
        (void)snprintf(why, size, "expected an ed25519 %s key in PEM, found %s", wanted,
                       strstr(data, "PRIVATE KEY") != NULL
                           ? is_private ? "a key with a passphrase or of another kind"
                                        : "a private key: keep that where plugins are signed"
                       : strstr(data, "-----BEGIN") != NULL ? "another PEM file"
                                                            : "no PEM file");
    OPENSSL_cleanse(data, len);
    free(data);
    if (ret_key->pkey == NULL)
        return SX_ERR_INVALID;
    if (EVP_PKEY_get_base_id(ret_key->pkey) == EVP_PKEY_ED25519 && set_id(ret_key) == 0)
        return 0;
    (void)snprintf(why, size, "expected an ed25519 %s key, found one of %s", wanted,
                   EVP_PKEY_get0_type_name(ret_key->pkey));
    return SX_ERR_INVALID;
}

int sx_key_read_public(const char *path, struct sx_key *ret_key, char *why, size_t size)
{
    return read_key(path, false, ret_key, why, size);
}

int sx_key_read_private(const char *path, struct sx_key *ret_key, char *why, size_t size)
{
    struct stat st;

    *ret_key = (struct sx_key){ .pkey = NULL };
    if (stat(path, &st) == 0 && (st.st_mode & 077) != 0) {
        (void)snprintf(why, size,
                       "others can read this private key: found mode %04o\n"
                       "Mend it with: chmod 600 %s",
                       (unsigned)st.st_mode & 07777, path);
        return SX_ERR_INVALID;
    }
    return read_key(path, true, ret_key, why, size);
}

void sx_key_finish(struct sx_key *key)
{
    EVP_PKEY_free(key->pkey);
    key->pkey = NULL;
}

/* --- signatures ----------------------------------------------------------------------------- */

/* EVP_DecodeBlock writes whole groups of three, and counts the padding in. */
static int decode(const char *text, unsigned char to[SX_SIGNATURE_BYTES])
{
    unsigned char space[BASE64_BYTES];

    if (EVP_DecodeBlock(space, (const unsigned char *)text, BASE64_BYTES) !=
            SX_SIGNATURE_BYTES + 2 ||
        memcmp(text + BASE64_BYTES - 2, "==", 2) != 0)
        return SX_ERR_INVALID;
    memcpy(to, space, SX_SIGNATURE_BYTES);
    return 0;
}

int sx_signature_parse(const char *data, size_t len, struct sx_signature *ret_signature)
{
    *ret_signature = (struct sx_signature){ .id = "" };
    if (len == SX_SIGNATURE_BYTES) {
        memcpy(ret_signature->bytes, data, len);
        return 0;
    }
    while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == '\r'))
        len--;
    if (len == BASE64_BYTES)
        return decode(data, ret_signature->bytes);
    if (len != ALGORITHM_LENGTH + SX_KEY_ID + 1 + BASE64_BYTES ||
        memcmp(data, ALGORITHM, ALGORITHM_LENGTH) != 0 ||
        data[ALGORITHM_LENGTH + SX_KEY_ID] != ' ' ||
        strspn(data + ALGORITHM_LENGTH, "0123456789abcdef") != SX_KEY_ID)
        return SX_ERR_INVALID;
    memcpy(ret_signature->id, data + ALGORITHM_LENGTH, SX_KEY_ID);
    return decode(data + ALGORITHM_LENGTH + SX_KEY_ID + 1, ret_signature->bytes);
}

char *sx_signature_format(const struct sx_signature *signature)
{
    unsigned char text[BASE64_BYTES + 1];
    char *line;

    (void)EVP_EncodeBlock(text, signature->bytes, SX_SIGNATURE_BYTES);
    return asprintf(&line, ALGORITHM "%s %s\n", signature->id, (char *)text) < 0 ? NULL : line;
}

bool sx_signature_fits(const struct sx_signature *signature, const struct sx_key *key,
                       const void *data, size_t len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool fits = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key->pkey) == 1 &&
                EVP_DigestVerify(ctx, signature->bytes, SX_SIGNATURE_BYTES, data, len) == 1;

    EVP_MD_CTX_free(ctx);
    return fits;
}

int sx_signature_make(const struct sx_key *key, const void *data, size_t len,
                      struct sx_signature *ret_signature)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = SX_SIGNATURE_BYTES;
    int err = ctx == NULL ? SX_ERR_NOMEM : 0;

    memcpy(ret_signature->id, key->id, sizeof key->id);
    if (err == 0 && (EVP_DigestSignInit(ctx, NULL, NULL, NULL, key->pkey) != 1 ||
                     EVP_DigestSign(ctx, ret_signature->bytes, &n, data, len) != 1))
        err = SX_ERR_INVALID;
    EVP_MD_CTX_free(ctx);
    return err;
}
