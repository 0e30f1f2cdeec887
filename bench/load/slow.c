/*
 * slow.c - many clients that take their time.
 *
 *     slow PORT COUNT headers|body|chunks|idle|unread
 *
 * Opens the connections, sends on each the beginning of what its kind never ends, prints "open",
 * and goes on with a few bytes on a tenth of them every 100 ms until its standard input ends.
 */
#include <poll.h>
#include <sys/resource.h>

#include "client.h"

#define POST    "POST /probe/echo HTTP/1.1\r\nHost: t\r\n"
#define GET     "GET /json HTTP/1.1\r\nHost: t\r\n\r\n"
#define UNREAD  1500 /* requests whose answers are more than a kernel holds */
#define STEP_MS 100

struct kind {
    const char *name, *first, *more;
    int times;
};

static const struct kind kinds[] = {
    { "headers", "GET /json HTTP/1.1\r\nHost: t\r\nX-Slow: ", "x", 1 },
    { "body", POST "Content-Length: 1000000\r\n\r\nabc", "xxxxxxxxxxxxxxxx", 1 },
    { "chunks", POST "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", "4\r\nxxxx\r\n", 1 },
    { "idle", GET, "", 1 },
    { "unread", GET, "", UNREAD },
    { 0 },
};

static const struct kind *find_kind(const char *name)
{
    const struct kind *k = kinds;

    while (k->name != NULL && strcmp(k->name, name) != 0)
        k++;
    return k->name == NULL ? NULL : k;
}

/* With small buffers, as over a network: the loopback takes 2.6 MB of an answer. */
static int open_client(const char *port, const char *first)
{
    const int segment = 536, buffer = 4096;
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    addr.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment);
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0)
        return -1;
    (void)send(fd, first, strlen(first), MSG_DONTWAIT | MSG_NOSIGNAL);
    return fd;
}

/* Until standard input ends. */
static void go_on(const int *fds, size_t count, const struct kind *k)
{
    struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };

    for (size_t step = 0; poll(&in, 1, STEP_MS) == 0; step++)
        for (size_t i = step % 10; i < count && *k->more != '\0'; i += 10)
            (void)send(fds[i], k->more, strlen(k->more), MSG_DONTWAIT | MSG_NOSIGNAL);
}

int main(int argc, char **argv)
{
    const size_t count = argc == 4 ? strtoul(argv[2], NULL, 10) : 0;
    const struct kind *k = argc == 4 ? find_kind(argv[3]) : NULL;
    struct rlimit limit = { count + 64, count + 64 };
    int *fds = calloc(count + 1, sizeof *fds);
    char *first;

    if (count == 0 || k == NULL || fds == NULL || setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        (void)fputs("slow PORT COUNT headers|body|chunks|idle|unread\n", stderr);
        return 1;
    }
    first = calloc((size_t)k->times, strlen(k->first) + 1);
    for (int i = 0; first != NULL && i < k->times; i++)
        memcpy(first + (size_t)i * strlen(k->first), k->first, strlen(k->first));
    for (size_t i = 0; first != NULL && i < count; i++) {
        fds[i] = open_client(argv[1], first);
        if (fds[i] < 0) {
            perror("slow");
            return 1;
        }
    }
    (void)puts("open");
    (void)fflush(stdout);
    go_on(fds, count, k);
    free(first);
    free(fds);
    return 0;
}
