/* Tests of core/http/file.c: a folder is made, asked for what is in it and for what is not. */
#include "http/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

#define N(a)       (sizeof(a) / sizeof *(a))
#define MODIFIED_S 784111777
#define MODIFIED   "Sun, 06 Nov 1994 08:49:37 GMT"

struct folder {
    char top[64]; /* made by mkdtemp; holds "secret" beside the root */
    char root[80];
};

static const struct sx_file_conditions none;

static void put(const char *dir, const char *name, const char *text)
{
    struct timespec times[2] = { { MODIFIED_S, 0 }, { MODIFIED_S, 0 } };
    char path[256];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(futimens(fd, times), 0);
    assert_int_equal(close(fd), 0);
}

static const char *in(const struct folder *f, const char *name)
{
    static _Thread_local char path[256];

    (void)snprintf(path, sizeof path, "%s/%s", f->root, name);
    return path;
}

static void put_socket(const char *path)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(strlen(path) < sizeof addr.sun_path);
    memcpy(addr.sun_path, path, strlen(path) + 1);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    (void)close(fd);
}

static int setup(void **state)
{
    static struct folder f;

    (void)snprintf(f.top, sizeof f.top, "/tmp/file_test.XXXXXX");
    assert_non_null(mkdtemp(f.top));
    (void)snprintf(f.root, sizeof f.root, "%s/root", f.top);
    assert_int_equal(mkdir(f.root, 0755), 0);
    assert_int_equal(mkdir(in(&f, "sub"), 0755), 0);
    assert_int_equal(mkdir(in(&f, "bare"), 0755), 0);
    assert_int_equal(mkdir(in(&f, ".well-known"), 0755), 0);
    assert_int_equal(mkdir(in(&f, "sub/.well-known"), 0755), 0);
    assert_int_equal(mkdir(in(&f, ".git"), 0755), 0);
    put(f.top, "secret", "secret");
    put(f.root, "index.html", "<p>top");
    put(f.root, "sub/index.html", "<p>sub");
    put(f.root, "sub/a b.txt", "0123456789");
    put(f.root, ".well-known/security.txt", "contact");
    put(f.root, "sub/.well-known/x", "x");
    put(f.root, ".hidden", "hidden");
    put(f.root, ".git/config", "hidden");
    put(f.root, "empty.css", "");
    put(f.root, "back\\slash", "x");
    assert_int_equal(symlink("../secret", in(&f, "out")), 0);
    assert_int_equal(symlink("index.html", in(&f, "alias")), 0);
    assert_int_equal(symlink("sub", in(&f, "subalias")), 0);
    assert_int_equal(mkfifo(in(&f, "fifo"), 0644), 0);
    put_socket(in(&f, "socket"));
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    static const char *const names[] = {
        "sub/a b.txt",
        "sub/index.html",
        "sub/.well-known/x",
        "sub/.well-known",
        "sub",
        "bare",
        ".well-known/security.txt",
        ".well-known",
        ".git/config",
        ".git",
        ".hidden",
        "index.html",
        "empty.css",
        "back\\slash",
        "out",
        "alias",
        "subalias",
        "fifo",
        "socket",
        "../secret",
        "",
    };
    const struct folder *f = *state;

    for (size_t i = 0; i < N(names); i++)
        assert_int_equal(remove(in(f, names[i])), 0);
    return rmdir(f->top);
}

static struct sx_file_answer ask(const struct folder *f, const char *path,
                                 const struct sx_file_conditions *cond)
{
    struct sx_file_answer a;

    assert_int_equal(sx_file_open(f->root, sx_slice_of(path), cond, &a), 0);
    return a;
}

/* The part that the answer names; closes its file. */
static void assert_content(struct sx_file_answer *a, const char *expected)
{
    char text[64];

    assert_int_equal(a->length, strlen(expected));
    assert_true(a->fd >= 0);
    assert_int_equal(pread(a->fd, text, a->length, (off_t)a->offset), a->length);
    assert_memory_equal(text, expected, a->length);
    assert_int_equal(close(a->fd), 0);
}

static void files_below_the_root_are_served(void **state)
{
    static const struct {
        const char *path, *content, *type;
    } cases[] = {
        { "index.html", "<p>top", "text/html; charset=utf-8" },
        { "/index.html", "<p>top", "text/html; charset=utf-8" },
        { "", "<p>top", "text/html; charset=utf-8" },
        { "/", "<p>top", "text/html; charset=utf-8" },
        { "sub/", "<p>sub", "text/html; charset=utf-8" },
        { "/sub/a b.txt", "0123456789", "text/plain; charset=utf-8" },
        { ".well-known/security.txt", "contact", "text/plain; charset=utf-8" },
    };

    for (size_t i = 0; i < N(cases); i++) {
        struct sx_file_answer a = ask(*state, cases[i].path, &none);

        assert_int_equal(a.status, 200);
        assert_string_equal(a.type, cases[i].type);
        assert_string_equal(a.last_modified, MODIFIED);
        assert_int_equal(a.etag[0], '"');
        assert_string_equal(a.content_range, "");
        assert_int_equal(a.total, a.length);
        assert_content(&a, cases[i].content);
    }
}

static void everything_else_is_missing(void **state)
{
    static const char *const paths[] = {
        "nothing",
        "sub",
        "sub/nothing",
        "bare/",
        "index.html/",
        "index.html/x",
        "../secret",
        "sub/../../secret",
        "sub/../index.html",
        "..",
        "../",
        ".",
        "./index.html",
        "sub/./a b.txt",
        "//index.html",
        "sub//a b.txt",
        "sub//",
        "//",
        ".hidden",
        ".git/config",
        ".git/",
        "sub/.well-known/x",
        ".well-known-not",
        "out",
        "alias",
        "subalias/index.html",
        "subalias/",
        "fifo",
        "socket",
        "back\\slash",
        "..\\secret",
        "/etc/passwd",
        "//etc/passwd",
    };

    for (size_t i = 0; i < N(paths); i++) {
        struct sx_file_answer a = ask(*state, paths[i], &none);

        if (a.status != 404 || a.fd != -1)
            fail_msg("served \"%s\"", paths[i]);
    }
}

static void a_nul_or_an_endless_name_is_missing(void **state)
{
    const struct folder *f = *state;
    struct sx_file_answer a;
    char *endless = malloc(10000);

    assert_int_equal(sx_file_open(f->root, sx_slice_make("index.html\0x", 12), &none, &a), 0);
    assert_int_equal(a.status, 404);
    memset(endless, 'a', 10000);
    assert_int_equal(sx_file_open(f->root, sx_slice_make(endless, 300), &none, &a), 0);
    assert_int_equal(a.status, 404);
    for (size_t i = 0; i < 10000; i += 100)
        endless[i] = '/';
    assert_int_equal(sx_file_open(f->root, sx_slice_make(endless, 10000), &none, &a), 0);
    assert_int_equal(a.status, 404);
    assert_int_equal(sx_file_open("/tmp/there/is/no/such", sx_slice_of("x"), &none, &a), 0);
    assert_int_equal(a.status, 404);
    free(endless);
}

static void the_walk_follows_no_link_either(void **state)
{
    static const struct {
        const char *path;
        bool opens;
    } cases[] = {
        { "index.html", true },
        { "sub/index.html", true },
        { "sub/.well-known/x", true },
        { "out", false },
        { "alias", false },
        { "subalias/index.html", false },
        { "index.html/x", false },
        { "nothing/x", false },
        { "sub//index.html", false },
        { "", false },
    };
    const struct folder *f = *state;
    int root = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC);

    assert_true(root >= 0);
    for (size_t i = 0; i < N(cases); i++) {
        int fd = sx_file_walk(root, cases[i].path);

        assert_int_equal(fd >= 0, cases[i].opens);
        if (fd >= 0)
            assert_int_equal(close(fd), 0);
    }
    assert_int_equal(fcntl(root, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(close(root), 0);
}

/* From here on openat2 answers so, in this process. */
static bool forbid_openat2(unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { N(code), code };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
           syscall(SYS_openat2, -1, "", NULL, 0) == -1 && errno == (int)error;
}

/* How many of the paths are answered 200 without openat2; negative when that cannot be had. */
static int count_served(const struct folder *f, unsigned error)
{
    static const char *const paths[] = {
        "index.html", "sub/a b.txt", "out", "alias", "subalias/index.html", "fifo", "nothing",
    };
    int n_served = 0;

    if (!forbid_openat2(error))
        return -1;
    for (size_t i = 0; i < N(paths); i++) {
        struct sx_file_answer a;

        if (sx_file_open(f->root, sx_slice_of(paths[i]), &none, &a) < 0)
            return -1;
        n_served += a.status == 200;
    }
    return n_served;
}

static void a_kernel_or_sandbox_without_openat2_serves_the_same(void **state)
{
    static const unsigned errors[] = { ENOSYS, EPERM };

    for (size_t i = 0; i < N(errors); i++) {
        pid_t child = fork();
        int status;

        assert_true(child >= 0);
        if (child == 0)
            _exit(count_served(*state, errors[i]) == 2 ? 0 : 1);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

static void head_has_the_length_but_no_file(void **state)
{
    struct sx_file_conditions cond = { .is_head = true, .range = sx_slice_of("bytes=1-2") };
    struct sx_file_answer a = ask(*state, "sub/a b.txt", &cond);

    assert_int_equal(a.status, 200);
    assert_int_equal(a.length, 10);
    assert_int_equal(a.fd, -1);
}

static void an_empty_file_has_nothing_to_send(void **state)
{
    struct sx_file_answer a = ask(*state, "empty.css", &none);

    assert_int_equal(a.status, 200);
    assert_int_equal(a.length, 0);
    assert_int_equal(a.fd, -1);
    assert_string_equal(a.type, "text/css; charset=utf-8");
}

static void ranges_are_cut_out(void **state)
{
    struct sx_file_conditions cond = { .range = sx_slice_of("bytes=2-4") };
    struct sx_file_answer a = ask(*state, "sub/a b.txt", &cond);

    assert_int_equal(a.status, 206);
    assert_string_equal(a.content_range, "bytes 2-4/10");
    assert_int_equal(a.total, 10);
    assert_content(&a, "234");

    cond.range = sx_slice_of("bytes=-3");
    a = ask(*state, "sub/a b.txt", &cond);
    assert_string_equal(a.content_range, "bytes 7-9/10");
    assert_content(&a, "789");

    cond.range = sx_slice_of("bytes=10-");
    a = ask(*state, "sub/a b.txt", &cond);
    assert_int_equal(a.status, 416);
    assert_string_equal(a.content_range, "bytes */10");
    assert_int_equal(a.fd, -1);

    cond.range = sx_slice_of("bytes=1-2,4-5");
    a = ask(*state, "sub/a b.txt", &cond);
    assert_int_equal(a.status, 200);
    assert_content(&a, "0123456789");
}

static void its_own_validators_are_recognised(void **state)
{
    struct sx_file_answer first = ask(*state, "index.html", &none);
    struct sx_file_conditions cond = { .if_none_match = sx_slice_of(first.etag) };
    struct sx_file_answer a = ask(*state, "index.html", &cond);

    (void)close(first.fd);
    assert_int_equal(a.status, 304);
    assert_string_equal(a.etag, first.etag);
    assert_string_equal(a.last_modified, MODIFIED);
    assert_int_equal(a.fd, -1);
    assert_int_equal(a.length, 0);

    cond = (struct sx_file_conditions){ .if_modified_since = sx_slice_of(MODIFIED) };
    assert_int_equal(ask(*state, "index.html", &cond).status, 304);
    cond = (struct sx_file_conditions){ .if_match = sx_slice_of("\"other\"") };
    assert_int_equal(ask(*state, "index.html", &cond).status, 412);
    assert_int_equal(ask(*state, "nothing", &cond).status, 404);
    cond = (struct sx_file_conditions){ .if_range = sx_slice_of(first.etag),
                                        .range = sx_slice_of("bytes=0-1") };
    a = ask(*state, "index.html", &cond);
    assert_int_equal(a.status, 206);
    assert_content(&a, "<p");
}

static void another_content_has_another_tag(void **state)
{
    const struct folder *f = *state;
    struct sx_file_answer a = ask(f, "sub/index.html", &none), b, c;
    struct timespec times[2] = { { MODIFIED_S, 1 }, { MODIFIED_S, 1 } };

    (void)close(a.fd);
    assert_int_equal(utimensat(AT_FDCWD, in(f, "sub/index.html"), times, 0), 0);
    b = ask(f, "sub/index.html", &none);
    (void)close(b.fd);
    put(f->root, "sub/index.html", "<p>longer");
    c = ask(f, "sub/index.html", &none);
    (void)close(c.fd);
    assert_string_not_equal(a.etag, b.etag);
    assert_string_not_equal(a.etag, c.etag);
    put(f->root, "sub/index.html", "<p>sub");
}

static void a_time_to_come_is_not_told(void **state)
{
    const struct folder *f = *state;
    struct timespec times[2] = { { 4102444800, 0 }, { 4102444800, 0 } }; /* 2100 */
    struct sx_file_answer a;

    assert_int_equal(utimensat(AT_FDCWD, in(f, "empty.css"), times, 0), 0);
    a = ask(f, "empty.css", &none);
    assert_int_equal(strlen(a.last_modified), 29);
    assert_null(strstr(a.last_modified, "2100"));
}

static void running_out_of_descriptors_is_an_error_not_a_404(void **state)
{
    const struct folder *f = *state;
    struct rlimit before, now;
    struct sx_file_answer a;
    int root = open(f->root, O_PATH | O_DIRECTORY | O_CLOEXEC), err, saved;

    assert_true(root >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    now = before;
    now.rlim_cur = (rlim_t)root + 1;

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    err = sx_file_open_at(root, sx_slice_of("index.html"), &none, &a);
    saved = errno;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

    assert_int_equal(err, SX_ERR_IO);
    assert_int_equal(saved, EMFILE);
    assert_int_equal(close(root), 0);
}

static void no_descriptor_is_left_open(void **state)
{
    int before = dup(0), after;

    assert_int_equal(close(before), 0);
    everything_else_is_missing(state);
    head_has_the_length_but_no_file(state);
    ranges_are_cut_out(state);
    its_own_validators_are_recognised(state);
    after = dup(0);
    assert_int_equal(close(after), 0);
    assert_int_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_below_the_root_are_served),
        cmocka_unit_test(everything_else_is_missing),
        cmocka_unit_test(a_nul_or_an_endless_name_is_missing),
        cmocka_unit_test(the_walk_follows_no_link_either),
        cmocka_unit_test(a_kernel_or_sandbox_without_openat2_serves_the_same),
        cmocka_unit_test(head_has_the_length_but_no_file),
        cmocka_unit_test(an_empty_file_has_nothing_to_send),
        cmocka_unit_test(ranges_are_cut_out),
        cmocka_unit_test(its_own_validators_are_recognised),
        cmocka_unit_test(another_content_has_another_tag),
        cmocka_unit_test(a_time_to_come_is_not_told),
        cmocka_unit_test(running_out_of_descriptors_is_an_error_not_a_404),
        cmocka_unit_test(no_descriptor_is_left_open),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
