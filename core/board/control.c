/*
 * board/control.c - messages between supervisor and worker.
 *
 * Sending uses nothing but memcpy and a packet, because a worker says "leaving" from the signal
 * handler that contains a fault.
 */
#include "board/control.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "board/packet.h"

static const struct word {
    const char *text;
    size_t len;
} words[] = {
    [SX_CONTROL_READY] = { "ready", 5 },
    [SX_CONTROL_FAILED] = { "failed", 6 },
    [SX_CONTROL_DRAINING] = { "draining", 8 },
    [SX_CONTROL_DRAINED] = { "drained", 7 },
    [SX_CONTROL_LEAVING] = { "leaving", 7 },
    [SX_CONTROL_SERVE] = { "serve", 5 },
    [SX_CONTROL_DRAIN] = { "drain", 5 },
    [SX_CONTROL_STOP] = { "stop", 4 },
    [SX_CONTROL_REOPEN] = { "reopen", 6 },
    [SX_CONTROL_CRASHED] = { "crashed", 7 },
    [SX_CONTROL_QUARANTINE] = { "quarantine", 10 },
    [SX_CONTROL_RELEASE] = { "release", 7 },
    [SX_CONTROL_STREAMS] = { "streams", 7 },
};
#define N_WORDS    (sizeof words / sizeof words[0])
#define MAX_PACKET (11 + SX_CONTROL_MAX_TEXT) /* the longest word and a space */

int sx_control_open(int ret_fds[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ret_fds) == 0
               ? 0
               : SX_ERR_IO;
}

int sx_control_send(int fd, enum sx_control_kind kind, const char *text)
{
    char packet[MAX_PACKET];
    size_t len = words[kind].len;
    size_t n = text == NULL ? 0 : strnlen(text, SX_CONTROL_MAX_TEXT);

    memcpy(packet, words[kind].text, len);
    if (n > 0) {
        packet[len++] = ' ';
        memcpy(packet + len, text, n);
        len += n;
    }
    return sx_packet_send(fd, packet, len, NULL, 0);
}

int sx_control_send_drain(int fd, uint32_t delay_ms, uint32_t grace_ms)
{
    char numbers[48];
    size_t len = sx_format_uint(numbers, delay_ms);

    numbers[len++] = ' ';
    len += sx_format_uint(numbers + len, grace_ms);
    numbers[len] = '\0';
    return sx_control_send(fd, SX_CONTROL_DRAIN, numbers);
}

int sx_control_send_output(int fd)
{
    const struct word *word = &words[SX_CONTROL_REOPEN];
    const int output = STDOUT_FILENO;

    return sx_packet_send(fd, word->text, word->len, &output, 1);
}

static int parse_u32(const char *data, size_t len, uint32_t *ret_value)
{
    uint64_t value;

    if (sx_parse_uint(data, len, &value) != 0 || value > UINT32_MAX)
        return SX_ERR_INVALID;
    *ret_value = (uint32_t)value;
    return 0;
}

static int parse_drain(struct sx_control_message *m)
{
    const char *space = strchr(m->text, ' ');

    if (space == NULL)
        return SX_ERR_INVALID;
    if (parse_u32(m->text, (size_t)(space - m->text), &m->delay_ms) != 0)
        return SX_ERR_INVALID;
    return parse_u32(space + 1, strlen(space + 1), &m->grace_ms);
}

static int parse_message(const char *data, size_t len, struct sx_control_message *m)
{
    const char *space = memchr(data, ' ', len);
    size_t n_word = space == NULL ? len : (size_t)(space - data);
    size_t n_text = space == NULL ? 0 : len - n_word - 1;
    size_t i = 0;

    while (i < N_WORDS && (words[i].len != n_word || memcmp(words[i].text, data, n_word) != 0))
        i++;
    if (i == N_WORDS || n_text > SX_CONTROL_MAX_TEXT || memchr(data, '\0', len) != NULL)
        return SX_ERR_INVALID;

    m->kind = (int)i;
    m->delay_ms = 0;
    m->grace_ms = 0;
    if (n_text > 0)
        memcpy(m->text, space + 1, n_text);
    m->text[n_text] = '\0';
    return i == SX_CONTROL_DRAIN ? parse_drain(m) : 0;
}

int sx_control_receive(int fd, struct sx_control_message *ret_message)
{
    char data[MAX_PACKET + 1];
    struct sx_packet packet;
    int rc = sx_packet_receive(fd, data, sizeof data, &packet);

    if (rc != 0)
        return rc == SX_ERR_BUSY ? rc : SX_ERR_CLOSED;
    rc = parse_message(data, packet.len, ret_message);
    ret_message->fd = -1;
    if (rc == 0 && ret_message->kind == SX_CONTROL_REOPEN && packet.n_fds == 1) {
        ret_message->fd = packet.fds[0];
        packet.n_fds = 0;
    }
    sx_packet_close(&packet);
    return rc;
}

static bool is_same_file(int a, int b)
{
    struct stat sa;
    struct stat sb;

    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

int sx_control_adopt_output(int fd)
{
    bool has_errors = is_same_file(STDOUT_FILENO, STDERR_FILENO);
    int rc = 0;

    if (dup2(fd, STDOUT_FILENO) < 0 || (has_errors && dup2(fd, STDERR_FILENO) < 0))
        rc = SX_ERR_IO;
    (void)close(fd);
    return rc;
}

int sx_control_reopen_output(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);

    return fd < 0 ? SX_ERR_IO : sx_control_adopt_output(fd);
}
