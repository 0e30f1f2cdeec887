/*
 * http/conditions.h - preconditions (RFC 9110, section 13) and byte ranges (section 14) of a
 * representation with a strong entity tag and a modification time.  Pure.
 */
#ifndef SX_HTTP_CONDITIONS_H
#define SX_HTTP_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

/* The fields of a GET or HEAD request; absent slices for those it does not have. */
struct sx_file_conditions {
    struct sx_slice if_match;
    struct sx_slice if_none_match;
    struct sx_slice if_modified_since;
    struct sx_slice if_unmodified_since;
    struct sx_slice range; /* ignored with is_head */
    struct sx_slice if_range;
    bool is_head;
};

/* What they are held against. */
struct sx_validators {
    struct sx_slice etag; /* strong, with its quotes */
    int64_t modified_s;
    int64_t now_s;
};

/* 412, 304, or 200 for "go on", in the order of section 13.2.2. */
int sx_conditions_check(const struct sx_file_conditions *c, const struct sx_validators *v);

/* Does the Range field count, given If-Range and the method? */
bool sx_conditions_use_range(const struct sx_file_conditions *c, const struct sx_validators *v);

/* 206 with the part, 416, or 200 where the field is to be ignored: malformed, another unit, more
 * than one range. */
int sx_range_select(struct sx_slice range, uint64_t total, uint64_t *ret_offset,
                    uint64_t *ret_length);

#endif /* SX_HTTP_CONDITIONS_H */
