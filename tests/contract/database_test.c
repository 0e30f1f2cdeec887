/* database_test.c - statements from the loop, and the rows that they return. */
#include "setup.h"

/* --- Refused ---------------------------------------------------------------------------- */

static void only_statements_that_leave_no_trace_are_taken(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/db/refused"), 200, SX_TEST_JSON({
                       "SET search_path = public" : -2,
                       "BEGIN" : -2,
                       "COMMIT" : -2,
                       "LISTEN x" : -2,
                       "CREATE TABLE t ()" : -2,
                       "SELECT 1; SELECT 2" : -2,
                       "DO $$ BEGIN END $$" : -2,
                       "" : -2,
                       "no text" : -2,
                       "no function" : -2,
                       "unknown type" : -2,
                       "no values" : -2,
                       "empty batch" : -2,
                       "batch without function" : -2,
                       "plugin's empty batch" : -2,
                       "plugin's without function" : -2
                   }));
}

static void one_operation_at_a_time(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/db/two"), 200, SX_TEST_JSON({
                       "first" : 0,
                       "query" : -4,
                       "batch" : -4,
                       "offload" : -4,
                       "after" : -4,
                       "stream" : -4,
                       "rows" : 1
                   }));
}

static void a_connection_for_reading_refuses_to_write(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/db/write-in-read"), 500, "database_error");
    assert_non_null(strstr(sx_test_logged(t), "(25006)"));
    assert_string_equal(sx_test_sql(t, "SELECT count(*) FROM item"), "0");
}

/* --- Failures ------------------------------------------------------------------------------ */

static void an_item_is_added_once(sx_test *t)
{
    sx_expect_json(sx_test_send(t, .method = "POST", .path = "/db/item?name=a"), 201,
                   SX_TEST_JSON({ "affected" : 1, "name" : "a" }));
    sx_expect_problem(sx_test_send(t, .method = "POST", .path = "/db/item?name=a"), 409,
                      "already_exists");
    assert_string_equal(sx_test_sql(t, "SELECT count(*) FROM item"), "1");
}

/* The database is a new one: its sequence begins again, too. */
static void nothing_is_left_of_the_case_before(sx_test *t)
{
    assert_string_equal(sx_test_sql(t, "SELECT count(*) FROM item"), "0");
    assert_string_equal(sx_test_sql(t, "INSERT INTO item (name) VALUES ('b') RETURNING id"), "1");
}

static void failures_are_answered_by_their_sqlstate(sx_test *t)
{
    static const struct {
        const char *path;
        int status;
        const char *code;
    } cases[] = {
        { "/db/fail?what=text", 400, "invalid_value" },
        { "/db/fail?what=range", 400, "out_of_range" },
        { "/db/fail?what=date", 400, "invalid_value" },
        { "/db/fail?what=null", 409, "constraint_violated" },
        { "/db/fail?what=check", 409, "constraint_violated" },
        { "/db/fail?what=division", 500, "database_error" },
        { "/db/fail?what=table", 500, "database_error" },
    };
    const char *log;

    for (size_t i = 0; i < N_OF(cases); i++)
        sx_expect_problem(sx_test_get(t, cases[i].path), cases[i].status, cases[i].code);
    log = sx_test_logged(t);
    assert_non_null(strstr(log, "database: division by zero (22012) plugin=contract"));
    assert_null(strstr(log, "(22P02)")); /* the client's fault */
}

static void a_statement_ends_at_the_deadline_of_its_route(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/db/sleep"), 504, "timeout");
    (void)sx_test_logged(t);
}

static void a_plugin_may_answer_failures_itself(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/db/handled"), 422, SX_TEST_JSON({
                       "arg" : "given",
                       "sqlstate" : "23505",
                       "index" : 1,
                       "constraint" : "item_name_is_unique",
                       "retryable" : false,
                       "unknown" : false,
                       "has message" : true
                   }));
    assert_string_equal(sx_test_sql(t, "SELECT count(*) FROM item"), "0");
}

/* --- Batches -------------------------------------------------------------------------------- */

static void a_batch_takes_effect_whole_or_not_at_all(sx_test *t)
{
    sx_expect_problem(sx_test_send(t, .method = "POST", .path = "/db/items?a=x&b=x"), 409,
                      "already_exists");
    assert_string_equal(sx_test_sql(t, "SELECT count(*) FROM item"), "0");

    sx_expect_json(sx_test_send(t, .method = "POST", .path = "/db/items?a=x&b=y"), 201,
                   SX_TEST_JSON([ 2, "x", "y" ]));
    assert_string_equal(sx_test_sql(t, "SELECT count(*) FROM item"), "2");
}

static void a_plugin_has_batches_without_a_request(sx_test *t)
{
    sx_expect_status(sx_test_get(t, "/db/plugin?b=own+1"), 204);
    sx_test_wait(t, json_is_object(noted(t, "own")));
    sx_expect_json(
        sx_test_get(t, "/notes"), 200,
        SX_TEST_JSON(
            { "listen" : 0, "own" : { "sqlstate" : "23505", "index" : 1, "has rows" : false } }));

    sx_expect_status(sx_test_get(t, "/db/plugin?b=own+2"), 204);
    sx_test_wait(t, json_is_array(noted(t, "own")));
    assert_string_equal(json_string_value(json_array_get(noted(t, "own"), 1)), "own 2");
    assert_string_equal(sx_test_sql(t, "SELECT count(*) FROM item"), "2");
}

/* --- Notifications -------------------------------------------------------------------------- */

static void notifications_come_with_their_payload(sx_test *t)
{
    assert_int_equal(noted_int(t, "listen"), 0);

    (void)sx_test_sql(t, "NOTIFY \"a \"\"channel\"\"\", 'it''s here'");

    sx_test_wait(t, noted(t, "notified") != NULL);
    assert_string_equal(json_string_value(json_array_get(noted(t, "notified"), 0)),
                        "a \"channel\"");
    assert_string_equal(json_string_value(json_array_get(noted(t, "notified"), 1)), "it's here");
}

static void channels_have_names_that_the_database_can_keep(sx_test *t)
{
    sx_expect_json(
        sx_test_get(t, "/db/listen"), 200,
        SX_TEST_JSON({ "no name" : -2, "NULL name" : -2, "long name" : -2, "no function" : -2 }));
}

/* --- Values and rows ------------------------------------------------------------------------ */

static void parameters_of_every_type_arrive(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/db/params"), 200, SX_TEST_JSON([ {
                       "flag" : true,
                       "number" : -9223372036854775808,
                       "ratio" : -0.125,
                       "words" : "ä \"b\"\n",
                       "bytes" : 3,
                       "json" : { "a" : [ 1, null ] },
                       "nothing" : null,
                       "no_text" : null,
                       "no_json" : null
                   } ]));
}

static void rows_are_read_by_type_and_nothing_reads_as_nothing(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/db/rows"), 200, SX_TEST_JSON({
                       "count" : 1,
                       "n" : 7,
                       "f" : 1.5,
                       "n as text" : "7",
                       "bytes" : 3,
                       "bytes are right" : true,
                       "yes" : 1,
                       "text as a number" : 0,
                       "text as bytes" : 5,
                       "unknown column" : -3,
                       "NULL column" : -3,
                       "null text" : null,
                       "null number" : 0,
                       "null bytes" : 0,
                       "null ratio" : 0,
                       "no row" : null,
                       "no column" : 0,
                       "no rows" : null,
                       "no rows count" : 0,
                       "no rows json" : false,
                       "json" : [ {
                           "n" : 7,
                           "f" : 1.5,
                           "t" : "words",
                           "b" : "\\x01ff00",
                           "yes" : true,
                           "nothing" : null,
                           "j" : { "a" : 1 },
                           "d" : 12.5,
                           "nan" : "NaN"
                       } ]
                   }));
}

static void rows_become_json_whatever_they_hold(sx_test *t)
{
    json_t *row = json_array_get(
        sx_answer_json(sx_expect_status(sx_test_get(t, "/db/rows/odd"), 200)), 0);

    assert_true(json_number_value(json_object_get(row, "sum")) == 36893488147419103228.0);
    assert_int_equal(json_integer_value(json_object_get(row, "seven")), 7);
    assert_string_equal(json_string_value(json_object_get(row, "nan")), "NaN");
    assert_true(json_number_value(json_object_get(json_object_get(row, "big"), "n")) > 1e19);
    assert_int_equal(json_string_length(json_object_get(row, "nul")), 3);
    assert_true(json_number_value(json_object_get(row, "half")) == 0.5);
}

static void rows_are_an_answer(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/db/rows/reply?n=3"), 200, "[{\"n\":1},{\"n\":2},{\"n\":3}]");
    sx_expect_text(sx_test_get(t, "/db/rows/reply"), 200, "[]");
    assert_int_equal(noted_int(t, "late rows"), EINVAL_);
    assert_int_equal(noted_int(t, "no rows"), EINVAL_);
}

/* --- Without a database --------------------------------------------------------------------- */

static void without_a_database_the_plugin_lives_and_answers_busy(sx_test *t)
{
    assert_int_equal(noted_int(t, "listen"), EBUSY_);
    sx_expect_header(sx_expect_problem(sx_test_get(t, "/db/params"), 503, "busy"), "Retry-After",
                     "1");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(only_statements_that_leave_no_trace_are_taken),
        SX_TEST_CASE(one_operation_at_a_time),
        SX_TEST_CASE(a_connection_for_reading_refuses_to_write),
        SX_TEST_CASE(an_item_is_added_once),
        SX_TEST_CASE(nothing_is_left_of_the_case_before),
        SX_TEST_CASE(failures_are_answered_by_their_sqlstate),
        SX_TEST_CASE(a_statement_ends_at_the_deadline_of_its_route),
        SX_TEST_CASE(a_plugin_may_answer_failures_itself),
        SX_TEST_CASE(a_batch_takes_effect_whole_or_not_at_all),
        SX_TEST_CASE(a_plugin_has_batches_without_a_request),
        SX_TEST_CASE(notifications_come_with_their_payload),
        SX_TEST_CASE(channels_have_names_that_the_database_can_keep),
        SX_TEST_CASE(parameters_of_every_type_arrive),
        SX_TEST_CASE(rows_are_read_by_type_and_nothing_reads_as_nothing),
        SX_TEST_CASE(rows_become_json_whatever_they_hold),
        SX_TEST_CASE(rows_are_an_answer),
        { 0 },
    };
    static const sx_test_case cases_without[] = {
        SX_TEST_CASE(without_a_database_the_plugin_lives_and_answers_busy),
        { 0 },
    };
    static const sx_test_setup setup = { .plugins = "contract",
                                         .config = CONTRACT_CONFIG,
                                         .has_database = true };
    static const sx_test_setup without = { .plugins = "contract", .config = CONTRACT_CONFIG };
    int n_failed = sx_test_run(&setup, cases);

    return n_failed + sx_test_run(&without, cases_without);
}
