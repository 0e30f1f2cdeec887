/*
 * auth.c - who sent a request.
 *
 * CB-ACCESS-SIGN is the base64 of an HMAC-SHA256, keyed with the decoded secret, over timestamp,
 * method, target and body as they were received.  No statement is needed: see
 * trading/credential.h.
 */
#include "exchange.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#define WINDOW_S 30

/* Whole or decimal seconds since 1970, as programs send them: false for anything else. */
static bool read_seconds(const char *text, int64_t *ret_ms)
{
    const size_t n = strspn(text, "0123456789");
    const char *rest = text + n;
    int64_t ms = 0;

    if (n == 0 || n > 12)
        return false;
    if (*rest == '.' && strspn(rest + 1, "0123456789") == strlen(rest + 1))
        rest = "";
    for (size_t i = 0; i < n; i++)
        ms = ms * 10 + (text[i] - '0');
    *ret_ms = ms * 1000;
    return *rest == '\0';
}

static bool is_signed(const struct exchange *x, const struct credential *c, const char *sign,
                      const sx_span parts[4])
{
    char secret[CREDENTIAL_SECRET];
    uint8_t key[CREDENTIAL_SECRET], expected[CREDENTIAL_HMAC], given[48];
    long key_len, given_len = credential_base64(sign, given, sizeof given);
    bool is_good = credential_secret(x->master, c, secret);

    key_len = is_good ? credential_base64(secret, key, sizeof key) : -1;
    is_good = key_len > 0 && credential_hmac(key, (size_t)key_len, parts, 4, expected);
    OPENSSL_cleanse(secret, sizeof secret);
    OPENSSL_cleanse(key, sizeof key);
    return is_good && given_len > 0 &&
           credential_equal(given, (size_t)given_len, expected, sizeof expected);
}

const char *auth_words(const struct exchange *x, int64_t now_ns, const char *key, const char *sign,
                       const char *timestamp, const char *passphrase, const char *method,
                       const char *target, sx_span body, struct credential *ret)
{
    char expected[CREDENTIAL_PASSPHRASE];
    int64_t ms = 0, late_ms;
    struct credential c;

    if (key == NULL || *key == '\0')
        return "CB-ACCESS-KEY header is required";
    if (sign == NULL || *sign == '\0')
        return "CB-ACCESS-SIGN header is required";
    if (timestamp == NULL || *timestamp == '\0')
        return "CB-ACCESS-TIMESTAMP header is required";
    if (passphrase == NULL || *passphrase == '\0')
        return "CB-ACCESS-PASSPHRASE header is required";
    if (!read_seconds(timestamp, &ms))
        return "invalid timestamp";
    late_ms = now_ns / 1000000 - ms;
    if (late_ms > (WINDOW_S + 1) * 1000 || late_ms < -WINDOW_S * 1000)
        return "request timestamp expired";
    if (!credential_read(x->master, key, &c))
        return "Invalid API Key";
    if (!is_signed(x, &c, sign,
                   (const sx_span[]){ { timestamp, strlen(timestamp) },
                                      { method, strlen(method) },
                                      { target, strlen(target) },
                                      body }))
        return "invalid signature";
    if (!credential_passphrase(x->master, &c, expected) ||
        !credential_equal(expected, strlen(expected), passphrase, strlen(passphrase)))
        return "Invalid Passphrase";
    *ret = c;
    return NULL;
}

int auth_check(sx_req *r, struct credential *ret)
{
    const char *words = auth_words(
        exchange_of(r), sx_this_worker(sx_req_plugin(r)).now_ns, sx_header(r, "CB-ACCESS-KEY"),
        sx_header(r, "CB-ACCESS-SIGN"), sx_header(r, "CB-ACCESS-TIMESTAMP"),
        sx_header(r, "CB-ACCESS-PASSPHRASE"), sx_req_method(r), sx_req_target(r), sx_body(r), ret);

    return words == NULL ? SX_NEXT : answer_fail(r, 401, "%s", words);
}

/* Digests are compared, so that the time says nothing about the length either. */
int auth_check_admin(sx_req *r)
{
    const struct exchange *x = exchange_of(r);
    const char *given = sx_header(r, "Authorization");
    uint8_t a[CREDENTIAL_HMAC], b[CREDENTIAL_HMAC];
    const sx_span expected = { x->admin, strlen(x->admin) };
    sx_span token = { "", 0 };

    if (x->admin[0] == '\0')
        return answer_fail(r, 403, "this server has no administrator: admin_token is not set");
    if (given != NULL && strncmp(given, "Bearer ", 7) == 0)
        token = (sx_span){ given + 7, strlen(given + 7) };
    if (!credential_hmac(x->master, strlen(x->master), &expected, 1, a) ||
        !credential_hmac(x->master, strlen(x->master), &token, 1, b))
        return SX_ENOMEM;
    if (!credential_equal(a, sizeof a, b, sizeof b)) {
        int err = sx_set_header(r, "WWW-Authenticate", "Bearer");

        return err < 0 ? err
                       : answer_fail(r, 401,
                                     "expected the administrator's token: "
                                     "Authorization: Bearer TOKEN");
    }
    return SX_NEXT;
}
