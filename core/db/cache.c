/*
 * db/cache.c - which statements one connection has prepared, by text and owner.
 *
 * An owner is one role and one search path, so its address stands for both.  An entry that
 * the server has not confirmed yet is never evicted and never executed.
 */
#include "db/db_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sx_db_cached **bucket_of(struct sx_db_cache *cache, const struct sx_db_text *text,
                                       const struct sx_db_owner *owner)
{
    size_t n = sizeof cache->buckets / sizeof cache->buckets[0];

    return &cache->buckets[(text->hash + owner->index * 31u) % n];
}

void sx_db_cache_init(struct sx_db_cache *cache)
{
    memset(cache, 0, sizeof *cache);
    sx_list_init(&cache->lru);
}

void sx_db_cache_remove(struct sx_db_cache *cache, struct sx_db_texts *texts,
                        struct sx_db_cached *c)
{
    struct sx_db_cached **at = bucket_of(cache, c->text, c->owner);

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    sx_list_remove(&c->lru);
    sx_db_texts_unref(texts, c->text);
    cache->n--;
    free(c);
}

void sx_db_cache_clear(struct sx_db_cache *cache, struct sx_db_texts *texts)
{
    while (!sx_list_is_empty(&cache->lru))
        sx_db_cache_remove(cache, texts, SX_MEMBER_OF(cache->lru.next, struct sx_db_cached, lru));
}

struct sx_db_cached *sx_db_cache_find(struct sx_db_cache *cache, const struct sx_db_text *text,
                                      const struct sx_db_owner *owner)
{
    struct sx_db_cached *c = *bucket_of(cache, text, owner);

    while (c != NULL && !(c->text == text && c->owner == owner))
        c = c->next;
    if (c != NULL) {
        sx_list_remove(&c->lru);
        sx_list_push(&cache->lru, &c->lru);
    }
    return c;
}

struct sx_db_cached *sx_db_cache_add(struct sx_db_cache *cache, struct sx_db_text *text,
                                     const struct sx_db_owner *owner)
{
    struct sx_db_cached **bucket = bucket_of(cache, text, owner), *c = calloc(1, sizeof *c);

    if (c == NULL)
        return NULL;
    text->n_refs++;
    c->text = text;
    c->owner = owner;
    c->next = *bucket;
    *bucket = c;
    (void)snprintf(c->name, sizeof c->name, "sx%u", ++cache->n_names);
    sx_list_push(&cache->lru, &c->lru);
    cache->n++;
    return c;
}

struct sx_db_cached *sx_db_cache_surplus(struct sx_db_cache *cache)
{
    if (cache->n < MAX_CACHED)
        return NULL;
    for (struct sx_list *at = cache->lru.next; at != &cache->lru; at = at->next) {
        struct sx_db_cached *c = SX_MEMBER_OF(at, struct sx_db_cached, lru);

        if (c->is_prepared)
            return c;
    }
    return NULL;
}
