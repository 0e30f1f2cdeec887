/* Tests of core/http/cors.c. */
#include "http/cors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define N(a) (sizeof(a) / sizeof *(a))
#define VARY "Vary: Origin\r\n"
#define VARY_PREFLIGHT \
    "Vary: Origin, Access-Control-Request-Method, Access-Control-Request-Headers\r\n"

static const char *two_origins[] = { "https://a.example", "http://localhost:3000" };
static const char *any_origin[] = { "*" };
static const char *any_and_one[] = { "*", "https://a.example" };
static const char *methods[] = { "GET", "PUT" };
static const char *headers[] = { "Content-Type", "X-Token" };
static const char *expose[] = { "X-Total", "Link" };

static const struct sx_cors strict = {
    .origins = { two_origins, 2 },
    .methods = { methods, 2 },
    .headers = { headers, 2 },
    .expose = { expose, 2 },
    .credentials = true,
    .max_age_s = 600,
};
static const struct sx_cors open_to_all = {
    .origins = { any_origin, 1 },
    .methods = { methods, 2 },
    .headers = { any_origin, 1 },
    .credentials = true,
};
static const struct sx_cors mixed = { .origins = { any_and_one, 2 }, .credentials = true };
static const struct sx_cors off = { .credentials = true };

struct request {
    const char *title;
    const struct sx_cors *cors;
    const char *origin, *method, *headers; /* NULL: absent */
    bool is_preflight;
    bool is_allowed;
    const char *lines;
};

static void assert_answers(const struct request *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct request *c = &cases[i];
        struct sx_cors_request req = { sx_slice_of(c->origin), sx_slice_of(c->method),
                                       sx_slice_of(c->headers), c->is_preflight };
        struct sx_buf lines;

        sx_buf_init(&lines, 4096);
        print_message("  %s\n", c->title);
        assert_int_equal(sx_cors_write(c->cors, &req, &lines), c->is_allowed);
        assert_string_equal(sx_buf_text(&lines), c->lines);
        sx_buf_finish(&lines);
    }
}

static void plain_requests_are_told_who_may_read(void **state)
{
    static const struct request cases[] = {
        { "off", &off, "https://a.example", NULL, NULL, false, false, "" },
        { "no origin", &strict, NULL, NULL, NULL, false, false, VARY },
        { "listed", &strict, "https://a.example", NULL, NULL, false, true,
          VARY "Access-Control-Allow-Origin: https://a.example\r\n"
               "Access-Control-Allow-Credentials: true\r\n"
               "Access-Control-Expose-Headers: X-Total, Link\r\n" },
        { "the second", &strict, "http://localhost:3000", NULL, NULL, false, true,
          VARY "Access-Control-Allow-Origin: http://localhost:3000\r\n"
               "Access-Control-Allow-Credentials: true\r\n"
               "Access-Control-Expose-Headers: X-Total, Link\r\n" },
        { "other", &strict, "https://evil.example", NULL, NULL, false, false, VARY },
        { "suffix", &strict, "https://a.example.evil", NULL, NULL, false, false, VARY },
        { "prefix", &strict, "https://a.exampl", NULL, NULL, false, false, VARY },
        { "null", &strict, "null", NULL, NULL, false, false, VARY },
        { "star as an origin", &strict, "*", NULL, NULL, false, false, VARY },
        { "any", &open_to_all, "https://evil.example", NULL, NULL, false, true,
          "Access-Control-Allow-Origin: *\r\n" },
        { "any, no origin", &open_to_all, NULL, NULL, NULL, false, false, "" },
        { "any, but one has more", &mixed, "https://a.example", NULL, NULL, false, true,
          VARY "Access-Control-Allow-Origin: https://a.example\r\n"
               "Access-Control-Allow-Credentials: true\r\n" },
        { "any beside one", &mixed, "https://b.example", NULL, NULL, false, true,
          VARY "Access-Control-Allow-Origin: *\r\n" },
    };

    (void)state;
    assert_answers(cases, N(cases));
}

static void preflights_are_answered_by_method_and_headers(void **state)
{
    static const char allowed[] = VARY_PREFLIGHT
        "Access-Control-Allow-Origin: https://a.example\r\n"
        "Access-Control-Allow-Credentials: true\r\n"
        "Access-Control-Allow-Methods: GET, PUT\r\n"
        "Access-Control-Allow-Headers: Content-Type, X-Token\r\n"
        "Access-Control-Max-Age: 600\r\n";
    static const struct request cases[] = {
        { "listed", &strict, "https://a.example", "PUT", NULL, true, true, allowed },
        { "simple", &strict, "https://a.example", "POST", NULL, true, true, allowed },
        { "headers", &strict, "https://a.example", "PUT", "x-token,content-type", true, true,
          allowed },
        { "method", &strict, "https://a.example", "DELETE", NULL, true, false, VARY_PREFLIGHT },
        { "case", &strict, "https://a.example", "put", NULL, true, false, VARY_PREFLIGHT },
        { "header", &strict, "https://a.example", "PUT", "x-token, x-other", true, false,
          VARY_PREFLIGHT },
        { "origin", &strict, "https://evil.example", "PUT", NULL, true, false, VARY_PREFLIGHT },
        { "any header", &open_to_all, "https://b.example", "PUT", "authorization, x-y", true, true,
          VARY_PREFLIGHT "Access-Control-Allow-Origin: *\r\n"
                         "Access-Control-Allow-Methods: GET, PUT\r\n"
                         "Access-Control-Allow-Headers: authorization, x-y\r\n" },
        { "no header name", &open_to_all, "https://b.example", "PUT", "x\r\nSet-Cookie: a=1", true,
          false, VARY_PREFLIGHT },
    };

    (void)state;
    assert_answers(cases, N(cases));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_requests_are_told_who_may_read),
        cmocka_unit_test(preflights_are_answered_by_method_and_headers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
