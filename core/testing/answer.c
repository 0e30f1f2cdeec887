/*
 * testing/answer.c - the bytes of an answer, understood as they come (RFC 9112).
 *
 * Strict: what is not exactly an answer breaks it, and breaks the test.
 */
#include <stdlib.h>

#include "base/text.h"
#include "testing/testing_private.h"

#define MAX_BYTES (1u << 30)

struct sxt_answer *sxt_answer_create(sx_test *client)
{
    struct sxt_server *s = client->server;
    struct sxt_answer *a = sx_arena_zalloc(&s->arena, sizeof *a);

    if (a == NULL)
        return NULL;
    a->client = client;
    a->face.type = a->face.body = "";
    a->face.priv = (const struct sx_answer_private *)(const void *)a;
    sx_buf_init(&a->raw, MAX_BYTES);
    sx_buf_init(&a->body, MAX_BYTES);
    sx_list_push(&s->answers, &a->link);
    return a;
}

void sxt_answer_finish(struct sxt_answer *a)
{
    sx_buf_finish(&a->raw);
    sx_buf_finish(&a->body);
    json_decref(a->json);
    a->json = NULL;
}

/* --- The head ------------------------------------------------------------------------------ */

static void break_it(struct sxt_answer *a, const char *fault)
{
    a->state = ANSWER_BROKEN;
    a->fault = fault;
}

/* A line without its CR LF; false when it has not come yet. */
static bool take_line(struct sxt_answer *a, struct sx_slice *ret_line)
{
    const char *begin = a->raw.data + a->at;
    const char *end = a->raw.len == a->at ? NULL : memchr(begin, '\n', a->raw.len - a->at);

    if (end == NULL)
        return false;
    *ret_line = sx_slice_make(begin, (size_t)(end - begin));
    a->at += ret_line->len + 1;
    if (ret_line->len == 0 || begin[ret_line->len - 1] != '\r')
        break_it(a, "a line does not end with CR LF");
    else
        ret_line->len--;
    return true;
}

static void take_status(struct sxt_answer *a, struct sx_slice line)
{
    static const char version[] = "HTTP/1.1 ";
    const size_t n = sizeof version - 1;
    uint64_t status;

    if (line.len < n + 4 || memcmp(line.data, version, n) != 0 || line.data[n + 3] != ' ' ||
        sx_parse_uint(line.data + n, 3, &status) < 0 || status < 100) {
        break_it(a, "the first line is no status line");
        return;
    }
    a->face.status = (int)status;
}

static bool grow_headers(struct sxt_answer *a)
{
    size_t cap = a->cap_headers == 0 ? 16 : 2 * a->cap_headers;
    struct sxt_header *v = sx_arena_alloc(&a->client->server->arena, cap * sizeof *v);

    if (v == NULL)
        return false;
    if (a->n_headers > 0)
        memcpy(v, a->headers, a->n_headers * sizeof *v);
    a->headers = v;
    a->cap_headers = cap;
    return true;
}

static void take_header(struct sxt_answer *a, struct sx_slice line)
{
    const char *colon = memchr(line.data, ':', line.len);
    struct sx_arena *arena = &a->client->server->arena;
    struct sx_slice value;

    if (colon == NULL || colon == line.data || colon[-1] == ' ' || line.data[0] == ' ') {
        break_it(a, "a header line is malformed");
        return;
    }
    if (a->n_headers == a->cap_headers && !grow_headers(a)) {
        break_it(a, "it has too many headers");
        return;
    }
    value = sx_slice_after(line, (size_t)(colon - line.data) + 1);
    while (value.len > 0 && sx_slice_is_blank_char(value.data[0]))
        value = sx_slice_after(value, 1);
    a->headers[a->n_headers++] = (struct sxt_header){ sx_arena_text(arena, line.data,
                                                                    (size_t)(colon - line.data)),
                                                      sx_arena_text(arena, value.data, value.len) };
}

const char *sxt_answer_header(const struct sxt_answer *a, const char *name, uint32_t index)
{
    for (size_t i = 0; i < a->n_headers; i++)
        if (sx_slice_is_nocase(sx_slice_of(a->headers[i].name), name) && index-- == 0)
            return a->headers[i].value;
    return NULL;
}

/* RFC 9112, section 6.3. */
static void choose_body(struct sxt_answer *a)
{
    const char *length = sxt_answer_header(a, "Content-Length", 0);
    const char *coding = sxt_answer_header(a, "Transfer-Encoding", 0);
    bool has_none = a->is_head || a->face.status == 204 || a->face.status == 304;

    if (coding != NULL && (length != NULL || strcmp(coding, "chunked") != 0))
        break_it(a, "its length is told twice, or in an unknown way");
    else if (sxt_answer_header(a, "Content-Length", 1) != NULL)
        break_it(a, "it has two lengths");
    else if (length != NULL && sx_parse_uint(length, strlen(length), &a->left) < 0)
        break_it(a, "its length is no number");
    else if (has_none)
        a->state = ANSWER_WHOLE;
    else if (coding != NULL)
        a->state = ANSWER_CHUNK_SIZE;
    else if (length != NULL)
        a->state = a->left == 0 ? ANSWER_WHOLE : ANSWER_LENGTH;
    else
        a->state = ANSWER_UNTIL_CLOSE;
}

/* An interim answer, as "100 Continue", is passed over; behind 101 come frames until the close. */
static void end_head(struct sxt_answer *a)
{
    const char *type = sxt_answer_header(a, "Content-Type", 0);

    if (a->face.status < 200 && a->face.status != 101) {
        a->face.status = 0;
        a->n_headers = 0;
        return;
    }
    a->face.type = type == NULL ? "" : type;
    choose_body(a);
}

static bool step_head(struct sxt_answer *a)
{
    struct sx_slice line;

    if (!take_line(a, &line) || a->state == ANSWER_BROKEN)
        return false;
    if (a->face.status == 0)
        take_status(a, line);
    else if (line.len == 0)
        end_head(a);
    else
        take_header(a, line);
    return true;
}

/* --- The body --------------------------------------------------------------------------------- */

static bool step_bytes(struct sxt_answer *a, enum sxt_answer_state then)
{
    size_t have = a->raw.len - a->at;
    size_t n = a->left < have ? (size_t)a->left : have;

    sx_buf_add(&a->body, a->raw.data + a->at, n);
    a->at += n;
    a->left -= n;
    if (a->left == 0)
        a->state = then;
    return n > 0;
}

static bool step_chunk_size(struct sxt_answer *a)
{
    struct sx_slice line;
    char digits[17], *end;

    if (!take_line(a, &line) || a->state == ANSWER_BROKEN)
        return false;
    if (line.len == 0 || line.len >= sizeof digits) {
        break_it(a, "the size of a chunk is missing or too long");
        return false;
    }
    memcpy(digits, line.data, line.len);
    digits[line.len] = '\0';
    a->left = strtoull(digits, &end, 16);
    if (*end != '\0')
        break_it(a, "the size of a chunk is no number");
    else
        a->state = a->left == 0 ? ANSWER_TRAILER : ANSWER_CHUNK;
    return true;
}

static bool step_chunk_end(struct sxt_answer *a, enum sxt_answer_state then)
{
    struct sx_slice line;

    if (!take_line(a, &line) || a->state == ANSWER_BROKEN)
        return false;
    if (line.len != 0)
        break_it(a, "there is something behind a chunk");
    else
        a->state = then;
    return true;
}

/* False when nothing more can be understood now. */
static bool step(struct sxt_answer *a)
{
    switch (a->state) {
    case ANSWER_HEAD: return step_head(a);
    case ANSWER_LENGTH: return step_bytes(a, ANSWER_WHOLE);
    case ANSWER_CHUNK_SIZE: return step_chunk_size(a);
    case ANSWER_CHUNK: return step_bytes(a, ANSWER_CHUNK_END);
    case ANSWER_CHUNK_END: return step_chunk_end(a, ANSWER_CHUNK_SIZE);
    case ANSWER_TRAILER: return step_chunk_end(a, ANSWER_WHOLE);
    case ANSWER_UNTIL_CLOSE: a->left = UINT64_MAX; return step_bytes(a, ANSWER_UNTIL_CLOSE);
    default: break;
    }
    if (a->state == ANSWER_WHOLE && a->at < a->raw.len)
        break_it(a, "there are bytes behind it");
    return false;
}

static void forget_understood(struct sxt_answer *a)
{
    memmove(a->raw.data, a->raw.data + a->at, a->raw.len - a->at);
    a->raw.len -= a->at;
    a->at = 0;
}

static void take_close(struct sxt_answer *a)
{
    a->conn = NULL;
    if (a->state == ANSWER_UNTIL_CLOSE)
        a->state = ANSWER_WHOLE;
    else if (a->state != ANSWER_WHOLE)
        break_it(a, "the connection was closed before it was whole");
}

/* Runs inside the server's write: a client that leaves does it here, in the middle. */
void sxt_answer_feed(struct sxt_answer *a, const char *data, size_t len)
{
    if (data == NULL) {
        take_close(a);
        return;
    }
    sx_buf_add(&a->raw, data, len);
    while (a->state != ANSWER_BROKEN && step(a))
        continue;
    if (a->at > 0)
        forget_understood(a);
    a->face.len = a->body.len;
    a->face.body = a->body.len == 0 ? "" : sx_buf_text(&a->body);
    if (a->leave_after > 0 && a->body.len >= a->leave_after)
        sxt_exchange_close(a);
}

bool sxt_answer_has_head(const struct sxt_answer *a)
{
    return a->state != ANSWER_HEAD;
}

bool sxt_answer_is_over(const struct sxt_answer *a)
{
    return a->state == ANSWER_WHOLE || a->state == ANSWER_BROKEN || a->conn == NULL;
}
