/* The buffer: growth, ceiling, sticky error, JSON escapes, and every allocation failing once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"

#include "base/buf.c"

static void buf_keeps_what_is_added(void **state)
{
    struct sx_buf b;
    char expected[3000];

    (void)state;
    sx_buf_init(&b, 100000);
    assert_string_equal(sx_buf_text(&b), "");
    for (size_t i = 0; i < sizeof(expected) - 1; i++) {
        expected[i] = (char)('a' + i % 26);
        sx_buf_add(&b, &expected[i], 1);
    }
    expected[sizeof(expected) - 1] = '\0';
    assert_string_equal(sx_buf_text(&b), expected);
    assert_int_equal(b.len, sizeof(expected) - 1);
    sx_buf_add(&b, NULL, 0);
    assert_false(sx_buf_failed(&b));
    sx_buf_finish(&b);
    sx_buf_finish(&b);
}

static void buf_takes_exactly_its_ceiling(void **state)
{
    static const size_t ceilings[] = { 0, 1, 127, 128, 129, 1000, 4096 };

    (void)state;
    for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++) {
        struct sx_buf b;

        sx_buf_init(&b, ceilings[i]);
        for (size_t n = 0; n < ceilings[i]; n++)
            sx_buf_add(&b, "x", 1);
        assert_false(sx_buf_failed(&b));
        assert_int_equal(strlen(sx_buf_text(&b)), ceilings[i]);

        sx_buf_add(&b, "x", 1);
        assert_true(sx_buf_failed(&b));
        assert_null(sx_buf_text(&b));
        assert_int_equal(b.len, ceilings[i]);
        sx_buf_finish(&b);
    }
}

static void buf_error_stays_until_a_reset(void **state)
{
    struct sx_buf b;

    (void)state;
    sx_buf_init(&b, 10);
    sx_buf_add_text(&b, "12345");
    sx_buf_add_text(&b, "678901");
    sx_buf_add_text(&b, "6");
    assert_true(sx_buf_failed(&b));
    assert_int_equal(b.len, 5);
    assert_null(sx_buf_reserve(&b, 1));

    sx_buf_reset(&b, 4096);
    sx_buf_add_text(&b, "abc");
    assert_string_equal(sx_buf_text(&b), "abc");
    sx_buf_finish(&b);
}

static void buf_sizes_near_the_largest_do_not_overflow(void **state)
{
    struct sx_buf b;

    (void)state;
    sx_buf_init(&b, SIZE_MAX);
    sx_buf_add_text(&b, "abc");
    assert_null(sx_buf_reserve(&b, SIZE_MAX));
    assert_true(sx_buf_failed(&b));
    sx_buf_reset(&b, 0);
    assert_null(sx_buf_reserve(&b, SIZE_MAX - 3));
    sx_buf_finish(&b);
}

static void buf_reset_keeps_small_memory_and_frees_large(void **state)
{
    struct sx_buf b;

    (void)state;
    sx_buf_init(&b, 1u << 20);
    sx_buf_add_text(&b, "small");
    sx_buf_reset(&b, 4096);
    assert_non_null(b.data);
    assert_int_equal(b.len, 0);
    assert_non_null(sx_buf_reserve(&b, 5000));
    sx_buf_reset(&b, 4096);
    assert_null(b.data);
    sx_buf_finish(&b);
}

static void buf_formats_numbers_and_text(void **state)
{
    struct sx_buf b;

    (void)state;
    sx_buf_init(&b, 4096);
    sx_buf_add_uint(&b, 0);
    sx_buf_printf(&b, "%s", "");
    sx_buf_printf(&b, "|%d|%s|", -5, "x");
    sx_buf_add_uint(&b, UINT64_MAX);
    sx_buf_printf(&b, "%*d", 300, 7);
    assert_memory_equal(sx_buf_text(&b), "0|-5|x|18446744073709551615  ", 29);
    assert_int_equal(b.len, 27 + 300);
    sx_buf_finish(&b);
}

static void buf_writes_json_text_that_is_valid(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        const char *json;
    } cases[] = {
        { "", 0, "\"\"" },
        { "plain text, longer than a word of eight bytes", 45,
          "\"plain text, longer than a word of eight bytes\"" },
        { "a\"b\\c/d", 7, "\"a\\\"b\\\\c/d\"" },
        { "\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\"" },
        { "\0\x01\x1f\x7f", 4, "\"\\u0000\\u0001\\u001f\x7f\"" },
        { "12345678\x01"
          "2345678",
          16, "\"12345678\\u00012345678\"" },
        { "1234567\"", 8, "\"1234567\\\"\"" },
        { "\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9, "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"" },
        { "a\xFFz", 3, "\"a\xEF\xBF\xBDz\"" },
        { "\xC0\x80", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\"" },
        { "\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" },
        { "12345678\xE2\x82", 10, "\"12345678\xEF\xBF\xBD\xEF\xBF\xBD\"" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sx_buf b;

        sx_buf_init(&b, 4096);
        sx_buf_add_json_text(&b, cases[i].text, cases[i].len);
        assert_string_equal(sx_buf_text(&b), cases[i].json);
        sx_buf_finish(&b);
    }
}

static void write_much(struct sx_buf *b)
{
    for (int i = 0; i < 100; i++) {
        sx_buf_add_text(b, "text");
        sx_buf_printf(b, "%d", i);
        sx_buf_add_json_text(b, "\"\n\xFF", 3);
    }
}

static void buf_survives_every_failed_allocation(void **state)
{
    long n = 0;
    bool failed;

    (void)state;
    do {
        struct sx_buf b;

        sx_buf_init(&b, 1u << 20);
        fail_call(++n);
        write_much(&b);
        failed = has_failed();
        fail_call(0);
        assert_int_equal(sx_buf_failed(&b), failed);
        sx_buf_reset(&b, SIZE_MAX);
        write_much(&b);
        assert_false(sx_buf_failed(&b));
        sx_buf_finish(&b);
    } while (failed);
    assert_true(n > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buf_keeps_what_is_added),
        cmocka_unit_test(buf_takes_exactly_its_ceiling),
        cmocka_unit_test(buf_error_stays_until_a_reset),
        cmocka_unit_test(buf_sizes_near_the_largest_do_not_overflow),
        cmocka_unit_test(buf_reset_keeps_small_memory_and_frees_large),
        cmocka_unit_test(buf_formats_numbers_and_text),
        cmocka_unit_test(buf_writes_json_text_that_is_valid),
        cmocka_unit_test(buf_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
