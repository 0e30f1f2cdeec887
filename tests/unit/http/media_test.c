/* Tests of core/http/media.c. */
#include "http/media.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void the_extension_decides(void **state)
{
    static const struct {
        const char *path, *type;
    } cases[] = {
        { "index.html", "text/html; charset=utf-8" },
        { "a/b.min.JS", "text/javascript; charset=utf-8" },
        { "m.mjs", "text/javascript; charset=utf-8" },
        { "x.css", "text/css; charset=utf-8" },
        { "x.json", "application/json" },
        { "x.js.map", "application/json" },
        { "x.webmanifest", "application/manifest+json" },
        { "x.svg", "image/svg+xml; charset=utf-8" },
        { "x.woff2", "font/woff2" },
        { "x.wasm", "application/wasm" },
        { "x.jpeg", "image/jpeg" },
        { "x.unknown", "application/octet-stream" },
        { "x", "application/octet-stream" },
        { "x.", "application/octet-stream" },
        { "html", "application/octet-stream" },
        { "a.html/x", "application/octet-stream" },
        { "", "application/octet-stream" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(sx_media_type(sx_slice_of(cases[i].path)), cases[i].type);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(the_extension_decides) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
