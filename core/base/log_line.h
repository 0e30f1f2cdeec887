/*
 * base/log_line.h - one line of the log while it is being written; only for the files of log.
 *
 * A line always fits: each value has a ceiling of its own and is cut there with an ellipsis.
 * Whatever the values hold, a line has exactly one newline, at its end.
 */
#ifndef SX_BASE_LOG_LINE_H
#define SX_BASE_LOG_LINE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

#define LOG_LINE_BYTES 16384u

struct log_line {
    size_t len;
    char data[LOG_LINE_BYTES];
};

/* The time of the last line, up to its second: all threads read it, who finds it old writes it.
 * version is odd while it is being written. */
struct log_clock {
    uint64_t version;
    int64_t unix_s;
    uint64_t words[3]; /* "2026-01-31T23:59:59.", and nothing */
};

/* How lines look; made once, then read only. */
struct log_style {
    struct log_clock *clock; /* borrowed */
    bool is_json;
    const char *process; /* JSON: a member with its comma; text: the name */
    size_t process_len;
    const char *trace; /* JSON: a member up to the trace's id; NULL without a project */
    size_t trace_len;
};

void log_line_event(struct log_line *to, const struct log_style *style, int severity,
                    const struct sx_log_field *fields, const char *fmt, va_list ap);
void log_line_request(struct log_line *to, const struct log_style *style, int severity,
                      const struct sx_log_request *req);
void log_line_lost(struct log_line *to, const struct log_style *style, uint64_t n_lost);

#endif /* SX_BASE_LOG_LINE_H */
