/*
 * plugin/host_stream.c - streams of plugins and server-sent events.  [loop]
 *
 * A plugin's `closed` is never called from inside a call of the plugin on the same stream: it
 * is put off to the next turn of the loop.
 */
#include <stdlib.h>
#include <string.h>

#include "plugin/guard.h"

#define MAX_EVENT_BYTES (1u << 20)

struct sx_stream {
    struct sx_list link;         /* of the set */
    struct sx_http_stream *http; /* NULL: closed below */
    struct sx_plugin *plugin;
    sx_stream_ops ops;
    void *arg;
    uint32_t n_calls; /* of the plugin on it, on the stack now */
    struct sx_work_item later;
};

static void call_closed(struct sx_stream *s)
{
    sx_list_remove(&s->link);
    s->plugin->n_streams--;
    if (s->ops.closed != NULL)
        SX_GUARDED(s->plugin->set, s->plugin, NULL, s->ops.closed(s, s->arg), );
    free(s);
}

static void on_later(struct sx_work_item *item)
{
    call_closed(SX_MEMBER_OF(item, struct sx_stream, later));
}

static void on_closed(struct sx_http_stream *http, void *arg)
{
    struct sx_stream *s = arg;

    (void)http;
    s->http = NULL;
    if (s->n_calls == 0) {
        call_closed(s);
        return;
    }
    s->later.done = on_later;
    sx_work_post(s->plugin->set->rt.work, &s->later);
}

static void on_drained(struct sx_http_stream *http, void *arg)
{
    struct sx_stream *s = arg;

    (void)http;
    if (s->ops.drained == NULL)
        return;
    SX_GUARDED(s->plugin->set, s->plugin, NULL, s->ops.drained(s, s->arg), );
}

static int may_open(const struct sx_req *r)
{
    if (!sx_is_loop(r->set))
        return SX_ETHREAD;
    if ((r->plugin->grants & SX_CAP_STREAM) == 0)
        return SX_EDENIED;
    if (r->http.resp.status != 0 || r->is_done)
        return SX_EINVAL;
    return r->op == OP_NONE ? SX_OK : SX_EBUSY;
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
    int err = may_open(r);

    if (err < 0)
        return err;
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return SX_ENOMEM;
    if (ops != NULL)
        memcpy(&s->ops, ops, ops_size < sizeof s->ops ? ops_size : sizeof s->ops);
    s->plugin = r->plugin;
    s->arg = arg;
    add_event_headers(r, type);
    err = sx_http_stream_open(&r->http, status, type, &below, s, &s->http);
    if (err < 0) {
        free(s);
        return sx_tell_refusal(r, err, status, type);
    }
    sx_list_push(&r->set->streams, &s->link);
    s->plugin->n_streams++;
    *ret = s;
    return SX_OK;
}

int sx_host_stream_write(sx_stream *s, const void *data, size_t len)
{
    int err;

    if (!sx_is_loop(s->plugin->set))
        return SX_ETHREAD;
    if (s->http == NULL)
        return SX_ECLOSED;
    s->n_calls++;
    err = sx_http_stream_write(s->http, data, len);
    s->n_calls--;
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
        sx_report_fault(s->plugin, NULL, "an event was refused: its %s",
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
    if (!sx_is_loop(s->plugin->set) || s->http == NULL)
        return;
    s->n_calls++;
    sx_http_stream_end(s->http);
    s->n_calls--;
}

/* At the drain: a plugin that ends its streams itself has said so by its drain function. */
void sx_streams_end(struct sx_plugins *ps)
{
    struct sx_list left, *entry;

    /* The end of one may free another, which waited behind it on its connection. */
    sx_list_init(&left);
    while ((entry = sx_list_pop(&ps->streams)) != NULL)
        sx_list_push(&left, entry);
    while ((entry = sx_list_pop(&left)) != NULL) {
        struct sx_stream *s = SX_MEMBER_OF(entry, struct sx_stream, link);

        sx_list_push(&ps->streams, entry);
        if ((s->plugin->manifest.drain == NULL || s->plugin->is_broken) &&
            !s->plugin->keeps_streams)
            sx_host_stream_end(s);
    }
}

/* --- WebSockets --------------------------------------------------------------------------- */

int sx_host_ws_open(sx_req *r, const char *protocol, const sx_ws_ops *ops, size_t ops_size,
                    void *arg, sx_ws **ret)
{
    (void)r, (void)protocol, (void)ops, (void)ops_size, (void)arg, (void)ret;
    return SX_ENOSYS;
}

int sx_host_ws_send(sx_ws *ws, int32_t kind, const void *data, size_t len)
{
    (void)ws, (void)kind, (void)data, (void)len;
    return SX_ENOSYS;
}

void sx_host_ws_close(sx_ws *ws, int32_t code, const char *reason)
{
    (void)ws, (void)code, (void)reason;
}
