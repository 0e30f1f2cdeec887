/*
 * supervisor/spawn.c - fork and exec of a worker.
 *
 * The log has a thread, so the child may only call what is async-signal-safe, or nothing but a
 * system call.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "board/control.h"
#include "supervisor/signals.h"
#include "supervisor/supervisor_private.h"

#define EXIT_NOT_EXECUTED 127
#define PATIENCE          10 /* a tenth of the CPU beside one that wants all of it */

/* Whatever a library or our parent left open is closed too. */
static void keep_only(const int *keep, size_t n_keep)
{
    (void)close_range(STDERR_FILENO + 1, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    for (size_t i = 0; i < n_keep; i++)
        (void)fcntl(keep[i], F_SETFD, 0);
}

static void tell_errno(int control_fd)
{
    static const char text[] = "the program of the worker cannot be executed: ";
    const char *what = strerrordesc_np(errno);
    char reason[256];
    size_t len = what == NULL ? 0 : strnlen(what, sizeof reason - sizeof text);

    memcpy(reason, text, sizeof text - 1);
    if (len > 0)
        memcpy(reason + sizeof text - 1, what, len);
    reason[sizeof text - 1 + len] = '\0';
    (void)sx_control_send(control_fd, SX_CONTROL_FAILED, reason);
}

pid_t sx_spawn_worker(const struct sx_spawn *spawn)
{
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    keep_only(spawn->keep, spawn->n_keep);
    sx_signals_prepare_worker();
    if (spawn->heeds_term)
        (void)signal(SIGTERM, SIG_DFL);
    if (spawn->is_patient)
        (void)setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + PATIENCE);
    (void)fexecve(spawn->exe_fd, spawn->argv, spawn->envp);
    tell_errno(spawn->control_fd);
    _exit(EXIT_NOT_EXECUTED);
}
