/* What supervisor and worker say to each other survives the way, and nonsense does not pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "board/control.h"
#include "board/packet.h"
#include "board/sealed.h"
#include "descriptors.h"

#define ALL "config=3,plugins=8,board=4,control=5,index=1,slot=7,generation=12,count=2"

static void spec_survives_format_and_parse(void **state)
{
    const struct sx_control_spec spec = {
        .config_fd = 3,
        .plugins_fd = 8,
        .board_fd = 4,
        .control_fd = 5,
        .index = 1,
        .slot = 7,
        .generation = 12,
        .count = 2,
        .listen_fds = { 6, 9 },
        .n_listen = 2,
    };
    char text[SX_CONTROL_MAX_SPEC];
    struct sx_control_spec back;

    (void)state;
    assert_int_equal(sx_control_format_spec(&spec, text, sizeof text), 0);
    assert_string_equal(text, ALL ",listen=6;9");

    assert_int_equal(sx_control_parse_spec(text, &back), 0);
    assert_int_equal(back.config_fd, 3);
    assert_int_equal(back.plugins_fd, 8);
    assert_int_equal(back.board_fd, 4);
    assert_int_equal(back.control_fd, 5);
    assert_int_equal(back.index, 1);
    assert_int_equal(back.slot, 7);
    assert_int_equal(back.generation, 12);
    assert_int_equal(back.count, 2);
    assert_int_equal(back.n_listen, 2);
    assert_int_equal(back.listen_fds[0], 6);
    assert_int_equal(back.listen_fds[1], 9);
}

static void largest_spec_fits_its_ceiling(void **state)
{
    struct sx_control_spec spec = { .n_listen = SX_CONTROL_MAX_LISTEN };
    char text[SX_CONTROL_MAX_SPEC];
    struct sx_control_spec back;

    (void)state;
    spec.config_fd = spec.plugins_fd = spec.board_fd = spec.control_fd = 1000000;
    spec.index = spec.slot = spec.generation = spec.count = UINT32_MAX;
    for (size_t i = 0; i < spec.n_listen; i++)
        spec.listen_fds[i] = 1000000 + (int)i;

    assert_int_equal(sx_control_format_spec(&spec, text, sizeof text), 0);
    assert_int_equal(sx_control_parse_spec(text, &back), 0);
    assert_int_equal(back.listen_fds[SX_CONTROL_MAX_LISTEN - 1],
                     1000000 + SX_CONTROL_MAX_LISTEN - 1);
    assert_int_equal(sx_control_format_spec(&spec, text, 100), SX_ERR_BUSY);
}

static void bad_specs_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        ",",
        "config",
        ALL,
        /* no listen */ ALL ",listen=6;",
        ALL ",listen=;6",
        ALL ",listen=6,listen=7",
        ALL ",listen=x",
        ALL ",listen=-1",
        ALL ",listen=6,",
        ALL ",listen=6,more=1",
        "config=-2,plugins=8,board=4,control=5,index=1,slot=7,"
        "generation=12,count=2,listen=",
        "config=3,plugins=8,board=4,control=5,index=4294967296,"
        "slot=7,generation=12,count=2,listen=",
    };
    struct sx_control_spec spec;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(sx_control_parse_spec(bad[i], &spec), SX_ERR_INVALID);
    assert_int_equal(sx_control_parse_spec(ALL ",listen=", &spec), 0);
    assert_int_equal(spec.n_listen, 0);
}

static void adopting_closes_descriptors_on_exec_and_finds_the_missing(void **state)
{
    struct sx_control_spec spec = { .n_listen = 1 };
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    spec.config_fd = spec.plugins_fd = spec.board_fd = spec.control_fd = fds[0];
    spec.listen_fds[0] = fds[1];

    assert_int_equal(sx_control_adopt_spec(&spec), 0);
    assert_true((fcntl(fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    assert_true((fcntl(fds[1], F_GETFD) & FD_CLOEXEC) != 0);

    (void)close(fds[1]);
    assert_int_equal(sx_control_adopt_spec(&spec), SX_ERR_INVALID);
    (void)close(fds[0]);
}

static void messages_arrive_one_by_one_with_their_texts(void **state)
{
    struct sx_control_message m;
    int fds[2];

    (void)state;
    assert_int_equal(sx_control_open(fds), 0);
    assert_int_equal(sx_control_receive(fds[1], &m), SX_ERR_BUSY);
    assert_int_equal(sx_control_send(fds[0], SX_CONTROL_READY, NULL), 0);
    assert_int_equal(sx_control_send(fds[0], SX_CONTROL_FAILED, "a b\nc"), 0);
    assert_int_equal(sx_control_send_drain(fds[0], 5000, 4294967295u), 0);

    assert_int_equal(sx_control_receive(fds[1], &m), 0);
    assert_int_equal(m.kind, SX_CONTROL_READY);
    assert_string_equal(m.text, "");
    assert_int_equal(sx_control_receive(fds[1], &m), 0);
    assert_int_equal(m.kind, SX_CONTROL_FAILED);
    assert_string_equal(m.text, "a b\nc");
    assert_int_equal(sx_control_receive(fds[1], &m), 0);
    assert_int_equal(m.kind, SX_CONTROL_DRAIN);
    assert_int_equal(m.delay_ms, 5000);
    assert_int_equal(m.grace_ms, 4294967295u);
    assert_int_equal(sx_control_receive(fds[1], &m), SX_ERR_BUSY);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void end_of_the_other_side_is_told(void **state)
{
    struct sx_control_message m;
    int fds[2];

    (void)state;
    assert_int_equal(sx_control_open(fds), 0);
    assert_int_equal(sx_control_send(fds[0], SX_CONTROL_DRAINED, NULL), 0);
    (void)close(fds[0]);

    assert_int_equal(sx_control_receive(fds[1], &m), 0);
    assert_int_equal(m.kind, SX_CONTROL_DRAINED);
    assert_int_equal(sx_control_receive(fds[1], &m), SX_ERR_CLOSED);
    assert_int_equal(sx_control_send(fds[1], SX_CONTROL_STOP, NULL), SX_ERR_CLOSED);
    (void)close(fds[1]);
}

static void reason_is_cut_at_its_ceiling(void **state)
{
    char *reason = malloc(2 * SX_CONTROL_MAX_TEXT);
    struct sx_control_message m;
    int fds[2];

    (void)state;
    assert_non_null(reason);
    memset(reason, 'x', 2 * SX_CONTROL_MAX_TEXT);
    reason[2 * SX_CONTROL_MAX_TEXT - 1] = '\0';
    assert_int_equal(sx_control_open(fds), 0);

    assert_int_equal(sx_control_send(fds[0], SX_CONTROL_LEAVING, reason), 0);
    assert_int_equal(sx_control_receive(fds[1], &m), 0);
    assert_int_equal(m.kind, SX_CONTROL_LEAVING);
    assert_int_equal(strlen(m.text), SX_CONTROL_MAX_TEXT);
    free(reason);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void nonsense_on_the_channel_is_no_message(void **state)
{
    static const char *const bad[] = { "read",    "readyy",    " ready",     "drain",
                                       "drain 5", "drain 5 x", "drain -1 5", "drain 5 5 5" };
    struct sx_control_message m;
    char much[20000];
    int fds[2];

    (void)state;
    memset(much, 'x', sizeof much);
    memcpy(much, "failed ", 7);
    assert_int_equal(sx_control_open(fds), 0);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_true(send(fds[0], bad[i], strlen(bad[i]), 0) > 0);
        assert_int_equal(sx_control_receive(fds[1], &m), SX_ERR_INVALID);
    }
    assert_true(send(fds[0], "failed a\0b", 10, 0) > 0);
    assert_int_equal(sx_control_receive(fds[1], &m), SX_ERR_INVALID);
    assert_true(send(fds[0], much, sizeof much, 0) > 0);
    assert_int_equal(sx_control_receive(fds[1], &m), SX_ERR_INVALID);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

/* A plugin that has got hold of the channel could fill the supervisor with them. */
static void descriptors_that_belong_to_no_message_are_closed(void **state)
{
    static const char *const packets[] = { "ready", "crashed 11 0x0", "no message", "reopen" };
    int sent[SX_PACKET_MAX_FDS], fds[2];
    struct sx_control_message m;
    size_t n_open;

    (void)state;
    assert_int_equal(sx_control_open(fds), 0);
    for (size_t i = 0; i < SX_PACKET_MAX_FDS; i++)
        sent[i] = fds[0];
    n_open = sx_test_count_descriptors();
    for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++) {
        for (size_t n = 2; n <= SX_PACKET_MAX_FDS; n += 42) {
            bool is_message = i != 2;

            assert_int_equal(sx_packet_send(fds[0], packets[i], strlen(packets[i]), sent, n), 0);
            assert_int_equal(sx_control_receive(fds[1], &m), is_message ? 0 : SX_ERR_INVALID);
            assert_int_equal(m.fd, -1);
            assert_int_equal(sx_test_count_descriptors(), n_open);
        }
    }
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void descriptors_without_a_packet_are_closed(void **state)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int) * 2)];
    } more = { .space = { 0 } };
    struct iovec part = { .iov_base = &more, .iov_len = 0 };
    struct msghdr empty = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &more, .msg_controllen = sizeof more.space
    };
    struct sx_control_message m;
    size_t n_open;
    int fds[2];

    (void)state;
    assert_int_equal(sx_control_open(fds), 0);
    n_open = sx_test_count_descriptors();
    more.head = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
                                  .cmsg_type = SCM_RIGHTS,
                                  .cmsg_len = CMSG_LEN(sizeof fds) };
    memcpy(CMSG_DATA(&more.head), fds, sizeof fds);
    assert_int_equal(sendmsg(fds[0], &empty, 0), 0);

    assert_int_equal(sx_control_receive(fds[1], &m), SX_ERR_CLOSED);

    assert_int_equal(sx_test_count_descriptors(), n_open);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void sender_never_blocks(void **state)
{
    int fds[2];
    int rc = 0;

    (void)state;
    assert_int_equal(sx_control_open(fds), 0);
    for (int i = 0; i < 100000 && rc == 0; i++)
        rc = sx_control_send(fds[0], SX_CONTROL_READY, NULL);
    assert_int_equal(rc, SX_ERR_BUSY);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void list_of_plugins_survives_the_way(void **state)
{
    struct sx_control_plugins plugins;
    struct sx_buf list;
    int fd;

    (void)state;
    sx_buf_init(&list, 4096);
    sx_control_add_plugin(&list, "hello", "/tmp/with\nline,and=signs.so", "aa");
    sx_control_add_plugin(&list, "site", "/proc/self/fd/7", "");
    assert_int_equal(sx_sealed_create("list", list.data, list.len, false, &fd), 0);

    assert_int_equal(sx_control_read_plugins(fd, &plugins), 0);
    assert_int_equal(plugins.n, 2);
    assert_string_equal(plugins.v[0].name, "hello");
    assert_string_equal(plugins.v[0].path, "/tmp/with\nline,and=signs.so");
    assert_string_equal(plugins.v[0].sha256, "aa");
    assert_string_equal(plugins.v[1].path, "/proc/self/fd/7");
    assert_string_equal(plugins.v[1].sha256, "");
    sx_control_finish_plugins(&plugins);
    sx_buf_finish(&list);
    (void)close(fd);
}

static void empty_and_broken_lists_of_plugins(void **state)
{
    static const struct {
        const char *data;
        size_t len;
        int rc;
    } cases[] = {
        { "", 0, 0 },
        { "a\0b\0c", 5, SX_ERR_INVALID },
        { "a\0b\0", 4, SX_ERR_INVALID },
        { "abc", 3, SX_ERR_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sx_control_plugins plugins;
        int fd;

        assert_int_equal(sx_sealed_create("list", cases[i].data, cases[i].len, false, &fd), 0);
        assert_int_equal(sx_control_read_plugins(fd, &plugins), cases[i].rc);
        if (cases[i].rc == 0) {
            assert_int_equal(plugins.n, 0);
            sx_control_finish_plugins(&plugins);
        }
        (void)close(fd);
    }
}

static void sealed_bytes_cannot_change_and_are_read_from_their_start(void **state)
{
    char *data;
    size_t len;
    int fd;

    (void)state;
    assert_int_equal(sx_sealed_create("text", "hello", 5, false, &fd), 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true(pwrite(fd, "x", 1, 0) < 0);
    assert_true(ftruncate(fd, 0) != 0);

    for (int i = 0; i < 2; i++) { /* the offset is shared by all who inherit it */
        assert_int_equal(sx_sealed_read(fd, 5, &data, &len), 0);
        assert_int_equal(len, 5);
        assert_string_equal(data, "hello");
        free(data);
    }
    assert_int_equal(sx_sealed_read(fd, 4, &data, &len), SX_ERR_BUSY);
    (void)close(fd);
}

static void file_that_is_not_sealed_is_refused(void **state)
{
    char path[] = "/tmp/sx-control-XXXXXX";
    char *data;
    size_t len;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    (void)unlink(path);
    assert_int_equal(sx_sealed_read(fd, 100, &data, &len), SX_ERR_INVALID);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spec_survives_format_and_parse),
        cmocka_unit_test(largest_spec_fits_its_ceiling),
        cmocka_unit_test(bad_specs_are_refused),
        cmocka_unit_test(adopting_closes_descriptors_on_exec_and_finds_the_missing),
        cmocka_unit_test(messages_arrive_one_by_one_with_their_texts),
        cmocka_unit_test(end_of_the_other_side_is_told),
        cmocka_unit_test(reason_is_cut_at_its_ceiling),
        cmocka_unit_test(nonsense_on_the_channel_is_no_message),
        cmocka_unit_test(descriptors_that_belong_to_no_message_are_closed),
        cmocka_unit_test(descriptors_without_a_packet_are_closed),
        cmocka_unit_test(sender_never_blocks),
        cmocka_unit_test(list_of_plugins_survives_the_way),
        cmocka_unit_test(empty_and_broken_lists_of_plugins),
        cmocka_unit_test(sealed_bytes_cannot_change_and_are_read_from_their_start),
        cmocka_unit_test(file_that_is_not_sealed_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
