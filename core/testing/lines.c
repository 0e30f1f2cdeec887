/*
 * testing/lines.c - what the server logs, through a pipe.
 *
 * A thread of the log writes the lines.  To know that all of them have come we log a mark and
 * read until it is there.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "testing/testing_private.h"

#define MAX_TEXT_BYTES (64u << 20)
#define MARK           "the end of mark "
#define MARK_AGAIN_MS  200
#define SEVERITY_AT    14 /* "12:34:56.789Z ERROR   test: ..." */

int sxt_lines_open(struct sxt_lines *l)
{
    struct sx_log_settings set = { .format = SX_LOG_TEXT,
                                   .level = SX_LOG_DEBUG,
                                   .process = "test" };
    int ends[2];

    *l = (struct sxt_lines){ .read_fd = -1, .write_fd = -1 };
    sx_buf_init(&l->text, MAX_TEXT_BYTES);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return SX_ERR_IO;
    l->read_fd = ends[0];
    l->write_fd = set.fd = ends[1];
    (void)fcntl(l->read_fd, F_SETFL, O_NONBLOCK);
    return sx_log_create(&set, &l->log);
}

void sxt_lines_close(struct sxt_lines *l)
{
    if (l->log == NULL && l->text.max_bytes == 0)
        return;
    sx_log_destroy(l->log);
    if (l->read_fd >= 0) {
        (void)close(l->read_fd);
        (void)close(l->write_fd);
    }
    sx_buf_finish(&l->text);
    *l = (struct sxt_lines){ 0 };
}

void sxt_lines_collect(struct sxt_lines *l)
{
    char part[16384];
    ssize_t n;

    while ((n = read(l->read_fd, part, sizeof part)) > 0)
        sx_buf_add(&l->text, part, (size_t)n);
}

/* Cuts the line with the mark out of the text; false when it has not come yet. */
static bool take_mark(struct sxt_lines *l, const char *mark)
{
    const char *text = sx_buf_text(&l->text);
    const char *found = text == NULL ? NULL : strstr(text, mark);
    const char *end = found == NULL ? NULL : strchr(found, '\n');
    const char *begin = found;

    if (end == NULL)
        return false;
    while (begin > text && begin[-1] != '\n')
        begin--;
    memmove(l->text.data + (begin - text), end + 1, (size_t)(text + l->text.len - end - 1));
    l->text.len -= (size_t)(end + 1 - begin);
    return true;
}

/* A mark that finds the log's ring full is lost, so another one is sent. */
const char *sxt_lines_all(struct sxt_lines *l)
{
    char mark[48];

    for (bool is_whole = false; !is_whole;) {
        struct pollfd fd = { .fd = l->read_fd, .events = POLLIN };

        (void)snprintf(mark, sizeof mark, MARK "%u.", ++l->n_marks);
        sx_log_line(l->log, SX_LOG_INFO, NULL, "%s", mark);
        while (!(is_whole = take_mark(l, mark)) && poll(&fd, 1, MARK_AGAIN_MS) > 0)
            sxt_lines_collect(l);
    }
    return sx_buf_text(&l->text);
}

const char *sxt_lines_error(const char *text, size_t *ret_len)
{
    for (const char *line = text; *line != '\0';) {
        size_t len = strcspn(line, "\n");

        if (len > SEVERITY_AT + 5 && memcmp(line + SEVERITY_AT, "ERROR", 5) == 0) {
            *ret_len = len;
            return line;
        }
        line += len + (line[len] == '\n');
    }
    return NULL;
}
