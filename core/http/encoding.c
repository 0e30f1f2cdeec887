#include "http/encoding.h"

#include <limits.h>
#include <stdlib.h>

#include <zlib.h>

#include "base/error.h"
#include "http/field.h"

#define STEP_BYTES  16384u
#define GZIP_LEVEL  5         /* about the size of 6 for two thirds of its time */
#define GZIP_WINDOW (15 + 16) /* 32 kB, and a gzip header instead of zlib's */
#define GZIP_MEMORY 8

struct sx_gzip {
    z_stream stream;
    bool is_ready;
};

/* The weight of "coding;q=0.5" in thousandths; 0 when it is malformed. */
static int weight_of(struct sx_slice params)
{
    struct sx_param param;
    int weight = 1000;

    while (params.len > 0) {
        int more = sx_field_param_next(&params, &param);

        if (more < 0)
            return 0;
        if (more == 0)
            break;
        if (sx_slice_is_nocase(param.name, "q") && sx_field_parse_weight(param.value, &weight) < 0)
            return 0;
    }
    return weight;
}

bool sx_encoding_accepts_gzip(struct sx_slice accept_encoding)
{
    int gzip = -1, star = -1, identity = -1; /* -1: not named */
    struct sx_slice item;

    while (sx_field_list_next(&accept_encoding, &item)) {
        struct sx_slice params = item;
        struct sx_slice coding = sx_slice_trim(sx_slice_cut(&params, ';'));
        int weight = weight_of(params);

        if (sx_slice_is_nocase(coding, "gzip") || sx_slice_is_nocase(coding, "x-gzip"))
            gzip = weight;
        else if (sx_slice_is(coding, "*"))
            star = weight;
        else if (sx_slice_is_nocase(coding, "identity"))
            identity = weight;
    }
    if (gzip < 0)
        gzip = star;
    return gzip > 0 && gzip >= identity;
}

bool sx_encoding_is_compressible(struct sx_slice content_type)
{
    static const char *const types[] = {
        "application/json",
        "application/javascript",
        "application/xml",
        "application/wasm",
        "application/manifest+json",
        "application/problem+json",
        "application/xhtml+xml",
        "application/rss+xml",
        "application/atom+xml",
        "application/x-ndjson",
        "image/svg+xml",
        "application/ld+json",
        "application/vnd.api+json",
        "image/x-icon",
        NULL,
    };
    struct sx_slice type = sx_slice_trim(sx_slice_cut(&content_type, ';'));

    if (type.len > 5 && sx_text_equals_nocase(type.data, "text/", 5))
        return !sx_slice_is_nocase(type, "text/event-stream");
    for (size_t i = 0; types[i] != NULL; i++)
        if (sx_slice_is_nocase(type, types[i]))
            return true;
    return false;
}

int sx_gzip_create(struct sx_gzip **ret_gzip)
{
    struct sx_gzip *z = calloc(1, sizeof *z);

    if (z == NULL)
        return SX_ERR_NOMEM;
    *ret_gzip = z;
    return 0;
}

void sx_gzip_destroy(struct sx_gzip *z)
{
    if (z == NULL)
        return;
    if (z->is_ready)
        (void)deflateEnd(&z->stream);
    free(z);
}

static int prepare(struct sx_gzip *z)
{
    if (!z->is_ready && deflateInit2(&z->stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
                                     Z_DEFAULT_STRATEGY) != Z_OK)
        return SX_ERR_NOMEM;
    z->is_ready = true;
    return 0;
}

/* Room for a step, or for the little that is left under the ceiling. */
static size_t room_in(struct sx_buf *to)
{
    size_t left = to->max_bytes - to->len;
    size_t step = left < STEP_BYTES ? left : STEP_BYTES;

    return step > 0 && sx_buf_reserve(to, step) != NULL ? step : 0;
}

static int pack_steps(z_stream *s, struct sx_buf *to)
{
    int state = Z_OK;

    while (state != Z_STREAM_END) {
        size_t room = room_in(to);

        if (room == 0)
            return to->len >= to->max_bytes ? SX_ERR_BUSY : SX_ERR_NOMEM;
        s->next_out = (unsigned char *)to->data + to->len;
        s->avail_out = (unsigned)room;
        state = deflate(s, Z_FINISH);
        sx_buf_commit(to, room - s->avail_out);
        if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
            return SX_ERR_INVALID;
    }
    return 0;
}

int sx_gzip_pack(struct sx_gzip *z, const void *data, size_t len, struct sx_buf *to)
{
    size_t before = to->len;
    int err = prepare(z);

    if (err < 0)
        return err;
    if (sx_buf_failed(to) || len > UINT_MAX)
        return SX_ERR_BUSY;
    z->stream.next_in = (unsigned char *)(uintptr_t)data;
    z->stream.avail_in = (unsigned)len;
    err = pack_steps(&z->stream, to);
    (void)deflateReset(&z->stream);
    if (err < 0)
        to->len = before;
    return err;
}
