/*
 * secret/berglas.c - an object in Cloud Storage, sealed with a key that Cloud KMS has wrapped.
 *
 * Three calls: what the object is (its key and generation), its bytes at just that generation,
 * the unwrapped key.  Sources: Cloud Storage JSON API v1, objects.get; Cloud KMS API v1,
 * cryptoKeys.decrypt; berglas, "Implementation".
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "secret/endpoint.h"
#include "secret/job.h"

#define KEY          "berglas-kms-key"
#define ROLE_STORAGE "roles/storage.objectViewer"
#define ROLE_KMS     "roles/cloudkms.cryptoKeyDecrypter"
#define OF_SEGMENT   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:"

static void replace(char **text, char *with)
{
    free(*text);
    *text = with;
}

static char *base_of(struct sx_job *job, enum sx_endpoint which)
{
    char why[SX_ENDPOINT_WHY], *base = NULL;
    int err = sx_endpoint_base(which, &base, why);

    if (err != 0)
        sx_job_fail(job, err == SX_ERR_NOMEM ? "no memory" : why);
    return err != 0 ? NULL : base;
}

/* --- the key -------------------------------------------------------------------------------- */

static void open_envelope(struct sx_job *job, const char *key, size_t len)
{
    const char *generation = job->ref.version;
    char *value;
    size_t n;

    if (len != SX_ENVELOPE_KEY)
        sx_job_fail(job, "expected a key of 32 bytes from Cloud KMS, found another length");
    else if (sx_envelope_open(&job->envelope, (const uint8_t *)key, &value, &n) != 0)
        sx_job_fail(job, "the object is damaged: its key does not open it");
    else
        sx_job_succeed(job, value, n, generation);
}

static void take_key(struct sx_job *job, const json_t *answer)
{
    const char *text = json_string_value(json_object_get(answer, "plaintext"));
    char *key;
    size_t len;

    if (text == NULL || sx_base64_decode(text, strlen(text), &key, &len) != 0) {
        sx_job_fail(job, "expected plaintext in base64 from Cloud KMS, found none");
        return;
    }
    if (sx_job_check_crc(json_object_get(answer, "plaintextCrc32c"), key, len) != 0)
        sx_job_fail(job, "the key is damaged: it does not have the CRC32C that came with it");
    else
        open_envelope(job, key, len);
    explicit_bzero(key, len);
    free(key);
}

static void on_decrypted(struct sx_call *call, void *arg)
{
    struct sx_job *job = arg;
    json_t *answer = sx_job_answer(job, call, "Cloud KMS");

    if (answer != NULL)
        take_key(job, answer);
    json_decref(answer);
}

/* The object's name is the additional data: a blob put under another name does not open. */
static char *make_request(const struct sx_job *job)
{
    char *name = sx_base64_encode(job->ref.name, strlen(job->ref.name));
    json_t *request = json_pack("{s:s, s:s}", "ciphertext", job->envelope.wrapped,
                                "additionalAuthenticatedData", name != NULL ? name : "");
    char *text = name != NULL && request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;

    json_decref(request);
    free(name);
    return text;
}

static void ask_key(struct sx_job *job)
{
    char *base = base_of(job, SX_ENDPOINT_KMS), *url;

    if (base == NULL)
        return;
    if (asprintf(&url, "%s/v1/%s:decrypt", base, job->key) < 0)
        url = NULL;
    free(base);
    replace(&job->url, url);
    replace(&job->body, make_request(job));
    if (job->body == NULL)
        sx_job_fail(job, "no memory");
    else
        sx_job_call(job, "key of Cloud KMS", ROLE_KMS, on_decrypted);
}

/* --- the bytes -------------------------------------------------------------------------------- */

static void on_media(struct sx_call *call, void *arg)
{
    struct sx_job *job = arg;
    int err;

    if (!call->is_ok) {
        sx_job_fail(job, call->why);
        return;
    }
    err = call->answer.len == 0
              ? SX_ERR_INVALID
              : sx_envelope_parse(call->answer.data, call->answer.len, &job->envelope);
    sx_call_finish(call);
    if (err == 0)
        ask_key(job);
    else
        sx_job_fail(job, err == SX_ERR_NOMEM
                             ? "no memory"
                             : "the object is damaged: expected base64(key):base64(data)");
}

/* --- what it is ------------------------------------------------------------------------------- */

/* projects/P/locations/L/keyRings/R/cryptoKeys/K, perhaps with a version behind: it goes into an
 * address, and who may write the object chooses it. */
static char *key_of(const char *name)
{
    static const char *const nouns[] = { "projects/", "locations/", "keyRings/", "cryptoKeys/" };
    const char *at = name;

    for (size_t i = 0; at != NULL && i < sizeof nouns / sizeof nouns[0]; i++) {
        size_t noun = strlen(nouns[i]), len;

        if (strncmp(at, nouns[i], noun) != 0)
            return NULL;
        at += noun;
        len = strspn(at, OF_SEGMENT);
        if (len == 0 || (at[len] != '/' && at[len] != '\0') || strspn(at, ".") == len ||
            (at[len] == '\0' && i + 1 < sizeof nouns / sizeof nouns[0]))
            return NULL;
        at += at[len] == '/' ? len + 1 : len;
    }
    if (at == NULL || (*at != '\0' && strncmp(at, "cryptoKeyVersions/", 18) != 0))
        return NULL;
    return strndup(name, (size_t)(at - name) - (at[-1] == '/'));
}

static void ask_media(struct sx_job *job, const char *generation)
{
    char *url;

    if (asprintf(&url, "%s?alt=media&generation=%s", job->object, generation) < 0)
        url = NULL;
    replace(&job->url, url);
    replace(&job->ref.version, strdup(generation));
    sx_call_finish(&job->call);
    sx_job_call(job, "object", ROLE_STORAGE, on_media);
}

static bool is_generation(const char *text)
{
    return text != NULL && *text != '\0' && strlen(text) < 20 &&
           strspn(text, "0123456789") == strlen(text);
}

static void take_metadata(struct sx_job *job, const json_t *answer)
{
    const char *key = json_string_value(json_object_get(json_object_get(answer, "metadata"), KEY));
    const char *generation = json_string_value(json_object_get(answer, "generation"));

    job->key = key != NULL ? key_of(key) : NULL;
    if (key == NULL)
        sx_job_fail(job, "expected an object of berglas, found one without the metadata " KEY);
    else if (job->key == NULL)
        sx_job_fail(job,
                    "expected a key of Cloud KMS in the metadata " KEY ", found something else");
    else if (!is_generation(generation) ||
             (*job->ref.version != '\0' && strcmp(job->ref.version, generation) != 0))
        sx_job_fail(job, "expected the generation that was asked for, found another");
    else
        ask_media(job, generation);
}

static void on_metadata(struct sx_call *call, void *arg)
{
    struct sx_job *job = arg;
    json_t *answer = sx_job_answer(job, call, "Cloud Storage");

    if (answer != NULL)
        take_metadata(job, answer);
    json_decref(answer);
}

void sx_job_begin_berglas(struct sx_job *job)
{
    char *base = base_of(job, SX_ENDPOINT_STORAGE), *name = sx_job_escape(job->ref.name);
    const bool has_version = *job->ref.version != '\0';

    if (base != NULL && name != NULL) {
        if (asprintf(&job->object, "%s/storage/v1/b/%s/o/%s", base, job->ref.holder, name) < 0)
            job->object = NULL;
        if (job->object == NULL ||
            asprintf(&job->url, "%s%s%s", job->object, has_version ? "?generation=" : "",
                     job->ref.version) < 0)
            job->url = NULL;
        sx_job_call(job, "object", ROLE_STORAGE, on_metadata);
    } else if (base != NULL) {
        sx_job_fail(job, "no memory");
    }
    free(base);
    free(name);
}
