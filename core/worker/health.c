/*
 * worker/health.c - the core's own answers: health for balancers, metrics for Prometheus.
 */
#include <stdlib.h>
#include <string.h>

#include "worker/worker_private.h"

#define MAX_READY_BYTES 65536u

static void answer(struct sx_http_req *r, const char *body)
{
    (void)sx_http_set_header(r, sx_slice_of("Cache-Control"), sx_slice_of("no-store"), false);
    (void)sx_http_reply(r, 200, "application/json", body, strlen(body));
}

/* The last reason, which changes while it is away. */
static void answer_away(struct sx_worker *w, struct sx_http_req *r)
{
    struct sx_db_stats stats = { .why = "" };

    if (w->pool != NULL)
        w->db->stats(w->pool, &stats);
    (void)sx_http_problem(r, 503, "database_away", "database: %s", stats.why);
}

static void answer_ready(struct sx_worker *w, struct sx_http_req *r)
{
    (void)sx_http_set_header(r, sx_slice_of("Cache-Control"), sx_slice_of("no-store"), false);
    if (w->pool != NULL)
        w->db->probe(w->pool);
    if (w->phase == WORKER_SERVING && (!w->has_db || w->is_db_ready)) {
        struct sx_buf body;

        sx_buf_init(&body, MAX_READY_BYTES);
        sx_buf_add_text(&body, "{\"status\":\"ready\"");
        sx_plugins_add_quarantined(w->plugins, &body);
        sx_buf_add_text(&body, "}\n");
        answer(r, sx_buf_failed(&body) ? "{\"status\":\"ready\"}\n" : sx_buf_text(&body));
        sx_buf_finish(&body);
        return;
    }
    (void)sx_http_set_header(r, sx_slice_of("Retry-After"), sx_slice_of("1"), false);
    if (w->phase != WORKER_SERVING)
        (void)sx_http_problem(r, 503, "draining", "this worker is ending");
    else
        answer_away(w, r);
}

static void answer_metrics(struct sx_worker *w, struct sx_http_req *r)
{
    char *text = sx_board_metrics_text(w->board);

    if (text == NULL)
        (void)sx_http_problem(r, 503, "out_of_memory", "no memory for the metrics");
    else
        (void)sx_http_reply(r, 200, "text/plain; version=0.0.4; charset=utf-8", text, strlen(text));
    free(text);
}

bool sx_worker_builtin(struct sx_http_req *r, void *arg)
{
    struct sx_worker *w = arg;
    bool is_read = sx_slice_is(r->method, "GET") || r->is_head;
    bool is_known = sx_slice_is(r->path, "/_sx/live") || sx_slice_is(r->path, "/_sx/started") ||
                    sx_slice_is(r->path, "/_sx/ready") || sx_slice_is(r->path, "/_sx/metrics");

    if (is_known && !is_read) {
        (void)sx_http_set_header(r, sx_slice_of("Allow"), sx_slice_of("GET, HEAD, OPTIONS"), false);
        if (sx_slice_is(r->method, "OPTIONS"))
            (void)sx_http_reply(r, 204, NULL, NULL, 0);
        else
            (void)sx_http_problem(r, 405, "method_not_allowed", "this path takes GET");
    } else if (sx_slice_is(r->path, "/_sx/live")) {
        answer(r, "{\"status\":\"live\"}\n");
    } else if (sx_slice_is(r->path, "/_sx/started")) {
        answer(r, "{\"status\":\"started\"}\n");
    } else if (sx_slice_is(r->path, "/_sx/ready")) {
        answer_ready(w, r);
    } else if (sx_slice_is(r->path, "/_sx/metrics")) {
        answer_metrics(w, r);
    }
    return is_known;
}
