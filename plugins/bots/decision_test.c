/*
 * What a trader and the dealer decide is a function of what they see: no clock, no generator that
 * runs on, no memory.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "chance.h"
#include "dealer.h"

#define VALUE 10000.0 /* ticks */

static const struct terms terms = { .seed = 7,
                                    .symbol = "AURORA-USD",
                                    .lots_per_unit = 1000,
                                    .max_ticks = 100000000,
                                    .max_lots = 10000000,
                                    .maker = 0.004,
                                    .taker = 0.006 };

static const struct seen market = {
    .bids = { { 9940, 12000 }, { 9900, 20000 }, { 9860, 30000 } },
    .asks = { { 10060, 12000 }, { 10100, 20000 }, { 10140, 30000 } },
    .n_bids = 3,
    .n_asks = 3,
    .last = 10010,
};

static bool same(struct arrival a, struct arrival b)
{
    return a.kind == b.kind && a.side == b.side && a.price == b.price && a.lots == b.lots &&
           a.trader == b.trader;
}

static void the_same_market_gets_the_same_decision_in_any_order(void **state)
{
    struct arrival first[200];

    (void)state;
    for (uint64_t step = 0; step < 200; step++)
        first[step] = arrival_decide(&terms, &market, VALUE, step);

    for (uint64_t step = 200; step-- > 0;) {
        assert_true(same(first[step], arrival_decide(&terms, &market, VALUE, step)));
        assert_int_equal(arrival_gap_us(&terms, step, 30), arrival_gap_us(&terms, step, 30));
    }
}

/* As numbers, so that another machine or a later version is seen to draw the same. */
static void a_seed_draws_what_it_always_drew(void **state)
{
    struct chance c = chance_begin(1, "AURORA-USD", 0, CHANCE_ARRIVAL);

    (void)state;
    assert_true(chance_bits(&c) == UINT64_C(0x996745a29523c3f0));
    assert_true(chance_bits(&c) == UINT64_C(0x89f2f7646d40a5eb));
}

static void seed_symbol_and_step_each_make_a_difference(void **state)
{
    struct terms seed = terms, symbol = terms;
    int n_seed = 0, n_symbol = 0, n_step = 0;

    (void)state;
    seed.seed = 8;
    symbol.symbol = "BRASS-USD";
    for (uint64_t step = 0; step < 100; step++) {
        const struct arrival a = arrival_decide(&terms, &market, VALUE, step);

        n_seed += same(a, arrival_decide(&seed, &market, VALUE, step));
        n_symbol += same(a, arrival_decide(&symbol, &market, VALUE, step));
        n_step += same(a, arrival_decide(&terms, &market, VALUE, step + 1));
    }
    assert_true(n_seed < 20 && n_symbol < 20 && n_step < 20);
}

static void arrivals_are_a_poisson_process(void **state)
{
    double sum = 0, squares = 0;

    (void)state;
    for (uint64_t step = 0; step < 10000; step++) {
        const double gap_s = (double)arrival_gap_us(&terms, step, 30) / 1e6;

        assert_true(gap_s >= 0);
        sum += gap_s;
        squares += gap_s * gap_s;
    }
    /* An exponential gap of 2 s on average has a second moment of 8. */
    assert_true(fabs(sum / 10000 - 2) < 0.1);
    assert_true(fabs(squares / 10000 - 8) < 0.8);
}

static void all_three_choices_happen_on_both_sides(void **state)
{
    int n[3][2] = { { 0 } };

    (void)state;
    for (uint64_t step = 0; step < 2000; step++) {
        const struct arrival a = arrival_decide(&terms, &market, VALUE, step);

        n[a.kind][a.side > 0]++;
    }
    for (int side = 0; side < 2; side++) {
        assert_true(n[ARRIVAL_MARKET][side] > 100);
        assert_true(n[ARRIVAL_LIMIT][side] > 300);
        assert_true(n[ARRIVAL_PASSES][side] > 0);
    }
}

static void nobody_pays_more_than_the_best_price_or_than_there_is(void **state)
{
    (void)state;
    for (uint64_t step = 0; step < 2000; step++) {
        const struct arrival a = arrival_decide(&terms, &market, VALUE, step);

        assert_in_range(a.trader, 0, N_TRADERS - 1);
        if (a.kind == ARRIVAL_MARKET)
            assert_in_range(a.lots, 1, 62000);
        if (a.kind == ARRIVAL_LIMIT && a.side > 0)
            assert_in_range(a.price, 1, market.asks[0].price - 1);
        if (a.kind == ARRIVAL_LIMIT && a.side < 0)
            assert_in_range(a.price, market.bids[0].price + 1, terms.max_ticks);
        if (a.kind != ARRIVAL_PASSES)
            assert_in_range(a.lots, 1, terms.max_lots);
    }
}

/* Parlour's prediction: a longer queue on one's own side turns limit orders into market orders. */
static void a_long_queue_makes_buyers_impatient(void **state)
{
    struct seen crowded = market;
    int n_before = 0, n_after = 0;

    (void)state;
    crowded.bids[0].lots = 600000;
    for (uint64_t step = 0; step < 2000; step++) {
        const struct arrival a = arrival_decide(&terms, &market, VALUE, step);
        const struct arrival b = arrival_decide(&terms, &crowded, VALUE, step);

        n_before += a.side > 0 && a.kind == ARRIVAL_MARKET;
        n_after += b.side > 0 && b.kind == ARRIVAL_MARKET;
    }
    assert_true(n_after > n_before);
}

static void an_empty_market_gets_limit_orders_only(void **state)
{
    const struct seen empty = { 0 };
    int n_limits = 0;

    (void)state;
    for (uint64_t step = 0; step < 200; step++) {
        const struct arrival a = arrival_decide(&terms, &empty, VALUE, step);

        assert_int_not_equal(a.kind, ARRIVAL_MARKET);
        n_limits += a.kind == ARRIVAL_LIMIT;
    }
    assert_true(n_limits > 50);
}

static void the_value_moves_little_from_step_to_step_and_stays_within_bounds(void **state)
{
    double least = 0, most = 0;

    (void)state;
    for (uint64_t step = 0; step < 200000; step++) {
        const double v = chance_value(1, "ECHO-USD", step);

        assert_true(fabs(chance_value(1, "ECHO-USD", step + 1) - v) < 0.02);
        least = fmin(least, v);
        most = fmax(most, v);
    }
    assert_true(least > -1 && most < 1 && most - least > 0.05);
}

static double middle_of(const struct quote *quotes, size_t n, double *ret_spread)
{
    double bid = 0, ask = 1e18;

    for (size_t i = 0; i < n; i++) {
        if (quotes[i].side > 0)
            bid = fmax(bid, (double)quotes[i].price);
        else
            ask = fmin(ask, (double)quotes[i].price);
    }
    *ret_spread = ask - bid;
    return (ask + bid) / 2;
}

static void the_dealer_leans_against_his_inventory(void **state)
{
    const int64_t wanted = (int64_t)DEALER_UNITS * terms.lots_per_unit;
    struct quote quotes[2 * DEALER_LEVELS];
    double even_spread, long_spread, short_spread, even, too_long, too_short;
    size_t n = dealer_quotes(&terms, VALUE, wanted, quotes);

    (void)state;
    assert_int_equal(n, 2 * DEALER_LEVELS);
    even = middle_of(quotes, n, &even_spread);
    n = dealer_quotes(&terms, VALUE, wanted * 3 / 2, quotes);
    too_long = middle_of(quotes, n, &long_spread);
    n = dealer_quotes(&terms, VALUE, wanted / 2, quotes);
    too_short = middle_of(quotes, n, &short_spread);

    assert_true(too_long < even && even < too_short);
    assert_true(long_spread > even_spread && short_spread > even_spread && even_spread > 0);
}

static void the_dealer_sells_nothing_that_he_does_not_own(void **state)
{
    struct quote quotes[2 * DEALER_LEVELS];
    size_t n = dealer_quotes(&terms, VALUE, 0, quotes);

    (void)state;
    assert_int_equal(n, DEALER_LEVELS);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(quotes[i].side, 1);
}

static void quotes_are_replaced_when_stale_and_left_alone_when_not(void **state)
{
    const int64_t wanted = (int64_t)DEALER_UNITS * terms.lots_per_unit;
    struct quote quotes[2 * DEALER_LEVELS];
    struct standing orders[2 * DEALER_LEVELS];
    size_t n = dealer_quotes(&terms, VALUE, wanted, quotes);

    (void)state;
    for (size_t i = 0; i < n; i++)
        orders[i] = (struct standing){ (int64_t)i + 1, quotes[i].side, quotes[i].price,
                                       quotes[i].lots, false };

    assert_int_equal(dealer_compare(orders, n, quotes, n, VALUE), 0);
    for (size_t i = 0; i < n; i++)
        assert_true(orders[i].stays);

    /* The price has moved by a tenth: all go, and all are placed again. */
    n = dealer_quotes(&terms, VALUE * 1.1, wanted, quotes);
    assert_int_equal(dealer_compare(orders, n, quotes, n, VALUE * 1.1), n);
    for (size_t i = 0; i < n; i++)
        assert_false(orders[i].stays);

    /* One is nearly eaten up: that one alone. */
    n = dealer_quotes(&terms, VALUE, wanted, quotes);
    orders[0].lots = 1;
    assert_int_equal(dealer_compare(orders, n, quotes, n, VALUE), 1);
    assert_false(orders[0].stays);
}

static void the_dealer_believes_a_trade_only_so_far(void **state)
{
    (void)state;
    assert_true(dealer_opinion(VALUE, 0) == VALUE);
    assert_true(dealer_opinion(VALUE, 10100) > VALUE);
    assert_true(dealer_opinion(VALUE, 1000000) < VALUE * 1.06);
    assert_true(dealer_opinion(VALUE, 1) > VALUE * 0.94);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_market_gets_the_same_decision_in_any_order),
        cmocka_unit_test(a_seed_draws_what_it_always_drew),
        cmocka_unit_test(seed_symbol_and_step_each_make_a_difference),
        cmocka_unit_test(arrivals_are_a_poisson_process),
        cmocka_unit_test(all_three_choices_happen_on_both_sides),
        cmocka_unit_test(nobody_pays_more_than_the_best_price_or_than_there_is),
        cmocka_unit_test(a_long_queue_makes_buyers_impatient),
        cmocka_unit_test(an_empty_market_gets_limit_orders_only),
        cmocka_unit_test(the_value_moves_little_from_step_to_step_and_stays_within_bounds),
        cmocka_unit_test(the_dealer_leans_against_his_inventory),
        cmocka_unit_test(the_dealer_sells_nothing_that_he_does_not_own),
        cmocka_unit_test(quotes_are_replaced_when_stale_and_left_alone_when_not),
        cmocka_unit_test(the_dealer_believes_a_trade_only_so_far),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
