/* Migrations: each step once, in order, whole or not at all, and what is said when not. */
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

static const char *url_of(void **state)
{
    return ((struct sx_test_pg *)*state)->url;
}

static const struct sx_db_module *module_of(void)
{
    const struct sx_db_module *m = NULL;
    struct sx_report faults;

    sx_report_init(&faults);
    assert_int_equal(sx_db_open(SX_BUILD_DIR "/sx_db.so", &faults, &m), 0);
    sx_report_finish(&faults);
    return m;
}

static void pair_init(struct pair *p, const char *word)
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

static void pair_drop(const struct pair *p, const char *url)
{
    char sql[600];

    (void)snprintf(sql, sizeof sql,
                   "SET client_min_messages = error; DROP SCHEMA IF EXISTS %s, %s CASCADE; "
                   "DROP ROLE IF EXISTS sx_%s, sx_%s",
                   p->shop, p->base, p->shop, p->base);
    sx_test_sql(url, sql);
}

static void say(void *arg, const char *line)
{
    struct run *r = arg;
    size_t len = strlen(r->said);

    (void)snprintf(r->said + len, sizeof r->said - len, "%s\n", line);
}

static void run(struct run *r, const char *url, struct sx_db_migrate_plugin *plugins, size_t n,
                enum sx_db_migrate_mode mode)
{
    memset(r, 0, sizeof *r);
    sx_report_init(&r->faults);
    r->err = module_of()->migrate(url, plugins, n, mode, true, &r->faults, say, r);
}

struct verification {
    struct run *run;
    bool is_over;
};

static void on_verified(void *arg, const char *why)
{
    struct verification *v = arg;

    assert_false(v->is_over);
    v->is_over = true;
    (void)snprintf(v->run->said, sizeof v->run->said, "%s", why != NULL ? why : "");
}

/* As a worker does at its start; said is why it could not be done. */
static void verify_queued(struct run *r, const char *url, struct sx_db_migrate_plugin *plugins,
                          size_t n, uint32_t max_queued)
{
    struct verification v = { .run = r };
    struct sx_test_db db;

    memset(r, 0, sizeof *r);
    sx_report_init(&r->faults);
    sx_test_db_init(&db, url);
    db.set.max_queued = max_queued;
    sx_test_db_open(&db);
    r->err = db.m->verify(db.pool, plugins, n, &r->faults, on_verified, &v);
    if (r->err == 0)
        sx_test_db_run(&db, &v.is_over);
    assert_true(v.is_over == (r->err == 0));
    if (r->faults.n_faults > 0)
        r->err = SX_ERR_INVALID;
    sx_test_db_finish(&db);
}

static void verify(struct run *r, const char *url, struct sx_db_migrate_plugin *plugins, size_t n)
{
    verify_queued(r, url, plugins, n, 100);
}

static void expect_fault(struct run *r, size_t i, const char *part)
{
    if (r->faults.n_faults <= i)
        fail_msg("no fault %zu, expected: %s", i, part);
    if (strstr(r->faults.faults[i], part) == NULL)
        fail_msg("found: %s\nexpected: %s", r->faults.faults[i], part);
    assert_true(r->err < 0);
}

static void end(struct run *r)
{
    sx_report_finish(&r->faults);
}

static void expect_ok(struct run *r)
{
    if (r->faults.n_faults > 0)
        fail_msg("%s", r->faults.faults[0]);
    assert_int_equal(r->err, 0);
    end(r);
}

static void value(const char *url, char *to, size_t size, const char *fmt, ...)
{
    char sql[600];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(sql, sizeof sql, fmt, ap);
    va_end(ap);
    sx_test_sql_value(url, sql, to, size);
}

/* --- applying ------------------------------------------------------------------- */

static void steps_are_applied_once_in_the_order_of_use(void **state)
{
    char expected[400], found[200];
    struct pair p;
    struct run r;

    pair_init(&p, "apply");
    run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_APPLY);
    (void)snprintf(expected, sizeof expected,
                   "%s: applied 1 things\n%s: applied 2 more\n"
                   "%s: applied 1 orders\n%s: applied 3 index\n",
                   p.base, p.base, p.shop, p.shop);
    assert_string_equal(r.said, expected);
    expect_ok(&r);

    run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_APPLY);
    assert_string_equal(r.said, "");
    expect_ok(&r);

    assert_true(p.plugins[0].needs_role && p.plugins[1].needs_role);
    for (uint32_t queued = 1; queued < 3; queued++) { /* one after the other, both at once */
        verify_queued(&r, url_of(state), p.plugins, 2, queued);
        assert_string_equal(r.said, "");
        expect_ok(&r);
    }
    value(url_of(state), found, sizeof found,
          "SELECT string_agg(number || name || length(checksum) || (ms >= 0), ',' ORDER BY number) "
          "FROM %s.sx_migrations",
          p.shop);
    assert_string_equal(found, "1orders64true,3index64true");
    pair_drop(&p, url_of(state));
}

static void plugin_owns_its_schema_and_sees_only_views_of_what_it_uses(void **state)
{
    char found[200];
    struct pair p;
    struct run r;

    pair_init(&p, "roles");
    run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_APPLY);
    expect_ok(&r);

    value(url_of(state), found, sizeof found,
          "SELECT pg_get_userbyid(nspowner) = 'sx_%s' FROM pg_namespace "
          "WHERE nspname = '%s'",
          p.shop, p.shop);
    assert_string_equal(found, "t");
    value(url_of(state), found, sizeof found,
          "SELECT tableowner = 'sx_%s' FROM pg_tables "
          "WHERE schemaname = '%s' AND tablename = 'orders'",
          p.shop, p.shop);
    assert_string_equal(found, "t");
    value(url_of(state), found, sizeof found,
          "SELECT has_table_privilege('sx_%s', '%s.shown', 'SELECT') || ' ' || "
          "has_table_privilege('sx_%s', '%s.things', 'SELECT') || ' ' || "
          "has_schema_privilege('sx_%s', '%s', 'USAGE')",
          p.shop, p.base, p.shop, p.base, p.base, p.shop);
    assert_string_equal(found, "true false false");
    pair_drop(&p, url_of(state));
}

static void schema_made_without_roles_is_handed_over_later(void **state)
{
    char found[200];
    struct pair p;
    struct run r;

    pair_init(&p, "hand");
    memset(&r, 0, sizeof r);
    sx_report_init(&r.faults);
    r.err = module_of()->migrate(url_of(state), p.plugins, 2, SX_DB_MIGRATE_APPLY, false, &r.faults,
                                 say, &r);
    assert_false(p.plugins[0].needs_role);
    expect_ok(&r);

    run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_APPLY);
    expect_ok(&r);

    assert_true(p.plugins[0].needs_role);
    value(url_of(state), found, sizeof found,
          "SELECT string_agg(DISTINCT tableowner, ',') FROM pg_tables "
          "WHERE schemaname = '%s' AND tablename <> 'sx_migrations'",
          p.shop);
    assert_string_equal(found + 3, p.shop);
    pair_drop(&p, url_of(state));
}

static void dry_run_says_what_it_would_do_and_does_nothing(void **state)
{
    char expected[400], found[64];
    struct pair p;
    struct run r;

    pair_init(&p, "dry");
    run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_DRY_RUN);

    (void)snprintf(expected, sizeof expected,
                   "%s: would apply 1 things\n%s: would apply 2 more\n"
                   "%s: would apply 1 orders\n%s: would apply 3 index\n",
                   p.base, p.base, p.shop, p.shop);
    assert_string_equal(r.said, expected);
    expect_ok(&r);
    value(url_of(state), found, sizeof found, "SELECT to_regnamespace('%s') IS NULL", p.base);
    assert_string_equal(found, "t");
}

/* --- faults --------------------------------------------------------------------- */

static void verify_names_each_step_that_is_missing(void **state)
{
    struct pair p;
    struct run r;

    pair_init(&p, "missing");
    verify(&r, url_of(state), p.plugins, 2);

    assert_string_equal(r.said, "");
    assert_int_equal(r.faults.n_faults, 4);
    expect_fault(&r, 0, p.base);
    expect_fault(&r, 0, "migration 1 \"things\" has not been applied\nRun sim-exchange migrate.");
    expect_fault(&r, 3, "migration 3 \"index\" has not been applied");
    end(&r);
}

static void edited_and_unknown_steps_stop_verify_and_apply(void **state)
{
    static const struct sx_db_migration edited[] = {
        { 1, "things", "CREATE TABLE things (n bigint PRIMARY KEY)" },
        { 3, "newest", "CREATE TABLE newest ()" },
        { 0, NULL, NULL },
    };
    char found[64];
    struct pair p;
    struct run r;

    pair_init(&p, "edited");
    run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_APPLY);
    expect_ok(&r);
    p.plugins[1].steps = edited;
    for (int mode = 0; mode < 2; mode++) {
        if (mode == 0)
            verify(&r, url_of(state), p.plugins, 2);
        else
            run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_APPLY);
        expect_fault(&r, 0, "migration 1 \"things\" was edited after it had been applied");
        expect_fault(&r, 1, "migration 2 \"more\" is in the database and unknown to this version");
        end(&r);
    }
    value(url_of(state), found, sizeof found, "SELECT to_regclass('%s.newest') IS NULL", p.base);
    assert_string_equal(found, "t");
    pair_drop(&p, url_of(state));
}

static void steps_of_a_later_version_stop_apply_and_not_verify(void **state)
{
    const struct sx_db_migration earlier[] = { base_steps[0], { 0, NULL, NULL } };
    struct pair p;
    struct run r;

    pair_init(&p, "later");
    run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_APPLY);
    expect_ok(&r);
    p.plugins[1].steps = earlier;

    verify(&r, url_of(state), p.plugins, 2);
    assert_string_equal(r.said, "");
    expect_ok(&r);
    run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_APPLY);
    expect_fault(&r, 0, "migration 2 \"more\" is in the database and unknown to this version");
    end(&r);
    pair_drop(&p, url_of(state));
}

static void what_cannot_be_asked_is_no_fault_and_says_why(void **state)
{
    char url[400], sql[256];
    struct pair p;
    struct run r;

    pair_init(&p, "unasked");
    run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_APPLY);
    expect_ok(&r);
    (void)snprintf(sql, sizeof sql, "CREATE ROLE stranger_%d LOGIN", (int)getpid());
    sx_test_sql(url_of(state), sql);
    (void)snprintf(url, sizeof url, "%s user=stranger_%d", url_of(state), (int)getpid());

    verify(&r, url, p.plugins, 2);
    assert_non_null(strstr(r.said, "permission denied for schema base_unasked"));
    expect_ok(&r);
    verify(&r, "host=/nonexistent", p.plugins, 2);
    assert_non_null(strstr(r.said, "/nonexistent"));
    expect_ok(&r);

    (void)snprintf(sql, sizeof sql, "DROP ROLE stranger_%d", (int)getpid());
    sx_test_sql(url_of(state), sql);
    pair_drop(&p, url_of(state));
}

static void history_that_cannot_be_read_is_one_fault(void **state)
{
    char sql[128];
    struct pair p;
    struct run r;

    pair_init(&p, "unread");
    run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_APPLY);
    expect_ok(&r);
    (void)snprintf(sql, sizeof sql, "ALTER TABLE %s.sx_migrations RENAME checksum TO hash", p.base);
    sx_test_sql(url_of(state), sql);

    verify(&r, url_of(state), p.plugins, 2);
    assert_int_equal(r.faults.n_faults, 1);
    expect_fault(&r, 0, "its history of migrations cannot be read: column \"checksum\" does not");
    end(&r);
    pair_drop(&p, url_of(state));
}

static void failing_step_is_told_with_its_line_and_leaves_nothing(void **state)
{
    static const struct {
        struct sx_db_migration steps[3];
        const char *expected;
    } cases[] = {
        { { { 1, "good", "CREATE TABLE kept ()" },
            { 2, "broken", "CREATE TABLE half ();\n-- \xc3\xa4\n\nSELECT * FROM nowhere;" } },
          "migration 2 \"broken\": line 4: relation \"nowhere\" does not exist" },
        { { { 1, "good", "CREATE TABLE kept ()" },
            { 2, "sneaky", "CREATE TABLE half (); COMMIT; SELECT 1" } },
          "migration 2 \"sneaky\": it ends the transaction that it runs in" },
        { { { 1, "good", "CREATE TABLE kept ()" },
            { 2, "bare", "-- sx: no-transaction\nSELECT 1;\n\nSELECT wrong;" } },
          "migration 2 \"bare\": line 4: column \"wrong\" does not exist" },
        { { { 2, "b", "SELECT 1" }, { 1, "a", "SELECT 1" } }, "migration 1 follows 2" },
    };
    char found[64];
    struct pair p;
    struct run r;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        pair_init(&p, "failing");
        p.plugins[1].steps = cases[i].steps;
        run(&r, url_of(state), &p.plugins[1], 1, SX_DB_MIGRATE_APPLY);
        expect_fault(&r, 0, cases[i].expected);
        expect_fault(&r, 0, p.base);
        end(&r);
        if (i == 0) {
            value(url_of(state), found, sizeof found,
                  "SELECT (to_regclass('%s.half') IS NULL) || ' ' || "
                  "(SELECT max(number) FROM %s.sx_migrations)",
                  p.base, p.base);
            assert_string_equal(found, "true 1");
        }
        pair_drop(&p, url_of(state));
    }
}

static void circles_and_strangers_are_faults(void **state)
{
    struct pair p;
    const char *back[] = { p.shop, NULL }, *stranger[] = { "nobody", NULL };
    struct run r;

    pair_init(&p, "circle");
    p.plugins[1].uses = back;
    run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_APPLY);
    expect_fault(&r, 0, "plugins use each other in a circle: ");
    end(&r);
    p.plugins[1].uses = stranger;
    verify(&r, url_of(state), p.plugins, 2);
    expect_fault(&r, 0, "uses \"nobody\", which is not enabled");
    end(&r);
    run(&r, "host=/nonexistent", p.plugins, 0, SX_DB_MIGRATE_DRY_RUN);
    expect_fault(&r, 0, "database: cannot connect: ");
    end(&r);
}

/* --- many at once --------------------------------------------------------------- */

struct racer {
    uv_thread_t thread;
    const char *url;
    struct pair pair;
    struct run run;
};

static void race(void *arg)
{
    struct racer *r = arg;

    sx_report_init(&r->run.faults);
    r->run.err = module_of()->migrate(r->url, r->pair.plugins, 2, SX_DB_MIGRATE_APPLY, true,
                                      &r->run.faults, say, &r->run);
}

static void count_applied(const char *said, int *n)
{
    while ((said = strstr(said, ": applied ")) != NULL) {
        (*n)++;
        said++;
    }
}

static void racing_migrations_all_succeed_and_apply_each_step_once(void **state)
{
    struct racer racers[4];
    int n_applied = 0;

    memset(racers, 0, sizeof racers);
    for (int i = 0; i < 4; i++) {
        pair_init(&racers[i].pair, "race");
        racers[i].url = url_of(state);
        assert_int_equal(uv_thread_create(&racers[i].thread, race, &racers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(uv_thread_join(&racers[i].thread), 0);
        count_applied(racers[i].run.said, &n_applied);
        expect_ok(&racers[i].run);
    }

    assert_int_equal(n_applied, 4);
    pair_drop(&racers[0].pair, url_of(state));
}

static void two_databases_of_a_cluster_share_roles_without_a_quarrel(void **state)
{
    struct racer racers[2];
    char names[2][32], urls[2][400], sql[128];

    memset(racers, 0, sizeof racers);
    for (int i = 0; i < 2; i++) {
        (void)snprintf(names[i], sizeof names[i], "sxdb_%d_%d", (int)getpid(), i);
        (void)snprintf(sql, sizeof sql, "CREATE DATABASE %s", names[i]);
        sx_test_sql(url_of(state), sql);
        (void)snprintf(urls[i], sizeof urls[i], "%s dbname=%s", url_of(state), names[i]);
    }
    for (int i = 0; i < 2; i++) {
        pair_init(&racers[i].pair, "both");
        racers[i].url = urls[i];
        assert_int_equal(uv_thread_create(&racers[i].thread, race, &racers[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(uv_thread_join(&racers[i].thread), 0);
        assert_true(racers[i].pair.plugins[0].needs_role);
        expect_ok(&racers[i].run);
    }
    for (int i = 0; i < 2; i++) {
        (void)snprintf(sql, sizeof sql, "DROP DATABASE %s", names[i]);
        sx_test_sql(url_of(state), sql);
    }
    pair_drop(&racers[0].pair, url_of(state));
}

static void login_that_may_not_create_roles_gets_schemas_alone(void **state)
{
    char url[400], sql[256];
    struct pair p;
    struct run r;

    (void)snprintf(sql, sizeof sql, "CREATE ROLE plain_%d LOGIN", (int)getpid());
    sx_test_sql(url_of(state), sql);
    (void)snprintf(sql, sizeof sql, "GRANT CREATE ON DATABASE postgres TO plain_%d", (int)getpid());
    sx_test_sql(url_of(state), sql);
    (void)snprintf(url, sizeof url, "%s user=plain_%d", url_of(state), (int)getpid());
    pair_init(&p, "plain");

    run(&r, url, p.plugins, 2, SX_DB_MIGRATE_APPLY);

    assert_false(p.plugins[0].needs_role);
    assert_non_null(strstr(r.said, "the login may not create roles"));
    expect_ok(&r);
    pair_drop(&p, url_of(state));
    (void)snprintf(sql, sizeof sql, "DROP OWNED BY plain_%d; DROP ROLE plain_%d", (int)getpid(),
                   (int)getpid());
    sx_test_sql(url_of(state), sql);
}

struct limit {
    int max;
    bool is_known;
};

static void on_limit(void *arg, int max)
{
    *(struct limit *)arg = (struct limit){ max, true };
}

static void max_connections_leaves_out_the_reserved_ones(void **state)
{
    struct limit found = { 0 }, lost = { 0 };
    struct sx_test_db db;
    char expected[32];

    value(url_of(state), expected, sizeof expected,
          "SELECT current_setting('max_connections')::int - "
          "current_setting('superuser_reserved_connections')::int");
    sx_test_db_init(&db, url_of(state));
    sx_test_db_open(&db);
    assert_int_equal(db.m->max_connections(db.pool, on_limit, &found), 0);
    sx_test_db_run(&db, &found.is_known);
    assert_int_equal(found.max, atoi(expected));

    assert_int_equal(db.m->max_connections(db.pool, on_limit, &lost), 0);
    sx_test_db_finish(&db);
    assert_true(lost.is_known && lost.max < 0);
}

static int start(void **state)
{
    static struct sx_test_pg pg;

    *state = &pg;
    return sx_test_pg_start(&pg, true); /* it makes databases and roles */
}

static int stop(void **state)
{
    sx_test_pg_finish(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_applied_once_in_the_order_of_use),
        cmocka_unit_test(plugin_owns_its_schema_and_sees_only_views_of_what_it_uses),
        cmocka_unit_test(schema_made_without_roles_is_handed_over_later),
        cmocka_unit_test(dry_run_says_what_it_would_do_and_does_nothing),
        cmocka_unit_test(verify_names_each_step_that_is_missing),
        cmocka_unit_test(edited_and_unknown_steps_stop_verify_and_apply),
        cmocka_unit_test(steps_of_a_later_version_stop_apply_and_not_verify),
        cmocka_unit_test(what_cannot_be_asked_is_no_fault_and_says_why),
        cmocka_unit_test(history_that_cannot_be_read_is_one_fault),
        cmocka_unit_test(failing_step_is_told_with_its_line_and_leaves_nothing),
        cmocka_unit_test(circles_and_strangers_are_faults),
        cmocka_unit_test(racing_migrations_all_succeed_and_apply_each_step_once),
        cmocka_unit_test(two_databases_of_a_cluster_share_roles_without_a_quarrel),
        cmocka_unit_test(login_that_may_not_create_roles_gets_schemas_alone),
        cmocka_unit_test(max_connections_leaves_out_the_reserved_ones),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
