/*
 * base/log_line.c - what stands in a line, as JSON for a collector and as text for a person.
 *
 * The JSON keys are those of Google Cloud's structured logging (severity, message, time,
 * httpRequest and logging.googleapis.com/...) and our own.  The ceilings below add up to less
 * than a line.
 */
#include "base/log_line.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log_put.h"

#define MAX_MESSAGE 8192u
#define MAX_VALUE   1024u
#define MAX_KEY     64u
#define MAX_URL     4096u
#define MAX_SHORT   256u
#define MAX_TOKEN   64u /* method, protocol, ids of traces */
#define FIELD_ROOM  (MAX_VALUE + MAX_KEY + 128u)

static const char *const severity_names[] = { "DEBUG", "INFO", "WARNING", "ERROR" };

static const char *name_severity(int severity)
{
    return severity_names[severity < SX_LOG_DEBUG || severity > SX_LOG_ERROR ? SX_LOG_ERROR
                                                                             : severity];
}

#define WORDS 3

/* Written by one thread at a time; the others format their own text meanwhile. */
static void set_clock(struct log_clock *c, int64_t unix_s, const uint64_t words[WORDS])
{
    uint64_t version = __atomic_load_n(&c->version, __ATOMIC_RELAXED);

    if (version % 2 != 0 || !__atomic_compare_exchange_n(&c->version, &version, version + 1, false,
                                                         __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        return;
    __atomic_store_n(&c->unix_s, unix_s, __ATOMIC_RELEASE);
    for (size_t i = 0; i < WORDS; i++)
        __atomic_store_n(&c->words[i], words[i], __ATOMIC_RELEASE);
    __atomic_store_n(&c->version, version + 2, __ATOMIC_RELEASE);
}

/* What was read counts only if nobody wrote meanwhile. */
static bool read_clock(const struct log_clock *c, int64_t unix_s, uint64_t ret_words[WORDS])
{
    uint64_t version = __atomic_load_n(&c->version, __ATOMIC_ACQUIRE);

    if (version % 2 != 0 || version == 0 || __atomic_load_n(&c->unix_s, __ATOMIC_ACQUIRE) != unix_s)
        return false;
    for (size_t i = 0; i < WORDS; i++)
        ret_words[i] = __atomic_load_n(&c->words[i], __ATOMIC_ACQUIRE);
    return __atomic_load_n(&c->version, __ATOMIC_RELAXED) == version;
}

/* As sx_format_rfc3339, but the calendar is asked once a second. */
static void format_time(char to[SX_RFC3339_LEN], struct log_clock *c)
{
    int64_t wall_ns = sx_clock_wall_ns();
    int64_t unix_s = wall_ns / 1000000000;
    uint64_t words[WORDS] = { 0 };
    char text[SX_RFC3339_LEN];

    if (!read_clock(c, unix_s, words)) {
        sx_format_rfc3339(text, unix_s * 1000000000);
        memcpy(words, text, 20);
        set_clock(c, unix_s, words);
    }
    memcpy(to, words, 20);
    sx_format_digits(to + 20, (uint64_t)(wall_ns % 1000000000) / 1000, 6);
    to[26] = 'Z';
}

/* {"severity":"INFO","time":"...","message": */
static void begin_json(struct log_line *to, const struct log_style *style, int severity)
{
    const char *name = name_severity(severity);

    LOG_PUT(to, "{\"severity\":\"");
    log_put(to, name, strlen(name));
    LOG_PUT(to, "\",\"time\":\"");
    format_time(to->data + to->len, style->clock);
    to->len += SX_RFC3339_LEN;
    LOG_PUT(to, "\",\"message\":\"");
}

/* 12:34:56.789 INFO    worker 0: */
static void begin_text(struct log_line *to, const struct log_style *style, int severity)
{
    const char *name = name_severity(severity);
    size_t len = strlen(name);
    char time[SX_RFC3339_LEN];

    format_time(time, style->clock);
    log_put(to, time + 11, 12);
    LOG_PUT(to, "Z ");
    log_put(to, name, len);
    log_put(to, "        ", 8 - len);
    log_put(to, style->process, style->process_len);
}

static void end_json(struct log_line *to)
{
    LOG_PUT(to, "}\n");
}

/* --- events --------------------------------------------------------------------------- */

static bool is_absent(const struct sx_log_field *f)
{
    return f->kind == SX_LOG_STR && f->v.s == NULL;
}

static void put_quoted(struct log_line *to, const char *text, size_t max)
{
    LOG_PUT(to, "\"");
    log_put_json(to, text, max);
    LOG_PUT(to, "\"");
}

static void put_trace_link(struct log_line *to, const struct log_style *style, const char *id)
{
    log_put(to, style->trace, style->trace_len);
    log_put_json(to, id, MAX_TOKEN);
    LOG_PUT(to, "\"");
}

static void put_field_json(struct log_line *to, const struct log_style *style,
                           const struct sx_log_field *f)
{
    if (style->trace != NULL && f->kind == SX_LOG_STR && strcmp(f->key, "trace_id") == 0) {
        put_trace_link(to, style, f->v.s);
        return;
    }
    LOG_PUT(to, ",\"");
    log_put_json(to, f->key, MAX_KEY);
    LOG_PUT(to, "\":");
    if (f->kind == SX_LOG_STR)
        put_quoted(to, f->v.s, MAX_VALUE);
    else if (f->kind == SX_LOG_INT)
        log_put_int(to, f->v.i);
    else
        log_put_double(to, f->v.f);
}

static void put_field_text(struct log_line *to, const struct sx_log_field *f)
{
    LOG_PUT(to, " ");
    log_put_plain(to, f->key, MAX_KEY);
    LOG_PUT(to, "=");
    if (f->kind == SX_LOG_STR)
        log_put_value(to, f->v.s, MAX_VALUE);
    else if (f->kind == SX_LOG_INT)
        log_put_int(to, f->v.i);
    else
        log_put_double(to, f->v.f);
}

/* Fields that no longer fit are left out. */
static void put_fields(struct log_line *to, const struct log_style *style,
                       const struct sx_log_field *f)
{
    for (; f != NULL && f->kind != SX_LOG_END; f++) {
        if (to->len + FIELD_ROOM > LOG_LINE_BYTES)
            return;
        if (is_absent(f))
            continue;
        if (style->is_json)
            put_field_json(to, style, f);
        else
            put_field_text(to, f);
    }
}

static void put_message(struct log_line *to, const struct log_style *style, const char *message)
{
    if (!style->is_json) {
        log_put_plain(to, message, MAX_MESSAGE);
        return;
    }
    log_put_json(to, message, MAX_MESSAGE);
    LOG_PUT(to, "\"");
}

void log_line_event(struct log_line *to, const struct log_style *style, int severity,
                    const struct sx_log_field *fields, const char *fmt, va_list ap)
{
    char message[MAX_MESSAGE + 2]; /* one more than is shown, so that a cut one is seen */

    if (vsnprintf(message, sizeof(message), fmt, ap) < 0)
        message[0] = '\0';
    to->len = 0;
    if (style->is_json)
        begin_json(to, style, severity);
    else
        begin_text(to, style, severity);
    put_message(to, style, message);
    if (style->is_json)
        log_put(to, style->process, style->process_len);
    put_fields(to, style, fields);
    if (style->is_json)
        end_json(to);
    else
        LOG_PUT(to, "\n");
}

static void put_event(struct log_line *to, const struct log_style *style, int severity,
                      const struct sx_log_field *fields, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    log_line_event(to, style, severity, fields, fmt, ap);
    va_end(ap);
}

void log_line_lost(struct log_line *to, const struct log_style *style, uint64_t n_lost)
{
    const struct sx_log_field fields[] = {
        { .key = "lost_lines", .kind = SX_LOG_INT, .v.i = (int64_t)n_lost },
        { 0 },
    };

    put_event(to, style, SX_LOG_WARNING, fields,
              "%llu lines of the log were lost: its output was blocked",
              (unsigned long long)n_lost);
}

/* --- requests ------------------------------------------------------------------------- */

/* ,"key":"text" when there is a text; in line, so that the copy of the key is a few moves. */
static inline __attribute__((always_inline)) void put_member(struct log_line *to, const char *key,
                                                             size_t key_len, const char *text,
                                                             size_t max)
{
    if (text == NULL)
        return;
    log_put(to, key, key_len);
    log_put_json(to, text, max);
    LOG_PUT(to, "\"");
}

#define PUT_MEMBER(to, key, text, max) \
    put_member((to), ",\"" key "\":\"", sizeof(",\"" key "\":\"") - 1, (text), (max))

/* Milliseconds with three decimals. */
static void put_ms(struct log_line *to, uint64_t us)
{
    log_put_uint(to, us / 1000);
    LOG_PUT(to, ".");
    log_put_digits(to, us % 1000, 3);
}

static uint64_t us_of_ms(double ms)
{
    return (uint64_t)((ms < 1e12 ? ms : 1e12) * 1000 + 0.5);
}

/* "GET /accounts/{id} 200": of the route where one matched, so that equal things look equal. */
static void put_summary(struct log_line *to, const struct sx_log_request *req)
{
    const char *place = req->route != NULL ? req->route : req->url;

    log_put_json(to, req->method != NULL ? req->method : "-", MAX_TOKEN);
    LOG_PUT(to, " ");
    log_put_json(to, place != NULL ? place : "-", MAX_SHORT);
    LOG_PUT(to, " ");
    log_put_uint(to, (uint64_t)(req->status > 0 ? req->status : 0));
    LOG_PUT(to, "\"");
}

/* "httpRequest" of Google's LogEntry: sizes are texts there, as all numbers of 64 bits. */
static void put_http_request(struct log_line *to, const struct sx_log_request *req)
{
    uint64_t us = req->duration_ns / 1000;

    LOG_PUT(to, ",\"httpRequest\":{\"status\":");
    log_put_uint(to, (uint64_t)(req->status > 0 ? req->status : 0));
    PUT_MEMBER(to, "requestMethod", req->method, MAX_TOKEN);
    PUT_MEMBER(to, "requestUrl", req->url, MAX_URL);
    PUT_MEMBER(to, "userAgent", req->user_agent, MAX_VALUE);
    PUT_MEMBER(to, "remoteIp", req->remote, MAX_SHORT);
    PUT_MEMBER(to, "protocol", req->protocol, MAX_TOKEN);
    LOG_PUT(to, ",\"responseSize\":\"");
    log_put_uint(to, req->bytes_out);
    LOG_PUT(to, "\",\"latency\":\"");
    log_put_uint(to, us / 1000000);
    LOG_PUT(to, ".");
    log_put_digits(to, us % 1000000, 6);
    LOG_PUT(to, "s\"}");
}

static void put_trace(struct log_line *to, const struct log_style *style,
                      const struct sx_log_request *req)
{
    if (req->trace_id == NULL)
        return;
    if (style->trace == NULL) {
        PUT_MEMBER(to, "trace_id", req->trace_id, MAX_TOKEN);
        PUT_MEMBER(to, "span_id", req->span_id, MAX_TOKEN);
        return;
    }
    put_trace_link(to, style, req->trace_id);
    PUT_MEMBER(to, "logging.googleapis.com/spanId", req->span_id, MAX_TOKEN);
    if (req->is_sampled)
        LOG_PUT(to, ",\"logging.googleapis.com/trace_sampled\":true");
    else
        LOG_PUT(to, ",\"logging.googleapis.com/trace_sampled\":false");
}

static void put_request_json(struct log_line *to, const struct log_style *style, int severity,
                             const struct sx_log_request *req)
{
    begin_json(to, style, severity);
    put_summary(to, req);
    put_http_request(to, req);
    put_trace(to, style, req);
    log_put(to, style->process, style->process_len);
    PUT_MEMBER(to, "plugin", req->plugin, MAX_SHORT);
    PUT_MEMBER(to, "plugin_version", req->plugin_version, MAX_SHORT);
    PUT_MEMBER(to, "route", req->route, MAX_SHORT);
    PUT_MEMBER(to, "request_id", req->request_id, MAX_SHORT);
    if (req->db_ms >= 0) {
        LOG_PUT(to, ",\"db_ms\":");
        put_ms(to, us_of_ms(req->db_ms));
    }
    end_json(to);
}

static void put_pair(struct log_line *to, const char *key, const char *text)
{
    if (text == NULL)
        return;
    LOG_PUT(to, " ");
    log_put(to, key, strlen(key));
    LOG_PUT(to, "=");
    log_put_value(to, text, MAX_SHORT);
}

static void put_request_text(struct log_line *to, const struct log_style *style, int severity,
                             const struct sx_log_request *req)
{
    begin_text(to, style, severity);
    log_put_plain(to, req->method != NULL ? req->method : "-", MAX_TOKEN);
    LOG_PUT(to, " ");
    log_put_plain(to, req->url != NULL ? req->url : "-", MAX_URL);
    LOG_PUT(to, " ");
    log_put_uint(to, (uint64_t)(req->status > 0 ? req->status : 0));
    LOG_PUT(to, " ");
    put_ms(to, req->duration_ns / 1000);
    LOG_PUT(to, " ms ");
    log_put_uint(to, req->bytes_out);
    LOG_PUT(to, " B");
    put_pair(to, "plugin", req->plugin);
    put_pair(to, "route", req->route);
    put_pair(to, "request_id", req->request_id);
    if (req->db_ms >= 0) {
        LOG_PUT(to, " db_ms=");
        put_ms(to, us_of_ms(req->db_ms));
    }
    put_pair(to, "client", req->remote);
    LOG_PUT(to, "\n");
}

/* The value of a parameter "signature", or NULL. */
static const char *find_signature(const char *url)
{
    static const char name[] = "signature=";

    for (const char *at = url; at != NULL && (at = strstr(at, name)) != NULL; at += sizeof name - 1)
        if (at > url && (at[-1] == '?' || at[-1] == '&'))
            return at + sizeof name - 1;
    return NULL;
}

/* With its signature, whoever reads the log could send the request once more: the URL ends before
 * it. */
static void put_signed(struct log_line *to, const struct log_style *style, int severity,
                       const struct sx_log_request *req, size_t len)
{
    static const char mark[] = "\u2026";
    char url[MAX_URL];
    struct sx_log_request shown = *req;

    len = len < sizeof url - sizeof mark ? len : sizeof url - sizeof mark;
    memcpy(url, req->url, len);
    memcpy(url + len, mark, sizeof mark);
    shown.url = url;
    if (style->is_json)
        put_request_json(to, style, severity, &shown);
    else
        put_request_text(to, style, severity, &shown);
}

void log_line_request(struct log_line *to, const struct log_style *style, int severity,
                      const struct sx_log_request *req)
{
    const char *signature = find_signature(req->url);

    to->len = 0;
    if (signature != NULL)
        put_signed(to, style, severity, req, (size_t)(signature - req->url));
    else if (style->is_json)
        put_request_json(to, style, severity, req);
    else
        put_request_text(to, style, severity, req);
}
