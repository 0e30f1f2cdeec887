/*
 * testing/exchange.c - a request and its answer, on a connection of their own, and the
 * redirects behind it.
 */
#include "base/error.h"
#include "testing/testing_private.h"

#define MAX_REDIRECTS 10
#define MAX_REQUEST   (512u << 20)

static void on_bytes(void *arg, const char *data, size_t len)
{
    sxt_answer_feed(arg, data, len);
}

void sxt_exchange_close(struct sxt_answer *a)
{
    struct sx_http_conn *conn = a->conn;

    a->conn = NULL;
    if (conn != NULL)
        sx_http_memory_close(conn);
}

static bool has_head(const void *arg)
{
    const struct sxt_answer *a = arg;

    return sxt_answer_has_head(a) || a->conn == NULL;
}

static bool is_over(const void *arg)
{
    return sxt_answer_is_over(arg);
}

static void take_cookies(struct sxt_answer *a)
{
    const char *field;

    if (a->has_given_cookies)
        return;
    a->has_given_cookies = true;
    for (uint32_t i = 0; (field = sxt_answer_header(a, "Set-Cookie", i)) != NULL; i++)
        sxt_jar_take(&a->client->jar, &a->client->server->arena, sx_slice_of(field), a->path);
}

void sxt_exchange_wait(struct sxt_answer *a, bool (*is_so)(const void *arg), const char *file,
                       int line)
{
    if (!sxt_server_run(a->client->server, is_so, a))
        sxt_fail(file, line, "%s: no answer within %u ms", a->request, sxt_patience_ms());
    if (a->state == ANSWER_BROKEN && a->leave_after == 0)
        sxt_fail(file, line, "%s: the answer is broken: %s", a->request, a->fault);
    take_cookies(a);
}

static struct sxt_answer *make(sx_test *t, const sx_test_request *req)
{
    struct sx_arena *arena = &t->server->arena;
    struct sxt_answer *a = sxt_answer_create(t);

    if (a == NULL)
        return NULL;
    a->is_head = strcmp(sxt_request_method(req), "HEAD") == 0;
    a->leave_after = req->leave_after;
    a->host = req->host == NULL ? "localhost" : sx_arena_printf(arena, "%s", req->host);
    a->request = sx_arena_printf(arena, "%s %s", sxt_request_method(req), req->path);
    a->path = sxt_request_path(sx_arena_printf(arena, "%s", req->path));
    return a;
}

static struct sxt_answer *begin(sx_test *t, const sx_test_request *req, const char *file, int line)
{
    struct sx_buf bytes;
    struct sxt_answer *a;

    sx_buf_init(&bytes, MAX_REQUEST);
    if (sxt_request_write(t, req, &bytes) < 0) {
        sx_buf_finish(&bytes);
        sxt_fail(file, line, "the request has no path, two bodies or a malformed form");
    }
    a = make(t, req);
    if (a == NULL || sx_http_memory_open(t->server->http, on_bytes, a, &a->conn) < 0) {
        sx_buf_finish(&bytes);
        sxt_fail(file, line, "no memory for a connection");
    }
    sx_http_memory_feed(a->conn, bytes.data, bytes.len);
    sx_buf_finish(&bytes);
    return a;
}

struct sxt_answer *sxt_exchange_open(sx_test *t, const sx_test_request *req, const char *file,
                                     int line)
{
    struct sxt_answer *a = begin(t, req, file, line);

    sxt_exchange_wait(a, has_head, file, line);
    return a;
}

void sxt_exchange_finish(struct sxt_answer *a, const char *file, int line)
{
    sxt_exchange_wait(a, is_over, file, line);
    sxt_exchange_close(a);
}

/* --- Redirects -------------------------------------------------------------------------------- */

static bool is_redirect(const struct sxt_answer *a)
{
    int status = a->face.status;

    return (status >= 301 && status <= 303) || status == 307 || status == 308;
}

/* RFC 9110, section 15.4: 307 and 308 keep method and body, the others become a GET. */
static sx_test_request next_request(const struct sxt_answer *a, const sx_test_request *req,
                                    const char *file, int line)
{
    const char *location = sxt_answer_header(a, "Location", 0);
    sx_test_request next = *req;

    if (location == NULL)
        sxt_fail(file, line, "%s: status %d without a Location", a->request, a->face.status);
    next.path = sxt_url_resolve(&a->client->server->arena, a->host, req->path,
                                sx_slice_of(location));
    if (next.path == NULL)
        sxt_fail(file, line, "%s: leads to \"%s\", which is not of this server", a->request,
                 location);
    if (a->face.status < 307) {
        next.method = a->is_head ? "HEAD" : "GET";
        next.body = next.json = next.form = next.type = NULL;
        next.files = NULL;
    }
    return next;
}

const sx_answer *sx_test_send_at(sx_test *t, const sx_test_request *req, const char *file, int line)
{
    struct sxt_answer *a = sxt_exchange_open(t, req, file, line);
    sx_test_request next = *req;

    sxt_exchange_finish(a, file, line);
    for (int i = 0; req->follow && is_redirect(a); i++) {
        if (i == MAX_REDIRECTS)
            sxt_fail(file, line, "%s: more than %d redirects", a->request, MAX_REDIRECTS);
        next = next_request(a, &next, file, line);
        a = sxt_exchange_open(t, &next, file, line);
        sxt_exchange_finish(a, file, line);
    }
    return &a->face;
}

/* --- Under way ----------------------------------------------------------------------------- */

const sx_answer *sx_test_begin_at(sx_test *t, const sx_test_request *req, const char *file,
                                  int line)
{
    return &begin(t, req, file, line)->face;
}

const sx_answer *sx_test_await_at(const sx_answer *a, const char *file, int line)
{
    sxt_exchange_finish(sxt_answer_of(a), file, line);
    return a;
}

/* --- Streams ---------------------------------------------------------------------------- */

const sx_answer *sx_test_open_at(sx_test *t, const sx_test_request *req, const char *file, int line)
{
    return &sxt_exchange_open(t, req, file, line)->face;
}

/* Where the event behind event_at ends: at an empty line; NULL when it has not come. */
static const char *event_end(const struct sxt_answer *a)
{
    return a->body.len == 0 ? NULL : strstr(a->face.body + a->event_at, "\n\n");
}

static bool has_event(const void *arg)
{
    return event_end(arg) != NULL || sxt_answer_is_over(arg);
}

const char *sx_test_event_at(const sx_answer *answer, const char *file, int line)
{
    struct sxt_answer *a = sxt_answer_of(answer);
    const char *begin, *end;

    sxt_exchange_wait(a, has_event, file, line);
    end = event_end(a);
    if (end == NULL)
        return NULL;
    begin = a->face.body + a->event_at;
    a->event_at = (size_t)(end + 2 - a->face.body);
    return sx_arena_text(&a->client->server->arena, begin, (size_t)(end - begin));
}

void sx_test_leave(const sx_answer *a)
{
    sxt_exchange_close(sxt_answer_of(a));
}
