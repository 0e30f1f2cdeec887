/* The arena: alignment, its ceiling, what a reset keeps, and every allocation failing once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "failing_malloc.h"

#include "base/arena.c"

static void arena_gives_aligned_memory_that_does_not_overlap(void **state)
{
    struct sx_arena a;
    unsigned char *at[200];

    (void)state;
    sx_arena_init(&a, 1u << 20);
    for (size_t i = 0; i < 200; i++) {
        at[i] = sx_arena_alloc(&a, i * 7);
        assert_non_null(at[i]);
        assert_int_equal((uintptr_t)at[i] % _Alignof(max_align_t), 0);
        memset(at[i], (int)i, i * 7);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t j = 0; j < i * 7; j++)
            assert_int_equal(at[i][j], (unsigned char)i);
    }
    sx_arena_finish(&a);
}

static void arena_allocates_nothing_before_its_first_use(void **state)
{
    struct sx_arena a;

    (void)state;
    sx_arena_init(&a, 4096);
    assert_int_equal(a.used_bytes, 0);
    sx_arena_reset(&a);
    assert_null(a.first);
    sx_arena_finish(&a);
    sx_arena_finish(&a);
}

static void arena_stops_at_its_ceiling(void **state)
{
    static const size_t ceilings[] = { 0, 1, 100, 4096, 5000, 100000 };

    (void)state;
    for (size_t i = 0; i < sizeof(ceilings) / sizeof(ceilings[0]); i++) {
        struct sx_arena a;
        size_t n = 0;

        sx_arena_init(&a, ceilings[i]);
        while (sx_arena_alloc(&a, 64) != NULL)
            n += 64;
        assert_true(n <= ceilings[i]);
        assert_true(a.used_bytes <= ceilings[i]);
        assert_true(n + n / 8 + 512 >= ceilings[i]); /* and not long before it */
        assert_null(sx_arena_alloc(&a, SIZE_MAX));
        assert_null(sx_arena_alloc(&a, SIZE_MAX - 15));
        assert_null(sx_arena_text(&a, "", SIZE_MAX));
        sx_arena_finish(&a);
    }
}

static void arena_takes_one_large_piece_up_to_its_ceiling(void **state)
{
    struct sx_arena a;
    char *at;

    (void)state;
    sx_arena_init(&a, 300000);
    assert_non_null(sx_arena_alloc(&a, 10));
    at = sx_arena_alloc(&a, 250000);
    assert_non_null(at);
    memset(at, 1, 250000);
    assert_null(sx_arena_alloc(&a, 250000));
    sx_arena_finish(&a);
}

static void arena_keeps_its_first_block_over_a_reset(void **state)
{
    struct sx_arena a;
    char *first;

    (void)state;
    sx_arena_init(&a, 1u << 20);
    first = sx_arena_alloc(&a, 100);
    for (int i = 0; i < 100; i++)
        assert_non_null(sx_arena_alloc(&a, 1000));
    sx_arena_reset(&a);
    assert_true(a.used_bytes <= 4096);

    fail_call(1); /* a warm arena does not ask */
    assert_ptr_equal(sx_arena_alloc(&a, 100), first);
    for (int i = 0; i < 30; i++)
        assert_non_null(sx_arena_alloc(&a, 100));
    assert_false(has_failed());
    fail_call(0);
    sx_arena_finish(&a);
}

static void arena_text_and_printf_end_with_a_nul(void **state)
{
    struct sx_arena a;

    (void)state;
    sx_arena_init(&a, 1u << 16);
    assert_string_equal(sx_arena_text(&a, "hello world", 5), "hello");
    assert_string_equal(sx_arena_text(&a, NULL, 0), "");
    assert_string_equal(sx_arena_printf(&a, "%s-%d", "x", 42), "x-42");
    assert_string_equal(sx_arena_printf(&a, "%s", ""), "");
    assert_memory_equal(sx_arena_zalloc(&a, 16), "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
    assert_null(sx_arena_printf(&a, "%70000d", 1));
    sx_arena_finish(&a);
}

static bool fill(struct sx_arena *a)
{
    bool is_whole = true;

    for (int i = 0; i < 20; i++) {
        is_whole &= sx_arena_alloc(a, 3000) != NULL;
        is_whole &= sx_arena_text(a, "text", 4) != NULL;
        is_whole &= sx_arena_printf(a, "%d", i) != NULL;
    }
    return is_whole;
}

static void arena_survives_every_failed_allocation(void **state)
{
    long n = 0;
    bool failed;

    (void)state;
    do {
        struct sx_arena a;
        bool is_whole;

        sx_arena_init(&a, 1u << 20);
        fail_call(++n);
        is_whole = fill(&a);
        assert_int_equal(is_whole, !has_failed());
        failed = has_failed();
        fail_call(0);
        assert_true(fill(&a));
        sx_arena_reset(&a);
        assert_true(fill(&a));
        sx_arena_finish(&a);
    } while (failed);
    assert_true(n > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_gives_aligned_memory_that_does_not_overlap),
        cmocka_unit_test(arena_allocates_nothing_before_its_first_use),
        cmocka_unit_test(arena_stops_at_its_ceiling),
        cmocka_unit_test(arena_takes_one_large_piece_up_to_its_ceiling),
        cmocka_unit_test(arena_keeps_its_first_block_over_a_reset),
        cmocka_unit_test(arena_text_and_printf_end_with_a_nul),
        cmocka_unit_test(arena_survives_every_failed_allocation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
