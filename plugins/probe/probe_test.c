#include <sx/test.h>

#include <string.h>

static void tokens_come_back(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/probe/ok"), 200, "ok");
    sx_expect_text(sx_test_get(t, "/probe/token/a%20b"), 200, "a b");
    sx_expect_header(sx_test_get(t, "/probe/reflect?v=a%20b"), "X-Reflect", "a b");
}

static void a_header_cannot_be_split(sx_test *t)
{
    const sx_answer *a = sx_test_get(t, "/probe/reflect?v=a%0d%0aX-Evil:%201");

    sx_expect_header(sx_expect_problem(a, 400, "bad_value"), "X-Evil", NULL);
    assert_non_null(strstr(sx_test_logged(t),
                           "the header \"X-Reflect\" was refused: its value has a control byte"));
}

static void a_body_comes_back_byte_for_byte(sx_test *t)
{
    const sx_answer *a = sx_test_send(t, .path = "/probe/echo", .body = "a\0\r\n\xff", .len = 5,
                                      .type = "image/png");

    sx_expect_header(sx_expect_status(a, 200), "Content-Type", "image/png");
    assert_int_equal(a->len, 5);
    assert_memory_equal(a->body, "a\0\r\n\xff", 5);
}

static void json_is_parsed_and_written_again(sx_test *t)
{
    const char *json = SX_TEST_JSON({ "b" : [ 1, 2.5, true, null ], "a" : "ü\n" });

    sx_expect_json(sx_test_send(t, .path = "/probe/json", .json = json), 200, json);
    sx_expect_problem(sx_test_send(t, .path = "/probe/json", .json = "{"), 400, NULL);
    sx_expect_problem(sx_test_send(t, .path = "/probe/json", .json = "1e999"), 400, NULL);
}

static void timers_and_threads_answer(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/probe/sleep?ms=2"), 200, "ok");
    sx_expect_text(sx_test_get(t, "/probe/work?ms=2"), 200, "ok");
    sx_expect_problem(sx_test_get(t, "/probe/sleep?ms=soon"), 400, NULL);
}

static void a_write_is_one_row(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/probe/db/read?tok=abc"), 200, "abc");
    sx_expect_text(sx_test_get(t, "/probe/db/write?tok=abc"), 200, "abc");
    sx_expect_text(sx_test_send(t, .method = "POST", .path = "/probe/db/write?tok=abc"), 200,
                   "abc");

    assert_string_equal(sx_test_sql(t, "SELECT count(*) FROM hits WHERE tok = 'abc'"), "2");
    sx_expect_problem(sx_test_get(t, "/probe/db/write"), 400, NULL);
}

static void a_stream_has_its_events(sx_test *t)
{
    const char *three = "id: 0\ndata: 0\n\nid: 1\ndata: 1\n\nid: 2\ndata: 2\n\n";

    sx_expect_text(sx_test_get(t, "/probe/stream?n=3"), 200, three);
    sx_expect_text(sx_test_get(t, "/probe/stream?n=3&ms=1"), 200, three);
    sx_expect_text(sx_test_get(t, "/probe/stream?n=0"), 200, "");
}

static void a_long_stream_waits_for_its_reader(sx_test *t)
{
    const sx_answer *a = sx_test_get(t, "/probe/stream?n=100000");

    assert_true(a->len > 1000000);
    assert_string_equal(a->body + a->len - strlen("data: 99999\n\n"), "data: 99999\n\n");
}

/* sx_test_run fails if anything of these two is left. */
static void a_client_may_leave_a_stream(sx_test *t)
{
    (void)sx_test_send(t, .path = "/probe/stream?n=1000000", .leave_after = 1000);
    (void)sx_test_send(t, .path = "/probe/stream?n=1000000&ms=1", .leave_after = 20);
}

static void a_websocket_sends_back_what_it_hears(sx_test *t)
{
    static const char *const offer[] = { "Sec-WebSocket-Protocol", "chat, echo", NULL };
    const sx_answer *a = sx_test_ws_open(t, .path = "/probe/ws", .headers = offer);
    const sx_test_message *m;

    sx_expect_header(a, "Sec-WebSocket-Protocol", "echo");
    sx_test_ws_send(a, "one");
    sx_test_ws_send(a, SX_TEST_JSON({ "n" : 2 }));
    sx_test_ws_send_bytes(a, "\0\xff", 2);
    sx_expect_message(a, "one");
    sx_expect_message_json(a, SX_TEST_JSON({ "n" : "<int>" }));
    m = sx_test_ws_next(a);
    assert_true(m != NULL && !m->is_text && m->len == 2 && memcmp(m->data, "\0\xff", 2) == 0);

    sx_test_ws_close(a, 4000);
    assert_null(sx_test_ws_next(a));
    sx_expect_closed(a, 4000);
    sx_expect_problem(sx_test_get(t, "/probe/ws"), 426, "upgrade_required");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(tokens_come_back),
        SX_TEST_CASE(a_header_cannot_be_split),
        SX_TEST_CASE(a_body_comes_back_byte_for_byte),
        SX_TEST_CASE(json_is_parsed_and_written_again),
        SX_TEST_CASE(timers_and_threads_answer),
        SX_TEST_CASE(a_write_is_one_row),
        SX_TEST_CASE(a_stream_has_its_events),
        SX_TEST_CASE(a_long_stream_waits_for_its_reader),
        SX_TEST_CASE(a_client_may_leave_a_stream),
        SX_TEST_CASE(a_websocket_sends_back_what_it_hears),
        { 0 },
    };

    return sx_test_run(&(sx_test_setup){ .plugins = "probe", .has_database = true }, cases);
}
