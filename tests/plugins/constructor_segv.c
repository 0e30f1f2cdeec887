/* constructor_segv - kills whoever maps it, before it is asked anything. */
#include <sx/plugin.h>

#include <signal.h>

__attribute__((constructor)) static void crash(void)
{
    (void)raise(SIGSEGV);
}

static int answer(sx_req *r)
{
    return sx_reply_text(r, 200, "constructor_segv\n");
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/constructor_segv", .handler = answer },
    { 0 },
};

SX_PLUGIN("constructor_segv", "1.0.0", .routes = routes);
