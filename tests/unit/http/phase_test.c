/*
 * How long a client may take: rates of bodies and of answers, and idle time that nothing but a
 * request begins anew.  The clients of answers are real sockets, since only the kernel knows what
 * has arrived.
 */
#include "owner.h"

#include <errno.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY 400 /* steps; each of the clients below is given up long before */

static int setup_rates(void **state)
{
    struct sx_http_limits limits = usual_limits();

    limits.write_ms = 100;
    limits.min_body_rate = 100;
    limits.min_write_rate = 1000;
    return setup_with(state, limits);
}

static int setup_fast(void **state)
{
    struct sx_http_limits limits = usual_limits();

    limits.write_ms = 100;
    limits.min_write_rate = 10 << 20;
    return setup_with(state, limits);
}

/* --- Bodies ------------------------------------------------------------------------ */

static void gives_up_a_body_that_trickles(void **state)
{
    struct fixture *f = *state;
    int i;

    feed(f, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
    for (i = 0; i < MANY && !f->is_closed; i++) {
        feed(f, "b");
        pass_ms(f, 20);
    }

    assert_true(f->is_closed);
    assert_int_equal(count(f, "HTTP/1.1 408"), 1);
}

static void gives_up_a_body_of_endless_chunks_of_one_byte(void **state)
{
    struct fixture *f = *state;

    feed(f, "POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < MANY && !f->is_closed; i++) {
        feed(f, i % 6 < 5 ? "1\r\nb\r" : "\n");
        pass_ms(f, 90);
    }

    assert_true(f->is_closed);
    assert_int_equal(count(f, "HTTP/1.1 200"), 0);
}

/* 2,000 bytes a window are enough even where a window of 100 ms takes seconds. */
static void takes_a_slow_body_above_the_rate(void **state)
{
    struct fixture *f = *state;
    char piece[2001];

    memset(piece, 'b', 2000);
    piece[2000] = '\0';
    feed(f, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 30000\r\n\r\n");
    for (int i = 0; i < 15; i++) {
        feed(f, piece);
        pass_ms(f, 30);
    }

    assert_int_equal(count(f, "HTTP/1.1 200"), 1);
}

static void half_an_empty_line_is_no_activity_either(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < MANY && !f->is_closed; i++) {
        feed(f, i % 2 == 0 ? "\r" : "\n");
        pass_ms(f, 10);
    }

    assert_true(f->is_closed);
}

/* --- Answers ----------------------------------------------------------------------- */

static void set_size(int fd, int option, int bytes)
{
    assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes), 0);
}

/* A client of this server, whose kernel holds little of what it does not read. */
static int connect_client(struct fixture *f)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(listener >= 0 && fd >= 0);
    set_size(listener, SO_SNDBUF, 4096);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(sx_http_server_listen(f->server, listener), 0);
    set_size(fd, SO_RCVBUF, 2048);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void ask(int fd, const char *target)
{
    char text[200];
    int len = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", target);

    assert_int_equal(send(fd, text, (size_t)len, MSG_NOSIGNAL), len);
}

/* The bytes read in so many steps of at most `piece` bytes, or -1 when the server hung up. */
static ssize_t read_slowly(struct fixture *f, int fd, size_t piece, uint64_t step_ms)
{
    char data[8192];
    ssize_t sum = 0;

    for (int i = 0; i < MANY && sum < 100000; i++) {
        ssize_t n = piece == 0 ? -1 : recv(fd, data, piece, 0);

        if (n == 0 || (n < 0 && piece > 0 && errno == ECONNRESET))
            return -1;
        sum += n > 0 ? n : 0;
        if (sx_http_server_stats(f->server)->connections_open == 1) /* the one in memory is left */
            return -1;
        pass_ms(f, step_ms);
    }
    return sum;
}

static void keep_memory_connection(struct fixture *f)
{
    feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n"); /* busy, so that it is not closed as idle */
}

static void gives_up_a_client_that_never_reads(void **state)
{
    struct fixture *f = *state;
    int fd = connect_client(f);

    keep_memory_connection(f);
    ask(fd, "/big");
    pass_ms(f, 20);

    assert_int_equal(read_slowly(f, fd, 0, 20), -1);
    (void)close(fd);
}

/* Each step it takes something, and the kernel's buffers drain: that is not enough. */
static void gives_up_a_client_that_reads_too_slowly(void **state)
{
    struct fixture *f = *state;
    int fd = connect_client(f);

    keep_memory_connection(f);
    ask(fd, "/big");
    pass_ms(f, 20);

    assert_int_equal(read_slowly(f, fd, 2000, 20), -1);
    (void)close(fd);
}

static void serves_a_client_that_reads_slowly_but_steadily(void **state)
{
    struct fixture *f = *state;
    int fd = connect_client(f);

    keep_memory_connection(f);
    ask(fd, "/big");
    pass_ms(f, 20);

    assert_true(read_slowly(f, fd, sizeof(char[8192]), 5) >= 100000);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(gives_up_a_body_that_trickles, setup_rates, teardown),
        cmocka_unit_test_setup_teardown(gives_up_a_body_of_endless_chunks_of_one_byte, setup_rates,
                                        teardown),
        cmocka_unit_test_setup_teardown(takes_a_slow_body_above_the_rate, setup_rates, teardown),
        TEST(half_an_empty_line_is_no_activity_either),
        cmocka_unit_test_setup_teardown(gives_up_a_client_that_never_reads, setup_rates, teardown),
        cmocka_unit_test_setup_teardown(gives_up_a_client_that_reads_too_slowly, setup_fast,
                                        teardown),
        cmocka_unit_test_setup_teardown(serves_a_client_that_reads_slowly_but_steadily, setup_rates,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
