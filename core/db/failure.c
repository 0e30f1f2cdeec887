/* db/failure.c - what an error result means. */
#include "db/db_private.h"

#include <stdio.h>
#include <string.h>

/* SQLSTATEs: PostgreSQL 15 manual, appendix A. */
static const char *const retryable[] = { "40001", "40P01", NULL };

bool sx_db_has_sqlstate(const PGresult *res, const char *sqlstate)
{
    const char *found = PQresultErrorField(res, PG_DIAG_SQLSTATE);

    return found != NULL && strcmp(found, sqlstate) == 0;
}

bool sx_db_is_fatal(const PGresult *res)
{
    const char *severity = PQresultErrorField(res, PG_DIAG_SEVERITY_NONLOCALIZED);

    return severity == NULL || strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0;
}

void sx_db_failure_read(struct sx_db_failure *ret, const PGresult *res, uint32_t index)
{
    const char *sqlstate = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    memset(ret, 0, sizeof *ret);
    ret->index = index;
    ret->message = message != NULL ? message : PQresultErrorMessage(res);
    ret->constraint = PQresultErrorField(res, PG_DIAG_CONSTRAINT_NAME);
    if (sqlstate != NULL)
        (void)snprintf(ret->sqlstate, sizeof ret->sqlstate, "%s", sqlstate);
    for (const char *const *state = retryable; *state != NULL; state++)
        ret->is_retryable |= strcmp(ret->sqlstate, *state) == 0;
}
