/*
 * db/conn.c - one connection from away to ready and back.
 *
 * Its state changes in sx_db_conn_become() only.  libpq may close a socket and open another
 * one of the same number inside PQconnectPoll, so the poll handle is made anew around it, and
 * closed before anybody else could get the number.
 */
#include "db/db_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

/* A host's part of the time to connect is this one at least. */
#define LEAST_PART 4u

enum { MAX_PARAMS = 16, MIN_BACKOFF_MS = 100, MAX_BACKOFF_MS = 2000 };

struct sx_db_watch {
    uv_poll_t poll;
    struct sx_db_conn *conn; /* NULL once it is closing */
    struct sx_db_pool *pool;
    int events;
};

static void connect_further(struct sx_db_conn *conn);

/* Which states may follow which: bits. */
static const unsigned followers[] = {
    [CONN_AWAY] = 1u << CONN_RESOLVING | 1u << CONN_CLOSED,
    [CONN_RESOLVING] = 1u << CONN_CONNECTING | 1u << CONN_AWAY | 1u << CONN_CLOSED,
    [CONN_CONNECTING] = 1u << CONN_SETTING_UP | 1u << CONN_LENT | 1u << CONN_AWAY |
                        1u << CONN_CLOSED,
    [CONN_SETTING_UP] = 1u << CONN_READY | 1u << CONN_AWAY | 1u << CONN_CLOSED,
    [CONN_READY] = 1u << CONN_LENT | 1u << CONN_AWAY | 1u << CONN_CLOSED,
    [CONN_LENT] = 1u << CONN_SETTING_UP | 1u << CONN_AWAY | 1u << CONN_CLOSED,
    [CONN_CLOSED] = 0,
};

void sx_db_conn_become(struct sx_db_conn *conn, enum sx_db_conn_state state)
{
    sx_check((followers[conn->state] & 1u << state) != 0);
    conn->state = state;
    conn->since_ms = uv_now(conn->pool->set.loop);
}

void sx_db_conn_init(struct sx_db_conn *conn, struct sx_db_pool *pool, enum sx_db_conn_kind kind)
{
    conn->pool = pool;
    conn->kind = kind;
    conn->wake_fd = -1;
    sx_list_init(&conn->jobs);
    sx_list_init(&conn->lend_link);
    sx_db_cache_init(&conn->cache);
}

void sx_db_conn_finish(struct sx_db_conn *conn)
{
    free(conn->steps);
    free(conn->known_owners);
    if (conn->wake_fd >= 0)
        (void)close(conn->wake_fd);
}

/* --- the poll handle ------------------------------------------------------------ */

static void on_watch_closed(uv_handle_t *handle)
{
    struct sx_db_watch *w = SX_MEMBER_OF(handle, struct sx_db_watch, poll);
    struct sx_db_pool *pool = w->pool;

    free(w);
    sx_db_pool_release(pool);
}

void sx_db_conn_unwatch(struct sx_db_conn *conn)
{
    struct sx_db_watch *w = conn->watch;

    if (w == NULL)
        return;
    conn->watch = NULL;
    w->conn = NULL;
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}

static void on_io(uv_poll_t *poll, int status, int events)
{
    struct sx_db_watch *w = SX_MEMBER_OF(poll, struct sx_db_watch, poll);
    struct sx_db_conn *conn = w->conn;
    struct sx_db_pool *pool = w->pool;

    if (conn == NULL)
        return;
    if (conn->state == CONN_CONNECTING) {
        connect_further(conn);
    } else {
        if (status < 0 || (events & UV_READABLE) != 0)
            sx_db_conn_read(conn);
        if ((events & UV_WRITABLE) != 0 && conn->watch == w)
            sx_db_conn_flush(conn);
    }
    sx_db_pool_finish_jobs(pool);
}

static int watch(struct sx_db_conn *conn, int events)
{
    struct sx_db_watch *w = conn->watch;
    int err;

    if (w == NULL) {
        w = calloc(1, sizeof *w);
        if (w == NULL)
            return SX_ERR_NOMEM;
        err = uv_poll_init(conn->pool->set.loop, &w->poll, PQsocket(conn->pg));
        if (err < 0) {
            free(w);
            return SX_ERR_IO;
        }
        w->conn = conn;
        w->pool = conn->pool;
        w->pool->n_handles++;
        conn->watch = w;
    }
    if (w->events == events)
        return 0;
    w->events = events;
    return uv_poll_start(&w->poll, events, on_io) < 0 ? SX_ERR_IO : 0;
}

/* --- away ----------------------------------------------------------------------- */

static uint32_t backoff_ms(const struct sx_db_conn *conn)
{
    uint32_t shift = conn->n_failures < 8 ? conn->n_failures : 8;
    uint32_t ms = (uint32_t)MIN_BACKOFF_MS << (shift > 0 ? shift - 1 : 0);

    ms = ms < MAX_BACKOFF_MS ? ms : MAX_BACKOFF_MS;
    return ms / 2 + sx_db_pool_random(conn->pool, ms);
}

static void clear_pipeline(struct sx_db_conn *conn)
{
    PQclear(conn->prefix_error);
    PQclear(conn->sync_error);
    conn->prefix_error = conn->sync_error = NULL;
    conn->first_step = conn->n_steps = 0;
    conn->has_result = conn->is_broken = conn->needs_flush = false;
    conn->is_switching = conn->must_replace = conn->is_recalled = conn->is_reserved = false;
    conn->owner = NULL;
    conn->n_known = 0;
    sx_db_cache_clear(&conn->cache, &conn->pool->texts);
}

static void drop_pg(struct sx_db_conn *conn)
{
    sx_db_conn_unwatch(conn);
    PQfinish(conn->pg);
    conn->pg = NULL;
    conn->is_up = false;
    clear_pipeline(conn);
}

void sx_db_conn_message(char *to, size_t size, const char *message)
{
    static const char further[] = "\nconnection to server ";
    size_t len = 0;

    do {
        message += *message == '\n';
        len += (size_t)snprintf(to + len, size - len, "%s%.*s", len > 0 ? "; " : "",
                                (int)strcspn(message, "\n"), message);
        message = strstr(message, further);
    } while (message != NULL && len < size);
}

static void warn_lost(struct sx_db_pool *pool, const char *what, const char *why)
{
    if (pool->n_unknown == 0)
        sx_db_pool_warn(pool, "database: %s: %s", what, why);
    else
        sx_db_pool_warn(pool, "database: %s: %s; whether %u writes have happened is unknown", what,
                        why, pool->n_unknown);
}

void sx_db_conn_lose(struct sx_db_conn *conn, const char *why)
{
    struct sx_db_pool *pool = conn->pool;
    bool was_up = conn->is_up;
    bool is_steady = was_up &&
                     (conn->is_recalled || uv_now(pool->set.loop) >= conn->up_ms + STEADY_MS);
    char text[SX_DB_WHY];

    if (conn->state == CONN_AWAY || conn->state == CONN_CLOSED)
        return;
    if (was_up)
        pool->lost_ns = uv_hrtime();
    sx_db_conn_message(text, sizeof text, why[0] != '\0' ? why : "the server is gone");
    conn->n_failures = is_steady ? 0 : conn->n_failures + 1;
    drop_pg(conn);
    sx_db_conn_become(conn, CONN_AWAY);
    conn->retry_ms = conn->n_failures == 0 ? 0 : uv_now(pool->set.loop) + backoff_ms(conn);
    pool->n_unknown = 0;
    sx_db_conn_abandon_jobs(conn);
    warn_lost(pool, was_up ? "connection lost" : "cannot connect", text);
    sx_db_pool_check_ready(pool, text);
    sx_db_pool_wake(pool);
}

/* --- connecting ----------------------------------------------------------------- */

static struct sx_db_address *address_of(struct sx_db_conn *conn)
{
    return conn->kind == KIND_LISTENER ? &conn->pool->direct : &conn->pool->address;
}

void sx_db_conn_start(struct sx_db_conn *conn)
{
    struct sx_db_pool *pool = conn->pool;

    sx_db_conn_become(conn, CONN_RESOLVING);
    sx_db_pool_wake(pool);
    sx_db_address_ask(pool, address_of(conn));
    sx_db_conn_settle(conn, uv_now(pool->set.loop));
}

static void ignore_notice(void *arg, const PGresult *res)
{
    (void)arg;
    (void)res;
}

void sx_db_conn_quiet(PGconn *pg)
{
    PQuntrace(pg);
    (void)PQsetNoticeReceiver(pg, ignore_notice, NULL);
    (void)PQsetErrorVerbosity(pg, PQERRORS_DEFAULT);
    (void)PQsetErrorContextVisibility(pg, PQSHOW_CONTEXT_ERRORS);
}

/* Hosts as the three lists of libpq. */
static int list_hosts(const struct sx_db_host *hosts, size_t n, char *lists[3])
{
    FILE *out;
    size_t len;

    for (int which = 0; which < 3; which++) {
        out = open_memstream(&lists[which], &len);
        if (out == NULL)
            return SX_ERR_NOMEM;
        for (size_t i = 0; i < n; i++)
            (void)fprintf(out, "%s%s", i > 0 ? "," : "",
                          which == 0   ? hosts[i].name
                          : which == 1 ? hosts[i].addr
                                       : hosts[i].port);
        if (fclose(out) != 0)
            return SX_ERR_NOMEM;
    }
    return 0;
}

/* How soon the kernel gives up a peer that no longer acknowledges; the URL may say otherwise, so
 * these come before it. */
static int add_patience(const struct sx_db_pool *pool, const char **keys, const char **values,
                        char *user_timeout, size_t size)
{
    static const char *const probes[][2] = { { "keepalives_idle", "10" },
                                             { "keepalives_interval", "5" },
                                             { "keepalives_count", "3" } };
    int n = 0;

    for (; n < 3; n++) {
        keys[n] = probes[n][0];
        values[n] = probes[n][1];
    }
    (void)snprintf(user_timeout, size, "%u", pool->set.statement_ms + pool->set.connect_ms);
    keys[n] = "tcp_user_timeout";
    values[n] = user_timeout;
    return n + 1;
}

static PGconn *start_pg(const struct sx_db_pool *pool, const struct sx_db_address *address,
                        char *lists[3], bool has_hosts)
{
    static const char *const host_keys[] = { "host", "hostaddr", "port" };
    const char *keys[MAX_PARAMS], *values[MAX_PARAMS];
    char user_timeout[16];
    int n = add_patience(pool, keys, values, user_timeout, sizeof user_timeout);

    keys[n] = "dbname";
    values[n++] = address->url;
    for (int i = 0; i < 3 && has_hosts; i++) {
        if (lists[i][strspn(lists[i], ",")] == '\0')
            continue; /* nothing said: libpq's default */
        keys[n] = host_keys[i];
        values[n++] = lists[i];
    }
    keys[n] = "client_encoding";
    values[n++] = "UTF8";
    keys[n] = "fallback_application_name";
    values[n++] = pool->set.application_name;
    keys[n] = values[n] = NULL;
    return PQconnectStartParams(keys, values, 1);
}

/* libpq goes from host to host by itself; each has its time. */
static void note_host(struct sx_db_conn *conn)
{
    const void *host = PQhost(conn->pg);

    if (host == conn->host)
        return;
    conn->host = host;
    conn->host_ms = uv_now(conn->pool->set.loop);
}

static void connect_to(struct sx_db_conn *conn, const struct sx_db_host *hosts, size_t n)
{
    char *lists[3] = { NULL, NULL, NULL };

    if (list_hosts(hosts, n, lists) == 0)
        conn->pg = start_pg(conn->pool, address_of(conn), lists, n > 0);
    for (int i = 0; i < 3; i++)
        free(lists[i]);
    if (conn->pg == NULL || PQstatus(conn->pg) == CONNECTION_BAD) {
        sx_db_conn_lose(conn, conn->pg != NULL ? PQerrorMessage(conn->pg) : "out of memory");
        return;
    }
    sx_db_conn_quiet(conn->pg);
    sx_db_conn_become(conn, CONN_CONNECTING);
    conn->n_hosts = n;
    conn->host = NULL;
    note_host(conn);
    if (watch(conn, UV_WRITABLE) < 0)
        sx_db_conn_lose(conn, "the socket cannot be watched");
}

/* What a lookup leaves unknown is waited for: all the time there is while nothing is known,
 * otherwise a part of it, and not again for a lookup that has had its part. */
void sx_db_conn_settle(struct sx_db_conn *conn, uint64_t now_ms)
{
    const struct sx_db_address *a = address_of(conn);
    uint64_t patience_ms = conn->pool->set.connect_ms, part_ms = patience_ms / LEAST_PART;
    struct sx_db_host hosts[SX_DB_MAX_HOSTS];
    size_t n_shunned, n = sx_db_address_hosts(a, now_ms, hosts, &n_shunned);
    bool is_late = now_ms >= conn->since_ms + patience_ms;

    if (a->needs_lookup && !is_late &&
        sx_db_address_waits(a, n == 0 || now_ms < part_ms ? 0 : now_ms - part_ms + 1))
        return;
    if (n == 0 && a->needs_lookup)
        sx_db_conn_lose(conn, sx_db_address_why(a));
    else
        connect_to(conn, hosts, n);
}

static const char *text_or(const char *text)
{
    return text != NULL ? text : "";
}

/* This host is tried last for a while, and another one at once if there is one. */
static void give_host_up(struct sx_db_conn *conn, const char *what)
{
    struct sx_db_address *a = address_of(conn);
    uint64_t now_ms = uv_now(conn->pool->set.loop);
    const struct sx_db_host at = { PQhost(conn->pg), PQhostaddr(conn->pg), PQport(conn->pg) };
    struct sx_db_host hosts[SX_DB_MAX_HOSTS];
    size_t n_shunned, n = sx_db_address_hosts(a, now_ms, hosts, &n_shunned);
    char why[SX_DB_WHY];

    for (size_t i = 0; i < n; i++)
        if (strcmp(hosts[i].name[0] != '\0' ? hosts[i].name : hosts[i].addr, text_or(at.name)) ==
                0 &&
            (hosts[i].port[0] == '\0' || strcmp(hosts[i].port, text_or(at.port)) == 0) &&
            (hosts[i].addr[0] == '\0' || strcmp(hosts[i].addr, text_or(at.addr)) == 0))
            sx_db_address_shun(a, &hosts[i], now_ms);
    n = sx_db_address_hosts(a, now_ms, hosts, &n_shunned);
    (void)snprintf(why, sizeof why, "the server at \"%s\" %s", text_or(at.name), what);
    sx_db_conn_lose(conn, why);
    if (n_shunned < n && conn->state == CONN_AWAY)
        conn->retry_ms = now_ms;
}

/* Where one has got through, the others need not wait any longer. */
static void come_up(struct sx_db_conn *conn)
{
    struct sx_db_pool *pool = conn->pool;
    uint64_t now_ms = uv_now(pool->set.loop);

    conn->up_ms = now_ms;
    conn->is_up = conn->was_up = true;
    for (uint32_t i = 0; i < pool->n_conns; i++) {
        struct sx_db_conn *other = &pool->conns[i];
        uint64_t soon_ms = now_ms + sx_db_pool_random(pool, MIN_BACKOFF_MS);

        if (other->state == CONN_AWAY && other->retry_ms > soon_ms)
            other->retry_ms = soon_ms;
    }
}

static void connected(struct sx_db_conn *conn)
{
    struct sx_db_pool *pool = conn->pool;

    if (PQsetnonblocking(conn->pg, 1) != 0) {
        sx_db_conn_lose(conn, PQerrorMessage(conn->pg));
        return;
    }
    if (conn->was_up)
        pool->n_reconnects++;
    if (conn->kind == KIND_LEASABLE) {
        come_up(conn);
        sx_db_lend_offer(conn);
    } else {
        sx_db_conn_set_up(conn);
    }
}

static void connect_further(struct sx_db_conn *conn)
{
    PostgresPollingStatusType status;

    sx_db_conn_unwatch(conn);
    status = PQconnectPoll(conn->pg);
    note_host(conn);
    if (status == PGRES_POLLING_FAILED)
        sx_db_conn_lose(conn, PQerrorMessage(conn->pg));
    else if (status == PGRES_POLLING_OK)
        connected(conn);
    else if (watch(conn, status == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE) < 0)
        sx_db_conn_lose(conn, "the socket cannot be watched");
}

/* --- ready ---------------------------------------------------------------------- */

void sx_db_conn_set_up(struct sx_db_conn *conn)
{
    sx_db_conn_become(conn, CONN_SETTING_UP);
    if (PQenterPipelineMode(conn->pg) != 1 || watch(conn, UV_READABLE) < 0) {
        sx_db_conn_lose(conn, PQerrorMessage(conn->pg));
        return;
    }
    sx_db_send_setup(conn);
    sx_db_send_listen(conn);
    sx_db_conn_flush(conn);
}

void sx_db_conn_settled(struct sx_db_conn *conn)
{
    struct sx_db_pool *pool = conn->pool;
    bool is_again = conn->was_up && !conn->is_up;

    sx_db_conn_become(conn, CONN_READY);
    if (!conn->is_up)
        come_up(conn);
    if (is_again && conn == sx_db_listening_conn(pool))
        sx_db_tell_reconnected(pool);
    sx_db_pool_check_ready(pool, NULL);
}

void sx_db_conn_flush(struct sx_db_conn *conn)
{
    int left;

    conn->needs_flush = false;
    if (conn->pg == NULL || conn->watch == NULL)
        return;
    left = conn->is_broken ? -1 : PQflush(conn->pg);
    if (left >= 0 && watch(conn, left == 1 ? UV_READABLE | UV_WRITABLE : UV_READABLE) == 0)
        return;
    sx_db_conn_lose(conn, PQerrorMessage(conn->pg));
}

void sx_db_conn_close(struct sx_db_conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    drop_pg(conn);
    sx_db_conn_become(conn, CONN_CLOSED);
    sx_db_conn_abandon_jobs(conn);
}

bool sx_db_conn_is_needed(const struct sx_db_conn *conn)
{
    return conn->kind != KIND_LISTENER || !sx_list_is_empty(&conn->pool->channels);
}

/* The head of the pipeline is silent for longer than the server itself would allow. */
static bool is_stuck(const struct sx_db_conn *conn, uint64_t now_ms)
{
    uint32_t grace_ms = conn->pool->set.connect_ms; /* whoever answers at all does so by then */
    const struct sx_db_job *head;

    if (sx_list_is_empty(&conn->jobs))
        return conn->n_steps > 0 && now_ms > conn->asked_ms + grace_ms;
    head = SX_MEMBER_OF(conn->jobs.next, struct sx_db_job, link);
    return head->timeout_ms > 0 &&
           now_ms > conn->head_ms + (uint64_t)head->timeout_ms * head->n_stmts + grace_ms;
}

/* Each host has its part of the time, so that a silent one hides none behind it for long. */
static bool is_host_silent(const struct sx_db_conn *conn, uint64_t now_ms)
{
    size_t parts = conn->n_hosts < 1 ? 1 : conn->n_hosts < LEAST_PART ? conn->n_hosts : LEAST_PART;

    return now_ms >= conn->host_ms + conn->pool->set.connect_ms / parts;
}

static void tick_connecting(struct sx_db_conn *conn, uint64_t now_ms)
{
    if (conn->state == CONN_RESOLVING)
        sx_db_conn_settle(conn, now_ms);
    else if (conn->state == CONN_CONNECTING && is_host_silent(conn, now_ms))
        give_host_up(conn, "did not answer in time");
    else if (conn->state == CONN_SETTING_UP &&
             now_ms >= conn->since_ms + conn->pool->set.connect_ms)
        give_host_up(conn, "fell silent");
}

static void tick_ready(struct sx_db_conn *conn, uint64_t now_ms)
{
    if (is_stuck(conn, now_ms))
        give_host_up(conn, "fell silent");
    else if (conn->must_replace && conn->n_steps == 0)
        sx_db_conn_lose(conn, "the server has become read-only");
}

void sx_db_conn_tick(struct sx_db_conn *conn, uint64_t now_ms)
{
    if (conn->state == CONN_AWAY) {
        if (sx_db_conn_is_needed(conn) && now_ms >= conn->retry_ms)
            sx_db_conn_start(conn);
    } else if (conn->state == CONN_READY) {
        tick_ready(conn, now_ms);
    } else {
        tick_connecting(conn, now_ms);
    }
}
