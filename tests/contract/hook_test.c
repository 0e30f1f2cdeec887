/* hook_test.c - what stands before and after handlers. */
#include "setup.h"

static void expect_trace(const sx_answer *a, const char *const *words)
{
    uint32_t i = 0;

    for (; words[i] != NULL; i++) {
        const char *found = sx_answer_header(a, "X-Trace", i);

        assert_non_null(found);
        assert_string_equal(found, words[i]);
    }
    assert_null(sx_answer_header(a, "X-Trace", i));
}

static void hooks_run_in_their_order(sx_test *t)
{
    expect_trace(sx_expect_status(sx_test_get(t, "/hooks/local"), 200),
                 (const char *[]){ "early", "middle", "own", NULL });
}

static void a_hook_of_its_own_routes_leaves_others_alone(sx_test *t)
{
    expect_trace(sx_expect_status(sx_test_get(t, "/"), 204),
                 (const char *[]){ "early", "middle", NULL });
}

static void a_hook_may_wait_for_an_operation(sx_test *t)
{
    expect_trace(sx_expect_status(sx_test_get(t, "/?wait"), 204),
                 (const char *[]){ "early", "waited", NULL });
    expect_trace(sx_expect_status(sx_test_get(t, "/hooks/local?wait"), 200),
                 (const char *[]){ "early", "waited", "own", NULL });
}

static void a_hook_may_answer_for_the_handler(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/hooks/local?stop"), 403, "stopped");
    sx_expect_problem(sx_test_get(t, "/?stop"), 403, "stopped");
}

static void a_hook_that_fails_or_says_nothing_is_answered_for(sx_test *t)
{
    const char *log;

    sx_expect_problem(sx_test_get(t, "/?fail"), 500, "internal_error");
    sx_expect_problem(sx_test_get(t, "/?silent"), 500, "no_answer");

    log = sx_test_logged(t);
    assert_non_null(strstr(log, "the handler failed with SX_EINVAL plugin=hooks"));
    assert_non_null(strstr(log, "plugin=hooks plugin_version=1.0.0 route=/ "));
}

static void memory_goes_from_a_hook_to_the_handler_of_its_plugin(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/hooks/local"), 200, "from a hook");
    sx_expect_text(sx_test_get(t, "/hooks/local?wait"), 200, "from a hook");
}

static void nothing_can_be_started_behind_an_answer(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/nowhere?late"), 404, "not_found");
    sx_expect_status(sx_test_get(t, "/teapot?late"), 418);
    sx_expect_status(sx_test_get(t, "/hooks/local?late"), 200);
    for (int i = 0; i < 5; i++)
        sx_expect_status(sx_test_get(t, "/hooks/local"), 200);
    assert_null(strstr(sx_test_logged(t), "too late: 0"));
}

static void a_hook_does_not_answer_for_failures_of_others(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/db/fail?what=division&mine"), 500, "database_error");
    (void)sx_test_logged(t);
}

static void outcomes_are_told_in_reverse_order(sx_test *t)
{
    (void)sx_test_get(t, "/hooks/after"); /* empties it */
    sx_expect_problem(sx_test_get(t, "/teapot"), 418, NULL);
    sx_expect_problem(sx_test_get(t, "/nowhere"), 404, NULL);

    sx_expect_json(sx_test_get(t, "/hooks/after"), 200, SX_TEST_JSON([
                       {
                           "hook" : "late",
                           "status" : 200,
                           "plugin" : "hooks",
                           "route" : "/hooks/after",
                           "bytes" : 2,
                           "took time" : true,
                           "sized" : true
                       },
                       {
                           "hook" : "early",
                           "status" : 200,
                           "plugin" : "hooks",
                           "route" : "/hooks/after",
                           "bytes" : 2,
                           "took time" : true,
                           "sized" : true
                       },
                       {
                           "hook" : "late",
                           "status" : 418,
                           "plugin" : "contract",
                           "route" : "/teapot",
                           "bytes" : "<int>",
                           "took time" : true,
                           "sized" : true
                       },
                       {
                           "hook" : "early",
                           "status" : 418,
                           "plugin" : "contract",
                           "route" : "/teapot",
                           "bytes" : "<int>",
                           "took time" : true,
                           "sized" : true
                       },
                       {
                           "hook" : "late",
                           "status" : 404,
                           "plugin" : "",
                           "route" : "",
                           "bytes" : "<int>",
                           "took time" : true,
                           "sized" : true
                       },
                       {
                           "hook" : "early",
                           "status" : 404,
                           "plugin" : "",
                           "route" : "",
                           "bytes" : "<int>",
                           "took time" : true,
                           "sized" : true
                       }
                   ]));
}

/* Its handshake is a request like any other. */
static void hooks_stand_before_a_websocket(sx_test *t)
{
    static const char *const handshake[] = { "Upgrade",
                                             "websocket",
                                             "Connection",
                                             "Upgrade",
                                             "Sec-WebSocket-Version",
                                             "13",
                                             "Sec-WebSocket-Key",
                                             "dGhlIHNhbXBsZSBub25jZQ==",
                                             NULL };
    const sx_answer *a = sx_test_ws_open(t, .path = "/ws/lobby?wait");

    expect_trace(a, (const char *[]){ "early", "waited", NULL });
    sx_expect_message(a, "lobby");
    sx_expect_problem(sx_test_send(t, .path = "/ws/lobby?stop", .headers = handshake), 403,
                      "stopped");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(hooks_run_in_their_order),
        SX_TEST_CASE(a_hook_of_its_own_routes_leaves_others_alone),
        SX_TEST_CASE(a_hook_may_wait_for_an_operation),
        SX_TEST_CASE(a_hook_may_answer_for_the_handler),
        SX_TEST_CASE(a_hook_that_fails_or_says_nothing_is_answered_for),
        SX_TEST_CASE(memory_goes_from_a_hook_to_the_handler_of_its_plugin),
        SX_TEST_CASE(hooks_stand_before_a_websocket),
        SX_TEST_CASE(outcomes_are_told_in_reverse_order),
        SX_TEST_CASE(nothing_can_be_started_behind_an_answer),
        { 0 },
    };
    static const sx_test_case cases_with_database[] = {
        SX_TEST_CASE(a_hook_does_not_answer_for_failures_of_others),
        { 0 },
    };
    static const sx_test_setup with_database = { .plugins = "hooks contract",
                                                 .config = CONTRACT_CONFIG,
                                                 .has_database = true };
    int n_failed = sx_test_run(&with_database, cases_with_database);

    return n_failed +
           sx_test_run(&(sx_test_setup){ .plugins = "hooks contract", .config = CONTRACT_CONFIG },
                       cases);
}
