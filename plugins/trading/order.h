/*
 * trading/order.h - orders, as the functions of the exchange take and give them.  [loop]
 */
#ifndef TRADING_ORDER_H
#define TRADING_ORDER_H

#include "credential.h"
#include "instrument.h"

enum order_side { ORDER_SELL = -1, ORDER_BUY = 1 };

/* What is asked for; of lots and funds the other is 0, price is 0 for a market order. */
struct order_request {
    const char *symbol;
    int32_t side;
    bool is_market;
    int64_t price; /* ticks */
    int64_t lots;
    int64_t funds;   /* atoms of the quote, fees included */
    const char *tif; /* "GTC", "IOC", "FOK" */
    bool post_only;
    const char *stp;       /* "dc", "co", "cn", "cb" */
    const char *client_id; /* or NULL */
};

/* What is stored.  Texts are borrowed from the rows. */
struct order {
    int64_t id;
    int64_t account;
    const struct instrument *instrument;
    int32_t side;
    bool is_market;
    bool post_only;
    int64_t price; /* 0: a market order */
    int64_t lots;  /* 0: an order by funds */
    int64_t funds;
    const char *tif;
    const char *stp;
    const char *client_id;
    int64_t seq;
    int64_t created_us;
    int64_t filled;   /* lots */
    int64_t reduced;  /* lots that self-trade prevention took away */
    int64_t executed; /* atoms of the quote, without fees */
    int64_t fees;
    int64_t done_seq;        /* 0: open */
    const char *done_reason; /* filled, canceled, expired; NULL: open */
    int64_t done_us;
};

/* The columns of an order o, a row of `orders` or the result of a function, in the order that
 * order_read expects. */
#define ORDER_COLUMNS(o)                                                                          \
    o ".id, " o ".account, " o ".instrument, " o ".side, " o ".type, " o ".post_only, " o         \
      ".price, " o ".lots, " o ".funds, " o ".tif, " o ".stp, " o ".client_id, " o ".seq, "       \
      "(extract(epoch FROM " o ".created_at) * 1000000)::bigint, " o ".filled, " o ".reduced, " o \
      ".executed_maker + " o ".executed_taker, " o ".fees, " o ".done_seq, " o                    \
      ".done_reason, (extract(epoch FROM " o ".done_at) * 1000000)::bigint"
#define ORDER_N_COLUMNS 21

/* Reads the order whose columns begin at first; false when it is NULL, or its instrument is not
 * known (yet) to all. */
bool order_read(const struct instruments *all, const sx_rows *rows, uint32_t row, uint32_t first,
                struct order *ret);

/* Starts place or cancel; the rows that fn gets have one row: the outcome, then the order. */
SX_MUST_USE int order_place(sx_req *r, const struct credential *who, const struct order_request *q,
                            sx_rows_fn *fn, void *arg);

/* By id, or when that is 0 by client_id; symbol may be NULL. */
SX_MUST_USE int order_cancel(sx_req *r, const struct credential *who, const char *symbol,
                             int64_t id, const char *client_id, sx_rows_fn *fn, void *arg);

/* Of one instrument, or when symbol is NULL of all; each row is an order, from column 0. */
SX_MUST_USE int order_cancel_all(sx_req *r, const struct credential *who, const char *symbol,
                                 sx_rows_fn *fn, void *arg);

/* Whether a statement failed because the database is away, full, locked or shutting down: then the
 * same request may succeed a moment later. */
bool order_is_outage(const sx_db_error *err);

/* The statement of order_place and its parameters, for a batch or a plugin without a request. */
#define ORDER_PLACE_SQL                                                                        \
    "SELECT p.outcome, " ORDER_COLUMNS(                                                        \
        "(p.o)") " FROM place($1::bigint, $2::int, "                                           \
                 "$3::text, $4::int, $5::text, $6::bigint, $7::bigint, $8::bigint, $9::text, " \
                 "$10::boolean, $11::text, $12::text) AS p"
#define ORDER_PLACE_N 12
void order_params(const struct credential *who, const struct order_request *q,
                  sx_param params[ORDER_PLACE_N]);

#define ORDER_CANCEL_SQL                                                             \
    "SELECT p.outcome, " ORDER_COLUMNS("(p.o)") " FROM cancel($1::bigint, $2::int, " \
                                                "$3::text, $4::bigint, $5::text) AS p"
#define ORDER_CANCEL_ALL_SQL \
    "SELECT " ORDER_COLUMNS("o") " FROM cancel_all($1::bigint, $2::int, $3::text) AS o"

#endif /* TRADING_ORDER_H */
