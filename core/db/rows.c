/* db/rows.c - a result with a count of its holders; any thread may read and drop it. */
#include "db/db_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct sx_db_rows *sx_db_rows_create(PGresult *res)
{
    struct sx_db_rows *rows = malloc(sizeof *rows);

    if (rows == NULL) {
        PQclear(res);
        return NULL;
    }
    atomic_init(&rows->n_refs, 1);
    rows->res = res;
    return rows;
}

void sx_db_rows_keep(struct sx_db_rows *rows)
{
    atomic_fetch_add_explicit(&rows->n_refs, 1, memory_order_relaxed);
}

void sx_db_rows_drop(struct sx_db_rows *rows)
{
    if (rows == NULL || atomic_fetch_sub_explicit(&rows->n_refs, 1, memory_order_acq_rel) != 1)
        return;
    PQclear(rows->res);
    free(rows);
}

uint32_t sx_db_rows_count(const struct sx_db_rows *rows)
{
    return (uint32_t)PQntuples(rows->res);
}

uint32_t sx_db_rows_columns(const struct sx_db_rows *rows)
{
    return (uint32_t)PQnfields(rows->res);
}

const char *sx_db_rows_name(const struct sx_db_rows *rows, uint32_t col)
{
    return col < sx_db_rows_columns(rows) ? PQfname(rows->res, (int)col) : NULL;
}

/* Not PQfnumber: that folds case and reads quotes. */
int32_t sx_db_rows_column(const struct sx_db_rows *rows, const char *name)
{
    uint32_t n = sx_db_rows_columns(rows);

    for (uint32_t col = 0; col < n; col++)
        if (strcmp(PQfname(rows->res, (int)col), name) == 0)
            return (int32_t)col;
    return -1;
}

uint32_t sx_db_rows_oid(const struct sx_db_rows *rows, uint32_t col)
{
    return col < sx_db_rows_columns(rows) ? PQftype(rows->res, (int)col) : 0;
}

const char *sx_db_rows_text(const struct sx_db_rows *rows, uint32_t row, uint32_t col,
                            size_t *ret_len)
{
    int r = (int)row, c = (int)col;

    if (row >= sx_db_rows_count(rows) || col >= sx_db_rows_columns(rows) ||
        PQgetisnull(rows->res, r, c))
        return NULL;
    if (ret_len != NULL)
        *ret_len = (size_t)PQgetlength(rows->res, r, c);
    return PQgetvalue(rows->res, r, c);
}

uint64_t sx_db_rows_affected(const struct sx_db_rows *rows)
{
    const char *text = PQcmdTuples(rows->res);
    uint64_t n;

    return sx_parse_uint(text, strlen(text), &n) == 0 ? n : 0;
}

const void *sx_db_rows_pg(const struct sx_db_rows *rows)
{
    return rows->res;
}
