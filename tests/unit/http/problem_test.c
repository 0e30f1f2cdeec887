/* Tests of core/http/problem.c. */
#include "http/problem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_problem(const struct sx_problem *problem, const char *expected)
{
    struct sx_buf to;

    sx_buf_init(&to, 4096);
    sx_problem_write(&to, problem);
    assert_string_equal(sx_buf_text(&to), expected);
    sx_buf_finish(&to);
}

static void all_members_are_written_in_order(void **state)
{
    const struct sx_problem problem = { 404, "not_found", "no route", "abc" };

    (void)state;
    assert_problem(&problem,
                   "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404,"
                   "\"code\":\"not_found\",\"detail\":\"no route\",\"request_id\":\"abc\"}");
}

static void absent_members_are_left_out(void **state)
{
    const struct sx_problem problem = { .status = 500 };

    (void)state;
    assert_problem(&problem,
                   "{\"type\":\"about:blank\",\"title\":\"Internal Server Error\",\"status\":500}");
}

static void detail_is_escaped(void **state)
{
    const struct sx_problem problem = { .status = 400, .detail = "\"a\\b\"\n\x01" };

    (void)state;
    assert_problem(&problem, "{\"type\":\"about:blank\",\"title\":\"Bad Request\",\"status\":400,"
                             "\"detail\":\"\\\"a\\\\b\\\"\\n\\u0001\"}");
}

static void a_full_buffer_shows_it(void **state)
{
    const struct sx_problem problem = { .status = 400, .detail = "a long text" };
    struct sx_buf to;

    (void)state;
    sx_buf_init(&to, 60);
    sx_problem_write(&to, &problem);
    assert_true(sx_buf_failed(&to));
    sx_buf_finish(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_members_are_written_in_order),
        cmocka_unit_test(absent_members_are_left_out),
        cmocka_unit_test(detail_is_escaped),
        cmocka_unit_test(a_full_buffer_shows_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
