/*
 * supervisor/cpus.h - how many CPUs this process is granted.
 */
#ifndef SX_SUPERVISOR_CPUS_H
#define SX_SUPERVISOR_CPUS_H

#include <stdint.h>

struct sx_cpus_source {
    const char *membership; /* NULL: "/proc/self/cgroup" */
    const char *root;       /* NULL: "/sys/fs/cgroup" */
    uint32_t n_affinity;    /* 0: what sched_getaffinity says */
};

/* The least of the CPUs that the affinity mask holds and of every quota from our cgroup (version
 * 2: cpu.max; version 1: cpu.cfs_quota_us) up to the root, a part of a CPU counted as one: with
 * 1.5 CPUs two workers use both halves.  At least 1.  src may be NULL. */
uint32_t sx_cpus_granted(const struct sx_cpus_source *src);

#endif /* SX_SUPERVISOR_CPUS_H */
