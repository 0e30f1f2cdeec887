/*
 * stream.c - n server-sent events, each ms after the one before.
 *
 * An event that the stream does not take (SX_EBUSY) waits for drained.  Whatever ends a
 * stream - its last event, the client, drain - its memory is freed in closed and nowhere
 * else, and by then its timer is stopped.
 */
#include "probe.h"

#include <stdio.h>

#define MAX_EVENTS 1000000

struct ticker {
    sx_plugin *p;
    sx_stream *stream;
    sx_timer *timer; /* NULL when none is set */
    uint64_t ms;
    int64_t n;
    int64_t sent;
    bool is_ended;
    struct ticker *prev, *next; /* in the plugin's list */
};

struct streams {
    struct ticker *first;
};

static void link_ticker(struct ticker *t)
{
    struct streams *all = sx_state(t->p);

    t->next = all->first;
    if (t->next != NULL)
        t->next->prev = t;
    all->first = t;
}

static void unlink_ticker(struct ticker *t)
{
    struct streams *all = sx_state(t->p);

    if (t->next != NULL)
        t->next->prev = t->prev;
    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        all->first = t->next;
}

static void stop_timer(struct ticker *t)
{
    if (t->timer != NULL)
        sx_timer_stop(t->timer);
    t->timer = NULL;
}

static void end_ticker(struct ticker *t)
{
    stop_timer(t);
    if (!t->is_ended)
        sx_stream_end(t->stream);
    t->is_ended = true;
}

static void on_closed(sx_stream *stream, void *arg)
{
    struct ticker *t = arg;

    (void)stream;
    stop_timer(t);
    unlink_ticker(t);
    free(t);
}

/* Whether the stream took the next event.  If not, drained or closed comes later. */
static bool send_event(struct ticker *t)
{
    char number[24];

    (void)snprintf(number, sizeof number, "%lld", (long long)t->sent);
    if (sx_sse_send(t->stream, NULL, number, number) < 0)
        return false;
    t->sent++;
    return true;
}

static void on_tick(sx_plugin *p, void *arg);

/* Sends what is due: the next event, or without a pause all that the stream takes. */
static void go_on(struct ticker *t)
{
    const sx_timer_spec spec = { .after_ms = t->ms, .fn = on_tick, .arg = t };

    do {
        if (t->sent < t->n && !send_event(t))
            return;
    } while (t->sent < t->n && t->ms == 0);

    if (t->sent == t->n || sx_timer_start(t->p, &spec, &t->timer) < 0)
        end_ticker(t);
}

static void on_tick(sx_plugin *p, void *arg)
{
    struct ticker *t = arg;

    (void)p;
    t->timer = NULL;
    go_on(t);
}

static void on_drained(sx_stream *stream, void *arg)
{
    struct ticker *t = arg;

    (void)stream;
    if (t->timer == NULL && !t->is_ended)
        go_on(t);
}

int open_stream(sx_req *r)
{
    static const sx_stream_ops ops = { .drained = on_drained, .closed = on_closed };
    struct ticker *t = calloc(1, sizeof *t);
    int err;

    if (t == NULL)
        return SX_ENOMEM;
    t->p = sx_req_plugin(r);
    t->n = number_arg(r, "n", 1, MAX_EVENTS);
    t->ms = (uint64_t)number_arg(r, "ms", 0, MAX_MS);
    err = sx_sse_open(r, &ops, t, &t->stream);
    if (err < 0) {
        free(t);
        return err;
    }
    link_ticker(t);
    go_on(t);
    return SX_OK;
}

void end_streams(sx_plugin *p)
{
    struct streams *all = sx_state(p);

    for (struct ticker *t = all->first; t != NULL; t = t->next)
        end_ticker(t);
}

int start_streams(sx_plugin *p)
{
    struct streams *all = calloc(1, sizeof *all);

    if (all == NULL)
        return SX_ENOMEM;
    sx_set_state(p, all);
    return SX_OK;
}

void stop_streams(sx_plugin *p)
{
    free(sx_state(p));
    sx_set_state(p, NULL);
}
