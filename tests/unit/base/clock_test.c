/* The calendar against the C library, and the three forms of a date in HTTP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"

#define FIRST_S INT64_C(-62135596800) /* 0001-01-01 */
#define LAST_S  INT64_C(253402300799) /* 9999-12-31 */

/* Every 9th day or so of the years 1 to 9999, at moving times of the day. */
static void dates_are_those_of_the_c_library(void **state)
{
    (void)state;
    for (int64_t s = FIRST_S; s <= LAST_S; s += 800001) {
        time_t t = (time_t)s;
        struct tm tm;
        char wanted[64], found[SX_HTTP_DATE_LEN];
        int64_t back = 0;

        assert_non_null(gmtime_r(&t, &tm));
        (void)strftime(wanted, sizeof(wanted), "%a, %d %b ", &tm);
        (void)snprintf(wanted + 12, sizeof(wanted) - 12, "%04d %02d:%02d:%02d GMT",
                       tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
        sx_format_http_date(found, s);
        assert_memory_equal(found, wanted, SX_HTTP_DATE_LEN);
        assert_int_equal(sx_parse_http_date(found, SX_HTTP_DATE_LEN, &back), 0);
        assert_int_equal(back, s);
    }
}

static void rfc3339_has_microseconds_and_knows_times_before_1970(void **state)
{
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        { 0, "1970-01-01T00:00:00.000000Z" },
        { INT64_C(1769903999123456789), "2026-01-31T23:59:59.123456Z" },
        { INT64_C(951782400000000999), "2000-02-29T00:00:00.000000Z" },
        { -1, "1969-12-31T23:59:59.999999Z" },
        { INT64_C(-86400000000000), "1969-12-31T00:00:00.000000Z" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char found[SX_RFC3339_LEN];

        sx_format_rfc3339(found, cases[i].ns);
        assert_memory_equal(found, cases[i].text, SX_RFC3339_LEN);
    }
}

static void all_three_forms_of_a_date_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t unix_s;
    } cases[] = {
        { "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
        { "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
        { "Sun Nov  6 08:49:37 1994", 784111777 },
        { "Wed Nov 16 08:49:37 1994", 784975777 },
        { "Thu, 29 Feb 2024 00:00:00 GMT", 1709164800 },
        { "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t found = -1;

        if (sx_parse_http_date(cases[i].text, strlen(cases[i].text), &found) != 0)
            fail_msg("\"%s\" is no date", cases[i].text);
        assert_int_equal(found, cases[i].unix_s);
    }
}

static void a_year_of_two_digits_is_at_most_50_years_ahead(void **state)
{
    time_t now = (time_t)(sx_clock_wall_ns() / 1000000000);
    struct tm tm;

    (void)state;
    assert_non_null(gmtime_r(&now, &tm));
    for (int two = 0; two < 100; two++) {
        char text[64];
        int64_t found;
        time_t found_t;
        struct tm found_tm;
        int year;

        (void)snprintf(text, sizeof(text), "Monday, 15-Jun-%02d 00:00:00 GMT", two);
        assert_int_equal(sx_parse_http_date(text, strlen(text), &found), 0);
        found_t = (time_t)found;
        assert_non_null(gmtime_r(&found_t, &found_tm));
        year = found_tm.tm_year + 1900;
        assert_int_equal(year % 100, two);
        assert_true(year <= tm.tm_year + 1900 + 50);
    }
}

static void what_is_no_date_is_refused(void **state)
{
    static const char *const cases[] = {
        "",
        "Sun",
        "Sun,",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "sun, 06 Nov 1994 08:49:37 GMT",
        "Xxx, 06 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 29 Feb 2023 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:00:61 GMT",
        "Sun, 06 Nov -994 08:49:37 GMT",
        "Sun, 06-Nov-94 08:49:37 GMT",
        "Sunday, 06 Nov 1994 08:49:37 GMT",
        "Sun Nov 6 08:49:37 1994",
        "Sun Nov  6 08:49:37 94",
        "Sun Nov  6 08:49:37 1994 GMT",
        "784111777",
    };
    int64_t found = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (sx_parse_http_date(cases[i], strlen(cases[i]), &found) != SX_ERR_INVALID)
            fail_msg("\"%s\" is a date", cases[i]);
    }
    assert_int_equal(found, 77);
}

/* Exactly len bytes on the heap, so that a sanitizer sees a read behind them. */
static void a_cut_date_is_not_read_behind_its_end(void **state)
{
    static const char *const forms[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
                                         "Sunday, 06-Nov-94 08:49:37 GMT",
                                         "Sun Nov  6 08:49:37 1994" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        for (size_t len = 0; len < strlen(forms[i]); len++) {
            char *text = malloc(len == 0 ? 1 : len);
            int64_t found;

            memcpy(text, forms[i], len);
            assert_int_equal(sx_parse_http_date(text, len, &found), SX_ERR_INVALID);
            free(text);
        }
    }
}

static void monotonic_time_does_not_go_back(void **state)
{
    uint64_t before = sx_clock_mono_ns();

    (void)state;
    for (int i = 0; i < 1000; i++) {
        uint64_t now = sx_clock_mono_ns();

        assert_true(now >= before);
        before = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_are_those_of_the_c_library),
        cmocka_unit_test(rfc3339_has_microseconds_and_knows_times_before_1970),
        cmocka_unit_test(all_three_forms_of_a_date_are_read),
        cmocka_unit_test(a_year_of_two_digits_is_at_most_50_years_ahead),
        cmocka_unit_test(what_is_no_date_is_refused),
        cmocka_unit_test(a_cut_date_is_not_read_behind_its_end),
        cmocka_unit_test(monotonic_time_does_not_go_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
