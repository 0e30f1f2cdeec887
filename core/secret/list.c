/*
 * secret/list.c - sim-exchange secrets check: every reference that the environment and the
 * configuration name, and what becomes of it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config/config.h"
#include "secret/secret.h"


struct list {
    struct sx_secret *v; /* owned, with their places and references */
    size_t n, n_text;    /* the first n_text go to a configuration */
    struct sx_secret_settings set;
};

static bool is_of_environment(const struct sx_secret *secret)
{
    return strncmp(secret->place, "environment ", strlen("environment ")) == 0;
}

static int add(struct list *list, const struct sx_secret *secret)
{
    struct sx_secret *v = realloc(list->v, (list->n + 1) * sizeof *v);
    char *place = strdup(secret->place), *reference = strdup(secret->reference);

    if (v != NULL)
        list->v = v;
    if (v == NULL || place == NULL || reference == NULL) {
        free(place);
        free(reference);
        return SX_ERR_NOMEM;
    }
    list->v[list->n++] = (struct sx_secret){ .place = place, .reference = reference };
    return 0;
}

/* Instead of asking: the environment is looked at as a whole, by itself. */
static int note(void *arg, const struct sx_secret_settings *set, struct sx_secret *secrets,
                size_t n, struct sx_report *rep)
{
    struct list *list = arg;
    int err = 0;

    (void)rep;
    list->set = *set;
    for (size_t i = 0; err == 0 && i < n; i++)
        if (!is_of_environment(&secrets[i]))
            err = add(list, &secrets[i]);
    return err != 0 ? err : SX_ERR_CLOSED; /* nothing is to be read again */
}

static int note_environment(struct list *list)
{
    struct sx_secret *secrets;
    size_t n;
    int err = sx_secrets_of_environment(&secrets, &n);

    if (err != 0)
        return err;
    for (size_t i = 0; err == 0 && i < n; i++)
        err = add(list, &secrets[i]);
    sx_secrets_finish(secrets, n);
    return err;
}

/* The configuration as it is written, for what it says of secrets; then those that it names. */
static int note_config(struct list *list, const struct sx_config_source *given,
                       struct sx_report *rep, bool *ret_wants_versions)
{
    const struct sx_config_resolver resolver = { .resolve = note, .arg = list };
    struct sx_config_source src = *given;
    struct sx_config *cfg = NULL;
    int err;

    src.allows_unpinned = true;
    src.resolver = NULL;
    err = sx_config_load(&src, rep, &cfg);
    if (err != 0)
        return err;
    *ret_wants_versions = sx_config_requires_versions(cfg->env, cfg->secrets.pins);
    sx_config_destroy(cfg);
    cfg = NULL;
    src.resolver = &resolver;
    err = sx_config_load(&src, rep, &cfg);
    sx_config_destroy(cfg);
    list->n_text = list->n;
    return err == SX_ERR_CLOSED ? 0 : err;
}

static bool is_pinned(const struct sx_secret *secret)
{
    struct sx_reference ref;
    char why[SX_REFERENCE_WHY];
    bool is = sx_reference_parse(secret->reference, &ref, why) == 0 && ref.is_pinned;

    sx_reference_finish(&ref);
    return is;
}

static void print(const struct list *list, FILE *out)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct sx_secret *s = &list->v[i];

        if (s->value != NULL)
            (void)fprintf(out, "%s: %s: version %s%s, %zu bytes\n", s->place, s->reference,
                          s->version, is_pinned(s) ? "" : " (not pinned)", s->len);
    }
}

static int look_up(struct list *list, bool wants_versions, FILE *out, struct sx_report *rep)
{
    const size_t n_faults = rep->n_faults;
    struct sx_secret_settings set = list->set;
    bool is_sound = true;
    int err;

    for (size_t i = 0; i < list->n; i++)
        is_sound = sx_secret_is_sound(&list->v[i], false, rep) && is_sound;
    if (!is_sound)
        return SX_EXIT_CONFIG;
    err = sx_secrets_fetch(&set, list->v, list->n, rep);
    print(list, out);
    set.is_text = true;
    sx_secrets_check_texts(&set, list->v, list->n_text, rep);
    set.is_text = false;
    sx_secrets_check_texts(&set, list->v + list->n_text, list->n - list->n_text, rep);
    if (err != 0 || rep->n_faults > n_faults)
        return EXIT_FAILURE;
    for (size_t i = 0; i < list->n && wants_versions; i++)
        is_sound = sx_secret_is_sound(&list->v[i], true, rep) && is_sound;
    return is_sound ? 0 : SX_EXIT_CONFIG;
}

int sx_secrets_tell(const struct sx_config_source *src, FILE *out, struct sx_report *rep)
{
    struct list list = { .set = sx_secret_defaults() };
    bool wants_versions = false;
    int config = note_config(&list, src, rep, &wants_versions);
    int code = note_environment(&list) != 0 ? EXIT_FAILURE
                                            : look_up(&list, wants_versions, out, rep);

    if (list.n == 0 && config == 0 && code == 0)
        (void)fprintf(out, "no reference to a secret\n");
    for (size_t i = 0; i < list.n; i++)
        free((void *)(uintptr_t)list.v[i].reference);
    sx_secrets_finish(list.v, list.n);
    return config != 0 ? SX_EXIT_CONFIG : code;
}
