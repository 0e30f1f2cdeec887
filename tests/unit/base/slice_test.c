/* Tests of core/base/slice.h. */
#include "base/slice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void absent_and_empty_are_told_apart_but_equal(void **state)
{
    (void)state;
    assert_null(sx_slice_of(NULL).data);
    assert_non_null(sx_slice_of("").data);
    assert_true(sx_slice_equals(sx_slice_of(NULL), sx_slice_of("")));
    assert_true(sx_slice_equals_nocase(sx_slice_of(NULL), sx_slice_of("")));
}

static void equality_is_by_bytes_or_by_folded_ascii(void **state)
{
    (void)state;
    assert_true(sx_slice_is(sx_slice_of("abc"), "abc"));
    assert_false(sx_slice_is(sx_slice_of("abc"), "abd"));
    assert_false(sx_slice_is(sx_slice_of("abc"), "ab"));
    assert_false(sx_slice_is(sx_slice_of("abc"), "ABC"));
    assert_true(sx_slice_is_nocase(sx_slice_of("aBc"), "AbC"));
    assert_false(sx_slice_is_nocase(sx_slice_of("a@c"), "a`c"));
    assert_true(sx_slice_equals(sx_slice_make("a\0b", 3), sx_slice_make("a\0b", 3)));
    assert_false(sx_slice_equals(sx_slice_make("a\0b", 3), sx_slice_make("a\0c", 3)));
}

static void trim_takes_spaces_and_tabs_off_both_ends(void **state)
{
    (void)state;
    assert_true(sx_slice_is(sx_slice_trim(sx_slice_of(" \ta b\t ")), "a b"));
    assert_true(sx_slice_is(sx_slice_trim(sx_slice_of("\r\na")), "\r\na"));
    assert_int_equal(sx_slice_trim(sx_slice_of(" \t ")).len, 0);
    assert_int_equal(sx_slice_trim(sx_slice_of(NULL)).len, 0);
}

static void cut_leaves_what_is_behind_the_mark(void **state)
{
    struct sx_slice rest = sx_slice_of("a=b=");

    (void)state;
    assert_true(sx_slice_is(sx_slice_cut(&rest, '='), "a"));
    assert_true(sx_slice_is(sx_slice_cut(&rest, '='), "b"));
    assert_non_null(rest.data);
    assert_int_equal(rest.len, 0);
    assert_int_equal(sx_slice_cut(&rest, '=').len, 0);
    assert_null(rest.data);
    assert_null(sx_slice_cut(&rest, '=').data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_and_empty_are_told_apart_but_equal),
        cmocka_unit_test(equality_is_by_bytes_or_by_folded_ascii),
        cmocka_unit_test(trim_takes_spaces_and_tabs_off_both_ends),
        cmocka_unit_test(cut_leaves_what_is_behind_the_mark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
