/*
 * The server and its connections: bytes cut anywhere, refusals, limits, timeouts, the drain.
 */
#include "owner.h"

static void answers_every_way_of_cutting_the_bytes(void **state)
{
    static const char text[] = "POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3;x=\"y\"\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"
                               "\r\nPOST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nwxyz"
                               "GET /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    static const char *const order[] = { "\r\n\r\nabcde", "\r\n\r\nwxyz", "\r\n\r\n/c", NULL };
    struct fixture *f = *state;

    for (size_t cut = 1; cut < sizeof text - 1; cut++) {
        sx_http_memory_feed(f->conn, text, cut);
        turn(f);
        sx_http_memory_feed(f->conn, text + cut, sizeof text - 1 - cut);
        turn(f);

        assert_int_equal(count(f, "HTTP/1.1 200 OK"), 3);
        assert_order(f, order);
        assert_true(f->is_closed);
        open_conn(f);
    }
}

static void refuses_and_closes(void **state)
{
    static const struct {
        const char *send, *status;
    } cases[] = {
        { "GET / HTTP/1.1\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400" },
        { "GET / HTTP/1.1\nHost: a\n\n", "400" },
        { "GET / HTTP/1.1\r\nHost: a\r\n folded: x\r\n\r\n", "400" },
        { "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", "400" },
        { "GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505" },
        { "NOPE / HTTP/1.1\r\nHost: a\r\n\r\n", "501" },
        { "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "501" },
        { "\x16\x03\x01", "400" },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
          "400" },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501" },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", "400" },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: a\r\nExpect: more\r\nContent-Length: 1\r\n\r\n", "417" },
        { "POST /small HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
          "413" },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", "413" },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX", "400" },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x3\r\n", "400" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char line[32];

        feed(f, cases[i].send);
        feed(f, "GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n");
        turn(f);

        (void)snprintf(line, sizeof line, "HTTP/1.1 %s ", cases[i].status);
        if (count(f, line) != 1 || count(f, "/smuggled") != 0 || !f->is_closed)
            fail_msg("%s\nexpected %s and a close, found:\n%s", cases[i].send, cases[i].status,
                     sx_buf_text(&f->out));
        assert_int_equal(count(f, "Connection: close"), 1);
        open_conn(f);
    }
}

static void asks_for_a_body_that_is_expected_and_reads_a_short_one_of_a_refused_request(
    void **state)
{
    struct fixture *f = *state;

    feed(f, "POST /x HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_int_equal(count(f, "100 Continue"), 1);
    feed(f, "okPOST /early HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
    feed(f, "GET /after HTTP/1.1\r\nHost: h\r\n\r\n");

    assert_int_equal(count(f, "HTTP/1.1 404"), 1);
    assert_int_equal(count(f, "\r\n\r\n/after"), 1);
}

static void limits_the_head(void **state)
{
    struct fixture *f = *state;
    char text[4096];

    (void)snprintf(text, sizeof text, "GET /%0600d HTTP/1.1\r\nHost: h\r\n\r\n", 1);
    feed(f, text);
    assert_int_equal(count(f, "HTTP/1.1 414"), 1);
    open_conn(f);
    (void)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: h\r\nX: %01200d\r\n\r\n", 1);
    feed(f, text);
    assert_int_equal(count(f, "HTTP/1.1 431"), 1);
    open_conn(f);
    feed(f, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 20; i++)
        feed(f, "X: y\r\n");
    feed(f, "\r\n");

    assert_int_equal(count(f, "HTTP/1.1 431"), 1);
}

static void answers_408_when_a_head_or_a_body_does_not_arrive(void **state)
{
    static const char *const parts[] = {
        "GET / HT", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab", NULL
    };
    struct fixture *f = *state;

    for (int i = 0; parts[i] != NULL; i++) {
        feed(f, parts[i]);
        while (!f->is_closed)
            (void)uv_run(&f->loop, UV_RUN_ONCE);
        assert_int_equal(count(f, "HTTP/1.1 408"), 1);
        open_conn(f);
    }
}

/* Each read ends within the next head; the time of a head is its own. */
static void gives_each_head_its_own_time(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /a HT");
    for (int i = 0; i < 10; i++) {
        pass_ms(f, 30);
        feed(f, "TP/1.1\r\nHost: h\r\n\r\nGET /a HT");
    }

    assert_int_equal(count(f, "HTTP/1.1 200"), 10);
    assert_int_equal(count(f, "HTTP/1.1 408"), 0);
}

static void is_idle_while_only_empty_lines_come(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 40 && !f->is_closed; i++) {
        feed(f, "\r\n");
        pass_ms(f, 10);
    }

    assert_true(f->is_closed);
}

static void closes_an_idle_connection_without_a_word(void **state)
{
    struct fixture *f = *state;

    while (!f->is_closed)
        (void)uv_run(&f->loop, UV_RUN_ONCE);

    assert_int_equal(f->out.len, 0);
}

static void goes_on_reading_when_a_large_answer_was_written(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /big HTTP/1.1\r\nHost: h\r\n\r\nGET /after HTTP/1.1\r\nHost: h\r\n\r\n");
    turn(f);

    assert_int_equal(count(f, "\r\n\r\n/after"), 1);
}

static void on_drained(void *arg)
{
    ((struct fixture *)arg)->is_drained = true;
}

static void lets_an_idle_connection_ask_once_more_while_it_drains(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /one HTTP/1.1\r\nHost: h\r\n\r\n");
    sx_http_server_drain(f->server, 60000, on_drained, f);
    turn(f);
    assert_false(f->is_closed);
    feed(f, "GET /two HTTP/1.1\r\nHost: h\r\n\r\n");
    turn(f);

    assert_int_equal(count(f, "\r\n\r\n/two"), 1);
    assert_int_equal(count(f, "Connection: close"), 1);
    assert_true(f->is_closed && f->is_drained);
}

static void says_close_with_the_last_of_the_answers_that_are_due(void **state)
{
    static const char *const order[] = { "\r\n\r\nx=1", "Connection: close", "\r\n\r\nx=2", NULL };
    struct fixture *f = *state;

    feed(f, "GET /later?x=1 HTTP/1.1\r\nHost: h\r\n\r\nGET /later?x=2 HTTP/1.1\r\nHost: h\r\n\r\n");
    sx_http_server_drain(f->server, 0, on_drained, f);
    finish_pending(f, 0);
    finish_pending(f, 1);

    assert_order(f, order);
    assert_int_equal(count(f, "Connection: close"), 1);
    assert_true(f->is_closed && f->is_drained);
}

static void closes_idle_connections_at_once_when_told_so(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /one HTTP/1.1\r\nHost: h\r\n\r\n");
    sx_http_server_drain(f->server, 0, on_drained, f);
    turn(f);

    assert_true(f->is_closed && f->is_drained);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_every_way_of_cutting_the_bytes),
        TEST(refuses_and_closes),
        TEST(asks_for_a_body_that_is_expected_and_reads_a_short_one_of_a_refused_request),
        TEST(limits_the_head),
        TEST(answers_408_when_a_head_or_a_body_does_not_arrive),
        TEST(gives_each_head_its_own_time),
        TEST(is_idle_while_only_empty_lines_come),
        TEST(closes_an_idle_connection_without_a_word),
        TEST(goes_on_reading_when_a_large_answer_was_written),
        TEST(lets_an_idle_connection_ask_once_more_while_it_drains),
        TEST(says_close_with_the_last_of_the_answers_that_are_due),
        TEST(closes_idle_connections_at_once_when_told_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
