/*
 * Good configurations: which layer wins, where each value came from, what is computed.
 */
#include "config_test_folder.h"

#include <limits.h>

#define VARIABLES(...) ((char *const[]){ __VA_ARGS__, NULL })

static void assert_origin(const struct sx_config *cfg, const char *path, const char *origin)
{
    assert_string_equal(sx_config_origin(cfg, path), origin);
}

static void a_key_that_nobody_wrote_has_its_default(void **state)
{
    struct sx_config *cfg = folder_load_well(NULL, "{}", NULL);

    (void)state;
    assert_string_equal(cfg->env, "testing");
    assert_int_equal(cfg->server.port, 5009);
    assert_int_equal(cfg->http.request_line_bytes, 8192);
    assert_true(cfg->http.gzip);
    assert_string_equal(cfg->database.url, "");
    assert_string_equal(cfg->log.level, "info");
    assert_int_equal(cfg->http.cors.methods.n, 6);
    assert_int_equal(cfg->n_plugins, 0);

    assert_origin(cfg, "server.port", "default");
    assert_origin(cfg, "env", "command line");
    assert_origin(cfg, "no.such.key", "default");
    sx_config_destroy(cfg);
}

static void the_overlay_wins_over_the_base_key_by_key(void **state)
{
    static const char base[] = "{\n\"server\": {\n\"port\": 1000,\n\"workers\": 2,\n"
                               "\"listen\": [\"unix:/a\", \"unix:/b\"]}}";
    static const char testing[] = "{\"server\": {\n\n\n\n\n\"workers\": 3,\n"
                                  "\"listen\":\n[\n\"127.0.0.1:81\"]}}";
    struct sx_config *cfg = folder_load_well(base, testing, NULL);

    (void)state;
    assert_int_equal(cfg->server.port, 1000);
    assert_int_equal(cfg->server.workers, 3);
    assert_int_equal(cfg->server.listen.n, 1);
    assert_string_equal(cfg->server.listen.v[0], "127.0.0.1:81");

    assert_origin(cfg, "server.port", "config/base.json:3");
    assert_origin(cfg, "server.workers", "config/testing.json:6");
    assert_origin(cfg, "server.listen", "config/testing.json:7");
    assert_origin(cfg, "server.listen[0]", "config/testing.json:9");
    sx_config_destroy(cfg);
}

static void plugins_are_in_the_order_of_their_names_with_merged_options(void **state)
{
    static const char base[] = "{\"plugins\": {\n\"zebra\": {\"enabled\": false},\n"
                               "\"orders\": {\"options\": {\"depth\": 1, \"deep\": {\"a\": 1,\n"
                               "\"b\": [1, 2]}}}}}";
    static const char testing[] = "{\"plugins\": {\n\"ants\": {\"path\": \"/x/ants.so\"},\n"
                                  "\"orders\": {\"grants\": [\"db\"], \"options\": {\n"
                                  "\"depth\": 5, \"deep\": {\n\"b\": [3]}},\n"
                                  "\"mount\": {\"prefix\": \"/o\", \"host\": \"*.example.com\"},\n"
                                  "\"limits\": {\"body_bytes\": 7, \"timeout_ms\": 8}}}}";
    struct sx_config *cfg = folder_load_well(base, testing, NULL);
    const struct sx_config_plugin *orders = &cfg->plugins[1];

    (void)state;
    assert_int_equal(cfg->n_plugins, 3);
    assert_string_equal(cfg->plugins[0].name, "ants");
    assert_string_equal(cfg->plugins[0].path, "/x/ants.so");
    assert_true(cfg->plugins[0].enabled);
    assert_string_equal(cfg->plugins[2].name, "zebra");
    assert_false(cfg->plugins[2].enabled);
    assert_int_equal(json_object_size(cfg->plugins[2].options), 0);

    assert_string_equal(orders->name, "orders");
    assert_string_equal(orders->prefix, "/o");
    assert_string_equal(orders->host, "*.example.com");
    assert_string_equal(orders->grants.v[0], "db");
    assert_string_equal(orders->sha256, "");
    assert_int_equal(orders->max_body_bytes, 7);
    assert_int_equal(orders->timeout_ms, 8);
    assert_int_equal(json_integer_value(json_object_get(orders->options, "depth")), 5);

    assert_origin(cfg, "plugins.zebra", "config/base.json:2");
    assert_origin(cfg, "plugins.orders", "config/testing.json:3");
    assert_origin(cfg, "plugins.orders.options.depth", "config/testing.json:4");
    assert_origin(cfg, "plugins.orders.options.deep.a", "config/base.json:3");
    assert_origin(cfg, "plugins.orders.options.deep.b", "config/testing.json:5");
    assert_origin(cfg, "plugins.orders.sha256", "default");
    sx_config_destroy(cfg);
}

static void variables_are_replaced_in_texts_and_spell_numbers_and_booleans(void **state)
{
    static const char testing[] =
        "{\"server\": {\"workers\": \"${W}\", \"pool_threads\": \"${NONE:-7}\"},\n"
        "\"http\": {\"gzip\": \"${G}\", \"cors\": {\"origins\": [\"https://${H}\"]}},\n"
        "\"app_secret\": \"a$${X}$b${EMPTY:-c}${EMPTY}$$\",\n"
        "\"plugins\": {\"p\": {\"options\": {\"t\": [{\"u\": \"<${H}>\"}], \"n\": null}}}}";
    struct sx_config *cfg = folder_load_well(
        NULL, testing, VARIABLES("W=3", "G=false", "H=h.example", "EMPTY=", "WW=4"));
    const json_t *item = json_array_get(json_object_get(cfg->plugins[0].options, "t"), 0);

    (void)state;
    assert_int_equal(cfg->server.workers, 3);
    assert_int_equal(cfg->server.pool_threads, 7);
    assert_false(cfg->http.gzip);
    assert_string_equal(cfg->http.cors.origins.v[0], "https://h.example");
    assert_string_equal(cfg->app_secret, "a${X}$bc$$");
    assert_string_equal(json_string_value(json_object_get(item, "u")), "<h.example>");
    assert_true(json_is_null(json_object_get(cfg->plugins[0].options, "n")));
    assert_origin(cfg, "server.workers", "config/testing.json:1");
    assert_origin(cfg, "plugins.p.options.t[0].u", "config/testing.json:4");
    sx_config_destroy(cfg);
}

static void what_comes_from_a_variable_is_not_replaced_again(void **state)
{
    struct sx_config *cfg = folder_load_well(NULL, "{\"log\": {\"trace_project\": \"\"}}",
                                             VARIABLES("APP_SECRET=${HOME}", "HOME=x"));

    (void)state;
    assert_string_equal(cfg->app_secret, "${HOME}");
    sx_config_destroy(cfg);
}

static void a_replaced_value_of_the_base_needs_no_variable(void **state)
{
    static const char base[] = "{\"app_secret\": \"${A}\", \"server\": {\"port\": \"${B}\",\n"
                               "\"listen\": [\"${C}\"]}, \"plugins\": {\"p\": {\"options\": {\n"
                               "\"x\": {\"y\": \"${D}\", \"z\": 1}, \"w\": {\"v\": \"${E}\"}}}}}";
    static const char testing[] = "{\"app_secret\": \"s\", \"server\": {\"listen\": []},\n"
                                  "\"plugins\": {\"p\": {\"options\": {\"x\": {\"y\": 2},\n"
                                  "\"w\": 3}}}}";
    struct sx_config *cfg = folder_load_well(base, testing, VARIABLES("PORT=81"));
    const json_t *x = json_object_get(cfg->plugins[0].options, "x");

    (void)state;
    assert_string_equal(cfg->app_secret, "s");
    assert_int_equal(cfg->server.port, 81);
    assert_int_equal(json_integer_value(json_object_get(x, "y")), 2);
    assert_int_equal(json_integer_value(json_object_get(x, "z")), 1);
    assert_int_equal(json_integer_value(json_object_get(cfg->plugins[0].options, "w")), 3);
    sx_config_destroy(cfg);
}

static void names_of_the_environment_win_over_the_files(void **state)
{
    static const char testing[] = "{\"server\": {\"port\": 1}, \"app_secret\": \"file\",\n"
                                  "\"database\": {\"url\": \"dbname=file\"}}";
    struct sx_config *cfg = folder_load_well(NULL, testing,
                                             VARIABLES("PORT=8080", "APP_SECRET=env",
                                                       "DATABASE_URL=dbname=env",
                                                       "SQL_PROXY_PATH=/c", "MFDB_NAME=old"));

    (void)state;
    assert_int_equal(cfg->server.port, 8080);
    assert_string_equal(cfg->app_secret, "env");
    assert_string_equal(cfg->database.url, "dbname=env");

    assert_origin(cfg, "server.port", "environment PORT");
    assert_origin(cfg, "app_secret", "environment APP_SECRET");
    assert_origin(cfg, "database.url", "environment DATABASE_URL");
    sx_config_destroy(cfg);
}

static void empty_names_of_the_environment_count_as_not_set(void **state)
{
    static const char testing[] = "{\"server\": {\"port\": 1}, \"app_secret\": \"file\"}";
    struct sx_config *cfg = folder_load_well(
        NULL, testing,
        VARIABLES("PORT=", "APP_SECRET=", "DATABASE_URL=", "SQL_PROXY_PATH=", "K_SERVICE="));

    (void)state;
    assert_int_equal(cfg->server.port, 1);
    assert_string_equal(cfg->app_secret, "file");
    assert_string_equal(cfg->database.url, "");
    assert_int_equal(cfg->server.drain_ms, 10000);
    sx_config_destroy(cfg);
}

static void the_old_names_make_a_connection_text_with_quotes_where_needed(void **state)
{
    struct sx_config *cfg = folder_load_well(NULL, "{}",
                                             VARIABLES("SQL_PROXY_PATH=/cloudsql",
                                                       "INSTANCE_NAME1=p:r:i", "MFDB_NAME=my db",
                                                       "MFDB_USER=me", "MFDB_PASSWORD=it's a \\"));

    (void)state;
    assert_string_equal(cfg->database.url, "host=/cloudsql/p:r:i dbname='my db' user=me "
                                           "password='it\\'s a \\\\'");
    assert_origin(cfg, "database.url", "environment SQL_PROXY_PATH");
    sx_config_destroy(cfg);
}

static void the_socket_path_may_have_107_bytes(void **state)
{
    /* 107 - strlen("/.s.PGSQL.5432") = 93, of which "host=" is none */
    char url[256] = "DATABASE_URL=host=/";
    size_t len = strlen(url);
    struct sx_config *cfg;
    struct sx_report rep;

    (void)state;
    memset(url + len, 'a', 92);
    cfg = folder_load_well(NULL, "{}", VARIABLES(url));
    sx_config_destroy(cfg);

    url[len + 92] = 'a';
    sx_report_init(&rep);
    assert_int_not_equal(folder_load(NULL, "{}", VARIABLES(url), &rep, &cfg), 0);
    assert_int_equal(rep.n_faults, 1);
    assert_non_null(strstr(rep.faults[0], "at most 107 bytes, found 108"));
    sx_report_finish(&rep);
}

static void relative_paths_are_relative_to_the_folder_above(void **state)
{
    static const char testing[] =
        "{\"server\": {\"state_dir\": \"var/s\", \"plugin_dir\": \"p\"},\n"
        "\"plugins\": {\"a\": {}, \"b\": {\"path\": \"q/b.so\"},\n"
        "\"c\": {\"path\": \"/c.so\"}}}";
    struct sx_config *cfg = folder_load_well(NULL, testing, NULL);
    char folder[PATH_MAX]; /* realpath wants no less */
    char expected[PATH_MAX + 32];

    assert_non_null(realpath(*state, folder));
    (void)snprintf(expected, sizeof expected, "%s/var/s", folder);
    assert_string_equal(cfg->server.state_dir, expected);
    (void)snprintf(expected, sizeof expected, "%s/p/a.so", folder);
    assert_string_equal(cfg->plugins[0].path, expected);
    (void)snprintf(expected, sizeof expected, "%s/q/b.so", folder);
    assert_string_equal(cfg->plugins[1].path, expected);
    assert_string_equal(cfg->plugins[2].path, "/c.so");

    assert_origin(cfg, "server.state_dir", "config/testing.json:1");
    assert_origin(cfg, "plugins.a.path", "default");
    assert_origin(cfg, "plugins.b.path", "config/testing.json:2");
    sx_config_destroy(cfg);
}

static void empty_folders_are_computed(void **state)
{
    struct sx_config *cfg = folder_load_well("{\"server\": {\"state_dir\": \"\"}}", "{}",
                                             VARIABLES("TMPDIR=/private"));
    char expected[512];
    ssize_t n;

    (void)state;
    (void)snprintf(expected, sizeof expected, "/private/sim-exchange-%lu", (unsigned long)getuid());
    assert_string_equal(cfg->server.state_dir, expected);
    n = readlink("/proc/self/exe", expected, sizeof expected - 16);
    assert_true(n > 0);
    expected[n] = '\0';
    (void)snprintf(strrchr(expected, '/'), 16, "/plugins");
    assert_string_equal(cfg->server.plugin_dir, expected);

    assert_origin(cfg, "server.state_dir", "default");
    assert_origin(cfg, "server.plugin_dir", "default");
    sx_config_destroy(cfg);
}

static void the_environment_is_picked_by_argument_then_variable_then_default(void **state)
{
    static const struct {
        const char *env;
        char *variable;
        const char *expected, *origin;
    } cases[] = {
        { "production", "SX_ENV=testing", "production", "command line" },
        { NULL, "SX_ENV=testing", "testing", "environment SX_ENV" },
        { NULL, "SX_ENV=", "development", "default" },
    };

    (void)state;
    folder_write("base.json", "{}");
    folder_write("testing.json", "{}");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sx_config_source src = { .env = cases[i].env,
                                        .environ_ = VARIABLES(cases[i].variable) };
        struct sx_report rep;
        struct sx_config *cfg = NULL;

        sx_report_init(&rep);
        assert_int_equal(sx_config_load(&src, &rep, &cfg), 0);
        assert_string_equal(cfg->env, cases[i].expected);
        assert_origin(cfg, "env", cases[i].origin);
        sx_config_destroy(cfg);
        sx_report_finish(&rep);
    }
}

static void well_formed_texts_are_accepted(void **state)
{
    static const char testing[] =
        "{\"server\": {\"address\": \"[::]\", \"listen\": [\"0.0.0.0:1\", \"[fe80::1]:65535\",\n"
        "\"unix:/run/x\"], \"trusted_proxies\": [\"10.0.0.0/8\", \"::1\", \"fd00::/128\", "
        "\"1.2.3.4\",\n\"unix\", \"0.0.0.0/0\"]}, \"http\": {\"cors\": {\"credentials\": true,\n"
        "\"origins\": [\"http://localhost:3000\", \"https://[::1]:8443\", \"app://a-b.c\"]}},\n"
        "\"database\": {\"url\": \"postgres://u:p@h/d\", \"direct_url\": \"host = /run 'x'=y\"},\n"
        "\"plugins\": {\"a1_b\": {\"sha256\": "
        "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\",\n"
        "\"mount\": {\"prefix\": \"/a/b-c_d~e.f\", \"host\": \"10.0.0.1\"}}}}";
    struct sx_config *cfg = folder_load_well(NULL, testing, NULL);

    (void)state;
    assert_int_equal(cfg->server.listen.n, 3);
    assert_int_equal(cfg->server.trusted_proxies.n, 6);
    assert_int_equal(cfg->http.cors.origins.n, 3);
    assert_true(cfg->http.cors.credentials);
    sx_config_destroy(cfg);
}

/* ------------------------------------------------------------------ no memory */

static size_t n_until_failure; /* of the allocations that jansson makes */

static void *failing_malloc(size_t size)
{
    if (n_until_failure == 0)
        return NULL;
    n_until_failure--;
    return malloc(size);
}

static void without_memory_nothing_is_loaded_and_nothing_leaks(void **state)
{
    static const char base[] = "{\"server\": {\"listen\": [\"unix:/a\"]}}";
    static const char testing[] = "{\"app_secret\": \"${A}\", \"plugins\": {\"a\": {\"options\": "
                                  "{\"x\": [\"${A}\", {}]}}}}";
    int rc = -1;

    (void)state;
    json_set_alloc_funcs(failing_malloc, free);
    for (size_t n = 0; rc != 0 && n < 100000; n++) {
        struct sx_report rep;
        struct sx_config *cfg = NULL;

        sx_report_init(&rep);
        n_until_failure = n;
        rc = folder_load(base, testing, VARIABLES("A=b", "PORT=2"), &rep, &cfg);

        assert_int_equal(rc == 0, cfg != NULL);
        assert_true(rc == 0 || rc == SX_ERR_NOMEM);
        if (cfg != NULL) {
            assert_int_equal(cfg->server.port, 2);
            assert_string_equal(cfg->app_secret, "b");
        }
        sx_config_destroy(cfg);
        sx_report_finish(&rep);
    }
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(rc, 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_that_nobody_wrote_has_its_default),
        cmocka_unit_test(the_overlay_wins_over_the_base_key_by_key),
        cmocka_unit_test(plugins_are_in_the_order_of_their_names_with_merged_options),
        cmocka_unit_test(variables_are_replaced_in_texts_and_spell_numbers_and_booleans),
        cmocka_unit_test(what_comes_from_a_variable_is_not_replaced_again),
        cmocka_unit_test(a_replaced_value_of_the_base_needs_no_variable),
        cmocka_unit_test(names_of_the_environment_win_over_the_files),
        cmocka_unit_test(empty_names_of_the_environment_count_as_not_set),
        cmocka_unit_test(the_old_names_make_a_connection_text_with_quotes_where_needed),
        cmocka_unit_test(the_socket_path_may_have_107_bytes),
        cmocka_unit_test(relative_paths_are_relative_to_the_folder_above),
        cmocka_unit_test(empty_folders_are_computed),
        cmocka_unit_test(the_environment_is_picked_by_argument_then_variable_then_default),
        cmocka_unit_test(well_formed_texts_are_accepted),
        cmocka_unit_test(without_memory_nothing_is_loaded_and_nothing_leaks),
    };

    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
