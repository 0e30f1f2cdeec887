/* The log: what stands in a line, hostile text, blocked and broken outputs, many threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

#define MAX_LINE 16384u

static struct sx_log *create(int fd, enum sx_log_format format, const char *project)
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
static char *read_back(int fd)
{
    off_t len = lseek(fd, 0, SEEK_END);
    char *text = malloc((size_t)len + 1);

    assert_int_equal(pread(fd, text, (size_t)len, 0), len);
    text[len] = '\0';
    (void)close(fd);
    return text;
}

static int open_output(void)
{
    int fd = memfd_create("log", MFD_CLOEXEC);

    assert_true(fd >= 0);
    return fd;
}

/* The only line, as a JSON object. */
static json_t *parse_line(const char *text)
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

static const char *text_at(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    if (text == NULL)
        fail_msg("no text \"%s\"", key);
    return text;
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

static char *write_request(const struct sx_log_request *req, enum sx_log_format format,
                           const char *project)
{
    int fd = open_output();
    struct sx_log *log = create(fd, format, project);

    sx_log_request(log, SX_LOG_INFO, req);
    sx_log_destroy(log);
    return read_back(fd);
}

static void request_is_one_json_object_as_collectors_read_it(void **state)
{
    char *text = write_request(&request, SX_LOG_JSON, NULL);
    json_t *line = parse_line(text), *http = json_object_get(line, "httpRequest");

    (void)state;
    assert_string_equal(text_at(line, "severity"), "INFO");
    assert_string_equal(text_at(line, "message"), "GET /users/{id} 404");
    assert_int_equal(strlen(text_at(line, "time")), 27);
    assert_string_equal(text_at(line, "process"), "worker 0");
    assert_string_equal(text_at(line, "plugin"), "shop");
    assert_string_equal(text_at(line, "plugin_version"), "1.2.3");
    assert_string_equal(text_at(line, "route"), "/users/{id}");
    assert_string_equal(text_at(line, "request_id"), "r-1");
    assert_string_equal(text_at(line, "trace_id"), request.trace_id);
    assert_string_equal(text_at(line, "span_id"), request.span_id);
    assert_true(json_real_value(json_object_get(line, "db_ms")) == 1.5);
    assert_string_equal(text_at(http, "requestMethod"), "GET");
    assert_string_equal(text_at(http, "requestUrl"), "/users/7?x=%20\"");
    assert_string_equal(text_at(http, "userAgent"), "curl/7.88");
    assert_string_equal(text_at(http, "remoteIp"), "127.0.0.1");
    assert_string_equal(text_at(http, "protocol"), "HTTP/1.1");
    assert_string_equal(text_at(http, "responseSize"), "12345678901");
    assert_string_equal(text_at(http, "latency"), "1.234567s");
    assert_int_equal(json_integer_value(json_object_get(http, "status")), 404);
    json_decref(line);
    free(text);
}

static void request_links_to_its_trace_where_a_project_is_named(void **state)
{
    char *text = write_request(&request, SX_LOG_JSON, "my-project");
    json_t *line = parse_line(text);

    (void)state;
    assert_string_equal(text_at(line, "logging.googleapis.com/trace"),
                        "projects/my-project/traces/0123456789abcdef0123456789abcdef");
    assert_string_equal(text_at(line, "logging.googleapis.com/spanId"), "0123456789abcdef");
    assert_true(json_is_true(json_object_get(line, "logging.googleapis.com/trace_sampled")));
    assert_string_equal(text_at(json_object_get(line, "logging.googleapis.com/labels"), "process"),
                        "worker 0");
    assert_null(json_object_get(line, "trace_id"));
    json_decref(line);
    free(text);
}

static void request_leaves_out_what_is_unknown(void **state)
{
    static const struct sx_log_request bare = { .status = 400, .db_ms = -1 };
    char *text = write_request(&bare, SX_LOG_JSON, NULL);
    json_t *line = parse_line(text);

    (void)state;
    assert_string_equal(text_at(line, "message"), "- - 400");
    assert_null(json_object_get(line, "plugin"));
    assert_null(json_object_get(line, "db_ms"));
    assert_null(json_object_get(line, "trace_id"));
    assert_null(json_object_get(json_object_get(line, "httpRequest"), "requestUrl"));
    assert_string_equal(text_at(json_object_get(line, "httpRequest"), "latency"), "0.000000s");
    json_decref(line);
    free(text);
}

static void request_is_one_readable_line_for_a_person(void **state)
{
    char *text = write_request(&request, SX_LOG_TEXT, NULL);

    (void)state;
    assert_non_null(strstr(text, "Z INFO    worker 0: GET /users/7?x=%20\" 404 1234.567 ms "
                                 "12345678901 B plugin=shop route=/users/{id} request_id=r-1 "
                                 "db_ms=1.500 client=127.0.0.1\n"));
    free(text);
}

static char *write_event(enum sx_log_format format, const struct sx_log_field *fields,
                         const char *message)
{
    int fd = open_output();
    struct sx_log *log = create(fd, format, NULL);

    sx_log_line(log, SX_LOG_WARNING, fields, "%s", message);
    sx_log_destroy(log);
    return read_back(fd);
}

static void event_has_its_fields_with_their_types(void **state)
{
    static const struct sx_log_field fields[] = {
        { .key = "plugin", .kind = SX_LOG_STR, .v.s = "my \"shop\"" },
        { .key = "absent", .kind = SX_LOG_STR, .v.s = NULL },
        { .key = "least", .kind = SX_LOG_INT, .v.i = INT64_MIN },
        { .key = "ratio", .kind = SX_LOG_DOUBLE, .v.f = -0.25 },
        { .key = "empty", .kind = SX_LOG_STR, .v.s = "" },
        { 0 },
    };
    char *text = write_event(SX_LOG_JSON, fields, "stopped");
    json_t *line = parse_line(text);

    (void)state;
    assert_string_equal(text_at(line, "severity"), "WARNING");
    assert_string_equal(text_at(line, "message"), "stopped");
    assert_string_equal(text_at(line, "plugin"), "my \"shop\"");
    assert_string_equal(text_at(line, "empty"), "");
    assert_null(json_object_get(line, "absent"));
    assert_true(json_integer_value(json_object_get(line, "least")) == INT64_MIN);
    assert_true(json_real_value(json_object_get(line, "ratio")) == -0.25);
    json_decref(line);
    free(text);

    text = write_event(SX_LOG_TEXT, fields, "stopped");
    assert_non_null(strstr(text, "Z WARNING worker 0: stopped plugin=\"my \\\"shop\\\"\" "
                                 "least=-9223372036854775808 ratio=-0.25 empty=\"\"\n"));
    free(text);
}

static void doubles_are_json_numbers(void **state)
{
    static const double values[] = { 0,   -0.0, 1,     0.1,     1e-6, 0.123456, 999999999.5,
                                     1e9, 1e15, 1e300, -1e-300, 42.5, -3.25,    123456.789 };

    (void)state;
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        const struct sx_log_field fields[] = {
            { .key = "f", .kind = SX_LOG_DOUBLE, .v.f = values[i] },
            { 0 },
        };
        char *text = write_event(SX_LOG_JSON, fields, "x");
        json_t *line = parse_line(text);
        double found = json_number_value(json_object_get(line, "f"));

        assert_true(found >= values[i] - 6e-7 && found <= values[i] + 6e-7);
        json_decref(line);
        free(text);
    }
    for (int i = 0; i < 3; i++) {
        const double none[] = { (double)INFINITY, -(double)INFINITY, (double)NAN };
        const struct sx_log_field fields[] = {
            { .key = "f", .kind = SX_LOG_DOUBLE, .v.f = none[i] },
            { 0 },
        };
        char *text = write_event(SX_LOG_JSON, fields, "x");
        json_t *line = parse_line(text);

        assert_true(json_is_null(json_object_get(line, "f")));
        json_decref(line);
        free(text);
    }
}

/* Nothing that could end the line or move a cursor. */
static void assert_is_tame(const char *text)
{
    size_t len = strlen(text);

    assert_ptr_equal(strchr(text, '\n'), text + len - 1);
    assert_true(sx_is_utf8(text, len));
    for (size_t i = 0; i + 1 < len; i++) {
        assert_true((unsigned char)text[i] >= 0x20 && text[i] != 0x7F);
        assert_false((unsigned char)text[i] == 0xC2 && (unsigned char)text[i + 1] < 0xA0);
    }
}

static void hostile_bytes_stay_in_their_line(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c += c < 0x24 || c > 0x7A ? 1 : 3) {
        const char bad[] = { 'a', (char)c, 'b', (char)c, (char)0x85, (char)c, '\0' };
        const struct sx_log_field fields[] = {
            { .key = "bad", .kind = SX_LOG_STR, .v.s = bad },
            { 0 },
        };
        struct sx_log_request req = request;
        char *text = write_event(SX_LOG_JSON, fields, bad);

        json_decref(parse_line(text));
        free(text);
        text = write_event(SX_LOG_TEXT, fields, bad);
        assert_is_tame(text);
        free(text);

        req.method = req.url = req.user_agent = req.route = req.request_id = req.trace_id = bad;
        text = write_request(&req, SX_LOG_JSON, "project");
        json_decref(parse_line(text));
        free(text);
        text = write_request(&req, SX_LOG_TEXT, NULL);
        assert_is_tame(text);
        free(text);
    }
}

/* All values the same text: the longest line that there can be. */
static void check_long_line(const char *text)
{
    struct sx_log_field fields[40];
    struct sx_log_request req = request;
    char *line;

    for (size_t i = 0; i < 39; i++)
        fields[i] = (struct sx_log_field){ "key", SX_LOG_STR, { .s = text } };
    fields[39] = (struct sx_log_field){ 0 };
    line = write_event(SX_LOG_TEXT, fields, text);
    assert_true(strlen(line) <= MAX_LINE);
    assert_is_tame(line);
    free(line);

    fields[1] = (struct sx_log_field){ 0 };
    line = write_event(SX_LOG_JSON, fields, text);
    json_decref(parse_line(line));
    free(line);

    req.method = req.url = req.user_agent = req.remote = req.protocol = text;
    req.plugin = req.plugin_version = req.route = req.request_id = text;
    req.trace_id = req.span_id = text;
    line = write_request(&req, SX_LOG_JSON, "project");
    json_decref(parse_line(line));
    free(line);
}

/* Lengths around each ceiling, with texts that grow when they are escaped. */
static void long_texts_are_cut_and_stay_valid(void **state)
{
    static const char *const pieces[] = { "x",    "\"",           "\x01",
                                          "\xFF", "\xE2\x82\xAC", "\xF0\x9F\x98\x80" };
    static const size_t ceilings[] = { 64, 256, 1024, 4096, 8192, 50000 };

    (void)state;
    for (size_t p = 0; p < sizeof(pieces) / sizeof(pieces[0]); p++) {
        size_t n = strlen(pieces[p]);

        for (size_t c = 0; c < sizeof(ceilings) / sizeof(ceilings[0]); c++) {
            for (size_t len = ceilings[c] - 8; len < ceilings[c] + 4; len++) {
                char *text = calloc(1, len + 1);

                for (size_t i = 0; i < len - len % n; i++)
                    text[i] = pieces[p][i % n];
                check_long_line(text);
                free(text);
            }
        }
    }
}

static void cut_text_ends_with_an_ellipsis(void **state)
{
    char message[9000], *line;

    (void)state;
    memset(message, 'm', sizeof(message));
    message[sizeof(message) - 1] = '\0';
    line = write_event(SX_LOG_JSON, NULL, message);
    assert_non_null(strstr(line, "mmm\xE2\x80\xA6\""));
    free(line);
    line = write_event(SX_LOG_TEXT, NULL, message);
    assert_non_null(strstr(line, "mmm\xE2\x80\xA6\n"));
    free(line);
}

static void lines_below_the_level_are_not_written(void **state)
{
    int fd = open_output();
    struct sx_log *log = create(fd, SX_LOG_JSON, NULL);
    char *text;

    (void)state;
    assert_false(sx_log_enabled(log, SX_LOG_DEBUG));
    assert_true(sx_log_enabled(log, SX_LOG_INFO));
    sx_log_line(log, SX_LOG_DEBUG, NULL, "hidden");
    sx_log_request(log, SX_LOG_DEBUG, &request);
    sx_log_line(log, SX_LOG_ERROR, NULL, "shown");
    sx_log_destroy(log);
    text = read_back(fd);
    json_decref(parse_line(text));
    free(text);
}

static void no_log_writes_nothing(void **state)
{
    struct sx_log *log = NULL;
    const struct sx_log_settings bad = { .fd = 1, .trace_project = "a\"b" };

    (void)state;
    sx_log_line(NULL, SX_LOG_ERROR, NULL, "x");
    sx_log_request(NULL, SX_LOG_ERROR, &request);
    assert_false(sx_log_enabled(NULL, SX_LOG_ERROR));
    assert_int_equal(sx_log_dropped(NULL), 0);
    sx_log_destroy(NULL);
    assert_int_equal(sx_log_create(&bad, &log), SX_ERR_INVALID);
    assert_null(log);
}

static void auto_is_text_on_a_terminal_and_json_elsewhere(void **state)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
    char text[256], name[128], *line;
    struct sx_log *log;
    ssize_t n;
    int fd;

    (void)state;
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    assert_int_equal(ptsname_r(master, name, sizeof(name)), 0);
    slave = open(name, O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    log = create(slave, SX_LOG_AUTO, NULL);
    sx_log_line(log, SX_LOG_INFO, NULL, "hello");
    sx_log_destroy(log);
    n = read(master, text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "INFO    worker 0: hello"));
    (void)close(slave);
    (void)close(master);

    fd = open_output();
    log = create(fd, SX_LOG_AUTO, NULL);
    sx_log_line(log, SX_LOG_INFO, NULL, "hello");
    sx_log_destroy(log);
    line = read_back(fd);
    json_decref(parse_line(line));
    free(line);
}

/* --- outputs -------------------------------------------------------------------------- */

/* A pipe in packet mode keeps writes apart. */
static void pipe_gets_whole_lines_of_at_most_pipe_buf(void **state)
{
    struct sx_log *log;
    size_t n_lines = 0;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_DIRECT | O_CLOEXEC), 0);
    log = create(fds[1], SX_LOG_JSON, NULL);
    for (int i = 0; i < 60; i++)
        sx_log_request(log, SX_LOG_INFO, &request);
    sx_log_destroy(log);
    (void)close(fds[1]);
    for (;;) {
        char packet[PIPE_BUF + 1];
        ssize_t n = read(fds[0], packet, sizeof(packet));

        if (n == 0)
            break;
        assert_true(n > 0 && n <= PIPE_BUF);
        assert_int_equal(packet[n - 1], '\n');
        assert_int_equal(packet[0], '{');
        for (ssize_t i = 0; i < n; i++)
            n_lines += packet[i] == '\n';
    }
    assert_int_equal(n_lines, 60);
    (void)close(fds[0]);
}

struct drain {
    int fd;
    uint64_t n_lines;
    uint64_t n_lost; /* as the lines say; atomic */
};

static void read_line(struct drain *d, const char *text)
{
    json_t *line = json_loads(text, 0, NULL);
    json_t *lost = json_object_get(line, "lost_lines");

    if (line == NULL)
        return; /* counted by nobody: the sum shows it */
    if (lost == NULL) {
        d->n_lines++;
    } else {
        __atomic_add_fetch(&d->n_lost, (uint64_t)json_integer_value(lost), __ATOMIC_RELEASE);
    }
    json_decref(line);
}

static void *run_drain(void *arg)
{
    struct drain *d = arg;
    FILE *in = fdopen(dup(d->fd), "r");
    char *line = NULL;
    size_t cap = 0;

    while (getline(&line, &cap, in) > 0)
        read_line(d, line);
    free(line);
    (void)fclose(in);
    return NULL;
}

static void blocked_pipe_never_blocks_callers_and_loss_is_told(void **state)
{
    struct drain drain = { 0 };
    struct sx_log *log;
    uint64_t n_sent = 0, n_dropped;
    pthread_t thread;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0);
    log = create(fds[1], SX_LOG_JSON, NULL);
    while (sx_log_dropped(log) < 1000) {
        sx_log_line(log, SX_LOG_INFO, NULL, "line %d", (int)n_sent);
        n_sent++;
    }

    drain.fd = fds[0];
    assert_int_equal(pthread_create(&thread, NULL, run_drain, &drain), 0);
    while (__atomic_load_n(&drain.n_lost, __ATOMIC_ACQUIRE) < 1000)
        (void)sched_yield();
    sx_log_line(log, SX_LOG_INFO, NULL, "line %d", (int)n_sent++);
    n_dropped = sx_log_dropped(log);
    sx_log_destroy(log);
    (void)close(fds[1]);
    (void)pthread_join(thread, NULL);
    (void)close(fds[0]);

    assert_int_equal(drain.n_lost, n_dropped);
    assert_int_equal(drain.n_lines + n_dropped, n_sent);
}

static void destroying_gives_up_a_blocked_output(void **state)
{
    struct sx_log *log;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_true(fcntl(fds[1], F_SETPIPE_SZ, 4096) > 0);
    log = create(fds[1], SX_LOG_JSON, NULL);
    while (sx_log_dropped(log) == 0)
        sx_log_line(log, SX_LOG_INFO, NULL, "line");
    sx_log_destroy(log); /* comes back */
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void output_without_reader_costs_lines_not_the_process(void **state)
{
    struct sx_log *log;
    int fds[2];

    (void)state;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    (void)close(fds[0]);
    log = create(fds[1], SX_LOG_JSON, NULL);
    sx_log_line(log, SX_LOG_INFO, NULL, "one");
    while (sx_log_dropped(log) < 1)
        (void)sched_yield();
    sx_log_line(log, SX_LOG_INFO, NULL, "two");
    while (sx_log_dropped(log) < 2)
        (void)sched_yield();
    sx_log_destroy(log);
    (void)close(fds[1]);
}

static void socket_output_is_written_without_sigpipe(void **state)
{
    char text[512];
    struct sx_log *log;
    int fds[2];
    ssize_t n;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    log = create(fds[1], SX_LOG_JSON, NULL);
    sx_log_line(log, SX_LOG_INFO, NULL, "one");
    n = read(fds[0], text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    json_decref(parse_line(text));
    (void)close(fds[0]);
    sx_log_line(log, SX_LOG_INFO, NULL, "two");
    while (sx_log_dropped(log) < 1)
        (void)sched_yield();
    sx_log_destroy(log);
    (void)close(fds[1]);
}

/* --- threads -------------------------------------------------------------------------- */

#define N_THREADS 4
#define N_EACH    500

struct caller {
    struct sx_log *log;
    int number;
};

static void *run_caller(void *arg)
{
    const struct caller *c = arg;

    for (int i = 0; i < N_EACH; i++) {
        const struct sx_log_field fields[] = {
            { .key = "thread", .kind = SX_LOG_INT, .v.i = c->number },
            { .key = "n", .kind = SX_LOG_INT, .v.i = i },
            { 0 },
        };

        sx_log_line(c->log, SX_LOG_INFO, fields, "line of a thread");
    }
    return NULL;
}

static void threads_write_whole_lines_in_their_order(void **state)
{
    struct sx_log_settings set = { .format = SX_LOG_JSON, .ring_bytes = 4u << 20 };
    struct caller callers[N_THREADS];
    pthread_t threads[N_THREADS];
    int next[N_THREADS] = { 0 };
    struct sx_log *log;
    char *text, *at;

    (void)state;
    set.fd = open_output();
    assert_int_equal(sx_log_create(&set, &log), 0);
    for (int i = 0; i < N_THREADS; i++) {
        callers[i] = (struct caller){ log, i };
        assert_int_equal(pthread_create(&threads[i], NULL, run_caller, &callers[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        (void)pthread_join(threads[i], NULL);
    assert_int_equal(sx_log_dropped(log), 0);
    sx_log_destroy(log);

    text = read_back(set.fd);
    for (at = text; *at != '\0'; at = strchr(at, '\n') + 1) {
        json_t *line = json_loads(at, JSON_DISABLE_EOF_CHECK, NULL);
        int thread = (int)json_integer_value(json_object_get(line, "thread"));

        assert_non_null(line);
        assert_int_equal(json_integer_value(json_object_get(line, "n")), next[thread]++);
        json_decref(line);
    }
    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(next[i], N_EACH);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_is_one_json_object_as_collectors_read_it),
        cmocka_unit_test(request_links_to_its_trace_where_a_project_is_named),
        cmocka_unit_test(request_leaves_out_what_is_unknown),
        cmocka_unit_test(request_is_one_readable_line_for_a_person),
        cmocka_unit_test(event_has_its_fields_with_their_types),
        cmocka_unit_test(doubles_are_json_numbers),
        cmocka_unit_test(hostile_bytes_stay_in_their_line),
        cmocka_unit_test(long_texts_are_cut_and_stay_valid),
        cmocka_unit_test(cut_text_ends_with_an_ellipsis),
        cmocka_unit_test(lines_below_the_level_are_not_written),
        cmocka_unit_test(no_log_writes_nothing),
        cmocka_unit_test(auto_is_text_on_a_terminal_and_json_elsewhere),
        cmocka_unit_test(pipe_gets_whole_lines_of_at_most_pipe_buf),
        cmocka_unit_test(blocked_pipe_never_blocks_callers_and_loss_is_told),
        cmocka_unit_test(destroying_gives_up_a_blocked_output),
        cmocka_unit_test(output_without_reader_costs_lines_not_the_process),
        cmocka_unit_test(socket_output_is_written_without_sigpipe),
        cmocka_unit_test(threads_write_whole_lines_in_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
