/*
 * base/list.h - an intrusive, circular, doubly linked list.
 *
 * A head is an entry linked to itself; so is an entry that is in no list.
 */
#ifndef SX_BASE_LIST_H
#define SX_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct sx_list {
    struct sx_list *next;
    struct sx_list *prev;
};

static inline void sx_list_init(struct sx_list *l)
{
    l->next = l;
    l->prev = l;
}

static inline bool sx_list_is_empty(const struct sx_list *l)
{
    return l->next == l;
}

/* At the end of the list. */
static inline void sx_list_push(struct sx_list *head, struct sx_list *entry)
{
    entry->next = head;
    entry->prev = head->prev;
    head->prev->next = entry;
    head->prev = entry;
}

/* Does nothing for an entry that is in no list. */
static inline void sx_list_remove(struct sx_list *entry)
{
    entry->prev->next = entry->next;
    entry->next->prev = entry->prev;
    sx_list_init(entry);
}

/* All of from, in its order; to need not be initialised.  from is empty then. */
static inline void sx_list_move(struct sx_list *to, struct sx_list *from)
{
    sx_list_init(to);
    if (sx_list_is_empty(from))
        return;
    *to = *from;
    to->next->prev = to;
    to->prev->next = to;
    sx_list_init(from);
}

/* The first entry taken out, or NULL. */
static inline struct sx_list *sx_list_pop(struct sx_list *head)
{
    struct sx_list *entry = head->next;

    if (entry == head)
        return NULL;
    sx_list_remove(entry);
    return entry;
}

#endif /* SX_BASE_LIST_H */
