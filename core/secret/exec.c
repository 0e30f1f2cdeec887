/*
 * secret/exec.c - sim-exchange exec: a program with the values of secrets in its environment.
 *
 * For programs that know no references.  It is this process that becomes the program, so signals,
 * the exit status and the process's number are the program's own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "config/config.h"
#include "secret/secret.h"

#define EXIT_NOT_EXECUTED   126 /* as a shell says it */
#define EXIT_NOT_FOUND      127
#define DEFAULT_DEADLINE_MS 10000u
#define DEFAULT_TRIES       5u
#define DEFAULT_PARALLEL    32u

struct sx_secret_settings sx_secret_defaults(void)
{
    return (struct sx_secret_settings){ .deadline_ms = DEFAULT_DEADLINE_MS,
                                        .tries = DEFAULT_TRIES,
                                        .parallel = DEFAULT_PARALLEL,
                                        .uid = geteuid() };
}

static const char *value_of(const char *variable)
{
    const char *equals = strchr(variable, '=');

    return equals != NULL ? equals + 1 : "";
}

void sx_secrets_finish(struct sx_secret *secrets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((void *)(uintptr_t)secrets[i].place);
        sx_secret_finish(&secrets[i]);
    }
    free(secrets);
}

int sx_secrets_of_environment(struct sx_secret **ret_secrets, size_t *ret_n)
{
    size_t n_variables = 0, n = 0;
    struct sx_secret *secrets;

    while (environ[n_variables] != NULL)
        n_variables++;
    secrets = calloc(n_variables + 1, sizeof *secrets);
    if (secrets == NULL)
        return SX_ERR_NOMEM;
    for (size_t i = 0; i < n_variables; i++) {
        const char *value = value_of(environ[i]);
        char *place;

        if (!sx_reference_is(value))
            continue;
        if (asprintf(&place, "environment %.*s", (int)(value - environ[i] - 1), environ[i]) < 0) {
            sx_secrets_finish(secrets, n);
            return SX_ERR_NOMEM;
        }
        secrets[n++] = (struct sx_secret){ .place = place, .reference = value };
    }
    *ret_secrets = secrets;
    *ret_n = n;
    return 0;
}

bool sx_secret_is_sound(const struct sx_secret *secret, bool wants_version, struct sx_report *rep)
{
    struct sx_reference ref;
    char why[SX_REFERENCE_WHY];
    int err = sx_reference_parse(secret->reference, &ref, why);

    if (err == 0 && wants_version && !ref.is_pinned) {
        (void)snprintf(why, sizeof why,
                       "expected a version behind '#', found %s\n"
                       "In production secrets are pinned: sim-exchange secrets check tells the "
                       "versions.",
                       *ref.version != '\0' ? ref.version : "none");
        err = SX_ERR_INVALID;
    }
    if (err != 0)
        sx_report_add(rep, "%s: %s: %s", secret->place, secret->reference, why);
    sx_reference_finish(&ref);
    return err == 0;
}

/* --- exec ------------------------------------------------------------------------------------ */

static int replace_variables(const struct sx_secret *secrets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char *name = strdup(secrets[i].place + strlen("environment "));
        int err = name == NULL
                      ? -1
                      : setenv(name, secrets[i].file != NULL ? secrets[i].file : secrets[i].value,
                               1);

        free(name);
        if (err != 0)
            return SX_ERR_NOMEM;
    }
    return 0;
}

static int find_values(struct sx_secret *secrets, size_t n, bool wants_versions,
                       struct sx_report *rep)
{
    const struct sx_secret_settings set = sx_secret_defaults();
    bool is_sound = true;

    for (size_t i = 0; i < n; i++)
        is_sound = sx_secret_is_sound(&secrets[i], wants_versions, rep) && is_sound;
    if (!is_sound)
        return SX_EXIT_CONFIG;
    return n > 0 && sx_secrets_resolve(NULL, &set, secrets, n, rep) != 0 ? EXIT_FAILURE : 0;
}

int sx_secret_exec(const char *env, bool allows_unpinned, char *const *argv, struct sx_report *rep)
{
    const bool wants_versions = env != NULL && !allows_unpinned &&
                                sx_config_requires_versions(env, "auto");
    struct sx_secret *secrets;
    size_t n;
    int code;

    if (sx_secrets_of_environment(&secrets, &n) != 0) {
        sx_report_add(rep, "exec: no memory");
        return EXIT_FAILURE;
    }
    code = find_values(secrets, n, wants_versions, rep);
    if (code == 0 && replace_variables(secrets, n) != 0) {
        sx_report_add(rep, "exec: no memory");
        code = EXIT_FAILURE;
    }
    sx_secrets_finish(secrets, n);
    if (code != 0)
        return code;
    (void)execvp(argv[0], argv);
    code = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTED;
    sx_report_add(rep, "exec: %s: cannot be executed: %s", argv[0], strerror(errno));
    return code;
}
