/*
 * wish.c - what a POST asks for: the parameters of an order, checked as far as no market is needed.
 */
#include "binance.h"

#include <stdio.h>

#include <openssl/rand.h>

/* What a type of order must and must not have. */
struct shape {
    const char *type;
    bool has_price;
    bool has_tif;
    bool post_only;
    const char *refusal; /* of types that nobody offers here */
};

static const struct shape shapes[] = {
    { .type = "LIMIT", .has_price = true, .has_tif = true },
    { .type = "MARKET" },
    { .type = "LIMIT_MAKER", .has_price = true, .post_only = true },
    { .type = "STOP_LOSS", .refusal = "Stop loss orders" },
    { .type = "STOP_LOSS_LIMIT", .refusal = "Stop loss limit orders" },
    { .type = "TAKE_PROFIT", .refusal = "Take profit orders" },
    { .type = "TAKE_PROFIT_LIMIT", .refusal = "Take profit limit orders" },
    { .type = NULL },
};

static const struct shape *shape_of(struct input *in)
{
    const char *type = input_needed(in, "type");
    const struct shape *s = shapes;

    while (type != NULL && s->type != NULL && strcmp(s->type, type) != 0)
        s++;
    if (type == NULL || s->type == NULL) {
        input_refuse(in, INVALID_ORDER_TYPE, "Invalid orderType.");
        return &shapes[0];
    }
    if (s->refusal != NULL)
        input_refuse(in, INVALID_MESSAGE, "%s are not supported for this symbol.", s->refusal);
    return s;
}

static void refuse_sent(struct input *in, const char *name)
{
    if (input_text(in, name) != NULL)
        input_refuse(in, PARAM_NOT_REQUIRED, "Parameter '%s' sent when not required.", name);
}

/* What would change the order, and is not offered: never ignored. */
static void refuse_extras(struct input *in)
{
    static const char *const names[] = { "stopPrice", "trailingDelta", "pegPriceType",
                                         "pegOffsetValue", "pegOffsetType" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        refuse_sent(in, names[i]);
    if (input_text(in, "icebergQty") != NULL)
        input_refuse(in, INVALID_MESSAGE, "Iceberg orders are not supported for this symbol.");
}

/* Sizes as the engine has them, in lots or by funds. */
static void read_size(struct input *in, struct wish *q)
{
    const struct instrument *it = q->instrument;
    const bool has_size = input_text(in, "quantity") != NULL;
    const bool has_funds = input_text(in, "quoteOrderQty") != NULL;

    if (!q->order.is_market) {
        (void)input_needed(in, "quantity");
        refuse_sent(in, "quoteOrderQty");
    } else if (has_size && has_funds) {
        input_refuse(in, OPTIONAL_PARAMS_BAD_COMBO,
                     "Combination of optional parameters invalid. Recommendation: 'quantity' or "
                     "'quoteOrderQty'");
    } else if (!has_size && !has_funds) {
        input_refuse(in, MANDATORY_PARAM_EMPTY_OR_MALFORMED,
                     "Param 'quantity' or 'quoteOrderQty' must be sent, but both were "
                     "empty/null!");
    }
    q->order.lots = input_decimal(in, "quantity", it->lot_scale, it->base_scale,
                                  q->order.is_market ? "MARKET_LOT_SIZE" : "LOT_SIZE");
    q->order.funds = input_decimal(in, "quoteOrderQty", it->quote_scale, it->quote_scale,
                                   "NOTIONAL");
}

static void read_price(struct input *in, struct wish *q, const struct shape *shape)
{
    static const struct word tifs[] = {
        { "GTC", "GTC" }, { "IOC", "IOC" }, { "FOK", "FOK" }, { NULL, NULL }
    };
    const struct instrument *it = q->instrument;
    const char *tif = NULL;

    if (shape->has_tif) {
        (void)input_needed(in, "timeInForce");
        tif = input_word(in, "timeInForce", tifs, INVALID_TIF, "Invalid timeInForce.");
    } else {
        refuse_sent(in, "timeInForce");
    }
    if (shape->has_price)
        (void)input_needed(in, "price");
    else
        refuse_sent(in, "price");
    q->order.tif = tif != NULL ? tif : q->order.is_market ? "IOC" : "GTC";
    q->order.price = input_decimal(in, "price", it->tick_scale, it->quote_scale, "PRICE_FILTER");
}

static void read_ways(struct input *in, struct wish *q, const struct shape *shape)
{
    static const struct word modes[] = { { "EXPIRE_TAKER", "cn" },
                                         { "EXPIRE_MAKER", "co" },
                                         { "EXPIRE_BOTH", "cb" },
                                         { "DECREMENT", "dc" },
                                         { NULL, NULL } };
    static const struct word details[] = {
        { "ACK", "A" }, { "RESULT", "R" }, { "FULL", "F" }, { NULL, NULL }
    };
    const char *stp = input_word(
        in, "selfTradePreventionMode", modes, NEW_ORDER_REJECTED,
        "This symbol does not allow the specified self-trade prevention mode.");
    const char *detail = input_word(in, "newOrderRespType", details, ILLEGAL_CHARS,
                                    "Illegal characters found in parameter 'newOrderRespType'; "
                                    "legal range is '^(ACK|RESULT|FULL)$'.");

    q->order.stp = stp != NULL ? stp : "co";
    if (detail == NULL)
        detail = shape->post_only ? "A" : "F";
    q->detail = *detail == 'A' ? DETAIL_ACK : *detail == 'R' ? DETAIL_RESULT : DETAIL_FULL;
}

void wish_client_id(struct input *in, char text[CLIENT_ID])
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    const char *given = input_client_id(in, "newClientOrderId");
    unsigned char random[22] = { 0 };

    if (given != NULL) {
        (void)snprintf(text, CLIENT_ID, "%s", given);
    } else if (RAND_bytes(random, sizeof random) == 1) {
        for (size_t i = 0; i < sizeof random; i++)
            text[i] = letters[random[i] & 63];
        text[sizeof random] = '\0';
    } else {
        input_refuse(in, DISCONNECTED,
                     "Internal error; unable to process your request. Please try again.");
    }
}

/* The limits that exchangeInfo tells; the engine knows the first two, too. */
static void check_filters(struct input *in, const struct wish *q)
{
    const struct instrument *it = q->instrument;
    const struct order_request *o = &q->order;

    if (o->price > it->max_ticks)
        input_refuse(in, INVALID_MESSAGE, "Filter failure: PRICE_FILTER");
    else if (o->lots > it->max_lots)
        input_refuse(in, INVALID_MESSAGE, "Filter failure: %s",
                     o->is_market ? "MARKET_LOT_SIZE" : "LOT_SIZE");
    else if (o->funds != 0
                 ? o->funds < it->min_funds
                 : !o->is_market && o->price * o->lots * it->ticklot_atoms < it->min_funds)
        input_refuse(in, INVALID_MESSAGE, "Filter failure: NOTIONAL");
}

void wish_read(struct input *in, struct wish *ret)
{
    static const struct word sides[] = { { "BUY", "B" }, { "SELL", "S" }, { NULL, NULL } };
    const struct instrument *it = input_symbol(in);
    const char *side;
    const struct shape *shape;

    (void)input_needed(in, "side");
    side = input_word(in, "side", sides, INVALID_SIDE, "Invalid side.");
    shape = shape_of(in);
    if (in->code != 0)
        return;
    ret->instrument = it;
    memcpy(ret->symbol, it->symbol, sizeof ret->symbol);
    ret->order = (struct order_request){
        .symbol = ret->symbol,
        .side = *side == 'B' ? ORDER_BUY : ORDER_SELL,
        .is_market = !shape->has_price,
        .post_only = shape->post_only,
    };
    refuse_extras(in);
    read_price(in, ret, shape);
    read_size(in, ret);
    read_ways(in, ret, shape);
    wish_client_id(in, ret->client_id);
    ret->order.client_id = ret->client_id;
    if (in->code == 0)
        check_filters(in, ret);
}
