/* I6 and I7: nobody's statement feels another's error, role, settings or leftovers. */
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

enum { MANY = 500 };

static const struct layout {
    uint32_t size;
    bool wants_leases;
} layouts[] = { { 1, false }, { 2, false }, { 3, false }, { 1, true }, { 2, true }, { 3, true } };

enum { N_LAYOUTS = sizeof layouts / sizeof layouts[0] };

static const char *url_of(void **state)
{
    return ((struct sx_test_pg *)*state)->url;
}

static void open_layout(struct sx_test_db *db, void **state, const struct layout *layout)
{
    sx_test_db_init(db, url_of(state));
    db->set.size = layout->size;
    db->set.wants_leases = layout->wants_leases;
    sx_test_db_open_ready(db);
}

static void run_all(struct sx_test_db *db, const struct sx_test_op *ops, int n)
{
    for (int i = 0; i < n; i++)
        sx_test_db_run(db, &ops[i].is_done);
}

/* --- errors --------------------------------------------------------------------- */

static void init_one_of_three(struct sx_test_op *t, const struct sx_db_owner *owner, int i)
{
    uint32_t flags = i % 2 == 0 ? SX_DB_READ_ONLY : 0;

    if (i % 3 == 2)
        sx_test_op_init(t, owner,
                        i % 4 == 0 ? "SELECT no_such_column" : "SELECT 1/(length($1)-length($1))",
                        flags);
    else
        sx_test_op_init(t, owner, "SELECT $1::text", flags);
    sx_test_op_text(t, "token-%d", i);
    if (strstr(t->stmt.sql, "$1") == NULL)
        t->stmt.n_params = 0;
}

static void every_third_statement_fails_and_no_other(void **state)
{
    struct sx_test_op *t = calloc(MANY, sizeof *t);
    struct sx_test_db db;

    for (int k = 0; k < N_LAYOUTS; k++) {
        open_layout(&db, state, &layouts[k]);
        for (int i = 0; i < MANY; i++) {
            init_one_of_three(&t[i], &db.owner, i);
            sx_test_op_submit(&db, &t[i]);
        }
        run_all(&db, t, MANY);
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(t[i].is_ok, i % 3 != 2);
            if (i % 3 != 2)
                assert_string_equal(t[i].value, t[i].text);
            else
                assert_string_equal(t[i].failure.sqlstate,
                                    t[i].stmt.n_params == 0 ? "42703" : "22012");
        }
        sx_test_db_finish(&db);
    }
    free(t);
}

static void writes_of_failed_neighbours_all_count_once(void **state)
{
    struct sx_test_op *t = calloc(MANY, sizeof *t), check;
    struct sx_test_db db;

    sx_test_sql(url_of(state),
                "DROP TABLE IF EXISTS iso_hits; CREATE TABLE iso_hits (n int CHECK (n % 3 <> 2))");
    open_layout(&db, state, &layouts[1]);
    for (int i = 0; i < MANY; i++) {
        sx_test_op_init(&t[i], &db.owner, "INSERT INTO iso_hits VALUES ($1)", 0);
        t[i].params[0] = (struct sx_db_param){ .type = SX_DB_INT, .v.i = i };
        t[i].stmt.n_params = 1;
        sx_test_op_submit(&db, &t[i]);
    }
    run_all(&db, t, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(t[i].is_ok, i % 3 != 2);
        if (!t[i].is_ok)
            assert_string_equal(t[i].constraint, "iso_hits_n_check");
    }

    sx_test_db_read(&db, &check, "SELECT count(*) || ' ' || count(DISTINCT n) FROM iso_hits");

    assert_string_equal(check.value, "334 334");
    sx_test_db_finish(&db);
    free(t);
}

static void error_at_the_commit_is_the_statements_own(void **state)
{
    struct sx_test_op t[3], check;
    struct sx_test_db db;

    sx_test_sql(
        url_of(state),
        "DROP TABLE IF EXISTS iso_late; CREATE TABLE iso_late (n int, CONSTRAINT late UNIQUE (n) "
        "DEFERRABLE INITIALLY DEFERRED); INSERT INTO iso_late VALUES (2)");
    open_layout(&db, state, &layouts[0]);
    for (int i = 0; i < 3; i++) {
        sx_test_op_init(&t[i], &db.owner, "INSERT INTO iso_late VALUES ($1)", 0);
        t[i].params[0] = (struct sx_db_param){ .type = SX_DB_INT, .v.i = i + 1 };
        t[i].stmt.n_params = 1;
        sx_test_op_submit(&db, &t[i]);
    }

    run_all(&db, t, 3);

    assert_true(t[0].is_ok);
    assert_false(t[1].is_ok);
    assert_string_equal(t[1].failure.sqlstate, "23505");
    assert_string_equal(t[1].constraint, "late");
    assert_true(t[2].is_ok);
    assert_string_equal(sx_test_db_value(&db, &check,
                                         "SELECT string_agg(n::text, ',' ORDER BY n) "
                                         "FROM iso_late"),
                        "1,2,3");
    sx_test_db_finish(&db);
}

static void batch_takes_effect_whole_or_not_at_all(void **state)
{
    struct sx_db_stmt good[2] = { { .sql = "INSERT INTO iso_batch VALUES (1)" },
                                  { .sql = "INSERT INTO iso_batch VALUES (2) RETURNING n" } };
    struct sx_db_stmt bad[3] = { { .sql = "INSERT INTO iso_batch VALUES (3)" },
                                 { .sql = "INSERT INTO iso_batch VALUES (1)" },
                                 { .sql = "INSERT INTO iso_batch VALUES (4)" } };
    struct sx_test_op a, b, check;
    struct sx_test_db db;

    sx_test_sql(url_of(state),
                "DROP TABLE IF EXISTS iso_batch; CREATE TABLE iso_batch (n int PRIMARY KEY)");
    open_layout(&db, state, &layouts[1]);
    sx_test_op_init(&a, &db.owner, "", 0);
    a.op.stmts = good;
    a.op.n_stmts = 2;
    sx_test_op_init(&b, &db.owner, "", 0);
    b.op.stmts = bad;
    b.op.n_stmts = 3;
    sx_test_op_submit(&db, &a);
    sx_test_op_submit(&db, &b);

    sx_test_db_run(&db, &a.is_done);
    sx_test_db_run(&db, &b.is_done);

    assert_true(a.is_ok);
    assert_string_equal(a.value, "2");
    assert_false(b.is_ok);
    assert_int_equal(b.failure.index, 1);
    assert_string_equal(sx_test_db_value(&db, &check, "SELECT count(*) FROM iso_batch"), "2");
    sx_test_db_finish(&db);
}

/* --- reads ---------------------------------------------------------------------- */

static void read_is_refused_to_write_in_every_layout(void **state)
{
    struct sx_test_op t, check;
    struct sx_test_db db;

    sx_test_sql(url_of(state), "DROP TABLE IF EXISTS iso_read; CREATE TABLE iso_read (n int);"
                               "DROP SEQUENCE IF EXISTS iso_seq; CREATE SEQUENCE iso_seq");
    for (int k = 0; k < N_LAYOUTS; k++) {
        static const char *const texts[] = {
            "INSERT INTO iso_read VALUES (1)",
            "WITH a AS (INSERT INTO iso_read VALUES (2) RETURNING n) SELECT * FROM a",
            "SELECT nextval('iso_seq')"
        };

        open_layout(&db, state, &layouts[k]);
        for (int i = 0; i < 3; i++) {
            sx_test_db_read(&db, &t, texts[i]);
            assert_string_equal(t.failure.sqlstate, "25006");
        }
        sx_test_op_init(&t, &db.owner, texts[0], SX_DB_READ_ONLY);
        t.op.timeout_ms = 777;
        sx_test_op_submit(&db, &t);
        sx_test_db_run(&db, &t.is_done);
        assert_string_equal(t.failure.sqlstate, "25006");
        sx_test_db_write(&db, &t, texts[0]);
        assert_true(t.is_ok);
        sx_test_db_finish(&db);
    }
    open_layout(&db, state, &layouts[0]);
    assert_int_equal(atoi(sx_test_db_value(&db, &check, "SELECT count(*) FROM iso_read")),
                     N_LAYOUTS);
    sx_test_db_finish(&db);
}

/* --- crossing, owners ----------------------------------------------------------- */

struct owners {
    char roles[3][48];
    struct sx_db_owner v[3];
};

static void make_owners(struct owners *o, const char *url)
{
    char sql[512];

    for (uint32_t i = 0; i < 3; i++) {
        (void)snprintf(o->roles[i], sizeof o->roles[i], "sx_iso_%d_%u", (int)getpid(), i);
        (void)snprintf(
            sql, sizeof sql,
            "CREATE ROLE %s; CREATE SCHEMA %s AUTHORIZATION %s; "
            "CREATE TABLE %s.who AS SELECT '%s'::text AS name; ALTER TABLE %s.who OWNER TO %s",
            o->roles[i], o->roles[i], o->roles[i], o->roles[i], o->roles[i], o->roles[i],
            o->roles[i]);
        sx_test_sql(url, sql);
        o->v[i] = (struct sx_db_owner){
            .name = o->roles[i], .role = o->roles[i], .search_path = o->roles[i], .index = i
        };
    }
}

static void drop_owners(struct owners *o, const char *url)
{
    char sql[256];

    for (int i = 0; i < 3; i++) {
        (void)snprintf(sql, sizeof sql,
                       "SET client_min_messages = error; DROP SCHEMA %s CASCADE; DROP ROLE %s",
                       o->roles[i], o->roles[i]);
        sx_test_sql(url, sql);
    }
}

static void answers_never_cross_between_requests_or_owners(void **state)
{
    static const char sql[] = "SELECT $1 || ' ' || current_user || ' ' || name FROM who";
    struct sx_test_op *t = calloc(MANY, sizeof *t);
    struct owners o;
    struct sx_test_db db;
    char expected[200];

    make_owners(&o, url_of(state));
    for (int k = 0; k < N_LAYOUTS; k++) {
        open_layout(&db, state, &layouts[k]);
        for (int i = 0; i < MANY; i++) {
            const struct sx_db_owner *owner = &o.v[(i / 2) % 3];

            sx_test_op_init(&t[i], owner, sql, i % 5 == 0 ? 0 : SX_DB_READ_ONLY);
            sx_test_op_text(&t[i], "%d:%d", k, i);
            sx_test_op_submit(&db, &t[i]);
            if (i % 50 == 0)
                (void)uv_run(&db.loop, UV_RUN_NOWAIT);
        }
        run_all(&db, t, MANY);
        for (int i = 0; i < MANY; i++) {
            const char *role = t[i].op.owner->role;

            (void)snprintf(expected, sizeof expected, "%d:%d %s %s", k, i, role, role);
            assert_string_equal(t[i].is_ok ? t[i].value : t[i].message, expected);
        }
        sx_test_db_finish(&db);
    }
    drop_owners(&o, url_of(state));
    free(t);
}

static void owner_without_a_role_works_as_the_login(void **state)
{
    static const struct sx_db_owner lost = { .name = "lost",
                                             .role = "sx_no_such_role",
                                             .index = 7 };
    struct sx_test_op t[20];
    struct sx_test_db db;

    open_layout(&db, state, &layouts[1]);
    for (int i = 0; i < 20; i++) {
        sx_test_op_init(&t[i], i % 2 == 0 ? &lost : &db.owner, "SELECT current_user = session_user",
                        i % 4 < 2 ? SX_DB_READ_ONLY : 0);
        sx_test_op_submit(&db, &t[i]);
    }

    run_all(&db, t, 20);

    for (int i = 0; i < 20; i++)
        assert_string_equal(t[i].is_ok ? t[i].value : t[i].message, "t");
    sx_test_db_finish(&db);
}

/* --- leftovers ------------------------------------------------------------------ */

static void statement_leaves_no_setting_lock_or_temporary_table(void **state)
{
    static const char *const texts[] = {
        "SELECT set_config('work_mem', '123kB', false)",
        "UPDATE pg_settings SET setting = '123kB' WHERE name = 'work_mem'",
        "SELECT U&\"set\\005fconfig\"('work_mem', '123kB', false)",
        "SELECT pg_advisory_lock(4242)",
        "SELECT 1 AS n INTO TEMP iso_left",
        "SELECT set_config('role', 'pg_monitor', false)",
        "SELECT set_config('search_path', 'nowhere', false)",
        "SELECT set_config('default_transaction_read_only', 'on', false)",
    };
    static const char check[] =
        "SELECT (SELECT setting = reset_val FROM pg_settings WHERE name = 'work_mem')::text"
        " || ' ' || (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
        " || ' ' || (to_regclass('iso_left') IS NULL) || ' ' || (current_user = session_user)"
        " || ' ' || current_setting('search_path') || ' ' || current_setting('transaction_read_only')";
    struct sx_test_op t, after;
    struct sx_test_db db;

    open_layout(&db, state, &layouts[0]);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        sx_test_op_init(&t, &db.owner, texts[i], 0);
        sx_test_op_init(&after, &db.owner, check, 0);
        sx_test_op_submit(&db, &t);
        sx_test_op_submit(&db, &after);
        sx_test_db_run(&db, &after.is_done);
        assert_true(t.is_done && t.is_ok);
        assert_string_equal(after.is_ok ? after.value : after.message,
                            "true 0 true true public off");
    }
    sx_test_db_finish(&db);
}

/* --- connections ---------------------------------------------------------------- */

static void count_connections(void **state, const char *name, char *to, size_t size)
{
    char sql[160];

    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM pg_stat_activity WHERE application_name = '%s'", name);
    sx_test_sql_value(url_of(state), sql, to, size);
}

static void five_hundred_at_once_need_no_more_connections_than_the_pool_has(void **state)
{
    struct sx_test_op *t = calloc(MANY, sizeof *t);
    char name[48], found[32];
    struct sx_test_db db;

    (void)snprintf(name, sizeof name, "sx-count-%d", (int)getpid());
    sx_test_db_init(&db, url_of(state));
    db.set.size = 2;
    db.set.application_name = name;
    sx_test_db_open_ready(&db);
    for (int i = 0; i < MANY; i++) {
        sx_test_op_init(&t[i], &db.owner,
                        "SELECT count(*) FROM pg_stat_activity WHERE application_name = $1",
                        i % 2 == 0 ? SX_DB_READ_ONLY : 0);
        sx_test_op_text(&t[i], "%s", name);
        sx_test_op_submit(&db, &t[i]);
    }

    run_all(&db, t, MANY);

    for (int i = 0; i < MANY; i++)
        assert_string_equal(t[i].value, "2");
    count_connections(state, name, found, sizeof found);
    assert_string_equal(found, "2");
    sx_test_db_finish(&db);
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_third_statement_fails_and_no_other),
        cmocka_unit_test(writes_of_failed_neighbours_all_count_once),
        cmocka_unit_test(error_at_the_commit_is_the_statements_own),
        cmocka_unit_test(batch_takes_effect_whole_or_not_at_all),
        cmocka_unit_test(read_is_refused_to_write_in_every_layout),
        cmocka_unit_test(answers_never_cross_between_requests_or_owners),
        cmocka_unit_test(owner_without_a_role_works_as_the_login),
        cmocka_unit_test(statement_leaves_no_setting_lock_or_temporary_table),
        cmocka_unit_test(five_hundred_at_once_need_no_more_connections_than_the_pool_has),
    };

    return cmocka_run_group_tests(tests, sx_test_pg_setup, sx_test_pg_teardown);
}
