/* Tests of core/http/multipart.c: what bodies give, whole and cut in two anywhere. */
#include "http/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define N(a)  (sizeof(a) / sizeof *(a))
#define TYPE  "multipart/form-data; boundary=B"
#define PART  "Content-Disposition: form-data; name=\"a\"\r\n"
#define WHOLE SIZE_MAX

static char dir[64];

static const struct sx_multipart_limits generous = { 10, 400, 1000, 10000, dir, NULL };
static const struct sx_multipart_limits spooling = { 10, 400, 3, 10000, dir, NULL };

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/multipart_test.XXXXXX");
    assert_non_null(mkdtemp(dir));
    return 0;
}

/* Fails when a spool file was left behind. */
static int teardown(void **state)
{
    (void)state;
    return rmdir(dir);
}

/* One line for a part: name[file]{type}=data, "@" before data from a file. */
static void describe(const struct sx_part *p, char *to, size_t size)
{
    char data[256] = "";

    if (p->path != NULL) {
        int fd = open(p->path, O_RDONLY | O_CLOEXEC);

        assert_true(p->size < sizeof data);
        assert_int_equal(read(fd, data, sizeof data), p->size);
        (void)close(fd);
    } else {
        assert_int_equal(p->size, p->data.len);
        assert_int_equal(p->data.data[p->data.len], '\0');
        memcpy(data, p->data.data, p->data.len);
    }
    (void)snprintf(to, size, "%s%s%s%s%s=%s%s;", p->name.data, p->file_name.data ? "/" : "",
                   p->file_name.data ? p->file_name.data : "", p->type.data ? "|" : "",
                   p->type.data ? p->type.data : "", p->path ? "@" : "", data);
}

/* The outcome as text: the parts, or the number of the error. */
static void parse(const char *type, const struct sx_multipart_limits *limits, const char *body,
                  size_t len, size_t cut, size_t step, char *to, size_t size)
{
    struct sx_multipart *mp = NULL;
    struct sx_arena arena;
    int err;

    sx_arena_init(&arena, 1 << 20);
    err = sx_multipart_create(&arena, sx_slice_of(type), limits, &mp);
    assert_int_equal(err, 0);
    if (cut != WHOLE) {
        err = sx_multipart_feed(mp, body, cut);
        body += cut;
        len -= cut;
    }
    while (err == 0 && len > 0) {
        size_t n = len < step ? len : step;

        err = sx_multipart_feed(mp, body, n);
        body += n;
        len -= n;
    }
    assert_int_equal(sx_multipart_feed(mp, "", 0), err);
    if (err == 0)
        err = sx_multipart_finish(mp);
    to[0] = '\0';
    if (err < 0)
        (void)snprintf(to, size, "%d", err);
    else
        for (const struct sx_part *p = sx_multipart_parts(mp); p != NULL; p = p->next)
            describe(p, to + strlen(to), size - strlen(to));
    sx_multipart_destroy(mp);
    sx_arena_finish(&arena);
}

/* The same outcome in one piece, in all pairs of pieces, and in steps of 1, 2, 3 and 7. */
static void assert_outcome(const char *type, const struct sx_multipart_limits *limits,
                           const char *body, size_t len, const char *expected)
{
    static const size_t steps[] = { 1, 2, 3, 7 };
    char outcome[1024];

    parse(type, limits, body, len, WHOLE, len, outcome, sizeof outcome);
    assert_string_equal(outcome, expected);
    for (size_t cut = 0; cut <= len; cut++) {
        parse(type, limits, body, len, cut, len, outcome, sizeof outcome);
        assert_string_equal(outcome, expected);
    }
    for (size_t i = 0; i < N(steps); i++) {
        parse(type, limits, body, len, WHOLE, steps[i], outcome, sizeof outcome);
        assert_string_equal(outcome, expected);
    }
}

static void well_formed_bodies_give_their_parts(void **state)
{
    static const struct {
        const char *body, *parts;
    } cases[] = {
        { "--B--", "" },
        { "--B--\r\n", "" },
        { "\r\n--B--\r\n", "" },
        { "--B\r\n" PART "\r\nx\r\n--B--\r\n", "a=x;" },
        { "--B\r\n" PART "\r\nx\r\n--B--", "a=x;" },
        { "--B\r\n" PART "\r\n\r\n--B--", "a=;" },
        { "--B\r\n" PART "\r\n--B--", "a=;" },
        { "preamble\r\nmore\r\n--B \t\r\n" PART "\r\nx\r\n--B--epilogue\r\n--B\r\n", "a=x;" },
        { "--B\r\n" PART "\r\nx\r\n--B\r\n" PART "\r\ny\r\n--B--", "a=x;a=y;" },
        { "--B\r\ncontent-disposition:form-data;name=f;filename=\"x y\"\r\nCONTENT-TYPE: text/plain\r\n"
          "X-Other: 1\r\n\r\nhello\r\n--B--",
          "f/x y|text/plain=hello;" },
        { "--B\r\n" PART "\r\n\r\r\n\r\n-\r\n--\r\n--A\r\n--B--", "a=\r\r\n\r\n-\r\n--\r\n--A;" },
        { "--B\r\n" PART "\r\n--C\r\n--B--", "a=--C;" },
        { "--B\r\n" PART "\r\n-\r\n--B--", "a=-;" },
        { "--B\r\n" PART "\r\nx--B\r\n--B--", "a=x--B;" },
        { "--B\r\n" PART "\r\nx\n--B\r\n--B--", "a=x\n--B;" },
        { "--B\r\n" PART "\r\nx\r\r\n--B--", "a=x\r;" },
        { "--B\r\n" PART "\r\nx\r\n\r\n--B--", "a=x\r\n;" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++)
        assert_outcome(TYPE, &generous, cases[i].body, strlen(cases[i].body), cases[i].parts);
}

static void malformed_bodies_are_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "x",
        "--B",
        "--B\r\n",
        "--B-",
        "--B-x",
        "--Bx\r\n",
        "--B\n",
        "--B\r\r\n",
        "--B --",
        "--B\r\n" PART "\r\nx",
        "--B\r\n" PART "\r\nx\r\n--B",
        "--B\r\n" PART "\r\nx\r\n--B\r\n",
        "--B\r\n" PART "\r\nx\r\n--Bx--",
        "--B\r\n" PART "\r\nx\n--B--",
        "--B\r\n" PART "--B--",
        "--B\r\n\r\nx\r\n--B--",
        "--B\r\nContent-Type: text/plain\r\n\r\nx\r\n--B--",
        "--B\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n--B--",
        "--B\r\nContent-Disposition: form-data\r\n\r\nx\r\n--B--",
        "--B\r\n" PART PART "\r\nx\r\n--B--",
        "--B\r\n" PART "Content-Type: a/b\r\nContent-Type: a/b\r\n\r\nx\r\n--B--",
        "--B\r\n" PART " folded\r\n\r\nx\r\n--B--",
        "--B\r\n" PART "no colon\r\n\r\nx\r\n--B--",
        "--B\r\n" PART ": x\r\n\r\nx\r\n--B--",
        "--B\r\n" PART "X : y\r\n\r\nx\r\n--B--",
        "--B\r\n" PART "X: y\n\r\nx\r\n--B--",
        "--B\r\n" PART "X: y\rz\r\n\r\nx\r\n--B--",
        "--B\r\n" PART "X: \x01\r\n\r\nx\r\n--B--",
        "--B\r\n" PART "\nx\r\n--B--",
    };

    (void)state;
    for (size_t i = 0; i < N(bad); i++)
        assert_outcome(TYPE, &generous, bad[i], strlen(bad[i]), "-2");
}

static void large_parts_go_to_files(void **state)
{
    static const char body[] = "--B\r\n" PART "\r\nabc\r\n--B\r\n" PART "\r\nabcd\r\n--B\r\n" PART
                               "\r\na\r\nb\r\n--\r\n--B--";

    (void)state;
    assert_outcome(TYPE, &spooling, body, sizeof body - 1, "a=abc;a=@abcd;a=@a\r\nb\r\n--;");
}

static void many_small_parts_go_to_files_when_memory_is_used_up(void **state)
{
    static const char part[] = "--B\r\n" PART "\r\nabc\r\n";
    char body[1024] = "", outcome[512];

    (void)state;
    for (size_t i = 0; i < 10; i++)
        (void)memcpy(body + i * (sizeof part - 1), part, sizeof part);
    memcpy(body + strlen(body), "--B--", 6);

    parse(TYPE, &spooling, body, strlen(body), WHOLE, 5, outcome, sizeof outcome);

    assert_string_equal(outcome, "a=abc;a=abc;a=abc;a=abc;a=abc;a=abc;a=abc;a=abc;a=@abc;a=@abc;");
}

static void limits_are_told_apart_from_faults(void **state)
{
    static const char two[] = "--B\r\n" PART "\r\nabcd\r\n--B\r\n" PART "\r\nefgh\r\n--B--";
    static const char padded[] = "12\r\n--B\r\n" PART "\r\nabcd\r\n--B--34";
    const struct {
        const char *body;
        struct sx_multipart_limits limits;
        const char *outcome;
    } cases[] = {
        { two, { 2, 400, 100, 8, dir, NULL }, "a=abcd;a=efgh;" },
        { two, { 1, 400, 100, 8, dir, NULL }, "-4" },
        { two, { 0, 400, 100, 8, dir, NULL }, "-4" },
        { two, { 2, 400, 100, 7, dir, NULL }, "-4" },
        { two, { 2, 400, 1, 7, dir, NULL }, "-4" },
        { two, { 2, sizeof PART + 1, 100, 8, dir, NULL }, "a=abcd;a=efgh;" },
        { two, { 2, sizeof PART, 100, 8, dir, NULL }, "-4" },
        { padded, { 2, 400, 100, 8, dir, NULL }, "a=abcd;" },
        { padded, { 2, 400, 100, 7, dir, NULL }, "-4" },
        { two, { 2, 400, 1, 8, "/tmp/no/such/folder", NULL }, "-11" },
    };

    (void)state;
    for (size_t i = 0; i < N(cases); i++)
        assert_outcome(TYPE, &cases[i].limits, cases[i].body, strlen(cases[i].body),
                       cases[i].outcome);
}

static void any_byte_may_stand_in_a_part(void **state)
{
    static const char head[] = "--B\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n";
    char body[512], all[256];
    size_t len = sizeof head - 1;

    (void)state;
    for (size_t i = 0; i < 256; i++)
        all[i] = (char)i;
    memcpy(body, head, len);
    memcpy(body + len, all, 256);
    memcpy(body + len + 256, "\r\n--B--", 7);
    len += 263;
    for (size_t cut = 0; cut <= len; cut++) {
        struct sx_multipart *mp = NULL;
        struct sx_arena arena;
        const struct sx_part *p;

        sx_arena_init(&arena, 1 << 20);
        assert_int_equal(sx_multipart_create(&arena, sx_slice_of(TYPE), &generous, &mp), 0);
        assert_int_equal(sx_multipart_feed(mp, body, cut), 0);
        assert_int_equal(sx_multipart_feed(mp, body + cut, len - cut), 0);
        assert_int_equal(sx_multipart_finish(mp), 0);
        p = sx_multipart_parts(mp);
        assert_int_equal(p->data.len, 256);
        assert_memory_equal(p->data.data, all, 256);
        sx_multipart_destroy(mp);
        sx_arena_finish(&arena);
    }
}

static void parts_are_found_by_name_kind_and_index(void **state)
{
    static const char body[] =
        "--B\r\n" PART
        "\r\n1\r\n--B\r\nContent-Disposition: form-data; name=a; filename=f\r\n\r\n2\r\n"
        "--B\r\n" PART "\r\n3\r\n--B--";
    struct sx_multipart *mp = NULL;
    struct sx_arena arena;

    (void)state;
    sx_arena_init(&arena, 1 << 20);
    assert_int_equal(sx_multipart_create(&arena, sx_slice_of(TYPE), &generous, &mp), 0);
    assert_null(sx_multipart_parts(mp));
    assert_int_equal(sx_multipart_feed(mp, body, sizeof body - 1), 0);

    assert_string_equal(sx_multipart_find(mp, sx_slice_of("a"), false, 0)->data.data, "1");
    assert_string_equal(sx_multipart_find(mp, sx_slice_of("a"), false, 1)->data.data, "3");
    assert_null(sx_multipart_find(mp, sx_slice_of("a"), false, 2));
    assert_string_equal(sx_multipart_find(mp, sx_slice_of("a"), true, 0)->data.data, "2");
    assert_null(sx_multipart_find(mp, sx_slice_of("a"), true, 1));
    assert_null(sx_multipart_find(mp, sx_slice_of("b"), false, 0));
    sx_multipart_destroy(mp);
    sx_arena_finish(&arena);
}

static void an_unfinished_upload_leaves_no_file(void **state)
{
    static const char body[] = "--B\r\n" PART "\r\nmore than three";
    struct sx_multipart *mp = NULL;
    struct sx_arena arena;
    struct stat st;

    (void)state;
    sx_arena_init(&arena, 1 << 20);
    assert_int_equal(sx_multipart_create(&arena, sx_slice_of(TYPE), &spooling, &mp), 0);
    assert_int_equal(sx_multipart_feed(mp, body, sizeof body - 1), 0);
    assert_null(sx_multipart_parts(mp));
    sx_multipart_destroy(mp);
    sx_multipart_destroy(NULL);
    sx_arena_finish(&arena);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    assert_int_equal(stat(dir, &st), 0);
}

static void boundaries_are_checked(void **state)
{
    static const struct {
        const char *type;
        bool is_good;
    } cases[] = {
        { "multipart/form-data; boundary=abc", true },
        { "Multipart/Form-Data;charset=utf-8; BOUNDARY=\"a b:c=d?\"", true },
        { "multipart/form-data; boundary="
          "1234567890123456789012345678901234567890123456789012345678901234567890",
          true },
        { "multipart/form-data; boundary="
          "12345678901234567890123456789012345678901234567890123456789012345678901",
          false },
        { "multipart/form-data", false },
        { "multipart/form-data; boundary=", false },
        { "multipart/form-data; boundary=\"\"", false },
        { "multipart/form-data; boundary=\"a \"", false },
        { "multipart/form-data; boundary=a; boundary=b", false },
        { "multipart/form-data; boundary=\"a\\b\"", false },
        { "multipart/form-data; boundary=\"a", false },
        { "multipart/form-data; boundary=a@b", false },
        { "multipart/form-data; boundary=a!", false },
        { "multipart/mixed; boundary=a", false },
        { "text/plain; boundary=a", false },
        { "", false },
    };
    struct sx_arena arena;

    (void)state;
    sx_arena_init(&arena, 1 << 20);
    for (size_t i = 0; i < N(cases); i++) {
        struct sx_multipart *mp = NULL;
        int err = sx_multipart_create(&arena, sx_slice_of(cases[i].type), &generous, &mp);

        if (err != (cases[i].is_good ? 0 : SX_ERR_INVALID))
            fail_msg("\"%s\": %d", cases[i].type, err);
        sx_multipart_destroy(mp);
    }
    sx_arena_finish(&arena);
    assert_true(sx_multipart_is(sx_slice_of("multipart/form-data; boundary=x")));
    assert_true(sx_multipart_is(sx_slice_of("Multipart/Form-Data")));
    assert_false(sx_multipart_is(sx_slice_of("multipart/form-datax")));
    assert_false(sx_multipart_is(sx_slice_of(NULL)));
}

static void the_longest_boundary_works(void **state)
{
    static const char type[] =
        "multipart/form-data; boundary="
        "----------------------------------------------------------------------";
    static const char line[] =
        "------------------------------------------------------------------------";
    char body[512], expected[256];

    (void)state;
    (void)snprintf(body, sizeof body, "%s\r\n" PART "\r\nx%s\r\n%.71s\r\n%s--", line, line, line,
                   line);
    (void)snprintf(expected, sizeof expected, "a=x%s\r\n%.71s;", line, line);
    assert_outcome(type, &generous, body, strlen(body), expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_bodies_give_their_parts),
        cmocka_unit_test(malformed_bodies_are_refused),
        cmocka_unit_test(large_parts_go_to_files),
        cmocka_unit_test(many_small_parts_go_to_files_when_memory_is_used_up),
        cmocka_unit_test(limits_are_told_apart_from_faults),
        cmocka_unit_test(any_byte_may_stand_in_a_part),
        cmocka_unit_test(parts_are_found_by_name_kind_and_index),
        cmocka_unit_test(an_unfinished_upload_leaves_no_file),
        cmocka_unit_test(boundaries_are_checked),
        cmocka_unit_test(the_longest_boundary_works),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
