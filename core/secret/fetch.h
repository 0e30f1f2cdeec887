/*
 * secret/fetch.h - many HTTP calls at a time, each tried until it is answered for good.
 *
 * A call whose failure may pass (429, 5xx, a connection that breaks) is tried again after a pause
 * that doubles, while the deadline of all of them lasts.  One that needs a token waits for it
 * (token.h), and gets another one once after a 401.  Redirects are not followed.
 */
#ifndef SX_SECRET_FETCH_H
#define SX_SECRET_FETCH_H

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>

#include "base/buf.h"
#include "base/list.h"
#include "config/reference.h"

#define SX_CALL_WHY 512

struct sx_call;
typedef void sx_call_done(struct sx_call *call, void *arg);

enum sx_call_state { SX_CALL_WAITING, SX_CALL_WANTS_TOKEN, SX_CALL_RUNNING };

struct sx_call {
    /* given */
    const char *url;  /* borrowed */
    const char *body; /* borrowed; of a POST; NULL: GET */
    bool wants_token;
    const char *expected; /* "a version of a secret", for 404 */
    const char *role;     /* what would make 403 go away */
    sx_call_done *on_done;
    void *arg;

    /* found: the body of a 200, or why there is none */
    struct sx_buf answer; /* finished by sx_call_finish */
    char why[SX_CALL_WHY];
    bool is_ok;

    /* of fetch.c */
    struct sx_fetch *fetch;
    struct sx_list link;
    enum sx_call_state state;
    CURL *easy;
    struct curl_slist *headers;
    uint32_t tries;
    uint64_t due_ms;
    uint32_t token_number; /* of the token that it was sent with */
    bool was_refused;      /* 401, once */
};

struct sx_token {
    char *url;            /* owned */
    struct sx_call *call; /* owned; NULL: nobody asks */
    char *header;         /* owned; "Authorization: Bearer …"; NULL: there is none */
    uint64_t expires_ms;
    uint32_t number; /* counts up */
};

struct sx_fetch {
    const struct sx_secret_settings *set; /* borrowed */
    CURLM *multi;
    struct sx_list calls; /* all that have not ended */
    uint64_t deadline_ms;
    struct sx_token token;
    const char *ca_file; /* borrowed from the environment; NULL: the system's */
};

int sx_fetch_init(struct sx_fetch *f, const struct sx_secret_settings *set);
void sx_fetch_finish(struct sx_fetch *f);
uint64_t sx_fetch_now_ms(void);

/* The caller owns the call until on_done, which may begin others. */
void sx_call_begin(struct sx_fetch *f, struct sx_call *call);
void sx_call_finish(struct sx_call *call);
/* Until none is left. */
void sx_fetch_run(struct sx_fetch *f);

/* --- token.c -------------------------------------------------------------------------------- */

/* There is one that lasts: true.  Else one is asked for, and calls in SX_CALL_WANTS_TOKEN go on, or
 * fail, when it is there. */
bool sx_token_is_ready(struct sx_fetch *f);
/* The one of that number was refused. */
void sx_token_drop(struct sx_fetch *f, uint32_t number);
void sx_token_finish(struct sx_token *token);
/* It is there; or not, and why. */
void sx_fetch_on_token(struct sx_fetch *f, const char *why);

#endif /* SX_SECRET_FETCH_H */
