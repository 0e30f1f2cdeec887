/*
 * db/statement.c - texts of statements: checked once, remembered with what they cost.
 *
 * A text that nobody uses is kept in a bounded list, so that its average and its check
 * survive until it comes again.
 */
#include "db/db_private.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "db/token.h"

/* Names that change more than rows: their connection is reset behind them (I7). */
static const char *const traces[] = {
    "set_config",
    "pg_settings", /* an UPDATE of it sets */
    "temp",
    "temporary",
    "pg_temp",
    "pg_advisory_lock",
    "pg_advisory_lock_shared",
    "pg_try_advisory_lock",
    "pg_try_advisory_lock_shared",
    NULL,
};

static const char *const commands[] = {
    "select", "insert", "update", "delete", "merge", "values", "with", NULL,
};

static bool is_one_of(const struct token *token, const char *const *words)
{
    for (; *words != NULL; words++)
        if (sx_db_token_is(token, *words))
            return true;
    return false;
}

/* U&"…" spells a name with escapes, which are not read here: it may be any. */
static bool is_escaped_name(const struct token *token)
{
    return sx_db_token_is(token, "u") && token->text[1] == '&' && token->text[2] == '"';
}

bool sx_db_is_loop_statement(const char *sql, bool *ret_leaves_trace)
{
    struct token token;
    const char *at = sql;
    bool leaves_trace = false, is_ended = false;

    do
        at = sx_db_token_next(at, &token);
    while (token.kind == TOKEN_OPEN);
    if (token.kind != TOKEN_WORD || !is_one_of(&token, commands))
        return false;
    for (at = sx_db_token_next(at, &token); token.kind != TOKEN_END;
         at = sx_db_token_next(at, &token)) {
        if (is_ended && token.kind != TOKEN_SEMICOLON)
            return false;
        is_ended = token.kind == TOKEN_SEMICOLON;
        leaves_trace = leaves_trace || is_one_of(&token, traces) || is_escaped_name(&token);
    }
    *ret_leaves_trace = leaves_trace;
    return true;
}

/* FNV-1a's constants, eight bytes at a time: only speed and spread matter here. */
static uint64_t hash_text(const char *data, size_t len)
{
    uint64_t hash = 14695981039346656037u, word;

    for (; len >= sizeof word; data += sizeof word, len -= sizeof word) {
        memcpy(&word, data, sizeof word);
        hash = (hash ^ word) * 1099511628211u;
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, data, len);
    hash = (hash ^ word ^ (uint64_t)len << 56) * 1099511628211u;
    return hash ^ hash >> 32;
}

static struct sx_db_text **bucket_of(struct sx_db_texts *texts, uint64_t hash)
{
    return &texts->buckets[hash % (sizeof texts->buckets / sizeof texts->buckets[0])];
}

static void free_text(struct sx_db_texts *texts, struct sx_db_text *text)
{
    struct sx_db_text **at = bucket_of(texts, text->hash);

    while (*at != text)
        at = &(*at)->next;
    *at = text->next;
    free(text->sql);
    free(text);
}

static void drop_oldest(struct sx_db_texts *texts)
{
    struct sx_list *entry = sx_list_pop(&texts->unused);

    texts->n_unused--;
    free_text(texts, SX_MEMBER_OF(entry, struct sx_db_text, lru));
}

void sx_db_texts_init(struct sx_db_texts *texts)
{
    memset(texts, 0, sizeof *texts);
    sx_list_init(&texts->unused);
}

void sx_db_texts_finish(struct sx_db_texts *texts)
{
    while (texts->n_unused > 0)
        drop_oldest(texts);
}

static int add_text(struct sx_db_texts *texts, const char *sql, size_t len, uint64_t hash,
                    struct sx_db_text **ret_text)
{
    struct sx_db_text **bucket = bucket_of(texts, hash), *text;
    bool leaves_trace;

    if (!sx_db_is_loop_statement(sql, &leaves_trace))
        return SX_ERR_INVALID;
    text = calloc(1, sizeof *text);
    if (text == NULL)
        return SX_ERR_NOMEM;
    text->sql = strdup(sql);
    if (text->sql == NULL) {
        free(text);
        return SX_ERR_NOMEM;
    }
    sx_list_init(&text->lru);
    text->len = len;
    text->hash = hash;
    text->leaves_trace = leaves_trace;
    text->n_refs = 1;
    text->next = *bucket;
    *bucket = text;
    *ret_text = text;
    return 0;
}

int sx_db_texts_ref(struct sx_db_texts *texts, const char *sql, struct sx_db_text **ret_text)
{
    size_t len = strlen(sql);
    uint64_t hash = hash_text(sql, len);
    struct sx_db_text *text = *bucket_of(texts, hash);

    while (text != NULL &&
           !(text->hash == hash && text->len == len && memcmp(text->sql, sql, len) == 0))
        text = text->next;
    if (text == NULL)
        return add_text(texts, sql, len, hash, ret_text);
    if (text->n_refs++ == 0) {
        sx_list_remove(&text->lru);
        texts->n_unused--;
    }
    *ret_text = text;
    return 0;
}

void sx_db_texts_unref(struct sx_db_texts *texts, struct sx_db_text *text)
{
    if (--text->n_refs > 0)
        return;
    sx_list_push(&texts->unused, &text->lru);
    texts->n_unused++;
    if (texts->n_unused > MAX_TEXTS)
        drop_oldest(texts);
}
