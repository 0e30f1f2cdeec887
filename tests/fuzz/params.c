/*
 * params.c - requests against declared parameters: what a handler may read without a check.
 *
 * The first line declares, in words of "PLACE TYPE NAME" without the spaces, '!' behind a
 * required one: places p q h c f, types b i n t; "qiid! ftnote".  What is behind it is sent to
 * a server whose only route is "/{a}/x{b}y/{c...}".
 *
 * What is accepted must suit, value by value, by a checker of its own.  Where only the query, a
 * header or an urlencoded form is declared, the naive reading also says whether it must be.
 */
#include <errno.h>
#include <math.h>

#include "base/check.h"
#include "files.h"
#include "fuzz.h"
#include "http/http_private.h"
#include "http/multipart.h"
#include "plugin/plugin_private.h"

#define MAX_FIELDS 8
#define PATTERN    "/{a}/x{b}y/{c...}"

struct target {
    uv_loop_t loop;
    struct sx_http_server *server;
    struct sx_http_conn *conn;
    struct sx_plugins set;
    struct sx_config config;
    struct sx_entry entry;
    struct sx_plugin plugin;
    sx_route route;
    sx_field fields[MAX_FIELDS + 1];
    char *names[MAX_FIELDS]; /* owned */
    size_t n;
    bool is_closed;
};

/* --- What suits ----------------------------------------------------------------------- */

static bool is_int(const char *text)
{
    const char *digits = text + (*text == '-');

    errno = 0;
    (void)strtoll(text, NULL, 10);
    return *digits != '\0' && strspn(digits, "0123456789") == strlen(digits) && errno == 0;
}

/* A JSON number; finite. */
static bool is_number(const char *text)
{
    const char *at = text + (*text == '-');
    size_t n = strspn(at, "0123456789");

    if (n == 0 || (*at == '0' && n > 1))
        return false;
    at += n;
    if (*at == '.') {
        n = strspn(++at, "0123456789");
        if (n == 0)
            return false;
        at += n;
    }
    if (*at == 'e' || *at == 'E') {
        at++;
        at += *at == '+' || *at == '-';
        n = strspn(at, "0123456789");
        if (n == 0)
            return false;
        at += n;
    }
    return *at == '\0' && isfinite(strtod(text, NULL));
}

/* RFC 3629, by its value. */
static bool is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at != '\0') {
        static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
        int n = *at < 0x80 ? 1 : *at >> 5 == 6 ? 2 : *at >> 4 == 14 ? 3 : *at >> 3 == 30 ? 4 : 0;
        uint32_t value = n == 1 ? *at : *at & (0xffu >> (n + 1));

        if (n == 0)
            return false;
        for (int i = 1; i < n; i++) {
            if (at[i] >> 6 != 2)
                return false;
            value = value << 6 | (at[i] & 0x3f);
        }
        if (value < least[n] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
            return false;
        at += n;
    }
    return true;
}

static bool suits(const sx_field *f, const char *text)
{
    static const char *const words[] = { "true", "false", "1", "0" };

    if (*text == '\0' && !f->required && f->type != SX_TEXT && f->in != SX_IN_PATH)
        return true;
    switch (f->type) {
    case SX_INT: return is_int(text);
    case SX_NUMBER: return is_number(text);
    case SX_TEXT: return is_utf8(text);
    default:
        for (size_t i = 0; i < 4; i++)
            if (strcmp(text, words[i]) == 0)
                return true;
        return false;
    }
}

/* --- The naive reading ---------------------------------------------------------------- */

/* Decoded; false for a bad escape or a NUL. */
static bool decode(struct sx_slice s, char *to)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned value = s.data[i] == '+' ? ' ' : (unsigned char)s.data[i];

        if (s.data[i] == '%') {
            char hex[3] = { 0 };

            memcpy(hex, s.data + i + 1, s.len - i - 1 < 2 ? s.len - i - 1 : 2);
            if (strspn(hex, "0123456789abcdefABCDEF") != 2)
                return false;
            value = (unsigned)strtoul(hex, NULL, 16);
            i += 2;
        }
        if (value == 0)
            return false;
        *to++ = (char)value;
    }
    *to = '\0';
    return true;
}

/* Are all pairs readable, and those of the field good, and there when they must be? */
static bool naive_pairs(const sx_field *f, struct sx_slice text)
{
    char name[4096], value[4096];
    size_t n = 0;

    fuzz_check(text.len < sizeof name, "%zu bytes of pairs", text.len);
    while (text.len > 0) {
        struct sx_slice v = sx_slice_cut(&text, '&');
        bool is_pair = v.len > 0;
        struct sx_slice k = sx_slice_cut(&v, '=');

        if (!decode(k, name) || !decode(v, value))
            return false;
        if (!is_pair || f == NULL || strcmp(name, f->name) != 0)
            continue;
        n++;
        if (!suits(f, value))
            return false;
    }
    return f == NULL || n > 0 || !f->required;
}

static bool naive_headers(const sx_field *f, const struct sx_http_req *r)
{
    size_t n = 0;

    for (uint32_t i = 0; i < r->n_headers; i++) {
        char *text;
        bool is_good;

        if (!sx_slice_is_nocase(r->headers[i].name, f->name))
            continue;
        n++;
        text = fuzz_text(r->headers[i].value);
        is_good = suits(f, text);
        free(text);
        if (!is_good)
            return false;
    }
    return n > 0 || !f->required;
}

static bool is_urlencoded(const struct sx_http_req *r)
{
    struct sx_slice type = sx_http_header(r, "content-type", 12);

    return sx_slice_is_nocase(sx_slice_trim(sx_slice_cut(&type, ';')),
                              "application/x-www-form-urlencoded");
}

/* 1 must be accepted, 0 must be refused, -1: the naive reading cannot tell. */
static int naive_verdict(const struct target *t, const struct sx_http_req *r)
{
    bool is_good = naive_pairs(NULL, r->query);

    for (size_t i = 0; i < t->n; i++) {
        const sx_field *f = &t->fields[i];

        if (f->in == SX_IN_QUERY)
            is_good &= naive_pairs(f, r->query);
        else if (f->in == SX_IN_HEADER)
            is_good &= naive_headers(f, r);
        else if (f->in == SX_IN_FORM && is_urlencoded(r))
            is_good &= naive_pairs(f, r->body);
        else
            return -1;
    }
    return is_good;
}

/* --- The route ------------------------------------------------------------------------ */

static struct target *target_of(const struct sx_http_req *r)
{
    return sx_http_server_arg(r->server);
}

/* As dispatch.c leaves a request that has matched. */
static void on_head(struct sx_http_req *http)
{
    struct sx_req *r = (struct sx_req *)(void *)http;
    struct target *t = target_of(http);
    struct sx_route_match m;

    r->set = &t->set;
    r->entry = &t->entry;
    r->plugin = &t->plugin;
    if (sx_router_match(t->set.router, http->host.data, http->host.len, "GET", 3, http->path.data,
                        http->path.len, &m) != SX_ROUTE_FOUND) {
        (void)sx_http_problem(http, 404, "not_found", "there is nothing");
        return;
    }
    r->n_params = m.n_params;
    for (uint32_t i = 0; i < m.n_params; i++)
        r->params[i] = (struct sx_path_value){ .name = m.params[i].name,
                                               .offset = (uint32_t)(m.params[i].data -
                                                                    http->path.data),
                                               .len = (uint32_t)m.params[i].len };
    http->wants_multipart = t->entry.has_form;
}

/* What a handler would read. */
static void check_values(const struct target *t, struct sx_req *r)
{
    for (size_t i = 0; i < t->n; i++) {
        const sx_field *f = &t->fields[i];
        const char *text;
        uint32_t n = 0;

        while ((text = sx_host_req_param(r, f->in, f->name, n)) != NULL) {
            fuzz_check(suits(f, text), "\"%s\" is accepted: \"%s\"", f->name, text);
            n++;
        }
        if (f->in == SX_IN_FORM && r->http.multipart != NULL)
            n += sx_multipart_find(r->http.multipart, sx_slice_of(f->name), true, 0) != NULL;
        fuzz_check(n > 0 || (!f->required && f->in != SX_IN_PATH), "\"%s\" is missing", f->name);
    }
}

static void on_handle(struct sx_http_req *http)
{
    struct sx_req *r = (struct sx_req *)(void *)http;
    struct target *t = target_of(http);
    int verdict = naive_verdict(t, http);
    int err = sx_params_check(r);

    if (err < 0) {
        fuzz_check(http->resp.status == 400 && http->resp.is_problem, "refused with %d",
                   http->resp.status);
        fuzz_check(verdict != 1, "refused: %.*s", (int)http->resp.body.len, http->resp.body.data);
    } else {
        fuzz_check(http->resp.status == 0, "accepted and answered");
        fuzz_check(verdict != 0, "accepted: %.*s", (int)http->target.len, http->target.data);
        check_values(t, r);
        (void)sx_http_reply(http, 204, NULL, NULL, 0);
    }
    sx_http_complete(http);
}

static void on_gone(struct sx_http_req *r)
{
    sx_http_complete(r);
}

static void on_expired(struct sx_http_req *r, struct sx_http_req *stand_in)
{
    (void)r;
    (void)stand_in;
}

static void on_ended(struct sx_http_req *http)
{
    json_decref(((struct sx_req *)(void *)http)->json);
}

/* --- The declaration ------------------------------------------------------------------ */

static bool read_field(struct target *t, struct sx_slice word)
{
    static const char places[] = "pqhcf", types[] = "bint";
    static const int32_t ins[] = { SX_IN_PATH, SX_IN_QUERY, SX_IN_HEADER, SX_IN_COOKIE,
                                   SX_IN_FORM };
    static const int32_t kinds[] = { SX_BOOL, SX_INT, SX_NUMBER, SX_TEXT };
    sx_field *f = &t->fields[t->n];
    const char *place, *type;

    if (word.len < 3 || (place = memchr(places, word.data[0], 5)) == NULL ||
        (type = memchr(types, word.data[1], 4)) == NULL)
        return false;
    f->in = ins[place - places];
    f->type = kinds[type - types];
    f->required = word.data[word.len - 1] == '!';
    t->names[t->n] = fuzz_text(sx_slice_make(word.data + 2, word.len - 2 - f->required));
    f->name = t->names[t->n];
    /* What manifest.c and mount.c see to. */
    if (*f->name == '\0' || !is_utf8(f->name) ||
        (f->in == SX_IN_PATH && (strlen(f->name) != 1 || strchr("abc", *f->name) == NULL))) {
        free(t->names[t->n]);
        *f = (sx_field){ 0 };
        return false;
    }
    t->entry.has_form |= f->in == SX_IN_FORM;
    t->n++;
    return true;
}

static void declare(struct target *t, struct sx_slice line)
{
    while (line.data != NULL && t->n < MAX_FIELDS)
        (void)read_field(t, sx_slice_cut(&line, ' '));
    t->route = (sx_route){ .method = "GET", .path = PATTERN, .params = t->fields };
    t->entry.plugin = &t->plugin;
    t->entry.route = &t->route;
    t->entry.has_checks = true;
}

/* --- The server ----------------------------------------------------------------------- */

static void sink(void *arg, const char *data, size_t len)
{
    struct target *t = arg;

    (void)len;
    t->is_closed |= data == NULL;
}

static void open_server(struct target *t)
{
    struct sx_http_settings set = {
        .loop = &t->loop,
        .limits = { .request_line_bytes = 2000,
                    .header_bytes = 2000,
                    .header_count = 30,
                    .body_bytes = 2000,
                    .spool_bytes = 32,
                    .upload_bytes = 2000,
                    .response_bytes = 10000,
                    .pipelined = 8,
                    .unread_bytes = 100000,
                    .connections = 1,
                    .buffered_bytes = 1u << 20,
                    .header_ms = 60000,
                    .body_ms = 60000,
                    .idle_ms = 60000,
                    .write_ms = 60000,
                    .request_ms = 60000 },
        .ops = { on_head, on_handle, on_gone, on_expired, on_ended, t },
        .request_size = sizeof(struct sx_req),
        .zeroed_size = offsetof(struct sx_req, params),
        .spool_dir = files_dir(),
    };
    const char *why;
    void *other;

    t->config.http.spool_bytes = 32;
    t->config.http.upload_bytes = 2000;
    t->config.server.state_dir = files_dir();
    t->set.set.config = &t->config;
    fuzz_check(sx_router_create(&t->set.router) == 0 &&
                   sx_router_add(t->set.router, "", "GET", PATTERN, t, &other, &why) == 0 &&
                   sx_router_freeze(t->set.router) == 0,
               "no router");
    fuzz_check(uv_loop_init(&t->loop) == 0 && sx_http_server_create(&set, &t->server) == 0,
               "no server");
    fuzz_check(sx_http_memory_open(t->server, sink, t, &t->conn) == 0, "no connection");
}

static void close_server(struct target *t)
{
    if (!t->is_closed)
        sx_http_memory_close(t->conn);
    fuzz_check(sx_http_server_stats(t->server)->requests_open == 0, "a request is left");
    sx_http_server_close(t->server, NULL, NULL);
    (void)uv_run(&t->loop, UV_RUN_DEFAULT);
    fuzz_check(uv_loop_close(&t->loop) == 0, "the loop has handles left");
    sx_router_destroy(t->set.router);
    for (size_t i = 0; i < t->n; i++)
        free(t->names[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sx_slice bytes = fuzz_input(data, len), line = fuzz_line(&bytes);
    struct target *t;
    char *copy;

    if (bytes.len == 0)
        return -1;
    t = calloc(1, sizeof *t);
    fuzz_check(t != NULL, "no memory");
    declare(t, line);
    open_server(t);
    copy = fuzz_bytes(bytes);
    sx_http_memory_feed(t->conn, copy, bytes.len);
    free(copy);
    close_server(t);
    free(t);
    return 0;
}
