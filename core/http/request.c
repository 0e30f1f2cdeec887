/*
 * http/request.c - the life of a request: made, dispatched, kept while it waits, recycled.
 *
 * A request object keeps its arena and buffers when it is recycled, so that a warm server
 * allocates nothing.  Whoever holds a pending request (a plugin's operation) keeps it alive
 * after its client has left, until sx_http_complete.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "http/http_private.h"
#include "http/multipart.h"

#define ARENA_BYTES (16u << 20)

static void copy_slice(struct sx_arena *a, struct sx_slice from, struct sx_slice *to)
{
    const char *copy = sx_arena_text(a, from.data, from.len);

    *to = copy == NULL ? (struct sx_slice){ NULL, 0 } : (struct sx_slice){ copy, from.len };
}

static void imitate(struct sx_http_req *other, const struct sx_http_req *r)
{
    other->is_http10 = r->is_http10;
    other->is_keep_alive = r->is_keep_alive;
    other->is_head = r->is_head;
    other->is_safe = r->is_safe;
    other->id = r->id;
    copy_slice(&other->arena, r->method, &other->method);
    copy_slice(&other->arena, r->target, &other->target);
}

/* Another request object in the place of one that somebody still holds, which leaves its
 * connection in any case; NULL without memory, or when the client has left. */
static struct sx_http_req *replace(struct sx_http_req *r)
{
    struct sx_http_req *other;

    if (r->conn == NULL)
        return NULL;
    other = sx_http_req_create(r->conn);
    if (other != NULL) {
        imitate(other, r);
        sx_list_push(&r->link, &other->link);
    }
    sx_list_remove(&r->link);
    __atomic_store_n(&r->conn, NULL, __ATOMIC_RELAXED);
    return other;
}

static void on_deadline(struct sx_timeout *t)
{
    struct sx_http_req *r = SX_MEMBER_OF(t, struct sx_http_req, timeout);
    struct sx_http_server *s = r->server;
    struct sx_http_conn *c = r->conn;
    struct sx_http_req *other;

    if (r->state != SX_HTTP_PENDING)
        return;
    other = replace(r);
    __atomic_store_n(&r->has_expired, true, __ATOMIC_RELAXED);
    s->set.ops.expired(r, other);
    if (other != NULL) {
        (void)sx_http_problem(other, 504, "timeout", "the answer was not ready in time");
        sx_http_complete(other);
    } else if (c != NULL) {
        sx_http_conn_abort(c);
    }
}

static struct sx_http_req *allocate(struct sx_http_server *s)
{
    struct sx_http_req *r = calloc(1, s->set.request_size);

    if (r == NULL)
        return NULL;
    r->server = s;
    sx_list_init(&r->link);
    sx_arena_init(&r->arena, ARENA_BYTES);
    sx_buf_init(&r->body_buf, SIZE_MAX / 2);
    sx_buf_init(&r->resp.body, s->set.limits.response_bytes);
    sx_buf_init(&r->resp.headers, 65536);
    sx_timeout_init(&r->timeout, on_deadline);
    r->resp.file = -1;
    return r;
}

/* A recycled object is clean: sx_http_req_recycle saw to it. */
struct sx_http_req *sx_http_req_create(struct sx_http_conn *c)
{
    struct sx_http_server *s = c->server;
    struct sx_list *entry = sx_list_pop(&s->spare_reqs);
    struct sx_http_req *r;

    if (entry != NULL) {
        s->n_spare_reqs--;
        r = SX_MEMBER_OF(entry, struct sx_http_req, link);
    } else {
        r = allocate(s);
        if (r == NULL)
            return NULL;
    }
    s->stats.requests_open++;
    r->conn = c;
    r->serial = ++s->serial;
    r->max_body = s->set.limits.body_bytes;
    return r;
}

static void release_parts(struct sx_http_req *r)
{
    if (r->multipart != NULL)
        sx_multipart_destroy(r->multipart);
    sx_http_file_close(r);
    sx_buf_finish(&r->body_buf);
    sx_buf_finish(&r->resp.body);
    sx_buf_finish(&r->resp.headers);
    sx_arena_finish(&r->arena);
}

/* Only what a request may have set; the slices of headers[] are overwritten as they are used. */
static inline void clean(struct sx_http_req *r)
{
    struct sx_http_server *s = r->server;
    size_t extra = s->set.zeroed_size - sizeof *r;

    if (r->multipart != NULL)
        sx_multipart_destroy(r->multipart);
    if (r->resp.reading != NULL || r->resp.file >= 0)
        sx_http_file_close(r);
    r->multipart = NULL;
    sx_arena_reset(&r->arena);
    sx_buf_reset(&r->body_buf, SX_HTTP_KEEP_BYTES);
    sx_buf_reset(&r->resp.body, SX_HTTP_KEEP_BYTES);
    sx_buf_reset(&r->resp.headers, SX_HTTP_KEEP_BYTES);
    r->conn = NULL;
    r->state = SX_HTTP_READING;
    r->head = NULL;
    r->head_len = 0;
    r->query = r->host = r->body = r->target = r->path = r->method = (struct sx_slice){ 0 };
    r->n_headers = 0;
    r->is_http10 = r->is_keep_alive = r->is_head = r->is_safe = r->expects_continue = false;
    r->has_body = r->is_suspended = r->has_expired = r->has_id = false;
    r->wants_multipart = r->asks_websocket = false;
    r->since_ns = r->content_length = r->deadline_ms = r->bytes_out = 0;
    r->held_bytes = r->waiting_bytes = 0;
    r->id.text[0] = '\0';
    r->trace_state = 0;
    r->resp.status = 0;
    r->resp.is_problem = false;
    r->resp.kind = SX_HTTP_BODY_BYTES;
    r->resp.type = (struct sx_slice){ NULL, 0 };
    r->resp.may_pack = false;
    r->remote = r->scheme = NULL;
    r->resp.stream = NULL;
    if (extra > 0)
        memset((char *)r + sizeof *r, 0, extra);
}

void sx_http_req_recycle(struct sx_http_req *r)
{
    struct sx_http_server *s = r->server;

    sx_check(sx_list_is_empty(&r->link));
    if (s->running == r)
        s->running = NULL;
    sx_wheel_cancel(&s->wheel, &r->timeout);
    s->stats.requests_open--;
    s->bodies.used -= r->held_bytes;
    if (s->n_spare_reqs >= SX_HTTP_SPARE_REQS || s->is_closing) {
        release_parts(r);
        free(r);
        if (s->is_closing)
            sx_http_server_released(s);
        return;
    }
    clean(r);
    s->n_spare_reqs++;
    r->link.next = s->spare_reqs.next; /* the warmest first */
    r->link.prev = &s->spare_reqs;
    s->spare_reqs.next->prev = &r->link;
    s->spare_reqs.next = &r->link;
}

void sx_http_reqs_free(struct sx_http_server *s)
{
    struct sx_list *entry;

    while ((entry = sx_list_pop(&s->spare_reqs)) != NULL) {
        struct sx_http_req *r = SX_MEMBER_OF(entry, struct sx_http_req, link);

        release_parts(r);
        free(r);
    }
}

/* --- Waiting --------------------------------------------------------------------- */

static void rebase(struct sx_slice *s, const char *from, size_t len, char *to)
{
    if (s->data != NULL && s->data >= from && s->data <= from + len)
        s->data = to + (s->data - from);
}

static int suspend(struct sx_http_req *r)
{
    const char *old = r->head;
    char *copy;

    if (r->is_suspended || old == NULL)
        return 0; /* a head that was refused before it was read, or a stand-in, has no text */
    copy = sx_arena_text(&r->arena, old, r->head_len);
    if (copy == NULL)
        return SX_ERR_NOMEM;
    rebase(&r->method, old, r->head_len, copy);
    rebase(&r->target, old, r->head_len, copy);
    rebase(&r->path, old, r->head_len, copy);
    rebase(&r->query, old, r->head_len, copy);
    rebase(&r->host, old, r->head_len, copy);
    for (uint32_t i = 0; i < r->n_headers; i++) {
        rebase(&r->headers[i].name, old, r->head_len, copy);
        rebase(&r->headers[i].value, old, r->head_len, copy);
    }
    r->head = copy;
    if (r->body.data != NULL && r->body.data != r->body_buf.data) {
        const char *body = sx_arena_text(&r->arena, r->body.data, r->body.len);

        if (body == NULL)
            return SX_ERR_NOMEM;
        r->body.data = body;
    }
    r->is_suspended = true;
    (void)sx_http_hold(r, r->head_len + (r->body.data == r->body_buf.data ? 0 : r->body.len));
    return 0;
}

/* Without memory for a copy the request goes on without what could not be kept. */
static void forget_text(struct sx_http_req *r)
{
    r->method = r->target = r->path = r->query = r->host = r->body = (struct sx_slice){ "", 0 };
    r->n_headers = 0;
    r->is_suspended = true;
}

void sx_http_wait(struct sx_http_req *r)
{
    if (suspend(r) < 0)
        forget_text(r);
    (void)sx_http_request_id(r); /* the generator belongs to the loop */
}

static void wait_for_answer(struct sx_http_req *r)
{
    struct sx_http_server *s = r->server;

    sx_http_wait(r);
    if (r->deadline_ms == 0)
        r->deadline_ms = uv_now(s->loop) + s->set.limits.request_ms;
    r->state = SX_HTTP_PENDING;
    sx_http_timeout(s, &r->timeout, r->deadline_ms);
}

void sx_http_req_dispatch(struct sx_http_req *r)
{
    struct sx_http_server *s = r->server;
    bool is_left; /* to be answered later; what is answered may be no more */

    if (r->multipart != NULL && sx_multipart_finish(r->multipart) < 0) {
        (void)sx_http_problem(r, 400, "bad_form", "the form ends before its last boundary");
        sx_http_complete(r);
        return;
    }
    r->state = SX_HTTP_RUNNING;
    s->running = r;
    s->set.ops.handle(r);
    is_left = s->running == r && r->state == SX_HTTP_RUNNING;
    s->running = NULL;
    if (is_left)
        wait_for_answer(r);
    if (is_left && r->conn == NULL)
        s->set.ops.gone(r);
}

void sx_http_req_gone(struct sx_http_req *r)
{
    struct sx_http_server *s = r->server;
    enum sx_http_request_state state = r->state;

    __atomic_store_n(&r->conn, NULL, __ATOMIC_RELAXED);
    if (state == SX_HTTP_PENDING) {
        s->set.ops.gone(r);
        return; /* sx_http_complete comes, or came just now */
    }
    if (state == SX_HTTP_RUNNING)
        return; /* sx_http_req_dispatch sees it */
    sx_check(state != SX_HTTP_ENDED);
    if (r->resp.stream != NULL)
        sx_http_stream_gone(r);
    r->state = SX_HTTP_ENDED;
    s->set.ops.ended(r);
    sx_http_req_recycle(r);
}
