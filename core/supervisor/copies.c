/* supervisor/copies.c - reading, hashing and storing plugins without looking into them. */
#include "supervisor/copies.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "board/control.h"
#include "board/sealed.h"

#define MAX_PLUGIN_BYTES (256u * 1024 * 1024)
#define MAX_LIST_BYTES   (1024u * 1024)
#define MAX_PATH_BYTES   4096
#define KEEP_S           (7 * 24 * 3600)
#define WRITE_S          3600 /* nobody writes one for so long */

/* Can nobody else put another folder in the place of one in here? */
static bool is_safe_parent(const char *path)
{
    struct stat st;

    if (lstat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return false;
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return false;
    return (st.st_mode & 022) == 0 || (st.st_mode & S_ISVTX) != 0;
}

/* Why dir, in parent, cannot hold code that we are to trust, or NULL. */
static const char *find_objection(const char *parent, const char *dir)
{
    struct statvfs fs;
    struct stat st;

    if (sx_folder_make(dir, (uid_t)-1, (gid_t)-1) != 0)
        return strerror(errno);
    if (lstat(dir, &st) != 0 || statvfs(dir, &fs) != 0)
        return strerror(errno);
    if (!is_safe_parent(parent))
        return "server.state_dir belongs to another user, or others may write into it";
    if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 077) != 0)
        return "it is not a folder of mode 0700 that belongs to this user";
    if ((fs.f_flag & ST_NOEXEC) != 0)
        return "its file system is mounted noexec";
    if (access(dir, W_OK | X_OK) != 0)
        return strerror(errno);
    return NULL;
}

static bool has_bytes(int fd, const char *data, size_t len)
{
    char part[16384];
    size_t at = 0;

    while (at < len) {
        ssize_t n = pread(fd, part, sizeof part, (off_t)at);

        if (n <= 0 || (size_t)n > len - at || memcmp(part, data + at, (size_t)n) != 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* Opens what is at path if it is these bytes, and holds it against removal. */
static int open_copy(const char *path, const char *data, size_t len, int *ret_fd)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return SX_ERR_MISSING;
    if (flock(fd, LOCK_SH | LOCK_NB) != 0 || fstat(fd, &st) != 0 || st.st_nlink == 0 ||
        !S_ISREG(st.st_mode) || (size_t)st.st_size != len || !has_bytes(fd, data, len)) {
        (void)close(fd);
        return SX_ERR_INVALID;
    }
    (void)futimens(fd, NULL); /* used now: see sx_copies_clean */
    *ret_fd = fd;
    return 0;
}

static int store_in_file(const char *dir, const char *data, size_t len, struct sx_copy *copy)
{
    char path[MAX_PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/%s-%s.so", dir, copy->name, copy->sha256);

    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return SX_ERR_IO;
    }
    if (open_copy(path, data, len, &copy->fd) != 0) {
        if (sx_file_write(path, data, len, 0500) != 0)
            return SX_ERR_IO;
        if (open_copy(path, data, len, &copy->fd) != 0) {
            errno = EIO; /* it is not what was written */
            return SX_ERR_IO;
        }
    }
    copy->path = realpath(path, NULL);
    return copy->path == NULL ? SX_ERR_IO : 0;
}

int sx_copy_find_path(struct sx_copy *copy)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", copy->fd);
    copy->path = strdup(path);
    return copy->path == NULL ? SX_ERR_NOMEM : 0;
}

static int store_in_memory(const char *data, size_t len, struct sx_copy *copy)
{
    if (sx_sealed_create(copy->name, data, len, true, &copy->fd) != 0)
        return SX_ERR_IO;
    copy->is_memfd = true;
    return sx_copy_find_path(copy);
}

/* One fault of a plugin, where the configuration has the key, or else the plugin. */
static void add_fault(const struct sx_config *cfg, const struct sx_config_plugin *plugin,
                      const char *key, struct sx_report *rep, const char *why)
{
    const char *origin;
    char path[160];

    (void)snprintf(path, sizeof path, "plugins.%s.%s", plugin->name, key);
    origin = sx_config_origin(cfg, path);
    if (strcmp(origin, "default") == 0) {
        (void)snprintf(path, sizeof path, "plugins.%s", plugin->name);
        origin = sx_config_origin(cfg, path);
    }
    sx_report_add(rep, "%s: %s: %s: %s", origin, path, plugin->path, why);
}

static int check_pin(const struct sx_config *cfg, const struct sx_config_plugin *plugin,
                     const char *sha256, struct sx_report *rep)
{
    char why[256];

    if (plugin->sha256 == NULL || plugin->sha256[0] == '\0' || strcmp(plugin->sha256, sha256) == 0)
        return 0;
    (void)snprintf(why, sizeof why, "expected sha256 \"%s\", found \"%s\"", plugin->sha256, sha256);
    add_fault(cfg, plugin, "sha256", rep, why);
    return SX_ERR_INVALID;
}

/* In the folder; in memory where there is none, or where it takes no more (it is full). */
static int store(const char *dir, const char *data, size_t len, struct sx_report *notices,
                 struct sx_copy *copy)
{
    if (dir == NULL)
        return store_in_memory(data, len, copy);
    if (store_in_file(dir, data, len, copy) == 0)
        return 0;
    sx_report_add(notices,
                  "the copy of the plugin \"%s\" is kept in memory: it cannot be in \"%s\": %s",
                  copy->name, dir, strerror(errno));
    if (copy->fd >= 0)
        (void)close(copy->fd);
    copy->fd = -1;
    return store_in_memory(data, len, copy);
}

static int copy_plugin(const struct sx_config *cfg, const struct sx_config_plugin *plugin,
                       const char *dir, struct sx_report *notices, struct sx_report *rep,
                       struct sx_copy *copy)
{
    char why[128];
    char *data;
    size_t len;
    int rc;

    copy->name = strdup(plugin->name);
    rc = copy->name == NULL ? SX_ERR_NOMEM
                            : sx_file_read(plugin->path, MAX_PLUGIN_BYTES, &data, &len);
    if (rc != 0) {
        (void)snprintf(why, sizeof why, "cannot be read: %s",
                       rc == SX_ERR_BUSY ? "it is larger than 256 MiB" : strerror(errno));
        add_fault(cfg, plugin, "path", rep, why);
        return SX_ERR_INVALID;
    }
    sx_sha256_hex(data, len, copy->sha256);
    rc = check_pin(cfg, plugin, copy->sha256, rep);
    if (rc == 0) {
        rc = store(dir, data, len, notices, copy);
        if (rc != 0)
            sx_report_add(rep, "plugins.%s: cannot be copied to memory: %s", plugin->name,
                          strerror(errno));
    }
    free(data);
    return rc;
}

/* The folder for copies in to, or NULL when memory must do. */
static const char *choose_folder(const struct sx_config *cfg, struct sx_report *notices,
                                 char to[MAX_PATH_BYTES])
{
    const char *objection;
    int n = snprintf(to, MAX_PATH_BYTES, "%s/plugins", cfg->server.state_dir);

    if (cfg->server.state_dir[0] == '\0')
        objection = "server.state_dir is empty";
    else if (n < 0 || n >= MAX_PATH_BYTES)
        objection = strerror(ENAMETOOLONG);
    else
        objection = find_objection(cfg->server.state_dir, to);
    if (objection == NULL)
        return to;
    sx_report_add(notices,
                  "the copies of the plugins are kept in memory: \"%s\" cannot be used: %s", to,
                  objection);
    return NULL;
}

int sx_copies_seal(struct sx_copies *copies, struct sx_report *rep)
{
    struct sx_buf list;
    int rc = SX_ERR_NOMEM;

    sx_buf_init(&list, MAX_LIST_BYTES);
    for (size_t i = 0; i < copies->n; i++)
        sx_control_add_plugin(&list, copies->v[i].name, copies->v[i].path, copies->v[i].sha256);
    if (!sx_buf_failed(&list))
        rc = sx_sealed_create("plugins", list.data, list.len, false, &copies->list_fd);
    sx_buf_finish(&list);
    if (rc != 0)
        sx_report_add(rep, "the list of plugins cannot be kept: %s",
                      rc == SX_ERR_NOMEM ? "no memory" : strerror(errno));
    return rc;
}

static int fill(const struct sx_config *cfg, struct sx_report *notices, struct sx_report *rep,
                struct sx_copies *copies)
{
    char path[MAX_PATH_BYTES];
    const char *dir = NULL;
    bool has_chosen = false;
    int rc = 0;

    for (size_t i = 0; i < cfg->n_plugins; i++) {
        struct sx_copy *copy = &copies->v[copies->n];

        if (!cfg->plugins[i].enabled)
            continue;
        if (!has_chosen)
            dir = choose_folder(cfg, notices, path);
        has_chosen = true;
        *copy = (struct sx_copy){ .fd = -1 };
        copies->n++;
        if (copy_plugin(cfg, &cfg->plugins[i], dir, notices, rep, copy) != 0)
            rc = SX_ERR_INVALID;
    }
    if (rc == 0 && dir != NULL)
        sx_copies_clean(dir, (long long)time(NULL));
    return rc;
}

int sx_copies_create(const struct sx_config *cfg, struct sx_report *notices, struct sx_report *rep,
                     struct sx_copies *ret_copies)
{
    struct sx_copies copies = { .list_fd = -1 };
    int rc;

    copies.v = calloc(cfg->n_plugins + 1, sizeof *copies.v);
    if (copies.v == NULL)
        return SX_ERR_NOMEM;
    rc = fill(cfg, notices, rep, &copies);
    if (rc != 0) {
        sx_copies_destroy(&copies);
        return rc;
    }
    *ret_copies = copies;
    return 0;
}

void sx_copies_destroy(struct sx_copies *copies)
{
    for (size_t i = 0; i < copies->n; i++) {
        free(copies->v[i].name);
        free(copies->v[i].path);
        if (copies->v[i].fd >= 0)
            (void)close(copies->v[i].fd);
    }
    free(copies->v);
    if (copies->list_fd >= 0)
        (void)close(copies->list_fd);
    *copies = (struct sx_copies){ .list_fd = -1 };
}

/* NAME-SHA256.so, with what sx_file_write appends while it writes, if it is temporary. */
static bool is_copy_name(const char *name, bool is_temporary)
{
    size_t n_more = is_temporary ? sizeof ".XXXXXX" - 1 : 0, len = strlen(name);
    const char *end;

    if (len <= SX_SHA256_HEX + 4 + n_more)
        return false;
    end = name + len - n_more;
    return strncmp(end - 3, ".so", 3) == 0 && end[-3 - SX_SHA256_HEX - 1] == '-' &&
           (!is_temporary || end[0] == '.');
}

static void remove_unused(int dir_fd, const char *name, long long cutoff_s)
{
    struct stat st;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (long long)st.st_mtime < cutoff_s &&
        flock(fd, LOCK_EX | LOCK_NB) == 0)
        (void)unlinkat(dir_fd, name, 0);
    (void)close(fd);
}

void sx_copies_clean(const char *dir, long long now_s)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    if (d == NULL)
        return;
    while ((entry = readdir(d)) != NULL) {
        if (is_copy_name(entry->d_name, false))
            remove_unused(dirfd(d), entry->d_name, now_s - KEEP_S);
        else if (is_copy_name(entry->d_name, true))
            remove_unused(dirfd(d), entry->d_name, now_s - WRITE_S);
    }
    (void)closedir(d);
}
