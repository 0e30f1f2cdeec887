/*
 * Requests that wait: their order, their deadline, what they keep, and clients that leave.
 */
#include "owner.h"

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

    feed(
        f,
        "GET /later?x=1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /later?x=2 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
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

/* The objects of these two have no text of their own, and another request's before. */
static void answers_behind_a_pending_request_without_a_head(void **state)
{
    static const char *const refused[] = { "\r\n\r\nx=1", "HTTP/1.1 400", NULL };
    static const char *const late[] = { "\r\n\r\nx=2", "HTTP/1.1 504", NULL };
    struct fixture *f = *state;

    for (int i = 0; i < 4; i++)
        feed(f,
             "GET /later HTTP/1.1\r\nHost: h\r\nX: this lies in the memory of the request\r\n\r\n");
    while (f->n_pending > 0)
        finish_pending(f, --f->n_pending);
    open_conn(f);
    feed(f, "GET /later?x=1 HTTP/1.1\r\nHost: h\r\n\r\nGET / HTTP/1.1\nHost: h\n\n");
    finish_pending(f, 0);
    assert_order(f, refused);

    open_conn(f);
    feed(f, "GET /later?x=2 HTTP/1.1\r\nHost: h\r\n\r\nGET /soon HTTP/1.1\r\nHost: h\r\n\r\n");
    while (f->n_expired == 0)
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    finish_pending(f, 1);
    assert_order(f, late);
    sx_http_complete(f->pending[2]);
    f->pending[2] = NULL;
}

static void outlives_a_connection_that_ends_inside_the_handler(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /hang-up HTTP/1.1\r\nHost: h\r\n\r\n");
    f->n_pending = 0;
    turn(f);

    assert_int_equal(f->n_gone, 1);
    assert_int_equal(f->n_ended, 1);
}

/* The handler runs while the connection is about to write what was answered before it. */
static void writes_nothing_once_a_handler_has_closed_the_connection(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\nPOST /hang-up HTTP/1.1\r\nHost: h\r\n\r\n");
    finish_pending(f, 0);
    turn(f);

    assert_true(f->is_closed);
    assert_int_equal(f->n_ended, 2);
    assert_int_equal(f->out.len, 0);
}

static void lets_one_handler_answer_more_requests_than_it_keeps_objects_for(void **state)
{
    struct fixture *f = *state;

    while (f->n_pending + 4 < MAX_PENDING) {
        open_conn(f);
        for (int i = 0; i < 4; i++)
            feed(f, "GET /later HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    open_conn(f);
    feed(f, "GET /all HTTP/1.1\r\nHost: h\r\n\r\n");
    turn(f);

    assert_int_equal(f->n_ended, MAX_PENDING - 3);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keeps_the_order_of_pipelined_requests),
        TEST(begins_no_unsafe_request_before_the_others_are_answered),
        TEST(limits_the_requests_of_one_connection_under_way),
        TEST(keeps_what_a_waiting_request_needs_out_of_the_read_buffer),
        TEST(answers_504_at_the_deadline_and_lets_the_owner_finish_later),
        TEST(answers_behind_a_pending_request_without_a_head),
        TEST(outlives_a_connection_that_ends_inside_the_handler),
        TEST(writes_nothing_once_a_handler_has_closed_the_connection),
        TEST(lets_one_handler_answer_more_requests_than_it_keeps_objects_for),
        TEST(tells_the_owner_when_the_client_leaves),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
