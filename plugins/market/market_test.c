#include <sx/test.h>

#include <stdlib.h>
#include <string.h>

/* What the page sends with everything that changes something. */
static const char *const ours[] = { "X-Market", "1", NULL };

#define LIMIT(side, price, size)                                                              \
    "{\"product_id\":\"BTC-USD\",\"side\":\"" side "\",\"type\":\"limit\",\"price\":\"" price \
    "\",\"size\":\"" size "\"}"
#define MARKET(side, size) \
    "{\"product_id\":\"BTC-USD\",\"side\":\"" side "\",\"type\":\"market\",\"size\":\"" size "\"}"

static const sx_answer *post(sx_test *t, const char *path, const char *json)
{
    return sx_test_send(t, .path = path, .headers = ours, .json = json);
}

static void open_for(sx_test *t)
{
    sx_expect_json(post(t, "/market/account", "{}"), 201, SX_TEST_JSON({ "opened" : true }));
}

static json_t *account_of(sx_test *t)
{
    json_t *all = sx_answer_json(sx_expect_status(sx_test_get(t, "/market/account"), 200));

    return json_object_get(all, "account");
}

static const char *balance_of(sx_test *t, const char *code, const char *key)
{
    json_t *one;
    size_t i;

    json_array_foreach(json_object_get(account_of(t), "balances"), i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "code")), code) == 0)
            return json_string_value(json_object_get(one, key));
    }
    return "";
}

/* --- The page ------------------------------------------------------------------------- */

static void the_page_lets_nothing_in_but_its_own_files(sx_test *t)
{
    const sx_answer *a = sx_expect_status(sx_test_get(t, "/market"), 200);

    sx_expect_header(a, "Content-Type", "text/html; charset=utf-8");
    sx_expect_header(a, "Content-Security-Policy",
                     "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
                     "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors "
                     "'none'");
    sx_expect_header(a, "X-Content-Type-Options", "nosniff");
    assert_null(strstr(a->body, "<style"));
    assert_null(strstr(a->body, " style="));
    assert_null(strstr(a->body, " onclick="));
    assert_null(strstr(a->body, "http://"));
    assert_null(strstr(a->body, "https://"));
    assert_true(sx_test_links(t, "/market") >= 5);
}

static void its_files_have_types_and_nothing_else_is_served(sx_test *t)
{
    sx_expect_header(sx_expect_status(sx_test_get(t, "/market/files/app.js"), 200), "Content-Type",
                     "text/javascript; charset=utf-8");
    sx_expect_status(sx_test_get(t, "/market/files/../market.c"), 404);
    sx_expect_status(sx_test_get(t, "/market/files/none.js"), 404);
}

static void the_page_asks_where_things_are(sx_test *t)
{
    json_t *all = sx_answer_json(sx_expect_status(sx_test_get(t, "/market/settings"), 200));

    assert_string_equal(json_string_value(json_object_get(all, "products")), "/products");
    assert_string_equal(json_string_value(json_object_get(all, "stream")), "/sim/stream/");
    assert_string_equal(json_string_value(json_object_get(all, "account")), "/market/account");
    assert_true(json_is_true(json_object_get(all, "allows_accounts")));
}

static void instruments_say_what_an_artist_is(sx_test *t)
{
    json_t *all = sx_answer_json(sx_expect_status(sx_test_get(t, "/market/instruments"), 200));
    json_t *aurora = json_array_get(all, 0), *btc = json_array_get(all, 2);

    assert_int_equal(json_array_size(all), 8);
    assert_string_equal(json_string_value(json_object_get(aurora, "name")), "Aurora Vale");
    assert_string_equal(json_string_value(json_object_get(aurora, "genre")), "Dream pop");
    assert_int_equal(json_integer_value(json_object_get(aurora, "ranking")), 1);
    assert_true(json_integer_value(json_object_get(aurora, "expires")) > 1000000000000);
    assert_true(json_is_null(json_object_get(aurora, "last")));
    assert_string_equal(json_string_value(json_object_get(btc, "id")), "BTC-USD");
    assert_null(json_object_get(btc, "genre"));
}

/* --- Accounts ---------------------------------------------------------------------------- */

static void a_click_opens_an_account_that_only_the_cookie_knows(sx_test *t)
{
    const sx_answer *a = post(t, "/market/account", "{}");
    const char *cookie = sx_answer_header(sx_expect_status(a, 201), "Set-Cookie", 0);

    assert_non_null(cookie);
    assert_non_null(strstr(cookie, "HttpOnly"));
    assert_non_null(strstr(cookie, "SameSite=Strict"));
    assert_null(strstr(a->body, sx_test_cookie(t, "market_key")));
    assert_string_equal(balance_of(t, "USD", "free"), "100000");
    assert_string_equal(balance_of(t, "BTC", "amount"), "1");
    sx_expect_json(sx_test_get(sx_test_client(t), "/market/account"), 200,
                   SX_TEST_JSON({ "account" : null }));
}

static void a_key_that_was_made_up_or_taken_back_is_nobodys(sx_test *t)
{
    static const char *const made_up[] = { "Cookie", "market_key=000000000001000100000000deadbeef",
                                           NULL };

    sx_expect_json(sx_test_send(t, .path = "/market/account", .headers = made_up), 200,
                   SX_TEST_JSON({ "account" : null }));
    open_for(t);
    (void)sx_test_sql(t, "UPDATE account SET generation = generation + 1");
    sx_expect_json(sx_test_get(t, "/market/account"), 200, SX_TEST_JSON({ "account" : null }));
    sx_expect_problem(post(t, "/market/orders", LIMIT("buy", "100", "1")), 401, "no_account");
}

static void another_origin_can_do_nothing(sx_test *t)
{
    static const char *const foreign[] = { "X-Market", "1", "Sec-Fetch-Site", "cross-site", NULL };

    open_for(t);
    /* Without the header, with a body that needs no preflight, and from elsewhere. */
    sx_expect_problem(sx_test_send(t, .path = "/market/orders", .json = MARKET("buy", "1")), 400,
                      "missing_parameter");
    sx_expect_problem(sx_test_send(t, .path = "/market/orders", .headers = ours,
                                   .body = MARKET("buy", "1"), .type = "text/plain"),
                      415, "not_json");
    sx_expect_problem(sx_test_send(t, .path = "/market/account", .headers = foreign, .json = "{}"),
                      403, "other_origin");
    sx_expect_problem(sx_test_send(t, .method = "DELETE", .path = "/market/orders/1"), 400,
                      "missing_parameter");
    assert_string_equal(sx_test_sql(t, "SELECT count(*) FROM account"), "1");
}

static void too_many_accounts_in_a_minute_are_refused(sx_test *t)
{
    int n = 0;

    /* The minute may end meanwhile: then once more as many. */
    while (n < 12 && post(sx_test_client(t), "/market/account", "{}")->status == 201)
        n++;
    assert_in_range(n, 3, 6);
    sx_expect_header(post(t, "/market/account", "{}"), "Retry-After", "60");
    assert_int_equal(strtol(sx_test_sql(t, "SELECT count(*) FROM account"), NULL, 10), n);
}

/* --- Orders --------------------------------------------------------------------------------- */

static void an_order_is_placed_seen_and_canceled(sx_test *t)
{
    char path[64] = "/market/orders/";
    json_t *order;

    open_for(t);
    order = sx_answer_json(
        sx_expect_json(post(t, "/market/orders", LIMIT("buy", "100.50", "2")), 201, SX_TEST_JSON({
                           "id" : "<text>",
                           "product_id" : "BTC-USD",
                           "side" : "buy",
                           "type" : "limit",
                           "price" : "100.5",
                           "size" : "2",
                           "filled" : "0",
                           "value" : "0",
                           "fees" : "0",
                           "open" : true,
                           "time" : "<int>"
                       })));
    assert_int_equal(json_array_size(json_object_get(account_of(t), "orders")), 1);
    assert_string_equal(balance_of(t, "USD", "amount"), "100000");
    assert_string_equal(balance_of(t, "USD", "free"), "99797.794");

    (void)strncat(path, json_string_value(json_object_get(order, "id")), 40);
    sx_expect_status(sx_test_send(t, .method = "DELETE", .path = path, .headers = ours), 204);
    sx_expect_problem(sx_test_send(t, .method = "DELETE", .path = path, .headers = ours), 409,
                      "order_done");
    assert_string_equal(balance_of(t, "USD", "free"), "100000");
}

static void two_people_trade(sx_test *t)
{
    sx_test *other = sx_test_client(t);

    open_for(t);
    open_for(other);
    sx_expect_status(post(t, "/market/orders", LIMIT("sell", "200", "0.5")), 201);
    sx_expect_part(sx_expect_status(post(other, "/market/orders", MARKET("buy", "0.2")), 201),
                   "\"filled\":\"0.2\"");

    assert_string_equal(balance_of(other, "BTC", "free"), "1.2");
    assert_string_equal(balance_of(t, "USD", "amount"), "100039.84");
    assert_int_equal(json_array_size(json_object_get(account_of(t), "fills")), 1);
    assert_string_equal(sx_test_sql(t, "SELECT sum(n) FROM violations"), "0");
}

static void what_is_wrong_is_said_in_a_sentence(sx_test *t)
{
    static const struct {
        const char *json;
        int status;
        const char *part;
    } cases[] = {
        { LIMIT("buy", "100", "0"), 400, "The amount must be a number above zero" },
        { LIMIT("buy", "", "1"), 400, "The price must be a number above zero" },
        { LIMIT("buy", "1e3", "1"), 400, "The price must be a number above zero" },
        { LIMIT("buy", "1.001", "1"), 400,
          "The price has too many digits: the smallest step is 0.01" },
        { LIMIT("buy", "99999999999999999999", "1"), 400, "The price is too large" },
        { LIMIT("buy", "99999999", "1"), 400, "The price is too high: at most 10000000 USD." },
        { LIMIT("hold", "1", "1"), 400, "Choose whether to buy or to sell." },
        { LIMIT("buy", "1000000", "1"), 409,
          "You do not have enough USD for this order and its fee." },
        { LIMIT("sell", "100", "5"), 409, "You do not have enough BTC for this order." },
        { "{}", 400, "Choose what to trade." },
    };

    sx_expect_problem(post(t, "/market/orders", cases[0].json), 401, "no_account");
    open_for(t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        sx_expect_part(sx_expect_status(post(t, "/market/orders", cases[i].json), cases[i].status),
                       cases[i].part);
    sx_expect_problem(
        sx_test_send(t, .method = "DELETE", .path = "/market/orders/77", .headers = ours), 404,
        "no_such_order");
}

/* --- Configuration -------------------------------------------------------------------------- */

#define OPTIONS(...) SX_TEST_JSON({ "plugins" : { "market" : { "options" : __VA_ARGS__ } } })

static void what_makes_no_sense_is_refused(sx_test *t)
{
    sx_expect_refused(t, OPTIONS({ "practice_accounts" : "maybe" }), "practice_accounts: expected");
    sx_expect_refused(t, OPTIONS({ "practice_money" : [] }), "practice_money: expected");
    sx_expect_refused(t, OPTIONS({ "practice_money" : { "USD" : "-1" } }),
                      "practice_money: expected");
    sx_expect_refused(t, OPTIONS({ "accounts_per_minute" : 0 }), "accounts_per_minute: expected");
    sx_expect_refused(t, OPTIONS({ "signing_secret" : "short" }), "signing_secret: expected");
}

static void a_server_may_open_no_accounts(sx_test *t)
{
    json_t *all = sx_answer_json(sx_expect_status(sx_test_get(t, "/market/settings"), 200));

    assert_true(json_is_false(json_object_get(all, "allows_accounts")));
    sx_expect_problem(post(t, "/market/account", "{}"), 403, "no_practice");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(the_page_lets_nothing_in_but_its_own_files),
        SX_TEST_CASE(its_files_have_types_and_nothing_else_is_served),
        SX_TEST_CASE(the_page_asks_where_things_are),
        SX_TEST_CASE(instruments_say_what_an_artist_is),
        SX_TEST_CASE(a_click_opens_an_account_that_only_the_cookie_knows),
        SX_TEST_CASE(a_key_that_was_made_up_or_taken_back_is_nobodys),
        SX_TEST_CASE(another_origin_can_do_nothing),
        SX_TEST_CASE(an_order_is_placed_seen_and_canceled),
        SX_TEST_CASE(two_people_trade),
        SX_TEST_CASE(what_is_wrong_is_said_in_a_sentence),
        SX_TEST_CASE(what_makes_no_sense_is_refused),
        { 0 },
    };
    static const sx_test_case limited[] = {
        SX_TEST_CASE(too_many_accounts_in_a_minute_are_refused),
        { 0 },
    };
    static const sx_test_case closed[] = {
        SX_TEST_CASE(a_server_may_open_no_accounts),
        { 0 },
    };
    sx_test_setup setup = { .plugins = "exchange market", .has_database = true };
    int n = sx_test_run(&setup, cases);

    setup.config = OPTIONS({ "accounts_per_client" : 3 });
    n += sx_test_run(&setup, limited);
    setup.config = OPTIONS({ "practice_accounts" : "off" });
    return n + sx_test_run(&setup, closed);
}
