/*
 * The Binance dialect: parameters, signatures, orders and what is told about the market.
 */
#include <sx/test.h>

#include <stdio.h>
#include <string.h>

#include <openssl/hmac.h>

#define ADMIN  "the administrator of these tests"
#define NOW_MS INT64_C(1800000000000)
#define NOW_NS (NOW_MS * 1000000)
#define STAMP  "timestamp=1800000000000"
#define PATH   2000

struct trader {
    char key[40];
    char secret[100];
};

/* --- Requests -------------------------------------------------------------------------- */

static struct trader open_account(sx_test *t, const char *deposits)
{
    char body[300];
    json_t *said;
    struct trader who;

    (void)snprintf(body, sizeof body, "{\"deposits\": %s}", deposits);
    said = sx_answer_json(sx_expect_status(
        sx_test_send(t, .path = "/sim/accounts", .json = body,
                     .headers = (const char *const[]){ "Authorization", "Bearer " ADMIN, NULL }),
        201));
    (void)snprintf(who.key, sizeof who.key, "%s", json_string_value(json_object_get(said, "key")));
    (void)snprintf(who.secret, sizeof who.secret, "%s",
                   json_string_value(json_object_get(said, "secret")));
    return who;
}

static void sign(const struct trader *who, const char *payload, char ret[65])
{
    unsigned char mac[32];
    unsigned n = sizeof mac;

    (void)HMAC(EVP_sha256(), who->secret, (int)strlen(who->secret), (const unsigned char *)payload,
               strlen(payload), mac, &n);
    for (unsigned i = 0; i < n; i++)
        (void)snprintf(ret + (size_t)2 * i, 3, "%02x", mac[i]);
}

/* METHOD /api/v3/WHAT?QUERY, signed. */
static const sx_answer *ask_at(sx_test *t, const struct trader *who, const char *method,
                               const char *what, const char *query)
{
    char path[PATH + 200], payload[PATH], mac[65];

    (void)snprintf(payload, sizeof payload, "%s%s" STAMP, query, *query == '\0' ? "" : "&");
    sign(who, payload, mac);
    (void)snprintf(path, sizeof path, "/api/v3/%s?%s&signature=%s", what, payload, mac);
    return sx_test_send(t, .method = method, .path = path,
                        .headers = (const char *const[]){ "X-MBX-APIKEY", who->key, NULL });
}

static const sx_answer *order(sx_test *t, const struct trader *who, const char *query)
{
    return ask_at(t, who, "POST", "order", query);
}

/* An answer with this code and these words. */
static void expect_code(const sx_answer *a, int status, int code, const char *words)
{
    char json[500];

    (void)snprintf(json, sizeof json, "{\"code\": %d, \"msg\": \"%s\"}", code, words);
    sx_expect_json(a, status, json);
}

static void the_thread_runs_through(sx_test *t)
{
    struct trader ann, bob;

    sx_test_set_now(t, NOW_NS);
    ann = open_account(t, "{\"USD\": \"100000\", \"BTC\": \"10\"}");
    bob = open_account(t, "{\"USD\": \"100000\", \"BTC\": \"10\"}");

    sx_expect_part(sx_expect_status(sx_test_get(t, "/api/v3/exchangeInfo"), 200), "\"BTCUSD\"");
    sx_expect_status(order(t, &ann,
                           "symbol=BTCUSD&side=SELL&type=LIMIT&timeInForce=GTC&quantity=1"
                           "&price=100&newClientOrderId=a1"),
                     200);
    sx_expect_json(
        sx_test_get(t, "/api/v3/depth?symbol=BTCUSD"), 200,
        SX_TEST_JSON({ "lastUpdateId" : 1, "bids" : [], "asks" : [[ "100.00", "1.000000" ]] }));
    sx_expect_json(order(t, &bob, "symbol=BTCUSD&side=BUY&type=MARKET&quantity=0.25"), 200,
                   SX_TEST_JSON({
                       "symbol" : "BTCUSD",
                       "orderId" : 2,
                       "orderListId" : -1,
                       "clientOrderId" : "<text>",
                       "transactTime" : "<int>",
                       "price" : "0.00",
                       "origQty" : "0.250000",
                       "executedQty" : "0.250000",
                       "origQuoteOrderQty" : "0.00000000",
                       "cummulativeQuoteQty" : "25.00000000",
                       "status" : "FILLED",
                       "timeInForce" : "GTC",
                       "type" : "MARKET",
                       "side" : "BUY",
                       "selfTradePreventionMode" : "EXPIRE_MAKER",
                       "workingTime" : "<int>",
                       "fills" : [ {
                           "price" : "100.00",
                           "qty" : "0.250000",
                           "commission" : "0.15000000",
                           "commissionAsset" : "USD",
                           "tradeId" : 1
                       } ]
                   }));
    sx_expect_part(sx_expect_status(ask_at(t, &bob, "GET", "account", ""), 200),
                   "{\"asset\":\"USD\",\"free\":\"99974.85000000\",\"locked\":\"0.00000000\"}");
    expect_code(order(t, &bob, "symbol=XYZ&side=BUY&type=MARKET&quantity=0.25"), 400, -1121,
                "Invalid symbol.");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(the_thread_runs_through),
        { 0 },
    };
    static const sx_test_setup setup = {
        .plugins = "exchange binance",
        .has_database = true,
        .config = SX_TEST_JSON({
            "plugins" : {
                "exchange" : { "options" : { "admin_token" : "the administrator of these tests" } }
            }
        }),
    };

    return sx_test_run(&setup, cases);
}
