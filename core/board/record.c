/* board/record.c - counting: by routes, and by the metrics that plugins declare. */
#include <math.h>
#include <string.h>

#include "board/board_private.h"

void sx_board_route_done(struct sx_board_worker *w, uint32_t route, int status,
                         uint64_t duration_ns)
{
    struct board_route_count *count;

    if (route >= SX_BOARD_MAX_ROUTES)
        return;
    count = &w->routes[route];
    board_add(&count->requests, 1);
    board_add(&count->time_ns, duration_ns);
    if (status >= 500)
        board_add(&count->errors, 1);
}

/* Any thread may count, so this one is an exchange in a loop. */
static void add_double(uint64_t *to, double value)
{
    uint64_t before = board_load(to);
    uint64_t after;

    do {
        double sum;

        memcpy(&sum, &before, sizeof(sum));
        sum += value;
        memcpy(&after, &sum, sizeof(after));
    } while (
        !__atomic_compare_exchange_n(to, &before, after, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

static void observe(const struct board_metric *m, struct board_value *v, double value)
{
    uint32_t n_bounds = board_count(&m->n_bounds, SX_BOARD_MAX_BUCKETS);
    uint32_t i = 0;

    while (i < n_bounds && value > m->bounds[i])
        i++;
    __atomic_add_fetch(&v->buckets[i < n_bounds ? i : SX_BOARD_MAX_BUCKETS], 1, __ATOMIC_RELAXED);
    add_double(&v->sum, value);
}

void sx_board_record(struct sx_board *b, struct sx_board_worker *w, uint32_t metric, double value)
{
    const struct board_metric *m;
    uint64_t bits;

    if (metric >= board_count(&b->head->n_metrics, SX_BOARD_MAX_METRICS) || !isfinite(value))
        return;
    m = &b->head->metrics[metric];
    switch (__atomic_load_n(&m->kind, __ATOMIC_RELAXED)) {
    case BOARD_COUNTER:
        if (value > 0)
            add_double(&w->values[metric].sum, value);
        break;
    case BOARD_GAUGE:
        memcpy(&bits, &value, sizeof(bits));
        __atomic_store_n(&w->values[metric].sum, bits, __ATOMIC_RELAXED);
        break;
    case BOARD_HISTOGRAM: observe(m, &w->values[metric], value); break;
    default: break;
    }
}
