/*
 * probe - fixed points for suites that test the server from outside; every answer is as short
 * as it can be.  For development and testing: it refuses to start anywhere else.
 */
#include "probe.h"
#include "migrations.h"

#include <time.h>

int64_t number_arg(const sx_req *r, const char *name, int64_t fallback, int64_t max)
{
    const int64_t value = sx_arg_int(r, name, fallback);

    return value < 0 ? 0 : value > max ? max : value;
}

static int answer_ok(sx_req *r)
{
    return sx_reply(r, 200, "text/plain", "ok", 2);
}

static int answer_token(sx_req *r)
{
    return sx_reply_text(r, 200, sx_path_text(r, "t"));
}

static int echo_body(sx_req *r)
{
    const char *type = sx_header(r, "Content-Type");
    const sx_span body = sx_body(r);

    return sx_reply(r, 200, type == NULL ? "application/octet-stream" : type, body.data, body.len);
}

static int echo_json(sx_req *r)
{
    return sx_reply_json(r, 200, json_incref(sx_body_json(r)));
}

static int reflect(sx_req *r)
{
    const char *value = sx_arg_text(r, "v");

    if (sx_set_header(r, "X-Reflect", value == NULL ? "" : value) == SX_EINVAL)
        return sx_fail(r, 400, "bad_value", "v: expected what a header may hold");
    return answer_ok(r);
}

/* --- Time ---------------------------------------------------------------------- */

static int on_slept(sx_req *r, void *arg)
{
    (void)arg;
    return answer_ok(r);
}

static int sleep_on_loop(sx_req *r)
{
    return sx_after(r, (uint64_t)number_arg(r, "ms", 0, MAX_MS), on_slept, NULL);
}

/* In pieces, so that nobody works for a client that has left. */
static int work_on_pool(sx_req *r, sx_db *db)
{
    const struct timespec piece = { 0, 5000000 }, rest = { 0, 1000000 };

    (void)db;
    for (int64_t left_ms = number_arg(r, "ms", 0, MAX_MS); left_ms > 0 && !sx_req_gone(r);) {
        const bool is_piece = left_ms >= 5;

        (void)nanosleep(is_piece ? &piece : &rest, NULL);
        left_ms -= is_piece ? 5 : 1;
    }
    return answer_ok(r);
}

/* --- The database --------------------------------------------------------------- */

static int on_row(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)arg;
    return sx_reply_text(r, 200, sx_text_at(rows, 0, 0));
}

static int read_token(sx_req *r)
{
    return sx_read(r, on_row, NULL, "SELECT $1::text", SX_PARAMS(sx_text(sx_arg_text(r, "tok"))));
}

static int on_written(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)rows;
    (void)arg;
    return sx_reply_text(r, 200, sx_arg_text(r, "tok"));
}

static int write_token(sx_req *r)
{
    return sx_query(r, on_written, NULL, "INSERT INTO hits (tok) VALUES ($1)",
                    SX_PARAMS(sx_text(sx_arg_text(r, "tok"))));
}

/* --- The plugin ------------------------------------------------------------------ */

static int check(sx_plugin *p)
{
    const char *env = sx_env(p);

    if (strcmp(env, "development") == 0 || strcmp(env, "testing") == 0)
        return SX_OK;
    sx_log(p, SX_ERROR, "expected the environment development or testing, found \"%s\"", env);
    return SX_EDENIED;
}

static int start(sx_plugin *p)
{
    const int err = check(p);

    return err < 0 ? err : start_streams(p);
}

static const sx_field token_params[] = {
    { .name = "t", .in = SX_IN_PATH, .type = SX_TEXT, .doc = "Comes back" },
    { 0 },
};

static const sx_field db_params[] = {
    { .name = "tok", .in = SX_IN_QUERY, .type = SX_TEXT, .required = 1, .doc = "Comes back" },
    { 0 },
};

static const sx_field ms_params[] = {
    { .name = "ms", .in = SX_IN_QUERY, .type = SX_INT, .doc = "Milliseconds, 60000 at most" },
    { 0 },
};

static const sx_field stream_params[] = {
    { .name = "n", .in = SX_IN_QUERY, .type = SX_INT, .doc = "Number of events, 1 if not given" },
    { .name = "ms", .in = SX_IN_QUERY, .type = SX_INT, .doc = "Milliseconds between two events" },
    { 0 },
};

static const sx_field reflect_params[] = {
    { .name = "v", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "The value of X-Reflect" },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET", .path = "/probe/ok", .handler = answer_ok, .summary = "Answer \"ok\"" },
    { .method = "POST",
      .path = "/probe/echo",
      .handler = echo_body,
      .summary = "The body, byte for byte" },
    { .method = "POST",
      .path = "/probe/json",
      .handler = echo_json,
      .body_schema = "{}",
      .summary = "The JSON of the body, parsed and written again" },
    { .method = "GET",
      .path = "/probe/token/{t}",
      .handler = answer_token,
      .params = token_params,
      .summary = "The token as text" },
    { .method = "GET",
      .path = "/probe/reflect",
      .handler = reflect,
      .params = reflect_params,
      .summary = "The decoded value in the header X-Reflect" },
    { .method = "GET",
      .path = "/probe/sleep",
      .handler = sleep_on_loop,
      .params = ms_params,
      .timeout_ms = 2 * MAX_MS,
      .summary = "Answer later, by a timer" },
    { .method = "GET",
      .path = "/probe/work",
      .blocking = work_on_pool,
      .params = ms_params,
      .timeout_ms = 2 * MAX_MS,
      .summary = "Keep a pool thread, then answer" },
    { .method = "GET",
      .path = "/probe/stream",
      .handler = open_stream,
      .params = stream_params,
      .summary = "Server-sent events" },
    { .method = "WEBSOCKET",
      .path = "/probe/ws",
      .handler = open_echo,
      .summary = "Every message, back again" },
    { .method = "GET",
      .path = "/probe/db/read",
      .handler = read_token,
      .params = db_params,
      .summary = "The token by way of PostgreSQL" },
    { .method = "GET",
      .path = "/probe/db/write",
      .handler = write_token,
      .params = db_params,
      .summary = "One row into hits" },
    { .method = "POST",
      .path = "/probe/db/write",
      .handler = write_token,
      .params = db_params,
      .summary = "One row into hits" },
    { 0 },
};

SX_PLUGIN("probe", "1.0.0", .summary = "Fixed points for tests from outside",
          .needs = SX_CAP_DB | SX_CAP_BLOCKING | SX_CAP_STREAM, .routes = routes,
          .migrations = sx_migrations_, .check = check, .start = start, .drain = end_streams,
          .stop = stop_streams);
