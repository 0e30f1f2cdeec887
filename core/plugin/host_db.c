/*
 * plugin/host_db.c - the entries of the host table that reach the database from the loop.
 *
 * Statements and parameters are copied into an arena before the call returns: the request's,
 * or one of their own when there is no request.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "plugin/guard.h"

_Static_assert(sizeof(sx_param) == sizeof(struct sx_db_param) &&
                   sizeof(sx_stmt) == sizeof(struct sx_db_stmt) &&
                   offsetof(sx_param, v) == offsetof(struct sx_db_param, v) &&
                   offsetof(sx_stmt, flags) == offsetof(struct sx_db_stmt, flags) &&
                   (int)SX_JSON == (int)SX_DB_JSON && (int)SX_BYTES == (int)SX_DB_BYTES,
               "the database floor takes the contract's statements as they are");

static int copy_param(struct sx_arena *a, const sx_param *from, struct sx_db_param *to)
{
    char *text;

    *to = (struct sx_db_param){ .type = from->type, .len = from->len };
    switch (from->type) {
    case SX_NULL: return 0;
    case SX_BOOL:
    case SX_INT: to->v.i = from->v.i; return 0;
    case SX_NUMBER: to->v.f = from->v.f; return 0;
    case SX_TEXT:
    case SX_BYTES:
        to->v.p = sx_arena_text(a, from->v.p, from->len);
        return to->v.p == NULL ? SX_ENOMEM : 0;
    case SX_JSON:
        text = json_dumps(from->v.p, JSON_COMPACT | JSON_ENCODE_ANY);
        if (text == NULL)
            return SX_ENOMEM;
        to->len = strlen(text);
        to->v.p = sx_arena_text(a, text, to->len);
        free(text);
        return to->v.p == NULL ? SX_ENOMEM : 0;
    default: return SX_EINVAL;
    }
}

static int copy_stmt(struct sx_arena *a, const sx_stmt *from, struct sx_db_stmt *to)
{
    struct sx_db_param *params;
    int err = 0;

    if (from->sql == NULL || (from->params.n > 0 && from->params.v == NULL) ||
        from->params.n > 65535)
        return SX_EINVAL;
    params = sx_arena_alloc(a, (from->params.n + 1) * sizeof *params);
    to->sql = sx_arena_text(a, from->sql, strlen(from->sql));
    if (params == NULL || to->sql == NULL)
        return SX_ENOMEM;
    for (size_t i = 0; i < from->params.n && err == 0; i++)
        err = copy_param(a, &from->params.v[i], &params[i]);
    to->params = params;
    to->n_params = from->params.n;
    to->flags = from->flags;
    to->reserved = 0;
    return err;
}

int sx_stmts_copy(struct sx_arena *a, const sx_stmt *stmts, size_t n, struct sx_db_stmt **ret)
{
    struct sx_db_stmt *copy = n == 0 || n > 10000 ? NULL : sx_arena_alloc(a, n * sizeof *copy);
    int err = 0;

    if (copy == NULL)
        return n == 0 || n > 10000 ? SX_EINVAL : SX_ENOMEM;
    for (size_t i = 0; i < n && err == 0; i++)
        err = copy_stmt(a, &stmts[i], &copy[i]);
    if (err == 0)
        *ret = copy;
    return err;
}

void sx_db_error_fill(sx_db_error *to, const struct sx_db_failure *f)
{
    *to = (sx_db_error){ .size = sizeof *to,
                         .index = f->index,
                         .retryable = f->is_retryable,
                         .outcome_unknown = f->outcome_unknown,
                         .message = f->message,
                         .constraint = f->constraint };
    memcpy(to->sqlstate, f->sqlstate, sizeof f->sqlstate);
}

/* --- With a request ----------------------------------------------------------------------- */

static int may_start(const struct sx_req *r)
{
    if (!sx_is_loop(r->set))
        return SX_ETHREAD;
    if ((r->plugin->grants & SX_CAP_DB) == 0)
        return SX_EDENIED;
    if (r->set->rt.db == NULL || r->set->is_closed)
        return SX_EBUSY;
    if (sx_http_is_gone(&r->http))
        return SX_ECLOSED;
    return r->op == OP_NONE && !r->is_done ? SX_OK : SX_EBUSY;
}

static int call_error(struct sx_req *r, const struct sx_db_failure *f)
{
    sx_db_error err;
    sx_db_error_fn *fn = r->on_db_error;
    int result = f->is_busy ? SX_EBUSY : SX_EDB;

    sx_note_failure(r, f);
    if (fn != NULL) {
        r->on_db_error = NULL;
        sx_db_error_fill(&err, f);
        result = fn(r, &err, r->on_db_error_arg);
    }
    if (result < 0) /* otherwise it was expected, and is answered */
        sx_tell_failure(r, f);
    return result;
}

static int call_success(struct sx_req *r, enum sx_op_kind op, struct sx_db_rows *const *rows)
{
    const struct sx_db_module *db = r->set->rt.db;
    uint32_t n = r->db_op.n_stmts;
    struct sx_rows *wrapped;
    const struct sx_rows **list;

    if (op == OP_ROWS) {
        struct sx_rows one = { db, rows[0], &r->http.arena };

        return r->fn.rows(r, &one, r->arg);
    }
    wrapped = sx_arena_alloc(&r->http.arena, n * sizeof *wrapped);
    list = sx_arena_alloc(&r->http.arena, n * sizeof *list);
    if (wrapped == NULL || list == NULL)
        return SX_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        wrapped[i] = (struct sx_rows){ db, rows[i], &r->http.arena };
        list[i] = &wrapped[i];
    }
    return r->fn.batch(r, list, n, r->arg);
}

static void count_statements(struct sx_plugins *ps, uint32_t n, bool has_failed)
{
    struct sx_board_counters *c = ps->rt.slot == NULL ? NULL : sx_board_counters_of(ps->rt.slot);

    if (c == NULL)
        return;
    c->db_statements += n;
    c->db_errors += has_failed;
}

static void on_done(struct sx_db_op *op, struct sx_db_rows *const *rows,
                    const struct sx_db_failure *failure)
{
    struct sx_req *r = SX_MEMBER_OF(op, struct sx_req, db_op);
    enum sx_op_kind kind = (enum sx_op_kind)r->op;
    int result = r->failed;

    r->op = OP_NONE;
    count_statements(r->set, op->n_stmts, failure != NULL);
    if (op->sent_ns != 0)
        r->db_ns += sx_clock_mono_ns() - op->sent_ns;
    if (result == 0)
        SX_GUARDED(r->set, r->plugin, r,
                   result = failure != NULL ? call_error(r, failure) : call_success(r, kind, rows),
                   result = SX_FAULTED);
    sx_settle(r, result);
}

/* No connection for as long as it may take to make one: then the database is away, and the
 * client is told so instead of waiting for the deadline of its request. */
static uint64_t queue_deadline(const struct sx_req *r)
{
    uint64_t patience = sx_http_now_ms(r->http.server) + r->set->set.config->database.connect_ms;

    return r->http.deadline_ms != 0 && r->http.deadline_ms < patience ? r->http.deadline_ms
                                                                      : patience;
}

static int submit(struct sx_req *r, const sx_stmt *stmts, size_t n, enum sx_op_kind kind, void *arg)
{
    struct sx_db_stmt *copy;
    int err = sx_stmts_copy(&r->http.arena, stmts, n, &copy);

    if (err < 0)
        return err;
    memset(&r->db_op, 0, sizeof r->db_op);
    sx_list_init(&r->db_op.link);
    r->db_op.owner = &r->plugin->owner;
    r->db_op.stmts = copy;
    r->db_op.n_stmts = (uint32_t)n;
    r->db_op.deadline_ms = queue_deadline(r);
    r->db_op.timeout_ms = r->entry == NULL ? 0 : r->entry->timeout_ms;
    r->db_op.done = on_done;
    r->op = kind;
    r->arg = arg;
    err = r->set->rt.db->submit(r->set->rt.pool, &r->db_op);
    if (err < 0)
        r->op = OP_NONE;
    return err;
}

int sx_host_query(sx_req *r, const sx_stmt *stmt, sx_rows_fn *fn, void *arg)
{
    int err = fn == NULL ? SX_EINVAL : may_start(r);

    if (err < 0)
        return err;
    r->fn.rows = fn;
    return submit(r, stmt, 1, OP_ROWS, arg);
}

int sx_host_batch(sx_req *r, const sx_stmt *stmts, size_t n, sx_batch_fn *fn, void *arg)
{
    int err = fn == NULL ? SX_EINVAL : may_start(r);

    if (err < 0)
        return err;
    r->fn.batch = fn;
    return submit(r, stmts, n, OP_BATCH, arg);
}

int sx_host_on_db_error(sx_req *r, sx_db_error_fn *fn, void *arg)
{
    r->on_db_error = fn;
    r->on_db_error_arg = arg;
    return SX_OK;
}

/* --- For the plugin itself ------------------------------------------------------------------ */

struct own_batch {
    struct sx_db_op op;
    struct sx_plugin *plugin;
    struct sx_arena arena;
    sx_plugin_rows_fn *fn;
    void *arg;
};

static void free_batch(struct own_batch *b)
{
    sx_arena_finish(&b->arena);
    free(b);
}

static void call_batch(struct own_batch *b, struct sx_db_rows *const *rows,
                       const struct sx_db_failure *failure)
{
    struct sx_plugin *p = b->plugin;
    uint32_t n = b->op.n_stmts;
    struct sx_rows *wrapped = sx_arena_alloc(&b->arena, n * sizeof *wrapped);
    const struct sx_rows **list = sx_arena_alloc(&b->arena, n * sizeof *list);
    struct sx_db_failure no_memory = { .message = "no memory for the rows" };
    sx_db_error err;

    if (wrapped == NULL || list == NULL)
        failure = failure == NULL ? &no_memory : failure;
    if (failure != NULL) {
        sx_db_error_fill(&err, failure);
        b->fn(p, &err, NULL, 0, b->arg);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        wrapped[i] = (struct sx_rows){ p->set->rt.db, rows[i], &b->arena };
        list[i] = &wrapped[i];
    }
    b->fn(p, NULL, list, n, b->arg);
}

static void on_batch_done(struct sx_db_op *op, struct sx_db_rows *const *rows,
                          const struct sx_db_failure *failure)
{
    struct own_batch *b = SX_MEMBER_OF(op, struct own_batch, op);
    struct sx_plugins *ps = b->plugin->set;

    SX_GUARDED(ps, b->plugin, NULL, call_batch(b, rows, failure), );
    __atomic_sub_fetch(&ps->n_pending, 1, __ATOMIC_RELAXED);
    free_batch(b);
}

static int may_start_own(const struct sx_plugin *p)
{
    if (!sx_is_loop(p->set))
        return SX_ETHREAD;
    if ((p->grants & SX_CAP_DB) == 0)
        return SX_EDENIED;
    return p->set->rt.db == NULL || p->set->is_closed ? SX_EBUSY : SX_OK;
}

int sx_host_plugin_batch(sx_plugin *p, const sx_stmt *stmts, size_t n, sx_plugin_rows_fn *fn,
                         void *arg)
{
    int err = fn == NULL ? SX_EINVAL : may_start_own(p);
    struct own_batch *b = err < 0 ? NULL : calloc(1, sizeof *b);
    struct sx_db_stmt *copy;

    if (b == NULL)
        return err < 0 ? err : SX_ENOMEM;
    b->plugin = p;
    b->fn = fn;
    b->arg = arg;
    sx_arena_init(&b->arena, 64u << 20);
    sx_list_init(&b->op.link);
    err = sx_stmts_copy(&b->arena, stmts, n, &copy);
    if (err == 0) {
        b->op.owner = &p->owner;
        b->op.stmts = copy;
        b->op.n_stmts = (uint32_t)n;
        b->op.done = on_batch_done;
        err = p->set->rt.db->submit(p->set->rt.pool, &b->op);
    }
    if (err < 0) {
        free_batch(b);
        return err;
    }
    __atomic_add_fetch(&p->set->n_pending, 1, __ATOMIC_RELAXED);
    return SX_OK;
}

/* --- LISTEN -------------------------------------------------------------------------------- */

struct listener {
    struct sx_list link;
    struct sx_plugin *plugin;
    sx_notify_fn *fn;
    void *arg;
};

static void on_notify(void *arg, const char *channel, const char *payload)
{
    struct listener *l = arg;

    if (!l->plugin->is_quarantined)
        SX_GUARDED(l->plugin->set, l->plugin, NULL, l->fn(l->plugin, channel, payload, l->arg), );
}

int sx_host_listen(sx_plugin *p, const char *channel, sx_notify_fn *fn, void *arg)
{
    int err = fn == NULL || channel == NULL ? SX_EINVAL : may_start_own(p);
    struct listener *l = err < 0 ? NULL : calloc(1, sizeof *l);

    if (l == NULL)
        return err < 0 ? err : SX_ENOMEM;
    *l = (struct listener){ .plugin = p, .fn = fn, .arg = arg };
    err = p->set->rt.db->listen(p->set->rt.pool, channel, on_notify, l);
    if (err < 0)
        free(l);
    else
        sx_list_push(&p->listeners, &l->link);
    return err;
}

void sx_listeners_free(struct sx_plugin *p)
{
    struct sx_list *entry;

    while (p->listeners.next != NULL && (entry = sx_list_pop(&p->listeners)) != NULL)
        free(SX_MEMBER_OF(entry, struct listener, link));
}
