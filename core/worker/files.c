/*
 * worker/files.c - as many open files as the configuration needs.
 *
 * The soft limit is often 1024, for the sake of programs that call select(); nothing here does.
 */
#include <sys/resource.h>

#include "base/check.h"
#include "worker/worker_private.h"

#define OWN_FILES 256u /* the loop, the board, files that are served, uploads, what plugins open */

static rlim_t wanted(const struct sx_config *cfg)
{
    return (rlim_t)cfg->http.connections + cfg->database.pool_size + OWN_FILES;
}

void sx_worker_files(struct sx_worker *w)
{
    rlim_t need = wanted(w->config);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
        return;
    limit.rlim_cur = need < limit.rlim_max ? need : limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < w->config->http.connections && w->spec.index == 0 && !w->is_check)
        sx_log_line(w->log, SX_LOG_WARNING, NULL,
                    "http.connections is %u, but a process may open %llu files here: connections "
                    "above that get 503",
                    w->config->http.connections, (unsigned long long)limit.rlim_cur);
}
