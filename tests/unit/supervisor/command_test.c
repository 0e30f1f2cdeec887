/* The socket for commands, when it moves and when a successor had it. */
#include "fixture.h"

#define TRIES 6000

/* server.control is that socket of the fixture. */
static void configure_control(struct fixture *f, const char *socket_name)
{
    char text[256];

    (void)snprintf(text, sizeof text, "\"control\": \"%s/%s\",", f->dir, socket_name);
    configure(f, text);
}

static ino_t find_inode(struct fixture *f, const char *socket_name)
{
    char path[128];
    struct stat st;

    return lstat(path_in(f->dir, socket_name, path), &st) == 0 ? st.st_ino : 0;
}

/* A server takes commands there, from the moment on at which its workers serve; what it says of
 * itself. */
static void expect_status(struct fixture *f, const char *socket_name, const char *part)
{
    char text[4096];
    int fd = connect_to(f, socket_name);

    if (fd < 0)
        fail_msg("%s: nobody takes commands there: %s", socket_name, strerror(-fd));
    assert_int_equal(send(fd, "status\n", 7, MSG_NOSIGNAL), 7);
    read_verdict(fd, text, sizeof text);
    if (strstr(text, part) == NULL)
        fail_msg("expected \"%s\", found \"%s\"", part, text);
}

/* It does so again when it has noted that its successor has ended. */
static void expect_status_again(struct fixture *f, const char *socket_name, const char *part)
{
    int fd;

    for (int i = 0; i < TRIES && (fd = connect_to(f, socket_name)) < 0; i++)
        (void)poll(NULL, 0, 10);
    if (fd >= 0)
        (void)close(fd);
    expect_status(f, socket_name, part);
}

static struct event start_at(struct fixture *f, const char *socket_name)
{
    configure_control(f, socket_name);
    start(f);
    return expect_event(f, "serving");
}

/* The pid of a successor that serves and has taken over the socket. */
static int start_successor(struct fixture *f, const char *socket_name)
{
    ino_t inode;
    char line[4096];

    expect_status(f, socket_name, "generation 1 serves");
    inode = find_inode(f, socket_name);
    signal_it(f, SIGUSR2);
    expect_log_line(f, "has been started (pid ", line, sizeof line);
    (void)expect_event(f, "serving");
    assert_int_not_equal(find_inode(f, socket_name), inode);
    return atoi(strstr(line, "(pid ") + 5);
}

static void client_that_waits_for_a_reload_is_answered_where_another_moves_the_socket(void **state)
{
    struct fixture *f = *state;
    int first, second;

    (void)start_at(f, "1.sock");
    expect_status(f, "1.sock", "generation 1 serves");
    write_text(f->dir, "mode", "check=gate");
    configure_control(f, "2.sock");
    first = command(f, "1.sock", "reload\n");
    assert_int_equal(expect_event(f, "checking").generation, 2);
    second = command(f, "1.sock", "reload\n"); /* too late for that one */
    expect_status(f, "1.sock", "generation 2 starts");
    open_gate(f);

    expect_verdict(first, "generation 2 serves\nok\n");
    assert_int_equal(expect_event(f, "checking").generation, 3);
    expect_status(f, "2.sock", "generation 3 starts");
    assert_int_equal(connect_to(f, "1.sock"), -ENOENT);
    open_gate(f);
    expect_verdict(second, "generation 3 serves\nok\n");
    stop_and_expect(f, SIGTERM, 0);
}

static void reload_that_began_before_the_start_had_ended_is_told_by_its_own_end(void **state)
{
    struct fixture *f = *state;
    char text[256];
    int client;

    (void)snprintf(text, sizeof text, "\"workers\": 2, \"control\": \"%s/1.sock\",", f->dir);
    configure(f, text);
    write_text(f->dir, "mode", "worker=gate1 check=hang");
    start(f);
    (void)expect_event(f, "serving"); /* the first one */
    client = command(f, "1.sock", "reload\n");
    open_gate(f);
    expect_log(f, "generation 1 serves with 2 workers");
    assert_int_equal(kill(expect_event(f, "checking").pid, SIGKILL), 0);

    read_verdict(client, text, sizeof text);
    assert_non_null(strstr(text, "failed\n"));
    stop_and_expect(f, SIGTERM, 0);
}

static void successor_that_is_killed_leaves_its_socket_to_us(void **state)
{
    struct fixture *f = *state;
    int successor;

    (void)start_at(f, "1.sock");
    successor = start_successor(f, "1.sock");
    assert_int_equal(kill(successor, SIGKILL), 0);

    expect_log(f, "the successor has ended with signal 9");
    expect_status_again(f, "1.sock", "generation 1 serves");
    stop_and_expect(f, SIGTERM, 0);
    assert_int_equal(connect_to(f, "1.sock"), -ENOENT);
}

static void reload_leaves_its_socket_to_a_successor(void **state)
{
    struct fixture *f = *state;
    int successor;
    ino_t inode;

    (void)start_at(f, "1.sock");
    successor = start_successor(f, "1.sock");
    inode = find_inode(f, "1.sock");
    signal_it(f, SIGHUP);
    assert_int_equal(expect_event(f, "serving").generation, 2);

    expect_status(f, "1.sock", "generation 1 serves"); /* so says the successor */
    assert_int_equal(find_inode(f, "1.sock"), inode);
    assert_int_equal(kill(successor, SIGTERM), 0);
    expect_log(f, "the successor has ended with code 0");
    expect_status_again(f, "1.sock", "generation 2 serves");
    stop_and_expect(f, SIGTERM, 0);
}

static void socket_that_moved_beside_a_successor_stays_when_it_ends(void **state)
{
    struct fixture *f = *state;
    int successor;

    (void)start_at(f, "1.sock");
    successor = start_successor(f, "1.sock");
    configure_control(f, "2.sock");
    signal_it(f, SIGHUP);
    assert_int_equal(expect_event(f, "serving").generation, 2);
    expect_status(f, "2.sock", "generation 2 serves");
    expect_status(f, "1.sock", "generation 1 serves");
    assert_int_equal(kill(successor, SIGTERM), 0);

    expect_log(f, "the successor has ended with code 0");
    expect_status(f, "2.sock", "generation 2 serves");
    assert_int_equal(connect_to(f, "1.sock"), -ENOENT);
    stop_and_expect(f, SIGTERM, 0);
}

static void socket_comes_back_when_a_successor_ends_that_had_moved_its_own(void **state)
{
    struct fixture *f = *state;
    int successor;

    (void)start_at(f, "1.sock");
    successor = start_successor(f, "1.sock");
    configure_control(f, "2.sock");
    assert_int_equal(kill(successor, SIGHUP), 0);
    assert_int_equal(expect_event(f, "serving").generation, 2);
    expect_status(f, "2.sock", "generation 2 serves");
    assert_int_equal(kill(successor, SIGTERM), 0);

    expect_log(f, "the successor has ended with code 0");
    expect_status_again(f, "1.sock", "generation 1 serves");
    assert_int_equal(connect_to(f, "2.sock"), -ENOENT);
    stop_and_expect(f, SIGTERM, 0);
}

static int run_group(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(client_that_waits_for_a_reload_is_answered_where_another_moves_the_socket),
        TEST(reload_that_began_before_the_start_had_ended_is_told_by_its_own_end),
        TEST(successor_that_is_killed_leaves_its_socket_to_us),
        TEST(reload_leaves_its_socket_to_a_successor),
        TEST(socket_that_moved_beside_a_successor_stays_when_it_ends),
        TEST(socket_comes_back_when_a_successor_ends_that_had_moved_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
    return fixture_main(argc, argv, run_group);
}
