/*
 * The router against a naive matcher that tries every pattern: random patterns of few words,
 * so that they meet, and random paths like them, some letters sent as escapes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"
#include "base/text.h"
#include "route/route.h"

#define MAX_PARTS    8
#define MAX_PATTERNS 40

/* A pattern or a path in pieces.  Of a path, text is decoded and raw as it was sent. */
struct part {
    enum { LITERAL, AFFIX, PARAM, REST } kind;
    char text[64], after[16], raw[160];
};

struct model {
    size_t n_parts;
    struct part parts[MAX_PARTS];
    char pattern[1024];
};

static unsigned pick(uint64_t *seed, unsigned n)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return (unsigned)(*seed >> 11) % n;
}

/* Behind what is there. */
__attribute__((format(printf, 3, 4))) static void append(char *to, size_t size, const char *fmt,
                                                         ...)
{
    size_t len = strlen(to);
    va_list ap;

    va_start(ap, fmt);
    len += (size_t)vsnprintf(to + len, size - len, fmt, ap);
    va_end(ap);
    assert_true(len < size);
}

/* Few texts, so that patterns meet. */
static const char *const words[] = { "a", "b", "ab", "ba", "aab", "long-enough-for-two-words" };
#define N_WORDS (sizeof(words) / sizeof(words[0]))

static void make_part(struct part *p, uint64_t *seed, bool is_last)
{
    unsigned kind = pick(seed, is_last ? 10 : 9);

    memset(p, 0, sizeof(*p));
    p->kind = kind < 5 ? LITERAL : kind < 7 ? AFFIX : kind < 9 ? PARAM : REST;
    if (p->kind == LITERAL)
        append(p->text, sizeof(p->text), "%s",
               is_last && pick(seed, 6) == 0 ? "" : words[pick(seed, N_WORDS)]);
    if (p->kind == AFFIX) {
        append(p->text, sizeof(p->text), "%s", pick(seed, 2) ? words[pick(seed, 4)] : "");
        append(p->after, sizeof(p->after), "%s",
               p->text[0] == '\0' || pick(seed, 2) ? words[pick(seed, 4)] : "");
    }
}

static void make_pattern(struct model *m, uint64_t *seed)
{
    m->pattern[0] = '\0';
    m->n_parts = 1 + pick(seed, 5);
    for (size_t i = 0; i < m->n_parts; i++) {
        struct part *p = &m->parts[i];

        make_part(p, seed, i + 1 == m->n_parts);
        if (p->kind == LITERAL)
            append(m->pattern, sizeof(m->pattern), "/%s", p->text);
        else
            append(m->pattern, sizeof(m->pattern), "/%s{p%zu%s}%s", p->text, i,
                   p->kind == REST ? "..." : "", p->after);
    }
}

/* Sends some letters as escapes. */
static void encode(struct part *p, uint64_t *seed)
{
    for (const char *at = p->text; *at != '\0'; at++)
        append(p->raw, sizeof(p->raw), pick(seed, 8) == 0 ? "%%%02X" : "%c",
               (unsigned)(unsigned char)*at);
}

static void make_path(struct model *m, uint64_t *seed, const struct model *like)
{
    m->pattern[0] = '\0';
    m->n_parts = 1 + pick(seed, 6);
    if (like != NULL && pick(seed, 3) != 0)
        m->n_parts = like->n_parts;
    for (size_t i = 0; i < m->n_parts; i++) {
        struct part *p = &m->parts[i];
        const struct part *l = like != NULL && i < like->n_parts ? &like->parts[i] : NULL;
        const char *word = words[pick(seed, N_WORDS)];

        memset(p, 0, sizeof(*p));
        if (l == NULL || pick(seed, 8) == 0)
            append(p->text, sizeof(p->text), "%s", pick(seed, 6) == 0 ? "" : word);
        else if (l->kind == LITERAL)
            append(p->text, sizeof(p->text), "%s", l->text);
        else
            append(p->text, sizeof(p->text), "%s%s%s", l->text, pick(seed, 5) == 0 ? "" : word,
                   l->after);
        encode(p, seed);
        append(m->pattern, sizeof(m->pattern), "/%s", p->raw);
    }
}

static bool takes(const struct part *p, const struct part *path)
{
    size_t before = strlen(p->text), after = strlen(p->after), len = strlen(path->text);

    if (p->kind == LITERAL)
        return strcmp(p->text, path->text) == 0;
    return len > before + after && strncmp(path->text, p->text, before) == 0 &&
           strcmp(path->text + len - after, p->after) == 0;
}

static bool model_matches(const struct model *m, const struct model *path)
{
    for (size_t i = 0; i < m->n_parts; i++) {
        if (i == path->n_parts)
            return false;
        if (m->parts[i].kind == REST)
            return true;
        if (!takes(&m->parts[i], &path->parts[i]))
            return false;
    }
    return m->n_parts == path->n_parts;
}

/* Less is more literal. */
static int compare_parts(const struct part *a, const struct part *b)
{
    size_t a_len = strlen(a->text) + strlen(a->after), b_len = strlen(b->text) + strlen(b->after);

    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind != AFFIX || (a_len == b_len && strlen(a->text) == strlen(b->text)))
        return 0;
    if (a_len != b_len)
        return a_len > b_len ? -1 : 1;
    return strlen(a->text) > strlen(b->text) ? -1 : 1;
}

static bool is_better(const struct model *a, const struct model *b)
{
    for (size_t i = 0; i < a->n_parts && i < b->n_parts; i++) {
        int order = compare_parts(&a->parts[i], &b->parts[i]);

        if (order != 0)
            return order < 0;
    }
    return false;
}

static const struct model *find_best(const struct model *models, size_t n, const struct model *path)
{
    const struct model *best = NULL;

    for (size_t i = 0; i < n; i++) {
        if (model_matches(&models[i], path) && (best == NULL || is_better(&models[i], best)))
            best = &models[i];
    }
    return best;
}

/* What the router must say: the pattern and each value as it was sent. */
static void check_values(const struct sx_route_match *m, const struct model *best,
                         const struct model *path)
{
    uint32_t n = 0;

    for (size_t i = 0; i < best->n_parts; i++) {
        const struct part *p = &best->parts[i];
        char value[512], wanted[512];
        ptrdiff_t len;

        if (p->kind == LITERAL)
            continue;
        len = sx_percent_decode(value, m->params[n].data, m->params[n].len, false);
        assert_true(len >= 0);
        value[len] = '\0';
        (void)snprintf(wanted, sizeof(wanted), "%s", path->parts[i].text + strlen(p->text));
        wanted[strlen(wanted) - strlen(p->after)] = '\0';
        for (size_t j = i + 1; p->kind == REST && j < path->n_parts; j++)
            append(wanted, sizeof(wanted), "/%s", path->parts[j].text);
        assert_string_equal(value, wanted);
        n++;
    }
    assert_int_equal(m->n_params, n);
}

static size_t fill_router(struct sx_router *r, struct model *models, uint64_t *seed)
{
    size_t n = 0;

    for (unsigned i = 0; i < MAX_PATTERNS; i++) {
        const char *why = NULL;
        void *other = NULL;
        int rc;

        make_pattern(&models[n], seed);
        rc = sx_router_add(r, "", "GET", models[n].pattern, &models[n], &other, &why);
        if (rc == SX_ERR_BUSY) {
            assert_non_null(other);
            continue;
        }
        if (rc != 0)
            fail_msg("%s: %s", models[n].pattern, why);
        n++;
    }
    return n;
}

static void router_agrees_with_a_naive_matcher(void **state)
{
    static struct model models[MAX_PATTERNS];
    uint64_t seed = 20240229;
    size_t n_found = 0;

    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        struct sx_router *r;
        size_t n;

        assert_int_equal(sx_router_create(&r), 0);
        n = fill_router(r, models, &seed);
        assert_int_equal(sx_router_freeze(r), 0);
        for (unsigned i = 0; i < 400; i++) {
            struct sx_route_match m;
            struct model path;
            const struct model *best;
            enum sx_route_result result;

            make_path(&path, &seed, &models[pick(&seed, (unsigned)n)]);
            best = find_best(models, n, &path);
            result = sx_router_match(r, "", 0, "GET", 3, path.pattern, strlen(path.pattern), &m);
            if ((result == SX_ROUTE_FOUND ? m.target : NULL) != best)
                fail_msg("%s: found %s, wanted %s", path.pattern,
                         result == SX_ROUTE_FOUND ? ((struct model *)m.target)->pattern : "nothing",
                         best == NULL ? "nothing" : best->pattern);
            if (best != NULL)
                check_values(&m, best, &path);
            n_found += best != NULL;
        }
        sx_router_destroy(r);
    }
    assert_true(n_found > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(router_agrees_with_a_naive_matcher),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
