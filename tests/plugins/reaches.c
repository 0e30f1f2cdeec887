/*
 * reaches - asks the kernel for what a server needs not, one route a reach: /reach/WHAT, with
 * ?path=.
 */
#include <sx/plugin.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each returns 0, or what errno says. */
struct reach {
    const char *what;
    int (*attempt)(const char *path);
};

static int outcome(long rc)
{
    return rc < 0 ? errno : 0;
}

static int run_program(const char *path)
{
    char *argv[] = { (char *)(uintptr_t)path, NULL };

    return outcome(execv(path, argv));
}

static int run_shell(const char *path)
{
    return outcome(system(path)); /* NOLINT: it is meant */
}

static int fork_off(const char *path)
{
    pid_t pid = fork();

    (void)path;
    if (pid == 0)
        _exit(0);
    return pid > 0 ? outcome(waitpid(pid, NULL, 0)) : errno;
}

static int trace_parent(const char *path)
{
    (void)path;
    return outcome(ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int kill_parent(const char *path)
{
    (void)path;
    return outcome(kill(getppid(), SIGKILL));
}

static int starve_parent(const char *path)
{
    const struct rlimit none = { 0 };

    (void)path;
    return outcome(prlimit(getppid(), RLIMIT_NOFILE, &none, NULL));
}

static int become_root(const char *path)
{
    (void)path;
    return outcome(setuid(0));
}

static int leave_namespace(const char *path)
{
    (void)path;
    return outcome(syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */));
}

static int open_family(int family, int type)
{
    int fd = socket(family, type, 0);

    if (fd < 0)
        return errno;
    return outcome(close(fd));
}

static int open_packets(const char *path)
{
    (void)path;
    return open_family(AF_PACKET, SOCK_RAW);
}

static int open_stream(const char *path)
{
    (void)path;
    return open_family(AF_INET, SOCK_STREAM);
}

static int listen_anywhere(const char *path)
{
    struct sockaddr_in any = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM, 0), err;

    (void)path;
    if (fd < 0)
        return errno;
    err = outcome(bind(fd, (struct sockaddr *)&any, sizeof any));
    (void)close(fd);
    return err;
}

static int read_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    return fd < 0 ? errno : outcome(close(fd));
}

static int write_file(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    return fd < 0 ? errno : outcome(close(fd));
}

static int remove_file(const char *path)
{
    return outcome(unlink(path));
}

static int map_code(const char *path)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)path;
    return at == MAP_FAILED ? errno : outcome(munmap(at, 4096));
}

static int make_code(const char *path)
{
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int err;

    (void)path;
    if (at == MAP_FAILED)
        return errno;
    err = outcome(mprotect(at, 4096, PROT_READ | PROT_EXEC));
    (void)munmap(at, 4096);
    return err;
}

static int resolve(const char *path)
{
    struct addrinfo *found = NULL;
    int rc = getaddrinfo(path, "5432", NULL, &found);

    if (rc == 0)
        freeaddrinfo(found);
    return rc == 0 ? 0 : 1;
}

/* A command to the supervisor: "done" is that it was taken. */
static int command(const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    char answer[1];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0), err;

    if (fd < 0 || strlen(path) >= sizeof a.sun_path)
        return EINVAL;
    strcpy(a.sun_path, path);
    err = outcome(connect(fd, (struct sockaddr *)&a, sizeof a));
    if (err == 0)
        err = outcome(send(fd, "status\n", 7, MSG_NOSIGNAL));
    if (err == 0)
        err = read(fd, answer, 1) == 1 ? 0 : EPIPE;
    (void)close(fd);
    return err;
}

static void *do_nothing(void *arg)
{
    return arg;
}

static int start_thread(const char *path)
{
    pthread_t thread;
    int err = pthread_create(&thread, NULL, do_nothing, NULL);

    (void)path;
    return err != 0 ? err : pthread_join(thread, NULL);
}

/* By an instruction of its own, so that no library stands between. */
static int inlined(const char *path)
{
#if defined(__x86_64__)
    long rc;

    (void)path;
    __asm__ volatile("syscall"
                     : "=a"(rc)
                     : "0"((long)SYS_keyctl), "D"(0L), "S"(0L), "d"(0L)
                     : "rcx", "r11", "memory");
    return rc < 0 ? (int)-rc : 0;
#else
    (void)path;
    return outcome(syscall(SYS_keyctl, 0, 0, 0));
#endif
}

static const struct reach reaches[] = {
    { "program", run_program }, { "shell", run_shell },         { "fork", fork_off },
    { "trace", trace_parent },  { "kill", kill_parent },        { "starve", starve_parent },
    { "root", become_root },    { "unshare", leave_namespace }, { "packets", open_packets },
    { "stream", open_stream },  { "listen", listen_anywhere },  { "read", read_file },
    { "write", write_file },    { "remove", remove_file },      { "map", map_code },
    { "make", make_code },      { "resolve", resolve },         { "thread", start_thread },
    { "inlined", inlined },     { "command", command },
};

static int reach(sx_req *r)
{
    const char *what = sx_path_text(r, "what"), *path = sx_arg_text(r, "path");

    for (size_t i = 0; i < sizeof reaches / sizeof reaches[0]; i++) {
        if (strcmp(reaches[i].what, what) == 0) {
            int err = reaches[i].attempt(path != NULL ? path : "");

            return sx_reply_text(r, 200, err == 0 ? "done" : strerrorname_np(err));
        }
    }
    return sx_fail(r, 404, "no_such_reach", "what: unknown value \"%s\"", what);
}

static int reach_blocking(sx_req *r, sx_db *db)
{
    (void)db;
    return reach(r);
}

/* What a checker may do, a plugin finds out when it is checked. */
static int check(sx_plugin *p)
{
    const char *what = sx_config_text(p, "check");

    for (size_t i = 0; what != NULL && i < sizeof reaches / sizeof reaches[0]; i++)
        if (strcmp(reaches[i].what, what) == 0)
            sx_log(p, SX_INFO, "in the check: %s: %d", what, reaches[i].attempt("/"));
    return SX_OK;
}

static const sx_option options[] = {
    { .name = "check", .type = SX_TEXT, .doc = "What its check function tries" },
    { 0 },
};

static const sx_field path_params[] = {
    { .name = "path", .in = SX_IN_QUERY, .type = SX_TEXT, .doc = "Of a file, a program or a host" },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET",
      .path = "/reach/{what}",
      .handler = reach,
      .params = path_params,
      .summary = "Ask the kernel on the loop" },
    { .method = "GET",
      .path = "/pool/reach/{what}",
      .blocking = reach_blocking,
      .params = path_params,
      .summary = "Ask the kernel on a thread" },
    { 0 },
};

SX_PLUGIN("reaches", "1.0.0", .summary = "Asks the kernel for what a server needs not",
          .needs = SX_CAP_BLOCKING, .routes = routes, .options = options, .check = check);
