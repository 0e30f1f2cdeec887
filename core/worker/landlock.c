/*
 * worker/landlock.c - the files that a worker may see and write, for all its threads to come.
 *
 * Read: the system's libraries and tables, the program's folder, the folder above that of the
 * configuration, the copies of the plugins, secrets that are files, what process.read names.
 * Written: uploads and what process.write names.  Beyond files: no TCP port is opened, and nobody
 * outside gets a signal, where the kernel can keep that too.  Descriptors that were inherited stay
 * as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/sandbox.h"
#include "worker/worker_private.h"

/* Younger than the headers of Linux 6.1. */
#define FS_TRUNCATE  (UINT64_C(1) << 14) /* version 3 */
#define FS_IOCTL_DEV (UINT64_C(1) << 15) /* 5 */
#define NET_BIND_TCP (UINT64_C(1) << 0)  /* 4 */
#define SCOPE_SIGNAL (UINT64_C(1) << 1)  /* 6 */

struct ruleset_attributes {
    uint64_t fs, net, scoped;
};

#define READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define OF_FILES                                                                                 \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_EXECUTE | \
     FS_TRUNCATE | FS_IOCTL_DEV)
#define WRITE                                                                                     \
    (READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                       \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | \
     LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER | FS_TRUNCATE)

/* Of which some are missing on any machine. */
static const char *const system_paths[] = {
    "/usr",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc",
    "/proc",
    "/sys/devices/system/cpu",
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    /* where /etc/resolv.conf points to */
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
};
static const char *const home_paths[] = { ".pgpass", ".pg_service.conf", ".postgresql" };

struct sandbox {
    int fd;
    uint64_t known; /* rights of files that this kernel can keep */
};

static uint64_t known_rights(int version)
{
    uint64_t all = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;

    if (version >= 2)
        all |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        all |= FS_TRUNCATE;
    if (version >= 5)
        all |= FS_IOCTL_DEV;
    return all;
}

static int create(int version, struct sandbox *ret_box)
{
    struct ruleset_attributes set = { .fs = known_rights(version),
                                      .net = version >= 4 ? NET_BIND_TCP : 0,
                                      .scoped = version >= 6 ? SCOPE_SIGNAL : 0 };
    const size_t size = version >= 6   ? sizeof set
                        : version >= 4 ? offsetof(struct ruleset_attributes, scoped)
                                       : offsetof(struct ruleset_attributes, net);

    ret_box->known = set.fs;
    ret_box->fd = (int)syscall(SYS_landlock_create_ruleset, &set, size, 0);
    return ret_box->fd < 0 ? SX_ERR_IO : 0;
}

/* SX_ERR_MISSING when there is nothing at path. */
static int allow(const struct sandbox *box, const char *path, uint64_t rights)
{
    struct landlock_path_beneath_attr rule = { .parent_fd = open(path, O_PATH | O_CLOEXEC) };
    struct stat st;
    long rc;

    if (rule.parent_fd < 0)
        return SX_ERR_MISSING;
    if (fstat(rule.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        rights &= OF_FILES;
    rule.allowed_access = rights & box->known;
    rc = syscall(SYS_landlock_add_rule, box->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0);
    (void)close(rule.parent_fd);
    return rc == 0 ? 0 : SX_ERR_IO;
}

static void allow_home(const struct sandbox *box)
{
    const char *home = getenv("HOME");
    char path[PATH_MAX];

    for (size_t i = 0; home != NULL && i < sizeof home_paths / sizeof home_paths[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", home, home_paths[i]);
        (void)allow(box, path, READ);
    }
}

/* What LoadCredential= of systemd hands over, for libpq: PGPASSFILE, sslrootcert. */
static void allow_credentials(const struct sandbox *box)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");

    if (folder != NULL)
        (void)allow(box, folder, READ);
}

static void allow_program(const struct sandbox *box)
{
    char path[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

    path[n > 0 ? n : 0] = '\0';
    if (strrchr(path, '/') == NULL)
        return;
    *strrchr(path, '/') = '\0';
    (void)allow(box, path, READ);
}

/* A whole file system is no folder of the application. */
static void allow_root(const struct sandbox *box, const struct sx_config *cfg)
{
    if (strcmp(cfg->root_dir, "/") != 0)
        (void)allow(box, cfg->root_dir, READ);
}

static void allow_known(const struct sandbox *box, struct sx_worker *w)
{
    const struct sx_config_server *server = &w->config->server;
    char path[PATH_MAX];

    for (size_t i = 0; i < sizeof system_paths / sizeof system_paths[0]; i++)
        (void)allow(box, system_paths[i], READ);
    (void)allow(box, "/dev/null", LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE);
    allow_home(box);
    allow_credentials(box);
    allow_program(box);
    allow_root(box, w->config);
    (void)snprintf(path, sizeof path, "%s/plugins", server->state_dir);
    (void)allow(box, path, READ);
    for (size_t i = 0; sx_config_secret_file(w->config, i) != NULL; i++)
        (void)allow(box, sx_config_secret_file(w->config, i), READ);
    if (!w->is_check)
        (void)allow(box, server->upload_dir, WRITE);
}

/* What the configuration names must be there: a mistake would show when a plugin needs it. */
static void allow_list(const struct sandbox *box, const struct sx_config *cfg, const char *key,
                       const struct sx_config_text_list *paths, uint64_t rights,
                       struct sx_report *rep)
{
    char item[64];

    for (size_t i = 0; i < paths->n; i++) {
        if (allow(box, paths->v[i], rights) == 0)
            continue;
        (void)snprintf(item, sizeof item, "%s[%zu]", key, i);
        sx_report_add(rep, "%s: %s: \"%s\" cannot be opened: %s", sx_config_origin(cfg, item), item,
                      paths->v[i], strerror(errno));
    }
}

int sx_worker_landlock(struct sx_worker *w, struct sx_report *rep)
{
    const struct sx_config_process *process = &w->config->process;
    const size_t n_faults = rep->n_faults;
    struct sandbox box;
    int err = create(sx_sandbox_landlock(), &box);

    if (err != 0) {
        sx_report_add(rep, "the sandbox cannot be made: landlock: %s", strerror(errno));
        return err;
    }
    allow_known(&box, w);
    allow_list(&box, w->config, "process.read", &process->read, READ, rep);
    allow_list(&box, w->config, "process.write", &process->write, w->is_check ? READ : WRITE, rep);
    if (syscall(SYS_landlock_restrict_self, box.fd, 0) != 0)
        sx_report_add(rep, "the sandbox cannot be entered: landlock: %s", strerror(errno));
    (void)close(box.fd);
    return rep->n_faults == n_faults ? 0 : SX_ERR_INVALID;
}
