/*
 * http/form.h - name and value pairs out of query strings and urlencoded bodies
 * (application/x-www-form-urlencoded, as the WHATWG URL standard parses it).
 *
 * Stateless; what it returns lives in the arena.
 */
#ifndef SX_HTTP_FORM_H
#define SX_HTTP_FORM_H

#include <stdint.h>

#include "base/arena.h"
#include "base/slice.h"

/* Both decoded and NUL-terminated, without a NUL inside. */
struct sx_pair {
    struct sx_slice name;
    struct sx_slice value;
};

struct sx_pairs {
    struct sx_pair *v; /* in the order of arrival */
    uint32_t n;
};

/* Empty pieces ("a=1&&b=2") are skipped, a piece without '=' has an empty value.
 * SX_ERR_INVALID at a bad escape or a NUL, SX_ERR_BUSY above max_pairs, SX_ERR_NOMEM. */
int sx_form_parse(struct sx_arena *a, struct sx_slice text, uint32_t max_pairs,
                  struct sx_pairs *ret_pairs);

/* The index-th pair of that name, counted from 0, or NULL. */
const struct sx_pair *sx_pairs_find(const struct sx_pairs *pairs, struct sx_slice name,
                                    uint32_t index);

#endif /* SX_HTTP_FORM_H */
