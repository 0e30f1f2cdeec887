/*
 * config/suggest.c - what was probably meant by a name that is not known.
 */
#include "config/config_private.h"

#include <string.h>

#define MAX_NAME 63

static size_t min3(size_t a, size_t b, size_t c)
{
    if (b < a)
        a = b;
    return c < a ? c : a;
}

/* Insertions, deletions, changes and swaps of neighbours (optimal string alignment) that lead
 * from one to the other; SIZE_MAX for long names. */
static size_t distance(const char *a, const char *b, size_t b_len)
{
    size_t a_len = strlen(a);
    size_t d[3][MAX_NAME + 1];

    if (a_len > MAX_NAME || b_len > MAX_NAME)
        return SIZE_MAX;
    for (size_t j = 0; j <= b_len; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        size_t *row = d[i % 3];
        const size_t *up = d[(i + 2) % 3];

        row[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            row[j] = min3(up[j] + 1, row[j - 1] + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min3(row[j], d[(i + 1) % 3][j - 2] + 1, row[j]);
        }
    }
    return d[a_len % 3][b_len];
}

/* As distance, but an abbreviation ("warn") or a longer form is near. */
static size_t difference(const char *name, const char *known, size_t known_len)
{
    size_t len = strlen(name);
    size_t common = len < known_len ? len : known_len;

    if (common >= 3 && strncmp(name, known, common) == 0)
        return len == known_len ? 0 : 1;
    return distance(name, known, known_len);
}

/* How far a name may be off: a third of it, but at least one letter. */
static size_t tolerance(const char *name)
{
    size_t n = strlen(name) / 3;

    return n == 0 ? 1 : n;
}

/* The segment of a key right below group; NULL when it is elsewhere. */
static const char *segment_below(const char *path, const char *group, size_t *ret_len)
{
    size_t len = strlen(group);

    if (len > 0) {
        if (strncmp(path, group, len) != 0 || path[len] != '.')
            return NULL;
        path += len + 1;
    }
    *ret_len = strcspn(path, ".");
    return path;
}

bool config_key_suggest(const struct config_key *table, const char *group, const char *name,
                        char *ret_name, size_t size)
{
    size_t best = tolerance(name) + 1;

    ret_name[0] = '\0';
    for (; table->path != NULL; table++) {
        size_t len = 0;
        const char *segment = segment_below(table->path, group, &len);
        size_t d = segment != NULL ? difference(name, segment, len) : SIZE_MAX;

        if (d < best) {
            best = d;
            (void)snprintf(ret_name, size, "%.*s", (int)len, segment);
        }
    }
    return ret_name[0] != '\0';
}

const char *config_choice_suggest(const char *const *choices, const char *text)
{
    const char *found = NULL;
    size_t best = tolerance(text) + 1;

    for (; *choices != NULL; choices++) {
        size_t d = difference(text, *choices, strlen(*choices));

        if (d < best) {
            best = d;
            found = *choices;
        }
    }
    return found;
}
