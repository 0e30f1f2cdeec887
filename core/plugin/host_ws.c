/* plugin/host_ws.c - WebSockets of plugins: messages in and out, and their end.  [loop] */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "plugin/guard.h"

enum { GOING_AWAY = 1001, INTERNAL_ERROR = 1011 };

struct sx_ws {
    struct sx_channel channel;
    sx_ws_ops ops;
    int32_t code;
};

static struct sx_ws *of(struct sx_channel *ch)
{
    return SX_MEMBER_OF(ch, struct sx_ws, channel);
}

/* --- What the plugin is told ------------------------------------------------------------------ */

static void call_closed(struct sx_channel *ch)
{
    struct sx_ws *ws = of(ch);

    if (ws->ops.closed != NULL)
        SX_GUARDED(ch->plugin->set, ch->plugin, NULL, ws->ops.closed(ws, ws->code, ch->arg), );
}

static void on_closed(struct sx_http_stream *http, void *arg)
{
    struct sx_ws *ws = arg;

    ws->code = sx_http_ws_code(http);
    sx_channel_closed(&ws->channel);
}

static void on_drained(struct sx_http_stream *http, void *arg)
{
    struct sx_ws *ws = arg;

    (void)http;
    if (ws->ops.drained == NULL)
        return;
    SX_GUARDED(ws->channel.plugin->set, ws->channel.plugin, NULL,
               ws->ops.drained(ws, ws->channel.arg), );
}

static void give_up(struct sx_http_stream *http)
{
    (void)sx_http_ws_close(http, INTERNAL_ERROR, (struct sx_slice){ NULL, 0 });
}

/* A message for a plugin that has crashed, now or before, has no reader. */
static void on_message(struct sx_http_stream *http, bool is_text, struct sx_slice data, void *arg)
{
    struct sx_ws *ws = arg;
    int32_t kind = is_text ? SX_WS_TEXT : SX_WS_BINARY;
    sx_span span = { data.data == NULL ? "" : data.data, data.len };

    if (ws->ops.message == NULL)
        return;
    SX_GUARDED(ws->channel.plugin->set, ws->channel.plugin, NULL,
               ws->ops.message(ws, kind, span, ws->channel.arg), give_up(http));
}

/* Whatever its drain function has done about it: the client is to come to another process. */
static void drain(struct sx_channel *ch)
{
    if (ch->http != NULL)
        (void)sx_http_ws_close(ch->http, ch->plugin->is_broken ? INTERNAL_ERROR : GOING_AWAY,
                               (struct sx_slice){ NULL, 0 });
}

/* --- What the plugin calls -------------------------------------------------------------------- */

static int tell_refusal(struct sx_req *r, int err, const char *protocol)
{
    if (err != SX_ERR_INVALID)
        return err;
    r->has_bad_handshake = sx_http_ws_check(&r->http) != 0;
    if (!r->has_bad_handshake)
        sx_report_fault(r->plugin, r, "the protocol \"%.80s\" was refused: it is no token",
                        protocol);
    return SX_EINVAL;
}

int sx_host_ws_open(sx_req *r, const char *protocol, const sx_ws_ops *ops, size_t ops_size,
                    void *arg, sx_ws **ret)
{
    static const struct sx_http_ws_ops below = { { on_drained, on_closed }, on_message };
    struct sx_ws *ws;
    int err = sx_channel_may_open(r);

    if (err < 0)
        return err;
    ws = calloc(1, sizeof *ws);
    if (ws == NULL)
        return SX_ENOMEM;
    if (ops != NULL)
        memcpy(&ws->ops, ops, ops_size < sizeof ws->ops ? ops_size : sizeof ws->ops);
    ws->channel.call_closed = call_closed;
    ws->channel.drain = drain;
    err = sx_http_ws_open(&r->http, protocol, &below, ws, &ws->channel.http);
    if (err < 0) {
        free(ws);
        return tell_refusal(r, err, protocol);
    }
    sx_channel_opened(&ws->channel, r->plugin, arg);
    *ret = ws;
    return SX_OK;
}

int sx_host_ws_send(sx_ws *ws, int32_t kind, const void *data, size_t len)
{
    struct sx_channel *ch = &ws->channel;
    int err;

    if (!sx_is_loop(ch->plugin->set))
        return SX_ETHREAD;
    if (ch->http == NULL)
        return SX_ECLOSED;
    if ((kind != SX_WS_TEXT && kind != SX_WS_BINARY) ||
        (kind == SX_WS_TEXT && !sx_is_utf8(data, len))) {
        sx_report_fault(ch->plugin, NULL, "a message was refused: %s",
                        kind == SX_WS_TEXT ? "its text is no UTF-8" : "it is no kind of message");
        return SX_EINVAL;
    }
    ch->n_calls++;
    err = sx_http_ws_send(ch->http, kind == SX_WS_TEXT, data, len);
    ch->n_calls--;
    return err;
}

void sx_host_ws_close(sx_ws *ws, int32_t code, const char *reason)
{
    struct sx_channel *ch = &ws->channel;

    if (!sx_is_loop(ch->plugin->set) || ch->http == NULL)
        return;
    ch->n_calls++;
    if (sx_http_ws_close(ch->http, code, sx_slice_of(reason)) == SX_ERR_INVALID) {
        sx_report_fault(ch->plugin, NULL, "the code %d or its reason cannot be sent, 1011 was",
                        (int)code);
        (void)sx_http_ws_close(ch->http, INTERNAL_ERROR, (struct sx_slice){ NULL, 0 });
    }
    ch->n_calls--;
}
