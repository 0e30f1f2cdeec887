#include <sx/test.h>

#include <stdio.h>
#include <string.h>

static void json_and_plaintext_say_hello(sx_test *t)
{
    sx_expect_text(sx_test_get(t, "/json"), 200, "{\"message\":\"Hello, World!\"}");
    sx_expect_text(sx_test_get(t, "/plaintext"), 200, "Hello, World!");
}

static void db_is_one_row(sx_test *t)
{
    sx_expect_json(sx_test_get(t, "/db"), 200,
                   SX_TEST_JSON({ "id" : "<int>", "randomNumber" : "<int>" }));
}

static int64_t number_of(json_t *world)
{
    return json_integer_value(json_object_get(world, "randomNumber"));
}

static void rows_are_between_1_and_500(sx_test *t)
{
    static const char *const routes[] = { "/queries?queries", "/updates?queries",
                                          "/cached-queries?count" };
    static const struct {
        const char *asked;
        size_t rows;
    } cases[] = {
        { "", 1 },   { "=", 1 },    { "=foo", 1 },   { "=0", 1 },     { "=-3", 1 },
        { "=1", 1 }, { "=20", 20 }, { "=500", 500 }, { "=501", 500 },
    };

    sx_test_wait(t, sx_test_get(t, "/cached-queries")->status == 200);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t route = 0; route < 3; route++) {
            char path[60];
            json_t *worlds;

            (void)snprintf(path, sizeof path, "%s%s", routes[route], cases[i].asked);
            worlds = sx_answer_json(sx_expect_status(sx_test_get(t, path), 200));

            assert_int_equal(json_array_size(worlds), cases[i].rows);
            for (size_t n = 0; n < cases[i].rows; n++)
                assert_in_range(number_of(json_array_get(worlds, n)), 1, 10000);
        }
    }
}

static void updates_are_in_the_table(sx_test *t)
{
    json_t *worlds = sx_answer_json(sx_test_get(t, "/updates?queries=500"));
    json_t *world;
    size_t i;

    json_array_foreach(worlds, i, world)
    {
        char sql[100], number[24];

        (void)snprintf(number, sizeof number, "%lld", (long long)number_of(world));
        (void)snprintf(sql, sizeof sql, "SELECT randomnumber FROM world WHERE id = %lld",
                       (long long)json_integer_value(json_object_get(world, "id")));
        assert_string_equal(sx_test_sql(t, sql), number);
    }
    assert_int_equal(i, 500);
}

static void fortunes_are_escaped_and_sorted(sx_test *t)
{
    const sx_answer *a = sx_expect_status(sx_test_get(t, "/fortunes"), 200);
    const char *bad = "<tr><td>11</td><td>&lt;script&gt;alert(&quot;This should not be displayed "
                      "in a browser alert box.&quot;);&lt;/script&gt;</td></tr>";
    const char *first;

    sx_expect_header(a, "Content-Type", "text/html; charset=utf-8");
    sx_expect_part(a, bad);
    first = strstr(a->body, bad);
    sx_expect_part(a, "fixes things that aren&#39;t broken.</td>");
    assert_non_null(strstr(first, "<td>0</td><td>Additional fortune added at request time.</td>"));
    sx_expect_part(a, "<tr><td>12</td><td>フレームワークのベンチマーク</td></tr></table>");
}

static void the_cache_follows_the_table(sx_test *t)
{
    sx_test_wait(t, sx_test_get(t, "/cached-queries")->status == 200);

    (void)sx_test_sql(t, "UPDATE world SET randomnumber = 7");

    sx_test_wait(t, strstr(sx_test_get(t, "/cached-queries")->body, "\"randomNumber\":7}") != NULL);
}

int main(void)
{
    static const sx_test_case cases[] = {
        SX_TEST_CASE(json_and_plaintext_say_hello),
        SX_TEST_CASE(db_is_one_row),
        SX_TEST_CASE(rows_are_between_1_and_500),
        SX_TEST_CASE(updates_are_in_the_table),
        SX_TEST_CASE(fortunes_are_escaped_and_sorted),
        SX_TEST_CASE(the_cache_follows_the_table),
        { 0 },
    };
    static const sx_test_setup setup = {
        .plugins = "techempower",
        .has_database = true,
        .config = SX_TEST_JSON(
            { "plugins" : { "techempower" : { "options" : { "cache_refresh_ms" : 20 } } } }),
    };

    return sx_test_run(&setup, cases);
}
