/*
 * secret/job.h - one reference on its way to its value: a call, and what follows from its answer.
 */
#ifndef SX_SECRET_JOB_H
#define SX_SECRET_JOB_H

#include <jansson.h>

#include "config/reference.h"
#include "secret/envelope.h"
#include "secret/fetch.h"
#include "secret/secret.h"

struct sx_job {
    struct sx_fetch *fetch;
    struct sx_reference ref;         /* owned, as all texts here */
    struct sx_secret_answer *answer; /* borrowed; what comes of it */
    struct sx_call call;             /* one at a time */
    char *url, *body;
    /* of berglas */
    char *object; /* the object's URL, without parameters */
    char *key;    /* its key in Cloud KMS */
    struct sx_envelope envelope;
};

/* The first call of a reference. */
void sx_job_begin_sm(struct sx_job *job);
void sx_job_begin_berglas(struct sx_job *job);

/* --- for both of them (job.c) --------------------------------------------------------------- */

/* Sends the call for job->url, which was just made; NULL url: no memory. */
void sx_job_call(struct sx_job *job, const char *expected, const char *role, sx_call_done *on_done);
/* What a call was answered; the caller's; NULL: it failed or is no JSON, and that was the end. */
json_t *sx_job_answer(struct sx_job *job, const struct sx_call *call, const char *whose);
/* The end without a value. */
void sx_job_fail(struct sx_job *job, const char *why);
/* The end with one; takes value. */
void sx_job_succeed(struct sx_job *job, char *value, size_t len, const char *version);
void sx_job_finish(struct sx_job *job);

/* The CRC32C of an answer, decimal text, is that of the data; NULL: the answer has none. */
int sx_job_check_crc(const json_t *crc, const void *data, size_t len);
/* Bytes but letters, digits, '-', '.', '_' and '~' as %XX; malloc. */
char *sx_job_escape(const char *text);

#endif /* SX_SECRET_JOB_H */
