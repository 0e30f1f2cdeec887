/*
 * supervisor/supervisor.c - the loop: signals, what children say, deadlines.
 *
 * Children are freed only when they are reaped, and they are reaped after everything that a
 * round of the loop has to say about them; so no event meets a child that is gone.
 */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/courtesy.h"
#include "base/error.h"
#include "supervisor/signals.h"
#include "supervisor/supervisor_private.h"

#define NS_PER_MS  UINT64_C(1000000)
#define MAX_EVENTS 32
#define MAX_HEARD  1000  /* at a time, of one child: more than its channel holds */
#define FAILED_MS  5000u /* from "failed" to the exit */
#define DRAINED_MS 5000u /* from "drained" to the exit: a plugin's stop runs here */

/* --- what children say ------------------------------------------------------------------- */

static void keep_reason(struct sx_child *child, const char *text)
{
    if (child->reason == NULL && text[0] != '\0')
        child->reason = strdup(text);
}

static void on_ready(struct sx_supervisor *sup, struct sx_child *child)
{
    if (child->state != SX_CHILD_STARTING || child->kind == SX_CHILD_SUCCESSOR)
        return;
    child->ready_ns = sx_clock_mono_ns();
    if (child->kind == SX_CHILD_CHECKER)
        return; /* it ends by itself */
    sx_child_set_ready(child);
    sx_change_on_ready(sup, child);
}

/* It contained a fault and finishes its other requests; its seat is filled at once. */
static void on_leaving(struct sx_supervisor *sup, struct sx_child *child, const char *reason)
{
    struct sx_seat *seat = sx_generation_seat_of(child->gen, child);

    if (child->state < SX_CHILD_SERVING || child->state > SX_CHILD_DRAINING) {
        keep_reason(child, reason);
        sx_child_kill(child, NULL);
        return;
    }
    if (sx_obituary_log_leaving(sup, child, reason))
        sx_quarantine_count(sup, child);
    if (child->state == SX_CHILD_DRAINING) { /* it was finishing already */
        sx_child_end_streams(child, child->gen->config->server.drain_ms);
        return;
    }
    if (seat != NULL)
        sx_seat_replace(seat, child);
    sx_child_drain(child, 0, child->gen->config->server.drain_ms);
}

static void on_message(struct sx_supervisor *sup, struct sx_child *child,
                       const struct sx_control_message *m)
{
    switch (m->kind) {
    case SX_CONTROL_READY: on_ready(sup, child); break;
    case SX_CONTROL_FAILED:
        keep_reason(child, m->text);
        sx_child_set_deadline(child, FAILED_MS);
        break;
    case SX_CONTROL_DRAINING: child->is_closed = true; break;
    case SX_CONTROL_DRAINED:
        if (sx_child_is_dismissed(child))
            sx_child_set_deadline(child, DRAINED_MS);
        break;
    case SX_CONTROL_LEAVING: on_leaving(sup, child, m->text); break;
    case SX_CONTROL_CRASHED:
        free(child->crash); /* of a fault that was contained */
        child->crash = strdup(m->text);
        break;
    default: /* what only we say: a plugin has got hold of the channel */
        if (m->fd >= 0)
            (void)close(m->fd);
        sx_child_kill(child, "has sent what no worker sends");
        break;
    }
}

void sx_supervisor_hear(struct sx_supervisor *sup, struct sx_child *child)
{
    struct sx_control_message m;

    for (int i = 0; child->control_fd >= 0 && i < MAX_HEARD; i++) {
        int rc = sx_control_receive(child->control_fd, &m);

        if (rc == SX_ERR_BUSY)
            return;
        if (rc == SX_ERR_CLOSED) {
            sx_child_close_control(sup, child);
            sx_child_set_deadline(child, SX_QUICK_STOP_MS); /* it should be dying */
        } else if (rc != 0) {
            sx_child_kill(child, "has sent what is no message");
        } else {
            on_message(sup, child, &m);
        }
    }
}

/* --- signals ----------------------------------------------------------------------------- */

static void for_workers(struct sx_supervisor *sup, void (*fn)(struct sx_child *child, void *arg),
                        void *arg)
{
    for (struct sx_list *at = sup->children.next; at != &sup->children; at = at->next) {
        struct sx_child *child = SX_MEMBER_OF(at, struct sx_child, link);

        if (child->kind != SX_CHILD_SUCCESSOR)
            fn(child, arg);
    }
}

static void end_streams(struct sx_supervisor *sup)
{
    for (struct sx_list *at = sup->generations.next; at != &sup->generations; at = at->next)
        sx_generation_end_streams(sup, SX_MEMBER_OF(at, struct sx_generation, link));
}

/* A reader was given up before, and ends by itself. */
static void stop_child(struct sx_child *child, void *arg)
{
    (void)arg;
    if (child->kind != SX_CHILD_READER)
        sx_child_stop(child);
}

void sx_supervisor_log(const struct sx_supervisor *sup, enum sx_log_severity severity,
                       const struct sx_report *rep)
{
    for (size_t i = 0; i < rep->n_faults; i++)
        sx_log_line(sup->log, severity, NULL, "%s", rep->faults[i]);
}

void sx_supervisor_make_way(const struct sx_supervisor *sup)
{
    if (sup->current != NULL)
        sx_courtesy_pause();
}

void sx_supervisor_stop(struct sx_supervisor *sup, bool is_quick)
{
    const struct sx_config_server *server;

    if (sup->phase == SX_PHASE_STOPPING)
        return;
    sup->wants_reload = false;
    sx_change_abort(sup, "the server stops");
    sx_command_stops(sup, "the server stops");
    sup->phase = is_quick ? SX_PHASE_STOPPING : SX_PHASE_DRAINING;
    sx_log_line(sup->log, SX_LOG_INFO, NULL, is_quick ? "stopping at once" : "stopping");
    sx_listeners_close(&sup->listeners);
    if (is_quick) {
        for_workers(sup, stop_child, NULL);
    } else if (sup->current != NULL) {
        end_streams(sup);
        server = &sup->current->config->server;
        sx_generation_drain(sup->current, server->drain_delay_ms);
    }
}

static void pause_serving(struct sx_supervisor *sup)
{
    if (sup->current == NULL || sup->phase != SX_PHASE_SERVING)
        return;
    sup->wants_reload = false;
    sx_change_abort(sup, "the workers are drained");
    sx_command_stops(sup, "the workers are drained");
    sup->is_paused = true;
    sx_log_line(sup->log, SX_LOG_INFO, NULL, "the workers are drained; HUP starts them again");
    sx_generation_drain(sup->current, 0);
}

static void resize(struct sx_supervisor *sup, bool is_more)
{
    bool is_done;

    if (sup->current == NULL || sup->phase != SX_PHASE_SERVING || sup->is_paused)
        return;
    is_done = is_more ? sx_generation_grow(sup, sup->current) : sx_generation_shrink(sup->current);
    sx_log_line(sup->log, is_done ? SX_LOG_INFO : SX_LOG_WARNING, NULL, "%s: %u workers",
                is_done ? "resized" : "not resized", sup->current->n_seats);
}

static void want_reload(struct sx_supervisor *sup)
{
    sup->wants_reload = sup->phase == SX_PHASE_SERVING;
    if (sup->wants_reload && !sx_change_is_possible(sup))
        sx_log_line(sup->log, SX_LOG_INFO, NULL,
                    "the reload waits for the change that is under way");
}

static void tell_reopen(struct sx_child *child, void *arg)
{
    (void)arg;
    if (child->control_fd >= 0)
        (void)sx_control_send_output(child->control_fd);
}

static void reopen_output(struct sx_supervisor *sup)
{
    if (sup->output_path == NULL)
        return;
    if (sx_control_reopen_output(sup->output_path) != 0) {
        sx_log_line(sup->log, SX_LOG_ERROR, NULL, "%s: cannot be reopened: %s", sup->output_path,
                    strerror(errno));
        return;
    }
    for_workers(sup, tell_reopen, NULL);
    sx_log_line(sup->log, SX_LOG_INFO, NULL, "%s: reopened", sup->output_path);
}

void sx_supervisor_on_signal(struct sx_supervisor *sup, int signo)
{
    switch (signo) {
    case SIGTERM: sx_supervisor_stop(sup, sup->phase != SX_PHASE_SERVING); break;
    case SIGINT:
    case SIGQUIT: sx_supervisor_stop(sup, true); break;
    case SIGHUP: want_reload(sup); break;
    case SIGUSR1: reopen_output(sup); break;
    case SIGUSR2: sx_successor_start(sup); break;
    case SIGWINCH: pause_serving(sup); break;
    case SIGTTIN:
    case SIGTTOU: resize(sup, signo == SIGTTIN); break;
    default: /* SIGCHLD */ sx_reaper_run(sup); break;
    }
}

/* --- the loop ---------------------------------------------------------------------------- */

static uint64_t earlier(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

static bool fills_seats(const struct sx_supervisor *sup)
{
    return sup->phase == SX_PHASE_SERVING && sup->current != NULL && !sup->is_paused;
}

static uint64_t find_deadline(const struct sx_supervisor *sup)
{
    uint64_t due_ns = earlier(fills_seats(sup) ? sup->stall_due_ns : 0, sx_quarantine_due_ns(sup));

    due_ns = earlier(due_ns, sx_change_due_ns(sup));
    for (const struct sx_list *at = sup->children.next; at != &sup->children; at = at->next)
        due_ns = earlier(due_ns, SX_MEMBER_OF(at, struct sx_child, link)->deadline_ns);
    for (uint32_t i = 0; fills_seats(sup) && i < sup->current->n_seats; i++)
        due_ns = earlier(due_ns, sup->current->seats[i].due_ns);
    return due_ns;
}

static int find_timeout_ms(const struct sx_supervisor *sup)
{
    uint64_t due_ns = find_deadline(sup);
    uint64_t now_ns = sx_clock_mono_ns();

    if (due_ns == 0)
        return -1;
    return due_ns <= now_ns ? 0 : (int)((due_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void check_deadline(struct sx_child *child, void *now_ns)
{
    if (child->deadline_ns != 0 && child->deadline_ns <= *(const uint64_t *)now_ns)
        sx_child_on_deadline(child);
}

static void destroy_empty_generations(struct sx_supervisor *sup)
{
    for (struct sx_list *at = sup->generations.next, *next; at != &sup->generations; at = next) {
        struct sx_generation *gen = SX_MEMBER_OF(at, struct sx_generation, link);

        next = at->next;
        if (gen->state != SX_GENERATION_LEAVING || gen->n_children > 0)
            continue;
        sx_log_line(sup->log, SX_LOG_INFO, NULL, "generation %u has ended", gen->number);
        sx_generation_destroy(gen);
    }
}

/* Whatever the events and the time have made possible. */
static void advance(struct sx_supervisor *sup)
{
    uint64_t now_ns = sx_clock_mono_ns();

    for_workers(sup, check_deadline, &now_ns);
    if (sup->reader != NULL && sup->reader->state == SX_CHILD_KILLED)
        sx_change_on_read(sup, SIGKILL); /* whenever it ends: nobody waits for that */
    sx_quarantine_advance(sup, now_ns);  /* before anybody is started with what is over */
    if (fills_seats(sup)) {
        sx_generation_fill_seats(sup, sup->current, now_ns);
        sx_stall_check(sup, now_ns);
    }
    sx_change_advance(sup);
    destroy_empty_generations(sup);
    if (sup->wants_reload && sx_change_is_possible(sup)) {
        sup->wants_reload = false;
        sx_change_reload(sup);
    } else if (sup->wants_reload) {
        sx_change_make_room(sup);
    }
    sx_command_sweep(sup);
    sx_command_follow(sup);
}

/* A reader that was killed may be waiting for a file system, which no signal ends. */
static void count_child(struct sx_child *child, void *n)
{
    *(uint32_t *)n += child->kind != SX_CHILD_READER || child->state != SX_CHILD_KILLED;
}

static bool is_over(struct sx_supervisor *sup)
{
    uint32_t n = 0;

    if (sup->phase == SX_PHASE_SERVING && !sup->has_failed)
        return false;
    for_workers(sup, count_child, &n);
    return n == 0;
}

static int run_once(struct sx_supervisor *sup)
{
    struct epoll_event events[MAX_EVENTS];
    bool has_signal = false;
    int signo;
    int n = epoll_wait(sup->epoll_fd, events, MAX_EVENTS, find_timeout_ms(sup));

    if (n < 0 && errno != EINTR)
        return SX_ERR_IO;
    for (int i = 0; i < n; i++) {
        struct sx_source *source = events[i].data.ptr;

        if (source == NULL)
            has_signal = true;
        else
            source->on_event(sup, source);
    }
    while (has_signal && (signo = sx_signals_next(sup->signal_fd)) != 0)
        sx_supervisor_on_signal(sup, signo);
    advance(sup);
    return 0;
}

/* --- start and end ----------------------------------------------------------------------- */

static int open_events(struct sx_supervisor *sup)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

    sup->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (sup->epoll_fd < 0)
        return SX_ERR_IO;
    return epoll_ctl(sup->epoll_fd, EPOLL_CTL_ADD, sup->signal_fd, &event) == 0 ? 0 : SX_ERR_IO;
}

static int init(struct sx_supervisor *sup, const struct sx_supervisor_settings *set)
{
    *sup = (struct sx_supervisor){
        .set = set,
        .log = set->log,
        .signal_fd = -1,
        .epoll_fd = -1,
        .exe_fd = -1,
    };
    sx_list_init(&sup->children);
    sx_list_init(&sup->generations);
    sx_list_init(&sup->offenders);
    sx_listeners_init(&sup->listeners);
    if (sx_signals_open(&sup->signal_fd) != 0 || open_events(sup) != 0)
        return SX_ERR_IO;
    if (sx_environment_init(sup) != 0)
        return SX_ERR_IO;
    return sx_environment_make_board(sup, set->config);
}

static void finish(struct sx_supervisor *sup)
{
    while (!sx_list_is_empty(&sup->children)) { /* a successor lives on, a killed reader hangs */
        struct sx_child *child = SX_MEMBER_OF(sup->children.next, struct sx_child, link);

        if (child->kind == SX_CHILD_READER)
            sx_reading_drop(sup, child);
        sx_child_destroy(sup, child);
    }
    while (!sx_list_is_empty(&sup->generations))
        sx_generation_destroy(SX_MEMBER_OF(sup->generations.next, struct sx_generation, link));
    sx_command_close(sup);
    sx_quarantine_finish(sup);
    sx_listeners_finish(&sup->listeners);
    sx_environment_finish(sup);
    if (sup->epoll_fd >= 0)
        (void)close(sup->epoll_fd);
    sx_signals_close(sup->signal_fd);
}

int sx_supervisor_run(const struct sx_supervisor_settings *set)
{
    struct sx_supervisor sup;
    int rc = init(&sup, set);

    if (rc == 0) {
        sx_courtesy_slice_short(); /* whatever it does, clients wait for the workers */
        (void)sx_change_start_first(&sup);
        while (rc == 0 && !is_over(&sup))
            rc = run_once(&sup);
    } else {
        sx_config_destroy(set->config);
    }
    if (rc != 0) {
        (void)fprintf(stderr, "the supervisor cannot run: %s\n", strerror(errno));
        sup.exit_code = SX_EXIT_FAILURE;
    }
    if (sup.exit_code == 0)
        sx_log_line(set->log, SX_LOG_INFO, NULL, "stopped");
    finish(&sup);
    return sup.exit_code;
}
