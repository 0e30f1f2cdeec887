/* supervisor/environment.c - what the supervisor finds and makes before its first child. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "supervisor/cpus.h"
#include "supervisor/supervisor_private.h"

#define SELF      "/proc/self/exe"
#define MIN_SEATS 4u
#define MAX_SEATS 1024u
#define SLOTS_PER_SEAT \
    2u /* seats are twice what is asked for: current, draining, starting, spare */
#define MIN_POOL_THREADS 32u

static bool is_handover(const void *arg, const char *variable)
{
    (void)arg;
    return strncmp(variable, "LISTEN_PID=", 11) == 0 || strncmp(variable, "LISTEN_FDS=", 11) == 0 ||
           strncmp(variable, "LISTEN_FDNAMES=", 15) == 0;
}

/* A list of the others; the texts are borrowed. */
static char **variables_without(char **all, bool (*is_one)(const void *arg, const char *variable),
                                const void *arg)
{
    size_t n = 0;
    char **envp;

    while (all[n] != NULL)
        n++;
    envp = calloc(n + 1, sizeof *envp);
    if (envp == NULL)
        return NULL;
    n = 0;
    for (; *all != NULL; all++) {
        if (!is_one(arg, *all))
            envp[n++] = *all;
    }
    return envp;
}

static bool is_hidden(const void *config, const char *variable)
{
    return sx_config_hides_variable(config, variable);
}

char **sx_environment_without_secrets(const struct sx_supervisor *sup,
                                      const struct sx_config *config)
{
    return variables_without(sup->envp, is_hidden, config);
}

static char *read_link(const char *link)
{
    char path[PATH_MAX];
    ssize_t n = readlink(link, path, sizeof path - 1);

    if (n < 0)
        return NULL;
    path[n] = '\0';
    return strdup(path);
}

/* Remembered now: after a log has been moved away, the link shows its new name. */
static char *find_output(void)
{
    struct stat st;

    if (fstat(STDOUT_FILENO, &st) != 0 || !S_ISREG(st.st_mode))
        return NULL;
    return read_link("/proc/self/fd/1");
}

int sx_environment_init(struct sx_supervisor *sup)
{
    const char *exe = sup->set->exe;

    sup->exe_fd = open(exe != NULL ? exe : SELF, O_PATH | O_CLOEXEC);
    sup->exe_path = exe != NULL ? strdup(exe) : read_link(SELF);
    /* The handover was for us: a worker must not take itself for its addressee. */
    sup->envp = variables_without(environ, is_handover, NULL);
    sup->output_path = find_output();
    return sup->exe_fd >= 0 && sup->exe_path != NULL && sup->envp != NULL ? 0 : SX_ERR_IO;
}

int sx_environment_make_board(struct sx_supervisor *sup, const struct sx_config *config)
{
    uint32_t n = config->server.workers > 0 ? config->server.workers : sx_cpus_granted(NULL);
    uint32_t n_pool = config->server.pool_threads;

    n = n < MIN_SEATS / 2 ? MIN_SEATS : 2 * n; /* TTIN may double them, a reload too */
    sup->max_seats = n < MAX_SEATS ? n : MAX_SEATS;
    sup->n_slots = sup->max_seats * SLOTS_PER_SEAT;
    sup->n_threads = 1 + (n_pool > MIN_POOL_THREADS ? n_pool : MIN_POOL_THREADS);
    sup->is_slot_used = calloc(sup->n_slots, sizeof *sup->is_slot_used);
    if (sup->is_slot_used == NULL)
        return SX_ERR_NOMEM;
    return sx_board_create(sup->n_slots, sup->n_threads, &sup->board);
}

void sx_environment_finish(struct sx_supervisor *sup)
{
    sx_board_destroy(sup->board);
    free(sup->is_slot_used);
    free(sup->output_path);
    free(sup->user);
    free(sup->exe_path);
    free(sup->envp);
    if (sup->exe_fd >= 0)
        (void)close(sup->exe_fd);
}
