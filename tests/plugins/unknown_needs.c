/* unknown_needs - asks for a capability that no host knows: refused. */
#include <sx/plugin.h>

static int answer(sx_req *r)
{
    return sx_reply_text(r, 200, "unknown_needs\n");
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/unknown_needs", .handler = answer },
    { 0 },
};

SX_PLUGIN("unknown_needs", "1.0.0", .needs = UINT64_C(1) << 40, .routes = routes);
