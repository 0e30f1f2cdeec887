/* mistake_test.c - what handlers do wrong with a connection harms nobody else. */
#include "setup.h"

static const char *n_items(sx_test *t)
{
    return sx_test_sql(t, "SELECT count(*) FROM item");
}

static void a_refused_statement_fails_its_transaction(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/mistake/hole"), 500, "internal_error");
    assert_string_equal(n_items(t), "0");
    assert_non_null(strstr(sx_test_logged(t), "no statement was sent: a statement without text"));
}

static void a_second_begin_is_an_error_with_a_reason(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/mistake/begin"), 500, "internal_error");
    assert_non_null(strstr(sx_test_logged(t), "no statement was sent: begin inside a transaction"));
}

static void what_was_committed_is_not_done_again(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/mistake/race"), 503, "try_again");
    assert_string_equal(n_items(t), "1");
    (void)sx_test_logged(t);
}

static void bytes_of_rows_may_be_parameters_of_the_next_statement(sx_test *t)
{
    static const char *const paths[] = { "/mistake/bytes?n=64", "/mistake/bytes?n=512",
                                         "/mistake/bytes?n=200000" };

    for (size_t i = 0; i < N_OF(paths); i++)
        sx_expect_text(sx_test_get(t, paths[i]), 200, "[{\"same\":true}]");
}

/* Each connection of the pool comes by. */
static void notices_of_later_handlers_are_not_heard(sx_test *t)
{
    sx_expect_status(sx_test_get(t, "/mistake/notice?hear"), 204);
    for (int i = 0; i < 8; i++)
        sx_expect_status(sx_test_get(t, "/mistake/notice"), 204);
    assert_int_equal(noted_int(t, "notices"), 1);
}

static void a_timer_is_not_stopped_from_a_thread(sx_test *t)
{
    sx_expect_status(sx_test_get(t, "/timer/start?every=1"), 200);
    sx_expect_status(sx_test_get(t, "/mistake/timer"), 204);
    sx_test_wait(t, noted_int(t, "ticks") > 2);
    sx_expect_status(sx_test_get(t, "/timer/stop"), 204);
    assert_non_null(strstr(sx_test_logged(t), "sx_timer_stop was called on a pool thread"));
}

/* The second request gets the connection that was taken from the first one, while the cancel
 * of the first may still be on its way. */
static void a_deadline_does_not_reach_the_next_owner_of_a_connection(sx_test *t)
{
    for (int i = 0; i < 4; i++) {
        const sx_answer *held = sx_test_begin(t, .path = "/mistake/keep");
        const sx_answer *next = sx_test_begin(sx_test_client(t), .path = "/mistake/sleep");

        sx_expect_problem(sx_test_await(held), 504, "timeout");
        sx_expect_text(sx_test_await(next), 200, "slept");
    }
    (void)sx_test_logged(t);
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(a_refused_statement_fails_its_transaction),
        SX_TEST_CASE(a_second_begin_is_an_error_with_a_reason),
        SX_TEST_CASE(what_was_committed_is_not_done_again),
        SX_TEST_CASE(bytes_of_rows_may_be_parameters_of_the_next_statement),
        SX_TEST_CASE(notices_of_later_handlers_are_not_heard),
        SX_TEST_CASE(a_timer_is_not_stopped_from_a_thread),
        { 0 },
    };
    static const sx_test_case cases_of_few[] = {
        SX_TEST_CASE(a_deadline_does_not_reach_the_next_owner_of_a_connection),
        { 0 },
    };
    static const sx_test_setup setup = { .plugins = "contract",
                                         .config = CONTRACT_CONFIG,
                                         .has_database = true };
    static const sx_test_setup few = { .plugins = "contract",
                                       .config = SX_TEST_JSON({
                                           "plugins" :
                                               { "contract" : { "options" : { "key" : "abc" } } },
                                           "database" : { "pool_size" : 2 }
                                       }),
                                       .has_database = true };
    int n_failed = sx_test_run(&setup, cases);

    return n_failed + sx_test_run(&few, cases_of_few);
}
