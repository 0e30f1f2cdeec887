/*
 * Answers that are streams: their turn, their end, and back-pressure.
 */
#include "owner.h"

static void holds_back_a_stream_until_its_turn(void **state)
{
    static const char *const order[] = { "\r\n\r\nx=1",
                                         "Transfer-Encoding: chunked",
                                         "5\r\nearly\r\n",
                                         "4\r\nlate\r\n",
                                         "0\r\n\r\n",
                                         "\r\n\r\n/end",
                                         NULL };
    struct fixture *f = *state;

    feed(f, "GET /later?x=1 HTTP/1.1\r\nHost: h\r\n\r\nGET /stream HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /end HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(sx_http_stream_write(f->stream, "early", 5), 0);
    finish_pending(f, 0);
    assert_int_equal(sx_http_stream_write(f->stream, "late", 4), 0);
    sx_http_stream_end(f->stream);
    turn(f);

    assert_order(f, order);
    assert_int_equal(f->n_stream_closed, 1);
}

static void closes_a_stream_once_when_the_client_leaves(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    sx_http_memory_close(f->conn);
    turn(f);

    assert_int_equal(f->n_stream_closed, 1);
}

static void closes_a_stream_whose_answer_is_taken_back(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /change-of-mind HTTP/1.1\r\nHost: h\r\n\r\n");

    assert_int_equal(count(f, "HTTP/1.1 204"), 1);
    assert_int_equal(f->n_stream_closed, 1);
}

static void sends_nothing_behind_a_body_that_ends_with_the_connection(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /after HTTP/1.0\r\n\r\n");
    assert_int_equal(sx_http_stream_write(f->stream, "body", 4), 0);
    sx_http_stream_end(f->stream);
    turn(f);

    assert_int_equal(count(f, "\r\n\r\nbody"), 1);
    assert_int_equal(count(f, "/after"), 0);
    assert_true(f->is_closed);
}

static void refuses_stream_writes_above_the_mark_and_says_when_it_is_drained(void **state)
{
    struct fixture *f = *state;
    char block[20000] = { 0 };
    int err = 0;

    feed(f, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 10 && err == 0; i++)
        err = sx_http_stream_write(f->stream, block, sizeof block);
    assert_int_equal(err, SX_ERR_BUSY);
    turn(f);

    assert_int_equal(f->n_stream_drained, 1);
    assert_int_equal(sx_http_stream_write(f->stream, "x", 1), 0);
    sx_http_stream_end(f->stream);
    turn(f);
}

/* The client has read that it closes and forgets what it sent behind: it must not be done. */
static void takes_no_request_behind_a_stream_whose_head_said_close(void **state)
{
    struct fixture *f = *state;

    sx_http_server_drain(f->server, 60000, NULL, NULL);
    feed(f, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    turn(f);
    assert_int_equal(count(f, "Connection: close"), 1);

    feed(f, "GET /late HTTP/1.1\r\nHost: h\r\n\r\n");
    sx_http_stream_end(f->stream);
    turn(f);

    assert_int_equal(count(f, "HTTP/1.1 200"), 1);
    assert_int_equal(f->n_ended, 1);
    assert_true(f->is_closed);
}

static void on_drained(void *arg)
{
    ((struct fixture *)arg)->is_drained = true;
}

static void closes_the_connection_of_a_stream_that_ends_in_the_drain(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    sx_http_server_drain(f->server, 0, on_drained, f);
    sx_http_stream_end(f->stream);
    turn(f);

    assert_true(f->is_closed && f->is_drained);
}

static void ends_the_answer_to_head_with_its_head(void **state)
{
    struct fixture *f = *state;

    feed(f, "HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\nGET /after HTTP/1.1\r\nHost: h\r\n\r\n");
    turn(f);

    assert_int_equal(f->n_stream_closed, 1);
    assert_int_equal(count(f, "\r\n\r\n/after"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(holds_back_a_stream_until_its_turn),
        TEST(closes_a_stream_once_when_the_client_leaves),
        TEST(closes_a_stream_whose_answer_is_taken_back),
        TEST(sends_nothing_behind_a_body_that_ends_with_the_connection),
        TEST(refuses_stream_writes_above_the_mark_and_says_when_it_is_drained),
        TEST(takes_no_request_behind_a_stream_whose_head_said_close),
        TEST(closes_the_connection_of_a_stream_that_ends_in_the_drain),
        TEST(ends_the_answer_to_head_with_its_head),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
