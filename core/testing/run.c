/* testing/run.c - the cases of a test program as a group of cmocka's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "testing/testing_private.h"

/* One case and the server that it runs on. */
struct slot {
    struct sxt_group *group;
    const sx_test_case *given;
    struct sxt_server server;
};

/* --- One case ------------------------------------------------------------------------- */

static const char *make_database(struct sxt_group *g, struct sx_report *rep)
{
    return g->setup->has_database ? sxt_database_copy(&g->database, rep) : NULL;
}

static void start(struct slot *slot)
{
    struct sx_report rep;
    const char *url;
    int err = 0;

    sx_report_init(&rep);
    url = make_database(slot->group, &rep);
    if (rep.n_faults == 0)
        err = sxt_server_start(&slot->server, slot->group, url, &rep);
    if (err < 0 || rep.n_faults > 0)
        sxt_fail_report(slot->given->name, 0, "the server does not start", &rep);
    sx_report_finish(&rep);
}

/* What outlived the case, and errors that it did not expect. */
static void end(struct slot *slot)
{
    struct sxt_server *s = &slot->server;
    struct sx_report rep;
    const char *text, *error;
    size_t len = 0;

    sx_report_init(&rep);
    sxt_server_stop(s, &rep);
    if (rep.n_faults > 0)
        sxt_fail_report(slot->given->name, 0, "the case did not end cleanly", &rep);
    sx_report_finish(&rep);
    text = sxt_lines_all(&s->lines);
    error = sxt_lines_error(text, &len);
    if (error != NULL && !s->has_asked_log)
        sxt_fail(slot->given->name, 0,
                 "the server logged an error that the case does not ask for:\n%.*s", (int)len,
                 error);
}

static void run_case(void **state)
{
    struct slot *slot = *state;

    start(slot);
    slot->given->run(sxt_client_create(&slot->server));
    end(slot);
}

/* After a failure in the middle, too. */
static int tear_down(void **state)
{
    struct slot *slot = *state;
    struct sx_report rep;

    sx_report_init(&rep);
    sxt_server_stop(&slot->server, &rep);
    sx_report_finish(&rep);
    sxt_server_free(&slot->server);
    return 0;
}

/* --- The group --------------------------------------------------------------------------- */

static int open_group(struct sxt_group *g, struct sx_report *rep)
{
    int err = sxt_folder_open(&g->folder, rep);

    if (err == 0 && g->setup->has_database) {
        err = sxt_database_open(&g->database, rep);
        if (err == 0)
            err = sxt_server_migrate(g, rep);
    }
    return err;
}

/* An abandoned server is still used by the threads of its plugins. */
static void free_slots(struct slot *slots, size_t n)
{
    for (size_t i = 0; slots != NULL && i < n; i++)
        if (slots[i].server.is_abandoned)
            return;
    free(slots);
}

static int run_cases(struct sxt_group *g, const sx_test_case *cases, size_t n)
{
    struct CMUnitTest *tests = calloc(n + 1, sizeof *tests);
    struct slot *slots = calloc(n + 1, sizeof *slots);
    int n_failed = 1;

    for (size_t i = 0; i < n && tests != NULL && slots != NULL; i++) {
        slots[i] = (struct slot){ .group = g, .given = &cases[i] };
        tests[i] = (struct CMUnitTest){ .name = cases[i].name,
                                        .test_func = run_case,
                                        .teardown_func = tear_down,
                                        .initial_state = &slots[i] };
    }
    if (tests != NULL && slots != NULL)
        n_failed = _cmocka_run_group_tests(g->setup->plugins, tests, n, NULL, NULL);
    free(tests);
    free_slots(slots, n);
    return n_failed;
}

int sx_test_run(const sx_test_setup *setup, const sx_test_case *cases)
{
    struct sxt_group g = { .setup = setup, .database.server = -1 };
    struct sx_report rep;
    int n_failed = 1;
    size_t n = 0;

    while (cases[n].name != NULL)
        n++;
    sx_report_init(&rep);
    if (open_group(&g, &rep) == 0 && rep.n_faults == 0)
        n_failed = run_cases(&g, cases, n);
    sx_report_print(&rep, stderr);
    sx_report_finish(&rep);
    sxt_database_close(&g.database);
    sxt_folder_close(&g.folder);
    return n_failed;
}
