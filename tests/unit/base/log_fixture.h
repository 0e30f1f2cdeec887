/*
 * A log on a file of its own, and its lines read back; for the tests of the log.
 */
#ifndef SX_TEST_LOG_FIXTURE_H
#define SX_TEST_LOG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"

#define MAX_LINE 16384u

static inline struct sx_log *create(int fd, enum sx_log_format format, const char *project)
{
    const struct sx_log_settings set = {
        .fd = fd,
        .format = format,
        .level = SX_LOG_INFO,
        .ring_bytes = 1,
        .process = "worker 0",
        .trace_project = project,
    };
    struct sx_log *log = NULL;

    assert_int_equal(sx_log_create(&set, &log), 0);
    return log;
}

/* What was written to a memfd; the caller frees. */
static inline char *read_back(int fd)
{
    off_t len = lseek(fd, 0, SEEK_END);
    char *text = malloc((size_t)len + 1);

    assert_int_equal(pread(fd, text, (size_t)len, 0), len);
    text[len] = '\0';
    (void)close(fd);
    return text;
}

static inline int open_output(void)
{
    int fd = memfd_create("log", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

/* The only line, as a JSON object. */
static inline json_t *parse_line(const char *text)
{
    json_error_t error;
    json_t *line;
    size_t len = strlen(text);

    assert_true(len > 0 && len <= MAX_LINE);
    assert_ptr_equal(strchr(text, '\n'), text + len - 1);
    line = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    if (line == NULL)
        fail_msg("%s in %s", error.text, text);
    return line;
}

static const struct sx_log_request request = {
    .method = "GET",
    .url = "/users/7?x=%20\"",
    .user_agent = "curl/7.88",
    .remote = "127.0.0.1",
    .protocol = "HTTP/1.1",
    .status = 404,
    .bytes_out = 12345678901,
    .duration_ns = 1234567890,
    .plugin = "shop",
    .plugin_version = "1.2.3",
    .route = "/users/{id}",
    .request_id = "r-1",
    .trace_id = "0123456789abcdef0123456789abcdef",
    .span_id = "0123456789abcdef",
    .is_sampled = true,
    .db_ms = 1.5,
};

#endif /* SX_TEST_LOG_FIXTURE_H */
