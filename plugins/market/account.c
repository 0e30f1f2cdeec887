/*
 * account.c - an account to practise with, whose key a cookie of the page holds.
 *
 * The cookie is HttpOnly and SameSite=Strict, and what changes something also needs a header that
 * a page of another origin cannot send without being asked (a preflight, which we do not answer).
 */
#include "market.h"

#include <stdio.h>

#define YEAR_S     INT64_C(31536000)
#define MAX_ORDERS "200"
#define MAX_FILLS  "20"

/* Of an account, unless its key was taken back. */
#define OWN "account = (SELECT a.id FROM accounts a WHERE a.id = $1 AND a.generation = $2)"

bool account_of(const sx_req *r, struct credential *ret)
{
    const char *key = sx_cookie(r, MARKET_COOKIE);

    return key != NULL && credential_read_cookie(market_of(r)->master, key, ret);
}

/* The custom header is a declared parameter: without it the handler is not called. */
int account_check_origin(sx_req *r)
{
    const char *type = sx_header(r, "Content-Type");
    const char *site = sx_header(r, "Sec-Fetch-Site");

    if (site != NULL && strcmp(site, "same-origin") != 0)
        return sx_fail(r, 403, "other_origin", "Only the page of this server may ask for that.");
    if (strcmp(sx_req_method(r), "POST") == 0 &&
        (type == NULL || strncmp(type, "application/json", 16) != 0))
        return sx_fail(r, 415, "not_json", "Expected the content type application/json.");
    return SX_NEXT;
}

static int reply_nobody(sx_req *r)
{
    sx_json_writer w = sx_json_begin(r);

    sx_json_object(&w);
    sx_json_null(sx_json_key(&w, "account"));
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

int account_db_error(sx_req *r, const sx_db_error *err, void *arg)
{
    (void)arg;
    if (strcmp(err->sqlstate, "55P03") == 0)
        return sx_fail(r, 503, "busy", "The market is busy. Please try again in a moment.");
    if (err->outcome_unknown)
        return sx_fail(r, 503, "outcome_unknown",
                       "The connection was lost on the way. Look at your orders before you try "
                       "again.");
    return SX_EDB;
}

/* --- What there is ------------------------------------------------------------------------ */

void account_write_order(sx_json_writer *w, const struct order *o)
{
    const struct instrument *it = o->instrument;
    char id[24];

    (void)snprintf(id, sizeof id, "%lld", (long long)o->id);
    sx_json_text(sx_json_key(w, "id"), id);
    sx_json_text(sx_json_key(w, "product_id"), it->symbol);
    sx_json_text(sx_json_key(w, "side"), o->side == ORDER_BUY ? "buy" : "sell");
    sx_json_text(sx_json_key(w, "type"), o->is_market ? "market" : "limit");
    if (o->price != 0)
        decimal_json(sx_json_key(w, "price"), o->price, it->tick_scale);
    decimal_json(sx_json_key(w, "size"), o->lots, it->lot_scale);
    decimal_json(sx_json_key(w, "filled"), o->filled, it->lot_scale);
    decimal_json(sx_json_key(w, "value"), o->executed, it->quote_scale);
    decimal_json(sx_json_key(w, "fees"), o->fees, it->quote_scale);
    sx_json_bool(sx_json_key(w, "open"), o->done_seq == 0);
    sx_json_int(sx_json_key(w, "time"), o->created_us / 1000);
}

static void write_balances(sx_json_writer *w, const sx_rows *rows)
{
    sx_json_array(sx_json_key(w, "balances"));
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        const int scale = (int)sx_int_at(rows, i, 1);

        sx_json_object(w);
        sx_json_text(sx_json_key(w, "code"), sx_text_at(rows, i, 0));
        decimal_json(sx_json_key(w, "amount"), sx_int_at(rows, i, 2), scale);
        decimal_json(sx_json_key(w, "free"), sx_int_at(rows, i, 3), scale);
        sx_json_end(w);
    }
    sx_json_end(w);
}

static void write_orders(sx_json_writer *w, const struct instruments *all, const sx_rows *rows)
{
    struct order o;

    sx_json_array(sx_json_key(w, "orders"));
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        if (!order_read(all, rows, i, 0, &o))
            continue;
        sx_json_object(w);
        account_write_order(w, &o);
        sx_json_end(w);
    }
    sx_json_end(w);
}

static void write_fills(sx_json_writer *w, const struct instruments *all, const sx_rows *rows)
{
    sx_json_array(sx_json_key(w, "fills"));
    for (uint32_t i = 0; i < sx_count(rows); i++) {
        const struct instrument *it = instrument_by_id(all, sx_int_at(rows, i, 0));

        if (it == NULL)
            continue;
        sx_json_object(w);
        sx_json_text(sx_json_key(w, "product_id"), it->symbol);
        sx_json_text(sx_json_key(w, "side"), sx_int_at(rows, i, 1) > 0 ? "buy" : "sell");
        decimal_json(sx_json_key(w, "price"), sx_int_at(rows, i, 2), it->tick_scale);
        decimal_json(sx_json_key(w, "size"), sx_int_at(rows, i, 3), it->lot_scale);
        decimal_json(sx_json_key(w, "fee"), sx_int_at(rows, i, 4), it->quote_scale);
        sx_json_int(sx_json_key(w, "time"), sx_int_at(rows, i, 5));
        sx_json_end(w);
    }
    sx_json_end(w);
}

static int on_account(sx_req *r, const sx_rows *const rows[], size_t n, void *arg)
{
    const struct instruments *all = &market_of(r)->instruments;
    sx_json_writer w = sx_json_begin(r);

    (void)n;
    (void)arg;
    if (sx_count(rows[0]) == 0) /* the key was taken back */
        return reply_nobody(r);
    sx_json_object(&w);
    sx_json_object(sx_json_key(&w, "account"));
    write_balances(&w, rows[0]);
    write_orders(&w, all, rows[1]);
    write_fills(&w, all, rows[2]);
    sx_json_end(&w);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int read_account(sx_req *r, void *arg)
{
    const struct credential *who = arg;
    const sx_param params[] = { sx_int(who->account), sx_int(who->generation) };
    const sx_stmt stmts[] = {
        { "SELECT code, scale, amount, free FROM balances WHERE " OWN " ORDER BY asset",
          { params, 2 },
          SX_READ_ONLY,
          0 },
        { "SELECT " ORDER_COLUMNS("o") " FROM orders o WHERE " OWN " AND done_seq IS NULL "
                                       "ORDER BY id DESC LIMIT " MAX_ORDERS,
          { params, 2 },
          SX_READ_ONLY,
          0 },
        { "SELECT instrument, side, price, lots, fee, (extract(epoch FROM at) * 1000)::bigint "
          "FROM fills WHERE " OWN " ORDER BY at DESC LIMIT " MAX_FILLS,
          { params, 2 },
          SX_READ_ONLY,
          0 },
    };

    return sx_batch(r, on_account, NULL, stmts, sizeof stmts / sizeof *stmts);
}

/* Nobody is an answer too, not an error: the page asks before it knows. */
int show_account(sx_req *r)
{
    struct credential *who = sx_req_new(r, struct credential);
    int err = who == NULL ? SX_ENOMEM : sx_set_header(r, "Cache-Control", "no-store");

    if (err < 0)
        return err;
    if (!account_of(r, who))
        return reply_nobody(r);
    sx_on_db_error(r, account_db_error, NULL);
    return instruments_with(r, &market_of(r)->instruments, read_account, who);
}

/* --- Opening one ---------------------------------------------------------------------------- */

/* How fine an asset is; false when nothing is traded that has it. */
static bool scale_of(const struct instruments *all, const char *code, int *ret)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct instrument *it = all->v[i];

        *ret = strcmp(it->base, code) == 0 ? it->base_scale : it->quote_scale;
        if (strcmp(it->base, code) == 0 || strcmp(it->quote, code) == 0)
            return true;
    }
    return false;
}

/* What the configuration gives, as arrays of PostgreSQL; false when there is no such asset. */
static bool write_money(const struct market *m, char codes[MAX_MONEY], char amounts[MAX_MONEY])
{
    json_t *money = json_incref((json_t *)(uintptr_t)m->money), *amount;
    const char *code, *comma = "";
    size_t n_codes = 1, n_amounts = 1;
    bool is_good = true;
    int64_t atoms;
    int scale;

    codes[0] = amounts[0] = '{';
    json_object_foreach(money, code, amount)
    {
        if (!scale_of(&m->instruments, code, &scale) ||
            decimal_parse(json_string_value(amount), scale, &atoms) != DECIMAL_OK) {
            is_good = false;
            break;
        }
        n_codes += (size_t)snprintf(codes + n_codes, MAX_MONEY - n_codes, "%s%s", comma, code);
        n_amounts += (size_t)snprintf(amounts + n_amounts, MAX_MONEY - n_amounts, "%s%lld", comma,
                                      (long long)atoms);
        comma = ",";
    }
    json_decref(money);
    (void)snprintf(codes + n_codes, MAX_MONEY - n_codes, "}");
    (void)snprintf(amounts + n_amounts, MAX_MONEY - n_amounts, "}");
    return is_good;
}

static int on_opened(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct credential c = { sx_int_at(rows, 0, 0), (int32_t)sx_int_at(rows, 0, 1) };
    char key[CREDENTIAL_KEY];
    const sx_cookie_spec cookie = {
        .name = MARKET_COOKIE, .value = key, .max_age_s = YEAR_S, .same_site = 1
    };
    sx_json_writer w;
    int err;

    (void)arg;
    if (c.account == 0) {
        err = sx_set_header(r, "Retry-After", "60");
        return err < 0 ? err
                       : sx_fail(r, 429, "too_many_accounts",
                                 "Too many accounts were opened just now. Please try again in a "
                                 "minute.");
    }
    if (!credential_cookie(market_of(r)->master, &c, key))
        return SX_ENOMEM;
    err = sx_set_cookie(r, &cookie);
    if (err < 0)
        return err;
    w = sx_json_begin(r);
    sx_json_object(&w);
    sx_json_bool(sx_json_key(&w, "opened"), true);
    sx_json_end(&w);
    return sx_json_reply(&w, 201);
}

static int open_now(sx_req *r, void *arg)
{
    const struct market *m = market_of(r);
    char codes[MAX_MONEY], amounts[MAX_MONEY];

    (void)arg;
    if (!write_money(m, codes, amounts)) {
        sx_req_log(r, SX_ERROR, "practice_money: an asset that is not traded, or too many digits");
        return SX_EINVAL;
    }
    return sx_query(r, on_opened, NULL,
                    "SELECT id, generation FROM open_practice($1, $2::int, $3::int, $4::text[], "
                    "$5::bigint[])",
                    SX_PARAMS(sx_text(sx_req_remote(r)), sx_int(m->each_per_minute),
                              sx_int(m->all_per_minute), sx_text(codes), sx_text(amounts)));
}

int open_account(sx_req *r)
{
    int err = account_check_origin(r);

    if (err != SX_NEXT)
        return err;
    if (!market_of(r)->allows_accounts)
        return sx_fail(r, 403, "no_practice", "This server does not open practice accounts.");
    err = sx_set_header(r, "Cache-Control", "no-store");
    if (err < 0)
        return err;
    sx_on_db_error(r, account_db_error, NULL);
    return instruments_with(r, &market_of(r)->instruments, open_now, NULL);
}
