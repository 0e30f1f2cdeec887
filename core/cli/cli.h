/*
 * cli/cli.h - what the subcommands share, those about secrets, and the reader of a reload.
 */
#ifndef SX_CLI_CLI_H
#define SX_CLI_CLI_H

#include <stdbool.h>

#include "base/report.h"
#include "config/config.h"
#include "plugin/plugins.h"

struct sx_cli_options {
    const char *config_dir, *env, *key;
    bool effective, schema, dry_run, openapi, secrets, unpinned, help;
    char **rest;
    int n_rest;
    char **argv;
    char *running; /* of a command that maps plugins: whose code runs; seen by the parent */
};

#define SX_CLI_MAX_RUNNING 8192

/* Prints and frees the report; returns code. */
int sx_cli_tell(struct sx_report *rep, int code);

/* The configuration as it is written: nobody is asked for secrets. */
int sx_cli_load(const struct sx_cli_options *opt, struct sx_report *rep,
                struct sx_config **ret_config);
/* With the values of secrets; the process keeps them to itself.  holds_term: TERM, which ends it
 * while it asks, waits as soon as there may be files for others to remove. */
int sx_cli_load_with_secrets(const struct sx_cli_options *opt, bool holds_term,
                             struct sx_report *rep, struct sx_config **ret_config);
/* Every fault of the configuration and, as far as it can be read, of its plugins.  resolver: as of
 * struct sx_config_source. */
int sx_cli_load_all(const struct sx_cli_options *opt, const struct sx_config_resolver *resolver,
                    struct sx_report *rep, struct sx_config **ret_config,
                    struct sx_plugins **ret_plugins);

/* --- secrets.c ------------------------------------------------------------------------------- */

int sx_cli_exec(const struct sx_cli_options *opt);
int sx_cli_secrets(const struct sx_cli_options *opt);

/* --- reader.c -------------------------------------------------------------------------------- */

/* PROGRAM read-config TEXT PARCEL OPTION…, of the supervisor (supervisor/reading.c). */
int sx_cli_read_config(const char *text_fd, const char *parcel_fd,
                       const struct sx_cli_options *opt);
/* What it needs of our options; borrowed from them. */
#define SX_CLI_READER_OPTIONS 5
void sx_cli_reader_options(const struct sx_cli_options *opt, char *list[SX_CLI_READER_OPTIONS]);

#endif /* SX_CLI_CLI_H */
