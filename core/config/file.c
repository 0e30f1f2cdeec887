/*
 * config/file.c - base.json and the overlay of an environment, as trees with their lines.
 *
 * A file that cannot be read or parsed is one fault; the other one is checked all the same.
 */
#include "config/config_private.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

static void unreadable(struct config_loader *l, const struct config_file *file, int rc)
{
    struct config_where where = { .rank = file->rank, .source = file->name };
    int err = errno;

    if (rc == SX_ERR_NOMEM)
        l->is_out_of_memory = true;
    else if (rc == SX_ERR_BUSY)
        config_fault_add(l, &where, NULL, "expected at most %u bytes, found more",
                         CONFIG_MAX_FILE_BYTES);
    else
        config_fault_add(l, &where, NULL,
                         "cannot be read: %s\n"
                         "The folder of the configuration holds base.json and a file for each "
                         "environment.",
                         strerror(err));
}

/* jansson shows what it found as it was, and cut anywhere. */
static void make_printable(char *text)
{
    for (size_t len; *text != '\0'; text += len) {
        len = sx_utf8_length(text, strlen(text));
        if (len == 0 || (unsigned char)*text < ' ') {
            *text = '?';
            len = 1;
        }
    }
}

/* "… near '}'": jansson says where it stood, which helps. */
static void malformed(struct config_loader *l, const struct config_file *file, json_error_t *err)
{
    struct config_where where = { .rank = file->rank, .line = err->line, .source = file->name };

    /* where the first allocation fails, jansson leaves the error empty */
    if (err->text[0] == '\0' || json_error_code(err) == json_error_out_of_memory) {
        l->is_out_of_memory = true;
        return;
    }
    make_printable(err->text);
    config_fault_add(l, &where, NULL, "expected JSON, found a fault in column %d: %s", err->column,
                     err->text);
}

/* jansson ends at a NUL byte, and the rest would be taken for good. */
static bool has_nul(struct config_loader *l, const struct config_file *file, const char *text,
                    size_t len)
{
    struct config_where where = { .rank = file->rank, .line = 1, .source = file->name };
    const char *nul = memchr(text, '\0', len);

    if (nul == NULL)
        return false;
    for (const char *at = text; at < nul; at++)
        where.line += *at == '\n';
    config_fault_add(l, &where, NULL, "expected JSON, found a NUL byte");
    return true;
}

static void parse(struct config_loader *l, struct config_file *file, const char *text, size_t len)
{
    struct config_where where = { .rank = file->rank, .line = 1, .source = file->name };
    json_error_t err = { .line = 0 };
    char found[CONFIG_FOUND_BYTES];

    if (has_nul(l, file, text, len))
        return;
    file->tree = json_loadb(text, len, JSON_DECODE_ANY, &err);
    if (file->tree == NULL) {
        malformed(l, file, &err);
        return;
    }
    if (!json_is_object(file->tree)) {
        config_found_text(file->tree, found);
        config_fault_add(l, &where, NULL, "expected an object, found %s", found);
        json_decref(file->tree);
        file->tree = NULL;
        return;
    }
    file->lines = json_object();
    if (file->lines == NULL)
        l->is_out_of_memory = true;
    else
        config_positions(l, file, text, len);
}

int config_file_read(struct config_loader *l, struct config_file *file)
{
    char *text;
    size_t len;
    int rc = sx_file_read(file->name, CONFIG_MAX_FILE_BYTES, &text, &len);

    if (rc != 0) {
        unreadable(l, file, rc);
        return rc;
    }
    parse(l, file, text, len);
    free(text);
    return file->tree != NULL ? 0 : SX_ERR_INVALID;
}

static bool is_env_name(const char *name)
{
    return *name != '\0' && *name != '.' && strchr(name, '/') == NULL &&
           strcmp(name, "base") != 0 && strcmp(name, "schema") != 0;
}

/* The name of an environment out of that of its file. */
static int is_overlay(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    char name[sizeof entry->d_name];

    if (len <= 5 || strcmp(entry->d_name + len - 5, ".json") != 0)
        return 0;
    memcpy(name, entry->d_name, len - 5);
    name[len - 5] = '\0';
    return is_env_name(name);
}

/* "development, production, testing"; empty when there are none. */
static void list_environments(const struct config_loader *l, struct sx_buf *to)
{
    struct dirent **entries;
    int n = scandir(l->dir, &entries, is_overlay, alphasort);

    for (int i = 0; i < n; i++) {
        if (to->len > 0)
            sx_buf_add_text(to, ", ");
        sx_buf_add(to, entries[i]->d_name, strlen(entries[i]->d_name) - strlen(".json"));
        free(entries[i]);
    }
    if (n >= 0)
        free(entries);
}

static int unknown_environment(struct config_loader *l)
{
    struct config_where where = { .rank = CONFIG_RANK_OVERLAY, .source = l->overlay.name };
    struct sx_buf list;
    const char *names;

    sx_buf_init(&list, CONFIG_MAX_TEXT_BYTES);
    list_environments(l, &list);
    names = sx_buf_text(&list);
    if (names != NULL && *names != '\0')
        config_fault_add(l, &where, NULL, "unknown environment \"%s\"\nThere are: %s.", l->env,
                         names);
    else
        config_fault_add(l, &where, NULL,
                         "unknown environment \"%s\"\n"
                         "There are no environments in %s.",
                         l->env, l->dir);
    sx_buf_finish(&list);
    return SX_ERR_MISSING;
}

static bool exists(const char *path)
{
    FILE *file = fopen(path, "re");

    if (file != NULL)
        (void)fclose(file);
    return file != NULL || errno != ENOENT;
}

int config_overlay_read(struct config_loader *l)
{
    if (!is_env_name(l->env) || !exists(l->overlay.name))
        return unknown_environment(l);
    return config_file_read(l, &l->overlay);
}
