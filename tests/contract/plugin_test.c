/* plugin_test.c - what concerns a plugin itself: configuration, place, log, metrics. */
#include "setup.h"

/* --- Configuration ---------------------------------------------------------------------- */

static void options_are_as_configured_or_have_their_fallback(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/config"), 200, SX_TEST_JSON({
                       "all" : {
                           "flag" : false,
                           "number" : 7,
                           "ratio" : 2,
                           "text" : "words",
                           "list" : [ 1, { "a" : 2 } ],
                           "key" : "abc"
                       },
                       "env" : "testing",
                       "number" : 7,
                       "text" : "words"
                   }));
}

#define OPTIONS(text) "{\"plugins\": {\"contract\": {\"options\": {" text "}}}}"

static void options_of_a_wrong_type_stop_the_start(sx_test *t)
{
    static const struct {
        const char *options, *told;
    } cases[] = {
        { OPTIONS("\"flag\": 1"),
          "plugins.contract.options.flag: expected true or false, found 1" },
        { OPTIONS("\"number\": 1.5"), "options.number: expected an integer, found 1.5" },
        { OPTIONS("\"number\": \"7\""), "options.number: expected an integer, found \"7\"" },
        { OPTIONS("\"ratio\": \"x\""), "options.ratio: expected a number, found \"x\"" },
        { OPTIONS("\"text\": []"), "options.text: expected text, found []" },
        { OPTIONS("\"key\": 17"), "options.key: expected text (a secret), found another type" },
        { OPTIONS("\"nmber\": 7"), "has no option \"nmber\"" },
    };

    for (size_t i = 0; i < N_OF(cases); i++)
        sx_expect_refused(t, cases[i].options, cases[i].told);
}

static void a_check_that_fails_stops_the_start(sx_test *t)
{
    sx_expect_refused(t, OPTIONS("\"number\": 13"), "its check function returned -2");
    sx_expect_refused(t, OPTIONS("\"number\": 13"), "number: 13 brings bad luck in \"testing\"");
}

/* --- The worker ----------------------------------------------------------------------------- */

static void a_plugin_knows_its_worker_and_the_time(sx_test *t)
{
    json_t *worker;

    sx_test_set_now(t, 1700000000123456789);

    sx_expect_json(sx_test_get(t, "/worker"), 200,
                   SX_TEST_JSON({ "index" : 0, "count" : 1, "now_ns" : 1700000000123456789 }));
    sx_test_set_now(t, 0); /* the real one again */
    worker = sx_answer_json(sx_test_get(t, "/worker"));
    assert_true(json_integer_value(json_object_get(worker, "now_ns")) > 1700000000123456789);
}

static void routes_of_all_plugins_are_listed(sx_test *t)
{
    json_t *all = sx_answer_json(sx_test_get(t, "/routes")), *route;
    const char *found = NULL;
    size_t i;

    assert_int_equal(json_integer_value(json_object_get(all, "after_the_last")), ENOENT_);
    json_array_foreach(json_object_get(all, "routes"), i, route)
    {
        if (strcmp(json_string_value(json_object_get(route, "summary")), "All of a request") == 0)
            found = json_string_value(json_object_get(route, "path"));
    }
    assert_string_equal(found, "/request/{id}/x{name}y/{rest...}");
    assert_true(i > 50);
}

/* --- Log and metrics ------------------------------------------------------------------------- */

static void lines_name_plugin_route_and_request(sx_test *t)
{
    const char *log, *line;

    sx_expect_status(sx_test_send(t, .path = "/log",
                                  .headers = (const char *[]){ "X-Request-Id", "abc-1", NULL }),
                     204);

    log = sx_test_logged(t);
    assert_non_null(strstr(log, "DEBUG   test: the plugin says 0 plugin=contract"));
    assert_non_null(strstr(log, "INFO    test: the plugin says 1 plugin=contract"));
    assert_non_null(strstr(log, "WARNING test: the plugin says 2 plugin=contract"));
    assert_non_null(strstr(log, "DEBUG   test: below all levels"));
    line = strstr(log, "ERROR   test: the request says \"no\"");
    assert_non_null(line);
    assert_non_null(strstr(line, "route=/log request_id=abc-1"));
}

static void metrics_are_added_set_and_observed(sx_test *t)
{
    static const char *const lines[] = {
        "\nsx_contract_calls 5\n",
        "\nsx_contract_level 4\n",
        "\nsx_contract_size_bucket{le=\"1\"} 1\n",
        "\nsx_contract_size_bucket{le=\"10\"} 1\n",
        "\nsx_contract_size_bucket{le=\"+Inf\"} 2\n",
        "\nsx_contract_size_sum 50.5\n",
        "\nsx_contract_size_count 2\n",
        "\n# HELP sx_contract_calls Calls\n",
    };
    const char *text;

    sx_expect_status(sx_test_get(t, "/metrics"), 204);

    text = sx_test_metrics(t);
    for (size_t i = 0; i < N_OF(lines); i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("no \"%s\" in:\n%s", lines[i], strstr(text, "sx_contract"));
}

/* --- In another worker --------------------------------------------------------------------- */

static void a_worker_is_one_of_several(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/worker"), 200,
                   SX_TEST_JSON({ "index" : 2, "count" : 3, "now_ns" : "<int>" }));
}

static void the_environment_is_the_one_that_was_named(sx_test *t)
{
    json_t *all = sx_answer_json(sx_test_get(t, "/config"));

    assert_string_equal(json_string_value(json_object_get(all, "env")), "production");
}

static void a_required_option_must_be_given(sx_test *t)
{
    sx_expect_refused(
        t,
        "{\"plugins\": {\"contract\": {\"path\": \"" SX_BUILD_DIR
        "/test-plugins/contract.so\", \"grants\": [\"db\", \"blocking\", \"stream\"]}}}",
        "needs the option \"key\": the key of the test");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(options_are_as_configured_or_have_their_fallback),
        SX_TEST_CASE(options_of_a_wrong_type_stop_the_start),
        SX_TEST_CASE(a_check_that_fails_stops_the_start),
        SX_TEST_CASE(a_plugin_knows_its_worker_and_the_time),
        SX_TEST_CASE(routes_of_all_plugins_are_listed),
        SX_TEST_CASE(lines_name_plugin_route_and_request),
        SX_TEST_CASE(metrics_are_added_set_and_observed),
        { 0 },
    };
    static const sx_test_setup setup = {
        .plugins = "contract",
        .config = OPTIONS("\"key\": \"abc\", \"flag\": false, \"ratio\": 2"),
    };
    static const sx_test_case other_cases[] = {
        SX_TEST_CASE(a_worker_is_one_of_several),
        SX_TEST_CASE(the_environment_is_the_one_that_was_named),
        { 0 },
    };
    static const sx_test_setup other = { .plugins = "contract",
                                         .config = CONTRACT_CONFIG,
                                         .env = "production",
                                         .worker = 2,
                                         .n_workers = 3 };
    static const sx_test_case bare_cases[] = { SX_TEST_CASE(a_required_option_must_be_given),
                                               { 0 } };
    int n_failed = sx_test_run(&setup, cases);

    n_failed += sx_test_run(&other, other_cases);
    return n_failed + sx_test_run(&(sx_test_setup){ .plugins = "bare" }, bare_cases);
}
