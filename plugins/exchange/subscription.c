/*
 * subscription.c - what a WebSocket is told: channels of products, and when they begin.
 *
 * One reader for each product, with the channels that are wanted as bits.  A client that does not
 * keep up is closed with 1013: a message is never left out in silence.
 *
 * A subscription is confirmed when all its tapes are there: whatever happens after the client has
 * read the confirmation is told.  Confirmations and first messages wait for a client that is still
 * reading; events do not.
 */
#include <stdio.h>

#include "socket.h"

#define MOST_PARTS 1024 /* channels times products of a message */

enum channel { LEVEL2, MATCHES, TICKER, HEARTBEAT, FULL, USER, N_CHANNELS };

static const char *const channel_names[N_CHANNELS] = { "level2",    "matches", "ticker",
                                                       "heartbeat", "full",    "user" };

/* --- events ------------------------------------------------------------------- */

/* The channels that are told: what happened before the greeting is in it, or nobody asked. */
static uint32_t heard(const struct subscription *sub)
{
    return sub->channels & sub->greeted;
}

/* The first message of a channel; false: there is none. */
static bool first_message(struct text *out, const struct tape *t, int channel)
{
    switch (channel) {
    case LEVEL2: message_snapshot(out, t, true); return true;
    case MATCHES: message_last_match(out, t); return t->trade_id != 0;
    case TICKER: message_ticker(out, t); return t->trade_id != 0;
    default: return false;
    }
}

/* What was confirmed begins; false: not all of it yet. */
static bool greet(struct subscription *sub)
{
    struct socket *s = sub->socket;
    const struct tape *t = sub->reader.tape;

    for (int channel = 0; channel < N_CHANNELS; channel++) {
        const uint32_t bit = 1u << channel;

        if ((sub->channels & sub->confirmed & ~sub->greeted & bit) == 0 || t == NULL)
            continue;
        if (first_message(&s->x->text, t, channel) && !socket_send_in_turn(s, &s->x->text))
            return false;
        sub->greeted |= bit;
    }
    return true;
}

/* The channels full and user: all of the event, or what concerns the account. */
static void send_full(struct subscription *sub, const struct event *e)
{
    struct socket *s = sub->socket;
    const int64_t account = (heard(sub) & 1u << FULL) != 0 ? 0 : s->account;

    for (int step = 0; step < MESSAGE_STEPS && !s->is_closing; step++)
        if (message_full(&s->x->text, sub->reader.tape->instrument, e, step, account))
            socket_send(s, &s->x->text);
}

static void on_event(struct reader *rd, const struct event *e)
{
    struct subscription *sub = rd->owner;
    struct socket *s = sub->socket;
    const uint32_t channels = heard(sub);
    struct text *out = &s->x->text;

    if (s->is_closing)
        return;
    if ((channels & 1u << LEVEL2) != 0 && message_l2update(out, rd->tape->instrument, e))
        socket_send(s, out);
    if ((channels & (1u << FULL | 1u << USER)) != 0)
        send_full(sub, e);
    if (e->kind != 'm' || s->is_closing)
        return;
    if ((channels & 1u << MATCHES) != 0 && (channels & 1u << FULL) == 0) {
        message_match(out, rd->tape->instrument, e);
        socket_send(s, out);
    }
    if ((channels & 1u << TICKER) != 0 && !s->is_closing) {
        message_ticker(out, rd->tape);
        socket_send(s, out);
    }
}

static void on_tick(struct reader *rd)
{
    const struct subscription *sub = rd->owner;
    struct socket *s = sub->socket;

    if ((heard(sub) & 1u << HEARTBEAT) == 0 || s->is_closing)
        return;
    message_heartbeat(&s->x->text, rd->tape, sx_this_worker(s->x->plugin).now_ns / 1000);
    socket_send(s, &s->x->text);
}

static void on_lost(struct reader *rd)
{
    struct socket *s = ((struct subscription *)rd->owner)->socket;

    if (!s->is_closing)
        socket_close(s, SOCKET_TRY_AGAIN, "the feed was interrupted: subscribe again");
}

/* --- subscriptions ------------------------------------------------------------ */

/* What is subscribed to now. */
static bool send_subscriptions(struct socket *s)
{
    struct text *out = &s->x->text;
    bool has_channel = false;

    text_reset(out);
    text_add(out, "{\"type\":\"subscriptions\",\"channels\":[");
    for (int channel = 0; channel < N_CHANNELS; channel++) {
        int n = 0;

        for (const struct subscription *sub = s->subscriptions; sub != NULL; sub = sub->next) {
            if ((sub->channels & 1u << channel) == 0 || sub->reader.tape == NULL)
                continue;
            if (n == 0)
                text_add(out, "%s{\"name\":\"%s\",\"product_ids\":[", has_channel ? "," : "",
                         channel_names[channel]);
            text_add(out, "%s\"%s\"", n > 0 ? "," : "", sub->reader.tape->instrument->symbol);
            n++;
        }
        if (n > 0)
            text_add(out, "]}");
        has_channel = has_channel || n > 0;
    }
    text_add(out, "]}");
    return socket_send_in_turn(s, out);
}

static bool are_all_ready(const struct socket *s)
{
    const struct subscription *sub = s->subscriptions;

    while (sub != NULL && sub->reader.is_ready)
        sub = sub->next;
    return sub == NULL;
}

static void confirm(struct socket *s)
{
    while (s->n_owed > 0 && send_subscriptions(s))
        s->n_owed--;
    if (s->n_owed == 0)
        for (struct subscription *sub = s->subscriptions; sub != NULL; sub = sub->next)
            sub->confirmed = sub->channels;
}

void subscription_settle(struct socket *s)
{
    if (s->n_owed > 0 && !s->is_closing && are_all_ready(s))
        confirm(s);
    for (struct subscription *sub = s->subscriptions; sub != NULL; sub = sub->next)
        if (s->is_closing || !greet(sub))
            return;
}

static void on_ready(struct reader *rd)
{
    struct socket *s = ((struct subscription *)rd->owner)->socket;

    subscription_settle(s);
    socket_proceed(s);
}

static struct subscription *subscription_of(struct socket *s, const struct instrument *it)
{
    struct subscription *sub = s->subscriptions;

    while (sub != NULL && (sub->reader.tape == NULL || sub->reader.tape->instrument != it))
        sub = sub->next;
    if (sub != NULL)
        return sub;
    sub = calloc(1, sizeof *sub);
    if (sub == NULL)
        return NULL;
    sub->socket = s;
    sub->reader = (struct reader){
        .ready = on_ready, .event = on_event, .lost = on_lost, .tick = on_tick, .owner = sub
    };
    if (feed_join(s->x->feed, it, &sub->reader) < 0) {
        free(sub);
        return NULL;
    }
    sub->next = s->subscriptions;
    s->subscriptions = sub;
    return sub;
}

void subscription_drop(struct socket *s, bool all)
{
    for (struct subscription **at = &s->subscriptions; *at != NULL;) {
        struct subscription *sub = *at;

        if (all || sub->channels == 0) {
            *at = sub->next;
            feed_leave(&sub->reader);
            free(sub);
        } else {
            at = &sub->next;
        }
    }
}

static int channel_of(const char *name)
{
    for (int channel = 0; channel < N_CHANNELS; channel++)
        if (name != NULL && strcmp(name, channel_names[channel]) == 0)
            return channel;
    return name != NULL && strcmp(name, "level2_batch") == 0 ? LEVEL2 : -1;
}

/* A channel's own products, or those of the message. */
static const json_t *products_of(const json_t *message, const json_t *channel)
{
    const json_t *own = json_object_get(channel, "product_ids");

    return own != NULL ? own : json_object_get(message, "product_ids");
}

static const char *name_of(const json_t *channel)
{
    return json_is_string(channel) ? json_string_value(channel)
                                   : json_string_value(json_object_get(channel, "name"));
}

const char *subscription_fault(const struct socket *s, const json_t *message, bool *ret_wants_user)
{
    const json_t *channels = json_object_get(message, "channels"), *channel, *product;
    size_t i, k, n_parts = 0;

    *ret_wants_user = false;
    if (json_array_size(channels) == 0)
        return "channels: expected an array of names";
    json_array_foreach(channels, i, channel)
    {
        const int number = channel_of(name_of(channel));
        const json_t *products = products_of(message, channel);

        n_parts += json_array_size(products);
        if (i >= MOST_PARTS || n_parts > MOST_PARTS)
            return "too many channels and products for one message";
        if (number < 0)
            return "channels: expected level2, matches, ticker, heartbeat, full or user";
        if (json_array_size(products) == 0)
            return "product_ids: expected an array of products";
        json_array_foreach(products, k, product)
        {
            const char *symbol = json_string_value(product);

            if (symbol == NULL || instrument_by_symbol(&s->x->instruments, symbol) == NULL)
                return "product_ids: there is no such product";
        }
        *ret_wants_user = *ret_wants_user || number == USER;
    }
    return NULL;
}

void subscription_change(struct socket *s, const json_t *message, bool is_on)
{
    const json_t *channels = json_object_get(message, "channels"), *channel, *product;
    bool wants_user;
    const char *fault = subscription_fault(s, message, &wants_user);
    struct subscription *sub;
    size_t i, k;

    if (fault != NULL) {
        socket_tell(s, is_on ? "Failed to subscribe" : "Failed to unsubscribe", fault);
        return;
    }
    json_array_foreach(channels, i, channel)
    {
        const uint32_t bit = 1u << channel_of(name_of(channel));
        const json_t *products = products_of(message, channel);

        json_array_foreach(products, k, product)
        {
            sub = subscription_of(
                s, instrument_by_symbol(&s->x->instruments, json_string_value(product)));
            if (sub == NULL) {
                socket_give_up(s, SX_ENOMEM);
                return;
            }
            sub->channels = is_on ? sub->channels | bit : sub->channels & ~bit;
            sub->confirmed &= is_on ? UINT32_MAX : ~bit;
            sub->greeted &= sub->confirmed;
        }
    }
    if (!is_on)
        subscription_drop(s, false);
    s->n_owed++;
    subscription_settle(s);
}
