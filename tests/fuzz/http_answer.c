#include "http_answer.h"

#include "base/buf.h"

struct head {
    struct answer *answer;
    uint64_t length;
    bool has_length, is_chunked;
    int n_dates;
};

static bool find(struct sx_slice bytes, const char *text, size_t *ret_at)
{
    const char *at = bytes.len == 0 ? NULL : memmem(bytes.data, bytes.len, text, strlen(text));

    if (at != NULL)
        *ret_at = (size_t)(at - bytes.data);
    return at != NULL;
}

static uint64_t number(struct sx_slice digits, int base)
{
    char text[32], *end;
    uint64_t value;

    fuzz_check(digits.len > 0 && digits.len < sizeof text, "a number of %zu digits", digits.len);
    memcpy(text, digits.data, digits.len);
    text[digits.len] = '\0';
    fuzz_check(strspn(text, "0123456789abcdefABCDEF") == digits.len, "no number: %s", text);
    value = strtoull(text, &end, base);
    fuzz_check(*end == '\0', "no number: %s", text);
    return value;
}

static bool is_text(struct sx_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (((unsigned char)s.data[i] < ' ' && s.data[i] != '\t') || s.data[i] == 0x7f)
            return false;
    return true;
}

static void take_field(struct head *h, struct sx_slice line)
{
    struct sx_slice value = line, name = sx_slice_cut(&value, ':');
    struct answer *a = h->answer;

    fuzz_check(value.data != NULL && name.len > 0 && is_text(line), "no field: \"%.*s\"",
               (int)line.len, line.data);
    for (size_t i = 0; i < name.len; i++)
        fuzz_check(strchr("()<>@,;:\\\"/[]?={} \t", name.data[i]) == NULL &&
                       (unsigned char)name.data[i] < 0x7f,
                   "no field name: \"%.*s\"", (int)name.len, name.data);
    value = sx_slice_trim(value);
    if (sx_slice_is_nocase(name, "Content-Length")) {
        fuzz_check(!h->has_length, "two lengths");
        h->has_length = true;
        h->length = number(value, 10);
    } else if (sx_slice_is_nocase(name, "Transfer-Encoding")) {
        fuzz_check(!h->is_chunked && sx_slice_is(value, "chunked"), "the coding is \"%.*s\"",
                   (int)value.len, value.data);
        h->is_chunked = true;
        return; /* so that HTTP/1.0 compares */
    }
    if (sx_slice_is_nocase(name, "Date"))
        h->n_dates++;
    else if (sx_slice_is_nocase(name, "Connection"))
        a->says_close |= sx_slice_is(value, "close");
    else if (sx_slice_is_nocase(name, "Content-Type"))
        a->is_problem = sx_slice_is(value, "application/problem+json");
    else if (!sx_slice_is_nocase(name, "X-Request-Id") && !(a->is_problem && h->has_length))
        a->head_hash = a->head_hash * 31 + fuzz_hash(line.data, line.len);
}

static int take_status(struct sx_slice line)
{
    fuzz_check(line.len >= 13 && memcmp(line.data, "HTTP/1.1 ", 9) == 0 && line.data[12] == ' ' &&
                   is_text(line),
               "no status line: \"%.*s\"", (int)line.len, line.data);
    return (int)number(sx_slice_make(line.data + 9, 3), 10);
}

/* The lines of a head without its empty one. */
static void take_head(struct head *h, struct sx_slice lines)
{
    size_t at = 0;

    fuzz_check(find(lines, "\r\n", &at), "no line end");
    h->answer->status = take_status(sx_slice_make(lines.data, at));
    lines = sx_slice_after(lines, at + 2);
    while (find(lines, "\r\n", &at)) {
        take_field(h, sx_slice_make(lines.data, at));
        lines = sx_slice_after(lines, at + 2);
    }
    fuzz_check(lines.len == 0, "a line without an end");
}

/* The bytes of a chunked body with its end, 0 when it is not whole. */
static size_t take_chunks(struct sx_slice bytes, struct sx_buf *body)
{
    struct sx_slice rest = bytes;
    uint64_t size;
    size_t at;

    do {
        if (!find(rest, "\r\n", &at))
            return 0;
        size = number(sx_slice_make(rest.data, at), 16);
        rest = sx_slice_after(rest, at + 2);
        if (rest.len < size || rest.len - size < 2)
            return 0;
        sx_buf_add(body, rest.data, size);
        fuzz_check(memcmp(rest.data + size, "\r\n", 2) == 0, "a chunk is longer than it says");
        rest = sx_slice_after(rest, (size_t)size + 2);
    } while (size > 0);
    return bytes.len - rest.len;
}

static void note_body(struct answer *a, const char *data, size_t len)
{
    a->body_len = len;
    a->body_hash = fuzz_hash(data, len);
}

static size_t take_body(const struct head *h, struct sx_slice bytes, bool is_head, bool is_over)
{
    struct answer *a = h->answer;
    struct sx_buf body;
    size_t used;

    note_body(a, NULL, 0);
    if (a->status == 204 || a->status == 304)
        fuzz_check(!h->has_length && !h->is_chunked, "a length for status %d", a->status);
    if (is_head || a->status == 204 || a->status == 304)
        return 1;
    if (h->has_length) {
        if (bytes.len < h->length)
            return 0;
        note_body(a, bytes.data, (size_t)h->length);
        return (size_t)h->length + 1;
    }
    if (h->is_chunked) {
        sx_buf_init(&body, 1u << 26);
        used = take_chunks(bytes, &body);
        note_body(a, body.data, body.len);
        sx_buf_finish(&body);
        return used == 0 ? 0 : used + 1;
    }
    fuzz_check(a->says_close, "neither a length nor a close");
    a->ends_with_connection = true;
    note_body(a, bytes.data, bytes.len);
    return is_over ? bytes.len + 1 : 0;
}

size_t answer_read(struct sx_slice bytes, bool is_head, bool is_over, struct answer *ret)
{
    struct head h;
    struct sx_slice rest = bytes;
    size_t at, used;

    do {
        *ret = (struct answer){ 0 };
        h = (struct head){ .answer = ret };
        if (!find(rest, "\r\n\r\n", &at)) {
            fuzz_check(rest.len < 9 || memcmp(rest.data, "HTTP/1.1 ", 9) == 0, "no answer: %.*s",
                       (int)rest.len, rest.data);
            return 0;
        }
        take_head(&h, sx_slice_make(rest.data, at + 2));
        rest = sx_slice_after(rest, at + 4);
        fuzz_check(ret->status >= 100 && ret->status <= 599, "the status is %d", ret->status);
    } while (ret->status < 200);
    fuzz_check(h.n_dates == 1, "%d dates", h.n_dates);
    fuzz_check(!h.has_length || !h.is_chunked, "its length is told twice");
    used = take_body(&h, rest, is_head, is_over);
    return used == 0 ? 0 : bytes.len - rest.len + used - 1;
}
