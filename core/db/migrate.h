/*
 * db/migrate.h - what the files of the migrations share.  All synchronous but verify.c; the
 * session belongs to the calling thread.
 */
#ifndef SX_DB_MIGRATE_H
#define SX_DB_MIGRATE_H

#include "db/db_private.h"

#define ROLE_PREFIX "sx_"

struct session {
    PGconn *pg;
    struct sx_report *faults;
    void (*say)(void *arg, const char *line);
    void *arg;
    bool wants_roles, may_create_roles;
};

/* --- session.c: a connection, and commands that tell what went wrong ------------ */

/* SX_ERR_DB after a fault. */
int session_open(struct session *s, const char *url);
void session_close(struct session *s);
bool session_is_lost(const struct session *s); /* the server hung up */
void session_say(const struct session *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* NULL after a failure; then PQerrorMessage tells, or *ret_error, which the caller clears. */
PGresult *session_query(struct session *s, const char *sql, int n, const char *const *values);
/* A command of our own; a fault that begins with what is told when it fails. */
int session_run(struct session *s, const char *what, const char *sql);
/* The same with identifiers: each %s of fmt is one, quoted here. */
int session_run_on(struct session *s, const char *what, const char *fmt, const char *a,
                   const char *b);
/* One text and its outcome: SX_OK, or SX_ERR_DB with the failed result to be cleared. */
int session_script(struct session *s, const char *sql, PGresult **ret_error);
/* "1" or a row: a yes. */
bool session_is(struct session *s, const char *sql, const char *value);

/* --- plan.c: the order of plugins, and what their histories lack ---------------- */

/* Indexes into plugins, each after those that it uses; SX_ERR_INVALID after a fault. */
int plan_order(const struct sx_db_migrate_plugin *plugins, size_t n, struct sx_report *faults,
               size_t **ret_order);
/* Are the steps of each what steps have to be?  SX_ERR_INVALID after a fault. */
int plan_check(const struct sx_db_migrate_plugin *plugins, size_t n, struct sx_report *faults);
/* A history is what a schema says of its steps (number, name, checksum); NULL: there is none yet.
 * The caller clears it. */
int history_read(struct session *s, const char *schema, PGresult **ret_history);
bool history_has(const PGresult *history, uint32_t number);
/* Edited steps are faults, and steps that this version does not know; with takes_later those
 * that came after its last one are not. */
void history_compare(const PGresult *history, const struct sx_db_migrate_plugin *plugin,
                     bool takes_later, struct sx_report *faults);

/* --- schema.c: schemas, roles and grants ---------------------------------------- */

int schema_make(struct session *s, struct sx_db_migrate_plugin *plugin);
int schema_grant(struct session *s, const struct sx_db_migrate_plugin *plugin,
                 const struct sx_db_migrate_plugin *plugins, size_t n);
/* Is there a role of the plugin's own that the login may take? */
bool schema_has_role(struct session *s, const char *plugin);

/* --- step.c --------------------------------------------------------------------- */

/* The step and its row in the history; SX_ERR_DB after a fault. */
int step_apply(struct session *s, const struct sx_db_migrate_plugin *plugin,
               const struct sx_db_migration *step);

#endif /* SX_DB_MIGRATE_H */
