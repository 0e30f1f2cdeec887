/* Tests of core/http/conditions.c. */
#include "http/conditions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N(a)       (sizeof(a) / sizeof *(a))
#define TAG        "\"a-1\""
#define BEFORE     "Sun, 06 Nov 1994 08:49:36 GMT"
#define EXACT      "Sun, 06 Nov 1994 08:49:37 GMT"
#define AFTER      "Sun, 06 Nov 1994 08:49:38 GMT"
#define MODIFIED_S 784111777

static const struct sx_validators ours = { { TAG, sizeof TAG - 1 }, MODIFIED_S, MODIFIED_S + 3600 };

static void preconditions_are_evaluated_in_their_order(void **state)
{
    static const struct {
        const char *if_match, *if_unmodified, *if_none_match, *if_modified; /* NULL: absent */
        int status;
    } cases[] = {
        { NULL, NULL, NULL, NULL, 200 },
        /* If-Match: strong */
        { TAG, NULL, NULL, NULL, 200 },
        { "*", NULL, NULL, NULL, 200 },
        { "\"x\", " TAG, NULL, NULL, NULL, 200 },
        { "\"x\"", NULL, NULL, NULL, 412 },
        { "W/" TAG, NULL, NULL, NULL, 412 },
        { "", NULL, NULL, NULL, 412 },
        { "a-1", NULL, NULL, NULL, 412 },
        /* If-Match makes If-Unmodified-Since void */
        { TAG, BEFORE, NULL, NULL, 200 },
        { "\"x\"", AFTER, NULL, NULL, 412 },
        { NULL, BEFORE, NULL, NULL, 412 },
        { NULL, EXACT, NULL, NULL, 200 },
        { NULL, AFTER, NULL, NULL, 200 },
        { NULL, "yesterday", NULL, NULL, 200 },
        /* If-None-Match: weak, and it makes If-Modified-Since void */
        { NULL, NULL, TAG, NULL, 304 },
        { NULL, NULL, "W/" TAG, NULL, 304 },
        { NULL, NULL, "*", NULL, 304 },
        { NULL, NULL, "\"x\",\"y,z\" , W/" TAG, NULL, 304 },
        { NULL, NULL, "\"x\"", NULL, 200 },
        { NULL, NULL, "", NULL, 200 },
        { NULL, NULL, "\"x\"", AFTER, 200 },
        { NULL, NULL, TAG, BEFORE, 304 },
        { NULL, NULL, NULL, BEFORE, 200 },
        { NULL, NULL, NULL, EXACT, 304 },
        { NULL, NULL, NULL, AFTER, 304 },
        { NULL, NULL, NULL, "Sunday, 06-Nov-94 08:49:37 GMT", 304 },
        { NULL, NULL, NULL, "junk", 200 },
        /* both groups */
        { TAG, NULL, TAG, NULL, 304 },
        { "\"x\"", NULL, TAG, NULL, 412 },
        { NULL, BEFORE, TAG, NULL, 412 },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_file_conditions c = {
            .if_match = sx_slice_of(cases[i].if_match),
            .if_unmodified_since = sx_slice_of(cases[i].if_unmodified),
            .if_none_match = sx_slice_of(cases[i].if_none_match),
            .if_modified_since = sx_slice_of(cases[i].if_modified),
        };

        if (sx_conditions_check(&c, &ours) != cases[i].status)
            fail_msg("case %zu: expected %d", i, cases[i].status);
    }
}

static void a_range_counts_only_for_the_same_file(void **state)
{
    static const struct {
        const char *range, *if_range;
        bool is_head, expected;
        int64_t now_s;
    } cases[] = {
        { NULL, NULL, false, false, MODIFIED_S + 3600 },
        { "bytes=0-", NULL, false, true, MODIFIED_S + 3600 },
        { "bytes=0-", NULL, true, false, MODIFIED_S + 3600 },
        { "bytes=0-", TAG, false, true, MODIFIED_S + 3600 },
        { "bytes=0-", "\"x\"", false, false, MODIFIED_S + 3600 },
        { "bytes=0-", "W/" TAG, false, false, MODIFIED_S + 3600 },
        { "bytes=0-", EXACT, false, true, MODIFIED_S + 3600 },
        { "bytes=0-", BEFORE, false, false, MODIFIED_S + 3600 },
        { "bytes=0-", AFTER, false, false, MODIFIED_S + 3600 },
        { "bytes=0-", EXACT, false, false, MODIFIED_S },
        { "bytes=0-", EXACT, false, false, MODIFIED_S + 1 },
        { "bytes=0-", "junk", false, false, MODIFIED_S + 3600 },
        { "bytes=0-", "", false, false, MODIFIED_S + 3600 },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_file_conditions c = { .range = sx_slice_of(cases[i].range),
                                        .if_range = sx_slice_of(cases[i].if_range),
                                        .is_head = cases[i].is_head };
        struct sx_validators v = ours;

        v.now_s = cases[i].now_s;
        if (sx_conditions_use_range(&c, &v) != cases[i].expected)
            fail_msg("case %zu", i);
    }
}

static void ranges_are_selected(void **state)
{
    static const struct {
        const char *range;
        uint64_t total;
        int status;
        uint64_t offset, length;
    } cases[] = {
        { "bytes=0-0", 10, 206, 0, 1 },
        { "bytes=0-9", 10, 206, 0, 10 },
        { "bytes=2-5", 10, 206, 2, 4 },
        { "bytes=9-", 10, 206, 9, 1 },
        { "bytes=0-", 10, 206, 0, 10 },
        { "bytes=5-99", 10, 206, 5, 5 },
        { "bytes=-3", 10, 206, 7, 3 },
        { "bytes=-99", 10, 206, 0, 10 },
        { "Bytes=1-2", 10, 206, 1, 2 },
        { "bytes= 1-2 ", 10, 206, 1, 2 },
        { "bytes=1-2,", 10, 206, 1, 2 },
        { "bytes=3-99999999999999999999999", 10, 206, 3, 7 },
        { "bytes=-99999999999999999999999", 10, 206, 0, 10 },
        { "bytes=10-", 10, 416, 0, 0 },
        { "bytes=10-20", 10, 416, 0, 0 },
        { "bytes=-0", 10, 416, 0, 0 },
        { "bytes=99999999999999999999999-", 10, 416, 0, 0 },
        { "bytes=0-", 0, 416, 0, 0 },
        { "bytes=-1", 0, 200, 0, 0 },
        { "bytes=-0", 0, 416, 0, 0 },
        { "bytes=0-1,3-4", 10, 200, 0, 0 },
        { "bytes=5-4", 10, 200, 0, 0 },
        { "bytes=", 10, 200, 0, 0 },
        { "bytes", 10, 200, 0, 0 },
        { "bytes=-", 10, 200, 0, 0 },
        { "bytes=a-b", 10, 200, 0, 0 },
        { "bytes=1", 10, 200, 0, 0 },
        { "bytes=1-2x", 10, 200, 0, 0 },
        { "bytes=1 -2", 10, 200, 0, 0 },
        { "bytes=--1", 10, 200, 0, 0 },
        { "bytes=+1-2", 10, 200, 0, 0 },
        { "lines=1-2", 10, 200, 0, 0 },
        { "bytes =1-2", 10, 200, 0, 0 },
        { "", 10, 200, 0, 0 },
        { "bytes=0-18446744073709551615", 10, 206, 0, 10 },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        uint64_t offset = 0, length = 0;
        int status = sx_range_select(sx_slice_of(cases[i].range), cases[i].total, &offset, &length);

        if (status != cases[i].status || offset != cases[i].offset || length != cases[i].length)
            fail_msg("\"%s\" of %d: %d", cases[i].range, (int)cases[i].total, status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preconditions_are_evaluated_in_their_order),
        cmocka_unit_test(a_range_counts_only_for_the_same_file),
        cmocka_unit_test(ranges_are_selected),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
