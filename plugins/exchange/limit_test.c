/*
 * limit_test.c - how often an account may ask, and what ends by itself.
 */
#include "client.h"

#define RICH "{\"USD\":\"1000000\",\"BTC\":\"100\"}"

/* Two a second, so four at once; the clock of the test stands still. */
static void who_asks_too_often_waits_and_nobody_else_does(sx_test *t)
{
    struct client a = client_open(t, RICH);
    const struct client b = client_open(t, RICH);

    for (int i = 0; i < 4; i++)
        sx_expect_status(client_get(&a, "/accounts"), 200);
    client_expect_message(sx_expect_header(client_get(&a, "/accounts"), "Retry-After", "1"), 429,
                          "Private rate limit exceeded");
    client_expect_message(client_send(&a, "DELETE", "/orders", NULL), 429,
                          "Private rate limit exceeded");
    sx_expect_status(client_get(&b, "/accounts"), 200);
    sx_expect_status(sx_test_get(t, "/products"), 200);
    sx_test_set_now(t, CLIENT_NOW_S * INT64_C(1000000000) + 500000000);
    sx_expect_status(client_get(&a, "/accounts"), 200);
    sx_expect_status(client_get(&a, "/accounts"), 429);
}

static void an_instrument_that_expires_loses_its_orders(sx_test *t)
{
    const struct client a = client_open(t, RICH);

    sx_expect_status(client_order(&a, "{\"side\":\"buy\",\"product_id\":\"AURORA-USD\","
                                      "\"price\":\"10\",\"size\":\"1\"}"),
                     200);
    (void)sx_test_sql(t, "UPDATE artist SET expires_at = clock_timestamp() WHERE asset = 11");
    sx_test_wait(t, strcmp(sx_test_sql(t, "SELECT count(*) FROM book"), "0") == 0);
    assert_string_equal(sx_test_sql(t, "SELECT done_reason FROM stored_order"), "expired");
    assert_string_equal(sx_test_sql(t, "SELECT sum(hold) FROM balance"), "0");
    client_expect_message(client_order(&a, "{\"side\":\"buy\",\"product_id\":\"AURORA-USD\","
                                           "\"price\":\"10\",\"size\":\"1\"}"),
                          400, "Trading is closed for this product");
}

static void limits_that_make_no_sense_are_refused(sx_test *t)
{
    sx_expect_refused(t, "{\"plugins\":{\"exchange\":{\"options\":{\"requests_per_second\":-1}}}}",
                      "requests_per_second: expected 0 to 1000000, found -1");
    sx_expect_refused(t, "{\"plugins\":{\"exchange\":{\"options\":{\"feed_hours\":0}}}}",
                      "feed_hours: expected 1 or more, found 0");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(who_asks_too_often_waits_and_nobody_else_does),
        SX_TEST_CASE(an_instrument_that_expires_loses_its_orders),
        SX_TEST_CASE(limits_that_make_no_sense_are_refused),
        { 0 },
    };

    return sx_test_run(&(sx_test_setup){ .plugins = "exchange",
                                         .config = CLIENT_CONFIG_WITH(",\"requests_per_second\":2"),
                                         .has_database = true },
                       cases);
}
