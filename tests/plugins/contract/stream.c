/* stream.c - answers that are sent over time. */
#include "contract.h"

#include <stdio.h>

static void on_closed(sx_stream *s, void *arg)
{
    (void)s;
    note_one_more(arg, "closed");
}

/* --- To its end ------------------------------------------------------------------------ */

int stream_parts(sx_req *r)
{
    static const sx_stream_ops ops = { .closed = on_closed };
    sx_plugin *p = sx_req_plugin(r);
    sx_stream *s;
    int err = sx_stream_open(r, 200, "text/plain", &ops, p, &s);

    if (err < 0)
        return err;
    note(p, "first", json_integer(sx_stream_write(s, "one ", 4)));
    note(p, "empty", json_integer(sx_stream_write(s, "", 0)));
    note(p, "second", json_integer(sx_stream_write(s, "two", 3)));
    note(p, "again", json_integer(sx_stream_open(r, 200, "text/plain", &ops, p, &s)));
    sx_stream_end(s);
    note(p, "after the end", json_integer(sx_stream_write(s, "three", 5)));
    sx_stream_end(s);
    note(p, "closed inside", json_boolean(false));
    return SX_OK;
}

static void on_drained(sx_stream *s, void *arg)
{
    note_one_more(arg, "drained");
    note(arg, "last", json_integer(sx_stream_write(s, "rest", 4)));
    sx_stream_end(s);
}

/* A part that was not taken was not sent. */
int stream_until_full(sx_req *r)
{
    static const sx_stream_ops ops = { .drained = on_drained, .closed = on_closed };
    sx_plugin *p = sx_req_plugin(r);
    char block[1024];
    sx_stream *s;
    int err = sx_stream_open(r, 200, "text/plain", &ops, p, &s), n = 0;

    if (err < 0)
        return err;
    memset(block, '.', sizeof block);
    while ((err = sx_stream_write(s, block, sizeof block)) == SX_OK && n < 100000)
        n++;
    note(p, "blocks", json_integer(n));
    note(p, "full", json_integer(err));
    return SX_OK;
}

/* --- Events ------------------------------------------------------------------------------ */

int stream_events(sx_req *r)
{
    static const sx_stream_ops ops = { .closed = on_closed };
    sx_plugin *p = sx_req_plugin(r);
    sx_stream *s;
    int err = sx_sse_open(r, &ops, p, &s);

    if (err < 0)
        return err;
    note(p, "plain", json_integer(sx_sse_send(s, NULL, NULL, "x")));
    note(p, "whole", json_integer(sx_sse_send(s, "price", "7", "two\nlines\r\nand \"more\"")));
    note(p, "bad id", json_integer(sx_sse_send(s, NULL, "7\n", "x")));
    note(p, "bad event", json_integer(sx_sse_send(s, "a\rb", NULL, "x")));
    note(p, "no data", json_integer(sx_sse_send(s, "a", NULL, NULL)));
    sx_stream_end(s);
    note(p, "after the end", json_integer(sx_sse_send(s, NULL, NULL, "x")));
    return SX_OK;
}

struct endless {
    sx_plugin *p;
    sx_stream *s;
    sx_timer *timer;
    int n;
};

static void on_endless_closed(sx_stream *s, void *arg)
{
    struct endless *e = arg;

    (void)s;
    sx_timer_stop(e->timer);
    note(e->p, "write when closed", json_integer(sx_stream_write(s, "x", 1)));
    note_one_more(e->p, "closed");
    free(e);
}

static void send_next(sx_plugin *p, void *arg)
{
    struct endless *e = arg;
    char number[16];

    (void)p;
    (void)snprintf(number, sizeof number, "%d", e->n);
    if (sx_sse_send(e->s, NULL, NULL, number) == SX_OK)
        e->n++;
}

int stream_for_ever(sx_req *r)
{
    static const sx_stream_ops ops = { .closed = on_endless_closed };
    struct endless *e = calloc(1, sizeof *e);
    const sx_timer_spec spec = { .every_ms = 1, .fn = send_next, .arg = e };
    int err;

    if (e == NULL)
        return SX_ENOMEM;
    e->p = sx_req_plugin(r);
    err = sx_sse_open(r, &ops, e, &e->s);
    if (err < 0) {
        free(e);
        return err;
    }
    return sx_timer_start(e->p, &spec, &e->timer);
}

/* --- Refused -------------------------------------------------------------------------------- */

int stream_after_reply(sx_req *r)
{
    static const sx_stream_ops ops = { .closed = on_closed };
    const int result = sx_reply_text(r, 200, "done");
    sx_stream *s = NULL;

    note(sx_req_plugin(r), "open",
         json_integer(sx_stream_open(r, 200, "text/plain", &ops, NULL, &s)));
    return result;
}

int stream_from_pool(sx_req *r, sx_db *db)
{
    static const sx_stream_ops ops = { .closed = on_closed };
    sx_stream *s;

    (void)db;
    note(sx_req_plugin(r), "open", json_integer(sx_sse_open(r, &ops, NULL, &s)));
    return sx_reply_empty(r);
}
