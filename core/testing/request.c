/* testing/request.c - the bytes of a request. */
#include <stdlib.h>

#include "base/error.h"
#include "http/form.h"
#include "testing/testing_private.h"

#define BOUNDARY   "sx-test-boundary-7d1f0c52"
#define MAX_FIELDS 1000
#define MAX_BODY   (256u << 20)

static bool has_body(const sx_test_request *req)
{
    return req->body != NULL || req->json != NULL || req->form != NULL || req->files != NULL;
}

const char *sxt_request_method(const sx_test_request *req)
{
    return req->method != NULL ? req->method : has_body(req) ? "POST" : "GET";
}

struct sx_slice sxt_request_path(const char *target)
{
    return sx_slice_make(target, strcspn(target, "?#"));
}

/* --- Multipart (RFC 7578) ------------------------------------------------------------------- */

static void add_quoted(struct sx_buf *to, const char *text)
{
    for (; *text != '\0'; text++)
        sx_buf_printf(to, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
}

static void begin_part(struct sx_buf *to, const char *name)
{
    sx_buf_add_text(to, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"");
    add_quoted(to, name);
    sx_buf_add_text(to, "\"");
}

static int add_fields(struct sx_buf *to, const char *form, struct sx_arena *a)
{
    struct sx_pairs pairs = { 0 };
    int err = form == NULL ? 0 : sx_form_parse(a, sx_slice_of(form), MAX_FIELDS, &pairs);

    for (size_t i = 0; i < pairs.n && err == 0; i++) {
        begin_part(to, pairs.v[i].name.data);
        sx_buf_add_text(to, "\r\n\r\n");
        sx_buf_add(to, pairs.v[i].value.data, pairs.v[i].value.len);
        sx_buf_add_text(to, "\r\n");
    }
    return err;
}

static int write_multipart(const sx_test_request *req, struct sx_arena *a, struct sx_buf *to)
{
    int err = add_fields(to, req->form, a);

    for (const sx_test_file *f = req->files; f->field != NULL; f++) {
        begin_part(to, f->field);
        sx_buf_add_text(to, "; filename=\"");
        add_quoted(to, f->file_name == NULL ? "file" : f->file_name);
        sx_buf_printf(to, "\"\r\nContent-Type: %s\r\n\r\n",
                      f->type == NULL ? "application/octet-stream" : f->type);
        sx_buf_add(to, f->data, f->len > 0 ? f->len : strlen(f->data));
        sx_buf_add_text(to, "\r\n");
    }
    sx_buf_add_text(to, "--" BOUNDARY "--\r\n");
    return err;
}

/* --- The whole -------------------------------------------------------------------------- */

static int write_body(const sx_test *t, const sx_test_request *req, struct sx_buf *to,
                      const char **ret_type)
{
    int n_bodies = (req->body != NULL) + (req->json != NULL) +
                   (req->form != NULL || req->files != NULL);

    if (n_bodies > 1)
        return SX_ERR_INVALID;
    *ret_type = req->type;
    if (req->files != NULL) {
        *ret_type = "multipart/form-data; boundary=" BOUNDARY;
        return write_multipart(req, &t->server->arena, to);
    }
    if (req->json != NULL)
        *ret_type = req->type != NULL ? req->type : "application/json";
    else if (req->form != NULL)
        *ret_type = "application/x-www-form-urlencoded";
    if (req->json != NULL || req->form != NULL)
        sx_buf_add_text(to, req->json != NULL ? req->json : req->form);
    else if (req->body != NULL)
        sx_buf_add(to, req->body, req->len > 0 ? req->len : strlen(req->body));
    return 0;
}

static bool names_header(const sx_test_request *req, const char *name)
{
    for (const char *const *h = req->headers; h != NULL && h[0] != NULL; h += 2)
        if (sx_slice_is_nocase(sx_slice_of(h[0]), name))
            return true;
    return false;
}

static void write_cookies(const sx_test *t, const sx_test_request *req, struct sx_buf *to)
{
    struct sx_buf cookies;

    sx_buf_init(&cookies, 65536);
    sxt_jar_write(&t->jar, sxt_request_path(req->path), &cookies);
    if (cookies.len > 0 && !names_header(req, "Cookie"))
        sx_buf_printf(to, "Cookie: %s\r\n", sx_buf_text(&cookies));
    sx_buf_finish(&cookies);
}

/* A test that names a header itself gets only its own. */
static void write_head(const sx_test *t, const sx_test_request *req, const char *type,
                       const struct sx_buf *body, struct sx_buf *to)
{
    sx_buf_printf(to, "%s %s HTTP/1.1\r\n", sxt_request_method(req), req->path);
    if (!names_header(req, "Host"))
        sx_buf_printf(to, "Host: %s\r\n", req->host == NULL ? "localhost" : req->host);
    if (type != NULL && !names_header(req, "Content-Type"))
        sx_buf_printf(to, "Content-Type: %s\r\n", type);
    if (has_body(req) && !names_header(req, "Content-Length") &&
        !names_header(req, "Transfer-Encoding"))
        sx_buf_printf(to, "Content-Length: %zu\r\n", body->len);
    write_cookies(t, req, to);
    for (const char *const *h = req->headers; h != NULL && h[0] != NULL; h += 2)
        sx_buf_printf(to, "%s: %s\r\n", h[0], h[1]);
    sx_buf_add_text(to, "\r\n");
}

int sxt_request_write(const sx_test *t, const sx_test_request *req, struct sx_buf *to)
{
    const char *type = NULL;
    struct sx_buf body;
    int err;

    if (req->path == NULL)
        return SX_ERR_INVALID;
    sx_buf_init(&body, MAX_BODY);
    err = write_body(t, req, &body, &type);
    if (err == 0) {
        write_head(t, req, type, &body, to);
        sx_buf_add(to, body.data, body.len);
        err = sx_buf_failed(to) || sx_buf_failed(&body) ? SX_ERR_NOMEM : 0;
    }
    sx_buf_finish(&body);
    return err;
}
