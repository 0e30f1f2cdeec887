/*
 * base/owner.h - who else could change a file that we are about to trust.
 *
 * Code, configuration and keys decide what the server does.  So whoever can write such a file, or
 * put another one in its place, must be root or the user that we are.
 */
#ifndef SX_BASE_OWNER_H
#define SX_BASE_OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct sx_owner_rules {
    /* Trusted besides root, the user that runs this and, where that is root by sudo, whoever was
     * there before. */
    uid_t self;
    /* On a developer's machine: the files may belong to anybody, and to any group; what everybody
     * may write is refused all the same. */
    bool is_lax;
};

#define SX_OWNER_WHY 1024

/* Looks at the file, at the folder that it lies in, links followed, and whether everybody may
 * write into one above it; /tmp and its like, where the sticky bit keeps others' files, are no
 * danger.  0; or SX_ERR_INVALID with a sentence, and what mends it, in why; SX_ERR_MISSING when
 * the file cannot be looked at, with errno. */
int sx_owner_check(const struct sx_owner_rules *rules, const char *path, char why[SX_OWNER_WHY]);

#endif /* SX_BASE_OWNER_H */
