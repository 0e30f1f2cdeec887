/*
 * http/http.h - HTTP/1.1 (RFC 9110, RFC 9112) for one loop: connections in, requests up,
 * answers down in their order.
 *
 * This floor knows neither routes nor plugins: whoever answers is a struct sx_http_ops.
 * Everything here belongs to the thread of the loop, but for a request that its owner has
 * taken to another thread: until sx_http_complete() it may read the request and fill its
 * answer there.
 *
 * Invariants: I8 (after an error in framing the connection closes and no byte after it is
 * taken for a request) and I9 (nothing points into the shared read buffer once `handle` has
 * returned without an answer); see core/http/README.md.
 */
#ifndef SX_HTTP_HTTP_H
#define SX_HTTP_HTTP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/slice.h"
#include "base/wheel.h"
#include "http/cors.h"
#include "http/proxy.h"
#include "http/trace.h"

struct sx_http_server;
struct sx_http_conn;
struct sx_http_stream;
struct sx_multipart;
struct file_read;

#define SX_HTTP_MAX_HEADERS 128

/* A header field as received; both slices borrowed from the head. */
struct sx_http_header {
    struct sx_slice name;
    struct sx_slice value; /* without the white space around it */
};

enum sx_http_request_state {
    SX_HTTP_READING,  /* its body is still coming                   */
    SX_HTTP_RUNNING,  /* ops->handle is on the stack                */
    SX_HTTP_PENDING,  /* taken: somebody will call sx_http_complete */
    SX_HTTP_ANSWERED, /* complete, waiting for its turn             */
    SX_HTTP_SENDING,  /* a file or a stream is on its way           */
    SX_HTTP_ENDED     /* its connection is gone or it was sent      */
};

enum sx_http_body_kind { SX_HTTP_BODY_BYTES, SX_HTTP_BODY_FILE, SX_HTTP_BODY_STREAM };

struct sx_http_response {
    int status; /* 0: not answered yet */
    bool is_problem;
    enum sx_http_body_kind kind;
    struct sx_slice type;  /* copied into the arena, or a literal of the core's */
    struct sx_buf headers; /* further header lines, ready to send */
    struct sx_buf body;
    int file; /* owned; -1 none */
    uint64_t file_offset, file_length;
    struct file_read *reading; /* a piece of it is being read */
    bool may_pack;             /* has a tag, and may be compressed all the same */
    struct sx_http_stream *stream;
};

struct sx_http_req {
    struct sx_list link; /* in its connection, in the order of arrival */
    struct sx_http_server *server;
    struct sx_http_conn *conn; /* NULL: the client has left */
    enum sx_http_request_state state;

    char *head; /* what all slices below point into: the read buffer or, later, the arena */
    size_t head_len;
    struct sx_slice method;
    struct sx_slice target; /* as received */
    struct sx_slice path;   /* of the target, not decoded; begins with '/', or is "*" */
    struct sx_slice query;  /* without '?' */
    struct sx_slice host;   /* Host, or the authority of an absolute-form target */
    struct sx_http_header headers[SX_HTTP_MAX_HEADERS];
    uint32_t n_headers;

    uint64_t serial;   /* unique in this server */
    uint64_t since_ns; /* when its head was complete; 0 unless somebody asked for times */
    bool is_http10, is_keep_alive, is_head, is_safe, expects_continue, has_body, is_suspended;
    bool has_expired;
    bool has_id;             /* it came with an X-Request-Id */
    bool asks_websocket;     /* GET with `Upgrade: websocket`, HTTP/1.1 */
    char method_known;       /* enum: index of a known method, or -1 */
    uint64_t content_length; /* UINT64_MAX: chunked */
    uint64_t max_body;       /* set by ops->head */
    struct sx_slice body;    /* complete when handle is called; empty for multipart */
    struct sx_buf body_buf;
    struct sx_multipart *multipart; /* owned; when ops->head asked for it */
    bool wants_multipart;

    uint64_t deadline_ms;      /* 0: the server's default is set when it has to wait */
    struct sx_timeout timeout; /* armed while it is pending */
    struct sx_arena arena;
    struct sx_http_response resp;
    struct sx_request_id id; /* made on demand: sx_http_request_id */
    struct sx_trace trace;   /* on demand: sx_http_trace */
    int trace_state;
    const char *remote, *scheme; /* on demand */
    uint64_t bytes_out;
    uint64_t held_bytes;    /* of the server's budget, given back when it is recycled */
    uint64_t waiting_bytes; /* of its answer, while that waits for its turn           */
};

/* Who answers.  All on the loop. */
struct sx_http_ops {
    /* The head is complete and well-formed.  Sets max_body and deadline, or answers at once
     * (404, 413 …): then the body is not read into memory. */
    void (*head)(struct sx_http_req *r);
    /* The request is complete.  Answers and calls sx_http_complete, or leaves it pending. */
    void (*handle)(struct sx_http_req *r);
    /* The client left, or the deadline passed, while it was pending.  The request lives on
     * until sx_http_complete is called, which may be at once.  At the deadline a stand-in
     * (NULL without memory) takes its place and answers 504 after this call. */
    void (*gone)(struct sx_http_req *r);
    void (*expired)(struct sx_http_req *r, struct sx_http_req *stand_in);
    /* Sent or abandoned: the last call, memory is recycled after it. */
    void (*ended)(struct sx_http_req *r);
    void *arg;
};

struct sx_http_limits {
    uint32_t request_line_bytes, header_bytes, header_count;
    uint32_t body_bytes, spool_bytes, upload_bytes, response_bytes;
    uint32_t pipelined, unread_bytes, connections;
    uint32_t connections_per_client; /* of one address; 0: any number */
    uint32_t spooled_bytes;          /* files of all uploads together; 0: no limit */
    uint32_t buffered_bytes;         /* bodies, and as much of answers, of all connections */
    uint32_t header_ms, body_ms, idle_ms, write_ms, request_ms;
    uint32_t min_body_rate, min_write_rate; /* bytes/s in each body_ms and write_ms; 0: any */
    uint32_t ws_message_bytes;              /* of a WebSocket, with all its fragments */
    uint32_t ws_ping_ms;                    /* 0: none */
};

struct sx_http_settings {
    uv_loop_t *loop;
    struct sx_http_limits limits;
    struct sx_http_ops ops;
    size_t request_size;     /* of the struct that begins with a sx_http_req; 0: just that */
    size_t zeroed_size;      /* up to here it is zeroed behind that when it is recycled */
    const char *server_name; /* for the Server field; "" leaves it out */
    const char *spool_dir;
    bool gzip;
    uint32_t gzip_bytes;
    const struct sx_cors *cors;       /* borrowed; NULL: off */
    const struct sx_proxies *proxies; /* borrowed; NULL: nobody is trusted */
};

struct sx_http_stats {
    uint64_t requests, connections_opened, bytes_in, bytes_out;
    uint64_t refused; /* connections that were told 503 for want of room       */
    uint64_t evicted; /* given up because buffered_bytes were held all together */
    uint32_t connections_open, requests_open;
};

int sx_http_server_create(const struct sx_http_settings *set, struct sx_http_server **ret_server);

/* Accepts from an inherited listening socket until drain or close.  fd is owned after it. */
int sx_http_server_listen(struct sx_http_server *s, int fd);

/* Accepts no more; every answer from now on says `Connection: close`.  An idle connection may
 * ask once more for idle_ms before it is closed: a client that is sending a request at that
 * moment would lose it.  on_drained when no connection is left. */
void sx_http_server_drain(struct sx_http_server *s, uint32_t idle_ms, void (*on_drained)(void *arg),
                          void *arg);

/* The deadline of every request that waits for its answer passes now: 504, in some milliseconds. */
void sx_http_server_expire(struct sx_http_server *s);
bool sx_http_server_is_expiring(const struct sx_http_server *s);

/* Closes everything at once; on_closed when libuv has let go of all handles, then frees. */
void sx_http_server_close(struct sx_http_server *s, void (*on_closed)(void *arg), void *arg);

const struct sx_http_stats *sx_http_server_stats(const struct sx_http_server *s);
void *sx_http_server_arg(const struct sx_http_server *s);
/* Sets or moves a timeout of the loop. */
void sx_http_timeout(struct sx_http_server *s, struct sx_timeout *t, uint64_t due_ms);
uint64_t sx_http_now_ms(const struct sx_http_server *s);

/* A connection without a socket, for tests: what it sends goes to `sink`; data NULL says that
 * it was closed. */
typedef void sx_http_sink_fn(void *arg, const char *data, size_t len);
int sx_http_memory_open(struct sx_http_server *s, sx_http_sink_fn *sink, void *arg,
                        struct sx_http_conn **ret_conn);
void sx_http_memory_feed(struct sx_http_conn *conn, const char *data, size_t len);
void sx_http_memory_close(struct sx_http_conn *conn);

/* --- Reading a request: the thread that owns it ---------------------------- */

/* The first field of that name, any case; data NULL when absent. */
struct sx_slice sx_http_header(const struct sx_http_req *r, const char *name, size_t len);
/* All fields of that name as one list (RFC 9110 section 5.3). */
struct sx_slice sx_http_header_list(struct sx_http_req *r, const char *name, size_t len);
const char *sx_http_request_id(struct sx_http_req *r);
/* The client's address as text; behind a trusted proxy that of X-Forwarded-For. */
const char *sx_http_remote(struct sx_http_req *r);
const char *sx_http_scheme(struct sx_http_req *r);
const struct sx_trace *sx_http_trace(struct sx_http_req *r);
static inline bool sx_http_is_gone(const struct sx_http_req *r)
{
    return __atomic_load_n(&r->conn, __ATOMIC_RELAXED) == NULL ||
           __atomic_load_n(&r->has_expired, __ATOMIC_RELAXED);
}

/* --- Answering: the thread that owns it ------------------------------------- */

/* Replaces or appends a header line.  SX_ERR_INVALID for a bad name or value and for the
 * fields that the core writes itself: those of framing and of the connection, Date, Server,
 * and Content-Type, which comes with the answer. */
int sx_http_set_header(struct sx_http_req *r, struct sx_slice name, struct sx_slice value,
                       bool append);

/* Why it refuses one, for people; NULL: it does not. */
const char *sx_http_header_fault(struct sx_slice name, struct sx_slice value);

/* type NULL: no Content-Type.  data is copied. */
int sx_http_reply(struct sx_http_req *r, int status, const char *type, const void *data,
                  size_t len);
/* Sends what stands in r->resp.body. */
int sx_http_reply_body(struct sx_http_req *r, int status, const char *type);
/* application/problem+json; drops what was written before. */
int sx_http_problem(struct sx_http_req *r, int status, const char *code, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
int sx_http_vproblem(struct sx_http_req *r, int status, const char *code, const char *fmt,
                     va_list ap);
/* Answers 415 when the body has a Content-Encoding: the core reads bodies as they are.  False when
 * it has none, and nothing was answered. */
bool sx_http_refuse_packed(struct sx_http_req *r);
/* A file below root, or 404; conditions and ranges of the request apply. */
int sx_http_reply_file(struct sx_http_req *r, const char *root, const char *path);
/* Forgets an answer that was prepared, so that another can be given; a stream is closed. */
void sx_http_unreply(struct sx_http_req *r);

/* --- On the loop ------------------------------------------------------------ */

/* Counts memory that the request will hold until it is recycled; false when the server holds
 * so much that the request should be refused. */
bool sx_http_hold(struct sx_http_req *r, uint64_t bytes);

/* Copies what still lies in the read buffer (I9).  Before a request is handed to another
 * thread; one that is left pending is copied without it. */
void sx_http_wait(struct sx_http_req *r);

/* The answer is whole: it is sent when its turn comes. */
void sx_http_complete(struct sx_http_req *r);

/* Streams.  Opened while the request runs or is pending; completes the request.  Lives until
 * closed, its last call, was made. */
struct sx_http_stream_ops {
    void (*drained)(struct sx_http_stream *s, void *arg);
    void (*closed)(struct sx_http_stream *s, void *arg);
};
int sx_http_stream_open(struct sx_http_req *r, int status, const char *type,
                        const struct sx_http_stream_ops *ops, void *arg,
                        struct sx_http_stream **ret_stream);
/* SX_ERR_BUSY above the high-water mark (nothing was taken), SX_ERR_CLOSED after the end. */
int sx_http_stream_write(struct sx_http_stream *s, const void *data, size_t len);
void sx_http_stream_end(struct sx_http_stream *s);

/* WebSockets (RFC 6455): streams in both directions.  closed is the last call for them, too; until
 * it returns, sx_http_ws_code says why. */
struct sx_http_ws_ops {
    struct sx_http_stream_ops stream;
    /* A whole message, text as UTF-8; data lives until it returns. */
    void (*message)(struct sx_http_stream *s, bool is_text, struct sx_slice data, void *arg);
};

/* 0, or the status that refuses the request: no handshake, or one that may not be accepted. */
int sx_http_ws_check(struct sx_http_req *r);
/* Answers so; only when sx_http_ws_check is not 0. */
int sx_http_ws_refuse(struct sx_http_req *r);
/* Opened as a stream is, with 101.  protocol: chosen if the client offered it; NULL: none.
 * SX_ERR_INVALID when sx_http_ws_check refuses, or protocol is no token. */
int sx_http_ws_open(struct sx_http_req *r, const char *protocol, const struct sx_http_ws_ops *ops,
                    void *arg, struct sx_http_stream **ret_stream);
/* As sx_http_stream_write; SX_ERR_CLOSED also once either side has closed. */
int sx_http_ws_send(struct sx_http_stream *s, bool is_text, const void *data, size_t len);
/* Begins the closing handshake; no message comes after it.  code 0: none.  SX_ERR_INVALID for a
 * code that may not be sent, and for a reason that is no UTF-8 or has more than 123 bytes. */
int sx_http_ws_close(struct sx_http_stream *s, int code, struct sx_slice reason);
/* The client's code, 1005 when it gave none, ours when the client broke the protocol, 1006 when the
 * connection ended without any. */
int sx_http_ws_code(const struct sx_http_stream *s);

#endif /* SX_HTTP_HTTP_H */
