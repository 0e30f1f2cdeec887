/*
 * helper.h - a plugin that defines helper() and state, exported, as others do: each must see
 * its own.  NAME is the plugin's name, START the first value of its state.
 */
#include <sx/json.h>

extern SX_EXPORT int state;
int state = START;

SX_EXPORT const char *helper(void);

const char *helper(void)
{
    return NAME;
}

/* What it sees, and one more than the last time. */
static int answer(sx_req *r)
{
    sx_json_writer w = sx_json_begin(r);

    sx_json_object(&w);
    sx_json_text(sx_json_key(&w, "helper"), helper());
    sx_json_int(sx_json_key(&w, "state"), state++);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/" NAME, .handler = answer },
    { 0 },
};

SX_PLUGIN(NAME, "1.0.0", .routes = routes);
