#include "http/media.h"

static const struct {
    const char *extension, *type;
} types[] = {
    { "html", "text/html; charset=utf-8" },
    { "htm", "text/html; charset=utf-8" },
    { "css", "text/css; charset=utf-8" },
    { "js", "text/javascript; charset=utf-8" },
    { "mjs", "text/javascript; charset=utf-8" },
    { "json", "application/json" },
    { "map", "application/json" },
    { "webmanifest", "application/manifest+json" },
    { "txt", "text/plain; charset=utf-8" },
    { "md", "text/markdown; charset=utf-8" },
    { "csv", "text/csv; charset=utf-8" },
    { "xml", "application/xml; charset=utf-8" },
    { "svg", "image/svg+xml; charset=utf-8" },
    { "png", "image/png" },
    { "jpg", "image/jpeg" },
    { "jpeg", "image/jpeg" },
    { "gif", "image/gif" },
    { "webp", "image/webp" },
    { "avif", "image/avif" },
    { "ico", "image/x-icon" },
    { "woff", "font/woff" },
    { "woff2", "font/woff2" },
    { "wasm", "application/wasm" },
    { "pdf", "application/pdf" },
    { "mp4", "video/mp4" },
    { "webm", "video/webm" },
};

/* What is behind the last dot of the last segment; absent without one. */
static struct sx_slice extension_of(struct sx_slice path)
{
    for (size_t i = path.len; i-- > 0;) {
        if (path.data[i] == '/')
            break;
        if (path.data[i] == '.')
            return sx_slice_after(path, i + 1);
    }
    return sx_slice_make(NULL, 0);
}

const char *sx_media_type(struct sx_slice path)
{
    struct sx_slice extension = extension_of(path);

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (sx_slice_is_nocase(extension, types[i].extension))
            return types[i].type;
    return "application/octet-stream";
}
