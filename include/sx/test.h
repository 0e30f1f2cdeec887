/*
 * sx/test.h - the test client: the server with your plugin in this process, without a socket.
 *
 *     #include <sx/test.h>
 *
 *     static void a_guest_is_greeted_by_name(sx_test *t)
 *     {
 *         sx_expect_json(sx_test_get(t, "/hello/Ada"), 200, SX_TEST_JSON({"hello": "Ada"}));
 *     }
 *
 *     int main(void)
 *     {
 *         static const sx_test_case cases[] = { SX_TEST_CASE(a_guest_is_greeted_by_name), { 0 } };
 *
 *         return sx_test_run(&(sx_test_setup){ .plugins = "hello" }, cases);
 *     }
 *
 * The real .so is loaded from the build folder, checked, migrated and started as a worker
 * does it; requests go through the parser, the router, the hooks and the handlers, and
 * answers come back as the bytes that a socket would carry.  Only the wire is missing.
 *
 * In CMake: sx_plugin_test(hello hello_test.c).  A failed expectation prints the request, what
 * was expected and what came, at the line of the test.  Answers and every text handed out
 * live until the test function returns; nothing is to be freed.  One thread.
 * The asserts of cmocka work beside these.
 *
 * Nothing is left behind: each case has a server and a database of its own, and fails when a
 * request, work on a pool thread, a leased connection or an uploaded file outlives it.  What
 * a plugin keeps in static variables stays: its file is loaded once per program.
 */
#ifndef SX_TEST_H
#define SX_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#ifdef __cplusplus
#error "sx/test.h is C"
#endif

typedef struct sx_test sx_test; /* a client and its cookies */

/* --- The server under test -------------------------------------------------- */

typedef struct sx_test_setup {
    const char *plugins; /* their names, separated by spaces; each gets the grants it asks for */
    const char *config;  /* JSON laid over the configuration of the environment, or NULL */
    const char *env;     /* NULL: "testing" */
    bool has_database;   /* for each case a copy of a database with the plugins' migrations; on
                          * the server that SX_TEST_DATABASE_URL names (./dev test makes one),
                          * or else on one that lives as long as this program */
    uint32_t worker, n_workers; /* which of how many workers it is; 0 and 0: the only one */
} sx_test_setup;

typedef struct sx_test_case {
    const char *name;
    void (*run)(sx_test *t);
} sx_test_case;

#define SX_TEST_CASE(function) \
    {                          \
#function, function    \
    }

/* Runs the cases up to a zeroed one.  A case fails also when the server logs an error that it
 * does not ask for with sx_test_logged.  Returns the number of failed cases, for main to
 * return. */
int sx_test_run(const sx_test_setup *setup, const sx_test_case *cases);

/* --- Requests ---------------------------------------------------------------- */

typedef struct sx_test_file {
    const char *field;
    const char *file_name;
    const char *type;
    const char *data;
    size_t len; /* 0: up to NUL */
} sx_test_file;

/* What is not named is not sent. */
typedef struct sx_test_request {
    const char *method;         /* NULL: GET, or POST when there is a body */
    const char *path;           /* with its query: "/orders?limit=5" */
    const char *host;           /* NULL: "localhost" */
    const char *const *headers; /* { "Accept", "text/html", NULL } */

    /* One of these is the body. */
    const char *body; /* with its type; a len of 0 is up to NUL */
    size_t len;
    const char *type;
    const char *json;          /* SX_TEST_JSON({"side": "buy", "volume": 3}) */
    const char *form;          /* "name=Ada&age=36"; with files: fields of the multipart form */
    const sx_test_file *files; /* up to a zeroed one */

    bool follow;          /* redirects of this server, up to ten */
    uint32_t leave_after; /* close the connection after so many bytes of the answer's body */
} sx_test_request;

typedef struct sx_answer {
    int status;
    const char *type; /* the header Content-Type, or "" */
    const char *body; /* ends with a NUL that len does not count; chunks are joined */
    size_t len;
    const struct sx_answer_private *priv;
} sx_answer;

/* The JSON between the parentheses as text, without escaping its quotes. */
#define SX_TEST_JSON(...) #__VA_ARGS__

/* Sends one request and waits for its whole answer, never NULL:
 *     sx_test_send(t, .path = "/orders", .json = SX_TEST_JSON({"volume": 3}), .follow = true)  */
#define sx_test_send(t, ...) \
    sx_test_send_at((t), &(const sx_test_request){ __VA_ARGS__ }, __FILE__, __LINE__)
#define sx_test_get(t, path_) sx_test_send((t), .path = (path_))

/* The same, but returns before the answer (its status is 0 until the head has come), so that
 * several are under way; await waits for the whole answer. */
#define sx_test_begin(t, ...) \
    sx_test_begin_at((t), &(const sx_test_request){ __VA_ARGS__ }, __FILE__, __LINE__)
#define sx_test_await(a) sx_test_await_at((a), __FILE__, __LINE__)

/* The same, but returns with the head of the answer: its body comes with the events, and the
 * client stays until it leaves or the case ends. */
#define sx_test_open(t, ...) \
    sx_test_open_at((t), &(const sx_test_request){ __VA_ARGS__ }, __FILE__, __LINE__)

/* Waits for the next server-sent event: its lines, "id: 3\ndata: x"; NULL after the last. */
#define sx_test_event(a) sx_test_event_at((a), __FILE__, __LINE__)

/* The client closes the connection, wherever the answer is. */
void sx_test_leave(const sx_answer *a);

/* --- WebSockets ---------------------------------------------------------------
 *
 *     const sx_answer *a = sx_test_ws_open(t, .path = "/feed");
 *
 *     sx_test_ws_send(a, SX_TEST_JSON({"type": "subscribe"}));
 *     sx_expect_message_json(a, SX_TEST_JSON({"type": "subscriptions"}));
 *     sx_test_ws_close(a, 1000);
 *     sx_expect_closed(a, 1000);
 */

/* A request with the fields of a handshake; fails the test when the answer is not 101.  One that
 * is to be refused is sent with sx_test_send, its fields among the headers. */
#define sx_test_ws_open(t, ...) \
    sx_test_ws_open_at((t), &(const sx_test_request){ __VA_ARGS__ }, __FILE__, __LINE__)

/* A whole message of text; or of bytes.  It is there before the call returns. */
void sx_test_ws_send(const sx_answer *a, const char *text);
void sx_test_ws_send_bytes(const sx_answer *a, const void *data, size_t len);
/* Begins the closing handshake; code 0: none. */
void sx_test_ws_close(const sx_answer *a, int code);

typedef struct sx_test_message {
    bool is_text;
    const char *data; /* ends with a NUL that len does not count */
    size_t len;
} sx_test_message;

/* Waits for the next message; NULL when the server closes instead.  Pings are answered. */
#define sx_test_ws_next(a) sx_test_ws_next_at((a), __FILE__, __LINE__)

/* The next message is this text; this JSON, as sx_expect_json compares it. */
#define sx_expect_message(a, text)      sx_expect_message_at((a), (text), __FILE__, __LINE__)
#define sx_expect_message_json(a, json) sx_expect_message_json_at((a), (json), __FILE__, __LINE__)

/* The server closes next, with this code (0: none), and ends the connection. */
#define sx_expect_closed(a, code) sx_expect_closed_at((a), (code), __FILE__, __LINE__)

/* The value of a header, the index-th of its name; NULL when there is none. */
const char *sx_answer_header(const sx_answer *a, const char *name, uint32_t index);

/* The body as JSON, borrowed; fails the test when it is none. */
#define sx_answer_json(a) sx_answer_json_at((a), __FILE__, __LINE__)

/* --- Expectations --------------------------------------------------------------
 *
 * Each returns its answer, so that they can be chained.
 */

#define sx_expect_status(a, status)     sx_expect_status_at((a), (status), __FILE__, __LINE__)
#define sx_expect_text(a, status, body) sx_expect_text_at((a), (status), (body), __FILE__, __LINE__)

/* The same JSON, whatever the order of keys and the spaces.  A text in angle brackets
 * stands for any value of its type: "<int>", "<number>", "<text>", "<bool>", "<any>".  What
 * differs is told by its place:
 *     orders[2].price: expected 101.25, found 101.5                              */
#define sx_expect_json(a, status, json) sx_expect_json_at((a), (status), (json), __FILE__, __LINE__)

/* An error as application/problem+json with this code; NULL: any. */
#define sx_expect_problem(a, status, code) \
    sx_expect_problem_at((a), (status), (code), __FILE__, __LINE__)

/* A header with exactly this value; NULL: no such header. */
#define sx_expect_header(a, name, value) \
    sx_expect_header_at((a), (name), (value), __FILE__, __LINE__)

/* The body has this text in it somewhere. */
#define sx_expect_part(a, text) sx_expect_part_at((a), (text), __FILE__, __LINE__)

/* Every link (href and src, to this server) of the page and of the pages that it leads to
 * answers below 400; tells each that does not, and the page it stands on.  Returns how many
 * addresses were asked. */
#define sx_test_links(t, path) sx_test_links_at((t), (path), __FILE__, __LINE__)

/* --- Around a request ------------------------------------------------------------ */

/* One more client of the same server, with cookies of its own. */
sx_test *sx_test_client(sx_test *t);

/* What the client keeps under this name, or NULL. */
const char *sx_test_cookie(const sx_test *t, const char *name);

/* Sets the wall clock that plugins see (sx_this_worker); it stands still from then on. */
void sx_test_set_now(sx_test *t, int64_t now_ns);

/* Runs timers, posts and notifications until the condition holds; fails after ten seconds. */
#define sx_test_wait(t, condition)                                       \
    do {                                                                 \
        for (int left_ = 10000; !(condition); left_--)                   \
            sx_test_turn_at((t), left_, #condition, __FILE__, __LINE__); \
    } while (0)

/* What the server logged since the case began, one line each; from then on errors in it
 * do not fail the case. */
const char *sx_test_logged(sx_test *t);

/* The metrics of all plugins, as Prometheus reads them. */
const char *sx_test_metrics(sx_test *t);

/* SQL on a connection beside the server's, in the schema of the first plugin: the first column
 * of the last statement's first row as text, or NULL. */
#define sx_test_sql(t, sql) sx_test_sql_at((t), (sql), __FILE__, __LINE__)

/* A server with this configuration, laid over that of the setup, would not start, and says so
 * with this text. */
#define sx_expect_refused(t, config, part) \
    sx_expect_refused_at((t), (config), (part), __FILE__, __LINE__)

/* --- What the macros call --------------------------------------------------------- */

const sx_answer *sx_test_send_at(sx_test *t, const sx_test_request *req, const char *file,
                                 int line);
const sx_answer *sx_test_begin_at(sx_test *t, const sx_test_request *req, const char *file,
                                  int line);
const sx_answer *sx_test_await_at(const sx_answer *a, const char *file, int line);
const sx_answer *sx_test_open_at(sx_test *t, const sx_test_request *req, const char *file,
                                 int line);
const char *sx_test_event_at(const sx_answer *a, const char *file, int line);
const sx_answer *sx_test_ws_open_at(sx_test *t, const sx_test_request *req, const char *file,
                                    int line);
const sx_test_message *sx_test_ws_next_at(const sx_answer *a, const char *file, int line);
void sx_expect_message_at(const sx_answer *a, const char *text, const char *file, int line);
void sx_expect_message_json_at(const sx_answer *a, const char *json, const char *file, int line);
void sx_expect_closed_at(const sx_answer *a, int code, const char *file, int line);
json_t *sx_answer_json_at(const sx_answer *a, const char *file, int line);
const sx_answer *sx_expect_status_at(const sx_answer *a, int status, const char *file, int line);
const sx_answer *sx_expect_text_at(const sx_answer *a, int status, const char *body,
                                   const char *file, int line);
const sx_answer *sx_expect_json_at(const sx_answer *a, int status, const char *json,
                                   const char *file, int line);
const sx_answer *sx_expect_problem_at(const sx_answer *a, int status, const char *code,
                                      const char *file, int line);
const sx_answer *sx_expect_header_at(const sx_answer *a, const char *name, const char *value,
                                     const char *file, int line);
const sx_answer *sx_expect_part_at(const sx_answer *a, const char *text, const char *file,
                                   int line);
uint32_t sx_test_links_at(sx_test *t, const char *path, const char *file, int line);
const char *sx_test_sql_at(sx_test *t, const char *sql, const char *file, int line);
void sx_expect_refused_at(sx_test *t, const char *config, const char *part, const char *file,
                          int line);

/* One turn of the loop, of at most a millisecond; fails when left is 0. */
void sx_test_turn_at(sx_test *t, int left, const char *condition, const char *file, int line);

#endif /* SX_TEST_H */
