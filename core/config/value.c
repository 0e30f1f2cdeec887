/*
 * config/value.c - one value against its key: type, range, choices, format.
 *
 * A text that comes from a variable or a secret counts as the number or the boolean that it
 * spells; a text written as such does not, so that "10" for 10 is told and not guessed.
 */
#include "config/config_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

struct value {
    struct config_loader *l;
    const struct config_where *where;
    const char *path;
    const struct config_key *key;
    enum sx_config_secrecy secrecy;
};

/* Values of the environment itself are taken as they are, unless they are references. */
static bool is_expanded(const struct value *v, const json_t *found)
{
    const char *text = json_string_value(found);

    return text != NULL && (sx_reference_is(text) || (v->where->rank != CONFIG_RANK_ENVIRONMENT &&
                                                      config_has_variable(text)));
}

static char *expanded(struct value *v, const json_t *found)
{
    const char *text = json_string_value(found);
    char *done = config_expand(v->l, v->where, v->path, text, &v->secrecy);

    if (v->secrecy != SX_CONFIG_PLAIN)
        config_origin_set_expanded(v->l, v->where, v->path, text, v->secrecy);
    return done;
}

/* `expected E, found F from "${NAME}"` and a hint; text is NULL unless substituted. */
static void wrong(const struct value *v, const char *expected, const json_t *found,
                  const char *text, const char *hint)
{
    json_t *value = text != NULL ? json_string(text) : NULL;
    char what[CONFIG_FOUND_BYTES];
    char source[CONFIG_FOUND_BYTES] = "";

    if (v->key->is_secret || v->secrecy != SX_CONFIG_PLAIN)
        (void)snprintf(what, sizeof what, "something else");
    else
        config_found_text(value != NULL ? value : found, what);
    if (text != NULL)
        config_found_text(found, source);
    json_decref(value);
    config_fault_add(v->l, v->where, v->path, "expected %s, found %s%s%s%s%s", expected, what,
                     text != NULL ? " from " : "", source, hint != NULL ? "\n" : "",
                     hint != NULL ? hint : "");
}

static void wrong_int(const struct value *v, const char *expected, const json_t *found,
                      const char *text)
{
    char hint[96];

    (void)snprintf(hint, sizeof hint, "Set it between %u and %u%s%s.", v->key->min, v->key->max,
                   v->key->unit != NULL ? " " : "", v->key->unit != NULL ? v->key->unit : "");
    wrong(v, expected, found, text, hint);
}

static json_t *int_in_range(const struct value *v, json_int_t value, const json_t *found,
                            const char *text)
{
    char expected[32];

    if (value < v->key->min)
        (void)snprintf(expected, sizeof expected, "at least %u", v->key->min);
    else if (value > v->key->max)
        (void)snprintf(expected, sizeof expected, "at most %u", v->key->max);
    else
        return json_integer(value);
    wrong_int(v, expected, found, text);
    return NULL;
}

/* Nobody has asked what it is. */
static json_t *unknown_value(const struct value *v)
{
    return json_loads(v->key->preset, JSON_DECODE_ANY, NULL);
}

static json_t *int_value(struct value *v, const json_t *found)
{
    char *text = NULL;
    int64_t number;
    json_t *value = NULL;

    if (json_is_integer(found))
        return int_in_range(v, json_integer_value(found), found, NULL);
    if (!is_expanded(v, found)) {
        wrong_int(v, "an integer", found, NULL);
        return NULL;
    }
    text = expanded(v, found);
    if (text == NULL)
        return NULL;
    if (v->secrecy == SX_CONFIG_UNRESOLVED)
        value = unknown_value(v);
    else if (sx_parse_int(text, strlen(text), &number) == 0)
        value = int_in_range(v, number, found, text);
    else
        wrong_int(v, "an integer", found, text);
    free(text);
    return value;
}

static json_t *bool_value(struct value *v, const json_t *found)
{
    static const char hint[] = "Write true or false, without quotes.";
    char *text;
    json_t *value = NULL;

    if (json_is_boolean(found))
        return json_boolean(json_is_true(found));
    if (!is_expanded(v, found)) {
        wrong(v, "a boolean", found, NULL, hint);
        return NULL;
    }
    text = expanded(v, found);
    if (text == NULL)
        return NULL;
    if (v->secrecy == SX_CONFIG_UNRESOLVED)
        value = unknown_value(v);
    else if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        value = json_boolean(strcmp(text, "true") == 0);
    else
        wrong(v, "true or false", found, text, NULL);
    free(text);
    return value;
}

static bool is_choice(const char *const *choices, const char *text)
{
    while (*choices != NULL && strcmp(*choices, text) != 0)
        choices++;
    return *choices != NULL;
}

static void wrong_choice(const struct value *v, const json_t *found, const char *text,
                         const char *shown)
{
    const char *meant = config_choice_suggest(v->key->choices, text);
    struct sx_buf expected;
    const char *list;
    char hint[64] = "";

    sx_buf_init(&expected, CONFIG_MAX_TEXT_BYTES);
    sx_buf_add_text(&expected, "one of ");
    for (size_t i = 0; v->key->choices[i] != NULL; i++)
        sx_buf_printf(&expected, "%s\"%s\"", i > 0 ? ", " : "", v->key->choices[i]);
    if (meant != NULL && v->secrecy == SX_CONFIG_PLAIN)
        (void)snprintf(hint, sizeof hint, "Did you mean \"%s\"?", meant);
    list = sx_buf_text(&expected);
    wrong(v, list != NULL ? list : "a known word", found, shown, *hint != '\0' ? hint : NULL);
    sx_buf_finish(&expected);
}

/* shown: text where it came from a variable, else NULL. */
static bool check_text(const struct value *v, const json_t *found, const char *text,
                       const char *shown)
{
    if (v->key->choices != NULL && !is_choice(v->key->choices, text)) {
        wrong_choice(v, found, text, shown);
        return false;
    }
    if (v->key->format != NULL && !v->key->format->is_valid(text)) {
        wrong(v, v->key->format->expected, found, shown, v->key->format->hint);
        return false;
    }
    return true;
}

static json_t *text_value(struct value *v, const json_t *found)
{
    json_t *value = NULL;
    char *text;

    if (!json_is_string(found)) {
        wrong(v, "text in quotes", found, NULL, NULL);
        return NULL;
    }
    if (!is_expanded(v, found))
        return check_text(v, found, json_string_value(found), NULL)
                   ? json_string(json_string_value(found))
                   : NULL;
    text = expanded(v, found);
    if (text == NULL)
        return NULL;
    if (v->secrecy == SX_CONFIG_UNRESOLVED || check_text(v, found, text, text))
        value = json_string(text);
    free(text);
    return value;
}

/* Items have lines of their own. */
static struct config_where item_where(const struct value *v, const char *path)
{
    const struct config_file *file = v->where->rank == CONFIG_RANK_OVERLAY ? &v->l->overlay
                                                                           : &v->l->base;
    const json_t *line = json_object_get(file->lines, path);
    struct config_where where = *v->where;

    if (where.line > 0 && line != NULL)
        where.line = (int)json_integer_value(line);
    return where;
}

static json_t *item_value(const struct value *v, const json_t *found, size_t i)
{
    char path[256];
    struct config_where where;
    struct value item = { .l = v->l, .where = &where, .path = path, .key = v->key };

    (void)snprintf(path, sizeof path, "%s[%zu]", v->path, i);
    where = item_where(v, path);
    config_origin_set(v->l, &where, path);
    return text_value(&item, found);
}

static json_t *list_value(const struct value *v, const json_t *found)
{
    json_t *list;
    size_t n_items = json_array_size(found);
    bool is_broken = false;

    if (!json_is_array(found)) {
        wrong(v, "a list of texts", found, NULL, "Write it in brackets: [\"one\", \"two\"].");
        return NULL;
    }
    list = json_array();
    for (size_t i = 0; i < n_items; i++) {
        json_t *item = item_value(v, json_array_get(found, i), i);

        if (item == NULL)
            is_broken = true;
        else if (json_array_append_new(list, item) != 0)
            v->l->is_out_of_memory = true;
    }
    if (!is_broken)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *checked(struct value *v, const json_t *found)
{
    switch (v->key->type) {
    case CONFIG_INT: return int_value(v, found);
    case CONFIG_BOOL: return bool_value(v, found);
    case CONFIG_TEXT: return text_value(v, found);
    case CONFIG_LIST: return list_value(v, found);
    case CONFIG_OBJECT: break;
    }
    return json_object();
}

void config_value_set(struct config_loader *l, const struct config_where *where, const char *path,
                      const struct config_key *key, const json_t *found)
{
    struct value v = { .l = l, .where = where, .path = path, .key = key };
    size_t n_faults = l->faults.n;
    json_t *value;

    config_origin_set(l, where, path);
    value = checked(&v, found);
    if (value == NULL && l->faults.n == n_faults)
        l->is_out_of_memory = true;
    if (config_tree_set(l->root, path, value != NULL ? value : json_null()) != 0)
        l->is_out_of_memory = true;
}
