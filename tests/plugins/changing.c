/*
 * changing - says which configuration it runs with, and starts and stops as that tells it to:
 * for the tests of reloads.
 */
#include <sx/plugin.h>

#include <signal.h>
#include <unistd.h>

static int hang(void)
{
    while (pause() != 0)
        continue;
    return SX_OK;
}

static int crash(void)
{
    (void)raise(SIGSEGV);
    return SX_OK;
}

static int start(sx_plugin *p)
{
    const char *how = sx_config_text(p, "start");

    if (strcmp(how, "hangs") == 0)
        return hang();
    if (strcmp(how, "crashes") == 0)
        return crash();
    return strcmp(how, "fails") == 0 ? SX_EINVAL : SX_OK;
}

static int check(sx_plugin *p)
{
    const char *how = sx_config_text(p, "check");

    if (strcmp(how, "fails") == 0)
        sx_log(p, SX_ERROR, "the moon is not right");
    if (strcmp(how, "hangs") == 0)
        return hang();
    return strcmp(how, "fails") == 0 ? SX_EINVAL : SX_OK;
}

static int answer(sx_req *r)
{
    return sx_reply_text(r, 200, sx_config_text(sx_req_plugin(r), "answer"));
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/changing", .handler = answer },
    { 0 },
};

static const sx_option options[] = {
    { .name = "answer", .type = SX_TEXT, .fallback = "\"first\"", .doc = "Of GET /changing" },
    { .name = "start",
      .type = SX_TEXT,
      .fallback = "\"well\"",
      .doc = "How it starts: well, fails, hangs or crashes" },
    { .name = "check",
      .type = SX_TEXT,
      .fallback = "\"well\"",
      .doc = "How its check goes: well, fails or hangs" },
    { 0 },
};

SX_PLUGIN("changing", "1.0.0", .routes = routes, .options = options, .check = check,
          .start = start);
