/*
 * config/position.c - the line of every key and item of a JSON text.
 *
 * jansson tells no positions but that of a syntax error, so this walks the same text once more.
 * It runs only over a text that jansson has accepted: it need not judge, only count.
 * It also finds keys given twice, all of them; jansson would stop at the first.
 */
#include "config/config_private.h"

#include <string.h>

struct scanner {
    struct config_loader *l;
    struct config_file *file;
    const char *at, *end;
    int line;
    struct sx_buf path;
    unsigned n_repeated; /* depth inside keys that came a second time */
};

static void scan_value(struct scanner *s);

static void skip_space(struct scanner *s)
{
    while (s->at < s->end && strchr(" \t\r\n", *s->at) != NULL && *s->at != '\0') {
        if (*s->at == '\n')
            s->line++;
        s->at++;
    }
}

static void skip_text(struct scanner *s)
{
    s->at++;
    while (s->at < s->end && *s->at != '"')
        s->at += *s->at == '\\' && s->at + 1 < s->end ? 2 : 1;
    s->at++;
}

/* A key, decoded, so that "a" and "\u0061" are the same. */
static json_t *scan_key(struct scanner *s)
{
    const char *begin = s->at;
    json_t *key;

    skip_text(s);
    key = json_loadb(begin, (size_t)(s->at - begin), JSON_DECODE_ANY, NULL);
    if (key == NULL)
        s->l->is_out_of_memory = true;
    return key;
}

static void note_line(struct scanner *s, int line, bool is_key)
{
    const char *path = sx_buf_text(&s->path);
    const json_t *first;
    bool is_repeated;
    struct config_where where = { .rank = s->file->rank, .line = line, .source = s->file->name };

    if (path == NULL) {
        s->l->is_out_of_memory = true;
        return;
    }
    first = json_object_get(s->file->lines, path);
    is_repeated = is_key && first != NULL;
    if (is_repeated && s->n_repeated == 0)
        config_fault_add(s->l, &where, path,
                         "expected each key once, found it on line %d already\n"
                         "Remove one of the two.",
                         (int)json_integer_value(first));
    if (is_repeated || s->n_repeated > 0)
        s->n_repeated++;
    if (json_object_set_new(s->file->lines, path, json_integer(line)) != 0)
        s->l->is_out_of_memory = true;
}

static void scan_member(struct scanner *s)
{
    size_t len = s->path.len;
    int line = s->line;
    json_t *key = scan_key(s);

    if (key == NULL)
        return;
    config_path_push(&s->path, json_string_value(key));
    json_decref(key);
    note_line(s, line, true);
    skip_space(s);
    s->at++; /* the colon */
    scan_value(s);
    if (s->n_repeated > 0)
        s->n_repeated--;
    config_path_cut(&s->path, len);
}

static void scan_item(struct scanner *s, size_t i)
{
    size_t len = s->path.len;

    config_path_push_index(&s->path, i);
    note_line(s, s->line, false);
    scan_value(s);
    if (s->n_repeated > 0)
        s->n_repeated--;
    config_path_cut(&s->path, len);
}

static void scan_members(struct scanner *s, char close)
{
    size_t i = 0;

    s->at++;
    skip_space(s);
    while (s->at < s->end && *s->at != close && !s->l->is_out_of_memory) {
        if (close == '}')
            scan_member(s);
        else
            scan_item(s, i++);
        skip_space(s);
        if (s->at < s->end && *s->at == ',')
            s->at++;
        skip_space(s);
    }
    s->at++;
}

static void scan_value(struct scanner *s)
{
    skip_space(s);
    if (s->at >= s->end)
        return;
    if (*s->at == '{')
        scan_members(s, '}');
    else if (*s->at == '[')
        scan_members(s, ']');
    else if (*s->at == '"')
        skip_text(s);
    else
        s->at += strcspn(s->at, ",]} \t\r\n");
}

void config_positions(struct config_loader *l, struct config_file *file, const char *text,
                      size_t len)
{
    struct scanner s = { .l = l, .file = file, .at = text, .end = text + len, .line = 1 };

    sx_buf_init(&s.path, CONFIG_MAX_PATH_BYTES);
    scan_value(&s);
    sx_buf_finish(&s.path);
}
