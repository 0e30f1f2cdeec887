/*
 * http/phase.c - what a connection is doing, and how long its client may take for that.
 *
 * Deadlines are lazy: most of them move further away before they are due, so the wheel keeps the
 * old time and the callback looks again.  The rates of a body and of an answer are looked at when
 * a deadline fires, never when bytes come or go: in each window of time (body_ms, write_ms) so
 * many bytes must have moved, or all that there were.
 */
#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "base/check.h"
#include "base/error.h"
#include "http/http_private.h"

static void set_deadline(struct sx_http_conn *c, uint32_t ms)
{
    c->deadline_ms = uv_now(c->server->loop) + ms;
    if (!sx_timeout_is_set(&c->timeout) || c->timeout.due_ms > c->deadline_ms)
        sx_http_timeout(c->server, &c->timeout, c->deadline_ms);
}

/* --- Rates ------------------------------------------------------------------------ */

/* Of all answers, what has arrived.  The kernel says what it still holds: a socket becomes
 * writable only when a third of its buffer is free, which is minutes for a slow client. */
static uint64_t arrived(const struct sx_http_conn *c)
{
    int unsent = 0;

    if (c->is_memory || ioctl(c->fd, SIOCOUTQ, &unsent) != 0 || unsent < 0)
        unsent = 0;
    return c->n_out - sx_http_conn_unwritten(c) - (unsigned)unsent;
}

static uint64_t moved(const struct sx_http_conn *c)
{
    return c->phase == PHASE_WRITING ? arrived(c) : c->n_in;
}

static void begin_window(struct sx_http_conn *c)
{
    c->window_ms = uv_now(c->server->loop);
    c->window_from = moved(c);
}

/* The window is over: has enough moved?  Then the next one begins. */
static bool keeps_pace(struct sx_http_conn *c, uint32_t bytes_per_s)
{
    uint64_t ms = uv_now(c->server->loop) - c->window_ms;
    int64_t n = (int64_t)(moved(c) - c->window_from); /* a unix socket counts its overhead too */

    if (n <= 0 || (uint64_t)n * 1000 < ms * bytes_per_s)
        return false;
    begin_window(c);
    return true;
}

/* --- Timeouts --------------------------------------------------------------------- */

static void time_out(struct sx_http_conn *c)
{
    if (c->phase == PHASE_HEAD || c->phase == PHASE_BODY) {
        sx_http_input_time_out(c);
        sx_http_conn_touch(c);
    } else {
        sx_http_conn_abort(c);
    }
}

/* Not behind, or no fault of the client: a file is being read from a slow disk. */
static bool is_reading_on(struct sx_http_conn *c)
{
    const struct sx_http_limits *limits = &c->server->set.limits;

    if (c->is_writing && !keeps_pace(c, limits->min_write_rate))
        return false;
    begin_window(c);
    set_deadline(c, limits->write_ms);
    return true;
}

/* Some bytes came in time, each time: were they enough? */
static bool is_trickling(struct sx_http_conn *c)
{
    const struct sx_http_limits *limits = &c->server->set.limits;

    return c->phase == PHASE_BODY && limits->min_body_rate > 0 &&
           uv_now(c->server->loop) >= c->window_ms + limits->body_ms &&
           !keeps_pace(c, limits->min_body_rate);
}

static void on_timeout(struct sx_timeout *t)
{
    struct sx_http_conn *c = SX_MEMBER_OF(t, struct sx_http_conn, timeout);

    if (c->phase == PHASE_BUSY)
        return;
    if (uv_now(c->server->loop) < c->deadline_ms && !is_trickling(c))
        sx_http_timeout(c->server, t, c->deadline_ms);
    else if (c->phase != PHASE_WRITING || !is_reading_on(c))
        time_out(c);
}

/* --- Phases ------------------------------------------------------------------------ */

/* Empty lines before a request are none of it, and half of one is not yet a line. */
static bool has_part_of_head(const struct sx_http_conn *c)
{
    return c->in.len > 1 || (c->in.len == 1 && c->in.data[0] != '\r');
}

/* Between two pieces of a file the client is still the one that is waited for. */
static bool is_sending_file(const struct sx_http_conn *c)
{
    const struct sx_http_req *r = SX_MEMBER_OF(c->requests.next, struct sx_http_req, link);

    return !sx_list_is_empty(&c->requests) && r->state == SX_HTTP_SENDING &&
           r->resp.kind == SX_HTTP_BODY_FILE;
}

static enum sx_http_phase find_phase(const struct sx_http_conn *c)
{
    if (c->is_writing || is_sending_file(c))
        return PHASE_WRITING;
    if (c->receiving != NULL)
        return PHASE_BODY;
    if (!sx_list_is_empty(&c->requests))
        return PHASE_BUSY;
    return has_part_of_head(c) ? PHASE_HEAD : PHASE_IDLE;
}

void sx_http_phase_set(struct sx_http_conn *c)
{
    const struct sx_http_limits *limits = &c->server->set.limits;
    enum sx_http_phase phase = find_phase(c);
    bool is_same = c->phase == phase;

    c->phase = (uint8_t)phase;
    switch (phase) {
    case PHASE_IDLE: /* from the last answer on; empty lines do not count */
        if (!is_same || c->deadline_ms == 0)
            set_deadline(c, limits->idle_ms);
        break;
    case PHASE_HEAD: /* from its first byte to its last, however slowly they come */
        if (!is_same)
            set_deadline(c, limits->header_ms);
        break;
    case PHASE_BODY: /* from one piece to the next, and in each window enough of them */
        if (!is_same)
            begin_window(c);
        set_deadline(c, limits->body_ms);
        break;
    case PHASE_WRITING:
        if (!is_same) {
            begin_window(c);
            set_deadline(c, limits->write_ms);
        }
        break;
    default: break;
    }
}

void sx_http_phase_linger(struct sx_http_conn *c)
{
    c->phase = PHASE_LINGER;
    c->deadline_ms = uv_now(c->server->loop) + SX_HTTP_LINGER_MS;
    sx_http_timeout(c->server, &c->timeout, c->deadline_ms);
}

void sx_http_phase_init(struct sx_http_conn *c)
{
    sx_timeout_init(&c->timeout, on_timeout);
    sx_http_phase_set(c);
}
