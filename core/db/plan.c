/* db/plan.c - the order of plugins, and how their histories compare with their steps. */
#include "db/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

enum mark { UNSEEN, OPEN, PLACED };

/* --- the order ------------------------------------------------------------------ */

struct order {
    const struct sx_db_migrate_plugin *plugins;
    size_t n;
    struct sx_report *faults;
    unsigned char *marks;
    size_t *path; /* of plugins that are open, to name a circle */
    size_t n_path;
    size_t *placed;
    size_t n_placed;
    int err;
};

static size_t find(const struct order *o, const char *name)
{
    size_t i = 0;

    while (i < o->n && strcmp(o->plugins[i].name, name) != 0)
        i++;
    return i;
}

static void tell_circle(struct order *o, size_t last)
{
    char text[400] = "";
    size_t len = 0, i = 0;

    while (o->path[i] != last)
        i++;
    for (; i < o->n_path && len < sizeof text; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "\"%s\" uses ",
                                o->plugins[o->path[i]].name);
    sx_report_add(o->faults, "plugins use each other in a circle: %s\"%s\"", text,
                  o->plugins[last].name);
    o->err = SX_ERR_INVALID;
}

static void place(struct order *o, size_t i)
{
    const char *const *uses = o->plugins[i].uses;

    if (o->marks[i] == OPEN)
        tell_circle(o, i);
    if (o->marks[i] != UNSEEN)
        return;
    o->marks[i] = OPEN;
    o->path[o->n_path++] = i;
    for (; uses != NULL && *uses != NULL; uses++) {
        size_t used = find(o, *uses);

        if (used < o->n) {
            place(o, used);
            continue;
        }
        sx_report_add(o->faults,
                      "plugin \"%s\" uses \"%s\", which is not enabled or has no database",
                      o->plugins[i].name, *uses);
        o->err = SX_ERR_INVALID;
    }
    o->n_path--;
    o->marks[i] = PLACED;
    o->placed[o->n_placed++] = i;
}

int plan_order(const struct sx_db_migrate_plugin *plugins, size_t n, struct sx_report *faults,
               size_t **ret_order)
{
    struct order o = { .plugins = plugins, .n = n, .faults = faults };

    o.marks = calloc(n + 1, sizeof *o.marks);
    o.path = calloc(n + 1, sizeof *o.path);
    o.placed = calloc(n + 1, sizeof *o.placed);
    if (o.marks == NULL || o.path == NULL || o.placed == NULL)
        o.err = SX_ERR_NOMEM;
    for (size_t i = 0; i < n && o.err != SX_ERR_NOMEM; i++)
        place(&o, i);
    free(o.marks);
    free(o.path);
    if (o.err < 0)
        free(o.placed);
    else
        *ret_order = o.placed;
    return o.err;
}

/* Numbers ascend, names are there. */
static int check_steps(const struct sx_db_migrate_plugin *plugin, struct sx_report *faults)
{
    const struct sx_db_migration *step = plugin->steps;
    uint32_t before = 0;

    for (; step != NULL && step->sql != NULL; step++) {
        if (step->number <= before || step->name == NULL) {
            sx_report_add(
                faults, "plugin \"%s\": migration %u follows %u: expected ascending numbers from 1",
                plugin->name, step->number, before);
            return SX_ERR_INVALID;
        }
        before = step->number;
    }
    return 0;
}

int plan_check(const struct sx_db_migrate_plugin *plugins, size_t n, struct sx_report *faults)
{
    int err = 0;

    for (size_t i = 0; i < n; i++)
        if (check_steps(&plugins[i], faults) < 0)
            err = SX_ERR_INVALID;
    return err;
}

/* --- the history ---------------------------------------------------------------- */

int history_read(struct session *s, const char *schema, PGresult **ret_history)
{
    char *name = PQescapeIdentifier(s->pg, schema, strlen(schema));
    char sql[256];
    int err = 0;

    *ret_history = NULL;
    if (name == NULL) {
        err = SX_ERR_NOMEM;
    } else if (session_is(s, "SELECT to_regclass(quote_ident($1) || '.sx_migrations') IS NOT NULL",
                          schema)) {
        (void)snprintf(sql, sizeof sql,
                       "SELECT number, name, checksum FROM %s.sx_migrations ORDER BY number", name);
        *ret_history = session_query(s, sql, 0, NULL);
        err = *ret_history == NULL ? SX_ERR_DB : 0;
    }
    PQfreemem(name);
    if (err < 0)
        sx_report_add(s->faults, "plugin \"%s\": its history of migrations cannot be read: %.*s",
                      schema, (int)strcspn(PQerrorMessage(s->pg), "\n"), PQerrorMessage(s->pg));
    return err;
}

static uint32_t number_at(const PGresult *history, int row)
{
    const char *text = PQgetvalue(history, row, 0);
    uint64_t number;

    return sx_parse_uint(text, strlen(text), &number) == 0 ? (uint32_t)number : 0;
}

bool history_has(const PGresult *history, uint32_t number)
{
    for (int row = 0; history != NULL && row < PQntuples(history); row++)
        if (number_at(history, row) == number)
            return true;
    return false;
}

/* Added by a later version: it is that version's duty to leave ours working (expand, deploy,
 * contract), so that an old worker can start again and a release be taken back. */
static bool is_later(const struct sx_db_migrate_plugin *plugin, uint32_t number)
{
    for (const struct sx_db_migration *s = plugin->steps; s != NULL && s->sql != NULL; s++)
        if (s->number >= number)
            return false;
    return true;
}

static void compare_row(const PGresult *history, int row, const struct sx_db_migrate_plugin *plugin,
                        bool takes_later, struct sx_report *faults)
{
    const struct sx_db_migration *step = plugin->steps;
    char checksum[SX_SHA256_HEX + 1];
    uint32_t number = number_at(history, row);

    while (step != NULL && step->sql != NULL && step->number != number)
        step++;
    if (step == NULL || step->sql == NULL) {
        if (takes_later && is_later(plugin, number))
            return;
        sx_report_add(
            faults,
            "plugin \"%s\": migration %u \"%s\" is in the database and unknown to this version\n"
            "Start the version that applied it, or a later one.",
            plugin->name, number, PQgetvalue(history, row, 1));
        return;
    }
    sx_sha256_hex(step->sql, strlen(step->sql), checksum);
    if (strcmp(checksum, PQgetvalue(history, row, 2)) != 0)
        sx_report_add(faults,
                      "plugin \"%s\": migration %u \"%s\" was edited after it had been applied\n"
                      "Put the text back as it was, and write a new migration for the change.",
                      plugin->name, number, step->name);
}

void history_compare(const PGresult *history, const struct sx_db_migrate_plugin *plugin,
                     bool takes_later, struct sx_report *faults)
{
    for (int row = 0; history != NULL && row < PQntuples(history); row++)
        compare_row(history, row, plugin, takes_later, faults);
}
