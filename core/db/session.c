/* db/session.c - a connection of one's own and commands that tell what went wrong. */
#include "db/migrate.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/text.h"

int session_open(struct session *s, const char *url, uint32_t connect_ms)
{
    char seconds[16], why[SX_DB_WHY];
    const char *keys[] = { "dbname", "connect_timeout", "client_encoding",
                           "fallback_application_name", NULL };
    const char *values[] = { url, seconds, "UTF8", "sim-exchange migrate", NULL };

    (void)snprintf(seconds, sizeof seconds, "%u", (connect_ms + 999) / 1000);
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

/* Until the next result is there.  A server that says nothing for too long is hung up on. */
static void await_result(struct session *s)
{
    struct pollfd fd = { .fd = PQsocket(s->pg), .events = POLLIN };
    uint64_t now_ns;
    int left_ms = -1;

    while (PQisBusy(s->pg)) {
        now_ns = uv_hrtime();
        if (s->until_ns != 0)
            left_ms = now_ns < s->until_ns ? (int)((s->until_ns - now_ns) / 1000000) + 1 : 0;
        if (poll(&fd, 1, left_ms) == 0)
            (void)shutdown(fd.fd, SHUT_RDWR);
        if (PQconsumeInput(s->pg) != 1)
            return;
    }
}

/* The last result, as PQexec() has it. */
static PGresult *finish(struct session *s, int is_sent)
{
    PGresult *last = NULL, *res;

    while (is_sent == 1) {
        await_result(s);
        res = PQgetResult(s->pg);
        if (res == NULL)
            break;
        PQclear(last);
        last = res;
        if (PQresultStatus(res) >= PGRES_COPY_OUT && PQresultStatus(res) <= PGRES_COPY_IN)
            break;
    }
    return last;
}

PGresult *session_query(struct session *s, const char *sql, int n, const char *const *values)
{
    PGresult *res = finish(s, PQsendQueryParams(s->pg, sql, n, NULL, values, NULL, NULL, 0));

    if (is_good(res))
        return res;
    PQclear(res);
    return NULL;
}

int session_script(struct session *s, const char *sql, PGresult **ret_error)
{
    PGresult *res = finish(s, PQsendQuery(s->pg, sql));

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

int sx_db_max_connections(const char *url, uint32_t connect_ms, struct sx_report *faults)
{
    static const char sql[] =
        "SELECT current_setting('max_connections')::int"
        " - current_setting('superuser_reserved_connections')::int"
        " - coalesce(current_setting('reserved_connections', true), '0')::int";
    struct session s = { .faults = faults,
                         .until_ns = uv_hrtime() + (uint64_t)connect_ms * 1000000 };
    PGresult *res;
    int64_t n = SX_ERR_DB;
    int err = session_open(&s, url, connect_ms);

    if (err < 0)
        return err;
    res = session_query(&s, sql, 0, NULL);
    if (res == NULL || sx_parse_int(PQgetvalue(res, 0, 0), strlen(PQgetvalue(res, 0, 0)), &n) < 0)
        sx_report_add(faults, "database: max_connections cannot be read: %.*s",
                      (int)strcspn(PQerrorMessage(s.pg), "\n"), PQerrorMessage(s.pg));
    PQclear(res);
    session_close(&s);
    return n > INT32_MAX ? INT32_MAX : (int)n;
}
