/* supervisor/reaper.c - what happens when a child has died. */
#include <signal.h>
#include <sys/wait.h>

#include "base/check.h"
#include "supervisor/supervisor_private.h"

static struct sx_child *find_child(struct sx_supervisor *sup, pid_t pid)
{
    for (struct sx_list *at = sup->children.next; at != &sup->children; at = at->next) {
        struct sx_child *child = SX_MEMBER_OF(at, struct sx_child, link);

        if (child->pid == pid)
            return child;
    }
    return NULL;
}

/* It went as it was told to, or we killed it without having to say why. */
static bool is_expected(const struct sx_child *child, int status)
{
    if (!sx_child_is_dismissed(child) || child->reason != NULL)
        return false;
    return (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
           (child->state == SX_CHILD_KILLED && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* A successor that has died leaves us the only owner of the sockets again. */
static void bury_successor(struct sx_supervisor *sup, int status)
{
    sx_log_line(sup->log, SX_LOG_WARNING, NULL, "the successor has ended with %s %d",
                WIFEXITED(status) ? "code" : "signal",
                WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    sx_listeners_lend(&sup->listeners, false);
    sup->commanded = 0; /* its socket for commands took the place of ours */
}

static void bury_worker(struct sx_supervisor *sup, struct sx_child *child, int status)
{
    if (is_expected(child, status))
        sx_log_line(sup->log, SX_LOG_INFO, NULL, "%s %u of generation %u (pid %d) has ended",
                    sx_child_noun(child), child->index, child->gen->number, (int)child->pid);
    else
        sx_obituary_log(sup, child, status);
}

static void leave_seat(const struct sx_supervisor *sup, const struct sx_child *child)
{
    struct sx_seat *seat = child->gen == NULL ? NULL : sx_generation_seat_of(child->gen, child);
    uint32_t delay_ms;

    if (seat == NULL)
        return;
    delay_ms = sx_seat_vacate(seat, child);
    if (child->gen == sup->current && delay_ms > 0)
        sx_log_line(sup->log, SX_LOG_WARNING, NULL,
                    "worker %u dies again and again: next try in "
                    "%u ms",
                    child->index, delay_ms);
}

/* Not a death that came from outside: a signal that nobody here has sent. */
static bool is_own_fault(const struct sx_child *child, int status)
{
    int signo = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

    if (child->kind != SX_CHILD_WORKER || is_expected(child, status))
        return false;
    if (signo == SIGKILL)
        return child->state == SX_CHILD_KILLED && child->reason != NULL;
    return signo != SIGTERM && signo != SIGINT && signo != SIGHUP && signo != SIGQUIT;
}

static void bury(struct sx_supervisor *sup, struct sx_child *child, int status)
{
    bool is_fault = is_own_fault(child, status);

    if (is_fault)
        sx_quarantine_count(sup, child);
    leave_seat(sup, child);
    if (child->kind == SX_CHILD_SUCCESSOR)
        bury_successor(sup, status);
    else if (child->kind == SX_CHILD_READER && child == sup->reader)
        sx_change_on_read(sup, status);
    else if (child->kind == SX_CHILD_READER)
        sx_reading_drop(sup, child);
    else if (sx_change_concerns(sup, child, is_fault))
        sx_change_on_exit(sup, child, status);
    else
        bury_worker(sup, child, status);
    sx_child_destroy(sup, child);
}

void sx_reaper_run(struct sx_supervisor *sup)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct sx_child *child = find_child(sup, pid);

        if (child == NULL) {
            sx_log_line(sup->log, SX_LOG_DEBUG, NULL, "orphan %d has ended", (int)pid);
            continue;
        }
        sx_supervisor_hear(sup, child); /* its last words */
        sx_stall_settle(sup, child);
        bury(sup, child, status);
    }
}
