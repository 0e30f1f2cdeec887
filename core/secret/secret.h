/*
 * secret/secret.h - the values of references to secrets (config/reference.h).
 *
 * libcurl and libcrypto are in a module of their own, sx_secret.so beside the program, which is
 * mapped where there is a reference: in a process that is forked for it, asks for all values at
 * once, hands them back through a pipe and ends.  Neither the supervisor nor a worker ever has a
 * token, a TLS session or these libraries.  [any thread of a process that has no other]
 */
#ifndef SX_SECRET_SECRET_H
#define SX_SECRET_SECRET_H

#include <stddef.h>
#include <stdio.h>

#include "base/report.h"
#include "config/config.h"
#include "config/reference.h"

/* What the module found for one reference. */
struct sx_secret_answer {
    char *value; /* owned; NULL: fault says why */
    size_t len;
    char *version; /* owned */
    char *fault;   /* owned; without the value */
};

void sx_secret_answer_finish(struct sx_secret_answer *answer);

struct sx_secret_module {
    size_t size;
    /* One answer for each of n different references; SX_ERR_NOMEM when even that fails. */
    int (*fetch)(const struct sx_secret_settings *set, const char *const *references, size_t n,
                 struct sx_secret_answer *answers);
};

/* All of them; equal references, and such to one version of one secret, are asked for once.
 * SX_ERR_INVALID, and a fault for each that has no value; the others have theirs.  The caller
 * finishes each in any case.  TERM, INT and QUIT end the process while it waits, also the first
 * one of a container. */
int sx_secrets_fetch(const struct sx_secret_settings *set, struct sx_secret *secrets, size_t n,
                     struct sx_report *rep);

/* The same, then the destinations are written: none before all values are there and good.  As the
 * resolver of a configuration (config.h); arg is not used. */
int sx_secrets_resolve(void *arg, const struct sx_secret_settings *set, struct sx_secret *secrets,
                       size_t n, struct sx_report *rep);

/* --- commands -------------------------------------------------------------------------------- */

/* Becomes the program argv[0] with the values of the environment's references in its environment.
 * Returns only when it cannot: the status to end with, and why in the report.  env: the name of the
 * environment, where production wants versions, or NULL. */
int sx_secret_exec(const char *env, bool allows_unpinned, char *const *argv, struct sx_report *rep);

/* Asks for everything that the environment and the configuration name; prints places, references,
 * versions and lengths.  The status to end with: 0; 1: some have no value; 2: the configuration
 * is at fault. */
int sx_secrets_tell(const struct sx_config_source *src, FILE *out, struct sx_report *rep);

/* --- for its own files and their tests ------------------------------------------------------- */

/* Writes the destinations, mode 0600, synced; secrets[i].file is where.  On failure temporary
 * files are gone again. */
int sx_secrets_store(const struct sx_secret_settings *set, struct sx_secret *secrets, size_t n,
                     struct sx_report *rep);

/* Values that are no files must be text; a fault for each that is not. */
void sx_secrets_check_texts(const struct sx_secret_settings *set, const struct sx_secret *secrets,
                            size_t n, struct sx_report *rep);

/* What a configuration has by default. */
struct sx_secret_settings sx_secret_defaults(void);
/* Every variable that is a reference; finish frees the list, values and places. */
int sx_secrets_of_environment(struct sx_secret **ret_secrets, size_t *ret_n);
void sx_secrets_finish(struct sx_secret *secrets, size_t n);
/* Is it well formed, and has it a version where one is wanted?  Else a fault. */
bool sx_secret_is_sound(const struct sx_secret *secret, bool wants_version, struct sx_report *rep);

/* The module's answers over a pipe.  SX_ERR_IO when they end too soon. */
int sx_secret_answers_write(int fd, const struct sx_secret_answer *answers, size_t n);
int sx_secret_answers_read(int fd, struct sx_secret_answer *answers, size_t n);

#endif /* SX_SECRET_SECRET_H */
