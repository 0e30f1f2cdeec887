/* threads - blocking handlers without the database: every statement is refused. */
#include <sx/plugin.h>

static int show_codes(sx_req *r, sx_db *db)
{
    const sx_db_error *err;
    json_t *all = json_object();

    (void)json_object_set_new(all, "exec",
                              json_boolean(sx_db_exec(db, "SELECT 1", SX_NONE) != NULL));
    (void)json_object_set_new(all, "begin", json_integer(sx_db_begin(db)));
    (void)json_object_set_new(all, "commit", json_integer(sx_db_commit(db)));
    (void)json_object_set_new(all, "conn", json_boolean(sx_host_->db_conn(db) != NULL));
    err = sx_db_last_error(db);
    (void)json_object_set_new(all, "message", json_string(err == NULL ? "" : err->message));
    return sx_reply_json(r, 200, all);
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/threads", .blocking = show_codes },
    { 0 },
};

SX_PLUGIN("threads", "1.0.0", .needs = SX_CAP_BLOCKING, .routes = routes);
