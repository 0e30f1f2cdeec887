/* secret/module.c - sx_secret.so: all references at once. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "secret/endpoint.h"
#include "secret/job.h"
#include "secret/secret.h"

#define TOKEN_PATH "/computeMetadata/v1/instance/service-accounts/default/token"

static int set_token_url(struct sx_fetch *f, char why[SX_ENDPOINT_WHY])
{
    char *base;
    int err = sx_endpoint_base(SX_ENDPOINT_METADATA, &base, why);

    if (err != 0)
        return err;
    if (asprintf(&f->token.url, "%s" TOKEN_PATH, base) < 0)
        f->token.url = NULL;
    free(base);
    return f->token.url == NULL ? SX_ERR_NOMEM : 0;
}

static void begin(struct sx_job *job, struct sx_fetch *f, const char *reference,
                  struct sx_secret_answer *answer)
{
    char why[SX_REFERENCE_WHY];

    job->fetch = f;
    job->answer = answer;
    if (sx_reference_parse(reference, &job->ref, why) != 0)
        sx_job_fail(job, why);
    else if (job->ref.kind == SX_REFERENCE_SM)
        sx_job_begin_sm(job);
    else
        sx_job_begin_berglas(job);
}

/* Every answer has a value or a fault. */
static void complete(struct sx_secret_answer *answers, size_t n, const char *why)
{
    for (size_t i = 0; i < n; i++)
        if (answers[i].value == NULL && answers[i].fault == NULL)
            answers[i].fault = strdup(why);
}

static int fetch(const struct sx_secret_settings *set, const char *const *references, size_t n,
                 struct sx_secret_answer *answers)
{
    struct sx_job *jobs = calloc(n, sizeof *jobs);
    char why[SX_ENDPOINT_WHY] = "no memory";
    struct sx_fetch f;
    int err = jobs == NULL ? SX_ERR_NOMEM : sx_fetch_init(&f, set);

    if (err != 0) {
        free(jobs);
        return err;
    }
    if (set_token_url(&f, why) == 0) {
        for (size_t i = 0; i < n; i++)
            begin(&jobs[i], &f, references[i], &answers[i]);
        sx_fetch_run(&f);
    }
    complete(answers, n, why);
    for (size_t i = 0; i < n; i++)
        sx_job_finish(&jobs[i]);
    free(jobs);
    sx_fetch_finish(&f);
    return 0;
}

/* Found by its name: the one symbol that the module exports. */
__attribute__((visibility("default"))) extern const struct sx_secret_module sx_secret_module;

const struct sx_secret_module sx_secret_module = {
    .size = sizeof sx_secret_module,
    .fetch = fetch,
};
