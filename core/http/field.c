#include "http/field.h"

#include "base/error.h"

bool sx_field_is_token(struct sx_slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if (!sx_field_is_tchar(s.data[i]))
            return false;
    return s.len > 0;
}

static bool is_value_byte(unsigned char c)
{
    return (c >= 0x20 || c == '\t') && c != 0x7f;
}

/* Is there a byte below 0x20, or 0x7f, in the word?  May say yes of others, never no of one. */
static bool may_have_control(uint64_t word)
{
    const uint64_t ones = UINT64_MAX / 255, high = ones << 7;
    uint64_t below = word - ones * 0x20, del = (word ^ ones * 0x7f) - ones;

    return ((below & ~word) | (del & ~(word ^ ones * 0x7f))) & high;
}

bool sx_field_is_value(struct sx_slice s)
{
    size_t i = 0;

    while (i < s.len) {
        uint64_t word;

        if (s.len - i >= sizeof word) {
            memcpy(&word, s.data + i, sizeof word);
            if (!may_have_control(word)) {
                i += sizeof word;
                continue;
            }
        }
        if (!is_value_byte((unsigned char)s.data[i++]))
            return false;
    }
    return true;
}

/* The length of the quoted string at the start of s, quotes included; s.len + 1 when it does
 * not end. */
static size_t quoted_len(struct sx_slice s)
{
    for (size_t i = 1; i < s.len; i++) {
        if (s.data[i] == '"')
            return i + 1;
        if (s.data[i] == '\\')
            i++;
    }
    return s.len + 1;
}

/* The length of s up to the first comma outside of a quoted string. */
static size_t element_len(struct sx_slice s)
{
    size_t i = 0;

    while (i < s.len && s.data[i] != ',') {
        if (s.data[i] == '"')
            i += quoted_len(sx_slice_after(s, i));
        else
            i++;
    }
    return i < s.len ? i : s.len;
}

bool sx_field_list_next(struct sx_slice *rest, struct sx_slice *ret_item)
{
    while (rest->len > 0) {
        size_t len = element_len(*rest);
        struct sx_slice item = sx_slice_trim(sx_slice_make(rest->data, len));

        *rest = sx_slice_after(*rest, len < rest->len ? len + 1 : len);
        if (item.len > 0) {
            *ret_item = item;
            return true;
        }
    }
    return false;
}

bool sx_field_list_has(struct sx_slice list, const char *token)
{
    struct sx_slice item;

    while (sx_field_list_next(&list, &item))
        if (sx_slice_is_nocase(sx_slice_trim(sx_slice_cut(&item, ';')), token))
            return true;
    return false;
}

static size_t token_len(struct sx_slice s)
{
    size_t n = 0;

    while (n < s.len && sx_field_is_tchar(s.data[n]))
        n++;
    return n;
}

/* Takes the value behind '=' off *s. */
static int take_value(struct sx_slice *s, struct sx_param *param)
{
    size_t len;

    param->is_quoted = s->len > 0 && s->data[0] == '"';
    len = param->is_quoted ? quoted_len(*s) : token_len(*s);
    if (len == 0 || len > s->len)
        return SX_ERR_INVALID;
    param->value = sx_slice_make(s->data, len);
    if (param->is_quoted)
        param->value = sx_slice_make(s->data + 1, len - 2);
    *s = sx_slice_after(*s, len);
    return 0;
}

int sx_field_param_next(struct sx_slice *rest, struct sx_param *ret_param)
{
    struct sx_slice s = sx_slice_trim(*rest);
    struct sx_param param;
    size_t len;

    while (s.len > 0 && s.data[0] == ';')
        s = sx_slice_trim(sx_slice_after(s, 1));
    if (s.len == 0) {
        *rest = s;
        return 0;
    }
    len = token_len(s);
    if (len == 0 || len == s.len || s.data[len] != '=')
        return SX_ERR_INVALID;
    param.name = sx_slice_make(s.data, len);
    s = sx_slice_after(s, len + 1);
    if (take_value(&s, &param) < 0)
        return SX_ERR_INVALID;
    s = sx_slice_trim(s);
    if (s.len > 0 && s.data[0] != ';')
        return SX_ERR_INVALID;
    *rest = s;
    *ret_param = param;
    return 1;
}

int sx_field_parse_length(struct sx_slice value, uint64_t *ret_length)
{
    uint64_t length = 0;

    if (value.len == 0)
        return SX_ERR_INVALID;
    for (size_t i = 0; i < value.len; i++) {
        unsigned digit = (unsigned)(unsigned char)value.data[i] - '0';

        if (digit > 9 || length > ((uint64_t)INT64_MAX - digit) / 10)
            return SX_ERR_INVALID;
        length = length * 10 + digit;
    }
    *ret_length = length;
    return 0;
}

int sx_field_parse_weight(struct sx_slice value, int *ret_weight)
{
    int weight, scale = 100;

    if (value.len < 1 || value.len > 5 || (value.data[0] != '0' && value.data[0] != '1'))
        return SX_ERR_INVALID;
    if (value.len > 1 && value.data[1] != '.')
        return SX_ERR_INVALID;
    weight = (value.data[0] - '0') * 1000;
    for (size_t i = 2; i < value.len; i++, scale /= 10) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return SX_ERR_INVALID;
        weight += (value.data[i] - '0') * scale;
    }
    if (weight > 1000)
        return SX_ERR_INVALID;
    *ret_weight = weight;
    return 0;
}
