/*
 * supervisor/supervisor_private.h - what the files of the supervisor share.
 *
 * One thread owns all of it.  A child belongs to the supervisor's list from its fork until it is
 * reaped; a generation lives until its last child is reaped.
 */
#ifndef SX_SUPERVISOR_SUPERVISOR_PRIVATE_H
#define SX_SUPERVISOR_SUPERVISOR_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "base/report.h"
#include "board/board.h"
#include "board/control.h"
#include "config/config.h"
#include "supervisor/copies.h"
#include "supervisor/listener.h"
#include "supervisor/supervisor.h"

#define SX_QUARANTINE_MAX_NAME 64u

#define SX_QUICK_STOP_MS       1000u
#define SX_DRAIN_SLACK_MS \
    1000u /* a worker ends by itself soon after its grace; only then we kill */

/* --- children: child.c, spawn.c ---------------------------------------------------------- */

enum sx_child_kind {
    SX_CHILD_WORKER,
    SX_CHILD_CHECKER,
    SX_CHILD_READER,
    SX_CHILD_SUCCESSOR,
};

enum sx_child_state {
    SX_CHILD_STARTING, /* until it says ready, or a checker exits */
    SX_CHILD_READY,    /* waits for "serve" */
    SX_CHILD_SERVING,
    SX_CHILD_DRAINING, /* finishes what it has; serves nothing new */
    SX_CHILD_STOPPING, /* was told to end at once */
    SX_CHILD_KILLED,
};

/* The call into a plugin that its loop was seen in. */
struct sx_stall {
    uint64_t seen_ns; /* first; 0: in none */
    uint64_t since_ns, request;
    uint32_t plugin;   /* on the board */
    uint64_t asked_ns; /* when it was asked where it is; 0: it was not */
    bool is_told;
};

struct sx_supervisor;

/* What the loop waits for: a child's channel, the socket for commands, who gives one. */
struct sx_source {
    void (*on_event)(struct sx_supervisor *sup, struct sx_source *source);
};

struct sx_child {
    struct sx_source source;
    struct sx_list link; /* sx_supervisor.children */
    enum sx_child_kind kind;
    enum sx_child_state state;
    pid_t pid;
    int control_fd;            /* owned; -1 after its end of file */
    int text_fd, parcel_fd;    /* owned; of a reader: what it writes, what it hands over; -1 */
    struct sx_generation *gen; /* NULL for a successor and a reader */
    uint32_t index;
    uint32_t slot;        /* on the board; SX_BOARD_NONE: none */
    uint64_t ready_ns;    /* 0: never was */
    uint64_t deadline_ns; /* killed then; 0: none */
    uint32_t allowed_ms;  /* how long the deadline was */
    char *reason;         /* owned: what it said of its failure, or why we killed it */
    char *crash;          /* owned: its last words (board/control.h), or NULL */
    bool is_counted;      /* its fault, with its plugin's */
    bool is_late;         /* was not ready in time, and has not said why */
    bool is_closed;       /* no new connections come to it any more */
    uint32_t stream_ms;   /* how long streams may go on in its drain */
    struct sx_stall stall;
};

/* Forks a worker or a checker of gen; SX_ERR_IO with errno, SX_ERR_BUSY without a slot. */
int sx_child_start(struct sx_supervisor *sup, struct sx_generation *gen, enum sx_child_kind kind,
                   uint32_t index, struct sx_child **ret_child);
/* Its place on the board is free, for its successors. */
void sx_child_leave_slot(struct sx_supervisor *sup, struct sx_child *child);
/* After it was reaped. */
void sx_child_destroy(struct sx_supervisor *sup, struct sx_child *child);

/* It has said so.  From now on it has no deadline. */
void sx_child_set_ready(struct sx_child *child);
void sx_child_serve(struct sx_child *child);
/* In the drain that follows, streams of these plugins (" NAME NAME") go on for so long. */
void sx_child_keep_streams(struct sx_child *child, uint32_t stream_ms, const char *plugins);
/* No longer: it has to finish within grace. */
void sx_child_end_streams(struct sx_child *child, uint32_t grace_ms);
/* Finish within delay + grace, or be killed.  What serves nothing yet is killed. */
void sx_child_drain(struct sx_child *child, uint32_t delay_ms, uint32_t grace_ms);
void sx_child_stop(struct sx_child *child);
/* why is copied, or NULL for a death that nobody has to hear of. */
void sx_child_kill(struct sx_child *child, const char *why);
/* Dies after allowed_ms in this state, unless it has to die sooner. */
void sx_child_set_deadline(struct sx_child *child, uint32_t allowed_ms);
void sx_child_on_deadline(struct sx_child *child);
void sx_child_close_control(struct sx_supervisor *sup, struct sx_child *child);
/* Was it told to go, or did it say that it would? */
bool sx_child_is_dismissed(const struct sx_child *child);
const char *sx_child_noun(const struct sx_child *child); /* "worker", "checker" … */

struct sx_spawn {
    int exe_fd;
    char *const *argv, *const *envp;
    int control_fd;  /* the child's end: tells when the exec fails */
    bool heeds_term; /* else it ignores it, as all signals to the group */
    bool is_patient; /* runs when those who serve leave the CPU to it */
    const int *keep; /* descriptors that stay open, at their numbers; all others are closed */
    size_t n_keep;
};

/* The child's pid, or -1 with errno. */
pid_t sx_spawn_worker(const struct sx_spawn *spawn);

/* --- generations: generation.c ------------------------------------------------------------ */

struct sx_seat {
    struct sx_child *child; /* NULL: nobody now */
    uint32_t n_short_lives; /* in a row */
    uint64_t due_ns;        /* when to fill it; 0: not to be filled */
};

enum sx_generation_state {
    SX_GENERATION_STARTING, /* its checker or its workers are starting */
    SX_GENERATION_CURRENT,
    SX_GENERATION_LEAVING, /* drained, or failed; destroyed with its last child */
};

struct sx_generation {
    struct sx_list link; /* sx_supervisor.generations */
    uint32_t number;
    enum sx_generation_state state;
    struct sx_config *config;         /* owned */
    int config_fd;                    /* sealed */
    char **envp;                      /* owned; of its processes: ours without secrets */
    struct sx_copies copies;          /* owned */
    struct sx_listener_set listeners; /* owned references */
    struct sx_seat *seats;            /* owned; room for sx_supervisor.max_seats */
    uint32_t n_seats;
    uint32_t n_first; /* seats of those that have to be ready before it takes over */
    uint32_t n_children;
    bool is_whole;          /* once, all of them served */
    bool is_settled;        /* and nobody else took connections; told */
    uint64_t settle_due_ns; /* told then, too: somebody hangs */
    bool was_hurried;       /* its streams were ended */
};

/* Takes config and copies in any case; copies are NULL where it has to make them, and empty where
 * their faults are in the report.  There are its own, too: SX_ERR_INVALID is the configuration's,
 * anything else the machine's. */
int sx_generation_create(struct sx_supervisor *sup, struct sx_config *config,
                         struct sx_copies *copies, struct sx_report *rep,
                         struct sx_generation **ret_gen);
void sx_generation_destroy(struct sx_generation *gen);

/* Workers for the first seats.  What sx_child_start says. */
int sx_generation_start(struct sx_supervisor *sup, struct sx_generation *gen);
/* Are all of these ready? */
bool sx_generation_is_ready(const struct sx_generation *gen);
/* They serve; the other seats are due. */
void sx_generation_serve(struct sx_generation *gen);
bool sx_generation_all_serve(const struct sx_generation *gen);
/* The copy of an enabled plugin, or NULL. */
const struct sx_copy *sx_generation_copy_of(const struct sx_generation *gen, const char *plugin);
/* The seat in which child sits, or NULL. */
struct sx_seat *sx_generation_seat_of(struct sx_generation *gen, const struct sx_child *child);
/* Nobody sits here any more; when to fill it again depends on how long the last one lived: in
 * so many milliseconds. */
uint32_t sx_seat_vacate(struct sx_seat *seat, const struct sx_child *child);
/* child leaves on its own and finishes: the seat is filled at once, unless it lived so short that
 * the next one may do no better. */
void sx_seat_replace(struct sx_seat *seat, const struct sx_child *child);
/* 0, 100, 200, 400 … 5000 ms before the n-th restart after a short life. */
uint32_t sx_seat_backoff_ms(uint32_t n_short_lives);
/* Fills the seats that are due. */
void sx_generation_fill_seats(struct sx_supervisor *sup, struct sx_generation *gen,
                              uint64_t now_ns);
/* Workers that finish take the places of those that shall serve: the one that has had most time is
 * killed.  False: none finishes. */
bool sx_generation_make_room(struct sx_supervisor *sup, const struct sx_generation *gen);
void sx_generation_drain(struct sx_generation *gen, uint32_t delay_ms);
/* next serves instead: the same, but streams of plugins that it has unchanged go on for a while. */
void sx_generation_retire(struct sx_generation *gen, const struct sx_generation *next);
/* They have to end now. */
void sx_generation_end_streams(struct sx_supervisor *sup, struct sx_generation *gen);
/* One more seat, or one fewer; false at the bounds. */
bool sx_generation_grow(struct sx_supervisor *sup, struct sx_generation *gen);
bool sx_generation_shrink(struct sx_generation *gen);

/* --- the supervisor: supervisor.c --------------------------------------------------------- */

enum sx_phase {
    SX_PHASE_SERVING,  /* from the start on */
    SX_PHASE_DRAINING, /* graceful stop */
    SX_PHASE_STOPPING, /* quick stop */
};

struct sx_supervisor {
    const struct sx_supervisor_settings *set; /* borrowed */
    struct sx_log *log;                       /* borrowed */
    int signal_fd, epoll_fd, exe_fd;
    char *exe_path;    /* owned; what USR2 starts */
    char *user;        /* owned; process.user of the start; NULL: before it was looked at */
    char *output_path; /* owned; of standard output when it is a regular file, or NULL */
    char **envp;       /* owned; ours without LISTEN_* */

    struct sx_board *board;
    uint32_t n_slots, n_threads, max_seats;
    bool *is_slot_used; /* owned */

    struct sx_listeners listeners;
    struct sx_list children;
    struct sx_list generations;
    struct sx_generation *current; /* serves; NULL until the first one does */
    struct sx_generation *next;    /* starts; NULL: no change is under way, or it is being read */
    struct sx_child *reader;       /* of the next configuration; NULL: none is being read */
    uint32_t n_generations;
    uint64_t stall_due_ns;          /* when to look at the loops again */
    struct sx_commander *commander; /* owned; NULL: there is no socket for commands */
    uint32_t commanded;             /* the generation whose configuration named it */
    struct sx_list offenders;       /* plugins that have crashed lately: quarantine.c */

    enum sx_phase phase;
    bool is_paused;    /* WINCH */
    bool wants_reload; /* HUP, to be done when it can be */
    bool has_failed;   /* the first generation did not start */
    int exit_code;
};

void sx_supervisor_on_signal(struct sx_supervisor *sup, int signo);
/* Reads what the child has said. */
void sx_supervisor_hear(struct sx_supervisor *sup, struct sx_child *child);
/* A line for each. */
void sx_supervisor_log(const struct sx_supervisor *sup, enum sx_log_severity severity,
                       const struct sx_report *rep);
/* Between two steps of a change: a moment for the workers, where some serve already. */
void sx_supervisor_make_way(const struct sx_supervisor *sup);
/* Graceful, or quick. */
void sx_supervisor_stop(struct sx_supervisor *sup, bool is_quick);

/* --- what it runs in: environment.c ------------------------------------------------------- */

/* The program, its path, the variables for workers, the path of standard output.  SX_ERR_IO with
 * errno. */
int sx_environment_init(struct sx_supervisor *sup);
/* Room for every generation that can be alive, and for twice the workers that config asks for. */
int sx_environment_make_board(struct sx_supervisor *sup, const struct sx_config *config);
void sx_environment_finish(struct sx_supervisor *sup);
/* For processes with plugins: without variables that hold secrets, or references to them.  The
 * list is the caller's, its texts are the process's.  NULL without memory. */
char **sx_environment_without_secrets(const struct sx_supervisor *sup,
                                      const struct sx_config *config);

/* --- the configuration of a reload: reading.c ---------------------------------------------- */

/* SX_ERR_IO with errno. */
int sx_reading_start(struct sx_supervisor *sup);
/* The reader has ended so.  SX_ERR_INVALID with faults; 0 with the configuration and the copies of
 * its plugins, or with these empty and their faults. */
int sx_reading_take(struct sx_supervisor *sup, int status, struct sx_report *rep,
                    struct sx_config **ret_config, struct sx_copies *ret_copies);
/* Nobody waits for it any more: it is asked to end, if there is one. */
void sx_reading_abort(struct sx_supervisor *sup);
/* One that was given up has ended: files that it has handed over go. */
void sx_reading_drop(struct sx_supervisor *sup, const struct sx_child *reader);

/* --- changes: change.c -------------------------------------------------------------------- */

/* The first generation: its workers are their own check, and where nobody has served before, the
 * first of them serves before the others are started. */
int sx_change_start_first(struct sx_supervisor *sup);
/* The next one, by way of a reader and a checker; whatever fails is logged and changes nothing. */
void sx_change_reload(struct sx_supervisor *sup);
/* A reload waits for old generations, whose streams may go on: those of the oldest end.  Where
 * workers that finish have the places, and new ones may follow them, the oldest of them go. */
void sx_change_make_room(struct sx_supervisor *sup);
/* Can a reload begin now? */
bool sx_change_is_possible(const struct sx_supervisor *sup);
/* The reader has died so, or was killed: it may still hang. */
void sx_change_on_read(struct sx_supervisor *sup, int status);
void sx_change_on_ready(struct sx_supervisor *sup, struct sx_child *child);
/* Notes that all workers serve, whatever has led to that, and tells it when nobody of an earlier
 * generation takes connections any more, or who does is late for its drain. */
void sx_change_advance(struct sx_supervisor *sup);
/* When to advance though nothing has happened; 0: never. */
uint64_t sx_change_due_ns(const struct sx_supervisor *sup);
/* Does the death of child end a start or a change that is under way? */
bool sx_change_concerns(const struct sx_supervisor *sup, const struct sx_child *child,
                        bool is_own_fault);
/* Such a child has died. */
void sx_change_on_exit(struct sx_supervisor *sup, struct sx_child *child, int status);
/* Gives the next generation up; told is for the log.  One that serves already is told as such. */
void sx_change_abort(struct sx_supervisor *sup, const char *told);

/* --- what it gives up: privileges.c -------------------------------------------------------- */

/* Once the sockets of the first generation are open: root becomes process.user, for good.
 * SX_ERR_INVALID is the configuration's fault.  A later generation must name the same user. */
int sx_privileges_drop(struct sx_supervisor *sup, const struct sx_config *cfg,
                       struct sx_report *rep);

/* --- signatures: signatures.c ---------------------------------------------------------------- */

/* Of the copies of gen, in another process; SX_ERR_INVALID with faults that name plugin and key. */
int sx_signatures_check(const struct sx_supervisor *sup, const struct sx_generation *gen,
                        struct sx_report *rep);

/* --- deaths: reaper.c, obituary.c --------------------------------------------------------- */

/* Every dead child, ours or, as process 1, an orphan. */
void sx_reaper_run(struct sx_supervisor *sup);

/* How it ended and what the board says it was running; caller frees; NULL without memory. */
char *sx_obituary_text(const struct sx_supervisor *sup, const struct sx_child *child, int status);
void sx_obituary_log(const struct sx_supervisor *sup, const struct sx_child *child, int status);
/* It finishes what it has.  Has it contained a fault of a plugin? */
bool sx_obituary_log_leaving(const struct sx_supervisor *sup, const struct sx_child *child,
                             const char *reason);
/* What a worker is running that is still alive, but whose loop has stopped. */
void sx_obituary_log_stall(const struct sx_supervisor *sup, const struct sx_child *child);
/* Does the board say that it was inside a plugin? */
bool sx_obituary_blames_plugin(const struct sx_supervisor *sup, const struct sx_child *child);
/* Which one, now or when its fault was contained, and was its file being mapped?  False: none. */
bool sx_obituary_suspect(const struct sx_supervisor *sup, const struct sx_child *child,
                         char ret_name[SX_QUARANTINE_MAX_NAME], bool *ret_was_mapping);

/* --- plugins that crash again and again: quarantine.c ---------------------------------------- */

/* The child of the current generation has crashed or stalled inside a plugin: once each. */
void sx_quarantine_count(struct sx_supervisor *sup, struct sx_child *child);
/* What a worker of gen has to know before it loads anything. */
void sx_quarantine_tell(const struct sx_supervisor *sup, const struct sx_generation *gen,
                        int control_fd);
/* Ends what is over; when that will be again, 0: never. */
void sx_quarantine_advance(struct sx_supervisor *sup, uint64_t now_ns);
uint64_t sx_quarantine_due_ns(const struct sx_supervisor *sup);
/* Another generation serves, perhaps with other plugins. */
void sx_quarantine_on_change(struct sx_supervisor *sup);
/* SX_ERR_MISSING: it is not quarantined. */
int sx_quarantine_release(struct sx_supervisor *sup, const char *name);
/* A line for each. */
void sx_quarantine_describe(const struct sx_supervisor *sup, struct sx_buf *to);
void sx_quarantine_finish(struct sx_supervisor *sup);

/* --- last words: crash.c --------------------------------------------------------------------- */

#define SX_CRASH_MAX_BYTES 8192u

struct sx_crash {
    char signal[24], address[24];
    char denied[32];       /* the system call that the sandbox denies; "": another fault */
    struct sx_buf trace;   /* owned: "hello.so+0x1139 (hello+0x9) < sim-exchange+0x…" */
    size_t place_len;      /* of its first place; 0: there is none */
    size_t from, from_len; /* in trace: the first place inside a plugin, if that is another */
};

/* What child said, in words; false: nothing that makes sense.  finish in any case. */
bool sx_crash_read(const struct sx_supervisor *sup, const struct sx_child *child,
                   struct sx_crash *ret_crash);
void sx_crash_finish(struct sx_crash *crash);

/* --- loops that do not come back: stall.c ------------------------------------------------- */

void sx_stall_check(struct sx_supervisor *sup, uint64_t now_ns);
/* If its call has ended, what it said when it was asked for it is no last word. */
void sx_stall_settle(struct sx_supervisor *sup, struct sx_child *child);

/* --- commands: command.c, ask.c ------------------------------------------------------------- */

/* Listens where the configuration of the current generation says, if it did not; that it cannot is
 * logged.  Clients stay. */
void sx_command_follow(struct sx_supervisor *sup);
void sx_command_close(struct sx_supervisor *sup);
/* Who asked for a reload before it begins hears how it ends. */
void sx_command_reload_begins(struct sx_supervisor *sup);
void sx_command_reload_ended(struct sx_supervisor *sup, bool is_good, const char *text);
void sx_command_stops(struct sx_supervisor *sup, const char *why);
/* At the end of a round: frees clients that have been answered. */
void sx_command_sweep(struct sx_supervisor *sup);
/* An address of any length, by way of its folder; the caller closes ret_dir_fd when it has been
 * used.  With errno. */
struct sockaddr_un;
int sx_command_address(const char *path, struct sockaddr_un *ret_address, int *ret_dir_fd);
/* One line for each generation and each of its processes. */
void sx_generations_describe(const struct sx_supervisor *sup, struct sx_buf *to);

/* --- USR2: successor.c -------------------------------------------------------------------- */

void sx_successor_start(struct sx_supervisor *sup);
bool sx_successor_lives(const struct sx_supervisor *sup);

#endif /* SX_SUPERVISOR_SUPERVISOR_PRIVATE_H */
