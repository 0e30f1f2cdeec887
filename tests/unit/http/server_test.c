/*
 * The HTTP floor without sockets: requests in as bytes, answers out as bytes, and a fake owner
 * above that answers at once, later, never, or as a stream.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/error.h"
#include "http/http.h"

#define MAX_PENDING 64

struct fixture {
    uv_loop_t loop;
    struct sx_http_server *server;
    struct sx_http_conn *conn;
    struct sx_buf out;
    bool is_closed, is_server_closed, is_drained;
    struct sx_http_req *pending[MAX_PENDING];
    int n_pending, n_ended, n_gone, n_expired;
    struct sx_http_stream *stream;
    int n_stream_closed, n_stream_drained;
};

/* --- The owner above: what the path says is what it does --------------------------------- */

static struct fixture *of(const struct sx_http_req *r)
{
    return sx_http_server_arg(r->server);
}

static void on_head(struct sx_http_req *r)
{
    if (sx_slice_is(r->path, "/early"))
        (void)sx_http_problem(r, 404, "not_found", "early");
    if (sx_slice_is(r->path, "/small"))
        r->max_body = 4;
    if (sx_slice_is(r->path, "/soon"))
        r->deadline_ms = sx_http_now_ms(r->server) + 1;
}

static void stream_drained(struct sx_http_stream *s, void *arg)
{
    (void)s;
    ((struct fixture *)arg)->n_stream_drained++;
}

static void stream_closed(struct sx_http_stream *s, void *arg)
{
    (void)s;
    ((struct fixture *)arg)->n_stream_closed++;
}

static void on_handle(struct sx_http_req *r)
{
    static const struct sx_http_stream_ops ops = { stream_drained, stream_closed };
    struct fixture *f = of(r);

    if (sx_slice_is(r->path, "/later") || sx_slice_is(r->path, "/soon")) {
        f->pending[f->n_pending++] = r;
        return;
    }
    if (sx_slice_is(r->path, "/stream")) {
        assert_int_equal(sx_http_stream_open(r, 200, "text/plain", &ops, f, &f->stream), 0);
    } else if (sx_slice_is(r->path, "/big")) {
        char *to = sx_buf_reserve(&r->resp.body, 100000);

        memset(to, 'b', 100000);
        sx_buf_commit(&r->resp.body, 100000);
        assert_int_equal(sx_http_reply_body(r, 200, "text/plain"), 0);
    } else if (r->body.len > 0) {
        assert_int_equal(sx_http_reply(r, 200, "text/plain", r->body.data, r->body.len), 0);
    } else {
        assert_int_equal(sx_http_reply(r, 200, "text/plain", r->path.data, r->path.len), 0);
    }
    sx_http_complete(r);
}

static void on_gone(struct sx_http_req *r)
{
    of(r)->n_gone++;
    sx_http_complete(r);
}

static void on_expired(struct sx_http_req *r, struct sx_http_req *stand_in)
{
    assert_non_null(stand_in);
    of(r)->n_expired++;
}

static void on_ended(struct sx_http_req *r)
{
    of(r)->n_ended++;
}

/* --- The fixture ---------------------------------------------------------------------------- */

static void sink(void *arg, const char *data, size_t len)
{
    struct fixture *f = arg;

    if (data == NULL)
        f->is_closed = true;
    else
        sx_buf_add(&f->out, data, len);
}

static void open_conn(struct fixture *f)
{
    f->is_closed = false;
    sx_buf_reset(&f->out, 0);
    assert_int_equal(sx_http_memory_open(f->server, sink, f, &f->conn), 0);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct sx_http_settings set = {
        .limits = { .request_line_bytes = 512, .header_bytes = 1024, .header_count = 16, .body_bytes = 100000,
                    .spool_bytes = 1024, .upload_bytes = 100000, .response_bytes = 200000, .pipelined = 4,
                    .unread_bytes = 50000, .connections = 10, .header_ms = 100, .body_ms = 100, .idle_ms = 100,
                    .write_ms = 1000, .request_ms = 60000 },
        .ops = { on_head, on_handle, on_gone, on_expired, on_ended, f },
        .server_name = "test",
        .gzip_bytes = 1024,
    };

    assert_int_equal(uv_loop_init(&f->loop), 0);
    set.loop = &f->loop;
    assert_int_equal(sx_http_server_create(&set, &f->server), 0);
    sx_buf_init(&f->out, 1 << 24);
    open_conn(f);
    *state = f;
    return 0;
}

static void on_server_closed(void *arg)
{
    ((struct fixture *)arg)->is_server_closed = true;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sx_http_server_close(f->server, on_server_closed, f);
    for (int i = 0; i < f->n_pending; i++)
        if (f->pending[i] != NULL && f->n_gone == 0)
            sx_http_complete(f->pending[i]);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_true(f->is_server_closed);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    sx_buf_finish(&f->out);
    free(f);
    return 0;
}

static void feed(struct fixture *f, const char *text)
{
    sx_http_memory_feed(f->conn, text, strlen(text));
}

static void turn(struct fixture *f)
{
    (void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

static int count(struct fixture *f, const char *what)
{
    const char *at = sx_buf_text(&f->out);
    int n = 0;

    while (at != NULL && (at = strstr(at, what)) != NULL) {
        n++;
        at += strlen(what);
    }
    return n;
}

static void assert_order(struct fixture *f, const char *const *parts)
{
    const char *at = sx_buf_text(&f->out);

    for (; *parts != NULL; parts++) {
        const char *found = strstr(at, *parts);

        if (found == NULL)
            fail_msg("\"%s\" is missing or out of order in:\n%s", *parts, sx_buf_text(&f->out));
        at = found + strlen(*parts);
    }
}

static void finish_pending(struct fixture *f, int i)
{
    struct sx_http_req *r = f->pending[i];

    f->pending[i] = NULL;
    assert_int_equal(sx_http_reply(r, 200, "text/plain", r->query.data, r->query.len), 0);
    sx_http_complete(r);
    turn(f);
}

/* --- Claims ------------------------------------------------------------------------------------ */

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

static void keeps_the_order_of_pipelined_requests(void **state)
{
    static const char *const order[] = { "\r\n\r\nx=1", "\r\n\r\n/two", "\r\n\r\nx=3", NULL };
    struct fixture *f = *state;

    feed(f, "GET /later?x=1 HTTP/1.1\r\nHost: h\r\n\r\nGET /two HTTP/1.1\r\nHost: h\r\n\r\n"
            "GET /later?x=3 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(f->n_pending, 2);
    assert_int_equal(f->out.len, 0);
    finish_pending(f, 1);
    assert_int_equal(f->out.len, 0);
    finish_pending(f, 0);

    assert_order(f, order);
}

static void begins_no_unsafe_request_before_the_others_are_answered(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /later?x=1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /later?x=2 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
            "GET /later?x=3 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(f->n_pending, 1);
    finish_pending(f, 0);
    assert_int_equal(f->n_pending, 2);
    finish_pending(f, 1);

    assert_int_equal(f->n_pending, 3);
}

static void limits_the_requests_of_one_connection_under_way(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 10; i++)
        feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_int_equal(f->n_pending, 4);
    finish_pending(f, 0);

    assert_int_equal(f->n_pending, 5);
}

static void keeps_what_a_waiting_request_needs_out_of_the_read_buffer(void **state)
{
    struct fixture *f = *state;
    char other[256];

    feed(f, "GET /later?keep=me HTTP/1.1\r\nHost: h\r\nX-Keep: this too\r\n\r\n");
    memset(other, 'Z', sizeof other);
    sx_http_memory_feed(f->conn, other, 1); /* the shared buffer is overwritten */
    turn(f);

    assert_true(sx_slice_is(f->pending[0]->query, "keep=me"));
    assert_true(sx_slice_is(sx_http_header(f->pending[0], "x-keep", 6), "this too"));
    finish_pending(f, 0);
}

static void answers_504_at_the_deadline_and_lets_the_owner_finish_later(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /soon HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    while (f->n_expired == 0)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    turn(f);

    assert_int_equal(count(f, "HTTP/1.1 504"), 1);
    assert_int_equal(count(f, "\r\n\r\n/next"), 1);
    assert_true(sx_http_is_gone(f->pending[0]));
    sx_http_complete(f->pending[0]);
    f->pending[0] = NULL;
    turn(f);
    assert_int_equal(f->n_ended, 3); /* the request, its stand-in, the next one */
}

static void tells_the_owner_when_the_client_leaves(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    sx_http_memory_close(f->conn);
    f->pending[0] = NULL;
    turn(f);

    assert_int_equal(f->n_gone, 1);
    assert_int_equal(f->n_ended, 1);
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
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501" },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", "400" },
        { "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "400" },
        { "POST / HTTP/1.1\r\nHost: a\r\nExpect: more\r\nContent-Length: 1\r\n\r\n", "417" },
        { "POST /small HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", "413" },
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
            fail_msg("%s\nexpected %s and a close, found:\n%s", cases[i].send, cases[i].status, sx_buf_text(&f->out));
        assert_int_equal(count(f, "Connection: close"), 1);
        open_conn(f);
    }
}

static void asks_for_a_body_that_is_expected_and_reads_a_short_one_of_a_refused_request(void **state)
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
    static const char *const parts[] = { "GET / HT", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab", NULL };
    struct fixture *f = *state;

    for (int i = 0; parts[i] != NULL; i++) {
        feed(f, parts[i]);
        while (!f->is_closed)
            (void)uv_run(&f->loop, UV_RUN_ONCE);
        assert_int_equal(count(f, "HTTP/1.1 408"), 1);
        open_conn(f);
    }
}

static void closes_an_idle_connection_without_a_word(void **state)
{
    struct fixture *f = *state;

    while (!f->is_closed)
        (void)uv_run(&f->loop, UV_RUN_ONCE);

    assert_int_equal(f->out.len, 0);
}

static void holds_back_a_stream_until_its_turn(void **state)
{
    static const char *const order[] = { "\r\n\r\nx=1", "Transfer-Encoding: chunked", "5\r\nearly\r\n", "4\r\nlate\r\n",
                                         "0\r\n\r\n", "\r\n\r\n/end", NULL };
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

static void closes_idle_connections_at_once_when_told_so(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /one HTTP/1.1\r\nHost: h\r\n\r\n");
    sx_http_server_drain(f->server, 0, on_drained, f);
    turn(f);

    assert_true(f->is_closed && f->is_drained);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_every_way_of_cutting_the_bytes),
        TEST(keeps_the_order_of_pipelined_requests),
        TEST(begins_no_unsafe_request_before_the_others_are_answered),
        TEST(limits_the_requests_of_one_connection_under_way),
        TEST(keeps_what_a_waiting_request_needs_out_of_the_read_buffer),
        TEST(answers_504_at_the_deadline_and_lets_the_owner_finish_later),
        TEST(tells_the_owner_when_the_client_leaves),
        TEST(refuses_and_closes),
        TEST(asks_for_a_body_that_is_expected_and_reads_a_short_one_of_a_refused_request),
        TEST(limits_the_head),
        TEST(answers_408_when_a_head_or_a_body_does_not_arrive),
        TEST(closes_an_idle_connection_without_a_word),
        TEST(holds_back_a_stream_until_its_turn),
        TEST(closes_a_stream_once_when_the_client_leaves),
        TEST(refuses_stream_writes_above_the_mark_and_says_when_it_is_drained),
        TEST(goes_on_reading_when_a_large_answer_was_written),
        TEST(lets_an_idle_connection_ask_once_more_while_it_drains),
        TEST(closes_idle_connections_at_once_when_told_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
