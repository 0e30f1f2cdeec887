#include <sx/test.h>

static void hello_is_said(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/hello"), 200, "Hello, World!\n");
}

static void a_guest_is_greeted_by_name(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/hello/Ada"), 200, SX_TEST_JSON({ "hello" : "Ada" }));
    sx_expect_json(sx_test_get(t, "/hello/J%C3%BCrgen%20%22J%22"), 200,
                   SX_TEST_JSON({ "hello" : "Jürgen \"J\"" }));
}

static void only_reading_is_allowed(sx_test *t)
{
    const sx_answer *a = sx_test_send(t, .method = "POST", .path = "/hello", .body = "x");

    sx_expect_problem(a, 405, NULL);
    sx_expect_header(a, "Allow", "GET, HEAD, OPTIONS");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(hello_is_said),
        SX_TEST_CASE(a_guest_is_greeted_by_name),
        SX_TEST_CASE(only_reading_is_allowed),
        { 0 },
    };

    return sx_test_run(&(sx_test_setup){ .plugins = "hello" }, cases);
}
