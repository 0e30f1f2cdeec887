/* undefined - needs a function that nobody has: linked without -z defs, as by hand it may be. */
#include <sx/plugin.h>

int nobody_has_this(void);

static int answer(sx_req *r)
{
    return sx_reply_text(r, nobody_has_this(), "undefined\n");
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/undefined", .handler = answer },
    { 0 },
};

SX_PLUGIN("undefined", "1.0.0", .routes = routes);
