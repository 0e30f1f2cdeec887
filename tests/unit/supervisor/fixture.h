/*
 * fixture.h - a supervisor in a process of its own, with workers made of this test program.
 *
 * The workers behave as the file "mode" of the fixture's folder says and tell what happens to
 * them through a FIFO; the log is another FIFO.  Tests wait for what they read there, so there
 * is no sleep; a watchdog ends a test that waits for ever.
 */
#ifndef SX_TESTS_SUPERVISOR_FIXTURE_H
#define SX_TESTS_SUPERVISOR_FIXTURE_H

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

#include "base/error.h"
#include "board/board.h"
#include "board/control.h"
#include "supervisor/copies.h"
#include "supervisor/parcel.h"
#include "supervisor/supervisor.h"
#include "worker.h"

#define WATCHDOG_S 120
#define MAX_KEPT   64

struct lines {
    int fd;
    size_t len;
    char data[65536];
};

struct event {
    char what[32];
    unsigned generation, index;
    int pid;
    char more[128];
};

struct fixture {
    char dir[48];
    struct lines events;         /* "WHAT GENERATION INDEX PID", from the workers */
    struct event kept[MAX_KEPT]; /* read, but not yet asked for */
    size_t n_kept;
    struct lines log;
    int gate_fd;
    pid_t pid;             /* of the supervisor; 0: none now */
    const char *forbidden; /* an event that must not be; NULL: none */
};

/* --- the supervisor ---------------------------------------------------------------------- */

static inline int load_config(const char *dir, struct sx_report *rep, struct sx_config **ret_config)
{
    const struct sx_config_source src = { .dir = dir, .env = "development" };

    return sx_config_load(&src, rep, ret_config);
}

/* Does not return. */
static inline void supervisor_main(char *dir)
{
    char program[] = "supervisor-test";
    char again[] = "supervise";
    char *argv[] = { program, again, dir, NULL };
    char path[128];
    int log_fd = open(path_in(dir, "log", path),
                      O_WRONLY); /* inheritable: must not reach workers */
    struct sx_log_settings log = {
        .fd = log_fd, .format = SX_LOG_TEXT, .level = SX_LOG_DEBUG, .process = "supervisor"
    };
    char *const reader_options[] = { dir, NULL };
    struct sx_supervisor_settings set = { .reader_options = reader_options, .argv = argv };
    struct sx_report rep;
    int rc = 99;

    (void)alarm(WATCHDOG_S);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    (void)setenv(FIXTURE_DIR, dir, 1);
    if (freopen(path_in(dir, "errors", path), "a", stderr) == NULL)
        abort();
    if (freopen(path_in(dir, "output", path), "a", stdout) == NULL)
        abort();
    sx_report_init(&rep);
    if (load_config(dir, &rep, &set.config) == 0 && sx_log_create(&log, &set.log) == 0)
        rc = sx_supervisor_run(&set);
    sx_report_print(&rep, stderr);
    sx_report_finish(&rep);
    sx_log_destroy(set.log);
    (void)close(log_fd);
    exit(rc);
}

static inline void start(struct fixture *f)
{
    f->pid = fork();
    assert_true(f->pid >= 0);
    if (f->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        supervisor_main(f->dir);
    }
}

/* server: further keys of "server", each followed by a comma.  One worker, unless it says so. */
static inline void configure(struct fixture *f, const char *server)
{
    char text[1024];

    (void)snprintf(text, sizeof text,
                   "{ \"server\": { %s %s \"address\": \"unix:%s/a.sock\", "
                   "\"state_dir\": \"%s/state\" } }\n",
                   strstr(server, "\"workers\"") == NULL ? "\"workers\": 1," : "", server, f->dir,
                   f->dir);
    write_text(f->dir, "development.json", text);
}

/* base.json with a plugin that the workers say they run, and further keys.  Any file is good
 * enough: the supervisor looks into none. */
static inline void enable_crashy(struct fixture *f, const char *more)
{
    char text[1024];

    write_text(f->dir, "crashy.so", "no plugin");
    (void)snprintf(text, sizeof text,
                   "{ \"plugins\": { \"crashy\": { \"enabled\": true, \"path\": \"%s/crashy.so\" } "
                   "}%s }\n",
                   f->dir, more);
    write_text(f->dir, "base.json", text);
}

static inline int make_fifo(const char *dir, const char *name)
{
    char path[128];

    if (mkfifo(path_in(dir, name, path), 0600) != 0)
        return -1;
    return open(path, O_RDWR | O_CLOEXEC); /* so it has no end of file */
}

static inline int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    if (f == NULL)
        return -1;
    (void)alarm(WATCHDOG_S);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* a successor is ours to wait for */
    (void)strcpy(f->dir, "/tmp/sx-supervisor-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    f->events.fd = make_fifo(f->dir, "events");
    f->log.fd = make_fifo(f->dir, "log");
    f->gate_fd = make_fifo(f->dir, "gate");
    write_text(f->dir, "base.json", "{}\n");
    configure(f, "\"workers\": 1,");
    *state = f;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[128];

    if (f->pid > 0) {
        (void)kill(f->pid, SIGKILL);
        (void)waitpid(f->pid, NULL, 0);
    }
    (void)close(f->events.fd);
    (void)close(f->log.fd);
    (void)close(f->gate_fd);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    free(f);
    return system(command);
}

/* --- what tests wait for ----------------------------------------------------------------- */

static inline void next_line(struct lines *l, char *line, size_t size)
{
    char *end;
    size_t len;

    while ((end = memchr(l->data, '\n', l->len)) == NULL) {
        ssize_t n;

        assert_true(l->len < sizeof l->data);
        n = read(l->fd, l->data + l->len, sizeof l->data - l->len);
        assert_true(n > 0);
        l->len += (size_t)n;
    }
    len = (size_t)(end - l->data);
    (void)snprintf(line, size, "%.*s", (int)len, l->data);
    l->len -= len + 1;
    memmove(l->data, end + 1, l->len);
}

static inline void read_event(struct fixture *f, struct event *e)
{
    char line[256];

    next_line(&f->events, line, sizeof line);
    *e = (struct event){ .pid = 0 };
    assert_true(sscanf(line, "%31s %u %u %d %127[^\n]", e->what, &e->generation, &e->index, &e->pid,
                       e->more) >= 4);
    assert_string_not_equal(e->what, "leak");
    if (f->forbidden != NULL)
        assert_string_not_equal(e->what, f->forbidden);
}

/* The first event of that name that no test has asked for yet: processes tell theirs in any
 * order. */
static inline struct event expect_event(struct fixture *f, const char *what)
{
    for (size_t i = 0;; i++) {
        struct event e;

        assert_true(i < MAX_KEPT);
        if (i == f->n_kept)
            read_event(f, &f->kept[f->n_kept++]);
        if (strcmp(f->kept[i].what, what) != 0)
            continue;
        e = f->kept[i];
        f->n_kept--;
        memmove(&f->kept[i], &f->kept[i + 1], (f->n_kept - i) * sizeof e);
        return e;
    }
}

/* The next line of the log with that part. */
static inline void expect_log_line(struct fixture *f, const char *part, char *line, size_t size)
{
    do
        next_line(&f->log, line, size);
    while (strstr(line, part) == NULL);
}

static inline void expect_log(struct fixture *f, const char *part)
{
    char line[4096];

    expect_log_line(f, part, line, sizeof line);
}

/* Without the notes of the leak checker, which meets threads that are just ending. */
static inline void read_errors(struct fixture *f, char *text, size_t size)
{
    char *to = text, *next;

    read_text(f->dir, "errors", text, size);
    for (char *line = text; *line != '\0'; line = next) {
        next = line + strcspn(line, "\n");
        next += *next == '\n';
        if (strncmp(line, "==", 2) == 0 && strstr(line, "Unable to get registers") != NULL)
            continue;
        memmove(to, line, (size_t)(next - line));
        to += next - line;
    }
    *to = '\0';
}

static inline void expect_error(struct fixture *f, const char *part)
{
    char text[8192];

    read_text(f->dir, "errors", text, sizeof text);
    if (strstr(text, part) == NULL)
        fail_msg("expected \"%s\" on standard error, found \"%s\"", part, text);
}

/* One worker that waits, or will wait, goes on. */
static inline void open_gate(struct fixture *f)
{
    assert_int_equal(write(f->gate_fd, "x", 1), 1);
}

static inline void signal_it(struct fixture *f, int signo)
{
    assert_int_equal(kill(f->pid, signo), 0);
}

static inline void expect_exit(struct fixture *f, int code)
{
    int status = -1;

    assert_int_equal(waitpid(f->pid, &status, 0), f->pid);
    f->pid = 0;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != code) {
        expect_error(f, "(what the supervisor said)");
        fail_msg("expected exit code %d, found status 0x%x", code, (unsigned)status);
    }
}

static inline void stop_and_expect(struct fixture *f, int signo, int code)
{
    signal_it(f, signo);
    expect_exit(f, code);
}

/* A connection to a unix socket of the fixture, or -errno. */
static inline int connect_to(struct fixture *f, const char *socket_name)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(un.sun_path, sizeof un.sun_path, "%s/%s", f->dir, socket_name);
    if (connect(fd, (struct sockaddr *)&un, sizeof un) != 0) {
        int saved = errno;

        (void)close(fd);
        return -saved;
    }
    return fd;
}

/* What the server answers to a command that came through fd; closes fd. */
static inline void read_verdict(int fd, char *text, size_t size)
{
    size_t len = 0;
    ssize_t n;

    while ((n = recv(fd, text + len, size - 1 - len, 0)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    (void)close(fd);
}

/* Gives a command through a socket of the fixture; the connection waits for the answer. */
static inline int command(struct fixture *f, const char *socket_name, const char *line)
{
    int fd = connect_to(f, socket_name);

    assert_true(fd >= 0);
    assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), strlen(line));
    return fd;
}

static inline void expect_verdict(int fd, const char *expected)
{
    char text[4096];

    read_verdict(fd, text, sizeof text);
    assert_string_equal(text, expected);
}

/* The generation that answers; closes fd. */
static inline int read_answer(int fd)
{
    char text[16];
    ssize_t n = recv(fd, text, sizeof text - 1, 0);

    (void)close(fd);
    assert_true(n > 0);
    text[n] = '\0';
    return atoi(text);
}

/* The generation that answers, or -errno. */
static inline int ask(struct fixture *f, const char *socket_name)
{
    int fd = connect_to(f, socket_name);

    return fd < 0 ? fd : read_answer(fd);
}

/* What a reader hands over for it. */
static inline int send_copies(int fd, const struct sx_config *cfg)
{
    struct sx_copies copies = { .list_fd = -1 };
    struct sx_report notices, faults;
    int rc;

    sx_report_init(&notices);
    sx_report_init(&faults);
    rc = sx_copies_create(cfg, &notices, &faults, &copies);
    rc = sx_parcel_send(fd, rc == 0 ? &copies : NULL, &notices, &faults);
    sx_copies_destroy(&copies);
    sx_report_finish(&faults);
    sx_report_finish(&notices);
    return rc;
}

/* PROGRAM read-config TEXT PARCEL DIR, as its "reader=" in the file mode says. */
static inline int reader_main(int fd, int parcel_fd, const char *dir)
{
    struct sx_config *cfg = NULL;
    struct sx_report rep;
    char mode[128], *text;
    int rc = 2;

    read_text(dir, "mode", mode, sizeof mode);
    if (strstr(mode, "reader=die") != NULL)
        (void)raise(SIGKILL);
    if (strstr(mode, "reader=hang") != NULL)
        tell(&(struct fake){ .dir = dir }, "reading", "");
    while (strstr(mode, "reader=hang") != NULL)
        (void)pause();
    sx_report_init(&rep);
    if (load_config(dir, &rep, &cfg) == 0 && (text = sx_config_dump(cfg)) != NULL) {
        rc = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : 2;
        free(text);
        if (strstr(mode, "reader=forget") == NULL && send_copies(parcel_fd, cfg) != 0)
            rc = 3;
    }
    for (size_t i = 0; i < rep.n_faults; i++)
        if (write(fd, rep.faults[i], strlen(rep.faults[i]) + 1) < 0)
            rc = 3;
    sx_config_destroy(cfg);
    sx_report_finish(&rep);
    return rc;
}

/* main of each program that uses this. */
static inline int fixture_main(int argc, char **argv, int (*run_group)(void))
{
    if (argc > 2 && strcmp(argv[1], "supervise") == 0)
        supervisor_main(argv[2]);
    if (argc > 4 && strcmp(argv[1], "read-config") == 0)
        return reader_main(atoi(argv[2]), atoi(argv[3]), argv[4]);
    return argc > 2 ? fake_main(argv) : run_group();
}

#endif /* SX_TESTS_SUPERVISOR_FIXTURE_H */
