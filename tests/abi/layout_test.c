/*
 * The binary layout of <sx/plugin.h> against layout.txt: the offset of each member, the size
 * of what is frozen, the value of each enumerator.
 *
 *     layout_test           compares
 *     layout_test --print   writes what layout.txt should hold
 *
 * Within an ABI major layout.txt changes by new lines only: a line that changes or goes away
 * breaks plugins that exist.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sx/plugin.h>

struct line {
    const char *name;
    long long value;
};

#define offset(type, member)                                 \
    {                                                        \
#type "." #member, (long long)offsetof(type, member) \
    }
#define size(type)                               \
    {                                            \
        "sizeof " #type, (long long)sizeof(type) \
    }
#define number(name)             \
    {                            \
#name, (long long)(name) \
    }

static const struct line layout[] = {
#include "layout.inc"
};

#define N_LINES (sizeof layout / sizeof *layout)

static void format_line(char *to, size_t room, const struct line *line)
{
    (void)snprintf(to, room, "%s %lld", line->name, line->value);
}

static void print_layout(void)
{
    char text[120];

    for (size_t i = 0; i < N_LINES; i++) {
        format_line(text, sizeof text, &layout[i]);
        (void)puts(text);
    }
}

static bool is_in_layout(const char *golden)
{
    char text[120];

    for (size_t i = 0; i < N_LINES; i++) {
        format_line(text, sizeof text, &layout[i]);
        if (strcmp(text, golden) == 0)
            return true;
    }
    return false;
}

/* The next line of the golden file without its end, or NULL. */
static char *next_line(FILE *golden, char *text, int room)
{
    if (fgets(text, room, golden) == NULL)
        return NULL;
    text[strcspn(text, "\n")] = '\0';
    return text;
}

static void nothing_that_was_frozen_has_moved(void **state)
{
    FILE *golden = fopen(SX_ABI_GOLDEN, "r");
    size_t n_moved = 0;
    char text[120];

    (void)state;
    assert_non_null(golden);
    while (next_line(golden, text, sizeof text) != NULL) {
        if (is_in_layout(text))
            continue;
        print_error("frozen, but not any more: %s\n", text);
        n_moved++;
    }
    (void)fclose(golden);
    assert_int_equal(n_moved, 0);
}

static bool is_golden(FILE *golden, const char *wanted)
{
    char text[120];

    rewind(golden);
    while (next_line(golden, text, sizeof text) != NULL) {
        if (strcmp(text, wanted) == 0)
            return true;
    }
    return false;
}

static void everything_new_is_recorded(void **state)
{
    FILE *golden = fopen(SX_ABI_GOLDEN, "r");
    size_t n_new = 0;
    char text[120];

    (void)state;
    assert_non_null(golden);
    for (size_t i = 0; i < N_LINES; i++) {
        format_line(text, sizeof text, &layout[i]);
        if (is_golden(golden, text))
            continue;
        print_error("new, add it to layout.txt: %s\n", text);
        n_new++;
    }
    (void)fclose(golden);
    assert_int_equal(n_new, 0);
}

/* A member that layout.inc does not list shows here. */
static void every_byte_of_a_struct_is_listed(void **state)
{
    static const struct {
        size_t ends;
        size_t size;
    } structs[] = {
#define ends_with(type, member) \
    { offsetof(type, member) + sizeof(((type *)0)->member), sizeof(type) }
        ends_with(sx_span, len),
        ends_with(sx_param, v),
        ends_with(sx_params, n),
        ends_with(sx_stmt, reserved),
        ends_with(sx_db_error, constraint),
        ends_with(sx_field, doc),
        ends_with(sx_response, schema),
        ends_with(sx_route, responses),
        ends_with(sx_option, doc),
        ends_with(sx_outcome, route),
        ends_with(sx_hook, after),
        ends_with(sx_metric, doc),
        ends_with(sx_migration, sql),
        ends_with(sx_manifest, stop),
        ends_with(sx_note, build),
        ends_with(sx_upload, size),
        ends_with(sx_cookie_spec, script),
        ends_with(sx_stream_ops, closed),
        ends_with(sx_ws_ops, closed),
        ends_with(sx_timer_spec, arg),
        ends_with(sx_worker_info, now_ns),
        ends_with(sx_route_info, reserved),
        ends_with(sx_host, routes),
    };

    (void)state;
    for (size_t i = 0; i < sizeof structs / sizeof *structs; i++)
        assert_int_equal(structs[i].ends, structs[i].size);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_was_frozen_has_moved),
        cmocka_unit_test(everything_new_is_recorded),
        cmocka_unit_test(every_byte_of_a_struct_is_listed),
    };

    if (argc > 1 && strcmp(argv[1], "--print") == 0) {
        print_layout();
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
