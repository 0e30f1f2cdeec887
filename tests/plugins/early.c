/*
 * early - crashes or fails before it serves: in its check function, or as it starts, always or
 * while a file is there.
 */
#include <sx/plugin.h>

#include <unistd.h>

__attribute__((noinline, no_sanitize("undefined", "address"))) static int crash_early(void)
{
    volatile int *volatile nowhere = NULL;

    *nowhere = 1; /* NOLINT: it is meant */
    return SX_OK;
}

static int is_now(sx_plugin *p, const char *when)
{
    const char *file = sx_config_text(p, "file");

    return strcmp(sx_config_text(p, "when"), when) == 0 &&
           (*file == '\0' || access(file, F_OK) == 0);
}

static int check(sx_plugin *p)
{
    return is_now(p, "check") ? crash_early() : SX_OK;
}

static int start(sx_plugin *p)
{
    if (is_now(p, "refuse")) {
        sx_log(p, SX_ERROR, "not while the file is there");
        return SX_EINVAL;
    }
    return is_now(p, "start") ? crash_early() : SX_OK;
}

static int answer(sx_req *r)
{
    return sx_reply_text(r, 200, "early\n");
}

static const sx_option options[] = {
    { .name = "when", .type = SX_TEXT, .required = 1, .doc = "check, start or refuse" },
    { .name = "file", .type = SX_TEXT, .fallback = "\"\"", .doc = "Only while it is there" },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET", .path = "/early", .handler = answer },
    { 0 },
};

SX_PLUGIN("early", "1.0.0", .routes = routes, .options = options, .check = check, .start = start);
