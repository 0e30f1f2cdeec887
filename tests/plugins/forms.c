/*
 * forms - takes uploads, and tells whether a file came in memory or through the spool.
 */
#include <sx/json.h>

#include <stdio.h>

static const char *spooled(const sx_upload *file)
{
    return file->path == NULL ? "memory" : "file";
}

static int describe(sx_req *r)
{
    sx_json_writer w = sx_json_begin(r);
    sx_upload file;

    if (sx_form_file(r, "file", &file) < 0)
        return sx_fail(r, 400, "no_file", "file: expected an upload");
    sx_json_object(&w);
    sx_json_text(sx_json_key(&w, "name"), file.file_name);
    sx_json_text(sx_json_key(&w, "type"), file.type);
    sx_json_int(sx_json_key(&w, "size"), (int64_t)file.size);
    sx_json_text(sx_json_key(&w, "where"), spooled(&file));
    sx_json_text(sx_json_key(&w, "note"), sx_form_text(r, "note", 0));
    sx_json_end(&w);
    return sx_json_reply(&w, 200);
}

static int reply_spool_file(sx_req *r, const sx_upload *file)
{
    FILE *spool = fopen(file->path, "rb");
    char *data = sx_req_alloc(r, (size_t)file->size + 1);
    size_t len = 0;

    if (spool == NULL)
        return SX_EINVAL;
    if (data != NULL)
        len = fread(data, 1, (size_t)file->size + 1, spool);
    (void)fclose(spool);
    return data == NULL ? SX_ENOMEM : sx_reply(r, 200, "application/octet-stream", data, len);
}

/* The bytes of the file, wherever they are. */
static int send_back(sx_req *r)
{
    sx_upload file;

    if (sx_form_file(r, "file", &file) < 0)
        return sx_fail(r, 400, "no_file", "file: expected an upload");
    if (file.path != NULL)
        return reply_spool_file(r, &file);
    return sx_reply(r, 200, "application/octet-stream", file.data.data, file.data.len);
}

static const sx_field params[] = {
    { .name = "file", .in = SX_IN_FORM, .type = SX_TEXT, .required = 1, .doc = "An upload" },
    { .name = "note", .in = SX_IN_FORM, .type = SX_TEXT, .doc = "Comes back" },
    { 0 },
};

static const sx_route routes[] = {
    { .method = "POST", .path = "/forms/describe", .handler = describe, .params = params },
    { .method = "POST", .path = "/forms/file", .handler = send_back, .params = params },
    { 0 },
};

SX_PLUGIN("forms", "1.0.0", .routes = routes);
