/*
 * exchange_test.c - the Coinbase dialect: who may, what is asked, what is answered.
 */
#include "client.h"

#define RICH "{\"USD\":\"1000000\",\"BTC\":\"100\"}"
#define LIMIT(side, price, size)                                                              \
    "{\"type\":\"limit\",\"side\":\"" side "\",\"product_id\":\"BTC-USD\",\"price\":\"" price \
    "\",\"size\":\"" size "\"}"

static void products_are_listed_for_everybody(sx_test *t)
{
    sx_expect_part(sx_expect_status(sx_test_get(t, "/products"), 200), "\"id\":\"AURORA-USD\"");
    sx_expect_part(sx_test_get(t, "/products/BTC-USD"), "\"quote_increment\":\"0.01\"");
    client_expect_message(sx_test_get(t, "/products/NO-SUCH"), 404, "NotFound");
    sx_expect_json(sx_test_get(t, "/products/BTC-USD/book?level=2"), 200, SX_TEST_JSON({
                       "bids" : [],
                       "asks" : [],
                       "sequence" : 0,
                       "time" : "<text>",
                       "auction_mode" : false,
                       "auction" : null
                   }));
    sx_expect_json(sx_test_get(t, "/products/BTC-USD/trades"), 200, "[]");
    sx_expect_json(sx_test_get(t, "/products/BTC-USD/candles?granularity=300"), 200, "[]");
    sx_expect_json(sx_test_get(t, "/products/spark-lines"), 200, "{}");
}

static void numbers_in_a_query_are_checked(sx_test *t)
{
    client_expect_message(sx_test_get(t, "/products/BTC-USD/book?level=4"), 400,
                          "invalid level: expected 1, 2 or 3");
    client_expect_message(sx_test_get(t, "/products/BTC-USD/trades?limit=-1"), 400,
                          "invalid limit: expected a whole number, found \\\"-1\\\"");
    client_expect_message(sx_test_get(t, "/products/BTC-USD/candles?granularity=61"), 400,
                          "Unsupported granularity");
    client_expect_message(sx_test_get(t, "/products/BTC-USD/candles?start=yesterday"), 400,
                          "invalid start: expected a time in ISO 8601");
    client_expect_message(sx_test_get(t, "/products/BTC-USD/candles?start=-999-01-01"), 400,
                          "invalid start: expected a time in ISO 8601");
    sx_expect_part(
        sx_expect_status(sx_test_get(t, "/products/BTC-USD/candles?granularity=60&start=2026-01-01"
                                        "T00:00:00Z&end=2026-02-01T00:00:00Z"),
                         400),
        "granularity too small");
}

static void a_trade_moves_money_and_leaves_its_traces(sx_test *t)
{
    const struct client a = client_open(t, RICH), b = client_open(t, RICH);

    sx_expect_part(sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.5")), 200),
                   "\"status\":\"open\"");
    sx_expect_json(client_order(&b, LIMIT("buy", "50001", "0.2")), 200, SX_TEST_JSON({
                       "id" : "<text>",
                       "price" : "50001",
                       "size" : "0.2",
                       "product_id" : "BTC-USD",
                       "side" : "buy",
                       "stp" : "dc",
                       "type" : "limit",
                       "time_in_force" : "GTC",
                       "post_only" : false,
                       "created_at" : "<text>",
                       "fill_fees" : "60",
                       "filled_size" : "0.2",
                       "executed_value" : "10000",
                       "status" : "done",
                       "settled" : true,
                       "sequence" : 2,
                       "done_reason" : "filled",
                       "done_at" : "<text>",
                       "done_sequence" : 3
                   }));
    sx_expect_part(client_get(&b, "/accounts"), "\"balance\":\"989940\"");
    sx_expect_part(client_get(&b, "/accounts"), "\"balance\":\"100.2\"");
    sx_expect_part(client_get(&a, "/accounts"), "\"hold\":\"0.3\"");
    sx_expect_part(client_get(&a, "/fills"),
                   "\"liquidity\":\"M\",\"price\":\"50000\",\"size\":\"0.2\","
                   "\"fee\":\"40\",\"side\":\"sell\"");
    sx_expect_part(client_get(&b, "/fills?product_id=BTC-USD"), "\"liquidity\":\"T\"");
    sx_expect_part(sx_test_get(t, "/products/BTC-USD/trades"),
                   "\"trade_id\":1,\"side\":\"sell\",\"size\":\"0.2\",\"price\":\"50000\"");
    sx_expect_part(sx_test_get(t, "/products/BTC-USD/ticker"), "\"price\":\"50000\"");
    sx_expect_part(sx_test_get(t, "/products/BTC-USD/book?level=1"),
                   "\"asks\":[[\"50000\",\"0.3\",1]]");
    assert_string_equal(sx_test_sql(t, "SELECT sum(n) FROM violations"), "0");
}

static void orders_are_found_listed_and_canceled(sx_test *t)
{
    const struct client a = client_open(t, RICH), b = client_open(t, RICH);
    const char *with_id = "{\"side\":\"buy\",\"product_id\":\"BTC-USD\",\"price\":\"100\","
                          "\"size\":\"1\",\"client_oid\":\"mine\"}";
    const char *id = json_string_value(
        json_object_get(sx_answer_json(sx_expect_status(client_order(&a, with_id), 200)), "id"));
    char path[80];

    (void)snprintf(path, sizeof path, "/orders/%s", id);
    sx_expect_part(client_order(&a, with_id), id); /* the same again is the same order */
    sx_expect_part(sx_expect_status(client_get(&a, path), 200), "\"client_oid\":\"mine\"");
    sx_expect_part(client_get(&a, "/orders/client:mine"), id);
    client_expect_message(client_get(&b, path), 404, "NotFound");
    client_expect_message(client_send(&b, "DELETE", path, NULL), 404, "order not found");
    sx_expect_part(client_get(&a, "/orders"), id);
    sx_expect_json(client_get(&a, "/orders?status=done"), 200, "[]");
    sx_expect_json(client_get(&b, "/orders?status=all"), 200, "[]");
    client_expect_message(client_send(&a, "DELETE", path, "{\"product_id\":\"ETH/USD\"}"), 404,
                          "order not found");
    sx_expect_part(
        sx_expect_status(client_send(&a, "DELETE", path, "{\"product_id\":\"BTC/USD\"}"), 200), id);
    client_expect_message(client_send(&a, "DELETE", path, NULL), 400, "Order already done");
    sx_expect_part(client_get(&a, "/orders?status=done"), "\"done_reason\":\"canceled\"");
    client_expect_message(client_get(&a, "/orders/not-a-uuid"), 404, "NotFound");
}

static void only_the_named_product_is_canceled(sx_test *t)
{
    const struct client a = client_open(t, RICH);

    sx_expect_status(client_order(&a, LIMIT("buy", "100", "1")), 200);
    sx_expect_status(client_order(&a, LIMIT("buy", "101", "1")), 200);
    sx_expect_json(client_send(&a, "DELETE", "/orders", "{\"product_id\":\"ETH-USD\"}"), 200, "[]");
    sx_expect_json(client_send(&a, "DELETE", "/orders?product_id=ETH-USD", NULL), 200, "[]");
    client_expect_message(client_send(&a, "DELETE", "/orders", "[]"), 400,
                          "expected a JSON object");
    client_expect_message(client_send(&a, "DELETE", "/orders", "{\"product_id\":\"NO/SUCH\"}"), 400,
                          "Product not found");
    sx_expect_json(client_send(&a, "DELETE", "/orders", "{\"product_id\":\"BTC/USD\"}"), 200,
                   "[\"<text>\",\"<text>\"]");
    sx_expect_json(client_get(&a, "/orders"), 200, "[]");
}

/* Bodies that are wrong, and the words for it.  Nothing of them happens. */
static void wrong_orders_change_nothing(sx_test *t)
{
    static const struct {
        const char *body, *message;
    } cases[] = {
        { "[]", "expected a JSON object" },
        { "{}", "Product not found" },
        { LIMIT("hold", "1", "1"), "invalid side: expected \\\"buy\\\" or \\\"sell\\\"" },
        { LIMIT("buy", "0", "1"), "price too small. Minimum is 0.01" },
        { LIMIT("buy", "0.001", "1"), "price too small. Minimum is 0.01" },
        { LIMIT("buy", "1.001", "1"),
          "price too precise: expected steps of 0.01, found \\\"1.001\\\"" },
        { LIMIT("buy", "-1", "1"), "invalid price: expected a decimal number, found \\\"-1\\\"" },
        { LIMIT("buy", "1e5", "1"), "invalid price: expected a decimal number, found \\\"1e5\\\"" },
        { LIMIT("buy", "9223372036854775807", "1"), "price is too large" },
        { LIMIT("buy", "92233720368547758.07", "1"), "price is too large" },
        { LIMIT("buy", "1", "9223372036854.775807"), "size is too large" },
        { LIMIT("buy", "1", "0.0000001"), "size is too small. Minimum is 0.000001" },
        { LIMIT("buy", "1", "0"), "size is too small. Minimum is 0.000001" },
        { LIMIT("buy", "9999999", "8999"), "Insufficient funds" },
        { LIMIT("sell", "1", "100.000001"), "Insufficient funds" },
        { "{\"side\":\"buy\",\"product_id\":\"BTC-USD\",\"size\":\"1\"}",
          "price is required for a limit order" },
        { "{\"type\":\"market\",\"side\":\"buy\",\"product_id\":\"BTC-USD\"}",
          "a market order needs either size or funds" },
        { "{\"type\":\"market\",\"side\":\"buy\",\"product_id\":\"BTC-USD\",\"funds\":\"0.5\"}",
          "funds is too small. Minimum size is 1" },
        { "{\"type\":\"stop\",\"side\":\"buy\",\"product_id\":\"BTC-USD\",\"size\":\"1\"}",
          "invalid type: expected \\\"limit\\\" or \\\"market\\\"" },
        { "{\"side\":\"buy\",\"product_id\":\"BTC-USD\",\"size\":\"1\",\"price\":\"1\","
          "\"client_oid\":\"a b\"}",
          "invalid client_oid: expected at most 64 letters, digits and \\\"-_.:\\\"" },
    };
    const struct client a = client_open(t, RICH);

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        client_expect_message(client_order(&a, cases[i].body), 400, cases[i].message);
    sx_expect_json(client_get(&a, "/orders?status=all"), 200, "[]");
    assert_string_equal(sx_test_sql(t, "SELECT seq FROM market WHERE instrument = 1"), "0");
}

static void who_does_not_prove_himself_is_refused(sx_test *t)
{
    struct client a = client_open(t, RICH), wrong;

    client_expect_message(sx_test_get(t, "/accounts"), 401, "CB-ACCESS-KEY header is required");
    wrong = a;
    wrong.clock_s -= 32;
    client_expect_message(client_get(&wrong, "/accounts"), 401, "request timestamp expired");
    wrong.clock_s += 64;
    client_expect_message(client_get(&wrong, "/accounts"), 401, "request timestamp expired");
    wrong.clock_s = a.clock_s - 30;
    sx_expect_status(client_get(&wrong, "/accounts"), 200);
    wrong = a;
    wrong.key[0] = wrong.key[0] == '0' ? '1' : '0';
    client_expect_message(client_get(&wrong, "/accounts"), 401, "Invalid API Key");
    wrong = a;
    wrong.secret[0] = wrong.secret[0] == 'A' ? 'B' : 'A';
    client_expect_message(client_get(&wrong, "/accounts"), 401, "invalid signature");
    wrong = a;
    wrong.passphrase[0] = wrong.passphrase[0] == '0' ? '1' : '0';
    client_expect_message(client_get(&wrong, "/accounts"), 401, "Invalid Passphrase");
    client_expect_message(client_order(&wrong, LIMIT("buy", "1", "1")), 401, "Invalid Passphrase");
    assert_string_equal(sx_test_sql(t, "SELECT count(*) FROM stored_order"), "0");
}

/* The key of an account that has a newer one counts no more, for reading and writing. */
static void a_key_can_be_taken_back(sx_test *t)
{
    const struct client a = client_open(t, RICH);

    sx_expect_status(client_get(&a, "/accounts"), 200);
    assert_string_equal(sx_test_sql(t, "SELECT renew_key(id) FROM account"), "2");
    client_expect_message(client_get(&a, "/accounts"), 401, "Invalid API Key");
    client_expect_message(client_order(&a, LIMIT("buy", "1", "1")), 401, "Invalid API Key");
    client_expect_message(client_send(&a, "DELETE", "/orders", NULL), 401, "Invalid API Key");
}

static void the_administrator_opens_pays_and_resets(sx_test *t)
{
    static const char *const admin[] = { "Authorization", CLIENT_ADMIN, NULL };
    static const char *const other[] = { "Authorization", "Bearer guess", NULL };
    const struct client a = client_open(t, "{}");
    char body[200];

    sx_expect_status(sx_test_send(t, .path = "/sim/accounts", .json = "{}"), 401);
    sx_expect_status(sx_test_send(t, .path = "/sim/accounts", .headers = other, .json = "{}"), 401);
    client_expect_message(sx_test_send(t, .path = "/sim/accounts", .headers = admin,
                                       .json = "{\"deposits\":{\"XYZ\":\"1\"}}"),
                          400, "deposits: there is no asset \\\"XYZ\\\"");
    client_expect_message(sx_test_send(t, .path = "/sim/accounts", .headers = admin,
                                       .json = "{\"deposits\":{\"USD\":\"90000000001\"}}"),
                          400, "too_much USD");
    (void)snprintf(body, sizeof body, "{\"key\":\"%s\",\"deposits\":{\"USD\":\"12.5\"}}", a.key);
    sx_expect_status(sx_test_send(t, .path = "/sim/deposit", .headers = admin, .json = body), 200);
    sx_expect_part(client_get(&a, "/accounts"), "\"balance\":\"12.5\"");
    (void)snprintf(body, sizeof body, "{\"key\":\"%s\",\"deposits\":{\"BTC\":\"3\"}}", a.key);
    sx_expect_status(sx_test_send(t, .path = "/sim/reset", .headers = admin, .json = body), 200);
    sx_expect_part(client_get(&a, "/accounts"), "\"currency\":\"USD\",\"balance\":\"0\"");
    sx_expect_part(client_get(&a, "/accounts"), "\"currency\":\"BTC\",\"balance\":\"3\"");
    sx_expect_part(sx_test_send(t, .path = "/sim/audit", .headers = admin), "\"n\":0");
    assert_string_equal(sx_test_sql(t, "SELECT sum(n) FROM violations"), "0");
}

static void a_weak_secret_is_refused(sx_test *t)
{
    sx_expect_refused(t,
                      "{\"plugins\":{\"exchange\":{\"options\":{\"signing_secret\":\"short\"}}}}",
                      "signing_secret: expected at least 32 bytes, found 5");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(products_are_listed_for_everybody),
        SX_TEST_CASE(numbers_in_a_query_are_checked),
        SX_TEST_CASE(a_trade_moves_money_and_leaves_its_traces),
        SX_TEST_CASE(orders_are_found_listed_and_canceled),
        SX_TEST_CASE(only_the_named_product_is_canceled),
        SX_TEST_CASE(wrong_orders_change_nothing),
        SX_TEST_CASE(who_does_not_prove_himself_is_refused),
        SX_TEST_CASE(a_key_can_be_taken_back),
        SX_TEST_CASE(the_administrator_opens_pays_and_resets),
        SX_TEST_CASE(a_weak_secret_is_refused),
        { 0 },
    };

    return sx_test_run(
        &(sx_test_setup){ .plugins = "exchange", .config = CLIENT_CONFIG, .has_database = true },
        cases);
}
