/*
 * supervisor/generation.c - the workers that run one configuration with one set of plugins.
 *
 * Invariant I2: nothing is replaced inside a generation but workers; a change is another one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/error.h"
#include "board/sealed.h"
#include "supervisor/cpus.h"
#include "supervisor/supervisor_private.h"

#define NS_PER_MS        UINT64_C(1000000)
#define GOOD_LIFE_NS     (UINT64_C(10000) * NS_PER_MS)
#define FAIR_LIFE_NS     (UINT64_C(100) * NS_PER_MS) /* of a worker that leaves by itself */
#define FIRST_BACKOFF_MS 100u
#define MAX_BACKOFF_MS   5000u

static uint32_t count_workers(const struct sx_supervisor *sup, const struct sx_config *cfg)
{
    uint32_t n = cfg->server.workers > 0 ? cfg->server.workers : sx_cpus_granted(NULL);

    return n < sup->max_seats ? n : sup->max_seats;
}

/* The board is sized once, at the start. */
static int check_board(const struct sx_supervisor *sup, const struct sx_config *cfg,
                       struct sx_report *rep)
{
    int rc = 0;

    if (cfg->server.workers > sup->max_seats) {
        sx_report_add(rep,
                      "server.workers: expected at most %u, found %u\n"
                      "The board was made for fewer when the server started: restart it.",
                      sup->max_seats, cfg->server.workers);
        rc = SX_ERR_INVALID;
    }
    if (cfg->server.pool_threads + 1 > sup->n_threads) {
        sx_report_add(rep,
                      "server.pool_threads: expected at most %u, found %u\n"
                      "The board was made for fewer when the server started: restart it.",
                      sup->n_threads - 1, cfg->server.pool_threads);
        rc = SX_ERR_INVALID;
    }
    return rc;
}

static int seal_config(struct sx_generation *gen, struct sx_report *rep)
{
    char *text = sx_config_dump(gen->config);
    int rc;

    if (text == NULL) {
        sx_report_add(rep, "the configuration cannot be kept: no memory");
        return SX_ERR_NOMEM;
    }
    rc = sx_sealed_create("config", text, strlen(text), false, &gen->config_fd);
    if (rc != 0)
        sx_report_add(rep, "the configuration cannot be kept: %s", strerror(errno));
    explicit_bzero(text, strlen(text)); /* it has the passwords */
    free(text);
    return rc;
}

/* Those of a reload its reader has made, and has looked at their signatures. */
static int find_copies(const struct sx_supervisor *sup, struct sx_generation *gen, bool has_copies,
                       struct sx_report *rep)
{
    struct sx_report notices;
    int rc;

    if (has_copies)
        return gen->copies.v == NULL ? SX_ERR_INVALID : 0;
    sx_report_init(&notices);
    rc = sx_copies_create(gen->config, &notices, rep, &gen->copies);
    sx_supervisor_log(sup, SX_LOG_WARNING, &notices);
    sx_report_finish(&notices);
    return rc;
}

/* All faults are wanted, not only those of the first step that has any.  The sockets come before
 * root is given up, the copies after it. */
static int prepare(struct sx_supervisor *sup, struct sx_generation *gen, bool has_copies,
                   struct sx_report *rep)
{
    int board = check_board(sup, gen->config, rep);
    int listeners = sx_listeners_acquire(&sup->listeners, &gen->config->server, rep,
                                         &gen->listeners);
    int user = sx_privileges_drop(sup, gen->config, rep);
    int copies = find_copies(sup, gen, has_copies, rep);

    if (board != 0 || copies == SX_ERR_INVALID || listeners == SX_ERR_INVALID ||
        user == SX_ERR_INVALID)
        return SX_ERR_INVALID;
    if (copies != 0 || listeners != 0 || user != 0)
        return copies != 0 ? copies : listeners != 0 ? listeners : user;
    copies = sx_copies_seal(&gen->copies, rep);
    if (copies == 0)
        copies = seal_config(gen, rep);
    return copies != 0 || has_copies ? copies : sx_signatures_check(sup, gen, rep);
}

int sx_generation_create(struct sx_supervisor *sup, struct sx_config *config,
                         struct sx_copies *copies, struct sx_report *rep,
                         struct sx_generation **ret_gen)
{
    struct sx_generation *gen = calloc(1, sizeof *gen);
    int rc = SX_ERR_NOMEM;

    if (gen == NULL) {
        sx_config_destroy(config);
        if (copies != NULL)
            sx_copies_destroy(copies);
        return SX_ERR_NOMEM;
    }
    sx_list_init(&gen->link);
    gen->number = ++sup->n_generations;
    gen->state = SX_GENERATION_STARTING;
    gen->config = config;
    gen->config_fd = -1;
    gen->copies = copies != NULL ? *copies : (struct sx_copies){ .list_fd = -1 };
    gen->n_seats = gen->n_first = count_workers(sup, config);
    gen->seats = calloc(sup->max_seats, sizeof *gen->seats);
    gen->envp = sx_environment_without_secrets(sup, config);
    if (gen->seats != NULL && gen->envp != NULL)
        rc = prepare(sup, gen, copies != NULL, rep);
    if (rc != 0) {
        sx_generation_destroy(gen);
        return rc;
    }
    sx_list_push(&sup->generations, &gen->link);
    *ret_gen = gen;
    return 0;
}

void sx_generation_destroy(struct sx_generation *gen)
{
    if (gen == NULL)
        return;
    sx_check(gen->n_children == 0);
    sx_list_remove(&gen->link);
    sx_listeners_release(&gen->listeners);
    sx_copies_destroy(&gen->copies);
    if (gen->config_fd >= 0)
        (void)close(gen->config_fd);
    sx_config_destroy(gen->config);
    free(gen->seats);
    free(gen->envp);
    free(gen);
}

static int fill_seat(struct sx_supervisor *sup, struct sx_generation *gen, uint32_t index)
{
    struct sx_seat *seat = &gen->seats[index];

    seat->due_ns = 0;
    return sx_child_start(sup, gen, SX_CHILD_WORKER, index, &seat->child);
}

int sx_generation_start(struct sx_supervisor *sup, struct sx_generation *gen)
{
    for (uint32_t i = 0; i < gen->n_first; i++) {
        int rc;

        sx_supervisor_make_way(sup);
        rc = fill_seat(sup, gen, i);

        if (rc != 0)
            return rc;
    }
    return 0;
}

static bool are_all(const struct sx_generation *gen, uint32_t n, enum sx_child_state state)
{
    for (uint32_t i = 0; i < n; i++)
        if (gen->seats[i].child == NULL || gen->seats[i].child->state != state)
            return false;
    return true;
}

bool sx_generation_is_ready(const struct sx_generation *gen)
{
    return are_all(gen, gen->n_first, SX_CHILD_READY);
}

bool sx_generation_all_serve(const struct sx_generation *gen)
{
    return are_all(gen, gen->n_seats, SX_CHILD_SERVING);
}

void sx_generation_serve(struct sx_generation *gen)
{
    uint64_t now_ns = sx_clock_mono_ns();

    for (uint32_t i = 0; i < gen->n_seats; i++)
        if (i < gen->n_first)
            sx_child_serve(gen->seats[i].child);
        else
            gen->seats[i].due_ns = now_ns;
}

const struct sx_copy *sx_generation_copy_of(const struct sx_generation *gen, const char *plugin)
{
    for (size_t i = 0; i < gen->copies.n; i++)
        if (strcmp(gen->copies.v[i].name, plugin) == 0)
            return &gen->copies.v[i];
    return NULL;
}

struct sx_seat *sx_generation_seat_of(struct sx_generation *gen, const struct sx_child *child)
{
    struct sx_seat *seat = &gen->seats[child->index];

    return child->kind == SX_CHILD_WORKER && seat->child == child ? seat : NULL;
}

uint32_t sx_seat_backoff_ms(uint32_t n_short_lives)
{
    uint32_t ms = FIRST_BACKOFF_MS;

    if (n_short_lives == 0)
        return 0;
    for (uint32_t i = 1; i < n_short_lives && ms < MAX_BACKOFF_MS; i++)
        ms *= 2;
    return ms < MAX_BACKOFF_MS ? ms : MAX_BACKOFF_MS;
}

uint32_t sx_seat_vacate(struct sx_seat *seat, const struct sx_child *child)
{
    uint64_t now_ns = sx_clock_mono_ns();
    uint32_t delay_ms;

    if (child->ready_ns != 0 && now_ns - child->ready_ns >= GOOD_LIFE_NS)
        seat->n_short_lives = 0;
    seat->child = NULL;
    delay_ms = sx_seat_backoff_ms(seat->n_short_lives);
    seat->due_ns = now_ns + delay_ms * NS_PER_MS;
    seat->n_short_lives++;
    return delay_ms;
}

void sx_seat_replace(struct sx_seat *seat, const struct sx_child *child)
{
    uint64_t now_ns = sx_clock_mono_ns();

    if (now_ns - child->ready_ns >= FAIR_LIFE_NS)
        *seat = (struct sx_seat){ .due_ns = now_ns };
    else
        (void)sx_seat_vacate(seat, child);
}

bool sx_generation_make_room(struct sx_supervisor *sup, const struct sx_generation *gen)
{
    for (struct sx_list *at = sup->children.next; at != &sup->children; at = at->next) {
        struct sx_child *child = SX_MEMBER_OF(at, struct sx_child, link);

        if (child->gen == gen && child->state == SX_CHILD_DRAINING) {
            child->is_counted = true; /* it is nobody's fault */
            sx_child_kill(child, "had to make room before it had finished");
            return true;
        }
    }
    return false;
}

void sx_generation_fill_seats(struct sx_supervisor *sup, struct sx_generation *gen, uint64_t now_ns)
{
    for (uint32_t i = 0; i < gen->n_seats; i++) {
        struct sx_seat *seat = &gen->seats[i];

        int rc;

        if (seat->due_ns == 0 || seat->due_ns > now_ns)
            continue;
        rc = fill_seat(sup, gen, i);
        if (rc == 0)
            continue;
        if (rc == SX_ERR_BUSY) {
            (void)sx_generation_make_room(sup, gen);
            seat->due_ns = now_ns + FIRST_BACKOFF_MS * NS_PER_MS;
            continue;
        }
        sx_log_line(sup->log, SX_LOG_ERROR, NULL, "worker %u cannot be started: %s", i,
                    strerror(errno));
        seat->due_ns = now_ns + MAX_BACKOFF_MS * NS_PER_MS;
    }
}

/* Nobody takes the seat of a worker that was told to go. */
static void dismiss(struct sx_generation *gen, uint32_t index, uint32_t delay_ms)
{
    struct sx_seat *seat = &gen->seats[index];

    if (seat->child != NULL)
        sx_child_drain(seat->child, delay_ms, gen->config->server.drain_ms);
    *seat = (struct sx_seat){ .child = NULL };
}

void sx_generation_drain(struct sx_generation *gen, uint32_t delay_ms)
{
    for (uint32_t i = 0; i < gen->n_seats; i++)
        dismiss(gen, i, delay_ms);
}

static void describe_child(const struct sx_child *child, struct sx_buf *to)
{
    static const char *const states[] = {
        [SX_CHILD_STARTING] = "starts", [SX_CHILD_READY] = "is ready",
        [SX_CHILD_SERVING] = "serves",  [SX_CHILD_DRAINING] = "finishes what it has",
        [SX_CHILD_STOPPING] = "stops",  [SX_CHILD_KILLED] = "was killed",
    };

    sx_buf_printf(to, "  %s %u (pid %d) %s\n", sx_child_noun(child), child->index, (int)child->pid,
                  states[child->state]);
}

void sx_generations_describe(const struct sx_supervisor *sup, struct sx_buf *to)
{
    static const char *const states[] = { [SX_GENERATION_STARTING] = "starts",
                                          [SX_GENERATION_CURRENT] = "serves",
                                          [SX_GENERATION_LEAVING] = "leaves" };

    for (const struct sx_list *at = sup->generations.next; at != &sup->generations; at = at->next) {
        const struct sx_generation *gen = SX_MEMBER_OF(at, struct sx_generation, link);

        sx_buf_printf(to, "generation %u %s\n", gen->number, states[gen->state]);
        for (const struct sx_list *c = sup->children.next; c != &sup->children; c = c->next)
            if (SX_MEMBER_OF(c, struct sx_child, link)->gen == gen)
                describe_child(SX_MEMBER_OF(c, struct sx_child, link), to);
    }
}

static void add_unchanged(const struct sx_generation *gen, const struct sx_generation *next,
                          struct sx_buf *to)
{
    const struct sx_config *cfg = gen->config;

    for (size_t i = 0; i < cfg->n_plugins; i++) {
        const char *name = cfg->plugins[i].name;
        const struct sx_copy *a = sx_generation_copy_of(gen, name);
        const struct sx_copy *b = sx_generation_copy_of(next, name);

        if (a != NULL && b != NULL && strcmp(a->sha256, b->sha256) == 0 &&
            sx_config_has_same_plugin(cfg, next->config, name))
            sx_buf_printf(to, " %s", name);
    }
}

void sx_generation_retire(struct sx_generation *gen, const struct sx_generation *next)
{
    uint32_t stream_ms = next->config->server.stream_ms;
    struct sx_buf names;

    sx_buf_init(&names, SX_CONTROL_MAX_TEXT);
    add_unchanged(gen, next, &names);
    if (stream_ms > 0 && names.len > 0 && !sx_buf_failed(&names)) {
        for (uint32_t i = 0; i < gen->n_seats; i++)
            if (gen->seats[i].child != NULL)
                sx_child_keep_streams(gen->seats[i].child, stream_ms, sx_buf_text(&names));
    }
    sx_buf_finish(&names);
    sx_generation_drain(gen, 0);
}

void sx_generation_end_streams(struct sx_supervisor *sup, struct sx_generation *gen)
{
    if (gen->was_hurried)
        return;
    gen->was_hurried = true;
    for (struct sx_list *at = sup->children.next; at != &sup->children; at = at->next) {
        struct sx_child *child = SX_MEMBER_OF(at, struct sx_child, link);

        if (child->gen == gen)
            sx_child_end_streams(child, gen->config->server.drain_ms);
    }
}

bool sx_generation_grow(struct sx_supervisor *sup, struct sx_generation *gen)
{
    uint32_t index = gen->n_seats;

    if (index == sup->max_seats)
        return false;
    gen->n_seats++;
    gen->seats[index] = (struct sx_seat){ .due_ns = sx_clock_mono_ns() };
    return true;
}

bool sx_generation_shrink(struct sx_generation *gen)
{
    if (gen->n_seats == 1)
        return false;
    dismiss(gen, gen->n_seats - 1, 0);
    gen->n_seats--;
    return true;
}
