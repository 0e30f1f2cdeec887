/* bare - asks for no capability and tries them all: each is denied. */
#include <sx/plugin.h>

static int on_rows(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)r;
    (void)rows;
    (void)arg;
    return SX_OK;
}

static int on_batch(sx_req *r, const sx_rows *const rows[], size_t n, void *arg)
{
    (void)rows;
    (void)n;
    return on_rows(r, NULL, arg);
}

static void on_own(sx_plugin *p, const sx_db_error *err, const sx_rows *const rows[], size_t n,
                   void *arg)
{
    (void)p;
    (void)err;
    (void)rows;
    (void)n;
    (void)arg;
}

static void on_notice(sx_plugin *p, const char *channel, const char *payload, void *arg)
{
    (void)p;
    (void)channel;
    (void)payload;
    (void)arg;
}

static int work(sx_plugin *p, sx_db *db, void *arg)
{
    (void)p;
    (void)db;
    (void)arg;
    return SX_OK;
}

static int on_done(sx_req *r, int result, void *arg)
{
    (void)result;
    return on_rows(r, NULL, arg);
}

static void put(json_t *to, const char *name, int code)
{
    (void)json_object_set_new(to, name, json_integer(code));
}

static int show_codes(sx_req *r)
{
    static const sx_timer_spec timer = { .work = work };
    const sx_stmt one = { .sql = "SELECT 1" };
    sx_plugin *p = sx_req_plugin(r);
    json_t *codes = json_object();
    sx_stream *s;

    put(codes, "query", sx_query(r, on_rows, NULL, "SELECT 1", SX_NONE));
    put(codes, "read", sx_read(r, on_rows, NULL, "SELECT 1", SX_NONE));
    put(codes, "batch", sx_batch(r, on_batch, NULL, &one, 1));
    put(codes, "plugin_batch", sx_plugin_batch(p, on_own, NULL, &one, 1));
    put(codes, "listen", sx_listen(p, "bare", on_notice, NULL));
    put(codes, "offload", sx_offload(r, work, on_done, NULL));
    put(codes, "task", sx_task(p, work, NULL, NULL));
    put(codes, "timer", sx_timer_start(p, &timer, NULL));
    put(codes, "stream", sx_sse_open(r, NULL, NULL, &s));
    return sx_reply_json(r, 200, codes);
}

/* Its own requests answer all the same. */
static const sx_route routes[] = {
    { .method = "GET", .path = "/bare", .handler = show_codes },
    { 0 },
};

SX_PLUGIN("bare", "1.0.0", .routes = routes);
