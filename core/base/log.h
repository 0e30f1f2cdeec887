/*
 * base/log.h - one line per event, as JSON or as text for a person, never blocking.
 *
 * Lines are formatted on the calling thread, put into a bounded ring and written by a
 * thread of the log's own.  When the ring is full a line is dropped and counted, and a
 * line that says how many were lost stands where they are missing.  [any thread]
 */
#ifndef SX_BASE_LOG_H
#define SX_BASE_LOG_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sx_log_severity { SX_LOG_DEBUG, SX_LOG_INFO, SX_LOG_WARNING, SX_LOG_ERROR };
enum sx_log_format { SX_LOG_AUTO, SX_LOG_JSON, SX_LOG_TEXT }; /* auto: text on a terminal */

struct sx_log;

struct sx_log_settings {
    int fd; /* borrowed; usually 1 */
    enum sx_log_format format;
    enum sx_log_severity level; /* lines below it are not written */
    size_t ring_bytes;          /* 0: 1 MiB; at least 64 KiB */
    const char *process;        /* "supervisor", "worker 0": copied; shown in each line */
    const char *trace_project;  /* Google Cloud project for trace links, or NULL; copied */
};

/* A field of a line.  Keys are literals; values are copied. */
enum sx_log_kind { SX_LOG_END, SX_LOG_STR, SX_LOG_INT, SX_LOG_DOUBLE };
struct sx_log_field {
    const char *key; /* "plugin", "route", "request_id" … */
    int kind;        /* enum sx_log_kind */
    union {
        const char *s; /* NULL: the field is left out */
        int64_t i;
        double f;
    } v;
};

/* What an access line says (OPERATIONS.md: httpRequest).  Borrowed during the call. */
struct sx_log_request {
    const char *method, *url, *user_agent, *remote, *protocol; /* NULL: left out */
    int status;
    uint64_t bytes_out;
    uint64_t duration_ns;
    const char *plugin, *plugin_version, *route, *request_id;
    const char *trace_id, *span_id; /* 32 and 16 hexadecimal digits, or NULL */
    bool is_sampled;
    double db_ms; /* negative: left out */
};

/* Starts the writing thread: after the last fork.  SX_ERR_INVALID for a project's name that
 * is none. */
int sx_log_create(const struct sx_log_settings *set, struct sx_log **ret_log);
/* Writes what is queued, but waits for a blocked output only 200 ms.  Takes NULL. */
void sx_log_destroy(struct sx_log *log);
/* A log in a file is reopened (SIGUSR1) by dup2 on its descriptor, at any time. */

/* All of these take NULL for a log that writes nothing. */
bool sx_log_enabled(const struct sx_log *log, enum sx_log_severity severity);
void sx_log_line(struct sx_log *log, enum sx_log_severity severity,
                 const struct sx_log_field *fields /* ends with SX_LOG_END, or NULL */,
                 const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void sx_log_vline(struct sx_log *log, enum sx_log_severity severity,
                  const struct sx_log_field *fields, const char *fmt, va_list ap);
void sx_log_request(struct sx_log *log, enum sx_log_severity severity,
                    const struct sx_log_request *req);

uint64_t sx_log_dropped(const struct sx_log *log);
/* Every loss is also added, atomically, to *total, which outlives the log.  Before the first
 * line is written. */
void sx_log_count_drops(struct sx_log *log, uint64_t *total);

#endif /* SX_BASE_LOG_H */
