/* testing/links.c - every link of a page, and of the pages that it leads to. */
#include <stdlib.h>

#include "testing/testing_private.h"

#define MAX_ADDRESSES 5000

struct walk {
    sx_test *t;
    const char **targets; /* asked, and to be asked; in the arena */
    const char **pages;   /* on which the target of this index stands */
    size_t n, at;
    uint32_t n_bad;
    bool is_full;
};

static void add_target(struct walk *w, const char *target, const char *page)
{
    for (size_t i = 0; i < w->n; i++)
        if (strcmp(w->targets[i], target) == 0)
            return;
    if (w->n == MAX_ADDRESSES) {
        w->is_full = true;
        return;
    }
    w->targets[w->n] = target;
    w->pages[w->n++] = page;
}

static void on_link(void *arg, struct sx_slice link)
{
    struct walk *w = arg;
    const char *page = w->targets[w->at];
    const char *target = sxt_url_resolve(&w->t->server->arena, "localhost", page, link);

    if (target != NULL)
        add_target(w, target, page);
}

static bool is_html(const sx_answer *a)
{
    return strncmp(a->type, "text/html", 9) == 0;
}

static bool leads_on(const sx_answer *a)
{
    return a->status >= 301 && a->status <= 308 && a->status != 304;
}

/* Only of a page the body is read: a link may lead to a stream that never ends. */
static void ask(struct walk *w, const char *file, int line)
{
    const char *target = w->targets[w->at], *location;
    struct sxt_answer *a = sxt_exchange_open(w->t, &(sx_test_request){ .path = target }, file,
                                             line);

    if (a->face.status >= 400) {
        print_error("%s: status %d, linked from %s\n", target, a->face.status, w->pages[w->at]);
        w->n_bad++;
    } else if (is_html(&a->face)) {
        sxt_exchange_finish(a, file, line);
        sxt_page_links(&w->t->server->arena, a->face.body, a->face.len, on_link, w);
    }
    location = sxt_answer_header(a, "Location", 0);
    if (leads_on(&a->face) && location != NULL)
        on_link(w, sx_slice_of(location));
    sxt_exchange_close(a);
}

uint32_t sx_test_links_at(sx_test *t, const char *path, const char *file, int line)
{
    struct sx_arena *arena = &t->server->arena;
    struct walk w = { .t = t,
                      .targets = sx_arena_alloc(arena, MAX_ADDRESSES * sizeof *w.targets),
                      .pages = sx_arena_alloc(arena, MAX_ADDRESSES * sizeof *w.pages) };

    if (w.targets == NULL || w.pages == NULL)
        sxt_fail(file, line, "no memory for the links");
    add_target(&w, path, "the test");
    for (; w.at < w.n; w.at++)
        ask(&w, file, line);
    if (w.is_full)
        sxt_fail(file, line, "%s: leads to more than %d addresses", path, MAX_ADDRESSES);
    if (w.n_bad > 0)
        sxt_fail(file, line, "%s: %u of %zu addresses behind it do not answer", path, w.n_bad, w.n);
    return (uint32_t)w.n;
}
