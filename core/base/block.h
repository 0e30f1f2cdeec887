/*
 * base/block.h - sixteen bytes at once, where each is looked for one.
 *
 * SSE2 is part of x86-64; elsewhere it is a loop that the compiler may make vectors of.
 */
#ifndef SX_BASE_BLOCK_H
#define SX_BASE_BLOCK_H

#include <stdint.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SX_BLOCK_BYTES 16u

/* Bit i says that byte i of the block is c. */
static inline uint32_t sx_block_find(const char *data, char c)
{
#ifdef __SSE2__
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)data);

    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8(c)));
#else
    uint32_t bits = 0;

    for (unsigned i = 0; i < SX_BLOCK_BYTES; i++)
        bits |= (uint32_t)(data[i] == c) << i;
    return bits;
#endif
}

#endif /* SX_BASE_BLOCK_H */
