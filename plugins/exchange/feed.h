/*
 * feed.h - what happens in the markets, as this worker hears it.
 *
 * The database is asked for events after the last one that was seen, by a timer while somebody
 * listens and at once after an order of this worker; so any worker of any instance tells the same
 * story.  A tape is one instrument: its book and its latest events in memory.  Readers hang on
 * tapes.  [loop]
 */
#ifndef EXCHANGE_FEED_H
#define EXCHANGE_FEED_H

#include <sx/plugin.h>

#include "level.h"
#include "trading/instrument.h"

#define FEED_RING 512 /* events that a tape remembers */

/* As the table event has it; 0 where that has NULL. */
struct event {
    int64_t seq;
    int64_t us; /* since 1970 */
    int64_t order_id;
    int64_t account;
    int64_t price;
    int64_t lots;
    int64_t funds;
    int64_t delta;
    int64_t rest;
    int64_t rest_order;
    int64_t rest_price;
    int64_t trade_id;
    int64_t maker_order;
    int64_t maker_account;
    int64_t maker_left;
    int64_t taker_left; /* -1 for an order by funds */
    int64_t level_lots; /* at price, after delta */
    int64_t rest_lots;  /* at rest_price, after rest */
    int32_t side;
    int32_t book_side;
    int32_t rest_side;
    char kind; /* of received, match, done, change the first letter */
    char reason[12];
    char client_id[68];
};

struct tape;

/* Who listens to one instrument; owned by who made it, between feed_join and feed_leave linked. */
struct reader {
    struct reader *prev, *next;
    struct tape *tape;
    /* The tape is there: tape->seq is the last event, and the book is of that moment.  Once. */
    void (*ready)(struct reader *rd);
    /* The next event; the tape has applied it already. */
    void (*event)(struct reader *rd, const struct event *e);
    /* Events were lost: leave, and say so.  Nothing follows. */
    void (*lost)(struct reader *rd);
    /* About once a second. */
    void (*tick)(struct reader *rd);
    void *owner;
    bool is_ready;
};

struct feed;

struct tape {
    struct feed *feed;
    const struct instrument *instrument;
    struct tape *next;
    struct reader *readers;
    struct reader *cursor; /* who is called next, while all are: any of them may leave meanwhile */
    bool is_live;
    bool is_asked; /* its book is on the way */
    int pause;     /* ticks until it is asked for again */
    int n_failed;  /* times in a row that it could not be read */
    int64_t seq;
    int64_t us;
    struct levels bids, asks;
    /* The last 24 hours, as the table said at the start and from then on as heard. */
    int64_t open, high, low, volume;
    int64_t last_price, last_lots, last_us, trade_id;
    int32_t last_side;
    struct event ring[FEED_RING]; /* of seq at seq % FEED_RING */
    int64_t oldest;               /* the first seq that is in the ring; above seq: none */
};

/* NULL without memory. */
struct feed *feed_new(sx_plugin *p);
void feed_free(struct feed *f);

/* From then on the functions of rd are called, never from within this call. */
SX_MUST_USE int feed_join(struct feed *f, const struct instrument *it, struct reader *rd);
void feed_leave(struct reader *rd);

/* Something has happened: look at once. */
void feed_ring(struct feed *f);

/* An event that the tape remembers, or NULL. */
const struct event *tape_event(const struct tape *t, int64_t seq);

/* The statement that reads events, up to its condition, and what it returns. */
#define EVENT_SQL                                                                        \
    "SELECT e.instrument, e.seq, e.kind, (extract(epoch FROM e.at) * 1000000)::bigint, " \
    "e.order_id, e.account, e.side, e.price, e.lots, e.funds, e.delta, e.book_side, "    \
    "e.rest, e.rest_order, e.rest_side, e.rest_price, e.trade_id, e.maker_order, "       \
    "e.maker_account, e.maker_left, e.taker_left, e.reason, o.client_id "                \
    "FROM events e LEFT JOIN orders o ON o.id = e.order_id AND e.kind = 'received' "
void event_read(const sx_rows *rows, uint32_t row, struct event *ret);

/* Applies an event to a book and notes the totals that it leaves; forward or (back) undone. */
SX_MUST_USE int event_apply(struct event *e, struct levels *bids, struct levels *asks);
SX_MUST_USE int event_undo(const struct event *e, struct levels *bids, struct levels *asks);

#endif /* EXCHANGE_FEED_H */
