/* reply.c - every way to answer, and what is refused. */
#include "contract.h"

#include <sx/write.h>

int set_headers(sx_req *r)
{
    static const char *const framing[] = { "Content-Length", "Transfer-Encoding", "Connection",
                                           "Date" };
    json_t *codes = json_object();

    put_int(codes, "set", sx_set_header(r, "X-One", "first"));
    put_int(codes, "replace", sx_set_header(r, "x-one", "second"));
    put_int(codes, "add", sx_add_header(r, "X-Two", "a"));
    put_int(codes, "add again", sx_add_header(r, "X-Two", "b"));
    put_int(codes, "bad name", sx_set_header(r, "X Three", "a"));
    put_int(codes, "no name", sx_set_header(r, "", "a"));
    put_int(codes, "split", sx_set_header(r, "X-Three", "a\r\nX-Evil: 1"));
    put_int(codes, "NULL name", sx_set_header(r, NULL, "a"));
    put_int(codes, "NULL value", sx_set_header(r, "X-Three", NULL));
    for (size_t i = 0; i < sizeof framing / sizeof *framing; i++)
        put_int(codes, framing[i], sx_set_header(r, framing[i], "1"));
    return sx_reply_json(r, 200, codes);
}

/* --- Cookies --------------------------------------------------------------------------- */

int set_cookies(sx_req *r)
{
    json_t *codes = json_object();

    put_int(codes, "session",
            sx_set_cookie(r, &(sx_cookie_spec){ .name = "a", .value = "1", .max_age_s = -1 }));
    put_int(codes, "strict",
            sx_set_cookie(r, &(sx_cookie_spec){ .name = "b",
                                                .value = "2",
                                                .path = "/cookies",
                                                .max_age_s = 60,
                                                .same_site = 1,
                                                .script = 1 }));
    put_int(codes, "anywhere",
            sx_set_cookie(r, &(sx_cookie_spec){
                                 .name = "c", .value = "3", .max_age_s = -1, .same_site = 2 }));
    put_int(codes, "bad name",
            sx_set_cookie(r, &(sx_cookie_spec){ .name = "a b", .value = "1", .max_age_s = -1 }));
    put_int(codes, "bad value",
            sx_set_cookie(r, &(sx_cookie_spec){ .name = "d", .value = "1;2", .max_age_s = -1 }));
    put_int(codes, "no name", sx_set_cookie(r, &(sx_cookie_spec){ .value = "1" }));
    return sx_reply_json(r, 200, codes);
}

int delete_cookie(sx_req *r)
{
    const sx_cookie_spec gone = { .name = "a", .value = "", .max_age_s = 0 };

    return sx_set_cookie(r, &gone) < 0 ? SX_EINVAL : sx_reply_empty(r);
}

int show_cookie(sx_req *r)
{
    return sx_reply_json(r, 200,
                         json_pack("{s:s?, s:s?, s:s?}", "a", sx_cookie(r, "a"), "b",
                                   sx_cookie(r, "b"), "c", sx_cookie(r, "c")));
}

/* --- Bodies ------------------------------------------------------------------------------ */

/* What the later calls were told goes into the notes: the first answer stands. */
int reply_twice(sx_req *r)
{
    sx_plugin *p = sx_req_plugin(r);
    const int first = sx_reply_text(r, 200, "first");

    note(p, "text", json_integer(sx_reply_text(r, 500, "second")));
    note(p, "json", json_integer(sx_reply_json(r, 500, json_pack("[i]", 2))));
    note(p, "problem", json_integer(sx_fail(r, 500, "second", "second")));
    note(p, "file", json_integer(sx_reply_file(r, "config", "base.json")));
    note(p, "room", json_boolean(sx_host_->body_reserve(r, 10) != NULL));
    note(p, "body", json_integer(sx_host_->reply_body(r, 500, "text/plain")));
    return first;
}

int write_body(sx_req *r)
{
    sx_writer w = sx_write_begin(r);

    sx_write_text(&w, "numbers: ");
    for (int i = 0; i < 1000; i++)
        sx_write_int(&w, i);
    return sx_write_reply(&w, 201, "text/plain");
}

/* A commit of more than was reserved counts for nothing. */
int reserve_too_much(sx_req *r)
{
    char *room = sx_host_->body_reserve(r, 1);
    const bool has_little = room != NULL;

    if (has_little)
        *room = '!';
    sx_host_->body_commit(r, (size_t)1 << 40);
    note(sx_req_plugin(r), "little", json_boolean(has_little));
    note(sx_req_plugin(r), "much",
         json_boolean(sx_host_->body_reserve(r, (size_t)1 << 40) != NULL));
    return sx_fail(r, 507, "full", "the body is full");
}

int reply_no_json(sx_req *r)
{
    return sx_reply_json(r, 200, NULL);
}

int return_code(sx_req *r)
{
    return (int)sx_arg_int(r, "code", 0);
}

int reply_teapot(sx_req *r)
{
    return sx_fail(r, 418, "teapot", "no coffee for %s, %d times", "\"you\"", 3);
}

int reply_nothing(sx_req *r)
{
    return sx_reply_empty(r);
}

int redirect_home(sx_req *r)
{
    return sx_redirect(r, 302, sx_route_url(r, "home", NULL));
}

int reply_silent(sx_req *r)
{
    (void)r;
    return SX_OK;
}

int return_next(sx_req *r)
{
    (void)r;
    return SX_NEXT;
}

/* --- Files and links ----------------------------------------------------------------------- */

int send_file(sx_req *r)
{
    return sx_reply_file(r, "config", sx_arg_text(r, "path"));
}

int refuse_file(sx_req *r)
{
    json_t *codes = json_object();

    put_int(codes, "no root", sx_reply_file(r, NULL, "base.json"));
    put_int(codes, "no path", sx_reply_file(r, "config", NULL));
    return sx_reply_json(r, 200, codes);
}

int show_urls(sx_req *r)
{
    const char *const all[] = { "id", "7", "name", "a/b c", "rest", "d/e f", NULL };
    const char *const some[] = { "id", "7", NULL };
    json_t *urls = json_object();

    put_text(urls, "whole", sx_route_url(r, "request", all));
    put_text(urls, "without a value", sx_route_url(r, "request", some));
    put_text(urls, "without values", sx_route_url(r, "request", NULL));
    put_text(urls, "home", sx_route_url(r, "home", NULL));
    put_text(urls, "unknown", sx_route_url(r, "nowhere", all));
    put_text(urls, "NULL", sx_route_url(r, NULL, all));
    return sx_reply_json(r, 200, urls);
}
