/* secret/crc32c.h - CRC-32C (Castagnoli), RFC 3720 appendix B.4. */
#ifndef SX_SECRET_CRC32C_H
#define SX_SECRET_CRC32C_H

#include <stddef.h>
#include <stdint.h>

uint32_t sx_crc32c(const void *data, size_t len);

#endif /* SX_SECRET_CRC32C_H */
