/* rows.c - parameters of every type, and rows read back in every way. */
#include "contract.h"

static int on_echo(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)arg;
    return sx_reply_rows(r, 200, rows);
}

/* Typed by column: what went in as a number comes back as one. */
int echo_params(sx_req *r)
{
    json_t *json = json_pack("{s:[i, n]}", "a", 1);
    const int err = sx_read(
        r, on_echo, NULL,
        "SELECT $1::boolean AS flag, $2::bigint AS number, $3::float8 AS ratio, $4::text AS words,"
        " length($5::bytea) AS bytes, $6::jsonb AS json, $7::text AS nothing, $8::text AS no_text,"
        " $9::jsonb AS no_json",
        SX_PARAMS(sx_bool(true), sx_int(INT64_MIN), sx_number(-0.125), sx_text("ä \"b\"\n"),
                  sx_bytes("a\0\xff", 3), sx_json(json), sx_null(), sx_text(NULL), sx_json(NULL)));

    json_decref(json); /* what is given is copied */
    return err;
}

#define ALL_TYPES                                                                                  \
    "SELECT 7::bigint AS n, 1.5::float8 AS f, 'words' AS t, '\\x01ff00'::bytea AS b, true AS yes," \
    " NULL::bigint AS nothing, '{\"a\": 1}'::json AS j, 12.50::numeric AS d, 'NaN'::float8 AS nan"

static void put_values(const sx_rows *rows, json_t *to)
{
    const uint32_t n = (uint32_t)sx_column(rows, "n"), f = (uint32_t)sx_column(rows, "f");
    const uint32_t b = (uint32_t)sx_column(rows, "b"), yes = (uint32_t)sx_column(rows, "yes");
    const sx_span bytes = sx_bytes_at(rows, 0, b);

    put_int(to, "n", sx_int_at(rows, 0, n));
    (void)json_object_set_new(to, "f", json_real(sx_number_at(rows, 0, f)));
    put_text(to, "n as text", sx_text_at(rows, 0, n));
    put_int(to, "bytes", (json_int_t)bytes.len);
    (void)json_object_set_new(
        to, "bytes are right",
        json_boolean(bytes.len == 3 && memcmp(bytes.data, "\x01\xff", 3) == 0));
    put_int(to, "yes", sx_int_at(rows, 0, yes));
    put_int(to, "text as a number", sx_int_at(rows, 0, (uint32_t)sx_column(rows, "t")));
    put_int(to, "text as bytes",
            (json_int_t)sx_bytes_at(rows, 0, (uint32_t)sx_column(rows, "t")).len);
}

/* NULL, and places that do not exist. */
static void put_nothing(const sx_rows *rows, json_t *to)
{
    const uint32_t col = (uint32_t)sx_column(rows, "nothing");

    put_int(to, "unknown column", sx_column(rows, "nowhere"));
    put_int(to, "NULL column", sx_column(rows, NULL));
    put_text(to, "null text", sx_text_at(rows, 0, col));
    put_int(to, "null number", sx_int_at(rows, 0, col));
    put_int(to, "null bytes", (json_int_t)sx_bytes_at(rows, 0, col).len);
    (void)json_object_set_new(to, "null ratio", json_real(sx_number_at(rows, 0, col)));
    put_text(to, "no row", sx_text_at(rows, 9, 0));
    put_int(to, "no column", sx_int_at(rows, 0, 99));
    put_text(to, "no rows", sx_text_at(NULL, 0, 0));
    put_int(to, "no rows count", sx_count(NULL) + (json_int_t)sx_affected(NULL));
    (void)json_object_set_new(to, "no rows json", json_boolean(sx_rows_json(NULL) != NULL));
}

static int on_rows(sx_req *r, const sx_rows *rows, void *arg)
{
    json_t *all = json_object();

    (void)arg;
    put_int(all, "count", sx_count(rows));
    put_values(rows, all);
    put_nothing(rows, all);
    (void)json_object_set_new(all, "json", sx_rows_json(rows));
    return sx_reply_json(r, 200, all);
}

static int on_odd_rows(sx_req *r, const sx_rows *rows, void *arg)
{
    (void)arg;
    return sx_reply_json(r, 200, sx_rows_json(rows));
}

/* What is JSON or a number for PostgreSQL, but too much for jansson. */
int read_odd_rows(sx_req *r)
{
    return sx_read(r, on_odd_rows, NULL,
                   "SELECT 9223372036854775807::numeric * 4 AS sum, 7::bigint AS seven,"
                   " 'NaN'::float8 AS nan, '{\"n\": 12345678901234567890}'::jsonb AS big,"
                   " '\"a\\u0000b\"'::json AS nul, 0.5::numeric AS half",
                   SX_NONE);
}

int read_rows(sx_req *r)
{
    return sx_read(r, on_rows, NULL, ALL_TYPES, SX_NONE);
}

/* After an answer there is no place for rows. */
static int on_late_rows(sx_req *r, const sx_rows *rows, void *arg)
{
    const int result = sx_reply_rows(r, 200, rows);

    (void)arg;
    note(sx_req_plugin(r), "late rows", json_integer(sx_host_->rows_write(r, rows)));
    note(sx_req_plugin(r), "no rows", json_integer(sx_host_->rows_write(r, NULL)));
    return result;
}

int reply_rows(sx_req *r)
{
    return sx_read(r, on_late_rows, NULL, "SELECT g AS n FROM generate_series(1, $1::bigint) AS g",
                   SX_PARAMS(sx_int(sx_arg_int(r, "n", 0))));
}
