/*
 * reference.c - rows over HTTP with one query in flight per connection, the usual way.
 *
 *     reference PORT CONNECTIONS CONNINFO
 *
 * GET /db answers one random row of techempower.world as JSON, GET /queries?queries=N an array
 * of N, each read by a statement of its own, one after the other on one connection.  Requests
 * wait in a queue for a free connection.  HTTP is as little as the limit's, so what is
 * measured is the way to the database: what pipelining is compared with.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libpq-fe.h>

#define MAX_FDS         65536
#define MAX_ROWS        500
#define MAX_CONNECTIONS 64
#define ROWS            10000
#define ROW_BYTES       64 /* of JSON, at most */

struct client {
    int fd, left, n_rows;
    unsigned len;
    char in[2048];
    struct client *next; /* in the queue */
    char *body;          /* owned while a connection works for it */
    size_t body_len;
    bool is_many, is_waiting, is_gone;
};

struct backend {
    PGconn *pg;
    struct client *client; /* NULL: free */
};

struct reference {
    int epoll, listener, n_backends;
    uint64_t seed;
    struct backend backends[MAX_CONNECTIONS];
    struct client *first, **last;
    struct client *clients[MAX_FDS];
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "reference: %s\n", what);
    exit(1);
}

static unsigned random_id(struct reference *ref)
{
    ref->seed = ref->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((ref->seed >> 33) % ROWS) + 1;
}

/* --- Clients ------------------------------------------------------------------ */

static void release(struct reference *ref, struct client *c)
{
    ref->clients[c->fd] = NULL;
    (void)close(c->fd);
    free(c->body);
    free(c);
}

static void answer(struct reference *ref, struct client *c)
{
    char head[160];
    int n;

    c->is_waiting = false;
    if (c->is_gone) {
        release(ref, c);
        return;
    }
    n = snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nServer: reference\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
                 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                 c->body_len);
    memmove(c->body + n, c->body, c->body_len);
    memcpy(c->body, head, (size_t)n);
    if (write(c->fd, c->body, (size_t)n + c->body_len) != (ssize_t)((size_t)n + c->body_len))
        fail("a client does not read");
    free(c->body);
    c->body = NULL;
}

/* --- Connections ---------------------------------------------------------------- */

static void send_query(struct reference *ref, struct backend *b)
{
    char id[16];
    const char *values[] = { id };

    (void)snprintf(id, sizeof id, "%u", random_id(ref));
    if (!PQsendQueryPrepared(b->pg, "world", 1, values, NULL, NULL, 0) || PQflush(b->pg) != 0)
        fail(PQerrorMessage(b->pg));
}

static void give(struct reference *ref, struct backend *b)
{
    struct client *c = ref->first;

    b->client = c;
    if (c == NULL)
        return;
    ref->first = c->next;
    if (ref->first == NULL)
        ref->last = &ref->first;
    send_query(ref, b);
}

static void take_row(struct client *c, const PGresult *result)
{
    if (c->is_many)
        c->body[c->body_len++] = c->left == c->n_rows ? '[' : ',';
    c->body_len += (size_t)snprintf(c->body + c->body_len, ROW_BYTES,
                                    "{\"id\":%s,\"randomNumber\":%s}", PQgetvalue(result, 0, 0),
                                    PQgetvalue(result, 0, 1));
    if (c->is_many && c->left == 1)
        c->body[c->body_len++] = ']';
}

static void take_result(struct reference *ref, struct backend *b)
{
    struct client *c = b->client;
    PGresult *result;

    if (!PQconsumeInput(b->pg))
        fail(PQerrorMessage(b->pg));
    while (!PQisBusy(b->pg)) {
        result = PQgetResult(b->pg);
        if (result == NULL)
            break;
        if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
            fail(PQresultErrorMessage(result));
        take_row(c, result);
        PQclear(result);
        c->left--;
    }
    if (PQisBusy(b->pg))
        return;
    if (c->left > 0) {
        send_query(ref, b);
        return;
    }
    give(ref, b); /* the connection works while the answer is written */
    answer(ref, c);
}

/* --- Requests ------------------------------------------------------------------- */

static void begin(struct reference *ref, struct client *c)
{
    const char *asked = strstr(c->in, "queries=");
    long n = asked == NULL ? 1 : strtol(asked + 8, NULL, 10);

    c->is_many = asked != NULL;
    c->n_rows = n < 1 ? 1 : n > MAX_ROWS ? MAX_ROWS : (int)n;
    c->left = c->n_rows;
    c->body_len = 0;
    c->body = malloc(256 + (size_t)c->n_rows * ROW_BYTES);
    if (c->body == NULL)
        fail("no memory");
    c->len = 0;
    c->next = NULL;
    c->is_waiting = true;
    *ref->last = c;
    ref->last = &c->next;
    for (int i = 0; i < ref->n_backends; i++) {
        if (ref->backends[i].client == NULL) {
            give(ref, &ref->backends[i]);
            return;
        }
    }
}

static void serve(struct reference *ref, struct client *c)
{
    ssize_t len = read(c->fd, c->in + c->len, sizeof c->in - 1 - c->len);

    if (len <= 0) {
        if (len < 0 && errno == EAGAIN)
            return;
        c->is_gone = true;
        (void)epoll_ctl(ref->epoll, EPOLL_CTL_DEL, c->fd, NULL);
        if (!c->is_waiting)
            release(ref, c);
        return;
    }
    c->len += (unsigned)len;
    c->in[c->len] = '\0';
    if (strstr(c->in, "\r\n\r\n") != NULL)
        begin(ref, c);
}

static void accept_all(struct reference *ref)
{
    int fd, on = 1;

    while ((fd = accept4(ref->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };
        struct client *c = fd < MAX_FDS ? calloc(1, sizeof *c) : NULL;

        if (c == NULL)
            fail("too many clients");
        c->fd = fd;
        ref->clients[fd] = c;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        (void)epoll_ctl(ref->epoll, EPOLL_CTL_ADD, fd, &ev);
    }
}

/* --- The start ------------------------------------------------------------------- */

static void watch(const struct reference *ref, int fd, uint64_t data)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.u64 = data };

    if (epoll_ctl(ref->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
        fail("epoll_ctl");
}

static void connect_one(struct reference *ref, const char *conninfo)
{
    static const char sql[] = "SELECT id, randomnumber FROM techempower.world WHERE id = $1";
    struct backend *b = &ref->backends[ref->n_backends];
    PGresult *result;

    b->pg = PQconnectdb(conninfo);
    result = PQprepare(b->pg, "world", sql, 1, NULL);
    if (PQresultStatus(result) != PGRES_COMMAND_OK || PQsetnonblocking(b->pg, 1) != 0)
        fail(PQerrorMessage(b->pg));
    PQclear(result);
    watch(ref, PQsocket(b->pg), UINT64_C(1) << 32 | (unsigned)ref->n_backends);
    ref->n_backends++;
}

static int open_listener(uint16_t port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(fd, 4096) != 0)
        fail("cannot listen");
    return fd;
}

static void dispatch(struct reference *ref, uint64_t data)
{
    if (data >> 32 != 0) {
        struct backend *b = &ref->backends[(uint32_t)data];

        if (b->client != NULL)
            take_result(ref, b);
        else if (!PQconsumeInput(b->pg))
            fail(PQerrorMessage(b->pg));
    } else if ((int)data == ref->listener) {
        accept_all(ref);
    } else if (ref->clients[data] != NULL) {
        serve(ref, ref->clients[data]);
    }
}

int main(int argc, char **argv)
{
    struct reference *ref = calloc(1, sizeof *ref);
    struct epoll_event events[256];
    long n = argc == 4 ? strtol(argv[2], NULL, 10) : 0;

    if (ref == NULL || n < 1 || n > MAX_CONNECTIONS)
        fail("expected PORT CONNECTIONS CONNINFO");
    (void)signal(SIGPIPE, SIG_IGN);
    ref->seed = (uint64_t)getpid();
    ref->last = &ref->first;
    ref->epoll = epoll_create1(EPOLL_CLOEXEC);
    while (ref->n_backends < n)
        connect_one(ref, argv[3]);
    ref->listener = open_listener((uint16_t)strtoul(argv[1], NULL, 10));
    watch(ref, ref->listener, (uint64_t)ref->listener);
    for (;;) {
        int n_events = epoll_wait(ref->epoll, events, 256, -1);

        for (int i = 0; i < n_events; i++)
            dispatch(ref, events[i].data.u64);
    }
}
