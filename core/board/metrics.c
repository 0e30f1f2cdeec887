/*
 * board/metrics.c - everything on the board as Prometheus' text format 0.0.4.
 *
 * Sums over all workers' parts, the living and the dead.  Names come from plugins: what a
 * metric's name cannot hold becomes '_', and labels are escaped.
 */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "board/board_private.h"

#define MAX_TEXT_BYTES (64u * 1024 * 1024)
#define N_LATENCIES    20u /* of struct sx_board_counters */

static uint64_t sum_counter(const struct sx_board *b, size_t offset)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < b->n_workers; i++) {
        const char *counters = (const char *)&board_worker(b, i)->counters;

        sum += board_load((const uint64_t *)(const void *)(counters + offset));
    }
    return sum;
}

static void add_head(struct sx_buf *to, const char *name, const char *type, const char *doc)
{
    sx_buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", name, doc, name, type);
}

/* The shortest text that reads back as the same number. */
static void add_finite(struct sx_buf *to, double value)
{
    char text[40];
    char *comma;

    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    comma = strchr(text, ','); /* a plugin may have called setlocale */
    if (comma != NULL)
        *comma = '.';
    sx_buf_add_text(to, text);
}

static void add_number(struct sx_buf *to, double value)
{
    if (isnan(value))
        sx_buf_add_text(to, "NaN");
    else if (isinf(value))
        sx_buf_add_text(to, value < 0 ? "-Inf" : "+Inf");
    else
        add_finite(to, value);
}

static void add_seconds(struct sx_buf *to, uint64_t us)
{
    sx_buf_printf(to, "%llu.%06u", (unsigned long long)(us / 1000000), (unsigned)(us % 1000000));
}

/* --- the server's own counters -------------------------------------------------------- */

struct own_metric {
    const char *name;
    const char *type;
    const char *doc;
    size_t offset;
};

#define OWN(name, type, doc, member)                                \
    {                                                               \
        name, type, doc, offsetof(struct sx_board_counters, member) \
    }

static const struct own_metric own_metrics[] = {
    OWN("sx_requests_total", "counter", "Requests answered.", requests),
    OWN("sx_connections_opened_total", "counter", "Connections accepted.", connections_opened),
    OWN("sx_connections_open", "gauge", "Connections open now.", connections_open),
    OWN("sx_connections_refused_total", "counter", "Connections told 503 for want of room.",
        connections_refused),
    OWN("sx_connections_evicted_total", "counter", "Connections given up at http.buffered_bytes.",
        connections_evicted),
    OWN("sx_received_bytes_total", "counter", "Bytes read from clients.", bytes_in),
    OWN("sx_sent_bytes_total", "counter", "Bytes of bodies that were sent.", bytes_out),
    OWN("sx_db_statements_total", "counter", "Statements sent to the database.", db_statements),
    OWN("sx_db_errors_total", "counter", "Statements that failed.", db_errors),
    OWN("sx_log_dropped_lines_total", "counter", "Lines of the log that were lost.", log_dropped),
};

static void add_own_metrics(struct sx_buf *to, const struct sx_board *b)
{
    for (size_t i = 0; i < sizeof(own_metrics) / sizeof(own_metrics[0]); i++) {
        const struct own_metric *m = &own_metrics[i];

        add_head(to, m->name, m->type, m->doc);
        sx_buf_printf(to, "%s %llu\n", m->name, (unsigned long long)sum_counter(b, m->offset));
    }
}

static void add_classes(struct sx_buf *to, const struct sx_board *b)
{
    add_head(to, "sx_responses_total", "counter", "Responses by the class of their status.");
    for (size_t i = 1; i <= 5; i++) {
        size_t offset = offsetof(struct sx_board_counters, by_class) + i * sizeof(uint64_t);

        sx_buf_printf(to, "sx_responses_total{class=\"%zuxx\"} %llu\n", i,
                      (unsigned long long)sum_counter(b, offset));
    }
}

/* Each bucket counts what lies below its bound and above the one before; Prometheus wants them
 * summed up.  The last bucket has no bound. */
static void add_latencies(struct sx_buf *to, const struct sx_board *b)
{
    static const char name[] = "sx_request_duration_seconds";
    uint64_t count = 0;

    _Static_assert(sizeof(((struct sx_board_counters *)0)->latency_us_bucket) ==
                       N_LATENCIES * sizeof(uint64_t),
                   "all buckets are shown");
    add_head(to, name, "histogram", "Time from a request's head to the end of its response.");
    for (size_t i = 0; i < N_LATENCIES; i++) {
        size_t offset = offsetof(struct sx_board_counters, latency_us_bucket) +
                        i * sizeof(uint64_t);

        count += sum_counter(b, offset);
        sx_buf_printf(to, "%s_bucket{le=\"", name);
        if (i + 1 < N_LATENCIES)
            add_seconds(to, UINT64_C(1) << i);
        else
            sx_buf_add_text(to, "+Inf");
        sx_buf_printf(to, "\"} %llu\n", (unsigned long long)count);
    }
    sx_buf_printf(to, "%s_sum ", name);
    add_seconds(to, sum_counter(b, offsetof(struct sx_board_counters, latency_us_sum)));
    sx_buf_printf(to, "\n%s_count %llu\n", name, (unsigned long long)count);
}

static void add_workers(struct sx_buf *to, const struct sx_board *b)
{
    static const char *const states[] = { "free", "starting", "ready", "draining" };
    unsigned counts[4] = { 0 };

    for (uint32_t i = 0; i < b->n_workers; i++)
        counts[sx_board_state(board_worker(b, i))]++;
    add_head(to, "sx_workers", "gauge", "Workers by their state.");
    for (size_t i = SX_WORKER_STARTING; i <= SX_WORKER_DRAINING; i++)
        sx_buf_printf(to, "sx_workers{state=\"%s\"} %u\n", states[i], counts[i]);
}

/* --- routes --------------------------------------------------------------------------- */

/* A label's value: '\\', '"' and newlines are escaped, what is not UTF-8 becomes '?'. */
static void add_label(struct sx_buf *to, const char *key, const char *value)
{
    size_t len = strlen(value);

    sx_buf_printf(to, "%s=\"", key);
    for (size_t at = 0; at < len;) {
        size_t n = sx_utf8_length(value + at, len - at);

        if (value[at] == '\n') {
            sx_buf_add_text(to, "\\n");
        } else {
            if (value[at] == '"' || value[at] == '\\')
                sx_buf_add_text(to, "\\");
            sx_buf_add(to, n == 0 ? "?" : value + at, n == 0 ? 1 : n);
        }
        at += n == 0 ? 1 : n;
    }
    sx_buf_add_text(to, "\"");
}

static struct board_route_count sum_route(const struct sx_board *b, uint32_t route)
{
    struct board_route_count sum = { 0 };

    for (uint32_t i = 0; i < b->n_workers; i++) {
        const struct board_route_count *c = &board_worker(b, i)->routes[route];

        sum.requests += board_load(&c->requests);
        sum.errors += board_load(&c->errors);
        sum.time_ns += board_load(&c->time_ns);
    }
    return sum;
}

enum route_value { ROUTE_REQUESTS, ROUTE_ERRORS, ROUTE_SECONDS };

static void add_route(struct sx_buf *to, const struct sx_board *b, uint32_t route,
                      const char *metric, enum route_value value)
{
    uint32_t plugin = __atomic_load_n(&b->head->routes[route].plugin, __ATOMIC_RELAXED);
    struct board_route_count sum = sum_route(b, route);
    struct sx_board_name name;

    sx_board_describe(b, plugin, route, &name);
    sx_buf_printf(to, "%s{", metric);
    add_label(to, "plugin", name.plugin);
    sx_buf_add_text(to, ",");
    add_label(to, "method", name.method);
    sx_buf_add_text(to, ",");
    add_label(to, "route", name.route);
    sx_buf_add_text(to, "} ");
    if (value == ROUTE_SECONDS)
        add_seconds(to, sum.time_ns / 1000);
    else
        sx_buf_add_uint(to, value == ROUTE_ERRORS ? sum.errors : sum.requests);
    sx_buf_add_text(to, "\n");
}

static void add_routes(struct sx_buf *to, const struct sx_board *b)
{
    static const struct {
        const char *name, *doc;
        enum route_value value;
    } metrics[] = {
        { "sx_route_requests_total", "Requests by route.", ROUTE_REQUESTS },
        { "sx_route_errors_total", "Answers with a status of 500 and above, by route.",
          ROUTE_ERRORS },
        { "sx_route_seconds_total", "Time spent on requests, by route.", ROUTE_SECONDS },
    };
    uint32_t n = board_count(&b->head->n_routes, SX_BOARD_MAX_ROUTES);

    for (size_t i = 0; i < sizeof(metrics) / sizeof(metrics[0]); i++) {
        add_head(to, metrics[i].name, "counter", metrics[i].doc);
        for (uint32_t route = 0; route < n; route++)
            add_route(to, b, route, metrics[i].name, metrics[i].value);
    }
}

/* --- plugins that crash -------------------------------------------------------------- */

static bool is_first_of_name(const struct sx_board *b, uint32_t plugin, const char *name)
{
    struct sx_board_name other;

    for (uint32_t i = 0; i < plugin; i++) {
        sx_board_describe(b, i, SX_BOARD_NONE, &other);
        if (strcmp(other.plugin, name) == 0)
            return false;
    }
    return true;
}

static void add_plugins(struct sx_buf *to, const struct sx_board *b, const char *metric,
                        size_t offset)
{
    uint32_t n = board_count(&b->head->n_plugins, SX_BOARD_MAX_PLUGINS);

    for (uint32_t i = 0; i < n; i++) {
        const char *count = (const char *)&b->head->faults[i];
        struct sx_board_name name;

        sx_board_describe(b, i, SX_BOARD_NONE, &name);
        if (!is_first_of_name(b, i, name.plugin))
            continue;
        sx_buf_printf(to, "%s{", metric);
        add_label(to, "plugin", name.plugin);
        sx_buf_printf(
            to, "} %llu\n",
            (unsigned long long)board_load((const uint64_t *)(const void *)(count + offset)));
    }
}

static void add_faults(struct sx_buf *to, const struct sx_board *b)
{
    static const char crashes[] = "sx_plugin_crashes_total";
    static const char quarantined[] = "sx_plugin_quarantined";

    add_head(to, crashes, "counter", "Crashes and stalls of workers, by the plugin at fault.");
    add_plugins(to, b, crashes, offsetof(struct board_plugin_count, faults));
    add_head(to, quarantined, "gauge", "1: its routes answer 503.");
    add_plugins(to, b, quarantined, offsetof(struct board_plugin_count, is_quarantined));
}

/* --- the metrics of plugins ----------------------------------------------------------- */

/* A copy that nobody else writes, with its values in range. */
static void copy_metric(struct board_metric *to, const struct board_metric *from)
{
    *to = *from;
    to->name[sizeof(to->name) - 1] = '\0';
    to->doc[sizeof(to->doc) - 1] = '\0';
    if (to->n_bounds > SX_BOARD_MAX_BUCKETS)
        to->n_bounds = SX_BOARD_MAX_BUCKETS;
}

static void clean_name(char *name)
{
    for (; *name != '\0'; name++) {
        char c = *name;

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')))
            *name = '_';
    }
}

static void clean_doc(char *doc)
{
    for (; *doc != '\0'; doc++) {
        if ((unsigned char)*doc < 0x20 || (unsigned char)*doc >= 0x7F || *doc == '\\')
            *doc = ' ';
    }
}

static double sum_value(const struct sx_board *b, uint32_t metric)
{
    double sum = 0;

    for (uint32_t i = 0; i < b->n_workers; i++) {
        uint64_t bits = board_load(&board_worker(b, i)->values[metric].sum);
        double value;

        memcpy(&value, &bits, sizeof(value));
        sum += value;
    }
    return sum;
}

static uint64_t sum_bucket(const struct sx_board *b, uint32_t metric, size_t bucket)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < b->n_workers; i++)
        sum += board_load(&board_worker(b, i)->values[metric].buckets[bucket]);
    return sum;
}

static void add_histogram(struct sx_buf *to, const struct sx_board *b, uint32_t metric,
                          const struct board_metric *m, const char *name)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < m->n_bounds; i++) {
        count += sum_bucket(b, metric, i);
        sx_buf_printf(to, "%s_bucket{le=\"", name);
        add_number(to, m->bounds[i]);
        sx_buf_printf(to, "\"} %llu\n", (unsigned long long)count);
    }
    count += sum_bucket(b, metric, SX_BOARD_MAX_BUCKETS);
    sx_buf_printf(to, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum ", name, (unsigned long long)count,
                  name);
    add_number(to, sum_value(b, metric));
    sx_buf_printf(to, "\n%s_count %llu\n", name, (unsigned long long)count);
}

static void add_plugin_metric(struct sx_buf *to, const struct sx_board *b, uint32_t metric)
{
    static const char *const types[] = { NULL, "counter", "gauge", "histogram" };
    struct sx_board_name owner;
    struct board_metric m;
    char name[160];

    copy_metric(&m, &b->head->metrics[metric]);
    sx_board_describe(b, m.plugin, SX_BOARD_NONE, &owner);
    if (m.kind < BOARD_COUNTER || m.kind > BOARD_HISTOGRAM || owner.plugin[0] == '\0')
        return;
    (void)snprintf(name, sizeof(name), "sx_%s_%s", owner.plugin, m.name);
    clean_name(name);
    clean_doc(m.doc);
    add_head(to, name, types[m.kind], m.doc);
    if (m.kind == BOARD_HISTOGRAM) {
        add_histogram(to, b, metric, &m, name);
        return;
    }
    sx_buf_printf(to, "%s ", name);
    add_number(to, sum_value(b, metric));
    sx_buf_add_text(to, "\n");
}

char *sx_board_metrics_text(const struct sx_board *b)
{
    uint32_t n_metrics = board_count(&b->head->n_metrics, SX_BOARD_MAX_METRICS);
    struct sx_buf text;

    sx_buf_init(&text, MAX_TEXT_BYTES);
    add_own_metrics(&text, b);
    add_classes(&text, b);
    add_latencies(&text, b);
    add_workers(&text, b);
    add_routes(&text, b);
    add_faults(&text, b);
    for (uint32_t i = 0; i < n_metrics; i++)
        add_plugin_metric(&text, b, i);
    if (sx_buf_text(&text) == NULL)
        sx_buf_finish(&text);
    return text.data; /* now the caller's */
}
