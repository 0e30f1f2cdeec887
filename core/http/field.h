/*
 * http/field.h - the syntax of header fields (RFC 9110, section 5).
 */
#ifndef SX_HTTP_FIELD_H
#define SX_HTTP_FIELD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/slice.h"

static inline bool sx_field_is_tchar(char c)
{
    /* One bit per ASCII byte: letters, digits and !#$%&'*+-.^_`|~ */
    static const uint64_t tchar[2] = { 0x03ff6cfa00000000, 0x57ffffffc7fffffe };
    unsigned char byte = (unsigned char)c;

    return byte < 0x80 && ((tchar[byte >> 6] >> (byte & 63)) & 1) != 0;
}

/* One or more tchar (section 5.6.2): field names, methods, list tokens. */
bool sx_field_is_token(struct sx_slice s);

static inline uint64_t sx_field_word(const char *data)
{
    uint64_t word;

    memcpy(&word, data, sizeof word);
    return word;
}

static inline uint32_t sx_field_half_word(const char *data)
{
    uint32_t word;

    memcpy(&word, data, sizeof word);
    return word;
}

/* Is a token the name in lower case, of at least four letters and '-', in any case?  In a token
 * the bit that lower case has makes such a byte of nothing but the same letter or '-'.  In line,
 * for names that the compiler knows. */
static inline bool sx_field_is_named(struct sx_slice token, const char *name)
{
    const uint64_t lower = 0x2020202020202020u;
    size_t len = strlen(name), last = len < 8 ? len - 4 : len - 8;
    uint64_t differs = 0;

    if (token.len != len)
        return false;
    if (len < 8)
        return (((sx_field_half_word(token.data) | (uint32_t)lower) ^ sx_field_half_word(name)) |
                ((sx_field_half_word(token.data + last) | (uint32_t)lower) ^
                 sx_field_half_word(name + last))) == 0;
    for (size_t at = 0; at < last; at += 8)
        differs |= (sx_field_word(token.data + at) | lower) ^ sx_field_word(name + at);
    return (differs | ((sx_field_word(token.data + last) | lower) ^ sx_field_word(name + last))) ==
           0;
}

/* No control byte but HTAB, no DEL; bytes above 127 are allowed.  Empty is a value. */
bool sx_field_is_value(struct sx_slice s);

/* The next element of a comma-separated list (section 5.6.1), trimmed; empty ones are skipped
 * and a comma inside a quoted string separates nothing.  A quoted string that does not end
 * reaches to the end of the list.  False when there is none left. */
bool sx_field_list_next(struct sx_slice *rest, struct sx_slice *ret_item);

/* Is the token an element, any case?  Parameters (";…") of elements are not looked at. */
bool sx_field_list_has(struct sx_slice list, const char *token);

/* The next parameter of "; name=value; name2=\"quoted\"" in *rest, which begins at a ';' or is
 * blank.  The value comes raw: without its quotes but with its backslashes when is_quoted.
 * 1 for a parameter, 0 at the end, SX_ERR_INVALID at anything else. */
struct sx_param {
    struct sx_slice name;
    struct sx_slice value;
    bool is_quoted;
};
int sx_field_param_next(struct sx_slice *rest, struct sx_param *ret_param);

/* Content-Length: digits only, below 2^63 (RFC 9112, section 6.3); a list, a sign, white space
 * inside or an empty text is SX_ERR_INVALID. */
int sx_field_parse_length(struct sx_slice value, uint64_t *ret_length);

/* A weight (section 12.4.2) in thousandths: "0.5" is 500.  SX_ERR_INVALID otherwise. */
int sx_field_parse_weight(struct sx_slice value, int *ret_weight);

#endif /* SX_HTTP_FIELD_H */
