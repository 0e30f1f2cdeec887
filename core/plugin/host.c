/*
 * plugin/host.c - the host table, and its entries about the plugin and the server.
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "plugin/plugin_private.h"

static void **get_state(sx_plugin *p)
{
    return &p->state;
}

static json_t *get_config(sx_plugin *p)
{
    return p->config;
}

static void get_worker(sx_plugin *p, sx_worker_info *ret, size_t size)
{
    const struct sx_plugins_runtime *rt = &p->set->rt;
    sx_worker_info w = { .index = rt->index,
                         .count = rt->count == 0 ? 1 : rt->count,
                         .now_ns = rt->now_ns != NULL ? rt->now_ns(rt->arg) : sx_clock_wall_ns() };

    memcpy(ret, &w, size < sizeof w ? size : sizeof w);
}

static void log_line(struct sx_plugin *p, const struct sx_req *req, int severity, const char *fmt,
                     va_list ap)
{
    struct sx_req *r = (struct sx_req *)(uintptr_t)req;
    const struct sx_trace *trace = r == NULL ? NULL : sx_http_trace(&r->http);
    struct sx_log_field fields[] = {
        { "plugin", SX_LOG_STR, { .s = p == NULL ? NULL : p->note.name } },
        { "plugin_version", SX_LOG_STR, { .s = p == NULL ? NULL : p->note.version } },
        { "route", SX_LOG_STR, { .s = r == NULL || r->entry == NULL ? NULL : r->entry->path } },
        { "request_id", SX_LOG_STR, { .s = r == NULL ? NULL : sx_http_request_id(&r->http) } },
        { "trace_id", SX_LOG_STR, { .s = trace == NULL ? NULL : trace->trace_id } },
        { NULL, SX_LOG_END, { .i = 0 } },
    };
    struct sx_plugins *ps = p != NULL ? p->set : r->set;

    if (ps->set.log != NULL)
        sx_log_vline(ps->set.log, (enum sx_log_severity)severity, fields, fmt, ap);
}

static void keep_said(struct sx_plugin *p, const char *fmt, va_list ap)
{
    va_list copy;

    va_copy(copy, ap);
    (void)vsnprintf(p->said, SX_MAX_SAID, fmt, copy);
    va_end(copy);
}

static void host_log(sx_plugin *p, const sx_req *r, int32_t level, const char *fmt, va_list ap)
{
    static const int severities[] = { SX_LOG_DEBUG, SX_LOG_INFO, SX_LOG_WARNING, SX_LOG_ERROR };

    if (level >= SX_ERROR && p != NULL && p->said != NULL &&
        pthread_equal(pthread_self(), p->set->loop_thread))
        keep_said(p, fmt, ap);
    log_line(p, r, severities[level < SX_DEBUG ? 0 : level > SX_ERROR ? 3 : level], fmt, ap);
}

void sx_report_fault(struct sx_plugin *p, const struct sx_req *r, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_line(p, r, SX_LOG_ERROR, fmt, ap);
    va_end(ap);
}

void sx_log_about(struct sx_plugin *p, const struct sx_req *r, enum sx_log_severity severity,
                  const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_line(p, r, (int)severity, fmt, ap);
    va_end(ap);
}

void sx_report_outage(struct sx_plugin *p, const struct sx_req *r, const char *fmt, ...)
{
    struct sx_plugins *ps = p->set;
    char text[400];
    uint32_t n;
    va_list ap;

    if (ps->rt.board != NULL && !sx_board_may_tell(ps->rt.board, sx_clock_mono_ns())) {
        __atomic_add_fetch(&ps->n_untold, 1, __ATOMIC_RELAXED);
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    n = __atomic_exchange_n(&ps->n_untold, 0, __ATOMIC_RELAXED);
    if (n == 0)
        sx_report_fault(p, r, "%s", text);
    else
        sx_report_fault(p, r, "%s (and %u more like it)", text, n);
}

static void host_metric(sx_plugin *p, uint32_t index, double value)
{
    const struct sx_plugins_runtime *rt = &p->set->rt;

    if (rt->board != NULL && index < p->n_metrics)
        sx_board_record(rt->board, rt->slot, p->metric_boards[index], value);
}

static sx_plugin *req_plugin(const sx_req *r)
{
    return r->plugin;
}

static const char *get_env(sx_plugin *p)
{
    return p->set->set.config->env;
}

static const struct sx_entry *entry_at(const struct sx_plugins *ps, uint32_t index)
{
    for (size_t i = 0; i < ps->n_plugins; i++) {
        if (index < ps->plugins[i].n_routes)
            return ps->plugins[i].entries == NULL ? NULL : &ps->plugins[i].entries[index];
        index -= ps->plugins[i].n_routes;
    }
    return NULL;
}

static int get_route(sx_plugin *p, uint32_t index, sx_route_info *ret, size_t size)
{
    const struct sx_entry *e = entry_at(p->set, index);
    sx_route_info info;

    if (e == NULL)
        return SX_ENOENT;
    info = (sx_route_info){ .plugin = e->plugin->note.name,
                            .host = e->plugin->cfg->host,
                            .method = e->method,
                            .path = e->path,
                            .summary = e->route->summary == NULL ? "" : e->route->summary,
                            .n_required = e->n_required };
    memcpy(ret, &info, size < sizeof info ? size : sizeof info);
    return SX_OK;
}

const struct sx_host *sx_host_table(void)
{
    static const struct sx_host table = {
        .size = sizeof(struct sx_host),
        .abi_major = SX_ABI_MAJOR,
        .abi_minor = SX_ABI_MINOR,
        .version = SX_VERSION,
        .state = get_state,
        .config = get_config,
        .worker = get_worker,
        .log = host_log,
        .metric = host_metric,
        .req_plugin = req_plugin,
        .req_text = sx_host_req_text,
        .req_param = sx_host_req_param,
        .req_body = sx_host_req_body,
        .req_json = sx_host_req_json,
        .req_upload = sx_host_req_upload,
        .req_gone = sx_host_req_gone,
        .req_alloc = sx_host_req_alloc,
        .req_local = sx_host_req_local,
        .reply_header = sx_host_reply_header,
        .reply_cookie = sx_host_reply_cookie,
        .body_reserve = sx_host_body_reserve,
        .body_commit = sx_host_body_commit,
        .reply_body = sx_host_reply_body,
        .reply = sx_host_reply,
        .reply_json = sx_host_reply_json,
        .reply_problem = sx_host_reply_problem,
        .reply_file = sx_host_reply_file,
        .route_url = sx_host_route_url,
        .stream_open = sx_host_stream_open,
        .stream_write = sx_host_stream_write,
        .stream_event = sx_host_stream_event,
        .stream_end = sx_host_stream_end,
        .ws_open = sx_host_ws_open,
        .ws_send = sx_host_ws_send,
        .ws_close = sx_host_ws_close,
        .query = sx_host_query,
        .batch = sx_host_batch,
        .on_db_error = sx_host_on_db_error,
        .plugin_batch = sx_host_plugin_batch,
        .listen = sx_host_listen,
        .db_exec = sx_host_db_exec,
        .db_control = sx_host_db_control,
        .db_error = sx_host_db_error,
        .db_conn = sx_host_db_conn,
        .rows_count = sx_host_rows_count,
        .rows_column = sx_host_rows_column,
        .rows_text = sx_host_rows_text,
        .rows_int = sx_host_rows_int,
        .rows_number = sx_host_rows_number,
        .rows_bytes = sx_host_rows_bytes,
        .rows_affected = sx_host_rows_affected,
        .rows_json = sx_host_rows_json,
        .rows_write = sx_host_rows_write,
        .rows_pg = sx_host_rows_pg,
        .offload = sx_host_offload,
        .task = sx_host_task,
        .post = sx_host_post,
        .timer_start = sx_host_timer_start,
        .timer_stop = sx_host_timer_stop,
        .after = sx_host_after,
        .env = get_env,
        .routes = get_route,
    };

    return &table;
}
