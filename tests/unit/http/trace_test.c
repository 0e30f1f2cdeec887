/* Tests of core/http/trace.c. */
#include "http/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N(a)  (sizeof(a) / sizeof *(a))
#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define SPAN  "00f067aa0ba902b7"

static void ids_are_unique_and_short(void **state)
{
    struct sx_request_ids ids;
    struct sx_request_id before, id;

    (void)state;
    sx_request_ids_init(&ids);
    sx_request_ids_next(&ids, &before);
    assert_int_equal(before.len, 14);
    for (int i = 0; i < 5000; i++) {
        sx_request_ids_next(&ids, &id);
        assert_int_equal(id.len, strlen(id.text));
        assert_string_not_equal(id.text, before.text);
        assert_memory_equal(id.text, before.text, 13);
        before = id;
    }
    assert_int_equal(id.len, 16);
    assert_true(sx_request_id_take(sx_slice_make(id.text, id.len), &before));
}

static void the_counter_is_written_in_base_32(void **state)
{
    static const struct {
        uint64_t count;
        const char *tail;
    } cases[] = {
        { 0, "0" },     { 31, "z" },     { 32, "10" },
        { 1023, "zz" }, { 1024, "100" }, { UINT64_MAX, "fzzzzzzzzzzzz" },
    };
    struct sx_request_ids ids;
    struct sx_request_id id;

    (void)state;
    sx_request_ids_init(&ids);
    for (size_t i = 0; i < N(cases); i++) {
        ids.count = cases[i].count;
        sx_request_ids_next(&ids, &id);
        assert_string_equal(id.text + 13, cases[i].tail);
        assert_true(id.len <= 26);
    }
}

static void two_generators_differ(void **state)
{
    struct sx_request_ids a, b;

    (void)state;
    sx_request_ids_init(&a);
    sx_request_ids_init(&b);
    assert_memory_not_equal(a.prefix, b.prefix, sizeof a.prefix);
}

static void only_harmless_ids_are_taken_up(void **state)
{
    static const char *const bad[] = { "", "a b", "a/b", "a\r\n", "a\"", "{a}", "\xc3\xa4", "a;b" };
    char longest[66];
    struct sx_request_id id = { "kept", 4 };

    (void)state;
    memset(longest, 'x', sizeof longest);
    for (size_t i = 0; i < N(bad); i++)
        assert_false(sx_request_id_take(sx_slice_of(bad[i]), &id));
    assert_false(sx_request_id_take(sx_slice_make(longest, 65), &id));
    assert_false(sx_request_id_take(sx_slice_make(NULL, 0), &id));
    assert_string_equal(id.text, "kept");
    assert_true(sx_request_id_take(sx_slice_of("aZ09._-"), &id));
    assert_string_equal(id.text, "aZ09._-");
    assert_true(sx_request_id_take(sx_slice_make(longest, 64), &id));
    assert_int_equal(strlen(id.text), 64);
}

static void well_formed_traceparents_are_taken(void **state)
{
    static const struct {
        const char *field;
        bool is_sampled;
    } cases[] = {
        { "00-" TRACE "-" SPAN "-01", true },  { "00-" TRACE "-" SPAN "-00", false },
        { "00-" TRACE "-" SPAN "-ff", true },  { "00-" TRACE "-" SPAN "-02", false },
        { "01-" TRACE "-" SPAN "-01", true },  { "cc-" TRACE "-" SPAN "-01-what-comes", true },
        { "fe-" TRACE "-" SPAN "-01-", true },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_trace t;

        assert_true(sx_trace_parse(sx_slice_of(cases[i].field), sx_slice_make(NULL, 0), &t));
        assert_string_equal(t.trace_id, TRACE);
        assert_string_equal(t.span_id, SPAN);
        assert_int_equal(t.is_sampled, cases[i].is_sampled);
    }
}

static void malformed_traceparents_are_ignored(void **state)
{
    static const char *const bad[] = {
        "",
        "00",
        "ff-" TRACE "-" SPAN "-01",
        "00-" TRACE "-" SPAN "-1",
        "00-" TRACE "-" SPAN "-01-",
        "00-" TRACE "-" SPAN "-01-x",
        "00-" TRACE "-" SPAN "-0x",
        "0x-" TRACE "-" SPAN "-01",
        "FE-" TRACE "-" SPAN "-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-" SPAN "-01",
        "00-00000000000000000000000000000000-" SPAN "-01",
        "00-" TRACE "-0000000000000000-01",
        "00_" TRACE "-" SPAN "-01",
        "00-" TRACE "_" SPAN "-01",
        "00-" TRACE "-" SPAN "_01",
        "01-" TRACE "-" SPAN "-01x",
        "00-" TRACE "-00f067aa0ba902bg-01",
        " 00-" TRACE "-" SPAN "-01",
        "00-" TRACE "-" SPAN "-0A",
    };

    (void)state;
    for (size_t i = 0; i < N(bad); i++) {
        struct sx_trace t;

        if (sx_trace_parse(sx_slice_of(bad[i]), sx_slice_make(NULL, 0), &t))
            fail_msg("accepted \"%s\"", bad[i]);
    }
}

static void the_cloud_context_comes_second(void **state)
{
    static const struct {
        const char *traceparent, *field, *span;
        bool is_sampled;
    } cases[] = {
        { NULL, TRACE "/67667974448284343;o=1", SPAN, true },
        { "broken", TRACE "/67667974448284343;o=1", SPAN, true },
        { NULL, "4BF92F3577B34DA6A3CE929D0E0E4736/1;o=0", "0000000000000001", false },
        { NULL, TRACE "/18446744073709551615", "ffffffffffffffff", false },
        { NULL, TRACE "/0;o=1", "", true },
        { "00-" TRACE "-" SPAN "-01", "11111111111111111111111111111111/5;o=0", SPAN, true },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_trace t;

        assert_true(
            sx_trace_parse(sx_slice_of(cases[i].traceparent), sx_slice_of(cases[i].field), &t));
        assert_string_equal(t.trace_id, TRACE);
        assert_string_equal(t.span_id, cases[i].span);
        assert_int_equal(t.is_sampled, cases[i].is_sampled);
    }
}

static void malformed_cloud_contexts_are_ignored(void **state)
{
    static const char *const bad[] = {
        TRACE,
        TRACE "/",
        TRACE "/x;o=1",
        TRACE "/-1;o=1",
        TRACE "/18446744073709551616",
        TRACE "/1;",
        TRACE "/1;o=",
        TRACE "/1;p=1",
        TRACE "/1;o=x",
        "x" TRACE "/1;o=1",
        "00000000000000000000000000000000/1;o=1",
        TRACE ";o=1",
    };

    (void)state;
    for (size_t i = 0; i < N(bad); i++) {
        struct sx_trace t;

        if (sx_trace_parse(sx_slice_make(NULL, 0), sx_slice_of(bad[i]), &t))
            fail_msg("accepted \"%s\"", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_are_unique_and_short),
        cmocka_unit_test(the_counter_is_written_in_base_32),
        cmocka_unit_test(two_generators_differ),
        cmocka_unit_test(only_harmless_ids_are_taken_up),
        cmocka_unit_test(well_formed_traceparents_are_taken),
        cmocka_unit_test(malformed_traceparents_are_ignored),
        cmocka_unit_test(the_cloud_context_comes_second),
        cmocka_unit_test(malformed_cloud_contexts_are_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
