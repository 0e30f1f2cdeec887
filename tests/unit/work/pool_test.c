/*
 * Pool threads: what is submitted runs once on a thread and is done once on the loop; what does
 * not fit is refused; what is left at the end is handed back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/check.h"
#include "base/error.h"
#include "work/work.h"

#define N_ITEMS 2000

struct fixture {
    uv_loop_t loop;
    struct sx_work_pool *pool;
    pthread_t loop_thread;
    pthread_mutex_t gate; /* locked: running items wait */
    int n_done, n_dropped;
};

struct item {
    struct sx_work_item work;
    struct fixture *fixture;
    int n_runs;
    bool was_on_loop, waits;
};

static void run(struct sx_work_item *w, uint32_t thread)
{
    struct item *it = SX_MEMBER_OF(w, struct item, work);

    it->n_runs++;
    it->was_on_loop = pthread_equal(pthread_self(), it->fixture->loop_thread) != 0 || thread == 0;
    if (it->waits) {
        (void)pthread_mutex_lock(&it->fixture->gate);
        (void)pthread_mutex_unlock(&it->fixture->gate);
    }
}

static void done(struct sx_work_item *w)
{
    struct item *it = SX_MEMBER_OF(w, struct item, work);

    assert_true(pthread_equal(pthread_self(), it->fixture->loop_thread));
    it->fixture->n_done++;
}

static void dropped(struct sx_work_item *w)
{
    SX_MEMBER_OF(w, struct item, work)->fixture->n_dropped++;
}

static void init_item(struct fixture *f, struct item *it)
{
    *it = (struct item){ .work = { .run = run, .done = done }, .fixture = f };
}

static void turn_until(struct fixture *f, int n)
{
    while (f->n_done < n)
        (void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct sx_work_settings set = { .loop = &f->loop, .n_threads = 3, .max_queued = 8 };

    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->loop_thread = pthread_self();
    (void)pthread_mutex_init(&f->gate, NULL);
    assert_int_equal(sx_work_create(&set, &f->pool), 0);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sx_work_close(f->pool, dropped);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    (void)pthread_mutex_destroy(&f->gate);
    free(f);
    return 0;
}

static void runs_each_item_once_on_a_thread_and_is_done_on_the_loop(void **state)
{
    struct fixture *f = *state;
    struct item *items = calloc(N_ITEMS, sizeof *items);

    for (int i = 0; i < N_ITEMS; i++) {
        init_item(f, &items[i]);
        while (sx_work_submit(f->pool, &items[i].work) == SX_ERR_BUSY)
            (void)uv_run(&f->loop, UV_RUN_NOWAIT);
    }
    turn_until(f, N_ITEMS);

    for (int i = 0; i < N_ITEMS; i++) {
        assert_int_equal(items[i].n_runs, 1);
        assert_false(items[i].was_on_loop);
    }
    assert_int_equal(sx_work_pending(f->pool), 0);
    free(items);
}

static void refuses_more_than_may_wait(void **state)
{
    struct fixture *f = *state;
    struct item items[64];
    int n = 0, err = 0;

    (void)pthread_mutex_lock(&f->gate);
    while (err == 0 && n < 64) {
        init_item(f, &items[n]);
        items[n].waits = true;
        err = sx_work_submit(f->pool, &items[n].work);
        n += err == 0;
    }
    (void)pthread_mutex_unlock(&f->gate);
    turn_until(f, n);

    assert_int_equal(err, SX_ERR_BUSY);
    assert_in_range(n, 8, 8 + 3);
}

static void *post_all(void *arg)
{
    struct item *items = arg;

    for (int i = 0; i < 100; i++)
        sx_work_post(items[i].fixture->pool, &items[i].work);
    return NULL;
}

static void posts_from_any_thread_are_done_on_the_loop_without_being_run(void **state)
{
    struct fixture *f = *state;
    struct item items[100];
    pthread_t thread;

    for (int i = 0; i < 100; i++)
        init_item(f, &items[i]);
    assert_int_equal(pthread_create(&thread, NULL, post_all, items), 0);
    turn_until(f, 100);
    (void)pthread_join(thread, NULL);

    for (int i = 0; i < 100; i++)
        assert_int_equal(items[i].n_runs, 0);
}

static void hands_back_what_is_left_when_it_closes(void **state)
{
    struct fixture *f = *state;
    struct sx_work_settings set = { .loop = &f->loop, .n_threads = 1, .max_queued = 8 };
    struct sx_work_pool *pool;
    struct item items[4];
    int n_run = 0;

    assert_int_equal(sx_work_create(&set, &pool), 0);
    for (int i = 0; i < 4; i++) {
        init_item(f, &items[i]);
        assert_int_equal(sx_work_submit(pool, &items[i].work), 0);
    }
    sx_work_close(pool, dropped);

    for (int i = 0; i < 4; i++)
        n_run += items[i].n_runs;
    assert_int_equal(f->n_done, n_run);
    assert_int_equal(f->n_dropped, 4 - n_run);
}

/* --- A thread that is lost ------------------------------------------------------------------ */

struct lost {
    struct sx_work_item work;
    struct sx_work_pool *pool;
    pthread_mutex_t *gate;
    pthread_t thread;
    bool is_lost;
};

/* Ends only when the test does. */
static void run_for_ever(struct sx_work_item *w, uint32_t thread)
{
    struct lost *l = SX_MEMBER_OF(w, struct lost, work);

    l->thread = pthread_self();
    sx_work_lose(l->pool, thread);
    (void)pthread_mutex_lock(l->gate);
    (void)pthread_mutex_unlock(l->gate);
    (void)pthread_exit(NULL);
}

static void on_lost(struct sx_work_item *w)
{
    SX_MEMBER_OF(w, struct lost, work)->is_lost = true;
}

static void replaces_a_thread_that_is_lost(void **state)
{
    struct fixture *f = *state;
    struct sx_work_settings set = {
        .loop = &f->loop, .n_threads = 1, .max_queued = 8, .on_lost = on_lost
    };
    struct sx_work_pool *pool;
    struct lost lost = { .work = { .run = run_for_ever, .done = done }, .gate = &f->gate };
    struct item after;

    (void)pthread_mutex_lock(&f->gate);
    assert_int_equal(sx_work_create(&set, &pool), 0);
    lost.pool = pool;
    init_item(f, &after);
    assert_int_equal(sx_work_submit(pool, &lost.work), 0);
    assert_int_equal(sx_work_submit(pool, &after.work), 0);
    turn_until(f, 1);

    assert_true(lost.is_lost);
    assert_int_equal(after.n_runs, 1);
    assert_int_equal(sx_work_pending(pool), 0);

    (void)pthread_mutex_unlock(&f->gate);
    (void)pthread_join(lost.thread, NULL);
    sx_work_close(pool, dropped);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(runs_each_item_once_on_a_thread_and_is_done_on_the_loop),
        TEST(refuses_more_than_may_wait),
        TEST(posts_from_any_thread_are_done_on_the_loop_without_being_run),
        TEST(hands_back_what_is_left_when_it_closes),
        TEST(replaces_a_thread_that_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
