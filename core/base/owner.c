/* base/owner.c - the modes and owners of a file and of the folders that lead to it. */
#include "base/owner.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"
#include "base/user.h"

#define MODE 07777

/* In a sticky folder only the owner of an entry, or of the folder, can replace it. */
static bool can_all_write(const struct stat *st)
{
    return (st->st_mode & S_IWOTH) != 0 && !(S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0);
}

static bool can_group_write(const struct stat *st)
{
    return (st->st_mode & S_IWGRP) != 0 &&
           !(S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0) &&
           !sx_user_has_private_group(st->st_uid, st->st_gid);
}

/* Whoever became root by sudo could have done anything already. */
static bool is_sudo_user(uid_t uid)
{
    const char *text = getenv("SUDO_UID");
    uint64_t sudo_uid;

    return geteuid() == 0 && text != NULL && sx_parse_uint(text, strlen(text), &sudo_uid) == 0 &&
           sudo_uid == uid;
}

static bool is_stranger(const struct sx_owner_rules *rules, uid_t uid)
{
    return uid != 0 && uid != rules->self && uid != geteuid() && !is_sudo_user(uid);
}

static const char *noun(const struct stat *st)
{
    return S_ISDIR(st->st_mode) ? "its folder can" : "it can";
}

static int judge(const struct sx_owner_rules *rules, const char *path, const struct stat *st,
                 char why[SX_OWNER_WHY])
{
    const unsigned mode = st->st_mode & MODE;
    char owner[SX_USER_NAME + 16], self[SX_USER_NAME + 16];

    if (can_all_write(st)) {
        (void)snprintf(why, SX_OWNER_WHY,
                       "%s be written by everybody: found mode %04o\n"
                       "Mend it with: chmod o-w %.700s",
                       noun(st), mode, path);
        return SX_ERR_INVALID;
    }
    if (!rules->is_lax && can_group_write(st)) {
        (void)snprintf(why, SX_OWNER_WHY,
                       "%s be written by the group %lu, which is not its owner's alone: found mode "
                       "%04o\nMend it with: chmod g-w %.700s",
                       noun(st), (unsigned long)st->st_gid, mode, path);
        return SX_ERR_INVALID;
    }
    if (!rules->is_lax && is_stranger(rules, st->st_uid)) {
        sx_user_describe(st->st_uid, owner, sizeof owner);
        sx_user_describe(rules->self, self, sizeof self);
        (void)snprintf(why, SX_OWNER_WHY,
                       "%s be written by its owner: expected root or user %s, found user %s\n"
                       "Mend it with: chown root %.700s",
                       noun(st), self, owner, path);
        return SX_ERR_INVALID;
    }
    return 0;
}

static int judge_path(const struct sx_owner_rules *rules, const char *path, char why[SX_OWNER_WHY])
{
    struct stat st;

    return stat(path, &st) != 0 ? SX_ERR_MISSING : judge(rules, path, &st, why);
}

/* Where the path itself stands, be it a link: another link could be put there. */
static int judge_place(const struct sx_owner_rules *rules, const char *path, char why[SX_OWNER_WHY])
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX], whole[PATH_MAX];

    (void)snprintf(folder, sizeof folder, "%.*s",
                   slash == NULL   ? 1
                   : slash == path ? 1
                                   : (int)(slash - path),
                   slash == NULL ? "." : path);
    return realpath(folder, whole) == NULL ? SX_ERR_MISSING : judge_path(rules, whole, why);
}

/* whole: absolute, without links.  Its own folder by all the rules, those above for everybody. */
static int judge_folders(const struct sx_owner_rules *rules, char *whole, char why[SX_OWNER_WHY])
{
    struct sx_owner_rules now = *rules;
    char *slash;
    int err;

    while ((slash = strrchr(whole, '/')) != NULL && slash != whole) {
        *slash = '\0';
        err = judge_path(&now, whole, why);
        if (err != 0)
            return err;
        now.is_lax = true;
    }
    return 0;
}

int sx_owner_check(const struct sx_owner_rules *rules, const char *path, char why[SX_OWNER_WHY])
{
    char whole[PATH_MAX];
    int err;

    if (realpath(path, whole) == NULL)
        return SX_ERR_MISSING;
    err = judge_path(rules, whole, why);
    if (err == 0)
        err = judge_place(rules, path, why);
    return err != 0 ? err : judge_folders(rules, whole, why);
}
