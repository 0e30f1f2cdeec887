/*
 * supervisor/obituary.c - the crash line: who died, how, and what it was running.
 *
 * A plugin can scribble on the board, so every value is checked before it is used.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/clock.h"
#include "supervisor/supervisor_private.h"

#define MAX_TEXT  (64u * 1024)
#define NS_PER_MS UINT64_C(1000000)

struct last_words {
    struct sx_board_name name;
    char request_id[sizeof((struct sx_board_thread *)0)->request_id];
    uint64_t request;
    uint64_t ran_ms;
    bool has_route, was_mapping;
};

/* Only what a log line can carry. */
static void copy_printable(char *to, const char *from, size_t size)
{
    size_t i = 0;

    for (; i + 1 < size && from[i] != '\0'; i++)
        to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
    to[i] = '\0';
}

/* What a thread of the child was inside of, innermost; false: no plugin. */
static bool read_entry(const struct sx_supervisor *sup, const struct sx_board_thread *t,
                       struct last_words *ret_words)
{
    uint32_t depth = __atomic_load_n(&t->depth, __ATOMIC_ACQUIRE);
    uint64_t now_ns = sx_clock_mono_ns();
    struct sx_board_frame frame;

    if (depth == 0)
        return false;
    frame = t->stack[(depth < SX_BOARD_STACK ? depth : SX_BOARD_STACK) - 1];
    sx_board_describe(sup->board, frame.plugin, frame.route, &ret_words->name);
    if (ret_words->name.plugin[0] == '\0')
        return false;
    copy_printable(ret_words->request_id, t->request_id, sizeof ret_words->request_id);
    ret_words->request = frame.request;
    ret_words->ran_ms = frame.since_ns <= now_ns ? (now_ns - frame.since_ns) / NS_PER_MS : 0;
    ret_words->has_route = ret_words->name.route[0] != '\0';
    ret_words->was_mapping = frame.request == SX_BOARD_MAPPING;
    return true;
}

static bool read_thread(const struct sx_supervisor *sup, uint32_t slot, uint32_t thread,
                        struct last_words *ret_words)
{
    struct sx_board_worker *w = sx_board_worker_at(sup->board, slot);

    return read_entry(sup, sx_board_thread_at(w, thread), ret_words);
}

static void add_words(struct sx_buf *b, uint32_t thread, const struct last_words *w)
{
    sx_buf_printf(b, "; %s %u ran plugin \"%s\" %s", thread == 0 ? "the loop, thread" : "thread",
                  thread, w->name.plugin, w->name.version);
    if (w->name.build[0] != '\0')
        sx_buf_printf(b, " (build %s)", w->name.build);
    if (w->has_route)
        sx_buf_printf(b, ", route %s %s", w->name.method, w->name.route);
    if (w->request_id[0] != '\0')
        sx_buf_printf(b, ", request %s", w->request_id);
    sx_buf_printf(b, ", for %" PRIu64 " ms", w->ran_ms);
}

static void add_threads(const struct sx_supervisor *sup, const struct sx_child *child,
                        struct sx_buf *b)
{
    uint32_t n_running = 0;
    struct last_words words;

    for (uint32_t i = 0; i < sup->n_threads; i++) {
        if (read_thread(sup, child->slot, i, &words)) {
            add_words(b, i, &words);
            n_running++;
        }
    }
    if (n_running == 0)
        sx_buf_add_text(b, "; it ran no plugin");
}

static void add_end(struct sx_buf *b, const struct sx_child *child, int status)
{
    const char *name;

    if (child->reason != NULL)
        sx_buf_printf(b, ": %s", child->reason);
    if (child->state == SX_CHILD_KILLED && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        sx_buf_add_text(b, " and was killed");
        return;
    }
    if (WIFEXITED(status)) {
        sx_buf_printf(b, "%s with code %d", child->reason != NULL ? "; it exited" : " exited",
                      WEXITSTATUS(status));
        return;
    }
    name = sigabbrev_np(WTERMSIG(status));
    sx_buf_printf(b, "%s by signal %d (SIG%s%s)",
                  child->reason != NULL ? "; it was killed" : " was killed", WTERMSIG(status),
                  name != NULL ? name : "?", WCOREDUMP(status) ? ", core dumped" : "");
}

static void add_name(struct sx_buf *b, const struct sx_child *child)
{
    sx_buf_printf(b, "%s %u of generation %u (pid %d)", sx_child_noun(child), child->index,
                  child->gen->number, (int)child->pid);
}

static void add_crash(const struct sx_supervisor *sup, const struct sx_child *child,
                      struct sx_buf *b)
{
    struct sx_crash crash;

    if (sx_crash_read(sup, child, &crash) && crash.place_len > 0) {
        const char *trace = sx_buf_text(&crash.trace);

        if (crash.denied[0] != '\0')
            sx_buf_printf(b, "; the sandbox denies the system call %s, made in %.*s", crash.denied,
                          (int)crash.place_len, trace);
        else
            sx_buf_printf(b, "; at address %s in %.*s", crash.address, (int)crash.place_len, trace);
        if (crash.from_len > 0)
            sx_buf_printf(b, ", called from %.*s", (int)crash.from_len, trace + crash.from);
    }
    sx_crash_finish(&crash);
}

/* The handler has found a thread that is none of ours, and whose code it runs. */
static void add_own_thread(const struct sx_supervisor *sup, const struct sx_child *child,
                           struct sx_buf *b)
{
    const struct sx_board_thread *fault = sx_board_fault_of(
        sx_board_worker_at(sup->board, child->slot));
    struct last_words words;

    if (fault->thread == SX_BOARD_NONE && read_entry(sup, fault, &words))
        sx_buf_printf(b, "; on a thread that plugin \"%s\" %s has made itself", words.name.plugin,
                      words.name.version);
}

/* While libc changes who we are or starts a program it blocks every signal, and a worker that is
 * then denied a system call has no last words. */
static void add_silent_denial(const struct sx_child *child, int status, struct sx_buf *b)
{
    if (child->crash == NULL && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        sx_buf_add_text(b, "; the sandbox denies a system call that it made, as system(), "
                           "posix_spawn() and setuid() do");
}

char *sx_obituary_text(const struct sx_supervisor *sup, const struct sx_child *child, int status)
{
    struct sx_buf b;

    sx_buf_init(&b, MAX_TEXT);
    add_name(&b, child);
    add_end(&b, child, status);
    add_crash(sup, child, &b);
    add_silent_denial(child, status, &b);
    if (child->slot != SX_BOARD_NONE) {
        add_own_thread(sup, child, &b);
        add_threads(sup, child, &b);
    }
    if (sx_buf_text(&b) == NULL) {
        sx_buf_finish(&b);
        return NULL;
    }
    return b.data; /* the caller's now */
}

/* The thread that had the fault; without one, the first that is inside a plugin: most often there
 * is but one. */
static bool find_suspect(const struct sx_supervisor *sup, const struct sx_child *child,
                         struct last_words *ret_words)
{
    struct sx_board_worker *w;

    if (child->slot == SX_BOARD_NONE)
        return false;
    w = sx_board_worker_at(sup->board, child->slot);
    if (sx_board_fault_of(w)->thread != 0) /* the handler has looked: nobody else is blamed */
        return read_entry(sup, sx_board_fault_of(w), ret_words);
    for (uint32_t i = 0; i < sup->n_threads; i++) {
        if (read_thread(sup, child->slot, i, ret_words))
            return true;
    }
    return false;
}

bool sx_obituary_blames_plugin(const struct sx_supervisor *sup, const struct sx_child *child)
{
    struct last_words words;

    return find_suspect(sup, child, &words);
}

bool sx_obituary_suspect(const struct sx_supervisor *sup, const struct sx_child *child,
                         char ret_name[SX_QUARANTINE_MAX_NAME], bool *ret_was_mapping)
{
    struct last_words words;

    if (!find_suspect(sup, child, &words))
        return false;
    (void)snprintf(ret_name, SX_QUARANTINE_MAX_NAME, "%s", words.name.plugin);
    *ret_was_mapping = words.was_mapping;
    return true;
}

static const char *text_or_null(const char *text)
{
    return text[0] != '\0' ? text : NULL;
}

static void log_with_suspect(const struct sx_supervisor *sup, const struct sx_child *child,
                             enum sx_log_severity severity, const char *text)
{
    struct last_words w = { .has_route = false };
    bool has_suspect = find_suspect(sup, child, &w);
    struct sx_crash crash;
    bool has_crash = sx_crash_read(sup, child, &crash);
    const struct sx_log_field fields[] = {
        { "pid", SX_LOG_INT, { .i = child->pid } },
        { "plugin", SX_LOG_STR, { .s = has_suspect ? w.name.plugin : NULL } },
        { "plugin_version", SX_LOG_STR, { .s = text_or_null(w.name.version) } },
        { "plugin_build", SX_LOG_STR, { .s = text_or_null(w.name.build) } },
        { "route", SX_LOG_STR, { .s = w.has_route ? w.name.route : NULL } },
        { "request_id", SX_LOG_STR, { .s = text_or_null(w.request_id) } },
        { "signal", SX_LOG_STR, { .s = has_crash ? crash.signal : NULL } },
        { "system_call", SX_LOG_STR, { .s = has_crash ? text_or_null(crash.denied) : NULL } },
        { "backtrace", SX_LOG_STR, { .s = has_crash ? sx_buf_text(&crash.trace) : NULL } },
        { NULL, SX_LOG_END, { .i = 0 } },
    };

    sx_log_line(sup->log, severity, fields, "%s", text);
    sx_crash_finish(&crash);
}

void sx_obituary_log(const struct sx_supervisor *sup, const struct sx_child *child, int status)
{
    char *text = sx_obituary_text(sup, child, status);

    log_with_suspect(sup, child, SX_LOG_ERROR, text != NULL ? text : "a worker has died");
    free(text);
}

void sx_obituary_log_stall(const struct sx_supervisor *sup, const struct sx_child *child)
{
    struct sx_buf b;
    struct last_words words;

    sx_buf_init(&b, MAX_TEXT);
    add_name(&b, child);
    sx_buf_add_text(&b, " serves nobody meanwhile");
    if (read_thread(sup, child->slot, 0, &words))
        add_words(&b, 0, &words);
    if (sx_buf_text(&b) != NULL)
        log_with_suspect(sup, child, SX_LOG_WARNING, b.data);
    sx_buf_finish(&b);
}

bool sx_obituary_log_leaving(const struct sx_supervisor *sup, const struct sx_child *child,
                             const char *reason)
{
    const struct sx_board_thread *fault = sx_board_fault_of(
        sx_board_worker_at(sup->board, child->slot));
    struct last_words words;
    struct sx_buf b;

    sx_buf_init(&b, MAX_TEXT);
    add_name(&b, child);
    sx_buf_printf(&b, " finishes what it has and ends: %s", reason);
    if (fault->thread == 0) { /* what its threads run is no fault of theirs */
        sx_log_line(sup->log, SX_LOG_WARNING, NULL, "%s",
                    sx_buf_text(&b) != NULL ? b.data : reason);
        sx_buf_finish(&b);
        return false;
    }
    add_crash(sup, child, &b);
    if (find_suspect(sup, child, &words))
        add_words(&b, fault->thread - 1, &words);
    log_with_suspect(sup, child, SX_LOG_ERROR, sx_buf_text(&b) != NULL ? b.data : reason);
    sx_buf_finish(&b);
    return true;
}
