/*
 * A configuration written out: to a worker and back, for a person, as a schema; and the files
 * that are shipped.
 */
#include "config_test_folder.h"

#include "base/file.h"
#include "config/config_private.h"

#define VARIABLES(...) ((char *const[]){ __VA_ARGS__, NULL })
#define SHIPPED        SX_SOURCE_DIR "/config"

static char *printed(const struct sx_config *cfg)
{
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    assert_non_null(out);
    sx_config_print(cfg, out);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void assert_line(const char *text, const char *path, const char *value, const char *origin)
{
    char expected[512];

    (void)snprintf(expected, sizeof expected, "%-36s = %-30s # %s\n", path, value, origin);
    if (strstr(text, expected) == NULL)
        print_error("in: %s", text);
    assert_non_null(strstr(text, expected));
}

static void a_restored_configuration_has_the_same_values_and_origins(void **state)
{
    static const char testing[] = "{\"server\": {\"workers\": 3, \"listen\": [\"unix:/a\"]},\n"
                                  "\"http\": {\"gzip\": false}, \"plugins\": {\"b\": {}, \"a\": {\n"
                                  "\"grants\": [\"db\"], \"options\": {\"x\": {\"y\": 1.5}}}}}";
    struct sx_config *cfg = folder_load_well(
        NULL, testing, VARIABLES("PORT=81", "APP_SECRET=hush", "K_SERVICE=x"));
    struct sx_config *back = NULL;
    char *text = sx_config_dump(cfg);
    char *first = printed(cfg);
    char *second;

    (void)state;
    assert_non_null(text);
    assert_int_equal(sx_config_restore(text, strlen(text), &back), 0);

    second = printed(back);
    assert_string_equal(first, second);
    assert_string_equal(back->env, "testing");
    assert_string_equal(back->app_secret, "hush");
    assert_int_equal(back->server.port, 81);
    assert_string_equal(back->server.listen.v[0], "unix:/a");
    assert_string_equal(back->server.state_dir, cfg->server.state_dir);
    assert_false(back->http.gzip);
    assert_int_equal(back->n_plugins, 2);
    assert_string_equal(back->plugins[0].name, "a");
    assert_string_equal(sx_config_origin(back, "server.port"), "environment PORT");
    assert_string_equal(sx_config_origin(back, "plugins.a.options.x.y"), "config/testing.json:3");
    free(first);
    free(second);
    free(text);
    sx_config_destroy(back);
    sx_config_destroy(cfg);
}

static void a_damaged_dump_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "{}",
        "{\"values\": {}, \"origins\": {}}",
        "{\"values\": [], \"origins\": {}}",
        "{\"values\": {\"env\": \"x\", \"server\": 1}, \"origins\": {}}",
    };
    struct sx_config *cfg = folder_load_well(NULL, "{\"plugins\": {\"a\": {}}}", NULL);
    char *text = sx_config_dump(cfg);
    char *port = strstr(text, "5009");
    struct sx_config *back = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(sx_config_restore(texts[i], strlen(texts[i]), &back), SX_ERR_INVALID);
    assert_non_null(port);
    memcpy(port, "-509", 4);
    assert_int_equal(sx_config_restore(text, strlen(text), &back), SX_ERR_INVALID);
    assert_null(back);
    free(text);
    sx_config_destroy(cfg);
}

static void each_key_is_printed_with_its_value_and_origin(void **state)
{
    static const char testing[] = "{\"server\": {\n\"workers\": 3},\n"
                                  "\"plugins\": {\"a\": {\"options\": {\n\"x\": {\"y z\": [1]},\n"
                                  "\"e\": {}}}}}";
    struct sx_config *cfg = folder_load_well(NULL, testing, VARIABLES("PORT=81"));
    char *text = printed(cfg);

    (void)state;
    assert_line(text, "env", "\"testing\"", "command line");
    assert_line(text, "server.port", "81", "environment PORT");
    assert_line(text, "server.workers", "3", "config/testing.json:2");
    assert_line(text, "http.gzip", "true", "default");
    assert_line(text, "http.cors.origins", "[]", "default");
    assert_line(text, "app_secret", "\"\"", "default");
    assert_line(text, "plugins.a.enabled", "true", "default");
    assert_line(text, "plugins.a.options.x.\"y z\"", "[1]", "config/testing.json:4");
    assert_line(text, "plugins.a.options.e", "{}", "config/testing.json:5");
    free(text);
    sx_config_destroy(cfg);
}

static void cloud_run_bends_defaults_unless_an_overlay_says_otherwise(void **state)
{
    static char pool_of_3[] = "DATABASE_POOL_SIZE=3";
    static const struct {
        const char *base, *testing, *path, *value, *origin;
        char *variable; /* or NULL */
    } cases[] = {
        { "{}", "{}", "server.drain_ms", "8000", "environment K_SERVICE", NULL },
        { "{\"server\": {\"drain_ms\": 10000}}", "{}", "server.drain_ms", "8000",
          "environment K_SERVICE", NULL },
        { "{\"server\": {\"drain_ms\": 5000}}", "{}", "server.drain_ms", "5000",
          "config/base.json:1", NULL },
        { "{}", "{\"server\": {\"drain_ms\": 9000}}", "server.drain_ms", "9000",
          "config/testing.json:1", NULL },
        { "{\"http\": {\"idle_ms\": 75000}}", "{}", "http.idle_ms", "620000",
          "environment K_SERVICE", NULL },
        { "{\"http\": {\"idle_ms\": 700000}}", "{}", "http.idle_ms", "700000", "config/base.json:1",
          NULL },
        { "{}", "{\"http\": {\"idle_ms\": 100}}", "http.idle_ms", "100", "config/testing.json:1",
          NULL },
        { "{}", "{}", "database.pool_size", "2", "environment K_SERVICE", NULL },
        { "{\"database\": {\"pool_size\": 1}}", "{}", "database.pool_size", "1",
          "config/base.json:1", NULL },
        { "{\"database\": {\"pool_size\": \"${DATABASE_POOL_SIZE:-4}\"}}", "{}",
          "database.pool_size", "2", "environment K_SERVICE", NULL },
        { "{\"database\": {\"pool_size\": \"${DATABASE_POOL_SIZE:-4}\"}}", "{}",
          "database.pool_size", "3", "config/base.json:1", pool_of_3 },
        { "{}", "{\"database\": {\"pool_size\": 3}}", "database.pool_size", "3",
          "config/testing.json:1", NULL },
        { "{\"server\": {\"trusted_proxies\": []}}", "{}", "server.trusted_proxies",
          "[\"169.254.0.0/16\"]", "environment K_SERVICE", NULL },
        { "{\"server\": {\"trusted_proxies\": [\"10.0.0.0/8\"]}}", "{}", "server.trusted_proxies",
          "[\"10.0.0.0/8\"]", "config/base.json:1", NULL },
        { "{}", "{\"server\": {\"trusted_proxies\": []}}", "server.trusted_proxies", "[]",
          "config/testing.json:1", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sx_config *cfg = folder_load_well(cases[i].base, cases[i].testing,
                                                 VARIABLES("K_SERVICE=s", cases[i].variable));

        char *text = printed(cfg);

        assert_line(text, cases[i].path, cases[i].value, cases[i].origin);
        free(text);
        sx_config_destroy(cfg);
    }
}

static void secrets_and_passwords_are_not_printed(void **state)
{
    static const char testing[] =
        "{\"database\": {\"url\": \"postgresql://me:hu/s@sh@h/d?sslpassword=hush&x=1\",\n"
        "\"direct_url\": \"host=h password = 'hu\\\\'sh hush' user=me\"},\n"
        "\"plugins\": {\"a\": {\"options\": {\"secret\": \"hush\", \"client_secret\": [\"hush\"],\n"
        "\"token\": 4711, \"password\": {\"x\": \"hush\"}, \"empty_token\": \"\",\n"
        "\"urls\": [\"amqp://me:hu@sh@h/v\", \"http://h:80/a@b\"],\n"
        "\"nested\": [{\"password\": \"hush\"}]}}}}";
    struct sx_config *cfg = folder_load_well(NULL, testing, VARIABLES("APP_SECRET=hush"));
    char *text = printed(cfg);

    (void)state;
    assert_null(strstr(text, "hush"));
    assert_null(strstr(text, "sh@"));
    assert_null(strstr(text, "4711"));
    assert_line(text, "app_secret", "\"***\"", "environment APP_SECRET");
    assert_line(text, "database.url", "\"postgresql://me:***@h/d?sslpassword=***&x=1\"",
                "config/testing.json:1");
    assert_line(text, "database.direct_url", "\"host=h password = *** user=me\"",
                "config/testing.json:2");
    assert_line(text, "plugins.a.options.secret", "\"***\"", "config/testing.json:3");
    assert_line(text, "plugins.a.options.client_secret", "[\"***\"]", "config/testing.json:3");
    assert_line(text, "plugins.a.options.token", "\"***\"", "config/testing.json:4");
    assert_line(text, "plugins.a.options.password.x", "\"***\"", "config/testing.json:4");
    assert_line(text, "plugins.a.options.empty_token", "\"\"", "config/testing.json:4");
    assert_line(text, "plugins.a.options.urls", "[\"amqp://me:***@h/v\", \"http://h:80/a@b\"]",
                "config/testing.json:5");
    assert_line(text, "plugins.a.options.nested", "[{\"password\": \"***\"}]",
                "config/testing.json:6");
    free(text);
    sx_config_destroy(cfg);
}

static void a_connection_text_is_quoted_where_a_value_would_break_it(void **state)
{
    struct sx_buf b;

    (void)state;
    sx_buf_init(&b, 1024);
    config_conninfo_add(&b, "host", "/run");
    config_conninfo_add(&b, "user", "");
    config_conninfo_add(&b, "password", "a\tb'c\\");
    assert_string_equal(sx_buf_text(&b), "host=/run user='' password='a\tb\\'c\\\\'");
    sx_buf_finish(&b);
}

/* ------------------------------------------------------------------ what is shipped */

static struct sx_config *load_shipped(const char *env)
{
    struct sx_config_source src = { .dir = SHIPPED,
                                    .env = env,
                                    .environ_ = folder_no_variables,
                                    .allows_unpinned = true,
                                    .trusts_owners = true };
    struct sx_report rep;
    struct sx_config *cfg = NULL;

    sx_report_init(&rep);
    (void)sx_config_load(&src, &rep, &cfg);
    if (rep.n_faults > 0)
        print_error("unexpected: %s\n", rep.faults[0]);
    assert_non_null(cfg);
    sx_report_finish(&rep);
    return cfg;
}

static const struct sx_config_plugin *find_plugin(const struct sx_config *cfg, const char *name)
{
    for (size_t i = 0; i < cfg->n_plugins; i++) {
        if (strcmp(cfg->plugins[i].name, name) == 0)
            return &cfg->plugins[i];
    }
    return NULL;
}

static void the_shipped_environments_load_and_production_has_no_probe(void **state)
{
    static const char *const envs[] = { "development", "testing", "production" };

    (void)state;
    for (size_t i = 0; i < sizeof envs / sizeof envs[0]; i++) {
        struct sx_config *cfg = load_shipped(envs[i]);

        assert_string_equal(cfg->env, envs[i]);
        assert_true(find_plugin(cfg, "hello")->enabled);
        assert_true(find_plugin(cfg, "site")->enabled);
        assert_true(find_plugin(cfg, "techempower")->enabled);
        assert_int_equal(find_plugin(cfg, "probe") != NULL, i < 2);
        sx_config_destroy(cfg);
    }
}

/* Walks the effective tree: each leaf must have been written in the base, with the default. */
static void assert_written(const struct sx_config *shipped, const json_t *defaults,
                           const json_t *values, const char *before)
{
    const char *name;
    json_t *value;
    char path[160];

    json_object_foreach((json_t *)(uintptr_t)values, name, value)
    {
        const json_t *preset = json_object_get(defaults, name);

        if (strcmp(name, "env") == 0 || strcmp(name, "root_dir") == 0 ||
            strcmp(name, "plugins") == 0)
            continue;
        (void)snprintf(path, sizeof path, "%s%s%s", before, *before != '\0' ? "." : "", name);
        if (json_is_object(value)) {
            assert_written(shipped, preset, value, path);
        } else if (strcmp(path, "server.state_dir") != 0 &&
                   strcmp(path, "server.plugin_dir") != 0 && strcmp(path, "server.control") != 0) {
            if (!json_equal(value, preset))
                print_error("%s differs from its default\n", path);
            assert_true(json_equal(value, preset));
            assert_non_null(strstr(sx_config_origin(shipped, path), "/base.json:"));
        }
    }
}

static void the_shipped_base_writes_out_every_default(void **state)
{
    struct sx_config *shipped, *defaults;
    char *base;
    size_t len;

    (void)state;
    assert_int_equal(sx_file_read(SHIPPED "/base.json", 1u << 20, &base, &len), 0);
    shipped = folder_load_well(base, "{}", NULL);
    defaults = folder_load_well(NULL, "{}", NULL);
    free(base);
    assert_written(shipped, defaults->root, shipped->root, "");
    sx_config_destroy(defaults);
    sx_config_destroy(shipped);
}

static void the_shipped_schema_is_made_from_the_table(void **state)
{
    char *text = sx_config_schema();
    char *file;
    size_t len;
    json_t *made;
    json_t *shipped;

    (void)state;
    assert_non_null(text);
    assert_int_equal(sx_file_read(SHIPPED "/schema.json", 1u << 20, &file, &len), 0);
    made = json_loads(text, 0, NULL);
    shipped = json_loads(file, 0, NULL);
    assert_non_null(made);
    if (!json_equal(made, shipped))
        print_error("write this to config/schema.json:\n%s\n", text);
    assert_true(json_equal(made, shipped));
    json_decref(made);
    json_decref(shipped);
    free(file);
    free(text);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_restored_configuration_has_the_same_values_and_origins),
        cmocka_unit_test(a_damaged_dump_is_refused),
        cmocka_unit_test(each_key_is_printed_with_its_value_and_origin),
        cmocka_unit_test(cloud_run_bends_defaults_unless_an_overlay_says_otherwise),
        cmocka_unit_test(secrets_and_passwords_are_not_printed),
        cmocka_unit_test(a_connection_text_is_quoted_where_a_value_would_break_it),
        cmocka_unit_test(the_shipped_environments_load_and_production_has_no_probe),
        cmocka_unit_test(the_shipped_base_writes_out_every_default),
        cmocka_unit_test(the_shipped_schema_is_made_from_the_table),
    };

    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
