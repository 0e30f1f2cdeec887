/*
 * multipart.c - forms of parts, cut where the input says, against a reading of the whole body at
 * once.
 *
 * The first line is "BOUNDARY SIZES": what stands behind "boundary=", and the sizes of the
 * pieces as letters, 'a' for one byte.  What is behind it is the body.
 */
#include "http/multipart.h"

#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "files.h"
#include "fuzz.h"
#include "http/disposition.h"
#include "http/field.h"

#define MAX_PARTS    6u
#define HEADER_BYTES 200u
#define UPLOAD_BYTES 1500u
#define SPOOL_BYTES  24u

struct parsed {
    struct sx_arena arena;
    struct sx_multipart *mp;
    int err;
};

/* --- The parser ----------------------------------------------------------------------- */

static void feed(struct sx_multipart *mp, struct sx_slice body, struct sx_slice sizes)
{
    for (size_t i = 0; body.len > 0; i++) {
        size_t n = sizes.len == 0 ? body.len : (size_t)(sizes.data[i % sizes.len] & 31) + 1;
        char *piece;
        int err;

        n = n < body.len ? n : body.len;
        piece = fuzz_bytes(sx_slice_make(body.data, n));
        err = sx_multipart_feed(mp, piece, n);
        free(piece);
        body = sx_slice_after(body, n);
        if (err < 0)
            fuzz_check(sx_multipart_feed(mp, "x", 1) == err, "an error does not stay");
    }
}

static void parse(struct parsed *p, const char *type, struct sx_slice body, struct sx_slice sizes)
{
    const struct sx_multipart_limits limits = { .max_parts = MAX_PARTS,
                                                .max_header_bytes = HEADER_BYTES,
                                                .spool_bytes = SPOOL_BYTES,
                                                .upload_bytes = UPLOAD_BYTES,
                                                .spool_dir = files_dir() };

    *p = (struct parsed){ 0 };
    sx_arena_init(&p->arena, 1u << 24);
    p->err = sx_multipart_create(&p->arena, sx_slice_of(type), &limits, &p->mp);
    if (p->err < 0)
        return;
    feed(p->mp, body, sizes);
    p->err = sx_multipart_finish(p->mp);
}

static void finish(struct parsed *p)
{
    const struct sx_part *part = p->mp == NULL ? NULL : sx_multipart_parts(p->mp);

    sx_multipart_destroy(p->mp);
    for (; part != NULL; part = part->next) /* they lie in the arena */
        fuzz_check(part->path == NULL || access(part->path, F_OK) != 0, "%s is left", part->path);
    sx_arena_finish(&p->arena);
}

/* What a part holds, wherever it lies. */
static char *content(const struct sx_part *p, size_t *ret_len)
{
    char *bytes;

    if (p->path == NULL) {
        fuzz_check(p->data.len == p->size && p->data.data[p->data.len] == '\0', "a part in memory");
        fuzz_check(p->size <= SPOOL_BYTES, "%zu bytes in memory", p->data.len);
        *ret_len = p->data.len;
        return fuzz_bytes(p->data);
    }
    fuzz_check(sx_file_read(p->path, UPLOAD_BYTES, &bytes, ret_len) == 0, "no file %s", p->path);
    fuzz_check(*ret_len == p->size && p->data.len == 0, "a part in a file");
    return bytes;
}

static bool is_same_text(struct sx_slice a, struct sx_slice b)
{
    return (a.data == NULL) == (b.data == NULL) && sx_slice_equals(a, b);
}

static void compare(const struct parsed *a, const struct parsed *b)
{
    const struct sx_part *x = sx_multipart_parts(a->mp), *y = sx_multipart_parts(b->mp);

    fuzz_check(a->err == b->err, "%d at once, %d in pieces", a->err, b->err);
    for (; x != NULL && y != NULL; x = x->next, y = y->next) {
        size_t n, m;
        char *p = content(x, &n), *q = content(y, &m);

        fuzz_check(is_same_text(x->name, y->name) && is_same_text(x->file_name, y->file_name) &&
                       is_same_text(x->type, y->type),
                   "another part");
        fuzz_check(n == m && memcmp(p, q, n) == 0, "another content");
        free(p);
        free(q);
    }
    fuzz_check(x == NULL && y == NULL, "not as many parts");
}

/* --- The naive reading ---------------------------------------------------------------- */

/* Cut off at text; false when it is not there. */
static bool cut(struct sx_slice *s, const char *text, struct sx_slice *ret_before)
{
    const char *at = s->len == 0 ? NULL : memmem(s->data, s->len, text, strlen(text));

    if (at == NULL)
        return false;
    *ret_before = sx_slice_make(s->data, (size_t)(at - s->data));
    *s = sx_slice_after(*s, ret_before->len + strlen(text));
    return true;
}

static bool begins(struct sx_slice s, const char *text)
{
    return s.len >= strlen(text) && memcmp(s.data, text, strlen(text)) == 0;
}

struct headers {
    struct sx_slice type;
    struct sx_disposition disposition;
    int n_dispositions, n_types;
};

static bool naive_headers(struct sx_slice *s, struct sx_arena *a, struct headers *h)
{
    struct sx_slice line;

    *h = (struct headers){ 0 };
    while (cut(s, "\r\n", &line)) {
        struct sx_slice value = line, name = sx_slice_cut(&value, ':');

        if (line.len == 0)
            return h->n_dispositions == 1 && h->n_types <= 1;
        if (memchr(line.data, '\n', line.len) != NULL || value.data == NULL ||
            !sx_field_is_token(name) || !sx_field_is_value(value))
            return false;
        value = sx_slice_trim(value);
        if (sx_slice_is_nocase(name, "content-type")) {
            h->type = value;
            h->n_types++;
        }
        if (!sx_slice_is_nocase(name, "content-disposition"))
            continue;
        h->n_dispositions++;
        if (sx_disposition_parse(a, value, &h->disposition) < 0)
            return false;
    }
    return false;
}

/* Behind a delimiter: 1 at the close, 0 when a part follows, -1 for anything else. */
static int naive_tail(struct sx_slice *s)
{
    if (begins(*s, "--"))
        return 1;
    if (begins(*s, "-"))
        return -1;
    while (s->len > 0 && (s->data[0] == ' ' || s->data[0] == '\t'))
        *s = sx_slice_after(*s, 1);
    if (!begins(*s, "\r\n"))
        return -1;
    *s = sx_slice_after(*s, 2);
    return 0;
}

static void check_part(const struct sx_part *part, const struct headers *h, struct sx_slice data)
{
    size_t len;
    char *bytes;

    fuzz_check(part != NULL, "a part is missing");
    fuzz_check(sx_slice_equals(part->name, h->disposition.name) &&
                   is_same_text(part->file_name, h->disposition.file_name) &&
                   sx_slice_equals(part->type, h->type),
               "another part");
    bytes = content(part, &len);
    fuzz_check(len == data.len && (len == 0 || memcmp(bytes, data.data, len) == 0),
               "another content: %zu bytes instead of %zu", len, data.len);
    free(bytes);
}

/* Is the body good?  If it is, and parts is not NULL, they must be these. */
static bool naive_body(struct sx_slice s, const char *delimiter, struct sx_arena *a,
                       const struct sx_part *parts, bool is_compared)
{
    struct sx_slice data;
    int tail;

    if (begins(s, delimiter + 2))
        s = sx_slice_after(s, strlen(delimiter + 2));
    else if (!cut(&s, delimiter, &data))
        return false;
    while ((tail = naive_tail(&s)) == 0) {
        struct headers h;

        if (!naive_headers(&s, a, &h))
            return false;
        data = sx_slice_make(s.data, 0);
        if (begins(s, delimiter + 2))
            s = sx_slice_after(s, strlen(delimiter + 2));
        else if (!cut(&s, delimiter, &data))
            return false;
        if (is_compared)
            check_part(parts, &h, data);
        parts = parts == NULL ? NULL : parts->next;
    }
    if (is_compared)
        fuzz_check(parts == NULL, "a part too many");
    return tail == 1;
}

static void check(const struct parsed *p, struct sx_slice boundary, struct sx_slice body)
{
    struct sx_arena a;
    char delimiter[80];
    bool is_good;

    if (p->err == SX_ERR_BUSY)
        return; /* beyond a limit, of which the naive reading knows nothing */
    (void)snprintf(delimiter, sizeof delimiter, "\r\n--%.*s", (int)boundary.len, boundary.data);
    sx_arena_init(&a, 1u << 24);
    is_good = naive_body(body, delimiter, &a, sx_multipart_parts(p->mp), p->err == 0);
    fuzz_check(is_good == (p->err == 0), "%d, and it is %s", p->err, is_good ? "good" : "not good");
    sx_arena_finish(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sx_slice body = fuzz_input(data, len), sizes = fuzz_line(&body);
    struct sx_slice boundary = sx_slice_cut(&sizes, ' ');
    struct sx_arena a;
    struct parsed whole, pieces;
    const char *type;

    if (body.data == NULL)
        return -1;
    sx_arena_init(&a, 1u << 20);
    type = sx_arena_printf(&a, "multipart/form-data; boundary=%.*s", (int)boundary.len,
                           boundary.data == NULL ? "" : boundary.data);
    fuzz_check(type != NULL, "no memory");
    parse(&whole, type, body, sx_slice_of(""));
    parse(&pieces, type, body, sizes);
    fuzz_check((whole.mp == NULL) == (pieces.mp == NULL), "a boundary and none");
    if (whole.mp != NULL) {
        compare(&whole, &pieces);
        if (sx_field_is_token(boundary))
            check(&whole, boundary, body);
    }
    finish(&whole);
    finish(&pieces);
    sx_arena_finish(&a);
    return 0;
}
