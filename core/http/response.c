/*
 * http/response.c - filling in an answer; nothing here touches the connection, so that the
 * thread which owns the request may call it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "base/text.h"
#include "http/encoding.h"
#include "http/field.h"
#include "http/file.h"
#include "http/http_private.h"
#include "http/problem.h"

/* Written by the core alone: a plugin that could set them could break the framing. */
static bool is_reserved(struct sx_slice name)
{
    static const char *const reserved[] = { "content-length", "transfer-encoding", "connection",
                                            "date",           "content-type",      "server",
                                            "upgrade",        "trailer",           NULL };

    for (size_t i = 0; reserved[i] != NULL; i++)
        if (sx_slice_is_nocase(name, reserved[i]))
            return true;
    return false;
}

static char *find_line(struct sx_http_req *r, struct sx_slice name, size_t *ret_len)
{
    char *at = r->resp.headers.data;
    char *end = at == NULL ? NULL : at + r->resp.headers.len;

    while (at < end) {
        char *lf = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)(lf + 1 - at);

        if (len > name.len && at[name.len] == ':' &&
            sx_text_equals_nocase(at, name.data, name.len)) {
            *ret_len = len;
            return at;
        }
        at = lf + 1;
    }
    return NULL;
}

bool sx_http_answer_has(struct sx_http_req *r, const char *name)
{
    size_t len;

    return r->resp.headers.len > 0 &&
           find_line(r, (struct sx_slice){ name, strlen(name) }, &len) != NULL;
}

void sx_http_add_line(struct sx_http_req *r, const char *name, const char *value)
{
    struct sx_buf *b = &r->resp.headers;

    sx_buf_add_text(b, name);
    sx_buf_add(b, ": ", 2);
    sx_buf_add_text(b, value);
    sx_buf_add(b, "\r\n", 2);
}

static void remove_lines(struct sx_http_req *r, struct sx_slice name)
{
    struct sx_buf *b = &r->resp.headers;
    size_t len;
    char *line;

    while ((line = find_line(r, name, &len)) != NULL) {
        memmove(line, line + len, (size_t)(b->data + b->len - line) - len);
        b->len -= len;
    }
}

const char *sx_http_header_fault(struct sx_slice name, struct sx_slice value)
{
    if (!sx_field_is_token(name))
        return "its name is not a token";
    if (!sx_field_is_value(value))
        return "its value has a control byte";
    return is_reserved(name) ? "the host writes it" : NULL;
}

int sx_http_set_header(struct sx_http_req *r, struct sx_slice name, struct sx_slice value,
                       bool append)
{
    struct sx_buf *b = &r->resp.headers;

    if (sx_http_header_fault(name, value) != NULL)
        return SX_ERR_INVALID;
    if (!append)
        remove_lines(r, name);
    sx_buf_add(b, name.data, name.len);
    sx_buf_add(b, ": ", 2);
    sx_buf_add(b, value.data, value.len);
    sx_buf_add(b, "\r\n", 2);
    return sx_buf_failed(b) ? SX_ERR_NOMEM : 0;
}

/* The common ones need neither a look nor a copy; absent for another. */
static struct sx_slice find_common_type(const char *type, size_t len)
{
    static const struct sx_slice common[] = {
        { "text/plain", 10 },
        { "application/json", 16 },
        { "text/plain; charset=utf-8", 25 },
        { "text/html; charset=utf-8", 24 },
    };

    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        if (common[i].len == len && memcmp(common[i].data, type, len) == 0)
            return common[i];
    return (struct sx_slice){ NULL, 0 };
}

/* Others are copied, since they may have been built at run time. */
static int set_type(struct sx_http_req *r, const char *type)
{
    size_t len;

    r->resp.type = (struct sx_slice){ NULL, 0 };
    if (type == NULL)
        return 0;
    len = strlen(type);
    r->resp.type = find_common_type(type, len);
    if (r->resp.type.data != NULL)
        return 0;
    if (!sx_field_is_value((struct sx_slice){ type, len }))
        return SX_ERR_INVALID;
    type = sx_arena_text(&r->arena, type, len);
    if (type == NULL)
        return SX_ERR_NOMEM;
    r->resp.type = (struct sx_slice){ type, len };
    return 0;
}

static bool is_final_status(int status)
{
    return status >= 200 && status <= 599;
}

/* What stands in the body becomes the answer. */
static inline int answer(struct sx_http_req *r, int status, const char *type)
{
    int err;

    if (!is_final_status(status))
        return SX_ERR_INVALID;
    if (sx_buf_failed(&r->resp.body))
        return SX_ERR_NOMEM;
    err = set_type(r, type);
    if (err < 0)
        return err;
    r->resp.kind = SX_HTTP_BODY_BYTES;
    r->resp.status = status;
    return 0;
}

int sx_http_reply_body(struct sx_http_req *r, int status, const char *type)
{
    return r->resp.status != 0 ? SX_ERR_BUSY : answer(r, status, type);
}

int sx_http_reply(struct sx_http_req *r, int status, const char *type, const void *data, size_t len)
{
    if (r->resp.status != 0)
        return SX_ERR_BUSY;
    sx_buf_reset(&r->resp.body, SX_HTTP_KEEP_BYTES);
    sx_buf_add(&r->resp.body, data, len);
    return answer(r, status, type);
}

bool sx_http_refuse_packed(struct sx_http_req *r)
{
    struct sx_slice coding = sx_http_header(r, "content-encoding", 16);

    if (coding.len == 0 || sx_slice_is_nocase(coding, "identity"))
        return false;
    sx_http_add_line(r, "Accept-Encoding", "identity"); /* RFC 9110 section 15.5.16 */
    (void)sx_http_problem(r, 415, "unsupported_encoding",
                          "the body has a Content-Encoding, send it without one");
    return true;
}

void sx_http_unreply(struct sx_http_req *r)
{
    if (r->resp.stream != NULL)
        sx_http_stream_gone(r);
    if (r->waiting_bytes > 0)
        sx_http_hold_waiting(r, 0);
    r->resp.status = 0;
    r->resp.is_problem = false;
    r->resp.kind = SX_HTTP_BODY_BYTES;
    sx_http_file_close(r);
    sx_buf_reset(&r->resp.body, SX_HTTP_KEEP_BYTES);
    sx_buf_reset(&r->resp.headers, SX_HTTP_KEEP_BYTES);
}

int sx_http_vproblem(struct sx_http_req *r, int status, const char *code, const char *fmt,
                     va_list ap)
{
    char detail[1024];
    struct sx_problem problem;
    int n;

    if (r->resp.status != 0)
        return SX_ERR_BUSY;
    if (!is_final_status(status))
        return SX_ERR_INVALID;
    n = vsnprintf(detail, sizeof detail, fmt, ap);
    sx_buf_reset(&r->resp.body, SX_HTTP_KEEP_BYTES);
    problem = (struct sx_problem){ status, code, n <= 0 ? NULL : detail, sx_http_request_id(r) };
    sx_problem_write(&r->resp.body, &problem);
    r->resp.type = sx_slice_of("application/problem+json");
    r->resp.kind = SX_HTTP_BODY_BYTES;
    r->resp.is_problem = true;
    r->resp.status = status;
    return sx_buf_failed(&r->resp.body) ? SX_ERR_NOMEM : 0;
}

int sx_http_problem(struct sx_http_req *r, int status, const char *code, const char *fmt, ...)
{
    va_list ap;
    int err;

    va_start(ap, fmt);
    err = sx_http_vproblem(r, status, code, fmt, ap);
    va_end(ap);
    return err;
}
