/* The report: faults in their order, and none lost when memory is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"

#include "base/report.c"

static char *print(const struct sx_report *rep)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    sx_report_print(rep, out);
    (void)fclose(out);
    return text;
}

static void report_tells_all_faults_in_their_order(void **state)
{
    struct sx_report rep;
    char *text;

    (void)state;
    sx_report_init(&rep);
    for (int i = 0; i < 40; i++)
        sx_report_add(&rep, "fault %d: %s", i, "found \"x\"");
    sx_report_add(&rep, "with\na hint");
    assert_int_equal(rep.n_faults, 41);
    assert_string_equal(rep.faults[39], "fault 39: found \"x\"");

    text = print(&rep);
    assert_memory_equal(text, "fault 0: found \"x\"\nfault 1: ", 28);
    assert_non_null(strstr(text, "\nwith\na hint\n"));
    free(text);
    sx_report_finish(&rep);
    assert_int_equal(rep.n_faults, 0);
    sx_report_finish(&rep);
}

static void report_with_a_fault_never_looks_empty(void **state)
{
    bool failed;
    long n = 0;

    (void)state;
    do {
        struct sx_report rep;
        char *text;

        sx_report_init(&rep);
        fail_call(++n);
        for (int i = 0; i < 40; i++) {
            sx_report_add(&rep, "fault %d", i);
            assert_true(rep.n_faults > 0);
        }
        failed = has_failed();
        fail_call(0);
        assert_true(rep.n_faults <= 40);
        if (!failed)
            assert_string_equal(rep.faults[39], "fault 39");
        text = print(&rep);
        assert_non_null(strstr(text, "fault"));
        free(text);
        sx_report_finish(&rep);
    } while (failed);
    assert_true(n > 40);
}

static void report_without_any_memory_still_has_its_fault(void **state)
{
    struct sx_report rep;

    (void)state;
    sx_report_init(&rep);
    fail_call(1);
    sx_report_add(&rep, "first"); /* no list */
    fail_call(1);
    sx_report_add(&rep, "second"); /* still none */
    fail_call(0);
    assert_int_equal(rep.n_faults, 1);
    assert_string_equal(rep.faults[0], "first");
    sx_report_add(&rep, "third");
    assert_true(rep.n_faults >= 1);
    sx_report_finish(&rep);

    fail_call(2);
    sx_report_add(&rep, "words that are lost");
    fail_call(0);
    assert_int_equal(rep.n_faults, 1);
    assert_non_null(strstr(rep.faults[0], "memory"));
    sx_report_finish(&rep);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(report_tells_all_faults_in_their_order),
        cmocka_unit_test(report_with_a_fault_never_looks_empty),
        cmocka_unit_test(report_without_any_memory_still_has_its_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
