/* stream_test.c - answers that are sent over time. */
#include "setup.h"

static void a_stream_is_sent_in_chunks_and_closed_once(sx_test *t)
{
    const sx_answer *a = sx_expect_text(sx_test_get(t, "/stream"), 200, "one two");

    sx_expect_header(a, "Transfer-Encoding", "chunked");
    sx_test_wait(t, noted_int(t, "closed") == 1);
    assert_int_equal(noted_int(t, "first"), 0);
    assert_int_equal(noted_int(t, "empty"), 0);
    assert_int_equal(noted_int(t, "second"), 0);
    assert_int_equal(noted_int(t, "again"), EINVAL_);
    assert_int_equal(noted_int(t, "after the end"), ECLOSED_);
}

static void a_full_stream_takes_nothing_until_it_has_drained(sx_test *t)
{
    const sx_answer *a = sx_expect_status(sx_test_get(t, "/stream/full"), 200);

    assert_int_equal(noted_int(t, "full"), EBUSY_);
    assert_true(noted_int(t, "blocks") > 10);
    assert_int_equal(a->len, noted_int(t, "blocks") * 1024 + 4);
    assert_string_equal(a->body + a->len - 5, ".rest");
    assert_int_equal(noted_int(t, "drained"), 1);
    assert_int_equal(noted_int(t, "last"), 0);
    sx_test_wait(t, noted_int(t, "closed") == 1);
}

static void events_keep_their_lines(sx_test *t)
{
    const sx_answer *a = sx_test_get(t, "/stream/events");

    sx_expect_text(a, 200,
                   "data: x\n\n"
                   "event: price\nid: 7\ndata: two\ndata: lines\ndata: and \"more\"\n\n");
    sx_expect_header(a, "Content-Type", "text/event-stream");
    sx_expect_header(a, "Cache-Control", "no-store");
    assert_int_equal(noted_int(t, "plain"), 0);
    assert_int_equal(noted_int(t, "whole"), 0);
    assert_int_equal(noted_int(t, "bad id"), EINVAL_);
    assert_int_equal(noted_int(t, "bad event"), EINVAL_);
    assert_int_equal(noted_int(t, "no data"), EINVAL_);
    assert_non_null(strstr(sx_test_logged(t), "an event was refused: its \"id\" has a line end"));
    assert_int_equal(noted_int(t, "after the end"), ECLOSED_);
}

static void events_come_one_by_one_until_the_client_leaves(sx_test *t)
{
    const sx_answer *a = sx_expect_status(sx_test_open(t, .path = "/stream/for-ever"), 200);

    assert_string_equal(sx_test_event(a), "data: 0");
    assert_string_equal(sx_test_event(a), "data: 1");
    assert_string_equal(sx_test_event(a), "data: 2");
    sx_test_leave(a);

    sx_test_wait(t, noted_int(t, "closed") == 1);
    assert_int_equal(noted_int(t, "write when closed"), ECLOSED_);
}

/* The server is drained at the end of the case, with the stream open. */
static void a_stream_does_not_hold_up_the_end(sx_test *t)
{
    const sx_answer *a = sx_test_open(t, .path = "/stream/for-ever");

    assert_string_equal(sx_test_event(a), "data: 0");
}

static void a_head_request_gets_no_body(sx_test *t)
{
    sx_expect_text(sx_test_send(t, .method = "HEAD", .path = "/stream"), 200, "");
}

static void an_answered_request_opens_no_stream(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/stream/after-reply"), 200, "done");
    assert_int_equal(noted_int(t, "open"), EINVAL_);
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(a_stream_is_sent_in_chunks_and_closed_once),
        SX_TEST_CASE(a_full_stream_takes_nothing_until_it_has_drained),
        SX_TEST_CASE(events_keep_their_lines),
        SX_TEST_CASE(events_come_one_by_one_until_the_client_leaves),
        SX_TEST_CASE(a_stream_does_not_hold_up_the_end),
        SX_TEST_CASE(a_head_request_gets_no_body),
        SX_TEST_CASE(an_answered_request_opens_no_stream),
        { 0 },
    };

    return sx_test_run(&(sx_test_setup){ .plugins = "contract", .config = CONTRACT_CONFIG }, cases);
}
