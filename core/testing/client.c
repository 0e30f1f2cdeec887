/* testing/client.c - what a test asks of its clients and of the server around them. */
#include <stdlib.h>

#include "base/error.h"
#include "testing/testing_private.h"

sx_test *sxt_client_create(struct sxt_server *s)
{
    sx_test *t = sx_arena_zalloc(&s->arena, sizeof *t);

    if (t == NULL)
        abort();
    t->server = s;
    sx_list_push(&s->clients, &t->link);
    return t;
}

sx_test *sx_test_client(sx_test *t)
{
    return sxt_client_create(t->server);
}

const char *sx_test_cookie(const sx_test *t, const char *name)
{
    for (size_t i = 0; i < t->jar.n; i++)
        if (strcmp(t->jar.v[i].name, name) == 0)
            return t->jar.v[i].value;
    return NULL;
}

const char *sx_answer_header(const sx_answer *a, const char *name, uint32_t index)
{
    return sxt_answer_header(sxt_answer_of(a), name, index);
}

void sx_test_set_now(sx_test *t, int64_t now_ns)
{
    __atomic_store_n(&t->server->now_ns, now_ns, __ATOMIC_RELAXED);
}

/* --- Waiting ---------------------------------------------------------------------------- */

void sx_test_turn_at(sx_test *t, int left, const char *condition, const char *file, int line)
{
    if (left <= 0)
        sxt_fail(file, line, "waited in vain for %s", condition);
    sxt_server_turn(t->server);
}

/* --- What the server says ------------------------------------------------------------------- */

const char *sx_test_logged(sx_test *t)
{
    const char *text = sxt_lines_all(&t->server->lines);

    t->server->has_asked_log = true;
    return sx_arena_text(&t->server->arena, text, strlen(text));
}

const char *sx_test_metrics(sx_test *t)
{
    char *text = sx_board_metrics_text(t->server->board);
    const char *copy = text == NULL ? "" : sx_arena_text(&t->server->arena, text, strlen(text));

    free(text);
    return copy;
}

/* --- The database ----------------------------------------------------------------------------- */

static void open_session(struct sxt_server *s, const char *file, int line)
{
    const char *names = s->group->setup->plugins;
    struct sx_report rep;
    char schema[64];

    (void)snprintf(schema, sizeof schema, "%.*s", (int)strcspn(names, " "), names);
    sx_report_init(&rep);
    if (s->group->database.copy_url != NULL)
        s->session = sxt_session_open(s->group->database.copy_url, schema, &rep);
    if (s->session == NULL)
        sxt_fail_report(file, line, "the case has no database: say .has_database", &rep);
    sx_report_finish(&rep);
}

const char *sx_test_sql_at(sx_test *t, const char *sql, const char *file, int line)
{
    struct sxt_server *s = t->server;
    const char *value = NULL;
    struct sx_report rep;

    if (s->session == NULL)
        open_session(s, file, line);
    sx_report_init(&rep);
    if (sxt_session_value(s->session, sql, &s->arena, &rep, &value) < 0)
        sxt_fail_report(file, line, "the statement failed", &rep);
    sx_report_finish(&rep);
    return value;
}

/* --- Servers that shall not start ------------------------------------------------------- */

static void add_faults(struct sx_buf *to, const struct sx_report *rep)
{
    for (size_t i = 0; i < rep->n_faults; i++)
        sx_buf_printf(to, "%s\n", rep->faults[i]);
}

void sx_expect_refused_at(sx_test *t, const char *config, const char *part, const char *file,
                          int line)
{
    struct sxt_server *s = t->server;
    struct sx_report rep;
    const char *told;
    struct sx_buf b;
    int err;

    sx_report_init(&rep);
    sx_buf_init(&b, 1u << 20);
    err = sxt_server_check(s->group, config, s->group->database.copy_url, &s->lines, &rep);
    add_faults(&b, &rep);
    sx_buf_add_text(&b, sx_test_logged(t)); /* a plugin's check says why in the log */
    told = sx_arena_text(&s->arena, b.data, b.len);
    sx_buf_finish(&b);
    sx_report_finish(&rep);
    if (err == 0)
        sxt_fail(file, line, "a server with %s would start, expected one that does not: %s", config,
                 part);
    if (strstr(told, part) == NULL)
        sxt_fail(file, line, "%s\n  expected to be told:\n%s\n  found:\n%s", config, part, told);
}
