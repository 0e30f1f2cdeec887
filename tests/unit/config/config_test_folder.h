/*
 * A private folder with a configuration in it, for the tests of config.
 *
 * The tests run inside of it, so that messages begin with "config/".
 */
#ifndef CONFIG_TEST_FOLDER_H
#define CONFIG_TEST_FOLDER_H

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/report.h"
#include "config/config.h"

static inline void folder_write(const char *name, const char *text)
{
    char path[128];
    FILE *file;

    (void)snprintf(path, sizeof path, "config/%s", name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* The state of a group: the folder's path, freed by folder_leave. */
static inline int folder_enter(void **state)
{
    char *path = strdup("/tmp/sx-config-XXXXXX");

    if (path == NULL || mkdtemp(path) == NULL || chdir(path) != 0 || mkdir("config", 0700) != 0)
        return -1;
    folder_write("base.json", "{}\n");
    folder_write("development.json", "{}\n");
    folder_write("production.json", "{}\n");
    folder_write("schema.json", "{}\n");
    *state = path;
    return 0;
}

static inline int folder_leave(void **state)
{
    static const char *const names[] = { "base", "development", "production", "schema", "testing" };
    char path[128];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "config/%s.json", names[i]);
        (void)unlink(path);
    }
    if (rmdir("config") != 0 || chdir("/") != 0 || rmdir(*state) != 0)
        return -1;
    free(*state);
    return 0;
}

static char *const folder_no_variables[] = { NULL };

/* base: NULL for an empty one.  environ_: NULL for none. */
static inline int folder_load(const char *base, const char *testing, char *const *environ_,
                              struct sx_report *rep, struct sx_config **ret_config)
{
    struct sx_config_source src = { .dir = "config",
                                    .env = "testing",
                                    .environ_ = environ_ ? environ_ : folder_no_variables };

    folder_write("base.json", base != NULL ? base : "{}\n");
    folder_write("testing.json", testing);
    return sx_config_load(&src, rep, ret_config);
}

/* A configuration without faults. */
static inline struct sx_config *folder_load_well(const char *base, const char *testing,
                                                 char *const *environ_)
{
    struct sx_report rep;
    struct sx_config *cfg = NULL;
    int rc;

    sx_report_init(&rep);
    rc = folder_load(base, testing, environ_, &rep, &cfg);
    if (rep.n_faults > 0)
        print_error("unexpected: %s\n", rep.faults[0]);
    assert_int_equal(rep.n_faults, 0);
    assert_int_equal(rc, 0);
    sx_report_finish(&rep);
    return cfg;
}

#endif /* CONFIG_TEST_FOLDER_H */
