/* lease_test.c - blocking handlers with a connection of their own. */
#include "setup.h"

static const char *n_items(sx_test *t)
{
    return sx_test_sql(t, "SELECT count(*) FROM item");
}

/* --- Transactions ----------------------------------------------------------------------- */

static void a_commit_keeps_and_a_rollback_forgets(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/lease/end?how=rollback"), 200, "rollback");
    assert_string_equal(n_items(t), "0");
    sx_expect_text(sx_test_get(t, "/lease/end?how=commit"), 200, "commit");
    assert_string_equal(n_items(t), "2");
}

/* The answer that the handler gave is not sent: nothing acknowledged is ever undone. */
static void a_transaction_left_open_is_undone_and_not_acknowledged(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/lease/end?how=leave"), 500, "transaction_left_open");
    assert_string_equal(n_items(t), "0");
    assert_non_null(strstr(sx_test_logged(t), "it was rolled back plugin=contract"));
}

static void a_handler_that_fails_is_rolled_back(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/lease/end?how=fail"), 500, "internal_error");
    assert_string_equal(n_items(t), "0");
    (void)sx_test_logged(t);
}

static void the_first_failure_sticks(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/lease/fail?by_hand"), 200, SX_TEST_JSON({
                       "rows after" : 0,
                       "commit" : -7,
                       "error before" : 0,
                       "sqlstate" : "23505",
                       "constraint" : "item_name_is_unique"
                   }));
    sx_expect_problem(sx_test_get(t, "/lease/fail"), 409, "already_exists");
    assert_string_equal(n_items(t), "0");
}

static void what_is_no_verb_and_no_statement_is_refused(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/lease/control"), 200, SX_TEST_JSON({
                       "unknown verb" : -2,
                       "negative verb" : -2,
                       "fine after it" : 1,
                       "no text" : 0,
                       "has an error" : 1
                   }));
    (void)sx_test_logged(t);
}

/* --- Races ---------------------------------------------------------------------------------- */

static void a_lost_race_is_run_again(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/lease/races?lost=2"), 200, "attempt 3");
    assert_string_equal(n_items(t), "1");
}

static void races_are_not_lost_for_ever(sx_test *t)
{
    const sx_answer *a = sx_test_get(t, "/lease/races?lost=9");

    sx_expect_header(sx_expect_problem(a, 503, "try_again"), "Retry-After", "1");
    assert_string_equal(n_items(t), "0");
    (void)sx_test_logged(t);
}

/* --- Other things --------------------------------------------------------------------------- */

static void functions_of_the_loop_are_refused_on_a_thread(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/lease/loop"), 200, SX_TEST_JSON({
                       "query" : -9,
                       "read" : -9,
                       "batch" : -9,
                       "plugin_batch" : -9,
                       "listen" : -9,
                       "offload" : -9,
                       "after" : -9,
                       "timer" : -9,
                       "stream" : -9
                   }));
    sx_expect_status(sx_test_get(t, "/stream/pool"), 204);
    assert_int_equal(noted_int(t, "open"), -9);
}

static void libpq_is_within_reach(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/lease/libpq"), 200,
                   SX_TEST_JSON({ "rows" : "both", "own" : "own", "no rows" : 0 }));
}

/* Whichever connection the second one gets, nothing of the first is on any. */
static void nothing_is_left_on_a_connection(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/lease/leave"), 200, "left");
    for (int i = 0; i < 8; i++)
        sx_expect_json(sx_test_get(t, "/lease/look"), 200, SX_TEST_JSON([ {
                           "setting" : false,
                           "has_table" : false,
                           "locks" : 0,
                           "channels" : 0,
                           "statements" : 0,
                           "schema" : "contract"
                       } ]));
    (void)sx_test_logged(t);
}

static void a_handler_is_told_that_its_client_has_left(sx_test *t)
{
    const sx_answer *a = sx_test_begin(t, .path = "/gone");

    sx_test_wait(t, noted_int(t, "waiting") == 1);
    sx_test_leave(a);

    sx_test_wait(t, json_is_true(noted(t, "gone")));
}

static void without_a_database_statements_fail(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/lease/end?how=commit"), 500, "internal_error");
    assert_non_null(strstr(sx_test_logged(t), "no statement was sent: no database is configured"));
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(a_commit_keeps_and_a_rollback_forgets),
        SX_TEST_CASE(a_transaction_left_open_is_undone_and_not_acknowledged),
        SX_TEST_CASE(a_handler_that_fails_is_rolled_back),
        SX_TEST_CASE(the_first_failure_sticks),
        SX_TEST_CASE(what_is_no_verb_and_no_statement_is_refused),
        SX_TEST_CASE(a_lost_race_is_run_again),
        SX_TEST_CASE(races_are_not_lost_for_ever),
        SX_TEST_CASE(functions_of_the_loop_are_refused_on_a_thread),
        SX_TEST_CASE(libpq_is_within_reach),
        SX_TEST_CASE(nothing_is_left_on_a_connection),
        SX_TEST_CASE(a_handler_is_told_that_its_client_has_left),
        { 0 },
    };
    static const sx_test_case cases_without[] = {
        SX_TEST_CASE(without_a_database_statements_fail),
        { 0 },
    };
    static const sx_test_setup setup = { .plugins = "contract",
                                         .config = CONTRACT_CONFIG,
                                         .has_database = true };
    static const sx_test_setup without = { .plugins = "contract", .config = CONTRACT_CONFIG };
    int n_failed = sx_test_run(&setup, cases);

    return n_failed + sx_test_run(&without, cases_without);
}
