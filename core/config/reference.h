/*
 * config/reference.h - texts that stand for a secret, and what becomes of them.
 *
 *     sm://PROJECT/NAME[?destination=tempfile|PATH][#VERSION]           default: latest
 *     berglas://BUCKET/OBJECT[?destination=tempfile|PATH][#GENERATION]  OBJECT percent-decoded
 *
 * A text is a reference when it begins with one of the prefixes.  With a destination the value
 * goes to a file, and the file's path takes the value's place.  Nothing here asks anybody.
 */
#ifndef SX_CONFIG_REFERENCE_H
#define SX_CONFIG_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/report.h"

enum sx_reference_kind { SX_REFERENCE_SM, SX_REFERENCE_BERGLAS };

struct sx_reference {
    enum sx_reference_kind kind;
    char *holder;      /* project or bucket; owned, as all texts here */
    char *name;        /* secret or object, decoded */
    char *version;     /* "latest", "7", an alias; a generation or "" */
    char *destination; /* absolute; "" with is_temporary; NULL: the value itself is wanted */
    bool is_temporary;
    bool is_pinned; /* always means the same bytes */
};

#define SX_REFERENCE_WHY 256

bool sx_reference_is(const char *text);
/* SX_ERR_INVALID with a sentence in why (what was expected, what found; perhaps a hint behind a
 * newline), SX_ERR_NOMEM.  finish in any case. */
int sx_reference_parse(const char *text, struct sx_reference *ret_ref, char why[SX_REFERENCE_WHY]);
void sx_reference_finish(struct sx_reference *ref);

/* One use of a reference. */
struct sx_secret {
    const char *place;     /* "environment TOKEN", "config/a.json:12: app_secret"; borrowed */
    const char *reference; /* well formed; borrowed */
    char *value;           /* found: len bytes and a NUL; owned; NULL before */
    size_t len;
    char *version; /* found: which one it was; owned */
    char *file;    /* owned; where it was written, or NULL */
    bool is_file_temporary;
};

/* Frees what was found; values are wiped. */
void sx_secret_finish(struct sx_secret *secret);

struct sx_secret_settings {
    uint32_t deadline_ms; /* for all of them together */
    uint32_t tries;       /* of one call, where failures may pass */
    uint32_t parallel;    /* connections at a time */
    uid_t uid;            /* whose the files are */
    bool is_text;         /* values must be UTF-8, as a configuration is */
};

#endif /* SX_CONFIG_REFERENCE_H */
