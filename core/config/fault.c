/*
 * config/fault.c - what is wrong, each with its place, told in the order of files and lines.
 *
 * Faults are found by several passes; sorting them makes the report the same in each run and
 * readable beside the files.
 */
#include "config/config_private.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static json_t *origin_of(const struct config_where *where)
{
    return where->line > 0 ? json_sprintf("%s:%d", where->source, where->line)
                           : json_string(where->source);
}

void config_origin_set(struct config_loader *l, const struct config_where *where, const char *path)
{
    if (json_object_set_new(l->origins, path, origin_of(where)) != 0)
        l->is_out_of_memory = true;
}

void config_origin_set_expanded(struct config_loader *l, const struct config_where *where,
                                const char *path, const char *text, enum sx_config_secrecy secrecy)
{
    json_t *origin = json_pack("[o, s, i]", origin_of(where), text, (int)secrecy);

    if (json_object_set_new(l->origins, path, origin) != 0)
        l->is_out_of_memory = true;
}

const char *config_origin_text(const json_t *origins, const char *path)
{
    const json_t *origin = json_object_get(origins, path);

    return json_string_value(json_is_array(origin) ? json_array_get(origin, 0) : origin);
}

enum sx_config_secrecy config_origin_secrecy(const json_t *origins, const char *path)
{
    json_int_t secrecy = json_integer_value(json_array_get(json_object_get(origins, path), 2));

    return secrecy == SX_CONFIG_SECRET       ? SX_CONFIG_SECRET
           : secrecy == SX_CONFIG_UNRESOLVED ? SX_CONFIG_UNRESOLVED
                                             : SX_CONFIG_PLAIN;
}

static bool find_in_file(const struct config_file *file, const char *path,
                         struct config_where *ret_where)
{
    const json_t *line = file->lines != NULL ? json_object_get(file->lines, path) : NULL;

    if (line == NULL)
        return false;
    *ret_where = (struct config_where){ .rank = file->rank,
                                        .line = (int)json_integer_value(line),
                                        .source = file->name };
    return true;
}

bool config_where_of(const struct config_loader *l, const char *path,
                     struct config_where *ret_where)
{
    const char *origin = config_origin_text(l->origins, path);

    if (origin == NULL)
        return false;
    if (strncmp(origin, "environment ", strlen("environment ")) == 0) {
        *ret_where = (struct config_where){ .rank = CONFIG_RANK_ENVIRONMENT, .source = origin };
        return true;
    }
    return find_in_file(&l->overlay, path, ret_where) || find_in_file(&l->base, path, ret_where);
}

static struct config_fault *fault_new(struct config_faults *faults)
{
    struct config_fault *fault;
    struct config_fault *v;
    size_t cap = faults->cap != 0 ? faults->cap * 2 : 16;

    if (faults->n == faults->cap) {
        v = realloc(faults->v, cap * sizeof *v);
        if (v == NULL)
            return NULL;
        faults->v = v;
        faults->cap = cap;
    }
    fault = &faults->v[faults->n];
    *fault = (struct config_fault){ .seq = faults->n };
    faults->n++;
    return fault;
}

/* The whole message; NULL without memory. */
static char *fault_text(const struct config_where *where, const char *path, const char *fmt,
                        va_list ap)
{
    char *message;
    char *text = NULL;
    char *place = NULL;

    if (vasprintf(&message, fmt, ap) < 0)
        return NULL;
    if (asprintf(&place, "%s:%d", where->source, where->line) < 0)
        place = NULL;
    if (place != NULL &&
        asprintf(&text, "%s%s%s: %s", where->line > 0 ? place : where->source,
                 path != NULL && *path != '\0' ? ": " : "", path != NULL ? path : "", message) < 0)
        text = NULL;
    free(place);
    free(message);
    return text;
}

void config_fault_add(struct config_loader *l, const struct config_where *where, const char *path,
                      const char *fmt, ...)
{
    struct config_fault *fault = fault_new(&l->faults);
    va_list ap;

    if (fault == NULL) {
        l->is_out_of_memory = true;
        return;
    }
    fault->rank = where->rank;
    fault->line = where->line;
    va_start(ap, fmt);
    fault->text = fault_text(where, path, fmt, ap);
    va_end(ap);
    if (fault->text == NULL)
        l->is_out_of_memory = true;
}

static int compare(const void *a, const void *b)
{
    const struct config_fault *x = a;
    const struct config_fault *y = b;

    if (x->rank != y->rank)
        return x->rank < y->rank ? -1 : 1;
    if (x->line != y->line)
        return x->line < y->line ? -1 : 1;
    return x->seq < y->seq ? -1 : 1;
}

int config_faults_move(struct config_loader *l, struct sx_report *rep)
{
    size_t n = l->faults.n;

    if (n == 0)
        return 0;
    qsort(l->faults.v, n, sizeof *l->faults.v, compare);
    for (size_t i = 0; i < n; i++) {
        if (l->faults.v[i].text != NULL)
            sx_report_add(rep, "%s", l->faults.v[i].text);
    }
    config_faults_finish(l);
    return SX_ERR_INVALID;
}

void config_faults_finish(struct config_loader *l)
{
    for (size_t i = 0; i < l->faults.n; i++)
        free(l->faults.v[i].text);
    free(l->faults.v);
    l->faults = (struct config_faults){ 0 };
}

static void cut(char *text, size_t size)
{
    size_t at = size - 5;

    while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
        at--;
    memcpy(text + at, "…", sizeof "…");
}

/* A text as JSON, but without the passwords in it. */
static char *dump_text(const char *text)
{
    struct sx_buf masked;
    const char *shown;
    json_t *value;
    char *dump;

    sx_buf_init(&masked, CONFIG_MAX_TEXT_BYTES);
    config_mask(&masked, text);
    shown = sx_buf_text(&masked);
    value = shown != NULL ? json_string(shown) : NULL;
    dump = value != NULL ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    sx_buf_finish(&masked);
    return dump;
}

void config_found_text(const json_t *value, char ret_text[CONFIG_FOUND_BYTES])
{
    static const char *const shapes[] = {
        [JSON_OBJECT] = "an object",
        [JSON_ARRAY] = "a list",
    };
    char *text;
    int len;

    if (json_typeof(value) <= JSON_ARRAY) {
        (void)snprintf(ret_text, CONFIG_FOUND_BYTES, "%s", shapes[json_typeof(value)]);
        return;
    }
    text = json_is_string(value) ? dump_text(json_string_value(value))
                                 : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    len = snprintf(ret_text, CONFIG_FOUND_BYTES, "%s", text != NULL ? text : "?");
    free(text);
    if (len >= CONFIG_FOUND_BYTES)
        cut(ret_text, CONFIG_FOUND_BYTES);
}
