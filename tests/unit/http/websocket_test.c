/*
 * Frames of WebSockets: what is a message, what ends them, and how (RFC 6455, sections 5 to 7).
 */
#include "frames.h"

static void hands_up_whole_messages(void **state)
{
    struct fixture *f = *state;
    struct sx_buf b;

    open_websocket(f);
    sx_buf_init(&b, 1 << 20);
    add_frame(&b, FIN | TEXT, "one");
    add_frame(&b, FIN | BINARY, "two");
    add_frame(&b, FIN | TEXT, "");
    add_frame(&b, TEXT, "th");
    add_frame(&b, CONT, "");
    add_frame(&b, FIN | PONG, "unasked");
    add_frame(&b, CONT, "r");
    add_frame(&b, FIN | CONT, "ee \xe2\x82\xac");
    feed_buf(f, &b);

    assert_string_equal(sx_buf_text(&f->heard),
                        "text:one\nbinary:two\ntext:\ntext:three \xe2\x82\xac\n");
    assert_int_equal(f->out.len, 0);
}

/* A character may lie across two fragments, and any read may end anywhere. */
static void hears_the_same_however_it_is_cut(void **state)
{
    static const char expected[] = "text:a\xe2\x82\xac\nbinary:\xff\ntext:last\n";
    struct fixture *f = *state;
    struct sx_buf b;

    sx_buf_init(&b, 1 << 20);
    add_frame(&b, TEXT, "a\xe2");
    add_frame(&b, FIN | PING, "p");
    add_frame(&b, FIN | CONT, "\x82\xac");
    add_frame(&b, FIN | BINARY, "\xff");
    add_frame(&b, FIN | TEXT, "last");
    add_frame_of(&b, FIN | CLOSE, "\x03\xe8\xe2\x82\xac", 5, 5);
    for (size_t piece = 1; piece <= b.len; piece++) {
        open_websocket(f);
        for (size_t at = 0; at < b.len; at += piece)
            sx_http_memory_feed(f->conn, b.data + at, b.len - at < piece ? b.len - at : piece);
        turn(f);
        assert_string_equal(sx_buf_text(&f->heard), expected);
        assert_int_equal(f->ws_code, 1000);
        assert_memory_equal(f->out.data, "\x8a\x01p\x88\x02\x03\xe8", 7);
        assert_int_equal(f->out.len, 7);
        assert_true(f->is_closed);
    }
    sx_buf_finish(&b);
}

static void answers_pings_with_what_they_say(void **state)
{
    struct fixture *f = *state;
    char longest[126];

    memset(longest, 'p', 125);
    longest[125] = '\0';
    open_websocket(f);
    feed_frame(f, FIN | PING, "");
    assert_came(f, PONG, "", 0);
    feed_frame(f, FIN | PING, longest);
    assert_came(f, PONG, longest, 125);
}

/* --- What breaks the protocol ----------------------------------------------------------- */

static const struct broken {
    const char *what;
    const char *bytes;
    size_t len;
    int code;
} broken[] = {
#define BROKEN(what, bytes, code)              \
    {                                          \
        what, bytes, sizeof(bytes) - 1, (code) \
    }
    BROKEN("no mask", "\x81\x01x", 1002),
    BROKEN("no mask, no payload", "\x81\x00", 1002),
    BROKEN("rsv1", "\xc1\x80\0\0\0\0", 1002),
    BROKEN("rsv2", "\xa1\x80\0\0\0\0", 1002),
    BROKEN("rsv3", "\x91\x80\0\0\0\0", 1002),
    BROKEN("opcode 3", "\x83\x80\0\0\0\0", 1002),
    BROKEN("opcode 7", "\x87\x80\0\0\0\0", 1002),
    BROKEN("opcode 11", "\x8b\x80\0\0\0\0", 1002),
    BROKEN("opcode 15", "\x8f\x80\0\0\0\0", 1002),
    BROKEN("nothing to continue", "\x80\x80\0\0\0\0", 1002),
    BROKEN("a message in a message", "\x01\x81\0\0\0\0a\x81\x81\0\0\0\0b", 1002),
    BROKEN("a fragment of a ping", "\x09\x80\0\0\0\0", 1002),
    BROKEN("a fragment of a close", "\x08\x80\0\0\0\0", 1002),
    BROKEN("a long ping", "\x89\xfe\0\x7e\0\0\0\0", 1002),
    BROKEN("a length that is too long for 125", "\x81\xfe\0\x7d\0\0\0\0", 1002),
    BROKEN("a length that is too long for 65535", "\x81\xff\0\0\0\0\0\0\xff\xff\0\0\0\0", 1002),
    BROKEN("a length of 64 bits", "\x82\xff\x80\0\0\0\0\0\0\0\0\0\0\0", 1002),
    BROKEN("a close of one byte", "\x88\x81\0\0\0\0\x03", 1002),
    BROKEN("close 999", "\x88\x82\0\0\0\0\x03\xe7", 1002),
    BROKEN("close 1004", "\x88\x82\0\0\0\0\x03\xec", 1002),
    BROKEN("close 1005", "\x88\x82\0\0\0\0\x03\xed", 1002),
    BROKEN("close 1006", "\x88\x82\0\0\0\0\x03\xee", 1002),
    BROKEN("close 1015", "\x88\x82\0\0\0\0\x03\xf7", 1002),
    BROKEN("close 2999", "\x88\x82\0\0\0\0\x0b\xb7", 1002),
    BROKEN("close 5000", "\x88\x82\0\0\0\0\x13\x88", 1002),
    BROKEN("a reason that is no UTF-8", "\x88\x83\0\0\0\0\x03\xe8\xff", 1007),
    BROKEN("text that is no UTF-8", "\x81\x81\0\0\0\0\xff", 1007),
    BROKEN("half a character", "\x81\x82\0\0\0\0\xe2\x82", 1007),
    BROKEN("half a character in two", "\x01\x81\0\0\0\0\xe2\x80\x81\0\0\0\0\x82", 1007),
    BROKEN("a surrogate", "\x81\x83\0\0\0\0\xed\xa0\x80", 1007),
    BROKEN("an overlong slash", "\x81\x82\0\0\0\0\xc0\xaf", 1007),
    BROKEN("10001 bytes", "\x82\xfe\x27\x11\0\0\0\0", 1009),
    BROKEN("2^63-1 bytes", "\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0", 1009),
    BROKEN("10000 bytes and one", "\x02\x81\0\0\0\0a\x00\xfe\x27\x10\0\0\0\0", 1009),
};

static void says_what_was_wrong_and_reads_nothing_more(void **state)
{
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        for (int in_pieces = 0; in_pieces < 2; in_pieces++) {
            open_websocket(f);
            for (size_t at = 0; in_pieces && at < broken[i].len; at++)
                sx_http_memory_feed(f->conn, broken[i].bytes + at, 1);
            if (!in_pieces)
                sx_http_memory_feed(f->conn, broken[i].bytes, broken[i].len);
            feed_frame(f, FIN | TEXT, "behind");
            if (f->ws_code != broken[i].code)
                fail_msg("%s: expected %d, found %d", broken[i].what, broken[i].code, f->ws_code);
            assert_closed_with(f, broken[i].code);
            assert_int_equal(f->n_stream_closed, 1);
            assert_int_equal(f->heard.len, 0);
            assert_true(f->is_closed);
        }
    }
}

static void takes_a_message_of_just_the_limit(void **state)
{
    struct fixture *f = *state;
    char *most = calloc(1, 10000);
    struct sx_buf b;

    open_websocket(f);
    sx_buf_init(&b, 1 << 20);
    add_frame_of(&b, FIN | BINARY, most, 10000, 10000);
    add_frame_of(&b, BINARY, most, 1, 1);
    add_frame_of(&b, CONT, most, 9999, 9999);
    add_frame_of(&b, FIN | CONT, most, 0, 0);
    feed_buf(f, &b);

    assert_int_equal(f->heard.len, 2 * (7 + 10000 + 1));
    assert_int_equal(f->n_stream_closed, 0);
    free(most);
}

/* --- The end ---------------------------------------------------------------------------- */

static void answers_a_close_with_its_code(void **state)
{
    static const int codes[] = { 1000, 1001, 1003, 1007, 1011, 1012, 1014, 3000, 4999 };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        open_websocket(f);
        feed_close(f, codes[i], "why");
        assert_closed_with(f, codes[i]);
        assert_int_equal(f->ws_code, codes[i]);
        assert_int_equal(f->n_stream_closed, 1);
        assert_true(f->is_closed);
    }
    open_websocket(f);
    feed_frame(f, FIN | CLOSE, "");
    assert_came(f, CLOSE, "", 0);
    assert_int_equal(f->ws_code, 1005);
}

static void waits_for_the_answer_to_its_own_close(void **state)
{
    struct fixture *f = *state;

    open_websocket(f);
    assert_int_equal(sx_http_ws_close(f->stream, 4000, sx_slice_of("done")), 0);
    turn(f);
    assert_came(f, CLOSE,
                "\x0f\xa0"
                "done",
                6);
    assert_int_equal(sx_http_ws_send(f->stream, true, "x", 1), SX_ERR_CLOSED);
    assert_int_equal(sx_http_ws_close(f->stream, 4000, sx_slice_of("")), SX_ERR_CLOSED);
    feed_frame(f, FIN | TEXT, "on its way");
    feed_frame(f, FIN | PING, "too");
    assert_int_equal(f->n_stream_closed, 0);

    feed_close(f, 4001, "");
    assert_int_equal(f->out.len, 0);
    assert_int_equal(f->heard.len, 0);
    assert_int_equal(f->ws_code, 4001);
    assert_int_equal(f->n_stream_closed, 1);
    assert_true(f->is_closed);
}

static void leaves_a_client_that_does_not_answer(void **state)
{
    struct fixture *f = *state;

    open_websocket(f);
    assert_int_equal(sx_http_ws_close(f->stream, 0, sx_slice_of(NULL)), 0);
    wait_until_closed(f);

    assert_came(f, CLOSE, "", 0);
    assert_int_equal(f->ws_code, 1006);
    assert_int_equal(f->n_stream_closed, 1);
}

static void refuses_a_close_that_may_not_be_sent(void **state)
{
    struct fixture *f = *state;
    char long_reason[125];

    memset(long_reason, 'r', sizeof long_reason);
    open_websocket(f);
    assert_int_equal(sx_http_ws_close(f->stream, 1005, sx_slice_of(NULL)), SX_ERR_INVALID);
    assert_int_equal(sx_http_ws_close(f->stream, 99, sx_slice_of(NULL)), SX_ERR_INVALID);
    assert_int_equal(sx_http_ws_close(f->stream, 1000, sx_slice_of("\xff")), SX_ERR_INVALID);
    assert_int_equal(sx_http_ws_close(f->stream, 1000, sx_slice_make(long_reason, 124)),
                     SX_ERR_INVALID);
    assert_int_equal(sx_http_ws_close(f->stream, 1000, sx_slice_make(long_reason, 123)), 0);
}

static void tells_that_the_client_has_left(void **state)
{
    struct fixture *f = *state;

    open_websocket(f);
    feed_frame(f, TEXT, "half a mess");
    sx_http_memory_close(f->conn);
    turn(f);

    assert_int_equal(f->ws_code, 1006);
    assert_int_equal(f->n_stream_closed, 1);
}

/* --- Out -------------------------------------------------------------------------------- */

static void sends_messages_of_any_length_in_one_frame(void **state)
{
    static const size_t lengths[] = { 0, 125, 126, 30000 };
    struct fixture *f = *state;
    char *data = calloc(1, 30000);

    open_websocket(f);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        size_t len = lengths[i], head = len < 126 ? 2 : 4;

        assert_int_equal(sx_http_ws_send(f->stream, i % 2 == 0, data, len), 0);
        turn(f);
        assert_int_equal(f->out.len, head + len);
        assert_int_equal((unsigned char)f->out.data[0], FIN | (i % 2 == 0 ? TEXT : BINARY));
        assert_int_equal((unsigned char)f->out.data[1], len < 126 ? len : 126);
        sx_buf_reset(&f->out, 0);
    }
    free(data);
}

/* Before its own answer is on its way. */
static void sends_what_was_said_in_the_handler_behind_the_answer(void **state)
{
    struct fixture *f = *state;

    f->greeting = "welcome";
    open_websocket(f);

    assert_int_equal(count(f, "\r\n\r\n\x81\x07welcome"), 1);
}

static void takes_nothing_above_the_mark_and_says_when_it_is_drained(void **state)
{
    struct fixture *f = *state;
    char *block = calloc(1, 20000);
    int err = 0, n = 0;

    open_websocket(f);
    while (err == 0) {
        err = sx_http_ws_send(f->stream, false, block, 20000);
        n++;
    }
    assert_int_equal(err, SX_ERR_BUSY);
    turn(f);

    assert_int_equal(f->out.len, (size_t)(n - 1) * 20004);
    assert_int_equal(f->n_stream_drained, 1);
    assert_int_equal(sx_http_ws_send(f->stream, false, block, 1), 0);
    free(block);
}

/* --- Time and memory -------------------------------------------------------------------- */

static int setup_ping(void **state)
{
    struct sx_http_limits limits = usual_limits();

    limits.ws_ping_ms = 100;
    limits.idle_ms = 1; /* it is none of the idle ones */
    return setup_with(state, limits);
}

static void pings_who_is_silent_and_leaves_who_does_not_answer(void **state)
{
    struct fixture *f = *state;

    open_websocket(f);
    for (int i = 0; i < 3; i++) {
        wait_for_bytes(f);
        assert_came(f, PING, "", 0);
        feed_frame(f, FIN | PONG, "");
        assert_false(f->is_closed);
    }
    wait_until_closed(f);

    assert_came(f, PING, "", 0);
    assert_int_equal(f->ws_code, 1006);
    assert_int_equal(f->n_stream_closed, 1);
}

static int setup_small(void **state)
{
    struct sx_http_limits limits = usual_limits();

    limits.ws_message_bytes = 1 << 20;
    limits.buffered_bytes = 100000;
    return setup_with(state, limits);
}

/* What a frame announces is not made room for. */
static void closes_who_makes_it_hold_too_much(void **state)
{
    struct fixture *f = *state;
    char *part = calloc(1, 60000);
    struct sx_buf b;

    open_websocket(f);
    sx_buf_init(&b, 1 << 20);
    add_frame_of(&b, BINARY, part, 60000, 1 << 20);
    feed_buf(f, &b);
    assert_int_equal(f->n_stream_closed, 0);

    sx_http_memory_feed(f->conn, part, 60000);
    turn(f);
    assert_closed_with(f, 1013);
    assert_int_equal(f->ws_code, 1013);
    assert_int_equal(sx_http_server_stats(f->server)->evicted, 1);
    free(part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(hands_up_whole_messages),
        TEST(hears_the_same_however_it_is_cut),
        TEST(answers_pings_with_what_they_say),
        TEST(says_what_was_wrong_and_reads_nothing_more),
        TEST(takes_a_message_of_just_the_limit),
        TEST(answers_a_close_with_its_code),
        TEST(waits_for_the_answer_to_its_own_close),
        TEST(leaves_a_client_that_does_not_answer),
        TEST(refuses_a_close_that_may_not_be_sent),
        TEST(tells_that_the_client_has_left),
        TEST(sends_messages_of_any_length_in_one_frame),
        TEST(sends_what_was_said_in_the_handler_behind_the_answer),
        TEST(takes_nothing_above_the_mark_and_says_when_it_is_drained),
        cmocka_unit_test_setup_teardown(pings_who_is_silent_and_leaves_who_does_not_answer,
                                        setup_ping, teardown),
        cmocka_unit_test_setup_teardown(closes_who_makes_it_hold_too_much, setup_small, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
