/*
 * worker.h - a worker that does what the file "mode" of the fixture's folder says, and tells of it
 * through a FIFO.  SIGUSR2 makes any of them leave, as one does that has contained a fault.
 */
#ifndef SX_TESTS_SUPERVISOR_WORKER_H
#define SX_TESTS_SUPERVISOR_WORKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/error.h"
#include "board/board.h"
#include "board/control.h"
#include "board/packet.h"
#include "supervisor/supervisor.h"

#define FIXTURE_DIR "SX_FIXTURE_DIR"

/* --- paths and files --------------------------------------------------------------------- */

static inline const char *path_in(const char *dir, const char *name, char path[128])
{
    (void)snprintf(path, 128, "%s/%s", dir, name);
    return path;
}

static inline void write_text(const char *dir, const char *name, const char *text)
{
    char path[128];
    FILE *out = fopen(path_in(dir, name, path), "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static inline void read_text(const char *dir, const char *name, char *to, size_t size)
{
    char path[128];
    FILE *in = fopen(path_in(dir, name, path), "re");
    size_t n = in == NULL ? 0 : fread(to, 1, size - 1, in);

    if (in != NULL)
        (void)fclose(in);
    to[n] = '\0';
}

/* --- the worker -------------------------------------------------------------------------- */

struct fake {
    const char *dir;
    struct sx_control_spec spec;
    struct sx_board *board;
    bool is_checker;
    bool serves;
    char mode[32];
};

static inline void tell(const struct fake *w, const char *what, const char *more)
{
    char path[128];
    char line[256];
    int fd = open(path_in(w->dir, "events", path), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    int n = snprintf(line, sizeof line, "%s %u %u %d %s\n", what, w->spec.generation, w->spec.index,
                     (int)getpid(), more);

    if (fd < 0 || write(fd, line, (size_t)n) != n)
        abort();
    (void)close(fd);
}

/* "check=MODE worker=MODE"; without a file everything is ok. */
static inline void read_mode(struct fake *w)
{
    const char *role = w->is_checker ? "check=" : "worker=";
    char text[128];
    char *at;

    read_text(w->dir, "mode", text, sizeof text);
    at = strstr(text, role);
    (void)snprintf(w->mode, sizeof w->mode, "%.*s",
                   at == NULL ? 2 : (int)strcspn(at + strlen(role), " \n"),
                   at == NULL ? "ok" : at + strlen(role));
}

static inline bool is_mode(const struct fake *w, const char *mode)
{
    return strcmp(w->mode, mode) == 0;
}

/* As a worker does before it calls into a plugin. */
static inline void enter_plugin(const struct fake *w, uint32_t thread, uint64_t since_ns)
{
    struct sx_board_worker *slot = sx_board_worker_at(w->board, w->spec.slot);
    struct sx_board_thread *t = sx_board_thread_at(slot, thread);
    uint32_t plugin = sx_board_add_plugin(w->board, "crashy", "1.2.3", "feature/x@abc");
    uint32_t route = sx_board_add_route(w->board, plugin, "GET", "/crash/{how}");

    (void)strcpy(t->request_id, "req-77");
    sx_board_enter(t, plugin, route, 77, since_ns);
}

/* For the handlers of signals. */
static struct fake *fake_of_signals;

static inline void on_leave_signal(int signo)
{
    (void)signo;
    (void)sx_control_send(fake_of_signals->spec.control_fd, SX_CONTROL_LEAVING,
                          "a fault was contained");
}

/* Its loop is inside of a library, says so, and then comes back by itself.  The supervisor, which
 * stands still meanwhile, is late for its next look at the board. */
static inline void on_stall_signal(int signo)
{
    const uint64_t until_ns = sx_clock_mono_ns() + 100000000;

    (void)signal(signo, SIG_IGN);
    (void)kill(getppid(), SIGSTOP);
    (void)sx_control_send(fake_of_signals->spec.control_fd, SX_CONTROL_CRASHED,
                          "24 0x0 libc.so.6+0x3 plugin:crashy+0x1");
    sx_board_leave(sx_board_thread_at(
        sx_board_worker_at(fake_of_signals->board, fake_of_signals->spec.slot), 0));
    while (sx_clock_mono_ns() < until_ns)
        continue;
    (void)kill(getppid(), SIGCONT);
    tell(fake_of_signals, "back", "");
}

/* Between the lines of the supervisor. */
static inline void write_log(const struct fake *w, const char *line)
{
    char path[128];
    int fd = open(path_in(w->dir, "log", path), O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line))
        abort();
    (void)close(fd);
}

/* What is open besides the standard streams and what the spec names. */
static inline void tell_leaks(const struct fake *w)
{
    for (int fd = 3; fd < 256; fd++) {
        bool is_known = fd == w->spec.config_fd || fd == w->spec.plugins_fd ||
                        fd == w->spec.board_fd || fd == w->spec.control_fd;

        for (size_t i = 0; i < w->spec.n_listen; i++)
            is_known = is_known || fd == w->spec.listen_fds[i];
        if (is_known != (fcntl(fd, F_GETFD) >= 0))
            tell(w, "leak", "");
    }
}

static inline void wait_for_gate(const struct fake *w)
{
    char path[128];
    char byte;
    int fd = open(path_in(w->dir, "gate", path), O_RDONLY | O_CLOEXEC);

    if (fd < 0 || read(fd, &byte, 1) != 1)
        abort();
    (void)close(fd);
}

/* Before it is ready.  False: go on. */
static inline bool fake_start_ends(const struct fake *w, int *ret_exit)
{
    *ret_exit = 0;
    if (is_mode(w, "fail")) {
        (void)sx_control_send(w->spec.control_fd, SX_CONTROL_FAILED,
                              "plugin crashy: first sentence\nand a hint");
        *ret_exit = 2;
    } else if (is_mode(w, "exit1")) {
        *ret_exit = 1;
    } else if (is_mode(w, "die")) {
        enter_plugin(w, 0, 1);
        abort();
    } else if (is_mode(w, "fail1") && w->spec.index == 1) {
        (void)sx_control_send(w->spec.control_fd, SX_CONTROL_FAILED, "the second one fails");
        *ret_exit = 1;
    } else {
        while (is_mode(w, "hang") || (is_mode(w, "hang1") && w->spec.index == 1))
            (void)pause();
        if (is_mode(w, "gate") || (is_mode(w, "gate1") && w->spec.index == 1))
            wait_for_gate(w);
        return false;
    }
    return true;
}

static inline void make_orphan(const struct fake *w)
{
    pid_t child = fork();

    if (child == 0) {
        if (fork() == 0)
            wait_for_gate(w);
        _exit(0);
    }
    (void)waitpid(child, NULL, 0);
}

static inline void fake_serve(struct fake *w)
{
    w->serves = true;
    tell(w, "serving", w->mode);
    if (is_mode(w, "busy")) {
        enter_plugin(w, 0, 1);
        enter_plugin(w, 2, 1);
    } else if (is_mode(w, "scribble")) { /* a time that tells nothing, and no last words */
        (void)signal(SX_CONTROL_STALL_SIGNAL, SIG_IGN);
        enter_plugin(w, 0, UINT64_MAX);
    } else if (is_mode(w, "doze")) {
        (void)signal(SX_CONTROL_STALL_SIGNAL, on_stall_signal);
        enter_plugin(w, 0, 1);
    } else if (is_mode(w, "guilty")) {
        wait_for_gate(w);
        enter_plugin(w, 0, 1);
        abort();
    } else if (is_mode(w, "crash")) { /* last words, between what is none */
        (void)sx_control_send(w->spec.control_fd, SX_CONTROL_CRASHED,
                              "11 0xbad plugin:crashy+0x1 \x1b[31m no-place libc.so.6+0xffz ?+0x2 "
                              "libc.so.6+0x3");
        (void)kill(getpid(), SIGSEGV);
    } else if (is_mode(w, "leave")) {
        (void)sx_control_send(w->spec.control_fd, SX_CONTROL_LEAVING, "a fault was contained");
    } else if (is_mode(w, "rights")) {
        int rc = sx_packet_send(w->spec.control_fd, "ready", 5, &w->spec.board_fd, 1);

        tell(w, "sent", rc == 0 ? "0" : strerror(errno));
    } else if (is_mode(w, "nonsense")) {
        (void)sx_control_send(w->spec.control_fd, SX_CONTROL_STOP, NULL);
    }
}

/* True: it exits. */
static inline bool fake_hear(struct fake *w, const struct sx_control_message *m)
{
    char numbers[64];

    switch (m->kind) {
    case SX_CONTROL_SERVE: fake_serve(w); return false;
    case SX_CONTROL_DRAIN:
        (void)snprintf(numbers, sizeof numbers, "%u %u", m->delay_ms, m->grace_ms);
        tell(w, "drain", numbers);
        if (is_mode(w, "deaf"))
            return false;
        if (is_mode(w, "late"))
            write_log(w, "it closes late\n");
        (void)sx_control_send(w->spec.control_fd, SX_CONTROL_DRAINING, NULL);
        if (is_mode(w, "stubborn"))
            return false;
        if (is_mode(w, "slow") || is_mode(w, "leave"))
            wait_for_gate(w);
        (void)sx_control_send(w->spec.control_fd, SX_CONTROL_DRAINED, NULL);
        return true;
    case SX_CONTROL_REOPEN:
        (void)sx_control_adopt_output(m->fd);
        (void)printf("worker writes\n");
        (void)fflush(stdout);
        tell(w, "reopened", "");
        return false;
    case SX_CONTROL_QUARANTINE: tell(w, "quarantine", m->text); return false;
    case SX_CONTROL_RELEASE: tell(w, "release", m->text); return false;
    case SX_CONTROL_STREAMS: tell(w, "streams", m->text); return false;
    default: tell(w, "stop", ""); return true;
    }
}

/* Answers with its generation. */
static inline void fake_answer(const struct fake *w, int listen_fd)
{
    char text[16];
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    int n = snprintf(text, sizeof text, "%u", w->spec.generation);

    if (fd < 0)
        return;
    (void)send(fd, text, (size_t)n, MSG_NOSIGNAL);
    (void)close(fd);
}

static inline void fake_wait(const struct fake *w)
{
    struct pollfd fds[1 + SX_CONTROL_MAX_LISTEN];
    size_t n = 1;

    fds[0] = (struct pollfd){ .fd = w->spec.control_fd, .events = POLLIN };
    for (size_t i = 0; w->serves && i < w->spec.n_listen; i++)
        fds[n++] = (struct pollfd){ .fd = w->spec.listen_fds[i], .events = POLLIN };
    (void)poll(fds, n, -1);
    for (size_t i = 1; i < n; i++) {
        if (fds[i].revents != 0)
            fake_answer(w, fds[i].fd);
    }
}

static inline int fake_run(struct fake *w)
{
    struct sx_control_message m;

    (void)sx_control_send(w->spec.control_fd, SX_CONTROL_READY, NULL);
    for (;;) {
        int rc = sx_control_receive(w->spec.control_fd, &m);

        if (rc == 0 && fake_hear(w, &m))
            return 0;
        if (rc != 0 && rc != SX_ERR_BUSY) {
            tell(w, "abandoned", "");
            return 0;
        }
        if (rc == SX_ERR_BUSY)
            fake_wait(w);
    }
}

static inline int fake_main(char **argv)
{
    const struct rlimit no_core = { 0, 0 };
    struct fake w = { .dir = getenv(FIXTURE_DIR),
                      .is_checker = strcmp(argv[1], "check-worker") == 0 };
    int rc;

    (void)setrlimit(RLIMIT_CORE, &no_core);
    if (w.dir == NULL || sx_control_parse_spec(argv[2], &w.spec) != 0)
        return 99;
    tell_leaks(&w);
    if (sx_control_adopt_spec(&w.spec) != 0 || sx_board_attach(w.spec.board_fd, &w.board) != 0)
        return 98;
    fake_of_signals = &w;
    (void)signal(SIGUSR2, on_leave_signal);
    read_mode(&w);
    tell(&w, w.is_checker ? "checking" : "starting", w.mode);
    if (fake_start_ends(&w, &rc)) {
        ; /* as its mode says */
    } else if (w.is_checker) {
        if (!is_mode(&w, "quit")) /* as a plugin does that calls exit */
            (void)sx_control_send(w.spec.control_fd, SX_CONTROL_READY, NULL);
    } else {
        if (is_mode(&w, "orphan"))
            make_orphan(&w);
        rc = fake_run(&w);
    }
    sx_board_destroy(w.board);
    return rc;
}

#endif /* SX_TESTS_SUPERVISOR_WORKER_H */
