/*
 * plugin/host_stream.c - streams of plugins and server-sent events.  [loop]
 *
 * A plugin's `closed` is never called from inside a call of the plugin on the same stream or
 * WebSocket: it is put off to the next turn of the loop.  So is the end of one that a request
 * opened which was under way when the plugin was drained: its timers have stopped, nothing would
 * follow.
 */
#include <stdlib.h>
#include <string.h>

#include "plugin/guard.h"

#define MAX_EVENT_BYTES (1u << 20)

struct sx_stream {
    struct sx_channel channel;
    sx_stream_ops ops;
};

/* --- What streams and WebSockets have in common ----------------------------------------------- */

static void call_closed(struct sx_channel *ch)
{
    sx_list_remove(&ch->link);
    ch->plugin->n_streams--;
    ch->call_closed(ch);
    free(ch);
}

static void on_later(struct sx_work_item *item)
{
    struct sx_channel *ch = SX_MEMBER_OF(item, struct sx_channel, later);

    ch->is_posted = false;
    if (ch->http == NULL)
        call_closed(ch);
    else
        ch->drain(ch);
}

static void post(struct sx_channel *ch)
{
    if (ch->is_posted)
        return;
    ch->is_posted = true;
    ch->later.done = on_later;
    sx_work_post(ch->plugin->set->rt.work, &ch->later);
}

void sx_channel_closed(struct sx_channel *ch)
{
    ch->http = NULL;
    if (ch->n_calls > 0 || ch->is_posted)
        post(ch);
    else
        call_closed(ch);
}

int sx_channel_may_open(const struct sx_req *r)
{
    if (!sx_is_loop(r->set))
        return SX_ETHREAD;
    if ((r->plugin->grants & SX_CAP_STREAM) == 0)
        return SX_EDENIED;
    if (r->http.resp.status != 0 || r->is_done)
        return SX_EINVAL;
    return r->op == OP_NONE ? SX_OK : SX_EBUSY;
}

void sx_channel_opened(struct sx_channel *ch, struct sx_plugin *p, void *arg)
{
    ch->plugin = p;
    ch->arg = arg;
    sx_list_push(&p->set->channels, &ch->link);
    p->n_streams++;
    ch->is_late = p->is_drained;
    if (ch->is_late)
        post(ch);
}

void sx_channels_end(struct sx_plugins *ps)
{
    struct sx_list left, *entry;

    /* The end of one may free another, which waited behind it on its connection. */
    sx_list_init(&left);
    while ((entry = sx_list_pop(&ps->channels)) != NULL)
        sx_list_push(&left, entry);
    while ((entry = sx_list_pop(&left)) != NULL) {
        struct sx_channel *ch = SX_MEMBER_OF(entry, struct sx_channel, link);

        sx_list_push(&ps->channels, entry);
        if (!ch->plugin->keeps_streams)
            ch->drain(ch);
    }
}

/* --- Streams ---------------------------------------------------------------------------------- */

static struct sx_stream *of(struct sx_channel *ch)
{
    return SX_MEMBER_OF(ch, struct sx_stream, channel);
}

static void call_stream_closed(struct sx_channel *ch)
{
    if (of(ch)->ops.closed != NULL)
        SX_GUARDED(ch->plugin->set, ch->plugin, NULL, of(ch)->ops.closed(of(ch), ch->arg), );
}

/* A plugin that ends its streams itself has said so by its drain function, of those it had then. */
static void drain_stream(struct sx_channel *ch)
{
    if (ch->plugin->manifest.drain == NULL || ch->plugin->is_broken || ch->is_late)
        sx_host_stream_end(of(ch));
}

static void on_closed(struct sx_http_stream *http, void *arg)
{
    struct sx_stream *s = arg;

    (void)http;
    sx_channel_closed(&s->channel);
}

static void on_drained(struct sx_http_stream *http, void *arg)
{
    struct sx_stream *s = arg;

    (void)http;
    if (s->ops.drained == NULL)
        return;
    SX_GUARDED(s->channel.plugin->set, s->channel.plugin, NULL,
               s->ops.drained(s, s->channel.arg), );
}

/* What keeps caches and proxies from holding events back. */
static void add_event_headers(struct sx_req *r, const char *type)
{
    if (type == NULL || strncmp(type, "text/event-stream", 17) != 0)
        return;
    (void)sx_http_set_header(&r->http, sx_slice_of("Cache-Control"), sx_slice_of("no-store"),
                             false);
    (void)sx_http_set_header(&r->http, sx_slice_of("X-Accel-Buffering"), sx_slice_of("no"), false);
}

int sx_host_stream_open(sx_req *r, int32_t status, const char *type, const sx_stream_ops *ops,
                        size_t ops_size, void *arg, sx_stream **ret)
{
    static const struct sx_http_stream_ops below = { on_drained, on_closed };
    struct sx_stream *s;
    int err = sx_channel_may_open(r);

    if (err < 0)
        return err;
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return SX_ENOMEM;
    if (ops != NULL)
        memcpy(&s->ops, ops, ops_size < sizeof s->ops ? ops_size : sizeof s->ops);
    s->channel.call_closed = call_stream_closed;
    s->channel.drain = drain_stream;
    add_event_headers(r, type);
    err = sx_http_stream_open(&r->http, status, type, &below, s, &s->channel.http);
    if (err < 0) {
        free(s);
        return sx_tell_refusal(r, err, status, type);
    }
    sx_channel_opened(&s->channel, r->plugin, arg);
    *ret = s;
    return SX_OK;
}

int sx_host_stream_write(sx_stream *s, const void *data, size_t len)
{
    struct sx_channel *ch = &s->channel;
    int err;

    if (!sx_is_loop(ch->plugin->set))
        return SX_ETHREAD;
    if (ch->http == NULL)
        return SX_ECLOSED;
    ch->n_calls++;
    err = sx_http_stream_write(ch->http, data, len);
    ch->n_calls--;
    return err;
}

static bool is_one_line(const char *text)
{
    return text == NULL || strpbrk(text, "\r\n") == NULL;
}

static void add_field(struct sx_buf *b, const char *name, const char *value)
{
    if (value == NULL)
        return;
    sx_buf_add_text(b, name);
    sx_buf_add_text(b, value);
    sx_buf_add(b, "\n", 1);
}

/* Each line of the data is a field of its own (WHATWG HTML, section 9.2.6). */
static void add_data(struct sx_buf *b, const char *data)
{
    for (;;) {
        size_t n = strcspn(data, "\r\n");

        sx_buf_add_text(b, "data: ");
        sx_buf_add(b, data, n);
        sx_buf_add(b, "\n", 1);
        if (data[n] == '\0')
            break;
        data += n + (data[n] == '\r' && data[n + 1] == '\n' ? 2 : 1);
    }
}

int sx_host_stream_event(sx_stream *s, const char *event, const char *id, const char *data)
{
    struct sx_buf b;
    int err;

    if (!is_one_line(event) || !is_one_line(id) || data == NULL) {
        sx_report_fault(s->channel.plugin, NULL, "an event was refused: its %s",
                        !is_one_line(event) ? "\"event\" has a line end"
                        : !is_one_line(id)  ? "\"id\" has a line end"
                                            : "data is NULL");
        return SX_EINVAL;
    }
    sx_buf_init(&b, MAX_EVENT_BYTES);
    add_field(&b, "event: ", event);
    add_field(&b, "id: ", id);
    add_data(&b, data);
    sx_buf_add(&b, "\n", 1);
    err = sx_buf_failed(&b) ? SX_ENOMEM : sx_host_stream_write(s, b.data, b.len);
    sx_buf_finish(&b);
    return err;
}

void sx_host_stream_end(sx_stream *s)
{
    struct sx_channel *ch = &s->channel;

    if (!sx_is_loop(ch->plugin->set) || ch->http == NULL)
        return;
    ch->n_calls++;
    sx_http_stream_end(ch->http);
    ch->n_calls--;
}
