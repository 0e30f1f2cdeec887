/*
 * marked - each request carries a token and is answered with what the database says it is: an
 * answer that belongs to somebody else shows, and so does a row too many or too few.
 */
#include <sx/plugin.h>

#define INSERT "INSERT INTO mark (tok) VALUES ($1) RETURNING tok"

static int on_row(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)arg;
    return sx_reply_text(r, 200, sx_text_at(rows, 0, 0));
}

static int on_both(sx_req *r, const sx_rows *const *rows, size_t n, void *arg)
{
    (void)arg;
    return n == 2 && strcmp(sx_text_at(rows[0], 0, 0), sx_text_at(rows[1], 0, 0)) == 0
               ? sx_reply_text(r, 200, sx_text_at(rows[0], 0, 0))
               : sx_fail(r, 500, "crossed", "two statements of one request do not agree");
}

static int read_mark(sx_req *r)
{
    return sx_read(r, on_row, NULL, "SELECT $1::text", SX_PARAMS(sx_text(sx_arg_text(r, "tok"))));
}

static int write_mark(sx_req *r)
{
    return sx_query(r, on_row, NULL, INSERT, SX_PARAMS(sx_text(sx_arg_text(r, "tok"))));
}

/* Two rows or none. */
static int write_both(sx_req *r)
{
    const sx_params params = SX_PARAMS(sx_text(sx_arg_text(r, "tok")));
    const sx_stmt both[] = { { INSERT, params, 0, 0 }, { INSERT, params, 0, 0 } };

    return sx_batch(r, on_both, NULL, both, 2);
}

static int lease_read(sx_req *r, sx_db *db)
{
    const sx_rows *rows = sx_db_exec(db, "SELECT $1::text",
                                     SX_PARAMS(sx_text(sx_arg_text(r, "tok"))));

    return rows == NULL ? SX_EDB : sx_reply_text(r, 200, sx_text_at(rows, 0, 0));
}

static int lease_write(sx_req *r, sx_db *db)
{
    const sx_rows *rows;

    (void)sx_db_begin(db);
    rows = sx_db_exec(db, INSERT, SX_PARAMS(sx_text(sx_arg_text(r, "tok"))));
    if (rows == NULL || sx_reply_text(r, 200, sx_text_at(rows, 0, 0)) < 0)
        return SX_EDB;
    return sx_db_commit(db) < 0 ? SX_EDB : SX_OK;
}

/* No transaction of its own. */
static int lease_write_alone(sx_req *r, sx_db *db)
{
    const sx_rows *rows = sx_db_exec(db, INSERT, SX_PARAMS(sx_text(sx_arg_text(r, "tok"))));

    return rows == NULL ? SX_EDB : sx_reply_text(r, 200, sx_text_at(rows, 0, 0));
}

static const sx_field params[] = {
    { .name = "tok", .in = SX_IN_QUERY, .type = SX_TEXT, .required = 1, .doc = "Comes back" },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET", .path = "/marked/read", .handler = read_mark, .params = params },
    { .method = "POST", .path = "/marked/write", .handler = write_mark, .params = params },
    { .method = "POST", .path = "/marked/both", .handler = write_both, .params = params },
    { .method = "GET", .path = "/marked/lease/read", .blocking = lease_read, .params = params },
    { .method = "POST", .path = "/marked/lease/write", .blocking = lease_write, .params = params },
    { .method = "POST",
      .path = "/marked/lease/alone",
      .blocking = lease_write_alone,
      .params = params },
    { 0 },
};

static const sx_migration migrations[] = {
    { 1, "mark", "CREATE TABLE mark (tok text NOT NULL)" }, /* not unique: a duplicate shows */
    { 0 },
};

SX_PLUGIN("marked", "1.0.0", .needs = SX_CAP_DB | SX_CAP_BLOCKING, .routes = routes,
          .migrations = migrations);
