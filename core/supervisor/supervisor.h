/*
 * supervisor/supervisor.h - the process that owns the sockets, the board and the workers.
 *
 * It maps no plugin code (I1), so that it lives whatever a plugin does.  A change is a new
 * generation of workers that takes over as a whole, or not at all (I2).  Listening sockets
 * outlive workers (I3).  Workers are the same program: PROGRAM worker SPEC and
 * PROGRAM check-worker SPEC, with what board/control.h says.
 *
 *     TERM        graceful: not ready at once, accepting for server.drain_delay_ms, then
 *                 finishing for server.drain_ms, then killed; a second TERM is quick
 *     INT, QUIT   quick: one second
 *     HUP         reload, as a transaction; one more is remembered while one is under way
 *     USR1        reopen standard output by its path, when it is a regular file; otherwise
 *                 nothing
 *     USR2        start the program that is now at our path beside us, with our sockets
 *     WINCH       drain the workers and stay; HUP starts workers again
 *     TTIN, TTOU  one worker more, one fewer, until the next reload
 *
 * Sockets handed over by LISTEN_FDS (systemd, or an older supervisor's USR2) are used for the
 * addresses they are bound to; those of systemd that match no configured address are served
 * besides.
 */
#ifndef SX_SUPERVISOR_SUPERVISOR_H
#define SX_SUPERVISOR_SUPERVISOR_H

#include <stdio.h>

#include "base/log.h"
#include "base/report.h"
#include "config/config.h"

struct sx_supervisor_settings {
    struct sx_config *config; /* taken; of the first generation */
    /* Borrowed; the options of PROGRAM read-config (reading.c), up to a NULL: what a reload reads.
     * NULL: HUP is refused. */
    char *const *reader_options;

    /* Borrowed.  Its thread must have been started with all signals blocked. */
    struct sx_log *log;

    char *const *argv; /* borrowed; our command line, for USR2; NULL: USR2 is refused */
    const char *exe;   /* borrowed; the program of the workers; NULL: /proc/self/exe */
};

/* The process's first step with a configuration, while it has one thread: no_new_privs, no core,
 * a umask that lets nobody else write; where root will become process.user, an empty bounding set
 * and the user's home.  SX_ERR_IO with errno. */
int sx_privileges_begin(const struct sx_config *cfg);

/* The signals that the supervisor listens to wait for it from now on: to be called before there are
 * files that it removes at its end. */
void sx_supervisor_hold_signals(void);

/* Returns when every worker is gone: 0 after a stop that was asked for, 1 for a failure at run
 * time, 2 for a bad configuration or plugin.  What kept it from starting is told on standard
 * error.  [main thread; no other thread but the log's] */
int sx_supervisor_run(const struct sx_supervisor_settings *set);

/* Gives the server that listens at path (server.control) a command: "reload\n",
 * "release PLUGIN\n" or "status\n", and prints what it answers.  Waits until a reload has ended.
 * What the server refused, and why, is in the report, as SX_ERR_INVALID; SX_ERR_MISSING: there is
 * no server. */
int sx_supervisor_ask(const char *path, const char *command, FILE *out, struct sx_report *rep);

/* Asks the server at server.address and server.port for /_sx/ready, and prints what it says when
 * it is.  Why it is not is in the report: SX_ERR_MISSING, nobody listens; SX_ERR_IO, it is silent
 * for 5 s; SX_ERR_INVALID, another answer than 200. */
int sx_supervisor_health(const struct sx_config_server *server, FILE *out, struct sx_report *rep);

#endif /* SX_SUPERVISOR_SUPERVISOR_H */
