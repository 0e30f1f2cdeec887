/*
 * base/file.h - whole files, and digests of bytes.
 */
#ifndef SX_BASE_FILE_H
#define SX_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SX_SHA256_HEX 64
#define SX_SHA1_BYTES 20

/* The bytes of a regular file with a NUL behind; the caller frees.  SX_ERR_IO with errno,
 * SX_ERR_BUSY above max_bytes. */
int sx_file_read(const char *path, size_t max_bytes, char **ret_data, size_t *ret_len);

/* All of it, to a descriptor that blocks.  SX_ERR_IO with errno: a part may have been written. */
int sx_write_all(int fd, const void *data, size_t len);

/* Atomic: a temporary file beside it, synced, then renamed. */
int sx_file_write(const char *path, const void *data, size_t len, unsigned mode);

/* mkdir -p with mode 0700; what is made belongs to this user and group, -1 for our own, and what
 * exists is not changed.  SX_ERR_IO with errno. */
int sx_folder_make(const char *path, uid_t uid, gid_t gid);

/* The path of what lies beside the program that runs; the caller frees; NULL when that cannot be
 * told. */
char *sx_file_beside_program(const char *name);

/* Lower-case hexadecimal and a NUL. */
void sx_sha256_hex(const void *data, size_t len, char ret_hex[SX_SHA256_HEX + 1]);

/* For protocols that ask for it (RFC 6455); nothing here trusts it. */
void sx_sha1(const void *data, size_t len, uint8_t ret_digest[SX_SHA1_BYTES]);

#endif /* SX_BASE_FILE_H */
