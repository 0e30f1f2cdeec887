/*
 * bench.c - a Kore module: /plaintext, /json and /db, the last with Kore's asynchronous
 * PostgreSQL connections, one query in flight on each.
 */
#include <stdlib.h>

#include <kore/kore.h> /* the others need it */

#include <kore/http.h>
#include <kore/pgsql.h>

int init(int state);
int answer_plaintext(struct http_request *req);
int answer_json(struct http_request *req);
int answer_db(struct http_request *req);

static int start_query(struct http_request *req);
static int wait_query(struct http_request *req);
static int read_query(struct http_request *req);
static int end_query(struct http_request *req);

enum { START, WAIT, READ, END };

static struct http_state states[] = {
    { "start", start_query }, { "wait", wait_query }, { "read", read_query }, { "end", end_query }
};

struct query {
    struct kore_pgsql sql;
    char body[64];
    int len;
};

int init(int state)
{
    const char *conninfo = getenv("BENCH_CONNINFO");

    if (state == KORE_MODULE_LOAD && conninfo != NULL)
        kore_pgsql_register("db", conninfo);
    return KORE_RESULT_OK;
}

static void reply(struct http_request *req, const char *type, const void *data, size_t len)
{
    http_response_header(req, "content-type", type);
    http_response(req, 200, data, len);
}

int answer_plaintext(struct http_request *req)
{
    reply(req, "text/plain", "Hello, World!", 13);
    return KORE_RESULT_OK;
}

int answer_json(struct http_request *req)
{
    reply(req, "application/json", "{\"message\":\"Hello, World!\"}", 27);
    return KORE_RESULT_OK;
}

int answer_db(struct http_request *req)
{
    return http_state_run(states, 4, req);
}

static int start_query(struct http_request *req)
{
    struct query *q = http_state_exists(req) ? http_state_get(req)
                                             : http_state_create(req, sizeof *q, NULL);
    char id[16];

    kore_pgsql_init(&q->sql);
    kore_pgsql_bind_request(&q->sql, req);
    if (!kore_pgsql_setup(&q->sql, "db", KORE_PGSQL_ASYNC)) {
        if (q->sql.state == KORE_PGSQL_STATE_INIT)
            return HTTP_STATE_RETRY; /* all connections are busy */
        req->fsm_state = END;
        return HTTP_STATE_CONTINUE;
    }
    (void)snprintf(id, sizeof id, "%u", (unsigned)(random() % 10000) + 1);
    req->fsm_state = WAIT;
    if (!kore_pgsql_query_params(&q->sql,
                                 "SELECT id, randomnumber FROM techempower.world WHERE id = $1", 0,
                                 1, KORE_PGSQL_PARAM_TEXT(id))) {
        req->fsm_state = END;
        return HTTP_STATE_CONTINUE;
    }
    return HTTP_STATE_CONTINUE;
}

static int wait_query(struct http_request *req)
{
    struct query *q = http_state_get(req);

    switch (q->sql.state) {
    case KORE_PGSQL_STATE_WAIT: return HTTP_STATE_RETRY;
    case KORE_PGSQL_STATE_COMPLETE: req->fsm_state = END; return HTTP_STATE_CONTINUE;
    case KORE_PGSQL_STATE_RESULT: req->fsm_state = READ; return HTTP_STATE_CONTINUE;
    case KORE_PGSQL_STATE_ERROR: req->fsm_state = END; return HTTP_STATE_CONTINUE;
    default: kore_pgsql_continue(&q->sql); return HTTP_STATE_CONTINUE;
    }
}

static int read_query(struct http_request *req)
{
    struct query *q = http_state_get(req);

    if (kore_pgsql_ntuples(&q->sql) == 1)
        q->len = snprintf(q->body, sizeof q->body, "{\"id\":%s,\"randomNumber\":%s}",
                          kore_pgsql_getvalue(&q->sql, 0, 0), kore_pgsql_getvalue(&q->sql, 0, 1));
    kore_pgsql_continue(&q->sql);
    req->fsm_state = WAIT;
    return HTTP_STATE_CONTINUE;
}

static int end_query(struct http_request *req)
{
    struct query *q = http_state_get(req);

    if (q->len > 0)
        reply(req, "application/json", q->body, (size_t)q->len);
    else
        http_response(req, 500, NULL, 0);
    kore_pgsql_cleanup(&q->sql);
    http_state_cleanup(req);
    return HTTP_STATE_COMPLETE;
}
