/* request_test.c - reading a request. */
#include "setup.h"

#include <unistd.h>

static void a_request_is_read_decoded(sx_test *t)
{
    sx_expect_json(sx_test_send(t, .path = "/request/-7/xa%20by/c/d%2Fe?q=1&q=a+b%21&limit=3",
                                .headers = (const char *[]){ "X-One", "first", "x-one", "second",
                                                             "Cookie", "b=1; c=2", NULL }),
                   200, SX_TEST_JSON({
                       "method" : "GET",
                       "path" : "/request/-7/xa%20by/c/d%2Fe",
                       "route" : "/request/{id}/x{name}y/{rest...}",
                       "remote" : "127.0.0.1",
                       "target" : "/request/-7/xa%20by/c/d%2Fe?q=1&q=a+b%21&limit=3",
                       "unknown text" : "",
                       "has id" : true,
                       "is gone" : false,
                       "id" : "-7",
                       "name" : "a b",
                       "rest" : "c/d/e",
                       "id as a number" : -7,
                       "q" : "1",
                       "second q" : "a b!",
                       "third q" : null,
                       "limit or 9" : 3,
                       "header" : "first",
                       "second header" : "second",
                       "cookie" : "2",
                       "form" : null,
                       "second form" : null,
                       "no name" : null,
                       "no place" : null,
                       "no such path" : null
                   }));
}

static void a_form_is_read_wherever_its_fields_stand(sx_test *t)
{
    const sx_answer *a = sx_test_send(t, .path = "/request", .form = "f=a%26b&x=1&f=c+d");
    json_t *all = sx_answer_json(sx_expect_status(a, 200));

    assert_string_equal(json_string_value(json_object_get(all, "form")), "a&b");
    assert_string_equal(json_string_value(json_object_get(all, "second form")), "c d");
    assert_true(json_is_null(json_object_get(all, "q")));
}

/* --- Declared parameters ------------------------------------------------------------------ */

static void declared_types_are_enforced(sx_test *t)
{
    static const char *const bad[] = {
        "/request/x7/xay/b",           "/request/99999999999999999999/xay/b",
        "/request/1/xay/b?limit=1.5",  "/request/1/xay/b?limit=ten",
        "/request/1/xay/b?ratio=1e",   "/request/1/xay/b?ratio=nan",
        "/request/1/xay/b?flag=maybe", "/request/1/xay/b?limit=%",
    };
    static const char *const good[] = {
        "/request/1/xay/b?limit=-5&ratio=1e3&flag=true",
        "/request/1/xay/b?limit=&flag=0",
    };

    for (size_t i = 0; i < N_OF(bad); i++)
        sx_expect_problem(sx_test_get(t, bad[i]), 400, NULL);
    for (size_t i = 0; i < N_OF(good); i++)
        sx_expect_status(sx_test_get(t, good[i]), 200);
}

static void required_parameters_are_required_everywhere(sx_test *t)
{
    static const char *const all[] = { "X-Need", "1", "Cookie", "need=1", NULL };
    static const char *const no_cookie[] = { "X-Need", "1", NULL };
    static const char *const no_header[] = { "Cookie", "need=1", NULL };

    sx_expect_status(sx_test_send(t, .path = "/needed?q=", .headers = all), 204);
    sx_expect_problem(sx_test_send(t, .path = "/needed", .headers = all), 400, "missing_parameter");
    sx_expect_problem(sx_test_send(t, .path = "/needed?q=1", .headers = no_cookie), 400,
                      "missing_parameter");
    sx_expect_problem(sx_test_send(t, .path = "/needed?q=1", .headers = no_header), 400,
                      "missing_parameter");
}

/* --- Bodies --------------------------------------------------------------------------------- */

static void a_body_is_bytes_and_perhaps_json(sx_test *t)
{
    sx_expect_json(
        sx_test_send(t, .path = "/body", .body = "[1, null]"), 200,
        SX_TEST_JSON(
            { "len" : 9, "body" : "[1, null]", "json" : [ 1, null ], "parsed once" : true }));
    sx_expect_json(sx_test_send(t, .path = "/body", .body = "{"), 200,
                   SX_TEST_JSON({ "len" : 1, "body" : "{", "json" : null, "parsed once" : true }));
    sx_expect_json(sx_test_send(t, .method = "POST", .path = "/body"), 200,
                   SX_TEST_JSON({ "len" : 0, "body" : "", "json" : null, "parsed once" : true }));
}

static void a_route_with_a_schema_sees_json_only(sx_test *t)
{
    sx_expect_status(sx_test_send(t, .path = "/json", .json = "{\"a\": 1}"), 200);
    sx_expect_problem(sx_test_send(t, .path = "/json", .json = "{\"a\": 1"), 400, "invalid_json");
    sx_expect_problem(sx_test_send(t, .path = "/json", .json = "{\"a\": 1, \"a\": 2}"), 400,
                      "invalid_json");
    sx_expect_problem(sx_test_send(t, .method = "POST", .path = "/json"), 400, "invalid_json");
}

static void a_route_has_a_ceiling_of_its_own(sx_test *t)
{
    sx_expect_status(sx_test_send(t, .path = "/small", .body = "0123456789"), 200);
    sx_expect_problem(sx_test_send(t, .path = "/small", .body = "0123456789a"), 413, NULL);
}

/* --- Uploads -------------------------------------------------------------------------------- */

static const char *upload_small(sx_test *t, const char *path)
{
    static const sx_test_file files[] = {
        { .field = "f", .file_name = "a \"b\".txt", .type = "text/plain", .data = "some words" },
        { 0 },
    };

    sx_expect_json(sx_test_send(t, .path = path, .form = "note=n%26m", .files = files), 200,
                   SX_TEST_JSON({
                       "missing" : -3,
                       "no name" : -3,
                       "a field is no file" : -3,
                       "note" : "n&m",
                       "found" : 0,
                       "name" : "a \"b\".txt",
                       "type" : "text/plain",
                       "size" : 10,
                       "data" : "some words"
                   }));
    return path;
}

static void a_small_upload_is_in_memory(sx_test *t)
{
    (void)upload_small(t, "/upload");
    (void)upload_small(t, "/upload/undeclared");
}

static void a_large_upload_is_in_a_file_that_goes_with_the_request(sx_test *t)
{
    const size_t size = 200000;
    char *data = test_malloc(size);
    const sx_test_file files[] = { { .field = "f", .data = data, .len = size }, { 0 } };
    const char *path;
    json_t *all;

    memset(data, 'x', size);
    all = sx_answer_json(sx_test_send(t, .path = "/upload", .files = files));
    test_free(data);

    assert_int_equal(json_integer_value(json_object_get(all, "size")), size);
    assert_int_equal(json_integer_value(json_object_get(all, "bytes in the file")), size);
    assert_int_equal(json_integer_value(json_object_get(all, "bytes in memory")), 0);
    path = json_string_value(json_object_get(all, "path"));
    assert_non_null(path);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void uploads_have_a_ceiling(sx_test *t)
{
    const size_t size = 600000; /* upload_bytes is 500000 here */
    char *data = test_malloc(size);
    const sx_test_file files[] = { { .field = "f", .data = data, .len = size }, { 0 } };
    const sx_answer *a;

    memset(data, 'x', size);
    a = sx_test_send(t, .path = "/upload", .files = files);
    test_free(data);

    sx_expect_problem(a, 413, NULL);
}

static void a_required_file_must_be_there(sx_test *t)
{
    static const sx_test_file others[] = { { .field = "g", .data = "x" }, { 0 } };

    sx_expect_problem(sx_test_send(t, .path = "/upload", .files = others), 400,
                      "missing_parameter");
    sx_expect_problem(sx_test_send(t, .path = "/upload", .type = "multipart/form-data; boundary=a",
                                   .body = "--a\r\nno"),
                      400, NULL);
}

/* --- Memory, and clients that leave --------------------------------------------------------- */

static void memory_of_a_request_is_zeroed_and_has_a_ceiling(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/alloc"), 200,
                   SX_TEST_JSON({ "zeroed" : true, "too much" : false }));
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(a_request_is_read_decoded),
        SX_TEST_CASE(a_form_is_read_wherever_its_fields_stand),
        SX_TEST_CASE(declared_types_are_enforced),
        SX_TEST_CASE(required_parameters_are_required_everywhere),
        SX_TEST_CASE(a_body_is_bytes_and_perhaps_json),
        SX_TEST_CASE(a_route_with_a_schema_sees_json_only),
        SX_TEST_CASE(a_route_has_a_ceiling_of_its_own),
        SX_TEST_CASE(a_small_upload_is_in_memory),
        SX_TEST_CASE(a_large_upload_is_in_a_file_that_goes_with_the_request),
        SX_TEST_CASE(uploads_have_a_ceiling),
        SX_TEST_CASE(a_required_file_must_be_there),
        SX_TEST_CASE(memory_of_a_request_is_zeroed_and_has_a_ceiling),
        { 0 },
    };
    static const sx_test_setup setup = {
        .plugins = "contract",
        .config = SX_TEST_JSON({
            "http" : { "upload_bytes" : 500000 },
            "plugins" : { "contract" : { "options" : { "key" : "abc" } } }
        }),
    };

    return sx_test_run(&setup, cases);
}
