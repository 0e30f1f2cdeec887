/*
 * gap.c - the longest time that any client of a running server waits for its next answer.
 *
 *     gap PORT CLIENTS MS PATH
 *
 * Each client asks again as soon as it was answered, on a new connection when the server has
 * closed the last one.  Says "asking" when it has begun, measures for MS from SIGUSR1 on, then prints
 * the longest gap in nanoseconds and the number of answers that were lost: a connection that ended
 * in the middle of one.
 */
#include <signal.h>
#include <sys/epoll.h>

#include "client.h"

#define WARM_ANSWERS 10000
#define GIVE_UP_S    60

struct client {
    int fd;
    size_t len;
    uint64_t since_ns; /* the last answer */
    char in[4096];
};

static volatile sig_atomic_t is_told;

struct gap {
    int epoll;
    const char *port;
    char request[512];
    size_t request_len;
    uint64_t longest_ns, n_lost, n_answers;
};

static void on_told(int signo)
{
    (void)signo;
    is_told = 1;
}

static void ask(struct gap *g, struct client *c)
{
    struct epoll_event ev = { .events = EPOLLIN, .data.ptr = c };

    c->len = 0;
    if (c->fd < 0) {
        c->fd = client_connect(g->port);
        if (c->fd < 0 || epoll_ctl(g->epoll, EPOLL_CTL_ADD, c->fd, &ev) != 0) {
            perror("gap");
            exit(1);
        }
    }
    (void)write(c->fd, g->request, g->request_len);
}

static void note(struct gap *g, struct client *c)
{
    uint64_t now = client_now_ns();

    if (now - c->since_ns > g->longest_ns)
        g->longest_ns = now - c->since_ns;
    c->since_ns = now;
    g->n_answers++;
}

static void take(struct gap *g, struct client *c)
{
    ssize_t n = read(c->fd, c->in + c->len, sizeof c->in - 1 - c->len);
    size_t whole;

    if (n <= 0) {
        /* A server may close an idle connection while the request is on its way: then a
         * client sends it again.  Only an answer that broke off is lost. */
        g->n_lost += c->len > 0;
        (void)close(c->fd);
        c->fd = -1;
        ask(g, c);
        return;
    }
    c->len += (size_t)n;
    c->in[c->len] = '\0';
    whole = client_answer_bytes(c->in);
    if (whole == 0 || c->len < whole)
        return;
    note(g, c);
    if (strcasestr(c->in, "\r\nConnection: close") != NULL) {
        (void)close(c->fd);
        c->fd = -1;
    }
    ask(g, c);
}

/* Each client has waited for so long when the time is over. */
static void note_waits(struct gap *g, const struct client *clients, size_t n_clients)
{
    uint64_t now = client_now_ns();

    for (size_t i = 0; i < n_clients; i++)
        if (now - clients[i].since_ns > g->longest_ns)
            g->longest_ns = now - clients[i].since_ns;
}

static void go_on(struct gap *g)
{
    struct epoll_event events[64];
    int n = epoll_wait(g->epoll, events, 64, 100);

    for (int i = 0; i < n; i++)
        take(g, events[i].data.ptr);
}

int main(int argc, char **argv)
{
    struct gap g = { .epoll = epoll_create1(EPOLL_CLOEXEC) };
    const size_t n_clients = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
    struct client *clients = calloc(n_clients + 1, sizeof *clients);
    uint64_t end_ns;

    if (n_clients == 0 || clients == NULL)
        return 1;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGUSR1, on_told);
    (void)alarm(GIVE_UP_S);
    g.port = argv[1];
    g.request_len = client_write_request(g.request, sizeof g.request, argv[4]);
    for (size_t i = 0; i < n_clients; i++) {
        clients[i].fd = -1;
        clients[i].since_ns = client_now_ns();
        ask(&g, &clients[i]);
    }
    while (g.n_answers < WARM_ANSWERS)
        go_on(&g);
    (void)printf("asking\n");
    (void)fflush(stdout);
    while (!is_told)
        go_on(&g);
    g.longest_ns = g.n_lost = g.n_answers = 0;
    end_ns = client_now_ns() + strtoul(argv[3], NULL, 10) * 1000000;
    while (client_now_ns() < end_ns)
        go_on(&g);
    note_waits(&g, clients, n_clients);
    (void)printf("%llu %llu %llu\n", (unsigned long long)g.longest_ns, (unsigned long long)g.n_lost,
                 (unsigned long long)g.n_answers);
    return 0;
}
