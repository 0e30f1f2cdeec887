/*
 * fortune.c - the fortunes and one more, sorted by their text, as an HTML page.
 */
#include "techempower.h"

struct fortune {
    int64_t id;
    const char *message; /* borrowed from the rows */
};

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct fortune *)a)->message, ((const struct fortune *)b)->message);
}

static void write_fortune(sx_writer *w, const struct fortune *f)
{
    sx_write_text(w, "<tr><td>");
    sx_write_int(w, f->id);
    sx_write_text(w, "</td><td>");
    sx_write_html(w, f->message);
    sx_write_text(w, "</td></tr>");
}

static int reply_fortunes(sx_req *r, const struct fortune *fortunes, size_t n)
{
    sx_writer w = sx_write_begin(r);

    sx_write_text(&w, "<!DOCTYPE html><html><head><title>Fortunes</title></head><body><table>"
                      "<tr><th>id</th><th>message</th></tr>");
    for (size_t i = 0; i < n; i++)
        write_fortune(&w, &fortunes[i]);
    sx_write_text(&w, "</table></body></html>");
    return sx_write_reply(&w, 200, "text/html; charset=utf-8");
}

static int on_fortunes(sx_req *r, const sx_rows *rows, void *arg)
{
    const uint32_t n = sx_count(rows);
    struct fortune *fortunes = sx_req_alloc(r, (n + 1) * sizeof *fortunes);

    (void)arg;
    if (fortunes == NULL)
        return SX_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        fortunes[i] = (struct fortune){ sx_int_at(rows, i, 0), sx_text_at(rows, i, 1) };
    fortunes[n] = (struct fortune){ 0, "Additional fortune added at request time." };
    qsort(fortunes, n + 1, sizeof *fortunes, compare);
    return reply_fortunes(r, fortunes, n + 1);
}

int show_fortunes(sx_req *r)
{
    return sx_read(r, on_fortunes, NULL, "SELECT id, message FROM fortune", SX_NONE);
}
