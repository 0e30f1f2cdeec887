/* What stands in a line of the log, also when its texts are hostile or long. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/log.h"
#include "base/text.h"
#include "log_fixture.h"

static const char *text_at(const json_t *line, const char *key)
{
    const char *text = json_string_value(json_object_get(line, key));

    if (text == NULL)
        fail_msg("no text \"%s\"", key);
    return text;
}

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

/* With a signature the request could be sent once more by whoever reads the log. */
static void a_signature_is_in_no_line(void **state)
{
    static const char *const urls[] = { "/order?side=BUY&signature=5ec2e7&more=1",
                                        "/order?signature=5ec2e7",
                                        "/signature=1?a=signature=2&signature=5ec2e7" };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct sx_log_request req = request;

        req.url = urls[i];
        for (int with_route = 0; with_route < 2; with_route++) {
            char *json, *text;

            req.route = with_route == 1 ? "/order" : NULL;
            json = write_request(&req, SX_LOG_JSON, NULL);
            text = write_request(&req, SX_LOG_TEXT, NULL);
            json_decref(parse_line(json));
            assert_non_null(strstr(json, "signature="));
            assert_null(strstr(json, "5ec2e7"));
            assert_non_null(strstr(text, "signature="));
            assert_null(strstr(text, "5ec2e7"));
            free(json);
            free(text);
        }
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_is_one_json_object_as_collectors_read_it),
        cmocka_unit_test(a_signature_is_in_no_line),
        cmocka_unit_test(request_links_to_its_trace_where_a_project_is_named),
        cmocka_unit_test(request_leaves_out_what_is_unknown),
        cmocka_unit_test(request_is_one_readable_line_for_a_person),
        cmocka_unit_test(event_has_its_fields_with_their_types),
        cmocka_unit_test(doubles_are_json_numbers),
        cmocka_unit_test(hostile_bytes_stay_in_their_line),
        cmocka_unit_test(long_texts_are_cut_and_stay_valid),
        cmocka_unit_test(cut_text_ends_with_an_ellipsis),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
