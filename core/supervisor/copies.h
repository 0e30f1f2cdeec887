/*
 * supervisor/copies.h - the private copies of the plugins, named by their SHA-256.
 *
 * Invariant I4: what is loaded is a copy that nobody overwrites, so that a `cp` over a plugin
 * neither crashes a worker nor changes what it runs.  The supervisor only reads bytes: it neither
 * maps nor parses them (I1).
 */
#ifndef SX_SUPERVISOR_COPIES_H
#define SX_SUPERVISOR_COPIES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"
#include "base/log.h"
#include "base/report.h"
#include "config/config.h"

struct sx_copy {
    char *path; /* owned: the file, or "/proc/self/fd/N" */
    char sha256[SX_SHA256_HEX + 1];
    int fd;        /* owned; keeps the file locked against removal, or is the memfd itself */
    bool is_memfd; /* a worker must inherit fd */
};

/* Of one generation. */
struct sx_copies {
    struct sx_copy *v; /* owned; one for each enabled plugin, in the order of the configuration */
    size_t n;
    int list_fd; /* sealed list for sx_control_read_plugins */
};

/* Copies every enabled plugin into server.state_dir/plugins, or, where that folder cannot be
 * used (read-only, noexec, not ours alone, full), into sealed memfds, which is logged.  A plugin
 * that is missing, unreadable or not the one pinned by sha256 is a fault that names plugin and
 * path; all are found: SX_ERR_INVALID.  Unused copies of more than a week ago are removed. */
int sx_copies_create(const struct sx_config *cfg, struct sx_log *log, struct sx_report *rep,
                     struct sx_copies *ret_copies);
/* Takes a half-built or zeroed object whose descriptors are -1. */
void sx_copies_destroy(struct sx_copies *copies);

/* Removes the copies in dir that were last used before cutoff_s (seconds since 1970) and that no
 * living supervisor holds. */
void sx_copies_clean(const char *dir, long long cutoff_s);

#endif /* SX_SUPERVISOR_COPIES_H */
