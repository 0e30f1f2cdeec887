/* cli/secrets.c - the subcommands exec and secrets, and the reader of a reload. */
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/cli.h"
#include "secret/secret.h"

int sx_cli_exec(const struct sx_cli_options *opt)
{
    const char *env = opt->env != NULL ? opt->env : getenv("SX_ENV");
    struct sx_report rep;

    sx_report_init(&rep);
    if (opt->n_rest > 0)
        return sx_cli_tell(&rep, sx_secret_exec(env, opt->unpinned, opt->rest, &rep));
    sx_report_add(&rep, "exec: expected a command behind --, found none");
    return sx_cli_tell(&rep, SX_EXIT_CONFIG);
}

int sx_cli_secrets(const struct sx_cli_options *opt)
{
    struct sx_config_source src = { .dir = opt->config_dir, .env = opt->env };
    struct sx_report rep;

    sx_report_init(&rep);
    if (opt->n_rest == 1 && strcmp(opt->rest[0], "check") == 0)
        return sx_cli_tell(&rep, sx_secrets_tell(&src, stdout, &rep));
    sx_report_add(&rep, "secrets: expected check, found %s",
                  opt->n_rest == 0 ? "nothing" : opt->rest[0]);
    return sx_cli_tell(&rep, SX_EXIT_CONFIG);
}

/* --- the reader ------------------------------------------------------------------------------- */

void sx_cli_reader_options(const struct sx_cli_options *opt, char *list[SX_CLI_READER_OPTIONS])
{
    static const char config[] = "--config", env[] = "--env";
    const char *from[] = { opt->config_dir != NULL ? config : NULL, opt->config_dir,
                           opt->env != NULL ? env : NULL, opt->env };
    size_t n = 0;

    for (size_t i = 0; i < sizeof from / sizeof from[0]; i++)
        if (from[i] != NULL)
            list[n++] = (char *)(uintptr_t)from[i]; /* only read, as all of argv */
    list[n] = NULL;
}

static bool write_config(int fd, const struct sx_config *cfg, struct sx_report *rep)
{
    char *text = sx_config_dump(cfg);
    bool is_written = text != NULL && sx_write_all(fd, text, strlen(text)) == 0;

    if (!is_written)
        sx_report_add(rep, "the configuration cannot be handed over: %s",
                      text != NULL ? strerror(errno) : "no memory");
    if (text != NULL)
        explicit_bzero(text, strlen(text));
    free(text);
    return is_written;
}

/* In the place of what was written before: a part of a configuration would be told as a fault. */
static bool write_faults(int fd, const struct sx_report *rep)
{
    bool is_written = ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0;

    for (size_t i = 0; i < rep->n_faults && is_written; i++)
        is_written = sx_write_all(fd, rep->faults[i], strlen(rep->faults[i]) + 1) == 0;
    return is_written;
}

int sx_cli_read_config(const char *fd_text, const struct sx_cli_options *opt)
{
    struct sx_config *cfg = NULL;
    struct sx_report rep;
    uint64_t fd;
    int code = SX_EXIT_CONFIG;

    if (sx_parse_uint(fd_text, strlen(fd_text), &fd) != 0 || fd > INT_MAX)
        return code;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    sx_report_init(&rep);
    if (sx_cli_load_with_secrets(opt, true, &rep, &cfg) == 0 && write_config((int)fd, cfg, &rep)) {
        sx_config_own_files(cfg, false); /* they are the supervisor's now */
        code = 0;
    } else if (!write_faults((int)fd, &rep)) {
        code = EXIT_FAILURE;
    }
    sx_config_destroy(cfg);
    sx_report_finish(&rep);
    return code;
}
