/*
 * http_check.c - what must be true of any run.
 *
 * The answers are read by a client of its own, and the requests are found in the sent bytes by a
 * naive reading: a head ends at the first empty line, a body is as long as it says.  A request
 * that the server took from anywhere else was smuggled.
 */
#include "base/buf.h"
#include "http_answer.h"
#include "http_run.h"

/* --- Answers -------------------------------------------------------------------------- */

/* The answers in their order; returns how many.  What is left over must be the beginning of one. */
static size_t read_answers(const struct run *r, struct answer *ret, size_t max)
{
    struct sx_slice rest = sx_slice_make(r->out.data, r->out.len);
    size_t n = 0;

    for (size_t i = 0; i < r->n_records && rest.len > 0; i++) {
        size_t used;

        if (!r->records[i].was_sent)
            continue;
        fuzz_check(n < max, "more answers than requests");
        used = answer_read(rest, r->records[i].is_head, r->is_closed, &ret[n]);
        if (used == 0)
            break;
        fuzz_check(ret[n].status == r->records[i].status, "status %d instead of %d", ret[n].status,
                   r->records[i].status);
        rest = sx_slice_after(rest, used);
        fuzz_check(!ret[n].says_close || rest.len == 0, "%zu bytes behind the last answer",
                   rest.len);
        n++;
    }
    if (sx_slice_is(rest, "HTTP/1.1 100 Continue\r\n\r\n"))
        rest.len = 0; /* the client has been asked for a body and sends none */
    fuzz_check(r->is_rude || rest.len == 0, "%zu bytes that are no answer", rest.len);
    return n;
}

static size_t count_sent(const struct run *r)
{
    size_t n = 0;

    for (size_t i = 0; i < r->n_records; i++)
        n += r->records[i].was_sent;
    return n;
}

static struct answer *all_answers(const struct run *r, size_t *ret_n)
{
    size_t max = r->n_records + 1;
    struct answer *all = calloc(max, sizeof *all);

    fuzz_check(all != NULL, "no memory");
    *ret_n = read_answers(r, all, max);
    return all;
}

void check_answers(const struct run *r)
{
    size_t n;
    struct answer *all = all_answers(r, &n);

    fuzz_check(r->is_rude || n == count_sent(r), "%zu answers, %zu sent", n, count_sent(r));
    free(all);
}

/* --- Framing -------------------------------------------------------------------------- */

static struct sx_slice skip_empty_lines(struct sx_slice s)
{
    while (s.len >= 2 && memcmp(s.data, "\r\n", 2) == 0)
        s = sx_slice_after(s, 2);
    return s;
}

/* With its empty line; absent when there is none. */
static struct sx_slice naive_head(struct sx_slice s)
{
    const char *end = s.len == 0 ? NULL : memmem(s.data, s.len, "\r\n\r\n", 4);

    return end == NULL ? (struct sx_slice){ NULL, 0 }
                       : sx_slice_make(s.data, (size_t)(end - s.data) + 4);
}

static bool naive_field(struct sx_slice head, const char *name, struct sx_slice *ret_value)
{
    struct sx_slice rest = head;

    while (rest.data != NULL) {
        struct sx_slice value = sx_slice_cut(&rest, '\n');

        if (!sx_slice_is_nocase(sx_slice_cut(&value, ':'), name) || value.data == NULL)
            continue;
        value.len -= value.len > 0 && value.data[value.len - 1] == '\r';
        *ret_value = sx_slice_trim(value);
        return true;
    }
    return false;
}

enum framed { WHOLE, CUT, BROKEN };

/* Chunks into body; the rest behind them in *s. */
static enum framed naive_chunks(struct sx_slice *s, struct sx_buf *body)
{
    for (;;) {
        const char *end = s->len == 0 ? NULL : memmem(s->data, s->len, "\r\n", 2);
        uint64_t size = 0;
        size_t n = 0;

        if (end == NULL)
            return CUT;
        for (; strchr("0123456789abcdefABCDEF", s->data[n]) != NULL && s->data[n] != '\0'; n++) {
            if (size > UINT64_MAX >> 4)
                return BROKEN;
            size = size << 4 | (uint64_t)strtoul((char[]){ s->data[n], '\0' }, NULL, 16);
        }
        if (n == 0 || strchr("\r; \t", s->data[n]) == NULL)
            return BROKEN;
        *s = sx_slice_after(*s, (size_t)(end - s->data) + 2);
        if (size == 0)
            break;
        if (s->len < size || s->len - size < 2)
            return CUT;
        sx_buf_add(body, s->data, size);
        if (memcmp(s->data + size, "\r\n", 2) != 0)
            return BROKEN;
        *s = sx_slice_after(*s, (size_t)size + 2);
    }
    for (;;) { /* trailers */
        const char *end = s->len == 0 ? NULL : memmem(s->data, s->len, "\r\n", 2);
        bool is_last = end == s->data;

        if (end == NULL)
            return CUT;
        *s = sx_slice_after(*s, (size_t)(end - s->data) + 2);
        if (is_last)
            return WHOLE;
    }
}

static enum framed naive_body(struct sx_slice head, struct sx_slice *s, struct sx_buf *body)
{
    struct sx_slice value;
    uint64_t len = 0;

    if (naive_field(head, "Transfer-Encoding", &value))
        return naive_chunks(s, body);
    if (!naive_field(head, "Content-Length", &value))
        return WHOLE;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || len > 1u << 30)
            return BROKEN;
        len = len * 10 + (uint64_t)(value.data[i] - '0');
    }
    if (len > s->len)
        return CUT;
    sx_buf_add(body, s->data, len);
    *s = sx_slice_after(*s, (size_t)len);
    return WHOLE;
}

/* The server sets the digit of a later minor version back. */
static bool is_same_head(struct sx_slice a, struct sx_slice b)
{
    const char *end = a.len == 0 ? NULL : memchr(a.data, '\r', a.len);
    size_t at = end == NULL || end == a.data ? 0 : (size_t)(end - a.data) - 1;

    return a.len == b.len && memcmp(a.data, b.data, at) == 0 &&
           memcmp(a.data + at + 1, b.data + at + 1, a.len - at - 1) == 0;
}

static size_t count_field(struct sx_slice head, const char *name)
{
    struct sx_slice rest = head;
    size_t n = 0;

    while (rest.data != NULL) {
        struct sx_slice line = sx_slice_cut(&rest, '\n');

        n += sx_slice_is_nocase(sx_slice_cut(&line, ':'), name);
    }
    return n;
}

/* What two servers may read in two ways must be refused, not repaired. */
static void check_head(struct sx_slice head)
{
    size_t n_lengths = count_field(head, "Content-Length");
    size_t n_codings = count_field(head, "Transfer-Encoding");
    size_t n_hosts = count_field(head, "Host");

    for (size_t i = 0; i < head.len; i++) {
        char next = i + 1 < head.len ? head.data[i + 1] : '\0';

        fuzz_check(head.data[i] != '\r' || next == '\n', "a bare CR in a head");
        fuzz_check(next != '\n' || head.data[i] == '\r', "a bare LF in a head");
        fuzz_check(head.data[i] != '\n' || (next != ' ' && next != '\t' && next != ':'),
                   "a folded or a nameless line");
    }
    fuzz_check(n_lengths + n_codings <= 1, "%zu lengths and %zu codings", n_lengths, n_codings);
    fuzz_check(n_hosts <= 1, "%zu hosts", n_hosts);
}

static void check_one(const struct run_record *record, struct sx_slice *s, bool is_last)
{
    struct sx_slice head;
    struct sx_buf body;
    enum framed framed;

    *s = skip_empty_lines(*s);
    head = naive_head(*s);
    fuzz_check(head.data != NULL && is_same_head(head, record->head),
               "a request from elsewhere: \"%.*s\"", (int)record->head.len, record->head.data);
    check_head(head);
    *s = sx_slice_after(*s, head.len);
    sx_buf_init(&body, 1u << 26);
    framed = naive_body(head, s, &body);
    if (framed != WHOLE)
        fuzz_check(is_last && !record->was_handled, "handled without its whole body");
    else if (record->was_handled && !record->is_form)
        fuzz_check(body.len == record->body.len &&
                       (body.len == 0 || memcmp(body.data, record->body.data, body.len) == 0),
                   "another body: %zu bytes instead of %zu", record->body.len, body.len);
    sx_buf_finish(&body);
}

void check_framing(const struct run *r, struct sx_slice sent)
{
    struct sx_slice s = sent;

    for (size_t i = 0; i < r->n_records; i++) {
        const struct run_record *record = &r->records[i];

        if (!record->has_head) {
            fuzz_check(i + 1 == r->n_records, "a request behind one that was refused");
            return;
        }
        check_one(record, &s, i + 1 == r->n_records);
    }
    if (r->is_closed || r->is_rude)
        return;
    for (size_t i = 0; i < r->n_records; i++)
        if (r->records[i].has_head && !r->records[i].was_handled && r->records[i].status == 0)
            return; /* its body has not come whole */
    s = skip_empty_lines(s);
    fuzz_check(r->server->stats.requests_open > 0 || naive_head(s).data == NULL,
               "a whole head that nobody answered");
}

/* --- Two runs of the same bytes ------------------------------------------------------- */

/* Which rule a head breaks first depends on how much of it has come: limits are looked at before
 * the rest, as soon as they are passed. */
static int kind_of(const struct answer *a)
{
    static const int refusals[] = { 400, 414, 431, 505 };

    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        if (a->says_close && a->status == refusals[i])
            return 400;
    return a->status;
}

void check_same(const struct run *a, const struct run *b)
{
    size_t n_a, n_b;
    struct answer *x = all_answers(a, &n_a), *y = all_answers(b, &n_b);

    if (!a->is_rude && !b->is_rude) {
        fuzz_check(n_a == n_b, "%zu answers in one piece, %zu in several", n_a, n_b);
        fuzz_check(a->is_closed == b->is_closed, "only one of two closes");
        for (size_t i = 0; i < n_a; i++) {
            fuzz_check(kind_of(&x[i]) == kind_of(&y[i]), "answer %zu: %d in one piece, %d", i,
                       x[i].status, y[i].status);
            fuzz_check(x[i].is_problem || x[i].head_hash == y[i].head_hash,
                       "answer %zu: other fields", i);
            fuzz_check(x[i].is_problem || x[i].body_hash == y[i].body_hash,
                       "answer %zu: another body", i);
        }
    }
    free(x);
    free(y);
}
