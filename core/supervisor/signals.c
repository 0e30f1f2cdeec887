/* supervisor/signals.c - a signalfd, and its undoing in children. */
#include "supervisor/signals.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/error.h"
#include "supervisor/supervisor.h"

static const int listened[] = {
    SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGTTIN, SIGTTOU, SIGCHLD,
};
#define N_LISTENED (sizeof listened / sizeof listened[0])

static void fill_set(sigset_t *set)
{
    (void)sigemptyset(set);
    for (size_t i = 0; i < N_LISTENED; i++)
        (void)sigaddset(set, listened[i]);
}

static void set_all(void (*handler)(int))
{
    for (size_t i = 0; i < N_LISTENED; i++)
        (void)signal(listened[i], handler);
}

void sx_supervisor_hold_signals(void)
{
    sigset_t set;

    fill_set(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

int sx_signals_open(int *ret_fd)
{
    sigset_t set;
    int fd;

    fill_set(&set);
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return SX_ERR_IO;
    set_all(SIG_DFL); /* a shell's nohup, or a SIGCHLD ignored by whoever started us */
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return SX_ERR_IO;
    *ret_fd = fd;
    return 0;
}

void sx_signals_close(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

int sx_signals_next(int fd)
{
    struct signalfd_siginfo info;

    return read(fd, &info, sizeof info) == (ssize_t)sizeof info ? (int)info.ssi_signo : 0;
}

static void unblock_all(void)
{
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

void sx_signals_prepare_worker(void)
{
    set_all(SIG_IGN);
    (void)signal(SIGCHLD, SIG_DFL);
    unblock_all();
}

void sx_signals_prepare_successor(void)
{
    set_all(SIG_DFL);
    unblock_all();
}
