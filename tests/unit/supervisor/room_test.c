/* Places on the board: whoever shall serve gets one, and whoever finishes makes room for it. */
#include "fixture.h"

#define N_SEATS     2u
#define N_SLOTS     8u /* of two workers: they may be doubled, and a reload doubles them again */
#define N_FINISHING (N_SLOTS - N_SEATS)

/* A worker that serves leaves its seat to another and waits at the gate. */
static struct event leave_one(struct fixture *f)
{
    struct event worker = expect_event(f, "serving");

    assert_int_equal(kill(worker.pid, SIGUSR2), 0);
    expect_event(f, "drain");
    return worker;
}

/* No place is left: most have workers that finish, in the order of their starts. */
static void fill_board(struct fixture *f, struct event finishing[N_FINISHING])
{
    configure(f, "\"workers\": 2, \"drain_ms\": 3600000,");
    write_text(f->dir, "mode", "worker=slow");
    start(f);
    expect_log(f, "generation 1 serves with 2 workers");
    for (size_t i = 0; i < N_FINISHING; i++)
        finishing[i] = leave_one(f);
}

/* One of two, which were started together. */
static void expect_killed(struct fixture *f, const struct event pair[2])
{
    char line[4096], a[32], b[32];

    (void)snprintf(a, sizeof a, "(pid %d)", pair[0].pid);
    (void)snprintf(b, sizeof b, "(pid %d)", pair[1].pid);
    expect_log_line(f, "had to make room before it had finished and was killed", line, sizeof line);
    if (strstr(line, a) == NULL && strstr(line, b) == NULL)
        fail_msg("expected the end of %s or %s, found \"%s\"", a, b, line);
}

static void stop_and_open(struct fixture *f)
{
    for (size_t i = 0; i < 2 * N_SLOTS; i++)
        open_gate(f);
    stop_and_expect(f, SIGTERM, 0);
}

static void oldest_that_finishes_makes_room_for_one_that_shall_serve(void **state)
{
    struct fixture *f = *state;
    struct event finishing[N_FINISHING];

    fill_board(f, finishing);
    (void)leave_one(f);

    expect_killed(f, finishing);
    (void)expect_event(f, "serving");
    (void)expect_event(f, "serving");
    stop_and_open(f);
}

static void oldest_that_finish_make_room_for_a_reload(void **state)
{
    struct fixture *f = *state;
    struct event finishing[N_FINISHING];

    fill_board(f, finishing);
    (void)expect_event(f, "serving");
    (void)expect_event(f, "serving");
    signal_it(f, SIGHUP);

    expect_log(f, "the reload waits for the change that is under way");
    expect_killed(f, finishing);
    expect_killed(f, finishing);
    expect_log(f, "reloading");
    assert_int_equal(expect_event(f, "serving").generation, 2);
    stop_and_open(f);
}

/* The two that serve become four. */
static void double_workers(struct fixture *f, unsigned generation)
{
    for (size_t i = 0; i < 2 * N_SEATS; i++) {
        if (i >= N_SEATS)
            signal_it(f, SIGTTIN);
        assert_int_equal(expect_event(f, "serving").generation, generation);
    }
}

static void streams_of_an_old_generation_make_room_for_a_reload(void **state)
{
    struct fixture *f = *state;

    enable_crashy(f, "");
    configure(f, "\"workers\": 2, \"drain_ms\": 1,");
    write_text(f->dir, "mode", "worker=stubborn");
    start(f);
    double_workers(f, 1);
    signal_it(f, SIGHUP);
    double_workers(f, 2);
    for (size_t i = 0; i < N_SLOTS / 2; i++)
        assert_string_equal(expect_event(f, "streams").more, "300000 crashy");

    signal_it(f, SIGHUP);

    for (size_t i = 0; i < N_SLOTS / 2; i++) {
        struct event told = expect_event(f, "streams");

        assert_int_equal(told.generation, 1);
        assert_string_equal(told.more, "0");
    }
    expect_log(f, "generation 1 has ended");
    assert_int_equal(expect_event(f, "serving").generation, 3);
    stop_and_expect(f, SIGINT, 0);
}

static void checker_leaves_its_place_to_the_workers(void **state)
{
    struct fixture *f = *state;

    configure(f, "\"workers\": 2,");
    start(f);
    double_workers(f, 1);
    configure(f, "\"workers\": 4,");

    signal_it(f, SIGHUP);

    for (size_t i = 0; i < N_SLOTS / 2; i++)
        assert_int_equal(expect_event(f, "serving").generation, 2);
    expect_log(f, "generation 2 serves with 4 workers");
    stop_and_expect(f, SIGTERM, 0);
}

static int run_group(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(oldest_that_finishes_makes_room_for_one_that_shall_serve),
        TEST(oldest_that_finish_make_room_for_a_reload),
        TEST(streams_of_an_old_generation_make_room_for_a_reload),
        TEST(checker_leaves_its_place_to_the_workers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run_group);
}
