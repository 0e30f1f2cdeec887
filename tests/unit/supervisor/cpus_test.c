/* The number of workers follows what the cgroup grants, read from made-up cgroup files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/cpus.h"

struct file {
    const char *path; /* below the root; NULL: no more */
    const char *text;
};

struct grant {
    const char *name;
    const char *membership;
    struct file files[6];
    uint32_t n_affinity;
    uint32_t expected;
};

static const struct grant grants[] = {
    { "nothing but affinity", "0::/\n", { { 0 } }, 8, 8 },
    { "no quota", "0::/a\n", { { "a/cpu.max", "max 100000\n" } }, 8, 8 },
    { "two CPUs", "0::/a\n", { { "a/cpu.max", "200000 100000\n" } }, 8, 2 },
    { "one and a half", "0::/a\n", { { "a/cpu.max", "150000 100000\n" } }, 8, 2 },
    { "a quarter", "0::/a\n", { { "a/cpu.max", "25000 100000\n" } }, 8, 1 },
    { "more than there are", "0::/a\n", { { "a/cpu.max", "900000 100000\n" } }, 4, 4 },
    { "an ancestor's quota",
      "0::/a/b/c\n",
      { { "a/cpu.max", "300000 100000\n" }, { "a/b/c/cpu.max", "max 100000\n" } },
      8,
      3 },
    { "the least of all",
      "0::/a/b\n",
      { { "a/cpu.max", "300000 100000\n" }, { "a/b/cpu.max", "200000 100000\n" } },
      8,
      2 },
    { "the host's path, of which only the root is mounted",
      "0::/docker/1234\n",
      { { "cpu.max", "200000 100000\n" } },
      8,
      2 },
    { "hybrid, quota in version 2",
      "1:cpu:/\n0::/a\n",
      { { "unified/a/cpu.max", "100000 100000\n" } },
      8,
      1 },
    { "version 1, both controllers",
      "4:memory:/x\n3:cpu,cpuacct:/a\n",
      { { "cpu,cpuacct/a/cpu.cfs_quota_us", "300000\n" },
        { "cpu,cpuacct/a/cpu.cfs_period_us", "100000\n" },
        { "memory/x/cpu.max", "100000 100000\n" } },
      8,
      3 },
    { "version 1 mounted as cpu",
      "3:cpuacct,cpu:/a\n",
      { { "cpu/a/cpu.cfs_quota_us", "50000\n" }, { "cpu/a/cpu.cfs_period_us", "10000\n" } },
      8,
      5 },
    { "version 1 without a quota",
      "3:cpu:/a\n",
      { { "cpu/a/cpu.cfs_quota_us", "-1\n" }, { "cpu/a/cpu.cfs_period_us", "100000\n" } },
      8,
      8 },
    { "cpuset is not cpu",
      "3:cpuset:/a\n",
      { { "cpuset/a/cpu.cfs_quota_us", "100000\n" }, { "cpuset/a/cpu.cfs_period_us", "100000\n" } },
      8,
      8 },
    { "nonsense in the file", "0::/a\n", { { "a/cpu.max", "many\n" } }, 8, 8 },
    { "a period of zero", "0::/a\n", { { "a/cpu.max", "100000 0\n" } }, 8, 8 },
    { "nonsense in the membership", "0\n:\n\n", { { 0 } }, 8, 8 },
};

static void write_file(const char *root, const char *name, const char *text)
{
    char path[512];
    FILE *out;

    assert_true(snprintf(path, sizeof path, "%s/%s", root, name) < (int)sizeof path);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700);
        *slash = '/';
    }
    out = fopen(path, "w");
    assert_non_null(out);
    assert_true(fputs(text, out) >= 0);
    assert_int_equal(fclose(out), 0);
}

static void remove_all(const char *root)
{
    char command[512];

    assert_true(snprintf(command, sizeof command, "rm -rf '%s'", root) < (int)sizeof command);
    assert_int_equal(system(command), 0);
}

static uint32_t find_grant(const struct grant *g)
{
    char root[] = "/tmp/sx-cpus-XXXXXX";
    char membership[64];
    struct sx_cpus_source src = { .root = root, .n_affinity = g->n_affinity };
    uint32_t n;

    assert_non_null(mkdtemp(root));
    write_file(root, "membership", g->membership);
    for (const struct file *f = g->files; f->path != NULL; f++)
        write_file(root, f->path, f->text);
    (void)snprintf(membership, sizeof membership, "%s/membership", root);
    src.membership = membership;

    n = sx_cpus_granted(&src);
    remove_all(root);
    return n;
}

static void workers_follow_the_grant_of_the_cgroup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof grants / sizeof grants[0]; i++) {
        uint32_t n = find_grant(&grants[i]);

        if (n != grants[i].expected)
            fail_msg("%s: expected %u, found %u", grants[i].name, grants[i].expected, n);
    }
}

static void system_without_cgroups_grants_the_affinity(void **state)
{
    const struct sx_cpus_source src = { .membership = "/nowhere/cgroup",
                                        .root = "/nowhere",
                                        .n_affinity = 3 };

    (void)state;
    assert_int_equal(sx_cpus_granted(&src), 3);
}

static void this_machine_grants_at_least_one(void **state)
{
    long n_online = sysconf(_SC_NPROCESSORS_CONF);
    uint32_t n = sx_cpus_granted(NULL);

    (void)state;
    assert_true(n >= 1);
    assert_true((long)n <= n_online);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_follow_the_grant_of_the_cgroup),
        cmocka_unit_test(system_without_cgroups_grants_the_affinity),
        cmocka_unit_test(this_machine_grants_at_least_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
