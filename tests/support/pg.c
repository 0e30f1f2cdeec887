/* support/pg.c - a private PostgreSQL for a test program. */
#include "pg.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { START_MS = 60000, LOOK_MS = 5 };

static const char *const bin_dirs[] = {
    "/usr/lib/postgresql/15/bin",
    "/usr/lib/postgresql/16/bin",
    "/usr/lib/postgresql/17/bin",
    "/usr/local/pgsql/bin",
    "/usr/bin",
    NULL,
};

static int complain(const char *what)
{
    (void)fprintf(stderr, "private PostgreSQL: %s: %s\n", what, strerror(errno));
    return -1;
}

const char *sx_test_pg_bin(void)
{
    const char *given = getenv("SX_TEST_PG_BIN");
    char path[256];

    if (given != NULL)
        return given;
    for (const char *const *dir = bin_dirs; *dir != NULL; dir++) {
        (void)snprintf(path, sizeof path, "%s/initdb", *dir);
        if (access(path, X_OK) == 0)
            return *dir;
    }
    return NULL;
}

/* PostgreSQL refuses to run as root. */
static const struct passwd *find_user(void)
{
    const struct passwd *user = getpwnam("postgres");

    return user != NULL ? user : getpwnam("nobody");
}

static void become_user(const char *dir)
{
    const struct passwd *user;

    if (geteuid() != 0)
        return;
    user = find_user();
    if (user == NULL || setgroups(0, NULL) != 0 || setgid(user->pw_gid) != 0 ||
        setuid(user->pw_uid) != 0)
        _exit(126);
    if (chdir(dir) != 0)
        _exit(126);
}

/* Runs a program of PostgreSQL as the cluster's user, with its output in DIR/log. */
static pid_t spawn(const char *dir, const char *program, char *argv[])
{
    char path[320], log[96];
    pid_t pid = fork();
    int fd;

    if (pid != 0)
        return pid;
    (void)snprintf(path, sizeof path, "%s/%s", sx_test_pg_bin(), program);
    (void)snprintf(log, sizeof log, "%s/log", dir);
    become_user(dir);
    (void)prctl(PR_SET_PDEATHSIG, SIGQUIT);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
        _exit(126);
    (void)setpgid(0, 0); /* a Ctrl-C is for the test, which then ends this */
    argv[0] = path;      /* by which it finds the other programs */
    (void)execv(path, argv);
    _exit(127);
}

static int await(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The postmaster writes "ready" into the eighth line of its pid file. */
static bool is_ready(const struct sx_test_pg *pg)
{
    char path[96], line[128], number[16];
    bool is_found = false, is_mine = false;
    FILE *in;

    (void)snprintf(path, sizeof path, "%s/data/postmaster.pid", pg->dir);
    (void)snprintf(number, sizeof number, "%d\n", (int)pg->pid);
    in = fopen(path, "re");
    if (in == NULL)
        return false;
    for (int i = 0; fgets(line, sizeof line, in) != NULL; i++) {
        is_mine |= i == 0 && strcmp(line, number) == 0;
        is_found |= i == 7 && strncmp(line, "ready", 5) == 0;
    }
    (void)fclose(in);
    return is_found && is_mine;
}

static void show_log(const struct sx_test_pg *pg)
{
    char path[96], line[512];
    FILE *in;

    (void)snprintf(path, sizeof path, "%s/log", pg->dir);
    in = fopen(path, "re");
    while (in != NULL && fgets(line, sizeof line, in) != NULL)
        (void)fputs(line, stderr);
    if (in != NULL)
        (void)fclose(in);
}

static pid_t spawn_server(const struct sx_test_pg *pg)
{
    char data[96], sockets[128];
    char *argv[] = { "postgres",
                     "-D",
                     data,
                     "-c",
                     sockets,
                     "-c",
                     "listen_addresses=",
                     "-c",
                     "fsync=off",
                     "-c",
                     "max_connections=60",
                     "-c",
                     "shared_buffers=16MB",
                     "-c",
                     "max_prepared_transactions=2",
                     NULL };

    (void)snprintf(data, sizeof data, "%s/data", pg->dir);
    (void)snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", pg->dir);
    return spawn(pg->dir, "postgres", argv);
}

/* After a kill the memory of the old server may still be held: then it is tried again. */
int sx_test_pg_restart(struct sx_test_pg *pg)
{
    for (int waited_ms = 0; waited_ms < START_MS; waited_ms += LOOK_MS) {
        if (pg->pid == 0)
            pg->pid = spawn_server(pg);
        if (pg->pid < 0)
            return complain("fork");
        if (is_ready(pg))
            return 0;
        if (waitpid(pg->pid, NULL, WNOHANG) == pg->pid)
            pg->pid = 0;
        (void)poll(NULL, 0, LOOK_MS);
    }
    show_log(pg);
    errno = ETIMEDOUT;
    return complain("start");
}

static int init_cluster(const struct sx_test_pg *pg)
{
    char data[96];
    char *argv[] = { "initdb", "-D", data,   "-U",          "postgres", "-A",
                     "trust",  "-E", "UTF8", "--no-locale", "-N",       NULL };

    (void)snprintf(data, sizeof data, "%s/data", pg->dir);
    if (await(spawn(pg->dir, "initdb", argv)) == 0)
        return 0;
    show_log(pg);
    return complain("initdb");
}

static int make_dir(struct sx_test_pg *pg)
{
    const struct passwd *user = find_user();

    (void)snprintf(pg->dir, sizeof pg->dir, "/tmp/sxpg-XXXXXX");
    if (mkdtemp(pg->dir) == NULL)
        return complain(pg->dir);
    if (geteuid() == 0 && (user == NULL || chown(pg->dir, user->pw_uid, user->pw_gid) != 0))
        return complain("no user to run it");
    return 0;
}

int sx_test_pg_start(struct sx_test_pg *pg, bool must_be_private)
{
    const char *url = getenv("SX_TEST_DATABASE_URL");

    memset(pg, 0, sizeof *pg);
    if (url != NULL && !must_be_private) {
        (void)snprintf(pg->url, sizeof pg->url, "%s", url);
        return 0;
    }
    if (sx_test_pg_bin() == NULL) {
        errno = ENOENT;
        return complain("initdb");
    }
    pg->is_private = true;
    if (make_dir(pg) < 0 || init_cluster(pg) < 0 || sx_test_pg_restart(pg) < 0) {
        sx_test_pg_finish(pg);
        return -1;
    }
    (void)snprintf(pg->url, sizeof pg->url, "host=%s user=postgres dbname=postgres", pg->dir);
    return 0;
}

static void end(struct sx_test_pg *pg, int signal)
{
    if (pg->pid <= 0)
        return;
    (void)kill(pg->pid, signal);
    (void)await(pg->pid);
    pg->pid = 0;
}

void sx_test_pg_stop(struct sx_test_pg *pg)
{
    end(pg, SIGINT);
}

void sx_test_pg_kill(struct sx_test_pg *pg)
{
    end(pg, SIGKILL);
}

void sx_test_pg_finish(struct sx_test_pg *pg)
{
    char *argv[] = { "rm", "-rf", pg->dir, NULL };
    pid_t pid;

    if (!pg->is_private)
        return;
    end(pg, SIGQUIT);
    pid = fork();
    if (pid == 0) {
        (void)execv("/bin/rm", argv);
        _exit(127);
    }
    (void)await(pid);
    memset(pg, 0, sizeof *pg);
}

/* --- for groups of tests ---------------------------------------------------------- */

static struct sx_test_pg group_pg;

int sx_test_pg_setup(void **state)
{
    *state = &group_pg;
    return sx_test_pg_start(&group_pg, false);
}

int sx_test_pg_setup_private(void **state)
{
    *state = &group_pg;
    return sx_test_pg_start(&group_pg, true);
}

int sx_test_pg_teardown(void **state)
{
    sx_test_pg_finish(*state);
    return 0;
}
