/*
 * supervisor/cpus.c - CPUs granted by affinity and by cgroup quotas.
 *
 * Files: "cgroup(7)" for /proc/self/cgroup; the kernel's admin-guide/cgroup-v2 for cpu.max
 * ("QUOTA PERIOD" in microseconds, or "max PERIOD"); scheduler/sched-bwc for version 1.
 */
#include "supervisor/cpus.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define MAX_LINE 4096

static uint32_t count_affinity(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (uint32_t)CPU_COUNT(&set);
}

/* The first line of dir/file, without its end. */
static int read_line(const char *dir, const char *file, char line[MAX_LINE])
{
    char path[2 * MAX_LINE];
    FILE *in;
    int n = snprintf(path, sizeof path, "%s/%s", dir, file);

    if (n < 0 || (size_t)n >= sizeof path || (in = fopen(path, "re")) == NULL)
        return SX_ERR_MISSING;
    if (fgets(line, MAX_LINE, in) == NULL) {
        (void)fclose(in);
        return SX_ERR_MISSING;
    }
    (void)fclose(in);
    line[strcspn(line, "\n")] = '\0';
    return 0;
}

static void take_quota(int64_t quota, int64_t period, uint32_t *n_cpus)
{
    int64_t n;

    if (quota <= 0 || period <= 0)
        return;
    n = quota / period + (quota % period != 0);
    if (n < *n_cpus)
        *n_cpus = (uint32_t)n;
}

static void take_v2(const char *dir, uint32_t *n_cpus)
{
    char line[MAX_LINE];
    int64_t quota;
    int64_t period;
    size_t n;

    if (read_line(dir, "cpu.max", line) != 0)
        return;
    n = strcspn(line, " ");
    if (line[n] == '\0' || sx_parse_int(line, n, &quota) != 0 || /* "max" is no number */
        sx_parse_int(line + n + 1, strlen(line + n + 1), &period) != 0)
        return;
    take_quota(quota, period, n_cpus);
}

static void take_v1(const char *dir, uint32_t *n_cpus)
{
    char line[MAX_LINE];
    int64_t quota;
    int64_t period;

    if (read_line(dir, "cpu.cfs_quota_us", line) != 0 ||
        sx_parse_int(line, strlen(line), &quota) != 0) /* -1: none */
        return;
    if (read_line(dir, "cpu.cfs_period_us", line) != 0 ||
        sx_parse_int(line, strlen(line), &period) != 0)
        return;
    take_quota(quota, period, n_cpus);
}

/* From mount/path up to mount itself: in a container the path may be the host's, of which only
 * the root is mounted, so what is absent is skipped. */
static void take_ancestors(const char *mount, const char *path,
                           void (*take)(const char *dir, uint32_t *n_cpus), uint32_t *n_cpus)
{
    char dir[MAX_LINE];
    size_t n_mount = strlen(mount);
    int n = snprintf(dir, sizeof dir, "%s%s", mount, path);

    if (n < 0 || (size_t)n >= sizeof dir)
        return;
    for (;;) {
        char *slash;

        take(dir, n_cpus);
        if (strlen(dir) <= n_mount || (slash = strrchr(dir, '/')) == NULL || slash < dir + n_mount)
            return;
        *slash = '\0';
    }
}

static void take_under(const char *root, const char *sub, const char *path,
                       void (*take)(const char *dir, uint32_t *n_cpus), uint32_t *n_cpus)
{
    char mount[MAX_LINE];
    int n = snprintf(mount, sizeof mount, "%s%s", root, sub);

    if (n >= 0 && (size_t)n < sizeof mount)
        take_ancestors(mount, path, take, n_cpus);
}

/* Is "cpu" among the comma-separated controllers? */
static bool has_cpu(const char *controllers)
{
    for (const char *at = controllers;; at++) {
        size_t n = strcspn(at, ",");

        if (n == 3 && memcmp(at, "cpu", 3) == 0)
            return true;
        at += n;
        if (*at == '\0')
            return false;
    }
}

/* One line: "HIERARCHY:CONTROLLERS:PATH"; hierarchy 0 without controllers is version 2. */
static void take_membership(const char *root, char *line, uint32_t *n_cpus)
{
    char *controllers = strchr(line, ':');
    char *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    char sub[MAX_LINE + 1];

    if (path == NULL)
        return;
    *controllers++ = '\0';
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';

    if (*controllers == '\0') {
        take_under(root, "", path, take_v2, n_cpus);
        take_under(root, "/unified", path, take_v2, n_cpus);
    } else if (has_cpu(controllers)) {
        (void)snprintf(sub, sizeof sub, "/%s", controllers);
        take_under(root, sub, path, take_v1, n_cpus);
        if (strcmp(sub, "/cpu") != 0)
            take_under(root, "/cpu", path, take_v1, n_cpus);
    }
}

uint32_t sx_cpus_granted(const struct sx_cpus_source *src)
{
    static const struct sx_cpus_source system_files = { 0 };
    const struct sx_cpus_source *from = src == NULL ? &system_files : src;
    const char *root = from->root == NULL ? "/sys/fs/cgroup" : from->root;
    const char *membership = from->membership == NULL ? "/proc/self/cgroup" : from->membership;
    uint32_t n_cpus = from->n_affinity > 0 ? from->n_affinity : count_affinity();
    FILE *in = fopen(membership, "re");
    char line[MAX_LINE];

    if (in != NULL) {
        while (fgets(line, sizeof line, in) != NULL)
            take_membership(root, line, &n_cpus);
        (void)fclose(in);
    }
    return n_cpus > 0 ? n_cpus : 1;
}
