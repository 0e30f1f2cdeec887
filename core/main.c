/*
 * main.c - the subcommands.
 *
 * Commands that map plugin code (check, routes, plugins, describe, migrate) do so in a child
 * process: a plugin that crashes while it is loaded is a fault to report, not the end of the
 * command.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/cli.h"
#include "config/config.h"
#include "plugin/plugins.h"
#include "secret/secret.h"
#include "sign/sign.h"
#include "supervisor/supervisor.h"
#include "worker/worker.h"

struct command {
    const char *name, *usage, *summary, *help;
    int (*run)(const struct sx_cli_options *opt);
    bool maps_plugins; /* runs in a child */
    unsigned limit_s;  /* of the child; 0: none */
    bool takes_rest;   /* further arguments */
};

#define LIMIT_S 60 /* of what only looks: a plugin that hangs is a fault, too */

/* --- serve ----------------------------------------------------------------------------------- */

static enum sx_log_severity severity_of(const char *level)
{
    return strcmp(level, "debug") == 0     ? SX_LOG_DEBUG
           : strcmp(level, "warning") == 0 ? SX_LOG_WARNING
           : strcmp(level, "error") == 0   ? SX_LOG_ERROR
                                           : SX_LOG_INFO;
}

/* The log's thread must leave every signal to the supervisor. */
static int open_log(const struct sx_config_log *cfg, struct sx_log **ret_log)
{
    struct sx_log_settings set = { .fd = STDOUT_FILENO,
                                   .format = strcmp(cfg->format, "json") == 0   ? SX_LOG_JSON
                                             : strcmp(cfg->format, "text") == 0 ? SX_LOG_TEXT
                                                                                : SX_LOG_AUTO,
                                   .level = severity_of(cfg->level),
                                   .process = "supervisor",
                                   .trace_project = *cfg->trace_project == '\0'
                                                        ? NULL
                                                        : cfg->trace_project };
    sigset_t all, old;
    int err;

    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, &old);
    err = sx_log_create(&set, ret_log);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    return err;
}

static int run_serve(const struct sx_cli_options *opt)
{
    char *reader_options[SX_CLI_READER_OPTIONS];
    struct sx_supervisor_settings set = { .reader_options = reader_options, .argv = opt->argv };
    struct sx_report rep;
    struct sx_log *log = NULL;
    int code;

    sx_cli_reader_options(opt, reader_options);
    sx_supervisor_hold_signals();
    sx_report_init(&rep);
    if (sx_cli_load_with_secrets(opt, false, &rep, &set.config) < 0)
        return sx_cli_tell(&rep, SX_EXIT_CONFIG);
    if (sx_privileges_begin(set.config) < 0) {
        sx_report_add(&rep, "privileges cannot be given up: %s", strerror(errno));
        sx_config_destroy(set.config);
        return sx_cli_tell(&rep, 1);
    }
    if (open_log(&set.config->log, &log) < 0) {
        sx_report_add(&rep, "the log cannot be started");
        sx_config_destroy(set.config);
        return sx_cli_tell(&rep, 1);
    }
    sx_report_finish(&rep);
    set.log = log;
    code = sx_supervisor_run(&set);
    sx_log_destroy(log);
    return code;
}

/* --- Commands to a running server ------------------------------------------------------------ */

/* Nobody is asked for secrets only to find the server. */
static bool is_found(const struct sx_config *cfg, const char *const *keys, struct sx_report *rep)
{
    for (; *keys != NULL; keys++) {
        if (!sx_config_is_unresolved(cfg, *keys))
            continue;
        sx_report_add(
            rep, "%s: %s: expected the value itself, found a reference: the server is found by it",
            sx_config_origin(cfg, *keys), *keys);
        return false;
    }
    return true;
}

/* Without a command: whether it is ready. */
static int ask(const struct sx_cli_options *opt, const char *command)
{
    static const char *const of_health[] = { "server.address", "server.port", NULL };
    static const char *const of_command[] = { "server.control", NULL };
    struct sx_config *cfg = NULL;
    struct sx_report rep;
    int code = 0;

    sx_report_init(&rep);
    if (sx_cli_load(opt, &rep, &cfg) < 0 ||
        !is_found(cfg, command == NULL ? of_health : of_command, &rep))
        code = 2;
    else if ((command == NULL ? sx_supervisor_health(&cfg->server, stdout, &rep)
                              : sx_supervisor_ask(cfg->server.control, command, stdout, &rep)) < 0)
        code = 1;
    sx_config_destroy(cfg);
    return sx_cli_tell(&rep, code);
}

static int run_reload(const struct sx_cli_options *opt)
{
    return ask(opt, "reload\n");
}

static int run_status(const struct sx_cli_options *opt)
{
    return ask(opt, "status\n");
}

static int run_release(const struct sx_cli_options *opt)
{
    struct sx_report rep;
    char command[256];

    if (opt->n_rest == 1 &&
        snprintf(command, sizeof command, "release %s\n", opt->rest[0]) < (int)sizeof command)
        return ask(opt, command);
    sx_report_init(&rep);
    sx_report_add(&rep, "release: expected the name of one plugin, found %d", opt->n_rest);
    return sx_cli_tell(&rep, SX_EXIT_CONFIG);
}

/* A service manager tells no more than healthy from not: every failure is a 1. */
static int run_health(const struct sx_cli_options *opt)
{
    return ask(opt, NULL) == 0 ? 0 : 1;
}

/* --- Commands that only look ----------------------------------------------------------------- */

/* Nothing is asked of the server. */
static int check_database(const struct sx_config *cfg, const struct sx_plugins *ps,
                          struct sx_report *rep)
{
    const struct sx_db_module *db;

    if (*cfg->database.url == '\0' || !sx_plugins_need_db(ps))
        return 0;
    return sx_worker_open_db(cfg, rep, &db);
}

/* Nobody was asked for what they need. */
static void tell_unchecked(const struct sx_config *cfg)
{
    char prefix[96];

    for (size_t i = 0; i < cfg->n_plugins; i++) {
        (void)snprintf(prefix, sizeof prefix, "plugins.%s.", cfg->plugins[i].name);
        if (cfg->plugins[i].enabled && sx_config_is_unresolved(cfg, prefix))
            (void)printf("%s: not checked by itself: it needs secrets (--secrets asks for them)\n",
                         cfg->plugins[i].name);
    }
}

static int run_check(const struct sx_cli_options *opt)
{
    const struct sx_config_resolver resolver = { .resolve = sx_secrets_resolve };
    struct sx_config *cfg = NULL;
    struct sx_plugins *ps = NULL;
    struct sx_report rep;
    int code = 0;

    sx_report_init(&rep);
    if (sx_cli_load_all(opt, opt->secrets ? &resolver : NULL, &rep, &cfg, &ps) < 0 ||
        check_database(cfg, ps, &rep) < 0 ||
        (!sx_config_is_unresolved(cfg, "trust.keys") && sx_sign_check(cfg, NULL, 0, &rep) < 0) ||
        sx_plugins_check(ps, &rep) < 0)
        code = 2;
    else if (printf("%s: no fault found\n", cfg->env) > 0)
        tell_unchecked(cfg);
    sx_plugins_destroy(ps);
    sx_config_destroy(cfg);
    return sx_cli_tell(&rep, code);
}

static int print_set(const struct sx_cli_options *opt,
                     void (*print)(const struct sx_plugins *ps, FILE *out))
{
    struct sx_config *cfg = NULL;
    struct sx_plugins *ps = NULL;
    struct sx_report rep;
    int code = 0;

    sx_report_init(&rep);
    if (sx_cli_load_all(opt, NULL, &rep, &cfg, &ps) < 0)
        code = 2;
    else
        print(ps, stdout);
    sx_plugins_destroy(ps);
    sx_config_destroy(cfg);
    return sx_cli_tell(&rep, code);
}

static int run_routes(const struct sx_cli_options *opt)
{
    return print_set(opt, opt->openapi ? sx_plugins_print_openapi : sx_plugins_print_routes);
}

static int run_plugins(const struct sx_cli_options *opt)
{
    return print_set(opt, sx_plugins_print);
}

static int run_describe(const struct sx_cli_options *opt)
{
    struct sx_report rep;
    int code = 0;

    sx_report_init(&rep);
    if (opt->n_rest != 1) {
        sx_report_add(&rep, "describe: expected one file, found %d", opt->n_rest);
        return sx_cli_tell(&rep, SX_EXIT_CONFIG);
    }
    (void)snprintf(opt->running, SX_CLI_MAX_RUNNING, "%s: a plugin", opt->rest[0]);
    if (sx_plugin_describe(opt->rest[0], &rep, stdout) < 0)
        code = 2;
    *opt->running = '\0';
    return sx_cli_tell(&rep, code);
}

static int run_config(const struct sx_cli_options *opt)
{
    struct sx_config *cfg = NULL;
    struct sx_report rep;
    int code = 0;

    if (opt->schema) {
        char *text = sx_config_schema();

        code = text != NULL && puts(text) >= 0 ? 0 : 1;
        free(text);
        return code;
    }
    sx_report_init(&rep);
    if (sx_cli_load(opt, &rep, &cfg) < 0)
        code = 2;
    else
        sx_config_print(cfg, stdout);
    sx_config_destroy(cfg);
    return sx_cli_tell(&rep, code);
}

/* --- pin ------------------------------------------------------------------------------------ */

static int run_pin(const struct sx_cli_options *opt)
{
    struct sx_config_source src = { .dir = opt->config_dir,
                                    .env = opt->env,
                                    .allows_unpinned = true };
    struct sx_config *cfg = NULL;
    struct sx_report rep;
    int code = 0;

    sx_report_init(&rep);
    if (sx_config_load(&src, &rep, &cfg) < 0 || sx_config_print_pins(cfg, stdout, &rep) < 0)
        code = 2;
    sx_config_destroy(cfg);
    return sx_cli_tell(&rep, code);
}

/* --- sign ----------------------------------------------------------------------------------- */

static int run_sign(const struct sx_cli_options *opt)
{
    struct sx_report rep;

    sx_report_init(&rep);
    if (opt->key == NULL || opt->n_rest == 0)
        sx_report_add(&rep, "sign: expected --key KEY and a file, found %s",
                      opt->key == NULL ? "no key" : "no file");
    for (int i = 0; opt->key != NULL && i < opt->n_rest; i++)
        if (sx_sign_file(opt->key, opt->rest[i], &rep) == 0)
            (void)printf("%s.sig\n", opt->rest[i]);
    return sx_cli_tell(&rep, rep.n_faults == 0 ? 0 : 2);
}

/* --- migrate --------------------------------------------------------------------------------- */

static void say(void *arg, const char *line)
{
    (void)arg;
    (void)printf("%s\n", line);
}

static int migrate(const struct sx_cli_options *opt, const struct sx_config *cfg,
                   struct sx_plugins *ps, struct sx_report *rep)
{
    const struct sx_db_module *db;
    const char *url = *cfg->database.direct_url != '\0' ? cfg->database.direct_url
                                                        : cfg->database.url;
    struct sx_db_migrate_plugin *plugins;
    size_t n;
    int err;

    if (*url == '\0') {
        sx_report_add(rep,
                      "%s: database.url: no database is configured, there is nothing to migrate",
                      sx_config_origin(cfg, "database.url"));
        return SX_ERR_INVALID;
    }
    plugins = sx_plugins_migrations(ps, &n);
    err = plugins == NULL ? SX_ERR_NOMEM : sx_worker_open_db(cfg, rep, &db);
    if (err < 0)
        return err;
    return db->migrate(url, plugins, n, opt->dry_run ? SX_DB_MIGRATE_DRY_RUN : SX_DB_MIGRATE_APPLY,
                       cfg->database.roles, rep, say, NULL);
}

static int run_migrate(const struct sx_cli_options *opt)
{
    const struct sx_config_resolver resolver = { .resolve = sx_secrets_resolve,
                                                 .only = "database." };
    struct sx_config *cfg = NULL;
    struct sx_plugins *ps = NULL;
    struct sx_report rep;
    int code = 0;

    sx_report_init(&rep);
    if (sx_cli_load_all(opt, &resolver, &rep, &cfg, &ps) < 0)
        code = 2;
    else if (migrate(opt, cfg, ps, &rep) < 0)
        code = 1;
    sx_plugins_destroy(ps);
    sx_config_destroy(cfg);
    return sx_cli_tell(&rep, code);
}

static int run_version(const struct sx_cli_options *opt)
{
    (void)opt;
    (void)printf("sim-exchange %s\n", SX_VERSION);
    return 0;
}

/* --- The table ------------------------------------------------------------------------------- */

static const struct command commands[] = {
    { "serve", "[--config DIR] [--env NAME]", "serve until TERM",
      "Starts the workers and serves.  HUP reloads, TERM ends gracefully, INT quickly; docs/operators.md\n"
      "tells all signals.  Ends with 2 when the configuration or a plugin is at fault, 1 for other failures.",
      run_serve, false, 0, false },
    { "reload", "[--config DIR] [--env NAME]", "let a running server take its configuration anew",
      "As HUP does, but waits for the end of it: 0 when the new generation serves; 1 and the reason when\n"
      "the old one goes on.  Finds the server by server.control of this configuration.",
      run_reload, false, 0, false },
    { "release", "PLUGIN [--config DIR] [--env NAME]", "end the quarantine of a plugin",
      "Of a running server, found by server.control of this configuration.", run_release, false, 0,
      true },
    { "status", "[--config DIR] [--env NAME]", "tell what a running server is doing",
      "Its generations, their processes, and the plugins that have crashed lately.", run_status,
      false, 0, false },
    { "health", "[--config DIR] [--env NAME]", "ask a running server whether it is ready",
      "Ends with 0 when /_sx/ready at server.address and server.port answers 200, else with 1 and the\n"
      "reason.  For the health check of a container.",
      run_health, false, 0, false },
    { "check", "[--secrets] [--config DIR] [--env NAME]",
      "find every fault of a configuration and its plugins",
      "Loads everything, runs each plugin's check function and serves nothing.  Ends with 2 and one\n"
      "sentence for each fault.\n"
      "--secrets  also asks for secrets; without it, plugins that need some are not checked by themselves",
      run_check, true, LIMIT_S, false },
    { "routes", "[--openapi] [--config DIR] [--env NAME]", "list the routes that would be served",
      "Method, path, plugin, where the handler runs, summary.\n"
      "--openapi  the OpenAPI document of them, as served at /openapi.json",
      run_routes, true, LIMIT_S, false },
    { "plugins", "[--config DIR] [--env NAME]", "list the plugins of an environment",
      "Name, version, number of routes, mount point, file.", run_plugins, true, LIMIT_S, false },
    { "describe", "FILE.so", "tell what a plugin's file says of itself",
      "Name, version, build, ABI, needs, routes with their parameters, options, metrics, migrations.",
      run_describe, true, LIMIT_S, true },
    { "config", "[--effective | --schema] [--config DIR] [--env NAME]", "print the configuration",
      "--effective  every key with its value and origin (this is the default)\n"
      "--schema     the JSON Schema of the files",
      run_config, false, 0, false },
    { "pin", "[--config DIR] [--env NAME]", "tell the SHA-256 of each plugin, to be configured",
      "Prints \"plugins\" with the sha256 of the files as they are now.  To put them into the file:\n"
      "sim-exchange pin --env production > pins.json\n"
      "jq -s '.[0] * .[1]' config/production.json pins.json > new.json",
      run_pin, false, 0, false },
    { "sign", "--key KEY FILE.so …", "sign plugins",
      "Writes FILE.so.sig beside each file, with the ed25519 private key in the PEM file KEY:\n"
      "openssl genpkey -algorithm ed25519 -out KEY; openssl pkey -in KEY -pubout -out KEY.pub\n"
      "trust.keys names the public keys whose signatures count.",
      run_sign, false, 0, true },
    { "migrate", "[--dry-run] [--config DIR] [--env NAME]",
      "bring the database to what the plugins expect",
      "Applies each plugin's migrations in its own schema, each in a transaction, under a lock.\n"
      "--dry-run  says what would be done and does nothing",
      run_migrate, true, 0, false },
    { "secrets", "check [--config DIR] [--env NAME]", "ask for every secret that is referred to",
      "Asks for all that the environment and the configuration name (sm://…, berglas://…), and tells place,\n"
      "reference, version and length of each, never the value.  Ends with 1 when some have no value, 2\n"
      "when the configuration is at fault.",
      sx_cli_secrets, false, 0, true },
    { "exec", "[--env NAME] [--unpinned] -- COMMAND [ARGUMENT …]",
      "become a program that gets the values of secrets",
      "Variables of the environment that are references (sm://…, berglas://…) have their values there.\n"
      "--unpinned  also without a version, in production",
      sx_cli_exec, false, 0, true },
    { "version", "", "print the version", "", run_version, false, 0, false },
    { NULL, NULL, NULL, NULL, NULL, false, 0, false },
};

static int usage(FILE *out, int code)
{
    (void)fprintf(out, "usage: sim-exchange COMMAND [OPTION …]\n\n");
    for (const struct command *c = commands; c->name != NULL; c++)
        (void)fprintf(out, "  %-10s %s\n", c->name, c->summary);
    (void)fprintf(
        out, "\n  --config DIR  the folder of base.json and the environments' files (./config)\n"
             "  --env NAME    the environment (SX_ENV, or development)\n"
             "  --help        after a command: what it does\n");
    return code;
}

static int usage_of(const struct command *c)
{
    (void)printf("usage: sim-exchange %s %s\n\n%s\n", c->name, c->usage,
                 *c->help == '\0' ? c->summary : c->help);
    return 0;
}

static int parse(int argc, char **argv, struct sx_cli_options *opt)
{
    static const struct option longs[] = {
        { "config", required_argument, NULL, 'c' },
        { "env", required_argument, NULL, 'e' },
        { "effective", no_argument, NULL, 'f' },
        { "schema", no_argument, NULL, 's' },
        { "dry-run", no_argument, NULL, 'd' },
        { "openapi", no_argument, NULL, 'o' },
        { "secrets", no_argument, NULL, 'S' },
        { "unpinned", no_argument, NULL, 'u' },
        { "key", required_argument, NULL, 'k' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    /* '+': what stands behind the command of exec is the command's */
    const char *shorts = strcmp(argv[0], "exec") == 0 ? "+h" : "h";
    int ch;

    while ((ch = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        switch (ch) {
        case 'c': opt->config_dir = optarg; break;
        case 'e': opt->env = optarg; break;
        case 'f': opt->effective = true; break;
        case 's': opt->schema = true; break;
        case 'd': opt->dry_run = true; break;
        case 'o': opt->openapi = true; break;
        case 'S': opt->secrets = true; break;
        case 'u': opt->unpinned = true; break;
        case 'k': opt->key = optarg; break;
        case 'h': opt->help = true; break;
        default: return -1;
        }
    }
    opt->rest = argv + optind;
    opt->n_rest = argc - optind;
    return 0;
}

/* What was printed has arrived: a full disk or a closed pipe is a failure. */
static int finish_output(int code)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return code;
    perror("sim-exchange: standard output");
    return code == 0 ? 1 : code;
}

/* Descriptors 0 to 2 are open, so that no socket takes their numbers. */
static void open_standard_files(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        (void)close(fd);
}

/* In a child, so that a crash of plugin code is told in a sentence. */
static int run_in_child(const struct command *c, struct sx_cli_options *opt)
{
    int status;
    pid_t pid;

    opt->running = mmap(NULL, SX_CLI_MAX_RUNNING, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (opt->running == MAP_FAILED) {
        perror("sim-exchange: mmap");
        return 1;
    }
    (void)fflush(NULL);
    pid = fork();
    if (pid < 0) {
        perror("sim-exchange: fork");
        return 1;
    }
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (c->limit_s > 0)
            (void)alarm(c->limit_s);
        exit(finish_output(c->run(opt)));
    }
    if (waitpid(pid, &status, 0) < 0)
        return 1;
    if (WIFEXITED(status) && *opt->running == '\0')
        return WEXITSTATUS(status);
    (void)fprintf(stderr, "%s ended the process that ran it: %s\n",
                  *opt->running == '\0' ? "sim-exchange: something" : opt->running,
                  WIFEXITED(status)             ? "it called exit"
                  : WTERMSIG(status) == SIGALRM ? "it took longer than a minute"
                                                : strsignal(WTERMSIG(status)));
    return SX_EXIT_CONFIG;
}

int main(int argc, char **argv)
{
    struct sx_cli_options opt = { .argv = argv };

    open_standard_files();
    if (argc == 3 && strcmp(argv[1], "worker") == 0)
        return sx_worker_main(argv[2], false);
    if (argc == 3 && strcmp(argv[1], "check-worker") == 0)
        return sx_worker_main(argv[2], true);
    if (argc == 3 && strcmp(argv[1], "verify-plugins") == 0)
        return sx_worker_verify_main(argv[2]);
    if (argc >= 4 && strcmp(argv[1], "read-config") == 0)
        return parse(argc - 3, argv + 3, &opt) < 0 ? SX_EXIT_CONFIG
                                                   : sx_cli_read_config(argv[2], argv[3], &opt);
    if (argc < 2)
        return usage(stderr, SX_EXIT_CONFIG);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0)
        return usage(stdout, 0);
    if (strcmp(argv[1], "--version") == 0)
        return finish_output(run_version(&opt));
    for (const struct command *c = commands; c->name != NULL; c++) {
        if (strcmp(argv[1], c->name) != 0)
            continue;
        if (parse(argc - 1, argv + 1, &opt) < 0)
            return 2;
        if (opt.help)
            return usage_of(c);
        if (opt.n_rest > 0 && !c->takes_rest) {
            (void)fprintf(stderr, "sim-exchange %s: unexpected argument \"%s\"\n", c->name,
                          opt.rest[0]);
            return 2;
        }
        return c->maps_plugins ? run_in_child(c, &opt) : finish_output(c->run(&opt));
    }
    (void)fprintf(stderr, "sim-exchange: there is no command \"%s\"\n", argv[1]);
    return usage(stderr, SX_EXIT_CONFIG);
}
