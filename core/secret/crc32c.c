/* secret/crc32c.c - bit by bit: a secret is short, and a table would have to be made or kept. */
#include "secret/crc32c.h"

#define POLYNOMIAL 0x82f63b78u /* 0x1edc6f41, reflected */

uint32_t sx_crc32c(const void *data, size_t len)
{
    const uint8_t *at = data;
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL : 0);
    }
    return ~crc;
}
