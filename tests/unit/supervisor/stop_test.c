/* Stopping: gracefully, at once, and when the supervisor itself is killed. */
#include "fixture.h"

static void start_serving(struct fixture *f, uint32_t n_workers)
{
    start(f);
    for (uint32_t i = 0; i < n_workers; i++)
        expect_event(f, "serving");
}

static void term_drains_every_worker_with_its_times(void **state)
{
    struct fixture *f = *state;
    struct event e;

    configure(f, "\"workers\": 2, \"drain_delay_ms\": 30, \"drain_ms\": 70000,");
    start_serving(f, 2);

    signal_it(f, SIGTERM);
    for (int i = 0; i < 2; i++) {
        e = expect_event(f, "drain");
        assert_string_equal(e.more, "30 70000");
    }
    expect_exit(f, 0);
    expect_log(f, "stopped");
}

static void second_term_is_quick(void **state)
{
    struct fixture *f = *state;

    configure(f, "\"drain_ms\": 100000,");
    write_text(f->dir, "mode", "worker=stubborn");
    start_serving(f, 1);

    signal_it(f, SIGTERM);
    expect_event(f, "drain");
    signal_it(f, SIGTERM);
    expect_event(f, "stop");
    expect_exit(f, 0);
}

static void int_and_quit_are_quick(void **state)
{
    static const int signals[] = { SIGINT, SIGQUIT };
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        start_serving(f, 1);
        signal_it(f, signals[i]);
        expect_event(f, "stop");
        expect_exit(f, 0);
    }
}

static void worker_may_send_no_descriptors(void **state)
{
    struct fixture *f = *state;
    const int off = 0;
    int fds[2];

    assert_int_equal(sx_control_open(fds), 0);
    if (setsockopt(fds[0], SOL_SOCKET, 83, &off, sizeof off) != 0) /* SO_PASSRIGHTS */
        skip();
    (void)close(fds[0]);
    (void)close(fds[1]);
    write_text(f->dir, "mode", "worker=rights");
    start_serving(f, 1);
    assert_string_equal(expect_event(f, "sent").more, strerror(EPERM));
    stop_and_expect(f, SIGTERM, 0);
}

static void worker_that_does_not_finish_is_killed_after_its_grace(void **state)
{
    struct fixture *f = *state;

    configure(f, "\"drain_delay_ms\": 1, \"drain_ms\": 2,");
    write_text(f->dir, "mode", "worker=stubborn");
    start_serving(f, 1);

    stop_and_expect(f, SIGTERM, 0);
    expect_log(f, "did not finish within 1003 ms and was killed");
}

static void workers_see_the_death_of_their_supervisor(void **state)
{
    struct fixture *f = *state;

    configure(f, "\"workers\": 2,");
    start_serving(f, 2);

    signal_it(f, SIGKILL);

    expect_event(f, "abandoned");
    expect_event(f, "abandoned");
    assert_int_equal(waitpid(f->pid, NULL, 0), f->pid);
    f->pid = 0;
}

static void workers_ignore_what_a_terminal_sends_to_all(void **state)
{
    static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2 };
    struct fixture *f = *state;
    struct event worker;

    start(f);
    worker = expect_event(f, "serving");
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        assert_int_equal(kill(worker.pid, signals[i]), 0);

    signal_it(f, SIGTERM);
    assert_int_equal(expect_event(f, "drain").pid, worker.pid);
    expect_exit(f, 0);
}

static void orphans_are_reaped(void **state)
{
    struct fixture *f = *state; /* its supervisor adopts orphans, as process 1 does */

    write_text(f->dir, "mode", "worker=orphan");
    start_serving(f, 1);

    open_gate(f);
    expect_log(f, "orphan ");
    stop_and_expect(f, SIGTERM, 0);
}

static int run_group(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(term_drains_every_worker_with_its_times),
        TEST(second_term_is_quick),
        TEST(int_and_quit_are_quick),
        TEST(worker_may_send_no_descriptors),
        TEST(worker_that_does_not_finish_is_killed_after_its_grace),
        TEST(workers_see_the_death_of_their_supervisor),
        TEST(workers_ignore_what_a_terminal_sends_to_all),
        TEST(orphans_are_reaped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run_group);
}
