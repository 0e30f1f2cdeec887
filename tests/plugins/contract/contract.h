/*
 * contract.h - what the files of this plugin share.
 *
 * A handler that finds something out when it can no longer answer writes it down: GET /notes
 * shows it.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <pthread.h>

#include <sx/plugin.h>

struct state {
    pthread_mutex_t lock; /* guards all of it: pool threads write, too */
    pthread_cond_t changed;
    bool is_free; /* whoever is held up may go on */
    json_t *notes;
    int attempts; /* of the handler that is tried again */
    sx_timer *timer;
};

/* value: taken.  From any thread. */
void note(sx_plugin *p, const char *name, json_t *value);
/* Adds one to a number. */
void note_one_more(sx_plugin *p, const char *name);

/* A result code or status in the JSON that a handler collects. */
static inline void put_int(json_t *to, const char *name, json_int_t value)
{
    (void)json_object_set_new(to, name, json_integer(value));
}

/* NULL becomes null. */
static inline void put_text(json_t *to, const char *name, const char *value)
{
    (void)json_object_set_new(to, name, value == NULL ? json_null() : json_string(value));
}

/* request.c */
int show_request(sx_req *r);
int show_body(sx_req *r);
int show_upload(sx_req *r);
int show_alloc(sx_req *r);
int wait_until_gone(sx_req *r, sx_db *db);

/* reply.c */
int set_headers(sx_req *r);
int set_cookies(sx_req *r);
int delete_cookie(sx_req *r);
int show_cookie(sx_req *r);
int reply_twice(sx_req *r);
int write_body(sx_req *r);
int reserve_too_much(sx_req *r);
int reply_no_json(sx_req *r);
int return_code(sx_req *r);
int reply_teapot(sx_req *r);
int reply_nothing(sx_req *r);
int redirect_home(sx_req *r);
int reply_silent(sx_req *r);
int return_next(sx_req *r);
int send_file(sx_req *r);
int refuse_file(sx_req *r);
int show_urls(sx_req *r);

/* stream.c */
int stream_parts(sx_req *r);
int stream_until_full(sx_req *r);
int stream_events(sx_req *r);
int stream_for_ever(sx_req *r);
int stream_after_reply(sx_req *r);
int stream_from_pool(sx_req *r, sx_db *db);

/* ws.c */
int ws_room(sx_req *r);
int ws_page(sx_req *r);
int ws_both(sx_req *r);
int ws_or_not(sx_req *r);
int ws_later(sx_req *r);
int ws_denied(sx_req *r);
int ws_misused(sx_req *r);
int ws_failed(sx_req *r);
int ws_from_pool(sx_req *r, sx_db *db);

/* database.c */
int refuse_statements(sx_req *r);
int start_two(sx_req *r);
int add_item(sx_req *r);
int write_in_read(sx_req *r);
int fail_statement(sx_req *r);
int sleep_in_database(sx_req *r);
int add_two_items(sx_req *r);
int handle_failure(sx_req *r);
int batch_for_plugin(sx_req *r);
int listen_badly(sx_req *r);
int start_listening(sx_plugin *p);

/* rows.c */
int echo_params(sx_req *r);
int read_rows(sx_req *r);
int read_odd_rows(sx_req *r);
int reply_rows(sx_req *r);

/* lease.c */
int end_transaction(sx_req *r, sx_db *db);
int fail_and_go_on(sx_req *r, sx_db *db);
int control_badly(sx_req *r, sx_db *db);
int call_the_loop(sx_req *r, sx_db *db);
int use_libpq(sx_req *r, sx_db *db);
int lose_races(sx_req *r, sx_db *db);
int leave_something(sx_req *r, sx_db *db);
int look_around(sx_req *r, sx_db *db);

/* mistake.c */
int commit_with_a_hole(sx_req *r, sx_db *db);
int begin_twice(sx_req *r, sx_db *db);
int lose_a_race_after_a_commit(sx_req *r, sx_db *db);
int use_decoded_bytes(sx_req *r, sx_db *db);
int make_a_notice(sx_req *r, sx_db *db);
int keep_connection(sx_req *r, sx_db *db);
int sleep_on_connection(sx_req *r, sx_db *db);
int stop_timer_on_pool(sx_req *r, sx_db *db);

/* work.c */
int offload_work(sx_req *r);
int run_task(sx_req *r);
int post_from_thread(sx_req *r);
int answer_after(sx_req *r);
int refuse_work(sx_req *r);
int hold_task(sx_req *r);
int free_held(sx_req *r);

/* timer.c */
int start_timer(sx_req *r);
int stop_timer(sx_req *r);
int refuse_timers(sx_req *r);

#endif /* CONTRACT_H */
