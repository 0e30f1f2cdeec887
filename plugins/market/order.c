/*
 * order.c - orders that a person places in the page: what is wrong is said in a sentence.
 */
#include "market.h"

#include <stdio.h>

/* An order that waits for the instruments. */
struct wish {
    struct credential who;
    const struct instrument *it;
    struct order_request q;
};

static int refuse(sx_req *r, const char *outcome, const struct wish *wish)
{
    const struct instrument *it = wish->it;
    const char *spends = wish->q.side == ORDER_BUY ? it->quote : it->base;
    char most[DECIMAL_TEXT];

    if (strcmp(outcome, "no_account") == 0)
        return sx_fail(r, 401, "no_account", "Your account is not known here any more.");
    if (strcmp(outcome, "insufficient_funds") == 0)
        return sx_fail(r, 409, outcome, "You do not have enough %s for this order%s.", spends,
                       wish->q.side == ORDER_BUY ? " and its fee" : "");
    if (strcmp(outcome, "closed") == 0)
        return sx_fail(r, 409, outcome, "%s is not traded any more.", it->base_name);
    if (strcmp(outcome, "cancel_only") == 0 || strcmp(outcome, "post_only_mode") == 0)
        return sx_fail(r, 409, outcome, "Trading in %s is paused.", it->base_name);
    if (strcmp(outcome, "price_too_large") == 0) {
        (void)decimal_format(it->max_ticks, it->tick_scale, 0, most);
        return sx_fail(r, 400, outcome, "The price is too high: at most %s %s.", most, it->quote);
    }
    if (strcmp(outcome, "size_too_large") == 0) {
        (void)decimal_format(it->max_lots, it->lot_scale, 0, most);
        return sx_fail(r, 400, outcome, "The amount is too large: at most %s %s.", most, it->base);
    }
    sx_req_log(r, SX_ERROR, "place: an outcome that is not known: \"%s\"", outcome);
    return SX_EINVAL;
}

static int on_placed(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct wish *wish = arg;
    const char *outcome = sx_text_at(rows, 0, 0);
    struct order o;
    sx_json_writer w;

    if (strcmp(outcome, "ok") != 0)
        return refuse(r, outcome, wish);
    if (!order_read(&market_of(r)->instruments, rows, 0, 1, &o))
        return SX_EINVAL;
    w = sx_json_begin(r);
    sx_json_object(&w);
    account_write_order(&w, &o);
    sx_json_end(&w);
    return sx_json_reply(&w, 201);
}

/* A price or an amount above zero; SX_NEXT, or the answer is given. */
static int read_amount(sx_req *r, const char *noun, const char *text, int scale, int64_t *ret)
{
    char step[DECIMAL_TEXT];
    int err = text == NULL || *text == '\0' ? DECIMAL_NOT_A_NUMBER
                                            : decimal_parse(text, scale, ret);

    (void)decimal_format(1, scale, 0, step);
    if (err == DECIMAL_OK && *ret > 0)
        return SX_NEXT;
    return sx_fail(r, 400, "bad_number",
                   err == DECIMAL_TOO_PRECISE ? "The %s has too many digits: the smallest step is "
                                                "%s."
                   : err == DECIMAL_TOO_LARGE ? "The %s is too large. Steps are %s."
                                              : "The %s must be a number above zero, in steps of "
                                                "%s.",
                   noun, step);
}

/* The body as an order; SX_NEXT, or the answer is given. */
static int read_wish(sx_req *r, struct wish *wish)
{
    const json_t *body = sx_body_json(r);
    const char *product = json_string_value(json_object_get(body, "product_id"));
    const char *side = json_string_value(json_object_get(body, "side"));
    const char *type = json_string_value(json_object_get(body, "type"));
    int err;

    wish->it = product == NULL ? NULL : instrument_by_symbol(&market_of(r)->instruments, product);
    if (wish->it == NULL)
        return sx_fail(r, 400, "no_product", "Choose what to trade.");
    if (side == NULL || (strcmp(side, "buy") != 0 && strcmp(side, "sell") != 0))
        return sx_fail(r, 400, "no_side", "Choose whether to buy or to sell.");
    if (type == NULL || (strcmp(type, "limit") != 0 && strcmp(type, "market") != 0))
        return sx_fail(r, 400, "no_type", "Choose a limit or a market order.");
    wish->q = (struct order_request){ .symbol = wish->it->symbol,
                                      .side = strcmp(side, "buy") == 0 ? ORDER_BUY : ORDER_SELL,
                                      .is_market = strcmp(type, "market") == 0,
                                      .tif = strcmp(type, "market") == 0 ? "IOC" : "GTC",
                                      .stp = "dc" };
    err = read_amount(r, "amount", json_string_value(json_object_get(body, "size")),
                      wish->it->lot_scale, &wish->q.lots);
    if (err == SX_NEXT && !wish->q.is_market)
        err = read_amount(r, "price", json_string_value(json_object_get(body, "price")),
                          wish->it->tick_scale, &wish->q.price);
    return err;
}

static int place_now(sx_req *r, void *arg)
{
    struct wish *wish = arg;
    const int err = read_wish(r, wish);

    return err != SX_NEXT ? err : order_place(r, &wish->who, &wish->q, on_placed, wish);
}

/* Who asks, and whether it was our page; SX_NEXT, or the answer is given. */
static int check_caller(sx_req *r, struct credential *ret)
{
    const int err = account_check_origin(r);

    if (err != SX_NEXT)
        return err;
    if (!account_of(r, ret))
        return sx_fail(r, 401, "no_account", "Open a practice account first.");
    sx_on_db_error(r, account_db_error, NULL);
    return SX_NEXT;
}

int place_order(sx_req *r)
{
    struct wish *wish = sx_req_new(r, struct wish);
    const int err = wish == NULL ? SX_ENOMEM : check_caller(r, &wish->who);

    return err != SX_NEXT ? err : instruments_with(r, &market_of(r)->instruments, place_now, wish);
}

static int on_canceled(sx_req *r, const sx_rows *rows, void *arg)
{
    const char *outcome = sx_text_at(rows, 0, 0);

    (void)arg;
    if (strcmp(outcome, "ok") == 0)
        return sx_reply_empty(r);
    if (strcmp(outcome, "done") == 0)
        return sx_fail(r, 409, "order_done", "The order was filled or canceled already.");
    if (strcmp(outcome, "no_account") == 0)
        return sx_fail(r, 401, "no_account", "Your account is not known here any more.");
    return sx_fail(r, 404, "no_such_order", "You have no such order.");
}

int cancel_order(sx_req *r)
{
    struct credential who = { 0 };
    const int err = check_caller(r, &who);

    return err != SX_NEXT
               ? err
               : order_cancel(r, &who, NULL, sx_path_int(r, "id"), NULL, on_canceled, NULL);
}
