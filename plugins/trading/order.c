/*
 * order.c - see order.h.
 */
#include "order.h"

static sx_param int_or_null(int64_t v)
{
    return v == 0 ? sx_null() : sx_int(v);
}

bool order_is_outage(const sx_db_error *err)
{
    static const char *const classes[] = { "08", "25006", "53", "55P03", "57" };

    if (err->retryable || err->sqlstate[0] == '\0')
        return true;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strncmp(err->sqlstate, classes[i], strlen(classes[i])) == 0)
            return true;
    return false;
}

bool order_read(const struct instruments *all, const sx_rows *rows, uint32_t row, uint32_t first,
                struct order *ret)
{
    const struct instrument *it = instrument_by_id(all, sx_int_at(rows, row, first + 2));
    const char *type = sx_text_at(rows, row, first + 4);

    if (it == NULL || type == NULL)
        return false;
    *ret = (struct order){
        .id = sx_int_at(rows, row, first),
        .account = sx_int_at(rows, row, first + 1),
        .instrument = it,
        .side = (int32_t)sx_int_at(rows, row, first + 3),
        .is_market = strcmp(type, "market") == 0,
        .post_only = sx_int_at(rows, row, first + 5) != 0,
        .price = sx_int_at(rows, row, first + 6),
        .lots = sx_int_at(rows, row, first + 7),
        .funds = sx_int_at(rows, row, first + 8),
        .tif = sx_text_at(rows, row, first + 9),
        .stp = sx_text_at(rows, row, first + 10),
        .client_id = sx_text_at(rows, row, first + 11),
        .seq = sx_int_at(rows, row, first + 12),
        .created_us = sx_int_at(rows, row, first + 13),
        .filled = sx_int_at(rows, row, first + 14),
        .reduced = sx_int_at(rows, row, first + 15),
        .executed = sx_int_at(rows, row, first + 16),
        .fees = sx_int_at(rows, row, first + 17),
        .done_seq = sx_int_at(rows, row, first + 18),
        .done_reason = sx_text_at(rows, row, first + 19),
        .done_us = sx_int_at(rows, row, first + 20),
    };
    return true;
}

void order_params(const struct credential *who, const struct order_request *q,
                  sx_param params[ORDER_PLACE_N])
{
    params[0] = sx_int(who->account);
    params[1] = sx_int(who->generation);
    params[2] = sx_text(q->symbol);
    params[3] = sx_int(q->side);
    params[4] = sx_text(q->is_market ? "market" : "limit");
    params[5] = int_or_null(q->price);
    params[6] = int_or_null(q->lots);
    params[7] = int_or_null(q->funds);
    params[8] = sx_text(q->tif);
    params[9] = sx_bool(q->post_only);
    params[10] = sx_text(q->stp);
    params[11] = sx_text(q->client_id);
}

int order_place(sx_req *r, const struct credential *who, const struct order_request *q,
                sx_rows_fn *fn, void *arg)
{
    sx_param params[ORDER_PLACE_N];

    order_params(who, q, params);
    return sx_query(r, fn, arg, ORDER_PLACE_SQL, (sx_params){ params, ORDER_PLACE_N });
}

int order_cancel(sx_req *r, const struct credential *who, const char *symbol, int64_t id,
                 const char *client_id, sx_rows_fn *fn, void *arg)
{
    return sx_query(r, fn, arg, ORDER_CANCEL_SQL,
                    SX_PARAMS(sx_int(who->account), sx_int(who->generation), sx_text(symbol),
                              int_or_null(id), sx_text(client_id)));
}

int order_cancel_all(sx_req *r, const struct credential *who, const char *symbol, sx_rows_fn *fn,
                     void *arg)
{
    return sx_query(r, fn, arg, ORDER_CANCEL_ALL_SQL,
                    SX_PARAMS(sx_int(who->account), sx_int(who->generation), sx_text(symbol)));
}
