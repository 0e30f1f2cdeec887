/*
 * http_owner.c - who answers: the first letter of the path says how, as plugins do it.
 *
 *   /b big            /c a header that the query says   /d a deadline of 1 ms   /e 404 at the head
 *   /f/s.txt a file   /h empty   /i a problem   /j 304  /l later, dropped when the client leaves
 *   /k later, kept until it is done all the same        /m a form   /n a body of 4 bytes at most
 *   /o hangs up       /p the body's writer              /s a stream, whole  /t a stream, over time
 *   /u a stream, then another answer                    /w a problem over an answer
 *   /x all that a request tells      /y a stream that begins later      others: what they sent
 */
#include "http_run.h"

#include <arpa/inet.h>

#include "base/error.h"
#include "files.h"
#include "http/multipart.h"

#define MAX_PIECE 3000u
#define N_PIECES  3

static struct run *run_of(const struct sx_http_req *r)
{
    return sx_http_server_arg(r->server);
}

static struct run_req *of(struct sx_http_req *r)
{
    return (struct run_req *)(void *)r;
}

static char letter(const struct sx_http_req *r)
{
    return r->path.len < 2 ? '\0' : r->path.data[1];
}

static struct sx_slice copy(struct sx_slice s)
{
    return sx_slice_make(fuzz_bytes(s), s.len);
}

/* --- The head ------------------------------------------------------------------------- */

static void on_head(struct sx_http_req *r)
{
    struct run *run = run_of(r);

    fuzz_check(!of(r)->has_head, "a head comes twice");
    fuzz_check(r->state == SX_HTTP_READING, "a head in state %d", r->state);
    of(r)->has_head = true;
    run->n_heads++;
    switch (letter(r)) {
    case 'd': r->deadline_ms = sx_http_now_ms(r->server) + 1; break;
    case 'e': (void)sx_http_problem(r, 404, "not_found", "there is nothing"); break;
    case 'm': r->wants_multipart = true; break;
    case 'n': r->max_body = RUN_SMALL_BODY; break;
    default: break;
    }
}

/* --- Answers -------------------------------------------------------------------------- */

static size_t size_of(const struct sx_http_req *r)
{
    return (size_t)(fuzz_hash(r->query.data, r->query.len) % MAX_PIECE) + 1;
}

/* Text that gzip can pack. */
static void put_text(struct sx_buf *b, size_t len)
{
    char *to = sx_buf_reserve(b, len);

    if (to == NULL)
        return;
    for (size_t i = 0; i < len; i++)
        to[i] = (char)('a' + i % 23);
    sx_buf_commit(b, len);
}

static uint64_t hash_of(struct sx_slice s, uint64_t before)
{
    return before * 31 + fuzz_hash(s.data, s.len);
}

/* All that a request holds: what was moved with it when it had to wait is still the same. */
static void echo(struct sx_http_req *r)
{
    uint64_t hash = hash_of(r->body, hash_of(r->host, hash_of(r->query, hash_of(r->path, 0))));

    for (uint32_t i = 0; i < r->n_headers; i++)
        hash = hash_of(r->headers[i].value, hash_of(r->headers[i].name, hash));
    sx_buf_printf(&r->resp.body, "%.*s %.*s %u %zu %016llx", (int)r->method.len, r->method.data,
                  (int)r->target.len, r->target.data, r->n_headers, r->body.len,
                  (unsigned long long)hash);
    (void)sx_http_reply_body(r, 200, "text/plain");
    sx_http_complete(r);
}

static void answer_form(struct sx_http_req *r)
{
    const struct sx_part *p = r->multipart == NULL ? NULL : sx_multipart_parts(r->multipart);

    for (; p != NULL; p = p->next)
        sx_buf_printf(&r->resp.body, "%.*s %d %llu %d %016llx\n", (int)p->name.len, p->name.data,
                      p->file_name.data != NULL, (unsigned long long)p->size, p->path != NULL,
                      (unsigned long long)fuzz_hash(p->data.data, p->data.len));
    (void)sx_http_reply_body(r, 200, "text/plain; charset=utf-8");
    sx_http_complete(r);
}

static void answer_header(struct sx_http_req *r)
{
    struct sx_slice value = r->query, name = sx_slice_cut(&value, '=');

    if (value.data == NULL)
        value = sx_slice_of("");
    (void)sx_http_set_header(r, name, value, r->body.len > 0);
    (void)sx_http_set_header(r, name, value, true);
    (void)sx_http_reply(r, 200, "application/json", "{}", 2);
    sx_http_complete(r);
}

static bool is_address(const char *text)
{
    struct in6_addr address;

    return strcmp(text, "unix") == 0 || inet_pton(AF_INET, text, &address) == 1 ||
           inet_pton(AF_INET6, text, &address) == 1;
}

static void tell_all(struct sx_http_req *r)
{
    static const char *const names[] = { "accept", "x-forwarded-for", "cookie", "range" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        sx_buf_printf(&r->resp.body, "%zu ",
                      sx_http_header_list(r, names[i], strlen(names[i])).len);
    fuzz_check(sx_http_request_id(r)[0] != '\0', "a request without an id");
    fuzz_check(is_address(sx_http_remote(r)), "the client is \"%s\"", sx_http_remote(r));
    fuzz_check(strcmp(sx_http_scheme(r), "http") == 0 || strcmp(sx_http_scheme(r), "https") == 0,
               "the scheme is \"%s\"", sx_http_scheme(r));
    (void)sx_http_trace(r);
    (void)sx_http_reply_body(r, 200, "text/html; charset=utf-8");
    sx_http_complete(r);
}

static void send_file(struct sx_http_req *r)
{
    char *path = fuzz_text(sx_slice_after(r->path, 2));

    if (sx_http_reply_file(r, files_root(), path) < 0)
        (void)sx_http_problem(r, 500, "file", "the file cannot be read");
    free(path);
    sx_http_complete(r);
}

/* --- Streams -------------------------------------------------------------------------- */

static void on_drained(struct sx_http_stream *s, void *arg)
{
    struct run_stream *rs = arg;

    fuzz_check(rs->stream == s, "drained, but it is closed");
}

static void on_closed(struct sx_http_stream *s, void *arg)
{
    struct run_stream *rs = arg;

    fuzz_check(rs->stream == s, "closed twice");
    rs->stream = NULL;
}

static struct run_stream *open_stream(struct sx_http_req *r)
{
    static const struct sx_http_stream_ops ops = { on_drained, on_closed };
    struct run *run = run_of(r);
    struct run_stream *rs = &run->streams[run->n_streams];

    if (run->n_streams == RUN_MAX_STREAMS)
        return NULL;
    *rs = (struct run_stream){ .run = run, .piece_len = size_of(r), .n_left = N_PIECES };
    if (sx_http_stream_open(r, 200, "text/plain", &ops, rs, &rs->stream) < 0)
        return NULL;
    run->n_streams++;
    return rs;
}

/* False: the client has to read first, or the stream has ended and waits for its turn. */
static bool write_piece(struct run_stream *rs)
{
    struct sx_buf piece;
    int err;

    if (rs->has_ended)
        return false;
    if (rs->n_left == 0) {
        rs->has_ended = true;
        sx_http_stream_end(rs->stream);
        return true;
    }
    sx_buf_init(&piece, MAX_PIECE);
    put_text(&piece, rs->piece_len);
    err = sx_http_stream_write(rs->stream, piece.data, piece.len);
    sx_buf_finish(&piece);
    fuzz_check(err == 0 || err == SX_ERR_BUSY, "a write to an open stream fails: %d", err);
    rs->n_left -= err == 0;
    return err == 0;
}

static void answer_stream(struct sx_http_req *r, bool is_whole)
{
    struct run_stream *rs = open_stream(r);

    if (rs == NULL)
        (void)sx_http_problem(r, 503, "streams", "there are too many streams");
    while (rs != NULL && is_whole && rs->stream != NULL && rs->n_left > 0 && write_piece(rs))
        continue;
    sx_http_complete(r);
    if (rs != NULL && is_whole && rs->stream != NULL && rs->n_left == 0)
        (void)write_piece(rs);
}

void owner_write(struct run *r)
{
    for (size_t i = 0; i < r->n_streams; i++)
        if (r->streams[i].stream != NULL && write_piece(&r->streams[i]))
            return;
}

bool owner_is_waiting(const struct run *r)
{
    if (r->n_pending > 0)
        return true;
    for (size_t i = 0; i < r->n_streams && !r->is_closed; i++)
        if (r->streams[i].stream != NULL)
            return true;
    return false;
}

/* --- Later ---------------------------------------------------------------------------- */

static void wait_for_it(struct sx_http_req *r)
{
    struct run *run = run_of(r);

    if (run->n_pending == RUN_MAX_PENDING) {
        echo(r);
        return;
    }
    of(r)->is_pending = true;
    run->pending[run->n_pending++] = r;
}

static void forget(struct run *run, struct sx_http_req *r)
{
    for (size_t i = 0; i < run->n_pending; i++) {
        if (run->pending[i] != r)
            continue;
        run->n_pending--;
        memmove(&run->pending[i], &run->pending[i + 1],
                (run->n_pending - i) * sizeof run->pending[0]);
        of(r)->is_pending = false;
        return;
    }
    fuzz_check(false, "a request that nobody waits for");
}

void owner_complete(struct run *run, size_t i)
{
    struct sx_http_req *r;

    if (run->n_pending == 0)
        return;
    r = run->pending[i < run->n_pending ? i : run->n_pending - 1];
    forget(run, r);
    if (letter(r) == 'y')
        answer_stream(r, false);
    else
        echo(r);
}

static void on_gone(struct sx_http_req *r)
{
    fuzz_check(of(r)->is_pending && !of(r)->is_gone, "gone, but it is not pending");
    fuzz_check(sx_http_is_gone(r), "gone, and it does not say so");
    of(r)->is_gone = true;
    if (letter(r) == 'k')
        return; /* its operation goes on */
    forget(run_of(r), r);
    sx_http_complete(r);
}

static void on_expired(struct sx_http_req *r, struct sx_http_req *stand_in)
{
    fuzz_check(of(r)->is_pending && sx_http_is_gone(r), "expired, but it is not pending");
    fuzz_check(stand_in != NULL || of(r)->is_gone, "no stand-in");
    run_of(r)->n_stand_ins += stand_in != NULL;
    run_of(r)->is_rude = true;
}

/* --- The request ---------------------------------------------------------------------- */

static void reply_and_regret(struct sx_http_req *r)
{
    (void)sx_http_reply(r, 200, "text/plain", "first", 5);
    fuzz_check(sx_http_reply(r, 200, NULL, NULL, 0) == SX_ERR_BUSY, "a second answer is taken");
    sx_http_unreply(r);
    (void)sx_http_problem(r, 409, "conflict", "%.*s", (int)r->query.len, r->query.data);
    sx_http_complete(r);
}

static void answer_fixed(struct sx_http_req *r, int status)
{
    (void)sx_http_reply(r, status, NULL, NULL, 0);
    sx_http_complete(r);
}

static void on_handle(struct sx_http_req *r)
{
    fuzz_check(of(r)->has_head && !of(r)->was_handled, "handled out of order");
    fuzz_check(r->body.len <= r->max_body, "a body of %zu bytes", r->body.len);
    of(r)->was_handled = true;
    of(r)->body = copy(r->body);
    switch (letter(r)) {
    case 'b':
    case 'p':
        put_text(&r->resp.body, letter(r) == 'b' ? 20000 : size_of(r));
        (void)sx_http_reply_body(r, 200, "text/plain");
        sx_http_complete(r);
        break;
    case 'c': answer_header(r); break;
    case 'f': send_file(r); break;
    case 'h': answer_fixed(r, 204); break;
    case 'i':
    case 'w': reply_and_regret(r); break;
    case 'j': answer_fixed(r, 304); break;
    case 'd':
    case 'k':
    case 'l':
    case 'y': wait_for_it(r); break;
    case 'm': answer_form(r); break;
    case 'o':
        run_of(r)->is_rude = true;
        sx_http_conn_abort(r->conn);
        wait_for_it(r);
        break;
    case 's': answer_stream(r, true); break;
    case 't': answer_stream(r, false); break;
    case 'u':
        if (open_stream(r) != NULL)
            sx_http_unreply(r);
        echo(r);
        break;
    case 'x': tell_all(r); break;
    default: echo(r); break;
    }
}

static void on_ended(struct sx_http_req *r)
{
    struct run *run = run_of(r);
    struct run_record *record = &run->records[run->n_records++];

    fuzz_check(run->n_records < RUN_MAX_REQUESTS, "too many requests for the record");
    fuzz_check(!of(r)->is_pending, "ended while its owner holds it");
    run->n_ended++;
    *record = (struct run_record){ .was_sent = r->conn != NULL,
                                   .has_head = of(r)->has_head,
                                   .was_handled = of(r)->was_handled,
                                   .is_head = r->is_head,
                                   .is_form = r->multipart != NULL,
                                   .status = r->resp.status,
                                   .body = of(r)->body };
    of(r)->body = (struct sx_slice){ NULL, 0 };
    if (record->has_head)
        record->head = copy(sx_slice_make(r->head, r->head_len));
}

void owner_ops(struct run *r, struct sx_http_ops *ret)
{
    *ret = (struct sx_http_ops){ .head = on_head,
                                 .handle = on_handle,
                                 .gone = on_gone,
                                 .expired = on_expired,
                                 .ended = on_ended,
                                 .arg = r };
}
