/*
 * message.h - events as JSON, for streams and WebSockets.
 *
 * All that is written is numbers, times and words of a known alphabet, so nothing needs an escape.
 */
#ifndef EXCHANGE_MESSAGE_H
#define EXCHANGE_MESSAGE_H

#include "feed.h"

/* A text that grows; after a failure it is empty and stays so. */
struct text {
    char *data; /* with a NUL */
    size_t len;
    size_t room;
    bool is_failed;
};

void text_reset(struct text *t);
SX_PRINTF(2, 3) void text_add(struct text *t, const char *fmt, ...);
/* NULL when something did not fit into memory. */
const char *text_get(const struct text *t);
void text_free(struct text *t);

/* {"sequence":…,"product_id":…,"bids":[[price,size],…],"asks":…}; with a type: for a WebSocket. */
void message_snapshot(struct text *out, const struct tape *t, bool has_type);

/* One event with what it does to the levels: for server-sent events. */
void message_event(struct text *out, const struct instrument *it, const struct event *e);
const char *message_kind(const struct event *e);

/* Channel level2: false when the event changes no level. */
bool message_l2update(struct text *out, const struct instrument *it, const struct event *e);

/* Channel matches; last: of the trade before the subscription. */
void message_match(struct text *out, const struct instrument *it, const struct event *e);
void message_last_match(struct text *out, const struct tape *t);

void message_ticker(struct text *out, const struct tape *t);
void message_heartbeat(struct text *out, const struct tape *t, int64_t now_us);

/* Channels full and user.  An event is up to MESSAGE_STEPS messages: whether there is one of this
 * step.  account: only what concerns it; 0: all. */
#define MESSAGE_STEPS 4
bool message_full(struct text *out, const struct instrument *it, const struct event *e, int step,
                  int64_t account);

#endif /* EXCHANGE_MESSAGE_H */
