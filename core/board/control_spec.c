/*
 * board/control_spec.c - what a worker inherits, as one argument and one sealed list.
 *
 *     config=3,plugins=8,board=4,control=5,index=0,slot=2,generation=1,count=2,listen=6;7
 */
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"
#include "board/control.h"
#include "board/sealed.h"

#define MAX_PLUGIN_LIST (1024 * 1024)

enum key {
    KEY_CONFIG,
    KEY_PLUGINS,
    KEY_BOARD,
    KEY_CONTROL,
    KEY_INDEX,
    KEY_SLOT,
    KEY_GENERATION,
    KEY_COUNT,
    KEY_LISTEN,
    N_KEYS
};

static const char *const keys[N_KEYS] = {
    "config", "plugins", "board", "control", "index", "slot", "generation", "count", "listen",
};

int sx_control_format_spec(const struct sx_control_spec *spec, char *to, size_t size)
{
    size_t at;
    int n = snprintf(to, size,
                     "config=%d,plugins=%d,board=%d,control=%d,index=%u,slot=%u,generation=%u,"
                     "count=%u,listen=",
                     spec->config_fd, spec->plugins_fd, spec->board_fd, spec->control_fd,
                     spec->index, spec->slot, spec->generation, spec->count);

    if (n < 0 || (size_t)n >= size)
        return SX_ERR_BUSY;
    at = (size_t)n;
    for (size_t i = 0; i < spec->n_listen; i++) {
        n = snprintf(to + at, size - at, "%s%d", i > 0 ? ";" : "", spec->listen_fds[i]);
        if (n < 0 || (size_t)n >= size - at)
            return SX_ERR_BUSY;
        at += (size_t)n;
    }
    return 0;
}

static int parse_fd(const char *data, size_t len, int *ret_fd)
{
    int64_t value;

    if (sx_parse_int(data, len, &value) != 0 || value < 0 || value > INT_MAX)
        return SX_ERR_INVALID;
    *ret_fd = (int)value;
    return 0;
}

static int parse_count(const char *data, size_t len, uint32_t *ret_value)
{
    uint64_t value;

    if (sx_parse_uint(data, len, &value) != 0 || value > UINT32_MAX)
        return SX_ERR_INVALID;
    *ret_value = (uint32_t)value;
    return 0;
}

static int parse_listen(const char *data, size_t len, struct sx_control_spec *spec)
{
    const char *end = data + len;

    while (data < end) {
        const char *stop = memchr(data, ';', (size_t)(end - data));
        size_t n = stop == NULL ? (size_t)(end - data) : (size_t)(stop - data);

        if (spec->n_listen == SX_CONTROL_MAX_LISTEN || (stop != NULL && stop + 1 == end))
            return SX_ERR_INVALID;
        if (parse_fd(data, n, &spec->listen_fds[spec->n_listen]) != 0)
            return SX_ERR_INVALID;
        spec->n_listen++;
        data += n + (stop != NULL);
    }
    return 0;
}

static int parse_value(int key, const char *data, size_t len, struct sx_control_spec *spec)
{
    switch (key) {
    case KEY_CONFIG: return parse_fd(data, len, &spec->config_fd);
    case KEY_PLUGINS: return parse_fd(data, len, &spec->plugins_fd);
    case KEY_BOARD: return parse_fd(data, len, &spec->board_fd);
    case KEY_CONTROL: return parse_fd(data, len, &spec->control_fd);
    case KEY_INDEX: return parse_count(data, len, &spec->index);
    case KEY_SLOT: return parse_count(data, len, &spec->slot);
    case KEY_GENERATION: return parse_count(data, len, &spec->generation);
    case KEY_COUNT: return parse_count(data, len, &spec->count);
    default: return parse_listen(data, len, spec);
    }
}

static int find_key(const char *data, size_t len)
{
    int key = 0;

    while (key < N_KEYS && (strlen(keys[key]) != len || memcmp(keys[key], data, len) != 0))
        key++;
    return key;
}

static int parse_pair(const char *data, size_t len, unsigned *seen, struct sx_control_spec *spec)
{
    const char *equals = memchr(data, '=', len);
    size_t n_key = equals == NULL ? len : (size_t)(equals - data);
    int key = find_key(data, n_key);

    if (equals == NULL || key == N_KEYS || (*seen & 1u << key) != 0)
        return SX_ERR_INVALID;
    *seen |= 1u << key;
    return parse_value(key, equals + 1, len - n_key - 1, spec);
}

int sx_control_parse_spec(const char *text, struct sx_control_spec *ret_spec)
{
    struct sx_control_spec spec = { .n_listen = 0 };
    unsigned seen = 0;

    for (const char *at = text;; at++) {
        size_t n = strcspn(at, ",");

        if (parse_pair(at, n, &seen, &spec) != 0)
            return SX_ERR_INVALID;
        at += n;
        if (*at == '\0')
            break;
    }
    if (seen != (1u << N_KEYS) - 1)
        return SX_ERR_INVALID;
    *ret_spec = spec;
    return 0;
}

static int set_cloexec(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    return flags >= 0 && fcntl(fd, F_SETFD, flags | FD_CLOEXEC) == 0 ? 0 : SX_ERR_INVALID;
}

int sx_control_adopt_spec(const struct sx_control_spec *spec)
{
    if (set_cloexec(spec->config_fd) != 0 || set_cloexec(spec->plugins_fd) != 0 ||
        set_cloexec(spec->board_fd) != 0 || set_cloexec(spec->control_fd) != 0)
        return SX_ERR_INVALID;
    for (size_t i = 0; i < spec->n_listen; i++) {
        if (set_cloexec(spec->listen_fds[i]) != 0)
            return SX_ERR_INVALID;
    }
    return 0;
}

void sx_control_add_plugin(struct sx_buf *to, const char *name, const char *path,
                           const char *sha256)
{
    sx_buf_add(to, name, strlen(name) + 1);
    sx_buf_add(to, path, strlen(path) + 1);
    sx_buf_add(to, sha256, strlen(sha256) + 1);
}

/* The number of NULs, or none when the last byte is not one. */
static size_t count_texts(const char *data, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += data[i] == '\0';
    return len > 0 && data[len - 1] != '\0' ? 0 : n;
}

static const char *take_text(const char **at)
{
    const char *text = *at;

    *at += strlen(text) + 1;
    return text;
}

int sx_control_read_plugins(int fd, struct sx_control_plugins *ret_plugins)
{
    struct sx_control_plugins list = { 0 };
    const char *at;
    size_t len;
    size_t n;
    int rc = sx_sealed_read(fd, MAX_PLUGIN_LIST, &list.data, &len);

    if (rc != 0)
        return rc;
    n = count_texts(list.data, len);
    if (n % 3 != 0 || (n == 0 && len > 0)) {
        free(list.data);
        return SX_ERR_INVALID;
    }
    list.n = n / 3;
    list.v = calloc(list.n + 1, sizeof *list.v);
    if (list.v == NULL) {
        free(list.data);
        return SX_ERR_NOMEM;
    }

    at = list.data;
    for (size_t i = 0; i < list.n; i++) {
        list.v[i].name = take_text(&at);
        list.v[i].path = take_text(&at);
        list.v[i].sha256 = take_text(&at);
    }
    *ret_plugins = list;
    return 0;
}

void sx_control_finish_plugins(struct sx_control_plugins *plugins)
{
    free(plugins->v);
    free(plugins->data);
    *plugins = (struct sx_control_plugins){ 0 };
}
