/* The pool from outside: what it takes, what it answers, and who waits how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/error.h"
#include "db.h"
#include "pg.h"

static const char *url_of(void **state)
{
    return ((struct sx_test_pg *)*state)->url;
}

static void open_pool(struct sx_test_db *db, void **state, uint32_t size)
{
    sx_test_db_init(db, url_of(state));
    db->set.size = size;
    sx_test_db_open_ready(db);
}

/* --- values --------------------------------------------------------------------- */

static void rows_tell_count_columns_names_values_and_nulls(void **state)
{
    static const char sql[] = "SELECT n AS num, NULL AS none, 'x' || n FROM generate_series(1,3) n";
    struct sx_test_db db;
    struct sx_test_op t;

    open_pool(&db, state, 1);
    sx_test_op_init(&t, &db.owner, sql, SX_DB_READ_ONLY);
    t.keeps_rows = true;
    sx_test_op_submit(&db, &t);
    sx_test_db_run(&db, &t.is_done);

    assert_true(t.is_ok);
    assert_int_equal(db.m->rows_count(t.kept), 3);
    assert_int_equal(db.m->rows_columns(t.kept), 3);
    assert_string_equal(db.m->rows_name(t.kept, 0), "num");
    assert_int_equal(db.m->rows_column(t.kept, "none"), 1);
    assert_int_equal(db.m->rows_column(t.kept, "NUM"), -1);
    assert_int_equal(db.m->rows_oid(t.kept, 0), 23);
    assert_string_equal(db.m->rows_text(t.kept, 2, 2, NULL), "x3");
    assert_null(db.m->rows_text(t.kept, 0, 1, NULL));
    assert_null(db.m->rows_text(t.kept, 3, 0, NULL));
    assert_null(db.m->rows_text(t.kept, 0, 3, NULL));
    assert_int_equal(db.m->rows_affected(t.kept), 3);
    assert_non_null(db.m->rows_pg(t.kept));

    db.m->rows_drop(t.kept);
    sx_test_db_finish(&db);
}

static void parameters_of_every_type_arrive_as_they_are(void **state)
{
    static const char unended[] = { 'a', 'b', 'c', 'd' };
    static const struct {
        const char *sql;
        struct sx_db_param param;
        const char *expected;
    } cases[] = {
        { "SELECT $1::text", { .type = SX_DB_NULL }, "(null)" },
        { "SELECT $1::bool", { .type = SX_DB_BOOL, .v.i = 1 }, "t" },
        { "SELECT $1::bool", { .type = SX_DB_BOOL, .v.i = 0 }, "f" },
        { "SELECT $1::int8", { .type = SX_DB_INT, .v.i = INT64_MIN }, "-9223372036854775808" },
        { "SELECT $1::float8", { .type = SX_DB_NUMBER, .v.f = 0.1 }, "0.1" },
        { "SELECT $1::text", { .type = SX_DB_TEXT, .len = 3, .v.p = unended }, "abc" },
        { "SELECT $1::text", { .type = SX_DB_TEXT, .len = 0, .v.p = NULL }, "" },
        { "SELECT length($1::bytea)", { .type = SX_DB_BYTES, .len = 3, .v.p = "\0\1\2" }, "3" },
        { "SELECT $1::jsonb->>'k'", { .type = SX_DB_JSON, .len = 9, .v.p = "{\"k\":\"v\"}" }, "v" },
    };
    struct sx_test_db db;
    struct sx_test_op t;

    open_pool(&db, state, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sx_test_op_init(&t, &db.owner, cases[i].sql, SX_DB_READ_ONLY);
        t.params[0] = cases[i].param;
        t.stmt.n_params = 1;
        sx_test_op_submit(&db, &t);
        sx_test_db_run(&db, &t.is_done);
        assert_string_equal(t.is_ok ? t.value : t.message, cases[i].expected);
    }
    sx_test_db_finish(&db);
}

static void text_with_a_nul_byte_is_refused(void **state)
{
    struct sx_test_db db;
    struct sx_test_op t;

    open_pool(&db, state, 1);
    sx_test_op_init(&t, &db.owner, "SELECT $1::text", 0);
    t.params[0] = (struct sx_db_param){ .type = SX_DB_TEXT, .len = 3, .v.p = "a\0b" };
    t.stmt.n_params = 1;

    assert_int_equal(db.m->submit(db.pool, &t.op), SX_ERR_INVALID);

    sx_test_db_finish(&db);
}

static void loop_takes_only_single_statements_that_leave_the_session_alone(void **state)
{
    static const struct {
        const char *sql;
        int expected;
    } cases[] = {
        { "SELECT 1", 0 },
        { "  select 1 ;  ", 0 },
        { "-- why\n/* a /* b */ c */ SELECT 1 -- ;", 0 },
        { "((SELECT 1))", 0 },
        { "WITH a AS (SELECT 1) SELECT * FROM a", 0 },
        { "VALUES (1)", 0 },
        { "SELECT 1; ; -- end", 0 },
        { "SELECT ';' || $$;select$$ || E'\\';x' || $a$;$b$;$a$", 0 },
        { "SELECT 1 AS \"a;b\"", 0 },
        { "insert into no_table values (1)", 0 },
        { "", SX_ERR_INVALID },
        { "-- SELECT", SX_ERR_INVALID },
        { "COMMIT", SX_ERR_INVALID },
        { "BEGIN", SX_ERR_INVALID },
        { "/* SELECT */ SET role x", SX_ERR_INVALID },
        { "ROLLBACK", SX_ERR_INVALID },
        { "selectx", SX_ERR_INVALID },
        { "LISTEN a", SX_ERR_INVALID },
        { "DO $$BEGIN END$$", SX_ERR_INVALID },
        { "CREATE TABLE t ()", SX_ERR_INVALID },
        { "SELECT 1; SELECT 2", SX_ERR_INVALID },
        { "SELECT 1;COMMIT", SX_ERR_INVALID },
        { "SELECT 'a\\'; COMMIT; --'", SX_ERR_INVALID },
        { "\"SELECT\" 1", SX_ERR_INVALID },
    };
    struct sx_test_db db;
    struct sx_test_op t;

    open_pool(&db, state, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int err;

        sx_test_op_init(&t, &db.owner, cases[i].sql, 0);
        t.m = db.m;
        err = db.m->submit(db.pool, &t.op);
        if (err != cases[i].expected)
            fail_msg("%s: %d", cases[i].sql, err);
        if (err == 0)
            sx_test_db_run(&db, &t.is_done);
    }
    sx_test_db_finish(&db);
}

/* --- waiting -------------------------------------------------------------------- */

static void full_queue_says_busy(void **state)
{
    struct sx_test_op t[4];
    struct sx_test_db db;

    sx_test_db_init(&db, url_of(state));
    db.set.max_queued = 3;
    sx_test_db_open(&db);
    for (int i = 0; i < 4; i++) {
        sx_test_op_init(&t[i], &db.owner, "SELECT 1", SX_DB_READ_ONLY);
        t[i].m = db.m;
        assert_int_equal(db.m->submit(db.pool, &t[i].op), i < 3 ? 0 : SX_ERR_BUSY);
    }

    sx_test_db_run(&db, &t[2].is_done);

    assert_true(t[0].is_ok && t[1].is_ok && t[2].is_ok);
    sx_test_db_finish(&db);
}

static void operation_gives_up_at_its_deadline_in_the_queue(void **state)
{
    struct sx_test_op t;
    struct sx_test_db db;

    (void)state;
    sx_test_db_init(&db, "host=/nonexistent user=nobody");
    sx_test_db_open(&db);
    sx_test_op_init(&t, &db.owner, "SELECT 1", SX_DB_READ_ONLY);
    t.op.deadline_ms = uv_now(&db.loop) + 50;

    sx_test_op_submit(&db, &t);
    sx_test_db_run(&db, &t.is_done);

    assert_false(t.is_ok);
    assert_true(t.failure.is_busy);
    assert_true(t.failure.is_lost);
    assert_false(t.failure.outcome_unknown);
    sx_test_db_finish(&db);
}

/* One whose end makes its owner forget another, which has ended at the same moment. */
struct pair_of_ops {
    struct sx_test_db *db;
    struct sx_db_stmt stmt;
    struct sx_db_op first, second;
    bool is_done;
};

static void forget_second(struct sx_db_op *op, struct sx_db_rows *const *rows,
                          const struct sx_db_failure *failure)
{
    struct pair_of_ops *p = SX_MEMBER_OF(op, struct pair_of_ops, first);

    (void)rows;
    assert_true(failure != NULL && failure->is_busy);
    assert_true(p->db->m->forget(p->db->pool, &p->second));
    p->is_done = true;
}

static void never(struct sx_db_op *op, struct sx_db_rows *const *rows,
                  const struct sx_db_failure *failure)
{
    (void)op;
    (void)rows;
    (void)failure;
    fail_msg("a forgotten operation was told its end");
}

static void forgetting_what_has_just_ended_leaves_the_queue_right(void **state)
{
    struct pair_of_ops p = { .stmt = { .sql = "SELECT 1" } };
    struct sx_db_stats stats;
    struct sx_test_db db;

    (void)state;
    sx_test_db_init(&db, "host=/nonexistent");
    sx_test_db_open(&db);
    p.db = &db;
    p.first = (struct sx_db_op){ .owner = &db.owner,
                                 .stmts = &p.stmt,
                                 .n_stmts = 1,
                                 .deadline_ms = uv_now(&db.loop) + 1,
                                 .done = forget_second };
    p.second = p.first;
    p.second.done = never;
    assert_int_equal(db.m->submit(db.pool, &p.first), 0);
    assert_int_equal(db.m->submit(db.pool, &p.second), 0);
    sx_test_db_run(&db, &p.is_done);
    db.m->stats(db.pool, &stats);
    assert_int_equal(stats.n_queued, 0);

    sx_test_db_finish(&db);
}

static void fast_statement_is_not_queued_behind_a_slow_one(void **state)
{
    struct sx_test_op slow, middle, fast;
    struct sx_test_db db;

    open_pool(&db, state, 3);
    sx_test_op_init(&slow, &db.owner, "SELECT 'a slow one' FROM pg_sleep(9)", 0);
    sx_test_op_submit(&db, &slow);
    sx_test_op_init(&middle, &db.owner, "SELECT pg_sleep(0.1)", SX_DB_READ_ONLY);
    sx_test_op_submit(&db, &middle);
    sx_test_db_run(&db, &middle.is_done);

    sx_test_db_write(&db, &fast, "SELECT 1");

    assert_true(fast.is_ok);
    assert_false(slow.is_done);
    sx_test_sql(db.set.url, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity"
                            " WHERE query LIKE '%a slow one%' AND pid <> pg_backend_pid()");
    sx_test_db_run(&db, &slow.is_done);
    sx_test_db_finish(&db);
}

static void text_known_to_be_slow_leaves_the_way_of_fast_ones(void **state)
{
    static const char sleep_sql[] = "SELECT pg_backend_pid() FROM pg_sleep(0.15)";
    struct sx_test_op slow, fast;
    struct sx_test_db db;
    uint64_t ns = 0;

    open_pool(&db, state, 3);
    sx_test_db_write(&db, &slow, sleep_sql); /* measured now */
    sx_test_db_write(&db, &slow, sleep_sql);

    for (int i = 0; i < 20 && ns < 10000000; i++) { /* on a busy machine it gets slow too */
        ns = uv_hrtime();
        sx_test_db_write(&db, &fast, "SELECT pg_backend_pid()");
        ns = uv_hrtime() - ns;
        assert_string_not_equal(fast.value, slow.value);
    }

    sx_test_db_finish(&db);
}

static void operation_with_its_own_timeout_leaves_others_theirs(void **state)
{
    struct sx_test_op t, after;
    struct sx_test_db db;

    for (uint32_t flags = 0; flags <= SX_DB_READ_ONLY; flags++) {
        open_pool(&db, state, 1);
        sx_test_op_init(&t, &db.owner, "SELECT pg_sleep(20)", flags);
        t.op.timeout_ms = 30;
        sx_test_op_submit(&db, &t);
        sx_test_op_init(&after, &db.owner, "SELECT current_setting('statement_timeout')", flags);
        sx_test_op_submit(&db, &after);

        sx_test_db_run(&db, &after.is_done);

        assert_true(t.is_done);
        assert_string_equal(t.failure.sqlstate, "57014");
        assert_string_equal(after.value, "10s");
        sx_test_db_finish(&db);
    }
}

/* --- forgetting, closing -------------------------------------------------------- */

static void forgotten_operation_is_never_told(void **state)
{
    struct sx_test_op queued, sent, write, last;
    struct sx_test_db db;

    open_pool(&db, state, 1);
    sx_test_op_init(&queued, &db.owner, "SELECT 1", 0);
    sx_test_op_submit(&db, &queued);
    assert_true(db.m->forget(db.pool, &queued.op));
    sx_test_op_init(&write, &db.owner, "SELECT pg_sleep(1)", 0);
    sx_test_op_init(&sent, &db.owner, "SELECT 2", SX_DB_READ_ONLY); /* behind it */
    sx_test_op_submit(&db, &write);
    sx_test_op_submit(&db, &sent);
    while (sent.op.state != SX_DB_OP_SENT)
        (void)uv_run(&db.loop, UV_RUN_NOWAIT);

    assert_false(db.m->forget(db.pool, &write.op));
    assert_true(db.m->forget(db.pool, &sent.op));
    sx_test_db_read(&db, &last, "SELECT 3");

    assert_string_equal(last.value, "3");
    assert_true(write.is_done && write.is_ok);
    assert_false(queued.is_done);
    assert_false(sent.is_done);
    sx_test_db_finish(&db);
}

static void close_tells_every_operation_that_is_left(void **state)
{
    struct sx_test_op sent, queued;
    struct sx_test_db db;

    open_pool(&db, state, 1);
    sx_test_op_init(&sent, &db.owner, "SELECT pg_sleep(5)", 0);
    sx_test_op_submit(&db, &sent);
    while (sent.op.state != SX_DB_OP_SENT)
        (void)uv_run(&db.loop, UV_RUN_NOWAIT);
    sx_test_op_init(&queued, &db.owner, "SELECT 1", 0);
    sx_test_op_submit(&db, &queued);

    sx_test_db_finish(&db);

    assert_true(sent.is_done && sent.failure.is_lost && sent.failure.outcome_unknown);
    assert_true(queued.is_done && queued.failure.is_lost && !queued.failure.outcome_unknown);
}

static void bad_settings_are_refused(void **state)
{
    struct sx_test_db db;

    (void)state;
    sx_test_db_init(&db, "postgresql://%zz");
    assert_int_equal(db.m->create(&db.set, &db.pool), SX_ERR_INVALID);
    db.set.url = "host=/tmp";
    db.set.size = 0;
    assert_int_equal(db.m->create(&db.set, &db.pool), SX_ERR_INVALID);
    sx_test_db_finish(&db);
}

/* --- prepared statements -------------------------------------------------------- */

static void prepared_statements_are_reused_and_bounded(void **state)
{
    static char texts[600][64];
    struct sx_test_op t;
    struct sx_test_db db;

    open_pool(&db, state, 1);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 600; i++) {
            (void)snprintf(texts[i], sizeof texts[i], "SELECT %d", i);
            sx_test_db_read(&db, &t, texts[i]);
            assert_int_equal(atoi(t.value), i);
        }

    assert_int_equal(atoi(sx_test_db_value(&db, &t,
                                           "SELECT count(*) FROM pg_prepared_statements "
                                           "WHERE name ~ '^sx[0-9]'")),
                     256);
    sx_test_db_finish(&db);
}

static void prepared_statement_survives_a_change_of_its_table(void **state)
{
    struct sx_test_op t;
    struct sx_test_db db;

    sx_test_sql(url_of(state), "DROP TABLE IF EXISTS pool_shape; CREATE TABLE pool_shape (a int);"
                               "INSERT INTO pool_shape VALUES (7)");
    open_pool(&db, state, 1);
    assert_string_equal(sx_test_db_value(&db, &t, "SELECT * FROM pool_shape"), "7");
    sx_test_sql(url_of(state), "ALTER TABLE pool_shape ALTER a TYPE text USING 'text ' || a");

    assert_string_equal(sx_test_db_value(&db, &t, "SELECT * FROM pool_shape"), "text 7");
    assert_string_equal(sx_test_db_value(&db, &t, "SELECT * FROM pool_shape"), "text 7");

    sx_test_db_finish(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_tell_count_columns_names_values_and_nulls),
        cmocka_unit_test(parameters_of_every_type_arrive_as_they_are),
        cmocka_unit_test(text_with_a_nul_byte_is_refused),
        cmocka_unit_test(loop_takes_only_single_statements_that_leave_the_session_alone),
        cmocka_unit_test(full_queue_says_busy),
        cmocka_unit_test(operation_gives_up_at_its_deadline_in_the_queue),
        cmocka_unit_test(forgetting_what_has_just_ended_leaves_the_queue_right),
        cmocka_unit_test(fast_statement_is_not_queued_behind_a_slow_one),
        cmocka_unit_test(text_known_to_be_slow_leaves_the_way_of_fast_ones),
        cmocka_unit_test(operation_with_its_own_timeout_leaves_others_theirs),
        cmocka_unit_test(forgotten_operation_is_never_told),
        cmocka_unit_test(close_tells_every_operation_that_is_left),
        cmocka_unit_test(bad_settings_are_refused),
        cmocka_unit_test(prepared_statements_are_reused_and_bounded),
        cmocka_unit_test(prepared_statement_survives_a_change_of_its_table),
    };

    return cmocka_run_group_tests(tests, sx_test_pg_setup, sx_test_pg_teardown);
}
