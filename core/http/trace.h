/*
 * http/trace.h - request ids and trace contexts, taken up from the client or made here.
 */
#ifndef SX_HTTP_TRACE_H
#define SX_HTTP_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

#define SX_REQUEST_ID_MAX 64

struct sx_request_id {
    char text[SX_REQUEST_ID_MAX + 1];
    uint8_t len; /* 0: none yet */
};

/* Makes ids: 64 random bits per generator, then a counter, in base 32; 14 to 26 characters.
 * One thread. */
struct sx_request_ids {
    char prefix[13];
    uint64_t count;
};

void sx_request_ids_init(struct sx_request_ids *ids);
/* No system call. */
void sx_request_ids_next(struct sx_request_ids *ids, struct sx_request_id *ret_id);

/* X-Request-Id: takes 1 to 64 characters of [A-Za-z0-9._-]; false and nothing written
 * otherwise. */
bool sx_request_id_take(struct sx_slice field, struct sx_request_id *ret_id);

struct sx_trace {
    char trace_id[33]; /* 32 lower-case hexadecimal digits, not all zero      */
    char span_id[17];  /* 16 of them; "" when X-Cloud-Trace-Context has none  */
    bool is_sampled;
};

/* traceparent (W3C Trace Context, level 1, section 3.2), else X-Cloud-Trace-Context
 * ("TRACE/SPAN;o=1" with a decimal SPAN).  False and nothing written when neither is there and
 * well-formed. */
bool sx_trace_parse(struct sx_slice traceparent, struct sx_slice cloud_context,
                    struct sx_trace *ret_trace);

#endif /* SX_HTTP_TRACE_H */
