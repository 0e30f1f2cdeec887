/*
 * http_run.h - one run of the HTTP floor: a loop, a server, a fake owner above, one connection
 * with or without sockets, and a record of all that came of it.
 *
 * Time stands still but for what run_pass_ms() lets go by, so a run gives the same each time.
 */
#ifndef SX_FUZZ_HTTP_RUN_H
#define SX_FUZZ_HTTP_RUN_H

#include "fuzz.h"
#include "http/http_private.h"

#define RUN_MAX_REQUESTS 1024
#define RUN_MAX_PENDING  64
#define RUN_MAX_STREAMS  64
#define RUN_SMALL_BODY   4u /* what /n accepts */

/* What the server made of one request, when it ended with it. */
struct run_record {
    bool was_sent; /* its answer went into the connection's buffer whole */
    bool has_head; /* it was well-formed: ops.head saw it */
    bool was_handled, is_head, is_form, was_cut_off;
    int status;
    struct sx_slice head, body; /* owned copies */
};

struct run_stream {
    struct run *run;
    struct sx_http_stream *stream; /* NULL: closed */
    size_t piece_len;
    int n_left; /* pieces to write */
    bool has_ended;
};

struct run_options {
    bool has_sockets, has_gzip, has_cors, has_proxies, is_short;
};

struct run {
    uv_loop_t loop;
    uv_timer_t far; /* never comes */
    struct sx_http_server *server;
    struct sx_proxies *proxies; /* owned, or NULL */
    struct sx_http_conn *conn;  /* of memory; NULL: it has closed, or there are sockets */
    int fd;                     /* the client's end; -1 without sockets */
    bool is_closed, is_server_closed;
    bool is_rude; /* somebody left, or time went by: answers may be missing */
    struct sx_buf out;
    struct sx_http_req *pending[RUN_MAX_PENDING];
    size_t n_pending;
    struct run_stream streams[RUN_MAX_STREAMS];
    size_t n_streams;
    struct run_record *records; /* owned */
    size_t n_records;
    size_t n_heads, n_ended, n_stand_ins;
};

/* A request as the owner keeps it. */
struct run_req {
    struct sx_http_req http;
    bool has_head, was_handled, is_pending, is_gone;
    struct sx_slice body; /* owned copy */
};

/* http_run.c */
struct run *run_create(const struct run_options *o);
/* Some bytes from the client; with sockets perhaps fewer are taken. */
size_t run_feed(struct run *r, const char *data, size_t len);
void run_turn(struct run *r);
void run_read(struct run *r, size_t max);
void run_pass_ms(struct run *r, uint32_t ms);
void run_shut(struct run *r);  /* the client sends no more */
void run_leave(struct run *r); /* the client is gone */
/* Answers all that waits, reads all that comes, until nothing moves. */
void run_settle(struct run *r);
/* Ends everything; nothing may be left. */
void run_finish(struct run *r);
void run_destroy(struct run *r);

/* http_owner.c */
void owner_ops(struct run *r, struct sx_http_ops *ret);
/* The i-th of those that wait, or the last. */
void owner_complete(struct run *r, size_t i);
void owner_write(struct run *r); /* one piece of the first open stream */
bool owner_is_waiting(const struct run *r);

/* http_check.c: what must be true of any run, and of two of the same bytes */
void check_answers(const struct run *r);
void check_framing(const struct run *r, struct sx_slice sent);
void check_same(const struct run *a, const struct run *b);

#endif /* SX_FUZZ_HTTP_RUN_H */
