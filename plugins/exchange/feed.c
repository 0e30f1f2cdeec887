/*
 * feed.c - tapes, and the statement that moves them.
 *
 * One statement is under way at a time: the book of a tape that begins and the events of all tapes
 * that are live, in turns.  Events of one instrument are committed in the order of their numbers,
 * because who writes them holds the instrument's lock; so whatever is read has no gap, and a gap
 * means that old events were deleted: then all readers of the tape are told.
 */
#include "feed.h"

#include <stdio.h>
#include <stdlib.h>

#define PERIOD_MS      50
#define TICKS_A_SECOND (1000 / PERIOD_MS)
#define STATS_NS       INT64_C(60000000000) /* how old the totals of 24 hours may be */
#define BATCH          2000                 /* events that one statement brings */
#define PAUSE_TICKS    10                   /* after a failed statement */
#define MOST_DOUBLED   3                    /* times, for a book that fails again and again */
#define LIST_TEXT      8192 /* numbers of INSTRUMENT_MAX tapes as an array of PostgreSQL */

struct feed {
    sx_plugin *p;
    struct tape *tapes;
    sx_timer *timer;  /* NULL while nobody listens */
    bool is_busy;     /* a statement is under way */
    bool is_rung;     /* and something happened meanwhile */
    bool is_failing;  /* the last one for events failed */
    bool was_book;    /* the last one was for a book */
    int64_t stats_ns; /* when the totals of 24 hours were read last */
    int n_ticks;
    int pause; /* ticks without a statement */
};

static void look(struct feed *f);

/* --- readers ------------------------------------------------------------------ */

static void link_reader(struct tape *t, struct reader *rd)
{
    rd->tape = t;
    rd->prev = NULL;
    rd->next = t->readers;
    if (t->readers != NULL)
        t->readers->prev = rd;
    t->readers = rd;
    rd->is_ready = false;
}

void feed_leave(struct reader *rd)
{
    if (rd->tape == NULL)
        return;
    if (rd->tape->cursor == rd)
        rd->tape->cursor = rd->next;
    if (rd->next != NULL)
        rd->next->prev = rd->prev;
    if (rd->prev != NULL)
        rd->prev->next = rd->next;
    else
        rd->tape->readers = rd->next;
    rd->tape = NULL;
}

static void make_ready(struct tape *t)
{
    for (struct reader *rd = t->readers; rd != NULL; rd = t->cursor) {
        t->cursor = rd->next;
        if (!rd->is_ready) {
            rd->is_ready = true;
            rd->ready(rd);
        }
    }
}

static void tell(struct tape *t, const struct event *e)
{
    for (struct reader *rd = t->readers; rd != NULL; rd = t->cursor) {
        t->cursor = rd->next;
        if (rd->is_ready)
            rd->event(rd, e);
    }
}

/* The story has a hole: everybody leaves, and the next reader begins anew. */
static void lose(struct tape *t)
{
    while (t->readers != NULL) {
        struct reader *rd = t->readers;

        feed_leave(rd);
        rd->lost(rd);
    }
    t->is_live = false;
    levels_free(&t->bids);
    levels_free(&t->asks);
}

/* --- tapes -------------------------------------------------------------------- */

static void free_tape(struct tape *t)
{
    levels_free(&t->bids);
    levels_free(&t->asks);
    free(t);
}

static struct tape *find_tape(struct feed *f, const struct instrument *it)
{
    struct tape *t = f->tapes;

    while (t != NULL && t->instrument != it)
        t = t->next;
    if (t != NULL)
        return t;
    t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->feed = f;
    t->instrument = it;
    t->next = f->tapes;
    f->tapes = t;
    return t;
}

/* One that has to begin. */
static struct tape *waiting_tape(const struct feed *f)
{
    struct tape *t = f->tapes;

    while (t != NULL && (t->is_live || t->readers == NULL || t->pause > 0))
        t = t->next;
    return t;
}

static struct tape *tape_of(struct feed *f, int64_t instrument)
{
    struct tape *t = f->tapes;

    while (t != NULL && t->instrument->id != instrument)
        t = t->next;
    return t;
}

const struct event *tape_event(const struct tape *t, int64_t seq)
{
    return seq < t->oldest || seq > t->seq ? NULL : &t->ring[seq % FEED_RING];
}

/* Tapes that nobody listens to any more. */
static void sweep(struct feed *f)
{
    for (struct tape **at = &f->tapes; *at != NULL;) {
        struct tape *t = *at;

        if (t->readers == NULL && !t->is_asked) {
            *at = t->next;
            free_tape(t);
        } else {
            at = &t->next;
        }
    }
}

/* --- events ------------------------------------------------------------------- */

static void note_trade(struct tape *t, const struct event *e)
{
    t->last_price = e->price;
    t->last_lots = e->lots;
    t->last_side = e->side;
    t->last_us = e->us;
    t->trade_id = e->trade_id;
    t->open = t->open == 0 ? e->price : t->open;
    t->high = e->price > t->high ? e->price : t->high;
    t->low = t->low == 0 || e->price < t->low ? e->price : t->low;
    t->volume += e->lots;
}

static void take(struct tape *t, const sx_rows *rows, uint32_t row)
{
    const int64_t seq = sx_int_at(rows, row, 1);
    struct event *e = &t->ring[seq % FEED_RING];

    if (!t->is_live || seq <= t->seq)
        return;
    if (seq != t->seq + 1) {
        sx_log(t->feed->p, SX_WARN,
               "the feed of %s continues with %lld after %lld: readers begin anew",
               t->instrument->symbol, (long long)seq, (long long)t->seq);
        lose(t);
        return;
    }
    event_read(rows, row, e);
    if (event_apply(e, &t->bids, &t->asks) < 0) {
        lose(t);
        return;
    }
    t->seq = seq;
    t->us = e->us;
    if (t->oldest <= seq - FEED_RING)
        t->oldest = seq - FEED_RING + 1;
    if (e->kind == 'm')
        note_trade(t, e);
    tell(t, e);
}

/* Says once that something cannot be read, and that it can. */
static void tell_failure(const struct feed *f, const char *what, bool was_failing,
                         const sx_db_error *err)
{
    if (err != NULL && !was_failing)
        sx_log(f->p, SX_WARN, "%s cannot be read (%s%s%s): readers wait", what, err->sqlstate,
               *err->sqlstate == '\0' ? "" : " ", err->message);
    else if (err == NULL && was_failing)
        sx_log(f->p, SX_INFO, "%s can be read again", what);
}

/* The end of a statement for all tapes: true when it succeeded. */
static bool come_back(struct feed *f, const sx_db_error *err)
{
    f->is_busy = false;
    tell_failure(f, "what happens in the markets", f->is_failing, err);
    f->is_failing = err != NULL;
    if (f->is_failing)
        f->pause = PAUSE_TICKS;
    return !f->is_failing;
}

static void on_events(sx_plugin *p, const sx_db_error *err, const sx_rows *const rows[], size_t n,
                      void *arg)
{
    struct feed *f = arg;
    uint32_t n_rows;

    (void)p;
    if (!come_back(f, err) || n == 0)
        return;
    n_rows = sx_count(rows[0]);
    for (uint32_t row = 0; row < n_rows; row++) {
        struct tape *t = tape_of(f, sx_int_at(rows[0], row, 0));

        if (t != NULL)
            take(t, rows[0], row);
    }
    if (n_rows == BATCH || f->is_rung || waiting_tape(f) != NULL)
        look(f);
}

static int ask_events(struct feed *f)
{
    char ids[LIST_TEXT] = "{", seqs[LIST_TEXT] = "{";
    size_t id_len = 1, seq_len = 1;
    sx_param params[3];
    const sx_stmt stmt = { EVENT_SQL
                           "JOIN unnest($1::smallint[], $2::bigint[]) AS t (instrument, seq) "
                           "ON e.instrument = t.instrument AND e.seq > t.seq "
                           "ORDER BY e.instrument, e.seq LIMIT $3",
                           { params, 3 },
                           SX_READ_ONLY,
                           0 };

    for (const struct tape *t = f->tapes; t != NULL; t = t->next) {
        if (!t->is_live || t->readers == NULL)
            continue;
        id_len += (size_t)snprintf(ids + id_len, sizeof ids - id_len, "%s%d", id_len > 1 ? "," : "",
                                   t->instrument->id);
        seq_len += (size_t)snprintf(seqs + seq_len, sizeof seqs - seq_len, "%s%lld",
                                    seq_len > 1 ? "," : "", (long long)t->seq);
    }
    if (id_len == 1)
        return SX_ENOENT;
    (void)snprintf(ids + id_len, sizeof ids - id_len, "}");
    (void)snprintf(seqs + seq_len, sizeof seqs - seq_len, "}");
    params[0] = sx_text(ids);
    params[1] = sx_text(seqs);
    params[2] = sx_int(BATCH);
    return sx_plugin_batch(f->p, on_events, f, &stmt, 1);
}

/* --- books -------------------------------------------------------------------- */

/* One that cannot be read is asked for less and less often, and holds up nobody else. */
static void put_off(struct tape *t, const sx_db_error *err)
{
    char what[80];

    (void)snprintf(what, sizeof what, "the book of %.40s", t->instrument->symbol);
    tell_failure(t->feed, what, t->n_failed > 0, err);
    if (err == NULL) {
        t->n_failed = 0;
        return;
    }
    t->pause = PAUSE_TICKS << t->n_failed;
    t->n_failed += t->n_failed < MOST_DOUBLED;
}

enum book_column {
    BOOK_SEQ,
    BOOK_US,
    BOOK_OPEN,
    BOOK_HIGH,
    BOOK_LOW,
    BOOK_VOLUME,
    BOOK_LAST,
    BOOK_LAST_LOTS,
    BOOK_LAST_SIDE,
    BOOK_LAST_US,
    BOOK_TRADE,
    BOOK_SIDE,
    BOOK_KEY,
    BOOK_LOTS
};

static void begin_tape(struct tape *t, const sx_rows *rows)
{
    t->seq = sx_int_at(rows, 0, BOOK_SEQ);
    t->us = sx_int_at(rows, 0, BOOK_US);
    t->oldest = t->seq + 1;
    t->open = sx_int_at(rows, 0, BOOK_OPEN);
    t->high = sx_int_at(rows, 0, BOOK_HIGH);
    t->low = sx_int_at(rows, 0, BOOK_LOW);
    t->volume = sx_int_at(rows, 0, BOOK_VOLUME);
    t->last_price = sx_int_at(rows, 0, BOOK_LAST);
    t->last_lots = sx_int_at(rows, 0, BOOK_LAST_LOTS);
    t->last_side = (int32_t)sx_int_at(rows, 0, BOOK_LAST_SIDE);
    t->last_us = sx_int_at(rows, 0, BOOK_LAST_US);
    t->trade_id = sx_int_at(rows, 0, BOOK_TRADE);
    t->is_live = true;
    for (uint32_t row = 0; row < sx_count(rows) && t->is_live; row++) {
        const int64_t lots = sx_int_at(rows, row, BOOK_LOTS);
        struct levels *side = sx_int_at(rows, row, BOOK_SIDE) > 0 ? &t->bids : &t->asks;

        if (lots > 0 && levels_add(side, sx_int_at(rows, row, BOOK_KEY), lots) < 0)
            lose(t);
    }
}

static void on_book(sx_plugin *p, const sx_db_error *err, const sx_rows *const rows[], size_t n,
                    void *arg)
{
    struct tape *t = arg;
    struct feed *f = t->feed;

    (void)p;
    f->is_busy = false;
    t->is_asked = false;
    put_off(t, err);
    if (err == NULL && (n == 0 || sx_count(rows[0]) == 0))
        lose(t);
    else if (err == NULL)
        begin_tape(t, rows[0]);
    if (t->is_live)
        make_ready(t);
    look(f);
}

/* Number and levels are of one statement, so of one moment. */
static int ask_book(struct tape *t)
{
    const sx_param id = sx_int(t->instrument->id);
    const sx_stmt stmt = {
        "SELECT s.seq, (extract(epoch FROM m.at) * 1000000)::bigint, s.open, s.high, s.low, "
        "least(s.lots, 9e18)::bigint, s.last, s.last_lots, s.last_side, "
        "(extract(epoch FROM s.last_at) * 1000000)::bigint, s.trade_id, b.side, b.key, b.lots "
        "FROM stats s JOIN markets m ON m.instrument = s.instrument "
        "LEFT JOIN book_levels b ON b.instrument = s.instrument WHERE s.instrument = $1 "
        "ORDER BY b.side, b.key",
        { &id, 1 },
        SX_READ_ONLY,
        0
    };
    int err = sx_plugin_batch(t->feed->p, on_book, t, &stmt, 1);

    t->is_asked = err == SX_OK;
    return err;
}

/* --- the last 24 hours ----------------------------------------------------------- */

/* What was added since is of the last minute; what has left is known to the table only. */
static void on_stats(sx_plugin *p, const sx_db_error *err, const sx_rows *const rows[], size_t n,
                     void *arg)
{
    struct feed *f = arg;

    (void)p;
    if (!come_back(f, err) || n == 0)
        return;
    for (uint32_t row = 0; row < sx_count(rows[0]); row++) {
        struct tape *t = tape_of(f, sx_int_at(rows[0], row, 0));

        if (t == NULL || !t->is_live)
            continue;
        t->open = sx_int_at(rows[0], row, 1);
        t->high = sx_int_at(rows[0], row, 2);
        t->low = sx_int_at(rows[0], row, 3);
        t->volume = sx_int_at(rows[0], row, 4);
    }
    look(f);
}

static int ask_stats(struct feed *f)
{
    const sx_stmt stmt = {
        "SELECT instrument, open, high, low, least(lots, 9e18)::bigint FROM stats", SX_NONE,
        SX_READ_ONLY, 0
    };

    f->stats_ns = sx_this_worker(f->p).now_ns;
    return sx_plugin_batch(f->p, on_stats, f, &stmt, 1);
}

/* --- the clock ---------------------------------------------------------------- */

static bool are_stats_old(const struct feed *f)
{
    return f->n_ticks == 0 && sx_this_worker(f->p).now_ns - f->stats_ns >= STATS_NS;
}

static int ask_next(struct feed *f)
{
    struct tape *t = waiting_tape(f);
    int err = SX_ENOENT;

    if (t == NULL || f->was_book)
        err = are_stats_old(f) ? ask_stats(f) : ask_events(f);
    f->was_book = err == SX_ENOENT && t != NULL;
    return f->was_book ? ask_book(t) : err;
}

static void look(struct feed *f)
{
    int err;

    if (f->is_busy || f->pause > 0) {
        f->is_rung = true;
        return;
    }
    f->is_rung = false;
    err = ask_next(f);
    f->is_busy = err == SX_OK;
    if (err < 0 && err != SX_ENOENT)
        f->pause = PAUSE_TICKS;
}

static void tick_readers(struct feed *f)
{
    for (struct tape *t = f->tapes; t != NULL; t = t->next)
        for (struct reader *rd = t->readers; rd != NULL; rd = t->cursor) {
            t->cursor = rd->next;
            if (rd->is_ready && rd->tick != NULL)
                rd->tick(rd);
        }
}

static void on_tick(sx_plugin *p, void *arg)
{
    struct feed *f = arg;

    (void)p;
    f->pause -= f->pause > 0;
    f->n_ticks = (f->n_ticks + 1) % TICKS_A_SECOND;
    for (struct tape *t = f->tapes; t != NULL; t = t->next) {
        t->pause -= t->pause > 0;
        if (t->is_live)
            make_ready(t);
    }
    if (f->n_ticks == 0) {
        tick_readers(f);
        sweep(f);
    }
    if (f->tapes == NULL) {
        sx_timer_stop(f->timer);
        f->timer = NULL;
        return;
    }
    look(f);
}

int feed_join(struct feed *f, const struct instrument *it, struct reader *rd)
{
    const sx_timer_spec spec = { .after_ms = 1, .every_ms = PERIOD_MS, .fn = on_tick, .arg = f };
    struct tape *t = find_tape(f, it);
    int err = t == NULL ? SX_ENOMEM : SX_OK;

    if (err == SX_OK && f->timer == NULL)
        err = sx_timer_start(f->p, &spec, &f->timer);
    if (err == SX_OK)
        link_reader(t, rd);
    return err;
}

void feed_ring(struct feed *f)
{
    if (f->timer != NULL)
        look(f);
}

struct feed *feed_new(sx_plugin *p)
{
    struct feed *f = calloc(1, sizeof *f);

    if (f != NULL)
        f->p = p;
    return f;
}

void feed_free(struct feed *f)
{
    if (f == NULL)
        return;
    while (f->tapes != NULL) {
        struct tape *t = f->tapes;

        f->tapes = t->next;
        free_tape(t);
    }
    free(f);
}
