/*
 * techempower.h - what the files of this plugin share.
 *
 * All handlers run on the loop, so the state of a worker needs no lock.
 */
#ifndef TECHEMPOWER_H
#define TECHEMPOWER_H

#include <sx/json.h>

#define WORLD_ROWS  10000
#define MAX_QUERIES 500

struct world {
    int64_t id;     /* 1 … WORLD_ROWS */
    int64_t number; /* 1 … 10000      */
};

struct state {
    uint64_t seed;
    bool is_filled;                 /* the cache was read at least once */
    int32_t cached[WORLD_ROWS + 1]; /* the number of each id            */
};

/* A number between 1 and WORLD_ROWS, which is also the range of the numbers. */
int64_t random_id(struct state *s);

/* How many rows the client asks for: 1 … MAX_QUERIES, 1 for what is no number. */
int64_t asked_count(const sx_req *r, const char *name);

/* {"id":…,"randomNumber":…}, and an array of them. */
void write_world(sx_json_writer *w, const struct world *world);
int reply_worlds(sx_req *r, const struct world *worlds, size_t n);

/* The handlers. */
int show_json(sx_req *r);
int show_plaintext(sx_req *r);
int show_db(sx_req *r);
int show_queries(sx_req *r);
int show_updates(sx_req *r);
int show_cached(sx_req *r);
int show_fortunes(sx_req *r);

/* Reads the cache soon, and again every cache_refresh_ms.  [loop] */
int start_cache(sx_plugin *p);

#endif /* TECHEMPOWER_H */
