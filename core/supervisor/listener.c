/*
 * supervisor/listener.c - opening, sharing and closing listening sockets.
 *
 * No SO_REUSEPORT: a socket per worker strands its queue when that worker goes (I3).
 */
#include "supervisor/listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "board/control.h"

#define BACKLOG 4096 /* the kernel caps it at net.core.somaxconn */

void sx_listeners_init(struct sx_listeners *ls)
{
    sx_list_init(&ls->all);
}

static const char *unix_path(const struct sx_listener *l)
{
    return l->address.addr.ss_family == AF_UNIX
               ? ((const struct sockaddr_un *)&l->address.addr)->sun_path
               : NULL;
}

/* Removes the path of a unix socket, if it is still the one that we made. */
static void remove_path(const struct sx_listener *l)
{
    const char *path = unix_path(l);
    struct stat st;

    if (path != NULL && !l->is_borrowed && lstat(path, &st) == 0 && st.st_dev == l->dev &&
        st.st_ino == l->ino)
        (void)unlink(path);
}

static void destroy(struct sx_listener *l)
{
    sx_list_remove(&l->link);
    remove_path(l);
    if (l->fd >= 0)
        (void)close(l->fd);
    free(l);
}

void sx_listeners_close(struct sx_listeners *ls)
{
    for (struct sx_list *at = ls->all.next; at != &ls->all; at = at->next) {
        struct sx_listener *l = SX_MEMBER_OF(at, struct sx_listener, link);

        if (l->fd >= 0)
            (void)close(l->fd);
        l->fd = -1;
    }
}

void sx_listeners_finish(struct sx_listeners *ls)
{
    while (!sx_list_is_empty(&ls->all))
        destroy(SX_MEMBER_OF(ls->all.next, struct sx_listener, link));
}

struct sx_listener *sx_listener_create(struct sx_listeners *ls, const struct sx_address *address,
                                       int fd)
{
    struct sx_listener *l = calloc(1, sizeof *l);
    const char *path;
    struct stat st;

    if (l == NULL)
        return NULL;
    l->address = *address;
    l->fd = fd;
    path = unix_path(l);
    if (path != NULL && lstat(path, &st) == 0) {
        l->dev = st.st_dev;
        l->ino = st.st_ino;
    }
    sx_list_push(&ls->all, &l->link);
    return l;
}

/* A client whose machine is gone says nothing: after three minutes its connection is closed, even
 * one on which a stream waits for its next event. */
static int keep_alive(int fd)
{
    const int on = 1, idle_s = 120, every_s = 15, times = 4;

    return setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) != 0 ||
                   setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s) != 0 ||
                   setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every_s, sizeof every_s) != 0 ||
                   setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times) != 0
               ? SX_ERR_IO
               : 0;
}

/* Accepted sockets inherit all of these on Linux. */
static int set_options(int fd, int family)
{
    const int on = 1;

    if (family == AF_UNIX)
        return 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 || keep_alive(fd) < 0)
        return SX_ERR_IO;
    /* So that "[::]" and "0.0.0.0" can be configured side by side, whatever the sysctl says. */
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
        return SX_ERR_IO;
    return 0;
}

/* Is the path a socket on which nobody listens any more? */
static bool is_stale(const struct sx_address *a)
{
    const char *path = ((const struct sockaddr_un *)&a->addr)->sun_path;
    bool is_refused;
    struct stat st;
    int fd;

    if (lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    is_refused = connect(fd, (const struct sockaddr *)&a->addr, a->len) != 0 &&
                 errno == ECONNREFUSED;
    (void)close(fd);
    return is_refused;
}

static int bind_address(int fd, const struct sx_address *a)
{
    if (bind(fd, (const struct sockaddr *)&a->addr, a->len) == 0)
        return 0;
    if (errno != EADDRINUSE || a->addr.ss_family != AF_UNIX)
        return SX_ERR_IO;
    if (!is_stale(a)) {
        errno = EADDRINUSE;
        return SX_ERR_IO;
    }
    (void)unlink(((const struct sockaddr_un *)&a->addr)->sun_path);
    return bind(fd, (const struct sockaddr *)&a->addr, a->len) == 0 ? 0 : SX_ERR_IO;
}

static int open_socket(const struct sx_address *a, int *ret_fd)
{
    int fd = socket(a->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int saved;

    if (fd < 0)
        return SX_ERR_IO;
    if (set_options(fd, a->addr.ss_family) == 0 && bind_address(fd, a) == 0 &&
        listen(fd, BACKLOG) == 0) {
        *ret_fd = fd;
        return 0;
    }
    saved = errno;
    (void)close(fd);
    errno = saved;
    return SX_ERR_IO;
}

static void report_errno(const struct sx_listeners *ls, struct sx_report *rep, const char *name)
{
    if (errno == EADDRINUSE)
        sx_report_add(rep,
                      "%s: the address is in use by another process\n"
                      "Stop it, or choose another with PORT or server.port.",
                      name);
    else if (errno == EACCES && ls->has_dropped_root)
        sx_report_add(rep,
                      "%s: cannot listen: permission denied: the server has given up root\n"
                      "Restart it to open another port below 1024, or a socket in a folder of "
                      "root's.",
                      name);
    else if (errno == EACCES)
        sx_report_add(rep,
                      "%s: cannot listen: permission denied\n"
                      "Ports below 1024 need a privilege; a unix socket needs a folder that "
                      "this user may write.",
                      name);
    else
        sx_report_add(rep, "%s: cannot listen: %s", name, strerror(errno));
}

static struct sx_listener *find(struct sx_listeners *ls, const struct sx_address *address)
{
    for (struct sx_list *at = ls->all.next; at != &ls->all; at = at->next) {
        struct sx_listener *l = SX_MEMBER_OF(at, struct sx_listener, link);

        if (sx_address_equals(&l->address, address))
            return l;
    }
    return NULL;
}

static int find_or_open(struct sx_listeners *ls, const struct sx_address *address,
                        struct sx_report *rep, struct sx_listener **ret_listener)
{
    struct sx_listener *l = find(ls, address);
    int fd;

    if (l == NULL) {
        if (open_socket(address, &fd) != 0) {
            report_errno(ls, rep, address->name);
            return SX_ERR_IO;
        }
        l = sx_listener_create(ls, address, fd);
        if (l == NULL) {
            (void)close(fd);
            return SX_ERR_NOMEM;
        }
    }
    *ret_listener = l;
    return 0;
}

static bool contains(const struct sx_listener_set *set, const struct sx_listener *l)
{
    for (size_t i = 0; i < set->n; i++) {
        if (set->v[i] == l)
            return true;
    }
    return false;
}

static void add(struct sx_listener_set *set, struct sx_listener *l)
{
    if (set->n < SX_CONTROL_MAX_LISTEN && !contains(set, l)) {
        set->v[set->n++] = l;
        l->n_refs++;
    }
}

static int acquire_one(struct sx_listeners *ls, const char *text, const char *key,
                       struct sx_report *rep, struct sx_listener_set *set)
{
    struct sx_address address;
    struct sx_listener *l;
    int rc;

    if (sx_address_parse(text, &address) != 0) {
        sx_report_add(rep,
                      "%s: expected \"ADDRESS:PORT\" or \"unix:/path\", found \"%s\"\n"
                      "An IPv6 address stands in brackets; names are not looked up.",
                      key, text);
        return SX_ERR_INVALID;
    }
    if (set->n == SX_CONTROL_MAX_LISTEN) {
        sx_report_add(rep, "%s: more than %d addresses", key, SX_CONTROL_MAX_LISTEN);
        return SX_ERR_INVALID;
    }
    rc = find_or_open(ls, &address, rep, &l);
    if (rc == 0)
        add(set, l);
    return rc;
}

static int acquire_all(struct sx_listeners *ls, const struct sx_config_server *server,
                       struct sx_report *rep, struct sx_listener_set *set)
{
    char text[SX_LISTENER_NAME + 16];
    int rc;

    sx_address_join(server, text, sizeof text);
    rc = acquire_one(ls, text, "server.address", rep, set);
    for (size_t i = 0; i < server->listen.n; i++) {
        int one = acquire_one(ls, server->listen.v[i], "server.listen", rep, set);

        if (rc == 0 || one == SX_ERR_INVALID)
            rc = one;
    }
    for (struct sx_list *at = ls->all.next; at != &ls->all; at = at->next) {
        struct sx_listener *l = SX_MEMBER_OF(at, struct sx_listener, link);

        if (l->is_wild)
            add(set, l);
    }
    return rc;
}

/* What an older supervisor handed over and the configuration does not name any more. */
static void close_unwanted(struct sx_listeners *ls)
{
    for (struct sx_list *at = ls->all.next, *next; at != &ls->all; at = next) {
        struct sx_listener *l = SX_MEMBER_OF(at, struct sx_listener, link);

        next = at->next;
        if (l->n_refs == 0 && !l->is_wild)
            destroy(l);
    }
}

int sx_listeners_acquire(struct sx_listeners *ls, const struct sx_config_server *server,
                         struct sx_report *rep, struct sx_listener_set *ret_set)
{
    struct sx_listener_set set = { .n = 0 };
    int rc;

    set.v = calloc(SX_CONTROL_MAX_LISTEN, sizeof(struct sx_listener *));
    if (set.v == NULL)
        return SX_ERR_NOMEM;
    rc = acquire_all(ls, server, rep, &set);
    if (rc != 0) {
        sx_listeners_release(&set);
        return rc;
    }
    close_unwanted(ls);
    *ret_set = set;
    return 0;
}

void sx_listeners_release(struct sx_listener_set *set)
{
    for (size_t i = 0; i < set->n; i++) {
        struct sx_listener *l = set->v[i];

        sx_check(l->n_refs > 0);
        if (--l->n_refs == 0 && !l->is_wild)
            destroy(l);
    }
    free(set->v);
    *set = (struct sx_listener_set){ .n = 0 };
}
