/*
 * http.c - the whole connection machine: what a client sends, cut where the input says, with
 * and without sockets, while answers come later, clients do not read, leave or wait too long.
 *
 * The first line of the input is a mode and a script, what is behind it is sent.  The mode is a
 * letter: its bits, from 'a' on, are sockets, gzip, CORS, trusted proxies, hardly any memory for
 * bodies and answers.  The script is gone through again and again until all is sent:
 *
 *   0-9 send 1 to 4096 bytes    c C answer the oldest, the newest that waits
 *   w turn the loop             S write to a stream     r R read 100 bytes, all
 *   t T 200 ms, 6 s go by       e the client sends no more   x it leaves   d the server drains
 *   any other: send some bytes
 *
 * The same bytes are also sent in one piece; where the script neither waits nor leaves, the
 * answers must be the same.
 */
#include "clock.h"
#include "http_run.h"

#define MAX_STEPS 5000
#define START_MS  1000000u

static const uint16_t sizes[] = { 1, 2, 3, 5, 8, 13, 64, 256, 1024, 4096 };

struct script {
    struct sx_slice ops;
    struct sx_slice left; /* to send */
};

static void send_some(struct run *r, struct script *s, size_t n)
{
    n = run_feed(r, s->left.data, n < s->left.len ? n : s->left.len);
    s->left = sx_slice_after(s->left, n);
}

static void drain(struct run *r)
{
    r->is_rude = true;
    if (!r->server->is_draining)
        sx_http_server_drain(r->server, 300, NULL, NULL);
}

static void step(struct run *r, struct script *s, char op)
{
    switch (op) {
    case 'c': owner_complete(r, 0); break;
    case 'C': owner_complete(r, RUN_MAX_PENDING); break;
    case 'w': run_turn(r); break;
    case 'S': owner_write(r); break;
    case 'r': run_read(r, 100); break;
    case 'R': run_read(r, SIZE_MAX); break;
    case 't': run_pass_ms(r, 200); break;
    case 'T': run_pass_ms(r, 6000); break;
    case 'e':
        r->is_rude = true;
        s->left.len = 0;
        run_shut(r);
        break;
    case 'x': run_leave(r); break;
    case 'd': drain(r); break;
    default:
        if (op >= '0' && op <= '9')
            send_some(r, s, sizes[op - '0']);
        else
            send_some(r, s, 1 + ((unsigned char)op & 31));
    }
}

/* Everything that is left; a client that is not heard reads what it was answered. */
static void send_rest(struct run *r, struct script *s)
{
    for (int i = 0; s->left.len > 0 && !r->is_closed && i < MAX_STEPS; i++) {
        size_t before = s->left.len;

        send_some(r, s, s->left.len);
        if (s->left.len == before) {
            owner_complete(r, 0);
            owner_write(r);
            run_read(r, SIZE_MAX);
            run_turn(r);
        }
    }
}

static void play(struct run *r, struct script *s)
{
    size_t since = 0; /* steps without a byte that was taken */

    for (size_t i = 0; i < MAX_STEPS && since < 2 * s->ops.len && s->left.len > 0; i++) {
        size_t before = s->left.len;

        step(r, s, s->ops.data[i % s->ops.len]);
        since = s->left.len == before ? since + 1 : 0;
    }
    send_rest(r, s);
    run_settle(r);
}

static struct run *run(const struct run_options *o, struct sx_slice ops, struct sx_slice bytes)
{
    struct script s = { ops, bytes };
    struct run *r = run_create(o);

    play(r, &s);
    check_answers(r);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct sx_slice bytes = fuzz_input(data, len), ops = fuzz_line(&bytes);
    unsigned mode = ops.len == 0 ? 0 : (unsigned char)ops.data[0] - 'a';
    struct run_options o = { .has_gzip = (mode & 2) != 0,
                             .has_cors = (mode & 4) != 0,
                             .has_proxies = (mode & 8) != 0 };
    bool is_short = (mode & 16) != 0;
    struct run *whole, *cut;

    if (bytes.len == 0)
        return -1;
    ops = sx_slice_after(ops, ops.len > 0);
    fuzz_clock_set_ms(START_MS);
    whole = run(&o, sx_slice_of(""), bytes);
    if (!o.has_cors && !whole->is_rude) /* a preflight never gets to the owner */
        check_framing(whole, bytes);
    o.has_sockets = (mode & 1) != 0;
    o.is_short = is_short;
    cut = run(&o, ops, bytes);
    check_same(whole, cut);
    run_finish(whole);
    run_destroy(whole);
    run_finish(cut);
    run_destroy(cut);
    return 0;
}
