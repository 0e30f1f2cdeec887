/*
 * call.c - what every route does first.
 */
#include "exchange.h"
#include "rate.h"

/* One call, until the instruments are known. */
struct call {
    struct credential who;
    call_fn *private;
    instruments_fn *public;
};

static int go_on(sx_req *r, void *arg)
{
    const struct call *c = arg;

    return answer_refused(r, c->private != NULL ? c->private(r, &c->who) : c->public(r, NULL));
}

static int begin(sx_req *r, const struct call *what)
{
    struct call *c = sx_req_new(r, struct call);

    if (c == NULL)
        return SX_ENOMEM;
    *c = *what;
    sx_on_db_error(r, answer_db_error, NULL);
    return answer_refused(r, instruments_with(r, &exchange_of(r)->instruments, go_on, c));
}

int call_public(sx_req *r, instruments_fn *fn)
{
    return begin(r, &(struct call){ .public = fn });
}

int call_private(sx_req *r, call_fn *fn)
{
    struct exchange *x = exchange_of(r);
    struct call c = { .private = fn };
    int err = auth_check(r, &c.who);

    if (err != SX_NEXT)
        return err;
    if (x->rates != NULL &&
        !rate_take(x->rates, c.who.account, sx_this_worker(sx_req_plugin(r)).now_ns)) {
        err = sx_set_header(r, "Retry-After", "1");
        return err < 0 ? err : answer_fail(r, 429, "Private rate limit exceeded");
    }
    return begin(r, &c);
}
