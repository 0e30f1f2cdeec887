#include <sx/test.h>

static void the_page_lists_every_route(sx_test *t)
{
    const sx_answer *a = sx_expect_status(sx_test_get(t, "/"), 200);

    sx_expect_header(a, "Content-Type", "text/html; charset=utf-8");
    sx_expect_part(a, "<a href=\"/hello\">/hello</a>");
    sx_expect_part(a, "<code>/hello/{name}</code>");
    sx_expect_part(a, "<a href=\"/\">/</a>");
    sx_expect_part(a, "<strong>testing</strong>");
}

static void every_link_answers(sx_test *t)
{
    assert_true(sx_test_links(t, "/") >= 4); /* the page, its style, its icon, /hello */
}

static void a_static_file_has_a_type_and_a_tag(sx_test *t)
{
    const sx_answer *a = sx_expect_status(sx_test_get(t, "/static/site.css"), 200);
    const char *tag = sx_answer_header(a, "ETag", 0);

    sx_expect_header(a, "Content-Type", "text/css; charset=utf-8");
    assert_non_null(tag);
    sx_expect_status(sx_test_send(t, .path = "/static/site.css",
                                  .headers = (const char *[]){ "If-None-Match", tag, NULL }),
                     304);
}

static void nothing_above_the_folder_is_served(sx_test *t)
{
    static const char *const paths[] = {
        "/static/../site.c", "/static/%2e%2e/site.c", "/static/..%2fsite.c", "/static//etc/passwd",
        "/static/.",         "/static/none.css",      "/static/site.css/",   "/static/site.css%00",
    };

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const sx_answer *a = sx_test_get(t, paths[i]);

        assert_true(a->status == 404 || a->status == 400);
    }
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(the_page_lists_every_route),
        SX_TEST_CASE(every_link_answers),
        SX_TEST_CASE(a_static_file_has_a_type_and_a_tag),
        SX_TEST_CASE(nothing_above_the_folder_is_served),
        { 0 },
    };

    return sx_test_run(&(sx_test_setup){ .plugins = "hello site" }, cases);
}
