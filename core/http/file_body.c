/*
 * http/file_body.c - sending a file: small ones at once from the page cache, larger ones piece
 * by piece, read by libuv's threads so that a slow disk never holds up the loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "http/encoding.h"
#include "http/file.h"
#include "http/http_private.h"

struct file_read {
    uv_fs_t req;
    struct sx_http_req *owner; /* NULL: it ended meanwhile */
    int fd;                    /* owned: the read may outlive the request */
    size_t len;
    char data[SX_HTTP_FILE_BYTES];
};

void sx_http_file_close(struct sx_http_req *r)
{
    if (r->resp.reading != NULL) {
        r->resp.reading->owner = NULL; /* it closes the descriptor when it is back */
        r->resp.reading = NULL;
    } else if (r->resp.file >= 0) {
        (void)close(r->resp.file);
    }
    r->resp.file = -1;
}

static void fail(struct sx_http_req *r)
{
    /* The length was promised: only the end of the connection can tell. */
    sx_http_conn_abort(r->conn);
}

static void take_bytes(struct sx_http_req *r, const char *data, size_t len)
{
    struct sx_http_conn *c = r->conn;

    if (c->out.data == NULL)
        sx_http_buf_borrow(c->server, &c->out);
    sx_buf_add(&c->out, data, len);
    r->resp.file_offset += len;
    r->resp.file_length -= len;
    r->bytes_out += len;
    if (r->resp.file_length == 0) {
        sx_http_output_end(r);
        sx_http_output_advance(c);
    }
    if (c->phase != PHASE_CLOSED)
        sx_http_conn_touch(c);
}

static void on_read(uv_fs_t *req)
{
    struct file_read *fr = SX_MEMBER_OF(req, struct file_read, req);
    struct sx_http_req *r = fr->owner;
    ssize_t n = req->result;

    uv_fs_req_cleanup(req);
    if (r == NULL) {
        (void)close(fr->fd);
    } else {
        r->resp.reading = NULL;
        if (n <= 0)
            fail(r);
        else
            take_bytes(r, fr->data, (size_t)n);
    }
    free(fr);
}

static void read_next(struct sx_http_req *r)
{
    struct file_read *fr = malloc(sizeof *fr);
    uv_buf_t buf;

    if (fr == NULL) {
        fail(r);
        return;
    }
    fr->owner = r;
    fr->fd = r->resp.file;
    fr->len = r->resp.file_length < sizeof fr->data ? (size_t)r->resp.file_length : sizeof fr->data;
    buf = uv_buf_init(fr->data, (unsigned)fr->len);
    if (uv_fs_read(r->server->loop, &fr->req, fr->fd, &buf, 1, (int64_t)r->resp.file_offset,
                   on_read) != 0) {
        free(fr);
        fail(r);
        return;
    }
    r->resp.reading = fr;
}

static void send_at_once(struct sx_http_req *r)
{
    char data[SX_HTTP_FILE_BYTES];
    ssize_t n = pread(r->resp.file, data, (size_t)r->resp.file_length, (off_t)r->resp.file_offset);

    if (n != (ssize_t)r->resp.file_length)
        fail(r);
    else
        take_bytes(r, data, (size_t)n);
}

void sx_http_file_start(struct sx_http_req *r)
{
    struct sx_http_conn *c = r->conn;

    sx_http_output_head(c, r, true, r->resp.file_length, false);
    if (r->is_head || r->resp.file_length == 0)
        sx_http_output_end(r);
    else if (r->resp.file_length <= SX_HTTP_FILE_BYTES)
        send_at_once(r);
    else
        read_next(r);
}

void sx_http_file_drained(struct sx_http_req *r)
{
    if (r->resp.reading == NULL)
        read_next(r);
}

/* --- Choosing the file ------------------------------------------------------------------ */

#define HEADER(r, name) sx_http_header((r), (name), sizeof(name) - 1)
#define LIST(r, name)   sx_http_header_list((r), (name), sizeof(name) - 1)

/* A text that the client takes packed is read here and packed by output.c; its tag is made
 * weak, because the packed bytes are another representation (RFC 9110 section 8.8.3.3). */
static bool take_for_packing(struct sx_http_req *r, const struct sx_file_answer *a)
{
    const struct sx_http_settings *set = &r->server->set;
    ssize_t n;
    char *to;

    if (!set->gzip || a->status != 200 || a->length < set->gzip_bytes ||
        a->length > SX_HTTP_FILE_BYTES || !sx_encoding_is_compressible(sx_slice_of(a->type)) ||
        !sx_encoding_accepts_gzip(LIST(r, "accept-encoding")))
        return false;
    to = sx_buf_reserve(&r->resp.body, (size_t)a->length);
    n = to == NULL ? -1 : pread(a->fd, to, (size_t)a->length, (off_t)a->offset);
    if (n != (ssize_t)a->length)
        return false;
    sx_buf_commit(&r->resp.body, (size_t)n);
    (void)close(a->fd);
    r->resp.kind = SX_HTTP_BODY_BYTES;
    r->resp.may_pack = true;
    return true;
}

static void add_lines(struct sx_http_req *r, const struct sx_file_answer *a)
{
    char weak[sizeof a->etag + 2];

    if (a->etag[0] != '\0') {
        weak[0] = 'W';
        weak[1] = '/';
        memcpy(weak + 2, a->etag, sizeof a->etag);
        sx_http_add_line(r, "ETag", r->resp.may_pack ? weak : a->etag);
    }
    if (a->last_modified[0] != '\0')
        sx_http_add_line(r, "Last-Modified", a->last_modified);
    if (a->content_range[0] != '\0')
        sx_http_add_line(r, "Content-Range", a->content_range);
    sx_http_add_line(r, "Accept-Ranges", "bytes");
    if (sx_encoding_is_compressible(sx_slice_of(a->type)) && !r->resp.may_pack)
        sx_http_add_line(r, "Vary", "Accept-Encoding");
}

/* Descriptors come back as soon as a connection closes. */
static int answer_later(struct sx_http_req *r)
{
    sx_http_add_line(r, "Retry-After", "1");
    return sx_http_problem(r, 503, "busy", "too many files are open, try again");
}

int sx_http_reply_file(struct sx_http_req *r, const char *root, const char *path)
{
    struct sx_file_conditions cond = {
        .if_match = LIST(r, "if-match"),
        .if_none_match = LIST(r, "if-none-match"),
        .if_modified_since = HEADER(r, "if-modified-since"),
        .if_unmodified_since = HEADER(r, "if-unmodified-since"),
        .range = HEADER(r, "range"),
        .if_range = HEADER(r, "if-range"),
    };
    struct sx_file_answer a;

    if (r->is_head) /* ranges are defined for GET only: RFC 9110 section 14.2 */
        cond.range = (struct sx_slice){ NULL, 0 };

    if (r->resp.status != 0)
        return SX_ERR_BUSY;
    if (sx_file_open(root, sx_slice_of(path), &cond, &a) < 0)
        return errno == EMFILE || errno == ENFILE ? answer_later(r) : SX_ERR_IO;
    if (a.status == 404)
        return sx_http_problem(r, 404, "not_found", "there is no such file");
    if (a.status == 412 || a.status == 416) {
        if (a.content_range[0] != '\0')
            sx_http_add_line(r, "Content-Range", a.content_range);
        return sx_http_problem(r, a.status,
                               a.status == 412 ? "precondition_failed" : "range_not_satisfiable",
                               "the file has another version or fewer bytes");
    }
    r->resp.status = a.status;
    r->resp.type = sx_slice_of(a.status == 304 ? NULL : a.type);
    if (!take_for_packing(r, &a)) {
        r->resp.kind = a.status == 304 ? SX_HTTP_BODY_BYTES : SX_HTTP_BODY_FILE;
        r->resp.file = a.fd;
        r->resp.file_offset = a.offset;
        r->resp.file_length = a.length;
    }
    add_lines(r, &a);
    return sx_buf_failed(&r->resp.headers) ? SX_ERR_NOMEM : 0;
}
