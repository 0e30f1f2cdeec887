/*
 * hello - the smallest plugin; copy it to begin your own.
 */
#include <sx/json.h>

static int say_hello(sx_req *r)
{
    return sx_reply_text(r, 200, "Hello, World!\n");
}

static int greet(sx_req *r)
{
    sx_json_writer w = sx_json_begin(r);

    sx_json_object(&w);
    sx_json_text(sx_json_key(&w, "hello"), sx_path_text(r, "name"));
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static const sx_field greet_params[] = {
    { .name = "name", .in = SX_IN_PATH, .type = SX_TEXT, .doc = "Whom to greet" },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET", .path = "/hello", .handler = say_hello, .summary = "Say hello" },
    { .method = "GET",
      .path = "/hello/{name}",
      .handler = greet,
      .params = greet_params,
      .summary = "Say hello to somebody" },
    { 0 },
};

SX_PLUGIN("hello", "1.0.0", .summary = "The smallest plugin", .routes = routes);
