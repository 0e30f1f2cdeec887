/* db/job.c - what the pool knows of an operation, from its submission to its done. */
#include "db/db_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

static struct sx_db_job *take_job(struct sx_db_pool *pool)
{
    struct sx_list *entry = sx_list_pop(&pool->free_jobs);
    struct sx_db_job *job = entry != NULL ? SX_MEMBER_OF(entry, struct sx_db_job, link)
                                          : malloc(sizeof *job);

    if (job == NULL)
        return NULL;
    memset(job, 0, sizeof *job);
    sx_list_init(&job->link);
    job->texts = job->one_text;
    job->rows = job->one_row;
    return job;
}

static int make_room(struct sx_db_job *job, uint32_t n)
{
    if (n == 1)
        return 0;
    job->texts = calloc(n, sizeof *job->texts);
    job->rows = calloc(n, sizeof *job->rows);
    if (job->texts != NULL && job->rows != NULL)
        return 0;
    free(job->texts);
    free(job->rows);
    job->texts = job->one_text;
    job->rows = job->one_row;
    return SX_ERR_NOMEM;
}

static int add_stmt(struct sx_db_pool *pool, struct sx_db_job *job, const struct sx_db_stmt *stmt)
{
    struct sx_db_text *text;
    int err = sx_db_params_check(stmt);

    if (err == 0)
        err = sx_db_texts_ref(&pool->texts, stmt->sql, &text);
    if (err < 0)
        return err;
    job->texts[job->n_stmts++] = text;
    job->is_read &= (stmt->flags & SX_DB_READ_ONLY) != 0;
    job->is_slow |= text->average_us > SLOW_TEXT_US;
    job->leaves_trace |= text->leaves_trace;
    if (text->n_alone > 0) {
        text->n_alone--;
        job->is_alone = true;
    }
    return 0;
}

int sx_db_job_create(struct sx_db_pool *pool, struct sx_db_op *op, struct sx_db_job **ret_job)
{
    struct sx_db_job *job = take_job(pool);
    int err = 0;

    if (job == NULL)
        return SX_ERR_NOMEM;
    job->op = op;
    job->owner = op->owner;
    job->deadline_ms = op->deadline_ms;
    job->timeout_ms = op->timeout_ms != 0 ? op->timeout_ms : pool->set.statement_ms;
    job->has_timeout = job->timeout_ms != pool->set.statement_ms;
    job->is_read = true;
    err = make_room(job, op->n_stmts);
    for (uint32_t i = 0; i < op->n_stmts && err == 0; i++)
        err = add_stmt(pool, job, &op->stmts[i]);
    if (err < 0) {
        sx_db_job_free(pool, job);
        return err;
    }
    job->is_alone |= !job->is_read || job->n_stmts > 1 || job->has_timeout || job->leaves_trace ||
                     job->is_slow;
    *ret_job = job;
    return 0;
}

static void clear_results(struct sx_db_job *job)
{
    for (uint32_t i = 0; i < job->n_stmts; i++) {
        sx_db_rows_drop(job->rows[i]);
        job->rows[i] = NULL;
    }
    PQclear(job->error);
    job->error = NULL;
    job->n_done = 0;
}

void sx_db_job_free(struct sx_db_pool *pool, struct sx_db_job *job)
{
    clear_results(job);
    for (uint32_t i = 0; i < job->n_stmts; i++)
        sx_db_texts_unref(&pool->texts, job->texts[i]);
    if (job->texts != job->one_text) {
        free(job->texts);
        free(job->rows);
    }
    sx_list_remove(&job->link);
    sx_list_push(&pool->free_jobs, &job->link);
}

void sx_db_job_requeue(struct sx_db_pool *pool, struct sx_db_job *job)
{
    sx_list_remove(&job->link);
    if (job->op == NULL) {
        sx_db_job_free(pool, job);
        return;
    }
    clear_results(job);
    job->op->state = SX_DB_OP_QUEUED;
    sx_list_push(pool->queue.next, &job->link); /* before the first: at the head */
    job->is_queued = true;
    atomic_fetch_add(&pool->n_queued, 1);
}

void sx_db_job_unqueue(struct sx_db_pool *pool, struct sx_db_job *job)
{
    sx_list_remove(&job->link);
    job->is_queued = false;
    atomic_fetch_sub(&pool->n_queued, 1);
}

void sx_db_job_finish(struct sx_db_pool *pool, struct sx_db_job *job)
{
    sx_list_remove(&job->link);
    sx_list_push(&pool->finished, &job->link);
}
