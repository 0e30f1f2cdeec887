/*
 * instrument.c - see instrument.h.
 */
#include "instrument.h"

#include <stdio.h>

#define FRESH_NS INT64_C(3000000000)

/* A request that waits for the table. */
struct waiting {
    struct instruments *all;
    instruments_fn *fn;
    void *arg;
};

static void copy_text(char *to, size_t size, const char *text)
{
    (void)snprintf(to, size, "%s", text == NULL ? "" : text);
}

static struct instrument *place_of(struct instruments *all, int64_t id)
{
    struct instrument *it = NULL;

    for (size_t i = 0; i < all->n; i++)
        if (all->v[i]->id == id)
            return all->v[i];
    if (all->n < INSTRUMENT_MAX)
        it = calloc(1, sizeof *it);
    if (it != NULL)
        all->v[all->n++] = it;
    return it;
}

static void read_one(struct instrument *it, const sx_rows *rows, uint32_t row)
{
    it->id = (int32_t)sx_int_at(rows, row, 0);
    copy_text(it->symbol, sizeof it->symbol, sx_text_at(rows, row, 1));
    copy_text(it->base, sizeof it->base, sx_text_at(rows, row, 2));
    copy_text(it->quote, sizeof it->quote, sx_text_at(rows, row, 3));
    copy_text(it->base_name, sizeof it->base_name, sx_text_at(rows, row, 4));
    copy_text(it->genre, sizeof it->genre, sx_text_at(rows, row, 5));
    copy_text(it->status, sizeof it->status, sx_text_at(rows, row, 6));
    it->base_scale = (int32_t)sx_int_at(rows, row, 7);
    it->quote_scale = (int32_t)sx_int_at(rows, row, 8);
    it->tick_scale = (int32_t)sx_int_at(rows, row, 9);
    it->lot_scale = (int32_t)sx_int_at(rows, row, 10);
    it->lot_atoms = sx_int_at(rows, row, 11);
    it->ticklot_atoms = sx_int_at(rows, row, 12);
    it->max_ticks = sx_int_at(rows, row, 13);
    it->max_lots = sx_int_at(rows, row, 14);
    it->min_funds = sx_int_at(rows, row, 15);
    it->maker_ppm = (int32_t)sx_int_at(rows, row, 16);
    it->taker_ppm = (int32_t)sx_int_at(rows, row, 17);
    it->ranking = (int32_t)sx_int_at(rows, row, 18);
    it->expires_us = sx_int_at(rows, row, 19);
}

int instruments_read(struct instruments *all, const sx_rows *rows)
{
    for (uint32_t row = 0; row < sx_count(rows); row++) {
        struct instrument *it = place_of(all, sx_int_at(rows, row, 0));

        if (it == NULL)
            return SX_ENOMEM;
        read_one(it, rows, row);
    }
    return SX_OK;
}

static int on_instruments(sx_req *r, const sx_rows *rows, void *arg)
{
    const struct waiting *w = arg;
    int err = instruments_read(w->all, rows);

    if (err < 0)
        return err;
    w->all->read_ns = sx_this_worker(sx_req_plugin(r)).now_ns;
    return w->fn(r, w->arg);
}

int instruments_with(sx_req *r, struct instruments *all, instruments_fn *fn, void *arg)
{
    const int64_t age_ns = sx_this_worker(sx_req_plugin(r)).now_ns - all->read_ns;
    struct waiting *w;

    if (all->read_ns != 0 && age_ns >= 0 && age_ns < FRESH_NS)
        return fn(r, arg);
    w = sx_req_new(r, struct waiting);
    if (w == NULL)
        return SX_ENOMEM;
    *w = (struct waiting){ all, fn, arg };
    return sx_read(r, on_instruments, w, INSTRUMENT_SQL, SX_NONE);
}

const struct instrument *instrument_by_symbol(const struct instruments *all, const char *symbol)
{
    for (size_t i = 0; i < all->n; i++)
        if (strcmp(all->v[i]->symbol, symbol) == 0)
            return all->v[i];
    return NULL;
}

const struct instrument *instrument_by_id(const struct instruments *all, int64_t id)
{
    for (size_t i = 0; i < all->n; i++)
        if (all->v[i]->id == id)
            return all->v[i];
    return NULL;
}

void instruments_free(struct instruments *all)
{
    for (size_t i = 0; i < all->n; i++)
        free(all->v[i]);
    *all = (struct instruments){ 0 };
}
