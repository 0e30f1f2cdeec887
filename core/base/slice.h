/*
 * base/slice.h - a piece of text that belongs to somebody else.
 *
 * Not NUL-terminated unless its giver says so.  data NULL means "absent", which is not the
 * same as empty: both have len 0.
 */
#ifndef SX_BASE_SLICE_H
#define SX_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/text.h"

struct sx_slice {
    const char *data; /* borrowed */
    size_t len;
};

static inline struct sx_slice sx_slice_make(const char *data, size_t len)
{
    struct sx_slice s = { data, len };

    return s;
}

/* Of a NUL-terminated text; NULL becomes the absent slice. */
static inline struct sx_slice sx_slice_of(const char *text)
{
    return sx_slice_make(text, text == NULL ? 0 : strlen(text));
}

static inline bool sx_slice_equals(struct sx_slice a, struct sx_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool sx_slice_equals_nocase(struct sx_slice a, struct sx_slice b)
{
    return a.len == b.len && (a.len == 0 || sx_text_equals_nocase(a.data, b.data, a.len));
}

static inline bool sx_slice_is(struct sx_slice s, const char *text)
{
    return sx_slice_equals(s, sx_slice_of(text));
}

static inline bool sx_slice_is_nocase(struct sx_slice s, const char *text)
{
    return sx_slice_equals_nocase(s, sx_slice_of(text));
}

/* Without its first n bytes; n is at most its length. */
static inline struct sx_slice sx_slice_after(struct sx_slice s, size_t n)
{
    return sx_slice_make(s.data == NULL ? NULL : s.data + n, s.len - n);
}

static inline bool sx_slice_is_blank_char(char c)
{
    return c == ' ' || c == '\t';
}

/* Without the spaces and tabs at both ends (OWS of RFC 9110, section 5.6.3). */
static inline struct sx_slice sx_slice_trim(struct sx_slice s)
{
    while (s.len > 0 && sx_slice_is_blank_char(s.data[0]))
        s = sx_slice_after(s, 1);
    while (s.len > 0 && sx_slice_is_blank_char(s.data[s.len - 1]))
        s.len--;
    return s;
}

/* Cuts s at the first c: what is before it is returned, what is behind it left in *s (absent
 * when there was no c). */
static inline struct sx_slice sx_slice_cut(struct sx_slice *s, char c)
{
    const char *at = s->len == 0 ? NULL : (const char *)memchr(s->data, c, s->len);
    struct sx_slice head = *s;

    if (at == NULL) {
        *s = sx_slice_make(NULL, 0);
        return head;
    }
    head.len = (size_t)(at - s->data);
    *s = sx_slice_after(*s, head.len + 1);
    return head;
}

#endif /* SX_BASE_SLICE_H */
