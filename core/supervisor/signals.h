/*
 * supervisor/signals.h - signals as something to read.
 */
#ifndef SX_SUPERVISOR_SIGNALS_H
#define SX_SUPERVISOR_SIGNALS_H

/* Blocks what the supervisor listens to and returns a descriptor that tells of it; close-on-exec,
 * not blocking.  To be called before anything is started.  SX_ERR_IO with errno. */
int sx_signals_open(int *ret_fd);
/* Takes -1.  The signals stay blocked: one more of them must not end a process that is ending. */
void sx_signals_close(int fd);

/* The next signal, or 0. */
int sx_signals_next(int fd);

/* In a child between fork and exec.  A worker ignores what a terminal or a service manager
 * sends to the whole group: its only master is the control channel. */
void sx_signals_prepare_worker(void);
/* In a child that becomes a supervisor: as if nothing had been done. */
void sx_signals_prepare_successor(void);

#endif /* SX_SUPERVISOR_SIGNALS_H */
