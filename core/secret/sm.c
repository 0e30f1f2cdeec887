/*
 * secret/sm.c - a version of a secret in Secret Manager.
 *
 * Source: Secret Manager API v1, projects.secrets.versions.access.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "secret/endpoint.h"
#include "secret/job.h"

#define ROLE "roles/secretmanager.secretAccessor"

/* "projects/1/secrets/name/versions/7" */
static const char *version_of(const json_t *answer, const struct sx_job *job)
{
    const char *name = json_string_value(json_object_get(answer, "name"));
    const char *slash = name != NULL ? strrchr(name, '/') : NULL;
    const char *version = slash != NULL ? slash + 1 : job->ref.version;

    return *version != '\0' && strlen(version) < 64 &&
                   strspn(version, "0123456789") == strlen(version)
               ? version
               : job->ref.version;
}

static void take_payload(struct sx_job *job, const json_t *answer)
{
    const json_t *payload = json_object_get(answer, "payload");
    const json_t *data = json_object_get(payload, "data");
    const char *text = data == NULL ? "" : json_string_value(data);
    char *value;
    size_t len;

    if (!json_is_object(payload) || text == NULL) {
        sx_job_fail(job, "expected a payload in Secret Manager's answer, found none");
    } else if (sx_base64_decode(text, strlen(text), &value, &len) != 0) {
        sx_job_fail(job, "expected base64 as payload.data, found something else");
    } else if (sx_job_check_crc(json_object_get(payload, "dataCrc32c"), value, len) != 0) {
        explicit_bzero(value, len);
        free(value);
        sx_job_fail(job, "the value is damaged: it does not have the CRC32C that came with it");
    } else {
        sx_job_succeed(job, value, len, version_of(answer, job));
    }
}

static void on_access(struct sx_call *call, void *arg)
{
    struct sx_job *job = arg;
    json_t *answer = sx_job_answer(job, call, "Secret Manager");

    if (answer != NULL)
        take_payload(job, answer);
    json_decref(answer);
}

void sx_job_begin_sm(struct sx_job *job)
{
    char why[SX_ENDPOINT_WHY], *base;
    int err = sx_endpoint_base(SX_ENDPOINT_SM, &base, why);

    if (err != 0) {
        sx_job_fail(job, err == SX_ERR_NOMEM ? "no memory" : why);
        return;
    }
    if (asprintf(&job->url, "%s/v1/projects/%s/secrets/%s/versions/%s:access", base,
                 job->ref.holder, job->ref.name, job->ref.version) < 0)
        job->url = NULL;
    free(base);
    sx_job_call(job, "version of a secret", ROLE, on_access);
}
