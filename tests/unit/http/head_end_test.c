/* Tests of sx_http_head_find in core/http/head_end.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http/http_private.h"

static int make_server(void **state)
{
    struct sx_http_server *s = calloc(1, sizeof *s);

    if (s == NULL)
        return -1;
    s->set.limits.request_line_bytes = 64;
    s->set.limits.header_bytes = 128;
    *state = s;
    return 0;
}

static int free_server(void **state)
{
    free(*state);
    return 0;
}

/* In memory of its own size, so that a look beyond it is seen. */
static ptrdiff_t find(const struct sx_http_server *s, const char *data, size_t len,
                      struct sx_http_scan *scan)
{
    char *copy = malloc(len);
    ptrdiff_t found;

    assert_non_null(copy);
    memcpy(copy, data, len);
    found = sx_http_head_find(s, copy, len, scan);
    free(copy);
    return found;
}

static void head_of_any_length_is_found_in_one_piece_and_byte_by_byte(void **state)
{
    for (int n = 0; n < 40; n++) {
        char head[160];
        size_t len = (size_t)snprintf(head, sizeof head, "GET /%.*s HTTP/1.1\r\nA: %.*s\r\n\r\n", n,
                                      "0123456789012345678901234567890123456789", 40 - n / 2,
                                      "abcdefghijabcdefghijabcdefghijabcdefghij");
        struct sx_http_scan scan = { 0 };

        for (size_t i = 1; i < len; i++)
            assert_int_equal(find(*state, head, i, &scan), 0);
        assert_int_equal(find(*state, head, len, &scan), len);
        assert_int_equal(scan.first_line, 14 + n);

        scan = (struct sx_http_scan){ 0 };
        memcpy(head + len, "GET / HTTP/1.1\r\n\r\n", 18);
        assert_int_equal(find(*state, head, len + 18, &scan), len);
        assert_int_equal(scan.first_line, 14 + n);
    }
}

static void bad_lines_are_refused_wherever_they_lie(void **state)
{
    static const struct {
        const char *lines;
        int status;
    } cases[] = {
        { "\r\n", 400 },
        { "\n", 400 },
        { "G / HTTP/1.1\n", 400 },
        { "G / HTTP/1.1\r\n\n", 400 },
        { "G / HTTP/1.1\r\nA: b\n\r\n", 400 },
        { "G / HTTP/1.1\r\nA: b\r\n c\r\n", 400 },
        { "G / HTTP/1.1\r\nA: b\r\n\tc\r\n", 400 },
        { "G / HTTP/1.1\r\nA: b\r\n: c\r\n", 400 },
        { "G / HTTP/1.1\r\nA: 0123456789\r\n : c\r\n\r\n", 400 },
        { "G /0123456789012345678901234567890123456789012345678901234 HTTP/1.1\r\n", 414 },
        { "G /012345678901234567890123456789012345678901234567890123456789 ", 0 },
        { "G /0123456789012345678901234567890123456789012345678901234567890 ", 414 },
        { "(", 400 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sx_http_scan scan = { 0 };
        size_t len = strlen(cases[i].lines);

        if (find(*state, cases[i].lines, len, &scan) != -cases[i].status)
            fail_msg("case %zu is not answered %d", i, cases[i].status);
    }
}

static void request_line_of_just_the_limit_is_found(void **state)
{
    struct sx_http_server *s = *state;
    struct sx_http_scan scan = { 0 };
    const char head[] = "GET /0123456789 HTTP/1.1\r\n\r\n";

    s->set.limits.request_line_bytes = sizeof head - 1 - 4;
    assert_int_equal(find(s, head, sizeof head - 1, &scan), sizeof head - 1);

    scan = (struct sx_http_scan){ 0 };
    s->set.limits.request_line_bytes--;
    assert_int_equal(find(s, head, sizeof head - 1, &scan), -414);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(head_of_any_length_is_found_in_one_piece_and_byte_by_byte,
                                        make_server, free_server),
        cmocka_unit_test_setup_teardown(bad_lines_are_refused_wherever_they_lie, make_server,
                                        free_server),
        cmocka_unit_test_setup_teardown(request_line_of_just_the_limit_is_found, make_server,
                                        free_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
