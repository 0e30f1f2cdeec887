/*
 * http_answer.h - an answer out of the bytes that a client got, read strictly (RFC 9112) by code
 * of its own.
 */
#ifndef SX_FUZZ_HTTP_ANSWER_H
#define SX_FUZZ_HTTP_ANSWER_H

#include "fuzz.h"

struct answer {
    int status; /* of the final answer; interim ones before it are passed over */
    bool says_close, is_problem, ends_with_connection;
    uint64_t head_hash; /* without what differs from run to run */
    uint64_t body_hash; /* decoded */
    uint64_t body_len;
};

/* The bytes that it takes, or 0 when it has not come whole.  What is no answer ends the program.
 * is_over: nothing more will come. */
size_t answer_read(struct sx_slice bytes, bool is_head, bool is_over, struct answer *ret);

#endif /* SX_FUZZ_HTTP_ANSWER_H */
