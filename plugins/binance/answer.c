/*
 * answer.c - how this dialect says things.
 */
#include "binance.h"

#include <stdio.h>

int answer_fail(sx_req *r, int status, int code, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    sx_json_writer w = sx_json_begin(r);

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    sx_json_object(&w);
    sx_json_int(sx_json_key(&w, "code"), code);
    sx_json_text(sx_json_key(&w, "msg"), text);
    sx_json_end(&w);
    return sx_json_reply(&w, status);
}

int answer_bad_key(sx_req *r)
{
    return answer_fail(r, 401, REJECTED_MBX_KEY, "Invalid API-key, IP, or permissions for action.");
}

int answer_db_error(sx_req *r, const sx_db_error *err, void *arg)
{
    int set;

    (void)arg;
    if (strcmp(err->sqlstate, "SX401") == 0)
        return answer_bad_key(r);
    if (!order_is_outage(err))
        return SX_EDB;
    set = sx_set_header(r, "Retry-After", "1");
    if (set < 0)
        return set;
    if (err->outcome_unknown)
        return answer_fail(r, 503, UNEXPECTED_RESP,
                           "An unexpected response was received from the message bus. Execution "
                           "status unknown.");
    return answer_fail(r, 503, DISCONNECTED,
                       "Internal error; unable to process your request. Please try again.");
}

void answer_symbol(const struct instrument *it, char text[SYMBOL_TEXT])
{
    (void)snprintf(text, SYMBOL_TEXT, "%.11s%.11s", it->base, it->quote);
}

void answer_json_symbol(sx_json_writer *w, const struct instrument *it)
{
    char text[SYMBOL_TEXT];

    answer_symbol(it, text);
    sx_json_text(sx_json_key(w, "symbol"), text);
}

void answer_decimal(sx_json_writer *w, int64_t value, int scale)
{
    char text[DECIMAL_TEXT];

    (void)decimal_format(value, scale, scale, text);
    sx_json_text(w, text);
}

void answer_digits(sx_json_writer *w, const char *digits, int scale)
{
    char text[100];
    const size_t n = digits == NULL ? 0 : strlen(digits), wanted = (size_t)scale + 1;
    const size_t n_zeros = n < wanted ? wanted - n : 0;
    const size_t n_whole = n + n_zeros - (size_t)scale;

    if (n + n_zeros + 2 > sizeof text) {
        sx_json_null(w);
        return;
    }
    memset(text, '0', n_zeros);
    if (n > 0)
        memcpy(text + n_zeros, digits, n);
    memmove(text + n_whole + 1, text + n_whole, (size_t)scale);
    text[n_whole] = '.';
    text[scale > 0 ? n_whole + 1 + (size_t)scale : n_whole] = '\0';
    sx_json_text(w, text);
}

int64_t answer_now(const sx_req *r)
{
    return sx_this_worker(sx_req_plugin(r)).now_ns / 1000000;
}

const char *answer_stp(const char *stp)
{
    return strcmp(stp, "cn") == 0   ? "EXPIRE_TAKER"
           : strcmp(stp, "co") == 0 ? "EXPIRE_MAKER"
           : strcmp(stp, "cb") == 0 ? "EXPIRE_BOTH"
                                    : "DECREMENT";
}

static const char *status_of(const struct order *o)
{
    if (o->done_seq == 0)
        return o->filled > 0 ? "PARTIALLY_FILLED" : "NEW";
    if (o->reduced > 0)
        return "EXPIRED_IN_MATCH";
    return strcmp(o->done_reason, "filled") == 0     ? "FILLED"
           : strcmp(o->done_reason, "canceled") == 0 ? "CANCELED"
                                                     : "EXPIRED";
}

/* An order by funds has no size of its own: it is what was executed. */
void answer_order_state(sx_json_writer *w, const struct order *o)
{
    const struct instrument *it = o->instrument;

    answer_decimal(sx_json_key(w, "price"), o->price, it->tick_scale);
    answer_decimal(sx_json_key(w, "origQty"), o->lots > 0 ? o->lots : o->filled, it->lot_scale);
    answer_decimal(sx_json_key(w, "executedQty"), o->filled, it->lot_scale);
    answer_decimal(sx_json_key(w, "origQuoteOrderQty"), o->funds, it->quote_scale);
    answer_decimal(sx_json_key(w, "cummulativeQuoteQty"), o->executed, it->quote_scale);
    sx_json_text(sx_json_key(w, "status"), status_of(o));
    sx_json_text(sx_json_key(w, "timeInForce"), o->is_market ? "GTC" : o->tif);
    sx_json_text(sx_json_key(w, "type"), o->is_market   ? "MARKET"
                                         : o->post_only ? "LIMIT_MAKER"
                                                        : "LIMIT");
    sx_json_text(sx_json_key(w, "side"), o->side == ORDER_BUY ? "BUY" : "SELL");
    sx_json_text(sx_json_key(w, "selfTradePreventionMode"), answer_stp(o->stp));
    if (o->reduced > 0)
        answer_decimal(sx_json_key(w, "preventedQuantity"), o->reduced, it->lot_scale);
}

void answer_order(sx_json_writer *w, const struct order *o)
{
    answer_json_symbol(w, o->instrument);
    sx_json_int(sx_json_key(w, "orderId"), o->id);
    sx_json_int(sx_json_key(w, "orderListId"), -1);
    sx_json_text(sx_json_key(w, "clientOrderId"), o->client_id == NULL ? "" : o->client_id);
    answer_order_state(w, o);
    sx_json_text(sx_json_key(w, "stopPrice"), "0.00000000");
    sx_json_text(sx_json_key(w, "icebergQty"), "0.00000000");
    sx_json_int(sx_json_key(w, "time"), o->created_us / 1000);
    sx_json_int(sx_json_key(w, "updateTime"),
                (o->done_seq != 0 ? o->done_us : o->created_us) / 1000);
    sx_json_int(sx_json_key(w, "workingTime"), o->created_us / 1000);
    sx_json_bool(sx_json_key(w, "isWorking"), true);
}
