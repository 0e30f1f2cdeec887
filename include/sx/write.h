/*
 * sx/write.h - a body written piece by piece, straight into the response.
 *
 *     sx_writer w = sx_write_begin(r);
 *
 *     sx_write_text(&w, "<h1>");
 *     sx_write_html(&w, title);
 *     sx_write_text(&w, "</h1>");
 *     return sx_write_reply(&w, 200, "text/html; charset=utf-8");
 *
 * Nothing is allocated and nothing is checked in between: the first failure sticks,
 * later calls do nothing, and sx_write_reply returns it, upon which the host drops
 * what was written and answers 500.  A writer lives on the stack of one handler or
 * callback; its request is borrowed.  Until the reply, nothing else may reply or write.
 * [any]
 */
#ifndef SX_WRITE_H
#define SX_WRITE_H

#include <sx/plugin.h>

#define SX_WRITE_CHUNK 512 /* room is asked for in pieces of at least this size */

/* Its members are for this file and <sx/json.h>. */
typedef struct sx_writer {
    sx_req *r;
    char *room; /* from the host; the first len of cap bytes are written */
    size_t len;
    size_t cap;
    int32_t err; /* the first failure, or 0 */
} sx_writer;

static inline sx_writer sx_write_begin(sx_req *r)
{
    return (sx_writer){ .r = r };
}

/* Remembers the first failure and takes away the room, so that nothing is written. */
static inline void sx_write_fail(sx_writer *w, int err)
{
    if (w->err == SX_OK)
        w->err = err;
    w->room = NULL;
    w->len = w->cap = 0;
}

/* Hands to the host what is written so far. */
static inline void sx_write_flush(sx_writer *w)
{
    if (w->len > 0)
        sx_host_->body_commit(w->r, w->len);
    w->room = NULL;
    w->len = w->cap = 0;
}

static inline bool sx_write_grow(sx_writer *w, size_t n)
{
    size_t cap = n < SX_WRITE_CHUNK ? SX_WRITE_CHUNK : n;
    char *room;

    if (w->err < 0)
        return false;
    sx_write_flush(w);
    room = sx_host_->body_reserve(w->r, cap);
    if (room == NULL && cap > n) /* the last bytes below the limit */
        room = sx_host_->body_reserve(w->r, cap = n);
    if (room == NULL) {
        sx_write_fail(w, SX_ENOMEM);
        return false;
    }
    w->room = room;
    w->cap = cap;
    return true;
}

/* Room for n > 0 bytes, or NULL.  Add to len what was used of it. */
static inline char *sx_write_room(sx_writer *w, size_t n)
{
    if (w->cap - w->len < n && !sx_write_grow(w, n))
        return NULL;
    return w->room + w->len;
}

static inline void sx_write(sx_writer *w, const void *data, size_t len)
{
    char *to = len > 0 ? sx_write_room(w, len) : NULL;

    if (to == NULL)
        return;
    memcpy(to, data, len);
    w->len += len;
}

static inline void sx_write_text(sx_writer *w, const char *text)
{
    sx_write(w, text, strlen(text));
}

static inline void sx_write_char(sx_writer *w, char c)
{
    char *to = sx_write_room(w, 1);

    if (to == NULL)
        return;
    *to = c;
    w->len++;
}

/* The decimal digits of value, at the end of to; returns where they begin. */
static inline char *sx_write_digits(char to[20], uint64_t value)
{
    char *at = to + 20;

    do {
        *--at = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    return at;
}

static inline void sx_write_int(sx_writer *w, int64_t value)
{
    char digits[20];
    char *at = sx_write_digits(digits, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);

    if (value < 0)
        sx_write_char(w, '-');
    sx_write(w, at, (size_t)(digits + 20 - at));
}

/* How a character must be written in text and in quoted attributes, or NULL. */
static inline const char *sx_write_entity(char c)
{
    switch (c) {
    case '&': return "&amp;";
    case '<': return "&lt;";
    case '>': return "&gt;";
    case '"': return "&quot;";
    case '\'': return "&#39;";
    default: return NULL;
    }
}

/* Text for an element or a quoted attribute of HTML, escaped; NULL writes nothing. */
static inline void sx_write_html(sx_writer *w, const char *text)
{
    const char *from = text;

    for (const char *at = text; text != NULL && *at != '\0'; at++) {
        const char *entity = sx_write_entity(*at);

        if (entity == NULL)
            continue;
        sx_write(w, from, (size_t)(at - from));
        sx_write_text(w, entity);
        from = at + 1;
    }
    if (text != NULL)
        sx_write_text(w, from);
}

/* Sends what was written; its first failure, if there was one.  Return this. */
static inline SX_MUST_USE int sx_write_reply(sx_writer *w, int status, const char *type)
{
    if (w->err < 0)
        return w->err;
    sx_write_flush(w);
    return sx_host_->reply_body(w->r, status, type);
}

#endif /* SX_WRITE_H */
