/*
 * declared - a manifest that declares every kind of thing: parameters at every place, bodies,
 * responses, options.  Its routes answer with what they were given.
 */
#include <sx/json.h>

static int tell_config(sx_req *r)
{
    return sx_reply_json(r, 200, json_incref(sx_config(sx_req_plugin(r))));
}

/* All values of "n", "c" and "t", each at its place. */
static int tell_values(sx_req *r)
{
    sx_json_writer w = sx_json_begin(r);
    const char *value;

    sx_json_object(&w);
    sx_json_array(sx_json_key(&w, "query"));
    for (uint32_t i = 0; (value = sx_host_->req_param(r, SX_IN_QUERY, "n", i)) != NULL; i++)
        sx_json_text(&w, value);
    sx_json_end(&w);
    sx_json_array(sx_json_key(&w, "cookie"));
    for (uint32_t i = 0; (value = sx_host_->req_param(r, SX_IN_COOKIE, "c", i)) != NULL; i++)
        sx_json_text(&w, value);
    sx_json_end(&w);
    sx_json_array(sx_json_key(&w, "form"));
    for (uint32_t i = 0; (value = sx_host_->req_param(r, SX_IN_FORM, "t", i)) != NULL; i++)
        sx_json_text(&w, value);
    sx_json_end(&w);
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int tell_own(sx_req *r)
{
    return sx_reply_text(r, 200, "the plugin's own\n");
}

static const sx_field values[] = {
    { .name = "id", .in = SX_IN_PATH, .type = SX_INT, .doc = "A number" },
    { .name = "n", .in = SX_IN_QUERY, .type = SX_NUMBER, .doc = "Numbers" },
    { .name = "x-flag", .in = SX_IN_HEADER, .type = SX_BOOL },
    { .name = "c", .in = SX_IN_COOKIE, .type = SX_TEXT },
    { 0 },
};

static const sx_field form[] = {
    { .name = "t", .in = SX_IN_FORM, .type = SX_TEXT, .required = 1, .doc = "A text" },
    { .name = "i", .in = SX_IN_FORM, .type = SX_INT },
    { 0 },
};

static const sx_response responses[] = {
    { .status = 200, .doc = "What was given", .schema = "{\"type\": \"object\"}" },
    { .status = 201 },
    { .status = 404, .doc = "No such thing" },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "GET", .path = "/config", .handler = tell_config, .operation_id = "same" },
    { .method = "GET",
      .path = "/values/id:{id}",
      .handler = tell_values,
      .operation_id = "same",
      .summary = "Values",
      .description = "All of them",
      .tag = "special",
      .params = values,
      .responses = responses },
    { .method = "POST", .path = "/values", .handler = tell_values, .params = form },
    { .method = "PUT",
      .path = "/values",
      .handler = tell_values,
      .body_schema = "{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"type\": \"array\"}}}" },
    { .method = "GET", .path = "/things/{a}", .handler = tell_values },
    { .method = "DELETE", .path = "/things/{b}", .handler = tell_values },
    { .method = "GET", .path = "/things/{a...}", .handler = tell_values },
    { .method = "PURGE", .path = "/things/{c}", .handler = tell_values },
    { .method = "GET", .path = "/openapi.json", .handler = tell_own },
    { 0 },
};

static const sx_option options[] = {
    { .name = "depth", .type = SX_INT, .fallback = "7" },
    { .name = "ratio", .type = SX_NUMBER },
    { .name = "eager", .type = SX_BOOL },
    { .name = "key_of_api", .type = SX_SECRET },
    { 0 },
};

SX_PLUGIN("declared", "1.0.0", .summary = "Declares everything", .routes = routes,
          .options = options);
