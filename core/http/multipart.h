/*
 * http/multipart.h - multipart/form-data (RFC 7578, RFC 2046 section 5.1), parsed as it
 * arrives.
 *
 * Any way of cutting the body into pieces gives the same result.  Small parts stay in memory,
 * large ones go to files (mode 0600) that are removed with the parser.  One thread at a time.
 */
#ifndef SX_HTTP_MULTIPART_H
#define SX_HTTP_MULTIPART_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

struct sx_multipart;
struct sx_spool_room;

struct sx_multipart_limits {
    uint32_t max_parts;
    uint32_t max_header_bytes;  /* of one part, all its lines                     */
    uint32_t spool_bytes;       /* a larger part goes to a file; so does any that
                                 * would bring the memory of all above 8 times it */
    uint64_t upload_bytes;      /* all bytes but delimiters and part headers      */
    const char *spool_dir;      /* borrowed during the parser's life              */
    struct sx_spool_room *room; /* of the files of all uploads; borrowed, or NULL */
};

/* A finished part.  The texts are NUL-terminated. */
struct sx_part {
    const struct sx_part *next; /* in the order of arrival; NULL at the end */
    struct sx_slice name;
    struct sx_slice file_name; /* absent for a plain field; as the client said */
    struct sx_slice type;      /* absent when it did not say                   */
    struct sx_slice data;      /* NUL-terminated; empty when spooled           */
    const char *path;          /* of the spool file, or NULL                   */
    uint64_t size;
};

/* Is it multipart/form-data, with or without a usable boundary? */
bool sx_multipart_is(struct sx_slice content_type);

/* SX_ERR_INVALID without a boundary of 1 to 70 permitted characters.  The parser lives in the
 * arena and must be destroyed before the arena is reset. */
int sx_multipart_create(struct sx_arena *a, struct sx_slice content_type,
                        const struct sx_multipart_limits *limits, struct sx_multipart **ret_mp);

/* Closes and removes the spool files.  Takes NULL. */
void sx_multipart_destroy(struct sx_multipart *mp);

/* SX_ERR_INVALID (400), SX_ERR_BUSY above a limit (413), SX_ERR_IO, SX_ERR_NOMEM.  An error
 * stays: every later call returns it. */
int sx_multipart_feed(struct sx_multipart *mp, const char *data, size_t len);

/* The body is over: SX_ERR_INVALID without the closing delimiter. */
int sx_multipart_finish(struct sx_multipart *mp);

/* Memory of the parts so far. */
uint64_t sx_multipart_memory(const struct sx_multipart *mp);

/* The first of the finished parts, or NULL. */
const struct sx_part *sx_multipart_parts(const struct sx_multipart *mp);

/* The index-th part of that name, counted from 0 among the files or among the plain fields. */
const struct sx_part *sx_multipart_find(const struct sx_multipart *mp, struct sx_slice name,
                                        bool is_file, uint32_t index);

#endif /* SX_HTTP_MULTIPART_H */
