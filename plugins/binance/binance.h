/*
 * binance.h - what the files of the plugin share.
 *
 * The Binance spot dialect over the functions and views of the plugin `exchange`.  A handler begins
 * with for_all or for_trader, which know the instruments and who has signed; then one statement,
 * whose rows become the answer.  Nothing of the market lives here.
 */
#ifndef BINANCE_H
#define BINANCE_H

#include <sx/json.h>

#include "trading/credential.h"
#include "trading/decimal.h"
#include "trading/instrument.h"
#include "trading/order.h"

#define SYMBOL_TEXT 24
#define CLIENT_ID   37                       /* at most 36 characters */
#define LAST_TIME   INT64_C(253402300799999) /* ms: of the year 9999 */

struct binance {
    struct instruments instruments;
    const char *master; /* the secret that keys are made from */
};

static inline struct binance *binance_of(const sx_req *r)
{
    return sx_req_state(r);
}

/* The codes of errors; their names are those of the public documentation. */
enum code {
    DISCONNECTED = -1001,
    UNEXPECTED_RESP = -1006,
    INVALID_MESSAGE = -1013, /* a filter */
    UNSUPPORTED_OPERATION = -1020,
    INVALID_TIMESTAMP = -1021,
    INVALID_SIGNATURE = -1022,
    ILLEGAL_CHARS = -1100,
    TOO_MANY_PARAMETERS = -1101,
    MANDATORY_PARAM_EMPTY_OR_MALFORMED = -1102,
    PARAM_NOT_REQUIRED = -1106,
    BAD_PRECISION = -1111,
    INVALID_TIF = -1115,
    INVALID_ORDER_TYPE = -1116,
    INVALID_SIDE = -1117,
    BAD_INTERVAL = -1120,
    BAD_SYMBOL = -1121,
    OPTIONAL_PARAMS_BAD_COMBO = -1128,
    INVALID_PARAMETER = -1130,
    BAD_RECV_WINDOW = -1131,
    SYMBOL_PRESENT_TWICE = -1151,
    NEW_ORDER_REJECTED = -2010,
    CANCEL_REJECTED = -2011,
    NO_SUCH_ORDER = -2013,
    BAD_API_KEY_FMT = -2014,
    REJECTED_MBX_KEY = -2015
};

/* --- auth.c --------------------------------------------------------------------- */

/* Go on with fn when the instruments are known; for_trader: for whoever has signed, with a
 * struct credential that lives as long as the request.  Errors of the database are answered in this
 * dialect from here on. */
int for_all(sx_req *r, instruments_fn *fn);
int for_trader(sx_req *r, instruments_fn *fn);

/* --- input.c: parameters ---------------------------------------------------------
 *
 * From the query or a form in the body; of a name in both the query counts.  The first thing that
 * is wrong sticks: so read everything, then look at code once.
 */
struct input {
    sx_req *r;
    int code; /* 0: nothing wrong so far */
    char words[400];
};

struct input input_begin(sx_req *r);
SX_PRINTF(3, 4) void input_refuse(struct input *in, int code, const char *fmt, ...);

/* The answer to what is wrong. */
int input_answer(const struct input *in);

/* NULL when it is absent or empty; needed: then that is wrong. */
const char *input_text(struct input *in, const char *name);
const char *input_needed(struct input *in, const char *name);

/* A whole number of up to 19 digits. */
bool input_has_int(struct input *in, const char *name, int64_t *ret);
int64_t input_int(struct input *in, const char *name, int64_t fallback);
bool input_bool(struct input *in, const char *name, bool fallback);

/* Milliseconds since 1970, at most those of the year 9999. */
int64_t input_time(struct input *in, const char *name, int64_t fallback);

/* At least 1; more than most counts as most. */
int64_t input_limit(struct input *in, int64_t fallback, int64_t most);

/* A decimal in units of 10^-scale; 0 when it is absent, and never otherwise.  Digits behind
 * precision are an error of their own, those between the two break the filter. */
int64_t input_decimal(struct input *in, const char *name, int scale, int precision,
                      const char *filter);

/* The text of the table at the value of a parameter; NULL, and what is wrong, when it is none. */
struct word {
    const char *name; /* NULL ends a table */
    const char *means;
};
const char *input_word(struct input *in, const char *name, const struct word *table, int code,
                       const char *words);

/* A client's name of an order; NULL when it is absent. */
const char *input_client_id(struct input *in, const char *name);

const struct instrument *input_symbol(struct input *in);
const struct instrument *input_symbol_or_all(struct input *in); /* NULL: all */

/* What `symbol` or `symbols` choose. */
struct selection {
    const struct instrument *v[INSTRUMENT_MAX];
    size_t n;
    bool is_one; /* chosen by `symbol`: the answer is no list */
};
void input_selection(struct input *in, struct selection *ret);

/* --- answer.c ------------------------------------------------------------------- */

/* {"code": …, "msg": …} */
SX_PRINTF(4, 5) int answer_fail(sx_req *r, int status, int code, const char *fmt, ...);

/* A signed request whose key opens nothing. */
int answer_bad_key(sx_req *r);

/* For sx_on_db_error: keys that were taken back, races, outages. */
int answer_db_error(sx_req *r, const sx_db_error *err, void *arg);

/* "BTCUSD" */
void answer_symbol(const struct instrument *it, char text[SYMBOL_TEXT]);
void answer_json_symbol(sx_json_writer *w, const struct instrument *it);

/* Decimal text with as many digits behind the point as the scale. */
void answer_decimal(sx_json_writer *w, int64_t value, int scale);
/* The same of digits that need not fit into 64 bits; NULL is "0". */
void answer_digits(sx_json_writer *w, const char *digits, int scale);

/* Milliseconds since 1970. */
int64_t answer_now(const sx_req *r);

/* The members of an order as a query shows it; the object is open.  answer_order_state is the part
 * that an answer to a new order has, too. */
void answer_order(sx_json_writer *w, const struct order *o);
void answer_order_state(sx_json_writer *w, const struct order *o);
const char *answer_stp(const char *stp);

/* --- wish.c: what a POST asks for -------------------------------------------------- */

enum detail { DETAIL_ACK, DETAIL_RESULT, DETAIL_FULL };

struct wish {
    struct order_request order;
    const struct instrument *instrument;
    enum detail detail;
    char symbol[INSTRUMENT_SYMBOL];
    char client_id[CLIENT_ID];
};

void wish_read(struct input *in, struct wish *ret);

/* newClientOrderId, or a new name of 132 random bits. */
void wish_client_id(struct input *in, char text[CLIENT_ID]);

/* --- the routes ------------------------------------------------------------------- */

sx_handler ping, show_time, show_info, refuse_stream;                 /* info.c */
sx_handler show_depth, list_trades, list_old_trades, list_agg_trades; /* tape.c */
sx_handler list_candles;                                              /* candle.c */
sx_handler show_day, show_price, show_best, show_average;             /* ticker.c */
sx_handler place_order, test_order, show_order, cancel_order, list_open_orders, cancel_open_orders,
    list_orders;                                      /* order.c */
sx_handler show_account, show_commission, list_fills; /* account.c */

#endif /* BINANCE_H */
