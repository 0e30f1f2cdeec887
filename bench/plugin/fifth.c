/*
 * fifth.c - one more small plugin, because the targets of a start are for five.
 */
#include <sx/json.h>

static int answer(sx_req *r)
{
    return sx_reply_text(r, 200, "fifth");
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/fifth", .handler = answer, .summary = "A short text" },
    { 0 },
};

SX_PLUGIN("fifth", "1.0.0", .summary = "The fifth plugin of the benchmark", .routes = routes);
