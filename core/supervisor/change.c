/*
 * supervisor/change.c - how a generation takes over: whole, or not at all (I2).
 *
 *     read, check (not the first one)  ->  start all workers  ->  all ready: they take over,
 *                    \                              \                 the old is drained
 *                     `---------- any failure -------`----->  the old one goes on, and why is told
 *
 * Workers of the next generation wait for "serve", so giving it up loses no request.  Success is
 * told when the old ones take no connection any more: who connects then meets the new generation.
 *
 * Where nobody has served before, the first worker is started alone and takes over alone: whoever
 * waits for the server waits for one process, not for as many as there are CPUs.  A fault of one
 * of the others still ends the start.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "supervisor/supervisor_private.h"

#define NS_PER_MS        UINT64_C(1000000)
#define MAX_FAULTS_BYTES (32u * 1024)

/* Who gave the command reads every fault. */
static void tell_faults(struct sx_supervisor *sup, const struct sx_report *rep)
{
    struct sx_buf text;

    sx_buf_init(&text, MAX_FAULTS_BYTES);
    for (size_t i = 0; i < rep->n_faults; i++)
        sx_buf_printf(&text, "%s%s", i > 0 ? "\n" : "", rep->faults[i]);
    if (!sx_buf_failed(&text) && text.len > 0)
        sx_command_reload_ended(sup, false, sx_buf_text(&text));
    sx_buf_finish(&text);
}

static void fail_first(struct sx_supervisor *sup, int exit_code)
{
    sx_log_line(sup->log, SX_LOG_ERROR, NULL, "the start has failed");
    sup->has_failed = true;
    sup->exit_code = exit_code;
}

/* Its children are killed: none of them serves. */
static void discard(struct sx_supervisor *sup)
{
    struct sx_generation *gen = sup->next;

    sup->next = NULL;
    gen->state = SX_GENERATION_LEAVING;
    for (struct sx_list *at = sup->children.next; at != &sup->children; at = at->next) {
        struct sx_child *child = SX_MEMBER_OF(at, struct sx_child, link);

        if (child->gen == gen)
            sx_child_kill(child, NULL);
    }
}

static void log_unchanged(struct sx_supervisor *sup, uint32_t number, const char *why)
{
    sx_log_line(sup->log, SX_LOG_ERROR, NULL,
                "the reload has failed, generation %u goes on serving: generation %u: %s",
                sup->current->number, number, why);
    sx_command_reload_ended(sup, false, why);
}

/* What is wrong has come to light; the first generation tells it on standard error. */
static void fail(struct sx_supervisor *sup, const char *why, int exit_code)
{
    if (sup->next != NULL && sup->current != NULL) {
        uint32_t number = sup->next->number;

        discard(sup);
        log_unchanged(sup, number, why);
        return;
    }
    (void)fprintf(stderr, "%s\n", why);
    fail_first(sup, exit_code);
    if (sup->next != NULL)
        discard(sup);
    else /* its first worker serves already */
        sx_supervisor_stop(sup, false);
}

static void fail_to_fork(struct sx_supervisor *sup, int rc)
{
    char why[256];

    (void)snprintf(why, sizeof why, "a worker cannot be started: %s",
                   rc == SX_ERR_BUSY ? "the board has no free slot" : strerror(errno));
    fail(sup, why, SX_EXIT_FAILURE);
}

static void start_workers(struct sx_supervisor *sup)
{
    int rc = sx_generation_start(sup, sup->next);

    if (rc != 0)
        fail_to_fork(sup, rc);
}

int sx_change_start_first(struct sx_supervisor *sup)
{
    struct sx_report rep;
    bool is_alone;
    int rc;

    sx_report_init(&rep);
    rc = sx_listeners_adopt(&sup->listeners, &rep);
    is_alone = sx_list_is_empty(&sup->listeners.all); /* else there may be a predecessor */
    if (rc == 0)
        rc = sx_generation_create(sup, sup->set->config, NULL, &rep, &sup->next);
    else
        sx_config_destroy(sup->set->config);
    if (rc == 0) {
        if (is_alone)
            sup->next->n_first = 1;
        start_workers(sup);
    } else {
        if (rep.n_faults == 0)
            sx_report_add(&rep, "the server cannot start: no memory");
        sx_report_print(&rep, stderr);
        fail_first(sup, rc == SX_ERR_INVALID ? SX_EXIT_CONFIG : SX_EXIT_FAILURE);
    }
    sx_report_finish(&rep);
    return rc;
}

static int prepare_next(struct sx_supervisor *sup, int status, struct sx_report *rep)
{
    struct sx_copies copies = { .list_fd = -1 };
    struct sx_config *config;
    int rc = sx_reading_take(sup, status, rep, &config, &copies);

    return rc != 0 ? rc : sx_generation_create(sup, config, &copies, rep, &sup->next);
}

static void start_checker(struct sx_supervisor *sup)
{
    struct sx_child *checker;
    int rc = sx_child_start(sup, sup->next, SX_CHILD_CHECKER, 0, &checker);

    if (rc != 0)
        fail_to_fork(sup, rc);
}

static uint32_t count_free(const struct sx_supervisor *sup)
{
    uint32_t n_free = 0;

    for (uint32_t slot = 0; slot < sup->n_slots; slot++)
        n_free += !sup->is_slot_used[slot];
    return n_free;
}

static bool has_room(const struct sx_supervisor *sup)
{
    return count_free(sup) >= sup->current->n_seats;
}

/* Those that were killed and not reaped yet leave their places soon. */
static void end_finishing(struct sx_supervisor *sup)
{
    uint32_t n_free = count_free(sup);

    for (struct sx_list *at = sup->children.next; at != &sup->children; at = at->next)
        n_free += SX_MEMBER_OF(at, struct sx_child, link)->state == SX_CHILD_KILLED;
    while (n_free < sup->current->n_seats && sx_generation_make_room(sup, sup->current))
        n_free++;
}

static bool is_settling(const struct sx_supervisor *sup)
{
    return sup->current != NULL && sup->current->is_whole && !sup->current->is_settled;
}

bool sx_change_is_possible(const struct sx_supervisor *sup)
{
    uint32_t n_leaving = 0;

    for (struct sx_list *at = sup->generations.next; at != &sup->generations; at = at->next)
        n_leaving += SX_MEMBER_OF(at, struct sx_generation, link)->state == SX_GENERATION_LEAVING;
    return sup->phase == SX_PHASE_SERVING && sup->current != NULL && sup->next == NULL &&
           sup->reader == NULL && !is_settling(sup) && n_leaving <= 1 &&
           has_room(sup); /* for a whole generation on the board */
}

void sx_change_make_room(struct sx_supervisor *sup)
{
    struct sx_generation *oldest = NULL;
    uint32_t n_leaving = 0;

    for (struct sx_list *at = sup->generations.next; at != &sup->generations; at = at->next) {
        struct sx_generation *gen = SX_MEMBER_OF(at, struct sx_generation, link);

        if (gen->state != SX_GENERATION_LEAVING)
            continue;
        n_leaving++;
        if (oldest == NULL || gen->number < oldest->number)
            oldest = gen;
    }
    if (n_leaving > 1 || (n_leaving > 0 && !has_room(sup)))
        sx_generation_end_streams(sup, oldest);
    else if (n_leaving == 0 && sup->next == NULL && sup->reader == NULL && sup->current != NULL)
        end_finishing(sup);
}

void sx_change_reload(struct sx_supervisor *sup)
{
    char why[160];

    sx_check(sx_change_is_possible(sup));
    sx_command_reload_begins(sup);
    if (sup->set->reader_options == NULL) {
        sx_log_line(sup->log, SX_LOG_WARNING, NULL, "this server cannot reload");
        sx_command_reload_ended(sup, false, "this server cannot reload");
        return;
    }
    sx_log_line(sup->log, SX_LOG_INFO, NULL, "reloading");
    if (sx_reading_start(sup) == 0)
        return;
    (void)snprintf(why, sizeof why, "the configuration cannot be read: %s", strerror(errno));
    log_unchanged(sup, ++sup->n_generations, why);
}

void sx_change_on_read(struct sx_supervisor *sup, int status)
{
    uint32_t number = sup->n_generations + 1;
    struct sx_report rep;
    int rc;

    sx_supervisor_make_way(sup); /* the reader was busy until now */
    sx_report_init(&rep);
    rc = prepare_next(sup, status, &rep);
    if (rc == 0) {
        sx_supervisor_make_way(sup);
        start_checker(sup);
    } else {
        sx_supervisor_log(sup, SX_LOG_ERROR, &rep);
        tell_faults(sup, &rep);
        sup->n_generations = number; /* each attempt has one of its own */
        log_unchanged(sup, number, "the configuration has faults");
    }
    sx_report_finish(&rep);
}

static void log_addresses(const struct sx_supervisor *sup, const struct sx_generation *gen)
{
    for (size_t i = 0; i < gen->listeners.n; i++)
        sx_log_line(sup->log, SX_LOG_INFO, NULL, "listening on %s",
                    gen->listeners.v[i]->address.name);
}

/* Who hangs for longer is killed. */
static uint64_t find_patience_ms(const struct sx_generation *old)
{
    return (uint64_t)old->config->server.drain_ms + SX_DRAIN_SLACK_MS;
}

static void take_over(struct sx_supervisor *sup)
{
    struct sx_generation *old = sup->current;

    sup->current = sup->next;
    sup->current->state = SX_GENERATION_CURRENT;
    sup->next = NULL;
    sup->is_paused = false;
    sx_quarantine_on_change(sup);
    sx_command_follow(sup); /* who sees that it serves may give it a command */
    sx_generation_serve(sup->current);
    if (old != NULL) {
        old->state = SX_GENERATION_LEAVING;
        sup->current->settle_due_ns = sx_clock_mono_ns() + find_patience_ms(old) * NS_PER_MS;
        sx_generation_retire(old, sup->current);
    }
    log_addresses(sup, sup->current);
    sx_change_advance(sup);
}

void sx_change_on_ready(struct sx_supervisor *sup, struct sx_child *child)
{
    if (child->gen == sup->next && sx_generation_is_ready(sup->next))
        take_over(sup);
    else if (child->gen == sup->current)
        sx_child_serve(child);
}

/* Workers share their sockets: one that has not heard yet that it is drained may still be the one
 * that takes a new connection, and would answer as the earlier generation does. */
static bool is_anybody_open(const struct sx_supervisor *sup, const struct sx_generation *gen)
{
    for (const struct sx_list *at = sup->children.next; at != &sup->children; at = at->next) {
        const struct sx_child *child = SX_MEMBER_OF(at, struct sx_child, link);

        if (child->kind == SX_CHILD_WORKER && child->gen != gen &&
            child->state == SX_CHILD_DRAINING && !child->is_closed)
            return true;
    }
    return false;
}

/* From now on, who connects meets this generation. */
static void settle(struct sx_supervisor *sup, struct sx_generation *gen)
{
    char text[64];

    gen->is_settled = true;
    sx_log_line(sup->log, SX_LOG_INFO, NULL, "generation %u serves with %u workers", gen->number,
                gen->n_seats);
    if (sup->next != NULL || sup->reader != NULL)
        return; /* who waits for a reload waits for that one: it began before the start had ended */
    (void)snprintf(text, sizeof text, "generation %u serves", gen->number);
    sx_command_reload_ended(sup, true, text);
}

uint64_t sx_change_due_ns(const struct sx_supervisor *sup)
{
    return is_settling(sup) ? sup->current->settle_due_ns : 0;
}

void sx_change_advance(struct sx_supervisor *sup)
{
    struct sx_generation *gen = sup->current;

    if (gen == NULL || gen->is_settled)
        return;
    gen->is_whole = gen->is_whole || sx_generation_all_serve(gen);
    if (gen->is_whole && (!is_anybody_open(sup, gen) || sx_clock_mono_ns() >= gen->settle_due_ns))
        settle(sup, gen);
}

bool sx_change_concerns(const struct sx_supervisor *sup, const struct sx_child *child,
                        bool is_own_fault)
{
    return child->gen == sup->next ||
           (is_own_fault && sup->next == NULL && sup->phase == SX_PHASE_SERVING &&
            child->gen == sup->current && !sup->current->is_whole && child->ready_ns == 0 &&
            !child->is_late);
}

/* A plugin that crashes or hangs while it starts is as much the configuration's fault as one
 * that says no. */
static int find_exit_code(const struct sx_supervisor *sup, const struct sx_child *child, int status)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == SX_EXIT_CONFIG)
        return SX_EXIT_CONFIG;
    return !WIFEXITED(status) && sx_obituary_blames_plugin(sup, child) ? SX_EXIT_CONFIG
                                                                       : SX_EXIT_FAILURE;
}

void sx_change_on_exit(struct sx_supervisor *sup, struct sx_child *child, int status)
{
    /* One that ends before it has said ready was ended by a plugin, whatever its code is. */
    bool is_good = child->kind == SX_CHILD_CHECKER && child->ready_ns != 0 && WIFEXITED(status) &&
                   WEXITSTATUS(status) == 0 && child->reason == NULL;
    char *text;

    if (is_good) {
        sx_child_leave_slot(sup, child); /* the workers may need every place */
        start_workers(sup);
        return;
    }
    /* It said why: that is the whole story, unless something crashed. */
    if (child->reason != NULL && child->crash == NULL && WIFEXITED(status)) {
        fail(sup, child->reason, find_exit_code(sup, child, status));
        return;
    }
    text = sx_obituary_text(sup, child, status);
    fail(sup, text != NULL ? text : "it has died", find_exit_code(sup, child, status));
    free(text);
}

void sx_change_abort(struct sx_supervisor *sup, const char *told)
{
    if (is_settling(sup)) /* that change has been made */
        settle(sup, sup->current);
    if (sup->next == NULL && sup->reader == NULL)
        return;
    sx_log_line(sup->log, SX_LOG_INFO, NULL, "generation %u is given up: %s",
                sup->next != NULL ? sup->next->number : ++sup->n_generations, told);
    sx_command_reload_ended(sup, false, told);
    sx_reading_abort(sup);
    if (sup->next != NULL)
        discard(sup);
}
