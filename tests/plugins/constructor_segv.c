/*
 * constructor_segv - kills whoever maps it, before it is asked anything; where SX_TEST_TROUBLE
 * names a file, only while that is there.
 */
#include <sx/plugin.h>

#include <signal.h>
#include <unistd.h>

__attribute__((constructor)) static void crash(void)
{
    const char *file = getenv("SX_TEST_TROUBLE");

    if (file == NULL || access(file, F_OK) == 0)
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
