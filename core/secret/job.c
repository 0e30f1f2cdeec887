/* secret/job.c - what every reference needs on its way. */
#include "secret/job.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "base/text.h"
#include "secret/crc32c.h"

void sx_job_fail(struct sx_job *job, const char *why)
{
    job->answer->fault = strdup(why);
}

void sx_job_succeed(struct sx_job *job, char *value, size_t len, const char *version)
{
    job->answer->value = value;
    job->answer->len = len;
    job->answer->version = strdup(version);
}

void sx_job_call(struct sx_job *job, const char *expected, const char *role, sx_call_done *on_done)
{
    if (job->url == NULL) {
        sx_job_fail(job, "no memory");
        return;
    }
    job->call = (struct sx_call){ .url = job->url,
                                  .body = job->body,
                                  .wants_token = true,
                                  .expected = expected,
                                  .role = role,
                                  .on_done = on_done,
                                  .arg = job };
    sx_call_begin(job->fetch, &job->call);
}

void sx_job_finish(struct sx_job *job)
{
    sx_call_finish(&job->call);
    sx_envelope_finish(&job->envelope);
    sx_reference_finish(&job->ref);
    free(job->url);
    free(job->body);
    free(job->object);
    free(job->key);
}

json_t *sx_job_answer(struct sx_job *job, const struct sx_call *call, const char *whose)
{
    json_t *answer = call->is_ok ? json_loadb(call->answer.data, call->answer.len, 0, NULL) : NULL;
    char why[96];

    (void)snprintf(why, sizeof why, "expected JSON from %s, found something else", whose);
    if (answer == NULL)
        sx_job_fail(job, call->is_ok ? why : call->why);
    return answer;
}

int sx_job_check_crc(const json_t *crc, const void *data, size_t len)
{
    const char *text = json_string_value(crc);
    uint64_t value;

    if (crc == NULL) /* versions from before there were any */
        return 0;
    if (text == NULL || sx_parse_uint(text, strlen(text), &value) != 0 || value > UINT32_MAX)
        return SX_ERR_INVALID;
    return value == sx_crc32c(data, len) ? 0 : SX_ERR_INVALID;
}

char *sx_job_escape(const char *text)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789-._~";
    static const char digits[] = "0123456789ABCDEF";
    char *escaped = malloc(strlen(text) * 3 + 1), *to = escaped;

    for (; escaped != NULL && *text != '\0'; text++) {
        if (strchr(plain, *text) != NULL) {
            *to++ = *text;
        } else {
            *to++ = '%';
            *to++ = digits[(unsigned char)*text >> 4];
            *to++ = digits[(unsigned char)*text & 15];
        }
    }
    if (escaped != NULL)
        *to = '\0';
    return escaped;
}
