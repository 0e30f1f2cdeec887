/* later_minor - needs entries that no host has yet: refused. */
#define SX_NEEDS_MINOR 999
#include <sx/plugin.h>

static int answer(sx_req *r)
{
    return sx_reply_text(r, 200, "later_minor\n");
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/later_minor", .handler = answer },
    { 0 },
};

SX_PLUGIN("later_minor", "1.0.0", .routes = routes);
