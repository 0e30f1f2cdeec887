/*
 * config/reference.c - what a reference to a secret says.
 *
 * Strict: what is not understood is refused, because a parameter that is misspelt would put a
 * secret where nobody looks for it.
 */
#include "config/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/text.h"

#define SM              "sm://"
#define BERGLAS         "berglas://"
#define DESTINATION     "destination="
#define MAX_NAME        255
#define MAX_BUCKET      222
#define MAX_OBJECT      1024
#define MAX_DESTINATION 4000
#define ALPHANUMERIC    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define DIGITS          "0123456789"
#define OF_NAME         ALPHANUMERIC "_-"
#define OF_PROJECT      ALPHANUMERIC "-.:" /* "example.com:project" is an old form */
#define OF_BUCKET       ALPHANUMERIC "-_."

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool sx_reference_is(const char *text)
{
    return begins(text, SM) || begins(text, BERGLAS);
}

void sx_reference_finish(struct sx_reference *ref)
{
    free(ref->holder);
    free(ref->name);
    free(ref->version);
    free(ref->destination);
    *ref = (struct sx_reference){ .holder = NULL };
}

void sx_secret_finish(struct sx_secret *secret)
{
    if (secret->value != NULL)
        explicit_bzero(secret->value, secret->len);
    free(secret->value);
    free(secret->version);
    free(secret->file);
    secret->value = secret->version = secret->file = NULL;
    secret->len = 0;
}

/* ------------------------------------------------------------------ parts */

struct parser {
    struct sx_reference *ref;
    char *why;
};

static int refuse(const struct parser *p, const char *expected, const char *found, size_t len)
{
    (void)snprintf(p->why, SX_REFERENCE_WHY, "expected %s, found \"%.*s\"", expected,
                   (int)sx_utf8_cut(found, len, 60), found);
    return SX_ERR_INVALID;
}

static int copy(const char *from, size_t len, char **ret_text)
{
    *ret_text = strndup(from, len);
    return *ret_text == NULL ? SX_ERR_NOMEM : 0;
}

static bool is_of(const char *text, size_t len, const char *allowed, size_t max)
{
    return len > 0 && len <= max && strspn(text, allowed) >= len;
}

/* "." and ".." would be steps in the path of an address. */
static bool is_dots(const char *text, size_t len)
{
    return len <= 2 && strspn(text, ".") >= len;
}

static int decode(const struct parser *p, const char *what, const char *from, size_t len,
                  char **ret_text)
{
    ptrdiff_t n;

    *ret_text = malloc(len + 1);
    if (*ret_text == NULL)
        return SX_ERR_NOMEM;
    n = sx_percent_decode(*ret_text, from, len, false);
    if (n < 0 || !sx_is_utf8(*ret_text, (size_t)n))
        return refuse(p, what, from, len);
    (*ret_text)[n] = '\0';
    return 0;
}

static int parse_sm(const struct parser *p, const char *at, size_t len)
{
    const char *slash = memchr(at, '/', len);
    size_t project = slash != NULL ? (size_t)(slash - at) : len;

    if (slash == NULL || !is_of(at, project, OF_PROJECT, MAX_NAME) || is_dots(at, project) ||
        !is_of(slash + 1, len - project - 1, OF_NAME, MAX_NAME))
        return refuse(p, "sm://PROJECT/NAME, of letters, digits, '_' and '-'", at, len);
    if (copy(at, project, &p->ref->holder) != 0 ||
        copy(slash + 1, len - project - 1, &p->ref->name) != 0)
        return SX_ERR_NOMEM;
    return 0;
}

static int parse_berglas(const struct parser *p, const char *at, size_t len)
{
    static const char expected[] = "berglas://BUCKET/OBJECT, the object percent-encoded";
    const char *slash = memchr(at, '/', len);
    size_t bucket = slash != NULL ? (size_t)(slash - at) : len;
    int err;

    if (slash == NULL || !is_of(at, bucket, OF_BUCKET, MAX_BUCKET) || is_dots(at, bucket) ||
        bucket + 1 == len)
        return refuse(p, expected, at, len);
    if (copy(at, bucket, &p->ref->holder) != 0)
        return SX_ERR_NOMEM;
    err = decode(p, expected, slash + 1, len - bucket - 1, &p->ref->name);
    if (err == 0 && is_dots(p->ref->name, strlen(p->ref->name)))
        err = refuse(p, expected, at, len);
    if (err == 0 && strlen(p->ref->name) > MAX_OBJECT)
        err = refuse(p, "an object's name of at most 1024 bytes", slash + 1, len - bucket - 1);
    return err;
}

static int parse_query(const struct parser *p, const char *at, size_t len)
{
    static const char expected[] = "destination=tempfile or destination=/PATH, percent-encoded";
    const size_t skip = strlen(DESTINATION);
    char *path;
    int err;

    if (len <= skip || strncmp(at, DESTINATION, skip) != 0 || memchr(at, '&', len) != NULL)
        return refuse(p, expected, at, len);
    err = decode(p, expected, at + skip, len - skip, &path);
    p->ref->destination = path;
    if (err != 0)
        return err;
    if (strcmp(path, "tempfile") == 0 || strcmp(path, "tmpfile") == 0) {
        p->ref->is_temporary = true;
        *path = '\0';
        return 0;
    }
    if (*path != '/' || path[strlen(path) - 1] == '/' || strlen(path) > MAX_DESTINATION)
        return refuse(p, expected, at, len);
    return 0;
}

static int parse_version(const struct parser *p, const char *at)
{
    const bool is_sm = p->ref->kind == SX_REFERENCE_SM;
    const size_t len = strlen(at);

    if (strchr(at, '?') != NULL) {
        (void)refuse(p, "nothing behind the version", at, len);
        (void)strncat(p->why, "\nThe destination comes before it: ?destination=…#VERSION.",
                      SX_REFERENCE_WHY - strlen(p->why) - 1);
        return SX_ERR_INVALID;
    }
    p->ref->is_pinned = is_of(at, len, DIGITS, 19) && *at != '0';
    if (!p->ref->is_pinned && !(is_sm && is_of(at, len, OF_NAME, 63) && *at > '9'))
        return refuse(p,
                      is_sm ? "a version behind '#', as in #3 or #latest"
                            : "a generation behind '#', a number",
                      at, len);
    return copy(at, len, &p->ref->version);
}

int sx_reference_parse(const char *text, struct sx_reference *ret_ref, char why[SX_REFERENCE_WHY])
{
    const struct parser p = { .ref = ret_ref, .why = why };
    const bool is_sm = begins(text, SM);
    const char *at = text + (is_sm ? strlen(SM) : begins(text, BERGLAS) ? strlen(BERGLAS) : 0);
    size_t before = strcspn(at, "?#");
    const char *query = at[before] == '?' ? at + before + 1 : NULL;
    const char *fragment = strchr(at, '#');
    int err;

    *ret_ref = (struct sx_reference){ .kind = is_sm ? SX_REFERENCE_SM : SX_REFERENCE_BERGLAS };
    (void)snprintf(why, SX_REFERENCE_WHY, "no memory");
    if (!sx_reference_is(text))
        return refuse(&p, "sm://… or berglas://…", text, strlen(text));
    err = is_sm ? parse_sm(&p, at, before) : parse_berglas(&p, at, before);
    if (err == 0 && query != NULL)
        err = parse_query(&p, query, strcspn(query, "#"));
    if (err == 0)
        err = fragment != NULL ? parse_version(&p, fragment + 1)
                               : copy("latest", is_sm ? strlen("latest") : 0, &ret_ref->version);
    return err;
}
