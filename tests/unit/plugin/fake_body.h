/*
 * fake_body.h - a request whose body takes what the writers of <sx/write.h> and <sx/json.h>
 * write, behind a fake host table.  For one test program each: it defines sx_host_.
 */
#ifndef FAKE_BODY_H
#define FAKE_BODY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sx/json.h>

/* A request whose body is limited, and whose reservations may be made to fail. */
struct sx_req {
    char *room; /* exactly what was reserved last, so that ASan sees a byte too many */
    size_t room_size;
    char body[70000];
    size_t len;
    size_t limit;
    int reservations;
    int failing; /* the number of the first reservation that fails; 0: none */
    int status;
    int logged;
    const char *type;
};

const sx_host *sx_host_;

static char *fake_reserve(sx_req *r, size_t n)
{
    free(r->room);
    r->room = NULL;
    r->room_size = 0;
    r->reservations++;
    if ((r->failing > 0 && r->reservations >= r->failing) || r->len + n > r->limit)
        return NULL;
    r->room = malloc(n);
    r->room_size = n;
    return r->room;
}

static void fake_commit(sx_req *r, size_t n)
{
    assert_true(n <= r->room_size);
    memcpy(r->body + r->len, r->room, n);
    r->len += n;
}

static int fake_reply_body(sx_req *r, int32_t status, const char *type)
{
    r->status = status;
    r->type = type;
    return SX_OK;
}

static int fake_rows_write(sx_req *r, const sx_rows *rows)
{
    const char *text = (const char *)rows;
    char *to = fake_reserve(r, strlen(text));

    if (to == NULL)
        return SX_ENOMEM;
    memcpy(to, text, strlen(text));
    fake_commit(r, strlen(text));
    return SX_OK;
}

static sx_plugin *fake_req_plugin(const sx_req *r)
{
    (void)r;
    return NULL;
}

static SX_PRINTF(4, 0) void fake_log(sx_plugin *p, const sx_req *r, int32_t level, const char *fmt,
                                     va_list ap)
{
    char line[200];

    (void)p;
    (void)level;
    (void)vsnprintf(line, sizeof line, fmt, ap);
    assert_int_equal(strncmp(line, "json: ", 6), 0);
    ((struct sx_req *)(uintptr_t)r)->logged++;
}

static const sx_host fake_host = {
    .size = sizeof(sx_host),
    .body_reserve = fake_reserve,
    .body_commit = fake_commit,
    .reply_body = fake_reply_body,
    .rows_write = fake_rows_write,
    .req_plugin = fake_req_plugin,
    .log = fake_log,
};

static int given_request(void **state)
{
    sx_req *r = calloc(1, sizeof *r);

    sx_host_ = &fake_host;
    r->limit = sizeof r->body - 1;
    *state = r;
    return r == NULL;
}

static int drop_request(void **state)
{
    sx_req *r = *state;

    free(r->room);
    free(r);
    return 0;
}

/* The body so far is dropped. */
static void again(sx_req *r)
{
    memset(r->body, 0, r->len);
    r->len = 0;
    r->status = r->logged = r->reservations = 0;
}

#define claim(test) cmocka_unit_test_setup_teardown(test, given_request, drop_request)

#endif /* FAKE_BODY_H */
