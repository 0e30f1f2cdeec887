/*
 * plugin/dispatch.c - from a request to the plugin that owns its route, and back.
 *
 * The life of a request here: head (matched, or answered 404 and 405), handle (parameters
 * checked, hooks, handler), perhaps pending, then settled (settle.c) and ended.
 */
#include <string.h>

#include "http/multipart.h"
#include "plugin/guard.h"

#define UPLOAD_OVERHEAD_BYTES 65536u /* delimiters and headers of the parts of a form */
#define ALL_METHODS           "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

static struct sx_req *of(struct sx_http_req *http)
{
    return SX_MEMBER_OF(http, struct sx_req, http);
}

/* Host without its port; an IPv6 literal keeps its brackets. */
static struct sx_slice host_name(struct sx_slice host)
{
    size_t n = host.len;

    while (n > 0 && host.data[n - 1] >= '0' && host.data[n - 1] <= '9')
        n--;
    if (n > 0 && host.data[n - 1] == ':')
        host.len = n - 1;
    return host;
}

static void answer_allow(struct sx_http_req *http, const char *allow)
{
    (void)sx_http_set_header(http, sx_slice_of("Allow"), sx_slice_of(allow), false);
    (void)sx_http_reply(http, 204, NULL, NULL, 0);
}

/* In line: it is on every request's way. */
static inline __attribute__((always_inline)) enum sx_route_result match(
    const struct sx_plugins *ps, const struct sx_http_req *http, struct sx_slice method,
    struct sx_route_match *ret)
{
    struct sx_slice host = host_name(http->host);

    return sx_router_match(ps->router, host.data, host.len, method.data, method.len,
                           http->path.data, http->path.len, ret);
}

__attribute__((noinline)) static bool is_websocket(const struct sx_plugins *ps,
                                                   const struct sx_http_req *http,
                                                   struct sx_route_match *ret)
{
    return match(ps, http, sx_slice_of(SX_ROUTE_WEBSOCKET), ret) == SX_ROUTE_FOUND;
}

static void refuse_method(const struct sx_plugins *ps, struct sx_http_req *http, const char *allow)
{
    struct sx_route_match m;

    if ((http->is_head || sx_slice_is(http->method, "GET")) && is_websocket(ps, http, &m)) {
        (void)sx_http_ws_refuse(http); /* it asks for no upgrade, or it would have been found */
        return;
    }
    if (sx_slice_is(http->method, "OPTIONS")) {
        answer_allow(http, allow);
        return;
    }
    (void)sx_http_set_header(http, sx_slice_of("Allow"), sx_slice_of(allow), false);
    (void)sx_http_problem(http, 405, "method_not_allowed", "this path takes %s, not %.*s", allow,
                          (int)(http->method.len > 40 ? 40 : http->method.len), http->method.data);
}

static bool is_upload(const struct sx_http_req *http)
{
    return sx_multipart_is(sx_http_header(http, "content-type", 12));
}

static void take_match(struct sx_req *r, const struct sx_route_match *m)
{
    const struct sx_entry *e = m->target;

    r->entry = e;
    r->plugin = e->plugin;
    r->n_params = m->n_params;
    for (uint32_t i = 0; i < m->n_params; i++)
        r->params[i] = (struct sx_path_value){ m->params[i].name,
                                               (uint32_t)(m->params[i].data - r->http.path.data),
                                               (uint32_t)m->params[i].len, NULL };
    if (e->max_body != 0)
        r->http.max_body = e->max_body;
    else if (e->has_form && is_upload(&r->http))
        r->http.max_body = (uint64_t)r->set->set.config->http.upload_bytes + UPLOAD_OVERHEAD_BYTES;
    if (e->timeout_ms != 0)
        r->http.deadline_ms = r->since_ms + e->timeout_ms;
    r->http.wants_multipart = e->has_form;
}

/* The WebSocket of this path, or else what the GET finds, which may ignore the upgrade. */
__attribute__((noinline)) static enum sx_route_result match_upgrade(const struct sx_plugins *ps,
                                                                    const struct sx_http_req *http,
                                                                    struct sx_route_match *ret)
{
    return is_websocket(ps, http, ret) ? SX_ROUTE_FOUND : match(ps, http, http->method, ret);
}

/* A handler of WebSockets sees handshakes only that it may accept. */
__attribute__((noinline)) static void check_upgrade(struct sx_req *r)
{
    if (r->http.resp.status == 0 && strcmp(r->entry->method, SX_ROUTE_WEBSOCKET) == 0 &&
        sx_http_ws_check(&r->http) != 0)
        (void)sx_http_ws_refuse(&r->http);
}

void sx_dispatch_head(struct sx_http_req *http)
{
    struct sx_req *r = of(http);
    struct sx_plugins *ps = sx_http_server_arg(http->server);
    enum sx_route_result found;
    struct sx_route_match m;

    r->set = ps;
    r->since_ms = sx_http_now_ms(http->server);
    if (ps->times_requests)
        http->since_ns = uv_hrtime();
    if (http->path.len == 1 && http->path.data[0] == '*') {
        answer_allow(http, ALL_METHODS);
        return;
    }
    if (http->path.len > 5 && memcmp(http->path.data, "/_sx/", 5) == 0 && ps->rt.builtin != NULL &&
        ps->rt.builtin(http, ps->rt.arg))
        return;
    found = SX_UNLIKELY(http->asks_websocket) ? match_upgrade(ps, http, &m)
                                              : match(ps, http, http->method, &m);
    if (sx_openapi_is_asked(http, found == SX_ROUTE_FOUND ? m.target : NULL)) {
        sx_openapi_answer(ps, http);
        return;
    }
    switch (found) {
    case SX_ROUTE_FOUND:
        take_match(r, &m);
        if (SX_UNLIKELY(r->plugin->is_quarantined))
            sx_quarantine_answer(r->plugin, http);
        if (SX_UNLIKELY(http->asks_websocket))
            check_upgrade(r);
        break;
    case SX_ROUTE_NO_METHOD: refuse_method(ps, http, m.allow); break;
    case SX_ROUTE_NO_PATH:
        if (!sx_quarantine_answer_path(ps, host_name(http->host), http))
            (void)sx_http_problem(http, 404, "not_found", "nothing is served at this path");
        break;
    }
}

/* --- The chain and the handler ----------------------------------------------------- */

static bool concerns(const struct sx_chain *c, const struct sx_req *r)
{
    return c->hook->before != NULL && (c->hook->all_routes || c->plugin == r->entry->plugin);
}

/* What one plugin set for failures is not asked about those of another. */
static void pass_to(struct sx_req *r, struct sx_plugin *p)
{
    if (r->plugin != p)
        r->on_db_error = NULL;
    r->plugin = p;
}

/* False when a hook has answered or is waiting. */
static bool run_hooks(struct sx_req *r)
{
    struct sx_plugins *ps = r->set;

    while (r->next_hook < ps->n_hooks) {
        const struct sx_chain *c = &ps->hooks[r->next_hook++];
        int result;

        if (!concerns(c, r))
            continue;
        if (c->plugin->is_quarantined) {
            sx_quarantine_answer(c->plugin, &r->http);
            sx_http_complete(&r->http);
            return false;
        }
        pass_to(r, c->plugin);
        r->in_hook = true;
        SX_GUARDED(ps, r->plugin, r, result = c->hook->before(r), result = SX_FAULTED);
        if (result == SX_NEXT && r->op == OP_NONE && r->http.resp.status == 0)
            continue;
        sx_settle(r, result);
        return false;
    }
    r->in_hook = false;
    pass_to(r, r->entry->plugin);
    return true;
}

void sx_advance(struct sx_req *r)
{
    int result;

    if (r->set->n_hooks > 0 && !run_hooks(r))
        return;
    if (r->entry->route->blocking != NULL) {
        if (r->plugin->is_broken)
            sx_settle(r, SX_FAULTED);
        else
            sx_blocking_start(r);
        return;
    }
    SX_GUARDED(r->set, r->plugin, r, result = r->entry->route->handler(r), result = SX_FAULTED);
    sx_settle(r, result);
}

void sx_dispatch_handle(struct sx_http_req *http)
{
    struct sx_req *r = of(http);

    if (r->entry->has_checks && sx_params_check(r) < 0) {
        sx_http_complete(http);
        return;
    }
    sx_advance(r);
}

/* --- Ends --------------------------------------------------------------------------- */

/* Operations that can be forgotten are; the others finish and then find nobody. */
static void abandon(struct sx_req *r)
{
    struct sx_plugins *ps = r->set;

    switch (r->op) {
    case OP_ROWS:
    case OP_BATCH:
        if (!ps->rt.db->forget(ps->rt.pool, &r->db_op))
            return;
        break;
    case OP_AFTER: sx_after_cancel(r); break;
    default: return;
    }
    r->op = OP_NONE;
    sx_http_complete(&r->http);
}

void sx_dispatch_gone(struct sx_http_req *http)
{
    abandon(of(http));
}

/* The deadline of those who wait for a database that has fallen silent passes at once for all. */
static void report_expired(const struct sx_req *r)
{
    bool has_statement = r->op == OP_ROWS || r->op == OP_BATCH ||
                         (r->op == OP_BLOCKING && (r->plugin->grants & SX_CAP_DB) != 0);

    const char *text = sx_http_server_is_expiring(r->http.server)
                           ? "no answer before the server stops"
                           : "no answer at the deadline";

    if (has_statement)
        sx_report_outage(r->plugin, r, "%s", text);
    else
        sx_report_fault(r->plugin, r, "%s", text);
}

/* The client is answered by the stand-in, which takes over the name of the request; what is
 * left of the request ends when its operation does. */
void sx_dispatch_expired(struct sx_http_req *http, struct sx_http_req *stand_in)
{
    struct sx_req *r = of(http);
    struct sx_req *other = stand_in == NULL ? NULL : of(stand_in);

    report_expired(r);
    if (other != NULL) {
        other->set = r->set;
        other->entry = r->entry;
        other->plugin = r->plugin;
        other->since_ms = r->since_ms;
        other->db_ns = r->db_ns;
    }
    (void)pthread_mutex_lock(&r->set->lease_lock);
    if (r->lease != NULL && r->lease->lease != NULL)
        r->set->rt.db->lease_cancel(r->lease->lease);
    (void)pthread_mutex_unlock(&r->set->lease_lock);
    abandon(r);
}

static void call_after_hooks(struct sx_req *r)
{
    struct sx_plugins *ps = r->set;
    sx_outcome out = { .size = sizeof out,
                       .status = r->http.resp.status,
                       .duration_ns = uv_hrtime() - r->http.since_ns,
                       .bytes_out = r->http.bytes_out,
                       .plugin = r->entry == NULL ? "" : r->entry->plugin->note.name,
                       .route = r->entry == NULL ? "" : r->entry->path };

    for (uint32_t i = ps->n_hooks; i-- > 0;) {
        const struct sx_chain *c = &ps->hooks[i];

        if (c->hook->after == NULL || c->plugin->is_quarantined ||
            !(c->hook->all_routes || (r->entry != NULL && c->plugin == r->entry->plugin)))
            continue;
        r->plugin = c->plugin;
        SX_GUARDED(ps, c->plugin, r, c->hook->after(r, &out), );
    }
    if (r->entry != NULL)
        r->plugin = r->entry->plugin;
}

void sx_dispatch_ended(struct sx_http_req *http)
{
    struct sx_req *r = of(http);

    if (r->set == NULL) { /* refused before it was a request */
        r->set = sx_http_server_arg(http->server);
        r->since_ms = sx_http_now_ms(http->server);
    }
    r->is_done = true; /* an after-hook can start nothing more */
    if (r->set->n_hooks > 0 && r->set->times_requests && http->resp.status != 0)
        call_after_hooks(r);
    if (!http->has_expired)
        sx_access_log(r);
    if (r->json != NULL)
        json_decref(r->json);
}
