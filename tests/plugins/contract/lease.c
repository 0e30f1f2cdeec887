/* lease.c - a connection of one's own, on a pool thread. */
#include "contract.h"

#include <sx/pg.h>

#define INSERT_ITEM "INSERT INTO item (name) VALUES ($1)"

/* --- Transactions ----------------------------------------------------------------------- */

/* Two rows, then commit, rollback, or neither; what follows says whether they are there. */
int end_transaction(sx_req *r, sx_db *db)
{
    const char *how = sx_arg_text(r, "how");
    const sx_rows *rows;
    int err = SX_OK;

    if (sx_db_begin(db) < 0)
        return SX_EDB;
    (void)sx_db_exec(db, INSERT_ITEM, SX_PARAMS(sx_text("lease 1")));
    rows = sx_db_exec(db, INSERT_ITEM, SX_PARAMS(sx_text("lease 2")));
    if (rows == NULL || sx_affected(rows) != 1)
        return SX_EDB;
    if (strcmp(how, "commit") == 0)
        err = sx_db_commit(db);
    else if (strcmp(how, "rollback") == 0)
        err = sx_db_rollback(db);
    else if (strcmp(how, "fail") == 0)
        return SX_EINVAL;
    return err < 0 ? err : sx_reply_text(r, 200, how);
}

/* The first failure sticks, also for the commit; answered by hand or by the host. */
int fail_and_go_on(sx_req *r, sx_db *db)
{
    const sx_db_error *before = sx_db_last_error(db), *err;
    json_t *all = json_object();

    (void)sx_db_begin(db);
    (void)sx_db_exec(db, INSERT_ITEM, SX_PARAMS(sx_text("same")));
    (void)sx_db_exec(db, INSERT_ITEM, SX_PARAMS(sx_text("same")));
    put_int(all, "rows after", sx_db_exec(db, "SELECT 1", SX_NONE) != NULL);
    put_int(all, "commit", sx_db_commit(db));
    err = sx_db_last_error(db);
    if (err == NULL || sx_arg_text(r, "by_hand") == NULL) {
        json_decref(all);
        return SX_EDB;
    }
    put_int(all, "error before", before != NULL);
    put_text(all, "sqlstate", err->sqlstate);
    put_text(all, "constraint", err->constraint);
    return sx_reply_json(r, 200, all);
}

int control_badly(sx_req *r, sx_db *db)
{
    json_t *codes = json_object();

    put_int(codes, "unknown verb", sx_host_->db_control(db, 99));
    put_int(codes, "negative verb", sx_host_->db_control(db, -1));
    put_int(codes, "fine after it", sx_db_exec(db, "SELECT 1", SX_NONE) != NULL);
    put_int(codes, "no text", sx_db_exec(db, NULL, SX_NONE) != NULL);
    put_int(codes, "has an error", sx_db_last_error(db) != NULL);
    return sx_reply_json(r, 200, codes);
}

/* --- Not from here -------------------------------------------------------------------------- */

static int never_rows(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)rows;
    (void)arg;
    return sx_fail(r, 500, "unexpected", "unexpected");
}

static int never_batch(sx_req *r, const sx_rows *const rows[], size_t n, void *arg)
{
    (void)rows;
    (void)n;
    return never_rows(r, NULL, arg);
}

static int never_done(sx_req *r, int result, void *arg)
{
    (void)result;
    return never_rows(r, NULL, arg);
}

static int never_after(sx_req *r, void *arg)
{
    return never_rows(r, NULL, arg);
}

static int never_work(sx_plugin *p, sx_db *db, void *arg)
{
    (void)p;
    (void)db;
    (void)arg;
    return SX_OK;
}

static void never_own(sx_plugin *p, const sx_db_error *err, const sx_rows *const rows[], size_t n,
                      void *arg)
{
    (void)p;
    (void)err;
    (void)rows;
    (void)n;
    (void)arg;
}

static void never_notice(sx_plugin *p, const char *channel, const char *payload, void *arg)
{
    (void)p;
    (void)channel;
    (void)payload;
    (void)arg;
}

static void never_tick(sx_plugin *p, void *arg)
{
    (void)p;
    (void)arg;
}

int call_the_loop(sx_req *r, sx_db *db)
{
    static const sx_timer_spec timer = { .fn = never_tick };
    const sx_stmt one = { .sql = "SELECT 1" };
    sx_plugin *p = sx_req_plugin(r);
    json_t *codes = json_object();
    sx_stream *s;

    (void)db;
    put_int(codes, "query", sx_query(r, never_rows, NULL, "SELECT 1", SX_NONE));
    put_int(codes, "read", sx_read(r, never_rows, NULL, "SELECT 1", SX_NONE));
    put_int(codes, "batch", sx_batch(r, never_batch, NULL, &one, 1));
    put_int(codes, "plugin_batch", sx_plugin_batch(p, never_own, NULL, &one, 1));
    put_int(codes, "listen", sx_listen(p, "contract", never_notice, NULL));
    put_int(codes, "offload", sx_offload(r, never_work, never_done, NULL));
    put_int(codes, "after", sx_after(r, 0, never_after, NULL));
    put_int(codes, "timer", sx_timer_start(p, &timer, NULL));
    put_int(codes, "stream", sx_sse_open(r, NULL, NULL, &s));
    return sx_reply_json(r, 200, codes);
}

/* --- Other ways ----------------------------------------------------------------------------- */

int use_libpq(sx_req *r, sx_db *db)
{
    PGconn *pg = sx_db_pg(db);
    const sx_rows *rows = sx_db_exec(db, "SELECT 'both'", SX_NONE);
    const PGresult *res = rows == NULL ? NULL : sx_rows_pg(rows);
    PGresult *own = pg == NULL ? NULL : PQexec(pg, "SELECT 'own'");
    json_t *all = json_object();

    put_text(all, "rows", res == NULL ? NULL : PQgetvalue(res, 0, 0));
    put_text(all, "own", PQntuples(own) == 1 ? PQgetvalue(own, 0, 0) : NULL);
    put_int(all, "no rows", sx_rows_pg(NULL) != NULL);
    PQclear(own);
    return sx_reply_json(r, 200, all);
}

/* Loses as many races as ?lost= says; the answer tells how often it was tried. */
int lose_races(sx_req *r, sx_db *db)
{
    struct state *s = sx_req_state(r);
    const int attempt = ++s->attempts; /* one request at a time in the test */
    char text[] = "attempt 0";

    if (attempt == 1)
        (void)sx_reply_text(r, 200, "of a lost attempt");
    if (sx_db_begin(db) < 0 || sx_db_exec(db, INSERT_ITEM, SX_PARAMS(sx_text("raced"))) == NULL)
        return SX_EDB;
    if (attempt <= sx_arg_int(r, "lost", 0) &&
        sx_db_exec(db, "DO $$ BEGIN RAISE EXCEPTION 'a lost race' USING ERRCODE = '40001'; END $$",
                   SX_NONE) == NULL)
        return SX_EDB;
    text[sizeof text - 2] = (char)('0' + attempt);
    return sx_db_commit(db) < 0 ? SX_EDB : sx_reply_text(r, 200, text);
}

int leave_something(sx_req *r, sx_db *db)
{
    static const char *const left[] = {
        "SET work_mem = '77MB'",
        "SET search_path = pg_catalog",
        "CREATE TEMPORARY TABLE left_behind (a integer)",
        "SELECT pg_advisory_lock(4711)",
        "LISTEN left_behind",
        "PREPARE left_behind AS SELECT 1",
    };

    for (size_t i = 0; i < sizeof left / sizeof *left; i++)
        if (sx_db_exec(db, left[i], SX_NONE) == NULL)
            return SX_EDB;
    return sx_reply_text(r, 200, "left");
}

int look_around(sx_req *r, sx_db *db)
{
    const sx_rows *rows = sx_db_exec(
        db,
        "SELECT current_setting('work_mem') = '77MB' AS setting,"
        " to_regclass('left_behind') IS NOT NULL AS has_table,"
        " (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
        "  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS"
        " locks,"
        " (SELECT count(*) FROM pg_listening_channels() AS c WHERE c = 'left_behind') AS channels,"
        " (SELECT count(*) FROM pg_prepared_statements WHERE name = 'left_behind') AS statements,"
        " current_schema() AS schema",
        SX_NONE);

    return rows == NULL ? SX_EDB : sx_reply_rows(r, 200, rows);
}
