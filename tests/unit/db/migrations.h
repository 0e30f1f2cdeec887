/* Two plugins with migrations, applied by the command's function; what was said and found wrong. */
#ifndef SX_TESTS_DB_MIGRATIONS_H
#define SX_TESTS_DB_MIGRATIONS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "db.h"
#include "pg.h"

struct run {
    struct sx_report faults;
    char said[2000];
    int err;
};

/* Two plugins, the first of which uses the second; names are of this process. */
struct pair {
    char shop[32], base[32];
    const char *uses[2];
    struct sx_db_migrate_plugin plugins[2];
};

static const struct sx_db_migration base_steps[] = {
    { 1, "things",
      "CREATE TABLE things (n int PRIMARY KEY);\nINSERT INTO things VALUES (1), (2);\n"
      "CREATE VIEW shown AS SELECT n FROM things;" },
    { 2, "more", "ALTER TABLE things ADD note text" },
    { 0, NULL, NULL },
};
static const struct sx_db_migration shop_steps[] = {
    { 1, "orders", "CREATE TABLE orders (id int PRIMARY KEY)" },
    { 3, "index",
      "-- sx: no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS orders_id ON orders (id);\n"
      "ALTER TABLE orders ADD x text DEFAULT 'a;b'; -- the end; really" },
    { 0, NULL, NULL },
};

static inline const char *url_of(void **state)
{
    return ((struct sx_test_pg *)*state)->url;
}

static inline const struct sx_db_module *module_of(void)
{
    const struct sx_db_module *m = NULL;
    struct sx_report faults;

    sx_report_init(&faults);
    assert_int_equal(sx_db_open(SX_BUILD_DIR "/sx_db.so", &faults, &m), 0);
    sx_report_finish(&faults);
    return m;
}

static inline void pair_init(struct pair *p, const char *word)
{
    memset(p, 0, sizeof *p);
    (void)snprintf(p->shop, sizeof p->shop, "shop_%s_%d", word, (int)getpid());
    (void)snprintf(p->base, sizeof p->base, "base_%s_%d", word, (int)getpid());
    p->uses[0] = p->base;
    p->plugins[0] = (struct sx_db_migrate_plugin){ .name = p->shop,
                                                   .steps = shop_steps,
                                                   .uses = p->uses };
    p->plugins[1] = (struct sx_db_migrate_plugin){ .name = p->base, .steps = base_steps };
}

static inline void pair_drop(const struct pair *p, const char *url)
{
    char sql[600];

    (void)snprintf(sql, sizeof sql,
                   "SET client_min_messages = error; DROP SCHEMA IF EXISTS %s, %s CASCADE; "
                   "DROP ROLE IF EXISTS sx_%s, sx_%s",
                   p->shop, p->base, p->shop, p->base);
    sx_test_sql(url, sql);
}

static inline void say(void *arg, const char *line)
{
    struct run *r = arg;
    size_t len = strlen(r->said);

    (void)snprintf(r->said + len, sizeof r->said - len, "%s\n", line);
}

static inline void run(struct run *r, const char *url, struct sx_db_migrate_plugin *plugins,
                       size_t n, enum sx_db_migrate_mode mode)
{
    memset(r, 0, sizeof *r);
    sx_report_init(&r->faults);
    r->err = module_of()->migrate(url, plugins, n, mode, true, &r->faults, say, r);
}

static inline void expect_fault(struct run *r, size_t i, const char *part)
{
    if (r->faults.n_faults <= i)
        fail_msg("no fault %zu, expected: %s", i, part);
    if (strstr(r->faults.faults[i], part) == NULL)
        fail_msg("found: %s\nexpected: %s", r->faults.faults[i], part);
    assert_true(r->err < 0);
}

static inline void end(struct run *r)
{
    sx_report_finish(&r->faults);
}

static inline void expect_ok(struct run *r)
{
    if (r->faults.n_faults > 0)
        fail_msg("%s", r->faults.faults[0]);
    assert_int_equal(r->err, 0);
    end(r);
}

static inline void pair_apply(struct pair *p, const char *word, const char *url)
{
    struct run r;

    pair_init(p, word);
    run(&r, url, p->plugins, 2, SX_DB_MIGRATE_APPLY);
    expect_ok(&r);
}

static inline void value(const char *url, char *to, size_t size, const char *fmt, ...)
{
    char sql[600];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(sql, sizeof sql, fmt, ap);
    va_end(ap);
    sx_test_sql_value(url, sql, to, size);
}

#endif /* SX_TESTS_DB_MIGRATIONS_H */
