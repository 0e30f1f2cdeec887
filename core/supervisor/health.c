/*
 * supervisor/health.c - asks a server of this machine whether it is ready, as a balancer would.
 *
 * For the health check of a container, which has no other program to ask with.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/error.h"
#include "supervisor/listener.h"
#include "supervisor/supervisor.h"

#define MAX_ANSWER (64u * 1024)
#define PATIENCE_S 5 /* for each step: to connect, to send, for the next bytes; for the answer */

static const char request[] = "GET /_sx/ready HTTP/1.1\r\n"
                              "Host: localhost\r\n"
                              "Connection: close\r\n\r\n";

static uint64_t find_end_ns(void)
{
    return sx_clock_mono_ns() + PATIENCE_S * UINT64_C(1000000000);
}

/* Where a socket has timeouts, going on after a stop ends its calls with EINTR (signal(7)), and
 * they begin anew: until there was patience enough for all of them. */
static bool may_go_on(uint64_t end_ns)
{
    return errno == EINTR && sx_clock_mono_ns() < end_ns;
}

/* A connection that is being made is waited for by another call, on Linux. */
static int connect_through(int fd, const struct sx_address *address)
{
    const struct sockaddr *to = (const struct sockaddr *)&address->addr;
    const uint64_t end_ns = find_end_ns();
    int rc = connect(fd, to, address->len);

    while (rc < 0 && may_go_on(end_ns)) {
        rc = connect(fd, to, address->len);
        if (rc < 0 && errno == EISCONN)
            rc = 0;
    }
    return rc;
}

static int send_request(int fd, uint64_t end_ns)
{
    ssize_t n;

    do
        n = send(fd, request, sizeof request - 1, MSG_NOSIGNAL);
    while (n < 0 && may_go_on(end_ns));
    return n == (ssize_t)sizeof request - 1 ? 0 : -1;
}

static ssize_t receive_part(int fd, char *to, size_t size, uint64_t end_ns)
{
    ssize_t n;

    do
        n = recv(fd, to, size, 0);
    while (n < 0 && may_go_on(end_ns));
    return n;
}

static bool is_timeout(int error)
{
    return error == EAGAIN || error == EINPROGRESS || error == EALREADY || error == EINTR;
}

/* The address 0.0.0.0 or [::] reaches this machine.  Faults are in errno. */
static int connect_to(const struct sx_address *address)
{
    const struct timeval patience = { .tv_sec = PATIENCE_S };
    int fd = socket(address->addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int saved;

    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0 &&
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == 0 &&
        connect_through(fd, address) == 0)
        return fd;
    saved = errno;
    (void)close(fd);
    errno = is_timeout(saved) ? ETIMEDOUT : saved;
    return -1;
}

static int exchange(int fd, struct sx_buf *answer)
{
    const uint64_t end_ns = find_end_ns();
    char part[4096];
    ssize_t n = 0;

    if (send_request(fd, end_ns) < 0) {
        errno = is_timeout(errno) ? ETIMEDOUT : errno;
        return SX_ERR_IO;
    }
    while (!sx_buf_failed(answer) && sx_clock_mono_ns() < end_ns &&
           (n = receive_part(fd, part, sizeof part, end_ns)) > 0)
        sx_buf_add(answer, part, (size_t)n);
    if (n == 0 && sx_buf_text(answer) != NULL)
        return 0;
    if (sx_buf_failed(answer))
        errno = EMSGSIZE;
    else if (n > 0 || is_timeout(errno))
        errno = ETIMEDOUT;
    return SX_ERR_IO;
}

/* The answer without its head, or the whole of what is none. */
static const char *body_of(const char *answer)
{
    const char *end = strstr(answer, "\r\n\r\n");

    return end == NULL ? answer : end + 4;
}

static int judge(const char *name, const char *answer, FILE *out, struct sx_report *rep)
{
    const char *body = body_of(answer);
    size_t len = strcspn(body, "\r\n");

    if (strncmp(answer, "HTTP/1.1 200 ", 13) == 0) {
        (void)fprintf(out, "%.*s\n", (int)len, body);
        return 0;
    }
    if (strncmp(answer, "HTTP/1.1 503 ", 13) == 0)
        sx_report_add(rep, "%s: not ready: %.*s", name, (int)len, body);
    else
        sx_report_add(rep, "%s: expected an answer to /_sx/ready, found \"%.*s\"", name,
                      (int)strcspn(answer, "\r\n"), answer);
    return SX_ERR_INVALID;
}

int sx_supervisor_health(const struct sx_config_server *server, FILE *out, struct sx_report *rep)
{
    char text[SX_LISTENER_NAME + 16];
    struct sx_address address;
    struct sx_buf answer;
    int fd, rc;

    sx_address_join(server, text, sizeof text);
    if (sx_address_parse(text, &address) != 0) {
        sx_report_add(rep, "server.address: expected \"ADDRESS\" or \"unix:/path\", found \"%s\"",
                      server->address);
        return SX_ERR_INVALID;
    }
    fd = connect_to(&address);
    if (fd < 0) {
        sx_report_add(rep, "%s: nobody answers there: %s", address.name, strerror(errno));
        return SX_ERR_MISSING;
    }
    sx_buf_init(&answer, MAX_ANSWER);
    rc = exchange(fd, &answer);
    if (rc < 0)
        sx_report_add(rep, "%s: the server did not answer: %s", address.name, strerror(errno));
    else
        rc = judge(address.name, sx_buf_text(&answer), out, rep);
    sx_buf_finish(&answer);
    (void)close(fd);
    return rc;
}
