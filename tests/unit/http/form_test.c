/* Tests of core/http/form.c. */
#include "http/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

#define N(a) (sizeof(a) / sizeof *(a))

static int setup(void **state)
{
    static struct sx_arena arena;

    sx_arena_init(&arena, 1 << 20);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    sx_arena_finish(*state);
    return 0;
}

static void pairs_are_decoded(void **state)
{
    static const struct {
        const char *text;
        const char *pairs[7]; /* name, value, … */
    } cases[] = {
        { "", { NULL } },
        { "&&", { NULL } },
        { "a=1", { "a", "1" } },
        { "a", { "a", "" } },
        { "a=", { "a", "" } },
        { "=x", { "", "x" } },
        { "=", { "", "" } },
        { "a=1&b=2&&c=3&", { "a", "1", "b", "2", "c", "3" } },
        { "a=b=c", { "a", "b=c" } },
        { "a+b=%2B+%26%3D", { "a b", "+ &=" } },
        { "%C3%A4=%e2%82%ac", { "\xc3\xa4", "\xe2\x82\xac" } },
        { "a;b=1", { "a;b", "1" } },
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct sx_pairs pairs;
        size_t n = 0;

        assert_int_equal(sx_form_parse(*state, sx_slice_of(cases[i].text), 10, &pairs), 0);
        for (; cases[i].pairs[2 * n] != NULL; n++) {
            assert_true(n < pairs.n);
            assert_string_equal(pairs.v[n].name.data, cases[i].pairs[2 * n]);
            assert_string_equal(pairs.v[n].value.data, cases[i].pairs[2 * n + 1]);
            assert_int_equal(pairs.v[n].value.len, strlen(pairs.v[n].value.data));
        }
        assert_int_equal(pairs.n, n);
    }
}

static void bad_escapes_are_refused(void **state)
{
    static const char *const bad[] = {
        "a=%", "a=%4", "a=%zz", "%=1", "a=1&b=%0g", "a=%00", "%00=1"
    };
    struct sx_pairs pairs;

    for (size_t i = 0; i < N(bad); i++)
        assert_int_equal(sx_form_parse(*state, sx_slice_of(bad[i]), 10, &pairs), SX_ERR_INVALID);
    assert_int_equal(sx_form_parse(*state, sx_slice_make("a=\0", 3), 10, &pairs), SX_ERR_INVALID);
}

static void more_pairs_than_the_limit_are_refused(void **state)
{
    struct sx_pairs pairs;

    assert_int_equal(sx_form_parse(*state, sx_slice_of("a&b&c"), 3, &pairs), 0);
    assert_int_equal(sx_form_parse(*state, sx_slice_of("a&b&&&c"), 3, &pairs), 0);
    assert_int_equal(sx_form_parse(*state, sx_slice_of("a&b&c&d"), 3, &pairs), SX_ERR_BUSY);
}

static void repeated_names_are_found_by_their_index(void **state)
{
    struct sx_pairs pairs;

    assert_int_equal(sx_form_parse(*state, sx_slice_of("x=1&y=2&x=3&X=4"), 10, &pairs), 0);

    assert_string_equal(sx_pairs_find(&pairs, sx_slice_of("x"), 0)->value.data, "1");
    assert_string_equal(sx_pairs_find(&pairs, sx_slice_of("x"), 1)->value.data, "3");
    assert_null(sx_pairs_find(&pairs, sx_slice_of("x"), 2));
    assert_string_equal(sx_pairs_find(&pairs, sx_slice_of("X"), 0)->value.data, "4");
    assert_null(sx_pairs_find(&pairs, sx_slice_of("z"), 0));
}

static void an_arena_that_is_too_small_is_told(void **state)
{
    struct sx_arena small;
    struct sx_pairs pairs;

    (void)state;
    sx_arena_init(&small, 0);
    assert_int_equal(sx_form_parse(&small, sx_slice_of("a=1"), 10, &pairs), SX_ERR_NOMEM);
    sx_arena_finish(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_are_decoded),
        cmocka_unit_test(bad_escapes_are_refused),
        cmocka_unit_test(more_pairs_than_the_limit_are_refused),
        cmocka_unit_test(repeated_names_are_found_by_their_index),
        cmocka_unit_test(an_arena_that_is_too_small_is_told),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
