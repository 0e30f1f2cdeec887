/*
 * faults - a route for each way in which a plugin can misbehave.  Mounted under a prefix.
 */
#include <sx/plugin.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

/* --- Faults that end the process unless the host contains them ------------------- */

__attribute__((noinline, no_sanitize("undefined", "address"))) static int segv(sx_req *r)
{
    volatile int *volatile nowhere = NULL;

    (void)r;
    *nowhere = 1; /* NOLINT: it is meant */
    return SX_OK;
}

/* Behind the end of a file. */
__attribute__((noinline, no_sanitize("undefined", "address"))) static int bus(sx_req *r)
{
    FILE *empty = tmpfile();
    volatile char *page = empty == NULL ? MAP_FAILED
                                        : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
                                               fileno(empty), 0);

    (void)r;
    if (page != MAP_FAILED)
        *page = 1;
    return SX_EINVAL;
}

__attribute__((noinline, no_sanitize("undefined", "address"))) static int divide(sx_req *r)
{
    volatile int nothing = 0;
    const int more = 7 / nothing; /* NOLINT: it is meant */

    return sx_reply_text(r, more, "divided");
}

/* What no processor knows; of a compiler that proves a place unreachable. */
__attribute__((noinline)) static int trap(sx_req *r)
{
    (void)r;
    __builtin_trap();
}

/* With a frame of a library between, which may hold something. */
__attribute__((no_sanitize("undefined", "address"))) static int in_library(const void *a,
                                                                           const void *b)
{
    (void)a;
    (void)b;
    (void)segv(NULL);
    return 0;
}

static int segv_in_library(sx_req *r)
{
    int two[2] = { 2, 1 };

    qsort(two, 2, sizeof two[0], in_library);
    return sx_reply_text(r, 200, "sorted\n");
}

/* In the core, with something that is no pointer. */
static int in_core(sx_req *r)
{
    const int err = sx_reply(r, 200, "text/plain", (const void *)8,
                             100000); /* NOLINT: it is meant */

    return err < 0 ? SX_EINVAL : SX_OK;
}

static int segv_later(sx_req *r, void *arg)
{
    (void)arg;
    return segv(r);
}

static int fault_later(sx_req *r)
{
    return sx_after(r, 1, segv_later, NULL);
}

static int answer_later(sx_req *r, void *arg)
{
    (void)arg;
    return sx_reply_text(r, 200, "called again\n");
}

/* Its operation ends after the fault. */
static int fault_while_pending(sx_req *r)
{
    const int err = sx_after(r, 1, answer_later, NULL);

    return err < 0 ? err : segv(r);
}

static int segv_on_rows(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)rows;
    (void)arg;
    return segv(r);
}

static int fault_on_rows(sx_req *r)
{
    return sx_read(r, segv_on_rows, NULL, "SELECT 1", SX_NONE);
}

static int abort_all(sx_req *r)
{
    (void)r;
    abort();
}

/* The array keeps the compiler from making a loop of it. */
static int descend(volatile char *above, int depth)
{
    volatile char frame[4096];

    frame[0] = (char)(above[0] + 1);
    return depth < 0 ? frame[0] : descend(frame, depth + 1) + frame[0];
}

static int overflow(sx_req *r)
{
    volatile char top[1] = { 0 };

    (void)r;
    return descend(top, 0);
}

#define NEVER_MS 300 /* the deadline of routes that never answer */

/* --- Faults of time ---------------------------------------------------------------- */

static int64_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Keeps the loop, for ever without ms. */
static int spin(sx_req *r)
{
    const int64_t ms = sx_arg_int(r, "ms", -1), begin = now_ms();

    while (ms < 0 || now_ms() - begin < ms)
        continue;
    return sx_reply_text(r, 200, "spun\n");
}

/* Keeps the loop inside a library. */
static int doze(sx_req *r)
{
    const int64_t ms = sx_arg_int(r, "ms", 3600 * 1000);
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

    while (nanosleep(&left, &left) != 0)
        continue;
    return sx_reply_text(r, 200, "dozed\n");
}

/* Keeps the loop without calling anybody. */
static int count(sx_req *r)
{
    volatile int64_t n = 0;

    while (n >= 0)
        n = (n + 1) % 1000000;
    return sx_reply_text(r, 200, "counted\n");
}

static int answer_never(sx_req *r, void *arg)
{
    (void)arg;
    return sx_reply_text(r, 200, "late\n");
}

static int wait_for_ever(sx_req *r)
{
    return sx_after(r, 3600 * 1000, answer_never, NULL);
}

static int take_rows(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)rows;
    (void)arg;
    return sx_reply_text(r, 200, "late\n");
}

static int read_for_ever(sx_req *r)
{
    return sx_read(r, take_rows, NULL, "SELECT pg_sleep(3600), 'never read'", SX_NONE);
}

static int write_for_ever(sx_req *r)
{
    return sx_query(r, take_rows, NULL, "SELECT pg_sleep(3600), 'never written'", SX_NONE);
}

static int lease_for_ever(sx_req *r, sx_db *db)
{
    const sx_rows *rows = sx_db_exec(db, "SELECT pg_sleep(3600), 'never leased'", SX_NONE);

    return rows == NULL ? SX_EDB : sx_reply_text(r, 200, "late\n");
}

/* --- Faults against the contract ---------------------------------------------------- */

static int silent(sx_req *r)
{
    (void)r;
    return SX_OK;
}

/* The body tells what the second reply was told; the client must see one answer. */
static int double_reply(sx_req *r)
{
    const int first = sx_reply_text(r, 200, "first\n");
    const int second = sx_reply_text(r, 500, "second\n");

    sx_req_log(r, SX_INFO, "first reply %d, second reply %d", first, second);
    return first;
}

static const struct {
    const char *what;
    const char *sql[2];
} left_open[] = {
    { "transaction", { "SELECT 1", NULL } },
    { "setting", { "SET work_mem = '77MB'", "SET search_path = pg_catalog" } },
    { "table", { "CREATE TEMPORARY TABLE left_behind (a integer)", NULL } },
    { "lock", { "SELECT pg_advisory_lock(4711)", NULL } },
};

static int leave(sx_db *db, const char *const sql[2])
{
    if (sx_db_exec(db, sql[0], SX_NONE) == NULL)
        return SX_EDB;
    if (sql[1] != NULL && sx_db_exec(db, sql[1], SX_NONE) == NULL)
        return SX_EDB;
    return SX_OK;
}

/* Leaves something on its connection: a transaction, or what ?what= says. */
static int leave_open(sx_req *r, sx_db *db)
{
    const char *what = sx_arg_text(r, "what");
    size_t i = 0;

    while (what != NULL && i < sizeof left_open / sizeof *left_open &&
           strcmp(left_open[i].what, what) != 0)
        i++;
    if (i == sizeof left_open / sizeof *left_open)
        return sx_fail(r, 400, "bad_what", "what: unknown value \"%s\"", what);
    if (i == 0 && sx_db_begin(db) < 0)
        return SX_EDB;
    return leave(db, left_open[i].sql) < 0 ? SX_EDB : sx_reply_text(r, 200, "left\n");
}

/* Takes memory, touches it and forgets it. */
static int leak(sx_req *r)
{
    const int64_t kb = sx_arg_int(r, "kb", 1);
    const size_t size = kb > 0 && kb < 1 << 20 ? (size_t)kb << 10 : 1 << 10;
    char *volatile lost = malloc(size);

    if (lost == NULL)
        return SX_ENOMEM;
    memset(lost, 1, size);
    lost = NULL;
    return sx_reply_text(r, 200, "lost\n");
}

/* --- The same on a pool thread -------------------------------------------------------- */

static int segv_on_pool(sx_req *r, sx_db *db)
{
    (void)db;
    return segv(r);
}

/* Within a transaction that has changed something. */
static int segv_in_transaction(sx_req *r, sx_db *db)
{
    if (sx_db_begin(db) < 0 ||
        sx_db_exec(db, "SELECT pg_advisory_xact_lock(4712)", SX_NONE) == NULL)
        return SX_EDB;
    return segv(r);
}

static int segv_in_work(sx_plugin *p, sx_db *db, void *arg)
{
    (void)p;
    (void)db;
    (void)arg;
    return segv(NULL);
}

static int answer_done(sx_req *r, int result, void *arg)
{
    (void)result;
    (void)arg;
    return sx_reply_text(r, 200, "done\n");
}

static int offload_segv(sx_req *r)
{
    return sx_offload(r, segv_in_work, answer_done, NULL);
}

static int task_segv(sx_req *r)
{
    const int err = sx_task(sx_req_plugin(r), segv_in_work, NULL, NULL);

    return err < 0 ? err : sx_reply_text(r, 202, "begun\n");
}

static int segv_in_library_on_pool(sx_req *r, sx_db *db)
{
    (void)db;
    return segv_in_library(r);
}

static void *segv_alone(void *arg)
{
    (void)arg;
    (void)segv(NULL);
    return NULL;
}

/* On a thread of its own, which outlives the call; the client need not have its answer yet. */
static int thread_segv(sx_req *r)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, segv_alone, NULL) != 0)
        return SX_ENOMEM;
    (void)pthread_detach(thread);
    return sx_reply_text(r, 202, "begun\n");
}

/* Waits until so many threads are here; then all fault at once. */
static int segv_together(sx_req *r, sx_db *db)
{
    static atomic_int n_here;
    const int n = (int)sx_arg_int(r, "n", 2);

    (void)db;
    atomic_fetch_add(&n_here, 1);
    while (atomic_load(&n_here) < n)
        continue;
    return segv(r);
}

static int spin_on_pool(sx_req *r, sx_db *db)
{
    (void)db;
    return spin(r);
}

/* --- On a WebSocket ------------------------------------------------------------------- */

static void spin_alone(void)
{
    for (volatile int64_t n = 0; n >= 0; n = (n + 1) & 1)
        continue;
}

/* "segv" and "spin" are done, everything else comes back.  Spinning calls nobody: inside of a
 * library it could not be ended. */
static void misbehave(sx_ws *ws, int32_t kind, sx_span data, void *arg)
{
    const bool is_spin = data.len == 4 && memcmp(data.data, "spin", 4) == 0;

    (void)arg;
    if (data.len == 4 && memcmp(data.data, "segv", 4) == 0)
        (void)segv(NULL);
    if (is_spin)
        spin_alone();
    if (sx_ws_send(ws, kind, data.data, data.len) < 0)
        sx_ws_close(ws, 1011, "not sent");
}

static int open_ws(sx_req *r)
{
    static const sx_ws_ops ops = { .message = misbehave };
    sx_ws *ws;

    return sx_ws_open(r, NULL, &ops, NULL, &ws);
}

static const sx_field ms_params[] = {
    { .name = "ms", .in = SX_IN_QUERY, .type = SX_INT, .doc = "For how long; for ever if absent" },
    { 0 },
};

static const sx_field n_params[] = {
    { .name = "n", .in = SX_IN_QUERY, .type = SX_INT, .doc = "How many threads" },
    { 0 },
};

static const sx_field kb_params[] = {
    { .name = "kb", .in = SX_IN_QUERY, .type = SX_INT, .doc = "Kilobytes" },
    { 0 },
};

static const sx_field what_params[] = {
    { .name = "what",
      .in = SX_IN_QUERY,
      .type = SX_TEXT,
      .doc = "transaction, setting, table or lock" },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET", .path = "/segv", .handler = segv, .summary = "Write to nowhere" },
    { .method = "GET", .path = "/bus", .handler = bus, .summary = "Write behind a file's end" },
    { .method = "GET", .path = "/divide", .handler = divide, .summary = "Divide by zero" },
    { .method = "GET", .path = "/trap", .handler = trap, .summary = "Do what cannot be done" },
    { .method = "GET",
      .path = "/library",
      .handler = segv_in_library,
      .summary = "Write to nowhere, called by a library" },
    { .method = "GET",
      .path = "/core",
      .handler = in_core,
      .summary = "Hand the core what is no pointer" },
    { .method = "GET",
      .path = "/later/segv",
      .handler = fault_later,
      .summary = "Write to nowhere, later" },
    { .method = "GET",
      .path = "/pending/segv",
      .handler = fault_while_pending,
      .summary = "Write to nowhere when something is pending" },
    { .method = "GET",
      .path = "/rows/segv",
      .handler = fault_on_rows,
      .summary = "Write to nowhere when rows have come" },
    { .method = "GET", .path = "/abort", .handler = abort_all, .summary = "Call abort" },
    { .method = "GET", .path = "/overflow", .handler = overflow, .summary = "Overflow the stack" },
    { .method = "GET",
      .path = "/spin",
      .handler = spin,
      .params = ms_params,
      .summary = "Keep the loop" },
    { .method = "GET",
      .path = "/doze",
      .handler = doze,
      .params = ms_params,
      .summary = "Keep the loop inside a library" },
    { .method = "GET", .path = "/count", .handler = count, .summary = "Keep the loop for ever" },
    { .method = "GET",
      .path = "/never/after",
      .handler = wait_for_ever,
      .timeout_ms = NEVER_MS,
      .summary = "Never answer: a timer" },
    { .method = "GET",
      .path = "/never/read",
      .handler = read_for_ever,
      .timeout_ms = NEVER_MS,
      .summary = "Never answer: a read" },
    { .method = "GET",
      .path = "/never/write",
      .handler = write_for_ever,
      .timeout_ms = NEVER_MS,
      .summary = "Never answer: a statement" },
    { .method = "GET",
      .path = "/never/lease",
      .blocking = lease_for_ever,
      .timeout_ms = NEVER_MS,
      .summary = "Never answer: a statement of a thread" },
    { .method = "GET", .path = "/silent", .handler = silent, .summary = "Never answer" },
    { .method = "GET",
      .path = "/double-reply",
      .handler = double_reply,
      .summary = "Answer twice" },
    { .method = "GET",
      .path = "/leave-open",
      .blocking = leave_open,
      .params = what_params,
      .summary = "Leave a transaction or something else on the connection" },
    { .method = "GET",
      .path = "/leak",
      .handler = leak,
      .params = kb_params,
      .summary = "Forget memory" },
    { .method = "GET",
      .path = "/pool/segv",
      .blocking = segv_on_pool,
      .summary = "Write to nowhere on a pool thread" },
    { .method = "GET",
      .path = "/pool/library",
      .blocking = segv_in_library_on_pool,
      .summary = "Write to nowhere on a pool thread, called by a library" },
    { .method = "GET",
      .path = "/pool/transaction",
      .blocking = segv_in_transaction,
      .summary = "Write to nowhere within a transaction" },
    { .method = "GET",
      .path = "/pool/offload",
      .handler = offload_segv,
      .summary = "Write to nowhere in offloaded work" },
    { .method = "GET",
      .path = "/pool/task",
      .handler = task_segv,
      .summary = "Write to nowhere in a task, after the answer" },
    { .method = "GET",
      .path = "/pool/together",
      .blocking = segv_together,
      .params = n_params,
      .summary = "Write to nowhere on several pool threads at once" },
    { .method = "GET",
      .path = "/thread/segv",
      .handler = thread_segv,
      .summary = "Write to nowhere on a thread of its own" },
    { .method = "GET",
      .path = "/pool/spin",
      .blocking = spin_on_pool,
      .params = ms_params,
      .summary = "Keep a pool thread" },
    { .method = "WEBSOCKET",
      .path = "/ws",
      .handler = open_ws,
      .summary = "Write to nowhere at the message \"segv\", keep the loop at \"spin\"" },
    { 0 },
};

SX_PLUGIN("faults", "1.0.0", .summary = "Misbehaves on demand",
          .needs = SX_CAP_DB | SX_CAP_BLOCKING | SX_CAP_STREAM, .routes = routes);
