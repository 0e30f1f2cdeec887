/*
 * exchange.c - a practice exchange: the Coinbase Exchange dialect, and what is ours below /sim.
 */
#include "exchange.h"

#include "migrations.h"

#include <stdio.h>

/* The administrator's token where none is configured: outside of production, the same on every
 * instance. */
static int make_admin(sx_plugin *p, struct exchange *x)
{
    const char *token = sx_config_text(p, "admin_token");
    const sx_span purpose = { "administrator", 13 };
    uint8_t bytes[CREDENTIAL_HMAC];

    if (token != NULL && *token != '\0') {
        if (strlen(token) >= sizeof x->admin) {
            sx_log(p, SX_ERROR, "admin_token: expected at most %zu bytes", sizeof x->admin - 1);
            return SX_EINVAL;
        }
        (void)snprintf(x->admin, sizeof x->admin, "%s", token);
        return SX_OK;
    }
    if (strcmp(sx_env(p), "production") == 0)
        return SX_OK;
    if (!credential_hmac(x->master, strlen(x->master), &purpose, 1, bytes))
        return SX_ENOMEM;
    for (size_t i = 0; i < 16; i++)
        (void)snprintf(x->admin + 2 * i, 3, "%02x", bytes[i]);
    if (sx_this_worker(p).index == 0)
        sx_log(p, SX_INFO,
               "no admin_token is set: /sim/accounts takes \"Authorization: Bearer %s\"", x->admin);
    return SX_OK;
}

static int check(sx_plugin *p)
{
    const char *master = sx_config_text(p, "signing_secret");

    if (master == NULL || strlen(master) < CREDENTIAL_MIN_MASTER) {
        sx_log(p, SX_ERROR, "signing_secret: expected at least %d bytes, found %zu",
               CREDENTIAL_MIN_MASTER, master == NULL ? (size_t)0 : strlen(master));
        return SX_EINVAL;
    }
    return SX_OK;
}

static int start(sx_plugin *p)
{
    struct exchange *x;
    int err = check(p);

    if (err < 0)
        return err;
    x = calloc(1, sizeof *x);
    if (x == NULL)
        return SX_ENOMEM;
    x->master = sx_config_text(p, "signing_secret");
    sx_set_state(p, x);
    return make_admin(p, x);
}

static void stop(sx_plugin *p)
{
    struct exchange *x = sx_state(p);

    if (x != NULL)
        instruments_free(&x->instruments);
    free(x);
    sx_set_state(p, NULL);
}

static const sx_route routes[] = {
    { .method = "POST",
      .path = "/sim/accounts",
      .handler = open_account,
      .body_schema = "{\"type\":\"object\"}",
      .tag = "simulator",
      .summary = "Open an account (administrator)" },
    { .method = "POST",
      .path = "/sim/deposit",
      .handler = make_deposit,
      .body_schema = "{\"type\":\"object\"}",
      .tag = "simulator",
      .summary = "Pay into an account (administrator)" },
    { .method = "POST",
      .path = "/sim/reset",
      .handler = reset_account,
      .body_schema = "{\"type\":\"object\"}",
      .tag = "simulator",
      .summary = "Cancel all orders of an account and set its balances (administrator)" },
    { .method = "GET",
      .path = "/sim/audit",
      .handler = show_audit,
      .timeout_ms = 60000,
      .tag = "simulator",
      .summary = "Count violations of the books' rules (administrator)" },
    { 0 },
};

static const sx_option options[] = {
    { .name = "signing_secret",
      .type = SX_SECRET,
      .required = 1,
      .doc = "What all keys of accounts are made from: 32 bytes or more, the same everywhere" },
    { .name = "admin_token",
      .type = SX_SECRET,
      .fallback = "\"\"",
      .doc =
          "Opens accounts; made from signing_secret and printed when it is not set, but never in "
          "production" },
    { 0 },
};

SX_PLUGIN("exchange", "1.0.0", .summary = "A practice exchange in the Coinbase dialect",
          .needs = SX_CAP_DB, .routes = routes, .options = options, .migrations = sx_migrations_,
          .check = check, .start = start, .stop = stop);
