/*
 * constructor - leaves a trace when it is mapped: one line with the process id in the file
 * that SX_TEST_TRACE names.  It claims a route of hello, so where both are enabled it is
 * refused, and no process that serves may show in the trace.
 */
#include <sx/plugin.h>

#include <stdio.h>
#include <unistd.h>

__attribute__((constructor)) static void leave_trace(void)
{
    const char *path = getenv("SX_TEST_TRACE");
    FILE *file = path == NULL ? NULL : fopen(path, "a");

    if (file == NULL)
        return;
    (void)fprintf(file, "%ld\n", (long)getpid());
    (void)fclose(file);
}

static int answer(sx_req *r)
{
    return sx_reply_text(r, 200, "constructor\n");
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/hello", .handler = answer },
    { 0 },
};

SX_PLUGIN("constructor", "1.0.0", .routes = routes);
