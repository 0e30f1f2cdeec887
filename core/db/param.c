/*
 * db/param.c - parameters in the form that libpq wants.
 *
 * All go as text, whose type the server infers, but bytes, which go as binary.  Texts are
 * copied because libpq takes their length from a NUL that a caller's text need not have.
 */
#include "db/db_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { NUMBER_SIZE = 32 };

static bool is_text(const struct sx_db_param *p)
{
    return p->type == SX_DB_TEXT || p->type == SX_DB_JSON;
}

int sx_db_params_check(const struct sx_db_stmt *stmt)
{
    if (stmt->n_params > 65535)
        return SX_ERR_INVALID;
    for (size_t i = 0; i < stmt->n_params; i++) {
        const struct sx_db_param *p = &stmt->params[i];

        if (p->type < SX_DB_NULL || p->type > SX_DB_JSON || p->len > INT32_MAX)
            return SX_ERR_INVALID;
        if (is_text(p) && p->len > 0 && memchr(p->v.p, '\0', p->len) != NULL)
            return SX_ERR_INVALID;
    }
    return 0;
}

static size_t text_size(const struct sx_db_stmt *stmt)
{
    size_t size = 0;

    for (size_t i = 0; i < stmt->n_params; i++)
        size += is_text(&stmt->params[i]) ? stmt->params[i].len + 1 : NUMBER_SIZE;
    return size;
}

/* One block: the three arrays, then the texts. */
static int reserve(struct sx_db_params *params, size_t n, size_t n_text_bytes)
{
    size_t size = n * (sizeof(char *) + 2 * sizeof(int)) + n_text_bytes;

    if (size > params->cap) {
        char *memory = malloc(size + size / 2);

        if (memory == NULL)
            return SX_ERR_NOMEM;
        free(params->memory);
        params->memory = memory;
        params->cap = size + size / 2;
    }
    params->values = (const char **)(void *)params->memory;
    params->lengths = (int *)(void *)(params->memory + n * sizeof(char *));
    params->formats = params->lengths + n;
    return 0;
}

static size_t write_text(char *to, const struct sx_db_param *p)
{
    if (p->len > 0)
        memcpy(to, p->v.p, p->len);
    to[p->len] = '\0';
    return p->len + 1;
}

static const char *write_number(char *to, const struct sx_db_param *p)
{
    switch (p->type) {
    case SX_DB_BOOL: return p->v.i != 0 ? "t" : "f";
    case SX_DB_INT: (void)snprintf(to, NUMBER_SIZE, "%" PRId64, p->v.i); return to;
    case SX_DB_NUMBER: (void)snprintf(to, NUMBER_SIZE, "%.17g", p->v.f); return to;
    default: return NULL;
    }
}

int sx_db_params_fill(struct sx_db_params *params, const struct sx_db_stmt *stmt)
{
    char *to;
    int err = reserve(params, stmt->n_params, text_size(stmt));

    if (err < 0)
        return err;
    to = (char *)(params->formats + stmt->n_params);
    for (size_t i = 0; i < stmt->n_params; i++) {
        const struct sx_db_param *p = &stmt->params[i];

        params->lengths[i] = (int)p->len;
        params->formats[i] = p->type == SX_DB_BYTES;
        if (is_text(p)) {
            params->values[i] = to;
            to += write_text(to, p);
        } else if (p->type == SX_DB_BYTES) {
            params->values[i] = p->len > 0 ? p->v.p : "";
        } else {
            params->values[i] = write_number(to, p);
            to += NUMBER_SIZE;
        }
    }
    return 0;
}

void sx_db_params_finish(struct sx_db_params *params)
{
    free(params->memory);
    *params = (struct sx_db_params){ 0 };
}
