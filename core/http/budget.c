/*
 * http/budget.c - memory that clients make the server hold, all of them together: bodies that are
 * not complete or whose request is under way, and answers that nobody takes.
 *
 * Counted where memory is kept beyond one read or one write, so a request that comes in one piece
 * and is answered in one costs nothing here.  Above the limit the connection goes that has moved
 * least recently: who sends and reads as fast as it can is never the first.
 */
#include "base/check.h"
#include "http/http_private.h"
#include "http/multipart.h"

void sx_http_budget_init(struct sx_http_budget *b)
{
    b->used = 0;
    sx_list_init(&b->holders);
}

static void hold(struct sx_http_server *s, struct sx_http_budget *b, struct sx_http_holding *h,
                 uint64_t bytes, bool has_moved)
{
    b->used += bytes - h->bytes;
    if (b->used > s->set.limits.buffered_bytes)
        s->is_over_budget = true;
    h->bytes = bytes;
    if (has_moved || bytes == 0)
        sx_list_remove(&h->link);
    if (bytes > 0 && sx_list_is_empty(&h->link))
        sx_list_push(&b->holders, &h->link);
}

/* --- Bodies ------------------------------------------------------------------------ */

static uint64_t body_memory(const struct sx_http_req *r)
{
    return r->body_buf.cap + (r->multipart == NULL ? 0 : sx_multipart_memory(r->multipart));
}

void sx_http_hold_input(struct sx_http_conn *c)
{
    uint64_t bytes = c->in.cap + (c->receiving == NULL ? 0 : body_memory(c->receiving)) +
                     (c->websocket == NULL ? 0 : sx_http_ws_memory(c->websocket));

    hold(c->server, &c->server->bodies, &c->held_in, bytes, true);
}

bool sx_http_hold(struct sx_http_req *r, uint64_t bytes)
{
    struct sx_http_server *s = r->server;

    r->held_bytes += bytes;
    s->bodies.used += bytes;
    if (s->bodies.used <= s->set.limits.buffered_bytes)
        return true;
    s->is_over_budget = true;
    return false;
}

void sx_http_hold_body(struct sx_http_req *r)
{
    (void)sx_http_hold(r, body_memory(r));
}

/* --- Answers ----------------------------------------------------------------------- */

void sx_http_hold_output(struct sx_http_conn *c, bool has_moved)
{
    uint64_t writing = c->is_writing ? c->writing_cap + c->out.cap : 0;

    hold(c->server, &c->server->answers, &c->held_out, writing + c->waiting_bytes, has_moved);
}

void sx_http_hold_waiting(struct sx_http_req *r, uint64_t bytes)
{
    struct sx_http_conn *c = r->conn;

    if (c == NULL || c->phase == PHASE_CLOSED)
        return;
    c->waiting_bytes += bytes - r->waiting_bytes;
    r->waiting_bytes = bytes;
    sx_http_hold_output(c, false);
}

/* --- The end ----------------------------------------------------------------------- */

void sx_http_hold_nothing(struct sx_http_conn *c)
{
    struct sx_http_server *s = c->server;

    hold(s, &s->bodies, &c->held_in, 0, true);
    hold(s, &s->answers, &c->held_out, 0, true);
}

/* The first of the holders goes; whatever it holds afterwards, it is no candidate any more. */
static void relieve_bodies(struct sx_http_server *s)
{
    struct sx_list *entry = s->bodies.holders.next;
    struct sx_http_conn *c = SX_MEMBER_OF(entry, struct sx_http_conn, held_in.link);

    s->stats.evicted++;
    sx_http_input_shed(c);
    if (c->phase != PHASE_CLOSED)
        sx_http_hold_input(c);
    sx_list_remove(entry);
}

static void relieve_answers(struct sx_http_server *s)
{
    struct sx_list *entry = s->answers.holders.next;

    s->stats.evicted++;
    sx_http_conn_abort(SX_MEMBER_OF(entry, struct sx_http_conn, held_out.link));
    sx_list_remove(entry);
}

void sx_http_relieve(struct sx_http_server *s)
{
    s->is_over_budget = false;
    while (s->bodies.used > s->set.limits.buffered_bytes && !sx_list_is_empty(&s->bodies.holders))
        relieve_bodies(s);
    while (s->answers.used > s->set.limits.buffered_bytes && !sx_list_is_empty(&s->answers.holders))
        relieve_answers(s);
}
