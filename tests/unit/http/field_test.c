/* Tests of core/http/field.c. */
#include "http/field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

#define N(a) (sizeof(a) / sizeof *(a))

static void only_tchars_make_a_token(void **state)
{
    static const char specials[] = "!#$%&'*+-.^_`|~";

    (void)state;
    for (int c = 0; c < 256; c++) {
        bool is_alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool expected = is_alnum || (c != 0 && c < 128 && strchr(specials, c) != NULL);

        assert_int_equal(sx_field_is_tchar((char)c), expected);
    }
    assert_true(sx_field_is_token(sx_slice_of("X-Thing_1")));
    assert_false(sx_field_is_token(sx_slice_of("")));
    assert_false(sx_field_is_token(sx_slice_of("a b")));
    assert_false(sx_field_is_token(sx_slice_of("a:")));
    assert_false(sx_field_is_token(sx_slice_make("a\0b", 3)));
}

/* Every byte of a token in every place of names of one, two and three words. */
static void a_name_is_known_in_any_case_and_nothing_else_is(void **state)
{
    static const char *const names[] = { "host", "expect", "connection", "x-request-id",
                                         "transfer-encoding" };

    (void)state;
    for (size_t i = 0; i < N(names); i++) {
        size_t len = strlen(names[i]);
        char token[32];

        memcpy(token, names[i], len);
        assert_false(sx_field_is_named(sx_slice_make(token, len - 1), names[i]));
        for (size_t at = 0; at < len; at++) {
            for (int c = 0; c < 256; c++) {
                bool is_same = c == names[i][at] ||
                               (c >= 'A' && c <= 'Z' && c + ('a' - 'A') == names[i][at]);

                token[at] = (char)c;
                if (sx_field_is_tchar((char)c))
                    assert_int_equal(sx_field_is_named(sx_slice_make(token, len), names[i]),
                                     is_same);
            }
            token[at] = names[i][at];
        }
    }
}

static void values_have_no_control_bytes_but_tab(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char text[3] = { 'a', (char)c, 'b' };
        bool expected = c == '\t' || (c >= 0x20 && c != 0x7f);

        assert_int_equal(sx_field_is_value(sx_slice_make(text, 3)), expected);
    }
    assert_true(sx_field_is_value(sx_slice_of("")));
}

/* Values are looked at eight bytes at a time. */
static void a_control_byte_is_found_at_any_place(void **state)
{
    char text[27];

    (void)state;
    for (size_t at = 0; at < sizeof text; at++) {
        for (int c = 0; c < 256; c++) {
            for (int around = 0; around < 256; around += 0x55 / 2) {
                bool is_around_good = around >= 0x20 && around != 0x7f;
                bool is_good = c == '\t' || (c >= 0x20 && c != 0x7f);

                memset(text, is_around_good ? around : 'a', sizeof text);
                text[at] = (char)c;
                assert_int_equal(sx_field_is_value(sx_slice_make(text, sizeof text)), is_good);
            }
        }
    }
}

static void lists_are_split_at_commas_outside_of_quotes(void **state)
{
    static const struct {
        const char *list;
        const char *items[4];
    } cases[] = {
        { "", { NULL } },
        { " , ,\t,", { NULL } },
        { "a", { "a" } },
        { "a,b , c", { "a", "b", "c" } },
        { ",a,,b,", { "a", "b" } },
        { "\"a,b\", c", { "\"a,b\"", "c" } },
        { "x=\"\\\",\";y, z", { "x=\"\\\",\";y", "z" } },
        { "a, \"b, c", { "a", "\"b, c" } },
        { "a, \"b\\", { "a", "\"b\\" } },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_slice rest = sx_slice_of(cases[i].list), item;
        size_t n = 0;

        while (sx_field_list_next(&rest, &item)) {
            assert_non_null(cases[i].items[n]);
            assert_true(sx_slice_is(item, cases[i].items[n]));
            n++;
        }
        assert_null(cases[i].items[n]);
    }
}

static void a_list_has_a_token_in_any_case_and_with_parameters(void **state)
{
    (void)state;
    assert_true(sx_field_list_has(sx_slice_of("keep-alive, Close"), "close"));
    assert_true(sx_field_list_has(sx_slice_of("gzip;q=1, chunked ;x=1"), "chunked"));
    assert_false(sx_field_list_has(sx_slice_of("closed, xclose"), "close"));
    assert_false(sx_field_list_has(sx_slice_of("\"a, close\""), "close"));
    assert_false(sx_field_list_has(sx_slice_make(NULL, 0), "close"));
}

static void parameters_come_one_by_one(void **state)
{
    struct sx_slice rest = sx_slice_of("; a=1 ;B=\"x;\\\"y\";; c=\"\"");
    struct sx_param p;

    (void)state;
    assert_int_equal(sx_field_param_next(&rest, &p), 1);
    assert_true(sx_slice_is(p.name, "a") && sx_slice_is(p.value, "1") && !p.is_quoted);
    assert_int_equal(sx_field_param_next(&rest, &p), 1);
    assert_true(sx_slice_is(p.name, "B") && sx_slice_is(p.value, "x;\\\"y") && p.is_quoted);
    assert_int_equal(sx_field_param_next(&rest, &p), 1);
    assert_true(sx_slice_is(p.name, "c") && p.value.len == 0 && p.is_quoted);
    assert_int_equal(sx_field_param_next(&rest, &p), 0);
}

static void malformed_parameters_are_refused(void **state)
{
    static const char *const cases[] = {
        "a", ";a", ";a=", ";=1", ";a =1", ";a= 1", ";a=\"x", ";a=\"x\"y", ";a=1 b=2", ";a=\"\\\"",
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_slice rest = sx_slice_of(cases[i]);
        struct sx_param p;

        assert_int_equal(sx_field_param_next(&rest, &p), SX_ERR_INVALID);
    }
}

static void content_length_is_digits_only(void **state)
{
    static const char *const bad[] = {
        "",
        "-1",
        "+1",
        " 1",
        "1 ",
        "1,1",
        "1, 1",
        "0x10",
        "1.0",
        "1e3",
        "a",
        "9223372036854775808",
        "18446744073709551616",
        "99999999999999999999999",
    };
    uint64_t n = 77;

    (void)state;
    for (size_t i = 0; i < N(bad); i++)
        assert_int_equal(sx_field_parse_length(sx_slice_of(bad[i]), &n), SX_ERR_INVALID);
    assert_int_equal(sx_field_parse_length(sx_slice_make("1\0", 2), &n), SX_ERR_INVALID);
    assert_int_equal(n, 77);
    assert_int_equal(sx_field_parse_length(sx_slice_of("0"), &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(sx_field_parse_length(sx_slice_of("000000000000000000000042"), &n), 0);
    assert_int_equal(n, 42);
    assert_int_equal(sx_field_parse_length(sx_slice_of("9223372036854775807"), &n), 0);
    assert_true(n == INT64_MAX);
}

static void weights_have_at_most_three_decimals(void **state)
{
    static const struct {
        const char *text;
        int weight; /* -1: refused */
    } cases[] = {
        { "0", 0 },      { "1", 1000 },  { "0.", 0 },       { "1.", 1000 },  { "0.5", 500 },
        { "0.25", 250 }, { "0.001", 1 }, { "1.000", 1000 }, { "1.001", -1 }, { "0.0001", -1 },
        { "2", -1 },     { ".5", -1 },   { "-0", -1 },      { "", -1 },      { "0,5", -1 },
        { "01", -1 },    { "0.a", -1 },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        int weight = -1;
        int err = sx_field_parse_weight(sx_slice_of(cases[i].text), &weight);

        assert_int_equal(err, cases[i].weight < 0 ? SX_ERR_INVALID : 0);
        assert_int_equal(weight, cases[i].weight);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_tchars_make_a_token),
        cmocka_unit_test(a_name_is_known_in_any_case_and_nothing_else_is),
        cmocka_unit_test(values_have_no_control_bytes_but_tab),
        cmocka_unit_test(a_control_byte_is_found_at_any_place),
        cmocka_unit_test(lists_are_split_at_commas_outside_of_quotes),
        cmocka_unit_test(a_list_has_a_token_in_any_case_and_with_parameters),
        cmocka_unit_test(parameters_come_one_by_one),
        cmocka_unit_test(malformed_parameters_are_refused),
        cmocka_unit_test(content_length_is_digits_only),
        cmocka_unit_test(weights_have_at_most_three_decimals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
