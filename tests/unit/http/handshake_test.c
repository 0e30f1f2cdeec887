/*
 * A GET that becomes a WebSocket, or does not: RFC 6455, section 4.2, and what lies behind it.
 */
#include "owner.h"

#define GET     "GET /ws HTTP/1.1\r\nHost: h\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define WHOLE   GET UPGRADE KEY VERSION

static void answers_as_the_rfc_has_it(void **state)
{
    struct fixture *f = *state;

    feed(f, WHOLE "\r\n");
    turn(f);

    assert_memory_equal(f->out.data, "HTTP/1.1 101 Switching Protocols\r\n", 34);
    assert_int_equal(count(f, "\r\nUpgrade: websocket\r\n"), 1);
    assert_int_equal(count(f, "\r\nConnection: Upgrade\r\n"), 1);
    assert_int_equal(count(f, "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), 1);
    assert_int_equal(count(f, "Sec-WebSocket-Protocol"), 0);
    assert_int_equal(count(f, "Content-Length") + count(f, "Transfer-Encoding"), 0);
    assert_false(f->is_closed);
}

static void takes_lists_in_any_case(void **state)
{
    static const char *const fields[] = {
        "UPGRADE: WebSocket\r\nCONNECTION: keep-alive, upGRADE\r\n",
        "Upgrade: h2c, websocket\r\nConnection: Upgrade\r\n",
        "Upgrade: h2c\r\nUpgrade: websocket\r\nConnection: close\r\nConnection: Upgrade\r\n",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        open_conn(f);
        feed(f, GET KEY VERSION);
        feed(f, fields[i]);
        feed(f, "\r\n");
        turn(f);
        assert_int_equal(count(f, "HTTP/1.1 101 "), 1);
        assert_int_equal(count(f, "Connection: close"), 0);
        sx_http_memory_close(f->conn);
    }
}

static const struct refused {
    const char *head;
    const char *status;
} refused[] = {
    { GET, "426 " },
    { GET UPGRADE KEY, "426 " },
    { GET UPGRADE KEY "Sec-WebSocket-Version: 8\r\n", "426 " },
    { GET UPGRADE KEY "Sec-WebSocket-Version: 13, 8\r\n", "426 " },
    { GET UPGRADE KEY VERSION VERSION, "426 " },
    { GET "Upgrade: websocket\r\n" KEY VERSION, "426 " },
    { GET "Connection: Upgrade\r\n" KEY VERSION, "426 " },
    { GET "Upgrade: websockets\r\nConnection: Upgrade\r\n" KEY VERSION, "426 " },
    { "POST /ws HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION, "426 " },
    { "HEAD /ws HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION, "426 " },
    { "GET /ws HTTP/1.0\r\nHost: h\r\n" UPGRADE KEY VERSION, "426 " },
    { GET UPGRADE VERSION, "400 " },
    { GET UPGRADE VERSION KEY KEY, "400 " },
    { GET UPGRADE VERSION "Sec-WebSocket-Key: \r\n", "400 " },
    { GET UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=\r\n", "400 " },
    { GET UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZTE=\r\n", "400 " },
    { GET UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==AAAA\r\n", "400 " },
    { GET UPGRADE VERSION "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub2-jZQ==\r\n", "400 " },
    { WHOLE "Content-Length: 0\r\nOrigin: http://evil\r\n", "403 " },
    { WHOLE "Origin: null\r\n", "403 " },
    { WHOLE "Origin: http://h:81\r\n", "403 " },
    { WHOLE "Origin: http://h.evil\r\n", "403 " },
    { "GET /ws HTTP/1.1\r\n" UPGRADE KEY VERSION, "400 " }, /* no Host */
};

static void refuses_what_is_no_handshake(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char status[32];

        (void)snprintf(status, sizeof status, "HTTP/1.1 %s", refused[i].status);
        open_conn(f);
        feed(f, refused[i].head);
        feed(f, "\r\n");
        turn(f);
        if (count(f, status) != 1)
            fail_msg("expected %s for:\n%s\nfound:\n%s", status, refused[i].head,
                     sx_buf_text(&f->out));
        assert_int_equal(count(f, "Sec-WebSocket-Version: 13\r\n"),
                         refused[i].status[1] == '2' ? 1 : 0);
        if (!f->is_closed)
            sx_http_memory_close(f->conn);
    }
    assert_int_equal(f->n_stream_closed, 0);
}

static void refuses_a_handshake_with_a_body_and_takes_none_of_it_for_a_frame(void **state)
{
    struct fixture *f = *state;

    feed(f,
         WHOLE "Content-Length: 10\r\n\r\n\x81\x85\1\2\3\4hellGET / HTTP/1.1\r\nHost: h\r\n\r\n");
    turn(f);

    assert_int_equal(count(f, "HTTP/1.1 400 "), 1);
    assert_int_equal(count(f, "HTTP/1.1 200 "), 1);
    assert_int_equal(f->heard.len, 0);
}

static void takes_its_own_origin(void **state)
{
    struct fixture *f = *state;

    feed(f, WHOLE "Origin: https://H\r\n\r\n");
    turn(f);

    assert_int_equal(count(f, "HTTP/1.1 101 "), 1);
}

static void chooses_a_protocol_only_if_it_was_offered(void **state)
{
    static const struct {
        const char *offered;
        int n_chosen;
    } cases[] = {
        { "Sec-WebSocket-Protocol: mqtt, chat\r\n", 1 },
        { "Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Protocol: chat\r\n", 1 },
        { "Sec-WebSocket-Protocol: mqtt, Chat, chat2\r\n", 0 },
        { "", 0 },
    };
    struct fixture *f = *state;

    f->protocol = "chat";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_conn(f);
        feed(f, WHOLE);
        feed(f, cases[i].offered);
        feed(f, "\r\n");
        turn(f);
        assert_int_equal(count(f, "HTTP/1.1 101 "), 1);
        assert_int_equal(count(f, "\r\nSec-WebSocket-Protocol: chat\r\n"), cases[i].n_chosen);
        sx_http_memory_close(f->conn);
    }
}

/* --- What lies behind it ------------------------------------------------------------- */

#define HELLO "\x81\x82\x01\x02\x03\x04\x69\x6b" /* "hi" */

static void bytes_behind_an_open_one_are_frames(void **state)
{
    struct fixture *f = *state;

    feed(f, WHOLE "\r\n" HELLO "GET /after HTTP/1.1\r\nHost: h\r\n\r\n");
    turn(f);

    assert_string_equal(sx_buf_text(&f->heard), "text:hi\n");
    assert_int_equal(count(f, "/after"), 0);
    assert_int_equal(f->ws_code, 1002); /* "G" is no frame */
}

static void bytes_behind_a_refused_one_are_requests(void **state)
{
    struct fixture *f = *state;

    feed(f, GET UPGRADE KEY "\r\nGET /after HTTP/1.1\r\nHost: h\r\n\r\n");
    turn(f);

    assert_int_equal(count(f, "HTTP/1.1 426 "), 1);
    assert_int_equal(count(f, "\r\n\r\n/after"), 1);
    assert_false(f->is_closed);
}

/* Nobody knows yet what they are: not a byte of them is looked at. */
static void bytes_behind_one_that_is_pending_wait(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /later?x HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n\r\n" HELLO
            "GET /after HTTP/1.1\r\nHost: h\r\n\r\n");
    feed(f, "GET /more HTTP/1.1\r\nHost: h\r\n\r\n");
    turn(f);
    assert_int_equal(f->out.len, 0);
    assert_int_equal(f->n_ended, 0);

    finish_pending(f, 0); /* an ordinary answer: what waited is no request */
    turn(f);
    assert_int_equal(count(f, "HTTP/1.1 200 "), 1);
    assert_int_equal(count(f, "HTTP/1.1 400 ") + count(f, "HTTP/1.1 501 "), 1);
    assert_int_equal(count(f, "/after") + count(f, "/more"), 0);
}

static void requests_behind_one_that_was_pending_go_on(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /later?x HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY VERSION "\r\n"
            "GET /after HTTP/1.1\r\nHost: h\r\n\r\n");
    feed(f, "GET /more HTTP/1.1\r\nHost: h\r\n\r\n");
    turn(f);
    assert_int_equal(f->n_pending, 1);

    finish_pending(f, 0);
    turn(f);
    assert_int_equal(count(f, "\r\n\r\n/after"), 1);
    assert_int_equal(count(f, "\r\n\r\n/more"), 1);
    feed(f, WHOLE "\r\n" HELLO);
    turn(f);
    assert_string_equal(sx_buf_text(&f->heard), "text:hi\n");
}

static void waits_for_the_answers_before_it(void **state)
{
    struct fixture *f = *state;

    feed(f, "GET /later?x HTTP/1.1\r\nHost: h\r\n\r\n" WHOLE "\r\n" HELLO);
    turn(f);
    assert_int_equal(f->out.len, 0);
    assert_null(f->stream);

    finish_pending(f, 0);
    turn(f);
    assert_int_equal(count(f, "HTTP/1.1 101 "), 1);
    assert_string_equal(sx_buf_text(&f->heard), "text:hi\n");
}

/* The answer of the server that drains would say close, which a 101 may not. */
static void opens_in_a_drain(void **state)
{
    struct fixture *f = *state;

    sx_http_server_drain(f->server, 60000, NULL, NULL);
    feed(f, WHOLE "\r\n" HELLO);
    turn(f);

    assert_int_equal(count(f, "HTTP/1.1 101 "), 1);
    assert_int_equal(count(f, "Connection:"), 1);
    assert_string_equal(sx_buf_text(&f->heard), "text:hi\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_as_the_rfc_has_it),
        TEST(takes_lists_in_any_case),
        TEST(refuses_what_is_no_handshake),
        TEST(refuses_a_handshake_with_a_body_and_takes_none_of_it_for_a_frame),
        TEST(takes_its_own_origin),
        TEST(chooses_a_protocol_only_if_it_was_offered),
        TEST(bytes_behind_an_open_one_are_frames),
        TEST(bytes_behind_a_refused_one_are_requests),
        TEST(bytes_behind_one_that_is_pending_wait),
        TEST(requests_behind_one_that_was_pending_go_on),
        TEST(waits_for_the_answers_before_it),
        TEST(opens_in_a_drain),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
