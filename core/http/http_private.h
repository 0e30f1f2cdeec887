/*
 * http/http_private.h - what the files of this folder share: the server of one loop, its
 * connections and the life of a request between them.  Everything belongs to the loop.
 */
#ifndef SX_HTTP_HTTP_PRIVATE_H
#define SX_HTTP_HTTP_PRIVATE_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <llhttp.h>

#include "base/check.h"
#include "base/clock.h"
#include "http/http.h"
#include "http/spool.h"

#define SX_HTTP_READ_BYTES        65536u
#define SX_HTTP_SPARE_BUFS        64u
#define SX_HTTP_SPARE_REQS        512u
#define SX_HTTP_KEEP_BYTES        16384u     /* of a recycled request's buffers              */
#define SX_HTTP_DRAIN_BYTES       262144u    /* of a refused body that is read for politeness */
#define SX_HTTP_GZIP_MAX_BYTES    (1u << 20) /* more would hold up the loop              */
#define SX_HTTP_MAX_PARTS         1000u      /* of a form                                 */
#define SX_HTTP_PART_HEADER_BYTES 8192u
#define SX_HTTP_LINGER_MS         2000u
#define SX_HTTP_WS_CLOSE_MS       3000u  /* for the answer to a close frame          */
#define SX_HTTP_RETRY_MS          200u   /* after which accepting is tried again         */
#define SX_HTTP_SPARE_FDS         64u    /* kept from connections, for files and the like */
#define SX_HTTP_FILE_BYTES        65536u /* a file up to here goes out at once, without a thread */

struct sx_gzip;
struct sx_peers;

struct sx_http_listener {
    struct sx_list link;
    uv_poll_t poll;
    struct sx_http_server *server;
    int fd; /* owned */
    bool is_paused;
};

/* Memory of one kind that clients make us hold, and the connections that hold it, first the one
 * that has moved least recently. */
struct sx_http_budget {
    uint64_t used;
    struct sx_list holders;
};

/* A connection's part of a budget. */
struct sx_http_holding {
    struct sx_list link;
    uint64_t bytes;
};

/* Everything of one loop. */
struct sx_http_server {
    struct sx_http_settings set;
    uv_loop_t *loop;
    struct sx_http_stats stats;
    struct sx_list listeners;
    struct sx_list conns;
    struct sx_list dirty;        /* connections with something to send or to go on with */
    struct sx_http_req *running; /* ops->handle is on the stack; NULL: it has been recycled */
    struct sx_list spare_reqs;
    uint32_t n_spare_reqs;
    struct sx_buf spare_bufs[SX_HTTP_SPARE_BUFS];
    uint32_t n_spare_bufs;
    struct sx_http_budget bodies, answers;
    struct sx_spool_room uploads;
    struct sx_peers *peers; /* NULL: as many connections of one address as it likes */
    struct sx_wheel wheel;
    struct sx_timeout idle;  /* of the drain: idle connections close  */
    struct sx_timeout retry; /* accepting goes on: see listener.c     */
    uv_timer_t tick;         /* runs while a timeout is set          */
    uv_prepare_t before;     /* flushes what timers have answered    */
    uv_check_t after;        /* flushes what the poll phase answered */
    uv_idle_t awake;         /* runs while there is more to flush    */
    bool has_tick, is_awake, is_over_budget;
    llhttp_settings_t parser_settings;
    llhttp_t parser;       /* one head at a time, so one is enough    */
    llhttp_t fresh_parser; /* what it is before a head: never changed */
    struct sx_request_ids ids;
    struct sx_gzip *gzip;
    int reserve_fd;     /* given up for a moment when descriptors run out */
    int last_fd;        /* a connection above it is refused: the rest is for files */
    char last_host[64]; /* one that was found good: most clients say the same again */
    size_t last_host_len;
    uint64_t serial;
    int64_t date_s;
    char fixed[128]; /* "Server: …\r\nDate: …\r\n" */
    size_t fixed_len;
    size_t date_at;
    void (*on_drained)(void *arg);
    void *drained_arg;
    void (*on_closed)(void *arg);
    void *closed_arg;
    uint32_t n_handles; /* that libuv still holds */
    bool is_expiring;   /* all deadlines have passed */
    bool is_draining, is_closing;
    char read_buffer[SX_HTTP_READ_BYTES];
};

enum sx_http_phase {
    PHASE_IDLE,    /* waits for the first byte of a request */
    PHASE_HEAD,    /* part of a head has come               */
    PHASE_BODY,    /* part of a body has come               */
    PHASE_BUSY,    /* requests are under way                */
    PHASE_WRITING, /* the client has to read first          */
    PHASE_LINGER,  /* last answer sent; discarding          */
    PHASE_CLOSED   /* libuv closes it                       */
};

enum sx_chunk_state {
    CHUNK_SIZE,
    CHUNK_EXT,
    CHUNK_SIZE_LF,
    CHUNK_DATA,
    CHUNK_DATA_CR,
    CHUNK_DATA_LF,
    CHUNK_TRAILER_START,
    CHUNK_TRAILER_NAME,
    CHUNK_TRAILER_VALUE,
    CHUNK_TRAILER_LF,
    CHUNK_END_LF,
    CHUNK_DONE
};

/* How far the body of the request being received has come. */
struct sx_http_body {
    uint64_t left; /* of the content or of the chunk */
    uint32_t n_digits;
    uint32_t overhead_bytes; /* extensions and trailers so far */
    uint8_t state;           /* enum sx_chunk_state */
    uint8_t ext_state;
    bool is_chunked, is_discarded;
    uint64_t n_bytes; /* of content so far */
};

/* How far a head has been looked at. */
struct sx_http_scan {
    size_t at;         /* where the line begins that has not ended yet */
    size_t first_line; /* length of the request line without CRLF, once it has ended */
};

struct sx_http_conn {
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
        uv_timer_t timer;
    } uv;
    struct sx_http_server *server;
    struct sx_list link;
    struct sx_list dirty;
    struct sx_list requests;       /* in the order of arrival */
    struct sx_http_req *receiving; /* its body is still coming; also in requests */
    struct sx_http_body body;
    struct sx_timeout timeout; /* fires early; deadline_ms decides */
    uint64_t deadline_ms;
    uint64_t n_in, n_out;            /* bytes that came, and that were given to the socket */
    uint64_t window_ms, window_from; /* since when a rate is counted, and from what */
    struct sx_http_holding held_in, held_out;
    uint64_t writing_cap;     /* memory of the write under way                */
    uint64_t waiting_bytes;   /* memory of answers that wait for their turn   */
    struct sx_buf in;         /* came, not yet used up */
    struct sx_buf out;        /* to be written */
    struct sx_http_scan scan; /* of in */
    sx_http_sink_fn *sink;    /* of a memory connection */
    void *sink_arg;
    int fd; /* of the handle; only for a short cut past libuv */
    uint32_t n_requests;
    uint32_t n_unsafe;
    uint8_t phase;
    bool is_memory, is_reading, is_writing, is_last, saw_eof, is_stalled, is_processing;
    bool must_linger, is_final, is_advancing, is_counted;
    bool is_upgrading;                /* a handshake is under way, or was refused just now */
    struct sx_http_stream *websocket; /* what comes are its frames; NULL: requests      */
    union {
        sa_family_t family;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } peer;
};

/* server.c */
bool sx_http_server_wants_no_idle(const struct sx_http_server *s);
void sx_http_refresh_date(struct sx_http_server *s);
void sx_http_server_released(struct sx_http_server *s); /* a handle or connection is gone */

/* listener.c */
void sx_http_listeners_init(struct sx_http_server *s);
void sx_http_listeners_close(struct sx_http_server *s);
void sx_http_listeners_resume(struct sx_http_server *s);

/* conn.c */
/* is_counted: it leaves s->peers when it closes. */
int sx_http_conn_accept(struct sx_http_server *s, int fd, const struct sockaddr *peer,
                        socklen_t len, bool is_counted);
void sx_http_conn_service(struct sx_http_conn *c); /* go on reading, then write        */
void sx_http_conn_abort(struct sx_http_conn *c);   /* at once; requests are told       */
void sx_http_conn_quit_if_idle(struct sx_http_conn *c);

/* phase.c */
void sx_http_phase_init(struct sx_http_conn *c); /* of a new connection             */
void sx_http_phase_set(struct sx_http_conn *c);  /* after whatever happened         */
void sx_http_phase_linger(struct sx_http_conn *c);

/* budget.c.  What a connection holds is counted anew after it has moved. */
void sx_http_budget_init(struct sx_http_budget *b);
void sx_http_hold_input(struct sx_http_conn *c);
void sx_http_hold_output(struct sx_http_conn *c, bool has_moved);
void sx_http_hold_waiting(struct sx_http_req *r, uint64_t bytes); /* until its turn */
void sx_http_hold_nothing(struct sx_http_conn *c);
/* A body is complete: it is held until its request is recycled. */
void sx_http_hold_body(struct sx_http_req *r);
void sx_http_relieve(struct sx_http_server *s);

/* After each read and in each round of the loop. */
static inline void sx_http_keep_budget(struct sx_http_server *s)
{
    if (SX_UNLIKELY(s->is_over_budget))
        sx_http_relieve(s);
}

/* Into the list of dirty ones. */
static inline void sx_http_conn_touch(struct sx_http_conn *c)
{
    if (c->phase != PHASE_CLOSED && !c->is_processing && sx_list_is_empty(&c->dirty))
        sx_list_push(&c->server->dirty, &c->dirty);
}

/* Bytes that the kernel has not taken yet. */
static inline size_t sx_http_conn_unwritten(const struct sx_http_conn *c)
{
    return c->is_memory ? 0 : c->uv.stream.write_queue_size;
}

/* The client does not read what it asked for. */
static inline bool sx_http_conn_is_full(const struct sx_http_conn *c)
{
    return c->out.len + sx_http_conn_unwritten(c) > c->server->set.limits.unread_bytes;
}

/* server.c: memory for what is to be written */
void sx_http_buf_borrow(struct sx_http_server *s, struct sx_buf *b);
void sx_http_buf_return(struct sx_http_server *s, struct sx_buf *b);

/* input.c: bytes to requests */
void sx_http_input(struct sx_http_conn *c, char *data, size_t len);
void sx_http_input_resume(struct sx_http_conn *c);
void sx_http_input_cut(struct sx_http_conn *c);      /* the client ended in a body: 400 */
void sx_http_input_time_out(struct sx_http_conn *c); /* of a head or a body: 408 */
void sx_http_input_shed(struct sx_http_conn *c);     /* gives up what it holds: 503 */

/* head_end.c: the length of a complete head, 0 when more is needed, or a negative HTTP status. */
ptrdiff_t sx_http_head_find(const struct sx_http_server *s, const char *data, size_t len,
                            struct sx_http_scan *scan);

/* head.c */
void sx_http_head_init(struct sx_http_server *s);
/* Of a head that was found, with the length of its first line.  0, or the status that refuses
 * it; *ret_why tells people. */
int sx_http_head_parse(struct sx_http_server *s, struct sx_http_req *r, char *head, size_t len,
                       size_t line, const char **ret_why);

/* body.c: takes what belongs to the body; the number of bytes, or a negative HTTP status. */
void sx_http_body_begin(struct sx_http_body *b, const struct sx_http_req *r);
ptrdiff_t sx_http_body_take(struct sx_http_body *b, struct sx_http_req *r, const char *data,
                            size_t len);
bool sx_http_body_is_done(const struct sx_http_body *b);

/* request.c */
struct sx_http_req *sx_http_req_create(struct sx_http_conn *c);
void sx_http_req_recycle(struct sx_http_req *r);
void sx_http_req_dispatch(struct sx_http_req *r); /* head and body are there */
void sx_http_req_gone(struct sx_http_req *r);
void sx_http_reqs_free(struct sx_http_server *s);

void sx_http_cors_request(const struct sx_http_req *r, struct sx_cors_request *ret);

/* response.c */
bool sx_http_answer_has(struct sx_http_req *r, const char *name);
void sx_http_add_line(struct sx_http_req *r, const char *name, const char *value);

/* output.c: answers in their turn */
void sx_http_output_advance(struct sx_http_conn *c);
void sx_http_output_end(struct sx_http_req *r); /* the answer is in the buffer whole */
void sx_http_output_head(struct sx_http_conn *c, struct sx_http_req *r, bool has_length,
                         uint64_t length, bool is_chunked);

/* file_body.c, stream.c: answers that take their time */
void sx_http_file_start(struct sx_http_req *r);
void sx_http_file_drained(struct sx_http_req *r);
void sx_http_file_close(struct sx_http_req *r);
void sx_http_stream_start(struct sx_http_req *r);
void sx_http_stream_drained(struct sx_http_req *r);
void sx_http_stream_gone(struct sx_http_req *r);

struct sx_http_ws;

struct sx_http_stream {
    struct sx_http_req *req; /* NULL: the client has left, or it was closed */
    struct sx_http_server *server;
    struct sx_http_stream_ops ops;
    void *arg;
    struct sx_buf early;   /* written before its turn came */
    struct sx_http_ws *ws; /* owned; NULL: the body of an answer */
    uint32_t n_uses;       /* on the stack now: the last of them frees it */
    bool is_started, has_ended, is_chunked, wants_drained, is_dead;
};

/* As the answer to r, which has none yet. */
int sx_http_stream_create(struct sx_http_req *r, const struct sx_http_stream_ops *ops, void *arg,
                          struct sx_http_stream **ret_stream);
/* 0, or why sx_http_stream_write takes nothing. */
int sx_http_stream_admit(struct sx_http_stream *s);
/* Whatever the mark says. */
int sx_http_stream_put(struct sx_http_stream *s, const void *data, size_t len);
/* Everything is written: the answer ends, closed is called. */
void sx_http_stream_finish(struct sx_http_stream *s);
void sx_http_stream_unuse(struct sx_http_stream *s);
struct sx_buf *sx_http_stream_output(struct sx_http_conn *c);

/* websocket.c */
void sx_http_ws_start(struct sx_http_stream *s);
void sx_http_ws_free(struct sx_http_stream *s); /* takes a stream that is none */
/* Frames, or parts of some: all of them are used. */
void sx_http_ws_take(struct sx_http_stream *s, const char *data, size_t len);
void sx_http_ws_eof(struct sx_http_stream *s);
/* Closes at once, with that code. */
void sx_http_ws_fail(struct sx_http_stream *s, int code);
/* What it holds of a message that is not complete. */
size_t sx_http_ws_memory(const struct sx_http_stream *s);

#endif /* SX_HTTP_HTTP_PRIVATE_H */
