/*
 * base/arena.h - memory that is given back all at once.
 *
 * Owned by one thread at a time.  The first block is kept over a reset, so a warm arena
 * allocates nothing from malloc.  Every arena has a ceiling.
 */
#ifndef SX_BASE_ARENA_H
#define SX_BASE_ARENA_H

#include <stddef.h>

struct sx_arena_block;

struct sx_arena {
    char *at; /* next free byte of the current block  */
    char *end;
    struct sx_arena_block *first; /* kept over a reset                    */
    struct sx_arena_block *last;
    size_t used_bytes; /* of all blocks, counted against max   */
    size_t max_bytes;
};

/* Allocates nothing until it is used.  max_bytes counts whole blocks. */
void sx_arena_init(struct sx_arena *a, size_t max_bytes);
void sx_arena_finish(struct sx_arena *a);
void sx_arena_reset(struct sx_arena *a);

/* Aligned for any type; not zeroed; NULL above the ceiling or without memory. */
void *sx_arena_alloc(struct sx_arena *a, size_t size);
void *sx_arena_zalloc(struct sx_arena *a, size_t size);
/* A NUL-terminated copy of len bytes. */
char *sx_arena_text(struct sx_arena *a, const char *data, size_t len);
char *sx_arena_printf(struct sx_arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* SX_BASE_ARENA_H */
