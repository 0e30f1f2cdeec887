/*
 * auth.c - who sent a request.
 *
 * `signature` is the hexadecimal HMAC-SHA256, keyed with the text of the secret, over the query and
 * the body as they were received, one behind the other and without the parameter itself.  No
 * statement is needed: see trading/credential.h.  That a key was not taken back is checked by the
 * statement that follows.
 */
#include "binance.h"

#include <openssl/crypto.h>

#define RECV_WINDOW_MS     5000
#define MAX_RECV_WINDOW_MS 60000
#define MAX_AHEAD_MS       1000

/* What is signed, in up to four parts, and the signature itself. */
struct payload {
    sx_span parts[4];
    size_t n;
    sx_span sign;
    int n_signs;
};

/* Where the parameter "signature" begins in text, or its end. */
static size_t find_sign(sx_span text)
{
    static const char name[] = "signature=";
    const size_t len = sizeof name - 1;

    for (size_t at = 0; at + len <= text.len;) {
        const char *next = memchr(text.data + at, '&', text.len - at);

        if (memcmp(text.data + at, name, len) == 0)
            return at;
        if (next == NULL)
            break;
        at = (size_t)(next - text.data) + 1;
    }
    return text.len;
}

/* Takes the signature out of a query or a body, and one of the ampersands beside it. */
static void add_part(struct payload *p, sx_span text)
{
    const size_t at = find_sign(text);
    const char *value, *next;
    size_t left;

    if (at == text.len) {
        p->parts[p->n++] = text;
        return;
    }
    value = text.data + at + strlen("signature=");
    left = (size_t)(text.data + text.len - value);
    next = memchr(value, '&', left);
    p->sign = (sx_span){ value, next == NULL ? left : (size_t)(next - value) };
    p->n_signs++;
    left -= p->sign.len;
    p->parts[p->n++] = (sx_span){ text.data, at > 0 ? at - 1 : 0 };
    if (left > 0)
        p->parts[p->n++] = at > 0 ? (sx_span){ next, left } : (sx_span){ next + 1, left - 1 };
}

static struct payload payload_of(const sx_req *r)
{
    const char *query = strchr(sx_req_target(r), '?');
    struct payload p = { .n = 0 };

    if (query != NULL)
        add_part(&p, (sx_span){ query + 1, strlen(query + 1) });
    if (sx_body(r).len > 0)
        add_part(&p, sx_body(r));
    return p;
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool read_hex(sx_span text, uint8_t ret[CREDENTIAL_HMAC])
{
    if (text.len != (size_t)2 * CREDENTIAL_HMAC)
        return false;
    for (size_t i = 0; i < CREDENTIAL_HMAC; i++) {
        const int high = digit_of(text.data[2 * i]), low = digit_of(text.data[2 * i + 1]);

        if (high < 0 || low < 0)
            return false;
        ret[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool is_signed(const struct binance *b, const struct credential *c, const struct payload *p)
{
    char secret[CREDENTIAL_SECRET];
    uint8_t given[CREDENTIAL_HMAC], expected[CREDENTIAL_HMAC];
    bool is_good = credential_secret(b->master, c, secret);

    is_good = is_good && read_hex(p->sign, given) &&
              credential_hmac(secret, strlen(secret), p->parts, p->n, expected);
    OPENSSL_cleanse(secret, sizeof secret);
    return is_good && credential_equal(given, sizeof given, expected, sizeof expected);
}

static void check_time(struct input *in)
{
    const int64_t window_ms = input_int(in, "recvWindow", RECV_WINDOW_MS);
    const int64_t now_ms = answer_now(in->r);
    int64_t sent_ms = 0;

    if (input_needed(in, "timestamp") != NULL)
        sent_ms = input_int(in, "timestamp", 0);
    if (window_ms > MAX_RECV_WINDOW_MS)
        input_refuse(in, BAD_RECV_WINDOW, "recvWindow must be less than %d", MAX_RECV_WINDOW_MS);
    if (sent_ms > now_ms + MAX_AHEAD_MS)
        input_refuse(in, INVALID_TIMESTAMP,
                     "Timestamp for this request was %dms ahead of the server's time.",
                     MAX_AHEAD_MS);
    if (now_ms - sent_ms > window_ms)
        input_refuse(in, INVALID_TIMESTAMP,
                     "Timestamp for this request is outside of the recvWindow.");
}

/* SX_NEXT and *ret, or the answer is given and its result returned. */
static int check(sx_req *r, struct credential *ret)
{
    static const char digits[] = "0123456789abcdef";
    const struct binance *b = binance_of(r);
    const char *key = sx_header(r, "X-MBX-APIKEY");
    const struct payload p = payload_of(r);
    struct input in = input_begin(r);

    if (key == NULL || strlen(key) != CREDENTIAL_KEY - 1 ||
        strspn(key, digits) != CREDENTIAL_KEY - 1)
        return answer_fail(r, 401, BAD_API_KEY_FMT, "API-key format invalid.");
    (void)input_needed(&in, "signature");
    check_time(&in);
    if (in.code != 0)
        return input_answer(&in);
    if (!credential_read(b->master, key, ret))
        return answer_bad_key(r);
    if (p.n_signs != 1 || !is_signed(b, ret, &p))
        return answer_fail(r, 400, INVALID_SIGNATURE, "Signature for this request is not valid.");
    return SX_NEXT;
}

int for_all(sx_req *r, instruments_fn *fn)
{
    sx_on_db_error(r, answer_db_error, NULL);
    return instruments_with(r, &binance_of(r)->instruments, fn, NULL);
}

int for_trader(sx_req *r, instruments_fn *fn)
{
    struct credential *who = sx_req_new(r, struct credential);
    int err;

    if (who == NULL)
        return SX_ENOMEM;
    err = check(r, who);
    if (err != SX_NEXT)
        return err;
    sx_on_db_error(r, answer_db_error, NULL);
    return instruments_with(r, &binance_of(r)->instruments, fn, who);
}
