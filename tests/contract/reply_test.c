/* reply_test.c - answering a request. */
#include "setup.h"

/* --- Headers and cookies ---------------------------------------------------------------- */

static void headers_are_replaced_and_added_and_never_break_the_framing(sx_test *t)
{
    const sx_answer *a = sx_test_get(t, "/headers");

    sx_expect_json(a, 200, SX_TEST_JSON({
                       "set" : 0,
                       "replace" : 0,
                       "add" : 0,
                       "add again" : 0,
                       "bad name" : -2,
                       "no name" : -2,
                       "split" : -2,
                       "NULL name" : -2,
                       "NULL value" : -2,
                       "Content-Length" : -2,
                       "Transfer-Encoding" : -2,
                       "Connection" : -2,
                       "Date" : -2
                   }));
    sx_expect_header(a, "X-One", "second");
    assert_null(sx_answer_header(a, "X-One", 1));
    assert_string_equal(sx_answer_header(a, "X-Two", 1), "b");
    sx_expect_header(a, "X-Three", NULL);
    sx_expect_header(a, "X-Evil", NULL);
    assert_non_null(strstr(sx_test_logged(t),
                           "the header \"X-Three\" was refused: its value has a control byte"));
}

static void cookies_are_set_as_told_and_bad_ones_refused(sx_test *t)
{
    const sx_answer *a = sx_test_get(t, "/cookies");

    sx_expect_json(a, 200, SX_TEST_JSON({
                       "session" : 0,
                       "strict" : 0,
                       "anywhere" : 0,
                       "bad name" : -2,
                       "bad value" : -2,
                       "no name" : -2
                   }));
    assert_string_equal(sx_answer_header(a, "Set-Cookie", 0),
                        "a=1; Path=/; SameSite=Lax; HttpOnly");
    assert_string_equal(sx_answer_header(a, "Set-Cookie", 1),
                        "b=2; Path=/cookies; Max-Age=60; SameSite=Strict");
    assert_string_equal(sx_answer_header(a, "Set-Cookie", 2),
                        "c=3; Path=/; SameSite=None; Secure; HttpOnly");
    assert_null(sx_answer_header(a, "Set-Cookie", 3));
    assert_non_null(strstr(sx_test_logged(t), "the cookie \"a b\" was refused"));
}

static void a_client_keeps_its_cookies_to_itself(sx_test *t)
{
    sx_test *other = sx_test_client(t);

    (void)sx_test_get(t, "/cookies");
    (void)sx_test_logged(t);

    sx_expect_json(sx_test_get(t, "/cookies/show"), 200,
                   SX_TEST_JSON({ "a" : "1", "b" : "2", "c" : "3" }));
    sx_expect_json(sx_test_get(other, "/cookies/show"), 200,
                   SX_TEST_JSON({ "a" : null, "b" : null, "c" : null }));
    sx_expect_status(sx_test_get(t, "/cookies/delete"), 204);
    assert_null(sx_test_cookie(t, "a"));
    assert_string_equal(sx_test_cookie(t, "b"), "2");
}

/* --- Bodies --------------------------------------------------------------------------------- */

static void the_first_answer_stands(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/twice"), 200, "first");

    sx_expect_json(sx_test_get(t, "/notes"), 200, SX_TEST_JSON({
                       "listen" : "<int>",
                       "text" : -2,
                       "json" : -2,
                       "problem" : -2,
                       "file" : -2,
                       "room" : false,
                       "body" : -2
                   }));
    assert_non_null(strstr(sx_test_logged(t), "a second answer was given, the first one stands"));
}

static void a_body_may_be_written_in_place(sx_test *t)
{
    const sx_answer *a = sx_expect_status(sx_test_get(t, "/write"), 201);

    assert_int_equal(a->len, 9 + 10 + 90 * 2 + 900 * 3);
    sx_expect_part(a, "numbers: 0123456789101112");
}

static void a_body_has_a_ceiling(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/write/too-much"), 507, "full");
    assert_true(json_is_true(noted(t, "little")));
    assert_true(json_is_false(noted(t, "much")));
}

static void json_that_could_not_be_made_is_a_failure(sx_test *t)
{
    sx_expect_problem(sx_test_get(t, "/no-json"), 500, "internal_error");
    assert_non_null(strstr(sx_test_logged(t), "the handler failed with SX_ENOMEM"));
}

static void problems_have_code_text_and_request(sx_test *t)
{
    const sx_answer *a = sx_test_get(t, "/teapot");

    sx_expect_problem(a, 418, "teapot");
    sx_expect_part(a, "no coffee for \\\"you\\\", 3 times");
    sx_expect_part(a, sx_answer_header(a, "X-Request-Id", 0));
}

static void results_become_answers(sx_test *t)
{
    static const struct {
        const char *path;
        int status;
        const char *code, *retry_after;
    } cases[] = {
        { "/code?code=-4", 503, "busy", "1" },
        { "/code?code=-5", 504, "timeout", NULL },
        { "/code?code=-7", 500, "internal_error", NULL }, /* no statement failed */
        { "/code?code=-2", 500, "internal_error", NULL },
        { "/code?code=-99", 500, "internal_error", NULL },
    };

    for (size_t i = 0; i < N_OF(cases); i++) {
        const sx_answer *a = sx_test_get(t, cases[i].path);

        sx_expect_header(sx_expect_problem(a, cases[i].status, cases[i].code), "Retry-After",
                         cases[i].retry_after);
    }
    assert_non_null(strstr(sx_test_logged(t), "the handler failed with a code of its own"));
}

static void who_does_not_answer_is_reported(sx_test *t)
{
    const char *log;

    sx_expect_problem(sx_test_get(t, "/silent"), 500, "no_answer");
    sx_expect_problem(sx_test_get(t, "/next"), 500, "no_answer");

    log = sx_test_logged(t);
    assert_non_null(strstr(log, "neither answered nor started an operation plugin=contract"));
    assert_non_null(strstr(log, "returned SX_NEXT, which only a hook may"));
}

/* --- Files and links ------------------------------------------------------------------------ */

static void a_file_below_its_root_is_sent(sx_test *t)
{
    const sx_answer *a = sx_test_get(t, "/file?path=base.json");
    const char *range[] = { "Range", "bytes=0-3", NULL };

    sx_expect_header(sx_expect_status(a, 200), "Content-Type", "application/json");
    sx_expect_part(a, "\"$schema\"");
    a = sx_test_send(t, .path = "/file?path=base.json", .headers = range);
    assert_int_equal(sx_expect_status(a, 206)->len, 4);
    sx_expect_problem(sx_test_get(t, "/file?path=../README.md"), 404, NULL);
    sx_expect_problem(sx_test_get(t, "/file?path=nothing.json"), 404, NULL);
    sx_expect_json(sx_test_get(t, "/file/refused"), 200,
                   SX_TEST_JSON({ "no root" : -2, "no path" : -2 }));
}

static void links_have_no_mount_point_where_there_is_none(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/urls"), 200, SX_TEST_JSON({
                       "whole" : "/request/7/xa%2Fb%20cy/d/e%20f",
                       "without a value" : null,
                       "without values" : null,
                       "home" : "/",
                       "unknown" : null,
                       "NULL" : null
                   }));
}

/* --- Mounted -------------------------------------------------------------------------------- */

static void a_mounted_plugin_does_not_see_where_it_is(sx_test *t)
{
    json_t *all = sx_answer_json(
        sx_expect_status(sx_test_get(t, "/deep/mount/request/7/xay/b?q=1"), 200));

    assert_string_equal(json_string_value(json_object_get(all, "path")),
                        "/deep/mount/request/7/xay/b");
    assert_string_equal(json_string_value(json_object_get(all, "target")), "/request/7/xay/b?q=1");
    assert_string_equal(json_string_value(json_object_get(all, "route")),
                        "/deep/mount/request/{id}/x{name}y/{rest...}");
    sx_expect_problem(sx_test_get(t, "/request/7/xay/b"), 404, "not_found");
}

static void links_have_the_mount_point(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/deep/mount/urls"), 200, SX_TEST_JSON({
                       "whole" : "/deep/mount/request/7/xa%2Fb%20cy/d/e%20f",
                       "without a value" : null,
                       "without values" : null,
                       "home" : "/deep/mount/",
                       "unknown" : null,
                       "NULL" : null
                   }));
}

static void redirects_lead_to_the_mount_point(sx_test *t)
{
    sx_expect_header(sx_expect_status(sx_test_get(t, "/deep/mount/redirect"), 302), "Location",
                     "/deep/mount/");
    sx_expect_status(sx_test_send(t, .path = "/deep/mount/redirect", .follow = true), 204);
}

static void cookies_are_for_the_mount_point(sx_test *t)
{
    const sx_answer *a = sx_test_get(t, "/deep/mount/cookies");

    assert_string_equal(sx_answer_header(a, "Set-Cookie", 0),
                        "a=1; Path=/deep/mount; SameSite=Lax; HttpOnly");
    (void)sx_test_logged(t);
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(headers_are_replaced_and_added_and_never_break_the_framing),
        SX_TEST_CASE(cookies_are_set_as_told_and_bad_ones_refused),
        SX_TEST_CASE(a_client_keeps_its_cookies_to_itself),
        SX_TEST_CASE(the_first_answer_stands),
        SX_TEST_CASE(a_body_may_be_written_in_place),
        SX_TEST_CASE(a_body_has_a_ceiling),
        SX_TEST_CASE(json_that_could_not_be_made_is_a_failure),
        SX_TEST_CASE(problems_have_code_text_and_request),
        SX_TEST_CASE(results_become_answers),
        SX_TEST_CASE(who_does_not_answer_is_reported),
        SX_TEST_CASE(a_file_below_its_root_is_sent),
        SX_TEST_CASE(links_have_no_mount_point_where_there_is_none),
        { 0 },
    };
    static const sx_test_case mounted_cases[] = {
        SX_TEST_CASE(a_mounted_plugin_does_not_see_where_it_is),
        SX_TEST_CASE(links_have_the_mount_point),
        SX_TEST_CASE(redirects_lead_to_the_mount_point),
        SX_TEST_CASE(cookies_are_for_the_mount_point),
        { 0 },
    };
    static const sx_test_setup setup = { .plugins = "contract", .config = CONTRACT_CONFIG };
    static const sx_test_setup mounted = {
        .plugins = "contract",
        .config = SX_TEST_JSON({
            "plugins" : {
                "contract" :
                    { "mount" : { "prefix" : "/deep/mount" }, "options" : { "key" : "abc" } }
            }
        }),
    };
    int n_failed = sx_test_run(&setup, cases);

    return n_failed + sx_test_run(&mounted, mounted_cases);
}
