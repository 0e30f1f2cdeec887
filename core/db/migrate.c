/*
 * db/migrate.c - the plugins' schemas brought up to what their manifests say.
 *
 * One advisory lock serves for the whole run, taken by asking again and again: a session that
 * waits inside pg_advisory_lock() holds a snapshot, and CREATE INDEX CONCURRENTLY of the
 * other would wait for it in turn.
 */
#include "db/migrate.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { ASK_AGAIN_MS = 20 };

static const char lock_sql[] =
    "SELECT pg_try_advisory_lock(8319395793567411)"; /* any fixed number */

static int take_lock(struct session *s)
{
    bool has_told = false;
    PGresult *res;
    bool is_mine;

    for (;;) {
        res = session_query(s, lock_sql, 0, NULL);
        if (res == NULL) {
            sx_report_add(s->faults, "database: the lock of migrations cannot be taken: %.*s",
                          (int)strcspn(PQerrorMessage(s->pg), "\n"), PQerrorMessage(s->pg));
            return SX_ERR_DB;
        }
        is_mine = PQgetvalue(res, 0, 0)[0] == 't';
        PQclear(res);
        if (is_mine)
            return 0;
        if (!has_told)
            session_say(s, "another migration is running: waiting for it");
        has_told = true;
        (void)poll(NULL, 0, ASK_AGAIN_MS);
    }
}

static bool is_step(const struct sx_db_migration *step)
{
    return step != NULL && step->sql != NULL;
}

/* --- saying --------------------------------------------------------------------- */

static int say_missing(struct session *s, const struct sx_db_migrate_plugin *plugin)
{
    PGresult *history;
    int err = history_read(s, plugin->name, &history);

    if (err < 0)
        return err;
    history_compare(history, plugin, false, s->faults);
    for (const struct sx_db_migration *step = plugin->steps; is_step(step); step++)
        if (!history_has(history, step->number))
            session_say(s, "%s: would apply %u %s", plugin->name, step->number, step->name);
    PQclear(history);
    return 0;
}

/* --- applying ------------------------------------------------------------------- */

static int apply_missing(struct session *s, const struct sx_db_migrate_plugin *plugin,
                         const PGresult *history)
{
    int err = 0;

    for (const struct sx_db_migration *step = plugin->steps; is_step(step) && err == 0; step++) {
        if (history_has(history, step->number))
            continue;
        err = step_apply(s, plugin, step);
        if (err == 0)
            session_say(s, "%s: applied %u %s", plugin->name, step->number, step->name);
    }
    return err;
}

static int apply(struct session *s, struct sx_db_migrate_plugin *plugin,
                 const struct sx_db_migrate_plugin *plugins, size_t n)
{
    size_t n_faults = s->faults->n_faults;
    PGresult *history;
    int err = schema_make(s, plugin);

    if (err == 0)
        err = schema_grant(s, plugin, plugins, n);
    if (err == 0)
        err = history_read(s, plugin->name, &history);
    if (err < 0)
        return err;
    history_compare(history, plugin, false, s->faults);
    err = s->faults->n_faults > n_faults ? SX_ERR_INVALID : apply_missing(s, plugin, history);
    PQclear(history);
    return err;
}

/* --- the run -------------------------------------------------------------------- */

static int prepare(struct session *s, enum sx_db_migrate_mode mode)
{
    int err = session_run(s, "a session cannot be prepared",
                          "SET statement_timeout = 0; SET default_transaction_read_only = off");

    s->may_create_roles = session_is(s,
                                     "SELECT rolsuper OR rolcreaterole FROM pg_roles "
                                     "WHERE rolname = current_user",
                                     NULL);
    if (err < 0 || mode != SX_DB_MIGRATE_APPLY)
        return err;
    if (s->wants_roles && !s->may_create_roles)
        session_say(s, "the login may not create roles: plugins without one share the login's");
    return take_lock(s);
}

static int run(struct session *s, struct sx_db_migrate_plugin *plugins, size_t n,
               const size_t *order, enum sx_db_migrate_mode mode)
{
    int err = prepare(s, mode);

    for (size_t i = 0; i < n && err == 0; i++)
        err = mode == SX_DB_MIGRATE_APPLY ? apply(s, &plugins[order[i]], plugins, n)
                                          : say_missing(s, &plugins[order[i]]);
    return err;
}

int sx_db_migrate(const char *url, struct sx_db_migrate_plugin *plugins, size_t n,
                  enum sx_db_migrate_mode mode, bool roles, struct sx_report *faults,
                  void (*say)(void *arg, const char *line), void *arg)
{
    struct session s = { .faults = faults, .say = say, .arg = arg, .wants_roles = roles };
    size_t n_faults = faults->n_faults, *order = NULL;
    int err = plan_check(plugins, n, faults), err_order = plan_order(plugins, n, faults, &order);

    if (err == 0)
        err = err_order;
    if (err == 0)
        err = session_open(&s, url);
    if (err == 0)
        err = run(&s, plugins, n, order, mode);
    if (session_is_lost(&s)) { /* then what was compared says nothing */
        sx_report_add(faults, "database: the server hung up");
        err = SX_ERR_CLOSED;
    }
    session_close(&s);
    free(order);
    return err == 0 && faults->n_faults > n_faults ? SX_ERR_INVALID : err;
}
