/*
 * supervisor/copies.h - the private copies of the plugins, named by their SHA-256.
 *
 * Invariant I4: what is loaded is a copy that nobody overwrites, so that a `cp` over a plugin
 * neither crashes a worker nor changes what it runs.  Only bytes are read: nothing is mapped or
 * parsed here, in the supervisor (I1) or the reader of a reload, which hands them over (parcel.h).
 */
#ifndef SX_SUPERVISOR_COPIES_H
#define SX_SUPERVISOR_COPIES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"
#include "base/report.h"
#include "config/config.h"

struct sx_copy {
    char *name; /* owned; of the plugin */
    char *path; /* owned: the file, or "/proc/self/fd/N" */
    char sha256[SX_SHA256_HEX + 1];
    int fd;        /* owned; keeps the file locked against removal, or is the memfd itself */
    bool is_memfd; /* a worker must inherit fd */
};

/* Of one generation. */
struct sx_copies {
    struct sx_copy *v; /* owned; one for each enabled plugin, in the order of the configuration */
    size_t n;
    int list_fd; /* owned; sealed list for sx_control_read_plugins; -1: before sx_copies_seal */
};

/* Copies every enabled plugin into server.state_dir/plugins, or, where that folder cannot be
 * used (read-only, noexec, not ours alone, full), into sealed memfds, which is in notices.  A
 * plugin that is missing, unreadable or not the one pinned by sha256 is a fault that names plugin
 * and path; all are found: SX_ERR_INVALID.  Unused copies of more than a week ago are removed.
 * Waits for the file systems of plugins and copies. */
int sx_copies_create(const struct sx_config *cfg, struct sx_report *notices, struct sx_report *rep,
                     struct sx_copies *ret_copies);
/* The list of them, for workers.  What sx_sealed_create says, and a fault. */
int sx_copies_seal(struct sx_copies *copies, struct sx_report *rep);
/* The path of one in memory follows its descriptor.  SX_ERR_NOMEM. */
int sx_copy_find_path(struct sx_copy *copy);
/* Takes a half-built or zeroed object whose descriptors are -1. */
void sx_copies_destroy(struct sx_copies *copies);

/* Removes the copies in dir that were not used for a week before now_s (seconds since 1970) and
 * that no living supervisor holds, and what a process that was killed had begun to write an hour
 * before. */
void sx_copies_clean(const char *dir, long long now_s);

#endif /* SX_SUPERVISOR_COPIES_H */
