/* Tests of core/http/encoding.c. */
#include "http/encoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include <zlib.h>

#include "base/error.h"

#define N(a) (sizeof(a) / sizeof *(a))

static void gzip_is_taken_when_the_client_says_so(void **state)
{
    static const struct {
        const char *field; /* NULL: absent */
        bool expected;
    } cases[] = {
        { NULL, false },
        { "", false },
        { "gzip", true },
        { "GZip", true },
        { "x-gzip", true },
        { "deflate, gzip;q=1.0, *;q=0.5", true },
        { "deflate, br", false },
        { "*", true },
        { "*;q=0", false },
        { "gzip;q=0", false },
        { "gzip;q=0.000", false },
        { "gzip;q=0.001", true },
        { "gzip;q=0, *", false },
        { "*;q=0, gzip", true },
        { "identity", false },
        { "identity;q=0", false },
        { "identity;q=0, *", true },
        { "identity;q=0, gzip;q=0.1", true },
        { "identity;q=1, gzip;q=0.5", false },
        { "identity;q=0.5, gzip", true },
        { "gzip;q=2", false },
        { "gzip;q=x", false },
        { "gzip;q=", false },
        { "gzip ; q=0.5", true },
        { "gzip;Q=0", false },
        { "gzip;x=1", true },
        { "gzipped", false },
        { "br;q=1.0, gzip;q=0.8", true },
        { ", ,gzip", true },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++)
        if (sx_encoding_accepts_gzip(sx_slice_of(cases[i].field)) != cases[i].expected)
            fail_msg("\"%s\"", cases[i].field == NULL ? "(absent)" : cases[i].field);
}

static void text_is_compressible_and_pictures_are_not(void **state)
{
    static const struct {
        const char *type;
        bool expected;
    } cases[] = {
        { "text/html; charset=utf-8", true },
        { "TEXT/Plain", true },
        { "application/json", true },
        { "application/problem+json", true },
        { "image/svg+xml", true },
        { "image/png", false },
        { "application/octet-stream", false },
        { "text/event-stream", false },
        { "", false },
        { "text/", false },
        { "text/event-stream; charset=utf-8", false },
        { "font/woff2", false },
        { "application/gzip", false },
        { " application/json ;x", true },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++)
        assert_int_equal(sx_encoding_is_compressible(sx_slice_of(cases[i].type)),
                         cases[i].expected);
}

/* What a gzip member holds; the caller frees. */
static char *unpack(const char *data, size_t len, size_t max, size_t *ret_len)
{
    z_stream s = { .next_in = (unsigned char *)(uintptr_t)data, .avail_in = (unsigned)len };
    char *to = malloc(max + 1);

    assert_non_null(to);
    s.next_out = (unsigned char *)to;
    s.avail_out = (unsigned)max + 1;
    assert_int_equal(inflateInit2(&s, 15 + 16), Z_OK);
    assert_int_equal(inflate(&s, Z_FINISH), Z_STREAM_END);
    assert_int_equal(s.avail_in, 0);
    *ret_len = max + 1 - s.avail_out;
    assert_int_equal(inflateEnd(&s), Z_OK);
    return to;
}

static void fill(char *data, size_t len, bool is_noise)
{
    uint32_t seed = 12345;

    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525u + 1013904223u;
        data[i] = is_noise ? (char)(seed >> 24) : "{\"id\":1,"[i % 8];
    }
}

static void what_was_packed_unpacks_to_the_same(void **state)
{
    static const size_t lengths[] = { 0, 1, 100, 16384, 100000, 1000000 };
    struct sx_gzip *z = NULL;

    (void)state;
    assert_int_equal(sx_gzip_create(&z), 0);
    for (size_t i = 0; i < 2 * N(lengths); i++) {
        size_t len = lengths[i / 2], n;
        char *data = malloc(len + 1), *back;
        struct sx_buf to;

        fill(data, len, i % 2 == 1);
        sx_buf_init(&to, 2000000);
        sx_buf_add_text(&to, "head");
        assert_int_equal(sx_gzip_pack(z, data, len, &to), 0);
        assert_memory_equal(to.data, "head\x1f\x8b", 6);
        back = unpack(to.data + 4, to.len - 4, len, &n);
        assert_int_equal(n, len);
        assert_memory_equal(back, data, len);
        free(back);
        free(data);
        sx_buf_finish(&to);
    }
    sx_gzip_destroy(z);
    sx_gzip_destroy(NULL);
}

static void a_full_buffer_keeps_its_length_and_the_packer_lives_on(void **state)
{
    static char noise[50000];
    struct sx_gzip *z = NULL;
    struct sx_buf to;
    char *back;
    size_t n;

    (void)state;
    fill(noise, sizeof noise, true);
    assert_int_equal(sx_gzip_create(&z), 0);
    sx_buf_init(&to, 30000);
    sx_buf_add_text(&to, "head");

    assert_int_equal(sx_gzip_pack(z, noise, sizeof noise, &to), SX_ERR_BUSY);

    assert_int_equal(to.len, 4);
    assert_int_equal(sx_gzip_pack(z, noise, 1000, &to), 0);
    back = unpack(to.data + 4, to.len - 4, 1000, &n);
    assert_int_equal(n, 1000);
    assert_memory_equal(back, noise, 1000);
    free(back);
    sx_buf_finish(&to);
    sx_gzip_destroy(z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gzip_is_taken_when_the_client_says_so),
        cmocka_unit_test(text_is_compressible_and_pictures_are_not),
        cmocka_unit_test(what_was_packed_unpacks_to_the_same),
        cmocka_unit_test(a_full_buffer_keeps_its_length_and_the_packer_lives_on),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
