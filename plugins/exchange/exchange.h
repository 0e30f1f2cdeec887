/*
 * exchange.h - what the files of the plugin share.
 *
 * The Coinbase Exchange dialect over the functions and views of migrations/.  Every handler begins
 * with auth_check (where it is private), then instruments_with, then one statement, whose rows
 * become the answer.  Nothing of the market lives here.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <sx/json.h>

#include "message.h"
#include "trading/credential.h"
#include "trading/decimal.h"
#include "trading/instrument.h"
#include "trading/order.h"

#define ADMIN_TOKEN 65
#define UUID_TEXT   37
#define TIME_TEXT   32

struct feed;
struct rates;

struct exchange {
    sx_plugin *plugin;
    struct feed *feed;
    struct text text; /* for messages: written and sent within one call */
    struct instruments instruments;
    struct rates *rates;     /* NULL: no limit */
    const char *master;      /* the secret that keys are made from */
    char admin[ADMIN_TOKEN]; /* "" when there is no administrator */
};

static inline struct exchange *exchange_of(const sx_req *r)
{
    return sx_req_state(r);
}

/* --- auth.c ------------------------------------------------------------------- */

/* Who signed the request: SX_NEXT and *ret, or the answer is given and its result returned. */
int auth_check(sx_req *r, struct credential *ret);

/* The same kind of answer when r does not come from the administrator. */
int auth_check_admin(sx_req *r);

/* For the headers of a WebSocket's subscription: SX_OK, or the words to answer with. */
const char *auth_words(const struct exchange *x, int64_t now_ns, const char *key, const char *sign,
                       const char *timestamp, const char *passphrase, const char *method,
                       const char *target, sx_span body, struct credential *ret);

/* --- answer.c ----------------------------------------------------------------- */

/* {"message": …}, the errors of this dialect. */
SX_PRINTF(3, 4) int answer_fail(sx_req *r, int status, const char *fmt, ...);

/* For sx_on_db_error: keys that were taken back, races, outages. */
int answer_db_error(sx_req *r, const sx_db_error *err, void *arg);

void answer_uuid(int64_t id, int kind, char text[UUID_TEXT]);
bool answer_uuid_read(const char *text, int kind, int64_t *ret_id);
enum uuid_kind { UUID_ORDER, UUID_ACCOUNT, UUID_PROFILE };

/* ISO 8601 in UTC with microseconds, of microseconds since 1970. */
void answer_time(int64_t us, char text[TIME_TEXT]);
void answer_json_time(sx_json_writer *w, const char *key, int64_t us);

/* Reads ISO 8601 (in UTC, or with an offset) or seconds since 1970. */
bool answer_read_time(const char *text, int64_t *ret_us);

/* Where the pages before and after this one begin: headers CB-BEFORE and CB-AFTER. */
int answer_cursors(sx_req *r, const char *first, const char *last);

/* A number in the query, or the fallback; SX_NEXT, or the answer is given. */
int answer_arg_int(sx_req *r, const char *name, int64_t fallback, int64_t *ret);

/* Which page of a list is asked for; SX_NEXT, or the answer is given. */
struct page {
    int64_t limit;
    int64_t after;  /* older than this cursor */
    int64_t before; /* newer */
};
#define PAGE_MOST 1000
int answer_page(sx_req *r, struct page *ret);

/* The members of one order; the object is open. */
void answer_order(sx_json_writer *w, const struct order *o);

/* What a call that could not begin is answered with: err, or for a server that is full or has no
 * database the words of this dialect. */
int answer_refused(sx_req *r, int err);

/* --- call.c ------------------------------------------------------------------- */

/* Goes on with fn when the instruments are known; for a private call when the signature holds,
 * too, and the account has not asked too often. */
int call_public(sx_req *r, instruments_fn *fn);
typedef int call_fn(sx_req *r, const struct credential *who);
int call_private(sx_req *r, call_fn *fn);

/* --- upkeep.c --------------------------------------------------------------------- */

/* Starts the timers that end what has expired and delete old events. */
int upkeep_start(sx_plugin *p);

/* --- the routes --------------------------------------------------------------- */

/* product.c */
sx_handler show_time, list_currencies, list_products, show_product, show_book, show_ticker,
    show_stats;
/* history.c */
sx_handler list_trades, list_candles, list_spark_lines;
/* account.c */
sx_handler list_accounts, show_account, list_ledger, list_holds, show_fees;
/* order.c */
sx_handler place_order, cancel_order, cancel_orders;
/* listing.c */
sx_handler show_order, list_orders, list_fills;
/* stream.c, socket.c */
sx_handler open_stream, open_socket;
/* sim.c */
sx_handler open_account, make_deposit, reset_account, show_audit;

#endif /* EXCHANGE_H */
