/*
 * db/cancel.c - asks the server to end a statement, and waits for nobody.
 *
 * PQcancel() connects, and then waits until the other end has closed: a server that has fallen
 * silent would keep its caller for ever.  So each has a thread to itself that nobody joins, and
 * there are only so many of them: where they are all stuck, the statement ends by its own
 * timeout, and its connection is given up.
 */
#include "db/db_private.h"

#include <pthread.h>
#include <stdlib.h>

enum { MAX_RUNNING = 8 };

/* Outlives the pool, when a thread is stuck. */
struct sx_db_cancels {
    atomic_uint n_refs;
    atomic_uint n_running;
};

struct sx_db_cancel {
    struct sx_db_cancels *all; /* a reference */
    PGcancel *cancel;          /* owned */
    atomic_uint n_refs;        /* of its thread and of who has asked */
    atomic_bool is_through;
};

struct sx_db_cancels *sx_db_cancels_create(void)
{
    struct sx_db_cancels *all = calloc(1, sizeof *all);

    if (all != NULL)
        atomic_init(&all->n_refs, 1);
    return all;
}

void sx_db_cancels_unref(struct sx_db_cancels *all)
{
    if (all != NULL && atomic_fetch_sub(&all->n_refs, 1) == 1)
        free(all);
}

static void unref(struct sx_db_cancel *c)
{
    if (atomic_fetch_sub(&c->n_refs, 1) > 1)
        return;
    PQfreeCancel(c->cancel);
    sx_db_cancels_unref(c->all);
    free(c);
}

static void *run(void *arg)
{
    struct sx_db_cancel *c = arg;
    char why[256];

    (void)PQcancel(c->cancel, why, sizeof why);
    atomic_store(&c->is_through, true);
    atomic_fetch_sub(&c->all->n_running, 1);
    unref(c);
    return NULL;
}

static bool start_thread(struct sx_db_cancel *c)
{
    pthread_attr_t attr;
    pthread_t thread;
    bool is_started;

    if (pthread_attr_init(&attr) != 0)
        return false;
    (void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    is_started = pthread_create(&thread, &attr, run, c) == 0;
    (void)pthread_attr_destroy(&attr);
    return is_started;
}

struct sx_db_cancel *sx_db_cancel_start(struct sx_db_cancels *all, PGconn *pg)
{
    struct sx_db_cancel *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    atomic_fetch_add(&all->n_refs, 1);
    c->all = all;
    c->cancel = PQgetCancel(pg);
    atomic_init(&c->n_refs, 2);
    if (atomic_fetch_add(&all->n_running, 1) < MAX_RUNNING && c->cancel != NULL && start_thread(c))
        return c;
    atomic_fetch_sub(&all->n_running, 1);
    atomic_store(&c->n_refs, 1);
    unref(c);
    return NULL;
}

bool sx_db_cancel_end(struct sx_db_cancel *c)
{
    bool is_through = c == NULL || atomic_load(&c->is_through);

    if (c != NULL)
        unref(c);
    return is_through;
}
