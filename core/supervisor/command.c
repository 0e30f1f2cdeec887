/*
 * supervisor/command.c - commands from people, over a socket in the file system.
 *
 * One line in, text out, and at its end "ok" or "failed".  Who may connect is the user that the
 * server runs as, and root.  A reload answers when it has succeeded or failed; everybody who asked
 * before it began hears how it ended, also when the socket has moved meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "supervisor/supervisor_private.h"

#define MAX_CLIENTS    16u
#define MAX_LINE       256u
#define MAX_TEXT_BYTES (64u * 1024)

enum client_state {
    CLIENT_ASKING,
    CLIENT_WAITING,   /* for a reload that has not begun */
    CLIENT_RELOADING, /* for the one that is under way */
    CLIENT_DONE,      /* freed at the end of the round */
};

struct client {
    struct sx_source source;
    struct sx_list link;
    int fd; /* owned */
    enum client_state state;
    size_t len;
    char line[MAX_LINE + 1];
};

struct sx_commander {
    struct sx_source source;
    int fd;     /* owned; -1: there is no socket */
    char *path; /* owned; NULL: the same */
    dev_t dev;  /* of the socket that we made there */
    ino_t ino;
    struct sx_list clients;
    uint32_t n_clients;
};

/* --- one client ------------------------------------------------------------------------------ */

static void answer(struct client *c, bool is_ok, const char *text)
{
    struct sx_buf b;

    sx_buf_init(&b, MAX_TEXT_BYTES);
    if (text[0] != '\0')
        sx_buf_printf(&b, "%s%s", text, text[strlen(text) - 1] == '\n' ? "" : "\n");
    sx_buf_add_text(&b, is_ok ? "ok\n" : "failed\n");
    if (sx_buf_text(&b) != NULL)
        (void)send(c->fd, b.data, b.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    sx_buf_finish(&b);
    c->state = CLIENT_DONE;
}

static void ask_reload(struct sx_supervisor *sup, struct client *c)
{
    if (sup->phase != SX_PHASE_SERVING) {
        answer(c, false, "the server stops");
        return;
    }
    c->state = CLIENT_WAITING;
    sup->wants_reload = true;
}

static void ask_release(struct sx_supervisor *sup, struct client *c, const char *name)
{
    char text[MAX_LINE + 64];

    if (sx_quarantine_release(sup, name) == 0) {
        answer(c, true, "");
        return;
    }
    (void)snprintf(text, sizeof text, "the plugin \"%s\" is not quarantined", name);
    answer(c, false, text);
}

static void ask_status(struct sx_supervisor *sup, struct client *c)
{
    struct sx_buf b;

    sx_buf_init(&b, MAX_TEXT_BYTES);
    sx_generations_describe(sup, &b);
    sx_quarantine_describe(sup, &b);
    answer(c, !sx_buf_failed(&b), sx_buf_failed(&b) ? "no memory" : sx_buf_text(&b));
    sx_buf_finish(&b);
}

static void obey(struct sx_supervisor *sup, struct client *c)
{
    char text[MAX_LINE + 64];

    if (strcmp(c->line, "reload") == 0) {
        ask_reload(sup, c);
    } else if (strncmp(c->line, "release ", 8) == 0) {
        ask_release(sup, c, c->line + 8);
    } else if (strcmp(c->line, "status") == 0) {
        ask_status(sup, c);
    } else {
        (void)snprintf(text, sizeof text, "expected reload, release PLUGIN or status, found \"%s\"",
                       c->line);
        answer(c, false, text);
    }
}

static void on_client(struct sx_supervisor *sup, struct sx_source *source)
{
    struct client *c = SX_MEMBER_OF(source, struct client, source);
    ssize_t n = recv(c->fd, c->line + c->len, MAX_LINE - c->len, MSG_DONTWAIT);
    char *end;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0 || c->state != CLIENT_ASKING) { /* it has left, or has more to say than it may */
        c->state = CLIENT_DONE;
        return;
    }
    c->len += (size_t)n;
    c->line[c->len] = '\0';
    end = memchr(c->line, '\n', c->len);
    if (end != NULL) {
        *end = '\0';
        obey(sup, c);
    } else if (c->len == MAX_LINE) {
        answer(c, false, "expected a shorter line");
    }
}

static void free_client(struct sx_supervisor *sup, struct client *c)
{
    sup->commander->n_clients--;
    sx_list_remove(&c->link);
    (void)epoll_ctl(sup->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    (void)close(c->fd);
    free(c);
}

static bool is_child(const struct sx_supervisor *sup, pid_t pid)
{
    for (const struct sx_list *at = sup->children.next; at != &sup->children; at = at->next)
        if (SX_MEMBER_OF(at, struct sx_child, link)->pid == pid)
            return true;
    return false;
}

/* The user that we are, or root; but no plugin in one of our workers, which are that user too. */
static bool is_welcome(const struct sx_supervisor *sup, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;

    return sup->commander->n_clients < MAX_CLIENTS &&
           getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0) && !is_child(sup, peer.pid);
}

static void on_accept(struct sx_supervisor *sup, struct sx_source *source)
{
    struct sx_commander *com = SX_MEMBER_OF(source, struct sx_commander, source);
    int fd = accept4(com->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct client *c = fd < 0 ? NULL : calloc(1, sizeof *c);
    struct epoll_event event = { .events = EPOLLIN };

    if (c != NULL && is_welcome(sup, fd)) {
        c->source.on_event = on_client;
        c->fd = fd;
        event.data.ptr = &c->source;
        if (epoll_ctl(sup->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) {
            sx_list_push(&com->clients, &c->link);
            com->n_clients++;
            return;
        }
    }
    free(c);
    if (fd >= 0)
        (void)close(fd);
}

/* --- what clients wait for ------------------------------------------------------------------- */

static void for_clients(struct sx_supervisor *sup,
                        void (*fn)(struct sx_supervisor *sup, struct client *c, const char *text),
                        const char *text)
{
    if (sup->commander == NULL)
        return;
    for (struct sx_list *at = sup->commander->clients.next, *next; at != &sup->commander->clients;
         at = next) {
        next = at->next;
        fn(sup, SX_MEMBER_OF(at, struct client, link), text);
    }
}

static void begin(struct sx_supervisor *sup, struct client *c, const char *text)
{
    (void)sup;
    (void)text;
    if (c->state == CLIENT_WAITING)
        c->state = CLIENT_RELOADING;
}

static void tell_good(struct sx_supervisor *sup, struct client *c, const char *text)
{
    (void)sup;
    if (c->state == CLIENT_RELOADING)
        answer(c, true, text);
}

static void tell_bad(struct sx_supervisor *sup, struct client *c, const char *text)
{
    (void)sup;
    if (c->state == CLIENT_RELOADING)
        answer(c, false, text);
}

static void tell_stop(struct sx_supervisor *sup, struct client *c, const char *text)
{
    (void)sup;
    if (c->state == CLIENT_RELOADING || c->state == CLIENT_WAITING)
        answer(c, false, text);
}

static void sweep(struct sx_supervisor *sup, struct client *c, const char *text)
{
    (void)text;
    if (c->state == CLIENT_DONE)
        free_client(sup, c);
}

void sx_command_reload_begins(struct sx_supervisor *sup)
{
    for_clients(sup, begin, NULL);
}

void sx_command_reload_ended(struct sx_supervisor *sup, bool is_good, const char *text)
{
    for_clients(sup, is_good ? tell_good : tell_bad, text);
}

void sx_command_stops(struct sx_supervisor *sup, const char *why)
{
    for_clients(sup, tell_stop, why);
}

void sx_command_sweep(struct sx_supervisor *sup)
{
    for_clients(sup, sweep, NULL);
}

/* --- the socket ------------------------------------------------------------------------------ */

int sx_command_address(const char *path, struct sockaddr_un *ret_address, int *ret_dir_fd)
{
    const char *slash = strrchr(path, '/');
    char dir[4096];
    int n, fd;

    if (slash == NULL || (size_t)(slash - path) >= sizeof dir) {
        errno = ENAMETOOLONG;
        return SX_ERR_INVALID;
    }
    (void)snprintf(dir, sizeof dir, "%.*s/", (int)(slash - path), path);
    fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return SX_ERR_IO;
    *ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    n = snprintf(ret_address->sun_path, sizeof ret_address->sun_path, "/proc/self/fd/%d/%s", fd,
                 slash + 1);
    if (n < 0 || (size_t)n >= sizeof ret_address->sun_path) {
        (void)close(fd);
        errno = ENAMETOOLONG;
        return SX_ERR_INVALID;
    }
    *ret_dir_fd = fd;
    return 0;
}

/* Bound under another name first, so that the path is always a socket where somebody listens. */
static int bind_at(int fd, const char *path)
{
    struct sockaddr_un address;
    char temporary[4096];
    mode_t mask;
    int dir_fd, rc;

    if (snprintf(temporary, sizeof temporary, "%s.%d", path, (int)getpid()) >=
        (int)sizeof temporary) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (sx_command_address(temporary, &address, &dir_fd) < 0)
        return -1;
    mask = umask(0177);
    (void)unlink(temporary);
    rc = bind(fd, (const struct sockaddr *)&address, sizeof address);
    (void)umask(mask);
    (void)close(dir_fd);
    if (rc == 0)
        rc = listen(fd, (int)MAX_CLIENTS);
    if (rc == 0)
        rc = rename(temporary, path);
    if (rc != 0) {
        int saved = errno;

        (void)unlink(temporary);
        errno = saved;
    }
    return rc;
}

static bool is_ours(const struct sx_commander *com)
{
    struct stat st;

    return com->path != NULL && com->ino != 0 && lstat(com->path, &st) == 0 &&
           st.st_dev == com->dev && st.st_ino == com->ino;
}

/* Nobody comes any more; whoever came stays. */
static void close_socket(struct sx_commander *com)
{
    if (is_ours(com)) /* a successor may have put its own there */
        (void)unlink(com->path);
    if (com->fd >= 0)
        (void)close(com->fd);
    free(com->path);
    com->fd = -1;
    com->path = NULL;
    com->ino = 0;
}

static int open_socket(struct sx_supervisor *sup, struct sx_commander *com, const char *path)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &com->source };
    struct stat st;

    com->path = strdup(path);
    com->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (com->path == NULL || com->fd < 0 || bind_at(com->fd, path) != 0 || lstat(path, &st) != 0)
        return SX_ERR_IO;
    com->dev = st.st_dev;
    com->ino = st.st_ino;
    return epoll_ctl(sup->epoll_fd, EPOLL_CTL_ADD, com->fd, &event) == 0 ? 0 : SX_ERR_IO;
}

static struct sx_commander *create(void)
{
    struct sx_commander *com = calloc(1, sizeof *com);

    if (com == NULL)
        return NULL;
    com->source.on_event = on_accept;
    com->fd = -1;
    sx_list_init(&com->clients);
    return com;
}

/* Listens at path from now on, where it did not; that it cannot is logged.  Clients stay. */
static void listen_at(struct sx_supervisor *sup, const char *path)
{
    struct sx_commander *com = sup->commander;

    if (com == NULL)
        com = sup->commander = create();
    if (com == NULL)
        return;
    /* What is there may be a successor's, which is to be asked instead of us while it lives. */
    if (com->path != NULL && strcmp(com->path, path) == 0 &&
        (is_ours(com) || (sx_successor_lives(sup) && access(path, F_OK) == 0)))
        return;
    close_socket(com);
    if (open_socket(sup, com, path) == 0)
        return;
    sx_log_line(sup->log, SX_LOG_WARNING, NULL, "%s: commands cannot be given there: %s", path,
                strerror(errno));
    close_socket(com);
}

void sx_command_follow(struct sx_supervisor *sup)
{
    if (sup->current == NULL || sup->commanded == sup->current->number)
        return;
    sup->commanded = sup->current->number;
    listen_at(sup, sup->current->config->server.control);
}

void sx_command_close(struct sx_supervisor *sup)
{
    struct sx_commander *com = sup->commander;

    if (com == NULL)
        return;
    while (!sx_list_is_empty(&com->clients))
        free_client(sup, SX_MEMBER_OF(com->clients.next, struct client, link));
    close_socket(com);
    free(com);
    sup->commander = NULL;
}
