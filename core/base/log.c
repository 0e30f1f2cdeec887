/*
 * base/log.c - the queue of finished lines, and the thread that writes them.
 *
 * Two buffers take turns: callers fill one while the writer empties the other, so a line is
 * never in two pieces and the memory in use stays small and warm.  A caller wakes the writer
 * only when it sleeps; the writer then gathers lines for a moment, so that under load one
 * write carries many of them.  The output may stop reading at any time: only the writer waits.
 */
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log_line.h"
#include "base/text.h"

#define RING_BYTES       (1024u * 1024u)
#define LEAST_HALF_BYTES (2u * LOG_LINE_BYTES)
#define GATHER_NS        (5u * 1000 * 1000)
#define CLOSE_NS         (200ull * 1000 * 1000)
#define JOIN_SLACK_NS    (300ull * 1000 * 1000)
#define POLL_MS          20
#define PIECE_BYTES      65536u
#define MAX_NAME_BYTES   1024u

enum writer_state { WRITER_ASLEEP, WRITER_GATHERING, WRITER_WRITING };

struct sx_log {
    /* constant after the start */
    int fd;
    int level;
    struct log_style style;
    char *process, *trace; /* owned; what the style points to */
    size_t half_bytes;
    pthread_t thread;

    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    enum writer_state writer;
    char *filling; /* owned; taken by the writer when it turns the buffers */
    size_t n_filling;
    uint64_t n_untold; /* lost since the buffer became full */

    char *emptying; /* owned; the writer's own */

    /* atomic */
    struct log_clock clock;
    uint64_t n_dropped;
    uint64_t *total_dropped; /* borrowed, or NULL */
    uint64_t close_at_ns;    /* 0 while open; then when to stop waiting for a blocked output */
};

/* --- the writer ----------------------------------------------------------------------- */

static void count_dropped(struct sx_log *log, uint64_t n)
{
    __atomic_add_fetch(&log->n_dropped, n, __ATOMIC_RELAXED);
    if (log->total_dropped != NULL)
        __atomic_add_fetch(log->total_dropped, n, __ATOMIC_RELAXED);
}

static bool is_closing(const struct sx_log *log)
{
    return __atomic_load_n(&log->close_at_ns, __ATOMIC_ACQUIRE) != 0;
}

/* A blocked output is given up when the log closes and its time is over. */
static bool wait_writable(const struct sx_log *log)
{
    struct pollfd p = { .fd = log->fd, .events = POLLOUT };

    for (;;) {
        int n = poll(&p, 1, POLL_MS);

        if (n > 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
        if (is_closing(log) &&
            sx_clock_mono_ns() >= __atomic_load_n(&log->close_at_ns, __ATOMIC_ACQUIRE))
            return false;
    }
}

/* What one write takes: a pipe keeps PIPE_BUF bytes together, and a blocking one that polls
 * as writable has room for them.  Shared descriptors are never made non-blocking: that would
 * change them for all who share them. */
struct output {
    size_t max_bytes;
    bool may_block;
    bool is_socket;
};

static struct output look_at_output(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || S_ISFIFO(st.st_mode))
        return (struct output){ PIPE_BUF, true, false };
    if (S_ISSOCK(st.st_mode))
        return (struct output){ PIECE_BYTES, true, true };
    if (S_ISREG(st.st_mode))
        return (struct output){ PIECE_BYTES, false, false };
    return (struct output){ isatty(fd) ? PIPE_BUF : PIECE_BYTES, true, false };
}

/* Whole lines up to the limit; of a longer line what fits. */
static size_t next_piece(const char *data, size_t len, size_t max)
{
    const char *newline;

    if (len <= max)
        return len;
    newline = memrchr(data, '\n', max);
    return newline == NULL ? max : (size_t)(newline - data) + 1;
}

static ssize_t write_piece(int fd, const struct output *out, const char *data, size_t len)
{
    if (out->is_socket)
        return send(fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return write(fd, data, len);
}

static uint64_t count_lines(const char *data, size_t len)
{
    uint64_t n = 0;

    for (const char *end = data + len; data < end; n++) {
        data = memchr(data, '\n', (size_t)(end - data));
        if (data == NULL)
            break;
        data++;
    }
    return n;
}

/* What cannot be written (a full disk, a reader that is gone) is counted and forgotten. */
static void write_out(struct sx_log *log, const char *data, size_t len)
{
    struct output out = look_at_output(log->fd);

    while (len > 0) {
        ssize_t n = -1;

        if (out.may_block && !wait_writable(log))
            break;
        n = write_piece(log->fd, &out, data, next_piece(data, len, out.max_bytes));
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            out.may_block = true;
            continue;
        }
        if (n < 0)
            break;
        data += n;
        len -= (size_t)n;
    }
    count_dropped(log, count_lines(data, len));
}

static struct timespec later(uint64_t ns)
{
    uint64_t at = sx_clock_mono_ns() + ns;

    return (struct timespec){ (time_t)(at / 1000000000u), (long)(at % 1000000000u) };
}

/* Waits until there is something to write, and then a moment for more.  [locked] */
static void wait_for_lines(struct sx_log *log)
{
    struct timespec until;

    while (log->n_filling == 0 && !is_closing(log)) {
        log->writer = WRITER_ASLEEP;
        (void)pthread_cond_wait(&log->wake, &log->lock);
    }
    if (!is_closing(log) && log->n_filling < log->half_bytes / 2) {
        log->writer = WRITER_GATHERING;
        until = later(GATHER_NS);
        (void)pthread_cond_timedwait(&log->wake, &log->lock, &until);
    }
    log->writer = WRITER_WRITING;
}

static bool copy_line(struct sx_log *log, const struct log_line *line)
{
    if (log->half_bytes - log->n_filling < line->len)
        return false;
    memcpy(log->filling + log->n_filling, line->data, line->len);
    log->n_filling += line->len;
    return true;
}

/* What was lost while the buffer was full is told where it is missing: behind what was in that
 * buffer, in front of what comes next.  [locked] */
static void turn_buffers(struct sx_log *log)
{
    char *full = log->filling;
    struct log_line lost;

    log->filling = log->emptying;
    log->emptying = full;
    log->n_filling = 0;
    if (log->n_untold > 0) {
        log_line_lost(&lost, &log->style, log->n_untold);
        (void)copy_line(log, &lost);
        log->n_untold = 0;
    }
}

static void *run_writer(void *arg)
{
    struct sx_log *log = arg;

    (void)pthread_mutex_lock(&log->lock);
    for (;;) {
        size_t len;

        wait_for_lines(log);
        len = log->n_filling;
        if (len == 0)
            break;
        turn_buffers(log);
        (void)pthread_mutex_unlock(&log->lock);
        write_out(log, log->emptying, len);
        (void)pthread_mutex_lock(&log->lock);
    }
    (void)pthread_mutex_unlock(&log->lock);
    return NULL;
}

/* --- lines ---------------------------------------------------------------------------- */

/* Sleeping, or gathering while the buffer has just become half full.  [locked] */
static bool must_wake(const struct sx_log *log, size_t n_before)
{
    size_t half = log->half_bytes / 2;

    return log->writer == WRITER_ASLEEP ||
           (log->writer == WRITER_GATHERING && n_before < half && log->n_filling >= half);
}

static void queue_line(struct sx_log *log, const struct log_line *line)
{
    size_t n_before;
    bool wakes = false;

    (void)pthread_mutex_lock(&log->lock);
    n_before = log->n_filling;
    /* behind a lost line all are lost until the writer has said so */
    if (log->n_untold == 0 && copy_line(log, line)) {
        wakes = must_wake(log, n_before);
        if (wakes)
            log->writer = WRITER_WRITING; /* the next caller need not wake it again */
    } else {
        log->n_untold++;
        count_dropped(log, 1);
    }
    (void)pthread_mutex_unlock(&log->lock);
    if (wakes)
        (void)pthread_cond_signal(&log->wake);
}

bool sx_log_enabled(const struct sx_log *log, enum sx_log_severity severity)
{
    return log != NULL && (int)severity >= log->level;
}

void sx_log_vline(struct sx_log *log, enum sx_log_severity severity,
                  const struct sx_log_field *fields, const char *fmt, va_list ap)
{
    struct log_line line;

    if (!sx_log_enabled(log, severity))
        return;
    log_line_event(&line, &log->style, (int)severity, fields, fmt, ap);
    queue_line(log, &line);
}

void sx_log_line(struct sx_log *log, enum sx_log_severity severity,
                 const struct sx_log_field *fields, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    sx_log_vline(log, severity, fields, fmt, ap);
    va_end(ap);
}

void sx_log_request(struct sx_log *log, enum sx_log_severity severity,
                    const struct sx_log_request *req)
{
    struct log_line line;

    if (!sx_log_enabled(log, severity))
        return;
    log_line_request(&line, &log->style, (int)severity, req);
    queue_line(log, &line);
}

void sx_log_count_drops(struct sx_log *log, uint64_t *total)
{
    log->total_dropped = total;
}

uint64_t sx_log_dropped(const struct sx_log *log)
{
    return log == NULL ? 0 : __atomic_load_n(&log->n_dropped, __ATOMIC_RELAXED);
}

/* --- start and end -------------------------------------------------------------------- */

/* The member that names the process in each line. */
static char *format_process(const struct sx_log_settings *set, bool is_json)
{
    const char *name = set->process == NULL ? "" : set->process;
    bool is_google = set->trace_project != NULL;
    struct sx_buf text;

    sx_buf_init(&text, MAX_NAME_BYTES);
    if (is_json && name[0] != '\0') {
        sx_buf_add_text(&text, is_google ? ",\"logging.googleapis.com/labels\":{" : ",");
        sx_buf_add_text(&text, "\"process\":");
        sx_buf_add_json_text(&text, name, strlen(name));
        sx_buf_add_text(&text, is_google ? "}" : "");
    } else if (name[0] != '\0') {
        sx_buf_printf(&text, "%s: ", name);
    }
    sx_buf_add(&text, "", 1);
    if (!sx_buf_failed(&text))
        return text.data;
    sx_buf_finish(&text);
    return NULL;
}

/* The member that links to a trace, up to the trace's id. */
static char *format_trace(const char *project)
{
    char *text;

    if (asprintf(&text, ",\"logging.googleapis.com/trace\":\"projects/%s/traces/", project) < 0)
        return NULL;
    return text;
}

static int init_style(struct sx_log *log, const struct sx_log_settings *set)
{
    struct log_style *style = &log->style;

    style->is_json = set->format == SX_LOG_JSON || (set->format == SX_LOG_AUTO && !isatty(set->fd));
    style->clock = &log->clock;
    log->process = format_process(set, style->is_json);
    if (log->process == NULL)
        return SX_ERR_NOMEM;
    if (style->is_json && set->trace_project != NULL) {
        log->trace = format_trace(set->trace_project);
        if (log->trace == NULL)
            return SX_ERR_NOMEM;
        style->trace = log->trace;
        style->trace_len = strlen(log->trace);
    }
    style->process = log->process;
    style->process_len = strlen(log->process);
    return 0;
}

static int init_queue(struct sx_log *log, size_t ring_bytes)
{
    size_t bytes = ring_bytes == 0 ? RING_BYTES : ring_bytes;

    log->half_bytes = bytes / 2 < LEAST_HALF_BYTES ? LEAST_HALF_BYTES : bytes / 2;
    log->filling = malloc(log->half_bytes);
    log->emptying = malloc(log->half_bytes);
    return log->filling == NULL || log->emptying == NULL ? SX_ERR_NOMEM : 0;
}

static void free_log(struct sx_log *log)
{
    (void)pthread_cond_destroy(&log->wake);
    (void)pthread_mutex_destroy(&log->lock);
    free(log->process);
    free(log->trace);
    free(log->filling);
    free(log->emptying);
    free(log);
}

static void init_locks(struct sx_log *log)
{
    pthread_condattr_t attr;

    (void)pthread_mutex_init(&log->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&log->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
}

/* Signals are for the other threads; SIGPIPE stays pending here and its write fails. */
static int start_writer(struct sx_log *log)
{
    sigset_t all, before;
    int rc;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&log->thread, NULL, run_writer, log);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return SX_ERR_THREAD;
    (void)pthread_setname_np(log->thread, "log");
    return 0;
}

/* It becomes part of a JSON text as it is. */
static bool is_project_name(const char *name)
{
    return name == NULL || (strlen(name) < MAX_NAME_BYTES &&
                            sx_json_plain_length(name, strlen(name)) == strlen(name));
}

int sx_log_create(const struct sx_log_settings *set, struct sx_log **ret_log)
{
    struct sx_log *log;
    int rc;

    if (!is_project_name(set->trace_project))
        return SX_ERR_INVALID;
    log = calloc(1, sizeof(*log));
    if (log == NULL)
        return SX_ERR_NOMEM;
    log->fd = set->fd;
    log->level = (int)set->level;
    log->writer = WRITER_WRITING;
    init_locks(log);

    rc = init_style(log, set);
    if (rc == 0)
        rc = init_queue(log, set->ring_bytes);
    if (rc == 0)
        rc = start_writer(log);
    if (rc != 0) {
        free_log(log);
        return rc;
    }
    *ret_log = log;
    return 0;
}

static struct timespec wall_later(uint64_t ns)
{
    uint64_t at = (uint64_t)sx_clock_wall_ns() + ns;

    return (struct timespec){ (time_t)(at / 1000000000u), (long)(at % 1000000000u) };
}

void sx_log_destroy(struct sx_log *log)
{
    struct timespec until;

    if (log == NULL)
        return;
    (void)pthread_mutex_lock(&log->lock);
    __atomic_store_n(&log->close_at_ns, sx_clock_mono_ns() + CLOSE_NS, __ATOMIC_RELEASE);
    (void)pthread_cond_signal(&log->wake);
    (void)pthread_mutex_unlock(&log->lock);

    until = wall_later(CLOSE_NS + JOIN_SLACK_NS);
    if (pthread_timedjoin_np(log->thread, NULL, &until) == 0)
        free_log(log);
    else
        (void)pthread_detach(log->thread); /* stuck in a write, with the log in its hands */
}
