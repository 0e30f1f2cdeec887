/*
 * The tables of a manifest, taken into today's layout: from an older header with shorter
 * structs, from a newer one with longer ones, and what is wrong with them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/report.h"
#include "plugin/plugin_private.h"

#define HEAD "/lib/orders.so: plugin \"orders\": "

static int handler(sx_req *r)
{
    (void)r;
    return 0;
}

static int blocking(sx_req *r, sx_db *db)
{
    (void)r;
    (void)db;
    return 0;
}

/* Never read: only its address counts. */
static const sx_host **no_host(void)
{
    static const sx_host *const none[1] = { NULL };

    return (const sx_host **)(uintptr_t)none;
}

static sx_manifest good_manifest(void)
{
    return (sx_manifest){ .manifest_size = sizeof(sx_manifest),
                          .route_size = sizeof(sx_route),
                          .field_size = sizeof(sx_field),
                          .response_size = sizeof(sx_response),
                          .option_size = sizeof(sx_option),
                          .hook_size = sizeof(sx_hook),
                          .metric_size = sizeof(sx_metric),
                          .migration_size = sizeof(sx_migration),
                          .jansson_version = JANSSON_VERSION_HEX,
                          .host = no_host() };
}

struct taken {
    struct sx_plugin plugin;
    struct sx_report rep;
    int err;
};

static struct taken take(const sx_manifest *m)
{
    struct taken t = { .plugin = { .note = { .name = "orders" } } };

    t.plugin.path = (char *)(uintptr_t) "/lib/orders.so";
    sx_report_init(&t.rep);
    t.err = sx_manifest_take(&t.plugin, m, &t.rep);
    assert_int_equal(t.err == 0, t.rep.n_faults == 0);
    return t;
}

static void finish(struct taken *t)
{
    sx_manifest_release(&t->plugin);
    sx_report_finish(&t->rep);
}

static void assert_fault(const sx_manifest *m, const char *fault)
{
    struct taken t = take(m);

    assert_int_equal(t.err, SX_ERR_INVALID);
    assert_int_equal(t.rep.n_faults, 1);
    if (strstr(t.rep.faults[0], fault) == NULL)
        print_error("expected \"%s\", found \"%s\"\n", fault, t.rep.faults[0]);
    assert_non_null(strstr(t.rep.faults[0], fault));
    finish(&t);
}

static void tables_of_today_are_copied(void **state)
{
    static const sx_field fields[] = { { .name = "id", .in = SX_IN_PATH, .type = SX_INT }, { 0 } };
    static const sx_response responses[] = { { .status = 200, .doc = "it" }, { 0 } };
    static const sx_route routes[] = {
        { .method = "GET",
          .path = "/a/{id}",
          .handler = handler,
          .params = fields,
          .responses = responses },
        { .method = "GET", .path = "/b", .handler = handler },
        { 0 },
    };
    static const sx_option options[] = { { .name = "depth", .type = SX_INT }, { 0 } };
    sx_manifest m = good_manifest();
    struct taken t;

    (void)state;
    m.routes = routes;
    m.options = options;
    m.summary = "orders";
    t = take(&m);

    assert_int_equal(t.err, 0);
    assert_int_equal(t.plugin.n_routes, 2);
    assert_ptr_not_equal(t.plugin.routes, routes);
    assert_memory_equal(t.plugin.routes[0].params, fields, sizeof fields);
    assert_ptr_not_equal(t.plugin.routes[0].params, fields);
    assert_memory_equal(t.plugin.routes[0].responses, responses, sizeof responses);
    assert_null(t.plugin.routes[1].params);
    assert_null(t.plugin.routes[1].responses);
    assert_null(t.plugin.routes[2].method);
    assert_string_equal(t.plugin.options[0].name, "depth");
    assert_null(t.plugin.hooks);
    assert_string_equal(t.plugin.manifest.summary, "orders");
    finish(&t);
}

/* What an early header had, and no more. */
struct old_route {
    const char *method, *path;
    sx_handler *handler;
    sx_blocking_handler *blocking;
};

struct old_field {
    const char *name;
    int32_t in, type;
    uint32_t required, pad;
};

static void shorter_structs_of_an_older_header_get_zeros_behind(void **state)
{
    static const struct old_route routes[] = {
        { "GET", "/a", handler, NULL },
        { "POST", "/b", handler, NULL },
        { 0 },
    };
    sx_manifest m = good_manifest();
    struct taken t;

    (void)state;
    m.manifest_size = offsetof(sx_manifest, options);
    m.route_size = sizeof routes[0];
    m.routes = (const sx_route *)(const void *)routes;
    m.options = (const sx_option *)(uintptr_t)1; /* behind its end: must not be read */
    t = take(&m);

    assert_int_equal(t.err, 0);
    assert_int_equal(t.plugin.n_routes, 2);
    assert_string_equal(t.plugin.routes[1].method, "POST");
    assert_ptr_equal(t.plugin.routes[1].handler, handler);
    assert_int_equal(t.plugin.routes[1].timeout_ms, 0);
    assert_null(t.plugin.routes[1].params);
    assert_null(t.plugin.options);
    assert_null(t.plugin.manifest.start);
    finish(&t);
}

static void shorter_fields_get_no_text(void **state)
{
    static const struct old_field fields[] = {
        { "a", SX_IN_QUERY, SX_INT, 1, 0 },
        { "b", SX_IN_HEADER, SX_TEXT, 0, 0 },
        { 0 },
    };
    static const sx_route routes[] = {
        { .method = "GET",
          .path = "/a",
          .handler = handler,
          .params = (const sx_field *)(const void *)fields },
        { 0 },
    };
    sx_manifest m = good_manifest();
    struct taken t;

    (void)state;
    m.field_size = sizeof fields[0];
    m.routes = routes;
    t = take(&m);

    assert_int_equal(t.err, 0);
    assert_string_equal(t.plugin.routes[0].params[0].name, "a");
    assert_int_equal(t.plugin.routes[0].params[0].required, 1);
    assert_string_equal(t.plugin.routes[0].params[1].name, "b");
    assert_null(t.plugin.routes[0].params[1].doc);
    assert_null(t.plugin.routes[0].params[2].name);
    finish(&t);
}

struct later_route {
    sx_route known;
    uint64_t news;
};

struct later_manifest {
    sx_manifest known;
    uint64_t news[4];
};

struct later_response {
    sx_response known;
    const char *news;
};

static void longer_structs_of_a_newer_header_are_taken_when_their_ends_are_empty(void **state)
{
    static const struct later_route routes[] = {
        { .known = { .method = "GET", .path = "/a", .handler = handler } },
        { .known = { .method = "GET", .path = "/b", .handler = handler } },
        { .known = { 0 } },
    };
    struct later_manifest m = { .known = good_manifest() };
    struct taken t;

    (void)state;
    m.known.manifest_size = sizeof m;
    m.known.route_size = sizeof routes[0];
    m.known.routes = &routes[0].known;
    t = take(&m.known);

    assert_int_equal(t.err, 0);
    assert_int_equal(t.plugin.n_routes, 2);
    assert_string_equal(t.plugin.routes[1].path, "/b");
    finish(&t);
}

static void an_end_that_is_used_is_refused_and_named(void **state)
{
    static const struct later_route routes[] = {
        { .known = { .method = "GET", .path = "/a", .handler = handler } },
        { .known = { .method = "GET", .path = "/b", .handler = handler }, .news = 1ull << 63 },
        { .known = { 0 } },
    };
    static const struct later_response responses[] = {
        { .known = { .status = 200 }, .news = "x" },
        { .known = { 0 } },
    };
    static const sx_route plain[] = {
        { .method = "GET", .path = "/a", .handler = handler, .responses = &responses[0].known },
        { 0 },
    };
    struct later_manifest m = { .known = good_manifest() };

    (void)state;
    m.known.route_size = sizeof routes[0];
    m.known.routes = &routes[0].known;
    assert_fault(&m.known, HEAD "routes entry 1 uses fields that this host does not know");

    m.known = good_manifest();
    m.known.response_size = sizeof responses[0];
    m.known.routes = plain;
    assert_fault(&m.known, HEAD "responses entry 0 uses fields that this host does not know");

    m.known = good_manifest();
    m.known.manifest_size = sizeof m;
    m.news[3] = 1;
    assert_fault(&m.known, HEAD "its manifest has ");
}

static void sizes_that_no_header_had_are_told(void **state)
{
    static const struct {
        size_t at;
        uint32_t size;
        const char *fault;
    } cases[] = {
        { offsetof(sx_manifest, manifest_size), 0, "sx_manifest has 0 bytes, expected at least" },
        { offsetof(sx_manifest, manifest_size), 44, "sx_manifest has 44 bytes" },
        { offsetof(sx_manifest, manifest_size), UINT32_MAX, "sx_manifest has 4294967295 bytes" },
        { offsetof(sx_manifest, route_size), 31, "sx_route has 31 bytes" },
        { offsetof(sx_manifest, route_size), UINT32_MAX, "sx_route has 4294967295 bytes" },
        { offsetof(sx_manifest, field_size), 0, "sx_field has 0 bytes" },
        { offsetof(sx_manifest, response_size), 3, "sx_response has 3 bytes" },
        { offsetof(sx_manifest, option_size), 8, "sx_option has 8 bytes" },
        { offsetof(sx_manifest, hook_size), 4, "sx_hook has 4 bytes" },
        { offsetof(sx_manifest, metric_size), 8, "sx_metric has 8 bytes" },
        { offsetof(sx_manifest, migration_size), 16, "sx_migration has 16 bytes" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sx_manifest m = good_manifest();

        memcpy((char *)&m + cases[i].at, &cases[i].size, sizeof cases[i].size);
        assert_fault(&m, cases[i].fault);
    }
}

static void another_jansson_and_a_missing_host_are_told(void **state)
{
    sx_manifest m = good_manifest();

    (void)state;
    m.jansson_version = (uint32_t)(JANSSON_MAJOR_VERSION + 1) << 16;
    assert_fault(&m, "was built with jansson 3, this host has 2");
    m = good_manifest();
    m.host = NULL;
    assert_fault(&m, HEAD "its manifest has no place for the host table");
}

static void a_table_without_an_end_is_told(void **state)
{
    sx_option *endless = calloc(4096, sizeof *endless);
    sx_manifest m = good_manifest();

    (void)state;
    assert_non_null(endless);
    for (size_t i = 0; i < 4096; i++)
        endless[i].name = "x";
    m.options = endless;
    assert_fault(&m, HEAD "options has no zeroed entry at its end");
    free(endless);
}

static void what_no_route_could_work_with_is_told(void **state)
{
    static const sx_field nameless[] = { { .doc = "x", .type = SX_TEXT }, { 0 } };
    static const sx_field nowhere[] = { { .name = "a", .in = 9, .type = SX_TEXT }, { 0 } };
    static const sx_field typeless[] = { { .name = "a", .in = SX_IN_QUERY, .type = SX_JSON },
                                         { 0 } };
    static const sx_response odd[] = { { .status = 99, .doc = "x" }, { 0 } };
    static const sx_response unparsable[] = { { .status = 200, .schema = "{" }, { 0 } };
    static const struct {
        sx_route route;
        const char *fault;
    } cases[] = {
        { { .path = "/a", .handler = handler }, "route 0 needs a method and a path that begins" },
        { { .method = "GET", .handler = handler }, "route 0 needs a method and a path" },
        { { .method = "GET", .path = "a", .handler = handler }, "route 0 needs a method" },
        { { .method = "GET", .path = "/a" }, "route GET /a has neither, expected a handler" },
        { { .method = "GET", .path = "/a", .handler = handler, .blocking = blocking },
          "route GET /a has both, expected a handler or a blocking one" },
        { { .method = "GET", .path = "/a", .blocking = blocking },
          "route GET /a is blocking, but the manifest does not need SX_CAP_BLOCKING" },
        { { .method = "GET", .path = "/a", .handler = handler, .params = nameless },
          "declares a parameter without a name in UTF-8" },
        { { .method = "GET", .path = "/a", .handler = handler, .params = nowhere },
          "declares the parameter \"a\" in place 9, expected an SX_IN_" },
        { { .method = "GET", .path = "/a", .handler = handler, .params = typeless },
          "declares the parameter \"a\" of type 6, expected SX_BOOL, SX_INT, SX_NUMBER or SX_TEXT" },
        { { .method = "GET", .path = "/a", .handler = handler, .responses = odd },
          "declares a response of status 99, expected 100 to 599" },
        { { .method = "GET", .path = "/a", .handler = handler, .responses = unparsable },
          "has a response schema that is no JSON Schema: \"{\"" },
        { { .method = "PUT", .path = "/a", .handler = handler, .body_schema = "[]" },
          "route PUT /a has a body_schema that is no JSON Schema: \"[]\"" },
        { { .method = "WEBSOCKET", .path = "/a", .blocking = blocking },
          "route WEBSOCKET /a is blocking, expected a handler on the loop" },
        { { .method = "WEBSOCKET", .path = "/a", .handler = handler, .body_schema = "{}" },
          "route WEBSOCKET /a has a body_schema, but the handshake of a WebSocket has no body" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const sx_route routes[] = { cases[i].route, { 0 } };
        sx_manifest m = good_manifest();

        if (cases[i].route.method != NULL && strcmp(cases[i].route.method, "WEBSOCKET") == 0)
            m.needs = SX_CAP_STREAM | SX_CAP_BLOCKING;
        m.routes = routes;
        assert_fault(&m, cases[i].fault);
    }
}

static void all_faults_of_all_routes_are_told(void **state)
{
    static const sx_route routes[] = {
        { .method = "GET", .path = "/a" },
        { .method = "GET", .path = "b", .handler = handler },
        { .method = "GET", .path = "/c", .handler = handler, .body_schema = "x" },
        { 0 },
    };
    sx_manifest m = good_manifest();
    struct taken t;

    (void)state;
    m.routes = routes;
    t = take(&m);
    assert_int_equal(t.rep.n_faults, 3);
    finish(&t);
}

static void a_websocket_needs_the_capability(void **state)
{
    static const sx_route routes[] = { { .method = "WEBSOCKET", .path = "/a", .handler = handler },
                                       { 0 } };
    sx_manifest m = good_manifest();
    struct taken t;

    (void)state;
    m.routes = routes;
    assert_fault(&m,
                 "route WEBSOCKET /a is a WebSocket, but the manifest does not need SX_CAP_STREAM");
    m.needs = SX_CAP_STREAM;
    t = take(&m);
    assert_int_equal(t.err, 0);
    finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_websocket_needs_the_capability),
        cmocka_unit_test(tables_of_today_are_copied),
        cmocka_unit_test(shorter_structs_of_an_older_header_get_zeros_behind),
        cmocka_unit_test(shorter_fields_get_no_text),
        cmocka_unit_test(longer_structs_of_a_newer_header_are_taken_when_their_ends_are_empty),
        cmocka_unit_test(an_end_that_is_used_is_refused_and_named),
        cmocka_unit_test(sizes_that_no_header_had_are_told),
        cmocka_unit_test(another_jansson_and_a_missing_host_are_told),
        cmocka_unit_test(a_table_without_an_end_is_told),
        cmocka_unit_test(what_no_route_could_work_with_is_told),
        cmocka_unit_test(all_faults_of_all_routes_are_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
