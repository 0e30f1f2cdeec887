/* supervisor/ask.c - the other side of command.c: a person gives a server a command. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "supervisor/supervisor_private.h"

#define MAX_ANSWER (64u * 1024)

static int connect_to(const char *path)
{
    struct sockaddr_un address;
    int dir_fd, saved;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    if (sx_command_address(path, &address, &dir_fd) == 0) {
        int rc = connect(fd, (const struct sockaddr *)&address, sizeof address);

        saved = errno;
        (void)close(dir_fd);
        if (rc == 0)
            return fd;
        errno = saved;
    }
    saved = errno;
    (void)close(fd);
    errno = saved;
    return -1;
}

static int read_all(int fd, struct sx_buf *to)
{
    char part[4096];
    ssize_t n;

    while ((n = recv(fd, part, sizeof part, 0)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return SX_ERR_IO;
        sx_buf_add(to, part, (size_t)n);
    }
    return sx_buf_failed(to) ? SX_ERR_NOMEM : 0;
}

/* Without its last line, which says how it went. */
static bool take_verdict(struct sx_buf *answer)
{
    static const char ok[] = "ok\n", failed[] = "failed\n";
    size_t n_ok = sizeof ok - 1, n_failed = sizeof failed - 1;

    if (answer->len >= n_ok && memcmp(answer->data + answer->len - n_ok, ok, n_ok) == 0) {
        answer->len -= n_ok;
        return true;
    }
    if (answer->len >= n_failed &&
        memcmp(answer->data + answer->len - n_failed, failed, n_failed) == 0)
        answer->len -= n_failed;
    else
        sx_buf_add_text(answer, "the server ended before it had answered\n");
    return false;
}

int sx_supervisor_ask(const char *path, const char *command, FILE *out, struct sx_report *rep)
{
    int fd = connect_to(path);
    struct sx_buf answer;
    bool is_ok = false;

    if (fd < 0) {
        sx_report_add(rep, "%s: no server takes commands there: %s", path, strerror(errno));
        return SX_ERR_MISSING;
    }
    sx_buf_init(&answer, MAX_ANSWER);
    if (send(fd, command, strlen(command), MSG_NOSIGNAL) != (ssize_t)strlen(command) ||
        read_all(fd, &answer) < 0) {
        sx_report_add(rep, "%s: the server did not answer: %s", path, strerror(errno));
    } else {
        is_ok = take_verdict(&answer);
        if (answer.len > 0 && is_ok)
            (void)fwrite(answer.data, 1, answer.len, out);
        else if (answer.len > 0)
            sx_report_add(rep, "%.*s", (int)answer.len - 1, answer.data);
    }
    sx_buf_finish(&answer);
    (void)close(fd);
    return is_ok ? 0 : SX_ERR_INVALID;
}
