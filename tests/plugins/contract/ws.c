/* ws.c - WebSockets. */
#include "contract.h"

#include <stdio.h>

struct room {
    sx_plugin *p;
    sx_ws *ws;
    bool is_inside; /* a call of this plugin on it */
    char name[32];
};

static void on_closed(sx_ws *ws, int32_t code, void *arg)
{
    struct room *room = arg;

    note_one_more(room->p, "closed");
    note(room->p, "code", json_integer(code));
    note(room->p, "closed inside", json_boolean(room->is_inside));
    note(room->p, "send when closed", json_integer(sx_ws_send_text(ws, "x")));
    sx_ws_close(ws, 1000, NULL);
    free(room);
}

static void fill_up(struct room *room)
{
    char block[1024];
    int err, n = 0;

    memset(block, '.', sizeof block);
    while ((err = sx_ws_send_bytes(room->ws, block, sizeof block)) == SX_OK && n < 100000)
        n++;
    note(room->p, "blocks", json_integer(n));
    note(room->p, "full", json_integer(err));
}

static void misuse(struct room *room)
{
    note(room->p, "bad text", json_integer(sx_ws_send_text(room->ws, "\xff")));
    note(room->p, "bad kind", json_integer(sx_ws_send(room->ws, 7, "x", 1)));
    sx_ws_close(room->ws, 1006, NULL);
    note(room->p, "send behind", json_integer(sx_ws_send_text(room->ws, "x")));
}

static void on_message(sx_ws *ws, int32_t kind, sx_span data, void *arg)
{
    struct room *room = arg;

    (void)ws;
    room->is_inside = true;
    if (data.len == 4 && memcmp(data.data, "full", 4) == 0)
        fill_up(room);
    else if (data.len == 6 && memcmp(data.data, "misuse", 6) == 0)
        misuse(room);
    else if (data.len == 5 && memcmp(data.data, "close", 5) == 0)
        sx_ws_close(room->ws, 4001, "as you said");
    else if (sx_ws_send(room->ws, kind, data.data, data.len) < 0)
        note_one_more(room->p, "not sent");
    room->is_inside = false;
}

static void on_drained(sx_ws *ws, void *arg)
{
    struct room *room = arg;

    note_one_more(room->p, "drained");
    note(room->p, "drained inside", json_boolean(room->is_inside));
    note(room->p, "last", json_integer(sx_ws_send_text(ws, "rest")));
}

static int open_room(sx_req *r, const char *protocol, const char *name)
{
    static const sx_ws_ops ops = { on_message, on_drained, on_closed };
    struct room *room = calloc(1, sizeof *room);
    int err;

    if (room == NULL)
        return SX_ENOMEM;
    room->p = sx_req_plugin(r);
    (void)snprintf(room->name, sizeof room->name, "%s", name);
    err = sx_ws_open(r, protocol, &ops, room, &room->ws);
    if (err < 0)
        free(room);
    else
        err = sx_ws_send_text(room->ws, room->name);
    return err;
}

int ws_room(sx_req *r)
{
    (void)sx_set_header(r, "X-Room", sx_path_text(r, "room"));
    (void)sx_set_header(r, "Sec-WebSocket-Extensions", "permessage-deflate");
    return open_room(r, NULL, sx_path_text(r, "room"));
}

int ws_page(sx_req *r)
{
    return sx_reply_text(r, 200, "a page");
}

int ws_both(sx_req *r)
{
    return open_room(r, NULL, "both");
}

/* An ordinary route that opens one when it is asked to. */
int ws_or_not(sx_req *r)
{
    return open_room(r, NULL, "or not");
}

static int open_later(sx_req *r, void *arg)
{
    (void)arg;
    return open_room(r, NULL, "later");
}

int ws_later(sx_req *r)
{
    return sx_after(r, 1, open_later, NULL);
}

int ws_denied(sx_req *r)
{
    return sx_fail(r, 401, "who_are_you", "say who you are");
}

int ws_misused(sx_req *r)
{
    sx_plugin *p = sx_req_plugin(r);
    sx_ws *ws;
    int err;

    note(p, "bad protocol", json_integer(open_room(r, "no token", "")));
    err = open_room(r, "chat", "misused");
    note(p, "second", json_integer(sx_ws_open(r, NULL, NULL, NULL, &ws)));
    note(p, "reply", json_integer(sx_reply_text(r, 200, "no")));
    return err;
}

/* Given up before its answer was on its way. */
int ws_failed(sx_req *r)
{
    (void)open_room(r, NULL, "failed");
    return SX_EDB;
}

int ws_from_pool(sx_req *r, sx_db *db)
{
    sx_ws *ws;

    (void)db;
    note(sx_req_plugin(r), "open", json_integer(sx_ws_open(r, NULL, NULL, NULL, &ws)));
    return sx_reply_empty(r);
}
