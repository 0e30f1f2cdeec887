/* db/session.c - a connection of one's own and commands that tell what went wrong. */
#include "db/migrate.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

#define CONNECT_S "10" /* for each address */

int session_open(struct session *s, const char *url)
{
    char why[SX_DB_WHY];
    const char *keys[] = { "dbname", "connect_timeout", "client_encoding",
                           "fallback_application_name", NULL };
    const char *values[] = { url, CONNECT_S, "UTF8", "sim-exchange migrate", NULL };

    s->pg = PQconnectdbParams(keys, values, 1);
    if (PQstatus(s->pg) == CONNECTION_OK) {
        sx_db_conn_quiet(s->pg);
        return 0;
    }
    sx_db_conn_message(why, sizeof why, PQerrorMessage(s->pg));
    sx_report_add(s->faults, "database: cannot connect: %s", why);
    session_close(s);
    return SX_ERR_CLOSED;
}

bool session_is_lost(const struct session *s)
{
    return s->pg != NULL && PQstatus(s->pg) == CONNECTION_BAD;
}

void session_close(struct session *s)
{
    PQfinish(s->pg);
    s->pg = NULL;
}

void session_say(const struct session *s, const char *fmt, ...)
{
    char line[400];
    va_list ap;

    if (s->say == NULL)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    s->say(s->arg, line);
}

static bool is_good(const PGresult *res)
{
    ExecStatusType status = PQresultStatus(res);

    return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

PGresult *session_query(struct session *s, const char *sql, int n, const char *const *values)
{
    PGresult *res = PQexecParams(s->pg, sql, n, NULL, values, NULL, NULL, 0);

    if (is_good(res))
        return res;
    PQclear(res);
    return NULL;
}

int session_script(struct session *s, const char *sql, PGresult **ret_error)
{
    PGresult *res = PQexec(s->pg, sql);

    if (!is_good(res)) {
        *ret_error = res;
        return SX_ERR_DB;
    }
    PQclear(res);
    return 0;
}

int session_run(struct session *s, const char *what, const char *sql)
{
    PGresult *error;
    const char *message;

    if (session_script(s, sql, &error) == 0)
        return 0;
    message = PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY);
    if (message == NULL)
        message = PQerrorMessage(s->pg);
    sx_report_add(s->faults, "database: %s: %.*s", what, (int)strcspn(message, "\n"), message);
    PQclear(error);
    return SX_ERR_DB;
}

int session_run_on(struct session *s, const char *what, const char *fmt, const char *a,
                   const char *b)
{
    char *first = PQescapeIdentifier(s->pg, a, strlen(a));
    char *second = PQescapeIdentifier(s->pg, b, strlen(b));
    int err = SX_ERR_NOMEM, len;
    char sql[600];

    if (first != NULL && second != NULL) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        len = snprintf(sql, sizeof sql, fmt, first, second);
#pragma GCC diagnostic pop
        err = len > 0 && (size_t)len < sizeof sql ? session_run(s, what, sql) : SX_ERR_INVALID;
    }
    PQfreemem(first);
    PQfreemem(second);
    return err;
}

bool session_is(struct session *s, const char *sql, const char *value)
{
    PGresult *res = session_query(s, sql, value != NULL, &value);
    bool is_it = res != NULL && PQntuples(res) > 0 && strcmp(PQgetvalue(res, 0, 0), "t") == 0;

    PQclear(res);
    return is_it;
}
