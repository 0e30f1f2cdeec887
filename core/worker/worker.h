/*
 * worker/worker.h - the process that maps plugins and serves.
 *
 * Started by the supervisor as PROGRAM worker SPEC, or as PROGRAM check-worker SPEC to load
 * everything once and say whether it would serve (board/control.h).
 */
#ifndef SX_WORKER_WORKER_H
#define SX_WORKER_WORKER_H

#include <stdbool.h>

/* Returns the exit code.  [main thread] */
int sx_worker_main(const char *spec_text, bool is_check);

/* Where sx_db.so lies: beside the executable.  The caller frees; NULL without memory. */
char *sx_worker_db_path(void);

#endif /* SX_WORKER_WORKER_H */
