/* database.c - statements from the loop. */
#include "contract.h"

#define INSERT_ITEM "INSERT INTO item (name) VALUES ($1) RETURNING id, name"

static int never(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)rows;
    (void)arg;
    return sx_fail(r, 500, "unexpected", "a callback that must not be called was called");
}

static int never_batch(sx_req *r, const sx_rows *const rows[], size_t n, void *arg)
{
    (void)rows;
    (void)n;
    return never(r, NULL, arg);
}

static void never_rows(sx_plugin *p, const sx_db_error *err, const sx_rows *const rows[], size_t n,
                       void *arg)
{
    (void)rows;
    (void)n;
    (void)arg;
    note(p, "unexpected rows", json_boolean(err == NULL));
}

/* --- Refused ---------------------------------------------------------------------------- */

int refuse_statements(sx_req *r)
{
    static const char *const texts[] = {
        "SET search_path = public",
        "BEGIN",
        "COMMIT",
        "LISTEN x",
        "CREATE TABLE t ()",
        "SELECT 1; SELECT 2",
        "DO $$ BEGIN END $$",
        "",
    };
    const sx_param unknown = { .type = 99 };
    const sx_stmt one = { .sql = "SELECT 1" };
    sx_plugin *p = sx_req_plugin(r);
    json_t *codes = json_object();

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        put_int(codes, texts[i], sx_query(r, never, NULL, texts[i], SX_NONE));
    put_int(codes, "no text", sx_query(r, never, NULL, NULL, SX_NONE));
    put_int(codes, "no function", sx_query(r, NULL, NULL, "SELECT 1", SX_NONE));
    put_int(codes, "unknown type",
            sx_query(r, never, NULL, "SELECT $1", (sx_params){ &unknown, 1 }));
    put_int(codes, "no values", sx_query(r, never, NULL, "SELECT $1", (sx_params){ NULL, 1 }));
    put_int(codes, "empty batch", sx_batch(r, never_batch, NULL, &one, 0));
    put_int(codes, "batch without function", sx_batch(r, NULL, NULL, &one, 1));
    put_int(codes, "plugin's empty batch", sx_plugin_batch(p, never_rows, NULL, &one, 0));
    put_int(codes, "plugin's without function", sx_plugin_batch(p, NULL, NULL, &one, 1));
    return sx_reply_json(r, 200, codes);
}

static int finish_two(sx_req *r, const sx_rows *rows, void *arg)
{
    json_t *codes = arg;

    put_int(codes, "rows", sx_count(rows));
    return sx_reply_json(r, 200, codes);
}

static int never_after(sx_req *r, void *arg)
{
    return never(r, NULL, arg);
}

static int never_work(sx_plugin *p, sx_db *db, void *arg)
{
    (void)db;
    (void)arg;
    note_one_more(p, "unexpected work");
    return SX_OK;
}

static int never_done(sx_req *r, int result, void *arg)
{
    (void)result;
    return never(r, NULL, arg);
}

/* While one operation is pending nothing else may be started. */
int start_two(sx_req *r)
{
    const sx_stmt one = { .sql = "SELECT 1" };
    json_t *codes = json_object();
    sx_stream *s;

    put_int(codes, "first", sx_read(r, finish_two, codes, "SELECT 1", SX_NONE));
    put_int(codes, "query", sx_query(r, never, NULL, "SELECT 1", SX_NONE));
    put_int(codes, "batch", sx_batch(r, never_batch, NULL, &one, 1));
    put_int(codes, "offload", sx_offload(r, never_work, never_done, NULL));
    put_int(codes, "after", sx_after(r, 0, never_after, NULL));
    put_int(codes, "stream", sx_sse_open(r, NULL, NULL, &s));
    return SX_OK;
}

/* --- One statement ---------------------------------------------------------------------- */

static int on_added(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)arg;
    return sx_reply_json(r, 201,
                         json_pack("{s:i, s:s}", "affected", (int)sx_affected(rows), "name",
                                   sx_text_at(rows, 0, (uint32_t)sx_column(rows, "name"))));
}

int add_item(sx_req *r)
{
    return sx_query(r, on_added, NULL, INSERT_ITEM, SX_PARAMS(sx_text(sx_arg_text(r, "name"))));
}

int write_in_read(sx_req *r)
{
    return sx_read(r, never, NULL, INSERT_ITEM, SX_PARAMS(sx_text("read")));
}

int fail_statement(sx_req *r)
{
    static const struct {
        const char *what, *sql;
    } statements[] = {
        { "text", "SELECT 'x'::text::integer" },
        { "range", "SELECT 99999999999::bigint::integer" },
        { "date", "SELECT '2026-02-31'::date" },
        { "division", "SELECT 1 / 0" },
        { "table", "SELECT * FROM nowhere" },
        { "null", "INSERT INTO item (name) VALUES (NULL)" },
        { "check", "INSERT INTO item (name) VALUES (repeat('x', 30))" },
    };
    const char *what = sx_arg_text(r, "what");

    for (size_t i = 0; what != NULL && i < sizeof statements / sizeof *statements; i++)
        if (strcmp(what, statements[i].what) == 0)
            return sx_query(r, never, NULL, statements[i].sql, SX_NONE);
    return sx_fail(r, 400, "unknown", "what: unknown");
}

int sleep_in_database(sx_req *r)
{
    return sx_read(r, never, NULL, "SELECT pg_sleep(20)", SX_NONE);
}

/* --- Several ------------------------------------------------------------------------------ */

static int on_both(sx_req *r, const sx_rows *const rows[], size_t n, void *arg)
{
    (void)arg;
    return sx_reply_json(
        r, 201,
        json_pack("[i, s, s]", (int)n, sx_text_at(rows[0], 0, 1), sx_text_at(rows[1], 0, 1)));
}

/* All or none: the same name twice is none. */
int add_two_items(sx_req *r)
{
    const sx_param a = sx_text(sx_arg_text(r, "a")), b = sx_text(sx_arg_text(r, "b"));
    const sx_stmt both[] = {
        { .sql = INSERT_ITEM, .params = { &a, 1 } },
        { .sql = INSERT_ITEM, .params = { &b, 1 } },
    };

    return sx_batch(r, on_both, NULL, both, 2);
}

static int on_failure(sx_req *r, const sx_db_error *err, void *arg)
{
    return sx_reply_json(r, 422,
                         json_pack("{s:s, s:s, s:i, s:s?, s:b, s:b, s:b}", "arg", arg, "sqlstate",
                                   err->sqlstate, "index", (int)err->index, "constraint",
                                   err->constraint, "retryable", err->retryable, "unknown",
                                   err->outcome_unknown, "has message", *err->message != '\0'));
}

int handle_failure(sx_req *r)
{
    static char arg[] = "given";
    const sx_param name = sx_text("same");
    const sx_stmt both[] = {
        { .sql = INSERT_ITEM, .params = { &name, 1 } },
        { .sql = INSERT_ITEM, .params = { &name, 1 } },
    };
    const int err = sx_on_db_error(r, on_failure, arg);

    return err < 0 ? err : sx_batch(r, never_batch, NULL, both, 2);
}

/* --- For the plugin itself ------------------------------------------------------------------- */

static void on_own_rows(sx_plugin *p, const sx_db_error *err, const sx_rows *const rows[], size_t n,
                        void *arg)
{
    (void)arg;
    if (err != NULL)
        note(p, "own",
             json_pack("{s:s, s:i, s:b}", "sqlstate", err->sqlstate, "index", (int)err->index,
                       "has rows", rows != NULL || n > 0));
    else
        note(p, "own", json_pack("[i, s]", (int)n, sx_text_at(rows[n - 1], 0, 1)));
}

int batch_for_plugin(sx_req *r)
{
    const sx_param a = sx_text("own 1"), b = sx_text(sx_arg_text(r, "b"));
    const sx_stmt both[] = {
        { .sql = INSERT_ITEM, .params = { &a, 1 } },
        { .sql = INSERT_ITEM, .params = { &b, 1 } },
    };
    const int err = sx_plugin_batch(sx_req_plugin(r), on_own_rows, NULL, both, 2);

    return err < 0 ? err : sx_reply_empty(r);
}

static void on_notice(sx_plugin *p, const char *channel, const char *payload, void *arg)
{
    note(p, arg, json_pack("[s, s?]", channel, payload));
}

int listen_badly(sx_req *r)
{
    static const char long_name[] =
        "a_name_of_sixty_four_bytes_is_one_more_than_the_database_can_keep";
    static char arg[] = "never";
    sx_plugin *p = sx_req_plugin(r);
    json_t *codes = json_object();

    put_int(codes, "no name", sx_listen(p, "", on_notice, arg));
    put_int(codes, "NULL name", sx_listen(p, NULL, on_notice, arg));
    put_int(codes, "long name", sx_listen(p, long_name, on_notice, arg));
    put_int(codes, "no function", sx_listen(p, "contract", NULL, arg));
    return sx_reply_json(r, 200, codes);
}

/* Without a database the host says that it is busy: the plugin goes on without. */
int start_listening(sx_plugin *p)
{
    static char arg[] = "notified";
    const int err = sx_listen(p, "a \"channel\"", on_notice, arg);

    note(p, "listen", json_integer(err));
    return SX_OK;
}
