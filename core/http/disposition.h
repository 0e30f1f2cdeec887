/*
 * http/disposition.h - Content-Disposition of a form's part (RFC 7578, section 4.2; RFC 6266;
 * RFC 8187 for filename*).
 */
#ifndef SX_HTTP_DISPOSITION_H
#define SX_HTTP_DISPOSITION_H

#include "base/arena.h"
#include "base/slice.h"

/* In the arena, NUL-terminated, without control bytes. */
struct sx_disposition {
    struct sx_slice name;
    struct sx_slice file_name; /* absent when it is a plain field; filename* wins */
};

/* SX_ERR_INVALID unless it is form-data with exactly one name and at most one of each file
 * name.  In quoted strings \" and \\ are escapes and other backslashes are themselves, as
 * clients send paths.  filename* may be UTF-8 or ISO-8859-1.  SX_ERR_NOMEM. */
int sx_disposition_parse(struct sx_arena *a, struct sx_slice value,
                         struct sx_disposition *ret_disposition);

#endif /* SX_HTTP_DISPOSITION_H */
