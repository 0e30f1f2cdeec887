/* constructor_exit - ends whoever maps it, with the status of success. */
#include <sx/plugin.h>

__attribute__((constructor)) static void leave(void)
{
    exit(EXIT_SUCCESS);
}

static int answer(sx_req *r)
{
    return sx_reply_text(r, 200, "constructor_exit\n");
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/constructor_exit", .handler = answer },
    { 0 },
};

SX_PLUGIN("constructor_exit", "1.0.0", .routes = routes);
