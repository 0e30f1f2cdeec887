/* Notifications: heard by all who listen, again after a reconnect, and while leases go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "db.h"
#include "pg.h"

struct ear {
    uint32_t n_heard, n_gaps;
    bool has_heard, has_gap;
    char last[64];
};

static const char *url_of(void **state)
{
    return ((struct sx_test_pg *)*state)->url;
}

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct ear *ear = arg;

    assert_string_equal(channel, "odd \"Name\"");
    if (payload == NULL) {
        ear->n_gaps++;
        ear->has_gap = true;
        return;
    }
    ear->n_heard++;
    ear->has_heard = true;
    (void)snprintf(ear->last, sizeof ear->last, "%s", payload);
}

/* A statement down the same connection: what LISTEN was sent before it has taken effect. */
static void settle(struct sx_test_db *db)
{
    struct sx_test_op t;

    sx_test_db_write(db, &t, "SELECT 1");
    assert_true(t.is_ok);
}

static void notify(void **state, const char *payload)
{
    char sql[128];

    (void)snprintf(sql, sizeof sql, "SELECT pg_notify('odd \"Name\"', '%s')", payload);
    sx_test_sql(url_of(state), sql);
}

static void every_listener_of_a_channel_hears_it_in_every_layout(void **state)
{
    for (uint32_t size = 1; size <= 3; size++) {
        struct ear a = { 0 }, b = { 0 };
        struct sx_test_db db;

        sx_test_db_init(&db, url_of(state));
        db.set.size = size;
        db.set.wants_leases = size != 2;
        sx_test_db_open_ready(&db);
        assert_int_equal(db.m->listen(db.pool, "odd \"Name\"", on_notify, &a), 0);
        assert_int_equal(db.m->listen(db.pool, "odd \"Name\"", on_notify, &b), 0);
        settle(&db);
        notify(state, "hello");
        sx_test_db_run(&db, &a.has_heard);

        assert_string_equal(a.last, "hello");
        assert_string_equal(b.last, "hello");
        assert_int_equal(a.n_gaps, 0);
        sx_test_db_finish(&db);
    }
}

static void listener_set_before_the_connection_hears_too(void **state)
{
    struct ear ear = { 0 };
    struct sx_test_db db;

    sx_test_db_init(&db, url_of(state));
    sx_test_db_open(&db);
    assert_int_equal(db.m->listen(db.pool, "odd \"Name\"", on_notify, &ear), 0);
    settle(&db);
    notify(state, "early");
    sx_test_db_run(&db, &ear.has_heard);

    assert_string_equal(ear.last, "early");
    assert_int_equal(ear.n_gaps, 0);
    sx_test_db_finish(&db);
}

static void listener_is_told_of_the_gap_and_hears_again_after_a_reconnect(void **state)
{
    struct ear ear = { 0 };
    struct sx_test_db db;

    sx_test_db_init(&db, url_of(state));
    db.set.application_name = "sx-ear";
    sx_test_db_open_ready(&db);
    assert_int_equal(db.m->listen(db.pool, "odd \"Name\"", on_notify, &ear), 0);
    settle(&db);
    sx_test_sql(url_of(state), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                               "WHERE application_name = 'sx-ear'");
    sx_test_db_run(&db, &ear.has_gap);
    settle(&db);
    notify(state, "again");
    sx_test_db_run(&db, &ear.has_heard);

    assert_int_equal(ear.n_gaps, 1);
    assert_string_equal(ear.last, "again");
    sx_test_db_finish(&db);
}

struct borrower {
    struct sx_test_db *db;
    struct sx_db_lease *lease;
    const char *url;
    void **state;
};

/* The only connection is lent while somebody notifies. */
static void borrow(void *arg)
{
    static const struct sx_db_stmt listen = { .sql = "LISTEN of_my_own" };
    struct borrower *b = arg;

    assert_non_null(b->db->m->lease_exec(b->lease, &listen));
    notify(b->state, "while lent");
    b->db->m->lease_end(b->lease, NULL);
}

static void lease_of_the_only_connection_loses_no_notification(void **state)
{
    struct ear ear = { 0 };
    struct borrower b;
    struct sx_test_op t;
    uv_thread_t thread;
    struct sx_test_db db;

    sx_test_db_init(&db, url_of(state));
    db.set.wants_leases = true;
    sx_test_db_open_ready(&db);
    assert_int_equal(db.m->listen(db.pool, "odd \"Name\"", on_notify, &ear), 0);
    settle(&db);
    b = (struct borrower){ .db = &db, .state = state };
    assert_int_equal(db.m->lease_create(db.pool, &db.owner, 0, &b.lease), 0);
    assert_int_equal(uv_thread_create(&thread, borrow, &b), 0);
    sx_test_db_run(&db, &ear.has_heard);
    assert_int_equal(uv_thread_join(&thread), 0);

    assert_string_equal(ear.last, "while lent");
    assert_int_equal(ear.n_gaps, 0);
    assert_string_equal(
        sx_test_db_value(&db, &t, "SELECT string_agg(c, ',') FROM pg_listening_channels() c"),
        "odd \"Name\"");
    sx_test_db_finish(&db);
}

static void bad_channel_names_are_refused(void **state)
{
    char name[65];
    struct sx_test_db db;

    sx_test_db_init(&db, url_of(state));
    sx_test_db_open(&db);
    memset(name, 'x', 64);
    name[64] = '\0';
    assert_int_equal(db.m->listen(db.pool, "", on_notify, NULL), SX_ERR_INVALID);
    assert_int_equal(db.m->listen(db.pool, name, on_notify, NULL), SX_ERR_INVALID);
    sx_test_db_finish(&db);
}

/* Behind a pooler: settings go with each statement, listening has a connection of its own. */
static void pooled_mode_keeps_roles_paths_and_reads_apart_without_a_session(void **state)
{
    static const struct sx_db_owner monitor = {
        .name = "m", .role = "pg_monitor", .search_path = "nowhere", .index = 1
    };
    static const char sql[] =
        "SELECT current_user || ' ' || current_setting('search_path') || ' ' || "
        "current_setting('transaction_read_only') || ' ' || current_setting('statement_timeout')";
    struct ear ear = { 0 };
    struct sx_test_op t[40];
    struct sx_test_db db;
    char login[64], expected[128];

    sx_test_sql_value(url_of(state), "SELECT current_user", login, sizeof login);
    sx_test_db_init(&db, url_of(state));
    db.set.size = 2;
    db.set.is_pooled = true;
    sx_test_db_open_ready(&db);
    assert_int_equal(db.m->listen(db.pool, "odd \"Name\"", on_notify, &ear), 0);
    for (int i = 0; i < 40; i++) {
        sx_test_op_init(&t[i], i % 2 == 0 ? &monitor : &db.owner, sql,
                        i % 4 < 2 ? SX_DB_READ_ONLY : 0);
        sx_test_op_submit(&db, &t[i]);
    }
    for (int i = 0; i < 40; i++) {
        sx_test_db_run(&db, &t[i].is_done);
        (void)snprintf(expected, sizeof expected, "%s %s %s 10s", i % 2 == 0 ? "pg_monitor" : login,
                       i % 2 == 0 ? "nowhere" : "public", i % 4 < 2 ? "on" : "off");
        assert_string_equal(t[i].is_ok ? t[i].value : t[i].message, expected);
    }
    sx_test_db_write(&db, &t[0], "SELECT count(*) FROM pg_prepared_statements");
    assert_string_equal(t[0].value, "0");
    while (!ear.has_heard) { /* its connection comes when it comes */
        notify(state, "direct");
        (void)uv_run(&db.loop, UV_RUN_NOWAIT);
    }
    sx_test_db_finish(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_listener_of_a_channel_hears_it_in_every_layout),
        cmocka_unit_test(listener_set_before_the_connection_hears_too),
        cmocka_unit_test(listener_is_told_of_the_gap_and_hears_again_after_a_reconnect),
        cmocka_unit_test(lease_of_the_only_connection_loses_no_notification),
        cmocka_unit_test(bad_channel_names_are_refused),
        cmocka_unit_test(pooled_mode_keeps_roles_paths_and_reads_apart_without_a_session),
    };

    return cmocka_run_group_tests(tests, sx_test_pg_setup, sx_test_pg_teardown);
}
