/* testing/fail.c - how a test ends early: what went wrong, where the test says so. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testing/testing_private.h"

/* The file as the compiler was given it may be a long path: its end says enough. */
static const char *short_name(const char *file)
{
    const char *name = strrchr(file, '/');

    return name == NULL ? file : name + 1;
}

void sxt_fail(const char *file, int line, const char *fmt, ...)
{
    struct sx_buf text;
    char part[4096];
    va_list ap;

    sx_buf_init(&text, 1u << 20);
    va_start(ap, fmt);
    if (vsnprintf(part, sizeof part, fmt, ap) >= 0)
        sx_buf_add_text(&text, part);
    va_end(ap);
    if (line > 0)
        print_error("%s:%d: %s\n", short_name(file), line, sx_buf_text(&text));
    else
        print_error("%s: %s\n", file, sx_buf_text(&text));
    sx_buf_finish(&text);
    _fail(file, line);
    abort(); /* not reached: _fail leaves the test */
}

void sxt_fail_report(const char *file, int line, const char *what, const struct sx_report *rep)
{
    for (size_t i = 0; i < rep->n_faults; i++)
        print_error("%s\n", rep->faults[i]);
    sxt_fail(file, line, "%s", what);
}
