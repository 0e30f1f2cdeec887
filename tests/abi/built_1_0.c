/*
 * built_1_0 - built with the first header of ABI major 1 (frozen/1.0), not with today's: every
 * later host must run it.
 */
#include <sx/plugin.h>

static int start(sx_plugin *p)
{
    int64_t *first = malloc(sizeof *first);

    if (first == NULL)
        return SX_ENOMEM;
    *first = sx_config_int(p, "first");
    sx_set_state(p, first);
    return SX_OK;
}

static void stop(sx_plugin *p)
{
    free(sx_state(p));
}

/* The sum of the option and the parameter: both passed the host's checks. */
static int answer(sx_req *r)
{
    const int64_t *first = sx_req_state(r);

    return sx_reply_json(r, 200, json_pack("{s:I}", "sum", *first + sx_path_int(r, "second")));
}

static const sx_field params[] = {
    { .name = "second", .in = SX_IN_PATH, .type = SX_INT },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET", .path = "/built_1_0/{second}", .handler = answer, .params = params },
    { 0 },
};

static const sx_option options[] = {
    { .name = "first", .type = SX_INT, .fallback = "40" },
    { 0 },
};

SX_PLUGIN("built_1_0", "1.0.0", .routes = routes, .options = options, .start = start, .stop = stop);
