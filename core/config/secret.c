/*
 * config/secret.c - the references of a configuration: noted in a first reading, asked for all at
 * once, put in place in a second one.
 *
 * So exactly what the configuration uses is asked for, over one snapshot of files and environment:
 * a value is never looked at again, whatever it reads.
 */
#include "config/config_private.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/text.h"

#define PRODUCTION "production"

/* ------------------------------------------------------------------ noting */

static struct config_secret *secret_new(struct config_secrets *secrets)
{
    size_t cap = secrets->cap != 0 ? secrets->cap * 2 : 16;
    struct config_secret *v;

    if (secrets->n == secrets->cap) {
        v = realloc(secrets->v, cap * sizeof *v);
        if (v == NULL)
            return NULL;
        secrets->v = v;
        secrets->cap = cap;
    }
    v = &secrets->v[secrets->n++];
    *v = (struct config_secret){ .path = NULL };
    return v;
}

/* "config/testing.json:12: database.url: ${TOKEN}" */
static char *place_of(const struct config_where *where, const char *path, const char *variable)
{
    char line[16] = "", *place;

    if (where->line > 0)
        (void)snprintf(line, sizeof line, ":%d", where->line);
    return asprintf(&place, "%s%s: %s%s%s%s", where->source, line, path,
                    variable != NULL ? ": ${" : "", variable != NULL ? variable : "",
                    variable != NULL ? "}" : "") < 0
               ? NULL
               : place;
}

static void note(struct config_loader *l, const struct config_where *where, const char *path,
                 const char *variable, const char *reference)
{
    struct config_secret *secret = secret_new(&l->secrets);

    if (secret == NULL) {
        l->is_out_of_memory = true;
        return;
    }
    secret->where = *where;
    secret->path = strdup(path);
    secret->place = place_of(where, path, variable);
    secret->reference = strdup(reference);
    if (secret->path == NULL || secret->place == NULL || secret->reference == NULL)
        l->is_out_of_memory = true;
}

/* Of a file or a folder, which is told when it is not there. */
static bool is_of_path(const char *path)
{
    const size_t len = strcspn(path, "[");
    char *name = strndup(path, len);
    const struct config_key *key = name != NULL ? config_key_of_path(name) : NULL;

    free(name);
    return key != NULL && key->is_folder_relative;
}

static bool is_well_formed(struct config_loader *l, const struct config_where *where,
                           const char *path, const char *variable, const char *reference)
{
    struct sx_reference ref;
    char why[SX_REFERENCE_WHY];
    int err = sx_reference_parse(reference, &ref, why);

    if (err == 0 && ref.destination == NULL && is_of_path(path)) {
        (void)snprintf(why, sizeof why,
                       "expected a reference with ?destination=, found one whose value is no path");
        err = SX_ERR_INVALID;
    }
    sx_reference_finish(&ref);
    if (err == 0 && strncmp(path, "secrets.", strlen("secrets.")) == 0) {
        (void)snprintf(why, sizeof why,
                       "expected the value itself, found a reference: it says how those are found");
        err = SX_ERR_INVALID;
    }
    if (err != 0)
        config_fault_add(l, where, path, "%s%s%.*s: %s", variable != NULL ? variable : "",
                         variable != NULL ? ": " : "",
                         (int)sx_utf8_cut(reference, strlen(reference), 200), reference, why);
    return err == 0;
}

static const struct config_secret *find(const struct config_loader *l, const char *path,
                                        const char *reference)
{
    for (size_t i = 0; i < l->secrets.n; i++) {
        const struct config_secret *secret = &l->secrets.v[i];

        if (strcmp(secret->path, path) == 0 && strcmp(secret->reference, reference) == 0)
            return secret;
    }
    return NULL;
}

char *config_secret_value(struct config_loader *l, const struct config_where *where,
                          const char *path, const char *variable, const char *reference,
                          enum sx_config_secrecy *ret_secrecy)
{
    const struct config_secret *secret = l->secrets.is_resolved ? find(l, path, reference) : NULL;
    const char *value = secret != NULL && !secret->is_left ? secret->value : NULL;
    char *copy;

    if (!l->secrets.is_resolved) {
        if (!is_well_formed(l, where, path, variable, reference))
            return NULL;
        note(l, where, path, variable, reference);
    }
    if (value == NULL)
        *ret_secrecy = SX_CONFIG_UNRESOLVED;
    else if (*ret_secrecy == SX_CONFIG_PLAIN)
        *ret_secrecy = SX_CONFIG_SECRET;
    copy = strdup(value != NULL ? value : reference);
    if (copy == NULL)
        l->is_out_of_memory = true;
    return copy;
}

/* ------------------------------------------------------------------ between the readings */

/* Of a plugin that will not be loaded. */
static bool is_of_disabled(const struct config_loader *l, const char *path)
{
    const size_t skip = strlen("plugins.");
    const json_t *plugin;

    if (strncmp(path, "plugins.", skip) != 0)
        return false;
    plugin = json_object_getn(json_object_get(l->root, "plugins"), path + skip,
                              strcspn(path + skip, "."));
    return json_is_false(json_object_get(plugin, "enabled"));
}

static const char *pins_of(const struct config_loader *l)
{
    const char *pins = json_string_value(config_tree_get(l->root, "secrets.pins"));

    return pins != NULL ? pins : "auto";
}

bool sx_config_requires_versions(const char *env, const char *pins)
{
    return strcmp(pins, "required") == 0 ||
           (strcmp(pins, "auto") == 0 && strcmp(env, PRODUCTION) == 0);
}

static void check_version(struct config_loader *l, const struct config_secret *secret)
{
    struct sx_reference ref;
    char why[SX_REFERENCE_WHY];

    if (sx_reference_parse(secret->reference, &ref, why) == 0 && !ref.is_pinned)
        config_fault_add(l, &secret->where, secret->path,
                         "%s: expected a version behind '#', found %s\n"
                         "In %s secrets are pinned: sim-exchange secrets check tells the versions; "
                         "secrets.pins says whether they must be.",
                         secret->reference, *ref.version != '\0' ? ref.version : "none", l->env);
    sx_reference_finish(&ref);
}

void config_secrets_settle(struct config_loader *l, const char *only)
{
    const bool is_strict = !l->allows_unpinned && sx_config_requires_versions(l->env, pins_of(l));

    for (size_t i = 0; i < l->secrets.n; i++) {
        struct config_secret *secret = &l->secrets.v[i];

        if (is_of_disabled(l, secret->path))
            secret->is_left = true;
        else if (is_strict)
            check_version(l, secret);
        if (only != NULL && strncmp(secret->path, only, strlen(only)) != 0)
            secret->is_left = true;
    }
}

static uint32_t number_of(const struct config_loader *l, const char *path)
{
    return (uint32_t)json_integer_value(config_tree_get(l->root, path));
}

/* The values, and the files that they were written to, are ours from now on. */
static void take(struct config_loader *l, const struct sx_secret *from)
{
    json_t *files = json_object_get(l->notes, "files");
    size_t k = 0;

    for (size_t i = 0; i < l->secrets.n; i++) {
        if (l->secrets.v[i].is_left)
            continue;
        if (from[k].file != NULL &&
            json_object_set_new(files, from[k].file, json_boolean(from[k].is_file_temporary)) != 0)
            l->is_out_of_memory = true;
        l->secrets.v[i].value = strdup(from[k].file != NULL ? from[k].file : from[k].value);
        if (l->secrets.v[i].value == NULL)
            l->is_out_of_memory = true;
        k++;
    }
}

int config_secrets_resolve(struct config_loader *l, const struct sx_config_resolver *resolver,
                           struct sx_report *rep)
{
    const struct sx_secret_settings set = { .deadline_ms = number_of(l, "secrets.deadline_ms"),
                                            .tries = number_of(l, "secrets.tries"),
                                            .parallel = number_of(l, "secrets.parallel"),
                                            .uid = config_user(l),
                                            .is_text = true };
    struct sx_secret *wanted = calloc(l->secrets.n, sizeof *wanted);
    size_t n = 0;
    int rc = 0;

    if (wanted == NULL)
        return SX_ERR_NOMEM;
    for (size_t i = 0; i < l->secrets.n; i++)
        if (!l->secrets.v[i].is_left)
            wanted[n++] = (struct sx_secret){ .place = l->secrets.v[i].place,
                                              .reference = l->secrets.v[i].reference };
    if (n > 0)
        rc = resolver->resolve(resolver->arg, &set, wanted, n, rep);
    if (rc == 0)
        take(l, wanted);
    for (size_t i = 0; i < n; i++)
        sx_secret_finish(&wanted[i]);
    free(wanted);
    l->secrets.is_resolved = true;
    return rc;
}

void config_secrets_finish(struct config_loader *l)
{
    for (size_t i = 0; i < l->secrets.n; i++) {
        struct config_secret *secret = &l->secrets.v[i];

        if (secret->value != NULL)
            explicit_bzero(secret->value, strlen(secret->value));
        free(secret->value);
        free(secret->path);
        free(secret->place);
        free(secret->reference);
    }
    free(l->secrets.v);
    l->secrets = (struct config_secrets){ .v = NULL };
}

/* ------------------------------------------------------------------ what is to be hidden */

static bool is_private(const char *path)
{
    const struct config_key *key = config_key_of_path(path);
    const char *dot = strrchr(path, '.');
    const char *segment = dot != NULL ? dot + 1 : path;

    return (key != NULL && key->is_secret) || strncmp(path, "database.", 9) == 0 ||
           config_is_secret_name(segment, strcspn(segment, "["));
}

void config_note_variable(struct config_loader *l, const char *path, const char *name)
{
    if (is_private(path) &&
        json_object_set_new(json_object_get(l->notes, "variables"), name, json_true()) != 0)
        l->is_out_of_memory = true;
}

bool sx_config_hides_variable(const struct sx_config *cfg, const char *variable)
{
    const char *equals = strchr(variable, '=');

    if (equals == NULL)
        return false;
    return sx_reference_is(equals + 1) ||
           json_object_getn(json_object_get(cfg->priv->notes, "variables"), variable,
                            (size_t)(equals - variable)) != NULL;
}

enum sx_config_secrecy sx_config_secrecy(const struct sx_config *cfg, const char *path)
{
    return config_origin_secrecy(cfg->priv->origins, path);
}

bool sx_config_has_secret(const struct sx_config *cfg, const char *path)
{
    const size_t len = strlen(path);
    const char *at;
    json_t *origin;

    json_object_foreach(cfg->priv->origins, at, origin)
    {
        if (strncmp(at, path, len) == 0 && memchr(".[", at[len], sizeof ".[") != NULL &&
            sx_config_secrecy(cfg, at) != SX_CONFIG_PLAIN)
            return true;
    }
    return false;
}

bool sx_config_is_unresolved(const struct sx_config *cfg, const char *prefix)
{
    const char *path;
    json_t *origin;

    json_object_foreach(cfg->priv->origins, path, origin)
    {
        if (strncmp(path, prefix, strlen(prefix)) == 0 &&
            sx_config_secrecy(cfg, path) == SX_CONFIG_UNRESOLVED)
            return true;
    }
    return false;
}

/* ------------------------------------------------------------------ files */

const char *sx_config_secret_file(const struct sx_config *cfg, size_t i)
{
    json_t *files = json_object_get(cfg->priv->notes, "files");
    void *at = json_object_iter(files);

    for (; at != NULL && i > 0; i--)
        at = json_object_iter_next(files, at);
    return at != NULL ? json_object_iter_key(at) : NULL;
}

void sx_config_own_files(struct sx_config *cfg, bool is_owner)
{
    cfg->priv->owns_files = is_owner;
}

void config_files_remove(const json_t *notes)
{
    json_t *files = json_object_get(notes, "files"), *is_temporary;
    const char *path;

    json_object_foreach(files, path, is_temporary)
    {
        if (json_is_true(is_temporary))
            (void)unlink(path);
    }
}
