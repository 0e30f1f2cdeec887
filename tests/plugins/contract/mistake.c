/* mistake.c - what a handler does wrong with a connection of its own, or only nearly. */
#include "contract.h"

#include <time.h>

#include <sx/pg.h>

#define INSERT_ITEM "INSERT INTO item (name) VALUES ($1)"

/* A transaction whose middle is missing, because the host refused it. */
int commit_with_a_hole(sx_req *r, sx_db *db)
{
    (void)sx_db_begin(db);
    (void)sx_db_exec(db, INSERT_ITEM, SX_PARAMS(sx_text("first")));
    (void)sx_db_exec(db, NULL, SX_NONE);
    (void)sx_db_exec(db, INSERT_ITEM, SX_PARAMS(sx_text("third")));
    return sx_db_commit(db) < 0 ? SX_EDB : sx_reply_text(r, 200, "committed");
}

int begin_twice(sx_req *r, sx_db *db)
{
    if (sx_db_begin(db) < 0 || sx_db_begin(db) == SX_OK)
        return sx_reply_text(r, 200, "begun twice");
    return sx_db_last_error(db) == NULL ? sx_reply_text(r, 200, "no error") : SX_EDB;
}

/* The first row stays, whatever becomes of what follows it. */
int lose_a_race_after_a_commit(sx_req *r, sx_db *db)
{
    (void)sx_db_exec(db, INSERT_ITEM, SX_PARAMS(sx_text("kept")));
    (void)sx_db_begin(db);
    (void)sx_db_exec(db, "DO $$ BEGIN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END $$",
                     SX_NONE);
    return sx_db_commit(db) < 0 ? SX_EDB : sx_reply_text(r, 200, "won");
}

/* ?n= bytes of the rows of one statement are a parameter of the next. */
int use_decoded_bytes(sx_req *r, sx_db *db)
{
    const sx_rows *rows = sx_db_exec(db, "SELECT decode(repeat('ab', $1::int), 'hex')",
                                     SX_PARAMS(sx_int(sx_arg_int(r, "n", 1))));
    const sx_span bytes = rows == NULL ? (sx_span){ NULL, 0 } : sx_bytes_at(rows, 0, 0);

    rows = sx_db_exec(db, "SELECT $1::bytea = decode(repeat('ab', $2::int), 'hex') AS same",
                      SX_PARAMS(sx_bytes(bytes.data, bytes.len), sx_int(sx_arg_int(r, "n", 1))));
    return rows == NULL ? SX_EDB : sx_reply_rows(r, 200, rows);
}

static void hear(void *arg, const PGresult *notice)
{
    (void)notice;
    note_one_more(arg, "notices");
}

/* ?hear: sets a function for notices; there is one in any case. */
int make_a_notice(sx_req *r, sx_db *db)
{
    if (sx_arg_text(r, "hear") != NULL)
        (void)PQsetNoticeReceiver(sx_db_pg(db), hear, sx_req_plugin(r));
    if (sx_db_exec(db, "DO $$ BEGIN RAISE NOTICE 'hear, hear'; END $$", SX_NONE) == NULL)
        return SX_EDB;
    return sx_reply_empty(r);
}

/* Has the connection itself until its time is over. */
int keep_connection(sx_req *r, sx_db *db)
{
    const struct timespec moment = { .tv_nsec = 1000000 };

    if (sx_db_pg(db) == NULL)
        return SX_EDB;
    while (!sx_req_gone(r))
        (void)nanosleep(&moment, NULL);
    return sx_reply_empty(r);
}

int sleep_on_connection(sx_req *r, sx_db *db)
{
    if (sx_db_exec(db, "SELECT pg_sleep(0.3)", SX_NONE) == NULL)
        return SX_EDB;
    return sx_reply_text(r, 200, "slept");
}

/* A timer of the loop, stopped from elsewhere. */
int stop_timer_on_pool(sx_req *r, sx_db *db)
{
    struct state *s = sx_req_state(r);

    (void)db;
    sx_timer_stop(s->timer);
    return sx_reply_empty(r);
}
