/*
 * market.h - what the files of the plugin share.  [loop]
 */
#ifndef MARKET_MARKET_H
#define MARKET_MARKET_H

#include <sx/json.h>

#include "trading/credential.h"
#include "trading/decimal.h"
#include "trading/instrument.h"
#include "trading/order.h"

#define MARKET_COOKIE "market_key"
#define MAX_MONEY     512 /* bytes of an array of codes or amounts */

struct market {
    struct instruments instruments;
    const char *master;  /* the secret that keys are made from */
    const json_t *money; /* what a practice account begins with: {"USD": "100000"} */
    int64_t each_per_minute, all_per_minute;
    bool allows_accounts;
};

static inline struct market *market_of(const sx_req *r)
{
    return sx_req_state(r);
}

/* --- account.c ----------------------------------------------------------------------- */

/* Whose key the cookie holds; false when there is none, or one that this server did not make. */
bool account_of(const sx_req *r, struct credential *ret);

/* SX_NEXT for a request that only this page can have sent; or the answer is given. */
int account_check_origin(sx_req *r);

/* For sx_on_db_error. */
int account_db_error(sx_req *r, const sx_db_error *err, void *arg);

/* The members of an order; the object is open. */
void account_write_order(sx_json_writer *w, const struct order *o);

sx_handler open_account, show_account;

/* --- order.c ------------------------------------------------------------------------- */

sx_handler place_order, cancel_order;

#endif /* MARKET_MARKET_H */
