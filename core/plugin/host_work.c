/*
 * plugin/host_work.c - blocking handlers, offloaded work and tasks on pool threads, posts and
 * answers that come later on the loop.
 *
 * A request that goes to a pool thread belongs to it until the work item is done; the loop
 * only tells it that its client is gone (sx_http_is_gone), and cancels its statement at the
 * deadline, under lease_lock.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "plugin/guard.h"

static void set_lease(struct sx_req *r, struct sx_db *db)
{
    (void)pthread_mutex_lock(&r->set->lease_lock);
    r->lease = db;
    (void)pthread_mutex_unlock(&r->set->lease_lock);
}

static uint64_t deadline_ns(const struct sx_req *r)
{
    uint64_t now_ms = sx_http_now_ms(r->http.server);
    uint64_t left_ms = r->http.deadline_ms > now_ms ? r->http.deadline_ms - now_ms : 0;

    return sx_clock_mono_ns() + left_ms * 1000000;
}

/* Everything that only the loop may compute, before a thread can ask for it. */
static void prepare(struct sx_req *r)
{
    if (r->http.deadline_ms == 0)
        r->http.deadline_ms = sx_http_now_ms(r->http.server) + r->set->set.config->http.request_ms;
    r->deadline_ns = deadline_ns(r);
    sx_http_wait(&r->http);
    (void)sx_http_remote(&r->http);
    (void)sx_http_trace(&r->http);
}

/* --- Blocking handlers ------------------------------------------------------------------ */

static void refuse_left_open(struct sx_req *r, const char *left)
{
    sx_report_fault(r->plugin, r, "the handler returned, but %s; it was rolled back", left);
    sx_http_unreply(&r->http);
    (void)sx_http_problem(&r->http, 500, "transaction_left_open",
                          "the plugin \"%s\" did not finish its transaction", r->plugin->note.name);
}

/* One attempt; true when it lost a race that another attempt may win. */
static bool attempt(struct sx_req *r, uint32_t thread, bool is_last)
{
    struct sx_db db;
    const char *left;
    bool lost_race;

    if (sx_lease_open(&db, r->plugin, r, r->deadline_ns) < 0) {
        r->work_result = SX_ENOMEM;
        (void)sx_lease_close(&db);
        return false;
    }
    db.may_retry = !is_last;
    set_lease(r, &db);
    sx_pool_mark(r->set, thread, &db);
    r->work_result = r->entry->route->blocking(r, &db);
    set_lease(r, NULL);
    lost_race = db.has_error && db.error.retryable && r->work_result < 0;
    left = sx_lease_close(&db);
    if (lost_race && !is_last && !sx_http_is_gone(&r->http)) {
        sx_http_unreply(&r->http);
        return true;
    }
    if (left != NULL && r->work_result >= 0)
        refuse_left_open(r, left);
    return false;
}

static void run_blocking(struct sx_work_item *item, uint32_t thread)
{
    struct sx_req *r = SX_MEMBER_OF(item, struct sx_req, work);
    uint32_t left = r->entry->route->retries;

    if (sx_http_is_gone(&r->http)) {
        r->work_result = SX_ECLOSED;
        return;
    }
    if (sx_plugin_is_broken(r->plugin)) {
        r->work_result = SX_FAULTED;
        return;
    }
    sx_pool_enter(r->set, thread, r->plugin, r);
    while (attempt(r, thread, left == 0 || sx_plugin_is_broken(r->plugin)))
        left--;
    sx_pool_leave(r->set, thread);
}

static void on_blocking_done(struct sx_work_item *item)
{
    struct sx_req *r = SX_MEMBER_OF(item, struct sx_req, work);

    r->op = OP_NONE;
    sx_settle(r, r->work_result);
}

static int submit(struct sx_req *r, enum sx_op_kind kind,
                  void (*run)(struct sx_work_item *, uint32_t), void (*done)(struct sx_work_item *))
{
    int err;

    prepare(r);
    r->op = kind;
    r->work.run = run;
    r->work.done = done;
    err = sx_work_submit(r->set->rt.work, &r->work);
    if (err < 0)
        r->op = OP_NONE;
    return err;
}

void sx_blocking_start(struct sx_req *r)
{
    int err = submit(r, OP_BLOCKING, run_blocking, on_blocking_done);

    if (err < 0)
        sx_settle(r, err);
}

/* --- Offloaded work ------------------------------------------------------------------------ */

static void run_offload(struct sx_work_item *item, uint32_t thread)
{
    struct sx_req *r = SX_MEMBER_OF(item, struct sx_req, work);
    struct sx_db db;
    const char *left;

    if (sx_plugin_is_broken(r->plugin)) {
        r->work_result = SX_FAULTED;
        return;
    }
    if (sx_lease_open(&db, r->plugin, r, r->deadline_ns) < 0) {
        r->work_result = SX_ENOMEM;
        (void)sx_lease_close(&db);
        return;
    }
    sx_pool_enter(r->set, thread, r->plugin, r);
    set_lease(r, &db);
    sx_pool_mark(r->set, thread, &db);
    r->work_result = r->work_fn(r->plugin, &db, r->arg);
    set_lease(r, NULL);
    sx_pool_leave(r->set, thread);
    left = sx_lease_close(&db);
    if (left != NULL)
        sx_report_fault(r->plugin, r, "offloaded work returned, but %s; it was rolled back", left);
    if (left != NULL && r->work_result >= 0)
        r->work_result = SX_EDB;
}

static void on_offload_done(struct sx_work_item *item)
{
    struct sx_req *r = SX_MEMBER_OF(item, struct sx_req, work);
    int result = r->failed;

    r->op = OP_NONE;
    if (result == 0)
        SX_GUARDED(r->set, r->plugin, r, result = r->fn.done(r, r->work_result, r->arg),
                   result = SX_FAULTED);
    sx_settle(r, result);
}

static int may_start(const struct sx_req *r, enum sx_capability cap)
{
    if (!sx_is_loop(r->set))
        return SX_ETHREAD;
    if (cap != 0 && (r->plugin->grants & cap) == 0)
        return SX_EDENIED;
    if (sx_http_is_gone(&r->http))
        return SX_ECLOSED;
    return r->op == OP_NONE && !r->is_done && !r->set->is_closed ? SX_OK : SX_EBUSY;
}

int sx_host_offload(sx_req *r, sx_work_fn *work, sx_done_fn *done, void *arg)
{
    int err = work == NULL || done == NULL ? SX_EINVAL : may_start(r, SX_CAP_BLOCKING);

    if (err < 0)
        return err;
    r->work_fn = work;
    r->fn.done = done;
    r->arg = arg;
    return submit(r, OP_OFFLOAD, run_offload, on_offload_done);
}

/* --- Answering later ------------------------------------------------------------------------- */

/* A timer of libuv, which is as exact as the loop; the wheel of the timeouts is not. */
struct sx_later {
    uv_timer_t timer;
    struct sx_req *req; /* NULL: forgotten */
};

static void on_later_closed(uv_handle_t *h)
{
    free(SX_MEMBER_OF((uv_timer_t *)h, struct sx_later, timer));
}

static void close_later(struct sx_req *r)
{
    r->later->req = NULL;
    uv_close((uv_handle_t *)&r->later->timer, on_later_closed);
    r->later = NULL;
}

static void on_later(uv_timer_t *timer)
{
    struct sx_req *r = SX_MEMBER_OF(timer, struct sx_later, timer)->req;
    int result = r->failed;

    close_later(r);
    r->op = OP_NONE;
    if (result == 0)
        SX_GUARDED(r->set, r->plugin, r, result = r->fn.after(r, r->arg), result = SX_FAULTED);
    sx_settle(r, result);
}

int sx_host_after(sx_req *r, uint64_t ms, sx_after_fn *fn, void *arg)
{
    int err = fn == NULL || ms > INT32_MAX ? SX_EINVAL : may_start(r, 0);

    if (err < 0)
        return err;
    r->later = calloc(1, sizeof *r->later);
    if (r->later == NULL || uv_timer_init(r->set->rt.loop, &r->later->timer) != 0) {
        free(r->later);
        r->later = NULL;
        return SX_ENOMEM;
    }
    r->later->req = r;
    r->fn.after = fn;
    r->arg = arg;
    r->op = OP_AFTER;
    uv_update_time(r->set->rt.loop);
    (void)uv_timer_start(&r->later->timer, on_later, ms, 0);
    return SX_OK;
}

void sx_after_cancel(struct sx_req *r)
{
    close_later(r);
}

/* --- Tasks and posts: no request ------------------------------------------------------------- */

struct task {
    struct sx_work_item item;
    struct sx_plugin *plugin;
    sx_work_fn *work;
    sx_task_done_fn *done;
    sx_post_fn *post;
    void *arg;
    struct sx_db *db; /* while a thread works; the thread's */
    int32_t result;
};

static void free_task(struct task *t)
{
    __atomic_sub_fetch(&t->plugin->set->n_pending, 1, __ATOMIC_RELAXED);
    free(t);
}

static void run_task(struct sx_work_item *item, uint32_t thread)
{
    struct task *t = SX_MEMBER_OF(item, struct task, item);
    struct sx_plugins *ps = t->plugin->set;
    uint64_t deadline = sx_clock_mono_ns() + (uint64_t)ps->set.config->http.request_ms * 1000000;
    const char *left;
    struct sx_db db;

    if (sx_plugin_is_broken(t->plugin)) {
        t->result = SX_FAULTED;
        return;
    }
    sx_pool_enter(ps, thread, t->plugin, NULL);
    t->result = sx_lease_open(&db, t->plugin, NULL, deadline);
    if (t->result == 0) {
        t->db = &db;
        sx_pool_mark(ps, thread, &db);
        t->result = t->work(t->plugin, &db, t->arg);
        t->db = NULL;
    }
    left = sx_lease_close(&db);
    sx_pool_leave(ps, thread);
    if (left != NULL) {
        sx_report_fault(t->plugin, NULL, "a task returned, but %s; it was rolled back", left);
        t->result = SX_EDB;
    }
}

static void call_task(struct task *t)
{
    if (t->post != NULL)
        t->post(t->plugin, t->arg);
    else if (t->done != NULL)
        t->done(t->plugin, t->result, t->arg);
}

static void on_task_done(struct sx_work_item *item)
{
    struct task *t = SX_MEMBER_OF(item, struct task, item);

    SX_GUARDED(t->plugin->set, t->plugin, NULL, call_task(t), );
    free_task(t);
}

static bool takes_work(const struct sx_plugins *ps)
{
    return ps->rt.work != NULL && !__atomic_load_n(&ps->is_closed, __ATOMIC_RELAXED);
}

static struct task *make_task(sx_plugin *p, void *arg)
{
    struct task *t = calloc(1, sizeof *t);

    if (t == NULL)
        return NULL;
    t->plugin = p;
    t->arg = arg;
    t->item.run = run_task;
    t->item.done = on_task_done;
    __atomic_add_fetch(&p->set->n_pending, 1, __ATOMIC_RELAXED);
    return t;
}

int sx_host_task(sx_plugin *p, sx_work_fn *work, sx_task_done_fn *done, void *arg)
{
    struct task *t;
    int err;

    if (work == NULL)
        return SX_EINVAL;
    if ((p->grants & SX_CAP_BLOCKING) == 0)
        return SX_EDENIED;
    if (!takes_work(p->set))
        return SX_EBUSY;
    t = make_task(p, arg);
    if (t == NULL)
        return SX_ENOMEM;
    t->work = work;
    t->done = done;
    err = sx_work_submit(p->set->rt.work, &t->item);
    if (err < 0)
        free_task(t);
    return err;
}

int sx_host_post(sx_plugin *p, sx_post_fn *fn, void *arg)
{
    struct task *t;

    if (fn == NULL)
        return SX_EINVAL;
    if (!takes_work(p->set))
        return SX_EBUSY;
    t = make_task(p, arg);
    if (t == NULL)
        return SX_ENOMEM;
    t->post = fn;
    sx_work_post(p->set->rt.work, &t->item);
    return SX_OK;
}

/* The thread sleeps for ever; db lies on its stack, where nothing moves any more. */
static void abandon_lease(const struct sx_plugins *ps, struct sx_db *db)
{
    if (db != NULL && db->lease != NULL)
        ps->rt.db->lease_abandon(db->lease);
}

void sx_plugins_lose_work(struct sx_work_item *item)
{
    if (item->run == run_task) {
        struct task *t = SX_MEMBER_OF(item, struct task, item);

        abandon_lease(t->plugin->set, t->db);
        sx_guard_break(t->plugin->set, t->plugin, NULL);
        free_task(t);
    } else {
        struct sx_req *r = SX_MEMBER_OF(item, struct sx_req, work);
        struct sx_db *db = r->lease;

        set_lease(r, NULL);
        abandon_lease(r->set, db);
        r->op = OP_NONE;
        r->has_faulted = true;
        sx_guard_break(r->set, r->plugin, r);
        sx_settle(r, SX_FAULTED);
    }
}

void sx_plugins_drop_work(struct sx_work_item *item)
{
    if (item->run == run_task) {
        SX_MEMBER_OF(item, struct task, item)->result = SX_ECLOSED;
        on_task_done(item); /* whose argument may be somebody's only pointer */
    } else if (item->run == run_blocking || item->run == run_offload) {
        struct sx_req *r = SX_MEMBER_OF(item, struct sx_req, work);

        r->op = OP_NONE;
        sx_settle(r, SX_EBUSY);
    } else {
        item->done(item);
    }
}
