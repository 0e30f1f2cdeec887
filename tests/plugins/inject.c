/*
 * inject - hands what the client sends to every function of the host that writes into a head, as
 * a careless plugin would.
 */
#include <sx/plugin.h>

#include <stdio.h>

typedef int inject_fn(sx_req *r, const char *v);

static int ok(sx_req *r, int err)
{
    return err < 0 ? sx_fail(r, 400, "refused", "the host refused it")
                   : sx_reply_text(r, 200, "ok");
}

static int header_name(sx_req *r, const char *v)
{
    return ok(r, sx_set_header(r, v, "1"));
}

static int header_value(sx_req *r, const char *v)
{
    return ok(r, sx_set_header(r, "X-Value", v));
}

static int added_value(sx_req *r, const char *v)
{
    return ok(r, sx_add_header(r, "ETag", v));
}

static int download(sx_req *r, const char *v)
{
    return ok(r, sx_set_header(r, "Content-Disposition", v));
}

static int cookie_name(sx_req *r, const char *v)
{
    return ok(r, sx_set_cookie(r, &(sx_cookie_spec){ .name = v, .value = "1" }));
}

static int cookie_value(sx_req *r, const char *v)
{
    return ok(r, sx_set_cookie(r, &(sx_cookie_spec){ .name = "c", .value = v }));
}

static int cookie_path(sx_req *r, const char *v)
{
    char path[256];

    (void)snprintf(path, sizeof path, "/%s", v);
    return ok(r, sx_set_cookie(r, &(sx_cookie_spec){ .name = "c", .value = "1", .path = path }));
}

static int content_type(sx_req *r, const char *v)
{
    return sx_reply(r, 200, v, "ok", 2) < 0 ? ok(r, SX_EINVAL) : SX_OK;
}

static int location(sx_req *r, const char *v)
{
    return sx_redirect(r, 303, v) < 0 ? ok(r, SX_EINVAL) : SX_OK;
}

static int stream_type(sx_req *r, const char *v)
{
    static const sx_stream_ops ops = { 0 };
    sx_stream *s;

    if (sx_stream_open(r, 200, v, &ops, NULL, &s) < 0)
        return ok(r, SX_EINVAL);
    sx_stream_end(s);
    return SX_OK;
}

static int event(sx_req *r, const char *v, int which)
{
    static const sx_stream_ops ops = { 0 };
    sx_stream *s;
    int err = sx_sse_open(r, &ops, NULL, &s);

    if (err < 0)
        return err;
    err = sx_sse_send(s, which == 0 ? v : NULL, which == 1 ? v : NULL, which == 2 ? v : "data");
    if (err < 0)
        err = sx_stream_write(s, "refused", 7);
    sx_stream_end(s);
    return err;
}

static int event_name(sx_req *r, const char *v)
{
    return event(r, v, 0);
}

static int event_id(sx_req *r, const char *v)
{
    return event(r, v, 1);
}

static int event_data(sx_req *r, const char *v)
{
    return event(r, v, 2);
}

static int problem(sx_req *r, const char *v)
{
    return sx_fail(r, 400, v, "%s", v);
}

static int log_text(sx_req *r, const char *v)
{
    sx_req_log(r, SX_WARN, "logged: %s", v);
    return ok(r, SX_OK);
}

static const struct {
    const char *name;
    inject_fn *fn;
} ways[] = {
    { "header_name", header_name },
    { "header_value", header_value },
    { "added_value", added_value },
    { "download", download },
    { "cookie_name", cookie_name },
    { "cookie_value", cookie_value },
    { "cookie_path", cookie_path },
    { "content_type", content_type },
    { "location", location },
    { "stream_type", stream_type },
    { "event_name", event_name },
    { "event_id", event_id },
    { "event_data", event_data },
    { "problem", problem },
    { "log", log_text },
};

static int inject(sx_req *r)
{
    const char *how = sx_path_text(r, "how");
    const char *v = sx_arg_text(r, "v");

    for (size_t i = 0; v != NULL && i < sizeof ways / sizeof *ways; i++)
        if (strcmp(ways[i].name, how) == 0)
            return ways[i].fn(r, v);
    return sx_fail(r, 404, "no_way", "how: expected one of the ways");
}

/* The text as it came, where a head or a form may hold it. */
static int show(sx_req *r)
{
    return sx_reply_json(r, 200,
                         json_pack("{s:s?, s:s?, s:s?}", "header", sx_header(r, "X-Show"), "cookie",
                                   sx_cookie(r, "show"), "form", sx_form_text(r, "show", 0)));
}

static const sx_field params[] = {
    { .name = "how", .in = SX_IN_PATH, .type = SX_TEXT },
    { .name = "v", .in = SX_IN_QUERY, .type = SX_TEXT },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET", .path = "/inject/{how}", .handler = inject, .params = params },
    { .method = "GET", .path = "/show", .handler = show },
    { .method = "POST", .path = "/show", .handler = show },
    { 0 },
};

SX_PLUGIN("inject", "1.0.0", .needs = SX_CAP_STREAM, .routes = routes);
