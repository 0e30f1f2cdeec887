/*
 * testing/expect.c - what a test expects of an answer; each failure shows the request, what was
 * expected and what came.
 */
#include <stdlib.h>

#include "testing/testing_private.h"

#define MAX_SHOWN 2000

/* Text as a person can read it on a few lines. */
static const char *show_text(struct sx_arena *arena, const char *data, size_t len)
{
    size_t n = len > MAX_SHOWN ? MAX_SHOWN : len;
    char *text = sx_arena_text(arena, data, n);

    for (size_t i = 0; text != NULL && i < n; i++)
        if ((unsigned char)text[i] < ' ' && strchr("\n\r\t", text[i]) == NULL)
            text[i] = '?';
    if (text == NULL || len == 0)
        return "(an empty body)";
    return len > n ? sx_arena_printf(arena, "%s\n... %zu bytes in all", text, len) : text;
}

static const char *show(const sx_answer *a)
{
    return show_text(&sxt_answer_of(a)->client->server->arena, a->body, a->len);
}

static const char *request_of(const sx_answer *a)
{
    return sxt_answer_of(a)->request;
}

const sx_answer *sx_expect_status_at(const sx_answer *a, int status, const char *file, int line)
{
    if (a->status != status)
        sxt_fail(file, line, "%s\n  expected status %d, found %d, with this body:\n%s",
                 request_of(a), status, a->status, show(a));
    return a;
}

const sx_answer *sx_expect_text_at(const sx_answer *a, int status, const char *body,
                                   const char *file, int line)
{
    (void)sx_expect_status_at(a, status, file, line);
    if (a->len != strlen(body) || memcmp(a->body, body, a->len) != 0)
        sxt_fail(file, line, "%s\n  expected this body:\n%.*s\n  found:\n%s", request_of(a),
                 MAX_SHOWN, *body == '\0' ? "(an empty body)" : body, show(a));
    return a;
}

const sx_answer *sx_expect_part_at(const sx_answer *a, const char *text, const char *file, int line)
{
    if (memmem(a->body, a->len, text, strlen(text)) == NULL)
        sxt_fail(file, line, "%s\n  expected in the body:\n%.*s\n  found:\n%s", request_of(a),
                 MAX_SHOWN, text, show(a));
    return a;
}

const sx_answer *sx_expect_header_at(const sx_answer *a, const char *name, const char *value,
                                     const char *file, int line)
{
    const char *found = sx_answer_header(a, name, 0);

    if (value == NULL && found != NULL)
        sxt_fail(file, line, "%s\n  expected no header %s, found \"%s\"", request_of(a), name,
                 found);
    if (value != NULL && found == NULL)
        sxt_fail(file, line, "%s\n  expected %s: \"%s\", found no such header", request_of(a), name,
                 value);
    if (value != NULL && strcmp(found, value) != 0)
        sxt_fail(file, line, "%s\n  expected %s: \"%s\", found \"%s\"", request_of(a), name, value,
                 found);
    return a;
}

/* --- JSON --------------------------------------------------------------------------------- */

static json_t *body_json(const sx_answer *answer, json_error_t *ret_error)
{
    struct sxt_answer *a = sxt_answer_of(answer);

    if (a->json == NULL)
        a->json = json_loadb(answer->body, answer->len,
                             JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, ret_error);
    return a->json;
}

static json_t *need_json(const sx_answer *a, const char *file, int line)
{
    json_error_t error;
    json_t *json = body_json(a, &error);

    if (json == NULL)
        sxt_fail(file, line, "%s\n  expected JSON: %s, found:\n%s", request_of(a), error.text,
                 show(a));
    return json;
}

json_t *sx_answer_json_at(const sx_answer *a, const char *file, int line)
{
    return need_json(a, file, line);
}

void sxt_expect_same_json(const sx_answer *a, const char *json, const char *found, size_t len,
                          const char *file, int line)
{
    const int flags = JSON_DECODE_ANY | JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL;
    struct sx_arena *arena = &sxt_answer_of(a)->client->server->arena;
    const char *told = NULL;
    json_error_t error;
    json_t *expected, *other;
    struct sx_buf b;

    expected = json_loads(json, flags, &error);
    if (expected == NULL)
        sxt_fail(file, line, "what is expected is no JSON: %s in %s", error.text, json);
    other = json_loadb(found, len, flags, &error);
    sx_buf_init(&b, 1u << 20);
    if (other == NULL)
        told = sx_arena_printf(arena, "expected JSON: %s", error.text);
    else if (sxt_difference_tell(expected, other, &b))
        told = sx_arena_text(arena, b.data, b.len);
    sx_buf_finish(&b);
    json_decref(expected);
    json_decref(other);
    if (told != NULL)
        sxt_fail(file, line, "%s\n  %s, found:\n%s", request_of(a), told,
                 show_text(arena, found, len));
}

const sx_answer *sx_expect_json_at(const sx_answer *a, int status, const char *json,
                                   const char *file, int line)
{
    (void)sx_expect_status_at(a, status, file, line);
    sxt_expect_same_json(a, json, a->body, a->len, file, line);
    return a;
}

const sx_answer *sx_expect_problem_at(const sx_answer *a, int status, const char *code,
                                      const char *file, int line)
{
    const char *found;

    (void)sx_expect_status_at(a, status, file, line);
    if (strcmp(a->type, "application/problem+json") != 0)
        sxt_fail(file, line, "%s\n  expected application/problem+json, found \"%s\"", request_of(a),
                 a->type);
    found = json_string_value(json_object_get(need_json(a, file, line), "code"));
    if (found == NULL || (code != NULL && strcmp(found, code) != 0))
        sxt_fail(file, line, "%s\n  expected the code \"%s\", found \"%s\", in this body:\n%s",
                 request_of(a), code == NULL ? "…" : code, found == NULL ? "" : found, show(a));
    return a;
}
