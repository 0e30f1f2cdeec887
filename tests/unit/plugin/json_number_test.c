/*
 * The numbers of <sx/json.h>: as few digits as read back, in every locale.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A locale with a decimal comma, on machines that have none: json.h gets these two. */
static bool comma_is_point;

static __attribute__((format(printf, 3, 4))) int comma_snprintf(char *to, size_t size,
                                                                const char *fmt, ...)
{
    va_list ap;
    char *point;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(to, size, fmt, ap);
    va_end(ap);
    point = strchr(to, '.');
    if (comma_is_point && point != NULL)
        *point = ',';
    return n;
}

static double comma_strtod(const char *text, char **ret_end)
{
    char copy[400];
    char *comma;

    (void)snprintf(copy, sizeof copy, "%s", text);
    comma = strchr(copy, comma_is_point ? ',' : '.');
    if (comma != NULL)
        *comma = '.';
    assert_null(ret_end);
    return strtod(copy, NULL);
}

#define snprintf comma_snprintf
#define strtod   comma_strtod
#include "fake_body.h"
#undef snprintf
#undef strtod

static void integers_keep_all_digits(void **state)
{
    static const struct {
        int64_t value;
        const char *json;
    } cases[] = {
        { 0, "0" },
        { -1, "-1" },
        { 10, "10" },
        { INT64_MAX, "9223372036854775807" },
        { INT64_MIN, "-9223372036854775808" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sx_req *r = *state;
        sx_json_writer w = sx_json_begin(r);

        sx_json_int(&w, cases[i].value);

        assert_int_equal(sx_json_reply(&w, 200), SX_OK);
        assert_string_equal(r->body, cases[i].json);
        again(r);
    }
}

static const struct {
    double value;
    const char *json;
} numbers[] = {
    { 0.0, "0.0" },
    { -0.0, "-0.0" },
    { 1, "1.0" },
    { -2.5, "-2.5" },
    { 0.1, "0.1" },
    { 0.1 + 0.2, "0.30000000000000004" },
    { 101.25, "101.25" },
    { 99999.99, "99999.99" },
    { 1.0 / 3, "0.3333333333333333" },
    { 2.0 / 3, "0.6666666666666666" },
    { 0.00001, "0.00001" },
    { 0.0000012, "1.2e-6" },
    { 123456789012345678.0, "1.2345678901234568e17" },
    { 1e16, "10000000000000000.0" },
    { 9007199254740991.0, "9007199254740991.0" },
    { 9007199254740992.0, "9007199254740992.0" },
    { 9007199254740993.0, "9007199254740992.0" },
    { 1e17, "1.0e17" },
    { 1e23, "1.0e23" },
    { 6.02214076e23, "6.02214076e23" },
    { 1.7976931348623157e308, "1.7976931348623157e308" },
    { 2.2250738585072014e-308, "2.2250738585072014e-308" },
    { 5e-324, "5.0e-324" },
};

static void numbers_are_the_shortest_that_read_back(void **state)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        sx_req *r = *state;
        sx_json_writer w = sx_json_begin(r);

        sx_json_number(&w, numbers[i].value);

        assert_int_equal(sx_json_reply(&w, 200), SX_OK);
        assert_string_equal(r->body, numbers[i].json);
        again(r);
    }
}

/* The digits of the shortest of %.1e … %.17e that reads back. */
static int shortest_length(double v)
{
    char text[40];

    for (int precision = 0; precision < 17; precision++) {
        (void)snprintf(text, sizeof text, "%.*e", precision, v);
        if (strtod(text, NULL) == v)
            return precision + 1;
    }
    return 18;
}

static int significant_digits(const char *json)
{
    int n = 0, zeros = 0;

    for (; *json != '\0' && *json != 'e'; json++) {
        if (*json < '0' || *json > '9')
            continue;
        zeros = *json == '0' ? zeros + 1 : 0;
        n += n > 0 || *json != '0';
    }
    return n - (zeros < n ? zeros : n);
}

static void random_numbers_read_back_in_the_fewest_digits(void **state)
{
    sx_req *r = *state;
    uint64_t x = 88172645463325252u;

    for (int i = 0; i < 40000; i++) {
        sx_json_writer w = sx_json_begin(r);
        double v;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        memcpy(&v, &x, sizeof v);
        if (i % 2 == 0) /* what people write: up to six decimals */
            v = (double)(x % 10000000000u) / (double[]){ 1, 1e2, 1e4, 1e6 }[x >> 62];
        if (!isfinite(v))
            continue;
        sx_json_number(&w, v);

        assert_int_equal(sx_json_reply(&w, 200), SX_OK);
        assert_true(strtod(r->body, NULL) == v);
        if (v != 0)
            assert_int_equal(significant_digits(r->body), shortest_length(v));
        again(r);
    }
}

static void numbers_have_a_point_in_every_locale(void **state)
{
    sx_req *r = *state;
    sx_json_writer w = sx_json_begin(r);

    comma_is_point = true;
    sx_json_array(&w);
    sx_json_number(&w, 1.5);
    sx_json_number(&w, 0.1 + 0.2);
    sx_json_number(&w, 6.02214076e23);
    sx_json_end(&w);
    comma_is_point = false;

    assert_int_equal(sx_json_reply(&w, 200), SX_OK);
    assert_string_equal(r->body, "[1.5,0.30000000000000004,6.02214076e23]");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        claim(integers_keep_all_digits),
        claim(numbers_are_the_shortest_that_read_back),
        claim(random_numbers_read_back_in_the_fewest_digits),
        claim(numbers_have_a_point_in_every_locale),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
