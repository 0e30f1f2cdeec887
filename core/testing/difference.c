/*
 * testing/difference.c - the first place where JSON is not what a test expects:
 *     orders[2].price: expected 101.25, found 101.5
 */
#include <stdlib.h>

#include "testing/testing_private.h"

#define MAX_SHOWN 200

static bool is_any(const json_t *v)
{
    return v != NULL;
}

static bool is_int(const json_t *v)
{
    return json_is_integer(v);
}

static bool is_number(const json_t *v)
{
    return json_is_number(v);
}

static bool is_text(const json_t *v)
{
    return json_is_string(v);
}

static bool is_bool(const json_t *v)
{
    return json_is_boolean(v);
}

static const struct {
    const char *name;
    bool (*fits)(const json_t *v);
} placeholders[] = {
    { "<any>", is_any },   { "<int>", is_int },   { "<number>", is_number },
    { "<text>", is_text }, { "<bool>", is_bool }, { NULL, NULL },
};

/* --- Telling -------------------------------------------------------------------------------- */

static void add_value(struct sx_buf *to, const json_t *v)
{
    char *text = v == NULL ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);

    if (text == NULL)
        sx_buf_add_text(to, "nothing");
    else if (strlen(text) > MAX_SHOWN)
        sx_buf_printf(to, "%.*s…", MAX_SHOWN, text);
    else
        sx_buf_add_text(to, text);
    free(text);
}

static bool tell(struct sx_buf *to, const char *path, const json_t *expected, const json_t *found)
{
    sx_buf_printf(to, "%s: expected ", *path == '\0' ? "the whole" : path);
    add_value(to, expected);
    sx_buf_add_text(to, ", found ");
    add_value(to, found);
    return true;
}

/* --- Comparing -------------------------------------------------------------------------------- */

static bool compare(json_t *expected, json_t *found, struct sx_buf *path, struct sx_buf *to);

/* Goes one step down, compares there and comes back. */
static bool compare_below(json_t *expected, json_t *found, struct sx_buf *path, const char *key,
                          size_t index, struct sx_buf *to)
{
    size_t len = path->len;
    bool differs;

    if (key == NULL)
        sx_buf_printf(path, "[%zu]", index);
    else
        sx_buf_printf(path, "%s%s", len > 0 ? "." : "", key);
    differs = compare(expected, found, path, to);
    path->len = len;
    return differs;
}

static bool compare_objects(json_t *expected, json_t *found, struct sx_buf *path, struct sx_buf *to)
{
    const char *key;
    json_t *value;

    json_object_foreach(expected, key, value) if (compare_below(value, json_object_get(found, key),
                                                                path, key, 0, to)) return true;
    json_object_foreach(found, key,
                        value) if (json_object_get(expected, key) == NULL &&
                                   compare_below(NULL, value, path, key, 0, to)) return true;
    return false;
}

static bool compare_arrays(json_t *expected, json_t *found, struct sx_buf *path, struct sx_buf *to)
{
    size_t n_expected = json_array_size(expected), n_found = json_array_size(found);

    for (size_t i = 0; i < n_expected || i < n_found; i++)
        if (compare_below(json_array_get(expected, i), json_array_get(found, i), path, NULL, i, to))
            return true;
    return false;
}

/* 1 and 1.0 are the same number (RFC 8259, section 6, has one kind). */
static bool are_equal(const json_t *expected, const json_t *found)
{
    if (json_is_number(expected) && json_is_number(found) &&
        !(json_is_integer(expected) && json_is_integer(found))) {
        double a = json_number_value(expected), b = json_number_value(found);

        return !(a < b) && !(a > b);
    }
    return json_equal(expected, found);
}

static bool compare(json_t *expected, json_t *found, struct sx_buf *path, struct sx_buf *to)
{
    const char *word = json_string_value(expected);

    for (size_t i = 0; word != NULL && placeholders[i].name != NULL; i++)
        if (strcmp(word, placeholders[i].name) == 0)
            return placeholders[i].fits(found) ? false
                                               : tell(to, sx_buf_text(path), expected, found);
    if (json_is_object(expected) && json_is_object(found))
        return compare_objects(expected, found, path, to);
    if (json_is_array(expected) && json_is_array(found))
        return compare_arrays(expected, found, path, to);
    return are_equal(expected, found) ? false : tell(to, sx_buf_text(path), expected, found);
}

bool sxt_difference_tell(json_t *expected, json_t *found, struct sx_buf *to)
{
    struct sx_buf path;
    bool differs;

    sx_buf_init(&path, 65536);
    differs = compare(expected, found, &path, to);
    sx_buf_finish(&path);
    return differs;
}
