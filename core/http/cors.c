#include "http/cors.h"

#include "http/field.h"

static bool list_has(const struct sx_cors_list *list, struct sx_slice item, bool any_case)
{
    for (size_t i = 0; i < list->n; i++) {
        struct sx_slice ours = sx_slice_of(list->v[i]);

        if (any_case ? sx_slice_equals_nocase(ours, item) : sx_slice_equals(ours, item))
            return true;
    }
    return false;
}

static bool has_star(const struct sx_cors_list *list)
{
    return list_has(list, sx_slice_of("*"), false);
}

/* The configured text that stands for this origin, or NULL. */
static const char *find_origin(const struct sx_cors *cors, struct sx_slice origin)
{
    if (origin.len == 0)
        return NULL;
    for (size_t i = 0; i < cors->origins.n; i++)
        if (sx_slice_is(origin, cors->origins.v[i]) && !sx_slice_is(origin, "*"))
            return cors->origins.v[i];
    return has_star(&cors->origins) ? "*" : NULL;
}

static bool is_method_allowed(const struct sx_cors *cors, struct sx_slice method)
{
    return sx_slice_is(method, "GET") || sx_slice_is(method, "HEAD") ||
           sx_slice_is(method, "POST") || list_has(&cors->methods, method, false);
}

static bool are_headers_allowed(const struct sx_cors *cors, struct sx_slice names)
{
    bool is_any = has_star(&cors->headers);
    struct sx_slice name;

    while (sx_field_list_next(&names, &name)) {
        if (!sx_field_is_token(name))
            return false;
        if (!is_any && !list_has(&cors->headers, name, true))
            return false;
    }
    return true;
}

static void add_line(struct sx_buf *to, const char *name, const char *value)
{
    sx_buf_add_text(to, name);
    sx_buf_add_text(to, ": ");
    sx_buf_add_text(to, value);
    sx_buf_add_text(to, "\r\n");
}

static void add_list_line(struct sx_buf *to, const char *name, const struct sx_cors_list *list)
{
    if (list->n == 0)
        return;
    sx_buf_add_text(to, name);
    for (size_t i = 0; i < list->n; i++) {
        sx_buf_add_text(to, i == 0 ? ": " : ", ");
        sx_buf_add_text(to, list->v[i]);
    }
    sx_buf_add_text(to, "\r\n");
}

/* "*" in the settings does not cover Authorization in a browser, so the names that were asked
 * for are named again; each was seen to be a token. */
static void add_header_names(struct sx_buf *to, const struct sx_cors *cors, struct sx_slice names)
{
    struct sx_slice name;
    bool is_first = true;

    if (!has_star(&cors->headers)) {
        add_list_line(to, "Access-Control-Allow-Headers", &cors->headers);
        return;
    }
    while (sx_field_list_next(&names, &name)) {
        sx_buf_add_text(to, is_first ? "Access-Control-Allow-Headers: " : ", ");
        sx_buf_add(to, name.data, name.len);
        is_first = false;
    }
    if (!is_first)
        sx_buf_add_text(to, "\r\n");
}

static void add_preflight(struct sx_buf *to, const struct sx_cors *cors,
                          const struct sx_cors_request *req)
{
    add_list_line(to, "Access-Control-Allow-Methods", &cors->methods);
    add_header_names(to, cors, req->headers);
    if (cors->max_age_s > 0) {
        sx_buf_add_text(to, "Access-Control-Max-Age: ");
        sx_buf_add_uint(to, cors->max_age_s);
        sx_buf_add_text(to, "\r\n");
    }
}

/* With "*" alone every answer is the same for all origins, so caches need not tell them apart. */
static void add_vary(struct sx_buf *to, const struct sx_cors *cors,
                     const struct sx_cors_request *req)
{
    if (req->is_preflight)
        add_line(to, "Vary",
                 "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    else if (cors->origins.n > 1 || !has_star(&cors->origins))
        add_line(to, "Vary", "Origin");
}

bool sx_cors_write(const struct sx_cors *cors, const struct sx_cors_request *req,
                   struct sx_buf *lines)
{
    const char *origin = find_origin(cors, req->origin);

    if (cors->origins.n == 0)
        return false;
    add_vary(lines, cors, req);
    if (origin == NULL)
        return false;
    if (req->is_preflight &&
        (!is_method_allowed(cors, req->method) || !are_headers_allowed(cors, req->headers)))
        return false;
    add_line(lines, "Access-Control-Allow-Origin", origin);
    if (cors->credentials && strcmp(origin, "*") != 0)
        add_line(lines, "Access-Control-Allow-Credentials", "true");
    if (req->is_preflight)
        add_preflight(lines, cors, req);
    else
        add_list_line(lines, "Access-Control-Expose-Headers", &cors->expose);
    return true;
}

bool sx_cors_has_origin(const struct sx_cors *cors, struct sx_slice origin)
{
    return find_origin(cors, origin) != NULL;
}
