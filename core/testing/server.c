/*
 * testing/server.c - everything of a worker but its process and its sockets, put together and
 * taken apart in the same order (worker/build.c, worker/drain.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "testing/testing_private.h"

#define MAX_ARENA_BYTES     (1u << 30)
#define DEFAULT_PATIENCE_MS 30000u

/* --- Turning the loop ----------------------------------------------------------------- */

static void on_patience_over(uv_timer_t *timer)
{
    struct sxt_server *s = timer->data;

    s->is_impatient = true;
}

uint32_t sxt_patience_ms(void)
{
    const char *text = getenv("SX_TEST_PATIENCE_MS");
    uint64_t ms;

    if (text != NULL && sx_parse_uint(text, strlen(text), &ms) == 0 && ms <= UINT32_MAX)
        return (uint32_t)ms;
    return DEFAULT_PATIENCE_MS;
}

static void begin_patience(struct sxt_server *s, uint32_t ms)
{
    s->is_impatient = false;
    uv_update_time(&s->loop);
    (void)uv_timer_start(&s->patience, on_patience_over, ms, 0);
}

static void end_patience(struct sxt_server *s)
{
    (void)uv_timer_stop(&s->patience);
    sxt_lines_collect(&s->lines);
}

bool sxt_server_run(struct sxt_server *s, bool (*is_so)(const void *arg), const void *arg)
{
    begin_patience(s, sxt_patience_ms());
    while (!is_so(arg) && !s->is_impatient)
        (void)uv_run(&s->loop, UV_RUN_ONCE);
    end_patience(s);
    return is_so(arg);
}

void sxt_server_turn(struct sxt_server *s)
{
    begin_patience(s, 1);
    (void)uv_run(&s->loop, UV_RUN_ONCE);
    end_patience(s);
}

/* --- Putting it together ----------------------------------------------------------------- */

static int64_t tell_now(void *arg)
{
    struct sxt_server *s = arg;
    int64_t now_ns = __atomic_load_n(&s->now_ns, __ATOMIC_RELAXED);

    return now_ns != 0 ? now_ns : sx_clock_wall_ns();
}

static bool on_db_log(void *arg, int severity, const char *text)
{
    struct sxt_server *s = arg;

    sx_log_line(s->lines.log, (enum sx_log_severity)severity, NULL, "%s", text);
    return true;
}

static int load(struct sxt_server *s, struct sxt_group *g, const char *extra, const char *url,
                struct sx_log *log, struct sx_report *rep)
{
    struct sx_plugins_settings set = { .root_dir = SX_SOURCE_DIR, .log = log };
    int err = sxt_folder_load(&g->folder, g->setup, extra, url, rep, &s->config);

    set.config = s->config;
    if (err == 0)
        err = sx_plugins_load(&set, rep, &s->plugins);
    return err == 0 ? sx_plugins_check(s->plugins, rep) : err;
}

static int start_loop(struct sxt_server *s)
{
    if (uv_loop_init(&s->loop) != 0)
        return SX_ERR_NOMEM;
    s->has_loop = true;
    s->patience.data = s;
    return uv_timer_init(&s->loop, &s->patience) == 0 ? 0 : SX_ERR_IO;
}

static int start_http(struct sxt_server *s, struct sx_report *rep)
{
    struct sx_http_settings set;
    int err = sx_plugins_http_settings(s->plugins, &s->loop, rep, &set);

    return err < 0 ? err : sx_http_server_create(&set, &s->http);
}

static int start_work(struct sxt_server *s)
{
    const struct sx_config_server *cfg = &s->config->server;
    struct sx_work_settings set = { .loop = &s->loop,
                                    .n_threads = cfg->pool_threads,
                                    .max_queued = cfg->pool_queue };
    int err = sx_board_create(1, cfg->pool_threads + 1, &s->board);

    return err < 0 ? err : sx_work_create(&set, &s->work);
}

static bool is_db_ready(const void *arg)
{
    const struct sxt_server *s = arg;
    struct sx_db_stats stats;

    s->db->stats(s->pool, &stats);
    return stats.is_ready;
}

static int start_db(struct sxt_server *s, struct sx_report *rep)
{
    struct sx_db_settings set;
    int err;

    if (*s->config->database.url == '\0' || !sx_plugins_need_db(s->plugins))
        return 0;
    err = sx_db_open(SX_BUILD_DIR "/sx_db.so", rep, &s->db);
    if (err < 0)
        return err;
    sx_plugins_db_settings(s->plugins, &s->loop, &set);
    set.on_log = on_db_log;
    set.arg = s;
    err = s->db->create(&set, &s->pool);
    if (err == 0 && !sxt_server_run(s, is_db_ready, s)) {
        sx_report_add(rep, "the database of the test is not ready");
        err = SX_ERR_TIMEOUT;
    }
    return err;
}

static int start_plugins(struct sxt_server *s, struct sx_report *rep)
{
    const sx_test_setup *setup = s->group->setup;
    struct sx_plugins_runtime rt = { .loop = &s->loop,
                                     .work = s->work,
                                     .db = s->db,
                                     .pool = s->pool,
                                     .board = s->board,
                                     .slot = sx_board_worker_at(s->board, 0),
                                     .index = setup->worker,
                                     .count = setup->n_workers == 0 ? 1 : setup->n_workers,
                                     .roles = s->config->database.roles,
                                     .now_ns = tell_now,
                                     .arg = s };

    return sx_plugins_start(s->plugins, &rt, rep);
}

int sxt_server_start(struct sxt_server *s, struct sxt_group *g, const char *url,
                     struct sx_report *rep)
{
    int err;

    *s = (struct sxt_server){ .group = g };
    sx_list_init(&s->clients);
    sx_list_init(&s->answers);
    sx_arena_init(&s->arena, MAX_ARENA_BYTES);
    err = sxt_lines_open(&s->lines);
    if (err == 0)
        err = load(s, g, NULL, url, s->lines.log, rep);
    if (err == 0)
        err = start_loop(s);
    if (err == 0)
        err = start_work(s);
    if (err == 0)
        err = start_http(s, rep);
    if (err == 0)
        err = start_db(s, rep);
    if (err == 0)
        err = start_plugins(s, rep);
    return err;
}

/* --- Taking it apart ------------------------------------------------------------------------ */

static void close_clients(struct sxt_server *s)
{
    for (struct sx_list *l = s->answers.next; l != &s->answers; l = l->next)
        sxt_exchange_close(SX_MEMBER_OF(l, struct sxt_answer, link));
}

static bool is_idle(const void *arg)
{
    const struct sxt_server *s = arg;

    return (s->http == NULL || sx_http_server_stats(s->http)->requests_open == 0) &&
           sx_plugins_pending(s->plugins) == 0 &&
           (s->work == NULL || sx_work_pending(s->work) == 0);
}

static void tell_left(struct sxt_server *s, struct sx_report *rep)
{
    struct sx_db_stats stats = { 0 };
    unsigned n_uploads = sxt_folder_uploads(&s->group->folder);

    if (!is_idle(s))
        sx_report_add(rep, "left behind: %u requests, %u tasks, batches or posts",
                      sx_http_server_stats(s->http)->requests_open, sx_plugins_pending(s->plugins));
    if (s->pool != NULL)
        s->db->stats(s->pool, &stats);
    if (stats.n_leased > 0)
        sx_report_add(rep, "left behind: %u leased connections", stats.n_leased);
    if (n_uploads > 0)
        sx_report_add(rep, "left behind: %u uploaded files", n_uploads);
}

static void on_http_closed(void *arg)
{
    struct sxt_server *s = arg;

    s->http = NULL;
}

static void on_db_closed(void *arg)
{
    struct sxt_server *s = arg;

    s->pool = NULL;
}

static bool is_closed(const void *arg)
{
    const struct sxt_server *s = arg;

    return s->http == NULL && s->pool == NULL;
}

static void close_all(struct sxt_server *s, struct sx_report *rep)
{
    if (s->work != NULL)
        sx_work_close(s->work, sx_plugins_drop_work);
    s->work = NULL;
    if (s->pool != NULL)
        s->db->close(s->pool, on_db_closed, s);
    if (s->http != NULL)
        sx_http_server_close(s->http, on_http_closed, s);
    if (!sxt_server_run(s, is_closed, s))
        sx_report_add(rep, "the server does not end: %s%s", s->http != NULL ? "http " : "",
                      s->pool != NULL ? "database" : "");
}

void sxt_server_stop(struct sxt_server *s, struct sx_report *rep)
{
    if (s->is_stopped || !s->has_loop)
        return;
    s->is_stopped = true;
    close_clients(s);
    if (s->plugins != NULL) {
        sx_plugins_drain(s->plugins);
        s->is_abandoned = !sxt_server_run(s, is_idle, s);
        tell_left(s, rep);
        if (s->is_abandoned)
            return;
        sx_plugins_stop(s->plugins);
    }
    close_all(s, rep);
}

/* What libuv has not closed yet keeps its loop alive. */
static void close_loop(struct sxt_server *s)
{
    uv_close((uv_handle_t *)&s->patience, NULL);
    (void)uv_run(&s->loop, UV_RUN_DEFAULT);
    if (uv_loop_close(&s->loop) != 0)
        print_error("the event loop of the test has handles left\n");
}

static void free_answers(struct sxt_server *s)
{
    struct sx_list *entry;

    while ((entry = sx_list_pop(&s->answers)) != NULL)
        sxt_answer_finish(SX_MEMBER_OF(entry, struct sxt_answer, link));
}

void sxt_server_free(struct sxt_server *s)
{
    if (s->is_abandoned)
        return;
    sxt_session_close(s->session);
    if (s->answers.next != NULL)
        free_answers(s);
    if (s->has_loop)
        close_loop(s);
    sx_plugins_destroy(s->plugins);
    sxt_lines_close(&s->lines);
    sx_board_destroy(s->board);
    sx_config_destroy(s->config);
    sx_arena_finish(&s->arena);
    *s = (struct sxt_server){ 0 };
}

/* --- Loading only ----------------------------------------------------------------------- */

int sxt_server_check(struct sxt_group *g, const char *extra, const char *url, struct sxt_lines *l,
                     struct sx_report *rep)
{
    struct sxt_server s = { .group = g };
    int err = load(&s, g, extra, url, l->log, rep);

    sx_plugins_destroy(s.plugins);
    sx_config_destroy(s.config);
    return err;
}

static void ignore_line(void *arg, const char *line)
{
    (void)arg;
    (void)line;
}

static int migrate(struct sxt_server *s, const char *url, struct sx_report *rep)
{
    struct sx_db_migrate_plugin *plugins;
    size_t n = 0;
    int err;

    if (!sx_plugins_need_db(s->plugins))
        return 0;
    plugins = sx_plugins_migrations(s->plugins, &n);
    err = plugins == NULL ? SX_ERR_NOMEM : sx_db_open(SX_BUILD_DIR "/sx_db.so", rep, &s->db);
    return err < 0 ? err
                   : s->db->migrate(url, plugins, n, SX_DB_MIGRATE_APPLY, s->config->database.roles,
                                    rep, ignore_line, NULL);
}

int sxt_server_migrate(struct sxt_group *g, struct sx_report *rep)
{
    const char *url = sxt_database_base(&g->database);
    struct sxt_server s = { .group = g };
    int err = load(&s, g, NULL, url, NULL, rep);

    if (err == 0)
        err = migrate(&s, url, rep);
    sx_plugins_destroy(s.plugins);
    sx_config_destroy(s.config);
    return err;
}
