/*
 * form.c - urlencoded forms and queries, against a decoder that goes byte by byte.
 */
#include "http/form.h"

#include "base/error.h"
#include "fuzz.h"

#define MAX_PAIRS 20u

/* Decoded in place; false for a bad escape or a NUL. */
static bool decode(char *text, size_t len, size_t *ret_len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        char hex[3] = { 0 };
        char c = text[i] == '+' ? ' ' : text[i];

        if (c == '%') {
            if (len - i < 3)
                return false;
            memcpy(hex, text + i + 1, 2);
            if (strspn(hex, "0123456789abcdefABCDEF") != 2)
                return false;
            c = (char)strtoul(hex, NULL, 16);
            i += 2;
        }
        if (c == '\0')
            return false;
        text[n++] = c;
    }
    *ret_len = n;
    return true;
}

static bool is_decoded(struct sx_slice raw, struct sx_slice found, bool is_compared)
{
    char *text = fuzz_bytes(raw);
    size_t len = 0;
    bool is_good = decode(text, raw.len, &len);

    if (is_good && is_compared)
        fuzz_check(found.len == len && memcmp(found.data, text, len) == 0 &&
                       found.data[len] == '\0',
                   "\"%.*s\" for \"%.*s\"", (int)found.len, found.data, (int)raw.len, raw.data);
    free(text);
    return is_good;
}

static void check(struct sx_slice text, int err, const struct sx_pairs *pairs)
{
    uint32_t n = 0;
    bool is_good = true;

    while (text.len > 0) {
        struct sx_slice value = sx_slice_cut(&text, '&');
        bool is_pair = value.len > 0;
        struct sx_slice name = sx_slice_cut(&value, '=');
        const struct sx_pair *p = err == 0 && n < pairs->n ? &pairs->v[n] : NULL;
        static const struct sx_pair none = { { NULL, 0 }, { NULL, 0 } };

        if (!is_pair)
            continue;
        fuzz_check(err != 0 || p != NULL, "a pair is missing");
        is_good &= is_decoded(name, p == NULL ? none.name : p->name, p != NULL);
        is_good &= is_decoded(value, p == NULL ? none.value : p->value, p != NULL);
        n++;
    }
    fuzz_check((err == SX_ERR_BUSY) == (n > MAX_PAIRS), "%u pairs, %d", n, err);
    if (n <= MAX_PAIRS)
        fuzz_check((err == 0) == is_good, "%d, and it is %s", err, is_good ? "good" : "not good");
    fuzz_check(err != 0 || n == pairs->n, "%u pairs instead of %u", pairs->n, n);
}

/* Every pair is found by its name and its place among those of that name. */
static void check_find(const struct sx_pairs *pairs)
{
    for (uint32_t i = 0; i < pairs->n; i++) {
        uint32_t index = 0;

        for (uint32_t j = 0; j < i; j++)
            index += sx_slice_equals(pairs->v[j].name, pairs->v[i].name);
        fuzz_check(sx_pairs_find(pairs, pairs->v[i].name, index) == &pairs->v[i], "not found");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sx_slice input = fuzz_input(data, len);
    char *bytes = fuzz_bytes(input);
    struct sx_slice text = sx_slice_make(bytes, len);
    struct sx_pairs pairs = { 0 };
    struct sx_arena a;
    int err;

    sx_arena_init(&a, 1u << 20);
    err = sx_form_parse(&a, text, MAX_PAIRS, &pairs);
    check(text, err, &pairs);
    if (err == 0)
        check_find(&pairs);
    sx_arena_finish(&a);
    free(bytes);
    return 0;
}
