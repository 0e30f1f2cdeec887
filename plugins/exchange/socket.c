/*
 * socket.c - the WebSocket of programs: its messages, and who sends them.
 *
 *     {"type":"subscribe","product_ids":["BTC-USD"],"channels":["level2",{"name":"ticker",
 *      "product_ids":["ETH-USD"]}]}
 *
 * The channel user needs key, passphrase, timestamp and signature over "GET/users/self/verify".
 * Messages are carried out in their order.  While a key is looked up all wait, while a subscription
 * is not confirmed all but further ones, which are confirmed with it.
 */
#include <stdio.h>

#include "socket.h"

#define FAILED       1011         /* "Internal Error", RFC 6455, section 11.7 */
#define MOST_BYTES   16384        /* of a message, and of all that wait */
#define MOST_WAITING 16           /* messages */
#define MOST_OWED    1024         /* confirmations */
#define ARRIVED      "arrived_ns" /* member that we add to a message */
#define VERIFY_PATH  "/users/self/verify"

/* --- sending ------------------------------------------------------------------ */

void socket_close(struct socket *s, int code, const char *reason)
{
    s->is_closing = true;
    sx_ws_close(s->ws, code, reason);
}

void socket_give_up(struct socket *s, int err)
{
    if (err == SX_EBUSY)
        socket_close(s, SOCKET_TRY_AGAIN, "this client does not keep up");
    else if (err != SX_ECLOSED)
        socket_close(s, FAILED, "the server could not go on");
    s->is_closing = true;
}

static int try_send(struct socket *s, const struct text *text)
{
    const char *data = text_get(text);

    return data == NULL ? SX_ENOMEM : sx_ws_send(s->ws, SX_WS_TEXT, data, text->len);
}

void socket_send(struct socket *s, const struct text *text)
{
    int err = try_send(s, text);

    if (err < 0)
        socket_give_up(s, err);
}

bool socket_send_in_turn(struct socket *s, const struct text *text)
{
    int err = try_send(s, text);

    if (err < 0 && err != SX_EBUSY)
        socket_give_up(s, err);
    return err == SX_OK;
}

void socket_tell(struct socket *s, const char *message, const char *reason)
{
    struct text *out = &s->x->text;

    text_reset(out);
    text_add(out, "{\"type\":\"error\",\"message\":\"%s\",\"reason\":\"%s\"}", message, reason);
    socket_send(s, out);
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
    words = auth_words(s->x, json_integer_value(json_object_get(message, ARRIVED)),
                       member(message, "key"), member(message, "signature"),
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

static void done_with_first(struct socket *s)
{
    (void)json_array_remove(s->waiting, 0);
    if (json_array_size(s->waiting) == 0)
        s->n_bytes = 0;
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
        socket_tell(s, "Authentication Failed", "Invalid API Key");
    } else if (err != NULL) {
        socket_tell(s, "Failed to subscribe", "service unavailable, try again");
    } else {
        s->account = s->asked;
        subscription_change(s, json_array_get(s->waiting, 0), true);
    }
    done_with_first(s);
    socket_proceed(s);
}

/* The signature first, then the database is asked whether the key still counts. */
static void prove(struct socket *s, const json_t *message)
{
    struct credential who;
    sx_param params[2];
    const sx_stmt stmt = { "SELECT session($1, $2::int)", { params, 2 }, SX_READ_ONLY, 0 };
    const char *words = signer_of(s, message, &who);

    if (words != NULL) {
        socket_tell(s, "Authentication Failed", words);
        return;
    }
    s->asked = who.account;
    params[0] = sx_int(who.account);
    params[1] = sx_int(who.generation);
    s->is_asking = sx_plugin_batch(s->x->plugin, on_known, s, &stmt, 1) == SX_OK;
    if (!s->is_asking)
        socket_tell(s, "Failed to subscribe", "service unavailable, try again");
}

/* --- messages ----------------------------------------------------------------- */

void socket_proceed(struct socket *s)
{
    while (!s->is_asking && !s->is_closing && json_array_size(s->waiting) > 0) {
        const json_t *message = json_array_get(s->waiting, 0);
        const bool is_on = strcmp(member(message, "type"), "subscribe") == 0;
        bool wants_user;

        if (!is_on && s->n_owed > 0)
            return;
        if (is_on && subscription_fault(s, message, &wants_user) == NULL && wants_user)
            prove(s, message);
        else
            subscription_change(s, message, is_on);
        if (!s->is_asking)
            done_with_first(s);
    }
}

/* --- the socket --------------------------------------------------------------- */

static bool is_request(const json_t *message)
{
    const char *type = member(message, "type");

    return type != NULL && (strcmp(type, "subscribe") == 0 || strcmp(type, "unsubscribe") == 0);
}

/* False: too much waits already. */
static bool wait_in_turn(struct socket *s, json_t *message, size_t len)
{
    const int64_t now_ns = sx_this_worker(s->x->plugin).now_ns;

    if (json_array_size(s->waiting) >= MOST_WAITING || s->n_owed >= MOST_OWED ||
        (s->n_bytes > 0 && s->n_bytes + len > MOST_BYTES) ||
        json_object_set_new(message, ARRIVED, json_integer(now_ns)) < 0 ||
        json_array_append(s->waiting, message) < 0)
        return false;
    s->n_bytes += len;
    return true;
}

static void on_drained(sx_ws *ws, void *arg)
{
    struct socket *s = arg;

    (void)ws;
    subscription_settle(s);
    socket_proceed(s);
}

static void on_message(sx_ws *ws, int32_t kind, sx_span data, void *arg)
{
    struct socket *s = arg;
    json_t *message;

    (void)ws;
    (void)kind;
    if (s->is_closing)
        return;
    message = data.len > MOST_BYTES ? NULL
                                    : json_loadb(data.data, data.len, JSON_REJECT_DUPLICATES, NULL);
    if (!is_request(message))
        socket_tell(s, "Malformed JSON",
                    "expected an object of type subscribe or unsubscribe, of 16 KiB at most");
    else if (!wait_in_turn(s, message, data.len))
        socket_tell(s, "Failed to subscribe", "too many messages at once, try again");
    json_decref(message);
    socket_proceed(s);
}

static void on_closed(sx_ws *ws, int32_t code, void *arg)
{
    struct socket *s = arg;

    (void)ws;
    (void)code;
    s->is_closing = true;
    s->is_closed = true;
    subscription_drop(s, true);
    if (!s->is_asking)
        free_socket(s);
}

static int open_now(sx_req *r, void *arg)
{
    static const sx_ws_ops ops = { .message = on_message,
                                   .drained = on_drained,
                                   .closed = on_closed };
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
