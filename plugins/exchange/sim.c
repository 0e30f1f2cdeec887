/*
 * sim.c - what is ours: the administrator opens accounts and pays in.
 */
#include "exchange.h"

#include <stdio.h>

#define MAX_ASSETS 64

/* What a body pays in: codes and atoms, as arrays of PostgreSQL. */
struct deposits {
    char codes[1024];
    char amounts[2048];
    size_t n;
};

static const struct instrument *holder_of(const struct exchange *x, const char *code,
                                          int *ret_scale)
{
    for (size_t i = 0; i < x->instruments.n; i++) {
        const struct instrument *it = x->instruments.v[i];

        *ret_scale = strcmp(it->base, code) == 0 ? it->base_scale : it->quote_scale;
        if (strcmp(it->base, code) == 0 || strcmp(it->quote, code) == 0)
            return it;
    }
    return NULL;
}

/* One entry of "deposits"; SX_NEXT, or the answer is given. */
static int add_deposit(sx_req *r, struct deposits *d, const char *code, const json_t *amount)
{
    const char *text = json_string_value(amount);
    const char *comma = d->n > 0 ? "," : "";
    char number[32];
    int64_t atoms = 0;
    int scale = 0, err;
    size_t used = strlen(d->codes), paid = strlen(d->amounts);

    if (json_is_integer(amount)) {
        (void)snprintf(number, sizeof number, "%lld", (long long)json_integer_value(amount));
        text = number;
    }
    if (text == NULL)
        return answer_fail(r, 400, "deposits.%.20s: expected decimal text, such as \"1000.50\"",
                           code);
    if (holder_of(exchange_of(r), code, &scale) == NULL || d->n == MAX_ASSETS)
        return answer_fail(r, 400, "deposits: there is no asset \"%.20s\"", code);
    err = decimal_parse(text, scale, &atoms);
    if (err != DECIMAL_OK)
        return answer_fail(r, 400, "deposits.%s: %s, found \"%.40s\"", code,
                           err == DECIMAL_TOO_PRECISE ? "it has too many digits"
                           : err == DECIMAL_TOO_LARGE ? "it is too large"
                                                      : "expected a decimal number",
                           text);
    (void)snprintf(d->codes + used, sizeof d->codes - used, "%s%s", comma, code);
    (void)snprintf(d->amounts + paid, sizeof d->amounts - paid, "%s%lld", comma, (long long)atoms);
    d->n++;
    return SX_NEXT;
}

/* The body's "deposits" as array literals "{…}"; SX_NEXT, or the answer is given. */
static int read_deposits(sx_req *r, struct deposits *d)
{
    json_t *all = json_object_get(sx_body_json(r), "deposits"), *amount;
    const char *code;
    int err = SX_NEXT;

    *d = (struct deposits){ .codes = "{", .amounts = "{" };
    if (all != NULL && !json_is_object(all))
        return answer_fail(r, 400, "deposits: expected an object, such as {\"USD\":\"1000\"}");
    json_object_foreach(all, code, amount)
    {
        err = add_deposit(r, d, code, amount);
        if (err != SX_NEXT)
            return err;
    }
    memcpy(d->codes + strlen(d->codes), "}", 2);
    memcpy(d->amounts + strlen(d->amounts), "}", 2);
    return SX_NEXT;
}

static int reply_credential(sx_req *r, const struct credential *c, int status)
{
    const struct exchange *x = exchange_of(r);
    char key[CREDENTIAL_KEY], secret[CREDENTIAL_SECRET], passphrase[CREDENTIAL_PASSPHRASE];
    char profile[UUID_TEXT];
    sx_json_writer w = sx_json_begin(r);

    if (!credential_key(x->master, c, key) || !credential_secret(x->master, c, secret) ||
        !credential_passphrase(x->master, c, passphrase))
        return SX_ENOMEM;
    answer_uuid(c->account, UUID_PROFILE, profile);
    sx_json_object(&w);
    sx_json_int(sx_json_key(&w, "account"), c->account);
    sx_json_text(sx_json_key(&w, "profile_id"), profile);
    sx_json_text(sx_json_key(&w, "key"), key);
    sx_json_text(sx_json_key(&w, "secret"), secret);
    sx_json_text(sx_json_key(&w, "passphrase"), passphrase);
    sx_json_end(&w);
    return sx_json_reply(&w, status);
}

static int on_opened(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct credential c = { sx_int_at(rows, 0, 0), (int32_t)sx_int_at(rows, 0, 1) };

    (void)arg;
    return reply_credential(r, &c, 201);
}

static int open_now(sx_req *r, void *arg)
{
    const char *name = json_string_value(json_object_get(sx_body_json(r), "name"));
    struct deposits d;
    int err = read_deposits(r, &d);

    (void)arg;
    if (err != SX_NEXT)
        return err;
    return sx_query(
        r, on_opened, NULL,
        "SELECT id, generation FROM create_account($1, 'practice', $2::text[], "
        "$3::bigint[])",
        SX_PARAMS(sx_text(name == NULL ? "" : name), sx_text(d.codes), sx_text(d.amounts)));
}

/* Goes on with fn for the administrator, when the instruments are known. */
static int for_admin(sx_req *r, instruments_fn *fn)
{
    int err = auth_check_admin(r);

    return err != SX_NEXT ? err : call_public(r, fn);
}

int open_account(sx_req *r)
{
    return for_admin(r, open_now);
}

/* The body's "account" (the number) or "key". */
static bool named_account(sx_req *r, int64_t *ret)
{
    json_t *body = sx_body_json(r);
    const char *key = json_string_value(json_object_get(body, "key"));
    struct credential c = { json_integer_value(json_object_get(body, "account")), 0 };

    if (key != NULL && !credential_read(exchange_of(r)->master, key, &c))
        return false;
    *ret = c.account;
    return c.account > 0;
}

static int reply_outcome(sx_req *r, const char *outcome)
{
    sx_json_writer w = sx_json_begin(r);

    if (strcmp(outcome, "no_account") == 0)
        return answer_fail(r, 404, "there is no such account");
    if (strcmp(outcome, "ok") != 0)
        return answer_fail(r, 400, "%s",
                           strcmp(outcome, "insufficient_funds") == 0 ? "Insufficient funds"
                           : strcmp(outcome, "too_much") == 0         ? "more than can be paid in"
                                                                      : outcome);
    sx_json_object(&w);
    sx_json_text(sx_json_key(&w, "status"), "ok");
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int on_paid(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)arg;
    for (uint32_t i = 0; i < sx_count(rows); i++)
        if (strcmp(sx_text_at(rows, i, 0), "ok") != 0)
            return reply_outcome(r, sx_text_at(rows, i, 0));
    return reply_outcome(r, "ok");
}

static int change_account(sx_req *r, const char *sql)
{
    struct deposits d;
    int64_t account = 0;
    int err;

    if (!named_account(r, &account))
        return answer_fail(r, 400, "expected \"account\", its number, or \"key\"");
    err = read_deposits(r, &d);
    if (err != SX_NEXT)
        return err;
    return sx_query(r, on_paid, NULL, sql,
                    SX_PARAMS(sx_int(account), sx_text(d.codes), sx_text(d.amounts)));
}

static int deposit_now(sx_req *r, void *arg)
{
    (void)arg;
    return change_account(r, "SELECT pay_in($1, $2::text[], $3::bigint[])");
}

int make_deposit(sx_req *r)
{
    return for_admin(r, deposit_now);
}

static int reset_now(sx_req *r, void *arg)
{
    (void)arg;
    return change_account(r, "SELECT reset_account($1, $2::text[], $3::bigint[])");
}

int reset_account(sx_req *r)
{
    return for_admin(r, reset_now);
}

/* The invariants, asked now: rule and how often it is broken. */
static int on_audit(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)arg;
    return sx_reply_rows(r, 200, rows);
}

static int read_audit(sx_req *r, void *arg)
{
    (void)arg;
    return sx_read(r, on_audit, NULL, "SELECT rule, n FROM violations", SX_NONE);
}

int show_audit(sx_req *r)
{
    return for_admin(r, read_audit);
}
