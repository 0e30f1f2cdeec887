#include "http/disposition.h"

#include "base/error.h"
#include "http/field.h"

/* The value of a parameter, its escapes undone. */
static int copy_value(struct sx_arena *a, const struct sx_param *param, struct sx_slice *ret_text)
{
    char *to = sx_arena_alloc(a, param->value.len + 1);
    size_t n = 0;

    if (to == NULL)
        return SX_ERR_NOMEM;
    for (size_t i = 0; i < param->value.len; i++) {
        const char *from = param->value.data + i;
        bool has_next = i + 1 < param->value.len;

        if (*from == '\\' && param->is_quoted && has_next && (from[1] == '"' || from[1] == '\\')) {
            from++;
            i++;
        }
        to[n++] = *from;
    }
    to[n] = '\0';
    *ret_text = sx_slice_make(to, n);
    return 0;
}

/* ISO-8859-1 to UTF-8. */
static int widen(struct sx_arena *a, struct sx_slice *text)
{
    char *to = sx_arena_alloc(a, text->len * 2 + 1);
    size_t n = 0;

    if (to == NULL)
        return SX_ERR_NOMEM;
    for (size_t i = 0; i < text->len; i++) {
        unsigned char c = (unsigned char)text->data[i];

        if (c < 0x80) {
            to[n++] = (char)c;
        } else {
            to[n++] = (char)(0xc0 | (c >> 6));
            to[n++] = (char)(0x80 | (c & 0x3f));
        }
    }
    to[n] = '\0';
    *text = sx_slice_make(to, n);
    return 0;
}

/* charset'language'percent-encoded */
static int decode_extended(struct sx_arena *a, struct sx_slice value, struct sx_slice *ret_text)
{
    struct sx_slice rest = value;
    struct sx_slice charset = sx_slice_cut(&rest, '\'');
    struct sx_slice text;
    char *to;
    ptrdiff_t len;

    (void)sx_slice_cut(&rest, '\''); /* the language tells us nothing */
    if (rest.data == NULL)
        return SX_ERR_INVALID;
    to = sx_arena_alloc(a, rest.len + 1);
    if (to == NULL)
        return SX_ERR_NOMEM;
    len = sx_percent_decode(to, rest.data, rest.len, false);
    if (len < 0)
        return SX_ERR_INVALID;
    to[len] = '\0';
    text = sx_slice_make(to, (size_t)len);
    if (sx_slice_is_nocase(charset, "iso-8859-1")) {
        if (widen(a, &text) < 0)
            return SX_ERR_NOMEM;
    } else if (!sx_slice_is_nocase(charset, "utf-8") || !sx_is_utf8(text.data, text.len)) {
        return SX_ERR_INVALID;
    }
    *ret_text = text;
    return sx_field_is_value(text) ? 0 : SX_ERR_INVALID;
}

/* What stands in the field, before it is known which file name wins. */
struct found {
    struct sx_slice name, file_name, extended;
};

static int take_param(struct sx_arena *a, const struct sx_param *param, struct found *f)
{
    struct sx_slice *to = NULL;

    if (sx_slice_is_nocase(param->name, "name"))
        to = &f->name;
    else if (sx_slice_is_nocase(param->name, "filename"))
        to = &f->file_name;
    else if (sx_slice_is_nocase(param->name, "filename*"))
        to = &f->extended;
    if (to == NULL)
        return 0;
    if (to->data != NULL)
        return SX_ERR_INVALID;
    return to == &f->extended ? decode_extended(a, param->value, to) : copy_value(a, param, to);
}

int sx_disposition_parse(struct sx_arena *a, struct sx_slice value,
                         struct sx_disposition *ret_disposition)
{
    struct sx_slice rest = value;
    struct sx_slice kind = sx_slice_trim(sx_slice_cut(&rest, ';'));
    struct found f = { .name = { NULL, 0 } };
    struct sx_param param;
    int err = 0;

    if (!sx_slice_is_nocase(kind, "form-data") || !sx_field_is_value(value))
        return SX_ERR_INVALID;
    while (err == 0) {
        int more = sx_field_param_next(&rest, &param);

        if (more <= 0) {
            err = more;
            break;
        }
        err = take_param(a, &param, &f);
    }
    if (err < 0)
        return err;
    if (f.name.data == NULL)
        return SX_ERR_INVALID;
    ret_disposition->name = f.name;
    ret_disposition->file_name = f.extended.data != NULL ? f.extended : f.file_name;
    return 0;
}
