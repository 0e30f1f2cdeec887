/*
 * What a reference to a secret says, and which texts are refused, each with what was expected.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "config/reference.h"

struct good {
    const char *text;
    enum sx_reference_kind kind;
    const char *holder, *name, *version, *destination; /* NULL: none; "": temporary */
    bool is_pinned;
};

static const struct good good[] = {
    { "sm://p/n", SX_REFERENCE_SM, "p", "n", "latest", NULL, false },
    { "sm://my-project-1/DB_url-2", SX_REFERENCE_SM, "my-project-1", "DB_url-2", "latest", NULL,
      false },
    { "sm://p/n#latest", SX_REFERENCE_SM, "p", "n", "latest", NULL, false },
    { "sm://p/n#stable", SX_REFERENCE_SM, "p", "n", "stable", NULL, false },
    { "sm://p/n#7", SX_REFERENCE_SM, "p", "n", "7", NULL, true },
    { "sm://example.com:p/n#12", SX_REFERENCE_SM, "example.com:p", "n", "12", NULL, true },
    { "sm://p/n?destination=tempfile#7", SX_REFERENCE_SM, "p", "n", "7", "", true },
    { "sm://p/n?destination=tmpfile", SX_REFERENCE_SM, "p", "n", "latest", "", false },
    { "sm://p/n?destination=/run/a%20b#7", SX_REFERENCE_SM, "p", "n", "7", "/run/a b", true },
    { "sm://p/n?destination=%2Frun%2Fa", SX_REFERENCE_SM, "p", "n", "latest", "/run/a", false },
    { "berglas://b/o", SX_REFERENCE_BERGLAS, "b", "o", "", NULL, false },
    { "berglas://b.x_y/a/b%2Fc%23d", SX_REFERENCE_BERGLAS, "b.x_y", "a/b/c#d", "", NULL, false },
    { "berglas://b/o%C3%A9#1700000000000000", SX_REFERENCE_BERGLAS, "b", "o\xc3\xa9",
      "1700000000000000", NULL, true },
    { "berglas://b/../o.", SX_REFERENCE_BERGLAS, "b", "../o.", "", NULL, false },
    { "berglas://b/o?destination=/k.pem#5", SX_REFERENCE_BERGLAS, "b", "o", "5", "/k.pem", true },
};

static void reference_is_read_as_it_is_written(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const struct good *g = &good[i];
        struct sx_reference ref;
        char why[SX_REFERENCE_WHY];

        assert_true(sx_reference_is(g->text));
        if (sx_reference_parse(g->text, &ref, why) != 0)
            fail_msg("%s: %s", g->text, why);

        assert_int_equal(ref.kind, g->kind);
        assert_string_equal(ref.holder, g->holder);
        assert_string_equal(ref.name, g->name);
        assert_string_equal(ref.version, g->version);
        assert_int_equal(ref.is_pinned, g->is_pinned);
        assert_int_equal(ref.destination == NULL, g->destination == NULL);
        if (g->destination != NULL) {
            assert_string_equal(ref.destination, g->destination);
            assert_int_equal(ref.is_temporary, *g->destination == '\0');
        }
        sx_reference_finish(&ref);
    }
}

static const struct {
    const char *text, *why;
} bad[] = {
    { "sm://", "expected sm://PROJECT/NAME, of letters, digits, '_' and '-', found \"\"" },
    { "sm://p", "expected sm://PROJECT/NAME, of letters, digits, '_' and '-', found \"p\"" },
    { "sm:///n", "found \"/n\"" },
    { "sm://p/", "found \"p/\"" },
    { "sm://p/a/b", "found \"p/a/b\"" },
    { "sm://p/a%2Fb", "found \"p/a%2Fb\"" },
    { "sm://../n", "found \"../n\"" },
    { "sm://./n", "found \"./n\"" },
    { "berglas://../o", "found \"../o\"" },
    { "berglas://b/..", "found \"b/..\"" },
    { "berglas://b/%2E%2e#5", "found \"b/%2E%2e\"" },
    { "berglas://b/.", "found \"b/.\"" },
    { "sm://p/n#", "expected a version behind '#', as in #3 or #latest, found \"\"" },
    { "sm://p/n#0", "found \"0\"" },
    { "sm://p/n#03", "found \"03\"" },
    { "sm://p/n#3a", "found \"3a\"" },
    { "sm://p/n#3/../4", "found \"3/../4\"" },
    { "sm://p/n#3?destination=tempfile",
      "expected nothing behind the version, found \"3?destination=tempfile\"\n"
      "The destination comes before it: ?destination=…#VERSION." },
    { "sm://p/n?", "expected destination=tempfile or destination=/PATH, percent-encoded" },
    { "sm://p/n?dest=/a", "found \"dest=/a\"" },
    { "sm://p/n?destination=", "found \"destination=\"" },
    { "sm://p/n?destination=a", "found \"destination=a\"" },
    { "sm://p/n?destination=/a/", "found \"destination=/a/\"" },
    { "sm://p/n?destination=/a&destination=/b", "found \"destination=/a&destination=/b\"" },
    { "sm://p/n?destination=/a%00b", "found \"/a%00b\"" },
    { "sm://p/n?destination=/a%zz", "found \"/a%zz\"" },
    { "berglas://b", "expected berglas://BUCKET/OBJECT, the object percent-encoded" },
    { "berglas://b/", "found \"b/\"" },
    { "berglas://b/%ff", "found \"%ff\"" },
    { "berglas://b/%0", "found \"%0\"" },
    { "berglas://b/o#latest", "expected a generation behind '#', a number, found \"latest\"" },
    { "SM://p/n", "expected sm://… or berglas://…, found \"SM://p/n\"" },
};

static void what_is_not_understood_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct sx_reference ref;
        char why[SX_REFERENCE_WHY];
        int err = sx_reference_parse(bad[i].text, &ref, why);

        sx_reference_finish(&ref);
        if (err != SX_ERR_INVALID || strstr(why, bad[i].why) == NULL)
            fail_msg("%s: %d: %s", bad[i].text, err, why);
    }
}

static void other_texts_are_no_references(void **state)
{
    static const char *const texts[] = { "", "sm:/p/n", " sm://p/n", "http://sm://", "berglas:" };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(sx_reference_is(texts[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_is_read_as_it_is_written),
        cmocka_unit_test(what_is_not_understood_is_refused),
        cmocka_unit_test(other_texts_are_no_references),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
