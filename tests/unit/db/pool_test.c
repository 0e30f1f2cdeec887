/* The pool from outside: statements down shared connections, and who hears of what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "db.h"
#include "pg.h"

static struct sx_test_pg *server(void **state)
{
    return *state;
}

static void pool_answers_a_read_with_its_rows(void **state)
{
    struct sx_test_db db;
    struct sx_test_op t;

    sx_test_db_init(&db, server(state)->url);
    sx_test_db_open_ready(&db);

    assert_string_equal(sx_test_db_value(&db, &t, "SELECT 6 * 7"), "42");
    assert_int_equal(t.n_rows, 1);

    sx_test_db_finish(&db);
}

static int start(void **state)
{
    static struct sx_test_pg pg;

    *state = &pg;
    return sx_test_pg_start(&pg, false);
}

static int stop(void **state)
{
    sx_test_pg_finish(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_answers_a_read_with_its_rows),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
