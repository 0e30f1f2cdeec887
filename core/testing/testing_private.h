/*
 * testing/testing_private.h - what the files behind <sx/test.h> share.
 *
 * A group is one sx_test_run: a folder with the configuration, a database to copy.  Each case has
 * a server, which is built and taken apart as a worker does it.  One thread, that of the loop.
 */
#ifndef SX_TESTING_TESTING_PRIVATE_H
#define SX_TESTING_TESTING_PRIVATE_H

#include <sx/test.h>
#include <uv.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/report.h"
#include "base/slice.h"
#include "board/board.h"
#include "config/config.h"
#include "db/db.h"
#include "http/http.h"
#include "plugin/plugins.h"
#include "work/work.h"

/* How long anything may take before a test gives up on it: SX_TEST_PATIENCE_MS, or 30 s. */
uint32_t sxt_patience_ms(void);

/* --- fail.c: how a test ends early ---------------------------------------------------- */

/* Prints "file:line: text" and leaves the test. */
void sxt_fail(const char *file, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));
void sxt_fail_report(const char *file, int line, const char *what, const struct sx_report *rep)
    __attribute__((noreturn));

/* --- lines.c: what the server logs ------------------------------------------------------- */

struct sxt_lines {
    struct sx_log *log; /* owned; writes into the pipe */
    int read_fd, write_fd;
    uint32_t n_marks;
    struct sx_buf text; /* what was read out of the pipe */
};

int sxt_lines_open(struct sxt_lines *l);
void sxt_lines_close(struct sxt_lines *l); /* takes a zeroed one */
/* Reads what is there, so that the pipe never fills. */
void sxt_lines_collect(struct sxt_lines *l);
/* Everything that was logged before the call; borrowed until the next one. */
const char *sxt_lines_all(struct sxt_lines *l);
/* The first line of an error, without its end, or NULL. */
const char *sxt_lines_error(const char *text, size_t *ret_len);

/* --- folder.c: the configuration in a folder ----------------------------------------------- */

struct sxt_folder {
    char dir[64]; /* "" : none */
};

int sxt_folder_open(struct sxt_folder *f, struct sx_report *rep);
void sxt_folder_close(struct sxt_folder *f); /* takes a zeroed one */
/* Loads base.json and the environment of the setup with its plugins, then extra, laid over
 * each other.  url: NULL without a database. */
int sxt_folder_load(const struct sxt_folder *f, const sx_test_setup *setup, const char *extra,
                    const char *url, struct sx_report *rep, struct sx_config **ret_config);
/* How many uploaded files lie in it. */
unsigned sxt_folder_uploads(const struct sxt_folder *f);

/* --- database.c: databases that nobody else uses --------------------------------------------- */

struct sxt_database {
    void *admin; /* PGconn, owned; its lock says that the databases are in use */
    int server;  /* standard input of a private server, or -1 */
    long pid;    /* of that, or 0 */
    char name[40];
    uint32_t n_copies;
    char *base_url, *copy_url; /* owned */
};

int sxt_database_open(struct sxt_database *d, struct sx_report *rep);
void sxt_database_close(struct sxt_database *d); /* takes a zeroed one */
/* The database to copy, and a new copy of it; all are dropped at the end. */
const char *sxt_database_base(const struct sxt_database *d);
const char *sxt_database_copy(struct sxt_database *d, struct sx_report *rep);
/* A connection for sx_test_sql, and the value it gives; text NULL after a failure. */
void *sxt_session_open(const char *url, const char *schema, struct sx_report *rep);
void sxt_session_close(void *session); /* takes NULL */
int sxt_session_value(void *session, const char *sql, struct sx_arena *a, struct sx_report *rep,
                      const char **ret_value);

/* --- server.c: everything of a worker but its sockets ----------------------------------- */

struct sxt_group {
    const sx_test_setup *setup;
    struct sxt_folder folder;
    struct sxt_database database;
};

struct sxt_server {
    struct sxt_group *group;
    struct sx_config *config;
    struct sxt_lines lines;
    struct sx_board *board;
    uv_loop_t loop;
    uv_timer_t patience;
    bool has_loop, is_impatient;
    struct sx_plugins *plugins;
    struct sx_work_pool *work;
    struct sx_http_server *http;
    const struct sx_db_module *db;
    struct sx_db_pool *pool;
    bool is_stopped;
    bool is_abandoned;  /* something of it still runs: it is left as it is */
    int64_t now_ns;     /* atomic; 0: the real time */
    bool has_asked_log; /* the case looked at the log: errors are its business */

    void *session;          /* of sx_test_sql */
    struct sx_list clients; /* of struct sx_test */
    struct sx_list answers; /* of struct sxt_answer */
    struct sx_arena arena;  /* of what the case was given */
};

int sxt_server_start(struct sxt_server *s, struct sxt_group *g, const char *url,
                     struct sx_report *rep);
/* Ends it in order; a fault for everything that was left behind.  Code of a plugin that still
 * runs makes it abandoned: nothing under its hands can be freed. */
void sxt_server_stop(struct sxt_server *s, struct sx_report *rep);
void sxt_server_free(struct sxt_server *s);
/* Loads only: faults of what would not start, plugins' checks among them. */
int sxt_server_check(struct sxt_group *g, const char *extra, const char *url, struct sxt_lines *l,
                     struct sx_report *rep);
/* Applies the migrations of the plugins. */
int sxt_server_migrate(struct sxt_group *g, struct sx_report *rep);

/* Turns the loop until it is so; false when patience is over. */
bool sxt_server_run(struct sxt_server *s, bool (*is_so)(const void *arg), const void *arg);
/* One turn, of a millisecond at most. */
void sxt_server_turn(struct sxt_server *s);

/* --- jar.c: the cookies of a client (RFC 6265, section 5) ------------------------------- */

struct sxt_jar {
    struct sxt_cookie {
        const char *name, *value, *path;
    } * v; /* all in the arena of the server */
    size_t n, cap;
};

/* One Set-Cookie field of an answer to this path. */
void sxt_jar_take(struct sxt_jar *jar, struct sx_arena *a, struct sx_slice field,
                  struct sx_slice path);
/* The value of the Cookie field, if there is one. */
void sxt_jar_write(const struct sxt_jar *jar, struct sx_slice path, struct sx_buf *to);

struct sx_test {
    struct sx_list link;
    struct sxt_server *server;
    struct sxt_jar jar;
};

sx_test *sxt_client_create(struct sxt_server *s);

/* --- answer.c: the bytes of an answer, as they come ------------------------------------- */

enum sxt_answer_state {
    ANSWER_HEAD,
    ANSWER_LENGTH,
    ANSWER_CHUNK_SIZE,
    ANSWER_CHUNK,
    ANSWER_CHUNK_END,
    ANSWER_TRAILER,
    ANSWER_UNTIL_CLOSE,
    ANSWER_WHOLE,
    ANSWER_BROKEN,
};

struct sxt_header {
    const char *name, *value;
};

struct sxt_answer {
    sx_answer face; /* first: what the test holds */
    struct sx_list link;
    sx_test *client;
    const char *request; /* "GET /hello" */
    const char *host;
    struct sx_slice path; /* of the request, without its query */
    bool is_head, has_given_cookies;
    struct sx_http_conn *conn; /* NULL: closed */
    uint32_t leave_after;

    enum sxt_answer_state state;
    const char *fault; /* of ANSWER_BROKEN */
    struct sx_buf raw; /* not yet understood */
    size_t at;
    uint64_t left; /* of the body or the chunk */
    struct sx_buf body;
    struct sxt_header *headers;
    size_t n_headers, cap_headers;
    size_t event_at; /* in the body: where the next event or frame begins */
    bool has_closed; /* a close frame was sent */
    json_t *json;
};

struct sxt_answer *sxt_answer_create(sx_test *client);
void sxt_answer_finish(struct sxt_answer *a); /* its memory is the arena's */
static inline struct sxt_answer *sxt_answer_of(const sx_answer *a)
{
    return (struct sxt_answer *)(uintptr_t)a;
}
/* data NULL: the connection was closed. */
void sxt_answer_feed(struct sxt_answer *a, const char *data, size_t len);
bool sxt_answer_has_head(const struct sxt_answer *a);
bool sxt_answer_is_over(const struct sxt_answer *a); /* whole or broken */
const char *sxt_answer_header(const struct sxt_answer *a, const char *name, uint32_t index);

/* --- expect.c ----------------------------------------------------------------------------- */

/* Fails the test when found is not the same JSON, as sx_expect_json compares it. */
void sxt_expect_same_json(const sx_answer *a, const char *json, const char *found, size_t len,
                          const char *file, int line);

/* --- request.c: the bytes of a request -------------------------------------------------- */

/* SX_ERR_INVALID for one that cannot be: two bodies, a form that is none. */
int sxt_request_write(const sx_test *t, const sx_test_request *req, struct sx_buf *to);
const char *sxt_request_method(const sx_test_request *req);
struct sx_slice sxt_request_path(const char *target);

/* --- exchange.c: a request and its answer ----------------------------------------------- */

struct sxt_answer *sxt_exchange_open(sx_test *t, const sx_test_request *req, const char *file,
                                     int line);
/* Waits for the whole answer and closes. */
void sxt_exchange_finish(struct sxt_answer *a, const char *file, int line);
void sxt_exchange_close(struct sxt_answer *a);
/* Turns the loop until it is so; fails the test when it takes too long, or the answer is broken. */
void sxt_exchange_wait(struct sxt_answer *a, bool (*is_so)(const void *arg), const char *file,
                       int line);

/* --- url.c: links ----------------------------------------------------------------------- */

/* Where a link on the page at `base` (a target) leads: a target of this host in the arena, without
 * its fragment; NULL when to another site, to the page itself or to what is no page (mailto:). */
const char *sxt_url_resolve(struct sx_arena *a, const char *host, const char *base,
                            struct sx_slice link);

/* --- page.c: the links of an HTML page -------------------------------------------------- */

/* Calls found for every href and src, with its entities decoded. */
void sxt_page_links(struct sx_arena *a, const char *html, size_t len,
                    void (*found)(void *arg, struct sx_slice link), void *arg);

/* --- difference.c ----------------------------------------------------------------------- */

/* The first place where found is not as expected, told in `to`; false when there is none. */
bool sxt_difference_tell(json_t *expected, json_t *found, struct sx_buf *to);

#endif /* SX_TESTING_TESTING_PRIVATE_H */
