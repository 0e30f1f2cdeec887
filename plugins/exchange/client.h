/*
 * client.h - a trading client for the tests of this plugin: accounts, and requests that are signed.
 */
#ifndef EXCHANGE_CLIENT_H
#define EXCHANGE_CLIENT_H

#include <sx/test.h>

#include <openssl/evp.h>
#include <stdio.h>

#include "trading/credential.h"

#define CLIENT_MASTER "only for tests: thirty-two bytes and more"
#define CLIENT_ADMIN  "Bearer the token of the tests"
#define CLIENT_CONFIG_WITH(more)                                                         \
    "{\"plugins\":{\"exchange\":{\"options\":{\"signing_secret\":\"" CLIENT_MASTER "\"," \
    "\"admin_token\":\"the token of the tests\"" more "}}}}"
#define CLIENT_CONFIG CLIENT_CONFIG_WITH("")
#define CLIENT_NOW_S  INT64_C(1800000000)

const sx_host *sx_host_; /* nobody's: what is linked here needs no host */

struct client {
    sx_test *t;
    char key[CREDENTIAL_KEY];
    char secret[CREDENTIAL_SECRET];
    char passphrase[CREDENTIAL_PASSPHRASE];
    int64_t clock_s; /* what it thinks the time is */
};

static inline void client_copy(char *to, size_t size, const json_t *answer, const char *key)
{
    (void)snprintf(to, size, "%s", json_string_value(json_object_get(answer, key)));
}

/* Opens an account with deposits, as JSON. */
static inline struct client client_open(sx_test *t, const char *deposits)
{
    static const char *const admin[] = { "Authorization", CLIENT_ADMIN, NULL };
    struct client c = { .t = t, .clock_s = CLIENT_NOW_S };
    char body[400];
    const json_t *answer;

    sx_test_set_now(t, CLIENT_NOW_S * INT64_C(1000000000));
    (void)snprintf(body, sizeof body, "{\"deposits\":%s}", deposits);
    answer = sx_answer_json(sx_expect_status(
        sx_test_send(t, .path = "/sim/accounts", .headers = admin, .json = body), 201));
    client_copy(c.key, sizeof c.key, answer, "key");
    client_copy(c.secret, sizeof c.secret, answer, "secret");
    client_copy(c.passphrase, sizeof c.passphrase, answer, "passphrase");
    return c;
}

static inline void client_sign(const struct client *c, const char *timestamp, const char *method,
                               const char *path, const char *body, char sign[64])
{
    uint8_t key[CREDENTIAL_SECRET], mac[CREDENTIAL_HMAC];
    const sx_span parts[] = { { timestamp, strlen(timestamp) },
                              { method, strlen(method) },
                              { path, strlen(path) },
                              { body, strlen(body) } };
    const long len = credential_base64(c->secret, key, sizeof key);

    assert_true(len > 0 && credential_hmac(key, (size_t)len, parts, 4, mac));
    (void)EVP_EncodeBlock((unsigned char *)sign, mac, sizeof mac);
}

/* body may be NULL. */
static inline const sx_answer *client_send(const struct client *c, const char *method,
                                           const char *path, const char *body)
{
    char timestamp[24], sign[64];
    const char *const headers[] = { "CB-ACCESS-KEY",
                                    c->key,
                                    "CB-ACCESS-SIGN",
                                    sign,
                                    "CB-ACCESS-TIMESTAMP",
                                    timestamp,
                                    "CB-ACCESS-PASSPHRASE",
                                    c->passphrase,
                                    NULL };

    (void)snprintf(timestamp, sizeof timestamp, "%lld", (long long)c->clock_s);
    client_sign(c, timestamp, method, path, body == NULL ? "" : body, sign);
    return sx_test_send(c->t, .method = method, .path = path, .headers = headers, .json = body);
}

static inline const sx_answer *client_get(const struct client *c, const char *path)
{
    return client_send(c, "GET", path, NULL);
}

static inline const sx_answer *client_order(const struct client *c, const char *body)
{
    return client_send(c, "POST", "/orders", body);
}

/* A refusal in the words of the dialect. */
#define client_expect_message(a, status, text)                                       \
    do {                                                                             \
        char expected_[300];                                                         \
        (void)snprintf(expected_, sizeof expected_, "{\"message\":\"%s\"}", (text)); \
        sx_expect_json((a), (status), expected_);                                    \
    } while (0)

#endif /* EXCHANGE_CLIENT_H */
