/*
 * sign/sign.h - signatures of plugins: ed25519, detached, in FILE.sig beside the file.
 *
 * A signature is what `sim-exchange sign` writes, one line
 *
 *     ed25519 KEY SIGNATURE
 *
 * with the first 16 hexadecimal digits of the SHA-256 of the public key's 32 bytes and the
 * signature in base64, so that a stranger's signature is told from a modified file; or the 64 bytes
 * that `openssl pkeyutl -sign -rawin` writes, raw or in base64.  Keys are PEM files.
 *
 * libcrypto is in a module of its own, sx_sign.so beside the program, which is mapped where a
 * signature is looked at or made: never in a process that serves.
 */
#ifndef SX_SIGN_SIGN_H
#define SX_SIGN_SIGN_H

#include <stddef.h>

#include "base/report.h"
#include "config/config.h"

/* Where the bytes of an enabled plugin lie that will be loaded. */
struct sx_sign_file {
    const char *name; /* of the plugin; borrowed */
    const char *path;
};

struct sx_sign_module {
    size_t size;
    int (*check)(const struct sx_config *cfg, const struct sx_sign_file *files, size_t n,
                 struct sx_report *rep);
    int (*sign)(const char *key, const char *file, struct sx_report *rep);
};

/* Every plugin that has a signature, or needs one by trust.signatures, against trust.keys; nothing
 * is done when there are no keys.  files: NULL for the files of the configuration.  Each fault
 * names plugin, file and key: SX_ERR_INVALID. */
int sx_sign_check(const struct sx_config *cfg, const struct sx_sign_file *files, size_t n,
                  struct sx_report *rep);

/* Writes file.sig with the private key in the PEM file key. */
int sx_sign_file(const char *key, const char *file, struct sx_report *rep);

#endif /* SX_SIGN_SIGN_H */
