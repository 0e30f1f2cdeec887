/* plugin/life.c - the plugins of a process while it serves: started, drained, stopped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "plugin/guard.h"

static int name_on_board(struct sx_plugin *p)
{
    struct sx_board *board = p->set->rt.board;

    p->board = SX_BOARD_NONE;
    if (board == NULL)
        return 0;
    p->board = sx_board_add_plugin(board, p->note.name, p->note.version, p->note.build);
    for (uint32_t i = 0; i < p->n_routes; i++)
        p->entries[i].board = sx_board_add_route(board, p->board, p->entries[i].method,
                                                 p->entries[i].path);
    p->metric_boards = calloc((size_t)p->n_metrics + 1, sizeof *p->metric_boards);
    if (p->metric_boards == NULL)
        return SX_ENOMEM;
    for (uint32_t i = 0; i < p->n_metrics; i++) {
        const sx_metric *m = &p->metrics[i];

        p->metric_boards[i] = sx_board_add_metric(board, p->board, m->name, (uint32_t)m->kind,
                                                  m->bounds, m->nbounds,
                                                  m->doc == NULL ? "" : m->doc);
    }
    return 0;
}

/* Whoever buries this process shall know whose start it was. */
static void blame(const struct sx_plugin *p)
{
    struct sx_board_worker *slot = p->set->rt.slot;
    struct sx_board_thread *fault = slot == NULL ? NULL : sx_board_fault_of(slot);

    if (fault == NULL || fault->depth > 0)
        return;
    *fault = (struct sx_board_thread){
        .thread = 1, .stack = { { p->board, SX_BOARD_NONE, 0, sx_clock_mono_ns() } }
    };
    __atomic_store_n(&fault->depth, 1, __ATOMIC_RELEASE);
}

/* Why it refused is what it logged last. */
static int call_plugin(struct sx_plugin *p, int (*fn)(sx_plugin *p), const char *what,
                       struct sx_report *rep)
{
    char said[SX_MAX_SAID] = "";
    int result;

    if (fn == NULL)
        return 0;
    p->said = said;
    SX_GUARDED(p->set, p, NULL, result = fn(p), result = SX_FAULTED);
    p->said = NULL;
    if (result == SX_FAULTED)
        sx_report_add(rep, "%s: plugin \"%s\" %s: its %s function crashed", p->path, p->note.name,
                      p->note.version, what);
    else if (result < 0)
        sx_report_add(rep, "%s: plugin \"%s\" %s: its %s function returned %d%s%s", p->path,
                      p->note.name, p->note.version, what, result, *said != '\0' ? ": " : "", said);
    return result < 0 ? result : 0;
}

/* What it would look at is not there. */
static bool lacks_secrets(const struct sx_plugin *p)
{
    char prefix[96];

    (void)snprintf(prefix, sizeof prefix, "plugins.%s.", p->note.name);
    return sx_config_is_unresolved(p->set->set.config, prefix);
}

int sx_plugins_check(struct sx_plugins *ps, struct sx_report *rep)
{
    size_t before = rep->n_faults;

    for (size_t i = 0; i < ps->n_plugins; i++) {
        if (ps->plugins[i].is_quarantined || lacks_secrets(&ps->plugins[i]))
            continue;
        sx_plugin_tell_run(&ps->plugins[i], true);
        (void)call_plugin(&ps->plugins[i], ps->plugins[i].manifest.check, "check", rep);
        sx_plugin_tell_run(&ps->plugins[i], false);
    }
    return rep->n_faults == before ? 0 : SX_EINVAL;
}

int sx_plugin_start(struct sx_plugin *p, struct sx_report *rep)
{
    p->is_started = call_plugin(p, p->manifest.start, "start", rep) == 0;
    if (!p->is_started)
        blame(p);
    return p->is_started ? 0 : SX_EINVAL;
}

static bool may_start_now(const struct sx_plugin *p)
{
    for (const char *const *u = p->manifest.uses; u != NULL && *u != NULL; u++) {
        const struct sx_plugin *other = sx_plugins_find(p->set, *u);

        if (other != NULL && !other->had_turn)
            return false;
    }
    return true;
}

/* Those that others use start first; whoever is in a circle starts in the order of names. */
static struct sx_plugin *next_to_start(struct sx_plugins *ps)
{
    struct sx_plugin *first = NULL;

    for (size_t i = 0; i < ps->n_plugins; i++) {
        struct sx_plugin *p = &ps->plugins[i];

        if (p->had_turn)
            continue;
        if (may_start_now(p))
            return p;
        if (first == NULL)
            first = p;
    }
    return first;
}

int sx_plugins_start(struct sx_plugins *ps, const struct sx_plugins_runtime *rt,
                     struct sx_report *rep)
{
    struct sx_plugin *p;

    ps->rt = *rt;
    ps->loop_thread = pthread_self();
    ps->loop_board = rt->slot == NULL ? NULL : sx_board_thread_at(rt->slot, 0);
    for (size_t i = 0; i < ps->n_plugins; i++) {
        if (name_on_board(&ps->plugins[i]) < 0)
            return SX_ENOMEM;
        if (rt->roles) {
            struct sx_plugin *q = &ps->plugins[i];

            free(q->role);
            if (asprintf(&q->role, "sx_%s", q->note.name) < 0)
                q->role = NULL;
            q->owner.role = q->role;
        }
    }
    while ((p = next_to_start(ps)) != NULL) {
        p->had_turn = true;
        if (!p->is_quarantined && sx_plugin_start(p, rep) < 0)
            return SX_EINVAL;
    }
    ps->warn_ms = ps->set.config->watchdog.warn_ms; /* a start may take its time */
    return 0;
}

static void call_each(struct sx_plugins *ps, bool stops)
{
    for (size_t i = ps->n_plugins; i-- > 0;) {
        struct sx_plugin *p = &ps->plugins[i];
        void (*fn)(sx_plugin * p) = stops ? p->manifest.stop : p->manifest.drain;

        if (!p->is_started || p->keeps_streams || fn == NULL || (p->is_drained && !stops))
            continue;
        SX_GUARDED(ps, p, NULL, fn(p), );
    }
}

static void stop_timers(struct sx_plugins *ps)
{
    for (size_t i = 0; i < ps->n_plugins; i++) {
        if (ps->plugins[i].keeps_streams)
            sx_timers_stop_single(&ps->plugins[i]);
        else
            sx_timers_stop(&ps->plugins[i]);
    }
}

/* All plugins but those that keep their streams, once each. */
static void drain_each(struct sx_plugins *ps)
{
    call_each(ps, false);
    sx_channels_end(ps);
    stop_timers(ps);
    for (size_t i = 0; i < ps->n_plugins; i++)
        ps->plugins[i].is_drained = !ps->plugins[i].keeps_streams;
}

void sx_plugins_keep_streams(struct sx_plugins *ps, const char *name)
{
    struct sx_plugin *p = sx_plugins_find(ps, name);

    if (p != NULL && !ps->is_draining && p->n_streams > 0)
        p->keeps_streams = true;
}

uint32_t sx_plugins_kept_streams(const struct sx_plugins *ps)
{
    uint32_t n = 0;

    for (size_t i = 0; i < ps->n_plugins; i++)
        n += ps->plugins[i].keeps_streams ? ps->plugins[i].n_streams : 0;
    return n;
}

void sx_plugins_end_streams(struct sx_plugins *ps)
{
    for (size_t i = 0; i < ps->n_plugins; i++)
        ps->plugins[i].keeps_streams = false;
    if (ps->is_draining)
        drain_each(ps);
}

void sx_plugins_drain(struct sx_plugins *ps)
{
    if (ps->is_draining)
        return;
    ps->is_draining = true;
    drain_each(ps);
}

uint32_t sx_plugins_pending(const struct sx_plugins *ps)
{
    return __atomic_load_n(&ps->n_pending, __ATOMIC_RELAXED);
}

void sx_plugins_close(struct sx_plugins *ps)
{
    __atomic_store_n(&ps->is_closed, true, __ATOMIC_RELAXED);
    stop_timers(ps);
}

void sx_plugins_stop(struct sx_plugins *ps)
{
    sx_plugins_close(ps);
    call_each(ps, true);
}
