/* A worker that dies again and again is restarted later and later, up to a bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "supervisor/supervisor_private.h"

#define NS_PER_MS UINT64_C(1000000)

static void backoff_doubles_up_to_five_seconds(void **state)
{
    static const uint32_t expected_ms[] = { 0, 100, 200, 400, 800, 1600, 3200, 5000, 5000 };

    (void)state;
    for (uint32_t n = 0; n < sizeof expected_ms / sizeof expected_ms[0]; n++)
        assert_int_equal(sx_seat_backoff_ms(n), expected_ms[n]);
    assert_int_equal(sx_seat_backoff_ms(UINT32_MAX), 5000);
}

static void short_lives_make_a_seat_wait(void **state)
{
    struct sx_child child = { .kind = SX_CHILD_WORKER };
    struct sx_seat seat = { .child = &child };
    uint64_t before_ns = sx_clock_mono_ns();

    (void)state;
    child.ready_ns = before_ns;
    assert_int_equal(sx_seat_vacate(&seat, &child), 0);
    assert_null(seat.child);
    assert_int_equal(seat.n_short_lives, 1);
    assert_true(seat.due_ns >= before_ns);
    assert_true(seat.due_ns <= sx_clock_mono_ns());

    before_ns = sx_clock_mono_ns();
    child.ready_ns = 0; /* it never became ready */
    assert_int_equal(sx_seat_vacate(&seat, &child), 100);
    assert_int_equal(seat.n_short_lives, 2);
    assert_true(seat.due_ns >= before_ns + 100 * NS_PER_MS);
    assert_true(seat.due_ns <= sx_clock_mono_ns() + 100 * NS_PER_MS);
}

static void good_life_is_followed_at_once(void **state)
{
    struct sx_child child = { .kind = SX_CHILD_WORKER };
    struct sx_seat seat = { .child = &child, .n_short_lives = 7 };

    (void)state;
    child.ready_ns = sx_clock_mono_ns() - 10001 * NS_PER_MS;
    assert_int_equal(sx_seat_vacate(&seat, &child), 0);
    assert_int_equal(seat.n_short_lives, 1);
    assert_true(seat.due_ns <= sx_clock_mono_ns());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backoff_doubles_up_to_five_seconds),
        cmocka_unit_test(short_lives_make_a_seat_wait),
        cmocka_unit_test(good_life_is_followed_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
