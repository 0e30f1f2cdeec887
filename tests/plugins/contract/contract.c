/* contract.c - the manifest, and what concerns the plugin itself. */
#include "contract.h"
#include "migrations.h"

/* --- Notes -------------------------------------------------------------------------- */

void note(sx_plugin *p, const char *name, json_t *value)
{
    struct state *s = sx_state(p);

    (void)pthread_mutex_lock(&s->lock);
    (void)json_object_set_new(s->notes, name, value);
    (void)pthread_mutex_unlock(&s->lock);
}

void note_one_more(sx_plugin *p, const char *name)
{
    struct state *s = sx_state(p);

    (void)pthread_mutex_lock(&s->lock);
    put_int(s->notes, name, json_integer_value(json_object_get(s->notes, name)) + 1);
    (void)pthread_mutex_unlock(&s->lock);
}

static int show_notes(sx_req *r)
{
    struct state *s = sx_req_state(r);
    json_t *copy;

    (void)pthread_mutex_lock(&s->lock);
    copy = json_deep_copy(s->notes);
    (void)pthread_mutex_unlock(&s->lock);
    return sx_reply_json(r, 200, copy);
}

/* --- The plugin ------------------------------------------------------------------------ */

static int show_config(sx_req *r)
{
    sx_plugin *p = sx_req_plugin(r);

    return sx_reply_json(r, 200,
                         json_pack("{s:O, s:s, s:I, s:s?}", "all", sx_config(p), "env", sx_env(p),
                                   "number", (json_int_t)sx_config_int(p, "number"), "text",
                                   sx_config_text(p, "text")));
}

static int show_worker(sx_req *r)
{
    const sx_worker_info w = sx_this_worker(sx_req_plugin(r));

    return sx_reply_json(r, 200,
                         json_pack("{s:i, s:i, s:I}", "index", (int)w.index, "count", (int)w.count,
                                   "now_ns", (json_int_t)w.now_ns));
}

static int show_routes(sx_req *r)
{
    json_t *list = json_array();
    sx_route_info route;
    uint32_t i = 0;

    for (; sx_route_at(sx_req_plugin(r), i, &route) == SX_OK; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s, s:s, s:s, s:i}", "plugin", route.plugin,
                                              "method", route.method, "path", route.path, "summary",
                                              route.summary, "required", (int)route.n_required));
    return sx_reply_json(r, 200,
                         json_pack("{s:o, s:i}", "routes", list, "after_the_last",
                                   sx_route_at(sx_req_plugin(r), i + 1000, &route)));
}

static int write_log(sx_req *r)
{
    sx_plugin *p = sx_req_plugin(r);

    for (int level = SX_DEBUG; level <= SX_WARN; level++)
        sx_log(p, level, "the plugin says %d", level);
    sx_log(p, -7, "below all levels");
    sx_req_log(r, SX_ERROR, "the request says \"%s\"", "no");
    return sx_reply_empty(r);
}

static int record_metrics(sx_req *r)
{
    sx_plugin *p = sx_req_plugin(r);

    sx_metric_record(p, 0, 2);
    sx_metric_record(p, 0, 3);
    sx_metric_record(p, 1, 7);
    sx_metric_record(p, 1, 4);
    sx_metric_record(p, 2, 0.5);
    sx_metric_record(p, 2, 50);
    sx_metric_record(p, 99, 1);
    return sx_reply_empty(r);
}

static int check(sx_plugin *p)
{
    if (sx_config_int(p, "number") != 13)
        return SX_OK;
    sx_log(p, SX_ERROR, "number: 13 brings bad luck in \"%s\"", sx_env(p));
    return SX_EINVAL;
}

static int start(sx_plugin *p)
{
    struct state *s = calloc(1, sizeof *s);

    if (s == NULL)
        return SX_ENOMEM;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->changed, NULL);
    s->notes = json_object();
    sx_set_state(p, s);
    return start_listening(p);
}

static void drain(sx_plugin *p)
{
    sx_log(p, SX_INFO, "drained");
}

static void stop(sx_plugin *p)
{
    struct state *s = sx_state(p);

    (void)pthread_cond_destroy(&s->changed);
    (void)pthread_mutex_destroy(&s->lock);
    json_decref(s->notes);
    free(s);
    sx_set_state(p, NULL);
    sx_log(p, SX_INFO, "stopped");
}

/* --- The manifest -------------------------------------------------------------------------- */

static const sx_field request_params[] = {
    { .name = "id", .in = SX_IN_PATH, .type = SX_INT },
    { .name = "limit", .in = SX_IN_QUERY, .type = SX_INT },
    { .name = "ratio", .in = SX_IN_QUERY, .type = SX_NUMBER },
    { .name = "flag", .in = SX_IN_QUERY, .type = SX_BOOL },
    { 0 },
};

static const sx_field needed_params[] = {
    { .name = "q", .in = SX_IN_QUERY, .type = SX_TEXT, .required = 1 },
    { .name = "X-Need", .in = SX_IN_HEADER, .type = SX_INT, .required = 1 },
    { .name = "need", .in = SX_IN_COOKIE, .type = SX_TEXT, .required = 1 },
    { 0 },
};

static const sx_field ws_params[] = {
    { .name = "n", .in = SX_IN_QUERY, .type = SX_INT },
    { 0 },
};

static const sx_field upload_params[] = {
    { .name = "f", .in = SX_IN_FORM, .type = SX_TEXT, .required = 1 },
    { .name = "note", .in = SX_IN_FORM, .type = SX_TEXT },
    { 0 },
};

#define GET(path_, handler_)                                    \
    {                                                           \
        .method = "GET", .path = (path_), .handler = (handler_) \
    }
#define POST(path_, handler_)                                    \
    {                                                            \
        .method = "POST", .path = (path_), .handler = (handler_) \
    }
#define POOL(path_, handler_)                                    \
    {                                                            \
        .method = "GET", .path = (path_), .blocking = (handler_) \
    }

#define WEBSOCKET(path_, handler_)                                    \
    {                                                                 \
        .method = "WEBSOCKET", .path = (path_), .handler = (handler_) \
    }

static const sx_route routes[] = {
    GET("/notes", show_notes),
    GET("/config", show_config),
    GET("/worker", show_worker),
    GET("/routes", show_routes),
    GET("/log", write_log),
    GET("/metrics", record_metrics),

    { .method = "GET",
      .path = "/request/{id}/x{name}y/{rest...}",
      .handler = show_request,
      .operation_id = "request",
      .params = request_params,
      .summary = "All of a request" },
    { .method = "GET", .path = "/needed", .handler = reply_nothing, .params = needed_params },
    POST("/request", show_request),
    POST("/body", show_body),
    { .method = "POST", .path = "/json", .handler = show_body, .body_schema = "{}" },
    { .method = "POST", .path = "/small", .handler = show_body, .max_body = 10 },
    { .method = "POST", .path = "/upload", .handler = show_upload, .params = upload_params },
    POST("/upload/undeclared", show_upload),
    GET("/alloc", show_alloc),
    POOL("/gone", wait_until_gone),

    GET("/headers", set_headers),
    GET("/cookies", set_cookies),
    GET("/cookies/delete", delete_cookie),
    GET("/cookies/show", show_cookie),
    GET("/twice", reply_twice),
    GET("/write", write_body),
    GET("/write/too-much", reserve_too_much),
    GET("/no-json", reply_no_json),
    GET("/code", return_code),
    GET("/teapot", reply_teapot),
    { .method = "GET", .path = "/", .handler = reply_nothing, .operation_id = "home" },
    GET("/redirect", redirect_home),
    GET("/silent", reply_silent),
    GET("/next", return_next),
    GET("/file", send_file),
    GET("/file/refused", refuse_file),
    GET("/urls", show_urls),

    GET("/stream", stream_parts),
    GET("/stream/full", stream_until_full),
    GET("/stream/events", stream_events),
    GET("/stream/for-ever", stream_for_ever),
    GET("/stream/after-reply", stream_after_reply),
    POOL("/stream/pool", stream_from_pool),

    { .method = "WEBSOCKET", .path = "/ws/{room}", .handler = ws_room, .params = ws_params },
    GET("/ws/both", ws_page),
    WEBSOCKET("/ws/both", ws_both),
    GET("/ws-or-not", ws_or_not),
    WEBSOCKET("/ws/later", ws_later),
    WEBSOCKET("/ws/denied", ws_denied),
    WEBSOCKET("/ws/misused", ws_misused),
    WEBSOCKET("/ws/failed", ws_failed),
    POOL("/ws/pool", ws_from_pool),

    GET("/db/refused", refuse_statements),
    GET("/db/two", start_two),
    POST("/db/item", add_item),
    GET("/db/write-in-read", write_in_read),
    GET("/db/fail", fail_statement),
    { .method = "GET", .path = "/db/sleep", .handler = sleep_in_database, .timeout_ms = 100 },
    POST("/db/items", add_two_items),
    GET("/db/handled", handle_failure),
    GET("/db/plugin", batch_for_plugin),
    GET("/db/listen", listen_badly),
    GET("/db/params", echo_params),
    GET("/db/rows", read_rows),
    GET("/db/rows/odd", read_odd_rows),
    GET("/db/rows/reply", reply_rows),

    POOL("/lease/end", end_transaction),
    POOL("/lease/fail", fail_and_go_on),
    POOL("/lease/control", control_badly),
    POOL("/lease/loop", call_the_loop),
    POOL("/lease/libpq", use_libpq),
    { .method = "GET", .path = "/lease/races", .blocking = lose_races, .retries = 2 },
    POOL("/lease/leave", leave_something),
    POOL("/lease/look", look_around),

    POOL("/mistake/hole", commit_with_a_hole),
    POOL("/mistake/begin", begin_twice),
    { .method = "GET",
      .path = "/mistake/race",
      .blocking = lose_a_race_after_a_commit,
      .retries = 3 },
    POOL("/mistake/bytes", use_decoded_bytes),
    POOL("/mistake/notice", make_a_notice),
    { .method = "GET", .path = "/mistake/keep", .blocking = keep_connection, .timeout_ms = 400 },
    POOL("/mistake/sleep", sleep_on_connection),
    POOL("/mistake/timer", stop_timer_on_pool),

    GET("/offload", offload_work),
    GET("/task", run_task),
    GET("/post", post_from_thread),
    GET("/after", answer_after),
    GET("/refused/work", refuse_work),
    GET("/hold", hold_task),
    GET("/free", free_held),

    GET("/timer/start", start_timer),
    GET("/timer/stop", stop_timer),
    GET("/timer/refused", refuse_timers),
    { 0 },
};

static const sx_option options[] = {
    { .name = "flag", .type = SX_BOOL, .fallback = "true" },
    { .name = "number", .type = SX_INT, .fallback = "7" },
    { .name = "ratio", .type = SX_NUMBER, .fallback = "0.5" },
    { .name = "text", .type = SX_TEXT, .fallback = "\"words\"" },
    { .name = "list", .type = SX_JSON, .fallback = "[1, {\"a\": 2}]" },
    { .name = "key", .type = SX_SECRET, .required = 1, .doc = "the key of the test" },
    { .name = "optional", .type = SX_TEXT },
    { 0 },
};

static const double bounds[] = { 1, 10 };

static const sx_metric metrics[] = {
    { .name = "calls", .kind = SX_COUNTER, .doc = "Calls" },
    { .name = "level", .kind = SX_GAUGE, .doc = "Level" },
    { .name = "size", .kind = SX_HISTOGRAM, .nbounds = 2, .bounds = bounds, .doc = "Sizes" },
    { 0 },
};

SX_PLUGIN("contract", "1.0.0", .summary = "Every entry of the host table",
          .needs = SX_CAP_DB | SX_CAP_BLOCKING | SX_CAP_STREAM, .routes = routes,
          .options = options, .metrics = metrics, .migrations = sx_migrations_, .check = check,
          .start = start, .drain = drain, .stop = stop);
