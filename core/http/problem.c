#include "http/problem.h"

#include "http/status.h"

static void add_member(struct sx_buf *to, const char *key, const char *value)
{
    if (value == NULL)
        return;
    sx_buf_add_text(to, ",\"");
    sx_buf_add_text(to, key);
    sx_buf_add_text(to, "\":");
    sx_buf_add_json_text(to, value, strlen(value));
}

void sx_problem_write(struct sx_buf *to, const struct sx_problem *problem)
{
    sx_buf_add_text(to, "{\"type\":\"about:blank\"");
    add_member(to, "title", sx_status_reason(problem->status));
    sx_buf_add_text(to, ",\"status\":");
    sx_buf_add_uint(to, (uint64_t)problem->status);
    add_member(to, "code", problem->code);
    add_member(to, "detail", problem->detail);
    add_member(to, "request_id", problem->request_id);
    sx_buf_add_text(to, "}");
}
