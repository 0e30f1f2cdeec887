/*
 * accounts.c - who the simulated traders are, and what they own.
 *
 * Ordinary accounts of the kind 'bot', found again by their names: "bots/AURORA/dealer",
 * "bots/AURORA/trader-1".  They pay fees and need funds like anybody; one that has become poor is
 * paid in to as an administrator would.
 */
#include "bots.h"

#include <stdio.h>

#include "dealer.h"

#define TRADER_UNITS 500 /* of the base, and the price of as many in the quote */
#define POOR         5   /* less than a fifth of what it began with */
#define NAME_TEXT    64

/* What an account begins with, in atoms. */
struct means {
    int64_t base, quote;
};

int64_t lots_per_unit(const struct instrument *it)
{
    int64_t lots = 1;

    for (int32_t i = 0; i < it->lot_scale; i++)
        lots *= 10;
    return lots;
}

static struct means means_of(const struct instrument *it, double unit_ticks, bool is_dealer)
{
    const int64_t lots = (is_dealer ? DEALER_UNITS : TRADER_UNITS) * lots_per_unit(it);

    return (struct means){ lots * it->lot_atoms,
                           (int64_t)((double)lots * unit_ticks) * it->ticklot_atoms };
}

static void name_of(const struct instrument *it, int who, char name[NAME_TEXT])
{
    if (who == 0)
        (void)snprintf(name, NAME_TEXT, "bots/%s/dealer", it->base);
    else
        (void)snprintf(name, NAME_TEXT, "bots/%s/trader-%d", it->base, who);
}

static int open_account(sx_db *db, const struct instrument *it, const char *name,
                        const struct means *m, struct credential *ret)
{
    char codes[2 * INSTRUMENT_CODE + 4], amounts[48];
    const sx_rows *rows;

    (void)snprintf(codes, sizeof codes, "{%s,%s}", it->base, it->quote);
    (void)snprintf(amounts, sizeof amounts, "{%lld,%lld}", (long long)m->base, (long long)m->quote);
    rows = sx_db_exec(db,
                      "SELECT id, generation FROM create_account($1, 'bot', $2::text[], "
                      "$3::bigint[])",
                      SX_PARAMS(sx_text(name), sx_text(codes), sx_text(amounts)));
    if (rows == NULL)
        return SX_EDB;
    *ret = (struct credential){ sx_int_at(rows, 0, 0), (int32_t)sx_int_at(rows, 0, 1) };
    return SX_OK;
}

static int find_or_open(sx_db *db, const struct instrument *it, int who, double unit_ticks,
                        struct credential *ret)
{
    const struct means m = means_of(it, unit_ticks, who == 0);
    char name[NAME_TEXT];
    const sx_rows *rows;

    name_of(it, who, name);
    rows = sx_db_exec(db,
                      "SELECT id, generation FROM accounts WHERE kind = 'bot' AND name = $1 "
                      "ORDER BY created_at, id LIMIT 1",
                      SX_PARAMS(sx_text(name)));
    if (rows == NULL)
        return SX_EDB;
    if (sx_count(rows) == 0)
        return open_account(db, it, name, &m, ret);
    *ret = (struct credential){ sx_int_at(rows, 0, 0), (int32_t)sx_int_at(rows, 0, 1) };
    return SX_OK;
}

int crew_find(struct crew *c, sx_db *db, const struct instrument *it, double unit_ticks)
{
    int err = find_or_open(db, it, 0, unit_ticks, &c->dealer);
    size_t used;

    for (int i = 0; i < N_TRADERS && err == SX_OK; i++)
        err = find_or_open(db, it, i + 1, unit_ticks, &c->traders[i]);
    if (err < 0)
        return err;
    used = (size_t)snprintf(c->ids, sizeof c->ids, "{%lld", (long long)c->dealer.account);
    for (int i = 0; i < N_TRADERS; i++)
        used += (size_t)snprintf(c->ids + used, sizeof c->ids - used, ",%lld",
                                 (long long)c->traders[i].account);
    (void)snprintf(c->ids + used, sizeof c->ids - used, "}");
    if (sx_db_exec(db, "INSERT INTO progress (symbol) VALUES ($1) ON CONFLICT DO NOTHING",
                   SX_PARAMS(sx_text(it->symbol))) == NULL)
        return SX_EDB;
    c->is_known = true;
    return SX_OK;
}

static int pay(sx_db *db, int64_t account, const char *code, int64_t atoms, int64_t *n_deposits)
{
    const sx_rows *rows = sx_db_exec(db, "SELECT deposit($1, $2, $3)",
                                     SX_PARAMS(sx_int(account), sx_text(code), sx_int(atoms)));

    if (rows == NULL)
        return SX_EDB;
    *n_deposits += strcmp(sx_text_at(rows, 0, 0), "ok") == 0;
    return SX_OK;
}

int crew_pay(const struct crew *c, sx_db *db, const struct instrument *it, double unit_ticks,
             int64_t *ret_inventory, int64_t *n_deposits)
{
    struct {
        int64_t account, missing;
        bool is_base;
    } poor[2 * (N_TRADERS + 1)];
    const sx_rows *rows = sx_db_exec(
        db,
        "SELECT account, code, amount FROM balances WHERE account = ANY ($1::bigint[]) AND "
        "code IN ($2, $3)",
        SX_PARAMS(sx_text(c->ids), sx_text(it->base), sx_text(it->quote)));
    size_t n = 0;
    int err = SX_OK;

    if (rows == NULL)
        return SX_EDB;
    for (uint32_t i = 0; i < sx_count(rows) && n < sizeof poor / sizeof *poor; i++) {
        const int64_t account = sx_int_at(rows, i, 0), amount = sx_int_at(rows, i, 2);
        const bool is_dealer = account == c->dealer.account;
        const bool is_base = strcmp(sx_text_at(rows, i, 1), it->base) == 0;
        const struct means m = means_of(it, unit_ticks, is_dealer);
        const int64_t whole = is_base ? m.base : m.quote;

        if (is_dealer && is_base)
            *ret_inventory = amount / it->lot_atoms;
        if (amount < whole / POOR) {
            poor[n].account = account;
            poor[n].missing = whole - amount;
            poor[n++].is_base = is_base;
        }
    }
    for (size_t i = 0; i < n && err == SX_OK; i++)
        err = pay(db, poor[i].account, poor[i].is_base ? it->base : it->quote, poor[i].missing,
                  n_deposits);
    return err;
}
