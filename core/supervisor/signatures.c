/*
 * supervisor/signatures.c - has the signatures of the first generation's copies looked at, by a
 * process that ends.
 *
 * Waited for: nobody is served yet, and it happens only where trust.keys has keys.  Of a reload,
 * the reader looks at them.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "supervisor/supervisor_private.h"

/* What it says, or that it says nothing in time; then it is gone. */
static int hear(int fd, pid_t pid, uint32_t limit_ms, struct sx_report *rep)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    struct sx_control_message *m = malloc(sizeof *m);
    int rc = m == NULL ? SX_ERR_NOMEM : SX_ERR_CLOSED, n;

    do
        n = poll(&wait, 1, (int)limit_ms);
    while (n < 0 && errno == EINTR);
    if (m != NULL && n > 0 && sx_control_receive(fd, m) == 0)
        rc = m->kind == SX_CONTROL_READY ? 0 : SX_ERR_INVALID;
    if (rc == SX_ERR_INVALID)
        sx_report_add(rep, "%s", m->text);
    else if (rc != 0)
        sx_report_add(rep, "the signatures of the plugins could not be checked: %s",
                      n == 0 ? "no answer in time" : "the process that did it has ended");
    free(m);
    (void)kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return rc;
}

static size_t fill_keep(const struct sx_generation *gen, const struct sx_control_spec *spec,
                        int *keep)
{
    size_t n = 0;

    keep[n++] = spec->config_fd;
    keep[n++] = spec->plugins_fd;
    keep[n++] = spec->control_fd;
    keep[n++] = spec->board_fd;
    for (size_t i = 0; i < gen->copies.n; i++)
        if (gen->copies.v[i].is_memfd)
            keep[n++] = gen->copies.v[i].fd;
    return n;
}

static pid_t spawn(const struct sx_supervisor *sup, const struct sx_generation *gen, int fd)
{
    struct sx_control_spec spec = { .config_fd = gen->config_fd,
                                    .plugins_fd = gen->copies.list_fd,
                                    .board_fd = sx_board_fd(sup->board),
                                    .control_fd = fd,
                                    .generation = gen->number,
                                    .count = 1 };
    char text[SX_CONTROL_MAX_SPEC], program[] = "sim-exchange", verify[] = "verify-plugins";
    char *argv[] = { program, verify, text, NULL };
    struct sx_spawn how = {
        .exe_fd = sup->exe_fd, .argv = argv, .envp = gen->envp, .control_fd = fd
    };
    int *keep = calloc(gen->copies.n + 4, sizeof *keep);
    pid_t pid = -1;

    if (keep != NULL && sx_control_format_spec(&spec, text, sizeof text) == 0) {
        how.keep = keep;
        how.n_keep = fill_keep(gen, &spec, keep);
        pid = sx_spawn_worker(&how);
    }
    free(keep);
    return pid;
}

int sx_signatures_check(const struct sx_supervisor *sup, const struct sx_generation *gen,
                        struct sx_report *rep)
{
    int fds[2], rc;
    pid_t pid;

    if (gen->config->trust.keys.n == 0)
        return 0;
    if (sx_control_open(fds) != 0) {
        sx_report_add(rep, "the signatures of the plugins could not be checked: %s",
                      strerror(errno));
        return SX_ERR_IO;
    }
    pid = spawn(sup, gen, fds[1]);
    (void)close(fds[1]);
    if (pid > 0) {
        rc = hear(fds[0], pid, gen->config->server.start_ms, rep);
    } else {
        sx_report_add(rep, "the signatures of the plugins could not be checked: %s",
                      strerror(errno));
        rc = SX_ERR_IO;
    }
    (void)close(fds[0]);
    return rc;
}
