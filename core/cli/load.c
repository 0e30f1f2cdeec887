/* cli/load.c - what a subcommand works on. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "cli/cli.h"
#include "secret/secret.h"

int sx_cli_tell(struct sx_report *rep, int code)
{
    sx_report_print(rep, stderr);
    sx_report_finish(rep);
    return code;
}

int sx_cli_load(const struct sx_cli_options *opt, struct sx_report *rep,
                struct sx_config **ret_config)
{
    struct sx_config_source src = { .dir = opt->config_dir, .env = opt->env };

    return sx_config_load(&src, rep, ret_config);
}

static int resolve_holding_term(void *arg, const struct sx_secret_settings *set,
                                struct sx_secret *secrets, size_t n, struct sx_report *rep)
{
    int err = sx_secrets_fetch(set, secrets, n, rep);
    sigset_t term;

    (void)arg;
    (void)sigemptyset(&term);
    (void)sigaddset(&term, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &term, NULL);
    return err != 0 ? err : sx_secrets_store(set, secrets, n, rep);
}

int sx_cli_load_with_secrets(const struct sx_cli_options *opt, bool holds_term,
                             struct sx_report *rep, struct sx_config **ret_config)
{
    const struct sx_config_resolver resolver = { .resolve = holds_term ? resolve_holding_term
                                                                       : sx_secrets_resolve };
    struct sx_config_source src = { .dir = opt->config_dir,
                                    .env = opt->env,
                                    .resolver = &resolver };

    (void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* process.core_dumps is looked at later */
    return sx_config_load(&src, rep, ret_config);
}

static void on_run(void *arg, const char *path, const struct sx_plugin_note *note)
{
    const struct sx_cli_options *opt = arg;

    if (note == NULL)
        *opt->running = '\0';
    else
        (void)snprintf(opt->running, SX_CLI_MAX_RUNNING, "%s: plugin \"%s\"", path, note->name);
}

int sx_cli_load_all(const struct sx_cli_options *opt, const struct sx_config_resolver *resolver,
                    struct sx_report *rep, struct sx_config **ret_config,
                    struct sx_plugins **ret_plugins)
{
    struct sx_config_source src = {
        .dir = opt->config_dir, .env = opt->env, .keeps_good = true, .resolver = resolver
    };
    struct sx_plugins_settings set = { .on_run = on_run, .run_arg = (void *)(uintptr_t)opt };
    int err = sx_config_load(&src, rep, ret_config), more;

    if (*ret_config == NULL)
        return err;
    set.config = *ret_config;
    set.root_dir = (*ret_config)->root_dir;
    more = sx_plugins_load(&set, rep, ret_plugins);
    return err < 0 ? err : more;
}
