/* Tests of core/http/status.c. */
#include "http/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void known_statuses_have_their_phrase(void **state)
{
    (void)state;
    assert_string_equal(sx_status_reason(100), "Continue");
    assert_string_equal(sx_status_reason(200), "OK");
    assert_string_equal(sx_status_reason(206), "Partial Content");
    assert_string_equal(sx_status_reason(404), "Not Found");
    assert_string_equal(sx_status_reason(413), "Content Too Large");
    assert_string_equal(sx_status_reason(431), "Request Header Fields Too Large");
    assert_string_equal(sx_status_reason(511), "Network Authentication Required");
}

static void other_numbers_are_unknown(void **state)
{
    static const int others[] = { -1, 0, 99, 299, 418, 512, 599, 600, 100000 };

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_string_equal(sx_status_reason(others[i]), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_statuses_have_their_phrase),
        cmocka_unit_test(other_numbers_are_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
