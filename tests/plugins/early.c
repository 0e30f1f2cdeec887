/* early - crashes before it serves: in its check function, or as it starts. */
#include <sx/plugin.h>

__attribute__((noinline, no_sanitize("undefined", "address"))) static int crash_early(void)
{
    volatile int *volatile nowhere = NULL;

    *nowhere = 1; /* NOLINT: it is meant */
    return SX_OK;
}

static int crash_when(sx_plugin *p, const char *when)
{
    return strcmp(sx_config_text(p, "when"), when) == 0 ? crash_early() : SX_OK;
}

static int check(sx_plugin *p)
{
    return crash_when(p, "check");
}

static int start(sx_plugin *p)
{
    return crash_when(p, "start");
}

static const sx_option options[] = {
    { .name = "when", .type = SX_TEXT, .required = 1, .doc = "check or start" },
    { 0 },
};

SX_PLUGIN("early", "1.0.0", .options = options, .check = check, .start = start);
