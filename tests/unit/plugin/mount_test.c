/*
 * Routes of several plugins under their mount points; who is in whose way is told by name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/report.h"
#include "plugin/plugin_private.h"

static int handler(sx_req *r)
{
    (void)r;
    return 0;
}

static int before(sx_req *r)
{
    (void)r;
    return SX_NEXT;
}

static void after(sx_req *r, const sx_outcome *out)
{
    (void)r;
    (void)out;
}

struct given {
    const char *name, *prefix, *host;
    sx_route routes[4]; /* ended by a zeroed one */
    sx_hook hooks[3];
    uint64_t needs;
};

struct mounted {
    struct sx_plugins set;
    struct sx_config_plugin cfg[4];
    struct sx_plugin plugins[4];
    char paths[4][32];
    struct sx_report rep;
    int err;
};

/* In place: the router keeps pointers to it. */
static void mount(struct mounted *m, struct given *given, size_t n)
{
    memset(m, 0, sizeof *m);
    sx_report_init(&m->rep);
    m->set.plugins = m->plugins;
    m->set.n_plugins = n;
    for (size_t i = 0; i < n; i++) {
        struct sx_plugin *p = &m->plugins[i];

        m->cfg[i] = (struct sx_config_plugin){ .name = given[i].name,
                                               .prefix = given[i].prefix ? given[i].prefix : "",
                                               .host = given[i].host ? given[i].host : "" };
        (void)snprintf(m->paths[i], sizeof m->paths[i], "/lib/%s.so", given[i].name);
        (void)snprintf(p->note.name, sizeof p->note.name, "%s", given[i].name);
        p->set = &m->set;
        p->cfg = &m->cfg[i];
        p->index = (uint32_t)i;
        p->path = m->paths[i];
        p->routes = given[i].routes;
        p->hooks = given[i].hooks;
        p->manifest.needs = given[i].needs;
        while (p->routes[p->n_routes].method != NULL)
            p->n_routes++;
    }
    m->err = sx_mount_all(&m->set, &m->rep);
}

static void finish(struct mounted *m)
{
    for (size_t i = 0; i < m->set.n_plugins; i++) {
        for (uint32_t n = 0; m->plugins[i].entries != NULL && n < m->plugins[i].n_routes; n++)
            free(m->plugins[i].entries[n].path);
        free(m->plugins[i].entries);
    }
    free(m->set.hooks);
    sx_router_destroy(m->set.router);
    sx_report_finish(&m->rep);
}

static const struct sx_entry *found(const struct mounted *m, const char *host, const char *method,
                                    const char *path)
{
    struct sx_route_match match;

    return sx_router_match(m->set.router, host, strlen(host), method, strlen(method), path,
                           strlen(path), &match) == SX_ROUTE_FOUND
               ? match.target
               : NULL;
}

#define ROUTE(method_, path_)                                \
    {                                                        \
        .method = method_, .path = path_, .handler = handler \
    }

static void routes_are_found_below_their_mount_point(void **state)
{
    struct given given[] = {
        { .name = "a", .prefix = "/one", .routes = { ROUTE("GET", "/x"), ROUTE("GET", "/{id}") } },
        { .name = "b", .host = "api.test", .routes = { ROUTE("GET", "/x") } },
        { .name = "c", .routes = { ROUTE("GET", "/x") } },
    };
    struct mounted m;

    (void)state;
    mount(&m, given, 3);
    assert_int_equal(m.err, 0);
    assert_int_equal(m.rep.n_faults, 0);

    assert_ptr_equal(found(&m, "t", "GET", "/one/x"), &m.plugins[0].entries[0]);
    assert_ptr_equal(found(&m, "t", "GET", "/one/y"), &m.plugins[0].entries[1]);
    assert_ptr_equal(found(&m, "api.test", "GET", "/x"), &m.plugins[1].entries[0]);
    assert_ptr_equal(found(&m, "t", "GET", "/x"), &m.plugins[2].entries[0]);
    assert_null(found(&m, "t", "GET", "/y"));
    assert_string_equal(m.plugins[0].entries[1].path, "/one/{id}");
    finish(&m);
}

static void a_conflict_names_both_plugins_and_both_files(void **state)
{
    struct given given[] = {
        { .name = "first", .prefix = "/shop", .routes = { ROUTE("GET", "/items/{id}") } },
        { .name = "second",
          .routes = { ROUTE("POST", "/shop/items/{id}"), ROUTE("GET", "/shop/items/{name}") } },
    };
    struct mounted m;

    (void)state;
    mount(&m, given, 2);

    assert_int_equal(m.rep.n_faults, 1);
    assert_string_equal(m.rep.faults[0],
                        "/lib/second.so: plugin \"second\": route GET /shop/items/{name} is the "
                        "same as GET /shop/items/{id} of plugin \"first\" (/lib/first.so)\n"
                        "Give one of them another mount point: plugins.second.mount.prefix.");
    finish(&m);
}

/* Beside the GET of another plugin there is room, for one. */
static void a_websocket_shares_its_path_with_a_page_but_not_with_another(void **state)
{
    static struct given given[] = {
        { .name = "pages", .routes = { ROUTE("GET", "/") } },
        { .name = "first", .routes = { ROUTE("WEBSOCKET", "/") } },
        { .name = "second", .routes = { ROUTE("WEBSOCKET", "/") } },
    };
    struct mounted m;

    (void)state;
    mount(&m, given, 2);
    assert_int_equal(m.rep.n_faults, 0);
    assert_ptr_equal(found(&m, "t", "GET", "/"), &m.plugins[0].entries[0]);
    assert_ptr_equal(found(&m, "t", "WEBSOCKET", "/"), &m.plugins[1].entries[0]);
    finish(&m);

    mount(&m, given, 3);
    assert_int_equal(m.rep.n_faults, 1);
    assert_non_null(strstr(m.rep.faults[0],
                           "route WEBSOCKET / is the same as WEBSOCKET / of plugin \"first\""));
    finish(&m);
}

static void a_plugin_can_be_in_its_own_way(void **state)
{
    struct given given[] = {
        { .name = "one", .routes = { ROUTE("GET", "/a"), ROUTE("GET", "/a") } },
    };
    struct mounted m;

    (void)state;
    mount(&m, given, 1);

    assert_int_equal(m.rep.n_faults, 1);
    assert_non_null(strstr(m.rep.faults[0], "is the same as GET /a of plugin \"one\""));
    finish(&m);
}

static void every_malformed_route_is_told(void **state)
{
    static const sx_field id[] = { { .name = "id", .in = SX_IN_PATH, .type = SX_INT }, { 0 } };
    struct given given[] = {
        { .name = "one",
          .routes = { ROUTE("GET", "/{a"),
                      ROUTE("GET", "/{rest...}/behind"),
                      { .method = "GET", .path = "/b/{ids}", .handler = handler, .params = id },
                      { .method = "GET",
                        .path = "/c/{id.x}",
                        .handler = handler,
                        .params = id } } },
    };
    static const char *const expected[] = {
        "plugin \"one\": route GET /{a: ",
        "plugin \"one\": route GET /{rest...}/behind: ",
        "/b/{ids} declares the path parameter \"id\", which its path does not have",
        "/c/{id.x} declares the path parameter \"id\", which its path does not have",
    };
    struct mounted m;

    (void)state;
    mount(&m, given, 1);

    assert_int_equal(m.rep.n_faults, 4);
    for (size_t i = 0; i < 4; i++)
        assert_non_null(strstr(m.rep.faults[i], expected[i]));
    finish(&m);
}

static void a_rest_parameter_may_be_declared(void **state)
{
    static const sx_field path[] = { { .name = "path", .in = SX_IN_PATH, .type = SX_TEXT }, { 0 } };
    struct given given[] = {
        { .name = "one",
          .routes = { { .method = "GET",
                        .path = "/{path...}",
                        .handler = handler,
                        .params = path } } },
    };
    struct mounted m;

    (void)state;
    mount(&m, given, 1);

    assert_int_equal(m.rep.n_faults, 0);
    assert_true(m.plugins[0].entries[0].has_checks);
    assert_int_equal(m.plugins[0].entries[0].n_required, 1);
    finish(&m);
}

static void hooks_run_by_their_order_and_then_by_plugin(void **state)
{
    struct given given[] = {
        { .name = "a",
          .hooks = { { .order = 5, .before = before }, { .order = -1, .after = after } } },
        { .name = "b", .hooks = { { .order = 5, .before = before } } },
        { .name = "c", .hooks = { { .order = 0, .before = before } } },
    };
    static const struct {
        size_t plugin;
        int32_t order;
    } expected[] = { { 0, -1 }, { 2, 0 }, { 0, 5 }, { 1, 5 } };
    struct mounted m;

    (void)state;
    mount(&m, given, 3);

    assert_int_equal(m.set.n_hooks, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_ptr_equal(m.set.hooks[i].plugin, &m.plugins[expected[i].plugin]);
        assert_int_equal(m.set.hooks[i].hook->order, expected[i].order);
    }
    assert_true(m.set.times_requests);
    finish(&m);
}

static void a_hook_on_all_routes_needs_its_capability(void **state)
{
    struct given given[] = {
        { .name = "a", .hooks = { { .all_routes = 1, .before = before } } },
        { .name = "b",
          .hooks = { { .all_routes = 1, .before = before } },
          .needs = SX_CAP_ALL_ROUTES },
    };
    struct mounted m;

    (void)state;
    mount(&m, given, 2);

    assert_int_equal(m.rep.n_faults, 1);
    assert_string_equal(m.rep.faults[0], "/lib/a.so: plugin \"a\": a hook on all routes needs "
                                         "SX_CAP_ALL_ROUTES in its manifest");
    finish(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_are_found_below_their_mount_point),
        cmocka_unit_test(a_conflict_names_both_plugins_and_both_files),
        cmocka_unit_test(a_websocket_shares_its_path_with_a_page_but_not_with_another),
        cmocka_unit_test(a_plugin_can_be_in_its_own_way),
        cmocka_unit_test(every_malformed_route_is_told),
        cmocka_unit_test(a_rest_parameter_may_be_declared),
        cmocka_unit_test(hooks_run_by_their_order_and_then_by_plugin),
        cmocka_unit_test(a_hook_on_all_routes_needs_its_capability),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
