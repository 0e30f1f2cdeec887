/*
 * worker/drain.c - the way out: not ready, not accepting, finishing, closed.
 *
 * The supervisor holds the deadline and kills; nothing here waits for ever by itself.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/error.h"
#include "base/text.h"
#include "worker/worker_private.h"

#define BROKEN_IDLE_MS  2000u
#define LAST_ANSWERS_MS 300u

static void on_db_closed(void *arg)
{
    struct sx_worker *w = arg;

    w->pool = NULL;
}

static void close_handles(struct sx_worker *w)
{
    uv_close((uv_handle_t *)&w->timer, NULL);
    uv_close((uv_handle_t *)&w->idle, NULL);
    uv_close((uv_handle_t *)&w->control, NULL);
}

/* What a fault has left is not taken apart: it may be anything. */
static _Noreturn void leave(struct sx_worker *w)
{
    sx_log_destroy(w->log);
    (void)sx_control_send(w->spec.control_fd, SX_CONTROL_DRAINED, NULL);
    _exit(0);
}

/* Everything is finished, or the time is up: the loop ends when all handles have closed, and
 * only then, when nothing can call them any more, the plugins are stopped. */
void sx_worker_stop(struct sx_worker *w)
{
    if (w->phase == WORKER_CLOSING)
        return;
    if (sx_plugins_have_broken(w->plugins) || sx_work_has_lost(w->work))
        leave(w);
    sx_plugins_end_streams(w->plugins);
    w->phase = WORKER_CLOSING;
    sx_board_set_state(w->slot, (uint32_t)uv_os_getpid(), w->spec.generation, SX_WORKER_DRAINING);
    sx_plugins_drain(w->plugins);
    sx_plugins_close(w->plugins);
    sx_work_close(w->work, sx_plugins_drop_work);
    w->work = NULL;
    if (w->pool != NULL)
        w->db->close(w->pool, on_db_closed, w);
    sx_http_server_close(w->http, NULL, NULL);
    w->http = NULL;
    close_handles(w);
}

static void stop_when_finished(struct sx_worker *w)
{
    if (w->phase == WORKER_DRAINING && w->is_http_drained && sx_plugins_pending(w->plugins) == 0 &&
        sx_work_pending(w->work) == 0)
        sx_worker_stop(w);
}

static void on_grace_over(uv_timer_t *t);

/* What they were kept for is over: now the time of the drain begins for them. */
static void end_streams(struct sx_worker *w)
{
    w->stream_ms = 0;
    sx_plugins_end_streams(w->plugins);
    (void)uv_timer_start(&w->timer, on_grace_over, w->grace_ms, 0);
}

static void on_streams_over(uv_timer_t *t)
{
    end_streams(t->data);
}

static void on_idle(uv_prepare_t *h)
{
    struct sx_worker *w = h->data;

    if (w->phase == WORKER_DRAINING && w->stream_ms > 0 && sx_plugins_kept_streams(w->plugins) == 0)
        end_streams(w);
    stop_when_finished(w);
}

void sx_worker_keep_streams(struct sx_worker *w, const char *text)
{
    size_t n = strcspn(text, " ");
    uint64_t stream_ms;

    if (sx_parse_uint(text, n, &stream_ms) < 0 || stream_ms > UINT32_MAX || w->plugins == NULL)
        return;
    if (w->phase == WORKER_DRAINING && stream_ms == 0 && w->stream_ms > 0)
        end_streams(w);
    if (w->phase != WORKER_SERVING)
        return;
    w->stream_ms = (uint32_t)stream_ms;
    while (text[n] == ' ') {
        char name[64];
        size_t len = strcspn(text += n + 1, " ");

        if (len < sizeof name) {
            (void)snprintf(name, sizeof name, "%.*s", (int)len, text);
            sx_plugins_keep_streams(w->plugins, name);
        }
        n = len;
    }
}

static void on_http_drained(void *arg)
{
    struct sx_worker *w = arg;

    w->is_http_drained = true;
}

static void on_last_answers_over(uv_timer_t *t)
{
    sx_worker_stop(t->data);
}

/* Each request that is still waited for is answered 504, and told with its plugin and route. */
static void on_grace_over(uv_timer_t *t)
{
    struct sx_worker *w = t->data;

    sx_log_line(w->log, SX_LOG_WARNING, NULL,
                "the drain took longer than %u ms, closing %u connections", w->grace_ms,
                sx_http_server_stats(w->http)->connections_open);
    sx_http_server_expire(w->http);
    (void)uv_timer_start(&w->timer, on_last_answers_over, LAST_ANSWERS_MS, 0);
}

static void begin_drain(struct sx_worker *w)
{
    w->phase = WORKER_DRAINING;
    sx_board_set_state(w->slot, (uint32_t)uv_os_getpid(), w->spec.generation, SX_WORKER_DRAINING);
    sx_plugins_drain(w->plugins);
    sx_http_server_drain(w->http, w->idle_ms, on_http_drained, w);
    (void)sx_control_send(w->spec.control_fd, SX_CONTROL_DRAINING, NULL);
    if (sx_plugins_kept_streams(w->plugins) == 0)
        w->stream_ms = 0;
    if (w->stream_ms > 0)
        (void)uv_timer_start(&w->timer, on_streams_over, w->stream_ms, 0);
    else
        (void)uv_timer_start(&w->timer, on_grace_over, w->grace_ms, 0);
    (void)uv_prepare_start(&w->idle, on_idle);
}

static void on_delay_over(uv_timer_t *t)
{
    begin_drain(t->data);
}

void sx_worker_drain(struct sx_worker *w, uint32_t delay_ms, uint32_t grace_ms)
{
    if (w->phase >= WORKER_LEAVING)
        return;
    w->grace_ms = grace_ms;
    /* With a successor there is time: an idle client may ask once more, and is then told to
     * close, so that no request meets a closing connection. */
    w->idle_ms = sx_board_has_successor(w->board, w->spec.generation) ? grace_ms / 4 * 3 : 0;
    if (sx_plugins_have_broken(w->plugins) ||
        w->is_replaced) /* replaced as well, but to be gone soon */
        w->idle_ms = BROKEN_IDLE_MS < grace_ms ? BROKEN_IDLE_MS : grace_ms;
    w->phase = WORKER_LEAVING;
    if (delay_ms == 0)
        begin_drain(w);
    else
        (void)uv_timer_start(&w->timer, on_delay_over, delay_ms, 0);
}
