/*
 * owner.h - the HTTP floor without sockets: requests in as bytes, answers out as bytes, and a
 * fake owner above that answers at once, later, never, or as a stream.
 */
#ifndef SX_TEST_HTTP_OWNER_H
#define SX_TEST_HTTP_OWNER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "http/http.h"

#define MAX_PENDING 640 /* more than the server keeps objects for */

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
    const char *protocol; /* what /ws chooses */
    const char *greeting; /* what it sends at once, or NULL */
    struct sx_buf heard;  /* of a WebSocket: "text:…\n", "binary:…\n" */
    int ws_code;          /* of the one that was closed last */
};

/* --- The owner above: what the path says is what it does --------------------------------- */

static inline struct fixture *of(const struct sx_http_req *r)
{
    return sx_http_server_arg(r->server);
}

static inline void on_head(struct sx_http_req *r)
{
    if (sx_slice_is(r->path, "/early"))
        (void)sx_http_problem(r, 404, "not_found", "early");
    if (sx_slice_is(r->path, "/small"))
        r->max_body = 4;
    if (sx_slice_is(r->path, "/soon"))
        r->deadline_ms = sx_http_now_ms(r->server) + 1;
}

static inline void stream_drained(struct sx_http_stream *s, void *arg)
{
    (void)s;
    ((struct fixture *)arg)->n_stream_drained++;
}

static inline void stream_closed(struct sx_http_stream *s, void *arg)
{
    (void)s;
    ((struct fixture *)arg)->n_stream_closed++;
}

static inline void ws_closed(struct sx_http_stream *s, void *arg)
{
    struct fixture *f = arg;

    f->n_stream_closed++;
    f->ws_code = sx_http_ws_code(s);
}

static inline void ws_message(struct sx_http_stream *s, bool is_text, struct sx_slice data,
                              void *arg)
{
    struct fixture *f = arg;

    (void)s;
    sx_buf_add_text(&f->heard, is_text ? "text:" : "binary:");
    sx_buf_add(&f->heard, data.data, data.len);
    sx_buf_add(&f->heard, "\n", 1);
}

/* Open, or refused. */
static inline void answer_websocket(struct sx_http_req *r)
{
    static const struct sx_http_ws_ops ops = { { stream_drained, ws_closed }, ws_message };
    struct fixture *f = of(r);
    int err = sx_http_ws_open(r, f->protocol, &ops, f, &f->stream);

    if (err < 0) {
        assert_int_equal(err, SX_ERR_INVALID);
        assert_int_equal(sx_http_ws_refuse(r), 0);
    } else if (f->greeting != NULL) {
        assert_int_equal(sx_http_ws_send(f->stream, true, f->greeting, strlen(f->greeting)), 0);
    }
    sx_http_complete(r);
}

static inline void answer_empty(struct sx_http_req *r)
{
    assert_int_equal(sx_http_reply(r, 204, NULL, NULL, 0), 0);
    sx_http_complete(r);
}

static inline void on_handle(struct sx_http_req *r)
{
    static const struct sx_http_stream_ops ops = { stream_drained, stream_closed };
    struct fixture *f = of(r);

    if (sx_slice_is(r->path, "/later") || sx_slice_is(r->path, "/soon")) {
        f->pending[f->n_pending++] = r;
        return;
    }
    if (sx_slice_is(r->path, "/hang-up")) {
        sx_http_memory_close(f->conn);
        f->pending[f->n_pending++] = r;
        return;
    }
    if (sx_slice_is(r->path, "/all")) {
        while (f->n_pending > 0)
            answer_empty(f->pending[--f->n_pending]);
        answer_empty(r);
        return;
    }
    if (sx_slice_is(r->path, "/change-of-mind")) {
        assert_int_equal(sx_http_stream_open(r, 200, "text/plain", &ops, f, &f->stream), 0);
        sx_http_unreply(r);
        answer_empty(r);
        return;
    }
    if (sx_slice_is(r->path, "/ws")) {
        answer_websocket(r);
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

static inline void on_gone(struct sx_http_req *r)
{
    of(r)->n_gone++;
    sx_http_complete(r);
}

static inline void on_expired(struct sx_http_req *r, struct sx_http_req *stand_in)
{
    assert_non_null(stand_in);
    of(r)->n_expired++;
}

static inline void on_ended(struct sx_http_req *r)
{
    of(r)->n_ended++;
}

/* --- The fixture ---------------------------------------------------------------------------- */

static inline void sink(void *arg, const char *data, size_t len)
{
    struct fixture *f = arg;

    if (data == NULL)
        f->is_closed = true;
    else
        sx_buf_add(&f->out, data, len);
}

static inline void open_conn(struct fixture *f)
{
    f->is_closed = false;
    sx_buf_reset(&f->out, 0);
    assert_int_equal(sx_http_memory_open(f->server, sink, f, &f->conn), 0);
}

static inline struct sx_http_limits usual_limits(void)
{
    return (struct sx_http_limits){ .request_line_bytes = 512,
                                    .header_bytes = 1024,
                                    .header_count = 16,
                                    .body_bytes = 100000,
                                    .spool_bytes = 1024,
                                    .upload_bytes = 100000,
                                    .response_bytes = 200000,
                                    .pipelined = 4,
                                    .unread_bytes = 50000,
                                    .connections = 10,
                                    .buffered_bytes = 1 << 30,
                                    .header_ms = 100,
                                    .body_ms = 100,
                                    .idle_ms = 100,
                                    .write_ms = 1000,
                                    .request_ms = 60000,
                                    .ws_message_bytes = 10000 };
}

static inline int setup_with(void **state, struct sx_http_limits limits)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct sx_http_settings set = {
        .limits = limits,
        .ops = { on_head, on_handle, on_gone, on_expired, on_ended, f },
        .server_name = "test",
        .gzip_bytes = 1024,
    };

    assert_int_equal(uv_loop_init(&f->loop), 0);
    set.loop = &f->loop;
    assert_int_equal(sx_http_server_create(&set, &f->server), 0);
    sx_buf_init(&f->out, 1 << 24);
    sx_buf_init(&f->heard, 1 << 24);
    open_conn(f);
    *state = f;
    return 0;
}

static inline int setup(void **state)
{
    return setup_with(state, usual_limits());
}

static inline void on_server_closed(void *arg)
{
    ((struct fixture *)arg)->is_server_closed = true;
}

static inline int teardown(void **state)
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
    sx_buf_finish(&f->heard);
    free(f);
    return 0;
}

static inline void feed(struct fixture *f, const char *text)
{
    sx_http_memory_feed(f->conn, text, strlen(text));
}

static inline void turn(struct fixture *f)
{
    (void)uv_run(&f->loop, UV_RUN_NOWAIT);
}

static inline void on_passed(uv_timer_t *timer)
{
    uv_stop(timer->loop);
}

/* So much time of the loop. */
static inline void pass_ms(struct fixture *f, uint64_t ms)
{
    uv_timer_t timer;

    (void)uv_timer_init(&f->loop, &timer);
    (void)uv_timer_start(&timer, on_passed, ms, 0);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&timer, NULL);
    turn(f);
}

static inline int count(struct fixture *f, const char *what)
{
    const char *at = sx_buf_text(&f->out);
    int n = 0;

    while (at != NULL && (at = strstr(at, what)) != NULL) {
        n++;
        at += strlen(what);
    }
    return n;
}

static inline void assert_order(struct fixture *f, const char *const *parts)
{
    const char *at = sx_buf_text(&f->out);

    for (; *parts != NULL; parts++) {
        const char *found = strstr(at, *parts);

        if (found == NULL)
            fail_msg("\"%s\" is missing or out of order in:\n%s", *parts, sx_buf_text(&f->out));
        at = found + strlen(*parts);
    }
}

static inline void finish_pending(struct fixture *f, int i)
{
    struct sx_http_req *r = f->pending[i];

    f->pending[i] = NULL;
    assert_int_equal(sx_http_reply(r, 200, "text/plain", r->query.data, r->query.len), 0);
    sx_http_complete(r);
    turn(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
