#include "http/form.h"

#include "base/error.h"

/* How many pieces are not empty. */
static size_t count_pieces(struct sx_slice text)
{
    size_t n = 0;

    while (text.len > 0)
        n += sx_slice_cut(&text, '&').len > 0;
    return n;
}

static int decode(struct sx_arena *a, struct sx_slice raw, struct sx_slice *ret_text)
{
    char *to = sx_arena_alloc(a, raw.len + 1);
    ptrdiff_t len = 0;

    if (to == NULL)
        return SX_ERR_NOMEM;
    if (raw.len > 0)
        len = sx_percent_decode(to, raw.data, raw.len, true);
    if (len < 0)
        return SX_ERR_INVALID;
    to[len] = '\0';
    *ret_text = sx_slice_make(to, (size_t)len);
    return 0;
}

static int decode_pair(struct sx_arena *a, struct sx_slice piece, struct sx_pair *pair)
{
    struct sx_slice value = piece;
    struct sx_slice name = sx_slice_cut(&value, '=');
    int err = decode(a, name, &pair->name);

    return err < 0 ? err : decode(a, value, &pair->value);
}

int sx_form_parse(struct sx_arena *a, struct sx_slice text, uint32_t max_pairs,
                  struct sx_pairs *ret_pairs)
{
    size_t n = count_pieces(text);
    struct sx_pairs pairs = { .n = 0 };

    if (n > max_pairs)
        return SX_ERR_BUSY;
    pairs.v = sx_arena_alloc(a, (n + 1) * sizeof *pairs.v);
    if (pairs.v == NULL)
        return SX_ERR_NOMEM;
    while (text.len > 0) {
        struct sx_slice piece = sx_slice_cut(&text, '&');
        int err = piece.len == 0 ? 0 : decode_pair(a, piece, &pairs.v[pairs.n]);

        if (err < 0)
            return err;
        pairs.n += piece.len > 0;
    }
    *ret_pairs = pairs;
    return 0;
}

const struct sx_pair *sx_pairs_find(const struct sx_pairs *pairs, struct sx_slice name,
                                    uint32_t index)
{
    for (uint32_t i = 0; i < pairs->n; i++)
        if (sx_slice_equals(pairs->v[i].name, name) && index-- == 0)
            return &pairs->v[i];
    return NULL;
}
