/*
 * plugin/host_timer.c - timers of plugins: on the loop, or as a task on a pool thread; in each
 * worker, in one, or in one instance at a time by an advisory lock in the database.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plugin/guard.h"

#define RETRY_MS       100u
#define QUARANTINED_MS 1000u
#define MAX_WAIT_MS \
    10000u /* between two tries of work that fails, or its period when that is longer */
#define TELL_EVERY_MS 60000u

struct sx_timer {
    struct sx_list link; /* of its plugin */
    uv_timer_t uv;
    struct sx_plugin *plugin;
    sx_timer_spec spec;
    int64_t lock_key; /* of SX_ONE_INSTANCE */
    bool is_running;  /* its work has not come back: a tick is skipped */
    bool is_stopped;

    uint64_t wait_ms; /* before work that failed is tried again; 0: it did not */
    uint64_t told_ms; /* when its last failure was; 0: never */
    uint32_t n_untold;
    char why[200]; /* what the database said of it */
};

static void on_tick(uv_timer_t *uv);

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

static void close_timer(struct sx_timer *t)
{
    sx_list_remove(&t->link);
    t->is_stopped = true;
    if (!t->is_running)
        uv_close((uv_handle_t *)&t->uv, on_closed);
    else
        (void)uv_timer_stop(&t->uv);
}

/* Only the instance that gets the lock works; the lease's end gives it back. */
static int work_alone(sx_plugin *p, sx_db *db, struct sx_timer *t)
{
    const sx_param key = { .type = SX_INT, .v.i = t->lock_key };
    const sx_stmt stmt = { "SELECT pg_try_advisory_lock($1)", { &key, 1 }, 0, 0 };

    if (t->spec.scope == SX_ONE_INSTANCE) {
        const sx_rows *rows = sx_host_db_exec(db, &stmt);

        if (rows == NULL)
            return SX_EDB;
        if (!sx_host_rows_int(rows, 0, 0))
            return SX_OK;
    }
    return t->spec.work(p, db, t->spec.arg);
}

/* [pool] */
static int run_work(sx_plugin *p, sx_db *db, void *arg)
{
    struct sx_timer *t = arg;
    const int result = work_alone(p, db, t);
    const sx_db_error *err = result < 0 ? sx_host_db_error(db) : NULL;

    (void)snprintf(t->why, sizeof t->why, "%s%s", err == NULL ? "" : ": ",
                   err == NULL ? "" : err->message);
    return result;
}

/* A line a minute; the next one tells how many there were. */
static void tell_failure(struct sx_timer *t, int result, uint64_t now_ms)
{
    char more[64] = "";

    if (t->told_ms != 0 && now_ms - t->told_ms < TELL_EVERY_MS) {
        t->n_untold++;
        return;
    }
    if (t->n_untold > 0)
        (void)snprintf(more, sizeof more, " (and %u more times since the last line)", t->n_untold);
    t->told_ms = now_ms;
    t->n_untold = 0;
    sx_report_fault(t->plugin, NULL, "the work of a timer failed with %d%s%s", result, t->why,
                    more);
}

/* Work that fails comes back later and later: what it needs is away, or it never will succeed. */
static void note_failure(struct sx_timer *t, int result)
{
    const uint64_t every_ms = t->spec.every_ms;
    const uint64_t max_ms = every_ms > MAX_WAIT_MS ? every_ms : MAX_WAIT_MS;

    tell_failure(t, result, uv_now(t->plugin->set->rt.loop));
    t->wait_ms = t->wait_ms == 0 ? 2 * every_ms : 2 * t->wait_ms;
    if (t->wait_ms > max_ms)
        t->wait_ms = max_ms;
    if (uv_is_active((uv_handle_t *)&t->uv)) /* not one that a drain has stopped */
        (void)uv_timer_start(&t->uv, on_tick, t->wait_ms, every_ms);
}

static void on_work_done(sx_plugin *p, int result, void *arg)
{
    struct sx_timer *t = arg;

    (void)p;
    if (result < 0)
        note_failure(t, result);
    else
        t->wait_ms = 0;
    t->is_running = false;
    if (t->is_stopped)
        uv_close((uv_handle_t *)&t->uv, on_closed);
    else if (t->spec.every_ms == 0)
        close_timer(t);
}

static void fire_work(struct sx_timer *t)
{
    int err;

    if (t->is_running)
        return;
    err = sx_host_task(t->plugin, run_work, on_work_done, t);
    t->is_running = err == 0;
    if (err < 0)
        sx_report_fault(t->plugin, NULL, "a timer could not start its work: %d", err);
    if (err < 0 && t->spec.every_ms == 0) /* its only tick: once more */
        (void)uv_timer_start(&t->uv, on_tick, RETRY_MS, 0);
}

static void on_tick(uv_timer_t *uv)
{
    struct sx_timer *t = uv->data;
    struct sx_plugin *p = t->plugin;
    sx_timer_fn *fn = t->spec.fn;
    void *arg = t->spec.arg;

    if (p->is_quarantined) {
        if (t->spec.every_ms == 0) /* its only tick: later */
            (void)uv_timer_start(uv, on_tick, QUARANTINED_MS, 0);
        return;
    }
    if (fn == NULL) {
        if (!p->is_broken)
            fire_work(t);
        return;
    }
    if (t->spec.every_ms == 0)
        close_timer(t); /* it is gone when its fn is called */
    SX_GUARDED(p->set, p, NULL, fn(p, arg), );
}

/* The same in every instance, another for each timer of each plugin. */
static int64_t make_key(const struct sx_plugin *p, uint32_t number)
{
    uint64_t hash = 1469598103934665603u;

    for (const char *at = p->note.name; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 1099511628211u;
    return (int64_t)((hash ^ number) * 1099511628211u);
}

static int check_spec(const sx_plugin *p, const sx_timer_spec *spec)
{
    if (!sx_is_loop(p->set))
        return SX_ETHREAD;
    if ((spec->fn == NULL) == (spec->work == NULL) || spec->scope < SX_EACH_WORKER ||
        spec->scope > SX_ONE_INSTANCE)
        return SX_EINVAL;
    /* The lock is held by a connection, which only work has, and only without a pooler. */
    if (spec->scope == SX_ONE_INSTANCE &&
        (spec->work == NULL || strcmp(p->set->set.config->database.pooler, "none") != 0))
        return SX_EINVAL;
    if (spec->work != NULL && (p->grants & SX_CAP_BLOCKING) == 0)
        return SX_EDENIED;
    if (spec->scope == SX_ONE_INSTANCE && (p->grants & SX_CAP_DB) == 0)
        return SX_EDENIED;
    return p->set->rt.loop == NULL || p->set->is_closed ? SX_EBUSY : SX_OK;
}

int sx_host_timer_start(sx_plugin *p, const sx_timer_spec *given, size_t size, sx_timer **ret)
{
    sx_timer_spec spec = { 0 };
    struct sx_timer *t;
    int err;

    memcpy(&spec, given, size < sizeof spec ? size : sizeof spec);
    err = check_spec(p, &spec);
    if (err < 0)
        return err;
    if (spec.scope != SX_EACH_WORKER && (p->set->rt.index != 0 || p->set->is_draining)) {
        p->n_timers_made++;
        if (ret != NULL)
            *ret = NULL; /* another worker has it; stopping NULL is fine */
        return SX_OK;
    }
    t = calloc(1, sizeof *t);
    if (t == NULL || uv_timer_init(p->set->rt.loop, &t->uv) != 0) {
        free(t);
        return SX_ENOMEM;
    }
    t->uv.data = t;
    t->plugin = p;
    t->spec = spec;
    t->lock_key = make_key(p, p->n_timers_made++);
    sx_list_push(&p->timers, &t->link);
    (void)uv_timer_start(&t->uv, on_tick, spec.after_ms, spec.every_ms);
    if (ret != NULL)
        *ret = t;
    return SX_OK;
}

void sx_host_timer_stop(sx_timer *t)
{
    if (t == NULL || t->is_stopped)
        return;
    if (sx_is_loop(t->plugin->set))
        close_timer(t);
    else
        sx_report_fault(t->plugin, NULL, "sx_timer_stop was called on a pool thread: ignored");
}

void sx_timers_stop_single(struct sx_plugin *p)
{
    for (struct sx_list *at = p->timers.next, *next; at != &p->timers; at = next) {
        struct sx_timer *t = SX_MEMBER_OF(at, struct sx_timer, link);

        next = at->next;
        if (t->spec.scope != SX_EACH_WORKER)
            (void)uv_timer_stop(&t->uv); /* it stays the plugin's, who does not know */
    }
}

void sx_timers_stop(struct sx_plugin *p)
{
    while (!sx_list_is_empty(&p->timers))
        close_timer(SX_MEMBER_OF(p->timers.next, struct sx_timer, link));
}
