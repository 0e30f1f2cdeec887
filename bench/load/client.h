/*
 * client.h - what the small clients share: a blocking connection that asks and takes the whole
 * answer.  Only answers with Content-Length.
 */
#ifndef BENCH_LOAD_CLIENT_H
#define BENCH_LOAD_CLIENT_H

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CLIENT_BYTES 65536

static inline uint64_t client_now_ns(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* -1 while nobody listens. */
static inline int client_connect(const char *port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    addr.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0) {
        if (fd >= 0)
            (void)close(fd);
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

/* How long the whole answer is, or 0 while its head is not complete. */
static inline size_t client_answer_bytes(const char *data)
{
    const char *end = strstr(data, "\r\n\r\n");
    const char *length;

    if (end == NULL)
        return 0;
    length = strcasestr(data, "\r\nContent-Length:");
    return (size_t)(end - data) + 4 +
           (length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0);
}

static inline size_t client_write_request(char *to, size_t size, const char *path)
{
    return (size_t)snprintf(to, size, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path);
}

/* The status of the answer, or -1 when the connection failed. */
static inline int client_ask(int fd, const char *path)
{
    char data[CLIENT_BYTES];
    size_t len = client_write_request(data, sizeof data, path), whole = 0;

    if (write(fd, data, len) != (ssize_t)len)
        return -1;
    for (len = 0; whole == 0 || len < whole;) {
        ssize_t n = read(fd, data + len, sizeof data - 1 - len);

        if (n <= 0)
            return -1;
        len += (size_t)n;
        data[len] = '\0';
        whole = client_answer_bytes(data);
    }
    return (int)strtol(data + sizeof "HTTP/1.1", NULL, 10);
}

#endif /* BENCH_LOAD_CLIENT_H */
