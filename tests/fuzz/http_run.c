/* http_run.c - the run itself: the server, the client's end, the loop and its end. */
#include "http_run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "files.h"

#define FAR_MS       120000u /* longer than all timeouts one after the other */
#define MAX_TURNS    20000
#define FEW_BYTES    3000u /* of all bodies, and of all answers */
#define SOCKET_BYTES 4608  /* the least that Linux gives: writes come in parts */

static const struct sx_http_limits limits = {
    .request_line_bytes = 256,
    .header_bytes = 512,
    .header_count = 12,
    .body_bytes = 1500,
    .spool_bytes = 64,
    .upload_bytes = 1024,
    .response_bytes = 60000,
    .pipelined = 4,
    .unread_bytes = 6000,
    .connections = 10,
    .buffered_bytes = 1u << 20,
    .header_ms = 5000,
    .body_ms = 5000,
    .idle_ms = 10000,
    .write_ms = 5000,
    .request_ms = 20000,
    .min_body_rate = 100,
    .min_write_rate = 100,
};

static void sink(void *arg, const char *data, size_t len)
{
    struct run *r = arg;

    fuzz_check(!r->is_closed, "something comes after the close");
    if (data != NULL) {
        sx_buf_add(&r->out, data, len);
        return;
    }
    r->is_closed = true;
    r->conn = NULL;
}

static void on_far(uv_timer_t *timer)
{
    (void)timer;
    fuzz_check(false, "the end of all time has come");
}

static void open_sockets(struct run *r)
{
    const struct sockaddr peer = { .sa_family = AF_UNIX };
    int fds[2], size = SOCKET_BYTES;

    fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0,
               "no socket: %s", strerror(errno));
    (void)setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    fuzz_check(sx_http_conn_accept(r->server, fds[0], &peer, sizeof peer, false) == 0,
               "no connection");
    r->fd = fds[1];
}

/* A loop without anything to wait for does not turn at all; a worker's always has something. */
static void keep_turning(struct run *r)
{
    fuzz_check(uv_timer_init(&r->loop, &r->far) == 0, "no timer");
    (void)uv_timer_start(&r->far, on_far, UINT64_MAX / 2, 0);
}

/* Both kinds of peers, so that what the client says of others counts. */
static void trust(struct run *r)
{
    static const char *const items[] = { "unix", "127.0.0.1", "10.0.0.0/8", "2001:db8::/32" };

    fuzz_check(sx_proxies_create(items, 4, NULL, &r->proxies) == 0, "no proxies");
}

struct run *run_create(const struct run_options *o)
{
    static const char *const any[] = { "*" }, *const methods[] = { "GET", "PUT" };
    struct run *r = calloc(1, sizeof *r);
    struct sx_http_settings set = { .limits = limits,
                                    .request_size = sizeof(struct run_req),
                                    .zeroed_size = sizeof(struct run_req),
                                    .server_name = "fuzz",
                                    .spool_dir = files_dir(),
                                    .gzip = o->has_gzip,
                                    .gzip_bytes = 100 };
    static const struct sx_cors cors = { .origins = { (const char **)(uintptr_t)any, 1 },
                                         .methods = { (const char **)(uintptr_t)methods, 2 },
                                         .max_age_s = 60 };

    fuzz_check(r != NULL, "no memory");
    (void)signal(SIGPIPE, SIG_IGN); /* as the worker does */
    r->fd = -1;
    sx_buf_init(&r->out, 1u << 26);
    r->records = calloc(RUN_MAX_REQUESTS, sizeof *r->records);
    fuzz_check(r->records != NULL && uv_loop_init(&r->loop) == 0, "no loop");
    keep_turning(r);
    set.loop = &r->loop;
    if (o->has_cors)
        set.cors = &cors;
    if (o->has_proxies)
        trust(r);
    if (o->is_short) {
        set.limits.buffered_bytes = FEW_BYTES;
        r->is_rude = true; /* who goes depends on who has moved last */
    }
    set.proxies = r->proxies;
    owner_ops(r, &set.ops);
    fuzz_check(sx_http_server_create(&set, &r->server) == 0, "no server");
    if (o->has_sockets)
        open_sockets(r);
    else
        fuzz_check(sx_http_memory_open(r->server, sink, r, &r->conn) == 0, "no connection");
    return r;
}

/* --- The client ----------------------------------------------------------------------- */

size_t run_feed(struct run *r, const char *data, size_t len)
{
    char *piece = fuzz_bytes(sx_slice_make(data, len));
    ssize_t n = (ssize_t)len;

    if (r->fd >= 0)
        n = send(r->fd, piece, len, MSG_NOSIGNAL);
    else if (r->conn != NULL)
        sx_http_memory_feed(r->conn, piece, len);
    free(piece);
    if (n < 0 && errno != EAGAIN)
        return len; /* nobody listens any more */
    if (r->fd >= 0)
        run_turn(r);
    return n < 0 ? 0 : (size_t)n;
}

void run_read(struct run *r, size_t max)
{
    char data[4096];

    while (r->fd >= 0 && !r->is_closed && max > 0) {
        ssize_t n = recv(r->fd, data, max < sizeof data ? max : sizeof data, 0);

        if (n == 0 || (n < 0 && errno != EAGAIN))
            r->is_closed = true;
        if (n <= 0)
            return;
        sx_buf_add(&r->out, data, (size_t)n);
        max -= (size_t)n;
    }
}

void run_shut(struct run *r)
{
    if (r->fd >= 0)
        (void)shutdown(r->fd, SHUT_WR);
}

void run_leave(struct run *r)
{
    r->is_rude = true;
    if (r->fd >= 0)
        (void)close(r->fd);
    else if (r->conn != NULL)
        sx_http_memory_close(r->conn);
    r->fd = -1;
    r->is_closed = true;
    run_turn(r);
}

/* --- The loop ------------------------------------------------------------------------- */

void run_turn(struct run *r)
{
    (void)uv_run(&r->loop, UV_RUN_NOWAIT);
}

/* In steps, so that timers which are set meanwhile come in their turn. */
void run_pass_ms(struct run *r, uint32_t ms)
{
    r->is_rude = true;
    while (ms > 0) {
        uint32_t step = ms < 1000 ? ms : 1000;

        fuzz_clock_pass_ms(step);
        run_turn(r);
        ms -= step;
    }
}

static size_t movements(const struct run *r)
{
    return r->out.len + r->n_ended + r->n_heads + r->is_closed;
}

static bool settle_once(struct run *r)
{
    size_t before = movements(r);

    while (r->n_pending > 0)
        owner_complete(r, 0);
    owner_write(r);
    run_turn(r);
    run_read(r, SIZE_MAX);
    return movements(r) != before || owner_is_waiting(r);
}

/* A piece of a file that a thread reads may take its time.  False: there was none. */
static bool await_files(struct run *r)
{
    int n = 0;

    while (r->loop.active_reqs.count > 0 && n++ < MAX_TURNS) {
        struct pollfd fd = { .fd = uv_backend_fd(&r->loop), .events = POLLIN };

        (void)poll(&fd, 1, 1);
        run_turn(r);
        run_read(r, SIZE_MAX);
    }
    return n > 0;
}

void run_settle(struct run *r)
{
    int n = 0, n_still = 0;
    bool has_moved;

    while (n_still < 3) {
        fuzz_check(n++ < MAX_TURNS, "the server never comes to rest");
        has_moved = settle_once(r);
        n_still = await_files(r) || has_moved ? 0 : n_still + 1;
    }
}

static void on_server_closed(void *arg)
{
    ((struct run *)arg)->is_server_closed = true;
}

void run_finish(struct run *r)
{
    const struct sx_http_stats *stats = sx_http_server_stats(r->server);
    int n = 0;

    run_shut(r);
    run_settle(r);
    for (uint32_t ms = 0; ms < FAR_MS && stats->connections_open > 0; ms += 4000) {
        run_pass_ms(r, 4000);
        (void)settle_once(r);
    }
    run_settle(r);
    fuzz_check(stats->connections_open == 0, "a connection outlives all its timeouts");
    fuzz_check(stats->requests_open == 0, "%u requests are left", stats->requests_open);
    fuzz_check(r->n_ended == stats->requests + r->n_stand_ins, "%zu ended of %llu", r->n_ended,
               (unsigned long long)stats->requests);
    fuzz_check(r->server->bodies.used == 0, "%llu bytes of bodies are still counted",
               (unsigned long long)r->server->bodies.used);
    fuzz_check(r->server->answers.used == 0, "%llu bytes of answers are still counted",
               (unsigned long long)r->server->answers.used);
    for (size_t i = 0; i < r->n_streams; i++)
        fuzz_check(r->streams[i].stream == NULL, "a stream was not closed");
    sx_http_server_close(r->server, on_server_closed, r);
    uv_close((uv_handle_t *)&r->far, NULL);
    while (!r->is_server_closed && n++ < MAX_TURNS)
        run_turn(r);
    fuzz_check(r->is_server_closed, "the server does not close");
    fuzz_check(uv_loop_close(&r->loop) == 0, "the loop has handles left");
    if (r->fd >= 0)
        (void)close(r->fd);
    r->fd = -1;
}

void run_destroy(struct run *r)
{
    for (size_t i = 0; i < r->n_records; i++) {
        free((char *)(uintptr_t)r->records[i].head.data);
        free((char *)(uintptr_t)r->records[i].body.data);
    }
    free(r->records);
    sx_proxies_destroy(r->proxies);
    sx_buf_finish(&r->out);
    free(r);
}
