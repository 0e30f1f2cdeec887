/*
 * plugin/settings.c - the configuration as the floors below want it, so that a worker and the
 * test client serve alike.
 */
#include <string.h>

#include "plugin/plugin_private.h"

static struct sx_http_limits limits_of(const struct sx_config_http *h)
{
    return (struct sx_http_limits){
        .request_line_bytes = h->request_line_bytes,
        .header_bytes = h->header_bytes,
        .header_count = h->header_count,
        .body_bytes = h->body_bytes,
        .spool_bytes = h->spool_bytes,
        .upload_bytes = h->upload_bytes,
        .spooled_bytes = h->spooled_bytes,
        .response_bytes = h->response_bytes,
        .pipelined = h->pipelined,
        .unread_bytes = h->unread_bytes,
        .connections = h->connections,
        .connections_per_client = h->connections_per_client,
        .buffered_bytes = h->buffered_bytes,
        .header_ms = h->header_ms,
        .body_ms = h->body_ms,
        .idle_ms = h->idle_ms,
        .write_ms = h->write_ms,
        .request_ms = h->request_ms,
        .min_body_rate = h->min_body_rate,
        .min_write_rate = h->min_write_rate,
        .ws_message_bytes = h->ws_message_bytes,
        .ws_ping_ms = h->ws_ping_ms,
    };
}

static struct sx_cors_list list_of(const struct sx_config_text_list *l)
{
    return (struct sx_cors_list){ l->v, l->n };
}

static const struct sx_cors *take_cors(struct sx_plugins *ps)
{
    const struct sx_config_http *h = &ps->set.config->http;

    if (h->cors.origins.n == 0)
        return NULL;
    ps->cors = (struct sx_cors){ .origins = list_of(&h->cors.origins),
                                 .methods = list_of(&h->cors.methods),
                                 .headers = list_of(&h->cors.headers),
                                 .expose = list_of(&h->cors.expose),
                                 .credentials = h->cors.credentials,
                                 .max_age_s = h->cors.max_age_s };
    return &ps->cors;
}

static int take_proxies(struct sx_plugins *ps, struct sx_report *rep)
{
    const struct sx_config_text_list *list = &ps->set.config->server.trusted_proxies;
    size_t bad = 0;
    int err;

    if (list->n == 0 || ps->proxies != NULL)
        return 0;
    err = sx_proxies_create(list->v, list->n, &bad, &ps->proxies);
    if (err == SX_ERR_INVALID)
        sx_report_add(rep,
                      "%s: server.trusted_proxies: \"%.100s\" is no address, network or \"unix\"",
                      sx_config_origin(ps->set.config, "server.trusted_proxies"), list->v[bad]);
    return err;
}

int sx_plugins_http_settings(struct sx_plugins *ps, uv_loop_t *loop, struct sx_report *rep,
                             struct sx_http_settings *ret_settings)
{
    const struct sx_config *cfg = ps->set.config;
    struct sx_http_settings set = { .loop = loop,
                                    .limits = limits_of(&cfg->http),
                                    .ops = { .head = sx_dispatch_head,
                                             .handle = sx_dispatch_handle,
                                             .gone = sx_dispatch_gone,
                                             .expired = sx_dispatch_expired,
                                             .ended = sx_dispatch_ended,
                                             .arg = ps },
                                    .request_size = sizeof(struct sx_req),
                                    .zeroed_size = offsetof(struct sx_req, params),
                                    .server_name = "sim-exchange",
                                    .spool_dir = cfg->server.upload_dir,
                                    .gzip = cfg->http.gzip,
                                    .gzip_bytes = cfg->http.gzip_bytes,
                                    .cors = take_cors(ps) };
    int err = take_proxies(ps, rep);

    if (err < 0)
        return err;
    set.proxies = ps->proxies;
    *ret_settings = set;
    return 0;
}

void sx_plugins_db_settings(const struct sx_plugins *ps, uv_loop_t *loop,
                            struct sx_db_settings *ret_settings)
{
    const struct sx_config_database *d = &ps->set.config->database;

    *ret_settings = (struct sx_db_settings){ .loop = loop,
                                             .url = d->url,
                                             .direct_url = *d->direct_url != '\0' ? d->direct_url
                                                                                  : NULL,
                                             .is_pooled = strcmp(d->pooler, "transaction") == 0,
                                             .size = d->pool_size,
                                             .wants_leases = sx_plugins_want_leases(ps),
                                             .max_queued = d->queue,
                                             .statement_ms = d->statement_ms,
                                             .connect_ms = d->connect_ms,
                                             .application_name = "sim-exchange" };
}
