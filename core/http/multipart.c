#include "http/multipart.h"

#include "base/error.h"
#include "http/disposition.h"
#include "http/field.h"
#include "http/spool.h"

#define MAX_BOUNDARY 70u
#define MEMORY_PARTS 8u

enum state {
    IN_PREAMBLE,
    AFTER_DELIMITER, /* padding, a line end, or the first '-' of the close */
    IN_PADDING,
    AT_LINE_FEED,
    AT_SECOND_DASH,
    IN_HEADER,
    IN_DATA,
    IN_EPILOGUE
};

struct node {
    struct sx_part part;
    struct sx_spool spool;
    struct node *next;
    bool has_disposition;
};

struct sx_multipart {
    struct sx_arena *arena; /* borrowed */
    struct sx_multipart_limits limits;
    enum state state;
    int err;            /* sticky */
    struct node *first; /* finished and current, in the order of arrival */
    struct node *last;
    struct node *done; /* the last finished one */
    uint32_t n_parts;
    uint64_t upload_bytes;
    uint64_t memory_bytes;  /* of finished parts that stayed in memory       */
    struct sx_buf line;     /* a part's header line as far as it came        */
    uint32_t header_bytes;  /* of the current part, its finished lines       */
    uint32_t delimiter_len; /* of "\r\n--" and the boundary                  */
    uint32_t matched;       /* of it, at the end of what came                */
    uint32_t assumed;       /* of that, not in the data: see begin_search    */
    char delimiter[4 + MAX_BOUNDARY];
};

/* bchars of RFC 2046, section 5.1.1. */
static bool is_boundary(struct sx_slice s)
{
    if (s.len == 0 || s.len > MAX_BOUNDARY || s.data[s.len - 1] == ' ')
        return false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i], lower = (char)(c | 0x20);

        if (!(c >= '0' && c <= '9') && !(lower >= 'a' && lower <= 'z') &&
            (c == '\0' || strchr("'()+_,-./:=? ", c) == NULL))
            return false;
    }
    return true;
}

static struct sx_slice media_type(struct sx_slice *content_type)
{
    return sx_slice_trim(sx_slice_cut(content_type, ';'));
}

bool sx_multipart_is(struct sx_slice content_type)
{
    return sx_slice_is_nocase(media_type(&content_type), "multipart/form-data");
}

static int find_boundary(struct sx_slice content_type, struct sx_slice *ret_boundary)
{
    struct sx_slice boundary = { NULL, 0 };
    struct sx_param param;
    int more;

    if (!sx_slice_is_nocase(media_type(&content_type), "multipart/form-data"))
        return SX_ERR_INVALID;
    while ((more = sx_field_param_next(&content_type, &param)) > 0) {
        if (!sx_slice_is_nocase(param.name, "boundary"))
            continue;
        if (boundary.data != NULL)
            return SX_ERR_INVALID;
        boundary = param.value;
    }
    if (more < 0 || !is_boundary(boundary))
        return SX_ERR_INVALID;
    *ret_boundary = boundary;
    return 0;
}

/* The line end before a delimiter belongs to it.  The one before the very first delimiter may
 * be missing, and that of an empty part is the one of its empty header line: then it is assumed
 * to have been seen. */
static void begin_search(struct sx_multipart *mp, enum state state)
{
    mp->state = state;
    mp->matched = mp->assumed = 2;
}

int sx_multipart_create(struct sx_arena *a, struct sx_slice content_type,
                        const struct sx_multipart_limits *limits, struct sx_multipart **ret_mp)
{
    struct sx_multipart *mp;
    struct sx_slice boundary;

    if (find_boundary(content_type, &boundary) < 0)
        return SX_ERR_INVALID;
    mp = sx_arena_zalloc(a, sizeof *mp);
    if (mp == NULL)
        return SX_ERR_NOMEM;
    mp->arena = a;
    mp->limits = *limits;
    memcpy(mp->delimiter, "\r\n--", 4);
    memcpy(mp->delimiter + 4, boundary.data, boundary.len);
    mp->delimiter_len = (uint32_t)boundary.len + 4;
    sx_buf_init(&mp->line, limits->max_header_bytes);
    begin_search(mp, IN_PREAMBLE);
    *ret_mp = mp;
    return 0;
}

void sx_multipart_destroy(struct sx_multipart *mp)
{
    if (mp == NULL)
        return;
    for (struct node *n = mp->first; n != NULL; n = n->next)
        sx_spool_finish(&n->spool);
    mp->first = mp->last = mp->done = NULL;
    sx_buf_finish(&mp->line);
}

/* --- Parts ------------------------------------------------------------------ */

static int begin_part(struct sx_multipart *mp)
{
    struct node *n;

    if (mp->n_parts >= mp->limits.max_parts)
        return SX_ERR_BUSY;
    n = sx_arena_zalloc(mp->arena, sizeof *n);
    if (n == NULL)
        return SX_ERR_NOMEM;
    sx_spool_init(&n->spool);
    n->spool.room = mp->limits.room;
    if (mp->last != NULL)
        mp->last->next = n;
    else
        mp->first = n;
    mp->last = n;
    mp->n_parts++;
    mp->header_bytes = 0;
    mp->state = IN_HEADER;
    return 0;
}

static int end_part(struct sx_multipart *mp)
{
    struct node *n = mp->last;
    int err = sx_spool_end(&n->spool);

    if (err < 0)
        return err;
    n->part.size = n->spool.size;
    n->part.path = n->spool.path;
    n->part.data = sx_slice_make(sx_buf_text(&n->spool.memory), n->spool.memory.len);
    if (n->spool.path == NULL)
        mp->memory_bytes += n->spool.size;
    if (mp->done != NULL)
        mp->done->part.next = &n->part;
    mp->done = n;
    return 0;
}

/* How much of the current part may stay in memory. */
static uint32_t memory_allowed(const struct sx_multipart *mp)
{
    uint64_t all = (uint64_t)mp->limits.spool_bytes * MEMORY_PARTS;
    uint64_t left = mp->memory_bytes < all ? all - mp->memory_bytes : 0;

    return left < mp->limits.spool_bytes ? (uint32_t)left : mp->limits.spool_bytes;
}

/* Bytes that are no delimiter: content, or what surrounds the parts. */
static int take_content(struct sx_multipart *mp, const char *data, size_t len)
{
    if (len == 0)
        return 0;
    if (len > mp->limits.upload_bytes - mp->upload_bytes)
        return SX_ERR_BUSY;
    mp->upload_bytes += len;
    if (mp->state != IN_DATA)
        return 0;
    return sx_spool_write(&mp->last->spool, mp->arena, mp->limits.spool_dir, memory_allowed(mp),
                          data, len);
}

/* --- A part's header lines -------------------------------------------------- */

static int take_type(struct sx_multipart *mp, struct sx_slice value)
{
    struct sx_part *part = &mp->last->part;

    if (part->type.data != NULL)
        return SX_ERR_INVALID;
    part->type.data = sx_arena_text(mp->arena, value.len == 0 ? "" : value.data, value.len);
    part->type.len = value.len;
    return part->type.data == NULL ? SX_ERR_NOMEM : 0;
}

static int take_disposition(struct sx_multipart *mp, struct sx_slice value)
{
    struct sx_disposition d;
    int err;

    if (mp->last->has_disposition)
        return SX_ERR_INVALID;
    err = sx_disposition_parse(mp->arena, value, &d);
    if (err < 0)
        return err;
    mp->last->has_disposition = true;
    mp->last->part.name = d.name;
    mp->last->part.file_name = d.file_name;
    return 0;
}

static int take_field(struct sx_multipart *mp, struct sx_slice line)
{
    struct sx_slice value = line;
    struct sx_slice name = sx_slice_cut(&value, ':');

    if (value.data == NULL || !sx_field_is_token(name) || !sx_field_is_value(value))
        return SX_ERR_INVALID;
    value = sx_slice_trim(value);
    if (sx_slice_is_nocase(name, "Content-Disposition"))
        return take_disposition(mp, value);
    if (sx_slice_is_nocase(name, "Content-Type"))
        return take_type(mp, value);
    return 0;
}

/* A whole line with its end stands in the buffer. */
static int take_line(struct sx_multipart *mp)
{
    struct sx_slice line = sx_slice_make(mp->line.data, mp->line.len);

    if (line.len < 2 || line.data[line.len - 2] != '\r')
        return SX_ERR_INVALID;
    line.len -= 2;
    if (line.len > 0)
        return take_field(mp, line);
    if (!mp->last->has_disposition)
        return SX_ERR_INVALID;
    begin_search(mp, IN_DATA);
    return 0;
}

static int take_header(struct sx_multipart *mp, const char *data, size_t len, size_t *used)
{
    const char *end = memchr(data, '\n', len);
    size_t n = end == NULL ? len : (size_t)(end - data) + 1;
    int err;

    if (n > mp->limits.max_header_bytes - mp->header_bytes)
        return SX_ERR_BUSY;
    sx_buf_add(&mp->line, data, n);
    if (sx_buf_failed(&mp->line))
        return SX_ERR_NOMEM;
    mp->header_bytes += (uint32_t)n;
    *used = n;
    if (end == NULL)
        return 0;
    err = take_line(mp);
    sx_buf_reset(&mp->line, 1024);
    return err;
}

/* --- Delimiters ------------------------------------------------------------- */

static size_t common_len(const char *a, const char *b, size_t max)
{
    size_t n = 0;

    while (n < max && a[n] == b[n])
        n++;
    return n;
}

static int found_delimiter(struct sx_multipart *mp)
{
    int err = mp->state == IN_DATA ? end_part(mp) : 0;

    mp->matched = mp->assumed = 0;
    mp->state = AFTER_DELIMITER;
    return err;
}

/* Goes on with a delimiter that an earlier piece has begun; *used is how far it led. */
static int resume_match(struct sx_multipart *mp, const char *data, size_t len, size_t *used)
{
    size_t left = mp->delimiter_len - mp->matched;
    size_t n = common_len(mp->delimiter + mp->matched, data, len < left ? len : left);
    uint32_t assumed = mp->assumed;
    uint32_t matched = mp->matched + (uint32_t)n;

    *used = n;
    mp->matched = matched;
    if (n == left)
        return found_delimiter(mp);
    if (n == len)
        return 0;
    mp->matched = mp->assumed = 0;
    return take_content(mp, mp->delimiter + assumed, matched - assumed);
}

/* Content up to the next delimiter, or to the beginning of what may become one.  A carriage
 * return stands only at the delimiter's start, so after a mismatch nothing is looked at
 * twice. */
static int search(struct sx_multipart *mp, const char *data, size_t len, size_t *used)
{
    size_t at = 0, n;
    const char *cr;
    int err;

    while ((cr = memchr(data + at, '\r', len - at)) != NULL) {
        size_t left = len - (size_t)(cr - data);

        at = (size_t)(cr - data);
        n = common_len(mp->delimiter, cr, left < mp->delimiter_len ? left : mp->delimiter_len);
        if (n == mp->delimiter_len || n == left) {
            *used = at + n;
            err = take_content(mp, data, at);
            mp->matched = (uint32_t)n;
            return err < 0 || n < mp->delimiter_len ? err : found_delimiter(mp);
        }
        at += n;
    }
    *used = len;
    return take_content(mp, data, len);
}

/* One byte between a delimiter and the line's end, or the close. */
static int take_tail(struct sx_multipart *mp, char c)
{
    switch (mp->state) {
    case AFTER_DELIMITER:
        if (c == '-') {
            mp->state = AT_SECOND_DASH;
            return 0;
        }
        mp->state = IN_PADDING;
        return take_tail(mp, c);
    case IN_PADDING:
        if (c == '\r')
            mp->state = AT_LINE_FEED;
        else if (!sx_slice_is_blank_char(c))
            return SX_ERR_INVALID;
        return 0;
    case AT_LINE_FEED: return c == '\n' ? begin_part(mp) : SX_ERR_INVALID;
    default: mp->state = IN_EPILOGUE; return c == '-' ? 0 : SX_ERR_INVALID;
    }
}

/* --- Feeding ---------------------------------------------------------------- */

/* *used says how many bytes it took: none only when a delimiter turned out not to be one. */
static int take_some(struct sx_multipart *mp, const char *data, size_t len, size_t *used)
{
    switch (mp->state) {
    case IN_PREAMBLE:
    case IN_DATA:
        return mp->matched > 0 ? resume_match(mp, data, len, used) : search(mp, data, len, used);
    case IN_HEADER: return take_header(mp, data, len, used);
    case IN_EPILOGUE: *used = len; return take_content(mp, data, len);
    default: *used = 1; return take_tail(mp, *data);
    }
}

int sx_multipart_feed(struct sx_multipart *mp, const char *data, size_t len)
{
    while (len > 0 && mp->err == 0) {
        size_t used = 0;

        mp->err = take_some(mp, data, len, &used);
        data += used;
        len -= used;
    }
    return mp->err;
}

int sx_multipart_finish(struct sx_multipart *mp)
{
    if (mp->err == 0 && mp->state != IN_EPILOGUE)
        mp->err = SX_ERR_INVALID;
    return mp->err;
}

uint64_t sx_multipart_memory(const struct sx_multipart *mp)
{
    return mp->memory_bytes + (mp->last == mp->done ? 0 : mp->last->spool.memory.cap) +
           mp->n_parts * sizeof *mp->last + mp->line.cap;
}

const struct sx_part *sx_multipart_parts(const struct sx_multipart *mp)
{
    return mp->done == NULL ? NULL : &mp->first->part;
}

const struct sx_part *sx_multipart_find(const struct sx_multipart *mp, struct sx_slice name,
                                        bool is_file, uint32_t index)
{
    for (const struct sx_part *p = sx_multipart_parts(mp); p != NULL; p = p->next)
        if ((p->file_name.data != NULL) == is_file && sx_slice_equals(p->name, name) &&
            index-- == 0)
            return p;
    return NULL;
}
