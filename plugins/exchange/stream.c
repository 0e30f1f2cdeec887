/*
 * stream.c - GET /sim/stream/{product}: the feed of one instrument as server-sent events.
 *
 * Each event has its number as id.  A client that comes back with Last-Event-ID gets what it
 * missed, at any instance: from the memory of the tape, or from the table.  What is too old, or
 * too much, is told by a new snapshot; nothing is left out in silence.
 */
#include <stdio.h>

#include "exchange.h"
#include "message.h"

#define MOST_MISSED 5000 /* events that are sent again; above that, a snapshot is less */

struct stream {
    struct reader reader;
    struct exchange *x;
    sx_stream *stream;
    int64_t sent;   /* the number of the last event; -1: nothing yet, a snapshot comes first */
    bool is_asking; /* for events that the tape has forgotten */
    bool is_full;   /* the client has to catch up */
    bool is_ahead;  /* it has seen more than the tape, a second ago */
    bool is_closed; /* to be freed when what was asked for comes */
};

static void pump(struct stream *s);

static int send(struct stream *s, const char *event, int64_t seq, struct text *text)
{
    const char *data = text_get(text);
    char id[24];
    int err;

    (void)snprintf(id, sizeof id, "%lld", (long long)seq);
    err = data == NULL ? SX_ENOMEM : sx_sse_send(s->stream, event, id, data);
    if (err == SX_OK)
        s->sent = seq;
    else if (err == SX_EBUSY)
        s->is_full = true;
    else if (err != SX_ECLOSED)
        sx_stream_end(s->stream);
    return err;
}

static int send_snapshot(struct stream *s)
{
    message_snapshot(&s->x->text, s->reader.tape, false);
    return send(s, "snapshot", s->reader.tape->seq, &s->x->text);
}

static int send_event(struct stream *s, const struct event *e)
{
    message_event(&s->x->text, s->reader.tape->instrument, e);
    return send(s, message_kind(e), e->seq, &s->x->text);
}

/* --- what the tape has forgotten ---------------------------------------------- */

/* Undoes, from the newest on, what a book has that the reader has not: then rows can be applied to
 * it again, and each says the totals of its moment. */
static int rewind_book(const struct tape *t, const sx_rows *rows, struct levels *bids,
                       struct levels *asks)
{
    const uint32_t n = sx_count(rows);
    const int64_t last = n == 0 ? 0 : sx_int_at(rows, n - 1, 1);
    struct event e;
    int err = SX_OK;

    for (int64_t seq = t->seq; seq > last && err == SX_OK; seq--) {
        const struct event *known = tape_event(t, seq);

        err = known == NULL ? SX_ENOENT : event_undo(known, bids, asks);
    }
    for (uint32_t row = n; row > 0 && err == SX_OK; row--) {
        event_read(rows, row - 1, &e);
        err = event_undo(&e, bids, asks);
    }
    return err;
}

static int replay(struct stream *s, const sx_rows *rows)
{
    const struct tape *t = s->reader.tape;
    const uint32_t n = sx_count(rows);
    struct levels bids = { 0 }, asks = { 0 };
    struct event e;
    int err = levels_copy(&bids, &t->bids) && levels_copy(&asks, &t->asks) ? SX_OK : SX_ENOMEM;

    if (err == SX_OK)
        err = rewind_book(t, rows, &bids, &asks);
    for (uint32_t row = 0; row < n && err == SX_OK; row++) {
        event_read(rows, row, &e);
        err = event_apply(&e, &bids, &asks);
        if (err == SX_OK)
            err = send_event(s, &e);
    }
    levels_free(&bids);
    levels_free(&asks);
    return err;
}

static void on_missed(sx_plugin *p, const sx_db_error *failed, const sx_rows *const rows[],
                      size_t n, void *arg)
{
    struct stream *s = arg;
    int err = SX_OK;

    (void)p;
    s->is_asking = false;
    if (s->is_closed) {
        free(s);
        return;
    }
    if (failed != NULL || n == 0 || s->reader.tape == NULL) {
        sx_stream_end(s->stream); /* it comes back, and asks again */
        return;
    }
    if (sx_count(rows[0]) == 0 || sx_count(rows[0]) == MOST_MISSED ||
        sx_int_at(rows[0], 0, 1) != s->sent + 1)
        err = send_snapshot(s);
    else
        err = replay(s, rows[0]);
    if (err == SX_ENOENT)
        err = send_snapshot(s);
    if (err == SX_OK)
        pump(s);
}

static void ask_missed(struct stream *s)
{
    const struct tape *t = s->reader.tape;
    const sx_param params[] = { sx_int(t->instrument->id), sx_int(s->sent), sx_int(t->seq),
                                sx_int(MOST_MISSED) };
    const sx_stmt stmt = {
        EVENT_SQL "WHERE e.instrument = $1 AND e.seq > $2 AND e.seq <= $3 ORDER BY e.seq LIMIT $4",
        { params, 4 },
        SX_READ_ONLY,
        0
    };

    s->is_asking = sx_plugin_batch(s->x->plugin, on_missed, s, &stmt, 1) == SX_OK;
    if (!s->is_asking)
        sx_stream_end(s->stream);
}

/* --- sending ------------------------------------------------------------------ */

/* Sends what the reader has not, as far as the client takes it. */
static void pump(struct stream *s)
{
    const struct tape *t = s->reader.tape;
    int err = SX_OK;

    if (t == NULL || !s->reader.is_ready || s->is_asking || s->is_full)
        return;
    if (s->sent < 0)
        err = send_snapshot(s);
    while (err == SX_OK && s->sent < t->seq) {
        const struct event *e = tape_event(t, s->sent + 1);

        if (e == NULL) {
            ask_missed(s);
            return;
        }
        err = send_event(s, e);
    }
}

static void on_event(struct reader *rd, const struct event *e)
{
    (void)e;
    pump(rd->owner);
}

static void on_ready(struct reader *rd)
{
    pump(rd->owner);
}

/* A client whose numbers are of another database would wait for ever. */
static void on_tick(struct reader *rd)
{
    struct stream *s = rd->owner;
    const bool is_ahead = s->sent > rd->tape->seq;

    if (is_ahead && s->is_ahead && !s->is_full)
        (void)send_snapshot(s);
    s->is_ahead = is_ahead;
}

static void on_lost(struct reader *rd)
{
    struct stream *s = rd->owner;

    sx_stream_end(s->stream);
}

static void on_drained(sx_stream *stream, void *arg)
{
    struct stream *s = arg;

    (void)stream;
    s->is_full = false;
    pump(s);
}

static void on_closed(sx_stream *stream, void *arg)
{
    struct stream *s = arg;

    (void)stream;
    feed_leave(&s->reader);
    s->is_closed = true;
    if (!s->is_asking)
        free(s);
}

/* --- opening ------------------------------------------------------------------ */

/* Last-Event-ID; also as a parameter, for a first request that goes on from elsewhere.  SX_NEXT, or
 * the answer is given. */
static int asked_start(sx_req *r, int64_t *ret)
{
    const char *text = sx_header(r, "Last-Event-ID");

    text = text != NULL ? text : sx_arg_text(r, "last_event_id");
    *ret = -1;
    if (text == NULL || *text == '\0')
        return SX_NEXT;
    if (decimal_parse(text, 0, ret) != DECIMAL_OK)
        return answer_fail(r, 400, "invalid Last-Event-ID: expected a number, found \"%.40s\"",
                           text);
    return SX_NEXT;
}

static int open_now(sx_req *r, void *arg)
{
    static const sx_stream_ops ops = { .drained = on_drained, .closed = on_closed };
    struct exchange *x = exchange_of(r);
    const struct instrument *it = instrument_by_symbol(&x->instruments, sx_path_text(r, "id"));
    struct stream *s;
    int64_t sent = -1;
    int err = asked_start(r, &sent);

    (void)arg;
    if (err != SX_NEXT)
        return err;
    if (it == NULL)
        return answer_fail(r, 404, "NotFound");
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return SX_ENOMEM;
    s->x = x;
    s->sent = sent;
    s->reader = (struct reader){
        .ready = on_ready, .event = on_event, .lost = on_lost, .tick = on_tick, .owner = s
    };
    err = feed_join(x->feed, it, &s->reader);
    if (err == SX_OK)
        err = sx_set_header(r, "Cache-Control", "no-store");
    if (err == SX_OK)
        err = sx_sse_open(r, &ops, s, &s->stream);
    if (err < 0) {
        feed_leave(&s->reader);
        free(s);
    }
    return err;
}

int open_stream(sx_req *r)
{
    return call_public(r, open_now);
}
