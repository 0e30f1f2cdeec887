/*
 * call.c - what every private route does first.
 */
#include "exchange.h"

struct call {
    struct credential who;
    call_fn *fn;
};

static int go_on(sx_req *r, void *arg)
{
    const struct call *c = arg;

    return c->fn(r, &c->who);
}

int call_private(sx_req *r, call_fn *fn)
{
    struct call *c = sx_req_new(r, struct call);
    int err;

    if (c == NULL)
        return SX_ENOMEM;
    err = auth_check(r, &c->who);
    if (err != SX_NEXT)
        return err;
    c->fn = fn;
    sx_on_db_error(r, answer_db_error, NULL);
    return instruments_with(r, &exchange_of(r)->instruments, go_on, c);
}
