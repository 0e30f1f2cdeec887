/* What the host asks of the pool at a start: have the migrations been applied, and how many
 * connections does the server allow? */
#include "migrations.h"

/* As a worker does at its start; said is why it could not be done. */
static void verify_queued(struct run *r, const char *url, struct sx_db_migrate_plugin *plugins,
                          size_t n, uint32_t max_queued)
{
    struct sx_test_verified told = { .is_over = false };
    struct sx_test_db db;

    memset(r, 0, sizeof *r);
    sx_report_init(&r->faults);
    sx_test_db_init(&db, url);
    db.set.max_queued = max_queued;
    sx_test_db_open(&db);
    r->err = db.m->verify(db.pool, plugins, n, &r->faults, sx_test_on_verified, &told);
    if (r->err == 0)
        sx_test_db_run(&db, &told.is_over);
    assert_true(told.is_over == (r->err == 0));
    (void)snprintf(r->said, sizeof r->said, "%s", told.why);
    if (r->faults.n_faults > 0)
        r->err = SX_ERR_INVALID;
    sx_test_db_finish(&db);
}

static void verify(struct run *r, const char *url, struct sx_db_migrate_plugin *plugins, size_t n)
{
    verify_queued(r, url, plugins, n, 100);
}

static void what_was_applied_is_found(void **state)
{
    struct pair p;
    struct run r;

    pair_apply(&p, "found", url_of(state));
    for (uint32_t queued = 1; queued < 3; queued++) { /* one after the other, both at once */
        verify_queued(&r, url_of(state), p.plugins, 2, queued);
        assert_string_equal(r.said, "");
        expect_ok(&r);
    }
    pair_drop(&p, url_of(state));
}

static void stranger_is_a_fault_before_anything_is_asked(void **state)
{
    const char *stranger[] = { "nobody", NULL };
    struct pair p;
    struct run r;

    pair_init(&p, "stranger");
    p.plugins[1].uses = stranger;
    verify(&r, url_of(state), p.plugins, 2);
    expect_fault(&r, 0, "uses \"nobody\", which is not enabled");
    end(&r);
}

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

    pair_apply(&p, "edited", url_of(state));
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

    pair_apply(&p, "later", url_of(state));
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

    pair_apply(&p, "unasked", url_of(state));
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

    pair_apply(&p, "unread", url_of(state));
    (void)snprintf(sql, sizeof sql, "ALTER TABLE %s.sx_migrations RENAME checksum TO hash", p.base);
    sx_test_sql(url_of(state), sql);

    verify(&r, url_of(state), p.plugins, 2);
    assert_int_equal(r.faults.n_faults, 1);
    expect_fault(&r, 0, "its history of migrations cannot be read: column \"checksum\" does not");
    end(&r);
    pair_drop(&p, url_of(state));
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_applied_is_found),
        cmocka_unit_test(stranger_is_a_fault_before_anything_is_asked),
        cmocka_unit_test(verify_names_each_step_that_is_missing),
        cmocka_unit_test(edited_and_unknown_steps_stop_verify_and_apply),
        cmocka_unit_test(steps_of_a_later_version_stop_apply_and_not_verify),
        cmocka_unit_test(what_cannot_be_asked_is_no_fault_and_says_why),
        cmocka_unit_test(history_that_cannot_be_read_is_one_fault),
        cmocka_unit_test(max_connections_leaves_out_the_reserved_ones),
    };

    /* it makes databases and roles */
    return cmocka_run_group_tests(tests, sx_test_pg_setup_private, sx_test_pg_teardown);
}
