/*
 * config/tree.c - dotted paths: written while walking a tree, and followed in one.
 */
#include "config/config_private.h"

#include <ctype.h>
#include <string.h>

#include "base/error.h"

static bool is_plain(const char *key)
{
    if (*key == '\0')
        return false;
    for (; *key != '\0'; key++) {
        if (!isalnum((unsigned char)*key) && *key != '_' && *key != '-')
            return false;
    }
    return true;
}

void config_path_push(struct sx_buf *path, const char *key)
{
    if (path->len > 0)
        sx_buf_add_text(path, ".");
    if (is_plain(key))
        sx_buf_add_text(path, key);
    else
        sx_buf_add_json_text(path, key, strlen(key));
}

void config_path_push_index(struct sx_buf *path, size_t i)
{
    sx_buf_printf(path, "[%zu]", i);
}

void config_path_cut(struct sx_buf *path, size_t len)
{
    path->len = len;
}

json_t *config_tree_get(const json_t *root, const char *path)
{
    size_t len = strcspn(path, ".");
    json_t *at = json_object_getn(root, path, len);

    while (at != NULL && path[len] != '\0') {
        path += len + 1;
        len = strcspn(path, ".");
        at = json_object_getn(at, path, len);
    }
    return at;
}

/* The object at the first len bytes of a path, made where it is missing. */
static json_t *child_object(json_t *at, const char *key, size_t len)
{
    json_t *child = json_object_getn(at, key, len);

    if (child != NULL)
        return json_is_object(child) ? child : NULL;
    if (json_object_setn_new(at, key, len, json_object()) != 0)
        return NULL;
    return json_object_getn(at, key, len);
}

int config_tree_set(json_t *root, const char *path, json_t *value)
{
    json_t *at = root;
    size_t len = strcspn(path, ".");

    while (at != NULL && path[len] != '\0') {
        at = child_object(at, path, len);
        path += len + 1;
        len = strcspn(path, ".");
    }
    if (at == NULL) {
        json_decref(value);
        return SX_ERR_NOMEM;
    }
    return json_object_setn_new(at, path, len, value) == 0 ? 0 : SX_ERR_NOMEM;
}
