/*
 * support/pg.h - a private PostgreSQL for a test program.
 *
 * A cluster in a fresh folder under /tmp, reachable by a unix socket only, owned by an
 * unprivileged user when the test runs as root.  It dies with the test.
 */
#ifndef SX_TEST_SUPPORT_PG_H
#define SX_TEST_SUPPORT_PG_H

#include <stdbool.h>
#include <sys/types.h>

struct sx_test_pg {
    char dir[64];
    char url[256]; /* conninfo of its superuser, database "postgres" */
    pid_t pid;     /* of the postmaster; 0 while it is stopped */
    bool is_private;
};

/* 0, or -1 after telling stderr why.  With SX_TEST_DATABASE_URL set it uses that server
 * and starts none, unless must_be_private. */
int sx_test_pg_start(struct sx_test_pg *pg, bool must_be_private);
/* Ends the server and removes the folder.  Takes a zeroed one. */
void sx_test_pg_finish(struct sx_test_pg *pg);

/* For cmocka_run_group_tests: *state is the server. */
int sx_test_pg_setup(void **state);
int sx_test_pg_setup_private(void **state);
int sx_test_pg_teardown(void **state);

/* Of a private one: stopped as by an operator ("fast"), killed as by a power cut, started
 * again and ready. */
void sx_test_pg_stop(struct sx_test_pg *pg);
void sx_test_pg_kill(struct sx_test_pg *pg);
int sx_test_pg_restart(struct sx_test_pg *pg);

/* The folder of PostgreSQL's programs, or NULL. */
const char *sx_test_pg_bin(void);

#endif /* SX_TEST_SUPPORT_PG_H */
