/* The router: which pattern wins, and what a pattern may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "route/route.h"

static int make_router(void **state)
{
    struct sx_router *r;

    if (sx_router_create(&r) != 0)
        return -1;
    *state = r;
    return 0;
}

static int drop_router(void **state)
{
    sx_router_destroy(*state);
    return 0;
}

/* The target is the pattern itself. */
static void add_on(struct sx_router *r, const char *host, const char *method, const char *pattern)
{
    void *other = NULL;
    const char *why = NULL;
    int rc = sx_router_add(r, host, method, pattern, (void *)(uintptr_t)pattern, &other, &why);

    if (rc != 0)
        fail_msg("%s %s: %d %s", method, pattern, rc, why == NULL ? "" : why);
}

static void add(struct sx_router *r, const char *method, const char *pattern)
{
    add_on(r, "", method, pattern);
}

static enum sx_route_result match_on(const struct sx_router *r, const char *host,
                                     const char *method, const char *path,
                                     struct sx_route_match *ret)
{
    return sx_router_match(r, host, strlen(host), method, strlen(method), path, strlen(path), ret);
}

/* "pattern name=value name=value", or what is missing. */
static void describe(const struct sx_router *r, const char *host, const char *method,
                     const char *path, char *to, size_t size)
{
    struct sx_route_match m;
    enum sx_route_result result = match_on(r, host, method, path, &m);
    size_t len;

    if (result != SX_ROUTE_FOUND) {
        (void)snprintf(to, size, "%s%s", result == SX_ROUTE_NO_PATH ? "no path" : "allow ",
                       result == SX_ROUTE_NO_PATH ? "" : m.allow);
        return;
    }
    len = (size_t)snprintf(to, size, "%s", (const char *)m.target);
    for (uint32_t i = 0; i < m.n_params; i++)
        len += (size_t)snprintf(to + len, size - len, " %s=%.*s", m.params[i].name,
                                (int)m.params[i].len, m.params[i].data);
}

static void assert_match(const struct sx_router *r, const char *method, const char *path,
                         const char *wanted)
{
    char found[512];

    describe(r, "", method, path, found, sizeof(found));
    if (strcmp(found, wanted) != 0)
        fail_msg("%s %s: found \"%s\", wanted \"%s\"", method, path, found, wanted);
}

static void the_more_literal_pattern_wins(void **state)
{
    static const char *const patterns[] = {
        "/",
        "/hello",
        "/hello/",
        "/users/{id}",
        "/users/me",
        "/users/{id}/posts",
        "/users/me/{thing}",
        "/users/client:{oid}",
        "/users/client:a{rest}",
        "/users/{name}.json",
        "/a/{x}/c",
        "/a/b/{y...}",
        "/{any}/b/d",
        "/files/{path...}",
        "/\xC3\xA9t\xC3\xA9",
    };
    static const struct {
        const char *path, *wanted;
    } cases[] = {
        { "/", "/" },
        { "/hello", "/hello" },
        { "/hello/", "/hello/" },
        { "/hello//", "no path" },
        { "//hello", "no path" },
        { "/h%65llo", "/hello" },
        { "/h%65llo%2F", "no path" },
        { "/HELLO", "no path" },
        { "/users/7", "/users/{id} id=7" },
        { "/users/", "no path" },
        { "/users/me", "/users/me" },
        { "/users/m%65", "/users/me" },
        { "/users/me/posts", "/users/me/{thing} thing=posts" },
        { "/users/you/posts", "/users/{id}/posts id=you" },
        { "/users/client:7", "/users/client:{oid} oid=7" },
        { "/users/client:a7", "/users/client:a{rest} rest=7" },
        { "/users/client:a", "/users/client:{oid} oid=a" },
        { "/users/client:", "/users/{id} id=client:" },
        { "/users/client%3A7%2F", "/users/client:{oid} oid=7%2F" },
        { "/users/client%3", "/users/{id} id=client%3" },
        { "/users/x.json", "/users/{name}.json name=x" },
        { "/users/x%2Ejso%6e", "/users/{name}.json name=x" },
        { "/users/%2Ejson", "/users/{id} id=%2Ejson" },
        { "/users/client:x.json", "/users/client:{oid} oid=x.json" },
        { "/users/a%2Fb", "/users/{id} id=a%2Fb" },
        { "/a/b/c", "/a/b/{y...} y=c" },
        { "/a/z/c", "/a/{x}/c x=z" },
        { "/a/b/d/e", "/a/b/{y...} y=d/e" },
        { "/z/b/d", "/{any}/b/d any=z" },
        { "/a/b", "no path" },
        { "/files", "no path" },
        { "/files/", "/files/{path...} path=" },
        { "/files/a", "/files/{path...} path=a" },
        { "/files/a//b%2Fc/", "/files/{path...} path=a//b%2Fc/" },
        { "/%C3%A9t%c3%a9", "/\xC3\xA9t\xC3\xA9" },
        { "/\xC3\xA9t\xC3\xA9", "/\xC3\xA9t\xC3\xA9" },
        { "/hello%00", "no path" },
        { "/hello%zz", "no path" },
        { "/hello%", "no path" },
        { "*", "no path" },
        { "", "no path" },
    };
    struct sx_router *r = *state;

    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
        add(r, "GET", patterns[i]);
    assert_int_equal(sx_router_freeze(r), 0);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_match(r, "GET", cases[i].path, cases[i].wanted);
}

static void walk_comes_back_where_the_literal_ends_nowhere(void **state)
{
    struct sx_router *r = *state;

    add(r, "GET", "/a/b/c/d");
    add(r, "GET", "/a/{x}/c/e");
    add(r, "GET", "/{w}/b/{z}/f");
    add(r, "GET", "/{rest...}");
    assert_int_equal(sx_router_freeze(r), 0);

    assert_match(r, "GET", "/a/b/c/d", "/a/b/c/d");
    assert_match(r, "GET", "/a/b/c/e", "/a/{x}/c/e x=b");
    assert_match(r, "GET", "/a/b/c/f", "/{w}/b/{z}/f w=a z=c");
    assert_match(r, "GET", "/a/b/c/g", "/{rest...} rest=a/b/c/g");
    assert_match(r, "GET", "/a/b", "/{rest...} rest=a/b");
    assert_match(r, "GET", "/", "/{rest...} rest=");
}

static void methods_are_told_apart_and_allow_names_them(void **state)
{
    struct sx_router *r = *state;

    add(r, "GET", "/a");
    add(r, "PUT", "/a");
    add(r, "POST", "/b/{id}");
    add(r, "DELETE", "/b/{key}");
    add(r, "OPTIONS", "/c");
    add(r, "HEAD", "/c");
    add(r, "GET", "/d");
    add(r, "HEAD", "/d");
    add(r, "GET", "/b/me");
    assert_int_equal(sx_router_freeze(r), 0);

    assert_match(r, "GET", "/a", "/a");
    assert_match(r, "HEAD", "/a", "/a");
    assert_match(r, "get", "/a", "allow GET, HEAD, PUT, OPTIONS");
    assert_match(r, "POST", "/a", "allow GET, HEAD, PUT, OPTIONS");
    assert_match(r, "OPTIONS", "/a", "allow GET, HEAD, PUT, OPTIONS");
    assert_match(r, "POST", "/b/1", "/b/{id} id=1");
    assert_match(r, "DELETE", "/b/1", "/b/{key} key=1");
    assert_match(r, "HEAD", "/b/1", "allow POST, DELETE, OPTIONS");
    assert_match(r, "POST", "/b/me", "allow GET, HEAD, OPTIONS");
    assert_match(r, "OPTIONS", "/c", "/c");
    assert_match(r, "GET", "/c", "allow HEAD, OPTIONS");
    assert_match(r, "GET", "/d", "/d");
    assert_match(r, "", "/d", "allow GET, HEAD, OPTIONS");
}

/* It stands beside the GET, which is how a client asks for either. */
static void a_websocket_is_asked_for_by_get(void **state)
{
    struct sx_router *r = *state;

    add(r, SX_ROUTE_WEBSOCKET, "/a");
    add(r, "POST", "/a");
    add(r, SX_ROUTE_WEBSOCKET, "/b");
    add(r, "GET", "/b");
    assert_int_equal(sx_router_freeze(r), 0);

    assert_match(r, SX_ROUTE_WEBSOCKET, "/a", "/a");
    assert_match(r, "GET", "/a", "allow GET, HEAD, POST, OPTIONS");
    assert_match(r, "PUT", "/b", "allow GET, HEAD, OPTIONS");
    assert_match(r, "HEAD", "/b", "/b");
}

static void found_routes_have_an_allow_text_too(void **state)
{
    struct sx_router *r = *state;
    struct sx_route_match m;

    add(r, "GET", "/a");
    assert_int_equal(sx_router_freeze(r), 0);

    assert_int_equal(match_on(r, "", "GET", "/a", &m), SX_ROUTE_FOUND);
    assert_string_equal(m.allow, "GET, HEAD, OPTIONS");
}

static void hosts_go_from_exact_to_any(void **state)
{
    static const struct {
        const char *host, *path, *wanted;
    } cases[] = {
        { "api.example.com", "/a", "/a" },
        { "API.Example.COM", "/a", "/a" },
        { "api.example.com", "/b", "/{wide}" },
        { "x.example.com", "/a", "/{wide}" },
        { "x.y.example.com", "/a", "/{deep}" },
        { "example.com", "/a", "/{any}" },
        { "badexample.com", "/a", "/{any}" },
        { "", "/a", "/{any}" },
        { "[::1]", "/a", "/{six}" },
        { "api.example.com", "/only/any", "/only/any" },
    };
    struct sx_router *r = *state;

    add_on(r, "", "GET", "/{any}");
    add_on(r, "", "GET", "/only/any");
    add_on(r, "*.example.com", "GET", "/{wide}");
    add_on(r, "*.Y.example.com", "GET", "/{deep}");
    add_on(r, "API.example.com", "GET", "/a");
    add_on(r, "[::1]", "GET", "/{six}");
    assert_int_equal(sx_router_freeze(r), 0);

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char found[256];

        describe(r, cases[i].host, "GET", cases[i].path, found, sizeof(found));
        found[strcspn(found, " ")] = '\0';
        assert_string_equal(found, cases[i].wanted);
    }
}

static void equivalent_patterns_have_one_owner(void **state)
{
    struct sx_router *r = *state;
    const char *why = NULL;
    void *other = NULL;

    add(r, "GET", "/a/{id}");
    add_on(r, "h.example", "GET", "/a/{id}");
    add(r, "GET", "/b/x{id}y");

    assert_int_equal(sx_router_add(r, "", "GET", "/a/{key}", "second", &other, &why), SX_ERR_BUSY);
    assert_string_equal(other, "/a/{id}");
    assert_int_equal(sx_router_add(r, "H.EXAMPLE", "GET", "/a/{id}", "second", &other, &why),
                     SX_ERR_BUSY);
    assert_int_equal(sx_router_add(r, "", "GET", "/b/x{z}y", "second", &other, &why), SX_ERR_BUSY);
    assert_string_equal(other, "/b/x{id}y");
    assert_int_equal(sx_router_add(r, "", "GET", "/b/x{z}yy", "other", &other, &why), 0);
    assert_null(why);
}

static void malformed_patterns_are_refused_with_a_reason(void **state)
{
    static const struct {
        const char *host, *method, *pattern, *why;
    } cases[] = {
        { "", "GET", "", "begin with '/'" },
        { "", "GET", "hello", "begin with '/'" },
        { "", "GET", "/a b", "spaces" },
        { "", "GET", "/a\n", "spaces" },
        { "", "GET", "/a?b", "'?'" },
        { "", "GET", "/a#b", "'#'" },
        { "", "GET", "/a%20b", "percent" },
        { "", "GET", "/{id", "without a '}'" },
        { "", "GET", "/{i/d}", "without a '}'" },
        { "", "GET", "/id}", "without a '{'" },
        { "", "GET", "/{id}}", "without a '{'" },
        { "", "GET", "/{a}{b}", "one parameter" },
        { "", "GET", "/{}", "name" },
        { "", "GET", "/{...}", "name" },
        { "", "GET", "/{1a}", "name" },
        { "", "GET", "/{a b}", "spaces" },
        { "", "GET", "/{a+b}", "name" },
        { "", "GET", "/{p...}/x", "last segment" },
        { "", "GET", "/x{p...}", "last segment" },
        { "", "GET", "/{p...}x", "last segment" },
        { "", "GET", "/{a}/{a}", "same name" },
        { "", "GET", "/a//b", "empty" },
        { "", "GET", "/a/../b", "'..'" },
        { "", "GET", "/.", "'.'" },
        { "", "", "/a", "method" },
        { "", "GE T", "/a", "method" },
        { "*.", "GET", "/a", "host" },
        { "a/b", "GET", "/a", "host" },
        { "*.*.a", "GET", "/a", "host" },
    };
    struct sx_router *r = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const char *why = "nothing";
        void *other = NULL;
        int rc = sx_router_add(r, cases[i].host, cases[i].method, cases[i].pattern, "x", &other,
                               &why);

        if (rc != SX_ERR_INVALID || strstr(why, cases[i].why) == NULL)
            fail_msg("%s %s: %d, \"%s\"", cases[i].method, cases[i].pattern, rc, why);
    }
}

static void patterns_and_paths_have_limits(void **state)
{
    struct sx_router *r = *state;
    const char *why = NULL;
    void *other = NULL;
    char text[2048] = "", method[16];

    for (int i = 0; i < 16; i++)
        (void)snprintf(text + strlen(text), 16, "/{p%d}", i);
    assert_int_equal(sx_router_add(r, "", "GET", text, "x", &other, &why), 0);
    (void)snprintf(text + strlen(text), 16, "/{p}");
    assert_int_equal(sx_router_add(r, "", "GET", text, "x", &other, &why), SX_ERR_INVALID);
    assert_non_null(strstr(why, "16 parameters"));

    text[0] = '\0';
    for (int i = 0; i < 65; i++)
        (void)snprintf(text + strlen(text), 16, "/a");
    assert_int_equal(sx_router_add(r, "", "GET", text, "x", &other, &why), SX_ERR_INVALID);
    assert_non_null(strstr(why, "64 segments"));

    memset(text, 'a', 257);
    text[0] = '/';
    text[257] = '\0';
    assert_int_equal(sx_router_add(r, "", "GET", text, "x", &other, &why), SX_ERR_INVALID);
    text[256] = '\0';
    assert_int_equal(sx_router_add(r, "", "GET", text, "x", &other, &why), 0);

    for (int i = 0; i < 16; i++) {
        (void)snprintf(method, sizeof(method), "M%d", i);
        assert_int_equal(sx_router_add(r, "", method, "/m", "x", &other, &why), 0);
    }
    assert_int_equal(sx_router_add(r, "", "GET", "/m", "x", &other, &why), SX_ERR_INVALID);
    assert_non_null(strstr(why, "16 methods"));

    assert_int_equal(sx_router_freeze(r), 0);
    assert_int_equal(sx_router_add(r, "", "GET", "/late", "x", &other, &why), SX_ERR_INVALID);
    assert_match(r, "GET", text, "x");
    assert_match(r, "GET", "/0/1/2/3/4/5/6/7/8/9/a/b/c/d/e/f",
                 "x p0=0 p1=1 p2=2 p3=3 p4=4 p5=5 p6=6 p7=7 p8=8 p9=9 p10=a p11=b p12=c p13=d "
                 "p14=e p15=f");
}

static void a_router_without_routes_finds_nothing(void **state)
{
    assert_int_equal(sx_router_freeze(*state), 0);
    assert_match(*state, "GET", "/", "no path");
    sx_router_destroy(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_router, drop_router)
    const struct CMUnitTest tests[] = {
        TEST(the_more_literal_pattern_wins),
        TEST(walk_comes_back_where_the_literal_ends_nowhere),
        TEST(methods_are_told_apart_and_allow_names_them),
        TEST(a_websocket_is_asked_for_by_get),
        TEST(found_routes_have_an_allow_text_too),
        TEST(hosts_go_from_exact_to_any),
        TEST(equivalent_patterns_have_one_owner),
        TEST(malformed_patterns_are_refused_with_a_reason),
        TEST(patterns_and_paths_have_limits),
        TEST(a_router_without_routes_finds_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
