/*
 * worker/worker.c - one worker process from its first line to its last.
 */
#include "worker/worker.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/courtesy.h"
#include "base/error.h"
#include "base/text.h"
#include "board/sealed.h"
#include "worker/worker_private.h"

#define MAX_CONFIG_BYTES            (16u << 20)
#define DRAIN_WITHOUT_SUPERVISOR_MS 10000u
#define ORPHAN_S                    12u

/* --- Beginning ------------------------------------------------------------------------------- */

int sx_worker_read_inheritance(struct sx_worker *w, const char *spec_text, struct sx_report *rep)
{
    char *text;
    size_t len;

    if (sx_control_parse_spec(spec_text, &w->spec) < 0 || sx_control_adopt_spec(&w->spec) < 0) {
        sx_report_add(rep,
                      "a worker is started by the supervisor only: \"%.200s\" is no specification",
                      spec_text);
        return SX_ERR_INVALID;
    }
    if (sx_sealed_read(w->spec.config_fd, MAX_CONFIG_BYTES, &text, &len) < 0) {
        sx_report_add(rep, "the configuration cannot be read from the supervisor");
        return SX_ERR_IO;
    }
    if (sx_config_restore(text, len, &w->config) < 0)
        sx_report_add(rep, "the supervisor's configuration cannot be understood");
    explicit_bzero(text, len); /* it has the secrets, and so has what it came from */
    free(text);
    (void)close(w->spec.config_fd);
    w->spec.config_fd = -1;
    if (sx_control_read_plugins(w->spec.plugins_fd, &w->copies) < 0)
        sx_report_add(rep, "the list of plugins cannot be read from the supervisor");
    return rep->n_faults == 0 ? 0 : SX_ERR_IO;
}

static int open_board(struct sx_worker *w, struct sx_report *rep)
{
    int err = w->spec.board_fd >= 0
                  ? sx_board_attach(w->spec.board_fd, &w->board)
                  : sx_board_create(1, w->config->server.pool_threads + 1, &w->board);

    if (err < 0) {
        sx_report_add(rep, "the board cannot be mapped");
        return err;
    }
    w->slot = sx_board_worker_at(w->board, w->spec.board_fd >= 0 ? w->spec.slot : 0);
    if (w->slot == NULL) {
        sx_report_add(rep, "the board has no place for worker %u", w->spec.slot);
        return SX_ERR_INVALID;
    }
    sx_log_count_drops(w->log, &sx_board_counters_of(w->slot)->log_dropped);
    sx_board_set_state(w->slot, (uint32_t)getpid(), w->spec.generation, SX_WORKER_STARTING);
    return 0;
}

static int severity_of(const char *level)
{
    return strcmp(level, "debug") == 0     ? SX_LOG_DEBUG
           : strcmp(level, "warning") == 0 ? SX_LOG_WARNING
           : strcmp(level, "error") == 0   ? SX_LOG_ERROR
                                           : SX_LOG_INFO;
}

static int open_log(struct sx_worker *w, struct sx_report *rep)
{
    const struct sx_config_log *cfg = &w->config->log;
    char name[32];
    struct sx_log_settings set = { .fd = STDOUT_FILENO,
                                   .format = strcmp(cfg->format, "json") == 0   ? SX_LOG_JSON
                                             : strcmp(cfg->format, "text") == 0 ? SX_LOG_TEXT
                                                                                : SX_LOG_AUTO,
                                   .level = (enum sx_log_severity)severity_of(cfg->level),
                                   .process = name };

    (void)snprintf(name, sizeof name, w->is_check ? "checker" : "worker %u", w->spec.index);
    set.trace_project = *cfg->trace_project == '\0' ? NULL : cfg->trace_project;
    if (sx_log_create(&set, &w->log) == 0)
        return 0;
    sx_report_add(rep, "the log cannot be started");
    return SX_ERR_NOMEM;
}

/* Signals of a terminal reach the whole group; only the supervisor acts on them. */
static void ignore_signals(void)
{
    static const int ignored[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE,
                                   SIGUSR1, SIGTTIN, SIGTTOU, SIGWINCH };

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        (void)signal(ignored[i], SIG_IGN);
}

/* --- The control channel --------------------------------------------------------------------- */

static int begin_serving(struct sx_worker *w)
{
    if (w->phase != WORKER_READY)
        return 0;
    for (size_t i = 0; i < w->spec.n_listen; i++)
        if (sx_http_server_listen(w->http, w->spec.listen_fds[i]) < 0)
            return SX_ERR_IO;
    w->phase = WORKER_SERVING;
    sx_worker_budget(w);
    return 0;
}

/* "NAME SECONDS", and perhaps " unmapped".  Before the plugins are loaded it is kept for them. */
static void quarantine(struct sx_worker *w, const char *text)
{
    const char *space = strchr(text, ' ');
    struct sx_worker_quarantine *q;
    uint64_t seconds;
    char name[64];
    size_t len;

    if (space == NULL || (size_t)(space - text) >= sizeof name)
        return;
    len = strcspn(space + 1, " ");
    if (sx_parse_uint(space + 1, len, &seconds) < 0 || seconds > UINT32_MAX)
        return;
    (void)snprintf(name, sizeof name, "%.*s", (int)(space - text), text);
    if (w->plugins != NULL) {
        sx_plugins_quarantine(w->plugins, name, (uint32_t)seconds);
        return;
    }
    q = realloc(w->quarantines, (w->n_quarantines + 1) * sizeof *q);
    if (q == NULL)
        return;
    w->quarantines = q;
    q += w->n_quarantines++;
    memcpy(q->name, name, sizeof q->name);
    q->seconds = (uint32_t)seconds;
    q->is_left_out = strcmp(space + 1 + len, " " SX_CONTROL_UNMAPPED) == 0;
}

/* A plugin that does not start now is one that crashes again; one whose file was not mapped is none
 * that this process could have. */
static void release(struct sx_worker *w, const char *name)
{
    struct sx_report rep;

    for (size_t i = 0; w->plugins == NULL && i < w->n_quarantines; i++)
        if (strcmp(w->quarantines[i].name, name) == 0)
            w->quarantines[i].name[0] = '\0';
    sx_report_init(&rep);
    if (w->plugins != NULL && sx_plugins_release(w->plugins, name, &rep) < 0 &&
        !sx_plugins_have_broken(w->plugins)) { /* which has said so */
        w->is_replaced = true;
        (void)sx_control_send(w->spec.control_fd, SX_CONTROL_LEAVING,
                              rep.n_faults > 0 ? rep.faults[0] : "a plugin did not start");
    }
    sx_report_finish(&rep);
}

static void obey(struct sx_worker *w, const struct sx_control_message *m)
{
    switch (m->kind) {
    case SX_CONTROL_SERVE:
        if (begin_serving(w) < 0)
            sx_worker_stop(w);
        break;
    case SX_CONTROL_DRAIN: sx_worker_drain(w, m->delay_ms, m->grace_ms); break;
    case SX_CONTROL_STOP: sx_worker_stop(w); break;
    case SX_CONTROL_REOPEN:
        if (m->fd >= 0)
            (void)sx_control_adopt_output(m->fd);
        break;
    case SX_CONTROL_QUARANTINE: quarantine(w, m->text); break;
    case SX_CONTROL_RELEASE: release(w, m->text); break;
    case SX_CONTROL_STREAMS: sx_worker_keep_streams(w, m->text); break;
    default: break;
    }
}

/* What the supervisor said before we were started. */
static void hear_first(struct sx_worker *w)
{
    struct sx_control_message m;

    while (sx_control_receive(w->spec.control_fd, &m) == 0)
        obey(w, &m);
}

/* --- Without a supervisor, which holds all deadlines ----------------------------------------- */

static void die_in_time(int signo)
{
    (void)signo;
    (void)alarm(ORPHAN_S);
}

/* The kernel tells when the supervisor dies, also while a plugin keeps the loop: then an alarm
 * ends what does not end by itself. */
static int watch_supervisor(const struct sx_worker *w)
{
    struct sigaction act = { .sa_handler = die_in_time, .sa_flags = SA_RESTART };
    struct pollfd fd = { .fd = w->spec.control_fd, .events = 0 };

    (void)sigemptyset(&act.sa_mask);
    if (sigaction(SIGUSR2, &act, NULL) != 0 || prctl(PR_SET_PDEATHSIG, SIGUSR2) != 0)
        return SX_ERR_IO;
    /* It may have died before we asked. */
    return poll(&fd, 1, 0) > 0 && (fd.revents & POLLHUP) != 0 ? SX_ERR_CLOSED : 0;
}

static void on_control(uv_poll_t *poll, int status, int events)
{
    struct sx_worker *w = poll->data;
    struct sx_control_message m;
    int err = 0;

    (void)status;
    (void)events;
    while (w->phase != WORKER_CLOSING &&
           (err = sx_control_receive(w->spec.control_fd, &m)) != SX_ERR_BUSY) {
        if (err == SX_ERR_CLOSED) {
            (void)uv_poll_stop(poll);
            sx_log_line(w->log, SX_LOG_WARNING, NULL, "the supervisor is gone, ending");
            sx_worker_drain(w, 0, DRAIN_WITHOUT_SUPERVISOR_MS);
            return;
        }
        if (err == 0)
            obey(w, &m);
    }
}

static int start_loop(struct sx_worker *w, struct sx_report *rep)
{
    int err = uv_loop_init(&w->loop);

    if (err == 0)
        err = uv_poll_init(&w->loop, &w->control, w->spec.control_fd);
    if (err == 0)
        err = uv_timer_init(&w->loop, &w->timer);
    if (err == 0)
        err = uv_prepare_init(&w->loop, &w->idle);
    if (err != 0) {
        sx_report_add(rep, "the event loop cannot be started: %s", uv_strerror(err));
        return SX_ERR_IO;
    }
    w->control.data = w->timer.data = w->idle.data = w;
    return 0;
}

/* --- End ------------------------------------------------------------------------------------- */

static void finish(struct sx_worker *w)
{
    sx_plugins_destroy(w->plugins);
    free(w->copy_list);
    free(w->quarantines);
    sx_control_finish_plugins(&w->copies);
    sx_log_destroy(w->log);
    sx_board_destroy(w->board);
    sx_config_destroy(w->config);
    sx_worker_fault_unwatch(w);
}

void sx_worker_tell_faults(const struct sx_worker *w, const struct sx_report *rep)
{
    struct sx_buf text;

    sx_buf_init(&text, SX_CONTROL_MAX_TEXT);
    for (size_t i = 0; i < rep->n_faults; i++)
        sx_buf_printf(&text, "%s%s", i > 0 ? "\n" : "", rep->faults[i]);
    if (rep->n_faults == 0)
        sx_buf_add_text(&text, "out of memory, or of another resource");
    text.failed = false;
    (void)sx_control_send(w->spec.control_fd, SX_CONTROL_FAILED, sx_buf_text(&text));
    sx_buf_finish(&text);
}

/* Every fault goes to the supervisor, which decides what it means. */
static int fail(struct sx_worker *w, struct sx_report *rep)
{
    sx_worker_tell_faults(w, rep);
    sx_report_finish(rep);
    sx_log_destroy(w->log);
    /* Half of it was built: a process that serves nothing need not take it apart. */
    _exit(SX_EXIT_CONFIG);
}

static int run(struct sx_worker *w)
{
    w->phase = WORKER_READY;
    sx_check(uv_poll_start(&w->control, UV_READABLE, on_control) == 0);
    if (!w->is_check)
        sx_courtesy_slice_normal();
    /* Before the supervisor tells our predecessors, who look for a successor here. */
    if (!w->is_check)
        sx_board_set_state(w->slot, (uint32_t)getpid(), w->spec.generation, SX_WORKER_READY);
    (void)sx_control_send(w->spec.control_fd, SX_CONTROL_READY, NULL);
    if (w->is_check)
        sx_worker_stop(w);
    (void)uv_run(&w->loop, UV_RUN_DEFAULT);
    (void)sx_control_send(w->spec.control_fd, SX_CONTROL_DRAINED, NULL);
    sx_plugins_stop(w->plugins);
    sx_check(uv_loop_close(&w->loop) == 0);
    finish(w);
    return 0;
}

int sx_worker_main(const char *spec_text, bool is_check)
{
    struct sx_worker *w = calloc(1, sizeof *w);
    struct sx_report rep;
    int code;

    if (w == NULL)
        return 1;
    w->is_check = is_check;
    w->spec.control_fd = -1;
    sx_report_init(&rep);
    ignore_signals();
    sx_courtesy_slice_short();
    if (sx_worker_read_inheritance(w, spec_text, &rep) < 0) {
        sx_report_print(&rep, stderr);
        return SX_EXIT_CONFIG;
    }
    if (watch_supervisor(w) < 0) {
        sx_report_finish(&rep);
        return 1;
    }
    hear_first(w);
    sx_worker_make_way(w);
    if (sx_worker_fault_watch(w) < 0 || sx_worker_confine(w, &rep) < 0 || open_log(w, &rep) < 0 ||
        open_board(w, &rep) < 0 || start_loop(w, &rep) < 0 || sx_worker_build(w, &rep) < 0 ||
        sx_worker_seal(w, &rep) < 0)
        return fail(w, &rep);
    sx_report_finish(&rep);
    code = run(w);
    free(w);
    return code;
}
