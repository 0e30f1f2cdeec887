/*
 * fuzz.h - what the fuzz targets share: checks that end the program, and reading the input.
 */
#ifndef SX_FUZZ_FUZZ_H
#define SX_FUZZ_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/slice.h"

/* The oracle: unlike assert it says what it found. */
#define fuzz_check(cond, ...)                                                              \
    do {                                                                                   \
        if (!(cond)) {                                                                     \
            (void)fprintf(stderr, "%s:%d: violated: %s\n    ", __FILE__, __LINE__, #cond); \
            (void)fprintf(stderr, __VA_ARGS__);                                            \
            (void)fputc('\n', stderr);                                                     \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

/* libFuzzer calls it with each input; 0: keep it if it reached something new. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static inline struct sx_slice fuzz_input(const uint8_t *data, size_t len)
{
    return sx_slice_make((const char *)data, len);
}

/* The next line without its end; what is behind it stays in *rest. */
static inline struct sx_slice fuzz_line(struct sx_slice *rest)
{
    return sx_slice_cut(rest, '\n');
}

/* A text of its own, so that the sanitizer sees a byte read too many; the caller frees it. */
static inline char *fuzz_text(struct sx_slice s)
{
    char *text = malloc(s.len + 1);

    fuzz_check(text != NULL, "no memory");
    if (s.len > 0)
        memcpy(text, s.data, s.len);
    text[s.len] = '\0';
    return text;
}

/* The same without the NUL; never NULL. */
static inline char *fuzz_bytes(struct sx_slice s)
{
    char *bytes = malloc(s.len > 0 ? s.len : 1);

    fuzz_check(bytes != NULL, "no memory");
    if (s.len > 0)
        memcpy(bytes, s.data, s.len);
    return bytes;
}

/* FNV-1a, to compare what is long. */
static inline uint64_t fuzz_hash(const char *data, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)data[i]) * 0x100000001b3u;
    return hash;
}

#endif /* SX_FUZZ_FUZZ_H */
