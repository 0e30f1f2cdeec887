/*
 * message.c - see message.h.
 */
#include "message.h"

#include <stdio.h>

#include "exchange.h"

/* --- text --------------------------------------------------------------------- */

void text_reset(struct text *t)
{
    t->len = 0;
    t->is_failed = false;
}

static bool text_room(struct text *t, size_t n)
{
    size_t room = t->room == 0 ? 1024 : t->room;
    char *data;

    while (room < t->len + n + 1)
        room *= 2;
    if (room == t->room)
        return true;
    data = realloc(t->data, room);
    if (data == NULL) {
        t->is_failed = true;
        return false;
    }
    t->data = data;
    t->room = room;
    return true;
}

void text_add(struct text *t, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    if (n >= 0 && !t->is_failed && text_room(t, (size_t)n)) {
        (void)vsnprintf(t->data + t->len, (size_t)n + 1, fmt, again);
        t->len += (size_t)n;
    }
    va_end(again);
    va_end(ap);
}

const char *text_get(const struct text *t)
{
    return t->is_failed || t->data == NULL ? NULL : t->data;
}

void text_free(struct text *t)
{
    free(t->data);
    *t = (struct text){ 0 };
}

/* --- parts -------------------------------------------------------------------- */

static const char *side_word(int32_t side)
{
    return side > 0 ? "buy" : "sell";
}

static void add_decimal(struct text *out, const char *before, int64_t value, int scale)
{
    char number[DECIMAL_TEXT];

    (void)decimal_format(value, scale, 0, number);
    text_add(out, "%s\"%s\"", before, number);
}

static void add_price(struct text *out, const char *before, const struct instrument *it,
                      int64_t price)
{
    add_decimal(out, before, price, it->tick_scale);
}

static void add_size(struct text *out, const char *before, const struct instrument *it,
                     int64_t lots)
{
    add_decimal(out, before, lots, it->lot_scale);
}

static void add_id(struct text *out, const char *before, int64_t order)
{
    char id[UUID_TEXT];

    answer_uuid(order, UUID_ORDER, id);
    text_add(out, "%s\"%s\"", before, id);
}

/* {"type":…,"product_id":…,"sequence":…,"time":…, without an end. */
static void begin(struct text *out, const char *type, const struct instrument *it, int64_t seq,
                  int64_t us)
{
    char time[TIME_TEXT];

    answer_time(us, time);
    text_reset(out);
    text_add(out, "{\"type\":\"%s\",\"product_id\":\"%s\",\"sequence\":%lld,\"time\":\"%s\"", type,
             it->symbol, (long long)seq, time);
}

static void add_levels(struct text *out, const struct instrument *it, const struct levels *side)
{
    for (size_t i = 0; i < side->n; i++) {
        const int64_t key = side->v[i].key;

        add_price(out, i == 0 ? "[" : ",[", it, key < 0 ? -key : key);
        add_size(out, ",", it, side->v[i].lots);
        text_add(out, "]");
    }
}

void message_snapshot(struct text *out, const struct tape *t, bool has_type)
{
    char time[TIME_TEXT];

    answer_time(t->us, time);
    text_reset(out);
    text_add(out, "{%s\"product_id\":\"%s\",\"sequence\":%lld,\"time\":\"%s\",\"bids\":[",
             has_type ? "\"type\":\"snapshot\"," : "", t->instrument->symbol, (long long)t->seq,
             time);
    add_levels(out, t->instrument, &t->bids);
    text_add(out, "],\"asks\":[");
    add_levels(out, t->instrument, &t->asks);
    text_add(out, "]}");
}

/* [[side, price, the level's new size], …] */
static void add_changes(struct text *out, const struct instrument *it, const struct event *e)
{
    text_add(out, ",\"changes\":[");
    if (e->delta != 0) {
        text_add(out, "[\"%s\"", side_word(e->book_side));
        add_price(out, ",", it, e->price);
        add_size(out, ",", it, e->level_lots);
        text_add(out, "]%s", e->rest != 0 ? "," : "");
    }
    if (e->rest != 0) {
        text_add(out, "[\"%s\"", side_word(e->rest_side));
        add_price(out, ",", it, e->rest_price);
        add_size(out, ",", it, e->rest_lots);
        text_add(out, "]");
    }
    text_add(out, "]");
}

/* --- server-sent events ------------------------------------------------------- */

const char *message_kind(const struct event *e)
{
    return e->kind == 'm'   ? "match"
           : e->kind == 'r' ? "received"
           : e->kind == 'd' ? "done"
                            : "change";
}

void message_event(struct text *out, const struct instrument *it, const struct event *e)
{
    begin(out, message_kind(e), it, e->seq, e->us);
    text_add(out, ",\"side\":\"%s\"", side_word(e->side));
    if (e->price != 0)
        add_price(out, ",\"price\":", it, e->price);
    if (e->lots != 0)
        add_size(out, ",\"size\":", it, e->lots);
    if (e->kind == 'm') {
        text_add(out, ",\"trade_id\":%lld,\"maker_side\":\"%s\"", (long long)e->trade_id,
                 side_word(-e->side));
        add_id(out, ",\"taker_order_id\":", e->order_id);
        add_id(out, ",\"maker_order_id\":", e->maker_order);
    } else {
        add_id(out, ",\"order_id\":", e->order_id);
    }
    if (e->kind == 'd')
        text_add(out, ",\"reason\":\"%s\"",
                 strcmp(e->reason, "filled") == 0 ? "filled" : "canceled");
    add_changes(out, it, e);
    text_add(out, "}");
}

/* --- channels ----------------------------------------------------------------- */

bool message_l2update(struct text *out, const struct instrument *it, const struct event *e)
{
    if (e->delta == 0 && e->rest == 0)
        return false;
    begin(out, "l2update", it, e->seq, e->us);
    add_changes(out, it, e);
    text_add(out, "}");
    return true;
}

void message_match(struct text *out, const struct instrument *it, const struct event *e)
{
    begin(out, "match", it, e->seq, e->us);
    text_add(out, ",\"trade_id\":%lld,\"side\":\"%s\"", (long long)e->trade_id,
             side_word(-e->side));
    add_id(out, ",\"maker_order_id\":", e->maker_order);
    add_id(out, ",\"taker_order_id\":", e->order_id);
    add_price(out, ",\"price\":", it, e->price);
    add_size(out, ",\"size\":", it, e->lots);
    text_add(out, "}");
}

void message_last_match(struct text *out, const struct tape *t)
{
    begin(out, "last_match", t->instrument, t->seq, t->last_us);
    text_add(out, ",\"trade_id\":%lld,\"side\":\"%s\"", (long long)t->trade_id,
             side_word(-t->last_side));
    add_price(out, ",\"price\":", t->instrument, t->last_price);
    add_size(out, ",\"size\":", t->instrument, t->last_lots);
    text_add(out, "}");
}

void message_ticker(struct text *out, const struct tape *t)
{
    const struct instrument *it = t->instrument;

    begin(out, "ticker", it, t->seq, t->last_us);
    text_add(out, ",\"trade_id\":%lld,\"side\":\"%s\"", (long long)t->trade_id,
             side_word(t->last_side));
    add_price(out, ",\"price\":", it, t->last_price);
    add_size(out, ",\"last_size\":", it, t->last_lots);
    add_price(out, ",\"open_24h\":", it, t->open);
    add_price(out, ",\"high_24h\":", it, t->high);
    add_price(out, ",\"low_24h\":", it, t->low);
    add_size(out, ",\"volume_24h\":", it, t->volume);
    if (t->bids.n > 0) {
        add_price(out, ",\"best_bid\":", it, -t->bids.v[0].key);
        add_size(out, ",\"best_bid_size\":", it, t->bids.v[0].lots);
    }
    if (t->asks.n > 0) {
        add_price(out, ",\"best_ask\":", it, t->asks.v[0].key);
        add_size(out, ",\"best_ask_size\":", it, t->asks.v[0].lots);
    }
    text_add(out, "}");
}

void message_heartbeat(struct text *out, const struct tape *t, int64_t now_us)
{
    begin(out, "heartbeat", t->instrument, t->seq, now_us);
    text_add(out, ",\"last_trade_id\":%lld}", (long long)t->trade_id);
}

/* --- full and user ------------------------------------------------------------ */

static void add_done(struct text *out, const struct instrument *it, const struct event *e,
                     int64_t order, int32_t side, int64_t price, const char *reason, int64_t left)
{
    begin(out, "done", it, e->seq, e->us);
    add_id(out, ",\"order_id\":", order);
    text_add(out, ",\"side\":\"%s\",\"reason\":\"%s\"", side_word(side), reason);
    if (price != 0)
        add_price(out, ",\"price\":", it, price);
    if (left >= 0)
        add_size(out, ",\"remaining_size\":", it, left);
    text_add(out, "}");
}

/* The event itself, as its kind says it. */
static bool first_step(struct text *out, const struct instrument *it, const struct event *e)
{
    if (e->kind == 'm') {
        message_match(out, it, e);
        return true;
    }
    if (e->kind == 'd') {
        add_done(out, it, e, e->order_id, e->side, e->price,
                 strcmp(e->reason, "filled") == 0 ? "filled" : "canceled", e->lots);
        return true;
    }
    begin(out, e->kind == 'r' ? "received" : "change", it, e->seq, e->us);
    add_id(out, ",\"order_id\":", e->order_id);
    text_add(out, ",\"side\":\"%s\"", side_word(e->side));
    if (e->price != 0)
        add_price(out, ",\"price\":", it, e->price);
    if (e->kind == 'c') {
        add_size(out, ",\"old_size\":", it, e->lots - e->delta);
        add_size(out, ",\"new_size\":", it, e->lots);
    } else {
        text_add(out, ",\"order_type\":\"%s\"", e->price != 0 ? "limit" : "market");
        if (e->lots != 0)
            add_size(out, ",\"size\":", it, e->lots);
        if (e->funds != 0)
            add_decimal(out, ",\"funds\":", e->funds, it->quote_scale);
        if (e->client_id[0] != '\0')
            text_add(out, ",\"client_oid\":\"%s\"", e->client_id);
    }
    text_add(out, "}");
    return true;
}

bool message_full(struct text *out, const struct instrument *it, const struct event *e, int step,
                  int64_t account)
{
    const bool is_own = account == 0 || e->account == account;
    const bool is_maker = account == 0 || e->maker_account == account;

    switch (step) {
    case 0: return (is_own || (e->kind == 'm' && is_maker)) && first_step(out, it, e);
    case 1:
        if (e->kind != 'm' || e->maker_left != 0 || !is_maker)
            return false;
        add_done(out, it, e, e->maker_order, -e->side, e->price, "filled", 0);
        return true;
    case 2:
        if (e->kind != 'm' || e->taker_left != 0 || !is_own)
            return false;
        add_done(out, it, e, e->order_id, e->side, 0, "filled", 0);
        return true;
    default:
        if (e->rest == 0 || !is_own)
            return false;
        begin(out, "open", it, e->seq, e->us);
        add_id(out, ",\"order_id\":", e->rest_order);
        text_add(out, ",\"side\":\"%s\"", side_word(e->rest_side));
        add_price(out, ",\"price\":", it, e->rest_price);
        add_size(out, ",\"remaining_size\":", it, e->rest);
        text_add(out, "}");
        return true;
    }
}
