/*
 * secret/open.c - the process that maps the module, asks, and ends.
 *
 * It is forked from one that has no other thread: a command, the start of the server, the reader
 * of a reload.
 */
#include "secret/secret.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

#define EXIT_WITHOUT_MODULE 3

/* --- in the child ---------------------------------------------------------------------------- */

static const struct sx_secret_module *open_module(void)
{
    char *path = sx_file_beside_program("sx_secret.so");
    void *handle = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const struct sx_secret_module *module = handle == NULL ? NULL
                                                           : dlsym(handle, "sx_secret_module");

    if (handle == NULL)
        (void)fprintf(stderr, "%s: cannot be loaded: %s\n", path != NULL ? path : "sx_secret.so",
                      path != NULL ? dlerror() : "no memory");
    else if (module == NULL || module->size != sizeof *module) {
        (void)fprintf(stderr, "%s: is not the module of secrets of this version\n", path);
        module = NULL;
    }
    free(path);
    return module;
}

/* It holds a token: no core, nobody looks into it, and it does not outlive who waits for it. */
static void guard_child(pid_t parent)
{
    const struct rlimit none = { 0, 0 };

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
    (void)signal(SIGPIPE, SIG_IGN);
    if (getppid() != parent)
        _exit(EXIT_FAILURE);
}

static int work(const struct sx_secret_settings *set, const char *const *references, size_t n,
                int fd)
{
    const struct sx_secret_module *module = open_module();
    struct sx_secret_answer *answers = calloc(n, sizeof *answers);
    int code = module == NULL ? EXIT_WITHOUT_MODULE : EXIT_FAILURE;

    if (module != NULL && answers != NULL && module->fetch(set, references, n, answers) == 0 &&
        sx_secret_answers_write(fd, answers, n) == 0)
        code = EXIT_SUCCESS;
    for (size_t i = 0; answers != NULL && i < n; i++)
        sx_secret_answer_finish(&answers[i]);
    free(answers);
    return code;
}

/* --- equal references ---------------------------------------------------------------------- */

/* The reference without its destination: what tells one secret from another. */
static char *plain_form(const char *reference)
{
    const size_t before = strcspn(reference, "?#");
    const char *fragment = strchr(reference, '#');
    char *text;

    return asprintf(&text, "%.*s%s", (int)before, reference, fragment != NULL ? fragment : "") < 0
               ? NULL
               : text;
}

struct batch {
    char **references; /* owned; different ones */
    size_t n;
    size_t *which; /* of each secret */
    struct sx_secret_answer *answers;
};

static int batch_init(struct batch *b, const struct sx_secret *secrets, size_t n)
{
    *b = (struct batch){ .references = calloc(n, sizeof *b->references),
                         .which = calloc(n, sizeof *b->which),
                         .answers = calloc(n, sizeof *b->answers) };
    if (b->references == NULL || b->which == NULL || b->answers == NULL)
        return SX_ERR_NOMEM;
    for (size_t i = 0; i < n; i++) {
        char *plain = plain_form(secrets[i].reference);
        size_t k = 0;

        if (plain == NULL)
            return SX_ERR_NOMEM;
        while (k < b->n && strcmp(b->references[k], plain) != 0)
            k++;
        if (k < b->n)
            free(plain);
        else
            b->references[b->n++] = plain;
        b->which[i] = k;
    }
    return 0;
}

static void batch_finish(struct batch *b)
{
    for (size_t k = 0; k < b->n; k++) {
        sx_secret_answer_finish(&b->answers[k]);
        free(b->references[k]);
    }
    free(b->references);
    free(b->which);
    free(b->answers);
}

/* --- in the parent --------------------------------------------------------------------------- */

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) /* who started us ignores SIGCHLD: it has gone without a status */
            return errno == ECHILD ? 0 : SX_ERR_IO;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : SX_ERR_IO;
}

/* Those that end us, and are not ignored. */
static void fill_ends(sigset_t *set)
{
    static const int ends[] = { SIGTERM, SIGINT, SIGQUIT };
    struct sigaction how;

    (void)sigemptyset(set);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (sigaction(ends[i], NULL, &how) == 0 && how.sa_handler != SIG_IGN)
            (void)sigaddset(set, ends[i]);
}

/* Until the first byte of an answer is there, or the end; else the signal that came before. */
static int await(int fd, const sigset_t *ends)
{
    struct pollfd on[] = { { .fd = fd, .events = POLLIN },
                           { .fd = signalfd(-1, ends, SFD_CLOEXEC), .events = POLLIN } };
    struct signalfd_siginfo info;
    int signo = 0;

    while (poll(on, sizeof on / sizeof on[0], -1) < 0 && errno == EINTR)
        ;
    if (on[1].revents != 0 && read(on[1].fd, &info, sizeof info) == (ssize_t)sizeof info)
        signo = (int)info.ssi_signo;
    if (on[1].fd >= 0)
        (void)close(on[1].fd);
    return signo;
}

/* As if nobody had waited; and so does the first process of a container, whom no default ends. */
static void end_by(int signo)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, signo);
    (void)sigprocmask(SIG_UNBLOCK, &set, NULL);
    (void)raise(signo);
    _exit(128 + signo);
}

static void ask_in_child(const struct sx_secret_settings *set, struct batch *b, int fd,
                         pid_t parent)
{
    int code;

    guard_child(parent);
    code = work(set, (const char *const *)b->references, b->n, fd);
    batch_finish(b);
    exit(code);
}

/* ends is blocked. */
static int hear(pid_t pid, int fd, const sigset_t *ends, struct batch *b)
{
    int signo = await(fd, ends);
    int err = signo != 0 ? SX_ERR_IO : sx_secret_answers_read(fd, b->answers, b->n);

    if (signo != 0)
        (void)kill(pid, SIGKILL);
    if (wait_for(pid) != 0)
        err = SX_ERR_IO;
    if (signo != 0)
        end_by(signo);
    return err;
}

/* An answer for each of the batch, or a failure. */
static int ask(const struct sx_secret_settings *set, struct batch *b)
{
    const pid_t self = getpid();
    sigset_t ends, old;
    int fds[2], err;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) != 0)
        return SX_ERR_IO;
    fill_ends(&ends);
    (void)sigprocmask(SIG_BLOCK, &ends, &old);
    (void)fflush(NULL);
    pid = fork();
    if (pid == 0) {
        (void)close(fds[0]);
        ask_in_child(set, b, fds[1], self);
    }
    (void)close(fds[1]);
    err = pid < 0 ? SX_ERR_IO : hear(pid, fds[0], &ends, b);
    (void)close(fds[0]);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    return err;
}

static int take(const struct sx_secret_answer *from, struct sx_secret *to)
{
    to->value = malloc(from->len + 1);
    to->version = strdup(from->version != NULL ? from->version : "");
    if (to->value == NULL || to->version == NULL)
        return SX_ERR_NOMEM;
    memcpy(to->value, from->value, from->len);
    to->value[from->len] = '\0';
    to->len = from->len;
    return 0;
}

int sx_secrets_fetch(const struct sx_secret_settings *set, struct sx_secret *secrets, size_t n,
                     struct sx_report *rep)
{
    const size_t n_faults = rep->n_faults;
    struct batch b;
    int err = n == 0 ? 0 : batch_init(&b, secrets, n);

    if (n == 0)
        return 0;
    if (err == 0)
        err = ask(set, &b);
    for (size_t i = 0; err == 0 && i < n; i++) {
        const struct sx_secret_answer *answer = &b.answers[b.which[i]];

        if (answer->fault != NULL)
            sx_report_add(rep, "%s: %s: %s", secrets[i].place, secrets[i].reference, answer->fault);
        else
            err = take(answer, &secrets[i]);
    }
    if (err != 0)
        sx_report_add(rep, "%s: %s: no secret could be asked for: %s", secrets[0].place,
                      secrets[0].reference,
                      err == SX_ERR_NOMEM ? "no memory" : "the process that asks has failed");
    batch_finish(&b);
    return rep->n_faults == n_faults ? 0 : SX_ERR_INVALID;
}

int sx_secrets_resolve(void *arg, const struct sx_secret_settings *set, struct sx_secret *secrets,
                       size_t n, struct sx_report *rep)
{
    int err = sx_secrets_fetch(set, secrets, n, rep);

    (void)arg;
    return err != 0 ? err : sx_secrets_store(set, secrets, n, rep);
}
