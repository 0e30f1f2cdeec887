/*
 * base/user.h - users and groups by name or number, as the system knows them.
 */
#ifndef SX_BASE_USER_H
#define SX_BASE_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SX_USER_NAME 64
#define SX_USER_HOME 256

struct sx_user {
    uid_t uid;
    gid_t gid;
    char name[SX_USER_NAME]; /* as it was asked for */
    char home[SX_USER_HOME]; /* "/" where none is known */
};

/* user: a name or a number; group: the same, or "" for the user's own.  SX_ERR_MISSING with a
 * sentence in why when the system knows no such user or group, or no group for a number. */
int sx_user_find(const char *user, const char *group, struct sx_user *ret_user, char *why,
                 size_t size);

/* "www (33)", or the number alone. */
void sx_user_describe(uid_t uid, char *to, size_t size);

/* Has the group no other member than this user?  Only as far as the group itself says: the usual
 * group of one person, of the person's name. */
bool sx_user_has_private_group(uid_t uid, gid_t gid);

#endif /* SX_BASE_USER_H */
