/*
 * plugin/host_lease.c - the entries of the host table that reach the database from a pool
 * thread: one leased connection, ordinary control flow.  [pool]
 */
#include <string.h>

#include "base/clock.h"
#include "plugin/plugin_private.h"

#define ARENA_BYTES (64u << 20)

int sx_lease_open(struct sx_db *db, struct sx_plugin *p, struct sx_req *r, uint64_t deadline_ns)
{
    struct sx_plugins *ps = p->set;

    *db = (struct sx_db){ .set = ps, .plugin = p, .req = r };
    sx_arena_init(&db->arena, ARENA_BYTES);
    sx_arena_init(&db->decoded, ARENA_BYTES);
    if (ps->rt.db == NULL || (p->grants & SX_CAP_DB) == 0)
        return 0; /* a handler without the database is fine; its statements fail */
    return ps->rt.db->lease_create(ps->rt.pool, &p->owner, deadline_ns, &db->lease);
}

const char *sx_lease_close(struct sx_db *db)
{
    const char *left = NULL;

    if (db->lease != NULL)
        db->set->rt.db->lease_end(db->lease, &left);
    db->lease = NULL;
    sx_arena_finish(&db->arena);
    sx_arena_finish(&db->decoded);
    return left;
}

/* A mistake of the plugin, which the database never hears of: it sticks as any failure does. */
static void refuse(struct sx_db *db, const char *message)
{
    if (db->has_error)
        return;
    db->error = (sx_db_error){ .size = sizeof db->error, .message = message };
    db->has_error = true;
    sx_report_fault(db->plugin, db->req, "no statement was sent: %s", message);
}

/* Why no statement can run; false when one can. */
static bool is_refused(struct sx_db *db)
{
    if (db->has_error)
        return true;
    if (db->lease != NULL)
        return false;
    refuse(db, (db->plugin->grants & SX_CAP_DB) == 0 ? "the configuration does not grant \"db\""
                                                     : "no database is configured");
    return true;
}

static void take_failure(struct sx_db *db)
{
    const struct sx_db_failure *f = db->set->rt.db->lease_failure(db->lease);

    if (f == NULL || db->has_error)
        return;
    sx_db_error_fill(&db->error, f);
    db->has_error = true;
    if (db->req != NULL && !(f->is_retryable && db->may_retry)) {
        sx_note_failure(db->req, f);
        sx_tell_failure(db->req, f);
    }
}

const sx_rows *sx_host_db_exec(sx_db *db, const sx_stmt *stmt)
{
    struct sx_db_stmt *copy;
    uint64_t since;

    if (is_refused(db))
        return NULL;
    sx_arena_reset(&db->arena);
    if (sx_stmts_copy(&db->arena, stmt, 1, &copy) < 0) {
        refuse(db, "a statement without text, or with a parameter of no known type");
        return NULL;
    }
    since = sx_clock_mono_ns();
    sx_arena_reset(&db->decoded); /* not before: parameters may lie there */
    db->rows = (struct sx_rows){ db->set->rt.db, db->set->rt.db->lease_exec(db->lease, copy),
                                 &db->decoded };
    if (db->req != NULL)
        db->req->db_ns += sx_clock_mono_ns() - since;
    if (db->rows.rows == NULL) {
        take_failure(db);
        return NULL;
    }
    return &db->rows;
}

int sx_host_db_control(sx_db *db, int32_t verb)
{
    int err;

    if (verb < SX_BEGIN || verb > SX_ROLLBACK)
        return SX_EINVAL;
    if (is_refused(db))
        return SX_EDB;
    err = db->set->rt.db->lease_control(db->lease, verb);
    if (err == SX_ERR_INVALID)
        refuse(db,
               verb == SX_BEGIN ? "begin inside a transaction" : "commit outside a transaction");
    else if (err < 0)
        take_failure(db);
    return err < 0 ? SX_EDB : SX_OK;
}

const sx_db_error *sx_host_db_error(const sx_db *db)
{
    return db->has_error ? &db->error : NULL;
}

void *sx_host_db_conn(sx_db *db)
{
    void *conn;

    if (is_refused(db))
        return NULL;
    conn = db->set->rt.db->lease_conn(db->lease);
    if (conn == NULL)
        take_failure(db);
    return conn;
}
