/*
 * supervisor/privileges.c - what the supervisor gives up: at once what it never needs, and root
 * when its sockets are open.
 *
 * Children inherit all of it.  Nothing is given back: what only root can do is done at the start,
 * or needs another start, and is told so.
 */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/sandbox.h"
#include "base/user.h"
#include "supervisor/supervisor_private.h"

/* --- From the first moment --------------------------------------------------------------- */

static bool will_drop(const struct sx_config *cfg, struct sx_user *ret_user)
{
    char why[160];

    return geteuid() == 0 && *cfg->process.user != '\0' &&
           sx_user_find(cfg->process.user, cfg->process.group, ret_user, why, sizeof why) == 0 &&
           ret_user->uid != 0;
}

/* Root's home would be closed to its successor, and libpq looks there for certificates. */
static int become_at_home(const struct sx_user *user)
{
    return setenv("HOME", user->home, 1) == 0 && setenv("USER", user->name, 1) == 0 &&
                   setenv("LOGNAME", user->name, 1) == 0
               ? 0
               : SX_ERR_NOMEM;
}

/* What a process may ever get by an exec.  What it has stays, so that it can bind. */
static int empty_bounding_set(void)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0)
            return SX_ERR_IO;
    /* Kernels before 4.3 have none. */
    return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 || errno == EINVAL
               ? 0
               : SX_ERR_IO;
}

int sx_privileges_begin(const struct sx_config *cfg)
{
    struct sx_user user;

    (void)umask(umask(077) | 022);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_DUMPABLE, cfg->process.core_dumps ? 1 : 0, 0, 0, 0) != 0)
        return SX_ERR_IO;
    if (!will_drop(cfg, &user))
        return 0;
    return become_at_home(&user) == 0 ? empty_bounding_set() : SX_ERR_NOMEM;
}

/* --- When the sockets are open ----------------------------------------------------------- */

/* Whoever may connect to it, its owner is the one who serves. */
static void give_sockets(const struct sx_supervisor *sup, const struct sx_user *user)
{
    const struct sx_list *all = &sup->listeners.all;

    for (const struct sx_list *at = all->next; at != all; at = at->next) {
        const struct sx_listener *l = SX_MEMBER_OF(at, struct sx_listener, link);
        const struct sockaddr_un *a = (const struct sockaddr_un *)&l->address.addr;

        if (a->sun_family == AF_UNIX && !l->is_borrowed &&
            lchown(a->sun_path, user->uid, user->gid) != 0)
            sx_log_line(sup->log, SX_LOG_WARNING, NULL, "%s: stays root's: %s", l->address.name,
                        strerror(errno));
    }
}

static int clear_capabilities(void)
{
    struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

    return syscall(SYS_capset, &head, none) == 0 ? 0 : SX_ERR_IO;
}

static int become(const struct sx_config *cfg, const struct sx_user *user)
{
    if (setgroups(0, NULL) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
        setresuid(user->uid, user->uid, user->uid) != 0 || clear_capabilities() != 0)
        return SX_ERR_IO;
    if (setuid(0) == 0) { /* it must not come back */
        errno = EPERM;
        return SX_ERR_IO;
    }
    /* The change of the user has set it as for a setuid program. */
    return prctl(PR_SET_DUMPABLE, cfg->process.core_dumps ? 1 : 0, 0, 0, 0) == 0 ? 0 : SX_ERR_IO;
}

static int check_state_dir(const struct sx_config *cfg, const struct sx_user *user,
                           struct sx_report *rep)
{
    const char *path = cfg->server.state_dir;

    if (*path == '\0' || access(path, W_OK | X_OK) == 0 || errno == ENOENT)
        return 0;
    sx_report_add(rep,
                  "%s: server.state_dir: \"%s\" cannot be used by user %s: %s\n"
                  "Mend it with: chown -R %s %s",
                  sx_config_origin(cfg, "server.state_dir"), path, user->name, strerror(errno),
                  user->name, path);
    return SX_ERR_INVALID;
}

static int drop(struct sx_supervisor *sup, const struct sx_config *cfg, const struct sx_user *user,
                struct sx_report *rep)
{
    if (*cfg->server.state_dir != '\0') /* by root, as its parent may be closed to the user */
        (void)sx_folder_make(cfg->server.state_dir, user->uid, user->gid);
    give_sockets(sup, user);
    if (become(cfg, user) != 0) {
        sx_report_add(rep, "%s: process.user: root cannot become user %s: %s",
                      sx_config_origin(cfg, "process.user"), user->name, strerror(errno));
        return SX_ERR_IO;
    }
    sup->listeners.has_dropped_root = true;
    sx_log_line(sup->log, SX_LOG_INFO, NULL, "root has become user %s (%lu, group %lu)", user->name,
                (unsigned long)user->uid, (unsigned long)user->gid);
    if (sup->output_path != NULL && access(sup->output_path, W_OK) != 0)
        sx_log_line(sup->log, SX_LOG_WARNING, NULL,
                    "%s: user %s cannot open it again, so USR1 will not: %s", sup->output_path,
                    user->name, strerror(errno));
    return check_state_dir(cfg, user, rep);
}

/* Later generations: nobody becomes another one any more. */
static int check_same_user(const struct sx_supervisor *sup, const struct sx_config *cfg,
                           struct sx_report *rep)
{
    if (strcmp(sup->user, cfg->process.user) == 0)
        return 0;
    sx_report_add(rep,
                  "%s: process.user: expected \"%s\" as at the start, found \"%s\"\n"
                  "A reload changes no user: restart the server.",
                  sx_config_origin(cfg, "process.user"), sup->user, cfg->process.user);
    return SX_ERR_INVALID;
}

static void warn(const struct sx_supervisor *sup, const struct sx_config *cfg)
{
    bool is_at_home = strcmp(cfg->env, "development") == 0;

    if (geteuid() == 0 && *cfg->process.user == '\0' && !is_at_home)
        sx_log_line(sup->log, SX_LOG_WARNING, NULL,
                    "the server and its plugins run as root: name another user in process.user");
    if (strcmp(cfg->env, "production") == 0 && !sx_config_requires_pins(cfg))
        sx_log_line(sup->log, SX_LOG_WARNING, NULL,
                    "%s: trust.pins: plugins are not pinned in production",
                    sx_config_origin(cfg, "trust.pins"));
}

/* The workers take what there is. */
static int check_sandbox(const struct sx_supervisor *sup, const struct sx_config *cfg,
                         struct sx_report *rep)
{
    const bool has_landlock = sx_sandbox_landlock() > 0;
    const char *why = strerror(errno);
    const char *origin = sx_config_origin(cfg, "process.sandbox");

    if (strcmp(cfg->process.sandbox, "off") == 0 || (has_landlock && sx_sandbox_has_seccomp()))
        return 0;
    if (strcmp(cfg->process.sandbox, "on") == 0) {
        sx_log_line(sup->log, SX_LOG_WARNING, NULL,
                    "%s: process.sandbox: this kernel has no %s: %s", origin,
                    has_landlock ? "filters of system calls" : "Landlock, so plugins see all files",
                    has_landlock ? strerror(errno) : why);
        return 0;
    }
    sx_report_add(
        rep,
        "%s: process.sandbox: expected a kernel with %s, found one without: %s\n"
        "Landlock is in Linux 5.13 and later, when \"landlock\" is in its list lsm=.  With "
        "\"on\" the server does with what there is.",
        origin, has_landlock ? "seccomp" : "Landlock", has_landlock ? strerror(errno) : why);
    return SX_ERR_INVALID;
}

int sx_privileges_drop(struct sx_supervisor *sup, const struct sx_config *cfg,
                       struct sx_report *rep)
{
    struct sx_user user;
    int sandbox = check_sandbox(sup, cfg, rep);

    if (sup->user != NULL) {
        int same = check_same_user(sup, cfg, rep);

        return sandbox != 0 ? sandbox : same;
    }
    sup->user = strdup(cfg->process.user);
    if (sup->user == NULL)
        return SX_ERR_NOMEM;
    warn(sup, cfg);
    if (will_drop(cfg, &user)) {
        int dropped = drop(sup, cfg, &user, rep);

        return sandbox != 0 ? sandbox : dropped;
    }
    return sandbox;
}
