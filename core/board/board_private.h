/*
 * board/board_private.h - the layout of the shared segment.
 *
 * A head with the tables of names, then one part per worker.  Everything here may be scribbled
 * on at any moment: a value is loaded once into a local variable, and checked there.  How
 * large the tables are is known from struct sx_board, which is private to the process.
 */
#ifndef SX_BOARD_PRIVATE_H
#define SX_BOARD_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "board/board.h"

#define BOARD_MAGIC       UINT64_C(0x34304452414f4258) /* changes with the layout */
#define BOARD_MAX_WORKERS 4096u
#define BOARD_MAX_THREADS 4096u

enum board_kind { BOARD_COUNTER = 1, BOARD_GAUGE, BOARD_HISTOGRAM };

/* Their fields are as long as those of struct sx_board_name. */
struct board_plugin {
    char name[64];
    char version[32];
    char build[96];
};

/* plugin is the first of that name, so that a route counts on over versions. */
struct board_route {
    uint32_t plugin;
    char method[16];
    char pattern[160];
};

struct board_metric {
    uint32_t plugin; /* the first of that name */
    uint32_t kind;
    uint32_t n_bounds;
    double bounds[SX_BOARD_MAX_BUCKETS];
    char name[64];
    char doc[160];
};

struct board_plugin_count {
    uint64_t faults, is_quarantined;
};

struct board_head {
    uint64_t magic;
    uint32_t n_workers, n_threads;
    uint32_t n_plugins, n_routes, n_metrics; /* stored after their entries */
    uint64_t outage_ns;                      /* of the last line; see sx_board_may_tell() */
    struct board_plugin plugins[SX_BOARD_MAX_PLUGINS];
    struct board_route routes[SX_BOARD_MAX_ROUTES];
    struct board_metric metrics[SX_BOARD_MAX_METRICS];
    struct board_plugin_count faults[SX_BOARD_MAX_PLUGINS]; /* of the first of that name */
};

struct board_route_count {
    uint64_t requests, errors, time_ns;
};

/* sum is the bits of a double: of a counter, of a gauge, or the sum of a histogram. */
struct board_value {
    uint64_t sum;
    uint64_t buckets[SX_BOARD_MAX_BUCKETS + 1]; /* the last one: above all bounds */
};

struct board_thread_line {
    _Alignas(64) struct sx_board_thread thread; /* no two threads write one cache line */
};

struct sx_board_worker {
    struct board_thread_line fault; /* what the loop ran when a fault was contained */
    _Alignas(64) uint32_t pid;
    uint32_t generation;
    uint32_t state;
    _Alignas(64) struct sx_board_counters counters;
    struct board_route_count routes[SX_BOARD_MAX_ROUTES];
    struct board_value values[SX_BOARD_MAX_METRICS];
    struct board_thread_line threads[];
};

struct sx_board {
    int fd;
    bool owns_fd;
    size_t size;
    size_t worker_size;
    uint32_t n_workers, n_threads;
    struct board_head *head; /* the mapping */
    char *workers;
};

/* A count from the segment, at most max. */
static inline uint32_t board_count(const uint32_t *from, uint32_t max)
{
    uint32_t n = __atomic_load_n(from, __ATOMIC_ACQUIRE);

    return n < max ? n : max;
}

static inline uint64_t board_load(const uint64_t *from)
{
    return __atomic_load_n(from, __ATOMIC_RELAXED);
}

/* For the one thread that writes *to. */
static inline void board_add(uint64_t *to, uint64_t n)
{
    __atomic_store_n(to, board_load(to) + n, __ATOMIC_RELAXED);
}

/* The n bytes of a field, cut at a NUL and ended with one. */
void board_copy_text(char *to, const char *from, size_t size);

const struct sx_board_worker *board_worker(const struct sx_board *b, uint32_t slot);

#endif /* SX_BOARD_PRIVATE_H */
