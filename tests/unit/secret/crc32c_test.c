/* CRC-32C against the examples of RFC 3720, appendix B.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "secret/crc32c.h"

static void crc_is_that_of_rfc_3720(void **state)
{
    static const uint8_t read_command[48] = {
        0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
        0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    };
    uint8_t data[32];

    (void)state;
    memset(data, 0, sizeof data);
    assert_int_equal(sx_crc32c(data, sizeof data), 0x8a9136aa);
    memset(data, 0xff, sizeof data);
    assert_int_equal(sx_crc32c(data, sizeof data), 0x62a8ab43);
    for (uint8_t i = 0; i < sizeof data; i++)
        data[i] = i;
    assert_int_equal(sx_crc32c(data, sizeof data), 0x46dd794e);
    for (uint8_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(31 - i);
    assert_int_equal(sx_crc32c(data, sizeof data), 0x113fdb5c);
    assert_int_equal(sx_crc32c(read_command, sizeof read_command), 0xd9963a56);
    assert_int_equal(sx_crc32c("", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(crc_is_that_of_rfc_3720) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
