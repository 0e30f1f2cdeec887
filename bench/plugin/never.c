/*
 * never.c - statements that do not end by themselves, for how long one outlives its request.
 */
#include <sx/plugin.h>

#define DEADLINE_MS 300 /* bench/runner/deadline.py has it, too */

static int take_rows(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)rows;
    (void)arg;
    return sx_reply_text(r, 200, "late");
}

static int read_for_ever(sx_req *r)
{
    return sx_read(r, take_rows, NULL, "SELECT pg_sleep(3600), 'never'", SX_NONE);
}

static int write_for_ever(sx_req *r)
{
    return sx_query(r, take_rows, NULL, "SELECT pg_sleep(3600), 'never'", SX_NONE);
}

static int lease_for_ever(sx_req *r, sx_db *db)
{
    const sx_rows *rows = sx_db_exec(db, "SELECT pg_sleep(3600), 'never'", SX_NONE);

    return rows == NULL ? SX_EDB : sx_reply_text(r, 200, "late");
}

#define ROUTE(name, of, how)                                                           \
    {                                                                                  \
        .method = "GET", .path = "/never/" name, .of = how, .timeout_ms = DEADLINE_MS, \
        .summary = "A statement that does not end"                                     \
    }

static const sx_route routes[] = {
    ROUTE("read", handler, read_for_ever),
    ROUTE("write", handler, write_for_ever),
    ROUTE("lease", blocking, lease_for_ever),
    { 0 },
};

SX_PLUGIN("never", "1.0.0", .summary = "Statements that do not end", .routes = routes,
          .needs = SX_CAP_DB | SX_CAP_BLOCKING);
