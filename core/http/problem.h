/*
 * http/problem.h - the body of an error: application/problem+json (RFC 9457).
 */
#ifndef SX_HTTP_PROBLEM_H
#define SX_HTTP_PROBLEM_H

#include "base/buf.h"

#define SX_PROBLEM_TYPE "application/problem+json"

/* All borrowed. */
struct sx_problem {
    int status;
    const char *code;       /* stable, for programs: "not_found"; NULL: left out */
    const char *detail;     /* for people; NULL: left out                        */
    const char *request_id; /* NULL: left out                                    */
};

/* Appends {"type":"about:blank","title":…,"status":…,"code":…,"detail":…,"request_id":…};
 * the title is the reason phrase.  A failure shows in the buffer. */
void sx_problem_write(struct sx_buf *to, const struct sx_problem *problem);

#endif /* SX_HTTP_PROBLEM_H */
