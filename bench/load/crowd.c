/*
 * crowd.c - a counted number of requests on many connections.
 *
 *     crowd PORT CONNECTIONS DEPTH ROUNDS PATH
 *
 * In each round every connection writes DEPTH requests at once, then the answers of each are
 * read: CONNECTIONS × DEPTH × ROUNDS requests, not one more.  The first answer gives the
 * length of all.
 */
#include "client.h"

#define MAX_CONNECTIONS   1024
#define MAX_REQUEST_BYTES 512

struct crowd {
    int fds[MAX_CONNECTIONS];
    size_t n, depth, answer_bytes;
    char *out, *in;
    size_t out_len;
};

static void fail(const char *what)
{
    (void)fprintf(stderr, "crowd: %s\n", what);
    exit(1);
}

static void prepare(struct crowd *c, const char *path)
{
    c->out = malloc(c->depth * MAX_REQUEST_BYTES);
    c->in = malloc(CLIENT_BYTES);
    if (c->out == NULL || c->in == NULL || strlen(path) > MAX_REQUEST_BYTES / 2)
        fail("no memory");
    for (size_t i = 0; i < c->depth; i++)
        c->out_len += client_write_request(c->out + c->out_len, MAX_REQUEST_BYTES, path);
}

/* At the first answer its length becomes known, which the others share. */
static void read_answers(struct crowd *c, int fd)
{
    size_t len = 0;

    while (c->answer_bytes == 0 || len < c->answer_bytes * c->depth) {
        ssize_t n = read(fd, c->in + len % (CLIENT_BYTES / 2), CLIENT_BYTES / 2 - 1);

        if (n <= 0)
            fail("a connection was closed");
        if (c->answer_bytes == 0) {
            c->in[n] = '\0';
            c->answer_bytes = client_answer_bytes(c->in);
            if (strncmp(c->in, "HTTP/1.1 200", 12) != 0)
                fail("the first answer is not 200");
        }
        len += (size_t)n;
    }
    if (len != c->answer_bytes * c->depth)
        fail("the answers differ in length");
}

int main(int argc, char **argv)
{
    struct crowd c = { .n = argc == 6 ? strtoul(argv[2], NULL, 10) : 0 };
    size_t n_rounds = argc == 6 ? strtoul(argv[4], NULL, 10) : 0;

    if (c.n == 0 || c.n > MAX_CONNECTIONS)
        fail("expected PORT CONNECTIONS DEPTH ROUNDS PATH");
    c.depth = strtoul(argv[3], NULL, 10);
    prepare(&c, argv[5]);
    for (size_t i = 0; i < c.n; i++) {
        c.fds[i] = client_connect(argv[1]);
        if (c.fds[i] < 0)
            fail("cannot connect");
    }
    for (size_t round = 0; round < n_rounds; round++) {
        for (size_t i = 0; i < c.n; i++)
            if (write(c.fds[i], c.out, c.out_len) != (ssize_t)c.out_len)
                fail("cannot write");
        for (size_t i = 0; i < c.n; i++)
            read_answers(&c, c.fds[i]);
    }
    return 0;
}
