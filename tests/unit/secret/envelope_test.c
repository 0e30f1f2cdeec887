/*
 * What berglas has sealed is opened; what was changed is not.
 *
 * Blobs were made by another implementation of AES-GCM; one is test case 14 of "The Galois/Counter
 * Mode of Operation" (McGrew, Viega).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "secret/envelope.h"

#define CASE_14 "AAAAAAAAAAAAAAAAzqdAPU1ga24HTsXTuvOdGNDRyKeZmWvwJluYtdSKuRk="

static const struct {
    const char *blob;
    bool is_zero; /* the key; else 0, 1, 2 … 31 */
    const char *value;
    size_t len;
} sealed[] = {
    { "d3JhcHBlZA==:ZGVmZ2hpamtsbW5vKTuoBxWcM779y3HyrHbI+bpEEkF0ozh3wX8=", false,
      "a value \xc3\xa9", 10 },
    { "d3JhcHBlZA==:ZGVmZ2hpamtsbW5vYJvVD2rXbfZl8Ei6jF/XBg==", false, "", 0 },
    { "d3JhcHBlZA==:" CASE_14, true, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16 },
};

static void fill_key(uint8_t key[SX_ENVELOPE_KEY], bool is_zero)
{
    for (uint8_t i = 0; i < SX_ENVELOPE_KEY; i++)
        key[i] = is_zero ? 0 : i;
}

static void sealed_value_is_opened(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof sealed / sizeof sealed[0]; i++) {
        struct sx_envelope envelope;
        uint8_t key[SX_ENVELOPE_KEY];
        char *value;
        size_t len;

        fill_key(key, sealed[i].is_zero);
        assert_int_equal(sx_envelope_parse(sealed[i].blob, strlen(sealed[i].blob), &envelope), 0);
        assert_string_equal(envelope.wrapped, "d3JhcHBlZA==");
        assert_int_equal(sx_envelope_open(&envelope, key, &value, &len), 0);

        assert_int_equal(len, sealed[i].len);
        assert_memory_equal(value, sealed[i].value, len + 1);
        free(value);
        sx_envelope_finish(&envelope);
    }
}

static void any_changed_bit_is_found(void **state)
{
    const char *blob = sealed[0].blob;
    struct sx_envelope envelope;
    uint8_t key[SX_ENVELOPE_KEY];
    char *value;
    size_t len;

    (void)state;
    fill_key(key, false);
    assert_int_equal(sx_envelope_parse(blob, strlen(blob), &envelope), 0);
    for (size_t bit = 0; bit < envelope.sealed_len * 8; bit++) {
        envelope.sealed[bit / 8] = (char)(envelope.sealed[bit / 8] ^ (1 << bit % 8));
        assert_int_equal(sx_envelope_open(&envelope, key, &value, &len), SX_ERR_INVALID);
        envelope.sealed[bit / 8] = (char)(envelope.sealed[bit / 8] ^ (1 << bit % 8));
    }
    key[31] ^= 1;
    assert_int_equal(sx_envelope_open(&envelope, key, &value, &len), SX_ERR_INVALID);
    sx_envelope_finish(&envelope);
}

static void what_has_not_this_form_is_refused(void **state)
{
    static const char *const blobs[] = {
        "",
        ":",
        "d3JhcHBlZA==",
        "d3JhcHBlZA==:",
        ":" CASE_14,
        "d3JhcHBlZA:" CASE_14,
        "d3JhcHBlZA==:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", /* 27 bytes */
        "d3JhcHBlZA==:" CASE_14 "\n",
        " d3JhcHBlZA= :" CASE_14,
        "d3JhcHBlZA==:" CASE_14 ":" CASE_14,
    };

    (void)state;
    for (size_t i = 0; i < sizeof blobs / sizeof blobs[0]; i++) {
        struct sx_envelope envelope;

        if (sx_envelope_parse(blobs[i], strlen(blobs[i]), &envelope) != SX_ERR_INVALID)
            fail_msg("%s", blobs[i]);
        sx_envelope_finish(&envelope);
    }
}

/* RFC 4648, section 10, and what is none. */
static void base64_is_strict(void **state)
{
    static const char *const good[][2] = {
        { "", "" },
        { "Zg==", "f" },
        { "Zm8=", "fo" },
        { "Zm9v", "foo" },
        { "Zm9vYg==", "foob" },
        { "Zm9vYmE=", "fooba" },
        { "Zm9vYmFy", "foobar" },
    };
    static const char *const bad[] = { "Z",    "Zg",       "Zg=",    "Zg===", "=",    "====",
                                       "Z===", "Zg==Zg==", "Zm9v\n", "Zm 9",  "Zm-_", "Zm9v====" };
    char *data, *text;
    size_t len;

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(sx_base64_decode(good[i][0], strlen(good[i][0]), &data, &len), 0);
        assert_int_equal(len, strlen(good[i][1]));
        assert_string_equal(data, good[i][1]);
        text = sx_base64_encode(data, len);
        assert_string_equal(text, good[i][0]);
        free(text);
        free(data);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (sx_base64_decode(bad[i], strlen(bad[i]), &data, &len) != SX_ERR_INVALID)
            fail_msg("%s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_value_is_opened),
        cmocka_unit_test(any_changed_bit_is_found),
        cmocka_unit_test(what_has_not_this_form_is_refused),
        cmocka_unit_test(base64_is_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
