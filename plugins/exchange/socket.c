/*
 * socket.c - the WebSocket of programs: subscriptions to channels.
 *
 *     {"type":"subscribe","product_ids":["BTC-USD"],"channels":["level2",{"name":"ticker",
 *      "product_ids":["ETH-USD"]}]}
 *
 * The channel user needs key, passphrase, timestamp and signature over "GET/users/self/verify".
 * One reader for each product, with the channels that are wanted as bits.  A client that does not
 * keep up is closed with 1013: a message is never left out in silence.
 *
 * A subscription is confirmed when all its tapes are there: whatever happens after the client has
 * read the confirmation is told.  What the client sends until then is carried out afterwards, but
 * for further subscriptions, which are confirmed with it.
 */
#include <stdio.h>

#include "exchange.h"

#define TOO_SLOW     1013 /* "Try Again Later", of the registry of RFC 6455, section 11.7 */
#define GOING_AWAY   1001
#define MOST_BYTES   16384 /* of a message */
#define MOST_PARTS   1024  /* channels times products of a message */
#define MOST_WAITING 16    /* messages, until the key is known and the tapes are there */
#define VERIFY_PATH  "/users/self/verify"

enum channel { LEVEL2, MATCHES, TICKER, HEARTBEAT, FULL, USER, N_CHANNELS };

static const char *const channel_names[N_CHANNELS] = { "level2",    "matches", "ticker",
                                                       "heartbeat", "full",    "user" };

struct subscription {
    struct reader reader;
    struct subscription *next;
    struct socket *socket;
    uint32_t channels; /* bits */
    uint32_t greeted;  /* of them: confirmed, and their first message was sent */
};

struct socket {
    struct exchange *x;
    sx_ws *ws;
    struct subscription *subscriptions;
    int64_t account; /* 0: not proved */
    int64_t asked;   /* while is_asking: whose key it is */
    json_t *waiting; /* messages that are not carried out yet, in their order; owned */
    int n_owed;      /* confirmations, until the tapes are there */
    bool is_asking;  /* the database is asked for the key of the first that waits */
    bool is_closing; /* nothing more is sent */
    bool is_closed;  /* to be freed when the answer comes */
};

static void proceed(struct socket *s);

/* --- sending ------------------------------------------------------------------ */

static bool send(struct socket *s, const struct text *text)
{
    const char *data = text_get(text);
    int err = data == NULL ? SX_ENOMEM : sx_ws_send(s->ws, SX_WS_TEXT, data, text->len);

    if (err == SX_OK)
        return true;
    s->is_closing = true;
    if (err == SX_EBUSY)
        sx_ws_close(s->ws, TOO_SLOW, "this client does not keep up");
    else if (err != SX_ECLOSED)
        sx_ws_close(s->ws, 1011, "the server could not go on");
    return false;
}

/* {"type":"error",…}; the texts are ours and need no escape. */
static void send_error(struct socket *s, const char *message, const char *reason)
{
    struct text *out = &s->x->text;

    text_reset(out);
    text_add(out, "{\"type\":\"error\",\"message\":\"%s\",\"reason\":\"%s\"}", message, reason);
    (void)send(s, out);
}

/* --- events ------------------------------------------------------------------- */

/* The channels that are told: what happened before the greeting is in it, or nobody asked. */
static uint32_t heard(const struct subscription *sub)
{
    return sub->channels & sub->greeted;
}

static void greet(struct subscription *sub)
{
    struct socket *s = sub->socket;
    const struct tape *t = sub->reader.tape;
    const uint32_t missing = t == NULL ? 0 : sub->channels & ~sub->greeted;

    sub->greeted |= missing;
    if ((missing & 1u << LEVEL2) != 0 && !s->is_closing) {
        message_snapshot(&s->x->text, t, true);
        (void)send(s, &s->x->text);
    }
    if (t == NULL || t->trade_id == 0)
        return;
    if ((missing & 1u << MATCHES) != 0 && !s->is_closing) {
        message_last_match(&s->x->text, t);
        (void)send(s, &s->x->text);
    }
    if ((missing & 1u << TICKER) != 0 && !s->is_closing) {
        message_ticker(&s->x->text, t);
        (void)send(s, &s->x->text);
    }
}

/* The channels full and user: all of the event, or what concerns the account. */
static void send_full(struct subscription *sub, const struct event *e)
{
    struct socket *s = sub->socket;
    const int64_t account = (heard(sub) & 1u << FULL) != 0 ? 0 : s->account;

    for (int step = 0; step < MESSAGE_STEPS && !s->is_closing; step++)
        if (message_full(&s->x->text, sub->reader.tape->instrument, e, step, account))
            (void)send(s, &s->x->text);
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
        (void)send(s, out);
    if ((channels & (1u << FULL | 1u << USER)) != 0)
        send_full(sub, e);
    if (e->kind != 'm' || s->is_closing)
        return;
    if ((channels & 1u << MATCHES) != 0 && (channels & 1u << FULL) == 0) {
        message_match(out, rd->tape->instrument, e);
        (void)send(s, out);
    }
    if ((channels & 1u << TICKER) != 0 && !s->is_closing) {
        message_ticker(out, rd->tape);
        (void)send(s, out);
    }
}

static void on_tick(struct reader *rd)
{
    const struct subscription *sub = rd->owner;
    struct socket *s = sub->socket;

    if ((heard(sub) & 1u << HEARTBEAT) == 0 || s->is_closing)
        return;
    message_heartbeat(&s->x->text, rd->tape, sx_this_worker(s->x->plugin).now_ns / 1000);
    (void)send(s, &s->x->text);
}

static void on_lost(struct reader *rd)
{
    struct socket *s = ((struct subscription *)rd->owner)->socket;

    if (s->is_closing)
        return;
    s->is_closing = true;
    sx_ws_close(s->ws, TOO_SLOW, "the feed was interrupted: subscribe again");
}

/* --- subscriptions ------------------------------------------------------------ */

/* What is subscribed to now. */
static void send_subscriptions(struct socket *s)
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
    (void)send(s, out);
}

static bool are_all_ready(const struct socket *s)
{
    const struct subscription *sub = s->subscriptions;

    while (sub != NULL && sub->reader.is_ready)
        sub = sub->next;
    return sub == NULL;
}

/* Confirms what was changed, as soon as all of it is there. */
static void settle(struct socket *s)
{
    if (s->n_owed == 0 || !are_all_ready(s))
        return;
    for (; s->n_owed > 0; s->n_owed--)
        if (!s->is_closing)
            send_subscriptions(s);
    for (struct subscription *sub = s->subscriptions; sub != NULL; sub = sub->next)
        if (!s->is_closing)
            greet(sub);
}

static void on_ready(struct reader *rd)
{
    struct socket *s = ((struct subscription *)rd->owner)->socket;

    settle(s);
    proceed(s);
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

static void drop_subscriptions(struct socket *s, bool all)
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

/* Checks a whole message before anything of it is done; NULL, or what is wrong. */
static const char *fault_of(const struct socket *s, const json_t *message, bool *ret_wants_user)
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

static void change(struct socket *s, const json_t *message, bool is_on)
{
    const json_t *channels = json_object_get(message, "channels"), *channel, *product;
    struct subscription *sub;
    size_t i, k;

    json_array_foreach(channels, i, channel)
    {
        const uint32_t bit = 1u << channel_of(name_of(channel));
        const json_t *products = products_of(message, channel);

        json_array_foreach(products, k, product)
        {
            sub = subscription_of(
                s, instrument_by_symbol(&s->x->instruments, json_string_value(product)));
            if (sub == NULL) {
                s->is_closing = true;
                sx_ws_close(s->ws, 1011, "the server could not go on");
                return;
            }
            sub->channels = is_on ? sub->channels | bit : sub->channels & ~bit;
            sub->greeted &= is_on ? UINT32_MAX : ~bit;
        }
    }
    if (!is_on)
        drop_subscriptions(s, false);
    s->n_owed++;
    settle(s);
}

/* --- who it is ---------------------------------------------------------------- */

static const char *member(const json_t *message, const char *key)
{
    return json_string_value(json_object_get(message, key));
}

/* NULL when the message is signed by the account that this connection belongs to. */
static const char *signer_of(const struct socket *s, const json_t *message, struct credential *ret)
{
    const json_t *timestamp = json_object_get(message, "timestamp");
    char seconds[DECIMAL_TEXT];
    const char *words;

    if (json_is_integer(timestamp))
        (void)snprintf(seconds, sizeof seconds, "%lld", (long long)json_integer_value(timestamp));
    else if (json_is_real(timestamp))
        (void)snprintf(seconds, sizeof seconds, "%.15g", json_real_value(timestamp));
    words = auth_words(s->x, sx_this_worker(s->x->plugin).now_ns, member(message, "key"),
                       member(message, "signature"),
                       json_is_number(timestamp) ? seconds : json_string_value(timestamp),
                       member(message, "passphrase"), "GET", VERIFY_PATH, (sx_span){ "", 0 }, ret);
    if (words != NULL)
        return words;
    if (s->account != 0 && s->account != ret->account)
        return "this connection belongs to another account";
    return NULL;
}

static void free_socket(struct socket *s)
{
    json_decref(s->waiting);
    free(s);
}

static void on_known(sx_plugin *p, const sx_db_error *err, const sx_rows *const rows[], size_t n,
                     void *arg)
{
    struct socket *s = arg;

    (void)p;
    (void)rows;
    (void)n;
    s->is_asking = false;
    if (s->is_closed) {
        free_socket(s);
        return;
    }
    if (s->is_closing)
        return;
    if (err != NULL && strcmp(err->sqlstate, "SX401") == 0) {
        send_error(s, "Authentication Failed", "Invalid API Key");
    } else if (err != NULL) {
        send_error(s, "Failed to subscribe", "service unavailable, try again");
    } else {
        s->account = s->asked;
        change(s, json_array_get(s->waiting, 0), true);
    }
    (void)json_array_remove(s->waiting, 0);
    proceed(s);
}

/* The signature first, then the database is asked whether the key still counts. */
static void prove(struct socket *s, const json_t *message)
{
    struct credential who;
    sx_param params[2];
    const sx_stmt stmt = { "SELECT session($1, $2::int)", { params, 2 }, SX_READ_ONLY, 0 };
    const char *words = signer_of(s, message, &who);

    if (words != NULL) {
        send_error(s, "Authentication Failed", words);
        return;
    }
    s->asked = who.account;
    params[0] = sx_int(who.account);
    params[1] = sx_int(who.generation);
    s->is_asking = sx_plugin_batch(s->x->plugin, on_known, s, &stmt, 1) == SX_OK;
    if (!s->is_asking)
        send_error(s, "Failed to subscribe", "service unavailable, try again");
}

/* --- messages ----------------------------------------------------------------- */

static void send_fault(struct socket *s, bool is_on, const char *fault)
{
    send_error(s, is_on ? "Failed to subscribe" : "Failed to unsubscribe", fault);
}

/* Carries out what waits, in its order, until something has to be waited for. */
static void proceed(struct socket *s)
{
    while (!s->is_asking && !s->is_closing && json_array_size(s->waiting) > 0) {
        const json_t *message = json_array_get(s->waiting, 0);
        const bool is_on = strcmp(member(message, "type"), "subscribe") == 0;
        bool wants_user;
        const char *fault = fault_of(s, message, &wants_user);

        if (!is_on && s->n_owed > 0)
            return;
        if (fault != NULL) /* a product went meanwhile */
            send_fault(s, is_on, fault);
        else if (is_on && wants_user)
            prove(s, message);
        else
            change(s, message, is_on);
        if (!s->is_asking)
            (void)json_array_remove(s->waiting, 0);
    }
}

/* --- the socket --------------------------------------------------------------- */

static void on_message(sx_ws *ws, int32_t kind, sx_span data, void *arg)
{
    struct socket *s = arg;
    json_t *message;
    const char *type, *fault;
    bool is_on, wants_user = false;

    (void)ws;
    (void)kind;
    if (s->is_closing)
        return;
    message = data.len > MOST_BYTES ? NULL
                                    : json_loadb(data.data, data.len, JSON_REJECT_DUPLICATES, NULL);
    type = member(message, "type");
    is_on = type != NULL && strcmp(type, "subscribe") == 0;
    if (!is_on && (type == NULL || strcmp(type, "unsubscribe") != 0)) {
        send_error(s, "Malformed JSON",
                   "expected an object of type subscribe or unsubscribe, of 16 KiB at most");
    } else {
        fault = fault_of(s, message, &wants_user);
        if (fault != NULL)
            send_fault(s, is_on, fault);
        else if (json_array_size(s->waiting) < MOST_WAITING &&
                 json_array_append(s->waiting, message) == 0)
            proceed(s);
        else
            send_fault(s, is_on, "too many messages at once, try again");
    }
    json_decref(message);
}

static void on_closed(sx_ws *ws, int32_t code, void *arg)
{
    struct socket *s = arg;

    (void)ws;
    (void)code;
    s->is_closing = true;
    s->is_closed = true;
    drop_subscriptions(s, true);
    if (!s->is_asking)
        free_socket(s);
}

static int open_now(sx_req *r, void *arg)
{
    static const sx_ws_ops ops = { .message = on_message, .closed = on_closed };
    struct exchange *x = exchange_of(r);
    struct socket *s = calloc(1, sizeof *s);
    int err;

    (void)arg;
    if (s == NULL)
        return SX_ENOMEM;
    s->x = x;
    s->waiting = json_array();
    err = s->waiting == NULL ? SX_ENOMEM : sx_ws_open(r, NULL, &ops, s, &s->ws);
    if (err < 0)
        free_socket(s);
    return err;
}

int open_socket(sx_req *r)
{
    return call_public(r, open_now);
}
