/* Who else could change a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/owner.h"
#include "base/user.h"

#define STRANGER 54321

struct place {
    char dir[64], folder[96], file[128], link[128];
};

static void make_file(const char *path)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0644), 0);
}

static int enter(void **state)
{
    struct place *p = calloc(1, sizeof *p);

    assert_non_null(p);
    (void)snprintf(p->dir, sizeof p->dir, "/tmp/owner_test.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    (void)snprintf(p->folder, sizeof p->folder, "%s/folder", p->dir);
    (void)snprintf(p->file, sizeof p->file, "%s/file", p->folder);
    (void)snprintf(p->link, sizeof p->link, "%s/link", p->dir);
    assert_int_equal(mkdir(p->folder, 0755), 0);
    make_file(p->file);
    assert_int_equal(symlink(p->file, p->link), 0);
    *state = p;
    return 0;
}

static int leave(void **state)
{
    struct place *p = *state;

    (void)unlink(p->link);
    (void)unlink(p->file);
    (void)rmdir(p->folder);
    (void)rmdir(p->dir);
    free(p);
    return 0;
}

static int check(const char *path, bool is_lax, char why[SX_OWNER_WHY])
{
    const struct sx_owner_rules rules = { .self = geteuid(), .is_lax = is_lax };

    why[0] = '\0';
    return sx_owner_check(&rules, path, why);
}

static void what_is_ours_alone_is_good(void **state)
{
    struct place *p = *state;
    char why[SX_OWNER_WHY];

    assert_int_equal(check(p->file, false, why), 0);
    assert_int_equal(check(p->link, false, why), 0);
    assert_int_equal(check("/bin/sh", false, why), 0);
}

static void a_file_that_is_not_there_cannot_be_looked_at(void **state)
{
    char why[SX_OWNER_WHY];

    (void)state;
    assert_int_equal(check("/tmp/owner_test/no/such/file", false, why), SX_ERR_MISSING);
    assert_int_equal(errno, ENOENT);
}

/* Each of them, by its mode, whatever the rules. */
static void what_everybody_can_write_is_refused(void **state)
{
    struct place *p = *state;
    const char *const paths[] = { p->file, p->folder, p->dir };
    const mode_t modes[] = { 0644, 0755, 0700 };
    char why[SX_OWNER_WHY];

    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(chmod(paths[i], 0777), 0);
        for (int is_lax = 0; is_lax < 2; is_lax++) {
            assert_int_equal(check(p->file, is_lax != 0, why), SX_ERR_INVALID);
            assert_non_null(strstr(why, "can be written by everybody: found mode 0777"));
            assert_non_null(strstr(why, "chmod o-w "));
            assert_string_equal(strstr(why, "chmod o-w ") + strlen("chmod o-w "), paths[i]);
        }
        assert_int_equal(chmod(paths[i], 01777), 0);
        assert_int_equal(check(p->file, false, why), i == 0 ? SX_ERR_INVALID : 0);
        assert_int_equal(chmod(paths[i], modes[i]), 0);
        assert_int_equal(check(p->file, false, why), 0);
    }
}

/* Another link could be put there. */
static void the_folder_of_a_link_counts_too(void **state)
{
    struct place *p = *state;
    char why[SX_OWNER_WHY], link[160];

    (void)snprintf(link, sizeof link, "%s/open", p->dir);
    assert_int_equal(mkdir(link, 0700), 0);
    assert_int_equal(chmod(link, 0777), 0);
    (void)snprintf(link, sizeof link, "%s/open/link", p->dir);
    assert_int_equal(symlink(p->file, link), 0);

    assert_int_equal(check(link, true, why), SX_ERR_INVALID);
    assert_non_null(strstr(why, "/open"));

    (void)unlink(link);
    *strrchr(link, '/') = '\0';
    assert_int_equal(rmdir(link), 0);
}

static void a_group_of_others_is_refused_and_ones_own_is_not(void **state)
{
    struct place *p = *state;
    char why[SX_OWNER_WHY];

    if (geteuid() != 0)
        skip(); /* only root can give a file to any group */
    assert_int_equal(chmod(p->file, 0664), 0);
    assert_int_equal(check(p->file, false, why), 0); /* the group root is root's alone */

    assert_int_equal(chown(p->file, (uid_t)-1, STRANGER), 0);
    assert_int_equal(check(p->file, false, why), SX_ERR_INVALID);
    assert_non_null(
        strstr(why, "by the group 54321, which is not its owner's alone: found mode 0664"));
    assert_int_equal(check(p->file, true, why), 0);
}

static void a_stranger_is_refused_and_whom_we_become_is_not(void **state)
{
    struct place *p = *state;
    struct sx_owner_rules rules = { .self = STRANGER };
    char why[SX_OWNER_WHY];

    if (geteuid() != 0)
        skip(); /* only root can give a file away */
    assert_int_equal(unsetenv("SUDO_UID"), 0);
    assert_int_equal(chown(p->file, STRANGER, (gid_t)-1), 0);

    assert_int_equal(check(p->file, false, why), SX_ERR_INVALID);
    assert_non_null(strstr(why, "expected root or user root (0), found user 54321\n"));
    assert_int_equal(check(p->file, true, why), 0);
    assert_int_equal(sx_owner_check(&rules, p->file, why), 0);

    assert_int_equal(setenv("SUDO_UID", "54321", 1), 0);
    assert_int_equal(check(p->file, false, why), 0);
    assert_int_equal(setenv("SUDO_UID", "54322", 1), 0);
    assert_int_equal(check(p->file, false, why), SX_ERR_INVALID);
    assert_int_equal(unsetenv("SUDO_UID"), 0);
}

static void users_are_found_by_name_and_by_number(void **state)
{
    struct sx_user user;
    char why[160];

    (void)state;
    assert_int_equal(sx_user_find("root", "", &user, why, sizeof why), 0);
    assert_int_equal(user.uid, 0);
    assert_int_equal(user.gid, 0);
    assert_string_equal(user.home, "/root");
    assert_int_equal(sx_user_find("54321", "54322", &user, why, sizeof why), 0);
    assert_int_equal(user.uid, 54321);
    assert_int_equal(user.gid, 54322);
    assert_string_equal(user.home, "/");
    assert_int_equal(sx_user_find("root", "54322", &user, why, sizeof why), 0);
    assert_int_equal(user.gid, 54322);
}

static void who_is_not_there_is_told(void **state)
{
    static const struct {
        const char *user, *group, *why;
    } cases[] = {
        { "no_such_user", "", "there is no user \"no_such_user\"" },
        { "root", "no_such_group", "there is no group \"no_such_group\"" },
        { "54321", "", "user 54321 has no entry that names a group" },
        { "-1", "", "there is no user \"-1\"" },
        { "4294967295", "0", "there is no user \"4294967295\"" }, /* (uid_t)-1: "leave it" */
    };
    struct sx_user user;
    char why[160];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(sx_user_find(cases[i].user, cases[i].group, &user, why, sizeof why),
                         SX_ERR_MISSING);
        assert_string_equal(why, cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_ours_alone_is_good, enter, leave),
        cmocka_unit_test(a_file_that_is_not_there_cannot_be_looked_at),
        cmocka_unit_test_setup_teardown(what_everybody_can_write_is_refused, enter, leave),
        cmocka_unit_test_setup_teardown(the_folder_of_a_link_counts_too, enter, leave),
        cmocka_unit_test_setup_teardown(a_group_of_others_is_refused_and_ones_own_is_not, enter,
                                        leave),
        cmocka_unit_test_setup_teardown(a_stranger_is_refused_and_whom_we_become_is_not, enter,
                                        leave),
        cmocka_unit_test(users_are_found_by_name_and_by_number),
        cmocka_unit_test(who_is_not_there_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
