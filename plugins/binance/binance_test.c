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

/* --- Signatures -------------------------------------------------------------------------- */

static void a_key_that_was_taken_back_opens_nothing(sx_test *t)
{
    static const char *const asked[][3] = {
        { "GET", "account", "" },
        { "GET", "openOrders", "" },
        { "GET", "allOrders", "symbol=BTCUSD" },
        { "GET", "myTrades", "symbol=BTCUSD" },
        { "GET", "myTrades", "symbol=BTCUSD&orderId=7" },
        { "GET", "order", "symbol=BTCUSD&orderId=7" },
        { "GET", "account/commission", "symbol=BTCUSD" },
        { "DELETE", "order", "symbol=BTCUSD&orderId=7" },
        { "DELETE", "openOrders", "symbol=BTCUSD" },
        { "POST", "order", "symbol=BTCUSD&side=BUY&type=MARKET&quantity=1" },
        { "POST", "order/test", "symbol=BTCUSD&side=BUY&type=MARKET&quantity=1" },
    };
    struct trader ann;

    sx_test_set_now(t, NOW_NS);
    ann = open_account(t, "{\"USD\": \"1000\"}");
    sx_expect_status(ask_at(t, &ann, "GET", "account", ""), 200);
    (void)sx_test_sql(t, "SELECT renew_key(id) FROM account");

    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        expect_code(ask_at(t, &ann, asked[i][0], asked[i][1], asked[i][2]), 401, -2015,
                    "Invalid API-key, IP, or permissions for action.");
}

/* Each byte of a signature counts, and each byte of what is signed. */
static void one_changed_byte_is_no_signature(sx_test *t)
{
    char payload[] = "omitZeroBalances=true&" STAMP, mac[65], path[PATH];
    struct trader ann;

    sx_test_set_now(t, NOW_NS);
    ann = open_account(t, "{}");
    sign(&ann, payload, mac);
    for (size_t i = 0; i < 64; i++) {
        mac[i] ^= 1;
        (void)snprintf(path, sizeof path, "/api/v3/account?%s&signature=%s", payload, mac);
        sx_expect_status(
            sx_test_send(t, .path = path,
                         .headers = (const char *const[]){ "X-MBX-APIKEY", ann.key, NULL }),
            400);
        mac[i] ^= 1;
    }
    for (int place = 0; place < 3; place++) {
        static const char *const forms[] = { "/api/v3/account?%1$s&signature=%2$s",
                                             "/api/v3/account?signature=%2$s&%1$s",
                                             "/api/v3/account?%1$s&signature=%2$s&more=1" };

        (void)snprintf(path, sizeof path, forms[place], payload, mac);
        sx_expect_status(
            sx_test_send(t, .path = path,
                         .headers = (const char *const[]){ "X-MBX-APIKEY", ann.key, NULL }),
            place == 2 ? 400 : 200);
    }
}

static void a_request_is_good_within_its_window(sx_test *t)
{
    struct trader ann;

    sx_test_set_now(t, NOW_NS);
    ann = open_account(t, "{}");
    sx_test_set_now(t, NOW_NS + INT64_C(5000000000));
    sx_expect_status(ask_at(t, &ann, "GET", "account", ""), 200);
    sx_test_set_now(t, NOW_NS + INT64_C(5001000000));
    expect_code(ask_at(t, &ann, "GET", "account", ""), 400, -1021,
                "Timestamp for this request is outside of the recvWindow.");
    sx_expect_status(ask_at(t, &ann, "GET", "account", "recvWindow=5001"), 200);
    sx_test_set_now(t, NOW_NS - INT64_C(1000000000));
    sx_expect_status(ask_at(t, &ann, "GET", "account", ""), 200);
    sx_test_set_now(t, NOW_NS - INT64_C(1001000000));
    expect_code(ask_at(t, &ann, "GET", "account", ""), 400, -1021,
                "Timestamp for this request was 1000ms ahead of the server's time.");
}

/* --- Candles ------------------------------------------------------------------------------ */

#define MINUTE_ROWS                                                                    \
    "INSERT INTO minute (instrument, minute, open, high, low, close, lots, notional, " \
    "n_trades) VALUES "

/* 2021-03-01 is a Monday; minute 26909280 is its first one in UTC. */
static void candles_have_no_gap_and_begin_where_they_should(sx_test *t)
{
    static const struct {
        const char *query;
        const char *expected;
    } cases[] = {
        { "interval=1m&startTime=1614556800000&limit=4",
          "[[1614556800000,\"1.00\",\"4.00\",\"0.50\",\"2.00\",\"0.000010\",1614556859999,"
          "\"0.00001000\",2,\"0.000000\",\"0.00000000\",\"0\"],"
          "[1614556860000,\"2.00\",\"2.00\",\"2.00\",\"2.00\",\"0.000000\",1614556919999,"
          "\"0.00000000\",0,\"0.000000\",\"0.00000000\",\"0\"],"
          "[1614556920000,\"3.00\",\"3.00\",\"3.00\",\"3.00\",\"0.000001\",1614556979999,"
          "\"0.00000001\",1,\"0.000000\",\"0.00000000\",\"0\"],"
          "[1614556980000,\"3.00\",\"3.00\",\"3.00\",\"3.00\",\"0.000000\",1614557039999,"
          "\"0.00000000\",0,\"0.000000\",\"0.00000000\",\"0\"]]" },
        /* A start between two candles means the next one. */
        { "interval=1m&startTime=1614556860001&limit=1",
          "[[1614556920000,\"3.00\",\"3.00\",\"3.00\",\"3.00\",\"0.000001\",1614556979999,"
          "\"0.00000001\",1,\"0.000000\",\"0.00000000\",\"0\"]]" },
        { "interval=1w&endTime=1614600000000",
          "[[1614556800000,\"1.00\",\"4.00\",\"0.50\",\"3.00\",\"0.000011\",1615161599999,"
          "\"0.00001001\",3,\"0.000000\",\"0.00000000\",\"0\"]]" },
        { "interval=1M&endTime=1614556800000&timeZone=-1",
          "[[1612141200000,\"1.00\",\"4.00\",\"0.50\",\"3.00\",\"0.000011\",1614560399999,"
          "\"0.00001001\",3,\"0.000000\",\"0.00000000\",\"0\"]]" },
        { "interval=1m&endTime=1614556799999", "[]" },
        { "interval=1m&startTime=4102444800000", "[]" },
    };

    (void)sx_test_sql(t, MINUTE_ROWS "(1, 26909280, 100, 400, 50, 200, 10, 1000, 2), "
                                     "(1, 26909282, 300, 300, 300, 300, 1, 1, 1)");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[PATH];

        (void)snprintf(path, sizeof path, "/api/v3/klines?symbol=BTCUSD&%s", cases[i].query);
        sx_expect_json(sx_test_get(t, path), 200, cases[i].expected);
    }
}

/* Sums that no 64 bits hold. */
static void a_volume_may_be_large(sx_test *t)
{
    (void)sx_test_sql(
        t,
        MINUTE_ROWS "(1, 26909280, 1, 1, 1, 1, 123456789012345678901234, 98765432109876543210, 1)");

    sx_expect_json(sx_test_get(t, "/api/v3/klines?symbol=BTCUSD&interval=1m"
                                  "&startTime=1614556800000&limit=1"),
                   200,
                   "[[1614556800000,\"0.01\",\"0.01\",\"0.01\",\"0.01\","
                   "\"123456789012345678.901234\",1614556859999,\"987654321098.76543210\",1,"
                   "\"0.000000\",\"0.00000000\",\"0\"]]");
}

/* --- Bad days ------------------------------------------------------------------------------- */

static void a_locked_market_is_503_and_says_when_to_come_again(sx_test *t)
{
    const sx_answer *a;
    struct trader ann;

    sx_test_set_now(t, NOW_NS);
    ann = open_account(t, "{\"USD\": \"1000\"}");
    (void)sx_test_sql(t, "SELECT pg_advisory_lock(1398297688, 1)");

    a = order(t, &ann, "symbol=BTCUSD&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=1");

    sx_expect_header(a, "Retry-After", "1");
    expect_code(a, 503, -1001, "Internal error; unable to process your request. Please try again.");
    (void)sx_test_sql(t, "SELECT pg_advisory_unlock(1398297688, 1)");
    sx_expect_json(ask_at(t, &ann, "GET", "openOrders", ""), 200, "[]");
}

static void a_market_that_is_closed_says_so(sx_test *t)
{
    static const struct {
        const char *status;
        const char *told;
        int code;
        const char *words;
    } cases[] = {
        { "offline", "\"BREAK\"", -1013, "Market is closed." },
        { "cancel_only", "\"HALT\"", -1013, "Market is closed." },
        { "post_only", "\"TRADING\"", -1013,
          "Market orders are not supported for this symbol, nor others than LIMIT_MAKER." },
    };
    struct trader ann;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char sql[100];

        (void)snprintf(sql, sizeof sql, "UPDATE instrument SET status = '%s' WHERE id = 1",
                       cases[i].status);
        (void)sx_test_sql(t, sql);
        sx_test_set_now(t, NOW_NS + (int64_t)i * 10000000000);
        sx_expect_part(sx_test_get(t, "/api/v3/exchangeInfo?symbol=BTCUSD"), cases[i].told);
        sx_test_set_now(t, NOW_NS);
        ann = open_account(t, "{\"USD\": \"1000\"}");
        expect_code(order(t, &ann,
                          "symbol=BTCUSD&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1"
                          "&price=1"),
                    400, cases[i].code, cases[i].words);
    }
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(the_thread_runs_through),
        SX_TEST_CASE(a_key_that_was_taken_back_opens_nothing),
        SX_TEST_CASE(one_changed_byte_is_no_signature),
        SX_TEST_CASE(a_request_is_good_within_its_window),
        SX_TEST_CASE(candles_have_no_gap_and_begin_where_they_should),
        SX_TEST_CASE(a_volume_may_be_large),
        SX_TEST_CASE(a_locked_market_is_503_and_says_when_to_come_again),
        SX_TEST_CASE(a_market_that_is_closed_says_so),
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
