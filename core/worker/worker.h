/*
 * worker/worker.h - the process that maps plugins and serves.
 *
 * Started by the supervisor as PROGRAM worker SPEC, or as PROGRAM check-worker SPEC to load
 * everything once and say whether it would serve (board/control.h).
 */
#ifndef SX_WORKER_WORKER_H
#define SX_WORKER_WORKER_H

#include <stdbool.h>

#include "config/config.h"
#include "db/db.h"

/* Returns the exit code.  [main thread] */
int sx_worker_main(const char *spec_text, bool is_check);

/* PROGRAM verify-plugins SPEC: says whether the copies of the plugins are signed as the
 * configuration wants it.  Returns the exit code.  [main thread] */
int sx_worker_verify_main(const char *spec_text);

/* Maps the database module, which lies beside the executable, and has it look at the URLs of the
 * configuration; faults in the report. */
int sx_worker_open_db(const struct sx_config *cfg, struct sx_report *rep,
                      const struct sx_db_module **ret_db);

#endif /* SX_WORKER_WORKER_H */
