/*
 * plugin/settle.c - what becomes of a request when a handler or callback has returned.
 */
#include <stdio.h>
#include <string.h>

#include "plugin/plugin_private.h"

static const struct {
    const char *sqlstate; /* a whole one, or a class of two */
    int status;
    const char *code;
} sqlstates[] = {
    { "23505", 409, "already_exists" }, { "23", 409, "constraint_violated" },
    { "22003", 400, "out_of_range" },   { "22P02", 400, "invalid_value" },
    { "22007", 400, "invalid_value" },  { "22008", 400, "invalid_value" },
    { "57014", 504, "timeout" },        { "40001", 503, "try_again" },
    { "40P01", 503, "try_again" },      { "55P03", 503, "try_again" },
    { "53", 503, "database_busy" },     { "57P", 503, "database_away" },
    { "08", 503, "database_away" },     { "", 500, "database_error" },
};

int sx_db_failure_status(const struct sx_db_failure *f, const char **ret_code)
{
    size_t i = 0;

    if (f->is_lost || f->is_busy) {
        *ret_code = f->is_busy ? "database_busy" : "database_away";
        return 503;
    }
    while (strncmp(f->sqlstate, sqlstates[i].sqlstate, strlen(sqlstates[i].sqlstate)) != 0)
        i++;
    *ret_code = sqlstates[i].code;
    return sqlstates[i].status;
}

void sx_note_failure(struct sx_req *r, const struct sx_db_failure *f)
{
    r->db_status = sx_db_failure_status(f, &r->db_code);
}

void sx_tell_failure(const struct sx_req *r, const struct sx_db_failure *f)
{
    void (*report)(struct sx_plugin *, const struct sx_req *, const char *, ...);

    if (r->db_status < 500 || f->is_lost || f->is_busy)
        return; /* an outage is told by the pool, not by each request */
    report = r->db_status == 500 ? sx_report_fault : sx_report_outage;
    report(r->plugin, r, "database: %s%s%s%s", f->message == NULL ? "no answer" : f->message,
           f->sqlstate[0] == '\0' ? "" : " (", f->sqlstate, f->sqlstate[0] == '\0' ? "" : ")");
}

/* The client whose request struck, and those who come to the broken plugin in the process that
 * ends; the next process has a whole one. */
static int answer_faulted(struct sx_req *r)
{
    if (r->has_faulted)
        return sx_http_problem(&r->http, 500, "plugin_crashed", "the plugin \"%s\" crashed",
                               r->plugin->note.name);
    (void)sx_http_set_header(&r->http, sx_slice_of("Retry-After"), sx_slice_of("1"), false);
    return sx_http_problem(&r->http, 503, "plugin_crashed",
                           "the plugin \"%s\" crashed and is being replaced", r->plugin->note.name);
}

static int answer_internal(struct sx_req *r)
{
    return sx_http_problem(&r->http, 500, "internal_error", "the server failed to answer");
}

static int answer_db(struct sx_req *r)
{
    int status = r->db_status;

    if (status == 0) { /* no statement got as far as the database */
        sx_report_fault(r->plugin, r, "the handler failed with SX_EDB, but no statement did");
        return answer_internal(r);
    }
    if (status == 503)
        (void)sx_http_set_header(&r->http, sx_slice_of("Retry-After"), sx_slice_of("1"), false);
    return sx_http_problem(&r->http, status, r->db_code,
                           strcmp(r->db_code, "already_exists") == 0
                               ? "the database already has such a row"
                           : status == 409 ? "the row breaks a rule of the database"
                           : status == 400 ? "the database cannot take such a value"
                           : status == 504 ? "the database took too long"
                           : status == 503 ? "the database is not available now"
                                           : "the database refused the statement");
}

static const char *error_name(int result)
{
    static const char *const names[] = { "SX_OK",      "SX_ENOMEM",   "SX_EINVAL",  "SX_ENOENT",
                                         "SX_EBUSY",   "SX_ETIMEOUT", "SX_ECLOSED", "SX_EDB",
                                         "SX_EDENIED", "SX_ETHREAD",  "SX_ENOSYS" };

    return result <= 0 && result >= SX_ENOSYS ? names[-result] : "a code of its own";
}

int sx_fail_with(struct sx_req *r, int result)
{
    sx_http_unreply(&r->http);
    switch (result) {
    case SX_EDB: return answer_db(r);
    case SX_FAULTED: return answer_faulted(r);
    case SX_EBUSY:
        (void)sx_http_set_header(&r->http, sx_slice_of("Retry-After"), sx_slice_of("1"), false);
        return sx_http_problem(&r->http, 503, "busy", "too much is under way, try again");
    case SX_ETIMEOUT: return sx_http_problem(&r->http, 504, "timeout", "the answer took too long");
    case SX_EINVAL:
        if (r->has_bad_handshake) /* the client's fault: sx_ws_open has told the handler */
            return sx_http_ws_refuse(&r->http);
        /* fallthrough */
    default:
        sx_report_fault(r->plugin, r, "the handler failed with %s", error_name(result));
        return answer_internal(r);
    }
}

static void finish(struct sx_req *r)
{
    r->is_done = true;
    sx_http_complete(&r->http);
}

static void answer_for(struct sx_req *r, const char *what)
{
    sx_report_fault(r->plugin, r, "%s", what);
    sx_http_unreply(&r->http);
    (void)sx_http_problem(&r->http, 500, "no_answer", "the plugin \"%s\" did not answer",
                          r->plugin->note.name);
    finish(r);
}

void sx_settle(struct sx_req *r, int result)
{
    bool has_answer = r->http.resp.status != 0;

    /* Nobody waits for an answer: nothing is said, and nothing is logged as a failure. */
    if (sx_http_is_gone(&r->http) && r->op == OP_NONE) {
        finish(r);
        return;
    }
    if (r->failed < 0 && r->op == OP_NONE)
        result = r->failed;
    if (result < 0 && !(r->has_second_reply && has_answer)) {
        if (r->op != OP_NONE) {
            r->failed = result; /* the operation ends first */
            return;
        }
        (void)sx_fail_with(r, result);
        finish(r);
        return;
    }
    if (r->op != OP_NONE)
        return;
    if (has_answer)
        finish(r);
    else if (result == SX_NEXT && r->in_hook)
        sx_advance(r);
    else if (result == SX_NEXT)
        answer_for(r, "the handler returned SX_NEXT, which only a hook may");
    else
        answer_for(r, "the handler neither answered nor started an operation");
}
