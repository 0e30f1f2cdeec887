/*
 * supervisor/child.c - one process under the supervisor: its start, its states, its deadline.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "supervisor/supervisor_private.h"

#define NS_PER_MS UINT64_C(1000000)
#define MAX_KEEP  (4 + SX_CONTROL_MAX_LISTEN + SX_BOARD_MAX_PLUGINS)

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* asm-generic/socket.h, since Linux 6.16 */
#endif

/* Which states may follow; a death may follow any. */
static bool may_follow(enum sx_child_state old, enum sx_child_state state)
{
    switch (state) {
    case SX_CHILD_STARTING: return false;
    case SX_CHILD_READY: return old == SX_CHILD_STARTING;
    case SX_CHILD_SERVING: return old == SX_CHILD_READY;
    case SX_CHILD_DRAINING: return old == SX_CHILD_SERVING;
    default: return old < state;
    }
}

static void set_state(struct sx_child *child, enum sx_child_state state)
{
    sx_check(may_follow(child->state, state));
    child->state = state;
    child->deadline_ns = 0;
    if (state == SX_CHILD_READY)
        child->ready_ns = sx_clock_mono_ns();
}

static uint32_t take_slot(struct sx_supervisor *sup)
{
    for (uint32_t slot = 0; slot < sup->n_slots; slot++) {
        if (!sup->is_slot_used[slot]) {
            sup->is_slot_used[slot] = true;
            return slot;
        }
    }
    return SX_BOARD_NONE;
}

/* The counters stay: they outlive the worker.  What was true of it alone is wiped. */
static void give_slot(struct sx_supervisor *sup, uint32_t slot)
{
    struct sx_board_worker *w = sx_board_worker_at(sup->board, slot);

    for (uint32_t i = 0; i < sup->n_threads; i++)
        memset(sx_board_thread_at(w, i), 0, sizeof(struct sx_board_thread));
    memset(sx_board_fault_of(w), 0, sizeof(struct sx_board_thread));
    sx_board_counters_of(w)->connections_open = 0;
    sx_board_set_state(w, 0, 0, SX_WORKER_FREE);
    sup->is_slot_used[slot] = false;
}

static void fill_spec(const struct sx_supervisor *sup, const struct sx_child *child, int control_fd,
                      struct sx_control_spec *spec)
{
    const struct sx_generation *gen = child->gen;

    *spec = (struct sx_control_spec){
        .config_fd = gen->config_fd,
        .plugins_fd = gen->copies.list_fd,
        .board_fd = sx_board_fd(sup->board),
        .control_fd = control_fd,
        .index = child->index,
        .slot = child->slot,
        .generation = gen->number,
        .count = gen->n_seats,
    };
    for (size_t i = 0; child->kind == SX_CHILD_WORKER && i < gen->listeners.n; i++)
        spec->listen_fds[spec->n_listen++] = gen->listeners.v[i]->fd;
}

static size_t fill_keep(const struct sx_generation *gen, const struct sx_control_spec *spec,
                        int keep[MAX_KEEP])
{
    size_t n = 0;

    keep[n++] = spec->config_fd;
    keep[n++] = spec->plugins_fd;
    keep[n++] = spec->control_fd;
    keep[n++] = spec->board_fd;
    for (size_t i = 0; i < spec->n_listen; i++)
        keep[n++] = spec->listen_fds[i];
    for (size_t i = 0; i < gen->copies.n && n < MAX_KEEP; i++) {
        if (gen->copies.v[i].is_memfd)
            keep[n++] = gen->copies.v[i].fd;
    }
    return n;
}

static pid_t spawn(const struct sx_supervisor *sup, const struct sx_child *child, int control_fd)
{
    char text[SX_CONTROL_MAX_SPEC];
    char program[] = "sim-exchange";
    char work[] = "worker";
    char check[] = "check-worker";
    char *argv[] = { program, child->kind == SX_CHILD_WORKER ? work : check, text, NULL };
    int keep[MAX_KEEP];
    struct sx_control_spec spec;
    struct sx_spawn how = { .exe_fd = sup->exe_fd,
                            .argv = argv,
                            .envp = child->gen->envp,
                            .control_fd = control_fd,
                            .is_patient = child->kind == SX_CHILD_CHECKER,
                            .keep = keep };

    fill_spec(sup, child, control_fd, &spec);
    if (sx_control_format_spec(&spec, text, sizeof text) != 0) {
        errno = E2BIG;
        return -1;
    }
    how.n_keep = fill_keep(child->gen, &spec, keep);
    return sx_spawn_worker(&how);
}

/* No worker has any to send.  Closing one may take as long as its sender likes (SO_LINGER); before
 * Linux 6.16, which cannot refuse them, that is possible. */
static void refuse_descriptors(int control_fd)
{
    const int off = 0;

    (void)setsockopt(control_fd, SOL_SOCKET, SO_PASSRIGHTS, &off, sizeof off);
}

/* The control channel and the process; on failure nothing is left of either. */
static int launch(struct sx_supervisor *sup, struct sx_child *child)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &child->source };
    int fds[2];
    int saved;

    if (sx_control_open(fds) != 0)
        return SX_ERR_IO;
    refuse_descriptors(fds[0]);
    sx_quarantine_tell(sup, child->gen, fds[0]); /* it reads this before anything else */
    if (epoll_ctl(sup->epoll_fd, EPOLL_CTL_ADD, fds[0], &event) == 0) {
        child->pid = spawn(sup, child, fds[1]);
        if (child->pid > 0) {
            (void)close(fds[1]);
            child->control_fd = fds[0];
            return 0;
        }
    }
    saved = errno;
    (void)close(fds[0]);
    (void)close(fds[1]);
    errno = saved;
    return SX_ERR_IO;
}

static int enter(struct sx_supervisor *sup, struct sx_child *child)
{
    child->slot = take_slot(sup);
    if (child->slot == SX_BOARD_NONE)
        return SX_ERR_BUSY;
    sx_board_set_state(sx_board_worker_at(sup->board, child->slot), 0, child->gen->number,
                       SX_WORKER_STARTING);
    return launch(sup, child);
}

static void on_said(struct sx_supervisor *sup, struct sx_source *source)
{
    sx_supervisor_hear(sup, SX_MEMBER_OF(source, struct sx_child, source));
}

int sx_child_start(struct sx_supervisor *sup, struct sx_generation *gen, enum sx_child_kind kind,
                   uint32_t index, struct sx_child **ret_child)
{
    struct sx_child *child = calloc(1, sizeof *child);
    int rc;

    if (child == NULL)
        return SX_ERR_NOMEM;
    *child = (struct sx_child){ .source = { on_said },
                                .kind = kind,
                                .state = SX_CHILD_STARTING,
                                .control_fd = -1,
                                .text_fd = -1,
                                .parcel_fd = -1,
                                .gen = gen,
                                .index = index,
                                .slot = SX_BOARD_NONE };
    sx_list_push(&sup->children, &child->link);
    gen->n_children++;

    rc = enter(sup, child);
    if (rc != 0) {
        int saved = errno;

        sx_child_destroy(sup, child);
        errno = saved;
        return rc;
    }
    sx_child_set_deadline(child, gen->config->server.start_ms);
    *ret_child = child;
    return 0;
}

void sx_child_leave_slot(struct sx_supervisor *sup, struct sx_child *child)
{
    if (child->slot != SX_BOARD_NONE)
        give_slot(sup, child->slot);
    child->slot = SX_BOARD_NONE;
}

void sx_child_destroy(struct sx_supervisor *sup, struct sx_child *child)
{
    sx_child_close_control(sup, child);
    sx_child_leave_slot(sup, child);
    if (child->gen != NULL)
        child->gen->n_children--;
    sx_list_remove(&child->link);
    if (child->text_fd >= 0)
        (void)close(child->text_fd);
    if (child->parcel_fd >= 0)
        (void)close(child->parcel_fd);
    free(child->reason);
    free(child->crash);
    free(child);
}

void sx_child_close_control(struct sx_supervisor *sup, struct sx_child *child)
{
    if (child->control_fd < 0)
        return;
    (void)epoll_ctl(sup->epoll_fd, EPOLL_CTL_DEL, child->control_fd, NULL);
    (void)close(child->control_fd);
    child->control_fd = -1;
}

void sx_child_set_deadline(struct sx_child *child, uint32_t allowed_ms)
{
    uint64_t at = sx_clock_mono_ns() + allowed_ms * NS_PER_MS;

    if (child->state == SX_CHILD_KILLED)
        return; /* there is nothing left to be done then */
    if (child->deadline_ns != 0 && child->deadline_ns <= at)
        return;
    child->deadline_ns = at;
    child->allowed_ms = allowed_ms;
}

void sx_child_set_ready(struct sx_child *child)
{
    set_state(child, SX_CHILD_READY);
}

void sx_child_serve(struct sx_child *child)
{
    set_state(child, SX_CHILD_SERVING);
    (void)sx_control_send(child->control_fd, SX_CONTROL_SERVE, NULL);
}

void sx_child_keep_streams(struct sx_child *child, uint32_t stream_ms, const char *plugins)
{
    struct sx_buf text;

    if (child->state != SX_CHILD_SERVING)
        return;
    sx_buf_init(&text, SX_CONTROL_MAX_TEXT);
    sx_buf_printf(&text, "%u%s", stream_ms, plugins);
    if (!sx_buf_failed(&text) &&
        sx_control_send(child->control_fd, SX_CONTROL_STREAMS, sx_buf_text(&text)) == 0)
        child->stream_ms = stream_ms;
    sx_buf_finish(&text);
}

void sx_child_end_streams(struct sx_child *child, uint32_t grace_ms)
{
    if (child->state != SX_CHILD_DRAINING || child->stream_ms == 0)
        return;
    child->stream_ms = 0;
    (void)sx_control_send(child->control_fd, SX_CONTROL_STREAMS, "0");
    sx_child_set_deadline(child, grace_ms + SX_DRAIN_SLACK_MS);
}

void sx_child_drain(struct sx_child *child, uint32_t delay_ms, uint32_t grace_ms)
{
    if (child->state < SX_CHILD_SERVING) {
        sx_child_kill(child, NULL);
        return;
    }
    if (child->state == SX_CHILD_SERVING)
        set_state(child, SX_CHILD_DRAINING);
    if (child->state != SX_CHILD_DRAINING)
        return;
    (void)sx_control_send_drain(child->control_fd, delay_ms, grace_ms);
    sx_child_set_deadline(child, delay_ms + child->stream_ms + grace_ms + SX_DRAIN_SLACK_MS);
}

void sx_child_stop(struct sx_child *child)
{
    if (child->state < SX_CHILD_SERVING) {
        sx_child_kill(child, NULL);
    } else if (child->state < SX_CHILD_STOPPING) {
        set_state(child, SX_CHILD_STOPPING);
        (void)sx_control_send(child->control_fd, SX_CONTROL_STOP, NULL);
        sx_child_set_deadline(child, SX_QUICK_STOP_MS);
    }
}

void sx_child_kill(struct sx_child *child, const char *why)
{
    if (child->state == SX_CHILD_KILLED)
        return;
    set_state(child, SX_CHILD_KILLED);
    if (why != NULL && child->reason == NULL)
        child->reason = strdup(why);
    (void)kill(child->pid, SIGKILL);
}

void sx_child_on_deadline(struct sx_child *child)
{
    static const char *const missed[] = {
        [SX_CHILD_STARTING] = "was not ready", [SX_CHILD_READY] = "did not end",
        [SX_CHILD_SERVING] = "did not end",    [SX_CHILD_DRAINING] = "did not finish",
        [SX_CHILD_STOPPING] = "did not stop",  [SX_CHILD_KILLED] = "did not end",
    };
    char why[96];

    if (child->state == SX_CHILD_DRAINING)
        child->is_counted = true; /* long, but no crash */
    child->is_late = child->state == SX_CHILD_STARTING && child->reason == NULL;
    (void)snprintf(why, sizeof why, "%s within %u ms", missed[child->state], child->allowed_ms);
    sx_child_kill(child, why);
}

bool sx_child_is_dismissed(const struct sx_child *child)
{
    return child->state >= SX_CHILD_DRAINING;
}

const char *sx_child_noun(const struct sx_child *child)
{
    static const char *const nouns[] = {
        [SX_CHILD_WORKER] = "worker",
        [SX_CHILD_CHECKER] = "checker",
        [SX_CHILD_READER] = "reader",
        [SX_CHILD_SUCCESSOR] = "successor",
    };

    return nouns[child->kind];
}
