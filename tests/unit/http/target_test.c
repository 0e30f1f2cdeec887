/* Tests of core/http/target.c. */
#include "http/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

#define N(a) (sizeof(a) / sizeof *(a))

static void good_hosts_are_taken(void **state)
{
    static const char *const good[] = {
        "",
        "a",
        "example.com",
        "example.com:80",
        "example.com:",
        "EXAMPLE.com:65535",
        "127.0.0.1",
        "127.0.0.1:5009",
        "[::1]",
        "[::1]:80",
        "[2001:db8::1]:",
        "[::ffff:1.2.3.4]",
        "[v1.a:b]",
        "a_b-c~d",
        "%41.com",
        "a!$&'()*+,;=b",
    };

    (void)state;
    for (size_t i = 0; i < N(good); i++)
        if (!sx_target_is_host(sx_slice_of(good[i])))
            fail_msg("refused \"%s\"", good[i]);
}

static void bad_hosts_are_refused(void **state)
{
    static const char *const bad[] = {
        ":80",
        " ",
        "a b",
        "a/b",
        "a?b",
        "a#b",
        "user@a",
        "a:b",
        "a:80:90",
        "a:65536",
        "a:99999999999999999999",
        "a:-1",
        "a: 80",
        "::1",
        "[::1",
        "[::1]x",
        "[]",
        "[:::1]",
        "[1.2.3.4]",
        "[::1%25eth0]",
        "[fe80::1%eth0]",
        "%4",
        "%zz",
        "a\\b",
        "a\"b",
        "<a>",
        "a,b:x",
        "\x80",
        "a\tb",
        "[v1.]",
        "[vg.a]",
        "[v.a]",
        "[v1.%41]",
        "[[::1]]",
    };

    (void)state;
    for (size_t i = 0; i < N(bad); i++)
        if (sx_target_is_host(sx_slice_of(bad[i])))
            fail_msg("accepted \"%s\"", bad[i]);
    assert_false(sx_target_is_host(sx_slice_make("a\0b", 3)));
    assert_false(sx_target_is_host(sx_slice_make("[::1\0]", 6)));
}

static void targets_are_split(void **state)
{
    static const struct {
        const char *target;
        enum sx_target_form form;
        const char *scheme, *authority, *path, *query; /* NULL: absent */
    } cases[] = {
        { "/", SX_TARGET_ORIGIN, NULL, NULL, "/", NULL },
        { "/?", SX_TARGET_ORIGIN, NULL, NULL, "/", "" },
        { "/a/b%20c?x=1?y", SX_TARGET_ORIGIN, NULL, NULL, "/a/b%20c", "x=1?y" },
        { "//a//", SX_TARGET_ORIGIN, NULL, NULL, "//a//", NULL },
        { "/a[1]{2}|^`@:", SX_TARGET_ORIGIN, NULL, NULL, "/a[1]{2}|^`@:", NULL },
        { "/?q=100%&r=\\", SX_TARGET_ORIGIN, NULL, NULL, "/", "q=100%&r=\\" },
        { "*", SX_TARGET_ASTERISK, NULL, NULL, "*", NULL },
        { "http://a", SX_TARGET_ABSOLUTE, "http", "a", "/", NULL },
        { "HTTPS://a.b:81/c?d", SX_TARGET_ABSOLUTE, "HTTPS", "a.b:81", "/c", "d" },
        { "http://[::1]?x", SX_TARGET_ABSOLUTE, "http", "[::1]", "/", "x" },
        { "http://a/b:c//d", SX_TARGET_ABSOLUTE, "http", "a", "/b:c//d", NULL },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_target t;

        assert_int_equal(sx_target_split(sx_slice_of(cases[i].target), &t), 0);
        assert_int_equal(t.form, cases[i].form);
        assert_true(sx_slice_is(t.scheme, cases[i].scheme));
        assert_true(sx_slice_is(t.authority, cases[i].authority));
        assert_true(sx_slice_is(t.path, cases[i].path));
        assert_true(sx_slice_is(t.query, cases[i].query));
        assert_int_equal(t.query.data == NULL, cases[i].query == NULL);
    }
}

static void an_empty_absolute_path_is_told(void **state)
{
    struct sx_target t;

    (void)state;
    assert_int_equal(sx_target_split(sx_slice_of("http://a"), &t), 0);
    assert_true(t.has_empty_path);
    assert_int_equal(sx_target_split(sx_slice_of("http://a/"), &t), 0);
    assert_false(t.has_empty_path);
    assert_int_equal(sx_target_split(sx_slice_of("/"), &t), 0);
    assert_false(t.has_empty_path);
}

static void bad_targets_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "a",
        "a:80",
        "?x",
        "**",
        "* ",
        "/a b",
        "/a\tb",
        "/a#b",
        "/a?b#c",
        "/a\"b",
        "/<a>",
        "/a\\b",
        "/%",
        "/%4",
        "/%zz",
        "/a\x7f",
        "/\x80",
        "/?\xc3\xa4",
        "/?a b",
        "ftp://a/",
        "http:/a",
        "http:a",
        "http://",
        "http:///a",
        "http://?x",
        "http://:80/",
        "http://u@a/",
        "http://a:b/",
        "http://a#b",
        "http://a/#b",
        "http://a b/",
        "javascript:alert(1)",
        "http",
        "://a",
        "example.com:443",
    };

    (void)state;
    for (size_t i = 0; i < N(bad); i++) {
        struct sx_target t;

        if (sx_target_split(sx_slice_of(bad[i]), &t) != SX_ERR_INVALID)
            fail_msg("accepted \"%s\"", bad[i]);
    }
}

/* RFC 3986, and what browsers leave as it is. */
static void every_byte_passes_where_it_may(void **state)
{
    static const char alnum[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    struct sx_target t;

    (void)state;
    for (int c = 1; c < 256; c++) {
        char path[] = { '/', 'a', (char)c, 'b', '\0' }, query[] = { '/', '?', (char)c, '\0' };
        char host[] = { 'a', (char)c, 'b', '\0' };
        bool in_host = strchr(alnum, c) != NULL || strchr("-._~!$&'()*+,;=", c) != NULL;
        bool in_path = in_host || strchr("/:@[]^`{|}", c) != NULL;

        assert_int_equal(sx_target_is_host(sx_slice_of(host)), in_host);
        assert_int_equal(sx_target_split(sx_slice_of(path), &t) == 0, in_path || c == '?');
        assert_int_equal(sx_target_split(sx_slice_of(query), &t) == 0,
                         in_path || c == '?' || c == '\\' || c == '%');
    }
}

static void no_control_byte_passes_anywhere(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        char in_path[] = { '/', (char)c }, in_query[] = { '/', '?', (char)c };
        struct sx_target t;

        if (c > 0x20 && c < 0x7f)
            continue;
        assert_int_equal(sx_target_split(sx_slice_make(in_path, 2), &t), SX_ERR_INVALID);
        assert_int_equal(sx_target_split(sx_slice_make(in_query, 3), &t), SX_ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_hosts_are_taken),
        cmocka_unit_test(bad_hosts_are_refused),
        cmocka_unit_test(targets_are_split),
        cmocka_unit_test(an_empty_absolute_path_is_told),
        cmocka_unit_test(bad_targets_are_refused),
        cmocka_unit_test(every_byte_passes_where_it_may),
        cmocka_unit_test(no_control_byte_passes_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
