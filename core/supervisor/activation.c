/*
 * supervisor/activation.c - listening sockets that another process opened for us.
 *
 * The environment of sd_listen_fds(3): LISTEN_PID is us, LISTEN_FDS sockets start at descriptor
 * 3, LISTEN_FDNAMES tells their names, separated by colons.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "base/text.h"
#include "board/control.h"
#include "supervisor/listener.h"

#define FIRST_HANDED_FD 3

static bool is_listening_stream(int fd)
{
    int type = 0;
    int listens = 0;
    socklen_t len = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM)
        return false;
    len = sizeof listens;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0 && listens != 0;
}

static int adopt_one(struct sx_listeners *ls, int fd, bool is_handed, struct sx_report *rep)
{
    const int on = 1;
    struct sx_address address;
    struct sx_listener *l;

    if (!is_listening_stream(fd) || sx_address_of_socket(fd, &address) != 0) {
        sx_report_add(rep, "LISTEN_FDS: expected a listening stream socket at descriptor %d", fd);
        return SX_ERR_INVALID;
    }
    l = sx_listener_create(ls, &address, fd);
    if (l == NULL)
        return SX_ERR_NOMEM;
    l->is_wild = !is_handed;
    l->is_borrowed = !is_handed;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* no matter on AF_UNIX */
    return 0;
}

static bool read_number(const char *name, uint64_t *ret_value)
{
    const char *text = getenv(name);

    return text != NULL && sx_parse_uint(text, strlen(text), ret_value) == 0;
}

int sx_listeners_adopt(struct sx_listeners *ls, struct sx_report *rep)
{
    const char *names = getenv("LISTEN_FDNAMES");
    uint64_t pid;
    uint64_t n;
    int rc = 0;

    if (!read_number("LISTEN_PID", &pid) || pid != (uint64_t)getpid() ||
        !read_number("LISTEN_FDS", &n))
        return 0;
    if (n > SX_CONTROL_MAX_LISTEN) {
        sx_report_add(rep, "LISTEN_FDS: expected at most %d, found %llu", SX_CONTROL_MAX_LISTEN,
                      (unsigned long long)n);
        return SX_ERR_INVALID;
    }

    for (int i = 0; i < (int)n && rc == 0; i++) {
        size_t len = names == NULL ? 0 : strcspn(names, ":");
        bool is_handed = len == strlen(SX_LISTENER_HANDED) &&
                         memcmp(names, SX_LISTENER_HANDED, len) == 0;

        rc = adopt_one(ls, FIRST_HANDED_FD + i, is_handed, rep);
        if (names != NULL)
            names += len + (names[len] == ':');
    }
    return rc;
}

void sx_listeners_lend(struct sx_listeners *ls, bool is_lent)
{
    for (struct sx_list *at = ls->all.next; at != &ls->all; at = at->next) {
        struct sx_listener *l = SX_MEMBER_OF(at, struct sx_listener, link);

        if (!l->is_wild)
            l->is_borrowed = is_lent;
    }
}
