/*
 * order.c - orders: placed, canceled, shown.
 */
#include "binance.h"

#include <stdio.h>

/* --- POST order -------------------------------------------------------------------- */

/* place, and what it has traded: a row for each trade, or one. */
#define PLACE_FULL_SQL                                                                      \
    "SELECT x.*, f.trade_id, f.price, f.lots, f.fee FROM (" ORDER_PLACE_SQL                 \
    ") x LEFT JOIN LATERAL taker_fills(CASE WHEN x.filled > 0 THEN x.id END) AS f ON true " \
    "ORDER BY f.trade_id"
#define FIRST_FILL (1 + ORDER_N_COLUMNS)

static const struct {
    const char *outcome;
    int code;
    const char *words;
} outcomes[] = {
    { "duplicate", NEW_ORDER_REJECTED, "Duplicate order sent." },
    { "insufficient_funds", NEW_ORDER_REJECTED,
      "Account has insufficient balance for requested action." },
    { "would_cross", NEW_ORDER_REJECTED, "Order would immediately match and take." },
    { "closed", INVALID_MESSAGE, "Market is closed." },
    { "cancel_only", INVALID_MESSAGE, "Market is closed." },
    { "post_only_mode", INVALID_MESSAGE,
      "Market orders are not supported for this symbol, nor others than LIMIT_MAKER." },
    { "price_too_large", INVALID_MESSAGE, "Filter failure: PRICE_FILTER" },
    { "size_too_large", INVALID_MESSAGE, "Filter failure: LOT_SIZE" },
    { "funds_too_small", INVALID_MESSAGE, "Filter failure: NOTIONAL" },
    { "no_instrument", BAD_SYMBOL, "Invalid symbol." },
};

static int refuse(sx_req *r, const char *outcome)
{
    if (strcmp(outcome, "no_account") == 0)
        return answer_bad_key(r);
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (strcmp(outcomes[i].outcome, outcome) == 0)
            return answer_fail(r, 400, outcomes[i].code, "%s", outcomes[i].words);
    sx_req_log(r, SX_ERROR, "the exchange has an outcome that is not known here: \"%s\"", outcome);
    return SX_EINVAL;
}

static void write_fills(sx_json_writer *w, const struct order *o, const sx_rows *rows)
{
    const struct instrument *it = o->instrument;

    sx_json_array(sx_json_key(w, "fills"));
    for (uint32_t i = 0; i < sx_count(rows) && sx_int_at(rows, i, FIRST_FILL) != 0; i++) {
        sx_json_object(w);
        answer_decimal(sx_json_key(w, "price"), sx_int_at(rows, i, FIRST_FILL + 1), it->tick_scale);
        answer_decimal(sx_json_key(w, "qty"), sx_int_at(rows, i, FIRST_FILL + 2), it->lot_scale);
        answer_decimal(sx_json_key(w, "commission"), sx_int_at(rows, i, FIRST_FILL + 3),
                       it->quote_scale);
        sx_json_text(sx_json_key(w, "commissionAsset"), it->quote);
        sx_json_int(sx_json_key(w, "tradeId"), sx_int_at(rows, i, FIRST_FILL));
        sx_json_end(w);
    }
    sx_json_end(w);
}

static int on_placed(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct wish *q = arg;
    const char *outcome = sx_text_at(rows, 0, 0);
    struct order o;
    sx_json_writer w = sx_json_begin(r);

    if (outcome == NULL || strcmp(outcome, "ok") != 0)
        return refuse(r, outcome == NULL ? "none" : outcome);
    if (!order_read(&binance_of(r)->instruments, rows, 0, 1, &o))
        return SX_EINVAL;
    sx_json_object(&w);
    answer_json_symbol(&w, o.instrument);
    sx_json_int(sx_json_key(&w, "orderId"), o.id);
    sx_json_int(sx_json_key(&w, "orderListId"), -1);
    sx_json_text(sx_json_key(&w, "clientOrderId"), o.client_id);
    sx_json_int(sx_json_key(&w, "transactTime"), o.created_us / 1000);
    if (q->detail != DETAIL_ACK) {
        answer_order_state(&w, &o);
        sx_json_int(sx_json_key(&w, "workingTime"), o.created_us / 1000);
    }
    if (q->detail == DETAIL_FULL)
        write_fills(&w, &o, rows);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int place_now(sx_req *r, void *arg)
{
    const struct credential *who = arg;
    struct wish *q = sx_req_new(r, struct wish);
    struct input in = input_begin(r);
    sx_param params[ORDER_PLACE_N];

    if (q == NULL)
        return SX_ENOMEM;
    wish_read(&in, q);
    if (in.code != 0)
        return input_answer(&in);
    if (q->detail != DETAIL_FULL)
        return order_place(r, who, &q->order, on_placed, q);
    order_params(who, &q->order, params);
    return sx_query(r, on_placed, q, PLACE_FULL_SQL, (sx_params){ params, ORDER_PLACE_N });
}

int place_order(sx_req *r)
{
    return for_trader(r, place_now);
}

/* --- POST order/test --------------------------------------------------------------- */

static int on_tested(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instrument *it = arg;
    sx_json_writer w = sx_json_begin(r);

    (void)rows;
    sx_json_object(&w);
    if (it != NULL) {
        sx_json_object(sx_json_key(&w, "standardCommissionForOrder"));
        answer_decimal(sx_json_key(&w, "maker"), it->maker_ppm, 6);
        answer_decimal(sx_json_key(&w, "taker"), it->taker_ppm, 6);
        sx_json_end(&w);
    }
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int test_now(sx_req *r, void *arg)
{
    const struct credential *who = arg;
    struct input in = input_begin(r);
    const bool wants_rates = input_bool(&in, "computeCommissionRates", false);
    struct wish q = { 0 };

    wish_read(&in, &q);
    if (in.code != 0)
        return input_answer(&in);
    return sx_read(r, on_tested, wants_rates ? (void *)(uintptr_t)q.instrument : NULL,
                   "SELECT session($1::bigint, $2::int)",
                   SX_PARAMS(sx_int(who->account), sx_int(who->generation)));
}

int test_order(sx_req *r)
{
    return for_trader(r, test_now);
}

/* --- One order by its id or its client's id ----------------------------------------- */

struct named {
    int64_t id;            /* 0: not given */
    const char *client_id; /* or NULL */
    const struct instrument *instrument;
    char cancel_id[CLIENT_ID]; /* the client's name of the cancel */
    char symbol[INSTRUMENT_SYMBOL];
};

static void read_named(struct input *in, struct named *ret)
{
    bool has_id;

    ret->instrument = input_symbol(in);
    has_id = input_has_int(in, "orderId", &ret->id);
    ret->client_id = input_client_id(in, "origClientOrderId");
    if (!has_id && ret->client_id == NULL)
        input_refuse(in, MANDATORY_PARAM_EMPTY_OR_MALFORMED,
                     "Param 'origClientOrderId' or 'orderId' must be sent, but both were "
                     "empty/null!");
    if (has_id && ret->id == 0)
        ret->id = -1; /* no order has it, and 0 would mean that it was not given */
    if (ret->instrument != NULL)
        memcpy(ret->symbol, ret->instrument->symbol, sizeof ret->symbol);
}

static int on_order(sx_req *r, const sx_rows *rows, void *arg)
{
    struct order o;
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    if (!order_read(&binance_of(r)->instruments, rows, 0, 0, &o))
        return answer_fail(r, 400, NO_SUCH_ORDER, "Order does not exist.");
    sx_json_object(&w);
    answer_order(&w, &o);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

/* The session stands on the left of each join, so that a key that was taken back is found out
 * before anything is, or is not, found. */
#define OF_TRADER(columns, what) \
    "SELECT " columns            \
    " FROM session($1::bigint, $2::int) AS s LEFT JOIN LATERAL (SELECT * FROM " what ") o ON true"

static int show_now(sx_req *r, void *arg)
{
    const struct credential *who = arg;
    struct input in = input_begin(r);
    struct named q = { 0 };
    const char *sql;

    read_named(&in, &q);
    if (in.code != 0)
        return input_answer(&in);
    sql = q.id != 0 ? OF_TRADER(ORDER_COLUMNS("o"),
                                "orders o WHERE o.account = s AND o.instrument = $3::smallint "
                                "AND o.id = $4::bigint "
                                "AND ($5::text IS NULL OR o.client_id = $5::text)")
                    : OF_TRADER(ORDER_COLUMNS("o"),
                                "orders o WHERE o.account = s AND o.instrument = $3::smallint "
                                "AND $4::bigint = 0 AND o.client_id = $5::text");
    return sx_read(r, on_order, NULL, sql,
                   SX_PARAMS(sx_int(who->account), sx_int(who->generation),
                             sx_int(q.instrument->id), sx_int(q.id), sx_text(q.client_id)));
}

int show_order(sx_req *r)
{
    return for_trader(r, show_now);
}

/* --- DELETE ------------------------------------------------------------------------- */

static void write_canceled(sx_json_writer *w, const struct order *o, const char *cancel_id)
{
    sx_json_object(w);
    answer_json_symbol(w, o->instrument);
    sx_json_text(sx_json_key(w, "origClientOrderId"), o->client_id == NULL ? "" : o->client_id);
    sx_json_int(sx_json_key(w, "orderId"), o->id);
    sx_json_int(sx_json_key(w, "orderListId"), -1);
    sx_json_text(sx_json_key(w, "clientOrderId"), cancel_id);
    sx_json_int(sx_json_key(w, "transactTime"), o->done_us / 1000);
    answer_order_state(w, o);
    sx_json_end(w);
}

static int refuse_cancel(sx_req *r)
{
    return answer_fail(r, 400, CANCEL_REJECTED, "Unknown order sent.");
}

static int on_canceled(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct named *q = arg;
    const char *outcome = sx_text_at(rows, 0, 0);
    struct order o;
    sx_json_writer w = sx_json_begin(r);

    if (outcome != NULL && strcmp(outcome, "no_account") == 0)
        return answer_bad_key(r);
    if (outcome == NULL || strcmp(outcome, "ok") != 0)
        return refuse_cancel(r);
    if (!order_read(&binance_of(r)->instruments, rows, 0, 1, &o))
        return SX_EINVAL;
    write_canceled(&w, &o, q->cancel_id);
    return sx_json_reply(&w, 200);
}

/* Both names were given: then both must be the order's. */
static const char cancel_both_sql[] = "SELECT p.outcome, " ORDER_COLUMNS(
    "(p.o)") " FROM cancel($1::bigint, $2::int, $3::text, coalesce((SELECT o.id FROM orders o "
             "WHERE o.id = $4::bigint AND o.account = $1::bigint AND o.client_id = $5::text), -1), NULL) AS p";

static int cancel_now(sx_req *r, void *arg)
{
    const struct credential *who = arg;
    struct named *q = sx_req_new(r, struct named);
    struct input in = input_begin(r);

    if (q == NULL)
        return SX_ENOMEM;
    read_named(&in, q);
    wish_client_id(&in, q->cancel_id);
    if (input_text(&in, "cancelRestrictions") != NULL)
        input_refuse(&in, UNSUPPORTED_OPERATION,
                     "This operation is not supported: cancelRestrictions.");
    if (in.code != 0)
        return input_answer(&in);
    if (q->id == 0 || q->client_id == NULL)
        return order_cancel(r, who, q->symbol, q->id, q->client_id, on_canceled, q);
    return sx_query(r, on_canceled, q, cancel_both_sql,
                    SX_PARAMS(sx_int(who->account), sx_int(who->generation), sx_text(q->symbol),
                              sx_int(q->id), sx_text(q->client_id)));
}

int cancel_order(sx_req *r)
{
    return for_trader(r, cancel_now);
}

static int on_all_canceled(sx_req *r, const sx_rows *rows, void *arg)
{
    struct order o;
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    if (sx_count(rows) == 0)
        return refuse_cancel(r);
    sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++)
        if (order_read(&binance_of(r)->instruments, rows, i, 0, &o))
            write_canceled(&w, &o, o.client_id == NULL ? "" : o.client_id);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int cancel_all_now(sx_req *r, void *arg)
{
    struct input in = input_begin(r);
    const struct instrument *it = input_symbol(&in);

    return in.code != 0 ? input_answer(&in)
                        : order_cancel_all(r, arg, it->symbol, on_all_canceled, NULL);
}

int cancel_open_orders(sx_req *r)
{
    return for_trader(r, cancel_all_now);
}

/* --- Lists --------------------------------------------------------------------------- */

static int on_orders(sx_req *r, const sx_rows *rows, void *arg)
{
    struct order o;
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        if (!order_read(&binance_of(r)->instruments, rows, i, 0, &o))
            continue;
        sx_json_object(&w);
        answer_order(&w, &o);
        sx_json_end(&w);
    }
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int open_now(sx_req *r, void *arg)
{
    const struct credential *who = arg;
    struct input in = input_begin(r);
    const struct instrument *it = input_symbol_or_all(&in);

    if (in.code != 0)
        return input_answer(&in);
    return sx_read(
        r, on_orders, NULL,
        OF_TRADER(ORDER_COLUMNS("o"),
                  "orders o WHERE o.account = s AND o.done_seq IS NULL AND "
                  "o.instrument = coalesce($3::smallint, o.instrument)") " ORDER BY o.id",
        SX_PARAMS(sx_int(who->account), sx_int(who->generation),
                  it == NULL ? sx_null() : sx_int(it->id)));
}

int list_open_orders(sx_req *r)
{
    return for_trader(r, open_now);
}

/* From an id or a time on upwards, else the latest; in the order of their ids either way. */
#define SOME_ORDERS(direction)                                                            \
    OF_TRADER(ORDER_COLUMNS("o"),                                                         \
              "orders o WHERE o.account = s AND o.instrument = $3::smallint AND o.id >= " \
              "$4::bigint AND o.created_at >= at_ms($5::bigint) AND o.created_at < "      \
              "at_ms($6::bigint + 1) ORDER BY o.id " direction " LIMIT $7::int")          \
    " ORDER BY o.id"

static int list_now(sx_req *r, void *arg)
{
    const struct credential *who = arg;
    struct input in = input_begin(r);
    const struct instrument *it = input_symbol(&in);
    const int64_t since = input_time(&in, "startTime", -1);
    const int64_t until = input_time(&in, "endTime", LAST_TIME);
    const int64_t limit = input_limit(&in, 500, 1000);
    int64_t id = 0;
    const bool goes_up = input_has_int(&in, "orderId", &id) || since >= 0;

    if (in.code != 0)
        return input_answer(&in);
    return sx_read(r, on_orders, NULL, goes_up ? SOME_ORDERS("ASC") : SOME_ORDERS("DESC"),
                   SX_PARAMS(sx_int(who->account), sx_int(who->generation), sx_int(it->id),
                             sx_int(id), sx_int(since < 0 ? 0 : since), sx_int(until),
                             sx_int(limit)));
}

int list_orders(sx_req *r)
{
    return for_trader(r, list_now);
}
