/* same_route - claims a route of hello: refused where both run. */
#include <sx/plugin.h>

static int answer(sx_req *r)
{
    return sx_reply_text(r, 200, "same_route\n");
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/hello/{somebody}", .handler = answer },
    { 0 },
};

SX_PLUGIN("same_route", "1.0.0", .routes = routes);
