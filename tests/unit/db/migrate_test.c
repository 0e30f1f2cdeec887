/* Migrations: each step once, in order, whole or not at all, and what is said when not. */
#include "migrations.h"

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

    pair_apply(&p, "roles", url_of(state));

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
    run(&r, url_of(state), p.plugins, 2, SX_DB_MIGRATE_DRY_RUN);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_applied_once_in_the_order_of_use),
        cmocka_unit_test(plugin_owns_its_schema_and_sees_only_views_of_what_it_uses),
        cmocka_unit_test(schema_made_without_roles_is_handed_over_later),
        cmocka_unit_test(dry_run_says_what_it_would_do_and_does_nothing),
        cmocka_unit_test(failing_step_is_told_with_its_line_and_leaves_nothing),
        cmocka_unit_test(circles_and_strangers_are_faults),
        cmocka_unit_test(racing_migrations_all_succeed_and_apply_each_step_once),
        cmocka_unit_test(two_databases_of_a_cluster_share_roles_without_a_quarrel),
        cmocka_unit_test(login_that_may_not_create_roles_gets_schemas_alone),
    };

    /* it makes databases and roles */
    return cmocka_run_group_tests(tests, sx_test_pg_setup_private, sx_test_pg_teardown);
}
