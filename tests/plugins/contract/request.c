/* request.c - everything that a plugin may ask of a request. */
#include "contract.h"

#include <stdio.h>
#include <time.h>

#define LARGE_BYTES ((size_t)64 << 20)

static void put_texts(sx_req *r, json_t *to)
{
    put_text(to, "method", sx_req_method(r));
    put_text(to, "path", sx_req_path(r));
    put_text(to, "route", sx_req_route(r));
    put_text(to, "remote", sx_req_remote(r));
    put_text(to, "target", sx_req_target(r));
    put_text(to, "unknown text", sx_host_->req_text(r, 99));
    (void)json_object_set_new(to, "has id", json_boolean(*sx_req_id(r) != '\0'));
    (void)json_object_set_new(to, "is gone", json_boolean(sx_req_gone(r)));
}

static void put_params(sx_req *r, json_t *to)
{
    put_text(to, "id", sx_path_text(r, "id"));
    put_text(to, "name", sx_path_text(r, "name"));
    put_text(to, "rest", sx_path_text(r, "rest"));
    put_int(to, "id as a number", sx_path_int(r, "id"));
    put_text(to, "q", sx_arg_text(r, "q"));
    put_text(to, "second q", sx_arg_at(r, "q", 1));
    put_text(to, "third q", sx_arg_at(r, "q", 2));
    put_int(to, "limit or 9", sx_arg_int(r, "limit", 9));
    put_text(to, "header", sx_header(r, "x-one"));
    put_text(to, "second header", sx_host_->req_param(r, SX_IN_HEADER, "X-One", 1));
    put_text(to, "cookie", sx_cookie(r, "c"));
    put_text(to, "form", sx_form_text(r, "f", 0));
    put_text(to, "second form", sx_form_text(r, "f", 1));
    put_text(to, "no name", sx_host_->req_param(r, SX_IN_QUERY, NULL, 0));
    put_text(to, "no place", sx_host_->req_param(r, 99, "q", 0));
    put_text(to, "no such path", sx_path_text(r, "q"));
}

int show_request(sx_req *r)
{
    json_t *all = json_object();

    put_texts(r, all);
    put_params(r, all);
    return sx_reply_json(r, 200, all);
}

int show_body(sx_req *r)
{
    const sx_span body = sx_body(r);
    json_t *json = sx_body_json(r);

    return sx_reply_json(r, 200,
                         json_pack("{s:i, s:s%, s:O?, s:b}", "len", (int)body.len, "body",
                                   body.data, body.len, "json", json, "parsed once",
                                   json == sx_body_json(r)));
}

/* --- Uploads -------------------------------------------------------------------------- */

/* The bytes of a spooled part are those of its file. */
static int64_t file_size(const char *path)
{
    FILE *in = fopen(path, "re");
    int64_t size = -1;

    if (in != NULL && fseek(in, 0, SEEK_END) == 0)
        size = ftell(in);
    if (in != NULL)
        (void)fclose(in);
    return size;
}

int show_upload(sx_req *r)
{
    json_t *all = json_object();
    sx_upload up = { 0 };

    put_int(all, "missing", sx_form_file(r, "none", &up));
    put_int(all, "no name", sx_form_file(r, NULL, &up));
    put_int(all, "a field is no file", sx_form_file(r, "note", &up));
    put_text(all, "note", sx_form_text(r, "note", 0));
    put_int(all, "found", sx_form_file(r, "f", &up));
    put_text(all, "name", up.file_name);
    put_text(all, "type", up.type);
    put_int(all, "size", (json_int_t)up.size);
    if (up.path != NULL) {
        put_text(all, "path", up.path);
        put_int(all, "bytes in the file", file_size(up.path));
        put_int(all, "bytes in memory", (json_int_t)up.data.len);
    } else {
        (void)json_object_set_new(all, "data", json_stringn(up.data.data, up.data.len));
    }
    return sx_reply_json(r, 200, all);
}

/* --- Memory and time --------------------------------------------------------------------- */

struct zeroed {
    char bytes[1000];
};

int show_alloc(sx_req *r)
{
    const struct zeroed *z = sx_req_new(r, struct zeroed);
    bool is_zeroed = z != NULL;

    for (size_t i = 0; is_zeroed && i < sizeof z->bytes; i++)
        is_zeroed = z->bytes[i] == 0;
    return sx_reply_json(r, 200,
                         json_pack("{s:b, s:b}", "zeroed", is_zeroed, "too much",
                                   sx_req_alloc(r, LARGE_BYTES) != NULL));
}

/* Until the client has left, but not for ever. */
int wait_until_gone(sx_req *r, sx_db *db)
{
    const struct timespec pause = { 0, 1000000 };

    (void)db;
    note_one_more(sx_req_plugin(r), "waiting");
    for (int i = 0; i < 20000 && !sx_req_gone(r); i++)
        (void)nanosleep(&pause, NULL);
    note(sx_req_plugin(r), "gone", json_boolean(sx_req_gone(r)));
    return sx_reply_empty(r);
}
