/* Tests of core/http/spool.c. */
#include "http/spool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

struct place {
    struct sx_arena arena;
    char dir[64];
};

static int setup(void **state)
{
    static struct place p;

    sx_arena_init(&p.arena, 1 << 20);
    (void)snprintf(p.dir, sizeof p.dir, "/tmp/spool_test.XXXXXX");
    assert_non_null(mkdtemp(p.dir));
    *state = &p;
    return 0;
}

/* Fails when a file was left behind. */
static int teardown(void **state)
{
    struct place *p = *state;

    sx_arena_finish(&p->arena);
    return rmdir(p->dir);
}

static int put(struct sx_spool *s, struct place *p, const char *text)
{
    return sx_spool_write(s, &p->arena, p->dir, 8, text, strlen(text));
}

static void files_share_a_room_and_give_it_back(void **state)
{
    struct sx_spool_room room = { .max = 20 };
    struct sx_spool small, a, b;

    sx_spool_init(&small);
    sx_spool_init(&a);
    sx_spool_init(&b);
    small.room = a.room = b.room = &room;
    assert_int_equal(put(&small, *state, "abcdefgh"), 0);
    assert_int_equal(room.used, 0); /* it is in memory */
    assert_int_equal(put(&a, *state, "0123456789"), 0);
    assert_int_equal(put(&a, *state, "0"), 0);
    assert_int_equal(room.used, 11);

    errno = 0;
    assert_int_equal(put(&b, *state, "0123456789"), SX_ERR_IO);
    assert_int_equal(errno, EDQUOT);
    assert_null(b.path);
    assert_int_equal(room.used, 11);

    sx_spool_finish(&a);
    assert_int_equal(room.used, 0);
    assert_int_equal(put(&b, *state, "0123456789"), 0);
    sx_spool_finish(&b);
    sx_spool_finish(&small);
    assert_int_equal(room.used, 0);
}

static void few_bytes_stay_in_memory(void **state)
{
    struct sx_spool s;

    sx_spool_init(&s);
    assert_int_equal(put(&s, *state, "abcd"), 0);
    assert_int_equal(put(&s, *state, "efgh"), 0);
    assert_int_equal(sx_spool_end(&s), 0);

    assert_null(s.path);
    assert_int_equal(s.size, 8);
    assert_string_equal(sx_buf_text(&s.memory), "abcdefgh");
    sx_spool_finish(&s);
}

static void nothing_is_an_empty_text(void **state)
{
    struct sx_spool s;

    (void)state;
    sx_spool_init(&s);
    assert_int_equal(sx_spool_end(&s), 0);
    assert_string_equal(sx_buf_text(&s.memory), "");
    sx_spool_finish(&s);
}

static void more_bytes_move_to_a_private_file(void **state)
{
    struct sx_spool s;
    struct stat st;
    char text[32] = "", path[128];
    int fd;

    sx_spool_init(&s);
    assert_int_equal(put(&s, *state, "abcdefgh"), 0);
    assert_int_equal(put(&s, *state, "i"), 0);
    assert_int_equal(put(&s, *state, "jkl"), 0);
    assert_int_equal(sx_spool_end(&s), 0);

    assert_non_null(s.path);
    assert_int_equal(s.size, 12);
    assert_int_equal(s.memory.len, 0);
    assert_int_equal(s.fd, -1);
    (void)snprintf(path, sizeof path, "%s", s.path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(read(fd, text, sizeof text), 12);
    assert_string_equal(text, "abcdefghijkl");
    (void)close(fd);

    sx_spool_finish(&s);
    assert_int_equal(access(path, F_OK), -1);
}

static void an_unfinished_file_is_removed_too(void **state)
{
    struct sx_spool s;

    sx_spool_init(&s);
    assert_int_equal(put(&s, *state, "more than eight"), 0);
    assert_true(s.fd >= 0);
    sx_spool_finish(&s);
    assert_int_equal(s.fd, -1);
}

static void a_missing_folder_is_an_error(void **state)
{
    struct place *p = *state;
    struct sx_spool s;

    sx_spool_init(&s);
    assert_int_equal(sx_spool_write(&s, &p->arena, "/tmp/no/such/folder", 0, "x", 1), SX_ERR_IO);
    assert_int_equal(errno, ENOENT);
    assert_null(s.path);
    sx_spool_finish(&s);
}

static void a_folder_that_alone_is_missing_is_made(void **state)
{
    struct place *p = *state;
    struct sx_spool s;
    struct stat st;
    char dir[96];

    (void)snprintf(dir, sizeof dir, "%s/uploads", p->dir);
    sx_spool_init(&s);
    assert_int_equal(sx_spool_write(&s, &p->arena, dir, 0, "x", 1), 0);

    assert_int_equal(stat(dir, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_int_equal(access(s.path, F_OK), 0);

    sx_spool_finish(&s);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_bytes_stay_in_memory),
        cmocka_unit_test(files_share_a_room_and_give_it_back),
        cmocka_unit_test(nothing_is_an_empty_text),
        cmocka_unit_test(more_bytes_move_to_a_private_file),
        cmocka_unit_test(an_unfinished_file_is_removed_too),
        cmocka_unit_test(a_missing_folder_is_an_error),
        cmocka_unit_test(a_folder_that_alone_is_missing_is_made),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
