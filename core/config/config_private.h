/*
 * config/config_private.h - what the files of this folder share.
 *
 * Loading goes: read the files (file.c, position.c), lay them over each other key by key
 * (layer.c, with key.c, format.c, variable.c), let the environment win (environment.c), fill in
 * what is missing and compare keys with each other (rule.c), fill the structs (settings.c).
 * Every step only adds faults; the loader decides at the end.  All on the loading thread.
 */
#ifndef SX_CONFIG_CONFIG_PRIVATE_H
#define SX_CONFIG_CONFIG_PRIVATE_H

#include "config/config.h"
#include "config/reference.h"

#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"

#define CONFIG_MAX_FILE_BYTES (1u << 20)
#define CONFIG_MAX_PATH_BYTES (16u << 20) /* a dotted path: all keys of a file, escaped */
#define CONFIG_MAX_TEXT_BYTES (1u << 20)  /* a value after substitution */
#define CONFIG_MAX_NAME       63          /* of a plugin; PostgreSQL's limit for a schema */

/* ------------------------------------------------------------------ formats of text */

/* What a text must look like.  is_valid sees a text after substitution. */
struct config_format {
    bool (*is_valid)(const char *text);
    const char *expected; /* "64 lower-case hexadecimal digits" */
    const char *hint;
    const char *pattern; /* for the schema; NULL: none that would help */
};

extern const struct config_format config_format_address;  /* 0.0.0.0, [::], unix:/path */
extern const struct config_format config_format_listen;   /* the same with a port      */
extern const struct config_format config_format_peer;     /* 10.0.0.0/8, ::1, unix     */
extern const struct config_format config_format_origin;   /* scheme://host[:port], *   */
extern const struct config_format config_format_token;    /* RFC 9110, 5.6.2           */
extern const struct config_format config_format_database; /* "", URL or key=value      */
extern const struct config_format config_format_prefix;   /* "", /orders               */
extern const struct config_format config_format_host;     /* "", name, *.name          */
extern const struct config_format config_format_sha256;   /* "", 64 digits             */
extern const struct config_format config_format_project;  /* "", Google Cloud project  */

bool config_is_plugin_name(const char *text);

/* An address with its port as text that is equal for equal addresses; "" when it has none.
 * Used to find two that are the same. */
#define CONFIG_ENDPOINT_BYTES 160
void config_endpoint(const char *address, uint32_t port, char ret_text[CONFIG_ENDPOINT_BYTES]);

/* ------------------------------------------------------------------ the table of keys */

enum config_type { CONFIG_INT, CONFIG_BOOL, CONFIG_TEXT, CONFIG_LIST, CONFIG_OBJECT };

struct config_key {
    const char *path; /* dotted, from the struct that offset counts in */
    enum config_type type;
    size_t offset;
    uint32_t min, max;                  /* of an integer */
    const char *unit;                   /* "ms", "bytes" or NULL */
    const char *preset;                 /* the default, as JSON */
    const char *const *choices;         /* of a text or of the items of a list; NULL: any */
    const struct config_format *format; /* of a text or of the items; NULL: any */
    bool is_secret;
    bool is_folder_relative; /* a path: relative to the parent of the folder */
    const char *doc;
};

/* Both end with a key without a path: of struct sx_config, and of struct sx_config_plugin. */
extern const struct config_key config_keys[];
extern const struct config_key config_plugin_keys[];

/* path need not be NUL-terminated there. */
const struct config_key *config_key_find(const struct config_key *table, const char *path);
/* Whether keys begin with "path.". */
bool config_key_is_group(const struct config_key *table, const char *path);
/* The sibling below group ("" at the top) that name was probably meant to be, or NULL; written
 * to ret_name as one segment. */
bool config_key_suggest(const struct config_key *table, const char *group, const char *name,
                        char *ret_name, size_t size);
/* The choice that was probably meant, or NULL. */
const char *config_choice_suggest(const char *const *choices, const char *text);
/* The key of a whole path, also of "plugins.NAME.…"; NULL for others. */
const struct config_key *config_key_of_path(const char *path);

/* ------------------------------------------------------------------ faults */

/* Files come in the order they are laid over each other, the environment last. */
enum config_rank { CONFIG_RANK_BASE, CONFIG_RANK_OVERLAY, CONFIG_RANK_ENVIRONMENT };

struct config_where {
    enum config_rank rank;
    int line;           /* 0: the file as a whole, or no file */
    const char *source; /* "config/base.json", "environment PORT"; borrowed */
};

struct config_fault {
    enum config_rank rank;
    int line;
    size_t seq;
    char *text; /* owned */
};

struct config_faults {
    struct config_fault *v;
    size_t n, cap;
};

struct config_file {
    char *name; /* as shown: the folder as given, and the file; owned */
    enum config_rank rank;
    json_t *tree;  /* NULL: not readable; the faults say why */
    json_t *lines; /* dotted path to line */
};

/* A reference that the first reading has found; the second one has its value. */
struct config_secret {
    char *path, *place, *reference; /* owned */
    struct config_where where;
    char *value;  /* owned */
    bool is_left; /* nobody asks for it: the plugin is disabled … */
};

struct config_secrets {
    struct config_secret *v;
    size_t n, cap;
    bool is_resolved; /* the second reading */
};

struct config_loader {
    const char *dir;
    char *const *environ_;
    char *env;      /* owned */
    char *root_dir; /* owned: above that of the configuration, "" for /; NULL where there is none */
    struct config_file base, overlay;
    json_t *root;    /* the effective configuration; a key with a fault is null */
    json_t *origins; /* dotted path to origin */
    struct config_faults faults;
    struct config_secrets secrets;
    json_t *notes; /* see struct sx_config_private */
    bool allows_unpinned, trusts_owners;
    bool is_out_of_memory; /* sticky */
};

/* path: NULL or "" when the fault has none. */
void config_fault_add(struct config_loader *l, const struct config_where *where, const char *path,
                      const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Sorted by file and line into the report; frees them. */
int config_faults_move(struct config_loader *l, struct sx_report *rep);
void config_faults_finish(struct config_loader *l);

/* "config/base.json:12" as the origin of a path. */
void config_origin_set(struct config_loader *l, const struct config_where *where, const char *path);
/* The same for a value that came out of a text with variables or a reference. */
void config_origin_set_expanded(struct config_loader *l, const struct config_where *where,
                                const char *path, const char *text, enum sx_config_secrecy secrecy);
enum sx_config_secrecy config_origin_secrecy(const json_t *origins, const char *path);
/* The first of both; NULL for a default. */
const char *config_origin_text(const json_t *origins, const char *path);
/* Where the effective value of a path was written; false: a default. */
bool config_where_of(const struct config_loader *l, const char *path,
                     struct config_where *ret_where);

/* What a value is, for a message: "ten" in quotes, 12, a list …; cut when long. */
#define CONFIG_FOUND_BYTES 96
void config_found_text(const json_t *value, char ret_text[CONFIG_FOUND_BYTES]);

/* ------------------------------------------------------------------ paths and trees */

/* Appends ".key" or "[i]"; a key with other characters than letters, digits, '_' and '-' is
 * written in quotes.  Cut back with config_path_cut. */
void config_path_push(struct sx_buf *path, const char *key);
void config_path_push_index(struct sx_buf *path, size_t i);
void config_path_cut(struct sx_buf *path, size_t len);

/* Dotted paths without quotes.  set takes value. */
json_t *config_tree_get(const json_t *root, const char *path);
int config_tree_set(json_t *root, const char *path, json_t *value);

/* ------------------------------------------------------------------ the steps */

/* Line of each path in a text that jansson has accepted; keys given twice are faults. */
void config_positions(struct config_loader *l, struct config_file *file, const char *text,
                      size_t len);

int config_file_read(struct config_loader *l, struct config_file *file);
/* The overlay of l->env; an unknown environment is a fault that lists those that exist. */
int config_overlay_read(struct config_loader *l);

/* Checks a file and lays it over the root. */
void config_layer(struct config_loader *l, const struct config_file *file);
/* Checks a single value of a key and sets it. */
void config_value_set(struct config_loader *l, const struct config_where *where, const char *path,
                      const struct config_key *key, const json_t *found);

/* Variables.  NULL when it is not set. */
const char *config_variable(const struct config_loader *l, const char *name);
/* As config_variable, but an empty one counts as not set. */
const char *config_variable_full(const struct config_loader *l, const char *name);
/* text with ${NAME}, ${NAME:-fallback} and $${ replaced where it is of a file, and with the values
 * of references; malloc; NULL after adding a fault. */
char *config_expand(struct config_loader *l, const struct config_where *where, const char *path,
                    const char *text, enum sx_config_secrecy *ret_secrecy);
bool config_has_variable(const char *text);

/* References.  The value of one, of the named variable unless that is NULL; malloc; its own text
 * while it has no value; NULL after adding a fault. */
char *config_secret_value(struct config_loader *l, const struct config_where *where,
                          const char *path, const char *variable, const char *reference,
                          enum sx_config_secrecy *ret_secrecy);
/* After the first reading: those that nobody asks for, and those without a version. */
void config_secrets_settle(struct config_loader *l, const char *only);
/* Values for all others. */
int config_secrets_resolve(struct config_loader *l, const struct sx_config_resolver *resolver,
                           struct sx_report *rep);
void config_secrets_finish(struct config_loader *l);
/* A variable whose value is for this path, when that is a secret's. */
void config_note_variable(struct config_loader *l, const char *path, const char *name);
/* Removes the temporary files of notes. */
void config_files_remove(const json_t *notes);

/* Whether a name of the environment will win over the files for this path. */
bool config_environment_wins(const struct config_loader *l, const char *path);
void config_environment(struct config_loader *l);
/* Other defaults where K_SERVICE is set. */
void config_cloud_run(struct config_loader *l);

/* Values for what no file and no name of the environment said, then paths made absolute. */
void config_defaults(struct config_loader *l);
/* What one key alone cannot tell. */
/* Defaults for keys with a fault, no plugin that has one. */
void config_drop_faulty(struct config_loader *l);
void config_rules(struct config_loader *l);
/* Who could change the files that are trusted, and what has no pin (trust.c). */
void config_trust(struct config_loader *l);
/* The user that the server will run as. */
uid_t config_user(const struct config_loader *l);

/* ------------------------------------------------------------------ the result */

struct sx_config_private {
    struct sx_arena arena; /* lists, plugins */
    json_t *origins;
    json_t *notes; /* "files": of secrets, to whether each is temporary; "variables": to hide */
    bool owns_files;
};

/* Takes the references, also when it fails.  SX_ERR_INVALID when root is not complete. */
int config_settings_create(json_t *root, json_t *origins, json_t *notes,
                           struct sx_config **ret_config);

/* ------------------------------------------------------------------ conninfo (libpq) */

/* Is it a URL?  A password behind a key may have "://" in it, too. */
bool config_is_url(const char *text);
/* Appends key=value, quoted where it must be. */
void config_conninfo_add(struct sx_buf *b, const char *key, const char *value);
/* The folder of the socket that a URL or key=value text names, or NULL; malloc. */
char *config_conninfo_socket(const char *text);
bool config_socket_fits(const char *folder);
/* The text with passwords in it replaced by ***. */
void config_mask(struct sx_buf *b, const char *text);
bool config_is_secret_name(const char *segment, size_t len);

#endif /* SX_CONFIG_CONFIG_PRIVATE_H */
