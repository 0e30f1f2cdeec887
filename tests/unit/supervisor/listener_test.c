/* Sockets are opened once for each address, shared by generations, and closed by the last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/error.h"
#include "supervisor/listener.h"

struct fixture {
    char dir[32];
    char address[64]; /* "unix:" and a path in dir */
    struct sx_listeners ls;
    struct sx_report rep;
    struct sx_config_server server;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    (void)strcpy(f->dir, "/tmp/sx-listener-XXXXXX");
    if (mkdtemp(f->dir) == NULL)
        return -1;
    (void)snprintf(f->address, sizeof f->address, "unix:%s/a.sock", f->dir);
    f->server.address = f->address;
    sx_listeners_init(&f->ls);
    sx_report_init(&f->rep);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    int rc;

    sx_listeners_finish(&f->ls);
    sx_report_finish(&f->rep);
    rc = rmdir(f->dir); /* nothing may be left in it */
    free(f);
    return rc;
}

/* A port that was free a moment ago. */
static uint32_t find_port(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET };
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    (void)close(fd);
    return ntohs(in.sin_port);
}

static int connect_to(const struct sx_address *a)
{
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (connect(fd, (const struct sockaddr *)&a->addr, a->len) != 0) {
        int saved = errno;

        (void)close(fd);
        return -saved;
    }
    (void)close(fd);
    return 0;
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
    return value;
}

static void addresses_are_understood_or_refused(void **state)
{
    static const struct {
        const char *text;
        int family; /* 0: refused */
    } cases[] = {
        { "127.0.0.1:80", AF_INET },
        { "0.0.0.0:65535", AF_INET },
        { "[::]:1", AF_INET6 },
        { "[::1]:8080", AF_INET6 },
        { "unix:/run/x", AF_UNIX },
        { "unix:x", AF_UNIX },
        { "", 0 },
        { "127.0.0.1", 0 },
        { "127.0.0.1:", 0 },
        { "127.0.0.1:0", 0 },
        { "127.0.0.1:65536", 0 },
        { "127.0.0.1:+80", 0 },
        { "localhost:80", 0 },
        { "::1:80", 0 },
        { "[::1:80", 0 },
        { "[::1]80", 0 },
        { "[127.0.0.1]:80", 0 },
        { ":80", 0 },
        { "unix:", 0 },
    };
    char path[200] = "unix:/";

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sx_address a;
        int rc = sx_address_parse(cases[i].text, &a);

        if (rc != (cases[i].family == 0 ? SX_ERR_INVALID : 0))
            fail_msg("\"%s\": result %d", cases[i].text, rc);
        if (rc == 0)
            assert_int_equal(a.addr.ss_family, cases[i].family);
    }
    memset(path + 6, 'x', 107); /* with the slash one more than sun_path holds */
    assert_int_equal(sx_address_parse(path, &(struct sx_address){ .len = 0 }), SX_ERR_INVALID);
}

static void listener_accepts_with_the_options_of_a_server(void **state)
{
    struct fixture *f = *state;
    struct sx_listener_set set;
    const struct sx_listener *l;

    f->server.address = "127.0.0.1";
    f->server.port = find_port();
    assert_int_equal(sx_listeners_acquire(&f->ls, &f->server, &f->rep, &set), 0);

    assert_int_equal(set.n, 1);
    l = set.v[0];
    assert_int_equal(connect_to(&l->address), 0);
    assert_true(option_of(l->fd, IPPROTO_TCP, TCP_NODELAY) != 0);
    assert_true(option_of(l->fd, SOL_SOCKET, SO_REUSEADDR) != 0);
    assert_int_equal(option_of(l->fd, SOL_SOCKET, SO_REUSEPORT), 0);
    assert_true((fcntl(l->fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(l->fd, F_GETFD) & FD_CLOEXEC) != 0);
    sx_listeners_release(&set);
    assert_true(sx_list_is_empty(&f->ls.all));
}

static void both_families_share_one_port(void **state)
{
    struct fixture *f = *state;
    struct sx_listener_set set;
    char other[64];
    const char *list[] = { other };

    f->server.address = "::";
    f->server.port = find_port();
    (void)snprintf(other, sizeof other, "0.0.0.0:%u", f->server.port);
    f->server.listen.v = list;
    f->server.listen.n = 1;
    assert_int_equal(sx_listeners_acquire(&f->ls, &f->server, &f->rep, &set), 0);

    assert_int_equal(set.n, 2);
    assert_true(option_of(set.v[0]->fd, IPPROTO_IPV6, IPV6_V6ONLY) != 0);
    sx_listeners_release(&set);
}

static void port_in_use_is_told_with_its_address(void **state)
{
    struct fixture *f = *state;
    struct sx_listeners other;
    struct sx_listener_set taken;
    struct sx_listener_set set;
    char expected[64];

    sx_listeners_init(&other);
    f->server.address = "127.0.0.1";
    f->server.port = find_port();
    assert_int_equal(sx_listeners_acquire(&other, &f->server, &f->rep, &taken), 0);

    assert_int_equal(sx_listeners_acquire(&f->ls, &f->server, &f->rep, &set), SX_ERR_IO);

    (void)snprintf(expected, sizeof expected, "127.0.0.1:%u: the address is in use",
                   f->server.port);
    assert_int_equal(f->rep.n_faults, 1);
    assert_memory_equal(f->rep.faults[0], expected, strlen(expected));
    assert_true(sx_list_is_empty(&f->ls.all));
    sx_listeners_release(&taken);
    sx_listeners_finish(&other);
}

static void one_bad_address_leaves_everything_as_it_was(void **state)
{
    struct fixture *f = *state;
    struct sx_listener_set first;
    struct sx_listener_set set;
    char fresh[64];
    const char *list[] = { fresh, "nowhere", "10.0.0.1:x" };

    assert_int_equal(sx_listeners_acquire(&f->ls, &f->server, &f->rep, &first), 0);
    (void)snprintf(fresh, sizeof fresh, "unix:%s/b.sock", f->dir);
    f->server.listen.v = list;
    f->server.listen.n = 3;

    assert_int_equal(sx_listeners_acquire(&f->ls, &f->server, &f->rep, &set), SX_ERR_INVALID);

    assert_int_equal(f->rep.n_faults, 2);
    assert_non_null(strstr(f->rep.faults[0], "\"nowhere\""));
    assert_non_null(strstr(f->rep.faults[1], "\"10.0.0.1:x\""));
    assert_int_equal(connect_to(&first.v[0]->address), 0);
    assert_true(access(fresh + 5, F_OK) != 0);
    sx_listeners_release(&first);
}

static void generations_share_a_socket_until_the_last_lets_go(void **state)
{
    struct fixture *f = *state;
    struct sx_listener_set old;
    struct sx_listener_set new;
    struct sx_address address;

    assert_int_equal(sx_listeners_acquire(&f->ls, &f->server, &f->rep, &old), 0);
    assert_int_equal(sx_listeners_acquire(&f->ls, &f->server, &f->rep, &new), 0);
    assert_ptr_equal(old.v[0], new.v[0]);
    address = old.v[0]->address;

    sx_listeners_release(&old);
    assert_int_equal(connect_to(&address), 0);

    sx_listeners_release(&new);
    assert_int_equal(connect_to(&address), -ENOENT); /* and its path is removed */
}

static void stale_socket_file_is_replaced(void **state)
{
    struct fixture *f = *state;
    struct sx_address a;
    struct sx_listener_set set;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(sx_address_parse(f->address, &a), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a.addr, a.len), 0);
    (void)close(fd); /* its owner died without removing it */

    assert_int_equal(sx_listeners_acquire(&f->ls, &f->server, &f->rep, &set), 0);
    assert_int_equal(connect_to(&a), 0);
    sx_listeners_release(&set);
}

static void socket_file_of_a_living_server_and_other_files_are_left_alone(void **state)
{
    struct fixture *f = *state;
    struct sx_address a;
    struct sx_listener_set set;
    struct stat st;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(sx_address_parse(f->address, &a), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a.addr, a.len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(sx_listeners_acquire(&f->ls, &f->server, &f->rep, &set), SX_ERR_IO);
    assert_int_equal(connect_to(&a), 0);
    (void)close(fd);
    assert_int_equal(unlink(f->address + 5), 0);

    fd = open(f->address + 5, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    (void)close(fd);
    assert_int_equal(sx_listeners_acquire(&f->ls, &f->server, &f->rep, &set), SX_ERR_IO);
    assert_int_equal(lstat(f->address + 5, &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(unlink(f->address + 5), 0);
}

/* In a process of its own, because sockets are handed over at descriptor 3 and up. */
static int adopt_in_child(struct fixture *f, const char *names, size_t n_expected)
{
    struct sx_listeners ls;
    struct sx_listener_set set;
    char pid[32];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sx_address a;

    if (sx_address_parse(f->address, &a) != 0 || bind(fd, (struct sockaddr *)&a.addr, a.len) != 0 ||
        listen(fd, 1) != 0)
        return 10;
    if (fd != 3 && (dup2(fd, 3) != 3 || close(fd) != 0))
        return 11;
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    (void)setenv("LISTEN_PID", pid, 1);
    (void)setenv("LISTEN_FDS", "1", 1);
    (void)setenv("LISTEN_FDNAMES", names, 1);
    f->server.address = "127.0.0.1"; /* the configuration names another one */
    f->server.port = find_port();

    sx_listeners_init(&ls);
    if (sx_listeners_adopt(&ls, &f->rep) != 0 ||
        sx_listeners_acquire(&ls, &f->server, &f->rep, &set) != 0)
        return 12;
    if (set.n != n_expected || (fcntl(3, F_GETFD) < 0) != (n_expected == 1))
        return 13;
    sx_listeners_release(&set);
    sx_listeners_finish(&ls);
    sx_report_finish(&f->rep);
    return access(f->address + 5, F_OK) == 0 ? 20 : 0;
}

static int run_adoption(struct fixture *f, const char *names, size_t n_expected)
{
    pid_t pid = fork();
    int status = -1;

    assert_true(pid >= 0);
    if (pid == 0)
        _exit(adopt_in_child(f, names, n_expected));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void socket_of_the_service_manager_is_served_and_its_path_left(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(run_adoption(f, "web.socket", 2), 20);
    assert_int_equal(unlink(f->address + 5), 0);
}

static void handed_socket_that_nobody_wants_any_more_is_closed(void **state)
{
    assert_int_equal(run_adoption(*state, SX_LISTENER_HANDED, 1), 0);
}

static void handover_for_another_process_is_ignored(void **state)
{
    struct fixture *f = *state;

    (void)setenv("LISTEN_PID", "1", 1);
    (void)setenv("LISTEN_FDS", "1", 1);
    assert_int_equal(sx_listeners_adopt(&f->ls, &f->rep), 0);
    assert_true(sx_list_is_empty(&f->ls.all));
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(addresses_are_understood_or_refused),
        TEST(listener_accepts_with_the_options_of_a_server),
        TEST(both_families_share_one_port),
        TEST(port_in_use_is_told_with_its_address),
        TEST(one_bad_address_leaves_everything_as_it_was),
        TEST(generations_share_a_socket_until_the_last_lets_go),
        TEST(stale_socket_file_is_replaced),
        TEST(socket_file_of_a_living_server_and_other_files_are_left_alone),
        TEST(socket_of_the_service_manager_is_served_and_its_path_left),
        TEST(handed_socket_that_nobody_wants_any_more_is_closed),
        TEST(handover_for_another_process_is_ignored),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
