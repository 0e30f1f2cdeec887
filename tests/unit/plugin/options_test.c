/*
 * A plugin's section of the configuration against its declared options and needs.
 */
#include "../config/config_test_folder.h"

#include "plugin/plugin_private.h"

#define VARIABLES(...) ((char *const[]){ __VA_ARGS__, NULL })

static sx_option options[] = {
    { .name = "depth", .type = SX_INT, .fallback = "7" },
    { .name = "ratio", .type = SX_NUMBER },
    { .name = "eager", .type = SX_BOOL },
    { .name = "title", .type = SX_TEXT },
    { .name = "api", .type = SX_SECRET },
    { .name = "tree", .type = SX_JSON },
    { 0 },
};

struct taken {
    struct sx_config *cfg;
    struct sx_plugin plugin;
    struct sx_report rep;
    int err;
};

static struct taken take_as(const char *testing, char *const *environ_, sx_option *declared,
                            uint64_t needs)
{
    struct taken t = { .cfg = folder_load_well(NULL, testing, environ_) };

    t.plugin = (struct sx_plugin){ .cfg = &t.cfg->plugins[0], .options = declared };
    t.plugin.path = (char[]){ "orders.so" };
    (void)snprintf(t.plugin.note.name, sizeof t.plugin.note.name, "orders");
    t.plugin.manifest.needs = needs;
    sx_report_init(&t.rep);
    t.err = sx_options_take(&t.plugin, t.cfg, &t.rep);
    t.plugin.path = NULL;
    return t;
}

static void finish(struct taken *t)
{
    json_decref(t->plugin.config);
    sx_report_finish(&t->rep);
    sx_config_destroy(t->cfg);
}

#define SECTION(text) "{\"plugins\": {\"orders\": {\"options\": {\n" text "}}}}"

static void the_text_of_a_variable_counts_as_what_it_spells(void **state)
{
    struct taken t = take_as(SECTION("\"depth\": \"${D}\", \"ratio\": \"${R:-0.5}\",\n"
                                     "\"eager\": \"${E}\", \"title\": \"${D}\", \"api\": \"${D}\""),
                             VARIABLES("D=-12", "E=true"), options, 0);

    (void)state;
    assert_int_equal(t.err, 0);
    assert_int_equal(json_integer_value(json_object_get(t.plugin.config, "depth")), -12);
    assert_true(json_is_real(json_object_get(t.plugin.config, "ratio")));
    assert_true(json_real_value(json_object_get(t.plugin.config, "ratio")) == 0.5);
    assert_true(json_is_true(json_object_get(t.plugin.config, "eager")));
    assert_string_equal(json_string_value(json_object_get(t.plugin.config, "title")), "-12");
    assert_string_equal(json_string_value(json_object_get(t.plugin.config, "api")), "-12");
    finish(&t);
}

static void a_worker_takes_them_from_a_restored_configuration_all_the_same(void **state)
{
    struct sx_config *cfg = folder_load_well(NULL, SECTION("\"depth\": \"${D}\""),
                                             VARIABLES("D=3"));
    struct sx_plugin p = { .options = options, .note = { .name = "orders" } };
    struct sx_config *back = NULL;
    char *text = sx_config_dump(cfg);
    struct sx_report rep;

    (void)state;
    sx_report_init(&rep);
    assert_int_equal(sx_config_restore(text, strlen(text), &back), 0);
    p.cfg = &back->plugins[0];

    assert_int_equal(sx_options_take(&p, back, &rep), 0);

    assert_int_equal(json_integer_value(json_object_get(p.config, "depth")), 3);
    json_decref(p.config);
    sx_report_finish(&rep);
    sx_config_destroy(back);
    sx_config_destroy(cfg);
    free(text);
}

static void a_value_of_another_type_is_told(void **state)
{
    static const struct {
        const char *option, *variable, *fault;
    } cases[] = {
        { "\"depth\": \"${V}\"", "V=ten",
          "depth: expected an integer, found \"ten\" from \"${V}\"" },
        { "\"depth\": \"${V}\"", "V=1.5", "expected an integer, found \"1.5\"" },
        { "\"depth\": \"${V}\"", "V= 1", "expected an integer, found \" 1\"" },
        { "\"depth\": \"${V}\"", "V=1e3", "expected an integer" },
        { "\"depth\": \"${V}\"", "V=9223372036854775808", "expected an integer" },
        { "\"depth\": \"${V}\"", "V=", "expected an integer, found \"\" from \"${V}\"" },
        { "\"depth\": \"${V}0\"", "V=x", "found \"x0\" from \"${V}0\"" },
        { "\"ratio\": \"${V}\"", "V=0x10", "expected a number, found \"0x10\"" },
        { "\"ratio\": \"${V}\"", "V=1e999", "expected a number" },
        { "\"ratio\": \"${V}\"", "V=nan", "expected a number" },
        { "\"eager\": \"${V}\"", "V=yes", "expected true or false, found \"yes\"" },
        { "\"eager\": \"${V}\"", "V=1", "expected true or false, found \"1\"" },
        { "\"depth\": \"10\"", "V=", "depth: expected an integer, found \"10\"" },
        { "\"eager\": \"true\"", "V=", "expected true or false, found \"true\"" },
        { "\"title\": 5", "V=", "expected text, found 5" },
        { "\"title\": null", "V=", "expected text, found null" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char testing[256];
        struct taken t;

        (void)snprintf(testing, sizeof testing, SECTION("%s"), cases[i].option);
        t = take_as(testing, (char *const[]){ (char *)(uintptr_t)cases[i].variable, NULL }, options,
                    0);

        assert_int_equal(t.err, SX_ERR_INVALID);
        assert_int_equal(t.rep.n_faults, 1);
        if (strstr(t.rep.faults[0], cases[i].fault) == NULL)
            print_error("%s: %s\n", cases[i].fault, t.rep.faults[0]);
        assert_non_null(strstr(t.rep.faults[0], cases[i].fault));
        assert_non_null(strstr(t.rep.faults[0], "config/testing.json:2: plugins.orders.options."));
        finish(&t);
    }
}

/* The overlay's own text is no variable, though that of the base below it was one. */
static void a_text_laid_over_a_variable_is_a_text(void **state)
{
    static const char base[] = "{\"plugins\": {\"orders\": {\"options\": {\"depth\": \"${V}\"}}}}";
    struct sx_plugin p = { .options = options, .note = { .name = "orders" } };
    struct sx_config *cfg = NULL;
    struct sx_report rep;

    (void)state;
    sx_report_init(&rep);
    assert_int_equal(folder_load(base, SECTION("\"depth\": \"5\""), VARIABLES("V=4"), &rep, &cfg),
                     0);
    p.cfg = &cfg->plugins[0];

    assert_int_equal(sx_options_take(&p, cfg, &rep), SX_ERR_INVALID);

    json_decref(p.config);
    sx_report_finish(&rep);
    sx_config_destroy(cfg);
}

static void a_secret_is_in_no_fault(void **state)
{
    static const char *const cases[] = {
        SECTION("\"api\": 4711"),
        SECTION("\"api\": [\"hush4711\"]"),
        SECTION("\"api\": {\"hush4711\": \"${V}\"}"),
        SECTION("\"api\": {\"hush\": [\"${V:-4711}\"]}"),
    };
    static sx_option broken[] = {
        { .name = "api", .type = SX_SECRET, .fallback = "4711" },
        { 0 },
    };
    struct taken t;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        t = take_as(cases[i], VARIABLES("V=hush4711"), options, 0);

        assert_int_equal(t.rep.n_faults, 1);
        assert_non_null(strstr(t.rep.faults[0], "api: expected text (a secret)"));
        assert_null(strstr(t.rep.faults[0], "4711"));
        finish(&t);
    }
    t = take_as(SECTION(""), NULL, broken, 0);
    assert_int_equal(t.rep.n_faults, 1);
    assert_null(strstr(t.rep.faults[0], "4711"));
    finish(&t);
}

static void all_faults_are_told_at_once(void **state)
{
    static sx_option declared[] = {
        { .name = "depth", .type = SX_INT },
        { .name = "must", .type = SX_TEXT, .required = 1, .doc = "what it must have" },
        { .name = "odd", .type = SX_INT, .fallback = "\"text\"" },
        { .name = "worse", .type = SX_INT, .fallback = "{" },
        { 0 },
    };
    static const char *const expected[] = {
        "config/testing.json:2: plugins.orders.options.depth: expected an integer, found true",
        "(orders.so) has no option \"dept\"\nIt has: depth, must, odd, worse",
        "plugin \"orders\" needs the option \"must\": what it must have",
        "option \"odd\": its fallback \"text\" is not an integer",
        "option \"worse\": its fallback { is not an integer",
        "needs \"db\", which is not granted\nAdd \"db\" to plugins.orders.grants.",
    };
    struct taken t = take_as(SECTION("\"depth\": true, \"dept\": 3"), NULL, declared, SX_CAP_DB);

    (void)state;
    assert_int_equal(t.err, SX_ERR_INVALID);
    assert_int_equal(t.rep.n_faults, sizeof expected / sizeof expected[0]);
    for (size_t i = 0; i < t.rep.n_faults; i++)
        assert_non_null(strstr(t.rep.faults[i], expected[i]));
    finish(&t);
}

static void a_fallback_is_filled_in_and_a_given_value_kept(void **state)
{
    struct taken t = take_as(SECTION("\"tree\": {\"a\": [1, \"${V}\"]}"), VARIABLES("V=2"), options,
                             0);
    const json_t *tree = json_object_get(t.plugin.config, "tree");

    (void)state;
    assert_int_equal(t.err, 0);
    assert_int_equal(json_integer_value(json_object_get(t.plugin.config, "depth")), 7);
    assert_null(json_object_get(t.plugin.config, "ratio"));
    assert_string_equal(json_string_value(json_array_get(json_object_get(tree, "a"), 1)), "2");
    finish(&t);
}

static void what_is_not_asked_for_is_not_granted(void **state)
{
    static const char testing[] =
        "{\"plugins\": {\"orders\": {\"grants\": [\"db\", \"stream\", \"blocking\"]}}}";
    struct taken t = take_as(testing, NULL, options, SX_CAP_DB | SX_CAP_STREAM);

    (void)state;
    assert_int_equal(t.err, 0);
    assert_int_equal(t.plugin.grants, SX_CAP_DB | SX_CAP_STREAM);
    finish(&t);

    t = take_as(testing, NULL, options, 1ull << 40);
    assert_int_equal(t.err, SX_ERR_INVALID);
    assert_non_null(
        strstr(t.rep.faults[0], "needs capabilities 0x10000000000, this host knows 0xf"));
    finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_of_a_variable_counts_as_what_it_spells),
        cmocka_unit_test(a_worker_takes_them_from_a_restored_configuration_all_the_same),
        cmocka_unit_test(a_value_of_another_type_is_told),
        cmocka_unit_test(a_text_laid_over_a_variable_is_a_text),
        cmocka_unit_test(a_secret_is_in_no_fault),
        cmocka_unit_test(all_faults_are_told_at_once),
        cmocka_unit_test(a_fallback_is_filled_in_and_a_given_value_kept),
        cmocka_unit_test(what_is_not_asked_for_is_not_granted),
    };

    return cmocka_run_group_tests(tests, folder_enter, folder_leave);
}
