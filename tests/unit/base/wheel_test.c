/* The wheel against a naive model: every timeout on its own, checked at each step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/wheel.h"

#define N_TIMEOUTS 40
#define LATEST_MS  (2 * (uint64_t)SX_WHEEL_TICK_MS)

struct model;

struct entry {
    struct sx_timeout timeout;
    struct model *model;
    bool is_set;
    uint64_t due_ms;
    uint64_t set_ms; /* when it was set */
    unsigned n_fired;
};

struct model {
    struct sx_wheel wheel;
    uint64_t now_ms; /* of the advance that runs, or the last one */
    uint64_t seed;
    bool acts_in_callbacks;
    struct entry entries[N_TIMEOUTS];
};

static uint64_t pick(struct model *m, uint64_t n)
{
    m->seed ^= m->seed << 13;
    m->seed ^= m->seed >> 7;
    m->seed ^= m->seed << 17;
    return (m->seed >> 11) % n;
}

static uint32_t count_set(const struct model *m)
{
    uint32_t n = 0;

    for (size_t i = 0; i < N_TIMEOUTS; i++)
        n += m->entries[i].is_set;
    return n;
}

/* Now, soon, within a round, or several rounds away; sometimes already over. */
static uint64_t pick_due(struct model *m)
{
    static const uint64_t spans[] = { 1, 200, 5000, 32768, 200000 };
    uint64_t due = m->now_ms + pick(m, spans[pick(m, 5)]);

    return pick(m, 10) == 0 ? due - due % 1000 : due;
}

static void act(struct model *m)
{
    struct entry *e = &m->entries[pick(m, N_TIMEOUTS)];

    if (pick(m, 3) == 0) {
        sx_wheel_cancel(&m->wheel, &e->timeout);
        e->is_set = false;
    } else {
        e->due_ms = pick_due(m);
        e->set_ms = m->now_ms;
        e->is_set = true;
        sx_wheel_set(&m->wheel, &e->timeout, e->due_ms);
    }
}

static void on_timeout(struct sx_timeout *t)
{
    struct entry *e = SX_MEMBER_OF(t, struct entry, timeout);
    struct model *m = e->model;

    assert_true(e->is_set);
    assert_true(e->due_ms <= m->now_ms);
    assert_false(sx_timeout_is_set(t));
    e->is_set = false;
    e->n_fired++;
    for (int i = 0; m->acts_in_callbacks && i < 3; i++)
        act(m);
}

static struct model *make_model(uint64_t start_ms, bool acts_in_callbacks)
{
    struct model *m = calloc(1, sizeof(*m));

    m->seed = 88172645463325252u + start_ms;
    m->now_ms = start_ms;
    m->acts_in_callbacks = acts_in_callbacks;
    sx_wheel_init(&m->wheel, start_ms);
    for (size_t i = 0; i < N_TIMEOUTS; i++) {
        m->entries[i].model = m;
        sx_timeout_init(&m->entries[i].timeout, on_timeout);
    }
    return m;
}

/* After an advance nothing is left that was due two ticks ago; what was set when its time was
 * already over was due then. */
static void check_model(struct model *m)
{
    assert_int_equal(m->wheel.n_timeouts, count_set(m));
    for (size_t i = 0; i < N_TIMEOUTS; i++) {
        const struct entry *e = &m->entries[i];
        uint64_t due_ms = e->due_ms > e->set_ms ? e->due_ms : e->set_ms;

        assert_int_equal(e->is_set, sx_timeout_is_set(&e->timeout));
        if (e->is_set)
            assert_true(due_ms + LATEST_MS > m->now_ms);
    }
}

static void advance(struct model *m, uint64_t step_ms)
{
    m->now_ms += step_ms;
    sx_wheel_advance(&m->wheel, m->now_ms);
    check_model(m);
}

static void run_model(uint64_t start_ms, bool acts_in_callbacks)
{
    static const uint64_t steps[] = { 1, 70, 1000, 40000, 300000 };
    struct model *m = make_model(start_ms, acts_in_callbacks);
    unsigned n_fired = 0;

    for (int round = 0; round < 20000; round++) {
        for (uint64_t i = pick(m, 4); i > 0; i--)
            act(m);
        advance(m, pick(m, steps[pick(m, pick(m, 8) == 0 ? 5 : 3)]));
    }
    for (size_t i = 0; i < N_TIMEOUTS; i++)
        n_fired += m->entries[i].n_fired;
    assert_true(n_fired > 5000);
    free(m);
}

static void wheel_agrees_with_the_model(void **state)
{
    (void)state;
    run_model(0, false);
    run_model(1234567, false);
    run_model(UINT64_MAX / 4, false);
}

static void wheel_lets_callbacks_set_and_cancel(void **state)
{
    (void)state;
    run_model(0, true);
    run_model(7654321, true);
}

static void wheel_fires_at_the_tick_after_its_time(void **state)
{
    struct model *m = make_model(0, false);
    struct entry *e = &m->entries[0];

    (void)state;
    for (uint64_t due = 1; due <= 300; due += 7) {
        uint64_t start = m->now_ms;

        e->is_set = true;
        e->due_ms = start + due;
        e->n_fired = 0;
        sx_wheel_set(&m->wheel, &e->timeout, e->due_ms);
        while (e->n_fired == 0) {
            m->now_ms++;
            sx_wheel_advance(&m->wheel, m->now_ms);
        }
        assert_true(m->now_ms >= e->due_ms);
        assert_true(m->now_ms < e->due_ms + LATEST_MS);
    }
    free(m);
}

static void wheel_takes_a_time_that_goes_back(void **state)
{
    struct model *m = make_model(100000, false);
    struct entry *e = &m->entries[0];

    (void)state;
    e->is_set = true;
    e->due_ms = 100500;
    sx_wheel_set(&m->wheel, &e->timeout, e->due_ms);
    sx_wheel_advance(&m->wheel, 50000);
    assert_int_equal(e->n_fired, 0);
    m->now_ms = 101000;
    sx_wheel_advance(&m->wheel, m->now_ms);
    assert_int_equal(e->n_fired, 1);
    sx_wheel_cancel(&m->wheel, &e->timeout);
    free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wheel_agrees_with_the_model),
        cmocka_unit_test(wheel_lets_callbacks_set_and_cancel),
        cmocka_unit_test(wheel_fires_at_the_tick_after_its_time),
        cmocka_unit_test(wheel_takes_a_time_that_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
