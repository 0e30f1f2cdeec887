/*
 * Where a token may go: https, or plain http to loopback, whatever the variables say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "secret/endpoint.h"

#define SM  "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER"
#define KMS "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDKMS"

static const struct {
    enum sx_endpoint which;
    const char *variable, *value, *base; /* base NULL: refused */
} cases[] = {
    { SX_ENDPOINT_METADATA, "GCE_METADATA_HOST", "", "http://metadata.google.internal" },
    { SX_ENDPOINT_METADATA, "GCE_METADATA_HOST", "169.254.169.254", "http://169.254.169.254" },
    { SX_ENDPOINT_METADATA, "GCE_METADATA_HOST", "localhost:81", "http://localhost:81" },
    { SX_ENDPOINT_METADATA, "GCE_METADATA_HOST", "http://a", NULL },
    { SX_ENDPOINT_METADATA, "GCE_METADATA_HOST", "a/b", NULL },
    { SX_ENDPOINT_METADATA, "GCE_METADATA_HOST", "a@b", NULL },
    { SX_ENDPOINT_SM, SM, "", "https://secretmanager.googleapis.com" },
    { SX_ENDPOINT_SM, SM, "https://sm.example/", "https://sm.example" },
    { SX_ENDPOINT_SM, SM, "HTTPS://sm.example:444", "HTTPS://sm.example:444" },
    { SX_ENDPOINT_SM, SM, "http://127.0.0.1:1/", "http://127.0.0.1:1" },
    { SX_ENDPOINT_SM, SM, "http://127.255.0.9", "http://127.255.0.9" },
    { SX_ENDPOINT_SM, SM, "http://[::1]:80/", "http://[::1]:80" },
    { SX_ENDPOINT_SM, SM, "http://LOCALHOST:80/", "http://LOCALHOST:80" },
    { SX_ENDPOINT_SM, SM, "sm.example", NULL },
    { SX_ENDPOINT_SM, SM, "http://sm.example/", NULL },
    { SX_ENDPOINT_SM, SM, "http://127.0.0.1.example/", NULL },
    { SX_ENDPOINT_SM, SM, "http://localhost.example/", NULL },
    { SX_ENDPOINT_SM, SM, "http://[::1].example/", NULL },
    { SX_ENDPOINT_SM, SM, "http://[::2]/", NULL },
    { SX_ENDPOINT_SM, SM, "http://127.0.0.1@sm.example/", NULL },
    { SX_ENDPOINT_SM, SM, "http://sm.example#127.0.0.1", NULL },
    { SX_ENDPOINT_SM, SM, "http://128.0.0.1/", NULL },
    { SX_ENDPOINT_SM, SM, "http://0x7f.1/", NULL },
    { SX_ENDPOINT_SM, SM, "https://sm.example/path/", NULL },
    { SX_ENDPOINT_SM, SM, "https://sm.example?x", NULL },
    { SX_ENDPOINT_SM, SM, "https://", NULL },
    { SX_ENDPOINT_SM, SM, "ftp://127.0.0.1/", NULL },
    { SX_ENDPOINT_SM, SM, "file:///etc/passwd", NULL },
    { SX_ENDPOINT_STORAGE, "STORAGE_EMULATOR_HOST", "", "https://storage.googleapis.com" },
    { SX_ENDPOINT_STORAGE, "STORAGE_EMULATOR_HOST", "127.0.0.1:9000", "http://127.0.0.1:9000" },
    { SX_ENDPOINT_STORAGE, "STORAGE_EMULATOR_HOST", "http://localhost:9", "http://localhost:9" },
    { SX_ENDPOINT_STORAGE, "STORAGE_EMULATOR_HOST", "storage.example:9000", NULL },
    { SX_ENDPOINT_KMS, KMS, "", "https://cloudkms.googleapis.com" },
    { SX_ENDPOINT_KMS, KMS, "http://10.0.0.1/", NULL },
};

static void token_goes_to_https_and_loopback_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char why[SX_ENDPOINT_WHY], *base = NULL;
        int err;

        assert_int_equal(setenv(cases[i].variable, cases[i].value, 1), 0);
        err = sx_endpoint_base(cases[i].which, &base, why);
        if (err != (cases[i].base == NULL ? SX_ERR_INVALID : 0))
            fail_msg("%s: %d", cases[i].value, err);
        if (cases[i].base != NULL)
            assert_string_equal(base, cases[i].base);
        else
            assert_non_null(strstr(why, cases[i].variable));
        free(base);
        (void)unsetenv(cases[i].variable);
    }
}

static void host_of_an_address_is_told(void **state)
{
    char host[16];

    (void)state;
    sx_endpoint_host("https://a.b:81/c?d", host, sizeof host);
    assert_string_equal(host, "a.b:81");
    sx_endpoint_host("https://0123456789abcdefgh/", host, sizeof host);
    assert_string_equal(host, "0123456789abcde");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(token_goes_to_https_and_loopback_only),
        cmocka_unit_test(host_of_an_address_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
