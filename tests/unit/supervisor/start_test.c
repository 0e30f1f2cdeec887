/* The first workers are their own check: all of them come to serve, the first before the others,
 * or the start ends and says why. */
#include "fixture.h"

static void first_worker_serves_before_the_others_are_started(void **state)
{
    struct fixture *f = *state;
    struct event first, second;

    configure(f, "\"workers\": 2,");
    write_text(f->dir, "mode", "worker=gate");
    start(f);
    first = expect_event(f, "starting");
    open_gate(f);
    assert_int_equal(expect_event(f, "serving").pid, first.pid);
    second = expect_event(f, "starting");
    assert_int_equal(first.index, 0);
    assert_int_equal(second.index, 1);
    assert_int_equal(ask(f, "a.sock"), 1);
    open_gate(f);

    assert_int_equal(expect_event(f, "serving").pid, second.pid);
    expect_log(f, "listening on unix:");
    expect_log(f, "generation 1 serves with 2 workers");
    stop_and_expect(f, SIGTERM, 0);
}

/* Or a crash of its replacement, some day, would still end the start. */
static void start_is_over_when_those_that_are_left_serve(void **state)
{
    struct fixture *f = *state;

    configure(f, "\"workers\": 2,");
    write_text(f->dir, "mode", "worker=gate");
    start(f);
    expect_event(f, "starting");
    open_gate(f);
    expect_event(f, "starting");
    signal_it(f, SIGTTOU);

    expect_log(f, "resized: 1 workers");
    expect_log(f, "generation 1 serves with 1 workers");
    stop_and_expect(f, SIGTERM, 0);
}

static void one_that_is_late_is_started_again_beside_the_first(void **state)
{
    struct fixture *f = *state;

    configure(f, "\"workers\": 2, \"start_ms\": 3000,");
    write_text(f->dir, "mode", "worker=hang1");
    start(f);

    expect_log(f, "was not ready within 3000 ms");
    assert_int_equal(ask(f, "a.sock"), 1);
    write_text(f->dir, "mode", "worker=ok");
    expect_log(f, "generation 1 serves with 2 workers");
    stop_and_expect(f, SIGTERM, 0);
}

static void start_of_the_others_may_be_stopped(void **state)
{
    struct fixture *f = *state;
    struct event first;

    configure(f, "\"workers\": 2,");
    write_text(f->dir, "mode", "worker=gate");
    start(f);
    first = expect_event(f, "starting");
    open_gate(f);
    expect_event(f, "starting");
    signal_it(f, SIGTERM);

    assert_int_equal(expect_event(f, "drain").pid, first.pid);
    open_gate(f); /* the other may have been killed, or drains */
    expect_exit(f, 0);
}

static void every_address_is_served(void **state)
{
    struct fixture *f = *state;
    char server[256];

    (void)snprintf(server, sizeof server, "\"workers\": 2, \"listen\": [\"unix:%s/b.sock\"],",
                   f->dir);
    configure(f, server);
    start(f);
    expect_event(f, "serving");

    assert_int_equal(ask(f, "a.sock"), 1);
    assert_int_equal(ask(f, "b.sock"), 1);
    stop_and_expect(f, SIGTERM, 0);
    assert_int_equal(ask(f, "a.sock"), -ENOENT); /* and its path is removed */
}

static void worker_that_refuses_ends_the_start_with_its_own_words(void **state)
{
    struct fixture *f = *state;
    char text[4096];

    configure(f, "\"workers\": 2,");
    write_text(f->dir, "mode", "worker=fail");
    start(f);

    expect_exit(f, 2);
    read_errors(f, text, sizeof text);
    assert_string_equal(text, "plugin crashy: first sentence\nand a hint\n");
}

static void one_worker_that_fails_ends_the_start_of_the_first(void **state)
{
    struct fixture *f = *state;

    configure(f, "\"workers\": 2,");
    write_text(f->dir, "mode", "worker=fail1");
    start(f);

    assert_int_equal(expect_event(f, "drain").index, 0); /* it finishes what it has */
    expect_exit(f, 1);
    expect_error(f, "the second one fails\n");
}

static void worker_that_exits_without_a_word_fails_the_start(void **state)
{
    struct fixture *f = *state;

    write_text(f->dir, "mode", "worker=exit1");
    start(f);

    expect_exit(f, 1);
    expect_error(f, "worker 0 of generation 1 (pid ");
    expect_error(f, ") exited with code 1; it ran no plugin");
}

static void plugin_that_crashes_the_start_is_named(void **state)
{
    struct fixture *f = *state;

    write_text(f->dir, "mode", "worker=die");
    start(f);

    expect_exit(f, 2);
    expect_error(f, "was killed by signal 6 (SIGABRT");
    expect_error(f, "ran plugin \"crashy\" 1.2.3 (build feature/x@abc), route GET /crash/{how}, "
                    "request req-77");
}

static void worker_that_hangs_is_killed_at_its_deadline(void **state)
{
    struct fixture *f = *state;

    configure(f, "\"start_ms\": 100,");
    write_text(f->dir, "mode", "worker=hang");
    start(f);

    expect_exit(f, 1);
    expect_error(f, "was not ready within 100 ms and was killed");
}

static void missing_plugin_is_told_before_any_worker(void **state)
{
    struct fixture *f = *state;

    write_text(f->dir, "base.json",
               "{ \"plugins\": { \"orders\": { \"enabled\": true, \"path\": "
               "\"/nowhere/orders.so\" } } }\n");
    start(f);

    expect_exit(f, 2);
    expect_error(
        f, "base.json:1: plugins.orders.path: /nowhere/orders.so: cannot be read: No such file");
}

static void address_in_use_is_a_failure_at_run_time(void **state)
{
    struct fixture *f = *state;
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s/a.sock", f->dir);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(fd, 1), 0);
    start(f);

    expect_exit(f, 1);
    expect_error(f, "/a.sock: the address is in use by another process\n");
    (void)close(fd);
}

static void program_that_cannot_be_executed_is_told(void **state)
{
    struct fixture *f = *state;
    char exe[128];
    struct sx_supervisor_settings set = { .exe = path_in(f->dir, "base.json", exe) };
    struct sx_log_settings log = { .fd = f->log.fd };
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        char path[128];

        if (freopen(path_in(f->dir, "errors", path), "a", stderr) == NULL)
            abort();
        if (load_config(f->dir, &(struct sx_report){ .cap = 0 }, &set.config) != 0 ||
            sx_log_create(&log, &set.log) != 0)
            exit(99);
        status = sx_supervisor_run(&set);
        sx_log_destroy(set.log);
        exit(status);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 1);
    expect_error(f, "the program of the worker cannot be executed: Permission denied");
}

static void stop_during_the_start_is_a_clean_end(void **state)
{
    struct fixture *f = *state;

    write_text(f->dir, "mode", "worker=hang");
    start(f);
    expect_event(f, "starting");

    stop_and_expect(f, SIGTERM, 0);
}

static int run_group(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(first_worker_serves_before_the_others_are_started),
        TEST(start_is_over_when_those_that_are_left_serve),
        TEST(one_that_is_late_is_started_again_beside_the_first),
        TEST(start_of_the_others_may_be_stopped),
        TEST(every_address_is_served),
        TEST(worker_that_refuses_ends_the_start_with_its_own_words),
        TEST(one_worker_that_fails_ends_the_start_of_the_first),
        TEST(worker_that_exits_without_a_word_fails_the_start),
        TEST(plugin_that_crashes_the_start_is_named),
        TEST(worker_that_hangs_is_killed_at_its_deadline),
        TEST(missing_plugin_is_told_before_any_worker),
        TEST(address_in_use_is_a_failure_at_run_time),
        TEST(program_that_cannot_be_executed_is_told),
        TEST(stop_during_the_start_is_a_clean_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run_group);
}
