/*
 * secret/token.c - the token of the service account, from the metadata server.
 *
 * Kept until it has less than a minute left; a call that gets 401 all the same has it fetched once
 * more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/error.h"
#include "secret/fetch.h"

#define SPARE_S 60
#define MAX_S   86400

static void forget(struct sx_token *token)
{
    if (token->header != NULL)
        explicit_bzero(token->header, strlen(token->header));
    free(token->header);
    token->header = NULL;
}

void sx_token_finish(struct sx_token *token)
{
    forget(token);
    free(token->url);
    free(token->call);
    *token = (struct sx_token){ .url = NULL };
}

/* What a header can carry. */
static bool is_token(const char *text)
{
    for (; *text != '\0'; text++)
        if (*text < 0x21 || *text > 0x7e)
            return false;
    return true;
}

static uint64_t lasts_ms(json_int_t seconds)
{
    const json_int_t s = seconds < MAX_S ? seconds : MAX_S;

    return s > SPARE_S ? (uint64_t)(s - SPARE_S) * 1000 : 0;
}

static int take(struct sx_token *token, const struct sx_call *call)
{
    json_t *answer = json_loadb(call->answer.data, call->answer.len, 0, NULL);
    const char *text = json_string_value(json_object_get(answer, "access_token"));
    const json_t *expires = json_object_get(answer, "expires_in");
    int rc = SX_ERR_INVALID;

    forget(token);
    if (text != NULL && *text != '\0' && is_token(text) && json_is_integer(expires) &&
        asprintf(&token->header, "Authorization: Bearer %s", text) > 0) {
        token->expires_ms = sx_fetch_now_ms() + lasts_ms(json_integer_value(expires));
        token->number++;
        rc = 0;
    }
    json_decref(answer);
    return rc;
}

static void on_done(struct sx_call *call, void *arg)
{
    struct sx_fetch *f = arg;
    char why[SX_CALL_WHY + 96];

    f->token.call = NULL;
    if (!call->is_ok)
        (void)snprintf(why, sizeof why, "no token: %s%s", call->why,
                       strchr(call->why, '\n') != NULL
                           ? ""
                           : "\nOutside of Google Cloud, GCE_METADATA_HOST names who gives one.");
    else if (take(&f->token, call) != 0)
        (void)snprintf(why, sizeof why,
                       "no token: the metadata server's answer is none: expected access_token and "
                       "expires_in");
    else
        why[0] = '\0';
    sx_call_finish(call);
    free(call);
    sx_fetch_on_token(f, why[0] != '\0' ? why : NULL);
}

static void ask(struct sx_fetch *f)
{
    struct sx_call *call = calloc(1, sizeof *call);

    if (call == NULL)
        return; /* the deadline ends those that wait */
    *call = (struct sx_call){ .url = f->token.url,
                              .expected = "service account",
                              .role = "an identity",
                              .on_done = on_done,
                              .arg = f };
    f->token.call = call;
    sx_call_begin(f, call);
}

bool sx_token_is_ready(struct sx_fetch *f)
{
    if (f->token.header != NULL && sx_fetch_now_ms() < f->token.expires_ms)
        return true;
    if (f->token.call == NULL)
        ask(f);
    return false;
}

void sx_token_drop(struct sx_fetch *f, uint32_t number)
{
    if (f->token.number == number)
        forget(&f->token);
}
