/* base/arena.c - blocks from malloc, handed out from their front, given back together. */
#include "base/arena.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Under AddressSanitizer, what an arena has not handed out cannot be touched: a pointer that
 * outlives a reset is found by the first test that uses it. */
#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size)   ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

#define ALIGNMENT         _Alignof(max_align_t)
#define FIRST_BLOCK_BYTES 4096u
#define MOST_BLOCK_BYTES  65536u

struct sx_arena_block {
    struct sx_arena_block *next;
    size_t size; /* with this head */
    _Alignas(max_align_t) char data[];
};

static void enter_block(struct sx_arena *a, struct sx_arena_block *block)
{
    a->last = block;
    a->at = block->data;
    a->end = (char *)block + block->size;
    ASAN_POISON_MEMORY_REGION(a->at, (size_t)(a->end - a->at));
}

void sx_arena_init(struct sx_arena *a, size_t max_bytes)
{
    *a = (struct sx_arena){ .max_bytes = max_bytes };
}

static void free_blocks(struct sx_arena_block *block)
{
    while (block != NULL) {
        struct sx_arena_block *next = block->next;

        ASAN_UNPOISON_MEMORY_REGION(block->data, block->size - sizeof(*block));
        free(block);
        block = next;
    }
}

void sx_arena_finish(struct sx_arena *a)
{
    free_blocks(a->first);
    sx_arena_init(a, a->max_bytes);
}

void sx_arena_reset(struct sx_arena *a)
{
    struct sx_arena_block *first = a->first;

    if (first == NULL)
        return;
    free_blocks(first->next);
    first->next = NULL;
    a->used_bytes = first->size;
    enter_block(a, first);
}

/* Twice the last one, not more than is left, not less than is needed; 0 when that is too much. */
static size_t next_block_size(const struct sx_arena *a, size_t need)
{
    size_t left = a->max_bytes - a->used_bytes;
    size_t size = a->last == NULL ? FIRST_BLOCK_BYTES : a->last->size * 2;

    if (size > MOST_BLOCK_BYTES)
        size = MOST_BLOCK_BYTES;
    if (size < need)
        size = need;
    if (size > left)
        size = left;
    return size < need ? 0 : size;
}

static int add_block(struct sx_arena *a, size_t size)
{
    size_t block_size = next_block_size(a, size + sizeof(struct sx_arena_block));
    struct sx_arena_block *block = block_size == 0 ? NULL : malloc(block_size);

    if (block == NULL)
        return -1;
    block->next = NULL;
    block->size = block_size;
    if (a->last == NULL)
        a->first = block;
    else
        a->last->next = block;
    a->used_bytes += block_size;
    enter_block(a, block);
    return 0;
}

void *sx_arena_alloc(struct sx_arena *a, size_t size)
{
    size_t rounded;
    char *at;

    if (size > PTRDIFF_MAX / 2)
        return NULL;
    rounded = (size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
    if (a->at == NULL || (size_t)(a->end - a->at) < rounded) {
        if (add_block(a, rounded) != 0)
            return NULL;
    }
    at = a->at;
    a->at += rounded;
    ASAN_UNPOISON_MEMORY_REGION(at, size);
    return at;
}

void *sx_arena_zalloc(struct sx_arena *a, size_t size)
{
    void *at = sx_arena_alloc(a, size);

    if (at != NULL)
        memset(at, 0, size);
    return at;
}

char *sx_arena_text(struct sx_arena *a, const char *data, size_t len)
{
    char *copy = len == SIZE_MAX ? NULL : sx_arena_alloc(a, len + 1);

    if (copy == NULL)
        return NULL;
    if (len > 0)
        memcpy(copy, data, len);
    copy[len] = '\0';
    return copy;
}

char *sx_arena_printf(struct sx_arena *a, const char *fmt, ...)
{
    va_list ap, again;
    char *text = NULL;
    int len;

    va_start(ap, fmt);
    va_copy(again, ap);
    len = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (len >= 0)
        text = sx_arena_alloc(a, (size_t)len + 1);
    if (text != NULL)
        (void)vsnprintf(text, (size_t)len + 1, fmt, again);
    va_end(again);
    return text;
}
