/* base/report.c - a growing list of messages; a fault is never lost, only its words may be. */
#include "base/report.h"

#include <stdarg.h>
#include <stdlib.h>

static const char no_memory[] = "out of memory: a fault could not be described";

void sx_report_init(struct sx_report *rep)
{
    *rep = (struct sx_report){ 0 };
}

void sx_report_finish(struct sx_report *rep)
{
    for (size_t i = 0; i < rep->n_faults; i++) {
        if (rep->faults[i] != no_memory)
            free(rep->faults[i]);
    }
    if (rep->faults != &rep->spare)
        free(rep->faults);
    sx_report_init(rep);
}

static int grow(struct sx_report *rep)
{
    size_t cap = rep->cap == 0 ? 16 : rep->cap * 2;
    char **faults = rep->faults == &rep->spare ? NULL : realloc(rep->faults, cap * sizeof(*faults));

    if (faults == NULL)
        return -1;
    rep->faults = faults;
    rep->cap = cap;
    return 0;
}

/* Without memory the first fault goes into the spare place, so that a report with faults never
 * looks empty; a later one is lost behind those that are there. */
static char **next_place(struct sx_report *rep)
{
    if (rep->n_faults < rep->cap || grow(rep) == 0)
        return &rep->faults[rep->n_faults++];
    if (rep->n_faults > 0)
        return NULL;
    rep->faults = &rep->spare;
    rep->cap = 1;
    rep->n_faults = 1;
    return rep->faults;
}

void sx_report_add(struct sx_report *rep, const char *fmt, ...)
{
    char **place = next_place(rep);
    va_list ap;

    if (place == NULL)
        return;
    va_start(ap, fmt);
    if (vasprintf(place, fmt, ap) < 0)
        *place = (char *)no_memory;
    va_end(ap);
}

void sx_report_print(const struct sx_report *rep, FILE *out)
{
    for (size_t i = 0; i < rep->n_faults; i++)
        (void)fprintf(out, "%s\n", rep->faults[i]);
}
