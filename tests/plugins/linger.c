/*
 * linger - is still at work when its worker has to end: a handler that outlives the drain, and
 * a timer whose work waits behind it.
 */
#include <sx/plugin.h>

#include <stdatomic.h>
#include <time.h>

struct state {
    atomic_bool is_draining;
    int n_moments;
};

static void pass_ms(long ms)
{
    const struct timespec t = { .tv_nsec = ms * 1000000 };

    (void)nanosleep(&t, NULL);
}

/* Until the worker drains, and ?ms= longer. */
static int linger(sx_req *r, sx_db *db)
{
    struct state *s = sx_req_state(r);

    (void)db;
    sx_req_log(r, SX_INFO, "begins to linger");
    while (!atomic_load(&s->is_draining))
        pass_ms(1);
    for (int64_t i = 0; i < sx_arg_int(r, "ms", 0); i++) {
        pass_ms(1);
        s->n_moments++;
    }
    sx_req_log(r, SX_INFO, "lingered");
    return sx_reply_empty(r);
}

static int work(sx_plugin *p, sx_db *db, void *arg)
{
    (void)p;
    (void)db;
    (void)arg;
    return SX_OK;
}

static int start(sx_plugin *p)
{
    static const sx_timer_spec spec = { .after_ms = 1, .every_ms = 1, .work = work };
    struct state *s = calloc(1, sizeof *s);

    if (s == NULL)
        return SX_ENOMEM;
    sx_set_state(p, s);
    return sx_timer_start(p, &spec, NULL);
}

static void drain(sx_plugin *p)
{
    struct state *s = sx_state(p);

    atomic_store(&s->is_draining, true);
}

static void stop(sx_plugin *p)
{
    sx_log(p, SX_INFO, "stopped");
    free(sx_state(p));
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/linger", .blocking = linger },
    { 0 },
};

SX_PLUGIN("linger", "1.0.0", .needs = SX_CAP_BLOCKING, .routes = routes, .start = start,
          .drain = drain, .stop = stop);
