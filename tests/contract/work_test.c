/* work_test.c - pool threads, tasks, posts, answers that come later, timers. */
#include "setup.h"

/* --- Offloaded ------------------------------------------------------------------------- */

static void work_is_offloaded_and_its_result_comes_back(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/offload?n=100"), 200,
                   SX_TEST_JSON({ "result" : 3, "sum" : 5050 }));
    sx_expect_json(sx_test_get(t, "/offload?fails"), 200,
                   SX_TEST_JSON({ "result" : -3, "sum" : 55 }));
}

static void offloaded_work_that_leaves_a_transaction_open_has_failed(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/offload?open"), 200,
                   SX_TEST_JSON({ "result" : -7, "sum" : 55 }));
    assert_non_null(strstr(sx_test_logged(t), "offloaded work returned, but"));
}

static void what_lacks_a_function_is_refused(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/refused/work"), 200, SX_TEST_JSON({
                       "offload without work" : -2,
                       "offload without done" : -2,
                       "task without work" : -2,
                       "post without function" : -2,
                       "after without function" : -2,
                       "after a month" : -2
                   }));
}

/* --- Without a request ---------------------------------------------------------------------- */

static void a_task_has_a_connection_and_tells_its_result(sx_test *t)
{
    sx_expect_status(sx_test_get(t, "/task"), 204);
    sx_test_wait(t, noted_int(t, "task") == 42);
}

static void a_task_that_leaves_a_transaction_open_has_failed(sx_test *t)
{
    sx_expect_status(sx_test_get(t, "/task?open"), 204);
    sx_test_wait(t, noted_int(t, "task") == -7);
    assert_non_null(strstr(sx_test_logged(t), "a task returned, but"));
}

/* Two threads and a queue of three, in this configuration. */
static void threads_and_their_queue_are_bounded(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/hold?n=2"), 200, SX_TEST_JSON({ "taken" : 2, "code" : 0 }));
    sx_test_wait(t, noted_int(t, "held") == 2);

    sx_expect_json(sx_test_get(t, "/hold?n=100"), 200, SX_TEST_JSON({ "taken" : 3, "code" : -4 }));
    sx_expect_problem(sx_test_get(t, "/lease/look"), 503, "busy");
    sx_expect_problem(sx_test_get(t, "/offload"), 503, "busy");

    sx_expect_status(sx_test_get(t, "/free"), 204);
    sx_test_wait(t, noted_int(t, "freed") == 5);
    sx_expect_status(sx_test_get(t, "/lease/look"), 200);
}

static void any_thread_may_post_to_the_loop(sx_test *t)
{
    sx_expect_status(sx_test_get(t, "/post"), 204);
    sx_test_wait(t, noted_int(t, "posted") == 2);
}

static void an_answer_may_come_later(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/after"), 200, "later");
    sx_expect_text(sx_test_get(t, "/after?times=5"), 200, "later");
    sx_expect_problem(sx_test_get(t, "/after?times=0"), 503, "busy");
}

/* It would come in ten days: the case ends cleanly all the same. */
static void an_answer_that_nobody_waits_for_is_forgotten(sx_test *t)
{
    sx_test_leave(sx_test_begin(t, .path = "/after?ms=864000000"));
}

/* --- Timers ---------------------------------------------------------------------------------- */

static void a_timer_fires_once(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/timer/start"), 200, SX_TEST_JSON({ "has one" : true }));
    sx_test_wait(t, noted_int(t, "ticks") == 1);
    sx_expect_text(sx_test_get(t, "/after?ms=20"), 200, "later");
    assert_int_equal(noted_int(t, "ticks"), 1);
}

static void a_timer_fires_again_until_it_is_stopped(sx_test *t)
{
    json_int_t ticks;

    sx_expect_status(sx_test_get(t, "/timer/start?every=1"), 200);
    sx_test_wait(t, noted_int(t, "ticks") >= 3);
    sx_expect_status(sx_test_get(t, "/timer/stop"), 204);

    ticks = noted_int(t, "ticks");
    sx_expect_text(sx_test_get(t, "/after?ms=20"), 200, "later");
    assert_int_equal(noted_int(t, "ticks"), ticks);
}

static void a_timer_works_on_a_thread_with_a_connection(sx_test *t)
{
    sx_expect_status(sx_test_get(t, "/timer/start?kind=work&every=1"), 200);
    sx_test_wait(t, noted_int(t, "ticks") >= 2);
    assert_int_equal(noted_int(t, "locks"), 0);
}

static void a_timer_that_fails_is_reported_once_and_goes_on(sx_test *t)
{
    static const char words[] = "the work of a timer failed with";
    const char *line;

    sx_expect_status(sx_test_get(t, "/timer/start?kind=fail&every=1"), 200);
    sx_test_wait(t, noted_int(t, "ticks") >= 5);

    line = strstr(sx_test_logged(t), words);
    assert_non_null(line);
    assert_null(strstr(line + 1, words));
}

static void one_instance_works_at_a_time(sx_test *t)
{
    sx_expect_status(sx_test_get(t, "/timer/start?kind=work&every=1&scope=2"), 200);
    sx_test_wait(t, noted_int(t, "ticks") >= 2);
    assert_int_equal(noted_int(t, "locks"), 1);
}

static void timers_that_cannot_be_are_refused(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/timer/refused"), 200, SX_TEST_JSON({
                       "neither" : -2,
                       "both" : -2,
                       "unknown scope" : -2,
                       "negative scope" : -2,
                       "one instance without work" : -2
                   }));
}

/* --- In the second of two workers ------------------------------------------------------------- */

static void a_timer_of_one_worker_is_in_the_first_only(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/timer/start?every=1&scope=1"), 200,
                   SX_TEST_JSON({ "has one" : false }));
    sx_expect_status(sx_test_get(t, "/timer/stop"), 204);
    sx_expect_json(sx_test_get(t, "/timer/start?every=1&scope=0"), 200,
                   SX_TEST_JSON({ "has one" : true }));
    sx_test_wait(t, noted_int(t, "ticks") >= 1);
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(work_is_offloaded_and_its_result_comes_back),
        SX_TEST_CASE(offloaded_work_that_leaves_a_transaction_open_has_failed),
        SX_TEST_CASE(what_lacks_a_function_is_refused),
        SX_TEST_CASE(a_task_has_a_connection_and_tells_its_result),
        SX_TEST_CASE(a_task_that_leaves_a_transaction_open_has_failed),
        SX_TEST_CASE(threads_and_their_queue_are_bounded),
        SX_TEST_CASE(any_thread_may_post_to_the_loop),
        SX_TEST_CASE(an_answer_may_come_later),
        SX_TEST_CASE(an_answer_that_nobody_waits_for_is_forgotten),
        SX_TEST_CASE(a_timer_fires_once),
        SX_TEST_CASE(a_timer_fires_again_until_it_is_stopped),
        SX_TEST_CASE(a_timer_works_on_a_thread_with_a_connection),
        SX_TEST_CASE(a_timer_that_fails_is_reported_once_and_goes_on),
        SX_TEST_CASE(one_instance_works_at_a_time),
        SX_TEST_CASE(timers_that_cannot_be_are_refused),
        { 0 },
    };
    static const sx_test_case second_cases[] = {
        SX_TEST_CASE(a_timer_of_one_worker_is_in_the_first_only),
        { 0 },
    };
    static const sx_test_setup setup = {
        .plugins = "contract",
        .config = SX_TEST_JSON({
            "server" : { "pool_threads" : 2, "pool_queue" : 3 },
            "plugins" : { "contract" : { "options" : { "key" : "abc" } } }
        }),
        .has_database = true,
    };
    static const sx_test_setup second = {
        .plugins = "contract", .config = CONTRACT_CONFIG, .worker = 1, .n_workers = 2
    };
    int n_failed = sx_test_run(&setup, cases);

    return n_failed + sx_test_run(&second, second_cases);
}
