/* A change takes over as a whole or not at all, and who fails it is named. */
#include "fixture.h"

static struct event start_serving(struct fixture *f)
{
    start(f);
    return expect_event(f, "serving");
}

/* The old generation goes on as if nothing had been asked. */
static void expect_unchanged(struct fixture *f, const struct event *old)
{
    f->forbidden = "serving";
    assert_int_equal(kill(old->pid, 0), 0);
    assert_int_equal(ask(f, "a.sock"), 1);
    signal_it(f, SIGTERM);
    assert_int_equal(expect_event(f, "drain").pid, old->pid);
    expect_exit(f, 0);
}

static void new_generation_takes_over_and_the_old_is_drained(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f);
    struct event new;

    configure(f, "\"workers\": 2,");
    signal_it(f, SIGHUP);
    assert_int_equal(expect_event(f, "checking").generation, 2);

    new = expect_event(f, "serving");
    assert_int_equal(new.generation, 2);
    assert_int_equal(expect_event(f, "serving").generation, 2);
    new = expect_event(f, "drain");
    assert_int_equal(new.pid, old.pid);
    assert_string_equal(new.more, "0 10000");
    expect_log(f, "generation 1 has ended");
    assert_int_equal(ask(f, "a.sock"), 2);
    stop_and_expect(f, SIGTERM, 0);
}

static void success_is_told_when_nobody_else_takes_connections(void **state)
{
    struct fixture *f = *state;

    write_text(f->dir, "mode", "worker=late");
    (void)start_serving(f);
    expect_log(f, "generation 1 serves with 1 workers");
    signal_it(f, SIGHUP);

    expect_log(f, "it closes late");
    expect_log(f, "generation 2 serves with 1 workers");
    stop_and_expect(f, SIGTERM, 0);
}

/* Of one that may live on for its streams, too. */
static void success_does_not_wait_longer_than_a_drain(void **state)
{
    struct fixture *f = *state;
    struct event old;

    enable_crashy(f, "");
    configure(f, "\"drain_ms\": 1,");
    write_text(f->dir, "mode", "worker=deaf");
    old = start_serving(f);
    write_text(f->dir, "mode", "");
    signal_it(f, SIGHUP);

    assert_int_equal(expect_event(f, "drain").pid, old.pid);
    expect_log(f, "generation 2 serves with 1 workers");
    assert_int_equal(kill(old.pid, 0), 0);
    stop_and_expect(f, SIGTERM, 0);
}

static void broken_configuration_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f);

    configure(f, "\"workers\": \"many\", \"drane_ms\": 1,");
    signal_it(f, SIGHUP);

    expect_log(f, "development.json:1: server.workers: expected");
    expect_log(f, "drane_ms");
    expect_log(f, "the reload has failed, generation 1 goes on serving: generation 2: the "
                  "configuration has faults");
    expect_unchanged(f, &old);
}

static void missing_plugin_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f);

    write_text(f->dir, "base.json",
               "{ \"plugins\": { \"orders\": { \"enabled\": true, \"path\": "
               "\"/nowhere/orders.so\" } } }\n");
    signal_it(f, SIGHUP);

    expect_log(f, "base.json:1: plugins.orders.path: /nowhere/orders.so: cannot be read");
    expect_unchanged(f, &old);
}

static void more_workers_than_the_board_holds_change_nothing(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f);

    configure(f, "\"workers\": 1000, \"pool_threads\": 1000,");
    signal_it(f, SIGHUP);

    expect_log(f, "server.workers: expected at most 4, found 1000");
    expect_log(f, "server.pool_threads: expected at most 32, found 1000");
    expect_unchanged(f, &old);
}

static void address_that_cannot_be_bound_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f);

    configure(f, "\"listen\": [\"unix:/nowhere/b.sock\"],");
    signal_it(f, SIGHUP);

    expect_log(f, "unix:/nowhere/b.sock: cannot listen: No such file or directory");
    expect_unchanged(f, &old);
}

static void checker_that_refuses_is_quoted(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f);

    write_text(f->dir, "mode", "check=fail");
    signal_it(f, SIGHUP);

    expect_log(f, "generation 1 goes on serving: generation 2: plugin crashy: first sentence");
    write_text(f->dir, "mode", "");
    expect_unchanged(f, &old);
}

static void plugin_that_crashes_the_checker_is_named(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f);
    char line[4096];

    write_text(f->dir, "mode", "check=die");
    signal_it(f, SIGHUP);

    expect_log_line(f, "the reload has failed", line, sizeof line);
    assert_non_null(strstr(line, "checker 0 of generation 2 (pid "));
    assert_non_null(strstr(line, "SIGABRT); the loop, thread 0 ran plugin \"crashy\" 1.2.3"));
    expect_unchanged(f, &old);
}

/* With any code: it did not come to its end. */
static void plugin_that_exits_in_the_checker_has_not_passed(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f);
    char line[4096];

    write_text(f->dir, "mode", "check=quit");
    signal_it(f, SIGHUP);

    expect_log_line(f, "the reload has failed", line, sizeof line);
    assert_non_null(strstr(line, "exited with code 0"));
    expect_unchanged(f, &old);
}

static void checker_that_hangs_is_killed_at_its_deadline(void **state)
{
    struct fixture *f = *state;
    struct event old;

    configure(f, "\"start_ms\": 3000,");
    old = start_serving(f);
    write_text(f->dir, "mode", "check=hang");
    signal_it(f, SIGHUP);

    expect_log(f, "was not ready within 3000 ms and was killed");
    expect_unchanged(f, &old);
}

static void worker_that_fails_gives_the_whole_generation_up(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f);
    char line[4096];

    configure(f, "\"workers\": 3,");
    write_text(f->dir, "mode", "worker=fail1");
    signal_it(f, SIGHUP);

    expect_log_line(f, "the reload has failed", line, sizeof line);
    assert_non_null(strstr(line, "generation 2: the second one fails"));
    expect_log(f, "generation 2 has ended");
    expect_unchanged(f, &old);
}

static void failed_reload_can_be_repeated(void **state)
{
    struct fixture *f = *state;

    (void)start_serving(f);
    for (int i = 0; i < 4; i++) {
        write_text(f->dir, "mode", "check=fail");
        signal_it(f, SIGHUP);
        expect_log(f, "the reload has failed");
    }
    write_text(f->dir, "mode", "check=ok");
    signal_it(f, SIGHUP);
    assert_int_equal(expect_event(f, "serving").generation, 6);
    stop_and_expect(f, SIGTERM, 0);
}

static void reload_during_a_reload_is_done_once_afterwards(void **state)
{
    struct fixture *f = *state;

    (void)start_serving(f);
    write_text(f->dir, "mode", "check=gate");
    signal_it(f, SIGHUP);
    expect_event(f, "checking");
    for (int i = 0; i < 2; i++) {
        signal_it(f, SIGHUP);
        expect_log(f, "the reload waits for the change that is under way");
    }

    open_gate(f);
    assert_int_equal(expect_event(f, "serving").generation, 2);
    assert_int_equal(expect_event(f, "checking").generation, 3);
    open_gate(f);
    assert_int_equal(expect_event(f, "serving").generation, 3);

    signal_it(f, SIGHUP); /* had the third been kept too, it would be generation 4 */
    assert_int_equal(expect_event(f, "checking").generation, 4);
    open_gate(f);
    assert_int_equal(expect_event(f, "serving").generation, 4);
    stop_and_expect(f, SIGTERM, 0);
}

static void third_reload_waits_while_two_generations_are_drained(void **state)
{
    struct fixture *f = *state;

    write_text(f->dir, "mode", "worker=slow");
    (void)start_serving(f);
    for (unsigned generation = 2; generation <= 3; generation++) {
        signal_it(f, SIGHUP);
        assert_int_equal(expect_event(f, "serving").generation, generation);
        expect_event(f, "drain"); /* and waits at the gate */
    }

    signal_it(f, SIGHUP);
    expect_log(f, "the reload waits for the change that is under way");
    open_gate(f);
    expect_log(f, "has ended");
    expect_log(f, "reloading");
    assert_int_equal(expect_event(f, "serving").generation, 4);
    for (int i = 0; i < 3; i++)
        open_gate(f);
    stop_and_expect(f, SIGTERM, 0);
}

static void new_address_is_bound_and_the_removed_one_lives_until_the_drain_ends(void **state)
{
    struct fixture *f = *state;
    char text[512];
    int fd;

    write_text(f->dir, "mode", "worker=slow");
    (void)start_serving(f);
    (void)snprintf(text, sizeof text,
                   "{ \"server\": { \"workers\": 1, \"address\": "
                   "\"unix:%s/b.sock\" } }\n",
                   f->dir);
    write_text(f->dir, "development.json", text);
    write_text(f->dir, "mode", "worker=ok");

    signal_it(f, SIGHUP);
    expect_event(f, "drain"); /* the old worker waits at the gate */
    assert_int_equal(ask(f, "b.sock"), 2);
    fd = connect_to(f, "a.sock");
    assert_true(fd >= 0);
    (void)close(fd);

    open_gate(f);
    expect_log(f, "generation 1 has ended");
    assert_int_equal(ask(f, "a.sock"), -ENOENT);
    stop_and_expect(f, SIGTERM, 0);
}

static void old_worker_that_dies_during_a_reload_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f);

    write_text(f->dir, "mode", "check=gate");
    signal_it(f, SIGHUP);
    expect_event(f, "checking");
    assert_int_equal(kill(old.pid, SIGABRT), 0);
    assert_int_equal(expect_event(f, "serving").generation, 1);

    open_gate(f);
    assert_int_equal(expect_event(f, "serving").generation, 2);
    stop_and_expect(f, SIGTERM, 0);
}

static int niceness(int pid)
{
    int nice;

    errno = 0;
    nice = getpriority(PRIO_PROCESS, (id_t)pid);
    assert_int_equal(errno, 0);
    return nice;
}

/* A worker could not have its priority back. */
static void expect_patient(struct fixture *f, const char *mode, const char *event)
{
    const int own = niceness(0), patient = own + 10 < 19 ? own + 10 : 19;

    assert_int_equal(niceness(start_serving(f).pid), own);
    write_text(f->dir, "mode", mode);
    signal_it(f, SIGHUP);
    assert_int_equal(niceness(expect_event(f, event).pid), patient);
    stop_and_expect(f, SIGTERM, 0);
}

static void reader_is_patient(void **state)
{
    expect_patient(*state, "reader=hang", "reading");
}

static void checker_is_patient(void **state)
{
    expect_patient(*state, "check=hang", "checking");
}

static void stop_during_a_reload_gives_it_up(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f);

    write_text(f->dir, "mode", "check=hang");
    signal_it(f, SIGHUP);
    expect_event(f, "checking");

    signal_it(f, SIGTERM);
    assert_int_equal(expect_event(f, "drain").pid, old.pid);
    expect_exit(f, 0);
}

static void stop_while_the_configuration_is_read_waits_for_nobody(void **state)
{
    struct fixture *f = *state;

    start_serving(f);
    write_text(f->dir, "mode", "reader=hang");
    signal_it(f, SIGHUP);
    expect_log(f, "reloading");

    stop_and_expect(f, SIGTERM, 0);

    expect_log(f, "generation 2 is given up: the server stops");
}

static void expect_unread(struct fixture *f, const char *mode, const char *why)
{
    struct event old = start_serving(f);

    write_text(f->dir, "mode", mode);
    signal_it(f, SIGHUP);

    expect_log(f, why);
    expect_log(f, "generation 1 goes on serving: generation 2: the configuration has faults");
    write_text(f->dir, "mode", "");
    expect_unchanged(f, &old);
}

static void reader_that_dies_changes_nothing(void **state)
{
    expect_unread(*state, "reader=die", "could not be read: the process that reads them Killed");
}

static void reader_that_hands_no_copies_over_changes_nothing(void **state)
{
    expect_unread(*state, "reader=forget",
                  "the copies of the plugins could not be taken over: none have come");
}

static void worker_that_dies_while_the_configuration_is_read_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f), new;

    write_text(f->dir, "mode", "reader=hang");
    signal_it(f, SIGHUP);
    expect_log(f, "reloading");

    assert_int_equal(kill(old.pid, SIGKILL), 0);

    new = expect_event(f, "serving");
    assert_int_equal(new.generation, 1);
    stop_and_expect(f, SIGTERM, 0);
}

static void draining_worker_that_does_not_finish_is_killed(void **state)
{
    struct fixture *f = *state;

    configure(f, "\"workers\": 1, \"drain_ms\": 1,");
    write_text(f->dir, "mode", "worker=stubborn");
    (void)start_serving(f);
    write_text(f->dir, "mode", "worker=ok");

    signal_it(f, SIGHUP);

    expect_log(f, "did not finish within 1001 ms and was killed");
    expect_log(f, "generation 1 has ended");
    assert_int_equal(ask(f, "a.sock"), 2);
    stop_and_expect(f, SIGTERM, 0);
}

static int run_group(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(new_generation_takes_over_and_the_old_is_drained),
        TEST(success_is_told_when_nobody_else_takes_connections),
        TEST(success_does_not_wait_longer_than_a_drain),
        TEST(broken_configuration_changes_nothing),
        TEST(missing_plugin_changes_nothing),
        TEST(more_workers_than_the_board_holds_change_nothing),
        TEST(address_that_cannot_be_bound_changes_nothing),
        TEST(checker_that_refuses_is_quoted),
        TEST(plugin_that_crashes_the_checker_is_named),
        TEST(plugin_that_exits_in_the_checker_has_not_passed),
        TEST(checker_that_hangs_is_killed_at_its_deadline),
        TEST(worker_that_fails_gives_the_whole_generation_up),
        TEST(failed_reload_can_be_repeated),
        TEST(reload_during_a_reload_is_done_once_afterwards),
        TEST(third_reload_waits_while_two_generations_are_drained),
        TEST(new_address_is_bound_and_the_removed_one_lives_until_the_drain_ends),
        TEST(old_worker_that_dies_during_a_reload_is_replaced),
        TEST(reader_is_patient),
        TEST(checker_is_patient),
        TEST(stop_during_a_reload_gives_it_up),
        TEST(stop_while_the_configuration_is_read_waits_for_nobody),
        TEST(reader_that_dies_changes_nothing),
        TEST(reader_that_hands_no_copies_over_changes_nothing),
        TEST(worker_that_dies_while_the_configuration_is_read_is_replaced),
        TEST(draining_worker_that_does_not_finish_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run_group);
}
