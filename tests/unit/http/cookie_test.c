/* Tests of core/http/cookie.c. */
#include "http/cookie.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

#define N(a) (sizeof(a) / sizeof *(a))

static int setup(void **state)
{
    static struct sx_arena arena;

    sx_arena_init(&arena, 1 << 20);
    *state = &arena;
    return 0;
}

static int teardown(void **state)
{
    sx_arena_finish(*state);
    return 0;
}

static void good_pairs_are_read_and_bad_ones_skipped(void **state)
{
    static const struct {
        const char *field;
        const char *pairs[5]; /* name, value, … */
    } cases[] = {
        { "", { NULL } },
        { ";; ;", { NULL } },
        { "a=1", { "a", "1" } },
        { "a=1; b=2", { "a", "1", "b", "2" } },
        { "a=1;b=2;", { "a", "1", "b", "2" } },
        { " a = 1 ;\tb=2", { "a", "1", "b", "2" } },
        { "a=", { "a", "" } },
        { "a=b=c", { "a", "b=c" } },
        { "a=\"x y\"", { "a", "x y" } },
        { "a=\"", { "a", "\"" } },
        { "a=\"\"", { "a", "" } },
        { "broken; a=1", { "a", "1" } },
        { "=1; a=2", { "a", "2" } },
        { "a b=1; c=2", { "c", "2" } },
        { "a=\x01; c=2", { "c", "2" } },
        { "a=1,b=2; c=%20", { "a", "1,b=2", "c", "%20" } },
        { "a=1; a=2", { "a", "1", "a", "2" } },
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct sx_pairs pairs;
        size_t n = 0;

        assert_int_equal(sx_cookies_parse(*state, sx_slice_of(cases[i].field), 10, &pairs), 0);
        for (; cases[i].pairs[2 * n] != NULL; n++) {
            assert_true(n < pairs.n);
            assert_string_equal(pairs.v[n].name.data, cases[i].pairs[2 * n]);
            assert_string_equal(pairs.v[n].value.data, cases[i].pairs[2 * n + 1]);
        }
        assert_int_equal(pairs.n, n);
    }
}

static void the_number_of_cookies_has_a_ceiling(void **state)
{
    struct sx_pairs pairs;

    assert_int_equal(sx_cookies_parse(*state, sx_slice_of("a=1; bad; b=2"), 2, &pairs), 0);
    assert_int_equal(pairs.n, 2);
    assert_int_equal(sx_cookies_parse(*state, sx_slice_of("a=1; b=2; c=3"), 2, &pairs),
                     SX_ERR_BUSY);
}

static void cookies_are_written(void **state)
{
    static const struct {
        const char *name, *value, *path, *domain;
        int64_t max_age_s;
        enum sx_same_site same_site;
        bool is_secure, is_http_only;
        const char *text;
    } cases[] = {
        { "a", "1", NULL, NULL, -1, SX_SAME_SITE_LAX, false, false, "a=1; SameSite=Lax" },
        { "a", "", "/x", NULL, 0, SX_SAME_SITE_STRICT, true, true,
          "a=; Path=/x; Max-Age=0; SameSite=Strict; Secure; HttpOnly" },
        { "a", "1", "/", "example.com", 3600, SX_SAME_SITE_NONE, false, false,
          "a=1; Path=/; Domain=example.com; Max-Age=3600; SameSite=None; Secure" },
        { "__Host-a", "1", "/", NULL, -1, SX_SAME_SITE_LAX, true, false,
          "__Host-a=1; Path=/; SameSite=Lax; Secure" },
    };
    struct sx_buf to;

    (void)state;
    sx_buf_init(&to, 4096);
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_cookie c = {
            sx_slice_of(cases[i].name),   sx_slice_of(cases[i].value), sx_slice_of(cases[i].path),
            sx_slice_of(cases[i].domain), cases[i].max_age_s,          cases[i].same_site,
            cases[i].is_secure,           cases[i].is_http_only,
        };

        sx_buf_reset(&to, 4096);
        assert_int_equal(sx_cookie_write(&to, &c), 0);
        assert_string_equal(sx_buf_text(&to), cases[i].text);
    }
    sx_buf_finish(&to);
}

static void malformed_cookies_are_refused_and_nothing_written(void **state)
{
    static const struct {
        const char *name, *value, *path, *domain;
        bool is_secure;
    } cases[] = {
        { "", "1", NULL, NULL, true },           { "a b", "1", NULL, NULL, true },
        { "a=", "1", NULL, NULL, true },         { "a\r\nX", "1", NULL, NULL, true },
        { "a", "x y", NULL, NULL, true },        { "a", "x;y", NULL, NULL, true },
        { "a", "x,y", NULL, NULL, true },        { "a", "\"x\"", NULL, NULL, true },
        { "a", "x\\y", NULL, NULL, true },       { "a", "x\r\ny", NULL, NULL, true },
        { "a", "\xc3\xa4", NULL, NULL, true },   { "a", "1", "", NULL, true },
        { "a", "1", "x", NULL, true },           { "a", "1", "/a;b", NULL, true },
        { "a", "1", "/a\nb", NULL, true },       { "a", "1", NULL, "", true },
        { "a", "1", NULL, "a b", true },         { "a", "1", NULL, "a;b", true },
        { "__Secure-a", "1", "/", NULL, false }, { "__Host-a", "1", "/x", NULL, true },
        { "__host-a", "1", "/", NULL, false },   { "__Host-a", "1", "/", "a.b", true },
    };
    struct sx_buf to;

    (void)state;
    sx_buf_init(&to, 4096);
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_cookie c = {
            sx_slice_of(cases[i].name),
            sx_slice_of(cases[i].value),
            sx_slice_of(cases[i].path),
            sx_slice_of(cases[i].domain),
            -1,
            SX_SAME_SITE_LAX,
            cases[i].is_secure,
            false,
        };

        assert_int_equal(sx_cookie_write(&to, &c), SX_ERR_INVALID);
        assert_int_equal(to.len, 0);
    }
    sx_buf_finish(&to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_pairs_are_read_and_bad_ones_skipped),
        cmocka_unit_test(the_number_of_cookies_has_a_ceiling),
        cmocka_unit_test(cookies_are_written),
        cmocka_unit_test(malformed_cookies_are_refused_and_nothing_written),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
