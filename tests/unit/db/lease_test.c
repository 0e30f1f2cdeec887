/* Leases: a connection for a blocking handler, and what of it remains for the next: nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/check.h"
#include "base/error.h"
#include "db.h"
#include "pg.h"

static const uint64_t NS_PER_S = 1000000000;
static const uint32_t sizes[] = { 1, 2, 3 };

/* A handler on a thread of its own, with its lease. */
struct task {
    struct sx_test_db *db;
    uv_thread_t thread;
    uv_async_t ended;
    void (*run)(struct task *t);
    struct sx_db_owner owner;
    struct sx_db_lease *lease;
    uint64_t deadline_ns;
    const char *left_open;
    bool is_over, is_closed;
    char value[256], message[256], sqlstate[8];
    struct sx_db_failure failure;
    int err;
};

static const char *url_of(void **state)
{
    return ((struct sx_test_pg *)*state)->url;
}

static void open_pool(struct sx_test_db *db, void **state, uint32_t size)
{
    sx_test_db_init(db, url_of(state));
    db->set.size = size;
    db->set.wants_leases = true;
    sx_test_db_open_ready(db);
}

/* --- on the thread -------------------------------------------------------------- */

static const char *exec_flags(struct task *t, const char *sql, uint32_t flags)
{
    const struct sx_db_module *m = t->db->m;
    const struct sx_db_stmt stmt = { .sql = sql, .flags = flags };
    const struct sx_db_rows *rows = m->lease_exec(t->lease, &stmt);
    const char *value = rows != NULL ? m->rows_text(rows, 0, 0, NULL) : NULL;

    (void)snprintf(t->value, sizeof t->value, "%s", value != NULL ? value : "(none)");
    return t->value;
}

static const char *exec(struct task *t, const char *sql)
{
    return exec_flags(t, sql, 0);
}

static void run_task(void *arg)
{
    struct task *t = arg;
    const struct sx_db_module *m = t->db->m;
    const struct sx_db_failure *failure;

    t->run(t);
    failure = m->lease_failure(t->lease);
    if (failure != NULL) {
        t->failure = *failure;
        (void)snprintf(t->message, sizeof t->message, "%s", failure->message);
        (void)snprintf(t->sqlstate, sizeof t->sqlstate, "%s", failure->sqlstate);
    }
    m->lease_end(t->lease, &t->left_open);
    (void)uv_async_send(&t->ended);
}

/* --- on the loop ---------------------------------------------------------------- */

static void on_task_closed(uv_handle_t *handle)
{
    SX_MEMBER_OF(handle, struct task, ended)->is_closed = true;
}

static void on_ended(uv_async_t *async)
{
    struct task *t = SX_MEMBER_OF(async, struct task, ended);

    t->is_over = true;
    (void)uv_thread_join(&t->thread);
    uv_close((uv_handle_t *)async, on_task_closed);
}

static void start_task(struct task *t, struct sx_test_db *db, void (*run)(struct task *t))
{
    t->db = db;
    t->run = run;
    t->is_over = t->is_closed = false;
    if (t->owner.name == NULL)
        t->owner = db->owner;
    assert_int_equal(db->m->lease_create(db->pool, &t->owner, t->deadline_ns, &t->lease), 0);
    assert_int_equal(uv_async_init(&db->loop, &t->ended, on_ended), 0);
    assert_int_equal(uv_thread_create(&t->thread, run_task, t), 0);
}

static void finish_task(struct task *t)
{
    sx_test_db_run(t->db, &t->is_closed);
}

static void run_one(struct task *t, struct sx_test_db *db, void (*run)(struct task *t))
{
    memset(t, 0, sizeof *t);
    start_task(t, db, run);
    finish_task(t);
}

/* --- what a lease can do -------------------------------------------------------- */

static void any_sql(struct task *t)
{
    (void)exec(t, "CREATE TABLE IF NOT EXISTS lease_any (n int)");
    (void)exec(t, "TRUNCATE lease_any");
    t->err = t->db->m->lease_control(t->lease, 0);
    (void)exec(t, "INSERT INTO lease_any VALUES (1)");
    t->err |= t->db->m->lease_control(t->lease, 1);
    t->err |= t->db->m->lease_control(t->lease, 0);
    (void)exec(t, "INSERT INTO lease_any VALUES (2)");
    t->err |= t->db->m->lease_control(t->lease, 2);
    (void)exec(t, "SELECT string_agg(n::text, ',') FROM lease_any");
}

static void lease_runs_any_sql_and_transactions_in_every_layout(void **state)
{
    struct sx_test_db db;
    struct task t;

    for (size_t i = 0; i < 3; i++) {
        open_pool(&db, state, sizes[i]);
        run_one(&t, &db, any_sql);
        assert_string_equal(t.message, "");
        assert_string_equal(t.value, "1");
        assert_int_equal(t.err, 0);
        assert_null(t.left_open);
        sx_test_db_finish(&db);
    }
}

static void fail_first(struct task *t)
{
    (void)exec(t, "SELECT 1/0");
    (void)exec(t, "CREATE TABLE lease_never ()");
    t->err = t->db->m->lease_control(t->lease, 0);
}

static void first_failure_sticks_until_the_end(void **state)
{
    char found[16];
    struct sx_test_db db;
    struct task t;

    open_pool(&db, state, 2);
    run_one(&t, &db, fail_first);

    assert_string_equal(t.sqlstate, "22012");
    assert_int_equal(t.err, SX_ERR_DB);
    assert_null(t.left_open);
    sx_test_sql_value(url_of(state), "SELECT to_regclass('lease_never') IS NULL", found,
                      sizeof found);
    assert_string_equal(found, "t");
    sx_test_db_finish(&db);
}

static void wrong_control(struct task *t)
{
    const struct sx_db_module *m = t->db->m;

    assert_int_equal(m->lease_control(t->lease, 1), SX_ERR_INVALID);
    assert_int_equal(m->lease_control(t->lease, 2), 0);
    assert_int_equal(m->lease_control(t->lease, 0), 0);
    assert_int_equal(m->lease_control(t->lease, 0), SX_ERR_INVALID);
    assert_int_equal(m->lease_control(t->lease, 3), SX_ERR_INVALID);
    assert_int_equal(m->lease_control(t->lease, 1), 0);
}

static void begin_and_commit_out_of_turn_are_refused(void **state)
{
    struct sx_test_db db;
    struct task t;

    open_pool(&db, state, 2);
    run_one(&t, &db, wrong_control);
    assert_string_equal(t.message, "");
    sx_test_db_finish(&db);
}

static void read_writes(struct task *t)
{
    if (t->err != 0)
        (void)t->db->m->lease_control(t->lease, 0);
    (void)exec_flags(t, "SELECT 1", SX_DB_READ_ONLY);
    (void)exec_flags(t, "CREATE TABLE lease_read ()", SX_DB_READ_ONLY);
}

static void read_only_statement_of_a_lease_is_refused_to_write(void **state)
{
    struct sx_test_db db;
    struct task t;

    open_pool(&db, state, 2);
    for (int is_inside = 0; is_inside < 2; is_inside++) {
        memset(&t, 0, sizeof t);
        t.err = is_inside;
        start_task(&t, &db, read_writes);
        finish_task(&t);
        assert_string_equal(t.sqlstate, "25006");
    }
    sx_test_db_finish(&db);
}

/* --- what a lease leaves -------------------------------------------------------- */

static const char traces_sql[] =
    "SELECT (SELECT setting = reset_val FROM pg_settings WHERE name = 'work_mem')::text"
    " || ' ' || (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())"
    " || ' ' || (to_regclass('lease_temp') IS NULL) || ' ' || (current_user = session_user)"
    " || ' ' || (SELECT count(*) FROM pg_prepared_statements WHERE name = 'mine')"
    " || ' ' || (SELECT count(*) FROM pg_cursors WHERE name = 'cur')"
    " || ' ' || (SELECT count(*) FROM pg_listening_channels())"
    " || ' ' || current_setting('search_path') || ' ' || current_setting('transaction_isolation')"
    " || ' ' || current_setting('statement_timeout')";
static const char no_traces[] = "true 0 true true 0 0 0 public read committed 10s";

static void leave_all(struct task *t)
{
    static const char *const texts[] = {
        "SET work_mem = '77kB'",
        "SELECT pg_advisory_lock(99)",
        "CREATE TEMP TABLE lease_temp (n int)",
        "PREPARE mine AS SELECT 1",
        "DECLARE cur CURSOR WITH HOLD FOR SELECT 1",
        "LISTEN lease_channel",
        "SET ROLE pg_monitor",
        "SET search_path = nowhere",
        "SET statement_timeout = 5",
        "SET default_transaction_isolation = serializable",
        "BEGIN",
        "SET SESSION AUTHORIZATION pg_monitor",
        "SELECT set_config('my.setting', 'x', true)",
    };

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        (void)exec(t, texts[i]);
}

static void look_for_traces(struct task *t)
{
    (void)exec(t, traces_sql);
}

static void lease_leaves_nothing_for_the_next_and_the_open_transaction_is_told(void **state)
{
    struct sx_test_op op;
    struct sx_test_db db;
    struct task t;

    for (size_t i = 0; i < 3; i++) {
        open_pool(&db, state, sizes[i]);
        run_one(&t, &db, leave_all);
        assert_string_equal(t.message, "");
        assert_string_equal(t.left_open, "a transaction was left open");
        run_one(&t, &db, look_for_traces);
        assert_string_equal(t.value, no_traces);
        sx_test_db_write(&db, &op, traces_sql);
        assert_string_equal(op.is_ok ? op.value : op.message, no_traces);
        sx_test_db_finish(&db);
    }
}

static void break_transaction(struct task *t)
{
    (void)exec(t, "BEGIN");
    (void)exec(t, "SELECT no_such_column");
}

static void leave_copy(struct task *t)
{
    (void)exec(t, "COPY (SELECT 1) TO STDOUT");
}

static void broken_and_unfinished_work_is_cleaned_too(void **state)
{
    static void (*const runs[])(struct task * t) = { break_transaction, leave_copy };
    struct sx_test_db db;
    struct task t;

    for (size_t i = 0; i < 4; i++) {
        open_pool(&db, state, sizes[i / 2]);
        run_one(&t, &db, runs[i % 2]);
        assert_true(t.message[0] != '\0');
        run_one(&t, &db, look_for_traces);
        assert_string_equal(t.value, no_traces);
        sx_test_db_finish(&db);
    }
}

/* --- waiting, ending early ------------------------------------------------------ */

static void hold(struct task *t)
{
    (void)exec(t, "SELECT pg_sleep(20)");
}

/* The loop need not run for it: a connection of its own is lent without the loop. */
static void await_started(void **state)
{
    sx_test_sql_await(url_of(state),
                      "SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'active' "
                      "AND application_name = 'sx-test' AND query LIKE '%pg_sleep%'");
}

static void statement_ends_at_the_deadline_of_its_request(void **state)
{
    struct sx_test_db db;
    struct task t;

    open_pool(&db, state, 2);
    memset(&t, 0, sizeof t);
    t.deadline_ns = uv_hrtime() + 2 * NS_PER_S;
    start_task(&t, &db, hold);
    finish_task(&t);

    assert_string_equal(t.sqlstate, "57014");
    assert_string_equal(t.message, "the time of the request is over");
    run_one(&t, &db, look_for_traces);
    assert_string_equal(t.value, no_traces);
    sx_test_db_finish(&db);
}

/* As a commit that waits for a synchronous standby. */
static void succeed_all_the_same(struct task *t)
{
    (void)exec(t,
               "DO $$ BEGIN PERFORM pg_sleep(20); EXCEPTION WHEN query_canceled THEN NULL; END $$");
}

static void success_of_a_cancelled_statement_is_no_acknowledgement(void **state)
{
    struct sx_test_db db;
    struct task t;

    open_pool(&db, state, 2);
    memset(&t, 0, sizeof t);
    t.deadline_ns = uv_hrtime() + 2 * NS_PER_S;
    start_task(&t, &db, succeed_all_the_same);
    finish_task(&t);

    assert_string_equal(t.message, "the time of the request is over");
    assert_true(t.failure.is_lost);
    assert_true(t.failure.outcome_unknown);
    sx_test_db_finish(&db);
}

static void cancelled_lease_ends_its_statement(void **state)
{
    struct sx_test_db db;
    struct task t;

    open_pool(&db, state, 2);
    memset(&t, 0, sizeof t);
    start_task(&t, &db, hold);
    await_started(state);

    db.m->lease_cancel(t.lease);
    finish_task(&t);

    assert_string_equal(t.sqlstate, "57014");
    sx_test_db_finish(&db);
}

static void wait_for_connection(struct task *t)
{
    (void)exec(t, "SELECT 'mine now'");
}

static void second_lease_waits_for_the_first_or_its_deadline(void **state)
{
    struct sx_test_db db;
    struct task holder, late, next;

    open_pool(&db, state, 2);
    memset(&holder, 0, sizeof holder);
    memset(&late, 0, sizeof late);
    memset(&next, 0, sizeof next);
    start_task(&holder, &db, hold);
    await_started(state);
    late.deadline_ns = uv_hrtime() + 30000000;
    start_task(&late, &db, wait_for_connection);
    start_task(&next, &db, wait_for_connection);
    finish_task(&late);
    assert_true(late.failure.is_busy);
    assert_false(next.is_over);

    db.m->lease_cancel(holder.lease);
    finish_task(&holder);
    finish_task(&next);

    assert_string_equal(next.value, "mine now");
    sx_test_db_finish(&db);
}

static void only_connection_serves_leases_and_the_loop_in_turn(void **state)
{
    enum { N = 8 };
    struct sx_test_op ops[N * 4];
    struct task tasks[N];
    struct sx_db_stats stats;
    struct sx_test_db db;

    open_pool(&db, state, 1);
    memset(tasks, 0, sizeof tasks);
    for (int i = 0; i < N; i++) {
        start_task(&tasks[i], &db, wait_for_connection);
        for (int k = 0; k < 4; k++) {
            sx_test_op_init(&ops[i * 4 + k], &db.owner,
                            "SELECT count(*) FROM pg_stat_activity "
                            "WHERE application_name = 'sx-test'",
                            k % 2 == 0 ? 0 : SX_DB_READ_ONLY);
            sx_test_op_submit(&db, &ops[i * 4 + k]);
        }
        (void)uv_run(&db.loop, UV_RUN_NOWAIT);
    }
    for (int i = 0; i < N; i++)
        finish_task(&tasks[i]);
    for (int i = 0; i < N * 4; i++)
        sx_test_db_run(&db, &ops[i].is_done);
    for (int i = 0; i < N; i++)
        assert_string_equal(tasks[i].value, "mine now");
    for (int i = 0; i < N * 4; i++)
        assert_string_equal(ops[i].is_ok ? ops[i].value : ops[i].message, "1");
    db.m->stats(db.pool, &stats);
    assert_int_equal(stats.n_connections, 1);
    assert_int_equal(stats.reconnects, 0);
    assert_int_equal(db.n_not_ready, 0);
    sx_test_db_finish(&db);
}

static void lease_finds_a_living_connection_after_its_own_was_killed(void **state)
{
    struct sx_test_db db;
    struct task t;

    open_pool(&db, state, 3);
    sx_test_sql(url_of(state), "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                               "WHERE application_name = 'sx-test'");
    run_one(&t, &db, wait_for_connection);
    assert_string_equal(t.value, "mine now");
    sx_test_db_finish(&db);
}

static void die(struct task *t)
{
    if (t->err != 0)
        (void)t->db->m->lease_control(t->lease, 0);
    (void)exec(t, "SELECT pg_terminate_backend(pg_backend_pid())");
}

static void statement_of_a_lost_lease_has_an_unknown_outcome_only_outside_a_transaction(
    void **state)
{
    struct sx_test_db db;
    struct task t;

    open_pool(&db, state, 2);
    for (int is_inside = 0; is_inside < 2; is_inside++) {
        memset(&t, 0, sizeof t);
        t.err = is_inside;
        start_task(&t, &db, die);
        finish_task(&t);
        assert_true(t.failure.is_lost);
        assert_int_equal(t.failure.outcome_unknown, !is_inside);
        run_one(&t, &db, wait_for_connection);
        assert_string_equal(t.value, "mine now");
    }
    sx_test_db_finish(&db);
}

static void pool_closes_when_its_last_lease_has_ended(void **state)
{
    struct sx_test_db db;
    struct task t;

    open_pool(&db, state, 2);
    memset(&t, 0, sizeof t);
    t.deadline_ns = uv_hrtime() + 2 * NS_PER_S;
    start_task(&t, &db, hold);
    await_started(state);

    sx_test_db_finish(&db);

    assert_true(t.is_over);
    assert_string_equal(t.sqlstate, "57014");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lease_runs_any_sql_and_transactions_in_every_layout),
        cmocka_unit_test(first_failure_sticks_until_the_end),
        cmocka_unit_test(begin_and_commit_out_of_turn_are_refused),
        cmocka_unit_test(read_only_statement_of_a_lease_is_refused_to_write),
        cmocka_unit_test(lease_leaves_nothing_for_the_next_and_the_open_transaction_is_told),
        cmocka_unit_test(broken_and_unfinished_work_is_cleaned_too),
        cmocka_unit_test(statement_ends_at_the_deadline_of_its_request),
        cmocka_unit_test(success_of_a_cancelled_statement_is_no_acknowledgement),
        cmocka_unit_test(cancelled_lease_ends_its_statement),
        cmocka_unit_test(second_lease_waits_for_the_first_or_its_deadline),
        cmocka_unit_test(only_connection_serves_leases_and_the_loop_in_turn),
        cmocka_unit_test(lease_finds_a_living_connection_after_its_own_was_killed),
        cmocka_unit_test(
            statement_of_a_lost_lease_has_an_unknown_outcome_only_outside_a_transaction),
        cmocka_unit_test(pool_closes_when_its_last_lease_has_ended),
    };

    /* it looks for its own backends by name */
    return cmocka_run_group_tests(tests, sx_test_pg_setup_private, sx_test_pg_teardown);
}
