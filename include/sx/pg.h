/*
 * sx/pg.h - the libpq connection and result behind the handles of <sx/plugin.h>.
 *
 * For COPY, large objects and whatever the narrow API leaves out.  A plugin that
 * includes this links libpq itself; the others need not.
 */
#ifndef SX_PG_H
#define SX_PG_H

#include <libpq-fe.h>
#include <sx/plugin.h>

/* The pooled connection that this sx_db leases (now, if it has not yet).  Leave it
 * idle and out of any transaction, and do not PQfinish it.  [pool] */
static inline PGconn *sx_db_pg(sx_db *db)
{
    return (PGconn *)sx_host_->db_conn(db);
}

/* Borrowed; NULL when the host holds the rows in another form. */
static inline const PGresult *sx_rows_pg(const sx_rows *rows)
{
    return (const PGresult *)sx_host_->rows_pg(rows);
}

#endif /* SX_PG_H */
