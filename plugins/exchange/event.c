/*
 * event.c - events: read from rows, applied to a book.
 */
#include <stdio.h>

#include "feed.h"

enum event_column {
    INSTRUMENT,
    SEQ,
    KIND,
    AT,
    ORDER,
    ACCOUNT,
    SIDE,
    PRICE,
    LOTS,
    FUNDS,
    DELTA,
    BOOK_SIDE,
    REST,
    REST_ORDER,
    REST_SIDE,
    REST_PRICE,
    TRADE,
    MAKER_ORDER,
    MAKER_ACCOUNT,
    MAKER_LEFT,
    TAKER_LEFT,
    REASON,
    CLIENT_ID
};

static void copy_text(char *to, size_t size, const char *text)
{
    (void)snprintf(to, size, "%s", text == NULL ? "" : text);
}

void event_read(const sx_rows *rows, uint32_t row, struct event *ret)
{
    const char *kind = sx_text_at(rows, row, KIND);

    *ret = (struct event){
        .seq = sx_int_at(rows, row, SEQ),
        .us = sx_int_at(rows, row, AT),
        .order_id = sx_int_at(rows, row, ORDER),
        .account = sx_int_at(rows, row, ACCOUNT),
        .price = sx_int_at(rows, row, PRICE),
        .lots = sx_int_at(rows, row, LOTS),
        .funds = sx_int_at(rows, row, FUNDS),
        .delta = sx_int_at(rows, row, DELTA),
        .rest = sx_int_at(rows, row, REST),
        .rest_order = sx_int_at(rows, row, REST_ORDER),
        .rest_price = sx_int_at(rows, row, REST_PRICE),
        .trade_id = sx_int_at(rows, row, TRADE),
        .maker_order = sx_int_at(rows, row, MAKER_ORDER),
        .maker_account = sx_int_at(rows, row, MAKER_ACCOUNT),
        .maker_left = sx_int_at(rows, row, MAKER_LEFT),
        .taker_left = sx_text_at(rows, row, TAKER_LEFT) == NULL ? -1
                                                                : sx_int_at(rows, row, TAKER_LEFT),
        .side = (int32_t)sx_int_at(rows, row, SIDE),
        .book_side = (int32_t)sx_int_at(rows, row, BOOK_SIDE),
        .rest_side = (int32_t)sx_int_at(rows, row, REST_SIDE),
        .kind = kind == NULL ? '?' : *kind,
    };
    copy_text(ret->reason, sizeof ret->reason, sx_text_at(rows, row, REASON));
    copy_text(ret->client_id, sizeof ret->client_id, sx_text_at(rows, row, CLIENT_ID));
}

static int64_t change(struct levels *bids, struct levels *asks, int32_t side, int64_t price,
                      int64_t lots)
{
    return side > 0 ? levels_add(bids, -price, lots) : levels_add(asks, price, lots);
}

int event_apply(struct event *e, struct levels *bids, struct levels *asks)
{
    if (e->delta != 0)
        e->level_lots = change(bids, asks, e->book_side, e->price, e->delta);
    if (e->rest != 0)
        e->rest_lots = change(bids, asks, e->rest_side, e->rest_price, e->rest);
    return e->level_lots < 0 || e->rest_lots < 0 ? SX_ENOMEM : SX_OK;
}

int event_undo(const struct event *e, struct levels *bids, struct levels *asks)
{
    int64_t lots = 0;

    if (e->rest != 0)
        lots = change(bids, asks, e->rest_side, e->rest_price, -e->rest);
    if (e->delta != 0 && lots >= 0)
        lots = change(bids, asks, e->book_side, e->price, -e->delta);
    return lots < 0 ? SX_ENOMEM : SX_OK;
}
