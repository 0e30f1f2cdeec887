/* Text: strict numbers, percent-decoding, UTF-8 and what JSON may hold as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"

static void numbers_are_parsed_strictly(void **state)
{
    static const struct {
        const char *text;
        bool is_int, is_uint;
        int64_t value;
    } cases[] = {
        { "0", true, true, 0 },
        { "-0", true, false, 0 },
        { "007", true, true, 7 },
        { "9223372036854775807", true, true, INT64_MAX },
        { "-9223372036854775808", true, false, INT64_MIN },
        { "9223372036854775808", false, true, INT64_MIN },
        { "-9223372036854775809", false, false, 0 },
        { "18446744073709551615", false, true, -1 },
        { "18446744073709551616", false, false, 0 },
        { "99999999999999999999", false, false, 0 },
        { "", false, false, 0 },
        { "-", false, false, 0 },
        { "--1", false, false, 0 },
        { "+1", false, false, 0 },
        { " 1", false, false, 0 },
        { "1 ", false, false, 0 },
        { "1.0", false, false, 0 },
        { "0x10", false, false, 0 },
        { "1e3", false, false, 0 },
        { "\xD9\xA1", false, false, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].text);
        int64_t value = 77;
        uint64_t uvalue = 77;
        int rc = sx_parse_int(cases[i].text, len, &value);
        int urc = sx_parse_uint(cases[i].text, len, &uvalue);

        if (rc != (cases[i].is_int ? 0 : SX_ERR_INVALID) ||
            urc != (cases[i].is_uint ? 0 : SX_ERR_INVALID))
            fail_msg("\"%s\": %d, %d", cases[i].text, rc, urc);
        assert_int_equal(value, rc == 0 ? cases[i].value : 77);
        assert_int_equal(uvalue, urc == 0 ? (uint64_t)cases[i].value : 77);
    }
}

static void json_numbers_follow_the_grammar(void **state)
{
    static const struct {
        const char *text;
        double value;
    } good[] = {
        { "0", 0 },
        { "-0", 0 },
        { "1.5", 1.5 },
        { "-12.25", -12.25 },
        { "1e3", 1000 },
        { "1E+3", 1000 },
        { "25e-1", 2.5 },
        { "0.5", 0.5 },
        { "1e-400", 0 },
        { "1e308", 1e308 },
        { "123456789012345678901234567890", 123456789012345678901234567890.0 },
    };
    static const char *const bad[] = { "",      "-",      ".5",  "5.",   "01",   "-01",   "+1",
                                       "1e",    "1e+",    "e5",  "1.e5", "0x10", "inf",   "nan",
                                       "1e309", "-1e999", "1,5", " 1",   "1 ",   "1.2.3", "1e5.5" };
    char digits[600];
    double value = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(sx_parse_number(good[i].text, strlen(good[i].text), &value), 0);
        assert_true(value == good[i].value);
    }
    value = 77;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (sx_parse_number(bad[i], strlen(bad[i]), &value) != SX_ERR_INVALID)
            fail_msg("\"%s\" is a number", bad[i]);
    }
    memset(digits, '1', sizeof(digits));
    assert_int_equal(sx_parse_number(digits, sizeof(digits), &value), SX_ERR_INVALID);
    assert_true(value == 77);
}

static void digits_are_written_as_printf_does(void **state)
{
    uint64_t value = 1;

    (void)state;
    for (int i = 0; i < 64; i++, value = value * 2 + (uint64_t)i % 3) {
        char found[21], wanted[32];

        found[sx_format_uint(found, value)] = '\0';
        (void)snprintf(wanted, sizeof(wanted), "%llu", (unsigned long long)value);
        assert_string_equal(found, wanted);
    }
    assert_int_equal(sx_format_uint((char[20]){ 0 }, 0), 1);
    assert_int_equal(sx_format_uint((char[20]){ 0 }, UINT64_MAX), 20);
}

static void case_is_folded_for_ascii_only(void **state)
{
    (void)state;
    assert_true(sx_text_equals_nocase("Content-TYPE", "content-type", 12));
    assert_false(sx_text_equals_nocase("a", "b", 1));
    assert_false(sx_text_equals_nocase("@[`{", "`{@[", 4));
    assert_false(sx_text_equals_nocase("\xC3\x89", "\xC3\xA9", 2));
    assert_true(sx_text_equals_nocase("x", "y", 0));
}

static int folded(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* Texts are compared by words: one pair of bytes at each place of each length. */
static void bytes_are_compared_at_any_place(void **state)
{
    static const int flips[] = { 0, 0x20, 0x40, 0x01, 0x80, 0xa0 };
    char a[20], b[20];

    (void)state;
    for (size_t len = 1; len <= sizeof(a); len++) {
        for (size_t at = 0; at < len; at++) {
            for (int c = 0; c < 256 * 6; c++) {
                int one = c / 6, other = one ^ flips[c % 6];

                memset(a, 'N', len);
                memset(b, 'n', len);
                a[at] = (char)one;
                b[at] = (char)other;
                assert_int_equal(sx_text_equals_nocase(a, b, len), folded(one) == folded(other));
            }
        }
    }
}

static void percent_escapes_are_decoded_or_refused(void **state)
{
    static const struct {
        const char *text;
        bool plus_is_space;
        const char *decoded; /* NULL: refused */
    } cases[] = {
        { "", false, "" },
        { "abc", false, "abc" },
        { "a%20b", false, "a b" },
        { "a+b", false, "a+b" },
        { "a+b", true, "a b" },
        { "%2B", true, "+" },
        { "%c3%A9", false, "\xC3\xA9" },
        { "%2f%2F", false, "//" },
        { "%25%32%30", false, "%20" },
        { "%", false, NULL },
        { "%2", false, NULL },
        { "a%2", false, NULL },
        { "%2g", false, NULL },
        { "%g2", false, NULL },
        { "%00", false, NULL },
        { "%-1", false, NULL },
        { "% 1", false, NULL },
        { "%%41", false, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = strlen(cases[i].text);
        char *text = strdup(cases[i].text);
        ptrdiff_t n = sx_percent_decode(text, text, len, cases[i].plus_is_space);

        if (cases[i].decoded == NULL) {
            assert_int_equal(n, SX_ERR_INVALID);
        } else {
            assert_int_equal(n, strlen(cases[i].decoded));
            assert_memory_equal(text, cases[i].decoded, (size_t)n);
        }
        free(text);
    }
    assert_int_equal(sx_percent_decode((char[4]){ 0 }, "a\0b", 3, false), SX_ERR_INVALID);
}

static void hexadecimal_is_lower_case(void **state)
{
    char text[8];

    (void)state;
    sx_format_hex(text, "\x00\x9f\xAB\xff", 4);
    assert_memory_equal(text, "009fabff", 8);
}

/* What a sequence stands for, by the definition; -1: not well-formed. */
static long decode_slowly(const unsigned char *s, size_t n)
{
    static const long least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    long value;

    if (n == 1)
        return s[0] < 0x80 ? s[0] : -1;
    if ((s[0] & (0xFF << (7 - n) & 0xFF)) != (0xFF << (8 - n) & 0xFF))
        return -1;
    value = s[0] & (0x7F >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return -1;
        value = value << 6 | (s[i] & 0x3F);
    }
    if (value < least[n] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return -1;
    return value;
}

static size_t length_slowly(const unsigned char *s, size_t len)
{
    for (size_t n = 1; n <= 4 && n <= len; n++) {
        if (decode_slowly(s, n) >= 0)
            return n;
    }
    return 0;
}

static void utf8_is_told_by_its_definition(void **state)
{
    static const unsigned char tails[] = { 0x00, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0 };
    const size_t n = sizeof(tails);

    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        for (size_t i = 0; i < n * n * n; i++) {
            const unsigned char s[4] = { (unsigned char)first, tails[i % n], tails[i / n % n],
                                         tails[i / n / n] };

            for (size_t len = 1; len <= 4; len++)
                assert_int_equal(sx_utf8_length((const char *)s, len), length_slowly(s, len));
        }
    }
}

static void utf8_texts_are_checked_at_every_place(void **state)
{
    char text[40];

    (void)state;
    for (size_t at = 0; at < sizeof(text); at++) {
        memset(text, 'x', sizeof(text));
        assert_true(sx_is_utf8(text, sizeof(text)));
        text[at] = (char)0xFF;
        assert_false(sx_is_utf8(text, sizeof(text)));
        memset(text, 'x', sizeof(text));
        memcpy(text + at, "\xE2\x82\xAC", at + 3 <= sizeof(text) ? 3 : sizeof(text) - at);
        assert_int_equal(sx_is_utf8(text, sizeof(text)), at + 3 <= sizeof(text));
    }
    assert_true(sx_is_utf8("", 0));
}

static void json_text_is_plain_up_to_the_first_special_byte(void **state)
{
    char text[40];

    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        bool is_plain = c >= 0x20 && c != '"' && c != '\\' && c < 0x80;

        for (size_t at = 0; at < sizeof(text); at++) {
            memset(text, 'x', sizeof(text));
            text[at] = (char)c;
            assert_int_equal(sx_json_plain_length(text, sizeof(text)),
                             is_plain ? sizeof(text) : at);
        }
    }
    assert_int_equal(sx_json_plain_length("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80xyz", 12), 12);
    assert_int_equal(sx_json_plain_length("ab\xC3", 3), 2);
    assert_int_equal(sx_json_plain_length("", 0), 0);
}

static void json_text_is_copied_only_when_all_of_it_is_plain(void **state)
{
    (void)state;
    for (size_t len = 0; len < 70; len++) {
        char *text = malloc(len + 1), *copy = malloc(len + 1);

        for (unsigned c = 1; c < 256; c++) {
            bool is_plain = c >= 0x20 && c != '"' && c != '\\' && c < 0x80;

            for (size_t at = 0; at < len; at += 1 + len / 20) {
                memset(text, 'x', len);
                text[at] = (char)c;
                copy[len] = '#';
                assert_int_equal(sx_json_copy_plain(copy, text, len), is_plain);
                assert_int_equal(copy[len], '#');
                if (is_plain)
                    assert_memory_equal(copy, text, len);
            }
        }
        free(text);
        free(copy);
    }
}

static void text_that_is_cut_ends_with_a_whole_character(void **state)
{
    static const char text[] = "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 1, 2, 3, 4, 1 bytes */
    static const size_t cuts[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11, 11 };

    (void)state;
    for (size_t max = 0; max < sizeof cuts / sizeof cuts[0]; max++)
        assert_int_equal(sx_utf8_cut(text, sizeof text - 1, max), cuts[max]);
    assert_int_equal(sx_utf8_cut("\x80\x80\x80\x80\x80\x80", 6, 5), 2); /* no text */
    assert_int_equal(sx_utf8_cut("", 0, 5), 0);
}

static void digits_have_zeros_in_front(void **state)
{
    char text[8] = "#######";

    (void)state;
    sx_format_digits(text + 1, 42, 5);
    assert_memory_equal(text, "#00042#", 7);
    sx_format_digits(text + 1, 1234567, 4);
    assert_memory_equal(text, "#45672#", 7);
    sx_format_digits(text, 7, 1);
    assert_int_equal(text[0], '7');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_parsed_strictly),
        cmocka_unit_test(json_numbers_follow_the_grammar),
        cmocka_unit_test(digits_are_written_as_printf_does),
        cmocka_unit_test(case_is_folded_for_ascii_only),
        cmocka_unit_test(bytes_are_compared_at_any_place),
        cmocka_unit_test(percent_escapes_are_decoded_or_refused),
        cmocka_unit_test(hexadecimal_is_lower_case),
        cmocka_unit_test(utf8_is_told_by_its_definition),
        cmocka_unit_test(utf8_texts_are_checked_at_every_place),
        cmocka_unit_test(json_text_is_plain_up_to_the_first_special_byte),
        cmocka_unit_test(json_text_is_copied_only_when_all_of_it_is_plain),
        cmocka_unit_test(text_that_is_cut_ends_with_a_whole_character),
        cmocka_unit_test(digits_have_zeros_in_front),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
