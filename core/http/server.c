/*
 * http/server.c - what one loop shares: timeouts, the date, spare memory, the end of it all.
 */
#include "http/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "http/encoding.h"
#include "http/http_private.h"
#include "http/peers.h"

void sx_http_refresh_date(struct sx_http_server *s)
{
    int64_t now_s = sx_clock_wall_ns() / 1000000000;

    if (now_s == s->date_s)
        return;
    s->date_s = now_s;
    sx_format_http_date(s->fixed + s->date_at, now_s);
}

static void build_fixed(struct sx_http_server *s)
{
    int len = 0;

    if (s->set.server_name != NULL && *s->set.server_name != '\0')
        len = snprintf(s->fixed, sizeof s->fixed - 64, "Server: %s\r\n", s->set.server_name);
    len = len < 0 ? 0 : len > 63 ? 63 : len;
    memcpy(s->fixed + len, "Date: ", 6);
    s->date_at = (size_t)len + 6;
    memcpy(s->fixed + s->date_at + SX_HTTP_DATE_LEN, "\r\n", 2);
    s->fixed_len = s->date_at + SX_HTTP_DATE_LEN + 2;
    s->date_s = -1;
    sx_http_refresh_date(s);
}

static void on_tick(uv_timer_t *t)
{
    struct sx_http_server *s = t->data;

    sx_wheel_advance(&s->wheel, uv_now(s->loop));
    if (s->wheel.n_timeouts == 0 && sx_list_is_empty(&s->dirty)) {
        (void)uv_timer_stop(t);
        s->has_tick = false;
    }
}

void sx_http_timeout(struct sx_http_server *s, struct sx_timeout *t, uint64_t due_ms)
{
    if (!s->has_tick && !s->is_closing) {
        /* The wheel has stood still: let it catch up before anything is set. */
        sx_wheel_advance(&s->wheel, uv_now(s->loop));
        (void)uv_timer_start(&s->tick, on_tick, SX_WHEEL_TICK_MS, SX_WHEEL_TICK_MS);
        s->has_tick = true;
    }
    sx_wheel_set(&s->wheel, t, due_ms);
}

static void on_awake(uv_idle_t *h)
{
    (void)h;
}

/* With something left to do the loop looks for events, but does not wait for them. */
static void stay_awake(struct sx_http_server *s, bool has_more)
{
    if (has_more == s->is_awake)
        return;
    s->is_awake = has_more;
    if (has_more)
        (void)uv_idle_start(&s->awake, on_awake);
    else
        (void)uv_idle_stop(&s->awake);
}

/* Each once: a stream whose client reads as fast as it is written would never come to an end, and
 * nobody else would be served. */
static void flush_dirty(struct sx_http_server *s)
{
    struct sx_list now, *entry;

    sx_http_keep_budget(s);
    if (SX_LIKELY(sx_list_is_empty(&s->dirty))) {
        if (SX_UNLIKELY(s->is_awake))
            stay_awake(s, false);
        return;
    }
    sx_http_refresh_date(s);
    sx_list_move(&now, &s->dirty);
    while ((entry = sx_list_pop(&now)) != NULL)
        sx_http_conn_service(SX_MEMBER_OF(entry, struct sx_http_conn, dirty));
    stay_awake(s, !sx_list_is_empty(&s->dirty));
}

static void on_before(uv_prepare_t *h)
{
    flush_dirty(h->data);
}

static void on_after(uv_check_t *h)
{
    flush_dirty(h->data);
}

static int start_handles(struct sx_http_server *s)
{
    int err = uv_timer_init(s->loop, &s->tick);

    if (err == 0)
        err = uv_prepare_init(s->loop, &s->before);
    if (err == 0)
        err = uv_check_init(s->loop, &s->after);
    if (err == 0)
        err = uv_idle_init(s->loop, &s->awake);
    if (err != 0)
        return SX_ERR_IO;
    s->tick.data = s->before.data = s->after.data = s->awake.data = s;
    (void)uv_prepare_start(&s->before, on_before);
    (void)uv_check_start(&s->after, on_after);
    uv_unref((uv_handle_t *)&s->before);
    uv_unref((uv_handle_t *)&s->after);
    s->n_handles = 4;
    return 0;
}

/* Draining, and no client has time left to ask once more. */
bool sx_http_server_wants_no_idle(const struct sx_http_server *s)
{
    return s->is_draining && !sx_timeout_is_set(&s->idle);
}

static void quit_idle(struct sx_http_server *s)
{
    struct sx_list *l = s->conns.next;

    while (l != &s->conns) {
        struct sx_http_conn *c = SX_MEMBER_OF(l, struct sx_http_conn, link);

        l = l->next;
        sx_http_conn_quit_if_idle(c);
    }
}

static void on_idle_over(struct sx_timeout *t)
{
    quit_idle(SX_MEMBER_OF(t, struct sx_http_server, idle));
}

int sx_http_server_create(const struct sx_http_settings *set, struct sx_http_server **ret_server)
{
    struct sx_http_server *s = calloc(1, sizeof *s);

    if (s == NULL)
        return SX_ERR_NOMEM;
    s->set = *set;
    s->loop = set->loop;
    if (s->set.request_size < sizeof(struct sx_http_req))
        s->set.request_size = sizeof(struct sx_http_req);
    if (s->set.zeroed_size < sizeof(struct sx_http_req))
        s->set.zeroed_size = sizeof(struct sx_http_req);
    if (s->set.limits.header_count > SX_HTTP_MAX_HEADERS)
        s->set.limits.header_count = SX_HTTP_MAX_HEADERS;
    sx_list_init(&s->conns);
    sx_list_init(&s->dirty);
    sx_list_init(&s->spare_reqs);
    sx_http_budget_init(&s->bodies);
    sx_http_budget_init(&s->answers);
    s->uploads.max = set->limits.spooled_bytes;
    sx_wheel_init(&s->wheel, uv_now(s->loop));
    sx_timeout_init(&s->idle, on_idle_over);
    sx_request_ids_init(&s->ids);
    build_fixed(s);
    sx_http_head_init(s);
    sx_http_listeners_init(s);
    if (set->limits.connections_per_client > 0 &&
        sx_peers_create(set->limits.connections_per_client, &s->peers) < 0)
        goto fail;
    if (set->gzip && sx_gzip_create(&s->gzip) < 0)
        goto fail;
    if (start_handles(s) < 0)
        goto fail;
    *ret_server = s;
    return 0;

fail:
    sx_peers_destroy(s->peers);
    sx_gzip_destroy(s->gzip);
    (void)close(s->reserve_fd);
    free(s);
    return SX_ERR_NOMEM;
}

static void tell_if_drained(struct sx_http_server *s)
{
    void (*fn)(void *arg) = s->on_drained;

    if (fn == NULL || !s->is_draining || !sx_list_is_empty(&s->conns))
        return;
    s->on_drained = NULL;
    fn(s->drained_arg);
}

void sx_http_server_drain(struct sx_http_server *s, uint32_t idle_ms, void (*on_drained)(void *arg),
                          void *arg)
{
    s->is_draining = true;
    s->on_drained = on_drained;
    s->drained_arg = arg;
    sx_http_listeners_close(s);
    if (idle_ms == 0)
        quit_idle(s);
    else
        sx_http_timeout(s, &s->idle, uv_now(s->loop) + idle_ms);
    tell_if_drained(s);
}

/* By their timers: here and now, an answer could change the lists that are walked. */
void sx_http_server_expire(struct sx_http_server *s)
{
    s->is_expiring = true;
    for (struct sx_list *l = s->conns.next; l != &s->conns; l = l->next) {
        struct sx_http_conn *c = SX_MEMBER_OF(l, struct sx_http_conn, link);

        for (struct sx_list *at = c->requests.next; at != &c->requests; at = at->next) {
            struct sx_http_req *r = SX_MEMBER_OF(at, struct sx_http_req, link);

            if (r->state == SX_HTTP_PENDING)
                sx_http_timeout(s, &r->timeout, uv_now(s->loop));
        }
    }
}

static void free_server(struct sx_http_server *s)
{
    void (*fn)(void *arg) = s->on_closed;
    void *arg = s->closed_arg;

    sx_http_reqs_free(s);
    while (s->n_spare_bufs > 0)
        sx_buf_finish(&s->spare_bufs[--s->n_spare_bufs]);
    sx_gzip_destroy(s->gzip);
    sx_peers_destroy(s->peers);
    if (s->reserve_fd >= 0)
        (void)close(s->reserve_fd);
    free(s);
    if (fn != NULL)
        fn(arg);
}

void sx_http_server_released(struct sx_http_server *s)
{
    tell_if_drained(s);
    if (s->is_closing && s->n_handles == 0 && sx_list_is_empty(&s->conns) &&
        s->stats.requests_open == 0)
        free_server(s);
}

static void on_handle_closed(uv_handle_t *h)
{
    struct sx_http_server *s = h->data;

    s->n_handles--;
    sx_http_server_released(s);
}

void sx_http_server_close(struct sx_http_server *s, void (*on_closed)(void *arg), void *arg)
{
    sx_check(!s->is_closing);
    s->is_closing = true;
    s->on_closed = on_closed;
    s->closed_arg = arg;
    sx_http_listeners_close(s);
    for (struct sx_list *l = s->conns.next, *next; l != &s->conns; l = next) {
        next = l->next;
        sx_http_conn_abort(SX_MEMBER_OF(l, struct sx_http_conn, link));
    }
    uv_close((uv_handle_t *)&s->tick, on_handle_closed);
    uv_close((uv_handle_t *)&s->before, on_handle_closed);
    uv_close((uv_handle_t *)&s->after, on_handle_closed);
    uv_close((uv_handle_t *)&s->awake, on_handle_closed);
}

void sx_http_buf_borrow(struct sx_http_server *s, struct sx_buf *b)
{
    if (s->n_spare_bufs > 0)
        *b = s->spare_bufs[--s->n_spare_bufs];
    else
        sx_buf_init(b, SIZE_MAX / 2);
}

void sx_http_buf_return(struct sx_http_server *s, struct sx_buf *b)
{
    if (b->data == NULL)
        return;
    if (s->n_spare_bufs < SX_HTTP_SPARE_BUFS && b->cap <= 2 * SX_HTTP_READ_BYTES) {
        sx_buf_reset(b, SIZE_MAX);
        s->spare_bufs[s->n_spare_bufs++] = *b;
        sx_buf_init(b, SIZE_MAX / 2);
        return;
    }
    sx_buf_finish(b);
    sx_buf_init(b, SIZE_MAX / 2);
}

const struct sx_http_stats *sx_http_server_stats(const struct sx_http_server *s)
{
    return &s->stats;
}

void *sx_http_server_arg(const struct sx_http_server *s)
{
    return s->set.ops.arg;
}

bool sx_http_server_is_expiring(const struct sx_http_server *s)
{
    return s->is_expiring;
}

uint64_t sx_http_now_ms(const struct sx_http_server *s)
{
    return uv_now(s->loop);
}
