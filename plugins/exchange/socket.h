/*
 * socket.h - the WebSocket of programs, inside: what is subscribed to, and what waits.
 */
#ifndef EXCHANGE_SOCKET_H
#define EXCHANGE_SOCKET_H

#include "exchange.h"

struct subscription {
    struct reader reader;
    struct subscription *next;
    struct socket *socket;
    uint32_t channels;  /* bits */
    uint32_t confirmed; /* of them */
    uint32_t greeted;   /* of those: their first message was sent */
};

struct socket {
    struct exchange *x;
    sx_ws *ws;
    struct subscription *subscriptions;
    int64_t account; /* 0: not proved */
    int64_t asked;   /* while is_asking: whose key it is */
    json_t *waiting; /* messages that are not carried out yet, in their order; owned */
    size_t n_bytes;  /* that came since nothing has waited */
    int n_owed;      /* confirmations, until the tapes are there */
    bool is_asking;  /* the database is asked for the key of the first that waits */
    bool is_closing; /* nothing more is sent */
    bool is_closed;  /* to be freed when the answer comes */
};

#define SOCKET_TRY_AGAIN 1013 /* "Try Again Later", of the registry of RFC 6455, section 11.7 */

/* Nothing is sent behind it. */
void socket_close(struct socket *s, int code, const char *reason);
/* Closes it with the reason for an error of sending. */
void socket_give_up(struct socket *s, int err);
/* A client that has not read enough is given up. */
void socket_send(struct socket *s, const struct text *text);
/* False: not now, subscription_settle goes on when the client has read; or never. */
bool socket_send_in_turn(struct socket *s, const struct text *text);
/* {"type":"error",…}; the texts are ours and need no escape. */
void socket_tell(struct socket *s, const char *message, const char *reason);
/* Carries out what waits, in its order, until something has to be waited for. */
void socket_proceed(struct socket *s);

/* Checks a whole message before anything of it is done; NULL, or what is wrong. */
const char *subscription_fault(const struct socket *s, const json_t *message, bool *ret_wants_user);
/* Carries it out, or tells what is wrong with it. */
void subscription_change(struct socket *s, const json_t *message, bool is_on);
/* Confirms what was changed as soon as all of it is there, and begins with it. */
void subscription_settle(struct socket *s);
void subscription_drop(struct socket *s, bool all);

#endif /* EXCHANGE_SOCKET_H */
