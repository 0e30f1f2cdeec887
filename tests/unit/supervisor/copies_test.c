/* Plugins are loaded from private copies, named by their hash, that nobody overwrites. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "board/control.h"
#include "supervisor/copies.h"

#define HASH_OF_ONE "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed" /* "one" */
#define WEEK_S      (7 * 24 * 3600)
#define HOUR_S      3600

struct fixture {
    char dir[32];
    char state_dir[48];
    char a[48], b[48]; /* two "plugins": any bytes do, nobody looks into them */
    struct sx_config_plugin plugins[3];
    struct sx_config cfg;
    struct sx_report rep, notices;
};

static void write_text(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    (void)strcpy(f->dir, "/tmp/sx-copies-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    (void)snprintf(f->state_dir, sizeof f->state_dir, "%s/deep/state", f->dir);
    (void)snprintf(f->a, sizeof f->a, "%s/a.so", f->dir);
    (void)snprintf(f->b, sizeof f->b, "%s/b.so", f->dir);
    write_text(f->a, "one");
    write_text(f->b, "two");
    f->plugins[0] = (struct sx_config_plugin){
        .name = "a", .path = f->a, .enabled = true, .sha256 = ""
    };
    f->plugins[1] = (struct sx_config_plugin){ .name = "off", .path = "/nowhere.so", .sha256 = "" };
    f->plugins[2] = (struct sx_config_plugin){
        .name = "b", .path = f->b, .enabled = true, .sha256 = ""
    };
    f->cfg.plugins = f->plugins;
    f->cfg.n_plugins = 3;
    f->cfg.server.state_dir = f->state_dir;
    sx_report_init(&f->rep);
    sx_report_init(&f->notices);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    char command[64];

    sx_report_finish(&f->notices);
    sx_report_finish(&f->rep);
    (void)snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    free(f);
    return system(command);
}

static int create(struct fixture *f, struct sx_copies *copies)
{
    return sx_copies_create(&f->cfg, &f->notices, &f->rep, copies);
}

static void read_text(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, to, size - 1);

    assert_true(n >= 0);
    to[n] = '\0';
    (void)close(fd);
}

static int count_files(const char *dir)
{
    DIR *d = opendir(dir);
    int n = 0;

    assert_non_null(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
        n += e->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

static void copies_are_named_by_hash_and_closed_to_others(void **state)
{
    struct fixture *f = *state;
    struct sx_copies copies;
    char expected[256];
    char text[16];
    struct stat st;

    assert_int_equal(create(f, &copies), 0);

    assert_int_equal(copies.n, 2);
    (void)snprintf(expected, sizeof expected, "%s/plugins/a-" HASH_OF_ONE ".so", f->state_dir);
    assert_string_equal(copies.v[0].path, expected);
    assert_string_equal(copies.v[0].sha256, HASH_OF_ONE);
    assert_false(copies.v[0].is_memfd);
    read_text(expected, text, sizeof text);
    assert_string_equal(text, "one");
    assert_int_equal(stat(expected, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0500);
    (void)snprintf(expected, sizeof expected, "%s/plugins", f->state_dir);
    assert_int_equal(stat(expected, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    sx_copies_destroy(&copies);
}

static void workers_are_told_each_enabled_plugin(void **state)
{
    struct fixture *f = *state;
    struct sx_control_plugins list;
    struct sx_copies copies;

    assert_int_equal(create(f, &copies), 0);
    assert_int_equal(copies.list_fd, -1);
    assert_int_equal(sx_copies_seal(&copies, &f->rep), 0);
    assert_int_equal(sx_control_read_plugins(copies.list_fd, &list), 0);

    assert_int_equal(list.n, 2);
    assert_string_equal(list.v[0].name, "a");
    assert_string_equal(list.v[0].path, copies.v[0].path);
    assert_string_equal(list.v[0].sha256, HASH_OF_ONE);
    assert_string_equal(list.v[1].name, "b");
    sx_control_finish_plugins(&list);
    sx_copies_destroy(&copies);
}

static void copy_stays_what_it_was_when_the_plugin_is_overwritten(void **state)
{
    struct fixture *f = *state;
    struct sx_copies old;
    struct sx_copies new;
    char text[16];

    assert_int_equal(create(f, &old), 0);
    write_text(f->a, "changed in place");
    assert_int_equal(create(f, &new), 0);

    assert_string_not_equal(old.v[0].path, new.v[0].path);
    assert_string_equal(old.v[1].path, new.v[1].path);
    read_text(old.v[0].path, text, sizeof text);
    assert_string_equal(text, "one");
    sx_copies_destroy(&old);
    sx_copies_destroy(&new);
}

static void damaged_copy_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct sx_copies copies;
    char path[256];
    char text[16];

    assert_int_equal(create(f, &copies), 0);
    (void)snprintf(path, sizeof path, "%s", copies.v[0].path);
    sx_copies_destroy(&copies);
    assert_int_equal(chmod(path, 0700), 0);
    write_text(path, "0ne"); /* as long as the right one */

    assert_int_equal(create(f, &copies), 0);

    assert_string_equal(copies.v[0].path, path);
    read_text(path, text, sizeof text);
    assert_string_equal(text, "one");
    sx_copies_destroy(&copies);
}

/* Opening it to read would wait for a writer. */
static void fifo_in_the_place_of_a_copy_holds_nobody(void **state)
{
    struct fixture *f = *state;
    struct sx_copies copies;
    char dir[64], path[256], text[16];

    (void)snprintf(dir, sizeof dir, "%s/plugins", f->state_dir);
    assert_int_equal(create(f, &copies), 0);
    (void)snprintf(path, sizeof path, "%s", copies.v[0].path);
    sx_copies_destroy(&copies);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0700), 0);
    sx_copies_clean(dir, (long long)time(NULL) + WEEK_S + 1);

    assert_int_equal(create(f, &copies), 0);

    assert_string_equal(copies.v[0].path, path);
    read_text(path, text, sizeof text);
    assert_string_equal(text, "one");
    sx_copies_destroy(&copies);
}

static void every_bad_plugin_is_told_with_name_and_path(void **state)
{
    struct fixture *f = *state;
    struct sx_copies copies;

    f->plugins[0].path = "/nowhere/a.so";
    f->plugins[1].enabled = true;
    f->plugins[1].path = f->dir; /* a folder */
    f->plugins[2].sha256 = HASH_OF_ONE;

    assert_int_equal(create(f, &copies), SX_ERR_INVALID);

    assert_int_equal(f->rep.n_faults, 3);
    assert_string_equal(
        f->rep.faults[0],
        "default: plugins.a: /nowhere/a.so: cannot be read: No such file or directory");
    assert_non_null(strstr(f->rep.faults[1], "default: plugins.off: /tmp/sx-copies-"));
    assert_non_null(strstr(f->rep.faults[2], "expected sha256 \"" HASH_OF_ONE "\", found \""));
}

static void pinned_plugin_with_the_right_hash_is_taken(void **state)
{
    struct fixture *f = *state;
    struct sx_copies copies;

    f->plugins[0].sha256 = HASH_OF_ONE;
    assert_int_equal(create(f, &copies), 0);
    sx_copies_destroy(&copies);
}

static bool was_noticed(const struct fixture *f, const char *part)
{
    return f->notices.n_faults == 1 && strstr(f->notices.faults[0], part) != NULL;
}

static void assert_in_memory(struct fixture *f)
{
    struct sx_copies copies;
    char path[64];
    char text[16];

    assert_int_equal(create(f, &copies), 0);
    for (size_t i = 0; i < copies.n; i++) {
        assert_true(copies.v[i].is_memfd);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", copies.v[i].fd);
        assert_string_equal(copies.v[i].path, path);
    }
    read_text(copies.v[0].path, text, sizeof text);
    assert_string_equal(text, "one");
    assert_true((fcntl(copies.v[0].fd, F_GET_SEALS) & F_SEAL_WRITE) != 0);
    sx_copies_destroy(&copies);
}

static void copies_are_kept_in_memory_where_no_folder_can_be_made(void **state)
{
    struct fixture *f = *state;

    f->cfg.server.state_dir = "/proc/nothing";
    assert_in_memory(f);
    assert_true(was_noticed(f, "kept in memory"));
}

/* A folder stands where the copy would be, which fails as a full disk does. */
static void copy_is_kept_in_memory_where_it_cannot_be_written(void **state)
{
    struct fixture *f = *state;
    struct sx_copies copies;
    char path[256];
    char text[16];

    assert_int_equal(create(f, &copies), 0);
    (void)snprintf(path, sizeof path, "%s", copies.v[0].path);
    sx_copies_destroy(&copies);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);

    assert_int_equal(create(f, &copies), 0);

    assert_true(copies.v[0].is_memfd);
    assert_false(copies.v[1].is_memfd);
    read_text(copies.v[0].path, text, sizeof text);
    assert_string_equal(text, "one");
    assert_true(was_noticed(f, "the copy of the plugin \"a\" is kept in memory"));
    sx_copies_destroy(&copies);
}

static void folder_that_others_may_write_is_not_trusted(void **state)
{
    struct fixture *f = *state;
    char path[64];

    (void)snprintf(path, sizeof path, "%s/open", f->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    f->cfg.server.state_dir = path;
    assert_int_equal(chmod(path, 0777), 0);
    assert_in_memory(f);
    assert_true(was_noticed(f, "others may write into it"));
}

static void plugins_folder_that_is_a_link_is_not_trusted(void **state)
{
    struct fixture *f = *state;
    char path[64];

    (void)snprintf(path, sizeof path, "%s/plugins", f->dir);
    assert_int_equal(symlink("/tmp", path), 0);
    f->cfg.server.state_dir = f->dir;
    assert_in_memory(f);
    assert_true(was_noticed(f, "not a folder of mode 0700"));
}

/* Makes the file look as if it had last been used at that time. */
static void age(const char *path, time_t at)
{
    const struct timespec times[2] = { { .tv_sec = at }, { .tv_sec = at } };

    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void old_copies_are_removed_unless_held(void **state)
{
    struct fixture *f = *state;
    struct sx_copies first;
    struct sx_copies held;
    char dir[64];
    char other[128];
    char gone[256];

    (void)snprintf(dir, sizeof dir, "%s/plugins", f->state_dir);
    assert_int_equal(create(f, &first), 0);
    (void)snprintf(gone, sizeof gone, "%s", first.v[0].path);
    sx_copies_destroy(&first);
    write_text(f->a, "three");
    assert_int_equal(create(f, &held), 0);
    (void)snprintf(other, sizeof other, "%s/note.txt", dir);
    write_text(other, "not ours");
    assert_int_equal(count_files(dir), 4);
    age(gone, 1000);
    age(held.v[0].path, 1000);
    age(held.v[1].path, 1000);
    age(other, 1000);

    sx_copies_clean(dir, 1000 + WEEK_S);
    assert_int_equal(count_files(dir), 4); /* a week, and no more */
    sx_copies_clean(dir, 1000 + WEEK_S + 1);

    assert_int_equal(count_files(dir), 3);
    assert_true(access(gone, F_OK) != 0);
    assert_int_equal(access(held.v[0].path, F_OK), 0);
    sx_copies_destroy(&held);
}

static void half_a_copy_is_removed_after_an_hour(void **state)
{
    struct fixture *f = *state;
    struct sx_copies copies;
    char dir[64], half[256], other[256];

    (void)snprintf(dir, sizeof dir, "%s/plugins", f->state_dir);
    assert_int_equal(create(f, &copies), 0);
    (void)snprintf(half, sizeof half, "%s/a-" HASH_OF_ONE ".so.x7Yz_Q", dir);
    (void)snprintf(other, sizeof other, "%s/a-" HASH_OF_ONE ".so_x7Yz_Q", dir);
    write_text(half, "on");
    write_text(other, "not ours");
    age(half, 1000);
    age(other, 1000);

    sx_copies_clean(dir, 1000 + HOUR_S);
    assert_int_equal(access(half, F_OK), 0);
    sx_copies_clean(dir, 1000 + HOUR_S + 1);

    assert_true(access(half, F_OK) != 0);
    assert_int_equal(access(other, F_OK), 0);
    assert_int_equal(count_files(dir), 3);
    sx_copies_destroy(&copies);
}

static void use_of_a_copy_renews_it(void **state)
{
    struct fixture *f = *state;
    struct sx_copies copies;
    struct stat st;
    char path[256];

    assert_int_equal(create(f, &copies), 0);
    (void)snprintf(path, sizeof path, "%s", copies.v[0].path);
    sx_copies_destroy(&copies);
    age(path, 1000);

    assert_int_equal(create(f, &copies), 0); /* would remove it if it were not renewed */
    sx_copies_destroy(&copies);

    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_mtime > 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(copies_are_named_by_hash_and_closed_to_others),
        TEST(workers_are_told_each_enabled_plugin),
        TEST(copy_stays_what_it_was_when_the_plugin_is_overwritten),
        TEST(damaged_copy_is_replaced),
        TEST(fifo_in_the_place_of_a_copy_holds_nobody),
        TEST(every_bad_plugin_is_told_with_name_and_path),
        TEST(pinned_plugin_with_the_right_hash_is_taken),
        TEST(copies_are_kept_in_memory_where_no_folder_can_be_made),
        TEST(copy_is_kept_in_memory_where_it_cannot_be_written),
        TEST(folder_that_others_may_write_is_not_trusted),
        TEST(plugins_folder_that_is_a_link_is_not_trusted),
        TEST(old_copies_are_removed_unless_held),
        TEST(half_a_copy_is_removed_after_an_hour),
        TEST(use_of_a_copy_renews_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
