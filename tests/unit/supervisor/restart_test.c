/* While it serves: workers that die are replaced, their number changes, a successor starts. */
#include "fixture.h"

static struct event start_serving(struct fixture *f)
{
    start(f);
    return expect_event(f, "serving");
}

static void crashed_worker_is_replaced_at_once(void **state)
{
    struct fixture *f = *state;
    struct event first = start_serving(f);
    struct event second;

    assert_int_equal(kill(first.pid, SIGABRT), 0);

    second = expect_event(f, "serving");
    assert_int_equal(second.index, first.index);
    assert_int_equal(second.generation, 1);
    assert_int_not_equal(second.pid, first.pid);
    assert_int_equal(ask(f, "a.sock"), 1);
    expect_log(f, "was killed by signal 6 (SIGABRT); it ran no plugin");
    stop_and_expect(f, SIGTERM, 0);
}

static void connection_that_waits_survives_the_death_of_the_only_worker(void **state)
{
    struct fixture *f = *state;
    struct event first = start_serving(f);
    int fd;

    assert_int_equal(kill(first.pid, SIGSTOP), 0);
    fd = connect_to(f, "a.sock");
    assert_true(fd >= 0);
    assert_int_equal(kill(first.pid, SIGKILL), 0);

    assert_int_equal(read_answer(fd), 1); /* from the next one */
    stop_and_expect(f, SIGTERM, 0);
}

static void crash_line_names_what_each_thread_ran(void **state)
{
    struct fixture *f = *state;
    struct event worker;
    char line[4096];

    write_text(f->dir, "mode", "worker=busy");
    worker = start_serving(f);
    assert_int_equal(ask(f, "a.sock"), 1); /* so it has entered the plugin */
    assert_int_equal(kill(worker.pid, SIGABRT), 0);

    expect_log_line(f, "SIGABRT", line, sizeof line);
    assert_non_null(strstr(line, "the loop, thread 0 ran plugin \"crashy\" 1.2.3 (build "
                                 "feature/x@abc), route GET /crash/{how}, request req-77"));
    assert_non_null(strstr(line, "; thread 2 ran plugin \"crashy\" 1.2.3"));
    stop_and_expect(f, SIGTERM, 0);
}

static void crash_line_has_the_last_words_as_far_as_they_make_sense(void **state)
{
    struct fixture *f = *state;
    char line[4096];

    write_text(f->dir, "mode", "worker=crash");
    (void)start_serving(f);

    expect_log_line(f, "SIGSEGV", line, sizeof line);
    assert_non_null(strstr(line, "; at address 0xbad in crashy.so+0x1; "));
    assert_non_null(strstr(line, "crashy.so+0x1 < ?+0x2 < libc.so.6+0x3"));
    write_text(f->dir, "mode", "worker=ok");
    stop_and_expect(f, SIGTERM, 0);
}

static void replaced_worker_does_not_inherit_the_blame(void **state)
{
    struct fixture *f = *state;
    struct event worker;

    write_text(f->dir, "mode", "worker=busy");
    worker = start_serving(f);
    assert_int_equal(ask(f, "a.sock"), 1);
    write_text(f->dir, "mode", "worker=ok");
    assert_int_equal(kill(worker.pid, SIGABRT), 0);
    worker = expect_event(f, "serving");
    assert_int_equal(kill(worker.pid, SIGABRT), 0); /* it runs in the same place of the board */

    expect_log(f, "SIGABRT); the loop");
    expect_log(f, "SIGABRT); it ran no plugin");
    stop_and_expect(f, SIGTERM, 0);
}

static void worker_that_crashes_again_and_again_waits_longer_and_longer(void **state)
{
    struct fixture *f = *state;
    struct event worker = start_serving(f);

    for (int i = 0; i < 4; i++) {
        assert_int_equal(kill(worker.pid, SIGABRT), 0);
        worker = expect_event(f, "serving");
    }

    expect_log(f, "next try in 100 ms");
    expect_log(f, "next try in 200 ms");
    expect_log(f, "next try in 400 ms");
    stop_and_expect(f, SIGTERM, 0);
}

static void replacement_that_cannot_start_is_tried_again(void **state)
{
    struct fixture *f = *state;
    struct event worker = start_serving(f);

    write_text(f->dir, "mode", "worker=fail");
    assert_int_equal(kill(worker.pid, SIGABRT), 0);
    expect_log(f, "plugin crashy: first sentence");
    write_text(f->dir, "mode", "worker=ok");

    expect_event(f, "serving");
    stop_and_expect(f, SIGTERM, 0);
}

static void replacement_that_hangs_is_killed_and_tried_again(void **state)
{
    struct fixture *f = *state;
    struct event worker;

    configure(f, "\"workers\": 1, \"start_ms\": 3000,");
    worker = start_serving(f);
    write_text(f->dir, "mode", "worker=hang");
    assert_int_equal(kill(worker.pid, SIGABRT), 0);
    expect_log(f, "was not ready within 3000 ms and was killed");
    write_text(f->dir, "mode", "worker=ok");

    expect_event(f, "serving");
    stop_and_expect(f, SIGTERM, 0);
}

static void worker_that_leaves_is_replaced_while_it_finishes(void **state)
{
    struct fixture *f = *state;
    struct event leaver;
    struct event next;

    write_text(f->dir, "mode", "worker=leave");
    leaver = start_serving(f);
    assert_int_equal(expect_event(f, "drain").pid, leaver.pid); /* and waits at the gate */
    write_text(f->dir, "mode", "worker=ok");
    next = expect_event(f, "serving"); /* another leaver perhaps, then one that is ok */
    while (strcmp(next.more, "leave") == 0)
        next = expect_event(f, "serving");

    assert_int_equal(kill(leaver.pid, 0), 0);
    expect_log(f, "finishes what it has and ends: a fault was contained");
    assert_int_equal(ask(f, "a.sock"), 1);
    for (int i = 0; i < 8; i++)
        open_gate(f);
    expect_log(f, "has ended");
    stop_and_expect(f, SIGTERM, 0);
}

static void worker_that_talks_nonsense_is_killed(void **state)
{
    struct fixture *f = *state;

    write_text(f->dir, "mode", "worker=nonsense");
    (void)start_serving(f);
    write_text(f->dir, "mode", "worker=ok");

    expect_log(f, "has sent what no worker sends and was killed");
    stop_and_expect(f, SIGTERM, 0);
}

static void loop_that_does_not_come_back_is_told_and_then_killed(void **state)
{
    struct fixture *f = *state;
    char line[4096];

    write_text(f->dir, "base.json", "{ \"watchdog\": { \"kill_ms\": 1500 } }\n");
    write_text(f->dir, "mode", "worker=scribble");
    (void)start_serving(f);
    write_text(f->dir, "mode", "worker=ok");

    expect_log_line(f, "serves nobody meanwhile", line, sizeof line);
    assert_non_null(strstr(line, "; the loop, thread 0 ran plugin \"crashy\" 1.2.3"));
    expect_log(f, "has a loop that does not come back from a plugin and was killed");
    assert_string_equal(expect_event(f, "serving").more, "ok");
    stop_and_expect(f, SIGTERM, 0);
}

static void ttin_adds_a_worker_and_ttou_takes_one_away(void **state)
{
    struct fixture *f = *state;
    struct event first = start_serving(f);
    struct event second;

    signal_it(f, SIGTTIN);
    second = expect_event(f, "serving");
    assert_int_equal(second.index, first.index + 1);

    signal_it(f, SIGTTOU);
    assert_int_equal(expect_event(f, "drain").pid, second.pid);
    expect_log(f, "resized: 1 workers");
    signal_it(f, SIGTTOU); /* the last one stays */
    expect_log(f, "not resized: 1 workers");
    assert_int_equal(ask(f, "a.sock"), 1);
    stop_and_expect(f, SIGTERM, 0);
}

static void winch_drains_and_hup_starts_again(void **state)
{
    struct fixture *f = *state;
    struct event worker = start_serving(f);

    signal_it(f, SIGWINCH);
    assert_int_equal(expect_event(f, "drain").pid, worker.pid);
    expect_log(f, "has ended");

    signal_it(f, SIGHUP);
    assert_int_equal(expect_event(f, "serving").generation, 2);
    assert_int_equal(ask(f, "a.sock"), 2);
    stop_and_expect(f, SIGTERM, 0);
}

static void usr1_continues_in_a_new_file_everywhere(void **state)
{
    struct fixture *f = *state;
    char old_path[128];
    char new_path[128];
    char text[256];

    (void)start_serving(f);
    path_in(f->dir, "output", old_path);
    path_in(f->dir, "output.1", new_path);
    assert_int_equal(rename(old_path, new_path), 0);

    signal_it(f, SIGUSR1);
    expect_event(f, "reopened");

    read_text(f->dir, "output", text, sizeof text);
    assert_string_equal(text, "worker writes\n");
    stop_and_expect(f, SIGTERM, 0);
}

static void usr2_hands_the_sockets_to_a_successor(void **state)
{
    struct fixture *f = *state;
    struct event old = start_serving(f);
    struct event new;
    char line[4096];
    int successor;
    int status;

    signal_it(f, SIGUSR2);
    expect_log_line(f, "has been started (pid ", line, sizeof line);
    successor = atoi(strstr(line, "(pid ") + 5);
    new = expect_event(f, "serving");
    assert_int_not_equal(new.pid, old.pid);
    signal_it(f, SIGUSR2);
    expect_log(f, "no successor is started: there is one");
    stop_and_expect(f, SIGTERM, 0);

    assert_int_equal(ask(f, "a.sock"), 1); /* the path of the socket is still there */
    assert_int_equal(kill(successor, SIGTERM), 0);
    assert_int_equal(expect_event(f, "drain").pid, old.pid);
    assert_int_equal(expect_event(f, "drain").pid, new.pid);
    assert_int_equal(waitpid(successor, &status, 0), successor);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(ask(f, "a.sock"), -ENOENT); /* now it was the successor's to remove */
}

static void successor_serves_when_all_of_its_workers_are_ready(void **state)
{
    struct fixture *f = *state;
    struct event first, second;
    char line[4096];
    int successor;

    start(f);
    expect_event(f, "serving");
    configure(f, "\"workers\": 2,");
    write_text(f->dir, "mode", "worker=gate");
    signal_it(f, SIGUSR2);
    expect_log_line(f, "has been started (pid ", line, sizeof line);
    successor = atoi(strstr(line, "(pid ") + 5);
    (void)expect_event(f, "starting"); /* of the first server */
    first = expect_event(f, "starting");
    second = expect_event(f, "starting");
    assert_int_not_equal(first.pid, second.pid);
    open_gate(f);
    open_gate(f);
    (void)expect_event(f, "serving");
    (void)expect_event(f, "serving");

    stop_and_expect(f, SIGTERM, 0);
    assert_int_equal(kill(successor, SIGTERM), 0);
    assert_int_equal(waitpid(successor, NULL, 0), successor);
}

static int run_group(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(crashed_worker_is_replaced_at_once),
        TEST(connection_that_waits_survives_the_death_of_the_only_worker),
        TEST(crash_line_names_what_each_thread_ran),
        TEST(crash_line_has_the_last_words_as_far_as_they_make_sense),
        TEST(replaced_worker_does_not_inherit_the_blame),
        TEST(worker_that_crashes_again_and_again_waits_longer_and_longer),
        TEST(replacement_that_cannot_start_is_tried_again),
        TEST(replacement_that_hangs_is_killed_and_tried_again),
        TEST(worker_that_leaves_is_replaced_while_it_finishes),
        TEST(worker_that_talks_nonsense_is_killed),
        TEST(loop_that_does_not_come_back_is_told_and_then_killed),
        TEST(ttin_adds_a_worker_and_ttou_takes_one_away),
        TEST(winch_drains_and_hup_starts_again),
        TEST(usr1_continues_in_a_new_file_everywhere),
        TEST(usr2_hands_the_sockets_to_a_successor),
        TEST(successor_serves_when_all_of_its_workers_are_ready),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run_group);
}
