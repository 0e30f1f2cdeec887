/* secret/fetch.c - the loop, the tries, and what an answer means. */
#include "secret/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "secret/endpoint.h"

#define MAX_ANSWER_BYTES (4u << 20)
#define FIRST_PAUSE_MS   100u
#define MAX_PAUSE_MS     2000u
#define MIN_TRY_MS       1000u
#define MAX_WAIT_MS      1000u

uint64_t sx_fetch_now_ms(void)
{
    return sx_clock_mono_ns() / 1000000;
}

int sx_fetch_init(struct sx_fetch *f, const struct sx_secret_settings *set)
{
    const char *ca_file = getenv("SSL_CERT_FILE");

    *f = (struct sx_fetch){ .set = set,
                            .deadline_ms = sx_fetch_now_ms() + set->deadline_ms,
                            .ca_file = ca_file != NULL && *ca_file != '\0' ? ca_file : NULL };
    sx_list_init(&f->calls);
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return SX_ERR_NOMEM;
    f->multi = curl_multi_init();
    if (f->multi == NULL || curl_multi_setopt(f->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                                              (long)set->parallel) != CURLM_OK)
        return SX_ERR_NOMEM;
    return 0;
}

void sx_fetch_finish(struct sx_fetch *f)
{
    sx_token_finish(&f->token);
    if (f->multi != NULL)
        (void)curl_multi_cleanup(f->multi);
    curl_global_cleanup();
}

/* --- one call -------------------------------------------------------------------------------- */

static size_t on_bytes(char *data, size_t size, size_t n, void *arg)
{
    struct sx_call *call = arg;

    sx_buf_add(&call->answer, data, size * n);
    return sx_buf_failed(&call->answer) ? 0 : size * n;
}

static void close_easy(struct sx_call *call)
{
    if (call->easy != NULL) {
        (void)curl_multi_remove_handle(call->fetch->multi, call->easy);
        curl_easy_cleanup(call->easy);
    }
    curl_slist_free_all(call->headers);
    call->easy = NULL;
    call->headers = NULL;
}

void sx_call_finish(struct sx_call *call)
{
    if (call->answer.data != NULL)
        explicit_bzero(call->answer.data, call->answer.cap);
    sx_buf_finish(&call->answer);
}

static void end(struct sx_call *call, bool is_ok)
{
    close_easy(call);
    sx_list_remove(&call->link);
    call->is_ok = is_ok;
    call->on_done(call, call->arg);
}

static void fail(struct sx_call *call, const char *why)
{
    if (why != call->why)
        (void)snprintf(call->why, sizeof call->why, "%s", why);
    end(call, false);
}

/* A third of it all, so that one that hangs leaves time for another try. */
static long try_ms(const struct sx_fetch *f)
{
    const uint64_t now_ms = sx_fetch_now_ms();
    uint64_t left_ms = f->deadline_ms > now_ms ? f->deadline_ms - now_ms : 1;
    uint64_t part_ms = f->set->deadline_ms / 3;

    part_ms = part_ms < MIN_TRY_MS ? MIN_TRY_MS : part_ms;
    return (long)(part_ms < left_ms ? part_ms : left_ms);
}

static bool add_header(struct sx_call *call, const char *header)
{
    struct curl_slist *list = curl_slist_append(call->headers, header);

    if (list != NULL)
        call->headers = list;
    return list != NULL;
}

static bool add_headers(struct sx_call *call)
{
    if (call->wants_token && !add_header(call, call->fetch->token.header))
        return false;
    if (!call->wants_token && !add_header(call, "Metadata-Flavor: Google"))
        return false;
    return call->body == NULL || add_header(call, "Content-Type: application/json");
}

static CURLcode set_up(struct sx_call *call)
{
    const bool is_plain = !sx_endpoint_is_https(call->url);
    CURL *easy = call->easy;
    CURLcode rc = curl_easy_setopt(easy, CURLOPT_URL, call->url);

#define SET(option, value) rc = rc == CURLE_OK ? curl_easy_setopt(easy, option, value) : rc
    SET(CURLOPT_PRIVATE, call);
    SET(CURLOPT_HTTPHEADER, call->headers);
    SET(CURLOPT_WRITEFUNCTION, on_bytes);
    SET(CURLOPT_WRITEDATA, call);
    SET(CURLOPT_PROTOCOLS_STR, is_plain ? "http" : "https");
    SET(CURLOPT_FOLLOWLOCATION, 0L); /* no token to whom we do not know */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* does not wait for a name server that is silent */
    SET(CURLOPT_USERAGENT, "sim-exchange/" SX_VERSION);
    SET(CURLOPT_TIMEOUT_MS, try_ms(call->fetch));
    if (is_plain) /* the metadata server and loopback are behind no proxy */
        SET(CURLOPT_PROXY, "");
    if (call->fetch->ca_file != NULL)
        SET(CURLOPT_CAINFO, call->fetch->ca_file);
    if (call->body != NULL)
        SET(CURLOPT_POSTFIELDS, call->body);
#undef SET
    return rc;
}

static void send_call(struct sx_call *call)
{
    call->state = SX_CALL_RUNNING;
    call->tries++;
    call->token_number = call->fetch->token.number;
    sx_call_finish(call);
    sx_buf_init(&call->answer, MAX_ANSWER_BYTES);
    call->easy = curl_easy_init();
    if (call->easy == NULL || !add_headers(call) || set_up(call) != CURLE_OK ||
        curl_multi_add_handle(call->fetch->multi, call->easy) != CURLM_OK)
        fail(call, "no memory");
}

void sx_call_begin(struct sx_fetch *f, struct sx_call *call)
{
    call->fetch = f;
    call->state = SX_CALL_WAITING;
    call->due_ms = 0;
    sx_list_push(&f->calls, &call->link);
}

/* --- what an answer means ----------------------------------------------------------------- */

static uint64_t pause_ms(uint32_t tries)
{
    uint64_t ms = FIRST_PAUSE_MS << (tries - 1 < 8 ? tries - 1 : 8);

    ms = ms < MAX_PAUSE_MS ? ms : MAX_PAUSE_MS;
    return ms / 2 + sx_clock_mono_ns() % (ms / 2 + 1); /* many instances start at a time */
}

/* When all the time is over, that is what is told: fail_all. */
static void try_again(struct sx_call *call)
{
    const struct sx_fetch *f = call->fetch;
    const uint64_t now_ms = sx_fetch_now_ms();
    uint64_t due_ms = now_ms + pause_ms(call->tries);
    const size_t len = strlen(call->why);

    if (now_ms < f->deadline_ms && (call->tries >= f->set->tries || due_ms >= f->deadline_ms)) {
        (void)snprintf(call->why + len, sizeof call->why - len, ", tried %u time%s", call->tries,
                       call->tries == 1 ? "" : "s");
        fail(call, call->why);
        return;
    }
    close_easy(call);
    call->state = SX_CALL_WAITING;
    call->due_ms = due_ms;
}

/* Names of google.rpc.Code: the message beside it is not ours, and might say anything. */
static const char *status_of(const struct sx_call *call)
{
    static const char *const known[] = {
        "INVALID_ARGUMENT",   "FAILED_PRECONDITION", "OUT_OF_RANGE", "UNAUTHENTICATED",
        "PERMISSION_DENIED",  "NOT_FOUND",           "ABORTED",      "ALREADY_EXISTS",
        "RESOURCE_EXHAUSTED", "CANCELLED",           "DATA_LOSS",    "UNKNOWN",
        "INTERNAL",           "UNIMPLEMENTED",       "UNAVAILABLE",  "DEADLINE_EXCEEDED",
    };
    json_t *answer = json_loadb(call->answer.data, call->answer.len, 0, NULL);
    const char *status = json_string_value(
        json_object_get(json_object_get(answer, "error"), "status"));
    const char *found = NULL;

    for (size_t i = 0; status != NULL && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(status, known[i]) == 0)
            found = known[i];
    json_decref(answer);
    return found;
}

static void tell_status(struct sx_call *call, long status)
{
    const char *name = status_of(call);
    char host[128], hint[160] = "";

    sx_endpoint_host(call->url, host, sizeof host);
    if (status == 403)
        (void)snprintf(hint, sizeof hint, "\nGrant %s to the service account.", call->role);
    else if (status == 404)
        (void)snprintf(hint, sizeof hint, "\nThere is no %s of this name.", call->expected);
    else if (status >= 300 && status < 400)
        (void)snprintf(hint, sizeof hint, "\nA redirect is not followed.");
    (void)snprintf(call->why, sizeof call->why, "%s: expected 200, found %ld%s%s%s", host, status,
                   name != NULL ? " " : "", name != NULL ? name : "", hint);
}

static bool may_pass(long status)
{
    return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
           status == 504;
}

static void on_status(struct sx_call *call, long status)
{
    if (status == 200) {
        end(call, true);
        return;
    }
    if (status == 401 && call->wants_token && !call->was_refused) {
        call->was_refused = true;
        sx_token_drop(call->fetch, call->token_number);
        close_easy(call);
        call->state = SX_CALL_WAITING;
        call->due_ms = 0;
        return;
    }
    tell_status(call, status);
    if (may_pass(status))
        try_again(call);
    else
        fail(call, call->why);
}

/* These do not pass: the certificate, the address as it is written, an answer without an end. */
static bool is_final(CURLcode code)
{
    return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
           code == CURLE_WRITE_ERROR || code == CURLE_URL_MALFORMAT ||
           code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_OUT_OF_MEMORY;
}

static void on_failure(struct sx_call *call, CURLcode code)
{
    char host[128];

    sx_endpoint_host(call->url, host, sizeof host);
    (void)snprintf(call->why, sizeof call->why, "%s: cannot be asked: %s", host,
                   code == CURLE_WRITE_ERROR ? "its answer is too long" : curl_easy_strerror(code));
    if (is_final(code))
        fail(call, call->why);
    else
        try_again(call);
}

/* --- the loop -------------------------------------------------------------------------------- */

static void hear(struct sx_fetch *f)
{
    const CURLMsg *m;
    int n;

    while ((m = curl_multi_info_read(f->multi, &n)) != NULL) {
        struct sx_call *call = NULL;
        CURLcode code = m->data.result;
        long status = 0;

        if (m->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &call);
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_RESPONSE_CODE, &status);
        if (code == CURLE_OK)
            on_status(call, status);
        else
            on_failure(call, code);
    }
}

/* The first call that is in a state and, when it waits, due. */
static struct sx_call *find(struct sx_fetch *f, enum sx_call_state state, uint64_t now_ms)
{
    for (struct sx_list *at = f->calls.next; at != &f->calls; at = at->next) {
        struct sx_call *call = SX_MEMBER_OF(at, struct sx_call, link);

        if (call->state == state && (state != SX_CALL_WAITING || call->due_ms <= now_ms))
            return call;
    }
    return NULL;
}

static void send_due(struct sx_fetch *f)
{
    const uint64_t now_ms = sx_fetch_now_ms();
    struct sx_call *call;

    while ((call = find(f, SX_CALL_WAITING, now_ms)) != NULL) {
        if (call->wants_token && !sx_token_is_ready(f))
            call->state = SX_CALL_WANTS_TOKEN;
        else
            send_call(call);
    }
}

void sx_fetch_on_token(struct sx_fetch *f, const char *why)
{
    struct sx_call *call;

    while ((call = find(f, SX_CALL_WANTS_TOKEN, 0)) != NULL) {
        if (why != NULL)
            fail(call, why);
        else
            send_call(call);
    }
}

static int wait_ms(const struct sx_fetch *f)
{
    const uint64_t now_ms = sx_fetch_now_ms();
    uint64_t due_ms = now_ms + MAX_WAIT_MS;

    if (f->deadline_ms < due_ms)
        due_ms = f->deadline_ms;
    for (const struct sx_list *at = f->calls.next; at != &f->calls; at = at->next) {
        const struct sx_call *call = SX_MEMBER_OF(at, struct sx_call, link);

        if (call->state == SX_CALL_WAITING && call->due_ms < due_ms)
            due_ms = call->due_ms;
    }
    return due_ms > now_ms ? (int)(due_ms - now_ms) : 0;
}

static void fail_all(struct sx_fetch *f)
{
    char why[SX_CALL_WHY], host[128];

    while (!sx_list_is_empty(&f->calls)) {
        struct sx_call *call = SX_MEMBER_OF(f->calls.next, struct sx_call, link);

        sx_endpoint_host(call->state == SX_CALL_WANTS_TOKEN ? f->token.url : call->url, host,
                         sizeof host);
        (void)snprintf(why, sizeof why, "%s: no answer within %u ms%s%.100s", host,
                       f->set->deadline_ms, call->why[0] != '\0' ? "; before: " : "", call->why);
        fail(call, why);
    }
}

void sx_fetch_run(struct sx_fetch *f)
{
    int n_running;

    while (!sx_list_is_empty(&f->calls) && sx_fetch_now_ms() < f->deadline_ms) {
        send_due(f);
        if (curl_multi_perform(f->multi, &n_running) != CURLM_OK)
            break;
        hear(f);
        if (!sx_list_is_empty(&f->calls))
            (void)curl_multi_poll(f->multi, NULL, 0, wait_ms(f), NULL);
    }
    fail_all(f);
}
