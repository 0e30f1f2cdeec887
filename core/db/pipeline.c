/*
 * db/pipeline.c - groups of statements on their way down a connection.
 *
 * Each group ends with a Sync, which is the scope of its errors and its transaction (I6);
 * there is no BEGIN.  For each thing sent a step is remembered, so that result.c knows what
 * the next result answers.
 */
#include "db/db_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_ONLY_NAME "sxro"

static const char switch_sql[] = "SELECT set_config('role'," SX_DB_OWN_ROLE
                                 ",false),set_config('search_path',$2,false)";
static const char setup_sql[] = "SELECT set_config('statement_timeout',$1,false)";
/* Writers have what the server says: an operator who makes it read-only means them, too. */
static const char reader_setup_sql[] = "SELECT set_config('statement_timeout',$1,false),"
                                       "set_config('default_transaction_read_only','on',false)";
static const char read_only_sql[] = "SELECT set_config('transaction_read_only','on',true)";
/* What a statement from the loop may have left; the settings follow anew. */
static const char *const reset_sql[] = {
    "SELECT pg_advisory_unlock_all()",
    "DISCARD TEMP",
    "RESET ALL",
    NULL,
};

/* --- steps ---------------------------------------------------------------------- */

static bool grow_steps(struct sx_db_conn *conn)
{
    uint32_t cap = conn->cap_steps > 0 ? conn->cap_steps * 2 : 256;
    struct sx_db_step *steps = malloc(cap * sizeof *steps);

    if (steps == NULL)
        return false;
    for (uint32_t i = 0; i < conn->n_steps; i++)
        steps[i] = conn->steps[(conn->first_step + i) % conn->cap_steps];
    free(conn->steps);
    conn->steps = steps;
    conn->first_step = 0;
    conn->cap_steps = cap;
    return true;
}

/* Remembers what libpq has taken; if it has not, the connection must go. */
static void expect(struct sx_db_conn *conn, int is_sent, struct sx_db_step step)
{
    if (is_sent != 1 || conn->is_broken ||
        (conn->n_steps == conn->cap_steps && !grow_steps(conn))) {
        conn->is_broken = true;
        return;
    }
    if (conn->n_steps == 0)
        conn->asked_ms = uv_now(conn->pool->set.loop);
    conn->steps[(conn->first_step + conn->n_steps++) % conn->cap_steps] = step;
    conn->needs_flush = true;
}

static void end_group(struct sx_db_conn *conn, struct sx_db_step step)
{
    step.kind = STEP_SYNC;
    expect(conn, PQpipelineSync(conn->pg), step);
}

static void send_house(struct sx_db_conn *conn, const char *sql, int n, const char *const *values)
{
    expect(conn, PQsendQueryParams(conn->pg, sql, n, NULL, values, NULL, NULL, 0),
           (struct sx_db_step){ .kind = STEP_PREFIX });
}

/* --- housekeeping --------------------------------------------------------------- */

static void send_settings(struct sx_db_conn *conn)
{
    char timeout[16];
    const char *values[1] = { timeout };

    if (conn->pool->set.is_pooled && conn->kind != KIND_LISTENER)
        return; /* the session is not ours */
    (void)snprintf(timeout, sizeof timeout, "%u", conn->pool->set.statement_ms);
    send_house(conn, conn->kind == KIND_READER ? reader_setup_sql : setup_sql, 1, values);
}

void sx_db_send_setup(struct sx_db_conn *conn)
{
    send_settings(conn);
    if (!conn->pool->set.is_pooled && conn->kind != KIND_READER)
        expect(conn, PQsendPrepare(conn->pg, READ_ONLY_NAME, read_only_sql, 0, NULL),
               (struct sx_db_step){ .kind = STEP_PREFIX });
    end_group(conn, (struct sx_db_step){ .group = GROUP_SETUP });
}

static void send_reset(struct sx_db_conn *conn)
{
    if (conn->pool->set.is_pooled)
        return;
    for (const char *const *sql = reset_sql; *sql != NULL; sql++)
        send_house(conn, *sql, 0, NULL);
    send_settings(conn);
    end_group(conn, (struct sx_db_step){ .group = GROUP_RESET });
    conn->owner = NULL;
}

bool sx_db_owner_is_known(const struct sx_db_conn *conn, const struct sx_db_owner *owner)
{
    for (uint32_t i = 0; i < conn->n_known; i++)
        if (conn->known_owners[i] == owner)
            return true;
    return false;
}

void sx_db_send_switch(struct sx_db_conn *conn, const struct sx_db_owner *owner)
{
    const char *values[2] = { owner->role != NULL ? owner->role : "none",
                              owner->search_path != NULL ? owner->search_path : "pg_catalog" };

    send_house(conn, switch_sql, 2, values);
    end_group(conn, (struct sx_db_step){ .group = GROUP_SWITCH, .of.owner = owner });
    conn->owner = owner;
    conn->is_switching = !sx_db_owner_is_known(conn, owner);
}

void sx_db_send_forget(struct sx_db_conn *conn, struct sx_db_cached *cached)
{
    char sql[32];

    (void)snprintf(sql, sizeof sql, "DEALLOCATE %s", cached->name);
    send_house(conn, sql, 0, NULL);
    end_group(conn, (struct sx_db_step){ .group = GROUP_HOUSE });
    sx_db_cache_remove(&conn->cache, &conn->pool->texts, cached);
}

void sx_db_send_probe(struct sx_db_conn *conn)
{
    end_group(conn, (struct sx_db_step){ .group = GROUP_HOUSE });
}

void sx_db_send_listen(struct sx_db_conn *conn)
{
    struct sx_db_pool *pool = conn->pool;
    char *name, sql[256];

    if (conn != sx_db_listening_conn(pool) ||
        (sx_list_is_empty(&pool->channels) && conn->kind != KIND_FLIPPING))
        return;
    if (conn->kind == KIND_FLIPPING)
        send_house(conn, "UNLISTEN *", 0, NULL); /* what a lease may have left */
    for (struct sx_list *at = pool->channels.next; at != &pool->channels; at = at->next) {
        struct sx_db_channel *channel = SX_MEMBER_OF(at, struct sx_db_channel, link);

        name = PQescapeIdentifier(conn->pg, channel->name, strlen(channel->name));
        if (name == NULL)
            continue;
        (void)snprintf(sql, sizeof sql, "LISTEN %s", name);
        PQfreemem(name);
        send_house(conn, sql, 0, NULL);
    }
    end_group(conn, (struct sx_db_step){ .group = GROUP_LISTEN });
}

/* --- jobs ----------------------------------------------------------------------- */

struct prefix {
    char sql[320];
    const char *values[4];
    int n;
};

static void add_setting(struct prefix *p, const char *name, const char *value)
{
    size_t len = strlen(p->sql);

    p->values[p->n++] = value;
    (void)snprintf(p->sql + len, sizeof p->sql - len, "%sset_config('%s',$%d,true)",
                   p->n > 1 ? "," : "SELECT ", name, p->n);
}

/* Settings that hold for this group only. */
static void send_prefix(struct sx_db_conn *conn, const struct sx_db_job *job)
{
    bool is_pooled = conn->pool->set.is_pooled;
    bool is_read = job->is_read && (is_pooled || conn->kind != KIND_READER);
    struct prefix p = { .n = 0 };
    char timeout[16];

    if (is_read && !is_pooled && !job->has_timeout) {
        expect(conn, PQsendQueryPrepared(conn->pg, READ_ONLY_NAME, 0, NULL, NULL, NULL, 0),
               (struct sx_db_step){ .kind = STEP_PREFIX });
        return;
    }
    if (is_pooled) {
        add_setting(&p, "role", job->owner->role != NULL ? job->owner->role : "none");
        add_setting(&p, "search_path",
                    job->owner->search_path != NULL ? job->owner->search_path : "pg_catalog");
    }
    if (is_pooled || job->has_timeout) {
        (void)snprintf(timeout, sizeof timeout, "%u", job->timeout_ms);
        add_setting(&p, "statement_timeout", timeout);
    }
    if (is_read)
        add_setting(&p, "transaction_read_only", "on");
    if (p.n > 0)
        send_house(conn, p.sql, p.n, p.values);
}

/* The name to execute, preparing it before if need be; NULL: send it unnamed.  An entry that
 * the server has not confirmed is left alone: if it fails, its own job learns why. */
static const char *prepare(struct sx_db_conn *conn, struct sx_db_job *job, uint32_t i)
{
    struct sx_db_cached *c;

    if (conn->pool->set.is_pooled || job->is_unnamed || conn->kind == KIND_LISTENER)
        return NULL;
    c = sx_db_cache_find(&conn->cache, job->texts[i], job->owner);
    if (c != NULL)
        return c->is_prepared ? c->name : NULL;
    c = sx_db_cache_add(&conn->cache, job->texts[i], job->owner);
    if (c == NULL)
        return NULL;
    expect(conn, PQsendPrepare(conn->pg, c->name, job->texts[i]->sql, 0, NULL),
           (struct sx_db_step){ .kind = STEP_PREPARE, .of.job = job, .index = i, .cached = c });
    return c->name;
}

static void send_stmt(struct sx_db_conn *conn, struct sx_db_job *job, uint32_t i)
{
    const struct sx_db_stmt *stmt = &job->op->stmts[i];
    struct sx_db_params *p = &conn->pool->params;
    const char *name = prepare(conn, job, i);
    int n = (int)stmt->n_params, is_sent;

    if (sx_db_params_fill(p, stmt) < 0) {
        conn->is_broken = true;
        return;
    }
    if (name != NULL)
        is_sent = PQsendQueryPrepared(conn->pg, name, n, p->values, p->lengths, p->formats, 0);
    else
        is_sent = PQsendQueryParams(conn->pg, job->texts[i]->sql, n, NULL, p->values, p->lengths,
                                    p->formats, 0);
    expect(conn, is_sent, (struct sx_db_step){ .kind = STEP_EXEC, .of.job = job, .index = i });
}

static void send_job(struct sx_db_conn *conn, struct sx_db_job *job, uint64_t now_ns)
{
    if (sx_list_is_empty(&conn->jobs))
        conn->head_ms = uv_now(conn->pool->set.loop);
    sx_list_remove(&job->link);
    sx_list_push(&conn->jobs, &job->link);
    job->sent_ns = now_ns;
    job->op->sent_ns = now_ns;
    job->op->state = SX_DB_OP_SENT;
    for (uint32_t i = 0; i < job->n_stmts; i++)
        send_stmt(conn, job, i);
}

void sx_db_send_jobs(struct sx_db_conn *conn, struct sx_list *jobs)
{
    struct sx_db_job *first = SX_MEMBER_OF(jobs->next, struct sx_db_job, link);
    uint64_t now_ns = uv_hrtime();
    struct sx_db_cached *surplus;
    struct sx_db_step sync = { .group = GROUP_JOBS };
    bool leaves_trace = first->leaves_trace;

    while ((surplus = sx_db_cache_surplus(&conn->cache)) != NULL)
        sx_db_send_forget(conn, surplus);
    send_prefix(conn, first);
    for (; !sx_list_is_empty(jobs); sync.n_jobs++)
        send_job(conn, SX_MEMBER_OF(jobs->next, struct sx_db_job, link), now_ns);
    end_group(conn, sync);
    if (leaves_trace)
        send_reset(conn);
}
