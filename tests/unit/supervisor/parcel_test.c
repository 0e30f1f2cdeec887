/* What the reader of a reload hands over: whole, in order, and nothing of it when it is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "board/control.h"
#include "board/sealed.h"
#include "descriptors.h"
#include "supervisor/parcel.h"

#define PACKET   128u /* descriptors that a packet of ours has room for */
#define MAX_SENT 200

struct fixture {
    int fds[2];                       /* who sends, who receives */
    size_t n_open;                    /* descriptors of this process when the test began */
    struct sx_report notices, faults; /* sent */
    struct sx_report heard, rep;      /* received */
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    sx_report_init(&f->notices);
    sx_report_init(&f->faults);
    sx_report_init(&f->heard);
    sx_report_init(&f->rep);
    *state = f;
    if (sx_control_open(f->fds) != 0)
        return -1;
    f->n_open = sx_test_count_descriptors();
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    bool is_same = sx_test_count_descriptors() == f->n_open;

    (void)close(f->fds[0]);
    (void)close(f->fds[1]);
    sx_report_finish(&f->notices);
    sx_report_finish(&f->faults);
    sx_report_finish(&f->heard);
    sx_report_finish(&f->rep);
    free(f);
    return is_same ? 0 : -1; /* nothing was left open */
}

static int receive(struct fixture *f, struct sx_copies *copies)
{
    return sx_parcel_receive(f->fds[1], &f->heard, &f->rep, copies);
}

/* A copy whose descriptor is a memfd with these bytes; as a file it has a path of its own. */
static struct sx_copy make_copy(const char *name, const char *path)
{
    struct sx_copy copy = { .name = strdup(name), .is_memfd = path == NULL };

    sx_sha256_hex(name, strlen(name), copy.sha256);
    assert_int_equal(sx_sealed_create("copy", name, strlen(name), false, &copy.fd), 0);
    if (path != NULL)
        copy.path = strdup(path);
    else
        assert_int_equal(sx_copy_find_path(&copy), 0);
    return copy;
}

static struct sx_copies make_copies(size_t n)
{
    struct sx_copies copies = { .list_fd = -1, .v = calloc(n + 1, sizeof *copies.v) };
    char name[32];

    for (; copies.n < n; copies.n++) {
        (void)snprintf(name, sizeof name, "p%zu", copies.n);
        copies.v[copies.n] = make_copy(name, copies.n % 2 == 0 ? "/state/a copy.so" : NULL);
    }
    return copies;
}

static void assert_same(const struct sx_copy *found, const struct sx_copy *sent)
{
    char text[32] = "", path[64];

    assert_string_equal(found->name, sent->name);
    assert_string_equal(found->sha256, sent->sha256);
    assert_int_equal(found->is_memfd, sent->is_memfd);
    assert_int_equal(pread(found->fd, text, sizeof text - 1, 0), strlen(sent->name));
    assert_string_equal(text, sent->name);
    assert_true((fcntl(found->fd, F_GETFD) & FD_CLOEXEC) != 0);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", found->fd);
    assert_string_equal(found->path, sent->is_memfd ? path : sent->path);
}

static void expect_whole(struct fixture *f, size_t n)
{
    struct sx_copies sent = make_copies(n), found;

    assert_int_equal(sx_parcel_send(f->fds[0], &sent, &f->notices, &f->faults), 0);
    assert_int_equal(receive(f, &found), 0);

    assert_non_null(found.v);
    assert_int_equal(found.n, n);
    assert_int_equal(found.list_fd, -1);
    for (size_t i = 0; i < n; i++)
        assert_same(&found.v[i], &sent.v[i]);
    sx_copies_destroy(&sent);
    sx_copies_destroy(&found);
}

static void copies_come_in_their_order_with_their_descriptors(void **state)
{
    expect_whole(*state, 5);
}

static void no_plugin_at_all_is_whole_too(void **state)
{
    expect_whole(*state, 0);
}

static void packet_is_full(void **state)
{
    expect_whole(*state, PACKET - 1);
}

static void plugins_take_more_packets_than_one(void **state)
{
    expect_whole(*state, PACKET);
}

static void plugins_take_many_packets(void **state)
{
    expect_whole(*state, 3 * PACKET + 7);
}

static void what_was_noticed_comes_along(void **state)
{
    struct fixture *f = *state;

    sx_report_add(&f->notices, "in memory:\n\"fault x\"");
    sx_report_add(&f->notices, "%s", "");
    expect_whole(f, 1);

    assert_int_equal(f->heard.n_faults, 2);
    assert_string_equal(f->heard.faults[0], "in memory:\n\"fault x\"");
    assert_string_equal(f->heard.faults[1], "");
    assert_int_equal(f->rep.n_faults, 0);
}

static void faults_come_instead_of_copies(void **state)
{
    struct fixture *f = *state;
    struct sx_copies found = { .list_fd = -1 };

    sx_report_add(&f->rep, "one of before");
    sx_report_add(&f->notices, "noticed");
    sx_report_add(&f->faults, "plugins.a: gone");
    sx_report_add(&f->faults, "plugins.b: gone");

    assert_int_equal(sx_parcel_send(f->fds[0], NULL, &f->notices, &f->faults), 0);
    assert_int_equal(receive(f, &found), SX_ERR_INVALID);

    assert_null(found.v);
    assert_int_equal(f->rep.n_faults, 3);
    assert_string_equal(f->rep.faults[2], "plugins.b: gone");
    assert_int_equal(f->heard.n_faults, 1);
}

/* The lock belongs to what is handed over, not to who has taken it. */
static void lock_of_a_copy_outlives_who_sent_it(void **state)
{
    struct fixture *f = *state;
    struct sx_copies sent = { .list_fd = -1, .v = calloc(1, sizeof *sent.v), .n = 1 }, found;
    char path[] = "/tmp/sx-parcel-XXXXXX";
    int other;

    sent.v[0] = make_copy("a", path);
    (void)close(sent.v[0].fd);
    sent.v[0].fd = mkostemp(path, O_CLOEXEC);
    assert_int_equal(flock(sent.v[0].fd, LOCK_SH | LOCK_NB), 0);
    other = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(unlink(path), 0);

    assert_int_equal(sx_parcel_send(f->fds[0], &sent, &f->notices, &f->faults), 0);
    sx_copies_destroy(&sent);
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1); /* under way */
    assert_int_equal(receive(f, &found), 0);
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1); /* received */

    sx_copies_destroy(&found);
    assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
    (void)close(other);
}

static void nothing_was_sent(void **state)
{
    struct fixture *f = *state;
    struct sx_copies found;

    assert_int_equal(receive(f, &found), SX_ERR_MISSING);
    assert_int_equal(send(f->fds[0], "p", 1, 0), 1);
    assert_int_equal(receive(f, &found), SX_ERR_MISSING);
    (void)shutdown(f->fds[0], SHUT_WR);
    assert_int_equal(receive(f, &found), SX_ERR_MISSING);
    assert_int_equal(f->rep.n_faults, 0);
}

/* Sends a text, sealed or not, with n more descriptors. */
static void send_text(struct fixture *f, const char *text, size_t len, bool is_sealed, size_t n)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int) * MAX_SENT)];
    } more = { .space = { 0 } };
    struct iovec part = { .iov_base = (char *)(uintptr_t) "p", .iov_len = 1 };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &more };
    int fds[MAX_SENT];

    if (is_sealed) {
        assert_int_equal(sx_sealed_create("text", text, len, false, &fds[0]), 0);
    } else {
        fds[0] = memfd_create("text", MFD_CLOEXEC);
        assert_int_equal(write(fds[0], text, len), len);
    }
    for (size_t i = 1; i <= n; i++)
        fds[i] = fds[0];
    more.head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                  .cmsg_type = SCM_RIGHTS,
                                  .cmsg_len = CMSG_LEN(sizeof(int) * (n + 1)) };
    memcpy(CMSG_DATA(&more.head), fds, sizeof(int) * (n + 1));
    m.msg_controllen = CMSG_SPACE(sizeof(int) * (n + 1));
    assert_int_equal(sendmsg(f->fds[0], &m, 0), 1);
    (void)close(fds[0]);
}

#define HASH "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"

static void parcel_of_another_form_is_refused_and_nothing_of_it_kept(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        bool is_sealed;
        size_t n;
    } bad[] = {
#define CASE(text, n) { text, sizeof text, true, n }
        CASE("copy a " HASH " /a", 0),
        CASE("copy a " HASH " /a", 2),
        CASE("copy a " HASH " /a\0copy b " HASH " /b", 1),
        CASE("copy a " HASH, 1),
        CASE("copy a short /a", 1),
        CASE("copy a" HASH " /a", 1),
        CASE("copy", 1),
        CASE("other a", 0),
        CASE("notice a\0", 0),
        CASE("copy a " HASH " /a\0garbage", 1),
        { "copy a " HASH " /a", sizeof("copy a " HASH " /a"), false, 1 },
#undef CASE
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sx_copies found = { .list_fd = -1 };

        send_text(f, bad[i].text, bad[i].len, bad[i].is_sealed, bad[i].n);
        assert_int_equal(receive(f, &found), SX_ERR_INVALID);
        assert_null(found.v);
        assert_int_equal(f->rep.n_faults, i + 1);
        assert_int_equal(sx_test_count_descriptors(), f->n_open);
    }
}

/* The kernel gives as many as there is room for. */
static void packet_of_more_descriptors_than_ours_is_refused(void **state)
{
    struct fixture *f = *state;

    for (size_t n = PACKET; n < PACKET + 4; n++) {
        struct sx_copies found = { .list_fd = -1 };

        send_text(f, "", 1, true, n);
        assert_int_equal(receive(f, &found), SX_ERR_IO);
        assert_int_equal(errno, EMFILE);
        assert_null(found.v);
        assert_int_equal(sx_test_count_descriptors(), f->n_open);
    }
}

/* As many as the process may have, and n more. */
static void expect_no_room(struct fixture *f, rlim_t n)
{
    struct sx_copies sent = make_copies(8), found = { .list_fd = -1 };
    struct rlimit old, low;
    int next, rc, error;

    assert_int_equal(sx_parcel_send(f->fds[0], &sent, &f->notices, &f->faults), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    next = dup(f->fds[0]); /* the lowest that is free */
    (void)close(next);
    low = (struct rlimit){ (rlim_t)next + n, old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);

    rc = receive(f, &found);
    error = errno;

    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(rc, SX_ERR_IO);
    assert_int_equal(error, EMFILE);
    assert_null(found.v);
    sx_copies_destroy(&sent);
}

static void no_descriptor_is_kept_where_some_have_no_room(void **state)
{
    expect_no_room(*state, 4);
}

static void no_room_at_all_is_told_as_such(void **state)
{
    expect_no_room(*state, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(copies_come_in_their_order_with_their_descriptors),
        TEST(no_plugin_at_all_is_whole_too),
        TEST(packet_is_full),
        TEST(plugins_take_more_packets_than_one),
        TEST(plugins_take_many_packets),
        TEST(what_was_noticed_comes_along),
        TEST(faults_come_instead_of_copies),
        TEST(lock_of_a_copy_outlives_who_sent_it),
        TEST(nothing_was_sent),
        TEST(parcel_of_another_form_is_refused_and_nothing_of_it_kept),
        TEST(packet_of_more_descriptors_than_ours_is_refused),
        TEST(no_descriptor_is_kept_where_some_have_no_room),
        TEST(no_room_at_all_is_told_as_such),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
