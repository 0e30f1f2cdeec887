/* timer.c - timers of each kind and scope. */
#include "contract.h"

static void on_tick(sx_plugin *p, void *arg)
{
    (void)arg;
    note_one_more(p, "ticks");
}

/* Says whether it has a lock of its own in the database. */
static int work(sx_plugin *p, sx_db *db, void *arg)
{
    const sx_rows *rows = sx_db_exec(db,
                                     "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
                                     " AND pid = pg_backend_pid()",
                                     SX_NONE);

    (void)arg;
    if (rows == NULL)
        return SX_EDB;
    note(p, "locks", json_integer(sx_int_at(rows, 0, 0)));
    note_one_more(p, "ticks");
    return SX_OK;
}

static int fail_to_work(sx_plugin *p, sx_db *db, void *arg)
{
    (void)db;
    (void)arg;
    note_one_more(p, "ticks");
    return SX_ENOENT;
}

int start_timer(sx_req *r)
{
    const char *kind = sx_arg_text(r, "kind");
    struct state *s = sx_req_state(r);
    const bool works = kind != NULL && strcmp(kind, "fn") != 0;
    const sx_timer_spec spec = {
        .after_ms = 1,
        .every_ms = (uint64_t)sx_arg_int(r, "every", 0),
        .scope = (int32_t)sx_arg_int(r, "scope", SX_EACH_WORKER),
        .fn = works ? NULL : on_tick,
        .work = !works                      ? NULL
                : strcmp(kind, "fail") == 0 ? fail_to_work
                                            : work,
    };
    const int err = sx_timer_start(sx_req_plugin(r), &spec, &s->timer);

    return err < 0 ? err : sx_reply_json(r, 200, json_pack("{s:b}", "has one", s->timer != NULL));
}

int stop_timer(sx_req *r)
{
    struct state *s = sx_req_state(r);

    sx_timer_stop(s->timer);
    s->timer = NULL;
    sx_timer_stop(NULL);
    return sx_reply_empty(r);
}

int refuse_timers(sx_req *r)
{
    static const struct {
        const char *name;
        sx_timer_spec spec;
    } cases[] = {
        { "neither", { .after_ms = 1 } },
        { "both", { .fn = on_tick, .work = work } },
        { "unknown scope", { .fn = on_tick, .scope = 9 } },
        { "negative scope", { .fn = on_tick, .scope = -1 } },
        { "one instance without work", { .fn = on_tick, .scope = SX_ONE_INSTANCE } },
    };
    json_t *codes = json_object();

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        put_int(codes, cases[i].name, sx_timer_start(sx_req_plugin(r), &cases[i].spec, NULL));
    return sx_reply_json(r, 200, codes);
}
