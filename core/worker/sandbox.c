/*
 * worker/sandbox.c - what a worker gives up before it maps the first plugin, and when it has
 * mapped the last.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/file.h"
#include "base/sandbox.h"
#include "worker/worker_private.h"

#define MAX_SWITCH_BYTES 65536u

/* A core has the passwords of the configuration. */
static int forbid_core(struct sx_report *rep)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = 0; /* the hard limit stays, for a reload that wants cores */
        if (setrlimit(RLIMIT_CORE, &limit) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
            return 0;
    }
    sx_report_add(rep, "core dumps cannot be switched off: %s", strerror(errno));
    return SX_ERR_IO;
}

static bool is_sandboxed(const struct sx_worker *w)
{
    return strcmp(w->config->process.sandbox, "off") != 0;
}

/* What the kernel has not is no fault here: the supervisor has warned, or refused to start. */
int sx_worker_confine(struct sx_worker *w, struct sx_report *rep)
{
    const char *uploads = w->config->server.upload_dir;
    int err = w->config->process.core_dumps ? 0 : forbid_core(rep);

    if (*uploads != '\0' && !w->is_check)
        (void)sx_folder_make(uploads, (uid_t)-1, (gid_t)-1); /* a failure is an upload's */
    if (err != 0 || !is_sandboxed(w))
        return err;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        err = SX_ERR_IO;
    if (err == 0 && sx_sandbox_landlock() > 0)
        err = sx_worker_landlock(w, rep);
    if (err == 0 && sx_sandbox_has_seccomp() && sx_worker_seccomp(w->is_check) != 0) {
        sx_report_add(rep, "the sandbox cannot be entered: seccomp: %s", strerror(errno));
        err = SX_ERR_IO;
    }
    return err;
}

/* --- The last code that is mapped --------------------------------------------------------- */

/* "hosts: files mdns4_minimal [NOTFOUND=return] dns": the module of each word.  Those of files and
 * dns are in libc. */
static void load_services(char *line)
{
    char *at = line, name[96];
    const char *word;

    while ((word = strtok_r(at, " \t\n", &at)) != NULL) {
        if (*word == '[' || strcmp(word, "files") == 0 || strcmp(word, "dns") == 0)
            continue;
        (void)snprintf(name, sizeof name, "libnss_%.64s.so.2", word);
        (void)dlopen(name, RTLD_NOW); /* one that is not installed is skipped by libc as well */
    }
}

/* libc maps them when the first name is looked up, which is too late. */
static void load_name_services(void)
{
    static const char *const tables[] = { "hosts:", "passwd:" };
    char *text, *line, *at;
    size_t len;

    if (sx_file_read("/etc/nsswitch.conf", MAX_SWITCH_BYTES, &text, &len) != 0)
        return;
    at = text;
    while ((line = strsep(&at, "\n")) != NULL)
        for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
            if (strncmp(line, tables[i], strlen(tables[i])) == 0)
                load_services(line + strlen(tables[i]));
    free(text);
}

int sx_worker_seal(struct sx_worker *w, struct sx_report *rep)
{
    if (!is_sandboxed(w) || !sx_sandbox_has_seccomp())
        return 0;
    load_name_services();
    if (sx_worker_seccomp_seal() == 0)
        return 0;
    sx_report_add(rep, "the sandbox cannot be closed: seccomp: %s", strerror(errno));
    return SX_ERR_IO;
}
