/* Whole files: read below a ceiling, replaced as a whole, and their SHA-256. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/file.h"

struct folder {
    char path[64];
    char file[128];
};

static int make_folder(void **state)
{
    struct folder *f = calloc(1, sizeof(*f));

    (void)snprintf(f->path, sizeof(f->path), "/tmp/sx-file-test-XXXXXX");
    if (mkdtemp(f->path) == NULL)
        return -1;
    (void)snprintf(f->file, sizeof(f->file), "%s/file", f->path);
    *state = f;
    return 0;
}

/* Fails when a test leaves more than its one file behind. */
static int remove_folder(void **state)
{
    struct folder *f = *state;
    int rc;

    (void)unlink(f->file);
    rc = rmdir(f->path);
    free(f);
    return rc;
}

static void file_written_is_read_back(void **state)
{
    static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 100000 };
    struct folder *f = *state;

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        char *data = malloc(sizes[i] + 1), *back;
        size_t len;
        struct stat st;

        memset(data, (int)('a' + i), sizes[i] + 1);
        assert_int_equal(sx_file_write(f->file, data, sizes[i], 0600), 0);
        assert_int_equal(sx_file_read(f->file, sizes[i], &back, &len), 0);
        assert_int_equal(len, sizes[i]);
        assert_memory_equal(back, data, len);
        assert_int_equal(back[len], 0);
        assert_int_equal(stat(f->file, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        free(back);
        free(data);
    }
}

static void file_mode_is_the_one_asked_for(void **state)
{
    struct folder *f = *state;
    struct stat st;

    assert_int_equal(sx_file_write(f->file, "x", 1, 0644), 0);
    assert_int_equal(stat(f->file, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
}

static void file_above_the_ceiling_is_refused(void **state)
{
    struct folder *f = *state;
    char *back = NULL;
    size_t len;

    assert_int_equal(sx_file_write(f->file, "12345", 5, 0600), 0);
    assert_int_equal(sx_file_read(f->file, 4, &back, &len), SX_ERR_BUSY);
    assert_int_equal(sx_file_read("/proc/self/status", 10, &back, &len), SX_ERR_BUSY);
    assert_null(back);
}

static void file_without_a_size_is_read_to_its_end(void **state)
{
    char *back;
    size_t len;

    (void)state;
    assert_int_equal(sx_file_read("/proc/self/status", 1u << 20, &back, &len), 0);
    assert_true(len > 100);
    assert_int_equal(strlen(back), len);
    free(back);
}

static void file_that_is_none_is_refused_at_once(void **state)
{
    struct folder *f = *state;
    char *back = NULL;
    size_t len;

    assert_int_equal(sx_file_read(f->file, 100, &back, &len), SX_ERR_IO);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(sx_file_read(f->path, 100, &back, &len), SX_ERR_IO);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(mkfifo(f->file, 0600), 0);
    assert_int_equal(sx_file_read(f->file, 100, &back, &len), SX_ERR_IO);
    assert_int_equal(errno, EINVAL);
    assert_null(back);
}

static void failed_write_leaves_the_old_file(void **state)
{
    struct folder *f = *state;
    char in_file[160], *back;
    size_t len;

    assert_int_equal(sx_file_write(f->file, "old", 3, 0600), 0);
    (void)snprintf(in_file, sizeof(in_file), "%s/below", f->file);
    assert_int_equal(sx_file_write(in_file, "new", 3, 0600), SX_ERR_IO);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(sx_file_write(f->path, "new", 3, 0600), SX_ERR_IO); /* a folder is there */
    assert_int_equal(sx_file_read(f->file, 10, &back, &len), 0);
    assert_string_equal(back, "old");
    free(back);
}

static void sha256_is_that_of_the_standard(void **state)
{
    static const struct {
        const char *text, *hex;
    } cases[] = {
        { "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char hex[SX_SHA256_HEX + 1];

        sx_sha256_hex(cases[i].text, strlen(cases[i].text), hex);
        assert_string_equal(hex, cases[i].hex);
    }
}

/* FIPS 180-2, B.3: a million times "a"; many blocks, which begin at any address. */
static void sha256_of_much_is_that_of_the_standard(void **state)
{
    const size_t n = 1000000;
    char *text = malloc(n + 1);
    char hex[SX_SHA256_HEX + 1];

    (void)state;
    assert_non_null(text);
    memset(text, 'a', n + 1);
    for (size_t shift = 0; shift < 2; shift++) {
        sx_sha256_hex(text + shift, n, hex);
        assert_string_equal(hex,
                            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    }
    free(text);
}

/* As a service manager's filter does: the system call that gives a file away fails. */
static bool deny_chown(void)
{
    struct sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
#ifdef SYS_lchown
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_lchown, 1, 0),
#endif
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fchownat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = { .len = sizeof(rules) / sizeof(rules[0]), .filter = rules };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static void folder_of_our_own_is_made_where_giving_away_is_denied(void **state)
{
    const struct folder *f = *state;
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        bool is_right = deny_chown() && lchown(f->path, getuid(), getgid()) != 0 &&
                        sx_folder_make(f->file, (uid_t)-1, (gid_t)-1) == 0 && rmdir(f->file) == 0 &&
                        sx_folder_make(f->file, getuid(), getgid()) != 0;

        (void)rmdir(f->file);
        _exit(is_right ? 0 : 1);
    }

    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(file_written_is_read_back),
        TEST(file_mode_is_the_one_asked_for),
        TEST(file_above_the_ceiling_is_refused),
        TEST(file_without_a_size_is_read_to_its_end),
        TEST(file_that_is_none_is_refused_at_once),
        TEST(failed_write_leaves_the_old_file),
        TEST(sha256_is_that_of_the_standard),
        TEST(sha256_of_much_is_that_of_the_standard),
        TEST(folder_of_our_own_is_made_where_giving_away_is_denied),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
