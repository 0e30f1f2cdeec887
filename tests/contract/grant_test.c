/* grant_test.c - what a plugin did not ask for is denied, whatever it is granted. */
#include "setup.h"

static void everything_is_denied_to_a_plugin_without_capabilities(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/bare"), 200, SX_TEST_JSON({
                       "query" : -8,
                       "read" : -8,
                       "batch" : -8,
                       "plugin_batch" : -8,
                       "listen" : -8,
                       "offload" : -8,
                       "task" : -8,
                       "timer" : -8,
                       "stream" : -8
                   }));
}

static void a_thread_without_the_database_is_told_so(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/threads"), 200, SX_TEST_JSON({
                       "exec" : false,
                       "begin" : -7,
                       "commit" : -7,
                       "conn" : false,
                       "message" : "the configuration does not grant \"db\""
                   }));
    assert_non_null(strstr(sx_test_logged(t), "no statement was sent: the configuration does not"));
}

static void a_capability_that_is_needed_must_be_granted(sx_test *t)
{
    sx_expect_refused(t, SX_TEST_JSON({ "plugins" : { "threads" : { "grants" : [] } } }),
                      "needs \"blocking\", which is not granted");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(everything_is_denied_to_a_plugin_without_capabilities),
        SX_TEST_CASE(a_thread_without_the_database_is_told_so),
        SX_TEST_CASE(a_capability_that_is_needed_must_be_granted),
        { 0 },
    };

    return sx_test_run(&(sx_test_setup){ .plugins = "bare threads", .has_database = true }, cases);
}
