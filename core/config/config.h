/*
 * config/config.h - the configuration of one environment, checked, with the origin of every
 * value.
 *
 * config/base.json holds every default; config/<env>.json is laid over it; ${NAME} and
 * ${NAME:-fallback} inside text values take from the process environment; a few names of the
 * environment (PORT, DATABASE_URL and those of the old deployment) win over the files.
 * All faults are collected in a report, each with file, line, what was found and expected.
 * Immutable after loading; any thread may read it.
 */
#ifndef SX_CONFIG_CONFIG_H
#define SX_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

#include "base/report.h"
#include "config/reference.h"

struct sx_config_text_list {
    const char **v;
    size_t n;
};

struct sx_config_server {
    const char *address;                        /* "0.0.0.0", "[::]" or "unix:/path"       */
    uint32_t port;                              /* 1-65535; the variable PORT wins         */
    struct sx_config_text_list listen;          /* further "ADDRESS:PORT" or "unix:/path"  */
    uint32_t workers;                           /* 0: one per CPU that the cgroup grants   */
    uint32_t pool_threads;                      /* per worker, for blocking handlers       */
    uint32_t pool_queue;                        /* blocking calls that may wait; then 503  */
    struct sx_config_text_list trusted_proxies; /* "10.0.0.0/8", "::1", "unix"    */
    uint32_t drain_ms;       /* how long requests may take to end                 */
    uint32_t drain_delay_ms; /* keep accepting so long after TERM                 */
    uint32_t start_ms;       /* a worker must be ready within                     */
    uint32_t stream_ms;      /* streams of unchanged plugins outlive a reload     */
    const char *state_dir;   /* private copies of plugins; made if absent         */
    const char *upload_dir;  /* in state_dir; "" where that is */
    const char *plugin_dir;  /* where a plugin without a path is looked for       */
    const char *control;     /* socket for commands: state_dir/control-PORT.sock  */
};

/* A plugin that crashes or stalls again and again answers 503 for a while. */
struct sx_config_quarantine {
    uint32_t crashes;  /* so many … ; 0: there is no quarantine */
    uint32_t within_s; /* … within so long */
    uint32_t first_s;  /* the first time for so long, then twice that, four times … */
    uint32_t max_s;    /* … up to this */
};

/* A call into a plugin that keeps the loop. */
struct sx_config_watchdog {
    uint32_t warn_ms; /* a warning; 0: none                 */
    uint32_t kill_ms; /* the worker is replaced; 0: never   */
};

struct sx_config_http {
    uint32_t request_line_bytes;     /* 414 above */
    uint32_t header_bytes;           /* 431 above */
    uint32_t header_count;           /* 431 above */
    uint32_t body_bytes;             /* 413 above, unless the route says otherwise */
    uint32_t spool_bytes;            /* an uploaded part above it goes to a file    */
    uint32_t upload_bytes;           /* all parts of one upload together            */
    uint32_t spooled_bytes;          /* files of all uploads of a worker; 0: any    */
    uint32_t response_bytes;         /* a buffered response                         */
    uint32_t pipelined;              /* requests of one connection under way        */
    uint32_t unread_bytes;           /* answers a client has not read: stop reading */
    uint32_t connections;            /* per worker                                  */
    uint32_t connections_per_client; /* of one address, per worker; 0: any number */
    uint32_t buffered_bytes;         /* bodies, and unread answers, of a worker   */
    uint32_t header_ms, body_ms, idle_ms, write_ms;
    uint32_t request_ms;                    /* a handler's deadline, unless its route says */
    uint32_t min_body_rate, min_write_rate; /* bytes per second; 0: any     */
    uint32_t ws_message_bytes;              /* of a WebSocket, with all its fragments      */
    uint32_t ws_ping_ms;                    /* a silent client is asked after so long; 0: never */
    bool gzip;
    uint32_t gzip_bytes; /* smaller bodies are sent as they are         */
    struct {
        struct sx_config_text_list origins; /* empty: CORS is off; "*": any     */
        struct sx_config_text_list methods, headers, expose;
        bool credentials;
        uint32_t max_age_s;
    } cors;
};

struct sx_config_database {
    const char *url;        /* "" : no database */
    const char *direct_url; /* for LISTEN and migrations behind a pooler; "" : url */
    const char *pooler;     /* "none" or "transaction" */
    uint32_t pool_size;     /* connections per worker, shared and leased, 1-1000   */
    uint32_t instances;     /* of the service, that may run at once                */
    const char *budget;     /* "warn" or "require": what the server allows         */
    uint32_t queue;         /* statements that may wait; then 503                  */
    uint32_t statement_ms;  /* statement_timeout of a session                      */
    uint32_t connect_ms;
    bool roles; /* a role per plugin where the login may               */
};

struct sx_config_log {
    const char *level;         /* debug, info, warning, error  */
    const char *format;        /* auto, json, text             */
    const char *access;        /* all, errors, off             */
    uint32_t slow_ms;          /* a slower request is logged even with "errors" */
    const char *trace_project; /* "" : none */
};

/* What the processes may do (docs/operators.md, "Privileges"). */
struct sx_config_process {
    const char *user;                       /* whom root becomes; "" : nobody else      */
    const char *group;                      /* "" : the user's own                      */
    const char *sandbox;                    /* of workers and checkers: off, on, required */
    struct sx_config_text_list read, write; /* further paths that a sandbox lets through  */
    bool core_dumps;
};

struct sx_config_trust {
    const char *pins;                /* auto, required, optional */
    bool signatures;                 /* required                 */
    struct sx_config_text_list keys; /* PEM files, ed25519; empty: no signature is looked at */
};

struct sx_config_secrets {
    uint32_t deadline_ms; /* for all references of a start or a reload together */
    uint32_t tries;       /* of one call, where failures may pass */
    uint32_t parallel;    /* connections at a time */
    const char *pins;     /* auto, required, optional */
};

struct sx_config_plugin {
    const char *name;
    const char *path; /* as configured, or plugin_dir/NAME.so */
    bool enabled;
    const char *prefix;                /* mount: "" or "/faults"; never ends in '/' */
    const char *host;                  /* mount: "" any */
    struct sx_config_text_list grants; /* "db", "blocking", "stream", "all_routes" */
    const char *sha256;                /* "" : not pinned */
    json_t *options; /* borrowed; an object; checked later against the manifest  */
    uint32_t max_body_bytes, timeout_ms; /* limits; 0: the server's or the route's   */
};

struct sx_config {
    const char *env;      /* "development" … */
    const char *root_dir; /* the folder above that of the files: relative paths start here */
    struct sx_config_server server;
    struct sx_config_quarantine quarantine;
    struct sx_config_watchdog watchdog;
    struct sx_config_http http;
    struct sx_config_database database;
    struct sx_config_log log;
    struct sx_config_process process;
    struct sx_config_trust trust;
    struct sx_config_secrets secrets;
    const char *app_secret;           /* "" : none; the variable APP_SECRET wins; never printed */
    struct sx_config_plugin *plugins; /* in the order of their names */
    size_t n_plugins;

    json_t *root;                   /* the effective configuration */
    struct sx_config_private *priv; /* origins, owned memory */
};

/* How the values of references (reference.h) are found; a floor above knows. */
struct sx_config_resolver {
    /* All that are wanted, of one reading: values, or faults that name places and references. */
    int (*resolve)(void *arg, const struct sx_secret_settings *set, struct sx_secret *secrets,
                   size_t n, struct sx_report *rep);
    void *arg;
    const char *only; /* references of keys that begin so, or NULL: of all */
};

struct sx_config_source {
    const char *dir;       /* folder of base.json; NULL: "config" */
    const char *env;       /* NULL: SX_ENV, or "development" */
    char *const *environ_; /* NULL: the process's */
    bool keeps_good;       /* see below */
    bool allows_unpinned;  /* for telling the pins that are missing, and for tests */
    bool trusts_owners;    /* whoever the files belong to, as in development; for tests */
    const struct sx_config_resolver *resolver; /* NULL: nobody is asked, see sx_config_secrecy */
};

/* Faults go to the report; then ret_config is NULL, or, with keeps_good and as far as the files
 * are JSON, what was right: keys with a fault have their defaults, plugins with one are left
 * out.  That is for finding more faults, not for serving. */
int sx_config_load(const struct sx_config_source *src, struct sx_report *rep,
                   struct sx_config **ret_config);
/* Temporary files of secrets go with their owner, which is whoever has loaded it. */
void sx_config_destroy(struct sx_config *cfg);
void sx_config_own_files(struct sx_config *cfg, bool is_owner);

/* Must every plugin be pinned by its SHA-256?  By trust.pins, in this environment. */
bool sx_config_requires_pins(const struct sx_config *cfg);
/* The same of secrets and their versions, by "auto", "required" or "optional". */
bool sx_config_requires_versions(const char *env, const char *pins);

/* A loaded configuration with its origins as one JSON text, and back: how the supervisor
 * hands its workers exactly what it read.  The caller frees the text. */
char *sx_config_dump(const struct sx_config *cfg);
int sx_config_restore(const char *text, size_t len, struct sx_config **ret_config);

/* "config/testing.json:12", "environment PORT", "default": of a dotted path such as
 * "plugins.orders.options.depth", "server.listen[1]" or "plugins.orders" as a whole; "env" may
 * also be from the "command line".  Never NULL. */
const char *sx_config_origin(const struct sx_config *cfg, const char *path);
/* Does the plugin stand in both, with the same entry? */
bool sx_config_has_same_plugin(const struct sx_config *a, const struct sx_config *b,
                               const char *name);

/* "${DEPTH}": the text as written of an option whose value came out of variables, so that it
 * may spell a number or a boolean; NULL for any other. */
const char *sx_config_expanded_from(const struct sx_config *cfg, const char *path);

/* What a value is: itself; or, at least in part, out of a secret, never to be told; or still the
 * text of references whose values nobody was asked for, and whose form was not looked at. */
enum sx_config_secrecy { SX_CONFIG_PLAIN, SX_CONFIG_SECRET, SX_CONFIG_UNRESOLVED };
enum sx_config_secrecy sx_config_secrecy(const struct sx_config *cfg, const char *path);
/* Is anything out of a secret at this path, or in the list or the object there? */
bool sx_config_has_secret(const struct sx_config *cfg, const char *path);

/* Is there a reference that nobody was asked for, in a key that begins so? */
bool sx_config_is_unresolved(const struct sx_config *cfg, const char *prefix);

/* The i-th file that a secret was written to, or NULL. */
const char *sx_config_secret_file(const struct sx_config *cfg, size_t i);
/* Has "NAME=value" of the environment a secret, or the reference to one?  As far as the
 * configuration tells: those are kept from processes with plugins. */
bool sx_config_hides_variable(const struct sx_config *cfg, const char *variable);

/* Every key with its value and origin, one a line; passwords inside URLs and keys named
 * secret, password or token are masked. */
void sx_config_print(const struct sx_config *cfg, FILE *out);

/* "plugins" with the sha256 of each enabled plugin's file as it is now; files that cannot be read are
 * faults, and then nothing is printed. */
int sx_config_print_pins(const struct sx_config *cfg, FILE *out, struct sx_report *rep);

/* JSON Schema of the files, made from the same table that checks them. */
char *sx_config_schema(void);

#endif /* SX_CONFIG_CONFIG_H */
