/* Bad days: backends killed, the server away, restarted, moved; what was sent and what not. */
#include <dlfcn.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "db.h"
#include "pg.h"

enum { MANY = 200 };

static struct sx_test_pg *server_of(void **state)
{
    return *state;
}

static void open_pool(struct sx_test_db *db, void **state, uint32_t size)
{
    sx_test_db_init(db, server_of(state)->url);
    db->set.size = size;
    sx_test_db_open_ready(db);
}

/* And waits until they are gone: one that dies late could hide from the pool that all were lost. */
static void kill_backends(void **state)
{
    sx_test_sql(
        server_of(state)->url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sx-test'");
    sx_test_sql_await(
        server_of(state)->url,
        "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'sx-test'");
}

static void submit(struct sx_test_db *db, struct sx_test_op *t, const char *sql, uint32_t flags)
{
    sx_test_op_init(t, &db->owner, sql, flags);
    sx_test_op_submit(db, t);
}

static void run_until_sent(struct sx_test_db *db, const struct sx_test_op *t)
{
    while (t->op.state != SX_DB_OP_SENT)
        (void)uv_run(&db->loop, UV_RUN_ONCE);
}

/* The server has it when another session sees it run. */
static void await_running(void **state, const char *part)
{
    char sql[256];

    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) > 0 FROM pg_stat_activity WHERE state = 'active' "
                   "AND application_name = 'sx-test' AND query LIKE '%%%s%%'",
                   part);
    sx_test_sql_await(server_of(state)->url, sql);
}

/* --- killed --------------------------------------------------------------------- */

static void sent_read_survives_the_death_of_its_backend(void **state)
{
    struct sx_test_op t, waiting;
    struct sx_test_db db;
    uint64_t sent_ns;

    sx_test_sql(server_of(state)->url, "CREATE TABLE slow ()");
    open_pool(&db, state, 1);
    submit(&db, &t,
           "SELECT 'once more' FROM pg_sleep(CASE WHEN to_regclass('public.slow') IS NULL"
           " THEN 0 ELSE 9 END)",
           SX_DB_READ_ONLY);
    run_until_sent(&db, &t);
    submit(&db, &waiting, "SELECT 'next'", 0);
    await_running(state, "once more");
    sent_ns = t.op.sent_ns;
    sx_test_sql(server_of(state)->url, "DROP TABLE slow");

    kill_backends(state);
    sx_test_db_run(&db, &t.is_done);
    sx_test_db_run(&db, &waiting.is_done);

    assert_string_equal(t.is_ok ? t.value : t.message, "once more");
    assert_true(t.op.sent_ns > sent_ns);
    sx_test_db_finish(&db);
}

static void sent_write_that_was_lost_has_an_unknown_outcome(void **state)
{
    struct sx_test_op t, queued;
    struct sx_test_db db;

    open_pool(&db, state, 1);
    submit(&db, &t, "SELECT 'a write' FROM pg_sleep(20)", 0);
    run_until_sent(&db, &t);
    await_running(state, "a write");
    submit(&db, &queued, "SELECT 'kept'", 0);

    kill_backends(state);
    sx_test_db_run(&db, &t.is_done);

    assert_false(t.is_ok);
    assert_true(t.failure.is_lost);
    assert_true(t.failure.outcome_unknown);
    assert_string_equal(t.failure.sqlstate, "");
    sx_test_db_run(&db, &queued.is_done);
    sx_test_db_finish(&db);
}

static void read_is_sent_again_once_and_no_more(void **state)
{
    struct sx_test_op t;
    struct sx_test_db db;

    open_pool(&db, state, 1);
    submit(&db, &t, "SELECT pg_terminate_backend(pg_backend_pid())", SX_DB_READ_ONLY);
    sx_test_db_run(&db, &t.is_done);

    assert_false(t.is_ok);
    assert_true(t.failure.is_lost);
    assert_false(t.failure.outcome_unknown);
    sx_test_db_finish(&db);
}

static void killing_backends_in_the_middle_loses_no_read_and_crosses_nothing(void **state)
{
    struct sx_test_op *t = calloc(MANY, sizeof *t);
    struct sx_test_db db;

    for (uint32_t size = 1; size <= 3; size++) {
        open_pool(&db, state, size);
        for (int i = 0; i < MANY; i++) {
            sx_test_op_init(&t[i], &db.owner, "SELECT $1::text FROM pg_sleep(0.001)",
                            i % 4 == 3 ? 0 : SX_DB_READ_ONLY);
            sx_test_op_text(&t[i], "%u/%d", size, i);
            sx_test_op_submit(&db, &t[i]);
        }
        sx_test_db_run(&db, &t[20].is_done);
        kill_backends(state);
        for (int i = 0; i < MANY; i++)
            sx_test_db_run(&db, &t[i].is_done);
        for (int i = 0; i < MANY; i++) {
            if (t[i].is_ok)
                assert_string_equal(t[i].value, t[i].text);
            else if (i % 4 != 3 || !t[i].failure.outcome_unknown || !t[i].failure.is_lost)
                fail_msg("statement %d on %u connections: lost %d, outcome unknown %d, busy %d, "
                         "\"%s\" %s",
                         i, size, t[i].failure.is_lost, t[i].failure.outcome_unknown,
                         t[i].failure.is_busy, t[i].failure.sqlstate,
                         t[i].failure.message == NULL ? "" : t[i].failure.message);
        }
        sx_test_db_finish(&db);
    }
    free(t);
}

/* --- away ----------------------------------------------------------------------- */

static void pool_waits_for_a_server_that_is_away_at_the_start(void **state)
{
    struct sx_test_op t;
    struct sx_test_db db;

    sx_test_pg_stop(server_of(state));
    sx_test_db_init(&db, server_of(state)->url);
    db.set.size = 2;
    sx_test_db_open(&db);
    submit(&db, &t, "SELECT 'patience'", 0);
    while (db.n_not_ready == 0)
        (void)uv_run(&db.loop, UV_RUN_ONCE);
    assert_true(db.n_logs >= 1);
    assert_true(db.why[0] != '\0');

    assert_int_equal(sx_test_pg_restart(server_of(state)), 0);
    sx_test_db_run(&db, &t.is_done);

    assert_string_equal(t.value, "patience");
    assert_int_equal(db.n_ready, 1);
    assert_int_equal(db.n_not_ready, 1);
    sx_test_db_finish(&db);
}

static void pool_comes_back_after_each_kind_of_restart(void **state)
{
    struct sx_db_stats stats;
    struct sx_test_op t;
    struct sx_test_db db;

    open_pool(&db, state, 3);
    for (int round = 0; round < 2; round++) {
        if (round == 0)
            sx_test_pg_stop(server_of(state));
        else
            sx_test_pg_kill(server_of(state));
        sx_test_db_run_ready(&db, false);
        submit(&db, &t, "SELECT 'back'", round == 0 ? 0 : SX_DB_READ_ONLY);
        assert_int_equal(sx_test_pg_restart(server_of(state)), 0);
        sx_test_db_run(&db, &t.is_done);
        assert_string_equal(t.is_ok ? t.value : t.message, "back");
    }
    sx_test_db_run_ready(&db, true);
    db.m->stats(db.pool, &stats);
    assert_true(stats.reconnects >= 2);
    assert_true(db.n_not_ready >= 2);
    sx_test_db_finish(&db);
}

static void failures_are_logged_once_a_second_at_most(void **state)
{
    uint64_t began_ms;
    struct sx_test_db db;

    (void)state;
    sx_test_db_init(&db, "host=/nonexistent");
    db.set.size = 8;
    sx_test_db_open(&db);
    began_ms = uv_now(&db.loop);
    while (db.n_logs < 2)
        (void)uv_run(&db.loop, UV_RUN_ONCE);

    assert_true(uv_now(&db.loop) - began_ms >= 1000);
    assert_non_null(strstr(db.log, "more like it"));
    sx_test_db_finish(&db);
}

/* --- addresses ------------------------------------------------------------------ */

static void hosts_are_tried_in_turn_until_one_takes_writes(void **state)
{
    char url[512];
    struct sx_test_op t;
    struct sx_test_db db;

    (void)snprintf(url, sizeof url,
                   "host=/nonexistent,%s user=postgres dbname=postgres "
                   "target_session_attrs=read-write",
                   server_of(state)->dir);
    sx_test_db_init(&db, url);
    sx_test_db_open_ready(&db);
    assert_string_equal(sx_test_db_value(&db, &t, "SELECT 1"), "1");
    sx_test_db_finish(&db);
}

static void name_that_does_not_resolve_is_told_and_does_not_block(void **state)
{
    struct sx_test_db db;

    (void)state;
    sx_test_db_init(&db, "postgresql://no-such-host.invalid:5/db");
    sx_test_db_open(&db);
    while (db.n_not_ready == 0)
        (void)uv_run(&db.loop, UV_RUN_ONCE);

    assert_non_null(strstr(db.why, "host name \"no-such-host.invalid\" cannot be resolved"));
    sx_test_db_finish(&db);
}

static void each_host_that_was_tried_is_told_with_its_reason(void **state)
{
    struct sx_test_db db;

    (void)state;
    sx_test_db_init(&db, "postgresql:///db?host=/no/such/folder,/nor/such/one&user=nobody");
    sx_test_db_open(&db);
    while (db.n_not_ready == 0)
        (void)uv_run(&db.loop, UV_RUN_ONCE);

    assert_string_equal(db.why, "connection to server on socket \"/no/such/folder/.s.PGSQL.5432\""
                                " failed: No such file or directory; connection to server on socket"
                                " \"/nor/such/one/.s.PGSQL.5432\" failed: No such file or"
                                " directory");
    sx_test_db_finish(&db);
}

/* In the place of the C library's: a name server that is silent for one name until it is told. */
static uv_sem_t name_server;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    if (name != NULL && strcmp(name, "silent.invalid") == 0) {
        uv_sem_wait(&name_server);
        return EAI_AGAIN;
    }
    if (real == NULL)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    return real(name, service, hints, ret);
}

static void name_that_nobody_looks_up_does_not_hide_the_other_host(void **state)
{
    char url[512];
    struct sx_test_op t;
    struct sx_test_db db;

    assert_int_equal(uv_sem_init(&name_server, 0), 0);
    (void)snprintf(url, sizeof url, "host=silent.invalid,%s user=postgres dbname=postgres",
                   server_of(state)->dir);
    sx_test_db_init(&db, url);
    db.set.size = 4;
    db.set.connect_ms = 1000;
    sx_test_db_open_ready(&db);
    assert_string_equal(sx_test_db_value(&db, &t, "SELECT 1"), "1");
    kill_backends(state);
    sx_test_db_run_ready(&db, false);
    sx_test_db_run_ready(&db, true);

    for (int i = 0; i < 16; i++)
        uv_sem_post(&name_server);
    sx_test_db_finish(&db);
    uv_sem_destroy(&name_server);
}

/* Those who have connected since the last time. */
static int count_waiting(int listener)
{
    int n = 0;

    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; n++)
        (void)close(fd);
    return n;
}

/* A server where nobody accepts. */
struct silent {
    char dir[sizeof "/tmp/sx-silent-XXXXXX"];
    struct sockaddr_un at;
    int fd;
};

static void silent_start(struct silent *s)
{
    *s = (struct silent){ .dir = "/tmp/sx-silent-XXXXXX", .at = { .sun_family = AF_UNIX } };
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(s->at.sun_path, sizeof s->at.sun_path, "%s/.s.PGSQL.5432", s->dir);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&s->at, sizeof s->at), 0);
    assert_int_equal(listen(s->fd, 100), 0);
}

static void silent_finish(struct silent *s)
{
    (void)close(s->fd);
    (void)unlink(s->at.sun_path);
    (void)rmdir(s->dir);
}

static void one_connection_is_made_until_it_is_there(void **state)
{
    struct silent silent;
    struct sx_test_db db;
    char url[128];

    (void)state;
    silent_start(&silent);
    (void)snprintf(url, sizeof url, "host=%s user=postgres dbname=postgres", silent.dir);
    sx_test_db_init(&db, url);
    db.set.size = 4;
    db.set.connect_ms = 60000;
    sx_test_db_open(&db);
    for (int i = 0; i < 10; i++) /* ticks */
        (void)uv_run(&db.loop, UV_RUN_ONCE);
    assert_int_equal(count_waiting(silent.fd), 1);

    sx_test_db_finish(&db);
    silent_finish(&silent);
}

static void host_that_is_silent_does_not_hide_the_other_host(void **state)
{
    struct silent silent;
    char url[512];
    struct sx_test_op t;
    struct sx_test_db db;

    silent_start(&silent);
    (void)snprintf(url, sizeof url, "host=%s,%s user=postgres dbname=postgres", silent.dir,
                   server_of(state)->dir);
    sx_test_db_init(&db, url);
    db.set.size = 4;
    db.set.connect_ms = 1000;
    sx_test_db_open_ready(&db);
    assert_string_equal(sx_test_db_value(&db, &t, "SELECT 1"), "1");
    assert_true(count_waiting(silent.fd) > 0);
    kill_backends(state);
    sx_test_db_run_ready(&db, false);
    sx_test_db_run_ready(&db, true);
    assert_int_equal(count_waiting(silent.fd), 0); /* it is known now, and tried last */

    sx_test_db_finish(&db);
    silent_finish(&silent);
}

/* --- verifying at a start ------------------------------------------------------- */

struct verification {
    struct sx_db_migrate_plugin plugin;
    struct sx_report faults;
    struct sx_test_verified told;
};

static void verify(struct sx_test_db *db, struct verification *v)
{
    *v = (struct verification){ .plugin = { .name = "nobody" } };
    sx_report_init(&v->faults);
    assert_int_equal(
        db->m->verify(db->pool, &v->plugin, 1, &v->faults, sx_test_on_verified, &v->told), 0);
    assert_false(v->told.is_over);
}

static void verifying_waits_for_the_host_behind_a_silent_one(void **state)
{
    struct silent silent;
    struct verification v;
    struct sx_test_db db;
    char url[512];

    silent_start(&silent);
    (void)snprintf(url, sizeof url, "host=%s,%s user=postgres dbname=postgres", silent.dir,
                   server_of(state)->dir);
    sx_test_db_init(&db, url);
    db.set.connect_ms = 1000;
    sx_test_db_open(&db);
    verify(&db, &v);
    sx_test_db_run(&db, &v.told.is_over);
    assert_string_equal(v.told.why, "");
    assert_int_equal(v.faults.n_faults, 0);

    sx_test_db_finish(&db);
    silent_finish(&silent);
}

/* is_closed: the pool is closed meanwhile. */
static void verify_in_silence(bool is_closed, const char *why)
{
    struct silent silent;
    struct verification v;
    struct sx_test_db db;
    char url[128];

    silent_start(&silent);
    (void)snprintf(url, sizeof url, "host=%s user=postgres dbname=postgres", silent.dir);
    sx_test_db_init(&db, url);
    db.set.connect_ms = 60000;
    sx_test_db_open(&db);
    verify(&db, &v);
    if (!is_closed)
        sx_test_db_run(&db, &v.told.is_over);
    sx_test_db_finish(&db);
    assert_true(v.told.is_over);
    assert_non_null(strstr(v.told.why, why));
    assert_int_equal(v.faults.n_faults, 0);
    silent_finish(&silent);
}

static void verifying_ends_though_the_server_is_silent_or_the_pool_is_closed(void **state)
{
    (void)state;
    verify_in_silence(false, "did not answer within 4000 ms");
    verify_in_silence(true, "not connected yet");
}

static void closing_while_a_name_is_looked_up_leaks_nothing(void **state)
{
    struct sx_test_db db;

    (void)state;
    sx_test_db_init(&db, "postgresql://no-such-host.invalid,localhost:5/db");
    db.set.size = 4;
    sx_test_db_open(&db);
    sx_test_db_finish(&db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sent_read_survives_the_death_of_its_backend),
        cmocka_unit_test(sent_write_that_was_lost_has_an_unknown_outcome),
        cmocka_unit_test(read_is_sent_again_once_and_no_more),
        cmocka_unit_test(killing_backends_in_the_middle_loses_no_read_and_crosses_nothing),
        cmocka_unit_test(pool_waits_for_a_server_that_is_away_at_the_start),
        cmocka_unit_test(pool_comes_back_after_each_kind_of_restart),
        cmocka_unit_test(failures_are_logged_once_a_second_at_most),
        cmocka_unit_test(hosts_are_tried_in_turn_until_one_takes_writes),
        cmocka_unit_test(name_that_does_not_resolve_is_told_and_does_not_block),
        cmocka_unit_test(each_host_that_was_tried_is_told_with_its_reason),
        cmocka_unit_test(name_that_nobody_looks_up_does_not_hide_the_other_host),
        cmocka_unit_test(one_connection_is_made_until_it_is_there),
        cmocka_unit_test(host_that_is_silent_does_not_hide_the_other_host),
        cmocka_unit_test(verifying_waits_for_the_host_behind_a_silent_one),
        cmocka_unit_test(verifying_ends_though_the_server_is_silent_or_the_pool_is_closed),
        cmocka_unit_test(closing_while_a_name_is_looked_up_leaks_nothing),
    };

    return cmocka_run_group_tests(tests, sx_test_pg_setup_private, sx_test_pg_teardown);
}
