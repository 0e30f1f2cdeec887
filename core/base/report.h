/*
 * base/report.h - faults collected so that they can be told all at once.
 *
 * Each fault is one message, perhaps with a hint on a second line:
 *     config/testing.json:12: plugins.orders.depth: expected an integer, found "ten"
 *     Set it between 1 and 100.
 */
#ifndef SX_BASE_REPORT_H
#define SX_BASE_REPORT_H

#include <stddef.h>
#include <stdio.h>

struct sx_report {
    char **faults; /* owned, in the order of their finding */
    size_t n_faults;
    size_t cap;
    char *spare; /* stands in for the list when there is no memory: do not copy the struct */
};

void sx_report_init(struct sx_report *rep);
void sx_report_finish(struct sx_report *rep);

void sx_report_add(struct sx_report *rep, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* One fault a line (hints on lines of their own) to a stream. */
void sx_report_print(const struct sx_report *rep, FILE *out);

#endif /* SX_BASE_REPORT_H */
