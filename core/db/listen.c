/*
 * db/listen.c - notifications, on the connection for writes (behind a pooler: a direct one).
 *
 * After a reconnect LISTEN is sent again, and every listener is told that something may
 * have been missed.
 */
#include "db/db_private.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

enum { MAX_NAME = 63 }; /* NAMEDATALEN - 1; the server would cut a longer one */

struct sx_db_conn *sx_db_listening_conn(struct sx_db_pool *pool)
{
    for (uint32_t i = 0; i < pool->n_conns; i++) {
        struct sx_db_conn *conn = &pool->conns[i];

        if (pool->set.is_pooled ? conn->kind == KIND_LISTENER
                                : conn->kind == KIND_WRITER || conn->kind == KIND_FLIPPING)
            return conn;
    }
    return NULL;
}

static void listen_now(struct sx_db_pool *pool)
{
    struct sx_db_conn *conn = sx_db_listening_conn(pool);

    sx_db_pool_wake(pool); /* a listener connects now */
    if (conn->state != CONN_READY)
        return; /* it listens when it is set up */
    sx_db_send_listen(conn);
    sx_db_conn_flush(conn);
}

int sx_db_pool_listen(struct sx_db_pool *pool, const char *name, sx_db_notify_fn *fn, void *arg)
{
    struct sx_db_channel *channel;

    if (name[0] == '\0' || strlen(name) > MAX_NAME)
        return SX_ERR_INVALID;
    if (pool->is_closing)
        return SX_ERR_CLOSED;
    channel = calloc(1, sizeof *channel);
    if (channel == NULL)
        return SX_ERR_NOMEM;
    channel->name = strdup(name);
    if (channel->name == NULL) {
        free(channel);
        return SX_ERR_NOMEM;
    }
    channel->fn = fn;
    channel->arg = arg;
    sx_list_push(&pool->channels, &channel->link);
    listen_now(pool);
    return 0;
}

void sx_db_conn_notifies(struct sx_db_conn *conn)
{
    struct sx_db_pool *pool = conn->pool;
    PGnotify *note;

    while ((note = PQnotifies(conn->pg)) != NULL) {
        for (struct sx_list *at = pool->channels.next; at != &pool->channels; at = at->next) {
            struct sx_db_channel *channel = SX_MEMBER_OF(at, struct sx_db_channel, link);

            if (strcmp(channel->name, note->relname) == 0 && !pool->is_closing)
                channel->fn(channel->arg, note->relname, note->extra);
        }
        PQfreemem(note);
    }
}

void sx_db_tell_reconnected(struct sx_db_pool *pool)
{
    for (struct sx_list *at = pool->channels.next; at != &pool->channels; at = at->next) {
        struct sx_db_channel *channel = SX_MEMBER_OF(at, struct sx_db_channel, link);

        channel->fn(channel->arg, channel->name, NULL);
    }
}

void sx_db_channels_finish(struct sx_db_pool *pool)
{
    struct sx_list *entry;

    while ((entry = sx_list_pop(&pool->channels)) != NULL) {
        struct sx_db_channel *channel = SX_MEMBER_OF(entry, struct sx_db_channel, link);

        free(channel->name);
        free(channel);
    }
}
