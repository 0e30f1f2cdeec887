/*
 * secret/store.c - values on their way to where they are wanted: a text, or a file of their own.
 *
 * Files are written only when every value is there, so that a failure leaves what was before.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "secret/secret.h"

static void tell(struct sx_report *rep, const struct sx_secret *secret, const char *why)
{
    sx_report_add(rep, "%s: %s: %s", secret->place, secret->reference, why);
}

static void check_text(const struct sx_secret_settings *set, const struct sx_secret *secret,
                       struct sx_report *rep)
{
    if (memchr(secret->value, '\0', secret->len) != NULL)
        tell(rep, secret,
             "expected text, found a NUL byte in the value\n"
             "Bytes go to a file: ?destination=tempfile.");
    else if (set->is_text && !sx_is_utf8(secret->value, secret->len))
        tell(rep, secret,
             "expected UTF-8, found other bytes in the value\n"
             "Bytes go to a file: ?destination=tempfile.");
}

static const char *folder_for_temporary(void)
{
    const char *tmp = getenv("TMPDIR");

    return tmp != NULL && *tmp == '/' ? tmp : "/tmp";
}

static int make_temporary(struct sx_secret *secret)
{
    int fd;

    if (asprintf(&secret->file, "%s/sim-exchange-secret-XXXXXX", folder_for_temporary()) < 0) {
        secret->file = NULL;
        return SX_ERR_NOMEM;
    }
    fd = mkstemp(secret->file); /* mode 0600; the name is ours from now on */
    if (fd < 0) {
        free(secret->file);
        secret->file = NULL;
        return SX_ERR_IO;
    }
    (void)close(fd);
    secret->is_file_temporary = true;
    return 0;
}

/* For process.user, where root starts the server. */
static int give(const struct sx_secret_settings *set, const char *path)
{
    return geteuid() != 0 || set->uid == 0 || lchown(path, set->uid, (gid_t)-1) == 0 ? 0
                                                                                     : SX_ERR_IO;
}

static int write_file(const struct sx_secret_settings *set, const struct sx_reference *ref,
                      struct sx_secret *secret)
{
    int err = 0;

    if (ref->is_temporary)
        err = make_temporary(secret);
    else if ((secret->file = strdup(ref->destination)) == NULL)
        err = SX_ERR_NOMEM;
    if (err == 0)
        err = sx_file_write(secret->file, secret->value, secret->len, 0600);
    return err != 0 ? err : give(set, secret->file);
}

static void tell_unwritten(struct sx_report *rep, const struct sx_secret *secret,
                           const struct sx_reference *ref)
{
    const int saved = errno;
    char why[512];

    (void)snprintf(why, sizeof why, "%.400s: cannot be written: %s",
                   ref->is_temporary ? folder_for_temporary() : ref->destination, strerror(saved));
    tell(rep, secret, why);
}

/* Another use of the same reference shares its file; another secret must not take it. */
static const struct sx_secret *find_earlier(const struct sx_secret *secrets, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (secrets[k].file != NULL && strcmp(secrets[k].reference, secrets[i].reference) == 0)
            return &secrets[k];
    return NULL;
}

static char *path_of(const struct sx_secret *secret)
{
    struct sx_reference ref;
    char why[SX_REFERENCE_WHY], *path = NULL;

    if (sx_reference_parse(secret->reference, &ref, why) == 0 && ref.destination != NULL &&
        !ref.is_temporary)
        path = strdup(ref.destination);
    sx_reference_finish(&ref);
    return path;
}

/* Before anything is written. */
static void check_path(const struct sx_secret *secrets, size_t i, struct sx_report *rep)
{
    char *path = path_of(&secrets[i]), *earlier;
    bool is_taken = false;

    for (size_t k = 0; path != NULL && !is_taken && k < i; k++) {
        earlier = path_of(&secrets[k]);
        is_taken = earlier != NULL && strcmp(earlier, path) == 0 &&
                   strcmp(secrets[k].reference, secrets[i].reference) != 0;
        free(earlier);
    }
    if (is_taken)
        tell(rep, &secrets[i],
             "expected a destination of its own, found that of another reference");
    free(path);
}

static void store(const struct sx_secret_settings *set, struct sx_secret *secrets, size_t i,
                  struct sx_report *rep)
{
    struct sx_secret *secret = &secrets[i];
    const struct sx_secret *earlier = find_earlier(secrets, i);
    struct sx_reference ref;
    char why[SX_REFERENCE_WHY];

    if (sx_reference_parse(secret->reference, &ref, why) != 0) {
        tell(rep, secret, why);
    } else if (ref.destination != NULL && earlier != NULL) {
        secret->file = strdup(earlier->file);
        secret->is_file_temporary = earlier->is_file_temporary;
        if (secret->file == NULL)
            tell(rep, secret, "no memory");
    } else if (ref.destination != NULL && write_file(set, &ref, secret) != 0) {
        tell_unwritten(rep, secret, &ref);
    }
    sx_reference_finish(&ref);
}

static bool wants_file(const struct sx_secret *secret)
{
    const char *query = strchr(secret->reference, '?');

    return query != NULL && query < secret->reference + strcspn(secret->reference, "#");
}

void sx_secrets_check_texts(const struct sx_secret_settings *set, const struct sx_secret *secrets,
                            size_t n, struct sx_report *rep)
{
    for (size_t i = 0; i < n; i++)
        if (secrets[i].value != NULL && !wants_file(&secrets[i]))
            check_text(set, &secrets[i], rep);
}

int sx_secrets_store(const struct sx_secret_settings *set, struct sx_secret *secrets, size_t n,
                     struct sx_report *rep)
{
    const size_t n_faults = rep->n_faults;

    sx_secrets_check_texts(set, secrets, n, rep);
    for (size_t i = 0; i < n; i++)
        check_path(secrets, i, rep);
    for (size_t i = 0; i < n && rep->n_faults == n_faults; i++)
        store(set, secrets, i, rep);
    if (rep->n_faults == n_faults)
        return 0;
    for (size_t i = 0; i < n; i++)
        if (secrets[i].file != NULL && secrets[i].is_file_temporary)
            (void)unlink(secrets[i].file);
    return SX_ERR_INVALID;
}
