/* The log as a whole: levels, blocked and broken outputs, many threads. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/error.h"
#include "base/log.h"
#include "log_fixture.h"

static void lines_below_the_level_are_not_written(void **state)
{
    int fd = open_output();
    struct sx_log *log = create(fd, SX_LOG_JSON, NULL);
    char *text;

    (void)state;
    assert_false(sx_log_enabled(log, SX_LOG_DEBUG));
    assert_true(sx_log_enabled(log, SX_LOG_INFO));
    sx_log_line(log, SX_LOG_DEBUG, NULL, "hidden");
    sx_log_request(log, SX_LOG_DEBUG, &request);
    sx_log_line(log, SX_LOG_ERROR, NULL, "shown");
    sx_log_destroy(log);
    text = read_back(fd);
    json_decref(parse_line(text));
    free(text);
}

static void no_log_writes_nothing(void **state)
{
    struct sx_log *log = NULL;
    const struct sx_log_settings bad = { .fd = 1, .trace_project = "a\"b" };

    (void)state;
    sx_log_line(NULL, SX_LOG_ERROR, NULL, "x");
    sx_log_request(NULL, SX_LOG_ERROR, &request);
    assert_false(sx_log_enabled(NULL, SX_LOG_ERROR));
    assert_int_equal(sx_log_dropped(NULL), 0);
    sx_log_destroy(NULL);
    assert_int_equal(sx_log_create(&bad, &log), SX_ERR_INVALID);
    assert_null(log);
}

static void auto_is_text_on_a_terminal_and_json_elsewhere(void **state)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
    char text[256], name[128], *line;
    struct sx_log *log;
    ssize_t n;
    int fd;

    (void)state;
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    assert_int_equal(ptsname_r(master, name, sizeof(name)), 0);
    slave = open(name, O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    log = create(slave, SX_LOG_AUTO, NULL);
    sx_log_line(log, SX_LOG_INFO, NULL, "hello");
    sx_log_destroy(log);
    n = read(master, text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "INFO    worker 0: hello"));
    (void)close(slave);
    (void)close(master);

    fd = open_output();
    log = create(fd, SX_LOG_AUTO, NULL);
    sx_log_line(log, SX_LOG_INFO, NULL, "hello");
    sx_log_destroy(log);
    line = read_back(fd);
    json_decref(parse_line(line));
    free(line);
}

/* --- outputs -------------------------------------------------------------------------- */

/* A pipe in packet mode keeps writes apart. */
static void pipe_gets_whole_lines_of_at_most_pipe_buf(void **state)
{
    struct sx_log *log;
    size_t n_lines = 0;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_DIRECT | O_CLOEXEC), 0);
    log = create(fds[1], SX_LOG_JSON, NULL);
    for (int i = 0; i < 60; i++)
        sx_log_request(log, SX_LOG_INFO, &request);
    sx_log_destroy(log);
    (void)close(fds[1]);
    for (;;) {
        char packet[PIPE_BUF + 1];
        ssize_t n = read(fds[0], packet, sizeof(packet));

        if (n == 0)
            break;
        assert_true(n > 0 && n <= PIPE_BUF);
        assert_int_equal(packet[n - 1], '\n');
        assert_int_equal(packet[0], '{');
        for (ssize_t i = 0; i < n; i++)
            n_lines += packet[i] == '\n';
    }
    assert_int_equal(n_lines, 60);
    (void)close(fds[0]);
}

struct drain {
    int fd;
    uint64_t n_lines;
    uint64_t n_lost; /* as the lines say; atomic */
};

static void read_line(struct drain *d, const char *text)
{
    json_t *line = json_loads(text, 0, NULL);
    json_t *lost = json_object_get(line, "lost_lines");

    if (line == NULL)
        return; /* counted by nobody: the sum shows it */
    if (lost == NULL) {
        d->n_lines++;
    } else {
        __atomic_add_fetch(&d->n_lost, (uint64_t)json_integer_value(lost), __ATOMIC_RELEASE);
    }
    json_decref(line);
}

static void *run_drain(void *arg)
{
    struct drain *d = arg;
    FILE *in = fdopen(dup(d->fd), "r");
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, in) > 0)
        read_line(d, line);
    free(line);
    (void)fclose(in);
    return NULL;
}

static void blocked_pipe_never_blocks_callers_and_loss_is_told(void **state)
{
    struct drain drain = { 0 };
    struct sx_log *log;
    uint64_t n_sent = 0, n_dropped;
    pthread_t thread;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0);
    log = create(fds[1], SX_LOG_JSON, NULL);
    while (sx_log_dropped(log) < 1000) {
        sx_log_line(log, SX_LOG_INFO, NULL, "line %d", (int)n_sent);
        n_sent++;
    }

    drain.fd = fds[0];
    assert_int_equal(pthread_create(&thread, NULL, run_drain, &drain), 0);
    while (__atomic_load_n(&drain.n_lost, __ATOMIC_ACQUIRE) < 1000)
        (void)sched_yield();
    sx_log_line(log, SX_LOG_INFO, NULL, "line %d", (int)n_sent++);
    n_dropped = sx_log_dropped(log);
    sx_log_destroy(log);
    (void)close(fds[1]);
    (void)pthread_join(thread, NULL);
    (void)close(fds[0]);

    assert_int_equal(drain.n_lost, n_dropped);
    assert_int_equal(drain.n_lines + n_dropped, n_sent);
}

static void destroying_gives_up_a_blocked_output(void **state)
{
    struct sx_log *log;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0);
    log = create(fds[1], SX_LOG_JSON, NULL);
    while (sx_log_dropped(log) == 0)
        sx_log_line(log, SX_LOG_INFO, NULL, "line");
    sx_log_destroy(log); /* comes back */
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void output_without_reader_costs_lines_not_the_process(void **state)
{
    struct sx_log *log;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    (void)close(fds[0]);
    log = create(fds[1], SX_LOG_JSON, NULL);
    sx_log_line(log, SX_LOG_INFO, NULL, "one");
    while (sx_log_dropped(log) < 1)
        (void)sched_yield();
    sx_log_line(log, SX_LOG_INFO, NULL, "two");
    while (sx_log_dropped(log) < 2)
        (void)sched_yield();
    sx_log_destroy(log);
    (void)close(fds[1]);
}

static void socket_output_is_written_without_sigpipe(void **state)
{
    char text[512];
    struct sx_log *log;
    int fds[2];
    ssize_t n;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    log = create(fds[1], SX_LOG_JSON, NULL);
    sx_log_line(log, SX_LOG_INFO, NULL, "one");
    n = read(fds[0], text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    json_decref(parse_line(text));
    (void)close(fds[0]);
    sx_log_line(log, SX_LOG_INFO, NULL, "two");
    while (sx_log_dropped(log) < 1)
        (void)sched_yield();
    sx_log_destroy(log);
    (void)close(fds[1]);
}

/* --- threads -------------------------------------------------------------------------- */

#define N_THREADS 4
#define N_EACH    500

struct caller {
    struct sx_log *log;
    int number;
};

static void *run_caller(void *arg)
{
    const struct caller *c = arg;

    for (int i = 0; i < N_EACH; i++) {
        const struct sx_log_field fields[] = {
            { .key = "thread", .kind = SX_LOG_INT, .v.i = c->number },
            { .key = "n", .kind = SX_LOG_INT, .v.i = i },
            { 0 },
        };

        sx_log_line(c->log, SX_LOG_INFO, fields, "line of a thread");
    }
    return NULL;
}

static void threads_write_whole_lines_in_their_order(void **state)
{
    struct sx_log_settings set = { .format = SX_LOG_JSON, .ring_bytes = 4u << 20 };
    struct caller callers[N_THREADS];
    pthread_t threads[N_THREADS];
    int next[N_THREADS] = { 0 };
    struct sx_log *log;
    char *text, *at;

    (void)state;
    set.fd = open_output();
    assert_int_equal(sx_log_create(&set, &log), 0);
    for (int i = 0; i < N_THREADS; i++) {
        callers[i] = (struct caller){ log, i };
        assert_int_equal(pthread_create(&threads[i], NULL, run_caller, &callers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(sx_log_dropped(log), 0);
    sx_log_destroy(log);

    text = read_back(set.fd);
    for (at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        json_t *line = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);
        int thread = (int)json_integer_value(json_object_get(line, "thread"));

        assert_non_null(line);
        assert_int_equal(json_integer_value(json_object_get(line, "n")), next[thread]++);
        json_decref(line);
    }
    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(next[i], N_EACH);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test(no_log_writes_nothing),
        cmocka_unit_test(auto_is_text_on_a_terminal_and_json_elsewhere),
        cmocka_unit_test(pipe_gets_whole_lines_of_at_most_pipe_buf),
        cmocka_unit_test(blocked_pipe_never_blocks_callers_and_loss_is_told),
        cmocka_unit_test(destroying_gives_up_a_blocked_output),
        cmocka_unit_test(output_without_reader_costs_lines_not_the_process),
        cmocka_unit_test(socket_output_is_written_without_sigpipe),
        cmocka_unit_test(threads_write_whole_lines_in_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
