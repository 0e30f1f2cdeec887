/* base/user.c - users and groups out of the system's tables. */
#include "base/user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define MAX_ENTRY 16384 /* a group with very many members does not fit, and is not private */

/* An id of all ones means "leave it" to the system calls. */
static bool parse_id(const char *text, uint32_t *ret_id)
{
    uint64_t value;

    if (sx_parse_uint(text, strlen(text), &value) != 0 || value >= UINT32_MAX)
        return false;
    *ret_id = (uint32_t)value;
    return true;
}

static int find_group(const char *group, gid_t *ret_gid, char *why, size_t size)
{
    char space[MAX_ENTRY];
    struct group entry, *found = NULL;

    if (parse_id(group, ret_gid))
        return 0;
    if (getgrnam_r(group, &entry, space, sizeof space, &found) != 0 || found == NULL) {
        (void)snprintf(why, size, "there is no group \"%.64s\"", group);
        return SX_ERR_MISSING;
    }
    *ret_gid = entry.gr_gid;
    return 0;
}

int sx_user_find(const char *user, const char *group, struct sx_user *ret_user, char *why,
                 size_t size)
{
    char space[MAX_ENTRY];
    struct passwd entry, *found = NULL;
    struct sx_user u = { .home = "/" };
    bool is_number = parse_id(user, &u.uid);

    if (is_number)
        (void)getpwuid_r(u.uid, &entry, space, sizeof space, &found);
    else
        (void)getpwnam_r(user, &entry, space, sizeof space, &found);
    if (found == NULL && !is_number) {
        (void)snprintf(why, size, "there is no user \"%.64s\"", user);
        return SX_ERR_MISSING;
    }
    if (found == NULL && *group == '\0') {
        (void)snprintf(why, size, "user %.64s has no entry that names a group", user);
        return SX_ERR_MISSING;
    }
    if (found != NULL) {
        u.uid = entry.pw_uid;
        u.gid = entry.pw_gid;
        (void)snprintf(u.home, sizeof u.home, "%s", entry.pw_dir);
    }
    if (*group != '\0' && find_group(group, &u.gid, why, size) != 0)
        return SX_ERR_MISSING;
    (void)snprintf(u.name, sizeof u.name, "%s", user);
    *ret_user = u;
    return 0;
}

void sx_user_describe(uid_t uid, char *to, size_t size)
{
    char space[MAX_ENTRY];
    struct passwd entry, *found = NULL;

    if (getpwuid_r(uid, &entry, space, sizeof space, &found) == 0 && found != NULL)
        (void)snprintf(to, size, "%.64s (%lu)", entry.pw_name, (unsigned long)uid);
    else
        (void)snprintf(to, size, "%lu", (unsigned long)uid);
}

bool sx_user_has_private_group(uid_t uid, gid_t gid)
{
    char space[2][MAX_ENTRY];
    struct passwd user, *found_user = NULL;
    struct group group, *found_group = NULL;

    if (getpwuid_r(uid, &user, space[0], sizeof space[0], &found_user) != 0 || found_user == NULL ||
        getgrgid_r(gid, &group, space[1], sizeof space[1], &found_group) != 0 ||
        found_group == NULL)
        return false;
    for (char **member = group.gr_mem; *member != NULL; member++)
        if (strcmp(*member, user.pw_name) != 0)
            return false;
    return user.pw_gid == gid && strcmp(group.gr_name, user.pw_name) == 0;
}
