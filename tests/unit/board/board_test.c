/* The board: names, frames and counters shared by processes, and what a scribbler cannot do. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "board/board.h"

#define N_WORKERS 3u
#define N_THREADS 4u

static int make_board(void **state)
{
    struct sx_board *b;

    if (sx_board_create(N_WORKERS, N_THREADS, &b) != 0)
        return -1;
    *state = b;
    return 0;
}

static int drop_board(void **state)
{
    sx_board_destroy(*state);
    return 0;
}

static void board_names_are_added_once(void **state)
{
    struct sx_board *b = *state;
    uint32_t hello = sx_board_add_plugin(b, "hello", "1.0.0", "abc");
    uint32_t site = sx_board_add_plugin(b, "site", "1.0.0", "abc");
    uint32_t route = sx_board_add_route(b, hello, "GET", "/hello");

    assert_int_not_equal(hello, site);
    assert_int_equal(sx_board_add_plugin(b, "hello", "1.0.0", "abc"), hello);
    assert_int_equal(sx_board_add_route(b, hello, "GET", "/hello"), route);
    assert_int_not_equal(sx_board_add_route(b, site, "GET", "/hello"), route);
    assert_int_not_equal(sx_board_add_route(b, hello, "PUT", "/hello"), route);
    assert_int_equal(sx_board_add_route(b, 77, "GET", "/hello"), SX_BOARD_NONE);
}

static void board_routes_of_a_new_version_count_on(void **state)
{
    struct sx_board *b = *state;
    uint32_t before = sx_board_add_plugin(b, "hello", "1.0.0", "abc");
    uint32_t route = sx_board_add_route(b, before, "GET", "/hello");
    uint32_t after = sx_board_add_plugin(b, "hello", "1.1.0", "def");
    struct sx_board_name name;

    assert_int_not_equal(after, before);
    assert_int_equal(sx_board_add_route(b, after, "GET", "/hello"), route);
    sx_board_describe(b, after, route, &name);
    assert_string_equal(name.plugin, "hello");
    assert_string_equal(name.version, "1.1.0");
    assert_string_equal(name.build, "def");
    assert_string_equal(name.method, "GET");
    assert_string_equal(name.route, "/hello");
    sx_board_describe(b, SX_BOARD_NONE, 5000, &name);
    assert_string_equal(name.plugin, "");
    assert_string_equal(name.route, "");
}

static void board_tables_have_an_end_and_long_names_are_cut(void **state)
{
    struct sx_board *b = *state;
    char text[400];
    struct sx_board_name name;
    uint32_t first;

    memset(text, 'n', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    first = sx_board_add_plugin(b, text, text, text);
    assert_int_equal(sx_board_add_plugin(b, text, text, text), first);
    for (unsigned i = 1; i < SX_BOARD_MAX_PLUGINS; i++) {
        (void)snprintf(text, sizeof(text), "p%u", i);
        assert_int_equal(sx_board_add_plugin(b, text, "1", ""), i);
    }
    assert_int_equal(sx_board_add_plugin(b, "one-more", "1", ""), SX_BOARD_NONE);
    assert_int_equal(sx_board_add_plugin(b, "p7", "2", ""), 7);
    sx_board_describe(b, 7, SX_BOARD_NONE, &name);
    assert_string_equal(name.version, "2");
    sx_board_describe(b, first, SX_BOARD_NONE, &name);
    assert_int_equal(strlen(name.plugin), sizeof(name.plugin) - 1);

    for (unsigned i = 0; i < SX_BOARD_MAX_ROUTES; i++) {
        (void)snprintf(text, sizeof(text), "/r%u", i);
        assert_int_equal(sx_board_add_route(b, first, "GET", text), i);
    }
    assert_int_equal(sx_board_add_route(b, first, "GET", "/one-more"), SX_BOARD_NONE);
    for (unsigned i = 0; i < SX_BOARD_MAX_METRICS; i++) {
        (void)snprintf(text, sizeof(text), "m%u", i);
        assert_int_equal(sx_board_add_metric(b, first, text, 1, NULL, 0, ""), i);
    }
    assert_int_equal(sx_board_add_metric(b, first, "one_more", 1, NULL, 0, ""), SX_BOARD_NONE);
}

static void board_attached_by_another_process_is_the_same(void **state)
{
    struct sx_board *b = *state;
    uint32_t plugin = sx_board_add_plugin(b, "hello", "1.0.0", "abc");
    int status;
    pid_t child = fork();

    if (child == 0) {
        struct sx_board *mine;
        struct sx_board_worker *w;

        if (sx_board_attach(sx_board_fd(b), &mine) != 0)
            _exit(1);
        if (sx_board_add_plugin(mine, "hello", "1.0.0", "abc") != plugin)
            _exit(2);
        w = sx_board_worker_at(mine, 1);
        sx_board_enter(sx_board_thread_at(w, 2), plugin, 7, 41, 1000);
        sx_board_set_state(w, 1234, 1, SX_WORKER_READY);
        sx_board_destroy(mine);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);

    struct sx_board_worker *w = sx_board_worker_at(b, 1);
    const struct sx_board_thread *t = sx_board_thread_at(w, 2);

    assert_int_equal(sx_board_state(w), SX_WORKER_READY);
    assert_true(sx_board_has_successor(b, 0));
    assert_false(sx_board_has_successor(b, UINT32_MAX));
    assert_int_equal(t->depth, 1);
    assert_int_equal(t->stack[0].plugin, plugin);
    assert_int_equal(t->stack[0].route, 7);
    assert_int_equal(t->stack[0].request, 41);
    assert_null(sx_board_worker_at(b, N_WORKERS));
}

#define N_ROUTES 400u

static uint32_t add_numbered(struct sx_board *b, uint32_t plugin, unsigned number)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "/r%u", number);
    return sx_board_add_route(b, plugin, "GET", text);
}

/* Adds the same routes as all others, each beginning elsewhere, when the pipe is closed; each
 * must then still be where it was added. */
static int add_routes(int board_fd, int start_fd, unsigned number)
{
    static uint32_t indexes[N_ROUTES];
    struct sx_board *mine;
    uint32_t plugin;
    char byte;

    if (sx_board_attach(board_fd, &mine) != 0 || read(start_fd, &byte, 1) != 0)
        return 1;
    plugin = sx_board_add_plugin(mine, "hello", "1", "");
    for (unsigned i = 0; i < N_ROUTES; i++)
        indexes[i] = add_numbered(mine, plugin, (i + number * 7) % N_ROUTES);
    for (unsigned i = 0; i < N_ROUTES; i++) {
        if (add_numbered(mine, plugin, (i + number * 7) % N_ROUTES) != indexes[i])
            return 2;
    }
    sx_board_destroy(mine);
    return 0;
}

static void board_workers_that_start_together_agree_on_names(void **state)
{
    struct sx_board *b = *state;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    for (unsigned n = 0; n < N_WORKERS; n++) {
        if (fork() == 0) {
            (void)close(fds[1]);
            _exit(add_routes(sx_board_fd(b), fds[0], n));
        }
    }
    (void)close(fds[1]);
    for (unsigned n = 0; n < N_WORKERS; n++) {
        int status;

        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    (void)close(fds[0]);
    assert_int_equal(sx_board_add_plugin(b, "another", "1", ""), 1);
    assert_int_equal(sx_board_add_route(b, 0, "GET", "/another"), N_ROUTES);
}

static void board_refuses_what_is_no_board(void **state)
{
    struct sx_board *b = *state;
    struct sx_board *mine = NULL;
    struct stat st;
    int fd;

    assert_int_equal(sx_board_create(0, 1, &mine), SX_ERR_INVALID);
    assert_int_equal(sx_board_create(1, 0, &mine), SX_ERR_INVALID);
    assert_int_equal(sx_board_create(UINT32_MAX, 1, &mine), SX_ERR_INVALID);
    assert_int_equal(sx_board_attach(-1, &mine), SX_ERR_INVALID);

    fd = memfd_create("other", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(fstat(sx_board_fd(b), &st), 0);
    assert_int_equal(ftruncate(fd, st.st_size), 0);
    assert_int_equal(sx_board_attach(fd, &mine), SX_ERR_INVALID);
    assert_null(mine);
    (void)close(fd);

    assert_int_not_equal(ftruncate(sx_board_fd(b), 4096), 0);
    assert_int_not_equal(ftruncate(sx_board_fd(b), st.st_size + 4096), 0);
}

static void board_stack_remembers_the_depth_above_its_size(void **state)
{
    struct sx_board *b = *state;
    struct sx_board_thread *t = sx_board_thread_at(sx_board_worker_at(b, 0), 0);

    for (uint32_t i = 0; i < 2 * SX_BOARD_STACK; i++)
        sx_board_enter(t, i, i, i, i);
    assert_int_equal(t->depth, 2 * SX_BOARD_STACK);
    assert_int_equal(t->stack[SX_BOARD_STACK - 1].plugin, SX_BOARD_STACK - 1);
    for (uint32_t i = 0; i < 2 * SX_BOARD_STACK; i++)
        sx_board_leave(t);
    assert_int_equal(t->depth, 0);
}

/* A line of the text, without its newline. */
static void assert_has_line(const char *text, const char *line)
{
    size_t len = strlen(line);

    for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
        at += at != text;
        if (strncmp(at, line, len) == 0 && at[len] == '\n')
            return;
    }
    fail_msg("no line \"%s\" in:\n%s", line, text);
}

static void metrics_are_summed_over_workers(void **state)
{
    static const double bounds[] = { 0.0625, 1 };
    struct sx_board *b = *state;
    uint32_t plugin = sx_board_add_plugin(b, "my-shop", "1.0.0", "");
    uint32_t route = sx_board_add_route(b, plugin, "GET", "/a\"b\\c{x}");
    uint32_t sold = sx_board_add_metric(b, plugin, "sold_total", 1, NULL, 0, "Things sold.");
    uint32_t depth = sx_board_add_metric(b, plugin, "depth", 2, NULL, 0, "Two\nlines.");
    uint32_t wait_s = sx_board_add_metric(b, plugin, "wait", 3, bounds, 2, "Waiting.");
    char *text;

    for (uint32_t i = 0; i < N_WORKERS; i++) {
        struct sx_board_worker *w = sx_board_worker_at(b, i);

        sx_board_count_request(sx_board_counters_of(w), 200, 1500000);
        sx_board_count_request(sx_board_counters_of(w), 503, 4000000000u);
        sx_board_counters_of(w)->bytes_in = 10;
        sx_board_route_done(w, route, 200, 1500000);
        sx_board_route_done(w, route, 500, 1500000);
        sx_board_record(b, w, sold, 1.5);
        sx_board_record(b, w, sold, -1);
        sx_board_record(b, w, depth, 100);
        sx_board_record(b, w, depth, -2);
        sx_board_record(b, w, wait_s, 0.0625);
        sx_board_record(b, w, wait_s, 0.5);
        sx_board_record(b, w, wait_s, 2);
        sx_board_record(b, w, SX_BOARD_NONE, 1);
    }
    sx_board_set_state(sx_board_worker_at(b, 0), 1, 1, SX_WORKER_READY);
    text = sx_board_metrics_text(b);
    assert_non_null(text);

    assert_has_line(text, "# TYPE sx_requests_total counter");
    assert_has_line(text, "sx_requests_total 6");
    assert_has_line(text, "sx_received_bytes_total 30");
    assert_has_line(text, "sx_responses_total{class=\"2xx\"} 3");
    assert_has_line(text, "sx_responses_total{class=\"5xx\"} 3");
    assert_has_line(text, "sx_request_duration_seconds_bucket{le=\"0.001024\"} 0");
    assert_has_line(text, "sx_request_duration_seconds_bucket{le=\"0.002048\"} 3");
    assert_has_line(text, "sx_request_duration_seconds_bucket{le=\"+Inf\"} 6");
    assert_has_line(text, "sx_request_duration_seconds_sum 12.004500");
    assert_has_line(text, "sx_request_duration_seconds_count 6");
    assert_has_line(text, "sx_workers{state=\"ready\"} 1");
    assert_has_line(text, "sx_route_requests_total{plugin=\"my-shop\",method=\"GET\","
                          "route=\"/a\\\"b\\\\c{x}\"} 6");
    assert_has_line(text, "sx_route_errors_total{plugin=\"my-shop\",method=\"GET\","
                          "route=\"/a\\\"b\\\\c{x}\"} 3");
    assert_has_line(text, "sx_route_seconds_total{plugin=\"my-shop\",method=\"GET\","
                          "route=\"/a\\\"b\\\\c{x}\"} 0.009000");
    assert_has_line(text, "# HELP sx_my_shop_sold_total Things sold.");
    assert_has_line(text, "# TYPE sx_my_shop_sold_total counter");
    assert_has_line(text, "sx_my_shop_sold_total 4.5");
    assert_has_line(text, "# HELP sx_my_shop_depth Two lines.");
    assert_has_line(text, "sx_my_shop_depth -6");
    assert_has_line(text, "sx_my_shop_wait_bucket{le=\"0.0625\"} 3");
    assert_has_line(text, "sx_my_shop_wait_bucket{le=\"1\"} 6");
    assert_has_line(text, "sx_my_shop_wait_bucket{le=\"+Inf\"} 9");
    assert_has_line(text, "sx_my_shop_wait_sum 7.6875");
    assert_has_line(text, "sx_my_shop_wait_count 9");
    free(text);
}

static void metrics_of_a_bad_declaration_are_refused(void **state)
{
    struct sx_board *b = *state;
    uint32_t plugin = sx_board_add_plugin(b, "shop", "1.0.0", "");
    double bounds[SX_BOARD_MAX_BUCKETS + 1] = { 0 };

    assert_int_equal(sx_board_add_metric(b, plugin, "m", 0, NULL, 0, ""), SX_BOARD_NONE);
    assert_int_equal(sx_board_add_metric(b, plugin, "m", 4, NULL, 0, ""), SX_BOARD_NONE);
    assert_int_equal(sx_board_add_metric(b, 99, "m", 1, NULL, 0, ""), SX_BOARD_NONE);
    assert_int_equal(sx_board_add_metric(b, plugin, "m", 3, bounds, SX_BOARD_MAX_BUCKETS + 1, ""),
                     SX_BOARD_NONE);
    assert_int_equal(sx_board_add_metric(b, plugin, "m", 3, bounds, SX_BOARD_MAX_BUCKETS, ""), 0);
}

static uint64_t next_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

/* What a plugin with a wild pointer may do to the segment. */
static void scribble(char *at, size_t size, uint64_t *seed, bool is_everywhere)
{
    size_t n = is_everywhere ? size : 2000;

    for (size_t i = 0; i + 8 < n; i += 8) {
        uint64_t word = next_random(seed);
        size_t to = is_everywhere ? i : (size_t)(next_random(seed) % (size - 8));

        memcpy(at + to, &word, sizeof(word));
    }
}

/* Each line of the text format is a comment or begins with a name of ours. */
static void assert_is_exposition(const char *text)
{
    while (*text != '\0') {
        const char *end = strchr(text, '\n');

        assert_non_null(end);
        if (strncmp(text, "# ", 2) != 0)
            assert_memory_equal(text, "sx_", 3);
        text = end + 1;
    }
}

static void use_everything(struct sx_board *b, uint64_t *seed)
{
    struct sx_board_name name;
    char *text;

    for (unsigned i = 0; i < 20; i++) {
        uint32_t plugin = (uint32_t)next_random(seed) % (2 * SX_BOARD_MAX_PLUGINS);

        sx_board_describe(b, plugin, (uint32_t)next_random(seed) % 4096, &name);
        assert_true(strlen(name.plugin) < sizeof(name.plugin));
        assert_true(strlen(name.route) < sizeof(name.route));
        sx_board_record(b, sx_board_worker_at(b, 0), (uint32_t)next_random(seed) % 1024, 0.5);
        sx_board_route_done(sx_board_worker_at(b, 0), (uint32_t)next_random(seed), 500, 1);
    }
    assert_in_range(sx_board_state(sx_board_worker_at(b, 1)), SX_WORKER_FREE, SX_WORKER_DRAINING);
    (void)sx_board_has_successor(b, 0);
    (void)sx_board_add_plugin(b, "hello", "1", "2");
    (void)sx_board_add_route(b, 3, "GET", "/");
    (void)sx_board_add_metric(b, 3, "m", 1, NULL, 0, "");
    text = sx_board_metrics_text(b);
    assert_non_null(text);
    assert_true(strlen(text) < 16u * 1024 * 1024);
    assert_is_exposition(text);
    free(text);
}

static void board_scribbled_on_is_read_within_bounds(void **state)
{
    struct sx_board *b = *state;
    uint64_t seed = 42;
    struct stat st;
    char *at;

    assert_int_equal(fstat(sx_board_fd(b), &st), 0);
    at = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, sx_board_fd(b), 0);
    assert_ptr_not_equal(at, MAP_FAILED);

    for (unsigned round = 0; round < 12; round++) {
        scribble(at, (size_t)st.st_size, &seed, round % 4 == 0);
        use_everything(b, &seed);
    }
    (void)munmap(at, (size_t)st.st_size);
}

static void board_lets_one_line_about_an_outage_through_each_second(void **state)
{
    struct sx_board *b = *state, *other;
    const uint64_t second = 1000000000, now = 77;

    assert_int_equal(sx_board_attach(sx_board_fd(b), &other), 0);

    assert_true(sx_board_may_tell(b, now));
    assert_false(sx_board_may_tell(other, now));
    assert_false(sx_board_may_tell(other, now + second - 1));
    assert_true(sx_board_may_tell(other, now + second));
    assert_false(sx_board_may_tell(b, now + second + 1));
    assert_true(sx_board_may_tell(b, now)); /* the last one was in the future: a scribble */

    sx_board_destroy(other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_board, drop_board)
    const struct CMUnitTest tests[] = {
        TEST(board_names_are_added_once),
        TEST(board_routes_of_a_new_version_count_on),
        TEST(board_tables_have_an_end_and_long_names_are_cut),
        TEST(board_attached_by_another_process_is_the_same),
        TEST(board_workers_that_start_together_agree_on_names),
        TEST(board_refuses_what_is_no_board),
        TEST(board_stack_remembers_the_depth_above_its_size),
        TEST(metrics_are_summed_over_workers),
        TEST(metrics_of_a_bad_declaration_are_refused),
        TEST(board_scribbled_on_is_read_within_bounds),
        TEST(board_lets_one_line_about_an_outage_through_each_second),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
