/* work.c - work on pool threads and answers that come later. */
#include "contract.h"

/* --- Offloaded ------------------------------------------------------------------------- */

struct sum {
    int64_t n;
    int64_t sum; /* of 1 … n, made on the pool */
    bool is_open;
    bool fails;
};

static int add_up(sx_plugin *p, sx_db *db, void *arg)
{
    struct sum *s = arg;

    (void)p;
    if (s->is_open && sx_db_begin(db) == SX_OK && sx_db_exec(db, "SELECT 1", SX_NONE) == NULL)
        return SX_EDB;
    for (int64_t i = 1; i <= s->n; i++)
        s->sum += i;
    return s->fails ? SX_ENOENT : 3;
}

static int on_sum(sx_req *r, int result, void *arg)
{
    const struct sum *s = arg;

    return sx_reply_json(r, 200,
                         json_pack("{s:i, s:I}", "result", result, "sum", (json_int_t)s->sum));
}

int offload_work(sx_req *r)
{
    struct sum *s = sx_req_new(r, struct sum);

    if (s == NULL)
        return SX_ENOMEM;
    s->n = sx_arg_int(r, "n", 10);
    s->is_open = sx_arg_text(r, "open") != NULL;
    s->fails = sx_arg_text(r, "fails") != NULL;
    return sx_offload(r, add_up, on_sum, s);
}

/* --- Without a request -------------------------------------------------------------------- */

static int task_in_database(sx_plugin *p, sx_db *db, void *arg)
{
    const sx_rows *rows;

    (void)p;
    if (arg != NULL && sx_db_begin(db) < 0)
        return SX_EDB;
    rows = sx_db_exec(db, "SELECT 41 + 1", SX_NONE);
    return rows == NULL ? SX_EDB : (int)sx_int_at(rows, 0, 0);
}

static void on_task(sx_plugin *p, int result, void *arg)
{
    (void)arg;
    note(p, "task", json_integer(result));
}

int run_task(sx_req *r)
{
    static char leaves_open[] = "open";
    void *arg = sx_arg_text(r, "open") != NULL ? leaves_open : NULL;
    sx_plugin *p = sx_req_plugin(r);
    int err = sx_task(p, task_in_database, on_task, arg);

    if (err == SX_OK && arg == NULL)
        err = sx_task(p, task_in_database, NULL, NULL); /* nobody waits for it */
    return err < 0 ? err : sx_reply_empty(r);
}

static void on_posted(sx_plugin *p, void *arg)
{
    (void)arg;
    note_one_more(p, "posted");
}

static void *post_from_own_thread(void *arg)
{
    return sx_post(arg, on_posted, NULL) == SX_OK ? NULL : arg;
}

/* One post from a thread that the host does not know, one from the loop itself. */
int post_from_thread(sx_req *r)
{
    sx_plugin *p = sx_req_plugin(r);
    pthread_t thread;
    void *failed = p;

    if (pthread_create(&thread, NULL, post_from_own_thread, p) != 0 ||
        pthread_join(thread, &failed) != 0 || failed != NULL)
        return SX_EINVAL;
    return sx_post(p, on_posted, NULL) < 0 ? SX_EINVAL : sx_reply_empty(r);
}

/* Held until it is freed. */
static int hold(sx_plugin *p, sx_db *db, void *arg)
{
    struct state *s = sx_state(p);

    (void)db;
    (void)arg;
    note_one_more(p, "held");
    (void)pthread_mutex_lock(&s->lock);
    while (!s->is_free)
        (void)pthread_cond_wait(&s->changed, &s->lock);
    (void)pthread_mutex_unlock(&s->lock);
    return SX_OK;
}

static void on_freed(sx_plugin *p, int result, void *arg)
{
    (void)result;
    (void)arg;
    note_one_more(p, "freed");
}

/* As many as ?n= says; answers with how many were taken. */
int hold_task(sx_req *r)
{
    int64_t n = sx_arg_int(r, "n", 1), taken = 0;
    int err = SX_OK;

    for (; taken < n && err == SX_OK; taken += err == SX_OK)
        err = sx_task(sx_req_plugin(r), hold, on_freed, NULL);
    return sx_reply_json(r, 200, json_pack("{s:I, s:i}", "taken", (json_int_t)taken, "code", err));
}

int free_held(sx_req *r)
{
    struct state *s = sx_req_state(r);

    (void)pthread_mutex_lock(&s->lock);
    s->is_free = true;
    (void)pthread_cond_broadcast(&s->changed);
    (void)pthread_mutex_unlock(&s->lock);
    return sx_reply_empty(r);
}

/* --- Later ----------------------------------------------------------------------------------- */

static int on_later(sx_req *r, void *arg)
{
    int *left = arg;

    if (--*left > 0)
        return sx_after(r, 1, on_later, left);
    return *left < 0 ? SX_EBUSY : sx_reply_text(r, 200, "later");
}

/* ?times=: so often one operation after another. */
int answer_after(sx_req *r)
{
    int *left = sx_req_new(r, int);

    if (left == NULL)
        return SX_ENOMEM;
    *left = (int)sx_arg_int(r, "times", 1);
    return sx_after(r, (uint64_t)sx_arg_int(r, "ms", 1), on_later, left);
}

static int never(sx_req *r, void *arg)
{
    (void)arg;
    return sx_fail(r, 500, "unexpected", "unexpected");
}

int refuse_work(sx_req *r)
{
    sx_plugin *p = sx_req_plugin(r);
    json_t *codes = json_object();

    put_int(codes, "offload without work", sx_offload(r, NULL, on_sum, NULL));
    put_int(codes, "offload without done", sx_offload(r, add_up, NULL, NULL));
    put_int(codes, "task without work", sx_task(p, NULL, on_task, NULL));
    put_int(codes, "post without function", sx_post(p, NULL, NULL));
    put_int(codes, "after without function", sx_after(r, 1, NULL, NULL));
    put_int(codes, "after a month", sx_after(r, UINT64_C(2678400000), never, NULL));
    return sx_reply_json(r, 200, codes);
}
