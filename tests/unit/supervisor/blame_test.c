/* Who is blamed, and for how long: words that a stalled loop said, quarantines that end early. */
#include "fixture.h"

#define QUARANTINE ", \"quarantine\": { \"crashes\": 1, \"first_s\": 3600 }"

/* It was asked where it is, and came back before that was heard. */
static void words_of_a_stall_that_ended_by_itself_are_forgotten(void **state)
{
    struct fixture *f = *state;
    struct event worker;
    char line[4096];

    write_text(f->dir, "base.json", "{ \"watchdog\": { \"kill_ms\": 200 } }\n");
    write_text(f->dir, "mode", "worker=doze");
    start(f);
    worker = expect_event(f, "serving");
    (void)expect_event(f, "back");
    write_text(f->dir, "mode", "worker=ok");
    assert_int_equal(kill(worker.pid, SIGABRT), 0);

    expect_log_line(f, "was killed by signal 6 (SIGABRT", line, sizeof line);
    assert_null(strstr(line, "crashy"));
    assert_non_null(strstr(line, "it ran no plugin"));
    stop_and_expect(f, SIGTERM, 0);
}

/* The next event, whatever it is. */
static void expect_next(struct fixture *f, const char *what, const char *more)
{
    struct event e;

    assert_int_equal(f->n_kept, 0);
    read_event(f, &e);
    assert_string_equal(e.what, what);
    if (more != NULL)
        assert_string_equal(e.more, more);
}

static void release_reaches_a_worker_that_is_just_starting(void **state)
{
    struct fixture *f = *state;
    char control[256];

    enable_crashy(f, QUARANTINE);
    (void)snprintf(control, sizeof control, "\"control\": \"%s/c.sock\",", f->dir);
    configure(f, control);
    write_text(f->dir, "mode", "worker=guilty");
    start(f);
    expect_next(f, "starting", "guilty");
    expect_next(f, "serving", "guilty");
    write_text(f->dir, "mode", "worker=gate");
    open_gate(f);
    expect_log(f, "is quarantined for 3600 s");
    expect_next(f, "starting", "gate");

    expect_verdict(command(f, "c.sock", "release crashy\n"), "ok\n");
    open_gate(f);

    expect_next(f, "quarantine", "crashy 3600");
    expect_next(f, "release", "crashy");
    expect_next(f, "serving", NULL);
    stop_and_expect(f, SIGTERM, 0);
}

static int run_group(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(words_of_a_stall_that_ended_by_itself_are_forgotten),
        TEST(release_reaches_a_worker_that_is_just_starting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run_group);
}
