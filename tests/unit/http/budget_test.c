/*
 * What clients make the server hold, all together: above the limit the slowest goes, and the
 * others are served.
 */
#include "owner.h"

#define ROOM 150000u

static int setup_room(void **state)
{
    struct sx_http_limits limits = usual_limits();

    limits.buffered_bytes = ROOM;
    limits.body_ms = limits.idle_ms = limits.header_ms = 60000;
    return setup_with(state, limits);
}

static const char post[] = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\n";

static void feed_bytes(struct sx_http_conn *c, size_t n)
{
    char data[1000];

    memset(data, 'b', sizeof data);
    for (; n > 0; n -= n < sizeof data ? n : sizeof data)
        sx_http_memory_feed(c, data, n < sizeof data ? n : sizeof data);
}

/* A second client, whose answers are told apart. */
struct other {
    struct sx_http_conn *conn;
    struct sx_buf out;
    bool is_closed;
};

static void other_sink(void *arg, const char *data, size_t len)
{
    struct other *o = arg;

    if (data == NULL)
        o->is_closed = true;
    else
        sx_buf_add(&o->out, data, len);
}

static void open_other(struct fixture *f, struct other *o)
{
    o->is_closed = false;
    sx_buf_init(&o->out, 1 << 20);
    assert_int_equal(sx_http_memory_open(f->server, other_sink, o, &o->conn), 0);
}

static void the_body_that_has_waited_longest_makes_room(void **state)
{
    struct fixture *f = *state;
    struct other quick;

    sx_http_memory_feed(f->conn, post, sizeof post - 1);
    feed_bytes(f->conn, 65000);
    open_other(f, &quick);
    sx_http_memory_feed(quick.conn, post, sizeof post - 1);
    feed_bytes(quick.conn, 90000);
    turn(f);

    assert_int_equal(count(f, "HTTP/1.1 503"), 1);
    assert_int_equal(count(f, "Retry-After: 1"), 1);
    assert_int_equal(count(f, "\"code\":\"busy\""), 1);
    assert_true(f->is_closed);
    assert_memory_equal(quick.out.data, "HTTP/1.1 200 ", 13);
    assert_int_equal(sx_http_server_stats(f->server)->evicted, 1);
    sx_http_memory_close(quick.conn);
    turn(f);
    sx_buf_finish(&quick.out);
}

/* Nobody can be given up: those that hold it are under way. */
static void a_body_that_finds_no_room_is_answered_503(void **state)
{
    static const char later[] = "POST /later HTTP/1.1\r\nHost: h\r\nContent-Length: 90000\r\n\r\n";
    struct fixture *f = *state;
    struct other next;

    sx_http_memory_feed(f->conn, later, sizeof later - 1);
    feed_bytes(f->conn, 90000);
    open_other(f, &next);
    sx_http_memory_feed(next.conn, later, sizeof later - 1);
    feed_bytes(next.conn, 90000);
    turn(f);
    assert_int_equal(f->n_pending, 1); /* the second one found no room */
    assert_memory_equal(next.out.data, "HTTP/1.1 503 ", 13);

    finish_pending(f, 0);
    sx_http_memory_feed(f->conn, post, sizeof post - 1);
    feed_bytes(f->conn, 90000);

    assert_int_equal(count(f, "HTTP/1.1 200"), 2); /* there is room again */
    assert_int_equal(count(f, "HTTP/1.1 503"), 0);
    sx_buf_finish(&next.out);
}

/* Each waits for the answer before it, and none of them fits into the limit of one connection. */
static void answers_that_wait_for_their_turn_are_counted(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 3; i++)
        feed(f, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    turn(f);
    turn(f);

    assert_true(f->is_closed);
    assert_int_equal(f->n_gone, 1);
    assert_int_equal(sx_http_server_stats(f->server)->evicted, 1);
}

/* Many times the limit in all, but never at a time. */
static void what_was_sent_and_answered_is_given_back(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 50; i++) {
        sx_http_memory_feed(f->conn, post, sizeof post - 1);
        feed_bytes(f->conn, 90000);
        feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\nGET /big HTTP/1.1\r\nHost: h\r\n\r\n");
        turn(f);
        finish_pending(f, i);
        f->n_pending = i + 1;
    }

    assert_int_equal(count(f, "HTTP/1.1 200"), 150);
    assert_int_equal(sx_http_server_stats(f->server)->evicted, 0);
}

#define IN_ROOM(name) cmocka_unit_test_setup_teardown(name, setup_room, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ROOM(the_body_that_has_waited_longest_makes_room),
        IN_ROOM(a_body_that_finds_no_room_is_answered_503),
        IN_ROOM(answers_that_wait_for_their_turn_are_counted),
        IN_ROOM(what_was_sent_and_answered_is_given_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
