#include <sx/test.h>

#include <stdlib.h>
#include <string.h>

/* Fast, and without a pause that a test would have to wait for. */
#define ON                                                                                       \
    SX_TEST_JSON({                                                                               \
        "plugins" : { "bots" : { "options" : { "enabled" : true, "orders_per_minute" : 600 } } } \
    })

#define ONE                                                                                       \
    SX_TEST_JSON({                                                                                \
        "plugins" : {                                                                             \
            "bots" : {                                                                            \
                "options" :                                                                       \
                    { "enabled" : true, "instruments" : ["ECHO-USD"], "orders_per_minute" : 600 } \
            }                                                                                     \
        }                                                                                         \
    })

static long number_of(sx_test *t, const char *sql)
{
    const char *text = sx_test_sql(t, sql);

    return text == NULL ? -1 : strtol(text, NULL, 10);
}

static void the_first_turn_makes_a_market_of_all_artists(sx_test *t)
{
    /* Each artist has quotes on several levels of both sides, and has been traded. */
    sx_test_wait(t, number_of(t, "SELECT count(*) FROM stats s JOIN instruments i "
                                 "USING (symbol) WHERE i.ranking > 0 AND s.bid < s.ask AND "
                                 "s.trade_id > 2") >= 5);
    assert_true(number_of(t, "SELECT min(n) FROM (SELECT count(*) AS n FROM "
                             "book_levels GROUP BY symbol, side) x") >= 3);

    /* They are accounts like others, and break no rule. */
    assert_int_equal(number_of(t, "SELECT count(*) FROM account WHERE kind <> 'bot'"), 0);
    assert_int_equal(number_of(t, "SELECT sum(n) FROM violations"), 0);
    assert_true(number_of(t, "SELECT sum(fees) FROM market") > 0);

    /* Nobody trades what is no artist. */
    assert_int_equal(number_of(t, "SELECT count(*) FROM stored_order WHERE instrument "
                                  "IN (1, 2)"),
                     0);
}

static void the_status_says_what_was_done(sx_test *t)
{
    json_t *status, *first;

    sx_test_wait(t, number_of(t, "SELECT min(step) FROM bots.progress") > 24);
    status = sx_answer_json(sx_expect_status(sx_test_get(t, "/bots/status"), 200));
    first = json_array_get(json_object_get(status, "instruments"), 0);

    assert_true(json_is_true(json_object_get(status, "enabled")));
    assert_int_equal(json_array_size(json_object_get(status, "instruments")), 6);
    assert_string_equal(json_string_value(json_object_get(first, "product_id")), "AURORA-USD");
    assert_true(json_integer_value(json_object_get(first, "placed")) > 10);
    assert_true(json_integer_value(json_object_get(first, "market_trades")) > 0);
}

/* The book does not grow: what is old is taken back. */
static void old_orders_leave_the_book(sx_test *t)
{
    sx_test_wait(t, number_of(t, "SELECT min(step) FROM bots.progress") > 24);
    (void)sx_test_sql(t, "UPDATE stored_order o SET created_at = o.created_at - interval "
                         "'1 hour' FROM account a WHERE a.id = o.account AND "
                         "a.name LIKE '%trader%' AND o.done_seq IS NULL");
    sx_test_wait(t, number_of(t, "SELECT count(*) FROM stored_order WHERE done_seq IS NULL "
                                 "AND created_at < now() - interval '30 minutes'") == 0);
    assert_int_equal(number_of(t, "SELECT sum(n) FROM violations"), 0);
}

static void who_is_poor_is_paid_in_to(sx_test *t)
{
    sx_test_wait(t, number_of(t, "SELECT min(step) FROM bots.progress") > 24);
    (void)sx_test_sql(t, "SELECT deposit(b.account, b.code, -b.free * 9 / 10) FROM "
                         "balances b JOIN accounts a ON a.id = b.account WHERE "
                         "a.name = 'bots/ECHO/trader-2' AND b.free > 0");
    sx_test_wait(t,
                 number_of(t, "SELECT deposits FROM bots.progress WHERE symbol = 'ECHO-USD'") >= 2);
    assert_int_equal(number_of(t, "SELECT sum(n) FROM violations"), 0);
}

/* A key that was renewed is read again, not used until the end of days. */
static void a_renewed_account_trades_again(sx_test *t)
{
    sx_test_wait(t, number_of(t, "SELECT min(step) FROM bots.progress") > 24);
    (void)sx_test_sql(t, "UPDATE account SET generation = generation + 1");
    (void)sx_test_sql(t, "UPDATE bots.progress SET placed = 0");
    sx_test_wait(t, number_of(t, "SELECT min(placed) FROM bots.progress") > 0);
    assert_int_equal(number_of(t, "SELECT count(*) FROM account"), 7);
}

static void what_makes_no_sense_is_refused(sx_test *t)
{
#define OPTIONS(...) SX_TEST_JSON({ "plugins" : { "bots" : { "options" : __VA_ARGS__ } } })
    sx_expect_refused(t, OPTIONS({ "orders_per_minute" : 0 }), "orders_per_minute: expected");
    sx_expect_refused(t, OPTIONS({ "order_ttl_s" : 0 }), "order_ttl_s: expected");
    sx_expect_refused(t, OPTIONS({ "instruments" : [1] }), "instruments: expected");
    sx_expect_refused(t, OPTIONS({ "series" : { "AURORA-USD" : [] } }), "series: expected");
    sx_expect_refused(t, OPTIONS({ "series" : { "AURORA-USD" : [ 1, -1 ] } }), "series: expected");
    sx_expect_refused(t, OPTIONS({ "series_steps" : 0 }), "series_steps: expected");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(the_first_turn_makes_a_market_of_all_artists),
        SX_TEST_CASE(the_status_says_what_was_done),
        { 0 },
    };
    static const sx_test_case of_one[] = {
        SX_TEST_CASE(old_orders_leave_the_book),
        SX_TEST_CASE(who_is_poor_is_paid_in_to),
        SX_TEST_CASE(a_renewed_account_trades_again),
        SX_TEST_CASE(what_makes_no_sense_is_refused),
        { 0 },
    };

    sx_test_setup setup = { .plugins = "exchange bots", .config = ON, .has_database = true };
    const int n_failed = sx_test_run(&setup, cases);

    setup.config = ONE;
    return n_failed + sx_test_run(&setup, of_one);
}
