/*
 * listing.c - the orders and fills of an account.
 */
#include "exchange.h"

#include <stdio.h>

/* --- one order ---------------------------------------------------------------- */

static int on_order(sx_req *r, const sx_rows *rows, void *arg)
{
    struct order o;
    sx_json_writer w;

    (void)arg;
    if (sx_count(rows) == 0 || !order_read(&exchange_of(r)->instruments, rows, 0, 0, &o))
        return answer_fail(r, 404, "NotFound");
    w = sx_json_begin(r);
    sx_json_object(&w);
    answer_order(&w, &o);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int read_order(sx_req *r, const struct credential *who)
{
    const char *client_id = sx_path_text(r, "oid");
    int64_t id = 0;

    if (client_id != NULL)
        return sx_read(
            r, on_order, NULL,
            "SELECT " ORDER_COLUMNS(
                "o") " FROM orders o "
                     "WHERE o.account = session($1, $2::int) AND o.client_id = $3",
            SX_PARAMS(sx_int(who->account), sx_int(who->generation), sx_text(client_id)));
    if (!answer_uuid_read(sx_path_text(r, "id"), UUID_ORDER, &id))
        return answer_fail(r, 404, "NotFound");
    return sx_read(
        r, on_order, NULL,
        "SELECT " ORDER_COLUMNS("o") " FROM orders o "
                                     "WHERE o.account = session($1, $2::int) AND o.id = $3",
        SX_PARAMS(sx_int(who->account), sx_int(who->generation), sx_int(id)));
}

int show_order(sx_req *r)
{
    return call_private(r, read_order);
}

/* --- orders ------------------------------------------------------------------- */

static int on_orders(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instruments *all = &exchange_of(r)->instruments;
    const uint32_t n = sx_count(rows);
    struct order o;
    sx_json_writer w;
    int err = n == 0 ? SX_OK
                     : answer_cursors(r, sx_text_at(rows, 0, 0), sx_text_at(rows, n - 1, 0));

    (void)arg;
    if (err < 0)
        return err;
    w = sx_json_begin(r);
    sx_json_array(&w);
    for (uint32_t i = 0; i < n; i++) {
        if (!order_read(all, rows, i, 0, &o))
            continue;
        sx_json_object(&w);
        answer_order(&w, &o);
        sx_json_end(&w);
    }
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

/* Which of open and done orders are asked for: status may be repeated, or a list with commas. */
static void asked_states(const sx_req *r, bool *ret_open, bool *ret_done)
{
    const char *value;

    *ret_open = sx_arg_text(r, "status") == NULL;
    *ret_done = false;
    for (uint32_t i = 0; (value = sx_arg_at(r, "status", i)) != NULL; i++) {
        for (; *value != '\0'; value += strcspn(value, ",") + (strchr(value, ',') != NULL)) {
            const size_t n = strcspn(value, ",");

            if (n == 3 && strncmp(value, "all", n) == 0)
                *ret_open = *ret_done = true;
            else if (n == 4 && strncmp(value, "done", n) == 0)
                *ret_done = true;
            else if ((n == 4 && strncmp(value, "open", n) == 0) ||
                     (n == 6 && strncmp(value, "active", n) == 0))
                *ret_open = true;
        }
    }
}

/* A time in the query, or what is given; SX_NEXT, or the answer is given. */
static int asked_time(sx_req *r, const char *name, int64_t *us)
{
    const char *text = sx_arg_text(r, name);

    if (text != NULL && *text != '\0' && !answer_read_time(text, us))
        return answer_fail(r, 400, "invalid %s: expected a time in ISO 8601", name);
    return SX_NEXT;
}

/* The product in the query; SX_NEXT and *ret (NULL: all), or the answer is given. */
static int asked_product(sx_req *r, const struct instrument **ret)
{
    const char *name = sx_arg_text(r, "product_id");

    *ret = NULL;
    if (name == NULL || *name == '\0')
        return SX_NEXT;
    *ret = instrument_by_symbol(&exchange_of(r)->instruments, name);
    return *ret == NULL ? answer_fail(r, 404, "NotFound") : SX_NEXT;
}

/* clang-format off */
#define SELECT_ORDERS                                                                  \
    "SELECT " ORDER_COLUMNS("o") " FROM orders o WHERE o.account = session($1, $2::int) " \
    "AND o.instrument = coalesce($3::smallint, o.instrument) AND o.id < $4 AND o.id > $5 " \
    "AND o.created_at >= to_timestamp($6::bigint / 1e6) "                              \
    "AND o.created_at <= to_timestamp($7::bigint / 1e6) "
/* clang-format on */
#define NEWEST_FIRST "ORDER BY o.id DESC LIMIT $8"

static int read_orders(sx_req *r, const struct credential *who)
{
    const struct instrument *it = NULL;
    int64_t from_us = 0, to_us = INT64_C(4102444800000000); /* the year 2100 */
    bool wants_open, wants_done;
    struct page page;
    int err = asked_product(r, &it);

    if (err == SX_NEXT)
        err = asked_time(r, "start_date", &from_us);
    if (err == SX_NEXT)
        err = asked_time(r, "end_date", &to_us);
    if (err == SX_NEXT)
        err = answer_page(r, &page);
    if (err != SX_NEXT)
        return err;
    asked_states(r, &wants_open, &wants_done);
    return sx_read(r, on_orders, NULL,
                   wants_open && wants_done ? SELECT_ORDERS NEWEST_FIRST
                   : wants_done ? SELECT_ORDERS "AND o.done_seq IS NOT NULL " NEWEST_FIRST
                   : wants_open ? SELECT_ORDERS "AND o.done_seq IS NULL " NEWEST_FIRST
                                : SELECT_ORDERS "AND false " NEWEST_FIRST,
                   SX_PARAMS(sx_int(who->account), sx_int(who->generation),
                             it == NULL ? sx_null() : sx_int(it->id), sx_int(page.after),
                             sx_int(page.before), sx_int(from_us), sx_int(to_us),
                             sx_int(page.limit)));
}

int list_orders(sx_req *r)
{
    return call_private(r, read_orders);
}

/* --- fills -------------------------------------------------------------------- */

enum fill_column {
    FILL_ORDER,
    FILL_IS_MAKER,
    FILL_SIDE,
    FILL_FEE,
    FILL_INSTRUMENT,
    FILL_TRADE,
    FILL_US,
    FILL_PRICE,
    FILL_LOTS,
    FILL_CURSOR
};

static void write_fill(sx_json_writer *w, const struct instrument *it, const sx_rows *rows,
                       uint32_t row)
{
    char id[UUID_TEXT];

    answer_uuid(sx_int_at(rows, row, FILL_ORDER), UUID_ORDER, id);
    sx_json_object(w);
    sx_json_int(sx_json_key(w, "trade_id"), sx_int_at(rows, row, FILL_TRADE));
    sx_json_text(sx_json_key(w, "product_id"), it->symbol);
    sx_json_text(sx_json_key(w, "order_id"), id);
    sx_json_text(sx_json_key(w, "liquidity"), sx_int_at(rows, row, FILL_IS_MAKER) != 0 ? "M" : "T");
    decimal_json(sx_json_key(w, "price"), sx_int_at(rows, row, FILL_PRICE), it->tick_scale);
    decimal_json(sx_json_key(w, "size"), sx_int_at(rows, row, FILL_LOTS), it->lot_scale);
    decimal_json(sx_json_key(w, "fee"), sx_int_at(rows, row, FILL_FEE), it->quote_scale);
    sx_json_text(sx_json_key(w, "side"),
                 sx_int_at(rows, row, FILL_SIDE) == ORDER_BUY ? "buy" : "sell");
    answer_json_time(w, "created_at", sx_int_at(rows, row, FILL_US));
    sx_json_bool(sx_json_key(w, "settled"), true);
    sx_json_end(w);
}

static int on_fills(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instruments *all = &exchange_of(r)->instruments;
    const uint32_t n = sx_count(rows);
    sx_json_writer w;
    int err = n == 0 ? SX_OK
                     : answer_cursors(r, sx_text_at(rows, 0, FILL_CURSOR),
                                      sx_text_at(rows, n - 1, FILL_CURSOR));

    (void)arg;
    if (err < 0)
        return err;
    w = sx_json_begin(r);
    sx_json_array(&w);
    for (uint32_t i = 0; i < n; i++) {
        const struct instrument *it = instrument_by_id(all, sx_int_at(rows, i, FILL_INSTRUMENT));

        if (it != NULL)
            write_fill(&w, it, rows, i);
    }
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

/* A cursor "US-INSTRUMENT-TRADE" as the numbers of a place in the order of fills; or a default. */
static bool read_cursor(const char *text, int64_t fallback, int64_t ret[3])
{
    long long us = fallback, instrument = fallback, trade = fallback;

    if (text != NULL && *text != '\0' &&
        sscanf(text, "%lld-%lld-%lld", &us, &instrument, &trade) != 3)
        return false;
    ret[0] = us;
    ret[1] = instrument;
    ret[2] = trade;
    return true;
}

static int read_fills(sx_req *r, const struct credential *who)
{
    const char *order = sx_arg_text(r, "order_id");
    const struct instrument *it = NULL;
    int64_t id = 0, limit = 100, after[3], before[3];
    int err = asked_product(r, &it);

    if (err == SX_NEXT)
        err = answer_arg_int(r, "limit", 100, &limit);
    if (err != SX_NEXT)
        return err;
    if (order != NULL && *order != '\0' && !answer_uuid_read(order, UUID_ORDER, &id))
        return answer_fail(r, 404, "NotFound");
    if (!read_cursor(sx_arg_text(r, "after"), INT64_MAX, after) ||
        !read_cursor(sx_arg_text(r, "before"), 0, before))
        return answer_fail(r, 400, "invalid cursor: expected one of CB-AFTER or CB-BEFORE");
    return sx_read(
        r, on_fills, NULL,
        "SELECT order_id, is_maker, side, fee, instrument, trade_id, us, price, lots, "
        "us || '-' || instrument || '-' || trade_id FROM ("
        "SELECT *, (extract(epoch FROM at) * 1000000)::bigint AS us FROM fills "
        "WHERE account = session($1, $2::int) AND instrument = coalesce($3::smallint, instrument) "
        "AND order_id = coalesce($4, order_id)) f "
        "WHERE (us, instrument, trade_id) < ($5::bigint, $6::bigint, $7::bigint) "
        "AND (us, instrument, trade_id) > ($8::bigint, $9::bigint, $10::bigint) "
        "ORDER BY us DESC, instrument DESC, trade_id DESC LIMIT $11",
        SX_PARAMS(sx_int(who->account), sx_int(who->generation),
                  it == NULL ? sx_null() : sx_int(it->id), id == 0 ? sx_null() : sx_int(id),
                  sx_int(after[0]), sx_int(after[1]), sx_int(after[2]), sx_int(before[0]),
                  sx_int(before[1]), sx_int(before[2]),
                  sx_int(limit < 1 || limit > PAGE_MOST ? PAGE_MOST : limit)));
}

int list_fills(sx_req *r)
{
    return call_private(r, read_fills);
}
