/*
 * worker/schema.c - a worker starts on the schemas that its plugins expect.
 *
 * Worker 0 and the checker look; the others rely on it.
 */
#include <stdio.h>

#include "base/error.h"
#include "worker/worker_private.h"

struct verification {
    bool is_over;
    char why[SX_DB_WHY];
};

static void on_verified(void *arg, const char *why)
{
    struct verification *v = arg;

    v->is_over = true;
    (void)snprintf(v->why, sizeof v->why, "%s", why != NULL ? why : "");
}

/* Nothing serves yet, and no plugin has been started: only the pool has something to do. */
static int wait(struct sx_worker *w, struct sx_db_migrate_plugin *plugins, size_t n,
                struct sx_report *rep)
{
    struct verification v = { .is_over = false };
    int err = w->db->verify(w->pool, plugins, n, rep, on_verified, &v);

    while (err == 0 && !v.is_over)
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    if (v.why[0] != '\0')
        sx_log_line(w->log, SX_LOG_WARNING, NULL, "migrations could not be verified: %s", v.why);
    return err;
}

/* A server that cannot be asked is no fault of the configuration: requests get 503 until it is
 * there.  One that answers with another schema than the plugins expect is. */
int sx_worker_verify_migrations(struct sx_worker *w, struct sx_report *rep)
{
    struct sx_db_migrate_plugin *plugins;
    size_t n_faults = rep->n_faults, n = 0;
    int err;

    if (w->pool == NULL || (w->spec.index != 0 && !w->is_check))
        return 0;
    plugins = sx_plugins_migrations(w->plugins, &n);
    if (plugins == NULL)
        return SX_ERR_NOMEM;
    err = wait(w, plugins, n, rep);
    return err == 0 && rep->n_faults > n_faults ? SX_ERR_INVALID : err;
}
