/*
 * limit.c - what one answer costs at least: epoll, read, look for the empty line, write.
 *
 *     limit PORT
 *
 * Nothing is parsed and nothing can go wrong politely: no server can do less per request, so
 * the others are given as multiples of it.  The answer has as many bytes as the one of
 * /plaintext.  Pipelined requests of one read are answered by one write.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER                                                                           \
    "HTTP/1.1 200 OK\r\nServer: sim-exchange\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n" \
    "Content-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, World!"
#define ANSWER_BYTES (sizeof ANSWER - 1)
#define MAX_FDS      65536
#define MAX_ANSWERS  256
#define READ_BYTES   65536

struct limit {
    int epoll, listener;
    unsigned char n_matched[MAX_FDS]; /* bytes of "\r\n\r\n" at the end of the last read */
    char in[READ_BYTES];
    char out[MAX_ANSWERS * ANSWER_BYTES];
};

/* The number of heads that end in these bytes; a head may lie in two reads. */
static unsigned count_heads(const char *data, size_t len, unsigned char *n_matched)
{
    unsigned n = 0, matched = *n_matched;
    size_t at = 0;

    while (at < len) {
        const char *cr;

        if (matched == 0) {
            cr = memchr(data + at, '\r', len - at);
            if (cr == NULL)
                break;
            at = (size_t)(cr - data) + 1;
            matched = 1;
            continue;
        }
        if (data[at] == (matched % 2 == 1 ? '\n' : '\r'))
            matched++;
        else
            matched = data[at] == '\r';
        at++;
        if (matched == 4) {
            n++;
            matched = 0;
        }
    }
    *n_matched = (unsigned char)matched;
    return n;
}

static void serve(struct limit *l, int fd)
{
    ssize_t len = read(fd, l->in, sizeof l->in);
    unsigned n;

    if (len <= 0) {
        if (len == 0 || errno != EAGAIN)
            (void)close(fd);
        return;
    }
    n = count_heads(l->in, (size_t)len, &l->n_matched[fd]);
    while (n > 0) {
        unsigned now = n < MAX_ANSWERS ? n : MAX_ANSWERS;

        if (write(fd, l->out, now * ANSWER_BYTES) != (ssize_t)(now * ANSWER_BYTES)) {
            (void)close(fd); /* a client that does not read is not measured */
            return;
        }
        n -= now;
    }
}

static void accept_all(struct limit *l)
{
    int fd, on = 1;

    while ((fd = accept4(l->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

        if (fd >= MAX_FDS || epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) != 0) {
            (void)close(fd);
            continue;
        }
        l->n_matched[fd] = 0;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
}

static int open_listener(uint16_t port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&addr, sizeof addr) != 0 || listen(fd, 4096) != 0)
        return -1;
    return fd;
}

static int start(struct limit *l, const char *port)
{
    struct epoll_event ev = { .events = EPOLLIN };

    for (size_t i = 0; i < MAX_ANSWERS; i++)
        memcpy(l->out + i * ANSWER_BYTES, ANSWER, ANSWER_BYTES);
    (void)signal(SIGPIPE, SIG_IGN);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->listener = open_listener((uint16_t)strtoul(port, NULL, 10));
    ev.data.fd = l->listener;
    return l->epoll < 0 || l->listener < 0 ||
                   epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->listener, &ev) != 0
               ? -1
               : 0;
}

int main(int argc, char **argv)
{
    struct limit *l = calloc(1, sizeof *l);
    struct epoll_event events[1024];

    if (argc != 2 || l == NULL || start(l, argv[1]) != 0) {
        perror("limit");
        return 1;
    }
    for (;;) {
        int n = epoll_wait(l->epoll, events, 1024, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == l->listener)
                accept_all(l);
            else
                serve(l, events[i].data.fd);
        }
    }
}
