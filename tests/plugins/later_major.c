/* later_major - built with a later ABI major: refused. */
#include <sx/plugin.h>

#undef SX_ABI_MAJOR
#define SX_ABI_MAJOR 2

static int answer(sx_req *r)
{
    return sx_reply_text(r, 200, "later_major\n");
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/later_major", .handler = answer },
    { 0 },
};

SX_PLUGIN("later_major", "1.0.0", .routes = routes);
