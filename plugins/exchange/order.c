/*
 * order.c - placing and canceling.
 */
#include "exchange.h"

#include <stdio.h>

#define MAX_CLIENT_ID 64

/* --- reading what is asked for ------------------------------------------------ */

/* A member as text, a number too; NULL when absent or null. */
static const char *text_of(const json_t *body, const char *key, char number[DECIMAL_TEXT])
{
    const json_t *v = json_object_get(body, key);

    if (json_is_integer(v))
        (void)snprintf(number, DECIMAL_TEXT, "%lld", (long long)json_integer_value(v));
    else if (json_is_real(v)) /* what a double certainly holds: 15 digits */
        (void)snprintf(number, DECIMAL_TEXT, json_real_value(v) < 1e-3 ? "%.12f" : "%.15g",
                       json_real_value(v));
    else
        return json_string_value(v);
    return number;
}

/* Whether decimal text is less than the smallest step, and more than 0. */
static bool is_below(const char *text, int scale)
{
    const char *point = strchr(text, '.');
    const size_t n_zeros = strspn(text, "0.");

    return point != NULL && n_zeros > (size_t)(point - text) + (size_t)scale;
}

/* A price, a size or funds; SX_NEXT, or the answer is given. */
static int read_amount(sx_req *r, const char *name, const char *text, int scale, int64_t *ret)
{
    char step[DECIMAL_TEXT];
    int err = decimal_parse(text, scale, ret);
    const bool is_size = strcmp(name, "size") == 0;

    (void)decimal_format(1, scale, 0, step);
    if (err == DECIMAL_NOT_A_NUMBER)
        return answer_fail(r, 400, "invalid %s: expected a decimal number, found \"%.40s\"", name,
                           text);
    if (err == DECIMAL_TOO_LARGE)
        return answer_fail(r, 400, "%s is too large", name);
    if ((err == DECIMAL_OK && *ret == 0) || (err == DECIMAL_TOO_PRECISE && is_below(text, scale)))
        return answer_fail(r, 400, "%s%s too small. Minimum is %s", name, is_size ? " is" : "",
                           step);
    if (err == DECIMAL_TOO_PRECISE)
        return answer_fail(r, 400, "%s too precise: expected steps of %s, found \"%.40s\"", name,
                           step, text);
    return SX_NEXT;
}

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words != NULL && strcmp(*words, text) != 0)
        words++;
    return *words != NULL;
}

static bool is_client_id(const char *text)
{
    const size_t n = strspn(text,
                            "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:");

    return n > 0 && n <= MAX_CLIENT_ID && text[n] == '\0';
}

/* "BTC/USD" is what some clients call BTC-USD. */
static const struct instrument *find_product(const struct exchange *x, const char *name)
{
    char symbol[INSTRUMENT_SYMBOL];
    char *slash;

    if (name == NULL || strlen(name) >= sizeof symbol)
        return NULL;
    (void)snprintf(symbol, sizeof symbol, "%s", name);
    slash = strchr(symbol, '/');
    if (slash != NULL)
        *slash = '-';
    return instrument_by_symbol(&x->instruments, symbol);
}

/* type, side, time in force and the like. */
static int read_kind(sx_req *r, const json_t *body, struct order_request *q)
{
    static const char *const tifs[] = { "GTC", "IOC", "FOK", NULL };
    static const char *const stps[] = { "dc", "co", "cn", "cb", NULL };
    const char *side = json_string_value(json_object_get(body, "side"));
    const char *type = json_string_value(json_object_get(body, "type"));
    const char *tif = json_string_value(json_object_get(body, "time_in_force"));
    const char *stp = json_string_value(json_object_get(body, "stp"));
    const json_t *post_only = json_object_get(body, "post_only");

    if (side == NULL || (strcmp(side, "buy") != 0 && strcmp(side, "sell") != 0))
        return answer_fail(r, 400, "invalid side: expected \"buy\" or \"sell\"");
    if (type != NULL && strcmp(type, "limit") != 0 && strcmp(type, "market") != 0)
        return answer_fail(r, 400, "invalid type: expected \"limit\" or \"market\"");
    if (json_string_value(json_object_get(body, "stop")) != NULL)
        return answer_fail(r, 400, "stop orders are not supported");
    if (tif != NULL && !is_one_of(tif, tifs))
        return answer_fail(r, 400, "invalid time_in_force: expected \"GTC\", \"IOC\" or \"FOK\"");
    if (stp != NULL && *stp != '\0' && !is_one_of(stp, stps))
        return answer_fail(r, 400, "invalid stp: expected \"dc\", \"co\", \"cn\" or \"cb\"");
    q->side = strcmp(side, "buy") == 0 ? ORDER_BUY : ORDER_SELL;
    q->is_market = type != NULL && strcmp(type, "market") == 0;
    q->tif = q->is_market ? "IOC" : tif != NULL ? tif : "GTC";
    q->stp = stp != NULL && *stp != '\0' ? stp : "dc";
    q->post_only = json_is_true(post_only) ||
                   (json_is_string(post_only) && strcmp(json_string_value(post_only), "true") == 0);
    if (q->post_only && (q->is_market || strcmp(q->tif, "GTC") != 0))
        return answer_fail(r, 400, "post_only is for limit orders that are good till canceled");
    return SX_NEXT;
}

static int read_amounts(sx_req *r, const json_t *body, const struct instrument *it,
                        struct order_request *q)
{
    char number[3][DECIMAL_TEXT];
    const char *price = text_of(body, "price", number[0]);
    const char *size = text_of(body, "size", number[1]);
    const char *funds = text_of(body, "funds", number[2]);
    int err = SX_NEXT;

    if (!q->is_market && price == NULL)
        return answer_fail(r, 400, "price is required for a limit order");
    if (!q->is_market && size == NULL)
        return answer_fail(r, 400, "size is required for a limit order");
    if (q->is_market && (size == NULL) == (funds == NULL))
        return answer_fail(r, 400, "a market order needs either size or funds");
    if (!q->is_market)
        err = read_amount(r, "price", price, it->tick_scale, &q->price);
    if (err == SX_NEXT && size != NULL)
        err = read_amount(r, "size", size, it->lot_scale, &q->lots);
    if (err == SX_NEXT && q->is_market && funds != NULL)
        err = read_amount(r, "funds", funds, it->quote_scale, &q->funds);
    return err;
}

static int read_request(sx_req *r, struct order_request *q, const struct instrument **ret_it)
{
    const json_t *body = sx_body_json(r);
    const char *client_id = json_string_value(json_object_get(body, "client_oid"));
    int err;

    if (!json_is_object(body))
        return answer_fail(r, 400, "expected a JSON object");
    *ret_it = find_product(exchange_of(r), json_string_value(json_object_get(body, "product_id")));
    if (*ret_it == NULL)
        return answer_fail(r, 400, "Product not found");
    if (client_id != NULL && *client_id != '\0' && !is_client_id(client_id))
        return answer_fail(r, 400,
                           "invalid client_oid: expected at most %d letters, digits and \"-_.:\"",
                           MAX_CLIENT_ID);
    q->client_id = client_id != NULL && *client_id != '\0' ? client_id : NULL;
    q->symbol = (*ret_it)->symbol;
    err = read_kind(r, body, q);
    return err == SX_NEXT ? read_amounts(r, body, *ret_it, q) : err;
}

/* --- placing ------------------------------------------------------------------ */

static int refuse(sx_req *r, const char *outcome, const struct instrument *it)
{
    static const char *const words[][2] = {
        { "insufficient_funds", "Insufficient funds" },
        { "no_instrument", "Product not found" },
        { "closed", "Trading is closed for this product" },
        { "cancel_only", "Cancel only mode" },
        { "post_only_mode", "Post only mode" },
        { "price_too_large", "price is too large" },
        { "size_too_large", "size is too large" },
        { "would_cross", "Post only order would match at once" },
    };
    char least[DECIMAL_TEXT];

    if (strcmp(outcome, "no_account") == 0)
        return answer_fail(r, 401, "Invalid API Key");
    if (strcmp(outcome, "funds_too_small") == 0) {
        (void)decimal_format(it->min_funds, it->quote_scale, 0, least);
        return answer_fail(r, 400, "funds is too small. Minimum size is %s", least);
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(outcome, words[i][0]) == 0)
            return answer_fail(r, 400, "%s", words[i][1]);
    sx_req_log(r, SX_ERROR, "place: an outcome that is not known: \"%s\"", outcome);
    return SX_EINVAL;
}

/* A client id that was there already is answered with its order: the same request twice has the
 * same end. */
static int on_placed(sx_req *r, const sx_rows *rows, void *arg)
{
    const char *outcome = sx_text_at(rows, 0, 0);
    struct order o;
    sx_json_writer w;

    if (strcmp(outcome, "ok") != 0 && strcmp(outcome, "duplicate") != 0)
        return refuse(r, outcome, arg);
    if (!order_read(&exchange_of(r)->instruments, rows, 0, 1, &o))
        return SX_EINVAL;
    feed_ring(exchange_of(r)->feed);
    w = sx_json_begin(r);
    sx_json_object(&w);
    answer_order(&w, &o);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int place_now(sx_req *r, const struct credential *who)
{
    struct order_request q = { 0 };
    const struct instrument *it = NULL;
    int err = read_request(r, &q, &it);

    return err != SX_NEXT ? err : order_place(r, who, &q, on_placed, (void *)(uintptr_t)it);
}

int place_order(sx_req *r)
{
    return call_private(r, place_now);
}

/* --- canceling ---------------------------------------------------------------- */

static int on_canceled(sx_req *r, const sx_rows *rows, void *arg)
{
    const char *outcome = sx_text_at(rows, 0, 0);
    char id[UUID_TEXT];
    sx_json_writer w;

    (void)arg;
    if (strcmp(outcome, "no_account") == 0)
        return answer_fail(r, 401, "Invalid API Key");
    if (strcmp(outcome, "not_found") == 0)
        return answer_fail(r, 404, "order not found");
    if (strcmp(outcome, "done") == 0)
        return answer_fail(r, 400, "Order already done");
    feed_ring(exchange_of(r)->feed);
    answer_uuid(sx_int_at(rows, 0, 1), UUID_ORDER, id);
    w = sx_json_begin(r);
    sx_json_text(&w, id);
    return sx_json_reply(&w, 200);
}

/* The product of the body or the query; SX_NEXT and *ret (NULL: all), or the answer is given. */
static int asked_filter(sx_req *r, const char **ret)
{
    const char *name = sx_arg_text(r, "product_id");
    const struct instrument *it;

    if (sx_body(r).len > 0) {
        const json_t *body = sx_body_json(r);
        const char *said = json_string_value(json_object_get(body, "product_id"));

        if (!json_is_object(body))
            return answer_fail(r, 400, "expected a JSON object");
        name = said != NULL ? said : name;
    }
    *ret = NULL;
    if (name == NULL || *name == '\0')
        return SX_NEXT;
    it = find_product(exchange_of(r), name);
    if (it == NULL)
        return answer_fail(r, 400, "Product not found");
    *ret = it->symbol;
    return SX_NEXT;
}

static int cancel_now(sx_req *r, const struct credential *who)
{
    const char *client_id = sx_path_text(r, "oid"), *symbol = NULL;
    int64_t id = 0;
    int err = asked_filter(r, &symbol);

    if (err != SX_NEXT)
        return err;
    if (client_id == NULL && !answer_uuid_read(sx_path_text(r, "id"), UUID_ORDER, &id))
        return answer_fail(r, 404, "order not found");
    return order_cancel(r, who, symbol, id, client_id, on_canceled, NULL);
}

int cancel_order(sx_req *r)
{
    return call_private(r, cancel_now);
}

static int on_all_canceled(sx_req *r, const sx_rows *rows, void *arg)
{
    char id[UUID_TEXT];
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    feed_ring(exchange_of(r)->feed);
    sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        answer_uuid(sx_int_at(rows, i, 0), UUID_ORDER, id);
        sx_json_text(&w, id);
    }
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int cancel_all_now(sx_req *r, const struct credential *who)
{
    const char *symbol = NULL;
    int err = asked_filter(r, &symbol);

    return err != SX_NEXT ? err : order_cancel_all(r, who, symbol, on_all_canceled, NULL);
}

int cancel_orders(sx_req *r)
{
    return call_private(r, cancel_all_now);
}
