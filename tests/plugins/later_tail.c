/*
 * later_tail - its manifest has grown by a field that this host does not know, and uses it:
 * refused.  A plugin that leaves such a field empty is later_empty.
 */
#include <sx/plugin.h>

#ifndef TAIL
#define TAIL "something new"
#define NAME "later_tail"
#endif

static int answer(sx_req *r)
{
    return sx_reply_text(r, 200, NAME "\n");
}

static const sx_route routes[] = {
    { .method = "GET", .path = "/" NAME, .handler = answer },
    { 0 },
};

static const sx_note note SX_NOTE = {
    4,
    sizeof(sx_note) - offsetof(sx_note, magic),
    1,
    "SX",
    SX_ABI_MAGIC,
    SX_ABI_MAJOR,
    0,
    NAME,
    "1.0.0",
    SX_BUILD,
};

const sx_host *sx_host_;

struct later_manifest {
    sx_manifest known;
    const char *tail;
};

extern SX_EXPORT const struct later_manifest sx_plugin_manifest;
const struct later_manifest sx_plugin_manifest = {
    .known = {
        .manifest_size = sizeof(struct later_manifest),
        .route_size = sizeof(sx_route),
        .field_size = sizeof(sx_field),
        .response_size = sizeof(sx_response),
        .option_size = sizeof(sx_option),
        .hook_size = sizeof(sx_hook),
        .metric_size = sizeof(sx_metric),
        .migration_size = sizeof(sx_migration),
        .jansson_version = JANSSON_VERSION_HEX,
        .host = &sx_host_,
        .routes = routes,
    },
    .tail = TAIL,
};
