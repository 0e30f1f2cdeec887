/* ws_test.c - WebSockets, as a plugin has them. */
#include "setup.h"

enum { ETHREAD_ = -9 };

#define HANDSHAKE                                                                   \
    "Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "13", \
        "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="

static const char *const handshake[] = { HANDSHAKE, NULL };

static const sx_answer *open_room(sx_test *t)
{
    const sx_answer *a = sx_test_ws_open(t, .path = "/ws/lobby");

    sx_expect_message(a, "lobby");
    return a;
}

static void messages_go_both_ways_until_the_client_closes(sx_test *t)
{
    const sx_answer *a = open_room(t);

    sx_expect_header(a, "X-Room", "lobby");
    sx_expect_header(a, "Sec-WebSocket-Extensions", NULL);
    sx_test_ws_send(a, "one");
    sx_test_ws_send_bytes(a, "\xff", 1);
    sx_expect_message(a, "one");
    assert_false(sx_test_ws_next(a)->is_text);
    sx_test_ws_close(a, 1000);
    sx_expect_closed(a, 1000);

    assert_int_equal(noted_int(t, "closed"), 1);
    assert_int_equal(noted_int(t, "code"), 1000);
    assert_int_equal(noted_int(t, "send when closed"), ECLOSED_);
}

static void closed_comes_behind_the_call_that_closes(sx_test *t)
{
    const sx_answer *a = open_room(t);

    sx_test_ws_send(a, "close");
    assert_int_equal(noted_int(t, "closed"), 0);
    sx_test_ws_send(a, "nobody hears this");
    sx_expect_closed(a, 4001);

    assert_int_equal(noted_int(t, "closed"), 1);
    assert_int_equal(noted_int(t, "code"), 4001);
    assert_true(json_is_false(noted(t, "closed inside")));
    assert_int_equal(noted_int(t, "not sent"), 0);
}

static void a_client_that_leaves_is_1006(sx_test *t)
{
    sx_test_leave(open_room(t));
    sx_test_wait(t, noted_int(t, "closed") == 1);

    assert_int_equal(noted_int(t, "code"), 1006);
}

static void a_full_one_takes_nothing_until_it_has_drained(sx_test *t)
{
    const sx_answer *a = open_room(t);

    sx_test_ws_send(a, "full");
    for (json_int_t n = noted_int(t, "blocks"); n > 0; n--)
        assert_int_equal(sx_test_ws_next(a)->len, 1024);
    sx_expect_message(a, "rest");

    assert_true(noted_int(t, "blocks") > 10);
    assert_int_equal(noted_int(t, "full"), EBUSY_);
    assert_int_equal(noted_int(t, "drained"), 1);
    assert_true(json_is_false(noted(t, "drained inside")));
    assert_int_equal(noted_int(t, "last"), 0);
}

static void misuse_is_refused_and_told(sx_test *t)
{
    const sx_answer *a = open_room(t);
    const char *log;

    sx_test_ws_send(a, "misuse");
    sx_expect_closed(a, 1011);

    assert_int_equal(noted_int(t, "bad text"), EINVAL_);
    assert_int_equal(noted_int(t, "bad kind"), EINVAL_);
    assert_int_equal(noted_int(t, "send behind"), ECLOSED_);
    log = sx_test_logged(t);
    assert_non_null(strstr(log, "a message was refused: its text is no UTF-8"));
    assert_non_null(strstr(log, "a message was refused: it is no kind of message"));
    assert_non_null(strstr(log, "the code 1006 or its reason cannot be sent, 1011 was"));
}

static void opening_it_badly_is_refused_and_told(sx_test *t)
{
    const sx_answer *a = sx_test_ws_open(t, .path = "/ws/misused");

    sx_expect_header(a, "Sec-WebSocket-Protocol", NULL);
    sx_expect_message(a, "misused");
    assert_int_equal(noted_int(t, "bad protocol"), EINVAL_);
    assert_int_equal(noted_int(t, "second"), EINVAL_);
    assert_int_equal(noted_int(t, "reply"), EINVAL_);
    assert_non_null(strstr(sx_test_logged(t), "the protocol \"no token\" was refused"));
}

static void one_whose_handler_fails_is_closed_unopened(sx_test *t)
{
    sx_expect_problem(sx_test_send(t, .path = "/ws/failed", .headers = handshake), 500, NULL);

    assert_int_equal(noted_int(t, "closed"), 1);
    assert_int_equal(noted_int(t, "code"), 1006);
    (void)sx_test_logged(t);
}

static void it_is_not_opened_on_a_thread(sx_test *t)
{
    sx_expect_status(sx_test_send(t, .path = "/ws/pool", .headers = handshake), 204);
    assert_int_equal(noted_int(t, "open"), ETHREAD_);
}

/* The server is drained at the end of the case, with it open. */
static void it_does_not_hold_up_the_end(sx_test *t)
{
    (void)open_room(t);
}

/* --- Which route ------------------------------------------------------------------------- */

static void a_path_may_be_a_page_and_a_websocket(sx_test *t)
{
    static const char *const other[] = { "Upgrade", "h2c", "Connection", "Upgrade", NULL };

    sx_expect_message(sx_test_ws_open(t, .path = "/ws/both"), "both");
    sx_expect_text(sx_test_get(t, "/ws/both"), 200, "a page");
    sx_expect_text(sx_test_send(t, .path = "/ws/both", .headers = other), 200, "a page");
    sx_expect_text(sx_test_send(t, .method = "HEAD", .path = "/ws/both"), 200, "");
}

static void a_path_that_is_only_a_websocket_asks_for_an_upgrade(sx_test *t)
{
    const sx_answer *a = sx_expect_problem(sx_test_get(t, "/ws/lobby"), 426, "upgrade_required");

    sx_expect_header(a, "Upgrade", "websocket");
    sx_expect_header(a, "Connection", "Upgrade");
    sx_expect_header(a, "Sec-WebSocket-Version", "13");
    sx_expect_status(sx_test_send(t, .method = "HEAD", .path = "/ws/lobby"), 426);
    a = sx_expect_problem(sx_test_send(t, .method = "POST", .path = "/ws/lobby"), 405, NULL);
    sx_expect_header(a, "Allow", "GET, HEAD, OPTIONS");
    a = sx_expect_status(sx_test_send(t, .method = "OPTIONS", .path = "/ws/lobby"), 204);
    sx_expect_header(a, "Allow", "GET, HEAD, OPTIONS");
    sx_expect_problem(sx_test_send(t, .method = "WEBSOCKET", .path = "/ws/lobby"), 501, NULL);
}

/* RFC 9110, section 7.8: a server may ignore that it was asked. */
static void an_ordinary_route_ignores_the_upgrade_or_takes_it(sx_test *t)
{
    static const char *const bad[] = {
        "Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "8", NULL
    };

    sx_expect_status(sx_test_send(t, .path = "/", .headers = handshake), 204);
    sx_expect_message(sx_test_ws_open(t, .path = "/ws-or-not"), "or not");
    sx_expect_problem(sx_test_get(t, "/ws-or-not"), 426, "upgrade_required");
    sx_expect_problem(sx_test_send(t, .path = "/ws-or-not", .headers = bad), 426, NULL);
}

static void the_handler_of_a_websocket_sees_good_handshakes_only(sx_test *t)
{
    static const char *const no_key[] = {
        "Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Version", "13", NULL
    };
    static const char *const of_another[] = { HANDSHAKE, "Origin", "http://evil.example", NULL };
    static const char *const own[] = { "Origin", "http://localhost", NULL };

    sx_expect_problem(sx_test_send(t, .path = "/ws/lobby", .headers = no_key), 400,
                      "bad_handshake");
    sx_expect_problem(sx_test_send(t, .path = "/ws/lobby", .headers = of_another), 403,
                      "origin_denied");
    sx_expect_message(sx_test_ws_open(t, .path = "/ws/lobby", .headers = own), "lobby");
    assert_int_equal(noted_int(t, "closed"), 0);
}

static void it_is_a_request_like_any_other_until_it_is_open(sx_test *t)
{
    sx_expect_message(sx_test_ws_open(t, .path = "/ws/later"), "later");
    sx_expect_problem(sx_test_send(t, .path = "/ws/denied", .headers = handshake), 401,
                      "who_are_you");
    sx_expect_problem(sx_test_send(t, .path = "/ws/lobby?n=x", .headers = handshake), 400,
                      "invalid_parameter");
    sx_expect_message(sx_test_ws_open(t, .path = "/ws/a%20b?n=1"), "a b");
}

/* --- Other sites -------------------------------------------------------------------------- */

static void pages_of_configured_origins_may_open_one(sx_test *t)
{
    static const char *const friend[] = { "Origin", "https://app.example.com", NULL };
    static const char *const of_another[] = { HANDSHAKE, "Origin", "https://evil.example", NULL };

    sx_expect_message(sx_test_ws_open(t, .path = "/ws/lobby", .headers = friend), "lobby");
    sx_expect_problem(sx_test_send(t, .path = "/ws/lobby", .headers = of_another), 403,
                      "origin_denied");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(messages_go_both_ways_until_the_client_closes),
        SX_TEST_CASE(closed_comes_behind_the_call_that_closes),
        SX_TEST_CASE(a_client_that_leaves_is_1006),
        SX_TEST_CASE(a_full_one_takes_nothing_until_it_has_drained),
        SX_TEST_CASE(misuse_is_refused_and_told),
        SX_TEST_CASE(opening_it_badly_is_refused_and_told),
        SX_TEST_CASE(one_whose_handler_fails_is_closed_unopened),
        SX_TEST_CASE(it_is_not_opened_on_a_thread),
        SX_TEST_CASE(it_does_not_hold_up_the_end),
        SX_TEST_CASE(a_path_may_be_a_page_and_a_websocket),
        SX_TEST_CASE(a_path_that_is_only_a_websocket_asks_for_an_upgrade),
        SX_TEST_CASE(an_ordinary_route_ignores_the_upgrade_or_takes_it),
        SX_TEST_CASE(the_handler_of_a_websocket_sees_good_handshakes_only),
        SX_TEST_CASE(it_is_a_request_like_any_other_until_it_is_open),
        { 0 },
    };
    static const sx_test_case cases_with_origins[] = {
        SX_TEST_CASE(pages_of_configured_origins_may_open_one),
        { 0 },
    };
    int n_failed = sx_test_run(&(sx_test_setup){ .plugins = "contract", .config = CONTRACT_CONFIG },
                               cases);

    return n_failed + sx_test_run(
                          &(sx_test_setup){
                              .plugins = "contract",
                              .config = SX_TEST_JSON({
                                  "http" : { "cors" : { "origins" : ["https://app.example.com"] } },
                                  "plugins" : { "contract" : { "options" : { "key" : "abc" } } }
                              }) },
                          cases_with_origins);
}
