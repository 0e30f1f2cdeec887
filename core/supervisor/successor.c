/*
 * supervisor/successor.c - USR2: the program that is now at our path, started beside us with
 * our sockets, so that a new version of the server itself takes over without a lost connection.
 *
 * The operator then drains us with WINCH or ends us with TERM; when the new one does not start,
 * nothing has happened.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/text.h"
#include "supervisor/signals.h"
#include "supervisor/supervisor_private.h"

#define FIRST_HANDED_FD   3
#define EXIT_NOT_EXECUTED 127
#define MAX_NAMES         2048

struct handover {
    int fds[SX_CONTROL_MAX_LISTEN];
    int n_fds;
    char pid[32]; /* "LISTEN_PID=…", completed in the child */
    char count[32];
    char names[MAX_NAMES];
    char **envp; /* owned */
};

static void list_sockets(const struct sx_supervisor *sup, struct handover *h)
{
    struct sx_buf names;

    sx_buf_init(&names, sizeof h->names - 1);
    sx_buf_add_text(&names, "LISTEN_FDNAMES=");
    for (const struct sx_list *at = sup->listeners.all.next;
         at != &sup->listeners.all && h->n_fds < SX_CONTROL_MAX_LISTEN; at = at->next) {
        const struct sx_listener *l = SX_MEMBER_OF(at, struct sx_listener, link);

        sx_buf_printf(&names, "%s%s", h->n_fds > 0 ? ":" : "",
                      l->is_wild ? "unknown" : SX_LISTENER_HANDED);
        h->fds[h->n_fds++] = l->fd;
    }
    (void)snprintf(h->names, sizeof h->names, "%s", sx_buf_text(&names));
    (void)snprintf(h->count, sizeof h->count, "LISTEN_FDS=%d", h->n_fds);
    (void)snprintf(h->pid, sizeof h->pid, "LISTEN_PID=");
    sx_buf_finish(&names);
}

/* Ours, and the three of the handover. */
static char **extend_environment(const struct sx_supervisor *sup, struct handover *h)
{
    size_t n = 0;
    char **envp;

    while (sup->envp[n] != NULL)
        n++;
    envp = calloc(n + 4, sizeof *envp);
    if (envp == NULL)
        return NULL;
    memcpy(envp, sup->envp, n * sizeof *envp);
    envp[n] = h->pid;
    envp[n + 1] = h->count;
    envp[n + 2] = h->names;
    return envp;
}

/* In the child.  First out of the way of the numbers that they shall have. */
static int place_sockets(struct handover *h)
{
    int first_free = FIRST_HANDED_FD + h->n_fds;

    for (int i = 0; i < h->n_fds; i++) {
        h->fds[i] = fcntl(h->fds[i], F_DUPFD_CLOEXEC, first_free);
        if (h->fds[i] < 0)
            return -1;
    }
    for (int i = 0; i < h->n_fds; i++) {
        if (dup2(h->fds[i], FIRST_HANDED_FD + i) < 0)
            return -1;
    }
    (void)close_range((unsigned)first_free, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    return 0;
}

static void become_successor(const struct sx_supervisor *sup, struct handover *h)
{
    size_t len = strlen(h->pid);

    if (place_sockets(h) != 0)
        _exit(EXIT_NOT_EXECUTED);
    len += sx_format_uint(h->pid + len, (uint64_t)getpid());
    h->pid[len] = '\0';
    sx_signals_prepare_successor();
    (void)execve(sup->exe_path, sup->set->argv, h->envp);
    _exit(EXIT_NOT_EXECUTED);
}

bool sx_successor_lives(const struct sx_supervisor *sup)
{
    for (const struct sx_list *at = sup->children.next; at != &sup->children; at = at->next) {
        if (SX_MEMBER_OF(at, struct sx_child, link)->kind == SX_CHILD_SUCCESSOR)
            return true;
    }
    return false;
}

static int launch(struct sx_supervisor *sup, struct sx_child *child)
{
    struct handover h = { .n_fds = 0 };

    list_sockets(sup, &h);
    h.envp = extend_environment(sup, &h);
    if (h.envp == NULL)
        return -1;
    child->pid = fork();
    if (child->pid == 0)
        become_successor(sup, &h);
    free(h.envp);
    return child->pid < 0 ? -1 : 0;
}

void sx_successor_start(struct sx_supervisor *sup)
{
    struct sx_child *child;

    if (sup->set->argv == NULL || sx_successor_lives(sup)) {
        sx_log_line(sup->log, SX_LOG_WARNING, NULL, "no successor is started: %s",
                    sup->set->argv == NULL ? "the command line is not known" : "there is one");
        return;
    }
    child = calloc(1, sizeof *child);
    if (child != NULL) {
        *child = (struct sx_child){ .kind = SX_CHILD_SUCCESSOR,
                                    .state = SX_CHILD_SERVING,
                                    .control_fd = -1,
                                    .text_fd = -1,
                                    .parcel_fd = -1,
                                    .slot = SX_BOARD_NONE };
        if (launch(sup, child) == 0) {
            sx_list_push(&sup->children, &child->link);
            sx_listeners_lend(&sup->listeners, true);
            sx_log_line(sup->log, SX_LOG_INFO, NULL, "the successor %s has been started (pid %d)",
                        sup->exe_path, (int)child->pid);
            return;
        }
    }
    free(child);
    sx_log_line(sup->log, SX_LOG_ERROR, NULL, "the successor cannot be started: %s",
                strerror(errno));
}
