/*
 * plugin/access.c - what a request leaves behind: counters on the board and, by configuration,
 * a line in the log.
 */
#include <string.h>

#include "plugin/plugin_private.h"

static void count(struct sx_req *r, uint64_t ns)
{
    struct sx_plugins *ps = r->set;
    const struct sx_http_stats *http = sx_http_server_stats(r->http.server);
    struct sx_board_counters *c = ps->rt.slot == NULL ? NULL : sx_board_counters_of(ps->rt.slot);

    if (c == NULL || r->http.resp.status == 0)
        return;
    sx_board_count_request(c, r->http.resp.status, ns);
    c->bytes_out += r->http.bytes_out;
    c->bytes_in = http->bytes_in;
    c->connections_opened = http->connections_opened;
    c->connections_open = http->connections_open;
    c->connections_refused = http->refused;
    c->connections_evicted = http->evicted;
    if (r->entry != NULL)
        sx_board_route_done(ps->rt.slot, r->entry->board, r->http.resp.status, ns);
}

static char *text_of(struct sx_req *r, struct sx_slice s, size_t max)
{
    return s.data == NULL ? NULL : sx_arena_text(&r->http.arena, s.data, s.len > max ? max : s.len);
}

/* Of ours: a 501 to a method that nobody knows is the client's, as a 400 is. */
static bool is_failure(const struct sx_req *r)
{
    return r->http.resp.status >= 500 && r->http.resp.status != 501;
}

static void write_line(struct sx_req *r, uint64_t ns)
{
    const struct sx_trace *trace = sx_http_trace(&r->http);
    const struct sx_plugin *p = r->entry == NULL ? NULL : r->entry->plugin;
    struct sx_log_request line = {
        .method = text_of(r, r->http.method, 32),
        .url = text_of(r, r->http.target, 2048),
        .user_agent = text_of(r, sx_http_header(&r->http, "user-agent", 10), 256),
        .remote = sx_http_remote(&r->http),
        .protocol = r->http.is_http10 ? "HTTP/1.0" : "HTTP/1.1",
        .status = r->http.resp.status,
        .bytes_out = r->http.bytes_out,
        .duration_ns = ns,
        .plugin = p == NULL ? NULL : p->note.name,
        .plugin_version = p == NULL ? NULL : p->note.version,
        .route = r->entry == NULL ? NULL : r->entry->path,
        .request_id = sx_http_request_id(&r->http),
        .trace_id = trace == NULL ? NULL : trace->trace_id,
        .span_id = trace == NULL || trace->span_id[0] == '\0' ? NULL : trace->span_id,
        .is_sampled = trace != NULL && trace->is_sampled,
        .db_ms = r->db_ns == 0 ? -1.0 : (double)r->db_ns / 1e6,
    };

    sx_log_request(r->set->set.log, is_failure(r) ? SX_LOG_ERROR : SX_LOG_INFO, &line);
}

void sx_access_log(struct sx_req *r)
{
    const struct sx_config_log *cfg = &r->set->set.config->log;
    uint64_t ms = sx_http_now_ms(r->http.server) - r->since_ms;
    uint64_t ns = r->http.since_ns != 0 ? uv_hrtime() - r->http.since_ns : ms * 1000000;

    count(r, ns);
    if (r->set->set.log == NULL || r->http.resp.status == 0)
        return;
    if (r->set->logs_all ||
        (r->set->logs_errors &&
         (is_failure(r) || (ms >= cfg->slow_ms && r->http.resp.kind != SX_HTTP_BODY_STREAM))))
        write_line(r, ns);
}
