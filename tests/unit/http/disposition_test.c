/* Tests of core/http/disposition.c. */
#include "http/disposition.h"

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

static void names_are_read_and_unescaped(void **state)
{
    static const struct {
        const char *value, *name, *file_name; /* NULL: absent */
    } cases[] = {
        { "form-data; name=a", "a", NULL },
        { "Form-Data ;NAME=\"a b\"", "a b", NULL },
        { "form-data; name=\"\"", "", NULL },
        { "form-data; name=\"a\"; filename=\"b.txt\"", "a", "b.txt" },
        { "form-data; filename=\"\"; name=a", "a", "" },
        { "form-data; name=\"a\\\"b\\\\c\\d\"", "a\"b\\c\\d", NULL },
        { "form-data; name=a; filename=\"C:\\dir\\x.txt\"", "a", "C:\\dir\\x.txt" },
        { "form-data; name=a; filename=\"x;y.txt\"", "a", "x;y.txt" },
        { "form-data; name=a; filename=\"\xc3\xa4\"", "a", "\xc3\xa4" },
        { "form-data; name=a; filename=plain; filename*=UTF-8''%e2%82%ac%20x", "a",
          "\xe2\x82\xac x" },
        { "form-data; filename*=utf-8'en'x; filename=y; name=a", "a", "x" },
        { "form-data; name=a; filename*=ISO-8859-1''%e4b", "a",
          "\xc3\xa4"
          "b" },
        { "form-data; name=a; size=12; other=\"x\"", "a", NULL },
        { "form-data; name=a;", "a", NULL },
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct sx_disposition d;

        assert_int_equal(sx_disposition_parse(*state, sx_slice_of(cases[i].value), &d), 0);
        assert_string_equal(d.name.data, cases[i].name);
        assert_int_equal(d.name.len, strlen(cases[i].name));
        assert_int_equal(d.file_name.data == NULL, cases[i].file_name == NULL);
        if (cases[i].file_name != NULL)
            assert_string_equal(d.file_name.data, cases[i].file_name);
    }
}

static void malformed_ones_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "form-data",
        "attachment; name=a",
        "form-data; filename=a",
        "form-data; name",
        "form-data; name=",
        "form-data; name=\"a",
        "form-data; name=a b",
        "form-data, name=a",
        "form-data; name=a; name=b",
        "form-data; name=a; filename=b; filename=c",
        "form-data; name=a; filename*=b",
        "form-data; name=a; filename*=utf-8'b",
        "form-data; name=a; filename*=utf-8''%ff",
        "form-data; name=a; filename*=utf-8''%zz",
        "form-data; name=a; filename*=utf-8''%00",
        "form-data; name=a; filename*=utf-8''%0d%0aX",
        "form-data; name=a; filename*=koi8-r''x",
        "form-data; name=a; filename*=utf-8''x; filename*=utf-8''y",
        "form-data; name=\"a\rb\"",
        "form-data name=a",
    };

    for (size_t i = 0; i < N(bad); i++) {
        struct sx_disposition d;

        if (sx_disposition_parse(*state, sx_slice_of(bad[i]), &d) != SX_ERR_INVALID)
            fail_msg("accepted \"%s\"", bad[i]);
    }
}

static void an_arena_that_is_too_small_is_told(void **state)
{
    struct sx_arena small;
    struct sx_disposition d;

    (void)state;
    sx_arena_init(&small, 0);
    assert_int_equal(sx_disposition_parse(&small, sx_slice_of("form-data; name=a"), &d),
                     SX_ERR_NOMEM);
    sx_arena_finish(&small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_read_and_unescaped),
        cmocka_unit_test(malformed_ones_are_refused),
        cmocka_unit_test(an_arena_that_is_too_small_is_told),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
