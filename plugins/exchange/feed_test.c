/*
 * feed_test.c - who is told what, in which order, and what a client gets that comes back.
 */
#include "client.h"

#define RICH "{\"USD\":\"1000000\",\"BTC\":\"100\"}"
#define LIMIT(side, price, size)                                                              \
    "{\"type\":\"limit\",\"side\":\"" side "\",\"product_id\":\"BTC-USD\",\"price\":\"" price \
    "\",\"size\":\"" size "\"}"

static void next_is(const sx_answer *a, const char *id, const char *part)
{
    const char *event = sx_test_event(a);

    assert_non_null(event);
    if (strstr(event, id) == NULL || strstr(event, part) == NULL)
        fail_msg("expected an event with \"%s\" and \"%s\", found:\n%s", id, part, event);
}

static void a_stream_begins_with_the_book_and_goes_on(sx_test *t)
{
    const struct client a = client_open(t, RICH), b = client_open(t, RICH);
    const sx_answer *stream;

    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.5")), 200);
    stream = sx_test_open(t, .path = "/sim/stream/BTC-USD");
    next_is(stream, "id: 1", "\"asks\":[[\"50000\",\"0.5\"]]");
    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.2")), 200);
    next_is(stream, "event: received", "\"changes\":[[\"sell\",\"50000\",\"0.7\"]]");
    sx_expect_status(client_order(&b, LIMIT("buy", "50001", "0.8")), 200);
    next_is(stream, "id: 3", "\"changes\":[]");
    next_is(stream, "id: 4", "\"changes\":[[\"sell\",\"50000\",\"0.2\"]]");
    next_is(stream, "id: 5",
            "\"changes\":[[\"sell\",\"50000\",\"0\"],[\"buy\",\"50001\",\"0.1\"]]");
    sx_expect_status(client_send(&b, "DELETE", "/orders", NULL), 200);
    next_is(stream, "id: 6", "\"reason\":\"canceled\"");
}

static const sx_answer *come_back(sx_test *t, const char *id)
{
    const char *const headers[] = { "Last-Event-ID", id, NULL };

    return sx_test_open(t, .path = "/sim/stream/BTC-USD", .headers = headers);
}

/* The totals of levels are those of their moments, though the book has moved on. */
static void who_comes_back_gets_what_was_missed(sx_test *t)
{
    const struct client a = client_open(t, RICH);
    const sx_answer *late;

    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.1")), 200);
    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.2")), 200);
    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.4")), 200);
    sx_expect_status(client_send(&a, "DELETE", "/orders", NULL), 200);
    late = come_back(t, "1");
    next_is(late, "id: 2", "[\"sell\",\"50000\",\"0.3\"]");
    next_is(late, "id: 3", "[\"sell\",\"50000\",\"0.7\"]");
    next_is(late, "id: 4", "[\"sell\",\"50000\",\"0.6\"]");
    next_is(late, "id: 5", "[\"sell\",\"50000\",\"0.4\"]");
    next_is(late, "id: 6", "[\"sell\",\"50000\",\"0\"]");
    next_is(come_back(t, "5"), "id: 6", "event: done"); /* from memory */
}

static void what_is_too_old_is_told_by_a_snapshot(sx_test *t)
{
    const struct client a = client_open(t, RICH);

    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.1")), 200);
    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.2")), 200);
    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.4")), 200);
    (void)sx_test_sql(t, "UPDATE event SET at = at - interval '25 hours' WHERE seq < 3");
    assert_string_equal(sx_test_sql(t, "SELECT prune(24)"), "2");
    assert_string_equal(sx_test_sql(t, "SELECT sum(n) FROM violations"), "0");
    next_is(come_back(t, "1"), "event: snapshot", "\"asks\":[[\"50000\",\"0.7\"]]");
    next_is(come_back(t, "2"), "id: 3", "event: received");
    sx_expect_status(come_back(t, "soon"), 400);
}

static void a_socket_tells_by_channels(sx_test *t)
{
    const struct client a = client_open(t, RICH), b = client_open(t, RICH);
    const sx_answer *ws = sx_test_ws_open(t, .path = "/");

    sx_test_ws_send(ws, SX_TEST_JSON({
                        "type" : "subscribe",
                        "product_ids" : ["BTC-USD"],
                        "channels" : [ "level2", "matches" ]
                    }));
    sx_expect_message_json(ws, SX_TEST_JSON({
                               "type" : "subscriptions",
                               "channels" : [
                                   { "name" : "level2", "product_ids" : ["BTC-USD"] },
                                   { "name" : "matches", "product_ids" : ["BTC-USD"] }
                               ]
                           }));
    sx_expect_message_json(ws, SX_TEST_JSON({
                               "type" : "snapshot",
                               "product_id" : "BTC-USD",
                               "sequence" : 0,
                               "time" : "<text>",
                               "bids" : [],
                               "asks" : []
                           }));
    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.5")), 200);
    sx_expect_message_json(ws, SX_TEST_JSON({
                               "type" : "l2update",
                               "product_id" : "BTC-USD",
                               "sequence" : 1,
                               "time" : "<text>",
                               "changes" : [[ "sell", "50000", "0.5" ]]
                           }));
    sx_expect_status(client_order(&b, LIMIT("buy", "50000", "0.5")), 200);
    sx_expect_message_json(ws, SX_TEST_JSON({
                               "type" : "l2update",
                               "product_id" : "BTC-USD",
                               "sequence" : 3,
                               "time" : "<text>",
                               "changes" : [[ "sell", "50000", "0" ]]
                           }));
    sx_expect_message_json(ws, SX_TEST_JSON({
                               "type" : "match",
                               "product_id" : "BTC-USD",
                               "sequence" : 3,
                               "time" : "<text>",
                               "trade_id" : 1,
                               "side" : "sell",
                               "maker_order_id" : "<text>",
                               "taker_order_id" : "<text>",
                               "price" : "50000",
                               "size" : "0.5"
                           }));
    sx_test_ws_send(ws, SX_TEST_JSON({
                        "type" : "unsubscribe",
                        "product_ids" : ["BTC-USD"],
                        "channels" : [ "level2", "matches" ]
                    }));
    sx_expect_message_json(ws, SX_TEST_JSON({ "type" : "subscriptions", "channels" : [] }));
}

static void wrong_subscriptions_are_told(sx_test *t)
{
    char large[17000];
    const struct {
        const char *text, *part;
    } cases[] = {
        { "hello", "Malformed JSON" },
        { "{}", "Malformed JSON" },
        { "{\"type\":\"subscribe\"}", "channels: expected an array" },
        { "{\"type\":\"subscribe\",\"channels\":[\"level9\"],\"product_ids\":[\"BTC-USD\"]}",
          "channels: expected level2" },
        { "{\"type\":\"subscribe\",\"channels\":[\"level2\"]}", "product_ids: expected" },
        { "{\"type\":\"subscribe\",\"channels\":[\"level2\"],\"product_ids\":[\"A\"]}",
          "there is no such product" },
        { "{\"type\":\"subscribe\",\"channels\":[\"user\"],\"product_ids\":[\"BTC-USD\"]}",
          "CB-ACCESS-KEY" },
        { large, "Malformed JSON" },
    };
    const sx_answer *ws = sx_test_ws_open(t, .path = "/");

    (void)snprintf(large, sizeof large, "{\"type\":\"subscribe\",\"x\":\"%16500d\"}", 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sx_test_message *m;

        sx_test_ws_send(ws, cases[i].text);
        m = sx_test_ws_next(ws);
        assert_non_null(m);
        assert_non_null(strstr(m->data, "\"type\":\"error\""));
        if (strstr(m->data, cases[i].part) == NULL)
            fail_msg("expected \"%s\", found: %s", cases[i].part, m->data);
    }
}

static void subscribe_user(const struct client *c, const sx_answer *ws)
{
    char sign[64], text[500], timestamp[24];

    (void)snprintf(timestamp, sizeof timestamp, "%lld", (long long)c->clock_s);
    client_sign(c, timestamp, "GET", "/users/self/verify", "", sign);
    (void)snprintf(
        text, sizeof text,
        "{\"type\":\"subscribe\",\"product_ids\":[\"BTC-USD\"],\"channels\":[\"user\"],"
        "\"key\":\"%s\",\"passphrase\":\"%s\",\"timestamp\":\"%s\",\"signature\":\"%s\"}",
        c->key, c->passphrase, timestamp, sign);
    sx_test_ws_send(ws, text);
}

static void expect_type(const sx_answer *ws, const char *type, const char *part)
{
    const sx_test_message *m = sx_test_ws_next(ws);
    char begin[60];

    assert_non_null(m);
    (void)snprintf(begin, sizeof begin, "{\"type\":\"%s\"", type);
    if (strncmp(m->data, begin, strlen(begin)) != 0 || strstr(m->data, part) == NULL)
        fail_msg("expected %s with \"%s\", found: %s", begin, part, m->data);
}

/* Messages up to the next one of a type. */
static const char *wait_type(const sx_answer *ws, const char *type)
{
    char begin[60];

    (void)snprintf(begin, sizeof begin, "{\"type\":\"%s\"", type);
    for (const sx_test_message *m; (m = sx_test_ws_next(ws)) != NULL;)
        if (strncmp(m->data, begin, strlen(begin)) == 0)
            return m->data;
    fail_msg("closed before a message of type %s", type);
    return "";
}

/* What was traded 25 hours ago leaves the totals, though nobody tells of it. */
static void a_ticker_forgets_what_is_older_than_a_day(sx_test *t)
{
    struct client a = client_open(t, RICH), b = client_open(t, RICH);
    const sx_answer *ws = sx_test_ws_open(t, .path = "/");

    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.9")), 200);
    sx_expect_status(client_order(&b, LIMIT("buy", "50000", "0.5")), 200);
    sx_test_ws_send(ws, SX_TEST_JSON({
                        "type" : "subscribe",
                        "product_ids" : ["BTC-USD"],
                        "channels" : [ "ticker", "heartbeat" ]
                    }));
    assert_non_null(strstr(wait_type(ws, "ticker"), "\"volume_24h\":\"0.5\""));
    (void)sx_test_sql(t, "UPDATE minute SET minute = minute - 1500");
    sx_test_set_now(t, (CLIENT_NOW_S + 61) * INT64_C(1000000000));
    a.clock_s = b.clock_s = CLIENT_NOW_S + 61;
    for (int i = 0; i < 3; i++)
        (void)wait_type(ws, "heartbeat");
    sx_expect_status(client_order(&b, LIMIT("buy", "50000", "0.3")), 200);
    assert_non_null(strstr(wait_type(ws, "ticker"), "\"volume_24h\":\"0.3\""));
}

/* Both are carried out in their order, though one has to wait for the key to be looked up. */
static void who_leaves_while_the_key_is_checked_has_left(sx_test *t)
{
    const struct client a = client_open(t, RICH);
    const sx_answer *ws = sx_test_ws_open(t, .path = "/");

    subscribe_user(&a, ws);
    sx_test_ws_send(
        ws, SX_TEST_JSON(
                { "type" : "unsubscribe", "product_ids" : ["BTC-USD"], "channels" : ["user"] }));
    expect_type(ws, "subscriptions", "\"user\"");
    sx_expect_message_json(ws, SX_TEST_JSON({ "type" : "subscriptions", "channels" : [] }));
}

static void too_much_in_one_message_is_refused(sx_test *t)
{
    static const char part[] = ",\"BTC-USD\"";
    char text[16000], *at = text;
    const sx_answer *ws = sx_test_ws_open(t, .path = "/");

    at += snprintf(text, 200,
                   "{\"type\":\"subscribe\",\"channels\":[\"full\"],"
                   "\"product_ids\":[\"BTC-USD\"");
    for (int i = 0; i < 1024; i++, at += sizeof part - 1)
        memcpy(at, part, sizeof part);
    memcpy(at, "]}", 3);
    sx_test_ws_send(ws, text);
    expect_type(ws, "error", "too many channels and products");
}

static void an_account_hears_of_its_own_orders_only(sx_test *t)
{
    const struct client a = client_open(t, RICH), b = client_open(t, RICH);
    const sx_answer *ws = sx_test_ws_open(t, .path = "/");

    subscribe_user(&a, ws);
    expect_type(ws, "subscriptions", "\"user\"");
    sx_expect_status(client_order(&b, LIMIT("buy", "40000", "1")), 200); /* not its own */
    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.5")), 200);
    expect_type(ws, "received", "\"size\":\"0.5\"");
    expect_type(ws, "open", "\"remaining_size\":\"0.5\"");
    sx_expect_status(client_order(&b, LIMIT("buy", "50000", "0.5")), 200);
    expect_type(ws, "match", "\"size\":\"0.5\"");
    expect_type(ws, "done", "\"reason\":\"filled\"");
    sx_expect_status(client_order(&a, LIMIT("sell", "60000", "0.1")), 200);
    expect_type(ws, "received", "60000");
}

/* Until they come back nothing of them is confirmed. */
static void books_go_away(sx_test *t)
{
    (void)sx_test_sql(t, "ALTER VIEW book_levels RENAME TO gone");
}

static void books_come_back(sx_test *t)
{
    (void)sx_test_sql(t, "ALTER VIEW gone RENAME TO book_levels");
}

/* Whatever happens after the confirmation is heard, however long the book took to be read. */
static void a_confirmation_comes_when_events_are_heard(sx_test *t)
{
    const struct client a = client_open(t, RICH);
    const sx_answer *ws = sx_test_ws_open(t, .path = "/");

    books_go_away(t);
    subscribe_user(&a, ws);
    sx_test_ws_send(
        ws, SX_TEST_JSON(
                { "type" : "unsubscribe", "product_ids" : ["BTC-USD"], "channels" : ["level2"] }));
    sx_test_wait(t, strstr(sx_test_logged(t), "BTC-USD cannot be read (42P01") != NULL);
    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.4")), 200);
    books_come_back(t);
    expect_type(ws, "subscriptions", "\"user\"");
    expect_type(ws, "subscriptions", "\"user\"");
    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.5")), 200);
    expect_type(ws, "received", "\"size\":\"0.5\"");
}

static void a_book_that_cannot_be_read_holds_up_nobody_else(sx_test *t)
{
    const struct client a = client_open(t, RICH);
    const sx_answer *hears = sx_test_ws_open(t, .path = "/");
    const sx_answer *waits = sx_test_ws_open(t, .path = "/");

    sx_test_ws_send(
        hears, SX_TEST_JSON(
                   { "type" : "subscribe", "product_ids" : ["BTC-USD"], "channels" : ["level2"] }));
    expect_type(hears, "subscriptions", "BTC-USD");
    expect_type(hears, "snapshot", "BTC-USD");
    books_go_away(t);
    sx_test_ws_send(
        waits, SX_TEST_JSON(
                   { "type" : "subscribe", "product_ids" : ["ETH-USD"], "channels" : ["level2"] }));
    sx_test_wait(t, strstr(sx_test_logged(t), "the book of ETH-USD cannot be read") != NULL);
    sx_expect_status(client_order(&a, LIMIT("sell", "50000", "0.5")), 200);
    expect_type(hears, "l2update", "50000");
    books_come_back(t);
    expect_type(waits, "subscriptions", "ETH-USD");
    expect_type(waits, "snapshot", "ETH-USD");
}

static void subscribe_level2(const sx_answer *ws)
{
    sx_test_ws_send(
        ws, SX_TEST_JSON(
                { "type" : "subscribe", "product_ids" : ["BTC-USD"], "channels" : ["level2"] }));
}

static void who_asks_for_too_much_at_once_is_told(sx_test *t)
{
    const sx_answer *ws = sx_test_ws_open(t, .path = "/");

    books_go_away(t);
    subscribe_level2(ws);
    for (int i = 0; i < 17; i++) /* one more than may wait for the confirmation */
        sx_test_ws_send(
            ws,
            SX_TEST_JSON(
                { "type" : "unsubscribe", "product_ids" : ["BTC-USD"], "channels" : ["full"] }));
    expect_type(ws, "error", "too many messages at once");
    books_come_back(t);
    expect_type(ws, "subscriptions", "level2");
    expect_type(ws, "snapshot", "");
    for (int i = 0; i < 16; i++)
        expect_type(ws, "subscriptions", "level2");
}

static void who_asks_with_too_many_bytes_at_once_is_told(sx_test *t)
{
    const sx_answer *ws = sx_test_ws_open(t, .path = "/");
    char text[9200];

    books_go_away(t);
    subscribe_level2(ws);
    (void)snprintf(text, sizeof text,
                   "{\"type\":\"unsubscribe\",\"product_ids\":[\"BTC-USD\"],"
                   "\"channels\":[\"full\"],\"padding\":\"%9000d\"}",
                   0);
    sx_test_ws_send(ws, text); /* waits for the confirmation */
    sx_test_ws_send(ws, text);
    expect_type(ws, "error", "too many messages at once");
    books_come_back(t);
    expect_type(ws, "subscriptions", "level2");
    expect_type(ws, "snapshot", "");
    expect_type(ws, "subscriptions", "level2");
}

static void who_is_owed_too_many_confirmations_is_told(sx_test *t)
{
    const sx_answer *ws = sx_test_ws_open(t, .path = "/");

    books_go_away(t);
    for (int i = 0; i < 1025; i++)
        subscribe_level2(ws);
    expect_type(ws, "error", "too many messages at once");
    books_come_back(t);
    for (int i = 0; i < 1024; i++)
        expect_type(ws, "subscriptions", "level2");
    expect_type(ws, "snapshot", "");
}

/* More than a connection keeps for a client at once: it is given as it reads. */
static void many_confirmations_at_once_reach_their_client(sx_test *t)
{
    const sx_answer *ws = sx_test_ws_open(t, .path = "/");

    books_go_away(t);
    for (int i = 0; i < 1000; i++)
        sx_test_ws_send(ws, SX_TEST_JSON({
                            "type" : "subscribe",
                            "product_ids" : [ "BTC-USD", "ETH-USD" ],
                            "channels" : [ "level2", "matches", "ticker", "heartbeat", "full" ]
                        }));
    sx_test_wait(t, strstr(sx_test_logged(t), "cannot be read") != NULL);
    books_come_back(t);
    for (int i = 0; i < 1000; i++)
        expect_type(ws, "subscriptions", "\"full\"");
    expect_type(ws, "snapshot", "");
}

static void a_key_that_was_taken_back_hears_nothing(sx_test *t)
{
    const struct client a = client_open(t, RICH);
    const sx_answer *ws = sx_test_ws_open(t, .path = "/");

    (void)sx_test_sql(t, "SELECT renew_key(id) FROM account");
    subscribe_user(&a, ws);
    expect_type(ws, "error", "Invalid API Key");
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(a_stream_begins_with_the_book_and_goes_on),
        SX_TEST_CASE(who_comes_back_gets_what_was_missed),
        SX_TEST_CASE(what_is_too_old_is_told_by_a_snapshot),
        SX_TEST_CASE(a_socket_tells_by_channels),
        SX_TEST_CASE(wrong_subscriptions_are_told),
        SX_TEST_CASE(an_account_hears_of_its_own_orders_only),
        SX_TEST_CASE(a_confirmation_comes_when_events_are_heard),
        SX_TEST_CASE(a_book_that_cannot_be_read_holds_up_nobody_else),
        SX_TEST_CASE(who_asks_for_too_much_at_once_is_told),
        SX_TEST_CASE(who_asks_with_too_many_bytes_at_once_is_told),
        SX_TEST_CASE(who_is_owed_too_many_confirmations_is_told),
        SX_TEST_CASE(many_confirmations_at_once_reach_their_client),
        SX_TEST_CASE(a_ticker_forgets_what_is_older_than_a_day),
        SX_TEST_CASE(who_leaves_while_the_key_is_checked_has_left),
        SX_TEST_CASE(too_much_in_one_message_is_refused),
        SX_TEST_CASE(a_key_that_was_taken_back_hears_nothing),
        { 0 },
    };

    return sx_test_run(
        &(sx_test_setup){ .plugins = "exchange", .config = CLIENT_CONFIG, .has_database = true },
        cases);
}
