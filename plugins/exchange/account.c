/*
 * account.c - balances, ledger, fees.
 */
#include "exchange.h"

#include <stdio.h>

#define ASSET_BITS 15 /* of the number in the UUID of an account of one currency */

static int64_t wallet_of(int64_t account, int64_t asset)
{
    return account << ASSET_BITS | asset;
}

/* The asset in the path, of the caller's own account; -1 and the answer is given. */
static int64_t asked_asset(sx_req *r, const struct credential *who, int *ret_err)
{
    int64_t id = 0;

    if (!answer_uuid_read(sx_path_text(r, "id"), UUID_ACCOUNT, &id) ||
        id >> ASSET_BITS != who->account) {
        *ret_err = answer_fail(r, 404, "NotFound");
        return -1;
    }
    return id & ((1 << ASSET_BITS) - 1);
}

enum balance_column { BALANCE_CODE, BALANCE_SCALE, BALANCE_AMOUNT, BALANCE_HOLD, BALANCE_ASSET };

static void write_account(sx_json_writer *w, const struct credential *who, const sx_rows *rows,
                          uint32_t row)
{
    const int scale = (int)sx_int_at(rows, row, BALANCE_SCALE);
    const int64_t amount = sx_int_at(rows, row, BALANCE_AMOUNT);
    const int64_t hold = sx_int_at(rows, row, BALANCE_HOLD);
    char id[UUID_TEXT], profile[UUID_TEXT];

    answer_uuid(wallet_of(who->account, sx_int_at(rows, row, BALANCE_ASSET)), UUID_ACCOUNT, id);
    answer_uuid(who->account, UUID_PROFILE, profile);
    sx_json_object(w);
    sx_json_text(sx_json_key(w, "id"), id);
    sx_json_text(sx_json_key(w, "currency"), sx_text_at(rows, row, BALANCE_CODE));
    decimal_json(sx_json_key(w, "balance"), amount, scale);
    decimal_json(sx_json_key(w, "hold"), hold, scale);
    decimal_json(sx_json_key(w, "available"), amount - hold, scale);
    sx_json_text(sx_json_key(w, "profile_id"), profile);
    sx_json_bool(sx_json_key(w, "trading_enabled"), true);
    sx_json_end(w);
}

static int on_accounts(sx_req *r, const sx_rows *rows, void *arg)
{
    sx_json_writer w = sx_json_begin(r);

    if (sx_path_text(r, "id") != NULL) {
        if (sx_count(rows) == 0)
            return answer_fail(r, 404, "NotFound");
        write_account(&w, arg, rows, 0);
        return sx_json_reply(&w, 200);
    }
    sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++)
        write_account(&w, arg, rows, i);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int read_accounts(sx_req *r, const struct credential *who)
{
    int err = SX_OK;
    const int64_t asset = sx_path_text(r, "id") == NULL ? 0 : asked_asset(r, who, &err);

    if (asset < 0)
        return err;
    return sx_read(r, on_accounts, (void *)(uintptr_t)who,
                   "SELECT code, scale, amount, hold, asset FROM balances "
                   "WHERE account = session($1, $2::int) AND asset = coalesce($3::smallint, asset) "
                   "ORDER BY asset",
                   SX_PARAMS(sx_int(who->account), sx_int(who->generation),
                             asset == 0 ? sx_null() : sx_int(asset)));
}

int list_accounts(sx_req *r)
{
    return call_private(r, read_accounts);
}

int show_account(sx_req *r)
{
    return call_private(r, read_accounts);
}

/* --- the ledger --------------------------------------------------------------- */

enum ledger_column {
    ENTRY_US,
    ENTRY_AMOUNT,
    ENTRY_BALANCE,
    ENTRY_KIND,
    ENTRY_INSTRUMENT,
    ENTRY_TRADE,
    ENTRY_REF,
    ENTRY_SCALE,
    ENTRY_ID
};

static void write_entry(sx_json_writer *w, const struct instruments *all, const sx_rows *rows,
                        uint32_t row)
{
    const int scale = (int)sx_int_at(rows, row, ENTRY_SCALE);
    const struct instrument *it = instrument_by_id(all, sx_int_at(rows, row, ENTRY_INSTRUMENT));
    const char *kind = sx_text_at(rows, row, ENTRY_KIND);
    char order[UUID_TEXT];

    sx_json_object(w);
    sx_json_text(sx_json_key(w, "id"), sx_text_at(rows, row, ENTRY_ID));
    decimal_json(sx_json_key(w, "amount"), sx_int_at(rows, row, ENTRY_AMOUNT), scale);
    decimal_json(sx_json_key(w, "balance"), sx_int_at(rows, row, ENTRY_BALANCE), scale);
    answer_json_time(w, "created_at", sx_int_at(rows, row, ENTRY_US));
    sx_json_text(sx_json_key(w, "type"), strcmp(kind, "deposit") == 0 ? "transfer" : kind);
    sx_json_object(sx_json_key(w, "details"));
    if (it != NULL) {
        answer_uuid(sx_int_at(rows, row, ENTRY_REF), UUID_ORDER, order);
        sx_json_text(sx_json_key(w, "order_id"), order);
        sx_json_text(sx_json_key(w, "product_id"), it->symbol);
        sx_json_text(sx_json_key(w, "trade_id"), sx_text_at(rows, row, ENTRY_TRADE));
    } else {
        sx_json_text(sx_json_key(w, "transfer_type"),
                     sx_int_at(rows, row, ENTRY_AMOUNT) < 0 ? "withdraw" : "deposit");
    }
    sx_json_end(w);
    sx_json_end(w);
}

static int on_ledger(sx_req *r, const sx_rows *rows, void *arg)
{
    const uint32_t n = sx_count(rows);
    sx_json_writer w;
    int err = n == 0 ? SX_OK
                     : answer_cursors(r, sx_text_at(rows, 0, ENTRY_ID),
                                      sx_text_at(rows, n - 1, ENTRY_ID));

    (void)arg;
    if (err < 0)
        return err;
    w = sx_json_begin(r);
    sx_json_array(&w);
    for (uint32_t i = 0; i < n; i++)
        write_entry(&w, &exchange_of(r)->instruments, rows, i);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

/* The number of an entry is its place in the history of this account and asset.  Two trades of
 * different instruments that wait for each other's balances may change places in the moment of
 * their commits; after that a number stays. */
static int read_ledger(sx_req *r, const struct credential *who)
{
    int err = SX_OK;
    const int64_t asset = asked_asset(r, who, &err);
    struct page page;

    if (asset < 0)
        return err;
    err = answer_page(r, &page);
    if (err != SX_NEXT)
        return err;
    return sx_read(
        r, on_ledger, NULL,
        "SELECT us, amount, balance, kind, instrument, trade_id, ref, scale, n FROM ("
        "SELECT (extract(epoch FROM l.at) * 1000000)::bigint AS us, l.amount, "
        "(sum(l.amount) OVER past)::bigint AS balance, l.kind, l.instrument, l.trade_id, l.ref, "
        "a.scale, row_number() OVER past AS n "
        "FROM ledger l JOIN assets a ON a.id = l.asset "
        "WHERE l.account = session($1, $2::int) AND l.asset = $3::smallint "
        "WINDOW past AS (ORDER BY l.at, l.instrument, l.trade_id, l.kind DESC, l.ref)) x "
        "WHERE n < $4 AND n > $5 ORDER BY n DESC LIMIT $6",
        SX_PARAMS(sx_int(who->account), sx_int(who->generation), sx_int(asset), sx_int(page.after),
                  sx_int(page.before), sx_int(page.limit)));
}

int list_ledger(sx_req *r)
{
    return call_private(r, read_ledger);
}

/* --- holds: the open orders that need this asset ------------------------------ */

static int on_holds(sx_req *r, const sx_rows *rows, void *arg)
{
    char id[UUID_TEXT];
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    sx_json_array(&w);
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        answer_uuid(sx_int_at(rows, i, 0), UUID_ORDER, id);
        sx_json_object(&w);
        sx_json_text(sx_json_key(&w, "id"), id);
        answer_json_time(&w, "created_at", sx_int_at(rows, i, 1));
        decimal_json(sx_json_key(&w, "amount"), sx_int_at(rows, i, 2), (int)sx_int_at(rows, i, 3));
        sx_json_text(sx_json_key(&w, "type"), "order");
        sx_json_text(sx_json_key(&w, "ref"), id);
        sx_json_end(&w);
    }
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int read_holds(sx_req *r, const struct credential *who)
{
    int err = SX_OK;
    const int64_t asset = asked_asset(r, who, &err);

    if (asset < 0)
        return err;
    return sx_read(
        r, on_holds, NULL,
        "SELECT o.id, (extract(epoch FROM o.created_at) * 1000000)::bigint, o.hold, a.scale "
        "FROM orders o JOIN instruments i ON i.id = o.instrument "
        "JOIN assets a ON a.id = $3::smallint "
        "WHERE o.account = session($1, $2::int) AND o.done_seq IS NULL "
        "AND a.id = CASE o.side WHEN 1 THEN i.quote ELSE i.base END ORDER BY o.id DESC LIMIT 1000",
        SX_PARAMS(sx_int(who->account), sx_int(who->generation), sx_int(asset)));
}

int list_holds(sx_req *r)
{
    return call_private(r, read_holds);
}

/* --- fees --------------------------------------------------------------------- */

static int on_fees(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct instruments *all = &exchange_of(r)->instruments;
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    sx_json_object(&w);
    decimal_json(sx_json_key(&w, "taker_fee_rate"), all->n > 0 ? all->v[0]->taker_ppm : 0, 6);
    decimal_json(sx_json_key(&w, "maker_fee_rate"), all->n > 0 ? all->v[0]->maker_ppm : 0, 6);
    decimal_json(sx_json_key(&w, "usd_volume"), sx_int_at(rows, 0, 0), (int)sx_int_at(rows, 0, 1));
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int read_fees(sx_req *r, const struct credential *who)
{
    return sx_read(r, on_fees, NULL,
                   "SELECT (SELECT least(coalesce(sum(notional), 0), 9e18)::bigint FROM fills "
                   "WHERE account = session($1, $2::int) AND at > now() - interval '30 days'), "
                   "(SELECT scale FROM assets WHERE code = 'USD')",
                   SX_PARAMS(sx_int(who->account), sx_int(who->generation)));
}

int show_fees(sx_req *r)
{
    return call_private(r, read_fees);
}
