/*
 * world.c - single rows of the table world: read one, read many, change many.
 */
#include "techempower.h"

#define MAX_DIGITS 18 /* of what an int64 certainly holds */
#define READ_WORLD "SELECT id, randomnumber FROM world WHERE id = $1"

/* Rows are locked in the order of their ids before any is changed, so that two such
 * statements never wait for each other in a circle. */
#define CHANGE_WORLDS                                                                      \
    "UPDATE world SET randomnumber = new.number FROM ("                                    \
    " SELECT old.id, asked.number FROM world AS old"                                       \
    " JOIN unnest($1::integer[], $2::integer[]) AS asked(id, number) ON old.id = asked.id" \
    " ORDER BY old.id FOR UPDATE OF old"                                                   \
    ") AS new WHERE world.id = new.id"

/* The rows of one request, in its memory. */
struct worlds {
    size_t n;
    struct world v[MAX_QUERIES];
};

/* splitmix64 (Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, 2014). */
int64_t random_id(struct state *s)
{
    uint64_t z = s->seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    return (int64_t)((z >> 32) * WORLD_ROWS >> 32) + 1;
}

int64_t asked_count(const sx_req *r, const char *name)
{
    const char *text = sx_arg_text(r, name);
    const size_t n_digits = text == NULL ? 0 : strspn(text, "0123456789");
    const int64_t n = sx_int_or(text, 1);

    if (n_digits > MAX_DIGITS && text[n_digits] == '\0')
        return MAX_QUERIES;
    return n < 1 ? 1 : n > MAX_QUERIES ? MAX_QUERIES : n;
}

void write_world(sx_json_writer *w, const struct world *world)
{
    sx_json_object(w);
    sx_json_int(sx_json_key(w, "id"), world->id);
    sx_json_int(sx_json_key(w, "randomNumber"), world->number);
    sx_json_end(w);
}

int reply_worlds(sx_req *r, const struct world *worlds, size_t n)
{
    sx_json_writer w = sx_json_begin(r);

    sx_json_array(&w);
    for (size_t i = 0; i < n; i++)
        write_world(&w, &worlds[i]);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static struct world world_at(const sx_rows *rows)
{
    return (struct world){ .id = sx_int_at(rows, 0, 0), .number = sx_int_at(rows, 0, 1) };
}

/* --- /db ---------------------------------------------------------------------- */

static int on_world(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct world world = world_at(rows);
    sx_json_writer w = sx_json_begin(r);

    (void)arg;
    write_world(&w, &world);
    return sx_json_reply(&w, 200);
}

int show_db(sx_req *r)
{
    const int64_t id = random_id(sx_req_state(r));

    return sx_read(r, on_world, NULL, READ_WORLD, SX_PARAMS(sx_int(id)));
}

/* --- /queries ------------------------------------------------------------------ */

/* One statement for each row, all in one round trip. */
static int read_worlds(sx_req *r, struct worlds *worlds, sx_batch_fn *fn)
{
    sx_param ids[MAX_QUERIES];
    sx_stmt stmts[MAX_QUERIES];

    for (size_t i = 0; i < worlds->n; i++) {
        ids[i] = sx_int(worlds->v[i].id);
        stmts[i] = (sx_stmt){ READ_WORLD, { &ids[i], 1 }, SX_READ_ONLY, 0 };
    }
    return sx_batch(r, fn, worlds, stmts, worlds->n);
}

static void take_worlds(struct worlds *worlds, const sx_rows *const rows[])
{
    for (size_t i = 0; i < worlds->n; i++)
        worlds->v[i] = world_at(rows[i]);
}

static int on_queries(sx_req *r, const sx_rows *const rows[], size_t n, void *arg)
{
    struct worlds *worlds = arg;

    take_worlds(worlds, rows);
    return reply_worlds(r, worlds->v, n);
}

int show_queries(sx_req *r)
{
    struct worlds *worlds = sx_req_new(r, struct worlds);

    if (worlds == NULL)
        return SX_ENOMEM;
    worlds->n = (size_t)asked_count(r, "queries");
    for (size_t i = 0; i < worlds->n; i++)
        worlds->v[i].id = random_id(sx_req_state(r));
    return read_worlds(r, worlds, on_queries);
}

/* --- /updates ------------------------------------------------------------------ */

/* n different ids, ascending. */
static void choose_ids(struct state *s, struct worlds *worlds, size_t n)
{
    bool is_chosen[WORLD_ROWS + 1] = { false };

    for (size_t left = n; left > 0;) {
        int64_t id = random_id(s);

        left -= !is_chosen[id];
        is_chosen[id] = true;
    }
    for (int64_t id = 1; id <= WORLD_ROWS; id++) {
        if (is_chosen[id])
            worlds->v[worlds->n++].id = id;
    }
}

/* "{1,2,3}" */
struct array {
    char text[MAX_QUERIES * sizeof "10000," + sizeof "{}"];
    size_t len;
};

static void array_add(struct array *a, int64_t value)
{
    char digits[20];
    const char *at = sx_write_digits(digits, (uint64_t)value);
    const size_t n = (size_t)(digits + sizeof digits - at);

    a->text[a->len] = a->len == 0 ? '{' : ',';
    memcpy(a->text + a->len + 1, at, n);
    a->len += n + 1;
}

static void array_end(struct array *a)
{
    memcpy(a->text + a->len, "}", sizeof "}");
}

static int on_changed(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct worlds *worlds = arg;

    (void)rows;
    return reply_worlds(r, worlds->v, worlds->n);
}

static int on_read(sx_req *r, const sx_rows *const rows[], size_t n, void *arg)
{
    struct array ids = { .len = 0 }, numbers = { .len = 0 };
    struct worlds *worlds = arg;

    take_worlds(worlds, rows);
    for (size_t i = 0; i < n; i++) {
        worlds->v[i].number = random_id(sx_req_state(r));
        array_add(&ids, worlds->v[i].id);
        array_add(&numbers, worlds->v[i].number);
    }
    array_end(&ids);
    array_end(&numbers);
    return sx_query(r, on_changed, worlds, CHANGE_WORLDS,
                    SX_PARAMS(sx_text(ids.text), sx_text(numbers.text)));
}

int show_updates(sx_req *r)
{
    struct worlds *worlds = sx_req_new(r, struct worlds);

    if (worlds == NULL)
        return SX_ENOMEM;
    choose_ids(sx_req_state(r), worlds, (size_t)asked_count(r, "queries"));
    return read_worlds(r, worlds, on_read);
}
