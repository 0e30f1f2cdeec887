/* db/limit.c - how many connections the server allows, asked of the pool. */
#include "db/db_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

/* reserved_connections is of PostgreSQL 16 and later. */
static const char limit_sql[] =
    "SELECT current_setting('max_connections')::int"
    " - current_setting('superuser_reserved_connections')::int"
    " - coalesce(current_setting('reserved_connections', true), '0')::int";

enum { LIMIT_MS = 2000 };

struct question {
    struct sx_db_op op;
    struct sx_db_stmt stmt;
    sx_db_limit_fn *fn;
    void *arg;
};

static void on_answer(struct sx_db_op *op, struct sx_db_rows *const *rows,
                      const struct sx_db_failure *failure)
{
    struct question *q = SX_MEMBER_OF(op, struct question, op);
    const char *text = NULL;
    size_t len = 0;
    int64_t max = SX_ERR_DB;

    if (failure == NULL)
        text = sx_db_rows_text(rows[0], 0, 0, &len);
    if (text != NULL && (sx_parse_int(text, len, &max) < 0 || max < 0 || max > INT32_MAX))
        max = SX_ERR_DB;
    q->fn(q->arg, (int)max);
    free(q);
}

int sx_db_max_connections(struct sx_db_pool *pool, sx_db_limit_fn *fn, void *arg)
{
    struct question *q = calloc(1, sizeof *q);
    int err;

    if (q == NULL)
        return SX_ERR_NOMEM;
    *q = (struct question){ .op = { .owner = &sx_db_login,
                                    .stmts = &q->stmt,
                                    .n_stmts = 1,
                                    .deadline_ms = uv_now(pool->set.loop) + LIMIT_MS,
                                    .timeout_ms = LIMIT_MS,
                                    .done = on_answer },
                            .stmt = { .sql = limit_sql, .flags = SX_DB_READ_ONLY },
                            .fn = fn,
                            .arg = arg };
    err = sx_db_pool_submit(pool, &q->op);
    if (err < 0)
        free(q);
    return err;
}
