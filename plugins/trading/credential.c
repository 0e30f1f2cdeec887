/*
 * credential.c - see credential.h.
 *
 * A key is 16 bytes in hexadecimal: account (6), generation (2), and the first 8 of an HMAC over
 * these.
 */
#include "credential.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define NAME_BYTES  8
#define PROOF_BYTES 8

const char *credential_master(sx_plugin *p)
{
    const char *master = sx_config_text(p, "signing_secret");
    const size_t len = master == NULL ? 0 : strlen(master);

    if (len >= CREDENTIAL_MIN_MASTER)
        return master;
    sx_log(p, SX_ERROR, "signing_secret: expected at least %d bytes, found %zu",
           CREDENTIAL_MIN_MASTER, len);
    return NULL;
}

static void put_name(const struct credential *c, uint8_t name[NAME_BYTES])
{
    for (int i = 0; i < 6; i++)
        name[i] = (uint8_t)((uint64_t)c->account >> (40 - 8 * i));
    name[6] = (uint8_t)((uint32_t)c->generation >> 8);
    name[7] = (uint8_t)c->generation;
}

/* What the master secret says about a purpose and a name. */
static bool derive(const char *master, const char *purpose, const struct credential *c,
                   const EVP_MD *digest, uint8_t ret[EVP_MAX_MD_SIZE])
{
    uint8_t text[32 + NAME_BYTES];
    const size_t len = strlen(purpose);
    unsigned n = 0;

    memcpy(text, purpose, len);
    put_name(c, text + len);
    return HMAC(digest, master, (int)strlen(master), text, len + NAME_BYTES, ret, &n) != NULL;
}

static void put_hex(const uint8_t *bytes, size_t n, char *text)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * n] = '\0';
}

/* The name, and the proof of it for this purpose. */
static bool prove(const char *master, const char *purpose, const struct credential *c,
                  char text[CREDENTIAL_KEY])
{
    uint8_t key[NAME_BYTES + EVP_MAX_MD_SIZE];

    put_name(c, key);
    if (!derive(master, purpose, c, EVP_sha256(), key + NAME_BYTES))
        return false;
    put_hex(key, NAME_BYTES + PROOF_BYTES, text);
    return true;
}

bool credential_key(const char *master, const struct credential *c, char text[CREDENTIAL_KEY])
{
    return prove(master, "key", c, text);
}

bool credential_cookie(const char *master, const struct credential *c, char text[CREDENTIAL_KEY])
{
    return prove(master, "cookie", c, text);
}

bool credential_secret(const char *master, const struct credential *c, char text[CREDENTIAL_SECRET])
{
    uint8_t bytes[EVP_MAX_MD_SIZE];

    if (!derive(master, "secret", c, EVP_sha512(), bytes))
        return false;
    (void)EVP_EncodeBlock((unsigned char *)text, bytes, 64);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return true;
}

bool credential_passphrase(const char *master, const struct credential *c,
                           char text[CREDENTIAL_PASSPHRASE])
{
    uint8_t bytes[EVP_MAX_MD_SIZE];

    if (!derive(master, "passphrase", c, EVP_sha256(), bytes))
        return false;
    put_hex(bytes, (CREDENTIAL_PASSPHRASE - 1) / 2, text);
    OPENSSL_cleanse(bytes, sizeof bytes);
    return true;
}

/* The number that n hexadecimal digits say. */
static uint64_t from_hex(const char *digits, size_t n)
{
    uint64_t value = 0;

    for (size_t i = 0; i < n; i++)
        value = value << 4 | (uint64_t)(digits[i] <= '9' ? digits[i] - '0' : digits[i] - 'a' + 10);
    return value;
}

static bool read_proved(const char *master, const char *purpose, const char *key,
                        struct credential *ret)
{
    struct credential c;
    char expected[CREDENTIAL_KEY];

    if (strlen(key) != CREDENTIAL_KEY - 1 || strspn(key, "0123456789abcdef") != CREDENTIAL_KEY - 1)
        return false;
    c.account = (int64_t)from_hex(key, 12);
    c.generation = (int32_t)from_hex(key + 12, 4);
    if (!prove(master, purpose, &c, expected) ||
        !credential_equal(key, CREDENTIAL_KEY - 1, expected, CREDENTIAL_KEY - 1))
        return false;
    *ret = c;
    return true;
}

bool credential_read(const char *master, const char *key, struct credential *ret)
{
    return read_proved(master, "key", key, ret);
}

bool credential_read_cookie(const char *master, const char *cookie, struct credential *ret)
{
    return read_proved(master, "cookie", cookie, ret);
}

bool credential_hmac(const void *key, size_t key_len, const sx_span *parts, size_t n,
                     uint8_t ret[CREDENTIAL_HMAC])
{
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                                  OSSL_PARAM_construct_end() };
    size_t len = 0;
    bool is_good = ctx != NULL && EVP_MAC_init(ctx, key, key_len, params) == 1;

    for (size_t i = 0; i < n && is_good; i++)
        is_good = EVP_MAC_update(ctx, (const uint8_t *)parts[i].data, parts[i].len) == 1;
    is_good = is_good && EVP_MAC_final(ctx, ret, &len, CREDENTIAL_HMAC) == 1;
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return is_good;
}

bool credential_equal(const void *a, size_t a_len, const void *b, size_t b_len)
{
    return a_len == b_len && CRYPTO_memcmp(a, b, a_len) == 0;
}

long credential_base64(const char *text, uint8_t *ret, size_t room)
{
    const size_t len = strlen(text);
    const size_t n_pad = len < 2 || text[len - 1] != '=' ? 0 : text[len - 2] != '=' ? 1 : 2;
    int n;

    if (len == 0 || len % 4 != 0 || len / 4 * 3 > room)
        return -1;
    for (size_t i = 0; i + n_pad < len; i++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", text[i]) ==
            NULL)
            return -1;
    n = EVP_DecodeBlock(ret, (const unsigned char *)text, (int)len);
    return n < 0 ? -1 : n - (long)n_pad;
}
