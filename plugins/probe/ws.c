/*
 * ws.c - a WebSocket that sends back what it hears.
 *
 * A message that the socket does not take (SX_EBUSY) waits here for drained.  Few can: above the
 * mark the host reads nothing more, so what waits has come with one read.
 */
#include "probe.h"

struct message {
    struct message *next;
    int32_t kind;
    size_t len;
    char data[];
};

struct echo {
    sx_ws *ws;
    struct message *first, **last; /* what waits, owned */
};

static int send_back(struct echo *e, int32_t kind, const char *data, size_t len)
{
    return sx_ws_send(e->ws, kind, data, len);
}

static void keep(struct echo *e, int32_t kind, sx_span data)
{
    struct message *m = malloc(sizeof *m + data.len);

    if (m == NULL) {
        sx_ws_close(e->ws, 1011, "no memory");
        return;
    }
    *m = (struct message){ .kind = kind, .len = data.len };
    memcpy(m->data, data.data, data.len);
    *e->last = m;
    e->last = &m->next;
}

static void on_message(sx_ws *ws, int32_t kind, sx_span data, void *arg)
{
    struct echo *e = arg;

    (void)ws;
    if (e->first != NULL || send_back(e, kind, data.data, data.len) == SX_EBUSY)
        keep(e, kind, data);
}

/* Those that wait come first: until the last of them was taken, new ones wait behind them. */
static void on_drained(sx_ws *ws, void *arg)
{
    struct echo *e = arg;

    (void)ws;
    while (e->first != NULL) {
        struct message *m = e->first;

        if (send_back(e, m->kind, m->data, m->len) == SX_EBUSY)
            return;
        e->first = m->next;
        free(m);
    }
    e->last = &e->first;
}

static void on_closed(sx_ws *ws, int32_t code, void *arg)
{
    struct echo *e = arg;

    (void)ws;
    (void)code;
    while (e->first != NULL) {
        struct message *m = e->first;

        e->first = m->next;
        free(m);
    }
    free(e);
}

int open_echo(sx_req *r)
{
    static const sx_ws_ops ops = { on_message, on_drained, on_closed };
    struct echo *e = calloc(1, sizeof *e);
    int err;

    if (e == NULL)
        return SX_ENOMEM;
    e->last = &e->first;
    err = sx_ws_open(r, "echo", &ops, e, &e->ws);
    if (err < 0)
        free(e);
    return err;
}
