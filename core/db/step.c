/*
 * db/step.c - one migration and its row in the history: both or neither.
 *
 * A text whose first line is "-- sx: no-transaction" is for what PostgreSQL refuses inside of
 * one (CREATE INDEX CONCURRENTLY): its commands run one by one, so write them to be repeatable.
 */
#include "db/migrate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "db/token.h"

#define NO_TRANSACTION "-- sx: no-transaction"

static bool is_bare(const char *sql)
{
    size_t len = strlen(NO_TRANSACTION);

    return strncmp(sql, NO_TRANSACTION, len) == 0 && strchr("\r\n ", sql[len]) != NULL;
}

/* The position that the server tells counts characters, not bytes. */
static uint32_t line_of(const char *sql, const PGresult *error)
{
    const char *text = PQresultErrorField(error, PG_DIAG_STATEMENT_POSITION);
    int64_t position = 0;
    uint32_t line = 1;

    if (text == NULL || sx_parse_int(text, strlen(text), &position) < 0 || position <= 0)
        return 0;
    for (; *sql != '\0' && position > 1; sql++) {
        line += *sql == '\n';
        position -= ((unsigned char)sql[1] & 0xC0) != 0x80;
    }
    return line;
}

static void tell(struct session *s, const struct sx_db_migrate_plugin *plugin,
                 const struct sx_db_migration *step, uint32_t line, const char *message,
                 const char *hint)
{
    char where[32] = "";

    if (line > 0)
        (void)snprintf(where, sizeof where, "line %u: ", line);
    sx_report_add(s->faults, "plugin \"%s\": migration %u \"%s\": %s%s%s%s", plugin->name,
                  step->number, step->name, where, message, hint != NULL ? "\n" : "",
                  hint != NULL ? hint : "");
}

/* Takes error.  lines_before: of the step's text, before what failed. */
static void tell_error(struct session *s, const struct sx_db_migrate_plugin *plugin,
                       const struct sx_db_migration *step, const char *sql, uint32_t lines_before,
                       PGresult *error)
{
    const char *message = PQresultErrorField(error, PG_DIAG_MESSAGE_PRIMARY);
    uint32_t line = line_of(sql, error);

    tell(s, plugin, step, line > 0 ? line + lines_before : 0,
         message != NULL ? message : PQerrorMessage(s->pg),
         PQresultErrorField(error, PG_DIAG_MESSAGE_HINT));
    PQclear(error);
}

/* --- whose it is ---------------------------------------------------------------- */

/* Role and search path, as the plugin's own statements will have them. */
static int stand_as(struct session *s, const struct sx_db_migrate_plugin *plugin)
{
    char path[1024], role[128];
    size_t len = (size_t)snprintf(path, sizeof path, "\"%s\"", plugin->name);
    const char *values[2] = { role, path };
    PGresult *res;

    for (const char *const *used = plugin->uses; used != NULL && *used != NULL && len < sizeof path;
         used++)
        len += (size_t)snprintf(path + len, sizeof path - len, ", \"%s\"", *used);
    (void)snprintf(role, sizeof role, "%s%s", plugin->needs_role ? ROLE_PREFIX : "none",
                   plugin->needs_role ? plugin->name : "");
    res = session_query(
        s, "SELECT set_config('role', $1, false), set_config('search_path', $2, false)", 2, values);
    PQclear(res);
    if (res != NULL)
        return 0;
    sx_report_add(s->faults, "plugin \"%s\": its role cannot be taken: %.*s", plugin->name,
                  (int)strcspn(PQerrorMessage(s->pg), "\n"), PQerrorMessage(s->pg));
    return SX_ERR_DB;
}

static int stand_back(struct session *s)
{
    return session_run(s, "the session cannot be reset",
                       "RESET ROLE; RESET ALL; SET statement_timeout = 0");
}

static int record(struct session *s, const struct sx_db_migrate_plugin *plugin,
                  const struct sx_db_migration *step, uint64_t began_ns)
{
    char number[16], ms[24], checksum[SX_SHA256_HEX + 1], sql[300];
    char *schema = PQescapeIdentifier(s->pg, plugin->name, strlen(plugin->name));
    const char *values[4] = { number, step->name, checksum, ms };
    PGresult *res = NULL;

    (void)snprintf(number, sizeof number, "%u", step->number);
    (void)snprintf(ms, sizeof ms, "%llu", (unsigned long long)((uv_hrtime() - began_ns) / 1000000));
    sx_sha256_hex(step->sql, strlen(step->sql), checksum);
    if (schema != NULL) {
        (void)snprintf(
            sql, sizeof sql,
            "INSERT INTO %s.sx_migrations (number, name, checksum, ms) VALUES ($1, $2, $3, $4)",
            schema);
        res = session_query(s, sql, 4, values);
    }
    PQfreemem(schema);
    PQclear(res);
    if (res != NULL)
        return 0;
    tell(s, plugin, step, 0, PQerrorMessage(s->pg), NULL);
    return SX_ERR_DB;
}

/* --- in a transaction ----------------------------------------------------------- */

static int run_whole(struct session *s, const struct sx_db_migrate_plugin *plugin,
                     const struct sx_db_migration *step)
{
    PGresult *error;

    if (session_script(s, step->sql, &error) < 0) {
        tell_error(s, plugin, step, step->sql, 0, error);
        return SX_ERR_DB;
    }
    if (PQtransactionStatus(s->pg) == PQTRANS_INTRANS)
        return 0;
    tell(s, plugin, step, 0, "it ends the transaction that it runs in",
         "Leave BEGIN, COMMIT and ROLLBACK out.");
    return SX_ERR_DB;
}

static int apply_whole(struct session *s, const struct sx_db_migrate_plugin *plugin,
                       const struct sx_db_migration *step)
{
    uint64_t began_ns = uv_hrtime();
    PGresult *error = NULL;
    int err = session_run(s, "a transaction cannot begin", "BEGIN");

    if (err == 0)
        err = stand_as(s, plugin);
    if (err == 0)
        err = run_whole(s, plugin, step);
    if (err == 0)
        err = stand_back(s);
    if (err == 0)
        err = record(s, plugin, step, began_ns);
    if (err == 0 && session_script(s, "COMMIT", &error) < 0) {
        tell_error(s, plugin, step, "", 0, error);
        err = SX_ERR_DB;
    }
    if (err < 0)
        PQclear(PQexec(s->pg, "ROLLBACK"));
    return err;
}

/* --- one by one ----------------------------------------------------------------- */

static uint32_t count_lines(const char *from, const char *to)
{
    uint32_t n = 0;

    for (; from < to; from++)
        n += *from == '\n';
    return n;
}

/* The text up to the next semicolon, in a copy; NULL at the end or without memory. */
static char *cut_command(const char **at)
{
    struct token token;
    const char *end = *at;
    char *copy;

    do
        end = sx_db_token_next(end, &token);
    while (token.kind != TOKEN_SEMICOLON && token.kind != TOKEN_END);
    copy = end > *at ? strndup(*at, (size_t)(end - *at)) : NULL;
    *at = end;
    return copy;
}

static int run_one_by_one(struct session *s, const struct sx_db_migrate_plugin *plugin,
                          const struct sx_db_migration *step)
{
    const char *at = step->sql, *from = at;
    PGresult *error;
    char *command;
    int err = 0;

    while (err == 0 && (command = cut_command(&at)) != NULL) {
        err = session_script(s, command, &error);
        if (err < 0)
            tell_error(s, plugin, step, command, count_lines(step->sql, from), error);
        free(command);
        from = at;
    }
    if (err == 0 && PQtransactionStatus(s->pg) != PQTRANS_IDLE) {
        tell(s, plugin, step, 0, "it leaves a transaction open", NULL);
        err = SX_ERR_DB;
    }
    return err;
}

static int apply_bare(struct session *s, const struct sx_db_migrate_plugin *plugin,
                      const struct sx_db_migration *step)
{
    uint64_t began_ns = uv_hrtime();
    int err = stand_as(s, plugin), err_back;

    if (err == 0)
        err = run_one_by_one(s, plugin, step);
    if (PQtransactionStatus(s->pg) != PQTRANS_IDLE)
        PQclear(PQexec(s->pg, "ROLLBACK"));
    err_back = stand_back(s);
    if (err == 0)
        err = err_back;
    return err == 0 ? record(s, plugin, step, began_ns) : err;
}

int step_apply(struct session *s, const struct sx_db_migrate_plugin *plugin,
               const struct sx_db_migration *step)
{
    return is_bare(step->sql) ? apply_bare(s, plugin, step) : apply_whole(s, plugin, step);
}
