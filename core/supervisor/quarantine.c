/*
 * supervisor/quarantine.c - plugins that crash or stall again and again answer 503 for a while.
 *
 *     crashes, within a time  ->  quarantined  ->  on probation  ->  forgotten
 *                                      ^                |
 *                                      `--- a crash ----'   for twice as long
 *
 * A quarantine belongs to the bytes of a plugin: another build of it starts without one.  Workers
 * are told; those that start with a quarantined plugin do not call its start function before it
 * is released, so a crash in there is caught as any other.  A file that has crashed as it was
 * mapped is not mapped by them; those that lack it are replaced when it is released.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "supervisor/supervisor_private.h"

#define NS_PER_S   UINT64_C(1000000000)
#define MAX_FAULTS 100u /* of quarantine.crashes */

enum offender_state {
    OFFENDER_COUNTED, /* it has crashed, and is called as ever */
    OFFENDER_QUARANTINED,
    OFFENDER_ON_PROBATION,
};

struct sx_offender {
    struct sx_list link; /* sx_supervisor.offenders */
    char name[SX_QUARANTINE_MAX_NAME];
    char sha256[SX_SHA256_HEX + 1];
    enum offender_state state;
    bool is_unmapped;  /* its file has crashed as it was mapped */
    uint64_t until_ns; /* of the state; of OFFENDER_COUNTED: then it is forgotten */
    uint32_t n_terms;  /* quarantines in a row */
    uint32_t n_faults;
    uint64_t faults_ns[MAX_FAULTS];
};

static struct sx_offender *find(const struct sx_supervisor *sup, const char *name)
{
    for (struct sx_list *at = sup->offenders.next; at != &sup->offenders; at = at->next) {
        struct sx_offender *o = SX_MEMBER_OF(at, struct sx_offender, link);

        if (strcmp(o->name, name) == 0)
            return o;
    }
    return NULL;
}

static struct sx_offender *add(struct sx_supervisor *sup, const char *name, const char *sha256)
{
    struct sx_offender *o = calloc(1, sizeof *o);

    if (o == NULL)
        return NULL;
    (void)snprintf(o->name, sizeof o->name, "%s", name);
    (void)snprintf(o->sha256, sizeof o->sha256, "%s", sha256);
    sx_list_push(&sup->offenders, &o->link);
    return o;
}

static void forget(struct sx_supervisor *sup, struct sx_offender *o)
{
    sx_board_set_quarantined(sup->board, o->name, false);
    sx_list_remove(&o->link);
    free(o);
}

void sx_quarantine_finish(struct sx_supervisor *sup)
{
    while (!sx_list_is_empty(&sup->offenders))
        forget(sup, SX_MEMBER_OF(sup->offenders.next, struct sx_offender, link));
}

/* --- telling the workers ------------------------------------------------------------------- */

static bool concerns(const struct sx_offender *o, const struct sx_generation *gen)
{
    const struct sx_copy *copy = sx_generation_copy_of(gen, o->name);

    return copy != NULL && strcmp(copy->sha256, o->sha256) == 0;
}

static uint64_t seconds_left(const struct sx_offender *o, uint64_t now_ns)
{
    return o->until_ns > now_ns ? (o->until_ns - now_ns + NS_PER_S - 1) / NS_PER_S : 1;
}

static void tell(const struct sx_offender *o, int control_fd, uint64_t now_ns)
{
    char text[SX_QUARANTINE_MAX_NAME + 48];

    if (o->state == OFFENDER_QUARANTINED) {
        (void)snprintf(text, sizeof text, "%s %llu%s", o->name,
                       (unsigned long long)seconds_left(o, now_ns),
                       o->is_unmapped ? " " SX_CONTROL_UNMAPPED : "");
        (void)sx_control_send(control_fd, SX_CONTROL_QUARANTINE, text);
    } else {
        (void)sx_control_send(control_fd, SX_CONTROL_RELEASE, o->name);
    }
}

static void tell_all(const struct sx_supervisor *sup, const struct sx_offender *o)
{
    uint64_t now_ns = sx_clock_mono_ns();

    for (const struct sx_list *at = sup->children.next; at != &sup->children; at = at->next) {
        const struct sx_child *child = SX_MEMBER_OF(at, struct sx_child, link);

        if (child->control_fd >= 0 && child->kind == SX_CHILD_WORKER && concerns(o, child->gen))
            tell(o, child->control_fd, now_ns);
    }
}

void sx_quarantine_tell(const struct sx_supervisor *sup, const struct sx_generation *gen,
                        int control_fd)
{
    uint64_t now_ns = sx_clock_mono_ns();

    for (const struct sx_list *at = sup->offenders.next; at != &sup->offenders; at = at->next) {
        const struct sx_offender *o = SX_MEMBER_OF(at, struct sx_offender, link);

        if (o->state == OFFENDER_QUARANTINED && concerns(o, gen))
            tell(o, control_fd, now_ns);
    }
}

/* --- in and out ---------------------------------------------------------------------------- */

static void log_about(const struct sx_supervisor *sup, const struct sx_offender *o,
                      enum sx_log_severity severity, const char *text)
{
    const struct sx_log_field fields[] = { { "plugin", SX_LOG_STR, { .s = o->name } },
                                           { NULL, SX_LOG_END, { .i = 0 } } };

    sx_log_line(sup->log, severity, fields, "plugin \"%s\" %s", o->name, text);
}

static uint32_t find_term_s(const struct sx_config_quarantine *cfg, uint32_t n_terms)
{
    uint64_t term_s = cfg->first_s;

    for (uint32_t i = 0; i < n_terms && term_s < cfg->max_s; i++)
        term_s *= 2;
    return term_s < cfg->max_s ? (uint32_t)term_s : cfg->max_s;
}

static void begin(struct sx_supervisor *sup, struct sx_offender *o)
{
    const struct sx_config_quarantine *cfg = &sup->current->config->quarantine;
    uint32_t term_s = find_term_s(cfg, o->n_terms);
    char text[200];

    if (o->state == OFFENDER_ON_PROBATION)
        (void)snprintf(text, sizeof text, "is quarantined for %u s: it crashed on probation",
                       term_s);
    else
        (void)snprintf(text, sizeof text, "is quarantined for %u s: %u crashes within %u s", term_s,
                       o->n_faults, cfg->within_s);
    o->state = OFFENDER_QUARANTINED;
    o->until_ns = sx_clock_mono_ns() + term_s * NS_PER_S;
    o->n_terms++;
    o->n_faults = 0;
    sx_board_set_quarantined(sup->board, o->name, true);
    log_about(sup, o, SX_LOG_ERROR, text);
    tell_all(sup, o);
}

static void put_on_probation(struct sx_supervisor *sup, struct sx_offender *o)
{
    uint32_t within_s = sup->current == NULL ? 1 : sup->current->config->quarantine.within_s;
    char text[80];

    o->state = OFFENDER_ON_PROBATION;
    o->until_ns = sx_clock_mono_ns() + within_s * NS_PER_S;
    sx_board_set_quarantined(sup->board, o->name, false);
    (void)snprintf(text, sizeof text, "is on probation for %u s", within_s);
    log_about(sup, o, SX_LOG_WARNING, text);
    tell_all(sup, o);
}

/* Only those that are young enough count. */
static void keep_recent(struct sx_offender *o, uint64_t now_ns, uint32_t within_s)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < o->n_faults; i++)
        if (now_ns - o->faults_ns[i] < within_s * NS_PER_S)
            o->faults_ns[n++] = o->faults_ns[i];
    o->n_faults = n;
}

static void count(struct sx_supervisor *sup, struct sx_offender *o)
{
    const struct sx_config_quarantine *cfg = &sup->current->config->quarantine;
    uint64_t now_ns = sx_clock_mono_ns();

    if (o->state == OFFENDER_QUARANTINED)
        return; /* what had begun before */
    keep_recent(o, now_ns, cfg->within_s);
    if (o->n_faults < MAX_FAULTS)
        o->faults_ns[o->n_faults++] = now_ns;
    if (o->state == OFFENDER_ON_PROBATION || o->n_faults >= cfg->crashes)
        begin(sup, o);
    else
        o->until_ns = now_ns + cfg->within_s * NS_PER_S;
}

void sx_quarantine_count(struct sx_supervisor *sup, struct sx_child *child)
{
    char name[SX_QUARANTINE_MAX_NAME];
    const struct sx_copy *copy;
    struct sx_offender *o;
    bool was_mapping;

    if (child->is_counted || sup->phase != SX_PHASE_SERVING || sup->is_paused ||
        child->gen == NULL || child->gen != sup->current ||
        !sx_obituary_suspect(sup, child, name, &was_mapping))
        return;
    child->is_counted = true;
    copy = sx_generation_copy_of(child->gen, name);
    if (copy == NULL)
        return; /* the board says what cannot be */
    sx_board_count_fault(sup->board, name);
    if (child->gen->config->quarantine.crashes == 0)
        return;
    o = find(sup, name);
    if (o != NULL && strcmp(o->sha256, copy->sha256) != 0) {
        forget(sup, o);
        o = NULL;
    }
    if (o == NULL)
        o = add(sup, name, copy->sha256);
    if (o == NULL)
        return;
    o->is_unmapped = o->is_unmapped || (was_mapping && child->ready_ns == 0);
    count(sup, o);
}

uint64_t sx_quarantine_due_ns(const struct sx_supervisor *sup)
{
    uint64_t due_ns = 0;

    for (const struct sx_list *at = sup->offenders.next; at != &sup->offenders; at = at->next) {
        const struct sx_offender *o = SX_MEMBER_OF(at, struct sx_offender, link);

        if (due_ns == 0 || o->until_ns < due_ns)
            due_ns = o->until_ns;
    }
    return due_ns;
}

void sx_quarantine_advance(struct sx_supervisor *sup, uint64_t now_ns)
{
    for (struct sx_list *at = sup->offenders.next, *next; at != &sup->offenders; at = next) {
        struct sx_offender *o = SX_MEMBER_OF(at, struct sx_offender, link);

        next = at->next;
        if (o->until_ns > now_ns)
            continue;
        if (o->state == OFFENDER_QUARANTINED) {
            put_on_probation(sup, o);
            continue;
        }
        if (o->state == OFFENDER_ON_PROBATION)
            log_about(sup, o, SX_LOG_INFO, "has passed its probation");
        forget(sup, o);
    }
}

void sx_quarantine_on_change(struct sx_supervisor *sup)
{
    for (struct sx_list *at = sup->offenders.next, *next; at != &sup->offenders; at = next) {
        struct sx_offender *o = SX_MEMBER_OF(at, struct sx_offender, link);

        next = at->next;
        if (concerns(o, sup->current))
            continue;
        if (o->state == OFFENDER_QUARANTINED)
            log_about(sup, o, SX_LOG_INFO, "is another one now, or gone: its quarantine has ended");
        forget(sup, o);
    }
}

int sx_quarantine_release(struct sx_supervisor *sup, const char *name)
{
    struct sx_offender *o = find(sup, name);

    if (o == NULL || o->state != OFFENDER_QUARANTINED)
        return SX_ERR_MISSING;
    o->state = OFFENDER_COUNTED;
    log_about(sup, o, SX_LOG_INFO, "is released from quarantine by command");
    tell_all(sup, o);
    forget(sup, o);
    return 0;
}

void sx_quarantine_describe(const struct sx_supervisor *sup, struct sx_buf *to)
{
    uint64_t now_ns = sx_clock_mono_ns();

    for (const struct sx_list *at = sup->offenders.next; at != &sup->offenders; at = at->next) {
        const struct sx_offender *o = SX_MEMBER_OF(at, struct sx_offender, link);

        if (o->state == OFFENDER_COUNTED)
            sx_buf_printf(to, "plugin \"%s\" has crashed lately: %u\n", o->name, o->n_faults);
        else
            sx_buf_printf(to, "plugin \"%s\" is %s for %llu s more\n", o->name,
                          o->state == OFFENDER_QUARANTINED ? "quarantined" : "on probation",
                          (unsigned long long)seconds_left(o, now_ns));
    }
}
