/* cli/secrets.c - the subcommands exec and secrets. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
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
