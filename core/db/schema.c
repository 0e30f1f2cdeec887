/*
 * db/schema.c - a schema for each plugin, a role where the login may, and who may see what.
 *
 * Roles belong to the whole cluster: another database's migration may make the same one at
 * the same moment, so "it exists already" is no error.
 */
#include "db/migrate.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

enum { MAX_NAME = 63, MAX_TRIES = 20 };

static void role_of(const char *plugin, char to[MAX_NAME + 1])
{
    (void)snprintf(to, MAX_NAME + 1, ROLE_PREFIX "%s", plugin);
}

bool schema_has_role(struct session *s, const char *plugin)
{
    char role[MAX_NAME + 1];

    role_of(plugin, role);
    return session_is(
        s, "SELECT pg_has_role(current_user, rolname, 'MEMBER') FROM pg_roles WHERE rolname = $1",
        role);
}

/* Another session did the same at the same time. */
static bool is_race(const PGresult *error)
{
    return sx_db_has_sqlstate(error, "42710") || sx_db_has_sqlstate(error, "23505") ||
           sx_db_has_sqlstate(error, "XX000"); /* "tuple concurrently updated" */
}

static int run_racing(struct session *s, const char *sql)
{
    PGresult *error = NULL;
    int err = SX_ERR_DB;

    for (int i = 0; i < MAX_TRIES && err < 0; i++) {
        PQclear(error);
        error = NULL;
        err = session_script(s, sql, &error);
        if (err < 0 && sx_db_has_sqlstate(error, "42710"))
            err = 0;
        if (err < 0 && !is_race(error))
            break;
    }
    if (err < 0)
        sx_report_add(s->faults, "database: %.40s…: %s", sql,
                      PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY));
    PQclear(error);
    return err;
}

static int make_role(struct session *s, const char *plugin)
{
    char role[MAX_NAME + 1], sql[300];
    char *quoted;
    int err;

    role_of(plugin, role);
    quoted = PQescapeIdentifier(s->pg, role, strlen(role));
    if (quoted == NULL)
        return SX_ERR_NOMEM;
    (void)snprintf(sql, sizeof sql, "CREATE ROLE %s NOLOGIN", quoted);
    err = session_is(s, "SELECT true FROM pg_roles WHERE rolname = $1", role) ? 0
                                                                              : run_racing(s, sql);
    (void)snprintf(sql, sizeof sql, "GRANT %s TO CURRENT_USER", quoted);
    if (err == 0 && !schema_has_role(s, plugin))
        err = run_racing(s, sql);
    PQfreemem(quoted);
    return err;
}

/* Each command of ours that a query writes: its one column, from $1 and $2. */
static int run_each(struct session *s, const char *what, const char *sql, const char *a,
                    const char *b)
{
    const char *values[2] = { a, b };
    PGresult *res = session_query(s, sql, 2, values);
    int err = 0;

    for (int row = 0; res != NULL && row < PQntuples(res) && err == 0; row++)
        err = session_run(s, what, PQgetvalue(res, row, 0));
    PQclear(res);
    return err;
}

/* A schema made before there were roles is handed over with all that is in it; sequences go
 * with the tables that own them. */
static int hand_over(struct session *s, const char *plugin, const char *role)
{
    static const char what[] = "a schema cannot be given to its role";
    static const char objects_sql[] =
        "SELECT format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname, $2::text)"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = $1 AND c.relkind IN ('r','p','v','m','f','S') AND c.relname <> 'sx_migrations'"
        " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('a','i')"
        " AND c.relkind = 'S') UNION ALL "
        "SELECT format('ALTER ROUTINE %s OWNER TO %I', p.oid::regprocedure, $2::text)"
        " FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = $1";
    int err = session_run_on(s, what, "ALTER SCHEMA %s OWNER TO %s", plugin, role);

    return err == 0 ? run_each(s, what, objects_sql, plugin, role) : err;
}

static int own_schema(struct session *s, struct sx_db_migrate_plugin *plugin)
{
    static const char is_owner[] = "SELECT pg_get_userbyid(nspowner) = '" ROLE_PREFIX
                                   "' || nspname "
                                   "FROM pg_namespace WHERE nspname = $1";
    char role[MAX_NAME + 1];
    int err = make_role(s, plugin->name);

    if (err < 0)
        return err;
    plugin->needs_role = true;
    role_of(plugin->name, role);
    err = session_run_on(s, "a schema cannot be made",
                         "CREATE SCHEMA IF NOT EXISTS %s AUTHORIZATION %s", plugin->name, role);
    return err == 0 && !session_is(s, is_owner, plugin->name) ? hand_over(s, plugin->name, role)
                                                              : err;
}

int schema_make(struct session *s, struct sx_db_migrate_plugin *plugin)
{
    static const char history_sql[] =
        "CREATE TABLE IF NOT EXISTS %s.sx_migrations (number int PRIMARY KEY, name text NOT NULL, "
        "checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), ms int NOT NULL)";
    int err;

    if (strlen(plugin->name) + strlen(ROLE_PREFIX) > MAX_NAME) {
        sx_report_add(s->faults, "plugin \"%s\": its name is too long for a schema and a role",
                      plugin->name);
        return SX_ERR_INVALID;
    }
    plugin->needs_role = false;
    if (s->wants_roles && (s->may_create_roles || schema_has_role(s, plugin->name)))
        err = own_schema(s, plugin);
    else
        err = session_run_on(s, "a schema cannot be made", "CREATE SCHEMA IF NOT EXISTS %s",
                             plugin->name, "");
    if (err < 0)
        return err;
    return session_run_on(s, "a history cannot be made", history_sql, plugin->name, "");
}

/* What a plugin exposes to those that use it: functions and views, not tables. */
static const char grant_views_sql[] =
    "SELECT format('GRANT SELECT ON %I.%I TO %I', n.nspname, c.relname, $2::text) "
    "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = $1 AND c.relkind IN ('v', 'm')";

static bool is_given(const struct sx_db_migrate_plugin *plugins, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(plugins[i].name, name) == 0)
            return true;
    return false;
}

int schema_grant(struct session *s, const struct sx_db_migrate_plugin *plugin,
                 const struct sx_db_migrate_plugin *plugins, size_t n)
{
    const char *const *used = plugin->uses;
    char role[MAX_NAME + 1];
    int err = 0;

    if (!plugin->needs_role)
        return 0;
    role_of(plugin->name, role);
    for (; used != NULL && *used != NULL && err == 0; used++) {
        if (!is_given(plugins, n, *used))
            continue;
        err = session_run_on(s, "a schema cannot be shown to another plugin",
                             "GRANT USAGE ON SCHEMA %s TO %s", *used, role);
        if (err == 0)
            err = session_run_on(s, "functions cannot be shown to another plugin",
                                 "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA %s TO %s", *used, role);
        if (err == 0)
            err = run_each(s, "a view cannot be shown to another plugin", grant_views_sql, *used,
                           role);
    }
    return err;
}
