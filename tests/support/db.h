/*
 * support/db.h - a pool of core/db on a loop of the test's own, asked and answered in line.
 */
#ifndef SX_TEST_SUPPORT_DB_H
#define SX_TEST_SUPPORT_DB_H

#include "db/db.h"

struct sx_test_db {
    uv_loop_t loop;
    const struct sx_db_module *m;
    struct sx_db_pool *pool;
    struct sx_db_settings set;
    struct sx_db_owner owner; /* the login role, search path "public" */
    bool is_closed;
    uint32_t n_logs, n_ready, n_not_ready;
    char log[400], why[200]; /* the last ones */
};

/* One operation of one statement (or stmts) and what became of it. */
struct sx_test_op {
    const struct sx_db_module *m;
    struct sx_db_op op;
    struct sx_db_stmt stmt;
    struct sx_db_param params[4];
    char text[64]; /* for a parameter, of the test's own use */
    bool is_done;
    bool is_ok;
    bool keeps_rows; /* set by the test, which then drops them */
    struct sx_db_rows *kept;
    char value[256]; /* first column of the first row of the last statement */
    uint32_t n_rows;
    struct sx_db_failure failure; /* message and constraint are in the copies below */
    char message[256], constraint[64];
};

/* What verify has told. */
struct sx_test_verified {
    bool is_over;
    char why[SX_DB_WHY]; /* "": it could be asked */
};

void sx_test_on_verified(void *arg, const char *why);

/* Opens the module and fills db->set for a pool of one; nothing runs yet. */
void sx_test_db_init(struct sx_test_db *db, const char *url);
void sx_test_db_open(struct sx_test_db *db);
/* With all its connections. */
void sx_test_db_open_ready(struct sx_test_db *db);
/* Closes the pool and the loop; checks that nothing of libuv is left. */
void sx_test_db_finish(struct sx_test_db *db);

/* Runs the loop until *flag; fails the test after 30 s. */
void sx_test_db_run(struct sx_test_db *db, const bool *flag);
void sx_test_db_run_ready(struct sx_test_db *db, bool is_ready);

void sx_test_op_init(struct sx_test_op *t, const struct sx_db_owner *owner, const char *sql,
                     uint32_t flags);
void sx_test_op_text(struct sx_test_op *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void sx_test_op_submit(struct sx_test_db *db, struct sx_test_op *t);

/* Submits, runs until done; t tells the rest. */
void sx_test_db_write(struct sx_test_db *db, struct sx_test_op *t, const char *sql);
void sx_test_db_read(struct sx_test_db *db, struct sx_test_op *t, const char *sql);
/* The first value of a read that must succeed; borrowed from t. */
const char *sx_test_db_value(struct sx_test_db *db, struct sx_test_op *t, const char *sql);

/* Any SQL, through psql, beside the pool. */
void sx_test_sql(const char *url, const char *sql);
/* The same, and what it printed, without its last line end. */
void sx_test_sql_value(const char *url, const char *sql, char *to, size_t size);
/* Asks until the answer is true; fails the test after 30 s. */
void sx_test_sql_await(const char *url, const char *sql);

#endif /* SX_TEST_SUPPORT_DB_H */
