/*
 * hooks - what stands before and after handlers: in which order, with which memory, with or
 * without an operation, in front of its own routes and of all.
 */
#include <sx/plugin.h>

#include <stdio.h>

struct state {
    json_t *after; /* what the hooks behind the answers saw */
};

static int trace(sx_req *r, const char *what)
{
    return sx_add_header(r, "X-Trace", what) < 0 ? SX_EINVAL : SX_NEXT;
}

/* --- On all routes --------------------------------------------------------------------- */

static int on_early(sx_req *r)
{
    *sx_req_local(r) = sx_req_alloc(r, 16);
    if (*sx_req_local(r) != NULL)
        (void)snprintf(*sx_req_local(r), 16, "from a hook");
    return trace(r, "early");
}

static int on_later(sx_req *r, void *arg)
{
    (void)arg;
    return trace(r, "waited");
}

static int on_error(sx_req *r, const sx_db_error *err, void *arg)
{
    (void)err;
    (void)arg;
    return sx_reply_text(r, 200, "not mine to answer");
}

/* ?wait: an operation first.  ?stop: the handler is never called.  ?fail: neither.  ?mine: would
 * answer for failures of the database. */
static int on_middle(sx_req *r)
{
    if (sx_arg_text(r, "wait") != NULL)
        return sx_after(r, 1, on_later, NULL);
    if (sx_arg_text(r, "stop") != NULL)
        return sx_fail(r, 403, "stopped", "a hook does not let it pass");
    if (sx_arg_text(r, "fail") != NULL)
        return SX_EINVAL;
    if (sx_arg_text(r, "mine") != NULL)
        (void)sx_on_db_error(r, on_error, NULL);
    return sx_arg_text(r, "silent") != NULL ? SX_OK : trace(r, "middle");
}

static void keep(sx_req *r, const sx_outcome *out, const char *hook)
{
    struct state *s = sx_req_state(r);

    (void)json_array_append_new(s->after,
                                json_pack("{s:s, s:i, s:s, s:s, s:i, s:b, s:b}", "hook", hook,
                                          "status", out->status, "plugin", out->plugin, "route",
                                          out->route, "bytes", (int)out->bytes_out, "took time",
                                          out->duration_ns > 0, "sized", out->size == sizeof *out));
}

static void after_early(sx_req *r, const sx_outcome *out)
{
    keep(r, out, "early");
}

/* It is too late for an operation; the log says what it heard. */
static void after_late(sx_req *r, const sx_outcome *out)
{
    if (sx_arg_text(r, "late") != NULL)
        sx_req_log(r, SX_INFO, "too late: %d", sx_after(r, 1, on_later, NULL));
    keep(r, out, "late");
}

/* --- On its own ------------------------------------------------------------------------------- */

static int on_own(sx_req *r)
{
    return trace(r, "own");
}

static int show_local(sx_req *r)
{
    const char *text = *sx_req_local(r);

    return sx_reply_text(r, 200, text == NULL ? "nothing" : text);
}

static int show_after(sx_req *r)
{
    struct state *s = sx_req_state(r);
    json_t *seen = s->after;

    s->after = json_array();
    return sx_reply_json(r, 200, seen);
}

static int start(sx_plugin *p)
{
    struct state *s = calloc(1, sizeof *s);

    if (s == NULL)
        return SX_ENOMEM;
    s->after = json_array();
    sx_set_state(p, s);
    return SX_OK;
}

static void stop(sx_plugin *p)
{
    struct state *s = sx_state(p);

    json_decref(s->after);
    free(s);
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/hooks/local", .handler = show_local },
    { .method = "GET", .path = "/hooks/after", .handler = show_after },
    { 0 },
};

/* Not in their order, which the numbers give. */
static const sx_hook hooks[] = {
    { .order = 30, .before = on_own },
    { .order = -5, .all_routes = 1, .before = on_early, .after = after_early },
    { .order = 10, .all_routes = 1, .before = on_middle, .after = after_late },
    { 0 },
};

SX_PLUGIN("hooks", "1.0.0", .needs = SX_CAP_ALL_ROUTES, .routes = routes, .hooks = hooks,
          .start = start, .stop = stop);
