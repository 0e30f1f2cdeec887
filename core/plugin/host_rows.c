/*
 * plugin/host_rows.c - the entries of the host table that read what a statement returned.
 */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "plugin/plugin_private.h"

/* pg_type.dat: these object identifiers never change. */
enum oid {
    OID_BOOL = 16,
    OID_INT8 = 20,
    OID_INT2 = 21,
    OID_INT4 = 23,
    OID_OID = 26,
    OID_JSON = 114,
    OID_FLOAT4 = 700,
    OID_FLOAT8 = 701,
    OID_NUMERIC = 1700,
    OID_JSONB = 3802,
    OID_BYTEA = 17
};

uint32_t sx_host_rows_count(const sx_rows *rows)
{
    return rows == NULL ? 0 : rows->db->rows_count(rows->rows);
}

int32_t sx_host_rows_column(const sx_rows *rows, const char *name)
{
    int32_t col = rows == NULL || name == NULL ? -1 : rows->db->rows_column(rows->rows, name);

    return col < 0 ? SX_ENOENT : col;
}

const char *sx_host_rows_text(const sx_rows *rows, uint32_t row, uint32_t col)
{
    size_t len;

    return rows == NULL ? NULL : rows->db->rows_text(rows->rows, row, col, &len);
}

int64_t sx_host_rows_int(const sx_rows *rows, uint32_t row, uint32_t col)
{
    size_t len = 0;
    const char *text = rows == NULL ? NULL : rows->db->rows_text(rows->rows, row, col, &len);
    int64_t value = 0;

    if (text == NULL)
        return 0;
    if (len == 1 && (*text == 't' || *text == 'f'))
        return *text == 't';
    return sx_parse_int(text, len, &value) == 0 ? value : 0;
}

double sx_host_rows_number(const sx_rows *rows, uint32_t row, uint32_t col)
{
    const char *text = sx_host_rows_text(rows, row, col);

    return text == NULL ? 0 : strtod(text, NULL);
}

static int hex_value(char ch)
{
    return ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

/* bytea arrives as "\x…"; its bytes go into the arena that the rows came with. */
sx_span sx_host_rows_bytes(const sx_rows *rows, uint32_t row, uint32_t col)
{
    size_t len = 0;
    const char *text = rows == NULL ? NULL : rows->db->rows_text(rows->rows, row, col, &len);
    char *to;
    size_t n = 0;

    if (text == NULL)
        return (sx_span){ NULL, 0 };
    if (rows->db->rows_oid(rows->rows, col) != OID_BYTEA)
        return (sx_span){ text, len };
    to = sx_arena_alloc(rows->arena, len / 2 + 1);
    if (to == NULL || len < 2)
        return (sx_span){ NULL, 0 };
    for (size_t i = 2; i + 1 < len; i += 2)
        to[n++] = (char)(hex_value(text[i]) << 4 | hex_value(text[i + 1]));
    return (sx_span){ to, n };
}

uint64_t sx_host_rows_affected(const sx_rows *rows)
{
    return rows == NULL ? 0 : rows->db->rows_affected(rows->rows);
}

const void *sx_host_rows_pg(const sx_rows *rows)
{
    return rows == NULL ? NULL : rows->db->rows_pg(rows->rows);
}

/* --- As JSON ------------------------------------------------------------------------------ */

/* NaN and the infinities are no JSON numbers; they go out as text. */
static bool is_json_number(const char *text, size_t len)
{
    double f;

    return sx_parse_number(text, len, &f) == 0;
}

static void add_value(struct sx_buf *b, uint32_t oid, const char *text, size_t len)
{
    if (text == NULL) {
        sx_buf_add(b, "null", 4);
        return;
    }
    switch (oid) {
    case OID_BOOL: sx_buf_add_text(b, *text == 't' ? "true" : "false"); return;
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
    case OID_JSON:
    case OID_JSONB: sx_buf_add(b, text, len); return;
    case OID_FLOAT4:
    case OID_FLOAT8:
    case OID_NUMERIC:
        if (is_json_number(text, len)) {
            sx_buf_add(b, text, len);
            return;
        }
        break;
    default: break;
    }
    sx_buf_add_json_text(b, text, len);
}

static void add_row(struct sx_buf *b, const sx_rows *rows, uint32_t row, uint32_t n_cols)
{
    sx_buf_add(b, "{", 1);
    for (uint32_t col = 0; col < n_cols; col++) {
        const char *name = rows->db->rows_name(rows->rows, col);
        size_t len = 0;
        const char *text = rows->db->rows_text(rows->rows, row, col, &len);

        if (col > 0)
            sx_buf_add(b, ",", 1);
        sx_buf_add_json_text(b, name, strlen(name));
        sx_buf_add(b, ":", 1);
        add_value(b, rows->db->rows_oid(rows->rows, col), text, len);
    }
    sx_buf_add(b, "}", 1);
}

static int write_rows(struct sx_buf *b, const sx_rows *rows)
{
    uint32_t n = rows->db->rows_count(rows->rows), n_cols = rows->db->rows_columns(rows->rows);

    sx_buf_add(b, "[", 1);
    for (uint32_t row = 0; row < n && !sx_buf_failed(b); row++) {
        if (row > 0)
            sx_buf_add(b, ",", 1);
        add_row(b, rows, row, n_cols);
    }
    sx_buf_add(b, "]", 1);
    return sx_buf_failed(b) ? SX_ENOMEM : SX_OK;
}

int sx_host_rows_write(sx_req *r, const sx_rows *rows)
{
    if (rows == NULL)
        return SX_EINVAL;
    return r->http.resp.status != 0 ? SX_EINVAL : write_rows(&r->http.resp.body, rows);
}

/* What jansson cannot hold becomes a real number, or stays text. */
static json_t *parse_value(const char *text, size_t len)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_t *value = json_loadb(text, len, flags, NULL);

    if (value == NULL)
        value = json_loadb(text, len, flags | JSON_DECODE_INT_AS_REAL, NULL);
    return value != NULL ? value : json_stringn(text, len);
}

static json_t *value_json(const sx_rows *rows, uint32_t row, uint32_t col)
{
    size_t len = 0;
    const char *text = rows->db->rows_text(rows->rows, row, col, &len);

    if (text == NULL)
        return json_null();
    switch (rows->db->rows_oid(rows->rows, col)) {
    case OID_BOOL: return json_boolean(*text == 't');
    case OID_INT2:
    case OID_INT4:
    case OID_INT8:
    case OID_OID:
    case OID_JSON:
    case OID_JSONB: return parse_value(text, len);
    case OID_FLOAT4:
    case OID_FLOAT8:
    case OID_NUMERIC:
        return is_json_number(text, len) ? parse_value(text, len) : json_stringn(text, len);
    default: return json_stringn(text, len);
    }
}

static json_t *row_json(const sx_rows *rows, uint32_t row, uint32_t n_cols)
{
    json_t *object = json_object();

    for (uint32_t col = 0; col < n_cols && object != NULL; col++) {
        const char *name = rows->db->rows_name(rows->rows, col);

        if (json_object_set_new(object, name, value_json(rows, row, col)) != 0) {
            json_decref(object);
            object = NULL;
        }
    }
    return object;
}

json_t *sx_host_rows_json(const sx_rows *rows)
{
    uint32_t n = rows == NULL ? 0 : rows->db->rows_count(rows->rows);
    uint32_t n_cols = rows == NULL ? 0 : rows->db->rows_columns(rows->rows);
    json_t *list = rows == NULL ? NULL : json_array();

    for (uint32_t row = 0; row < n && list != NULL; row++) {
        if (json_array_append_new(list, row_json(rows, row, n_cols)) != 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}
