/*
 * trading_test.c - decimals and keys.
 */
#include <sx/test.h>

#include "credential.h"
#include "decimal.h"

/* Only the plugins that link this library have a host. */
const sx_host *sx_host_;

static void parses(const char *text, int scale, int error, int64_t expected)
{
    int64_t value = 0;

    assert_int_equal(decimal_parse(text, scale, &value), error);
    assert_int_equal(value, expected);
}

static void decimals_are_read_exactly(void **state)
{
    (void)state;
    parses("1", 2, DECIMAL_OK, 100);
    parses("0.01", 2, DECIMAL_OK, 1);
    parses(".5", 2, DECIMAL_OK, 50);
    parses("5.", 2, DECIMAL_OK, 500);
    parses("0.0100000", 2, DECIMAL_OK, 1);
    parses("00012.50", 2, DECIMAL_OK, 1250);
    parses("92233720368547758.07", 2, DECIMAL_OK, INT64_MAX);
    parses("9223372036854775807", 0, DECIMAL_OK, INT64_MAX);
    parses("0", 18, DECIMAL_OK, 0);
}

static void what_is_no_decimal_is_refused(void **state)
{
    static const char *const texts[] = { "",      ".",   "-1",  "+1",  "1e3", " 1",  "1 ", "0x1",
                                         "1.2.3", "nan", "inf", "1,5", "١",   "1\n", "--", "1.-2" };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        parses(texts[i], 2, DECIMAL_NOT_A_NUMBER, 0);
    parses("0.001", 2, DECIMAL_TOO_PRECISE, 0);
    parses("1.5", 0, DECIMAL_TOO_PRECISE, 0);
    parses("9223372036854775808", 0, DECIMAL_TOO_LARGE, 0);
    parses("92233720368547758.08", 2, DECIMAL_TOO_LARGE, 0);
    parses("99999999999999999999999999999999999999", 2, DECIMAL_TOO_LARGE, 0);
}

static void formats(int64_t value, int scale, int min_digits, const char *expected)
{
    char text[DECIMAL_TEXT];

    assert_int_equal(decimal_format(value, scale, min_digits, text), strlen(expected));
    assert_string_equal(text, expected);
}

static void decimals_are_written_short(void **state)
{
    (void)state;
    formats(0, 8, 0, "0");
    formats(1, 8, 0, "0.00000001");
    formats(150, 2, 0, "1.5");
    formats(150, 2, 2, "1.50");
    formats(100, 2, 0, "1");
    formats(100, 2, 2, "1.00");
    formats(-5, 1, 0, "-0.5");
    formats(INT64_MAX, 0, 0, "9223372036854775807");
    formats(INT64_MIN, 0, 0, "-9223372036854775808");
    formats(INT64_MIN, 18, 0, "-9.223372036854775808");
    formats(INT64_MAX, 18, 18, "9.223372036854775807");
}

static void what_is_written_reads_back(void **state)
{
    uint64_t x = 88172645463325252u;
    char text[DECIMAL_TEXT];
    int64_t value = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        const int scale = i % (DECIMAL_MAX_SCALE + 1);
        int64_t expected;

        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        expected = (int64_t)(x >> (1 + i % 60));
        (void)decimal_format(expected, scale, i % 3 == 0 ? scale : 0, text);
        assert_int_equal(decimal_parse(text, scale, &value), DECIMAL_OK);
        assert_int_equal(value, expected);
    }
}

#define MASTER "a master secret of thirty-two bytes or more"

static void a_key_proves_itself(void **state)
{
    const struct credential c = { 0x123456789abc, 7 };
    char key[CREDENTIAL_KEY], cookie[CREDENTIAL_KEY];
    struct credential read = { 0, 0 };

    (void)state;
    assert_true(credential_key(MASTER, &c, key));
    assert_true(credential_read(MASTER, key, &read));
    assert_int_equal(read.account, c.account);
    assert_int_equal(read.generation, c.generation);
    assert_false(credential_read(MASTER "!", key, &read));
    assert_false(credential_read_cookie(MASTER, key, &read)); /* of another purpose */
    assert_true(credential_cookie(MASTER, &c, cookie));
    assert_true(credential_read_cookie(MASTER, cookie, &read));
    assert_false(credential_read(MASTER, cookie, &read));
    for (size_t i = 0; i < CREDENTIAL_KEY - 1; i++) {
        const char was = key[i];

        key[i] = was == '0' ? '1' : '0';
        assert_false(credential_read(MASTER, key, &read));
        key[i] = was;
    }
    assert_false(credential_read(MASTER, "", &read));
    assert_false(credential_read(MASTER, "00", &read));
    key[0] = 'A';
    assert_false(credential_read(MASTER, key, &read));
}

static void secrets_differ_by_account_generation_and_master(void **state)
{
    static const struct credential who[] = { { 1, 1 }, { 1, 2 }, { 2, 1 } };
    char secrets[4][CREDENTIAL_SECRET];
    uint8_t bytes[CREDENTIAL_SECRET];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        assert_true(credential_secret(MASTER, &who[i], secrets[i]));
    assert_true(credential_secret(MASTER "!", &who[0], secrets[3]));
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(credential_base64(secrets[i], bytes, sizeof bytes), 64);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(secrets[i], secrets[k]);
    }
}

/* RFC 4231, test case 2. */
static void hmac_is_that_of_the_standard(void **state)
{
    static const uint8_t expected[] = { 0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
                                        0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
                                        0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
                                        0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43 };
    const sx_span parts[] = { { "what do ya want ", 16 }, { "", 0 }, { "for nothing?", 12 } };
    uint8_t got[CREDENTIAL_HMAC];

    (void)state;
    assert_true(credential_hmac("Jefe", 4, parts, 3, got));
    assert_memory_equal(got, expected, sizeof got);
    assert_true(credential_equal(got, sizeof got, expected, sizeof expected));
    got[31] ^= 1;
    assert_false(credential_equal(got, sizeof got, expected, sizeof expected));
    assert_false(credential_equal(got, 31, expected, 32));
}

static void base64_is_strict(void **state)
{
    static const char *const bad[] = { "",     "A",    "AB",    "ABC",  "A===",  "====",
                                       "AB=C", "AB C", "AB\nC", "AB-_", "ABCD=", "=BCD" };
    uint8_t bytes[16];

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_true(credential_base64(bad[i], bytes, sizeof bytes) < 0);
    assert_int_equal(credential_base64("Zm9vYg==", bytes, sizeof bytes), 4);
    assert_memory_equal(bytes, "foob", 4);
    assert_int_equal(credential_base64("Zm9vYmE=", bytes, sizeof bytes), 5);
    assert_int_equal(credential_base64("Zm9v", bytes, sizeof bytes), 3);
    assert_true(credential_base64("Zm9vZm9vZm9vZm9vZm9vZm9v", bytes, sizeof bytes) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_are_read_exactly),
        cmocka_unit_test(what_is_no_decimal_is_refused),
        cmocka_unit_test(decimals_are_written_short),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(a_key_proves_itself),
        cmocka_unit_test(secrets_differ_by_account_generation_and_master),
        cmocka_unit_test(hmac_is_that_of_the_standard),
        cmocka_unit_test(base64_is_strict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
